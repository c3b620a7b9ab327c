//! Records that are written while something is recorded, replayed or goes wrong: what the plugin answers, as values that can be kept
//! and compared, and whether what it says of each row is true.

use serde_json::{Value, json};

use super::faults::FaultKind;
use super::lab::Lab;
use super::playback::told;
use super::scratch::{REAL, Record, Scratch, expecting, page_of, upserts};
use super::{Stop, skips};
use crate::connector::{Failure, FailureKind, Sink as _, WriteMode, WriteRequest, WriteResults, WriteStatus};
use crate::error::codes;
use crate::plugin::{Fault, Hits, PluginConnector, Step, Trouble, Writes};
use crate::record::{ChangeKind, Properties, Stream};

/// Records that are written at a time.
const RECORDS: u32 = 3;

/// What a plugin gave for what was written.
#[derive(Debug, Default)]
pub struct Wrote {
    pub gave: Vec<Value>,
    /// Calls of capabilities, step by step; counted only where something is on order.
    pub calls: Vec<u64>,
}

/// What became of records that were written while something went wrong.
#[derive(Debug)]
pub struct Attempt {
    pub calls: u64,
    pub hits: u64,
    /// Whether an error or a row's verdict tells of it.
    pub is_told: bool,
    pub wrong: Vec<String>,
}

/// Writes new records, the same again, a change and deletes, as far as the stream takes them, and answers what that was, to be done
/// again. The lab chooses the records and takes away what is left; `connector` is the one that is recorded.
pub async fn record_writes(lab: &Lab, connector: &PluginConnector) -> Result<(Writes, Wrote), String> {
    let plan = Plan::new(lab).await.map_err(|stop| stop.reason())?;
    let written = plan.record(connector).await;
    lab.clean_up().await;
    Ok(written)
}

/// Writes all of it once more. Behind a step in which something went wrong on order there is nothing to compare with.
pub async fn write_again(connector: &PluginConnector, writes: &Writes, trouble: &Trouble) -> Wrote {
    let mut wrote = Wrote::default();
    let rows = writes.steps.iter().flat_map(|step| &step.rows);
    let target = match Target::prepare(connector, &writes.stream, &writes.key, rows).await {
        Ok(target) => target,
        Err(failure) => {
            wrote.keep(&writes.stream, Err(&failure));
            return wrote;
        }
    };
    for step in &writes.steps {
        let before = trouble.calls();
        let answer = target.write(step).await;
        wrote.keep(&writes.stream, answer.as_ref().map(|(given, _)| given.clone()));
        wrote.calls.push(trouble.calls().saturating_sub(before));
        if answer.is_err() || trouble.hits().all > 0 {
            break;
        }
    }
    wrote
}

impl Wrote {
    /// Whether an error or the verdict on a row tells of something.
    pub fn is_told(&self) -> bool {
        let is_not_ok = |given: &Value| {
            given
                .get("statuses")
                .and_then(Value::as_array)
                .is_some_and(|statuses| statuses.iter().any(|status| status != "ok"))
        };
        super::has_error(&self.gave) || self.gave.iter().any(is_not_ok)
    }

    fn keep(&mut self, stream: &str, answer: Result<Value, &Failure>) {
        let number = self.gave.len() + 1;
        let mut given = json!({ "stream": stream, "write": number });
        let answer = answer.unwrap_or_else(|failure| json!({ "error": told(failure) }));
        if let (Some(members), Value::Object(answer)) = (given.as_object_mut(), answer) {
            members.extend(answer);
        }
        self.gave.push(given);
    }
}

/// A stream that is ready to be written.
struct Target<'a> {
    connector: &'a PluginConnector,
    stream: Stream,
}

impl<'a> Target<'a> {
    /// What a sync does before it writes.
    async fn prepare(
        connector: &'a PluginConnector,
        name: &str,
        key: &[String],
        rows: impl Iterator<Item = &Record> + Clone,
    ) -> Result<Self, Failure> {
        let missing = || {
            let text = format!("there is no stream `{name}` to write to");
            Failure::new(FailureKind::NotFound, &codes::STREAM_MISSING, "recording", text)
        };
        let found = connector.describe(name).await?.ok_or_else(missing)?;
        let is_written = |name: &String| rows.clone().any(|row| row.contains_key(name)) || key.contains(name);
        let fields: Vec<_> = found.fields.iter().filter(|field| is_written(&field.name)).cloned().collect();
        let wanted = Stream { fields, key: key.to_vec(), ..found };
        connector.prepare(&wanted, REAL).await?;
        Ok(Self { connector, stream: wanted })
    }

