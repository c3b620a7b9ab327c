//! Batches in MIME parts, as both versions have them (version 4.0, part 1, section 11.7). In version 2 what writes stands in a
//! change set; each has one of its own, so that none takes another with it.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::Reply;

use super::Part;
use crate::edm::Version;

/// Parts inside of parts: a batch, its change sets.
const DEPTH_MAX: usize = 3;

/// The content type and the body.
pub fn write(parts: &[Part], version: Version) -> (String, Vec<u8>) {
    let boundary = boundary("batch", parts);
    let mut out = String::new();
    for (number, part) in parts.iter().enumerate() {
        out.push_str(&format!("--{boundary}\r\n"));
        if version == Version::V2 && part.method != "GET" {
            let inner = format!("changeset_{boundary}_{number}");
            out.push_str(&format!("Content-Type: multipart/mixed; boundary={inner}\r\n\r\n--{inner}\r\n"));
            write_part(&mut out, number, part);
            out.push_str(&format!("--{inner}--\r\n"));
        } else {
            write_part(&mut out, number, part);
        }
    }
    out.push_str(&format!("--{boundary}--\r\n"));
    (format!("multipart/mixed; boundary={boundary}"), out.into_bytes())
}

fn write_part(out: &mut String, number: usize, part: &Part) {
    out.push_str("Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n");
    out.push_str(&format!("Content-ID: {}\r\n\r\n{} {} HTTP/1.1\r\n", number + 1, part.method, part.below));
    if !part.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
        out.push_str("Accept: application/json\r\n");
    }
    for (name, value) in &part.headers {
        out.push_str(&format!("{name}: {}\r\n", value.replace(['\r', '\n'], " ")));
    }
    let body = part.body.as_deref().unwrap_or_default();
    if part.method != "GET" && part.method != "DELETE" {
        out.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    out.push_str(&format!("\r\n{body}\r\n"));
}

/// A line that stands in none of the parts.
fn boundary(prefix: &str, parts: &[Part]) -> String {
    let is_inside =
        |boundary: &str| parts.iter().any(|part| part.body.as_ref().is_some_and(|body| body.contains(boundary)));
    let mut number: u32 = 0;
    loop {
        let boundary = format!("{prefix}_lockstep_{number}");
        if !is_inside(&boundary) {
            return boundary;
        }
        number += 1;
    }
}

/// The answer to each request, in order; none for the last ones if there are fewer.
pub fn read(content_type: &str, body: &[u8], count: usize) -> Result<Vec<Option<Reply>>> {
    let mut found = Vec::with_capacity(count);
    collect(content_type, body, DEPTH_MAX, &mut found)?;
    if found.len() > count {
        return Err(broken("it holds more answers than there were requests"));
    }
    let mut answers: Vec<Option<Reply>> = found.into_iter().map(Some).collect();
    answers.resize_with(count, || None);
    Ok(answers)
}

fn broken(reason: &str) -> Error {
    Error::permanent(format!("the answer to a batch cannot be read: {reason}")).with_code("odata.batch")
}

fn collect(content_type: &str, body: &[u8], depth: usize, found: &mut Vec<Reply>) -> Result<()> {
    let boundary = parameter(content_type, "boundary").ok_or_else(|| broken("its parts have no boundary"))?;
    let depth = depth.checked_sub(1).ok_or_else(|| broken("its parts are nested too deep"))?;
    for part in split(body, &boundary) {
        let (headers, inside) = head(part);
        let kind = header(&headers, "content-type").unwrap_or_default();
        if kind.to_ascii_lowercase().starts_with("multipart/") {
            collect(&kind, inside, depth, found)?;
        } else {
            found.push(answer(inside)?);
        }
    }
    Ok(())
}

/// The parts between the boundaries. One that is cut off is none.
fn split<'b>(body: &'b [u8], boundary: &str) -> Vec<&'b [u8]> {
    let mark = format!("--{boundary}");
    let (mut parts, mut start, mut at) = (Vec::new(), None, 0);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        let is_end = text.strip_prefix(mark.as_bytes()).is_some_and(|rest| rest == b"--");
        if text == mark.as_bytes() || is_end {
            if let Some(part) = start.and_then(|start| body.get(start..at)) {
                let part: &[u8] = part;
                let part = part.strip_suffix(b"\n").unwrap_or(part);
                parts.push(part.strip_suffix(b"\r").unwrap_or(part));
            }
            start = (!is_end).then_some(at + line.len());
        }
        at += line.len();
    }
    parts
}

