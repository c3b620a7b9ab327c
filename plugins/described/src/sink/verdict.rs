//! What the answer to a write means for its record. Pure.
//!
//! APIs send failures that pass as if they did not, failures that do not as if they did, and failures as successes. What the manifest
//! says about them counts; else what is certain is decided here, and what is not is tried once more or left to the host, which looks at
//! the record.

use lockstep_json::Node;
use lockstep_plugin_sdk::error::{Error, ErrorKind};

use crate::manifest::rules::Meaning;
use crate::trouble::{Failed, as_kind};

/// What was to be done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Create,
    /// Made or changed, whichever it takes: doing it twice is the same as doing it once.
    Upsert,
    Update,
    Delete,
}

impl Deed {
    pub fn name(self) -> &'static str {
        match self {
            Self::Create | Self::Upsert => "create a record",
            Self::Update => "change a record",
            Self::Delete => "delete a record",
        }
    }

    fn is_new(self) -> bool {
        matches!(self, Self::Create | Self::Upsert)
    }
}

/// What is known of a request besides its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    pub deed: Deed,
    /// It said which version it is about.
    pub has_version: bool,
    /// Its address names the record: what is not found is the record, and not the address.
    pub is_addressed: bool,
    /// The host was told that it may be repeated.
    pub is_repeatable: bool,
}

#[derive(Debug)]
pub enum Verdict {
    /// With what the API says of the record.
    Done(Node),
    /// There was nothing to be done.
    Nothing,
    /// The record is not what it was expected to be, or is there already.
    Conflict(Error),
    /// The API will not have it.
    Rejected(Error),
    /// Nothing was done; it may work later.
    Retry(Error),
    /// Nobody knows.
    Unknown(Error),
    /// It failed without an outcome that can be believed: once more will tell.
    Again(Error),
    /// The API wants the version that is to be changed.
    WantsVersion(Error),
}

/// Words with which APIs excuse what will pass.
const PASSING: &[&str] =
    &["deadlock", "timeout", "timed out", "locked", "lock ", "busy", "throttl", "try again", "temporar", "unavailable"];

pub fn judge(about: Circumstances, failed: &Failed) -> Verdict {
    let error = failed.error.clone();
    match failed.meaning {
        Some(meaning) => by_meaning(about, meaning, error),
        None => by_status(about, failed, error),
    }
}

fn by_meaning(about: Circumstances, meaning: Meaning, error: Error) -> Verdict {
    match (meaning, about.deed) {
        (Meaning::Missing, Deed::Delete) => Verdict::Nothing,
        (Meaning::Missing, Deed::Update) => Verdict::Conflict(as_kind(error, ErrorKind::Conflict)),
        (Meaning::Exists, deed) if deed.is_new() => Verdict::Conflict(as_kind(error, ErrorKind::Conflict)),
        (Meaning::Changed, _) => Verdict::Conflict(as_kind(error, ErrorKind::Conflict)),
        (Meaning::Missing | Meaning::Exists | Meaning::Refused | Meaning::Stale, _) => {
            Verdict::Rejected(as_kind(error, ErrorKind::InvalidData))
        }
        (Meaning::Passing | Meaning::Limited | Meaning::Auth | Meaning::Session, _) => Verdict::Retry(error),
        (Meaning::Unclear, deed) | (Meaning::Failed, deed @ Deed::Create) => unexplained(deed, error),
        (Meaning::Failed, deed) => explained(deed, error),
    }
}

fn by_status(about: Circumstances, failed: &Failed, error: Error) -> Verdict {
    let deed = about.deed;
    match failed.status {
        404 | 410 if about.is_addressed && deed == Deed::Delete => Verdict::Nothing,
        404 | 410 if about.is_addressed && deed == Deed::Update => {
            Verdict::Conflict(as_kind(error, ErrorKind::Conflict))
        }
        409 if deed.is_new() || about.has_version => Verdict::Conflict(as_kind(error, ErrorKind::Conflict)),
        412 if about.has_version || deed.is_new() => Verdict::Conflict(as_kind(error, ErrorKind::Conflict)),
        412 | 428 if !deed.is_new() && !about.has_version => Verdict::WantsVersion(error),
        300..=399 | 401 | 407 | 423 | 425 | 429 => Verdict::Retry(error),
        503 => Verdict::Retry(as_kind(error, ErrorKind::Transient)),
        200..=299 | 500 if failed.is_explained => explained(deed, error),
        200..=299 | 408 | 500 | 502 | 504.. => unexplained(deed, error),
        _ => Verdict::Rejected(as_kind(error, ErrorKind::InvalidData)),
    }
}

/// The API says what is wrong. Whether that passes it says by its words only.
fn explained(deed: Deed, error: Error) -> Verdict {
    let said = format!("{} {}", error.code, error.message).to_ascii_lowercase();
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
        settled => settled,
    }
}

/// What an error without an answer means.
pub fn unanswered(about: Circumstances, error: Error) -> Verdict {
    let was_turned_away = error.is(ErrorKind::RateLimited) || error.is(ErrorKind::Config) || error.is(ErrorKind::Auth);
    let may_be_done = error.property("outcome") == Some("unknown")
        // The host may repeat it, and so does not say; we would do it in another name.
        || (about.deed == Deed::Create && about.is_repeatable && !was_turned_away);
    match error.property("outcome") {
        // It could not even be written.
        Some("unsent") if error.is(ErrorKind::InvalidData) => Verdict::Rejected(error),
        _ if may_be_done => Verdict::Unknown(error),
        _ => Verdict::Retry(error),
    }
}

