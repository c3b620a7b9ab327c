//! Run events as OpenLineage 2-0-2 defines them: what began, what was read and written, and how it ended.
//!
//! Pure: facts in, JSON out. A dataset's name and an error's message are public from here on; whoever brings them has left out
//! what is secret.

mod facet;
mod run_id;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

pub use self::run_id::RunUuid;
use super::flow::{EndRows, Flow};

/// Who says so. An address that nobody has to be able to open: it names the program and its version.
pub const PRODUCER: &str = concat!("urn:lockstep:host:", env!("CARGO_PKG_VERSION"));
const SCHEMA_URL: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// A sync, as others know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub namespace: String,
    pub name: String,
    pub kind: JobKind,
    /// In the order of a [`Flow`]'s ends.
    pub ends: Vec<JobEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    Mirror,
    Hub,
}

/// A stream that takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnd {
    pub dataset: Dataset,
    pub is_read: bool,
    pub is_written: bool,
}

/// A stream's name among everything that is read and written anywhere: `postgres://db:5432`, `shop.public.customer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    pub namespace: String,
    pub name: String,
}

/// A run that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    pub id: RunUuid,
    pub at: DateTime<Utc>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub at: DateTime<Utc>,
    pub how: Ending,
    /// Rows per end; empty if nobody counted.
    pub rows: Vec<EndRows>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Complete,
    /// With what is told to people.
    Fail(String),
    /// Stopped by somebody, or found dead.
    Abort,
}

impl Ending {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Complete => "COMPLETE",
            Self::Fail(_) => "FAIL",
            Self::Abort => "ABORT",
        }
    }
}

/// The event of a run's begin.
pub fn start(job: &Job, run: Begun) -> Value {
    event("START", run.at, run, Map::new(), job, &Details::default())
}

/// The event of a run's end. `flow` is what was settled before the first record moved; none if the run did not come that far.
pub fn end(job: &Job, run: Begun, flow: Option<&Flow>, end: &Ended) -> Value {
    let mut facets = Map::new();
    if let Ending::Fail(message) = &end.how {
        facets.insert("errorMessage".to_owned(), facet::error_message(message));
    }
    event(end.how.event_type(), end.at, run, facets, job, &Details { flow, rows: &end.rows })
}

/// The end of a run whose process died, made of the event of its begin; none if that is not one.
pub fn abandoned(start: &str, at: DateTime<Utc>) -> Option<Value> {
    let mut event: Value = serde_json::from_str(start).ok()?;
    let fields = event.as_object_mut()?;
    fields.insert("eventType".to_owned(), json!(Ending::Abort.event_type()));
    fields.insert("eventTime".to_owned(), json!(time(at)));
    Some(event)
}

/// What is known of the datasets.
#[derive(Default)]
struct Details<'a> {
    flow: Option<&'a Flow>,
    rows: &'a [EndRows],
}

fn event(
    event_type: &str,
    at: DateTime<Utc>,
    run: Begun,
    mut run_facets: Map<String, Value>,
    job: &Job,
    details: &Details<'_>,
) -> Value {
    run_facets.insert("nominalTime".to_owned(), facet::nominal_time(&time(run.at)));
    run_facets.insert("processing_engine".to_owned(), facet::processing_engine());
    let ends = || job.ends.iter().enumerate();
    let inputs: Vec<Value> = ends().filter(|(_, end)| end.is_read).map(|(at, end)| input(end, details, at)).collect();
    let outputs: Vec<Value> =
        ends().filter(|(_, end)| end.is_written).map(|(at, end)| output(job, end, details, at)).collect();
    json!({
        "eventTime": time(at),
        "eventType": event_type,
        "producer": PRODUCER,
        "schemaURL": SCHEMA_URL,
        "run": { "runId": run.id.to_string(), "facets": run_facets },
        "job": {
            "namespace": job.namespace,
            "name": job.name,
            "facets": { "jobType": facet::job_type(job.kind) },
        },
        "inputs": inputs,
        "outputs": outputs,
    })
}

fn input(end: &JobEnd, details: &Details<'_>, at: usize) -> Value {
    let mut dataset = dataset(end, details, at, Map::new());
    if let (Some(rows), Some(object)) = (details.rows.get(at), dataset.as_object_mut()) {
        object.insert("inputFacets".to_owned(), json!({ "inputStatistics": facet::input_statistics(rows.read) }));
    }
    dataset
}

fn output(job: &Job, end: &JobEnd, details: &Details<'_>, at: usize) -> Value {
    let mut facets = Map::new();
    let flow = details.flow.and_then(|flow| flow.outputs.iter().find(|output| output.end == at));
    if let Some(flow) = flow {
        facets.insert("columnLineage".to_owned(), facet::column_lineage(job, flow));
    }
    let mut dataset = dataset(end, details, at, facets);
    if let (Some(rows), Some(object)) = (details.rows.get(at), dataset.as_object_mut()) {
        object.insert("outputFacets".to_owned(), json!({ "outputStatistics": facet::output_statistics(rows.written) }));
    }
    dataset
}

fn dataset(end: &JobEnd, details: &Details<'_>, at: usize, mut facets: Map<String, Value>) -> Value {
    if let Some(fields) = details.flow.and_then(|flow| flow.streams.get(at)) {
        facets.insert("schema".to_owned(), facet::schema(fields));
    }
    json!({ "namespace": end.dataset.namespace, "name": end.dataset.name, "facets": facets })
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests;
