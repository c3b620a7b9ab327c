//! What an API says when it does not do what it was asked, and what that means.

use std::time::Duration;

use lockstep_json::Node;
use lockstep_plugin_sdk::error::{Error, ErrorKind, Result};
use lockstep_plugin_sdk::http::answer::{kind_of, page_of, sentence};
use lockstep_web::answer::fault;

use crate::answer::Answer;
use crate::manifest::Manifest;
use crate::manifest::rules::{Meaning, Rules, all};

/// Longest pause that is believed.
const PAUSE_MS_MAX: u64 = 3_600_000;

/// A failure as the API tells it.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What a rule of the manifest says about it.
    pub meaning: Option<Meaning>,
    /// Whether the API said a word about the reason.
    pub is_explained: bool,
    /// 2xx if it was told as a success.
    pub status: u16,
    pub error: Error,
}

/// The document of an answer, or why it is none. `what` was asked of the API, in a sentence: `read `contacts``.
pub fn open(manifest: &Manifest, answer: &Answer, what: &str) -> Result<Node, Failed> {
    if !answer.reply.is_success() {
        return Err(refused(manifest, answer, what));
    }
    let broken = |error| Failed { meaning: None, is_explained: false, status: answer.status(), error };
    let text = answer.text().map_err(broken)?;
    let document = Node::read(text.as_bytes()).map_err(|reason| broken(fault(text, reason)))?;
    match disguised(manifest, answer.status(), &document, what) {
        Some(failed) => Err(failed),
        None => Ok(document),
    }
}

/// A success that says it is none.
pub fn disguised(manifest: &Manifest, status: u16, document: &Node, what: &str) -> Option<Failed> {
    let is_failure = manifest.rules.failed.iter().any(|test| test.holds(document));
    is_failure.then(|| told(manifest, status, document, what))
}

/// What a document says about a failure.
pub fn told(manifest: &Manifest, status: u16, document: &Node, what: &str) -> Failed {
    let rules = &manifest.rules;
    let said = |paths: &[Vec<String>]| {
        let found = paths.iter().flat_map(|path| all(document, path));
        found.filter_map(Node::said).find(|said| !said.is_empty()).unwrap_or_default()
    };
    let (code, message) = (said(&rules.code), said(&rules.message));
    let meaning = rules.meaning(status, &code, &message).or_else(|| manifest.protocol.meaning(document));
    let kind = meaning.map_or_else(|| kind_of_failure(status), kind_of_meaning);
    let is_explained = !code.is_empty() || !message.is_empty();
    let said = if message.is_empty() { String::new() } else { format!(": {}", sentence(&message)) };
    let code = if code.is_empty() { format!("api.{status}") } else { code };
    let mut error = Error::new(kind, format!("the API answered {status} when asked to {what}{said}"))
        .with_code(code)
        .with_property("status", status.to_string());
    if meaning == Some(Meaning::Limited) {
        error = error.with_retry_after(pause(rules, document));
    }
    Failed { meaning, is_explained, status, error }
}

fn refused(manifest: &Manifest, answer: &Answer, what: &str) -> Failed {
    let status = answer.status();
    let document = answer.text().ok().and_then(|text| Node::read(text.as_bytes()).ok());
    if document.is_none() && answer.is_page() && !(500..600).contains(&status) {
        let meaning = manifest.rules.meaning(status, "", "");
        return Failed { meaning, is_explained: false, status, error: page_of(status, answer.beginning.clone()) };
    }
    let mut failed = told(manifest, status, &document.unwrap_or_default(), what);
    failed.error = match (300..400).contains(&status) {
        true => {
            failed.error.with_hint("the API sends requests elsewhere, to a login for instance: check origin and path")
        }
        false => failed.error.with_property("detail", answer.beginning.clone()),
    };
    failed
}

/// A failure that passes as a success passes, for all that can be told.
fn kind_of_failure(status: u16) -> ErrorKind {
    if (200..300).contains(&status) { ErrorKind::Transient } else { kind_of(status) }
}

fn kind_of_meaning(meaning: Meaning) -> ErrorKind {
    match meaning {
        Meaning::Missing => ErrorKind::NotFound,
        Meaning::Exists | Meaning::Changed => ErrorKind::Conflict,
        Meaning::Refused => ErrorKind::Permanent,
        Meaning::Passing | Meaning::Unclear | Meaning::Failed | Meaning::Session => ErrorKind::Transient,
        Meaning::Limited => ErrorKind::RateLimited,
        Meaning::Auth => ErrorKind::Auth,
        Meaning::Stale => ErrorKind::StaleCursor,
    }
}

/// How long it takes until a request of this cost can be afforded.
fn pause(rules: &Rules, document: &Node) -> Duration {
    // What stands behind a point is less than anybody waits for.
    let number = |path: &[String]| {
        let said = document.at(path).and_then(Node::said)?;
        said.split('.').next()?.parse::<i64>().ok()
    };
    let pause = rules.cost.as_ref().and_then(|[asked, left, per_second]| {
        let missing = number(asked)? - number(left)?;
        missing.checked_mul(1000)?.checked_div(number(per_second)?)
    });
    Duration::from_millis(u64::try_from(pause.unwrap_or(1000)).unwrap_or_default().clamp(100, PAUSE_MS_MAX))
}

pub fn as_kind(mut error: Error, kind: ErrorKind) -> Error {
    kind.name().clone_into(&mut error.kind);
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;
    use crate::manifest::tests::with_errors as manifest;
    use lockstep_plugin_sdk::http::Reply;

    fn reply(manifest: &Manifest, status: u16, body: &str) -> Answer {
        let reply = Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        Answer::new(&Json, &manifest.stream("a").unwrap().read.request, reply)
    }

    #[test]
    fn failures_say_what_the_api_said() {
        let manifest = manifest(
            r#"{"code":["error.code","errors.0.code"],"message":["error.message","errors.0.message"],"failed":["errors"],
                "rules":[{"code":"THROTTLED","means":"limited"},{"code":"gone","means":"missing"}],
                "cost":{"asked":"cost.asked","left":"cost.left","per_second":"cost.rate"}}"#,
        );
        let check = |status, body: &str, kind: ErrorKind, code: &str| {
            let error = open(&manifest, &reply(&manifest, status, body), "read `a`").unwrap_err().error;
            assert!(error.is(kind) && error.code == code, "{status} {body} {error:?}");
            error
        };
        check(400, r#"{"error":{"code":"X","message":"No\nway."}}"#, ErrorKind::Permanent, "X");
        check(200, r#"{"errors":[{"code":"gone","message":"no"}]}"#, ErrorKind::NotFound, "gone");
        check(200, r#"{"errors":[{"message":"no"}]}"#, ErrorKind::Transient, "api.200");
        check(401, "", ErrorKind::Auth, "api.401");
        check(403, "<html>", ErrorKind::Auth, "http.page");
        check(200, "<html>", ErrorKind::Auth, "http.page");
        check(200, "", ErrorKind::Transient, "http.empty");
        check(200, "{\"a\":[", ErrorKind::Transient, "http.cut-off");
        check(500, "<html>", ErrorKind::Transient, "api.500");
        check(302, "", ErrorKind::Auth, "api.302");
        let limited = r#"{"errors":[{"code":"THROTTLED"}],"cost":{"asked":500,"left":100,"rate":50}}"#;
        assert_eq!(check(200, limited, ErrorKind::RateLimited, "THROTTLED").retry_after_ms, Some(8000));
        assert!(open(&manifest, &reply(&manifest, 200, "{\"errors\":[]}"), "read").is_ok());
    }
}
