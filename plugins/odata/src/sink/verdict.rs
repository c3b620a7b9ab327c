//! What the answer to a write means for its record. Pure.
//!
//! Services send failures that pass as if they did not, failures that do not as if they did, and failures as successes. What is
//! certain is decided here; what is not is asked for once more, or left to the host, which looks at the record.

use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::http::Reply;
use lockstep_plugin_sdk::http::answer::sentence;

use crate::trouble::{Words, refused};

/// What was to be done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Create,
    Update,
    Delete,
}

impl Deed {
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create a record",
            Self::Update => "change a record",
            Self::Delete => "delete a record",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Verdict {
    Done(Reply),
    /// There was nothing to be done.
    Nothing,
    /// The record is not what it was expected to be, or is there already.
    Conflict(Error),
    /// The service will not have it.
    Rejected(Error),
    /// Nothing was done; it may work later.
    Retry(Error),
    /// Nobody knows.
    Unknown(Error),
    /// It failed without an outcome that can be believed: once more will tell.
    Again(Error),
    /// The service wants the version that is to be changed.
    WantsVersion(Error),
    /// It collided with something: with a change of the record, or with another record.
    Collided(Error),
}

/// Words with which services excuse what will pass.
const PASSING: &[&str] =
    &["deadlock", "timeout", "timed out", "locked", "lock ", "busy", "throttl", "try again", "temporar", "unavailable"];

/// `has_version`: whether the write said which version it is about.
pub fn judge(deed: Deed, has_version: bool, reply: &Reply) -> Verdict {
    if reply.is_success() {
        return match Words::of(reply) {
            Some(words) => failure_in_disguise(deed, &words),
            None => Verdict::Done(reply.clone()),
        };
    }
    let error = refused(reply, deed.name());
    match (reply.status, deed) {
        (404 | 410, Deed::Delete) => Verdict::Nothing,
        (404 | 410, Deed::Update) => Verdict::Conflict(as_kind(error, ErrorKind::Conflict)),
        (409, Deed::Create) => Verdict::Conflict(as_kind(error, ErrorKind::Conflict)),
        (409, _) => Verdict::Collided(as_kind(error, ErrorKind::InvalidData)),
        (412, _) if has_version || deed == Deed::Create => Verdict::Conflict(as_kind(error, ErrorKind::Conflict)),
        (412 | 428, Deed::Update | Deed::Delete) if !has_version => Verdict::WantsVersion(error),
        (300..=399 | 401 | 407 | 423 | 425 | 429, _) => Verdict::Retry(error),
        (503, _) => Verdict::Retry(as_kind(error, ErrorKind::Transient)),
        (500, _) => {
            let words = Words::of(reply).filter(|words| !words.is_empty());
            match words {
                Some(words) => explained(deed, &words, error),
                None => unexplained(deed, error),
            }
        }
        (502 | 504 | 408, _) => unexplained(deed, error),
        (status, _) if status >= 505 => unexplained(deed, error),
        _ => Verdict::Rejected(as_kind(error, ErrorKind::InvalidData)),
    }
}

/// A success that says it is none.
fn failure_in_disguise(deed: Deed, words: &Words) -> Verdict {
    let message = format!("the service was asked to {} and said: {}", deed.name(), sentence(&words.message));
    let code = if words.code.is_empty() { "odata.error".to_owned() } else { words.code.clone() };
    explained(deed, words, Error::invalid_data(message).with_code(code))
}

/// The service says what is wrong. Whether that passes it says by its words only.
fn explained(deed: Deed, words: &Words, error: Error) -> Verdict {
    let said = format!("{} {}", words.code, words.message).to_ascii_lowercase();
    let passes = PASSING.iter().any(|word| said.contains(word));
    match deed {
        // A second attempt could make a second record.
        Deed::Create if passes => Verdict::Unknown(as_kind(error, ErrorKind::Transient)),
        Deed::Create => Verdict::Rejected(as_kind(error, ErrorKind::InvalidData)),
        _ if passes => Verdict::Retry(as_kind(error, ErrorKind::Transient)),
        _ => Verdict::Again(as_kind(error, ErrorKind::InvalidData)),
    }
}

fn unexplained(deed: Deed, error: Error) -> Verdict {
    let error = as_kind(error, ErrorKind::Transient);
    match deed {
        Deed::Create => Verdict::Unknown(error),
        _ => Verdict::Again(error),
    }
}

/// What is left of a verdict when it was asked for twice.
pub fn last_word(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Again(error) if error.is(ErrorKind::InvalidData) => Verdict::Rejected(error),
        Verdict::Again(error) => Verdict::Unknown(error),
        Verdict::WantsVersion(error) => Verdict::Conflict(as_kind(error, ErrorKind::Conflict)),
        Verdict::Collided(error) => Verdict::Rejected(error),
        settled => settled,
    }
}

