//! Writing by key: `upsert`, deletes, and what every way of writing owes.

use super::discover::NO_SUCH_STREAM;
use super::lab::Lab;
use super::scratch::{REAL, Record, Scratch, deletes, shown, upserts};
use super::{Check, Stop, Verdict, fails, holds, skips, told};
use crate::connector::{Effect, FailureKind, PrepareOptions, Sink as _, WriteMode, WriteStatus};
use crate::plugin::{Calls, Fault};
use crate::record::{Field, LogicalType, Properties, Stream};

const RECORDS: u32 = 3;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "write.describes",
        title: "the target is described as it is",
        rule: "wit/v0.1/sink.wit, describe",
        fix: "answer the stream with its key and fields, or none if it is not there",
        run: |lab| Box::pin(describes(lab)),
    },
    Check {
        id: "write.missing",
        title: "a target that does not exist is none, and no error",
        rule: "wit/v0.1/sink.wit, describe",
        fix: "answer none: the host then asks to prepare it",
        run: |lab| Box::pin(missing(lab)),
    },
    Check {
        id: "write.dry-run",
        title: "a dry run prepares nothing",
        rule: "wit/v0.1/sink.wit, prepare",
        fix: "with the option `dry-run`, only say what would be done",
        run: |lab| Box::pin(dry_run(lab)),
    },
    Check {
        id: "write.prepared",
        title: "a target that is ready needs nothing",
        rule: "wit/v0.1/sink.wit, prepare",
        fix: "compare with what is there, and answer no actions if it fits",
        run: |lab| Box::pin(prepared(lab)),
    },
    Check {
        id: "write.upsert",
        title: "new records arrive with their values",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "write every row of the page before `flush` answers, and refuse a value that would be changed",
        run: |lab| Box::pin(upsert(lab)),
    },
    Check {
        id: "write.idempotent",
        title: "the same page written again doubles nothing",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "insert or update by key: a page is written again after every crash",
        run: |lab| Box::pin(idempotent(lab)),
    },
    Check {
        id: "write.unchanged",
        title: "records that are equal are counted as such",
        rule: "wit/v0.1/sink.wit, flushed.unchanged",
        fix: "compare before writing, or let the system: a write that changes nothing moves modified dates and comes back as a change",
        run: |lab| Box::pin(unchanged(lab)),
    },
    Check {
        id: "write.change",
        title: "changed values replace the old ones, and only those of their record",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "update by the whole key",
        run: |lab| Box::pin(change(lab)),
    },
    Check {
        id: "write.null",
        title: "a null empties its field",
        rule: "wit/v0.1/types.wit, column.valid",
        fix: "write null where `valid` says so: neither the old value nor an empty text",
        run: |lab| Box::pin(null(lab)),
    },
    Check {
        id: "write.partial",
        title: "fields that are not in the page keep their values",
        rule: "wit/v0.1/sink.wit, writer.write",
        fix: "update the columns of the page and no other",
        run: |lab| Box::pin(partial(lab)),
    },
    Check {
        id: "write.counts",
        title: "what was done is counted, once per record",
        rule: "wit/v0.1/sink.wit, flushed",
        fix: "count each row as written, unchanged or deleted",
        run: |lab| Box::pin(counts(lab)),
    },
    Check {
        id: "write.flush-nothing",
        title: "a flush without pages does nothing",
        rule: "wit/v0.1/sink.wit, writer.flush",
        fix: "answer zeros",
        run: |lab| Box::pin(flush_nothing(lab)),
    },
    Check {
        id: "write.flush-twice",
        title: "a writer goes on after a flush",
        rule: "wit/v0.1/sink.wit, writer.flush",
        fix: "begin anew after a flush, and count only what came since",
        run: |lab| Box::pin(flush_twice(lab)),
    },
    Check {
        id: "write.load",
        title: "loading into a target that has the record is refused with `conflict`",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "answer an error of kind `conflict`, or write by key all the same and answer it for the row",
        run: |lab| Box::pin(load(lab)),
    },
    Check {
        id: "write.delete",
        title: "a deleted record is gone, and no other",
        rule: "wit/v0.1/types.wit, changes.kinds",
        fix: "delete the rows of kind 1 by their key",
        run: |lab| Box::pin(delete(lab)),
    },
    Check {
        id: "write.delete-again",
        title: "to delete what is not there is fine",
        rule: "wit/v0.1/sink.wit, write-request.mode",
        fix: "answer ok: what should be gone is gone",
        run: |lab| Box::pin(delete_again(lab)),
    },
    Check {
        id: "write.options",
        title: "options nobody knows are ignored",
        rule: "wit/v0.1/types.wit, options",
        fix: "ignore names you do not know: a later host may send them",
        run: |lab| Box::pin(options(lab)),
    },
    Check {
        id: "write.unknown-outcome",
        title: "a write of which nobody knows whether it happened is answered with `unknown`",
        rule: "wit/v0.1/capabilities.wit, http.send",
        fix: "answer the rows of a request with the property `outcome` = `unknown` with status 4, never with ok, rejected or retry, and do not send it again",
        run: |lab| Box::pin(unknown_outcome(lab)),
    },
    Check {
        id: "write.answers",
        title: "an answer has a status for each row, and errors only for rows that exist",
        rule: "wit/v0.1/sink.wit, write-results",
        fix: "give as many statuses as rows, or none for all ok",
        run: |lab| Box::pin(answers(lab)),
    },
];

