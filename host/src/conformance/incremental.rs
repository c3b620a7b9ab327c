//! What changed since a cursor.

use serde_json::{Value, json};

use super::lab::Lab;
use super::reading::{Reading, Request, Seen, difference, shown, sorted};
use super::scratch::{Record, Scratch, upserts};
use super::{Check, Stop, Verdict, fails, holds, skips};
use crate::connector::{Cursor, PageLimits, PageStatus, WriteMode, WriteStatus};
use crate::record::{ChangeKind, Field, LogicalType, Stream, format_datetime, format_timestamp};

const SECOND: i64 = 1_000_000;
const YEAR: i64 = 366 * 86_400 * SECOND;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "incremental.first",
        title: "the first reading of changes shows every record",
        rule: "wit/v0.1/types.wit, read-request.mode",
        fix: "without a cursor, begin before the oldest record; records without a time come with full readings",
        run: |lab| Box::pin(first(lab)),
    },
    Check {
        id: "incremental.resume",
        title: "a reading of changes that broke off loses nothing, also among records of one time",
        rule: "wit/v0.1/types.wit, page.next-cursor",
        fix: "put the key of the last record into the cursor beside its time, or read all records of that time again",
        run: |lab| Box::pin(resume(lab)),
    },
    Check {
        id: "incremental.quiet",
        title: "when nothing changed, a reading ends soon and shows nothing new",
        rule: "wit/v0.1/types.wit, page.status",
        fix: "answer `caught-up` behind the last change",
        run: |lab| Box::pin(quiet(lab)),
    },
    Check {
        id: "incremental.claim",
        title: "a reading that did not begin at the beginning does not claim to be complete",
        rule: "wit/v0.1/types.wit, page.status",
        fix: "answer `caught-up`: behind `enumeration-complete` the host deletes what was not shown",
        run: |lab| Box::pin(claim(lab)),
    },
];

/// Those that write.
pub(super) const WRITING_CHECKS: &[Check] = &[
    Check {
        id: "incremental.change",
        title: "a record that is written after the cursor is shown",
        rule: "wit/v0.1/types.wit, read-request.mode",
        fix: "begin behind what was shown, not behind the time of the reading",
        run: |lab| Box::pin(change(lab)),
    },
    Check {
        id: "incremental.boundary",
        title: "a record that comes later with the time of the last one is shown",
        rule: "docs/guides/write-a-plugin.md, make it yours",
        fix: "read from the time of the last record on, including it: clocks count in seconds, and many records share one",
        run: |lab| Box::pin(boundary(lab)),
    },
    Check {
        id: "incremental.late",
        title: "a record that becomes visible late, with an earlier time, is shown within the lookback",
        rule: "wit/v0.1/types.wit, read-request.options",
        fix: "begin `lookback-ms` before the cursor (10 minutes unless said): in Rust with `lookback::Lookback`",
        run: |lab| Box::pin(late(lab)),
    },
    Check {
        id: "incremental.future",
        title: "a time far in the future does not hide what is written after it",
        rule: "plugin-sdk/src/lookback.rs",
        fix: "never put a time behind the system's clock into the cursor: in Rust with `lookback::lookback_from`",
        run: |lab| Box::pin(future(lab)),
    },
];

async fn base(lab: &Lab) -> Result<(Request, &Reading), Stop> {
    let stream = lab.stream().await?;
    Ok((lab.incremental(stream)?, lab.whole().await?))
}

/// Everything there is, read as changes.
async fn all_changes(lab: &Lab, request: &Request) -> Result<Reading, Stop> {
    let reading = lab.read(request, None, lab.page_limits(), usize::MAX).await;
    reading.map_err(|broken| broken.skips("`incremental.first` failed"))
}

/// Whether the record has a time: one without is seen by full readings only.
fn has_time(seen: &Seen, request: &Request) -> bool {
    let Some(modified) = request.0.options.get("modified") else { return true };
    let record: Value = serde_json::from_str(&seen.text).unwrap_or_default();
    record.get(modified).is_some_and(|value| !value.is_null())
}

/// A record of the first that the second lacks.
fn lost<'a>(first: impl Iterator<Item = &'a Seen>, second: &[&Seen]) -> Option<&'a Seen> {
    let mut first = first;
    first.find(|seen| second.binary_search(seen).is_err())
}