/// What an error without an answer means.
pub fn unanswered(error: Error) -> Verdict {
    if error.property("outcome") == Some("unknown") { Verdict::Unknown(error) } else { Verdict::Retry(error) }
}

fn as_kind(mut error: Error, kind: ErrorKind) -> Error {
    kind.name().clone_into(&mut error.kind);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(verdict: &Verdict) -> String {
        let text = format!("{verdict:?}");
        text.split(['(', ' ']).next().unwrap_or_default().to_owned()
    }

    fn check(deed: Deed, has_version: bool, status: u16, body: &str, expected: &str, last: &str) {
        let reply = Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        let verdict = judge(deed, has_version, &reply);
        let shown = (name(&verdict), name(&last_word(verdict)));
        assert_eq!(shown, (expected.to_owned(), last.to_owned()), "{deed:?} {status} {body}");
    }

    const NO: &str = r#"{"error":{"code":"X","message":"value too long"}}"#;
    const DEADLOCK: &str = r#"{"error":{"code":"1205","message":"Transaction was Deadlocked"}}"#;

    #[test]
    fn what_is_certain_is_decided() {
        use Deed::{Create, Delete, Update};
        check(Update, true, 204, "", "Done", "Done");
        check(Create, false, 201, "{\"ID\":1}", "Done", "Done");
        check(Update, true, 404, NO, "Conflict", "Conflict");
        check(Delete, true, 404, NO, "Nothing", "Nothing");
        check(Create, false, 409, NO, "Conflict", "Conflict");
        check(Update, true, 412, "", "Conflict", "Conflict");
        check(Update, true, 400, NO, "Rejected", "Rejected");
        check(Update, true, 403, NO, "Rejected", "Rejected");
        check(Update, true, 401, "", "Retry", "Retry");
        check(Update, true, 429, "", "Retry", "Retry");
        check(Update, true, 423, NO, "Retry", "Retry");
    }

    #[test]
    fn what_is_not_is_asked_for_again_unless_that_could_double_it() {
        use Deed::{Create, Delete, Update};
        check(Update, true, 500, NO, "Again", "Rejected");
        check(Delete, true, 500, "<html>", "Again", "Unknown");
        check(Update, true, 500, DEADLOCK, "Retry", "Retry");
        check(Create, false, 500, DEADLOCK, "Unknown", "Unknown");
        check(Create, false, 500, "", "Unknown", "Unknown");
        check(Create, false, 500, NO, "Rejected", "Rejected");
        check(Update, true, 504, "", "Again", "Unknown");
        check(Update, false, 428, "", "WantsVersion", "Conflict");
        check(Update, false, 412, "", "WantsVersion", "Conflict");
        check(Update, true, 409, NO, "Collided", "Rejected");
    }

    #[test]
    fn successes_that_are_none_are_found() {
        check(Deed::Create, false, 201, NO, "Rejected", "Rejected");
        check(Deed::Update, true, 200, NO, "Again", "Rejected");
        check(Deed::Update, true, 200, DEADLOCK, "Retry", "Retry");
        // A record may well have a property of that name.
        check(Deed::Create, false, 201, "{\"Error\":1,\"ID\":2}", "Done", "Done");
    }

    #[test]
    fn no_answer_is_an_unknown_outcome_only_if_it_says_so() {
        let unknown = Error::transient("cut off").with_property("outcome", "unknown");
        assert_eq!(name(&unanswered(unknown)), "Unknown");
        assert_eq!(name(&unanswered(Error::transient("refused"))), "Retry");
    }
}