/// Headers, and what stands behind the empty line.
fn head(part: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let (mut headers, mut at) = (Vec::new(), 0);
    for line in part.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if text.is_empty() {
            break;
        }
        headers.extend(text.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
    }
    (headers, part.get(at..).unwrap_or_default())
}

fn header(headers: &[(String, String)], name: &str) -> Option<String> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

/// `HTTP/1.1 204 No Content`, headers, body.
fn answer(part: &[u8]) -> Result<Reply> {
    let part = part.trim_ascii_start();
    let end = part.iter().position(|byte| *byte == b'\n').map_or(part.len(), |at| at + 1);
    let line = String::from_utf8_lossy(part.get(..end).unwrap_or_default()).into_owned();
    let mut words = line.split_ascii_whitespace();
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/"));
    let status = words.next().and_then(|word| word.parse().ok()).filter(|_| is_http);
    let status = status.ok_or_else(|| broken("a part of it is no HTTP answer"))?;
    let (headers, body) = head(part.get(end..).unwrap_or_default());
    let length = header(&headers, "content-length").and_then(|length| length.parse::<usize>().ok());
    let body = length.and_then(|length| body.get(..length)).unwrap_or(body);
    Ok(Reply { status, headers, body: body.trim_ascii_end().to_vec() })
}

/// A parameter of a content type, quoted or not.
fn parameter(content_type: &str, name: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (known, value) = parameter.split_once('=')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> [Part; 2] {
        [
            Part { method: "GET", below: "A(1)".into(), ..Part::default() },
            Part {
                method: "PATCH",
                below: "A(2)".into(),
                headers: vec![("If-Match".into(), "*".into())],
                body: Some("{\"a\":\"batch_lockstep_0\"}".into()),
            },
        ]
    }

    #[test]
    fn a_batch_is_what_its_receiver_takes_apart() {
        let (kind, body) = write(&parts(), Version::V4);
        assert_eq!(kind, "multipart/mixed; boundary=batch_lockstep_1");
        let found = split(&body, "batch_lockstep_1");
        assert_eq!(found.len(), 2);
        let (headers, inside) = head(found[1]);
        assert_eq!(header(&headers, "content-id").as_deref(), Some("2"));
        assert!(inside.starts_with(
            b"PATCH A(2) HTTP/1.1\r\nAccept: application/json\r\nIf-Match: *\r\nContent-Length: 24\r\n\r\n{"
        ));
        let (_, body) = write(&parts(), Version::V2);
        let text = String::from_utf8(body).unwrap();
        assert_eq!(text.matches("multipart/mixed; boundary=changeset_").count(), 1);
    }

    #[test]
    fn answers_are_read_in_order_and_out_of_change_sets() {
        let body = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":\r\n1}\r\n\r\n\
            --b\r\nContent-Type: multipart/mixed; boundary=\"c\"\r\n\r\n--c\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\nETag: x\r\n\r\n\r\n--c--\r\n\
            --b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 412 Precondition Failed\r\nContent-Length: 2\r\n\r\n{}xx\r\n--b--\r\n";
        let answers = read("multipart/mixed;boundary=b", body.as_bytes(), 4).unwrap();
        let shown: Vec<Option<(u16, String)>> = answers
            .iter()
            .map(|answer| answer.as_ref().map(|reply| (reply.status, String::from_utf8(reply.body.clone()).unwrap())))
            .collect();
        let expected =
            [Some((200, "{\"a\":\r\n1}".to_owned())), Some((204, String::new())), Some((412, "{}".to_owned())), None];
        assert_eq!(shown, expected);
        // What is cut off counts as far as it is whole.
        let cut = &body.as_bytes()[..body.len() - 12];
        assert!(read("multipart/mixed;boundary=b", cut, 3).unwrap()[2].is_none());
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(read("multipart/mixed", b"", 1).is_err());
        assert!(read("multipart/mixed;boundary=b", b"--b\r\n\r\nhello\r\n--b--", 1).is_err());
        let two = b"--b\n\nHTTP/1.1 200 OK\n\n\n--b\n\nHTTP/1.1 200 OK\n\n\n--b--";
        assert!(read("multipart/mixed;boundary=b", two, 1).is_err());
        let nested = "--b\nContent-Type: multipart/mixed; boundary=b\n\n".repeat(50);
        let _ = read("multipart/mixed;boundary=b", nested.as_bytes(), 1);
    }
}