async fn describes(lab: &Lab) -> Verdict {
    let name = lab.write_stream()?;
    match lab.connector().await?.describe(name).await {
        Err(failure) => {
            lab.note(&failure);
            fails(told(&failure))
        }
        Ok(Some(stream)) => {
            holds(stream.name == name, || format!("asked for `{name}`, it describes `{}`", stream.name))
        }
        Ok(None) => Ok(()),
    }
}

async fn missing(lab: &Lab) -> Verdict {
    lab.exports("sink")?;
    match lab.connector().await?.describe(NO_SUCH_STREAM).await {
        Err(failure) => {
            lab.note(&failure);
            fails(told(&failure))
        }
        Ok(found) => holds(found.is_none(), || "it describes a stream that cannot be there".to_owned()),
    }
}

async fn dry_run(lab: &Lab) -> Verdict {
    lab.write_stream()?;
    let connector = lab.connector().await?;
    let fields = [("id", LogicalType::Int64), ("name", LogicalType::Text)];
    let wanted = Stream {
        name: NO_SUCH_STREAM.to_owned(),
        key: vec!["id".to_owned()],
        fields: fields.map(|(name, logical)| Field::new(name, logical)).to_vec(),
        properties: Properties::default(),
    };
    // A system without streams of one's own refuses, and does nothing either.
    let said = connector.prepare(&wanted, PrepareOptions { effect: Effect::DryRun, ..REAL }).await;
    if let Err(failure) = &said {
        lab.note(failure);
        if failure.kind == FailureKind::Fault {
            return fails(told(failure));
        }
    }
    match connector.describe(NO_SUCH_STREAM).await {
        Ok(Some(_)) => fails("it made the stream that a dry run only asked about"),
        _ => Ok(()),
    }
}

async fn prepared(lab: &Lab) -> Verdict {
    let scratch = lab.scratch().await?;
    let prepared = lab.answered(lab.connector().await?.prepare(&scratch.stream, REAL).await)?;
    holds(prepared.actions.is_empty(), || format!("it would do: {}", prepared.actions.join("; ")))
}

/// The stream, if it takes records by key.
async fn by_key(lab: &Lab) -> Result<&Scratch, Stop> {
    let scratch = lab.scratch().await?;
    scratch.takes("upsert")?;
    if scratch.makes_key {
        return skips("the system makes the key itself: name another with `--write-key FIELD` if it has one");
    }
    Ok(scratch)
}

/// Fails if a row was not taken.
fn all_ok(statuses: &[WriteStatus], rows: &[Record]) -> Verdict {
    match statuses.iter().zip(rows).find(|(status, _)| **status != WriteStatus::Ok) {
        Some((status, record)) => fails(format!("it answers {status:?} for {}", shown(record))),
        None => Ok(()),
    }
}

