//! What must hold at every page commit.

use std::collections::BTreeMap;

use super::lab::record_of;
use super::{Body, FakeSink, FakeSource, key_text};
use crate::store::{CursorUpdate, DeadLetter, DeadLetterFilter, DeadLetterState, PageCommit, SqliteStore, Store};

/// Invariant 9: everything the stored cursor has passed is in the target, or is a dead letter.
pub fn check_commit(source: &FakeSource, sink: &FakeSink, page: &PageCommit, store: &SqliteStore) {
    let CursorUpdate::Set(cursor) = &page.cursor else { return };
    let (source, sink) = (source.state(), sink.state());
    let Some(last) = source.shown.iter().position(|(shown, _)| shown == cursor) else { return };
    let filter = DeadLetterFilter { state: Some(DeadLetterState::Open), ..DeadLetterFilter::default() };
    let letters = store.dead_letters(&filter).unwrap();
    let mut newest = BTreeMap::new();
    for body in source.shown[..=last].iter().flat_map(|(_, lines)| lines) {
        match body {
            Body::Record(record) | Body::Tombstone(record) => {
                newest.insert(key_text(record, &source.stream.key), body);
            }
            Body::Unreadable(_) => assert!(waits(body, &letters), "{body:?} is lost"),
        }
    }
    for (key, body) in newest {
        let is_there = match (body, sink.rows.get(&key)) {
            (Body::Record(record), Some(row)) => record.iter().all(|(name, value)| row.get(name) == Some(value)),
            (Body::Tombstone(_), None) => true,
            _ => false,
        };
        assert!(is_there || waits(body, &letters), "the cursor has passed {body:?}, which is nowhere");
    }
}

/// Whether a line is in a dead letter, as it is.
pub fn waits(body: &Body, letters: &[DeadLetter]) -> bool {
    letters.iter().any(|row| match body {
        Body::Record(record) | Body::Tombstone(record) => row.letter.record.is_some() && record_of(row) == *record,
        Body::Unreadable(raw) => row.letter.raw.as_deref() == Some(raw.as_bytes()),
    })
}