async fn first(lab: &Lab) -> Verdict {
    let (request, whole) = base(lab).await?;
    let reading = lab.read(&request, None, lab.page_limits(), usize::MAX).await?;
    let found = reading.sorted();
    match lost(whole.seen().filter(|seen| !seen.is_rejected && has_time(seen, &request)), &found) {
        Some(seen) => fails(format!("it does not show {}", shown(seen))),
        None => Ok(()),
    }
}

async fn resume(lab: &Lab) -> Verdict {
    let (request, whole) = base(lab).await?;
    let all = all_changes(lab, &request).await?;
    let rows = u32::try_from(whole.records().div_ceil(12)).unwrap_or(u32::MAX).max(1);
    let limits = PageLimits { rows, ..lab.page_limits() };
    let paged = lab.read(&request, None, limits, usize::MAX).await?;
    let mut before: Vec<&Seen> = Vec::new();
    for (number, page) in paged.pages.iter().enumerate() {
        before.extend(&page.records);
        if page.status != PageStatus::More {
            break;
        }
        let rest = lab.read(&request, Some(page.cursor.clone()), limits, usize::MAX).await?;
        let together = sorted(before.iter().copied().chain(rest.seen()));
        if let Some(seen) = lost(all.seen(), &together) {
            return fails(format!("broken off behind page {}, it never shows {}", number + 1, shown(seen)));
        }
    }
    Ok(())
}

/// The cursor behind everything there is.
async fn end(lab: &Lab, request: &Request) -> Result<Option<Cursor>, Stop> {
    Ok(all_changes(lab, request).await?.cursor())
}

async fn quiet(lab: &Lab) -> Verdict {
    let (request, whole) = base(lab).await?;
    let mut cursor = end(lab, &request).await?;
    for _ in 0..2 {
        let reading = lab.read(&request, cursor.clone(), lab.page_limits(), whole.records() * 2 + 2).await?;
        if !reading.is_whole() {
            return fails(format!(
                "it shows {} records and more, though there are only {}",
                reading.records(),
                whole.records()
            ));
        }
        let all = whole.sorted();
        if let Some(seen) = lost(reading.seen().filter(|seen| !seen.is_delete), &all) {
            return fails(format!("it shows a change that was none: {}", shown(seen)));
        }
        cursor = reading.cursor();
    }
    Ok(())
}

async fn claim(lab: &Lab) -> Verdict {
    let (request, whole) = base(lab).await?;
    let cursor = end(lab, &request).await?;
    let reading = lab.read(&request, cursor, lab.page_limits(), usize::MAX).await?;
    let shows_all = difference(&whole.sorted(), &reading.sorted()).is_none();
    holds(shows_all || reading.status() != Some(PageStatus::EnumerationComplete), || {
        format!("it claims to be complete and shows {} of {} records", reading.records(), whole.records())
    })
}

/// The stream that may be written, read as changes; with the field that tells what changed, if it can be written.
struct Written<'a> {
    scratch: &'a Scratch,
    request: Request,
    modified: Option<Field>,
}

async fn written(lab: &Lab) -> Result<Written<'_>, Stop> {
    lab.streams().await?;
    let scratch = lab.scratch().await?;
    let found = lab.answered(
        crate::connector::Source::discover(lab.connector().await?, std::slice::from_ref(&scratch.stream.name)).await,
    )?;
    let Some(whole) = found.into_iter().find(|stream| stream.name == scratch.stream.name) else {
        return skips(format!("`{}` cannot be read", scratch.stream.name));
    };
    let whole = Stream { key: scratch.stream.key.clone(), ..whole };
    // A field of this name may be the other stream's alone.
    let request = match lab.incremental(&whole) {
        Ok(request) => request,
        Err(_) if whole.field("changed").is_some() => Request::incremental(&whole, Some("changed")),
        Err(stop) => return Err(stop),
    };
    let request = request.with_fields(read_fields(&whole, scratch, &request_modified(&whole, lab)));
    let modified = request.0.options.get("modified").and_then(|name| whole.field(name)).cloned();
    let modified = modified.filter(|field| {
        matches!(field.logical, LogicalType::Timestamp | LogicalType::Datetime)
            && field.properties.get("computed").is_none()
            && field.properties.get("generated").is_none()
    });
    Ok(Written { scratch, request, modified })
}

fn request_modified(stream: &Stream, lab: &Lab) -> String {
    let said = lab.wishes.modified.clone().filter(|name| stream.field(name).is_some());
    said.or_else(|| stream.properties.get("modified").map(str::to_owned)).unwrap_or_else(|| "changed".to_owned())
}