async fn upsert(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    let records = scratch.records(RECORDS);
    let written = scratch.write(lab, WriteMode::Upsert, &upserts(&records)).await?;
    all_ok(&written.statuses, &records)?;
    scratch.holds(lab, &records).await
}

async fn idempotent(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    let records = scratch.create(lab, RECORDS).await?;
    let written = scratch.write(lab, WriteMode::Upsert, &upserts(&records)).await?;
    all_ok(&written.statuses, &records)?;
    scratch.holds(lab, &records).await
}

async fn unchanged(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    let records = scratch.create(lab, RECORDS).await?;
    let flushed = scratch.write(lab, WriteMode::Upsert, &upserts(&records)).await?.flushed;
    holds(flushed.written == 0, || format!("{} of {RECORDS} equal records are counted as written", flushed.written))
}

async fn change(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    scratch.changeable()?;
    let records = scratch.create(lab, RECORDS).await?;
    let [first, rest @ ..] = records.as_slice() else { return skips("there is no record") };
    let changed = scratch.changed(first);
    let written = scratch.write(lab, WriteMode::Upsert, &upserts(std::slice::from_ref(&changed))).await?;
    all_ok(&written.statuses, std::slice::from_ref(&changed))?;
    scratch.holds(lab, &[changed]).await?;
    scratch.holds(lab, rest).await
}

async fn null(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    let Some(field) = scratch.changeable()?.into_iter().find(|field| field.nullable) else {
        return skips("no field may be null");
    };
    let Some(mut record) = scratch.create(lab, 1).await?.into_iter().next() else { return skips("there is no record") };
    record.insert(field.name.clone(), serde_json::Value::Null);
    let records = [record];
    let written = scratch.write(lab, WriteMode::Upsert, &upserts(&records)).await?;
    all_ok(&written.statuses, &records)?;
    scratch.holds(lab, &records).await
}

async fn partial(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    let fields = scratch.changeable()?;
    let [changed, _kept, ..] = fields.as_slice() else { return skips("there is only one field to change") };
    let Some(mut record) = scratch.create(lab, 1).await?.into_iter().next() else { return skips("there is no record") };
    let value = scratch.changed(&record).remove(&changed.name).unwrap_or_default();
    let mut part = scratch.key(&record);
    part.insert(changed.name.clone(), value.clone());
    record.insert(changed.name.clone(), value);
    // Fields that must have a value belong to every record of the system.
    part.extend(
        fields
            .iter()
            .filter(|field| !field.nullable)
            .filter_map(|field| Some((field.name.clone(), record.get(&field.name)?.clone()))),
    );
    let written = scratch.write(lab, WriteMode::Upsert, &upserts(std::slice::from_ref(&part))).await?;
    all_ok(&written.statuses, &[part])?;
    scratch.holds(lab, &[record]).await
}

async fn counts(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    let records = scratch.records(RECORDS);
    let flushed = scratch.write(lab, WriteMode::Upsert, &upserts(&records)).await?.flushed;
    holds((flushed.written, flushed.deleted) == (u64::from(RECORDS), 0), || {
        format!("{RECORDS} new records are counted as {} written and {} deleted", flushed.written, flushed.deleted)
    })
}

async fn flush_nothing(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    let connector = lab.connector().await?;
    let mut writer = lab.answered(connector.open(scratch.request(WriteMode::Upsert)).await)?;
    let flushed = lab.answered(writer.flush().await)?;
    let done = flushed.written + flushed.unchanged + flushed.deleted;
    holds(done == 0, || format!("it counts {done} records where there were none"))
}

async fn flush_twice(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    let records = scratch.create(lab, 2).await?;
    let changed: Vec<Record> = records.iter().map(|record| scratch.changed(record)).collect();
    let connector = lab.connector().await?;
    let mut writer = lab.answered(connector.open(scratch.request(WriteMode::Upsert)).await)?;
    let mut counted = Vec::new();
    for record in &changed {
        lab.answered(writer.write(&scratch.page(&upserts(std::slice::from_ref(record)))?).await)?;
        let flushed = lab.answered(writer.flush().await)?;
        counted.push(flushed.written + flushed.unchanged);
    }
    scratch.holds(lab, &changed).await?;
    holds(counted == [1, 1], || format!("two flushes after one record each count {counted:?}"))
}

