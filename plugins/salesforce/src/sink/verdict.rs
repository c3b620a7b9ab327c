//! What the answer about one record means. Pure.

use lockstep_json::{Document, Fault};
use lockstep_plugin_sdk::error::{Error, ErrorKind};

use crate::trouble::{Words, said};

/// What was to be done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A new record.
    Create,
    /// A new record, or the one that has this external id.
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
}

#[derive(Clone, Debug)]
pub enum Verdict {
    /// Done; the record's id.
    Done(Option<String>),
    /// There was nothing to be done.
    Nothing,
    /// The record is not what it was expected to be, or is there already.
    Conflict(Error),
    /// Salesforce will not have it.
    Rejected(Error),
    /// Nothing was done; it may work later.
    Retry(Error),
    /// Nobody knows.
    Unknown(Error),
}

/// The answer about one record: `{"id":"…","success":true,"errors":[]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    pub id: Option<String>,
    pub is_success: bool,
    pub words: Option<Words>,
}

impl Answered {
    /// The answers of a list, in order.
    pub fn read_all(text: &str) -> Result<Vec<Self>, Fault> {
        let (mut document, mut all) = (Document::new(text.as_bytes()), Vec::new());
        document.array::<Fault>(|document| {
            all.push(Self::read(document)?);
            Ok(())
        })?;
        document.end()?;
        Ok(all)
    }

    fn read(document: &mut Document<'_>) -> Result<Self, Fault> {
        let (mut found, text) = (Self::default(), document.text());
        document.object::<Fault>(|document, key| {
            match &*key.of(text) {
                b"id" => found.id = document.value()?.string(text),
                b"success" => found.is_success = document.value()?.said(text).as_deref() == Some("true"),
                b"errors" if document.is_next(b'[') => document.array::<Fault>(|document| {
                    let words = Words::read(document)?;
                    found.words.get_or_insert(words);
                    Ok(())
                })?,
                b"errorCode" | b"statusCode" => {
                    let code = document.value()?.said(text).unwrap_or_default();
                    found.words = Some(Words { code, ..Words::default() });
                }
                _ => {
                    document.value()?;
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    pub fn judge(self, deed: Deed) -> Verdict {
        match self.words {
            // An event is called by what stands here, and not by the id.
            Some(words) if self.is_success && words.code == "OPERATION_ENQUEUED" => {
                Verdict::Done(Some(words.message).filter(|uuid| !uuid.is_empty()))
            }
            // A success that complains is none.
            None if self.is_success => Verdict::Done(self.id),
            None => Verdict::Unknown(
                Error::transient(format!("Salesforce was asked to {} and did not say whether it did", deed.name()))
                    .with_code("salesforce.answer"),
            ),
            Some(words) => judge(deed, &words),
        }
    }
}

/// What a refusal of one record means. It was rolled back: nothing was done.
pub fn judge(deed: Deed, words: &Words) -> Verdict {
    let error = |kind| said(words, kind, deed.name());
    let is_gone = matches!(
        words.code.as_str(),
        "ENTITY_IS_DELETED" | "NOT_FOUND" | "INVALID_CROSS_REFERENCE_KEY" | "MALFORMED_ID" | "ALREADY_DELETED"
    ) && words.fields.iter().all(|field| field == "Id" || field == "id");
    match (words.code.as_str(), deed) {
        (_, Deed::Delete) if is_gone => Verdict::Nothing,
        (_, Deed::Update) if is_gone => Verdict::Conflict(error(ErrorKind::Conflict)),
        ("DUPLICATE_VALUE", Deed::Create | Deed::Upsert) => Verdict::Conflict(error(ErrorKind::Conflict)),
        _ => match words.kind() {
            Some(kind @ (ErrorKind::Transient | ErrorKind::RateLimited)) => Verdict::Retry(error(kind)),
            _ => Verdict::Rejected(error(ErrorKind::InvalidData)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(deed: Deed, answer: &str, expected: &str) {
        let answered = Answered::read_all(&format!("[{answer}]")).unwrap().remove(0);
        let verdict = format!("{:?}", answered.judge(deed));
        assert_eq!(verdict.split(['(', ' ']).next().unwrap(), expected, "{deed:?} {answer}");
    }

    fn no(code: &str, fields: &str) -> String {
        format!(
            "{{\"success\":false,\"errors\":[{{\"statusCode\":\"{code}\",\"message\":\"no\",\"fields\":[{fields}]}}]}}"
        )
    }

    #[test]
    fn every_record_is_answered_for_itself() {
        use Deed::{Create, Delete, Update, Upsert};
        check(Create, r#"{"id":"1","success":true,"errors":[]}"#, "Done");
        check(Update, r#"{"id":"1","success":true,"errors":[{"statusCode":"X","message":"no"}]}"#, "Rejected");
        check(Create, r#"{"success":true,"errors":[{"statusCode":"OPERATION_ENQUEUED","message":"uuid"}]}"#, "Done");
        check(Update, r#"{"errorCode":"X","message":"no"}"#, "Rejected");
        check(Update, r#"{"success":false,"errors":[]}"#, "Unknown");
        check(Update, "{}", "Unknown");
        check(Update, &no("ENTITY_IS_DELETED", ""), "Conflict");
        check(Delete, &no("ENTITY_IS_DELETED", ""), "Nothing");
        check(Update, &no("INVALID_CROSS_REFERENCE_KEY", "\"OwnerId\""), "Rejected");
        check(Update, &no("INVALID_CROSS_REFERENCE_KEY", "\"Id\""), "Conflict");
        check(Create, &no("DUPLICATE_VALUE", "\"No__c\""), "Conflict");
        check(Upsert, &no("DUPLICATE_VALUE", "\"No__c\""), "Conflict");
        check(Update, &no("DUPLICATE_VALUE", "\"No__c\""), "Rejected");
        check(Update, &no("UNABLE_TO_LOCK_ROW", ""), "Retry");
        check(Create, &no("REQUEST_LIMIT_EXCEEDED", ""), "Retry");
        check(Create, &no("REQUIRED_FIELD_MISSING", "\"Name\""), "Rejected");
        check(Create, &no("INSUFFICIENT_ACCESS", ""), "Rejected");
    }

    #[test]
    fn what_is_no_list_of_answers_is_none() {
        for text in ["", "{}", "[1]", "[{}", "[{}]x"] {
            assert!(Answered::read_all(text).is_err(), "{text}");
        }
    }
}