/// What is compared, and what tells the time.
fn read_fields(whole: &Stream, scratch: &Scratch, modified: &str) -> Vec<Field> {
    let is_read = |field: &&Field| field.name == modified || scratch.stream.field(&field.name).is_some();
    whole.fields.iter().filter(is_read).cloned().collect()
}

impl Written<'_> {
    fn timed(&self) -> Result<&Field, Stop> {
        self.modified.as_ref().map_or_else(|| skips("the system itself says what changed when"), Ok)
    }

    /// Writes a new record with this time; answers it.
    async fn write_at(&self, lab: &Lab, micros: i64) -> Result<Record, Stop> {
        let Some(mut record) = self.scratch.records(1).into_iter().next() else { return skips("there is no record") };
        let field = self.timed()?;
        let time = match field.logical {
            LogicalType::Datetime => format_datetime(micros),
            _ => format_timestamp(micros),
        };
        record.insert(field.name.clone(), json!(time));
        self.scratch.takes("upsert")?;
        let with_time = Stream { fields: self.request.0.fields.clone(), ..self.scratch.stream.clone() };
        let page = page_of(&with_time, &record)?;
        self.scratch.remember(&upserts(std::slice::from_ref(&record)));
        let written = lab.answered(self.scratch.write_as(lab, &with_time, WriteMode::Upsert, &page).await)?;
        match written.statuses.as_slice() {
            [WriteStatus::Ok] => Ok(record),
            statuses => skips(format!("it answers {statuses:?} for a record with a time")),
        }
    }

    async fn end(&self, lab: &Lab) -> Result<Option<Cursor>, Stop> {
        Ok(lab.read(&self.request, None, lab.page_limits(), usize::MAX).await?.cursor())
    }

    /// Fails unless a reading from the cursor shows the record.
    async fn shows(&self, lab: &Lab, cursor: Option<Cursor>, record: &Record, what: &str) -> Verdict {
        let reading = lab.read(&self.request, cursor, lab.page_limits(), usize::MAX).await?;
        let page = self.scratch.page(&[(ChangeKind::Upsert, self.scratch.key(record))])?;
        let key = super::reading::see(&page, 0, &self.scratch.stream.key).key;
        holds(reading.seen().any(|seen| seen.key == key), || {
            format!("{what} is not among the {} that are shown: {}", reading.records(), super::scratch::shown(record))
        })
    }
}

fn page_of(stream: &Stream, record: &Record) -> Result<crate::record::Changes, Stop> {
    let fields: Vec<Field> = stream.fields.iter().filter(|field| record.contains_key(&field.name)).cloned().collect();
    let batch = crate::record::batch_from_json(&fields.into(), &[Value::Object(record.clone())])
        .map_err(|error| Stop::Skips(format!("the record cannot be written: {error}")))?;
    Ok(crate::record::Changes::upserts(batch))
}

fn now(lab: &Lab) -> i64 {
    // Systems keep times to the second at least.
    lab.setup.clock.now().timestamp() * SECOND
}

async fn change(lab: &Lab) -> Verdict {
    let written = written(lab).await?;
    let cursor = written.end(lab).await?;
    let record = match &written.modified {
        Some(_) => written.write_at(lab, now(lab)).await?,
        None => written.scratch.create(lab, 1).await?.into_iter().next().unwrap_or_default(),
    };
    written.shows(lab, cursor, &record, "a record written after the cursor").await
}

async fn boundary(lab: &Lab) -> Verdict {
    let written = written(lab).await?;
    let time = now(lab);
    written.write_at(lab, time).await?;
    let cursor = written.end(lab).await?;
    let record = written.write_at(lab, time).await?;
    written.shows(lab, cursor, &record, "a second record with the time of the last one").await
}

async fn late(lab: &Lab) -> Verdict {
    let written = written(lab).await?;
    let time = now(lab);
    written.write_at(lab, time).await?;
    let cursor = written.end(lab).await?;
    let record = written.write_at(lab, time - 60 * SECOND).await?;
    written.shows(lab, cursor, &record, "a record a minute earlier than the last one").await
}

async fn future(lab: &Lab) -> Verdict {
    let written = written(lab).await?;
    written.write_at(lab, now(lab) + 8 * YEAR).await?;
    let cursor = written.end(lab).await?;
    let record = written.write_at(lab, now(lab)).await?;
    written.shows(lab, cursor, &record, "a record of now, after one of a time far ahead,").await
}
