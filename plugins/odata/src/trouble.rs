//! What a service says when it does not do what it was asked.

use lockstep_json::{Document, Fault, Value};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::Reply;
use lockstep_plugin_sdk::http::answer::{beginning, json, kind_of, page, sentence};

/// The words of a service: `{"error":{"code":"…","message":"…"}}`, in version 2 with the language of the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    pub code: String,
    pub message: String,
}

impl Words {
    /// The error object that is next in a document.
    pub fn read(document: &mut Document<'_>) -> Result<Self, Fault> {
        let mut words = Self::default();
        let text = document.text();
        if !document.is_next(b'{') {
            words.message = document.value()?.said(text).unwrap_or_default();
            return Ok(words);
        }
        document.object::<Fault>(|document, key| {
            match &*key.of(text) {
                b"code" => words.code = said(document.value()?, text),
                b"message" if document.is_next(b'{') => document.object::<Fault>(|document, key| {
                    let value = document.value()?;
                    if &*key.of(text) == b"value" {
                        words.message = said(value, text);
                    }
                    Ok(())
                })?,
                b"message" => words.message = said(document.value()?, text),
                _ => {
                    document.value()?;
                }
            }
            Ok(())
        })?;
        Ok(words)
    }

    /// What an answer says is wrong; none if it says nothing of that kind.
    pub fn of(reply: &Reply) -> Option<Self> {
        let text = json(reply).ok()?;
        let (mut document, mut words) = (Document::new(text.as_bytes()), None);
        document
            .object::<Fault>(|document, key| {
                match &*key.of(document.text()) {
                    b"error" | b"odata.error" => words = Some(Self::read(document)?),
                    _ => {
                        document.value()?;
                    }
                }
                Ok(())
            })
            .ok()?;
        words
    }

    pub fn is_empty(&self) -> bool {
        self.code.is_empty() && self.message.is_empty()
    }
}

fn said(value: Value, text: &[u8]) -> String {
    value.said(text).unwrap_or_default()
}

/// An answer that is no success, as an error. `what` was asked of the service, in a sentence: `read `Customers``.
pub fn refused(reply: &Reply, what: &str) -> Error {
    let words = Words::of(reply);
    let is_page = words.is_none() && reply.body.trim_ascii_start().starts_with(b"<");
    if is_page && !(500..600).contains(&reply.status) && !is_xml(reply) {
        return page(reply);
    }
    let kind = kind_of(reply.status);
    let words = words.unwrap_or_default();
    let said = if words.message.is_empty() { String::new() } else { format!(": {}", sentence(&words.message)) };
    let code = if words.code.is_empty() { format!("odata.{}", reply.status) } else { words.code };
    let error = Error::new(kind, format!("the service answered {} when asked to {what}{said}", reply.status));
    let error = error.with_code(code).with_property("status", reply.status.to_string());
    match (300..400).contains(&reply.status) {
        true => error.with_hint("the service sends requests elsewhere, to a login for instance: check origin and path"),
        false => error.with_property("detail", beginning(&reply.body)),
    }
}

fn is_xml(reply: &Reply) -> bool {
    reply.header("content-type").is_some_and(|kind| kind.contains("xml") && !kind.contains("html"))
}

/// A success that says it is none.
pub fn failed(words: &Words, what: &str) -> Error {
    let code = if words.code.is_empty() { "odata.error".to_owned() } else { words.code.clone() };
    Error::transient(format!("the service answered with an error when asked to {what}: {}", sentence(&words.message)))
        .with_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::error::ErrorKind;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn services_say_what_is_wrong_in_their_versions() {
        let words = |body: &str| Words::of(&reply(400, body)).map(|words| (words.code, words.message));
        let expected = Some(("X".to_owned(), "no".to_owned()));
        assert_eq!(words(r#"{"error":{"code":"X","message":"no","details":[{"message":"y"}]}}"#), expected);
        assert_eq!(words(r#"{"error":{"code":"X","message":{"lang":"en","value":"no"}}}"#), expected);
        assert_eq!(words(r#"{"error":"no"}"#), Some((String::new(), "no".to_owned())));
        assert_eq!(words(r#"{"error":{"code":"X""#), None);
        assert_eq!(words(r#"{"value":[]}"#), None);
    }

    #[test]
    fn statuses_mean_what_can_be_done() {
        let check = |status, body: &str, kind: ErrorKind, code: &str| {
            let error = refused(&reply(status, body), "read `A`");
            assert!(error.is(kind) && error.code == code, "{status} {error:?}");
        };
        check(400, r#"{"error":{"code":"X","message":"No way."}}"#, ErrorKind::Permanent, "X");
        check(500, "<html>", ErrorKind::Transient, "odata.500");
        check(401, "", ErrorKind::Auth, "odata.401");
        check(302, "", ErrorKind::Auth, "odata.302");
        check(403, "<html>forbidden", ErrorKind::Auth, "http.page");
        check(404, "{}", ErrorKind::NotFound, "odata.404");
        check(410, "{}", ErrorKind::StaleCursor, "odata.410");
        assert!(refused(&reply(400, r#"{"error":{"message":"No\nway."}}"#), "read").message.ends_with("read: No way"));
    }
}
