//! Rows on their way to a sink: grouped by what they do and which columns they have, taken apart when a whole group fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::UInt32Array;

use super::deliver::{Action, Cell, Job, key_columns};
use super::setup::End;
use super::work::remote_id;
use crate::connector::{Failure, FailureKind, Sink, WriteMode, WriteRequest, WriteResults, WriteStatus, expected_name};
use crate::error::codes;
use crate::record::{Batch, ChangeKind, Changes, Field, LogicalType, Properties, Stream, Value, batch_of_values};
use crate::resolve::{Mechanism, Safety};
use crate::sync::bisect::{Bisection, Halved, is_about_rows};

/// What became of one write.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// Done; of a create the new remote id, if the endpoint told.
    Ok {
        remote: Option<Vec<u8>>,
    },
    /// The record is not what it was expected to be, or is there already.
    Conflict(Failure),
    Rejected(Failure),
    /// Nothing was done; it may be tried again.
    Retry(Failure),
    /// Nobody knows.
    Unknown(Failure),
}

/// Writes of one kind with the same columns.
struct Shape {
    mode: WriteMode,
    key: Vec<Field>,
    columns: Vec<Field>,
    expected: Vec<Field>,
    deletes: bool,
}

/// Makes the writes and answers each in its place. Once an endpoint is ready to be written to, and before each call, it is asked
/// whether this process still holds the lease: one that stood still for a while must not go on where another has taken over.
pub(super) async fn write_jobs(
    end: &End,
    jobs: &[Job],
    safety: Safety,
    holds_lease: &(dyn Fn() -> bool + Sync),
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = jobs.iter().map(|_| Outcome::Retry(not_tried(end))).collect();
    let Some(sink) = &end.sink else { return outcomes };
    let mut calls = Calls { end, sink, jobs, safety, holds_lease, outcomes: &mut outcomes };
    for (shape, rows) in shapes(end, jobs) {
        if !calls.write(&shape, &rows).await {
            break;
        }
    }
    outcomes
}

fn not_tried(end: &End) -> Failure {
    Failure::new(FailureKind::Transient, &codes::PLUGIN_ERROR, &end.plugin.label, "a write before this one failed")
}

/// What jobs that are written together have in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Kind<'a> {
    action: Action,
    columns: Vec<&'a str>,
    expected: Vec<&'a str>,
}

impl<'a> Kind<'a> {
    fn of(job: &'a Job) -> Self {
        let names = |columns: &'a [Cell]| columns.iter().map(|(field, _)| field.name.as_str()).collect();
        Self { action: job.action, columns: names(&job.columns), expected: names(&job.expected) }
    }
}

/// Jobs by their shapes, creates first and deletes last.
fn shapes(end: &End, jobs: &[Job]) -> Vec<(Shape, Vec<u32>)> {
    let mut groups: BTreeMap<Kind<'_>, Vec<u32>> = BTreeMap::new();
    for (row, job) in jobs.iter().enumerate() {
        groups.entry(Kind::of(job)).or_default().push(row as u32);
    }
    groups
        .into_iter()
        .filter_map(|(Kind { action, .. }, rows)| {
            let job = jobs.get(rows.first().copied()? as usize)?;
            let fields = |columns: &[Cell]| columns.iter().map(|(field, _)| Field::clone(field)).collect();
            let shape = Shape {
                mode: mode(end, action),
                key: if action == Action::Create { Vec::new() } else { end.key.clone() },
                columns: fields(&job.columns),
                expected: fields(&job.expected),
                deletes: action == Action::Delete,
            };
            Some((shape, rows))
        })
        .collect()
}

fn mode(end: &End, action: Action) -> WriteMode {
    match action {
        Action::Create if end.can_insert => WriteMode::Insert,
        Action::Update | Action::Archive | Action::Delete if end.can_update => WriteMode::Update,
        _ => WriteMode::Upsert,
    }
}

/// Calls that write, and what comes of them.
struct Calls<'a> {
    end: &'a End,
    sink: &'a Arc<dyn Sink>,
    jobs: &'a [Job],
    safety: Safety,
    holds_lease: &'a (dyn Fn() -> bool + Sync),
    /// One per job.
    outcomes: &'a mut [Outcome],
}