/// Whether rows are worth being tried apart: one of them may be to blame for all.
pub fn is_worth_splitting(failed: &Failed, verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Rejected(_) | Verdict::Conflict(_) | Verdict::Nothing)
        || matches!(failed.status, 400 | 413 | 414 | 422)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(verdict: &Verdict) -> String {
        let text = format!("{verdict:?}");
        text.split(['(', ' ']).next().unwrap_or_default().to_owned()
    }

    fn about(deed: Deed, has_version: bool) -> Circumstances {
        Circumstances { deed, has_version, is_addressed: true, is_repeatable: false }
    }

    fn check(deed: Deed, has_version: bool, status: u16, message: &str, expected: &str, last: &str) {
        let error = Error::permanent(message);
        let failed = Failed { meaning: None, is_explained: !message.is_empty(), status, error };
        let verdict = judge(about(deed, has_version), &failed);
        let shown = (name(&verdict), name(&last_word(verdict)));
        assert_eq!(shown, (expected.to_owned(), last.to_owned()), "{deed:?} {status} {message}");
    }

    #[test]
    fn what_is_certain_is_decided() {
        use Deed::{Create, Delete, Update, Upsert};
        check(Update, true, 404, "no", "Conflict", "Conflict");
        check(Delete, true, 404, "no", "Nothing", "Nothing");
        check(Create, false, 404, "no", "Rejected", "Rejected");
        check(Create, false, 409, "no", "Conflict", "Conflict");
        check(Upsert, false, 409, "no", "Conflict", "Conflict");
        check(Update, true, 409, "no", "Conflict", "Conflict");
        check(Update, false, 409, "no", "Rejected", "Rejected");
        check(Update, true, 412, "", "Conflict", "Conflict");
        check(Update, true, 400, "no", "Rejected", "Rejected");
        check(Update, true, 401, "", "Retry", "Retry");
        check(Update, true, 429, "", "Retry", "Retry");
    }

    #[test]
    fn what_is_not_is_tried_again_unless_that_could_double_it() {
        use Deed::{Create, Delete, Update, Upsert};
        check(Update, true, 500, "value too long", "Again", "Rejected");
        check(Upsert, false, 500, "", "Again", "Unknown");
        check(Delete, true, 500, "", "Again", "Unknown");
        check(Update, true, 500, "Deadlock", "Retry", "Retry");
        check(Create, false, 500, "Deadlock", "Unknown", "Unknown");
        check(Create, false, 500, "", "Unknown", "Unknown");
        check(Create, false, 500, "value too long", "Rejected", "Rejected");
        check(Create, false, 200, "value too long", "Rejected", "Rejected");
        check(Create, false, 201, "", "Unknown", "Unknown");
        check(Update, false, 200, "value too long", "Again", "Rejected");
        check(Update, false, 428, "", "WantsVersion", "Conflict");
        check(Update, false, 412, "", "WantsVersion", "Conflict");
    }

    #[test]
    fn an_address_that_is_not_found_is_no_record_that_is_gone() {
        let failed = Failed { meaning: None, is_explained: true, status: 404, error: Error::permanent("no such path") };
        let about = Circumstances { is_addressed: false, ..about(Deed::Delete, false) };
        assert_eq!(name(&judge(about, &failed)), "Rejected");
    }

    #[test]
    fn the_manifest_knows_better() {
        let failed =
            |meaning| Failed { meaning: Some(meaning), is_explained: true, status: 500, error: Error::permanent("x") };
        for (meaning, deed, expected) in [
            (Meaning::Missing, Deed::Delete, "Nothing"),
            (Meaning::Missing, Deed::Update, "Conflict"),
            (Meaning::Exists, Deed::Create, "Conflict"),
            (Meaning::Exists, Deed::Update, "Rejected"),
            (Meaning::Changed, Deed::Delete, "Conflict"),
            (Meaning::Refused, Deed::Update, "Rejected"),
            (Meaning::Passing, Deed::Create, "Retry"),
            (Meaning::Limited, Deed::Create, "Retry"),
            (Meaning::Unclear, Deed::Create, "Unknown"),
        ] {
            assert_eq!(name(&judge(about(deed, false), &failed(meaning))), expected, "{meaning:?} {deed:?}");
        }
    }

    #[test]
    fn no_answer_is_an_unknown_outcome_only_if_it_may_have_been_done() {
        let unknown = Error::transient("cut off").with_property("outcome", "unknown");
        assert_eq!(name(&unanswered(about(Deed::Update, false), unknown)), "Unknown");
        let cut = || Error::transient("cut off");
        assert_eq!(name(&unanswered(about(Deed::Create, false), cut())), "Retry");
        let repeatable = Circumstances { is_repeatable: true, ..about(Deed::Create, false) };
        assert_eq!(name(&unanswered(repeatable, cut())), "Unknown");
        let limited = Error::rate_limited("slow down", std::time::Duration::from_secs(1));
        assert_eq!(name(&unanswered(repeatable, limited)), "Retry");
    }
}
