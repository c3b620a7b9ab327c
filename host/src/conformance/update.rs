//! Changes to records that are as expected: mode `update`.

use serde_json::Value;

use super::lab::Lab;
use super::scratch::{Record, Scratch, deletes, expecting, upserts};
use super::{Check, Stop, Verdict, fails, holds, skips};
use crate::connector::{WriteMode, WriteStatus};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "update.changes",
        title: "a record that is as expected is changed",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "compare with the columns `expected:…` as values, not as texts, and write the others",
        run: |lab| Box::pin(changes(lab)),
    },
    Check {
        id: "update.expected",
        title: "a record that is not as expected is left alone, and its row answered with a conflict",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "answer status 1 for that row, change the others of the page, and leave no moment between looking and writing",
        run: |lab| Box::pin(expected(lab)),
    },
    Check {
        id: "update.expected-null",
        title: "a null may be expected, and is not a value",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "compare null with null as equal, and with any value as different",
        run: |lab| Box::pin(expected_null(lab)),
    },
    Check {
        id: "update.missing",
        title: "a record that is not there is not made, and its row answered with a conflict",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "answer status 1, and do not insert",
        run: |lab| Box::pin(missing(lab)),
    },
    Check {
        id: "update.delete",
        title: "a record is deleted only if it is as expected",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "compare with the columns `expected:…` before deleting too",
        run: |lab| Box::pin(delete(lab)),
    },
];

async fn changeable(lab: &Lab) -> Result<(&Scratch, String), Stop> {
    let scratch = lab.scratch().await?;
    scratch.takes("update")?;
    let field = scratch.changeable()?.into_iter().find(|field| field.nullable);
    field.map_or_else(|| skips("no field can be changed"), |field| Ok((scratch, field.name.clone())))
}

/// The key with another value of a field, and what the field must still be.
fn change(scratch: &Scratch, record: &Record, field: &str, expected: Value) -> (Record, Value) {
    let value = scratch.changed(record).remove(field).unwrap_or_default();
    let mut change = scratch.key(record);
    change.insert(field.to_owned(), value.clone());
    (expecting(change, field, expected), value)
}

fn value(record: &Record, field: &str) -> Value {
    record.get(field).cloned().unwrap_or_default()
}

/// A value that the field of the record does not have.
fn another_value(scratch: &Scratch, record: &Record, field: &str) -> Result<Value, Stop> {
    let other = value(&scratch.changed(record), field);
    if other == value(record, field) { skips(format!("the sample has one value for `{field}`")) } else { Ok(other) }
}

async fn changes(lab: &Lab) -> Verdict {
    let (scratch, field) = changeable(lab).await?;
    let Some(mut record) = scratch.create(lab, 1).await?.into_iter().next() else { return skips("there is no record") };
    let (change, now) = change(scratch, &record, &field, value(&record, &field));
    let written = scratch.write(lab, WriteMode::Update, &upserts(&[change])).await?;
    holds(written.statuses == [WriteStatus::Ok], || {
        format!("it answers {:?} for a record that is as expected", written.statuses)
    })?;
    record.insert(field, now);
    scratch.holds(lab, &[record]).await
}

async fn expected(lab: &Lab) -> Verdict {
    let (scratch, field) = changeable(lab).await?;
    let records = scratch.create(lab, 2).await?;
    let [other, same] = records.as_slice() else { return skips("there is no record") };
    // What somebody else has written meanwhile.
    let stale = another_value(scratch, other, &field)?;
    let (first, _) = change(scratch, other, &field, stale);
    let (second, now) = change(scratch, same, &field, value(same, &field));
    let written = scratch.write(lab, WriteMode::Update, &upserts(&[first, second])).await?;
    holds(written.statuses == [WriteStatus::Conflict, WriteStatus::Ok], || {
        format!("it answers {:?} for a record with another value and one as expected", written.statuses)
    })?;
    scratch.holds(lab, std::slice::from_ref(other)).await?;
    let mut same = same.clone();
    same.insert(field, now);
    scratch.holds(lab, &[same]).await
}

async fn expected_null(lab: &Lab) -> Verdict {
    let (scratch, field) = changeable(lab).await?;
    let mut records = scratch.records(2);
    if let Some(first) = records.first_mut() {
        first.insert(field.clone(), Value::Null);
    }
    scratch.put(lab, &mut records).await?;
    let [empty, full] = records.as_slice() else { return skips("there is no record") };
    let (first, now) = change(scratch, empty, &field, Value::Null);
    let (second, _) = change(scratch, full, &field, Value::Null);
    let written = scratch.write(lab, WriteMode::Update, &upserts(&[first, second])).await?;
    holds(written.statuses == [WriteStatus::Ok, WriteStatus::Conflict], || {
        format!("null is expected of an empty field and of one with a value, and it answers {:?}", written.statuses)
    })?;
    let mut empty = empty.clone();
    empty.insert(field, now);
    scratch.holds(lab, &[empty, full.clone()]).await
}

async fn missing(lab: &Lab) -> Verdict {
    let (scratch, field) = changeable(lab).await?;
    if scratch.makes_key {
        return skips("no key can be made up");
    }
    let Some(record) = scratch.records(1).into_iter().next() else { return skips("there is no record") };
    let mut change = scratch.key(&record);
    change.insert(field.clone(), value(&record, &field));
    let written = scratch.write(lab, WriteMode::Update, &upserts(&[change])).await?;
    holds(written.statuses == [WriteStatus::Conflict], || {
        format!("it answers {:?} for a record that is not there", written.statuses)
    })?;
    let found = scratch.see(lab, &[record]).await?;
    holds(found.iter().all(Option::is_none), || "it makes a record that was to be changed".to_owned())
}

async fn delete(lab: &Lab) -> Verdict {
    let (scratch, field) = changeable(lab).await?;
    scratch.takes("delete")?;
    let records = scratch.create(lab, 2).await?;
    let [kept, gone] = records.as_slice() else { return skips("there is no record") };
    let stale = another_value(scratch, kept, &field)?;
    let rows = [expecting(scratch.key(kept), &field, stale), expecting(scratch.key(gone), &field, value(gone, &field))];
    let written = scratch.write(lab, WriteMode::Update, &deletes(&rows)).await?;
    holds(written.statuses == [WriteStatus::Conflict, WriteStatus::Ok], || {
        format!("it answers {:?} for a delete of a record with another value and of one as expected", written.statuses)
    })?;
    scratch.holds(lab, std::slice::from_ref(kept)).await?;
    if scratch.see(lab, std::slice::from_ref(gone)).await?.iter().any(Option::is_some) {
        return fails("the deleted record is still there");
    }
    Ok(())
}