impl Calls<'_> {
    /// Writes rows of one shape. Answers whether the endpoint still works.
    async fn write(&mut self, shape: &Shape, rows: &[u32]) -> bool {
        let changes = match changes(shape, self.jobs, rows) {
            Ok(changes) => changes,
            Err(failure) => {
                self.set(rows, &Outcome::Rejected(failure));
                return true;
            }
        };
        let mut bisection = Bisection::new((0..rows.len() as u32).collect());
        while let Some(part) = bisection.next() {
            let of = |row: &u32| rows.get(*row as usize).copied().unwrap_or(0);
            let jobs_of_part: Vec<u32> = part.iter().map(of).collect();
            let attempt = match changes.take(&UInt32Array::from(part.clone())) {
                Ok(changes) => self.attempt(shape, &changes).await,
                Err(error) => Err(Failed::before(own(self.end, &error.to_string()))),
            };
            match attempt {
                Ok(results) => self.take_results(shape, &jobs_of_part, results, |_| true),
                Err(failed) if is_about_rows(&failed.failure) && failed.failure.kind != FailureKind::Fault => {
                    if !self.safety.has(Mechanism::Bisecting) {
                        self.set(&jobs_of_part, &Outcome::Rejected(failed.failure));
                        continue;
                    }
                    if let Halved::Culprit(row, failure) = bisection.failed(part, failed.failure) {
                        self.set(&[of(&row)], &refusal(failure));
                    }
                }
                Err(Failed { failure, stage, answered }) => {
                    self.set(&jobs_of_part, &stage.outcome(failure));
                    // What was refused one by one is not there, whatever became of the rest.
                    if let Some(results) = answered {
                        self.take_results(shape, &jobs_of_part, results, is_refused);
                    }
                    return false;
                }
            }
        }
        true
    }

    async fn attempt(&self, shape: &Shape, changes: &Changes) -> Result<WriteResults, Failed> {
        let Self { end, sink, .. } = self;
        let fields = shape.key.iter().chain(&shape.columns).cloned().collect();
        let key = end.key.iter().map(|field| field.name.clone()).collect();
        let stream = Stream { name: end.stream.name.clone(), key, fields, properties: end.stream.properties.clone() };
        let request = WriteRequest { stream, mode: shape.mode, options: Properties::default() };
        let mut writer = sink.open(request).await.map_err(Failed::before)?;
        if !(self.holds_lease)() {
            return Err(Failed::before(not_tried(end)));
        }
        let results = writer.write(changes).await.map_err(Failed::write)?;
        match writer.flush().await {
            Ok(_) => Ok(results),
            Err(failure) => Err(Failed { failure, stage: Stage::Flush, answered: Some(results) }),
        }
    }

    /// Of the answers those that count.
    fn take_results(&mut self, shape: &Shape, rows: &[u32], results: WriteResults, counts: fn(WriteStatus) -> bool) {
        for (at, row) in rows.iter().enumerate() {
            let status =
                results.statuses.as_ref().and_then(|statuses| statuses.get(at)).copied().unwrap_or(WriteStatus::Ok);
            let status = if self.safety.has(Mechanism::RowResults) { status } else { WriteStatus::Ok };
            if !counts(status) {
                continue;
            }
            let error = || {
                let found = results.errors.iter().find(|error| error.row as usize == at);
                found.map_or_else(|| silent(self.end), |error| error.error.clone())
            };
            let outcome = match status {
                WriteStatus::Ok => {
                    let told = results.ids.as_ref().and_then(|ids| ids.get(at)).filter(|id| !id.is_empty());
                    let told = told.and_then(|id| read_key(id, &self.end.key));
                    let known = self.jobs.get(*row as usize).and_then(|job| key_of(job, shape, &self.end.key));
                    Outcome::Ok { remote: told.or(known) }
                }
                WriteStatus::Conflict => Outcome::Conflict(error()),
                WriteStatus::Rejected => Outcome::Rejected(error()),
                WriteStatus::Retry => Outcome::Retry(error()),
                WriteStatus::Unknown => Outcome::Unknown(error()),
            };
            if let Some(place) = self.outcomes.get_mut(*row as usize) {
                *place = outcome;
            }
        }
    }

    fn set(&mut self, rows: &[u32], outcome: &Outcome) {
        for row in rows {
            if let Some(place) = self.outcomes.get_mut(*row as usize) {
                *place = outcome.clone();
            }
        }
    }
}

fn is_refused(status: WriteStatus) -> bool {
    matches!(status, WriteStatus::Conflict | WriteStatus::Rejected | WriteStatus::Retry)
}

fn refusal(failure: Failure) -> Outcome {
    if failure.kind == FailureKind::Conflict { Outcome::Conflict(failure) } else { Outcome::Rejected(failure) }
}