async fn load(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    let records = scratch.create(lab, 1).await?;
    let changed: Vec<Record> = records.iter().map(|record| scratch.changed(record)).collect();
    match scratch.write_page(lab, WriteMode::Load, &scratch.page(&upserts(&changed))?).await {
        Err(failure) if failure.kind == FailureKind::Conflict => {}
        Err(failure) => return fails(format!("the error is: {}", told(&failure))),
        Ok(written) if written.statuses == [WriteStatus::Conflict] => {}
        // A system that cannot append writes by key.
        Ok(_) => return scratch.holds(lab, &changed).await,
    }
    scratch.holds(lab, &records).await
}

async fn delete(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    scratch.takes("delete")?;
    let records = scratch.create(lab, 2).await?;
    let [gone, kept] = records.as_slice() else { return skips("there is no record") };
    scratch.write(lab, WriteMode::Upsert, &deletes(&[scratch.key(gone)])).await?;
    let found = scratch.see(lab, std::slice::from_ref(gone)).await?;
    if found.iter().any(Option::is_some) {
        return fails("the deleted record is still there");
    }
    scratch.holds(lab, std::slice::from_ref(kept)).await
}

async fn delete_again(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    scratch.takes("delete")?;
    let keys: Vec<Record> = scratch.records(1).iter().map(|record| scratch.key(record)).collect();
    let written = scratch.write(lab, WriteMode::Upsert, &deletes(&keys)).await?;
    all_ok(&written.statuses, &keys)
}

async fn options(lab: &Lab) -> Verdict {
    let scratch = by_key(lab).await?;
    let records = scratch.records(1);
    let mut request = scratch.request(WriteMode::Upsert);
    request.options.set("x-lockstep-check", "unknown");
    let connector = lab.connector().await?;
    let mut writer = lab.answered(connector.open(request).await)?;
    scratch.remember(&upserts(&records));
    lab.answered(writer.write(&scratch.page(&upserts(&records))?).await)?;
    lab.answered(writer.flush().await)?;
    scratch.holds(lab, &records).await
}

/// The request is sent, and its answer is lost: what it did is there, once, and the plugin cannot know.
async fn unknown_outcome(lab: &Lab) -> Verdict {
    let scratch = lab.scratch().await?;
    if !lab.binary()?.report.imports_interface("http") {
        return skips("it sends no requests");
    }
    let mode = if scratch.takes("insert").is_ok() { WriteMode::Insert } else { WriteMode::Upsert };
    let records = scratch.records(1);
    let page = scratch.page(&upserts(&records))?;
    scratch.remember(&upserts(&records));
    let trouble = lab.setup.grants.trouble.clone();
    trouble.order(Calls::Changes, Fault::Unanswered(super::trouble::failure(FailureKind::Transient)));
    let written = scratch.write_page(lab, mode, &page).await;
    let hits = trouble.end();
    if hits.changes == 0 {
        return skips("every request it writes with may be repeated");
    }
    let found = scratch.find(lab, &records).await.unwrap_or_default();
    let found: Vec<Record> = found.into_iter().flatten().map(|record| scratch.key(&record)).collect();
    scratch.remember(&upserts(&found));
    match written {
        Err(failure) if failure.kind == FailureKind::Transient => {}
        Err(failure) => return fails(format!("the error is: {}", told(&failure))),
        Ok(written) => holds(written.statuses == [WriteStatus::Unknown], || {
            format!("it answers {:?} for a record of which nobody knows", written.statuses)
        })?,
    }
    let times = hits.repeats + 1;
    holds(times < 2 && found.len() < 2, || {
        format!("it sends the request {times} times: the record is there {} times", found.len())
    })
}

async fn answers(lab: &Lab) -> Verdict {
    lab.scratch().await?;
    match lab.breach_of("results") {
        Some(how) => fails(how),
        None => Ok(()),
    }
}
