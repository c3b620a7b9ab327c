//! What is wrong with an answer, as far as that can be told without knowing the API.

use super::ask::Reply;
use crate::error::{Error, ErrorKind, Result};

/// The text of an answer that is JSON. A login page, nothing at all and text that is not UTF-8 are not.
pub fn json(reply: &Reply) -> Result<&str> {
    let body = reply.body.trim_ascii();
    if body.is_empty() {
        let text = format!("the service answered {} without a word", reply.status);
        return Err(Error::transient(text).with_code("http.empty"));
    }
    let kind = reply.header("content-type").unwrap_or_default().to_ascii_lowercase();
    if body.starts_with(b"<") || kind.starts_with("text/html") {
        return Err(page(reply));
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body)
        .map_err(|_| Error::permanent("the service answered with text that is not UTF-8").with_code("http.utf8"))
}

/// A page for people where data was expected: nearly always a login page, or a gateway's excuse.
pub fn page(reply: &Reply) -> Error {
    page_of(reply.status, beginning(&reply.body))
}

/// The same, of an answer whose body is gone; `beginning` is what it began with.
pub fn page_of(status: u16, beginning: String) -> Error {
    Error::auth(format!("the service answered {status} with a page instead of data, as login pages do"))
        .with_code("http.page")
        .with_property("detail", beginning)
        .with_hint("check the origin, the path of the service and the credentials of the connection")
}

/// What a status that is no success means; the API's own words are for the caller to add.
pub fn kind_of(status: u16) -> ErrorKind {
    match status {
        300..=399 | 401 | 403 | 407 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        409 | 412 | 428 => ErrorKind::Conflict,
        410 => ErrorKind::StaleCursor,
        400 | 405..=406 | 411 | 413..=415 | 422 | 501 => ErrorKind::Permanent,
        429 => ErrorKind::RateLimited,
        _ if status >= 500 => ErrorKind::Transient,
        _ => ErrorKind::Permanent,
    }
}

/// Words of others within a sentence of ours.
pub fn sentence(message: &str) -> String {
    let message: String = message.trim().trim_end_matches('.').chars().take(500).collect();
    message.replace(['\r', '\n'], " ")
}

/// Enough of a body to recognise it.
pub fn beginning(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..500.min(body.len())).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(kind: &str, body: &str) -> Reply {
        Reply { status: 200, headers: vec![("Content-Type".into(), kind.into())], body: body.as_bytes().to_vec() }
    }

    #[test]
    fn what_is_no_data_says_so() {
        for (kind, body, code) in [
            ("text/html; charset=utf-8", "please log in", "http.page"),
            ("application/json", " <!doctype html>", "http.page"),
            ("application/json", " \r\n", "http.empty"),
        ] {
            assert_eq!(json(&reply(kind, body)).unwrap_err().code, code, "{body}");
        }
        let latin = Reply { body: b"{\"a\":\"\xfc\"}".to_vec(), ..reply("application/json", "") };
        assert_eq!(json(&latin).unwrap_err().code, "http.utf8");
        assert_eq!(json(&reply("application/json", "\u{feff}{}")).unwrap(), "{}");
    }
}