    async fn write(&self, step: &Step) -> Result<(Value, WriteResults), Failure> {
        let nonsense = |text: String| Failure::new(FailureKind::Config, &codes::RECORDING, "recording", text);
        let mode = WriteMode::named(&step.mode)
            .ok_or_else(|| nonsense(format!("the recording writes in a mode `{}`", step.mode)))?;
        let kind = if step.deletes { ChangeKind::Delete } else { ChangeKind::Upsert };
        let rows: Vec<_> = step.rows.iter().map(|row| (kind, row.clone())).collect();
        let page = page_of(&self.stream, &rows).map_err(|stop| nonsense(stop.reason()))?;
        let request = WriteRequest { stream: self.stream.clone(), mode, options: Properties::default() };
        let mut writer = self.connector.open(request).await?;
        let results = writer.write(&page).await?;
        let flushed = writer.flush().await?;
        let done = json!({ "written": flushed.written, "unchanged": flushed.unchanged, "deleted": flushed.deleted });
        let errors: Vec<Value> =
            results.errors.iter().map(|error| json!({ "row": error.row, "error": told(&error.error) })).collect();
        let mut given = json!({ "statuses": names(&results, page.rows()), "flushed": done });
        if let Some(members) = given.as_object_mut() {
            if !errors.is_empty() {
                members.insert("errors".into(), json!(errors));
            }
            if let Some(ids) = &results.ids {
                members.insert("ids".into(), ids.iter().map(|id| String::from_utf8_lossy(id)).collect());
            }
        }
        Ok((given, results))
    }
}

fn names(results: &WriteResults, rows: usize) -> Vec<&'static str> {
    match &results.statuses {
        Some(statuses) => statuses.iter().map(|status| status.name()).collect(),
        None => vec![WriteStatus::Ok.name(); rows],
    }
}

/// What is written to be recorded: step by step, for the keys that a system makes are known only then.
struct Plan<'a> {
    scratch: &'a Scratch,
    records: Vec<Record>,
}

impl<'a> Plan<'a> {
    async fn new(lab: &'a Lab) -> Result<Self, Stop> {
        let scratch = lab.scratch().await?;
        scratch.new_mode()?;
        Ok(Self { scratch, records: scratch.records(RECORDS) })
    }

    async fn record(mut self, connector: &PluginConnector) -> (Writes, Wrote) {
        let stream = &self.scratch.stream;
        let mut writes = Writes { stream: stream.name.clone(), key: stream.key.clone(), steps: Vec::new() };
        let mut wrote = Wrote::default();
        let target = match Target::prepare(connector, &stream.name, &stream.key, self.records.iter()).await {
            Ok(target) => target,
            Err(failure) => {
                wrote.keep(&stream.name, Err(&failure));
                return (writes, wrote);
            }
        };
        for make in [Self::new_records, Self::same_again, Self::a_change, Self::deleted] {
            let Some(step) = make(&self) else { continue };
            self.scratch.remember(&upserts(&step.rows));
            let answer = target.write(&step).await;
            wrote.keep(&stream.name, answer.as_ref().map(|(given, _)| given.clone()));
            writes.steps.push(step);
            let Ok((_, results)) = answer else { break };
            if results.statuses.iter().flatten().any(|status| *status != WriteStatus::Ok) {
                break;
            }
            self.take_keys(&results);
        }
        (writes, wrote)
    }

    /// The keys that the system made.
    fn take_keys(&mut self, results: &WriteResults) {
        for (record, id) in self.records.iter_mut().zip(results.ids.iter().flatten()) {
            record.extend(self.scratch.key_of(id).unwrap_or_default());
        }
        self.scratch.remember(&upserts(&self.records));
    }

    fn new_records(&self) -> Option<Step> {
        let mode = self.scratch.new_mode().ok()?;
        Some(Step { mode: mode.name().to_owned(), deletes: false, rows: self.records.clone() })
    }

    fn by_key(&self) -> bool {
        self.scratch.takes("upsert").is_ok() && !self.scratch.makes_key
    }

    fn same_again(&self) -> Option<Step> {
        self.by_key().then(|| Step { mode: "upsert".to_owned(), deletes: false, rows: self.records.clone() })
    }

    /// The first record with another value: by its key, or if it is as it was.
    fn a_change(&self) -> Option<Step> {
        let (first, fields) = (self.records.first()?, self.scratch.changeable().ok()?);
        let changed = self.scratch.changed(first);
        if self.by_key() {
            return Some(Step { mode: "upsert".to_owned(), deletes: false, rows: vec![changed] });
        }
        self.scratch.takes("update").ok()?;
        let name = &fields.iter().find(|field| changed.get(&field.name) != first.get(&field.name))?.name;
        let mut row = self.scratch.key(first);
        row.insert(name.clone(), changed.get(name)?.clone());
        let row = expecting(row, name, first.get(name)?.clone());
        Some(Step { mode: "update".to_owned(), deletes: false, rows: vec![row] })
    }

