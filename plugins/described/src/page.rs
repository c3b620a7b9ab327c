//! Answers that hold lists: the records one by one, and everything around them.

use lockstep_json::{Document, Fault, Node};
use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::http::answer::beginning;
use lockstep_web::answer::fault;

use crate::Result;
use crate::failure::{Say as _, failure};

/// What stands around a list.
#[derive(Debug, Default)]
pub struct Around {
    pub envelope: Node,
    pub is_list: bool,
}

/// Goes through an answer; `visit` has to read each element of the list at `path`.
pub fn walk(
    text: &str,
    path: &[String],
    mut visit: impl FnMut(&mut Document<'_>) -> Result<(), Fault>,
) -> Result<Around> {
    let mut around = Around::default();
    let mut document = Document::new(text.as_bytes());
    level(&mut document, path, &mut around, &mut Vec::new(), &mut visit)
        .and_then(|()| document.end())
        .map_err(|reason| fault(text, reason))?;
    Ok(around)
}

fn level<'p>(
    document: &mut Document<'_>,
    path: &'p [String],
    around: &mut Around,
    at: &mut Vec<&'p str>,
    visit: &mut dyn FnMut(&mut Document<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    match path.split_first() {
        None if document.is_next(b'[') => {
            around.is_list = true;
            document.array(|document| visit(document))
        }
        Some((step, rest)) if document.is_next(b'{') => {
            if around.envelope.at(at).is_none() || at.is_empty() {
                around.envelope.set(at, Node::Object(Vec::new()));
            }
            document.object::<Fault>(|document, key| {
                let name = key.of(document.text()).into_owned();
                if name == step.as_bytes() {
                    at.push(step);
                    level(document, rest, around, at, visit)?;
                    at.pop();
                    return Ok(());
                }
                let value = Node::next(document)?;
                let name = String::from_utf8_lossy(&name).into_owned();
                let place: Vec<&str> = at.iter().copied().chain([name.as_str()]).collect();
                around.envelope.set(&place, value);
                Ok(())
            })
        }
        _ => {
            let value = Node::next(document)?;
            around.envelope.set(at, value);
            Ok(())
        }
    }
}

/// An answer without the list it should have.
pub fn no_list(text: &str, path: &[String], what: &str) -> Box<Error> {
    let place =
        if path.is_empty() { "in its answer".to_owned() } else { format!("at `{}` of its answer", path.join(".")) };
    failure(ErrorKind::Permanent, "api.no-list", &format!("the API has no list {place} when asked to {what}"))
        .detail(&beginning(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, path: &str, elements: usize, envelope: &str) {
        let mut count = 0;
        let path: Vec<String> = path.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect();
        let around = walk(text, &path, |document| {
            count += 1;
            document.value().map(|_| ())
        });
        let around = around.unwrap();
        assert_eq!((count, around.envelope.to_json().as_str()), (elements, envelope), "{text}");
        assert_eq!(around.is_list, elements > 0);
    }

    #[test]
    fn what_stands_around_a_list_is_kept() {
        check(r#"{"a":{"list":[1,2],"next":"x"},"b":[3]}"#, "a.list", 2, r#"{"a":{"next":"x"},"b":[3]}"#);
        check(r#"[1,2,3]"#, "", 3, "null");
        check(r#"{"a":null,"b":{"c":1}}"#, "a.list", 0, r#"{"a":null,"b":{"c":1}}"#);
        check(r#"{"list":{"x":1}}"#, "list", 0, r#"{"list":{"x":1}}"#);
        check(r#"{"b":1}"#, "", 0, r#"{"b":1}"#);
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        for text in ["{\"a\":[1", "{\"a\":[1]", "{\"a\":[1]}x", "{\"b\":1,\"b\":{\"c\":1,\"c\":2}}"] {
            assert!(walk(text, &["a".to_owned()], |document| document.value().map(|_| ())).is_err(), "{text}");
        }
    }
}
