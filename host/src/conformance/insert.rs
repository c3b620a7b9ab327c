//! New records: mode `insert`.

use super::lab::Lab;
use super::scratch::{Record, Scratch, upserts};
use super::{Check, Stop, Verdict, fails, holds, skips};
use crate::connector::{WriteMode, WriteStatus};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "insert.creates",
        title: "new records are made, each once",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "make one record for each row, and answer only when it is there",
        run: |lab| Box::pin(creates(lab)),
    },
    Check {
        id: "insert.ids",
        title: "the key of every new record is answered",
        rule: "wit/v0.1/sink.wit, write-results.ids",
        fix: "answer in `ids` a JSON list of the key's values as texts, in the order of the stream's key: `[\"17\"]`",
        run: |lab| Box::pin(ids(lab)),
    },
    Check {
        id: "insert.existing",
        title: "a record that is there is left alone, and its row answered with a conflict",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "answer status 1 for that row, and make the others of the page",
        run: |lab| Box::pin(existing(lab)),
    },
];

async fn new_records(lab: &Lab) -> Result<&Scratch, Stop> {
    let scratch = lab.scratch().await?;
    scratch.takes("insert")?;
    Ok(scratch)
}

/// Each record with the key it was given.
fn with_keys(scratch: &Scratch, records: Vec<Record>, ids: Option<&Vec<Vec<u8>>>) -> Vec<Record> {
    let key = |at: usize| ids.and_then(|ids| ids.get(at)).and_then(|id| scratch.key_of(id)).unwrap_or_default();
    let with_key = |(at, mut record): (usize, Record)| {
        record.extend(key(at));
        record
    };
    records.into_iter().enumerate().map(with_key).collect()
}

async fn creates(lab: &Lab) -> Verdict {
    let scratch = new_records(lab).await?;
    let records = scratch.records(3);
    let written = scratch.write(lab, WriteMode::Insert, &upserts(&records)).await?;
    if let Some(status) = written.statuses.iter().find(|status| **status != WriteStatus::Ok) {
        return fails(format!("it answers {status:?} for a new record"));
    }
    let records = with_keys(scratch, records, written.results.ids.as_ref());
    if records.iter().any(|record| scratch.key(record).len() != scratch.stream.key.len()) {
        return skips("`insert.ids` failed");
    }
    scratch.holds(lab, &records).await
}

async fn ids(lab: &Lab) -> Verdict {
    let scratch = new_records(lab).await?;
    let records = scratch.records(2);
    let written = scratch.write(lab, WriteMode::Insert, &upserts(&records)).await?;
    if written.statuses.iter().any(|status| *status != WriteStatus::Ok) {
        return skips("`insert.creates` failed");
    }
    let Some(ids) = &written.results.ids else { return fails("it answers no `ids`") };
    for (record, id) in records.iter().zip(ids) {
        let text = String::from_utf8_lossy(id);
        let Some(key) = scratch.key_of(id) else { return fails(format!("`{text}` is no key of this stream")) };
        let other = key.iter().find(|(name, value)| record.get(*name).is_some_and(|given| given != *value));
        if let Some((name, value)) = other {
            return fails(format!("a record with another `{name}` is answered with {value}"));
        }
    }
    Ok(())
}

async fn existing(lab: &Lab) -> Verdict {
    let scratch = new_records(lab).await?;
    if scratch.makes_key {
        return skips("the system makes the key itself");
    }
    let there = scratch.create(lab, 1).await?;
    scratch.see(lab, &there).await?;
    let changed: Vec<Record> = there.iter().map(|record| scratch.changed(record)).collect();
    let new = scratch.records(1);
    let page: Vec<Record> = changed.into_iter().chain(new.clone()).collect();
    let written = scratch.write(lab, WriteMode::Insert, &upserts(&page)).await?;
    holds(written.statuses == [WriteStatus::Conflict, WriteStatus::Ok], || {
        format!("it answers {:?} for a record that is there and a new one", written.statuses)
    })?;
    scratch.holds(lab, &there).await?;
    scratch.holds(lab, &new).await
}