    fn deleted(&self) -> Option<Step> {
        self.scratch.takes("delete").ok()?;
        let mode = if self.scratch.takes("upsert").is_ok() { "upsert" } else { "update" };
        let rows: Vec<Record> = self.records.iter().map(|record| self.scratch.key(record)).collect();
        let are_whole = rows.iter().all(|row| row.len() == self.scratch.stream.key.len());
        are_whole.then(|| Step { mode: mode.to_owned(), deletes: true, rows })
    }
}

/// What is wrong with what a plugin says of rows, going by a recording: `whole` is what it gives undisturbed.
pub(super) fn misjudged(kind: &FaultKind, whole: &Wrote, struck: &Wrote, hits: Hits) -> Vec<String> {
    let Some((at, given)) = struck.gave.iter().enumerate().next_back() else { return Vec::new() };
    let stream = given.get("stream").and_then(Value::as_str).unwrap_or_default();
    let statuses = |given: Option<&Value>| -> Vec<String> {
        given.and_then(|given| serde_json::from_value(given.get("statuses")?.clone()).ok()).unwrap_or_default()
    };
    let (then, now) = (statuses(whole.gave.get(at)), statuses(Some(given)));
    let mut wrong: Vec<String> = repeated(hits).map(|told| format!("{stream}: write {} {told}", at + 1)).collect();
    if given.get("error").is_some() || hits.changes == 0 {
        return wrong;
    }
    // Whoever asks again may find out.
    let asked_more = struck.calls.get(at) > whole.calls.get(at);
    for (row, (then, now)) in then.iter().zip(&now).enumerate() {
        if kind.is_carried_out() && then == "ok" && ["conflict", "rejected", "retry"].contains(&now.as_str()) {
            wrong.push(format!("{stream}: row {row} of write {} is `{now}`, though it was written", at + 1));
        }
    }
    if wrong.is_empty() && then == now && !asked_more && !matches!(kind.fault(), Fault::Spoiled(_)) {
        wrong.push(format!("{stream}: write {} answers as if nothing had happened", at + 1));
    }
    wrong
}

/// A request of which nobody knows whether it was carried out, and that may not be repeated.
fn repeated(hits: Hits) -> impl Iterator<Item = String> {
    (hits.repeats > 0).then(|| "sends a request again that was perhaps carried out".to_owned()).into_iter()
}

/// Writes new records while something goes wrong at one call, and looks what is there then.
pub async fn write_struck(lab: &Lab, kind: &FaultKind, call: u64) -> Result<Attempt, String> {
    let scratch = lab.scratch().await.map_err(|stop| stop.reason())?;
    attempt(lab, scratch, kind, call).await.map_err(|stop| stop.reason())
}

async fn attempt(lab: &Lab, scratch: &Scratch, kind: &FaultKind, call: u64) -> Result<Attempt, Stop> {
    let mode = scratch.new_mode()?;
    let records = scratch.records(RECORDS);
    let page = scratch.page(&upserts(&records))?;
    scratch.remember(&upserts(&records));
    let trouble = lab.setup.grants.trouble.clone();
    trouble.order_at(kind.fault(), call);
    let written = scratch.write_page(lab, mode, &page).await;
    let (calls, hits) = (trouble.calls(), trouble.end());
    let mut wrong: Vec<String> = repeated(hits).map(|told| format!("it {told}")).collect();
    let (is_told, statuses) = match written {
        Ok(written) => (written.statuses.iter().any(|status| *status != WriteStatus::Ok), written.statuses),
        Err(failure) => {
            wrong.extend(kind.misnamed(&told(&failure)));
            (true, repeat(lab, scratch, mode, &page, &mut wrong).await)
        }
    };
    match scratch.find(lab, &records).await {
        Ok(found) => {
            scratch.remember(&upserts(&found.iter().flatten().map(|record| scratch.key(record)).collect::<Vec<_>>()));
            let copies = found.iter().map(Vec::len);
            for (row, copies) in copies.enumerate() {
                wrong.extend(untrue(row, statuses.get(row).copied(), copies, hits.changes > 0));
            }
        }
        Err(Stop::Skips(_)) => {}
        Err(stop) => return Err(stop),
    }
    Ok(Attempt { calls, hits: hits.all, is_told, wrong })
}

