//! What the API says when it does not do what it was asked, and what can be done about it.

use lockstep_json::{Document, Fault};
use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::http::Reply;
use lockstep_plugin_sdk::http::answer::{beginning, json, kind_of, page, sentence};

/// One error: `[{"errorCode":"…","message":"…","fields":["…"]}]` of a request, `statusCode` instead of `errorCode` of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    pub code: String,
    pub message: String,
    pub fields: Vec<String>,
}

impl Words {
    /// The error object that is next in a document.
    pub fn read(document: &mut Document<'_>) -> Result<Self, Fault> {
        let (mut words, text) = (Self::default(), document.text());
        if !document.is_next(b'{') {
            words.message = document.value()?.said(text).unwrap_or_default();
            return Ok(words);
        }
        document.object::<Fault>(|document, key| {
            match &*key.of(text) {
                b"errorCode" | b"statusCode" | b"error" => {
                    words.code = document.value()?.said(text).unwrap_or_default()
                }
                b"message" | b"error_description" => {
                    words.message = document.value()?.said(text).unwrap_or_default();
                }
                b"fields" if document.is_next(b'[') => document.array::<Fault>(|document| {
                    words.fields.extend(document.value()?.string(text));
                    Ok(())
                })?,
                _ => {
                    document.value()?;
                }
            }
            Ok(())
        })?;
        Ok(words)
    }

    /// What an answer says is wrong: the first of its errors, or the only one.
    pub fn of(reply: &Reply) -> Option<Self> {
        let text = json(reply).ok()?;
        let mut document = Document::new(text.as_bytes());
        if !document.is_next(b'[') {
            let words = Self::read(&mut document).ok()?;
            return Some(words).filter(|words| !words.code.is_empty());
        }
        let mut first = None;
        document
            .array::<Fault>(|document| {
                let words = Self::read(document)?;
                first.get_or_insert(words);
                Ok(())
            })
            .ok()?;
        first.filter(|words| !words.code.is_empty())
    }

    /// What can be done about it; none if the words say nothing about that.
    pub fn kind(&self) -> Option<ErrorKind> {
        Some(match self.code.as_str() {
            "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER" | "INSUFFICIENT_ACCESS" | "API_DISABLED_FOR_ORG" => {
                ErrorKind::Auth
            }
            "REQUEST_LIMIT_EXCEEDED" | "LIMIT_EXCEEDED" | "TXN_LIMIT_EXCEEDED" => ErrorKind::RateLimited,
            "UNABLE_TO_LOCK_ROW"
            | "SERVER_UNAVAILABLE"
            | "QUERY_TIMEOUT"
            | "REQUEST_RUNNING_TOO_LONG"
            | "API_CURRENTLY_DISABLED"
            | "UNKNOWN_EXCEPTION"
            | "ORG_LOCKED" => ErrorKind::Transient,
            "INVALID_TYPE" | "INVALID_FIELD" | "MALFORMED_QUERY" | "INVALID_QUERY_FILTER_OPERATOR" => ErrorKind::Config,
            _ => return None,
        })
    }
}

/// How long to wait where the day's requests are used up: they come back bit by bit, over the last 24 hours.
const LIMIT_WAIT: std::time::Duration = std::time::Duration::from_secs(900);

/// An answer that is no success, as an error. `what` was asked, in a sentence: `read `Account``.
pub fn refused(reply: &Reply, what: &str) -> Error {
    let words = Words::of(reply);
    let is_page = words.is_none() && reply.body.trim_ascii_start().starts_with(b"<");
    if is_page && !(500..600).contains(&reply.status) {
        return page(reply);
    }
    let Some(words) = words else {
        let error =
            Error::new(kind_of(reply.status), format!("Salesforce answered {} when asked to {what}", reply.status));
        let error = error.with_code(format!("salesforce.{}", reply.status));
        return match (300..400).contains(&reply.status) {
            true => error.with_hint("the origin is the org's own: `https://MyDomain.my.salesforce.com`"),
            false => error.with_property("detail", beginning(&reply.body)),
        };
    };
    said(&words, words.kind().unwrap_or(kind_of(reply.status)), what).with_property("status", reply.status.to_string())
}

/// What the words mean.
pub fn said(words: &Words, kind: ErrorKind, what: &str) -> Error {
    let message = format!("Salesforce was asked to {what} and said: {}", sentence(&words.message));
    let error = match kind {
        ErrorKind::RateLimited => Error::rate_limited(message, LIMIT_WAIT),
        kind => Error::new(kind, message),
    };
    let error = error.with_code(words.code.clone());
    match words.fields.first() {
        Some(field) => error.with_field(field.clone()),
        None => error,
    }
}

/// A success that says it is none.
pub fn failed(words: &Words, what: &str) -> Error {
    said(words, words.kind().unwrap_or(ErrorKind::Transient), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn words_are_found_in_every_form() {
        let words = |body: &str| Words::of(&reply(400, body)).map(|words| (words.code, words.message, words.fields));
        let expected = |fields: &[&str]| {
            Some(("X".to_owned(), "no".to_owned(), fields.iter().map(|field| (*field).to_owned()).collect()))
        };
        assert_eq!(words(r#"[{"message":"no","errorCode":"X"},{"message":"y","errorCode":"Z"}]"#), expected(&[]));
        assert_eq!(words(r#"[{"message":"no","statusCode":"X","fields":["a","b"]}]"#), expected(&["a", "b"]));
        assert_eq!(words(r#"{"error":"X","error_description":"no"}"#), expected(&[]));
        for none in ["", "[]", "[1]", r#"[{"errorCode":"X""#, r#"{"records":[]}"#, r#"[{"id":"1"}]"#] {
            assert_eq!(words(none), None, "{none}");
        }
    }

    #[test]
    fn kinds_are_what_can_be_done() {
        let check = |status, body: &str, kind: ErrorKind, code: &str| {
            let error = refused(&reply(status, body), "read `A`");
            assert!(error.is(kind) && error.code == code, "{status} {error:?}");
        };
        let of = |code: &str| format!("[{{\"errorCode\":\"{code}\",\"message\":\"Too bad.\"}}]");
        check(401, &of("INVALID_SESSION_ID"), ErrorKind::Auth, "INVALID_SESSION_ID");
        check(403, &of("REQUEST_LIMIT_EXCEEDED"), ErrorKind::RateLimited, "REQUEST_LIMIT_EXCEEDED");
        check(500, &of("UNKNOWN_EXCEPTION"), ErrorKind::Transient, "UNKNOWN_EXCEPTION");
        check(400, &of("INVALID_FIELD"), ErrorKind::Config, "INVALID_FIELD");
        check(400, &of("OTHER"), ErrorKind::Permanent, "OTHER");
        check(500, "<html>", ErrorKind::Transient, "salesforce.500");
        check(302, "", ErrorKind::Auth, "salesforce.302");
        check(404, "<html>", ErrorKind::Auth, "http.page");
        assert!(refused(&reply(403, &of("REQUEST_LIMIT_EXCEEDED")), "read").retry_after_ms.is_some());
    }
}
