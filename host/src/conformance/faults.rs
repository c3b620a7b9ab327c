//! Faults on order while a plugin is read or written: what it makes of them, and whether anything is lost or doubled.
//!
//! Each fault strikes once, at one call of a capability. The plugin may get over it, or end with an error of a kind that says what
//! happened. A reading then begins again behind the last page it was given, as a sync does; of rows that were written what it says
//! must be true.

use serde_json::{Value, json};

use super::playback::{by_stream, key_of, keyed};
use super::trouble;
use super::writing::{Wrote, misjudged};
use crate::connector::FailureKind;
use crate::plugin::{Fault, Hits, Spoil};

/// A fault by its name, with what a plugin may call it.
pub struct FaultKind {
    /// `429`.
    pub name: &'static str,
    pub meaning: &'static str,
    fault: fn() -> Fault,
    /// The kinds of error that tell it rightly.
    told: &'static [FailureKind],
}

const NO_ANSWER: &[FailureKind] = &[FailureKind::Transient];
const NO_SENSE: &[FailureKind] = &[FailureKind::Transient, FailureKind::InvalidData, FailureKind::Permanent];

/// All there are.
pub const FAULTS: &[FaultKind] = &[
    FaultKind {
        name: "429",
        meaning: "the system wants to be asked less",
        fault: || Fault::Refused(trouble::failure(FailureKind::RateLimited)),
        told: &[FailureKind::RateLimited],
    },
    FaultKind {
        name: "timeout",
        meaning: "no answer, and nothing was done",
        fault: || Fault::Refused(trouble::failure(FailureKind::Transient)),
        told: NO_ANSWER,
    },
    FaultKind {
        name: "timeout-after-commit",
        meaning: "no answer, though it was done",
        fault: || Fault::Unanswered(trouble::failure(FailureKind::Transient)),
        told: NO_ANSWER,
    },
    FaultKind {
        name: "truncated-body",
        meaning: "half of an answer",
        fault: || Fault::Spoiled(Spoil::TruncatedBody),
        told: NO_SENSE,
    },
    FaultKind {
        name: "stale-read",
        meaning: "the answer the same request had before",
        fault: || Fault::Spoiled(Spoil::StaleRead),
        told: NO_SENSE,
    },
    FaultKind {
        name: "duplicate-page",
        meaning: "the answer another request to the same path had before",
        fault: || Fault::Spoiled(Spoil::DuplicatePage),
        told: NO_SENSE,
    },
];

impl FaultKind {
    pub fn named(name: &str) -> Option<&'static Self> {
        FAULTS.iter().find(|kind| kind.name == name)
    }

    pub fn fault(&self) -> Fault {
        (self.fault)()
    }

    /// Whether what was asked is done all the same.
    pub(super) fn is_carried_out(&self) -> bool {
        !matches!(self.fault(), Fault::Refused(_))
    }

    /// What is wrong with what it said of rows that were written while this struck, going by a recording.
    pub fn judge_writes(&self, whole: &Wrote, struck: &Wrote, hits: Hits) -> Vec<String> {
        let errors = struck.gave.iter().filter_map(|given| self.misnamed(given.get("error")?));
        errors.chain(misjudged(self, whole, struck, hits)).collect()
    }

    /// What is wrong with what a plugin gave while this struck; `whole` is what it gives undisturbed.
    pub fn judge(&self, whole: &[Value], gave: &[Value]) -> Vec<String> {
        let mut wrong: Vec<String> = gave.iter().filter_map(|given| self.misnamed(given.get("error")?)).collect();
        let (before, after) = (by_stream(whole), by_stream(gave));
        for (stream, expected) in &before {
            let key = key_of(expected.definition);
            let (all, seen) =
                (keyed(expected, &key), after.get(stream).map(|told| keyed(told, &key)).unwrap_or_default());
            for (name, record) in &all {
                match seen.get(name) {
                    None => wrong.push(format!("{stream}: record {} is lost", name.0)),
                    Some(other) if other != record => wrong.push(format!("{stream}: record {} is another", name.0)),
                    Some(_) => {}
                }
            }
            for (name, record) in seen.iter().filter(|(name, _)| !all.contains_key(*name)) {
                // By its key a sync writes it once, if it is the same.
                let same = !key.is_empty() && all.get(&(name.0.clone(), 0)) == Some(record);
                if !same {
                    wrong.push(format!("{stream}: record {} comes from nowhere, or twice", name.0));
                }
            }
        }
        wrong
    }

    pub(super) fn misnamed(&self, error: &Value) -> Option<String> {
        let kind = error.get("kind").and_then(Value::as_str).unwrap_or_default();
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
        if !self.told.iter().any(|told| told.name() == kind) {
            return Some(format!("the error is of kind `{kind}`: {message}"));
        }
        let waits = error.get("retry_after_ms") == Some(&json!(trouble::RETRY_AFTER.as_millis() as u64));
        (kind == FailureKind::RateLimited.name() && !waits)
            .then(|| format!("the error does not say `retry-after-ms`: {message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gave(ids: &[i64], error: Option<&str>) -> Vec<Value> {
        let records: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        let mut gave = vec![
            json!({"discovered": [{"name": "c", "key": ["id"], "fields": {"id": "int64"}}]}),
            json!({"stream": "c", "page": 1, "records": records}),
        ];
        gave.extend(error.map(|kind| json!({"stream": "c", "error": {"kind": kind, "retry_after_ms": 7000}})));
        gave
    }

    #[test]
    fn nothing_may_be_lost_doubled_or_misnamed() {
        let kind = FaultKind::named("429").unwrap();
        let check = |ids: &[i64], error, expected: &[&str]| {
            let wrong = kind.judge(&gave(&[1, 2], None), &gave(ids, error));
            assert_eq!(wrong.len(), expected.len(), "{wrong:?}");
            assert!(wrong.iter().zip(expected).all(|(wrong, part)| wrong.contains(part)), "{wrong:?}");
        };
        check(&[1, 2], None, &[]);
        check(&[1, 2], Some("rate-limited"), &[]);
        check(&[1, 2, 2], None, &[]);
        check(&[1], None, &["[2] is lost"]);
        check(&[1, 2, 3], None, &["[3] comes from nowhere"]);
        check(&[1, 2], Some("auth"), &["of kind `auth`"]);
        let unwaiting = vec![json!({"stream": "c", "error": {"kind": "rate-limited"}})];
        assert_eq!(kind.judge(&[], &unwaiting).len(), 1);
        let keyless = |ids: &[i64]| {
            let mut gave = gave(ids, None);
            gave[0]["discovered"][0]["key"] = json!([]);
            gave
        };
        assert_eq!(kind.judge(&keyless(&[1, 2]), &keyless(&[1, 2, 2])).len(), 1, "without a key twice is twice");
    }
}