/// A page that failed is written again, as a sync does, where that doubles nothing. What was answered then; nothing if it was not.
async fn repeat(
    lab: &Lab,
    scratch: &Scratch,
    mode: WriteMode,
    page: &crate::record::Changes,
    wrong: &mut Vec<String>,
) -> Vec<WriteStatus> {
    if mode != WriteMode::Upsert {
        return Vec::new();
    }
    match scratch.write_page(lab, mode, page).await {
        Ok(written) => written.statuses,
        Err(failure) => {
            wrong.push(format!("the same page, written again: {}", super::told(&failure)));
            Vec::new()
        }
    }
}

/// What is not true of what was said about a row. One that is to be tried again may be there, if that harms nobody.
fn untrue(row: usize, status: Option<WriteStatus>, copies: usize, is_change: bool) -> Option<String> {
    match (status, copies) {
        (Some(WriteStatus::Retry), 1) if !is_change => None,
        (_, 2..) => Some(format!("row {row} is there {copies} times")),
        (Some(WriteStatus::Ok), 0) => Some(format!("row {row} is `ok` and not there")),
        (Some(status @ (WriteStatus::Conflict | WriteStatus::Rejected | WriteStatus::Retry)), 1) => {
            Some(format!("row {row} is `{}`, though it was written", status.name()))
        }
        _ => None,
    }
}

impl Scratch {
    /// How new records are put there.
    pub(super) fn new_mode(&self) -> Result<WriteMode, Stop> {
        match (self.takes("upsert").is_ok() && !self.makes_key, self.takes("insert").is_ok()) {
            (true, _) => Ok(WriteMode::Upsert),
            (false, true) => Ok(WriteMode::Insert),
            (false, false) => skips(format!("`{}` takes no new records", self.stream.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(statuses: &[&str], calls: u64) -> Wrote {
        Wrote { gave: vec![json!({"stream": "c", "write": 1, "statuses": statuses})], calls: vec![calls] }
    }

    #[test]
    fn what_is_said_of_rows_is_true_or_unknown() {
        let check = |kind: &str, now: &[&str], calls, is_change, expected: &[&str]| {
            let kind = FaultKind::named(kind).unwrap();
            let hits = Hits { all: 1, changes: u64::from(is_change), repeats: 0 };
            let wrong = misjudged(kind, &wrote(&["ok", "ok"], 2), &wrote(now, calls), hits);
            assert_eq!(wrong.len(), expected.len(), "{wrong:?}");
            assert!(wrong.iter().zip(expected).all(|(wrong, part)| wrong.contains(part)), "{wrong:?}");
        };
        check("timeout-after-commit", &["ok", "unknown"], 2, true, &[]);
        check("timeout-after-commit", &["ok", "ok"], 2, true, &["as if nothing had happened"]);
        check("timeout-after-commit", &["ok", "ok"], 3, true, &[]);
        check("timeout-after-commit", &["retry", "rejected"], 2, true, &["row 0", "row 1"]);
        check("timeout-after-commit", &["ok", "ok"], 2, false, &[]);
        check("timeout", &["retry", "ok"], 2, true, &[]);
        check("timeout", &["ok", "ok"], 2, true, &["as if nothing had happened"]);
        check("truncated-body", &["ok", "ok"], 2, true, &[]);
        check("truncated-body", &["ok", "rejected"], 2, true, &["row 1"]);
        let failed = Wrote { gave: vec![json!({"stream": "c", "error": {"kind": "transient"}})], calls: vec![1] };
        let kind = FaultKind::named("timeout").unwrap();
        let hits = |repeats| Hits { all: 1, changes: 1, repeats };
        assert!(
            misjudged(kind, &wrote(&["ok"], 2), &failed, hits(0)).is_empty(),
            "an error is looked at as every other"
        );
        assert_eq!(misjudged(kind, &wrote(&["ok"], 2), &failed, hits(1)).len(), 1);
    }

    #[test]
    fn verdicts_are_held_against_what_is_there() {
        let check = |status, copies, expected| assert_eq!(untrue(0, status, copies, true).is_some(), expected);
        check(Some(WriteStatus::Ok), 1, false);
        check(Some(WriteStatus::Ok), 0, true);
        check(Some(WriteStatus::Ok), 2, true);
        check(Some(WriteStatus::Unknown), 0, false);
        check(Some(WriteStatus::Unknown), 1, false);
        check(Some(WriteStatus::Retry), 0, false);
        check(Some(WriteStatus::Retry), 1, true);
        assert_eq!(untrue(0, Some(WriteStatus::Retry), 1, false), None, "a request that may be repeated");
        check(None, 2, true);
        check(None, 1, false);
    }
}
