//! Batches in JSON (version 4.01, section 19).

use lockstep_json::{Document, Fault, Kind, Value, write_string};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::Reply;
use lockstep_plugin_sdk::http::answer::json;
use lockstep_web::answer::fault;

use super::Part;

pub fn write(parts: &[Part]) -> Vec<u8> {
    let mut out = String::from("{\"requests\":[");
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        out.push_str(&format!("{{\"id\":\"{number}\",\"method\":\"{}\",\"url\":", part.method));
        write_string(&mut out, &part.below);
        out.push_str(",\"headers\":{");
        let accept = ("accept".to_owned(), "application/json".to_owned());
        let given = part.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let has_accept = part.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept"));
        for (place, (name, value)) in given.chain((!has_accept).then_some(accept)).enumerate() {
            if place > 0 {
                out.push(',');
            }
            write_string(&mut out, &name);
            out.push(':');
            write_string(&mut out, &value);
        }
        out.push('}');
        if let Some(body) = &part.body {
            out.push_str(",\"body\":");
            out.push_str(body);
        }
        out.push('}');
    }
    out.push_str("]}");
    out.into_bytes()
}

/// The answer to each request; none where there is none.
pub fn read(reply: &Reply, count: usize) -> Result<Vec<Option<Reply>>> {
    let text = json(reply)?;
    let mut answers: Vec<Option<Reply>> = (0..count).map(|_| None).collect();
    let mut document = Document::new(text.as_bytes());
    let mut is_batch = false;
    let read = document.object::<Fault>(|document, key| {
        if &*key.of(document.text()) != b"responses" || !document.is_next(b'[') {
            return document.value().map(|_| ());
        }
        is_batch = true;
        document.array(|document| {
            let (id, answer) = response(document)?;
            if let Some(place) = id.and_then(|id| answers.get_mut(id)) {
                *place = Some(answer);
            }
            Ok(())
        })
    });
    read.and_then(|()| document.end()).map_err(|found| fault(text, found))?;
    if !is_batch {
        return Err(Error::permanent("the answer to a batch holds no answers").with_code("odata.batch"));
    }
    Ok(answers)
}

fn response(document: &mut Document<'_>) -> Result<(Option<usize>, Reply), Fault> {
    let text = document.text();
    let (mut id, mut reply) = (None, Reply::default());
    document.object::<Fault>(|document, key| {
        match &*key.of(text) {
            b"id" => id = document.value()?.said(text).and_then(|id| id.parse().ok()),
            b"status" => reply.status = document.value()?.said(text).and_then(|said| said.parse().ok()).unwrap_or(0),
            b"headers" if document.is_next(b'{') => document.object::<Fault>(|document, key| {
                let name = String::from_utf8_lossy(&key.of(text)).into_owned();
                let value = document.value()?.said(text);
                reply.headers.extend(value.map(|value| (name, value)));
                Ok(())
            })?,
            b"body" => reply.body = body(document.value()?, text),
            _ => {
                document.value()?;
            }
        }
        Ok(())
    })?;
    Ok((id, reply))
}

/// A string is a body that is no JSON.
fn body(value: Value, text: &[u8]) -> Vec<u8> {
    match value.kind {
        Kind::Null => Vec::new(),
        Kind::Text(inside) => inside.of(text).into_owned(),
        _ => value.of(text).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_numbered() {
        let parts = [
            Part { method: "GET", below: "A(%27x%27)".into(), ..Part::default() },
            Part {
                method: "PATCH",
                below: "A(1)".into(),
                headers: vec![("If-Match".into(), "W/\"1\"".into())],
                body: Some("{\"a\":1}".into()),
            },
        ];
        let written = String::from_utf8(write(&parts)).unwrap();
        assert_eq!(
            written,
            r#"{"requests":[{"id":"0","method":"GET","url":"A(%27x%27)","headers":{"accept":"application/json"}},{"id":"1","method":"PATCH","url":"A(1)","headers":{"if-match":"W/\"1\"","accept":"application/json"},"body":{"a":1}}]}"#
        );
    }

    #[test]
    fn answers_find_their_requests() {
        let body = r#"{"responses":[{"id":"1","status":412,"headers":{"ETag":"x"},"body":{"error":{}}},{"id":"0","status":204},{"id":"9","status":200}]}"#;
        let reply = Reply { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() };
        let answers = read(&reply, 3).unwrap();
        assert_eq!(answers[0].as_ref().unwrap().status, 204);
        assert_eq!(
            (answers[1].as_ref().unwrap().status, answers[1].as_ref().unwrap().header("etag")),
            (412, Some("x"))
        );
        assert!(answers[2].is_none());
        for bad in ["", "{}", "[]", "{\"responses\":[{\"id\":\"0\"", "<html>"] {
            assert!(read(&Reply { body: bad.as_bytes().to_vec(), ..reply.clone() }, 1).is_err(), "{bad}");
        }
    }
}
