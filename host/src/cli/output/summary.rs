//! What a sync has done, in one line.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::quantity::{count, elapsed, noun};

/// The end of one run of one sync. Counts are records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncSummary {
    pub sync: String,
    pub read: u64,
    /// Inserted or changed.
    pub written: u64,
    /// Equal already.
    pub unchanged: u64,
    pub deleted: u64,
    /// Keys that came more than once in a page; the last one won.
    pub duplicates: u64,
    /// Deletes that wait for approval.
    pub held: u64,
    pub dead_letters: u64,
    /// Conflicts that wait for a person.
    pub conflicts: u64,
    /// Writes that wait for something else.
    pub waiting: u64,
    /// Endpoints that took no part, or only in part.
    pub failed: Vec<String>,
    pub elapsed: Duration,
}

/// What is seldom is said only if there is any.
impl fmt::Display for SyncSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sync, read, written, unchanged, deleted, .. } = self;
        let [read, written, unchanged, deleted] = [read, written, unchanged, deleted].map(|number| count(*number));
        write!(f, "{sync}: {read} read, {written} written, {unchanged} unchanged, {deleted} deleted")?;
        if self.duplicates > 0 {
            write!(f, ", {}", noun(self.duplicates, "duplicate", "duplicates"))?;
        }
        if self.held > 0 {
            write!(f, ", {} held", noun(self.held, "delete", "deletes"))?;
        }
        if self.conflicts > 0 {
            write!(f, ", {}", noun(self.conflicts, "conflict", "conflicts"))?;
        }
        if self.waiting > 0 {
            write!(f, ", {} waiting", noun(self.waiting, "write", "writes"))?;
        }
        if !self.failed.is_empty() {
            write!(f, ", without `{}`", self.failed.join("`, `"))?;
        }
        write!(f, ", {} in {}", noun(self.dead_letters, "dead letter", "dead letters"), elapsed(self.elapsed))
    }
}

impl SyncSummary {
    /// The JSON line of a streaming command, and its part of the final document.
    pub fn to_event(&self) -> Value {
        json!({
            "event": "finished",
            "sync": self.sync,
            "read": self.read,
            "written": self.written,
            "unchanged": self.unchanged,
            "deleted": self.deleted,
            "duplicates": self.duplicates,
            "held": self.held,
            "dead_letters": self.dead_letters,
            "conflicts": self.conflicts,
            "waiting": self.waiting,
            "failed": self.failed,
            "elapsed_ms": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(summary: SyncSummary, expected: &str) {
        assert_eq!(summary.to_string(), expected);
    }

    #[test]
    fn one_line_says_it_all() {
        let summary = SyncSummary {
            sync: "customers".into(),
            read: 1_204,
            written: 12,
            unchanged: 3,
            dead_letters: 1,
            elapsed: Duration::from_millis(3_100),
            ..SyncSummary::default()
        };
        check(summary.clone(), "customers: 1 204 read, 12 written, 3 unchanged, 0 deleted, 1 dead letter in 3.1 s");
        check(
            SyncSummary { duplicates: 1, held: 37, dead_letters: 0, ..summary },
            "customers: 1 204 read, 12 written, 3 unchanged, 0 deleted, 1 duplicate, 37 deletes held, 0 dead letters in 3.1 s",
        );
    }
}