/// A call that failed, and how far it had come.
struct Failed {
    failure: Failure,
    stage: Stage,
    /// What had been said of each row before the call failed.
    answered: Option<WriteResults>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was written.
    Before,
    /// Something may have been written, unless the failure says that the call was turned away.
    Write,
    /// The rows were taken: whether they are there is not known, whatever the failure says.
    Flush,
}

impl Failed {
    fn before(failure: Failure) -> Self {
        Self { failure, stage: Stage::Before, answered: None }
    }

    fn write(failure: Failure) -> Self {
        Self { failure, stage: Stage::Write, answered: None }
    }
}

impl Stage {
    fn outcome(self, failure: Failure) -> Outcome {
        let is_open = matches!(
            failure.kind,
            FailureKind::Transient | FailureKind::Fault | FailureKind::Other | FailureKind::Permanent
        );
        match self {
            Self::Flush => Outcome::Unknown(failure),
            Self::Write if is_open => Outcome::Unknown(failure),
            _ => Outcome::Retry(failure),
        }
    }
}

fn changes(shape: &Shape, jobs: &[Job], rows: &[u32]) -> Result<Changes, Failure> {
    let mut fields: Vec<Field> = shape.key.iter().chain(&shape.columns).cloned().collect();
    fields.extend(shape.expected.iter().map(|field| Field { name: expected_name(&field.name), ..field.clone() }));
    let mut values: Vec<Vec<Option<Value>>> = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(job) = jobs.get(*row as usize) else { continue };
        let mut row: Vec<Option<Value>> = Vec::with_capacity(fields.len());
        if !shape.key.is_empty() {
            let key = job.remote.as_deref().and_then(|remote| key_columns(remote, &shape.key)).unwrap_or_default();
            row.extend(key.into_iter().map(|(_, value)| Some(value)));
        }
        row.extend(job.columns.iter().chain(&job.expected).map(|(_, value)| Some(value.clone())));
        values.push(row);
    }
    let slices: Vec<&[Option<Value>]> = values.iter().map(Vec::as_slice).collect();
    let data: Batch = batch_of_values(&fields.into(), &slices)
        .map_err(|error| Failure::new(FailureKind::InvalidData, &codes::INTERNAL, "lockstep", error.to_string()))?;
    let mut changes = Changes::upserts(data);
    if shape.deletes {
        changes.kinds = Some(vec![ChangeKind::Delete as u8; rows.len()].into());
    }
    Ok(changes)
}

fn silent(end: &End) -> Failure {
    Failure::new(
        FailureKind::InvalidData,
        &codes::DATA_REJECTED,
        &end.plugin.label,
        "the record was refused without a word",
    )
}

fn own(end: &End, message: &str) -> Failure {
    Failure::new(FailureKind::Other, &codes::INTERNAL, &end.plugin.label, message)
}

/// The key of a record that was made, as far as we made it.
fn key_of(job: &Job, shape: &Shape, key: &[Field]) -> Option<Vec<u8>> {
    if !shape.key.is_empty() {
        return job.remote.clone();
    }
    key_among(&job.columns, key)
}

/// The remote id that columns make, if all of the key is among them.
pub(super) fn key_among(columns: &[Cell], key: &[Field]) -> Option<Vec<u8>> {
    let value = |field: &Field| columns.iter().find(|(known, _)| known.name == field.name).map(|(_, value)| value);
    let values: Option<Vec<&Value>> = key.iter().map(value).collect();
    values.filter(|values| values.iter().all(|value| !value.is_null())).map(|values| remote_id(&values))
}

/// A key as a sink tells it: a JSON list of texts.
fn read_key(text: &[u8], key: &[Field]) -> Option<Vec<u8>> {
    let texts: Vec<String> = serde_json::from_slice(text).ok()?;
    if texts.len() != key.len() {
        return None;
    }
    let values: Option<Vec<Value>> = texts.iter().zip(key).map(|(text, field)| value_of(text, field.logical)).collect();
    values.map(|values| remote_id(&values.iter().collect::<Vec<_>>()))
}

fn value_of(text: &str, logical: LogicalType) -> Option<Value> {
    let json = match logical {
        LogicalType::Int64 | LogicalType::Bool | LogicalType::Float64 => serde_json::from_str(text).ok()?,
        _ => serde_json::Value::from(text),
    };
    Value::from_json(&json, logical).ok()
}
