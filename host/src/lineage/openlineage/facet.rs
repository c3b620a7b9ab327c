//! The facets: what an event says about a run, a job or a dataset, each by a schema of its own.

use serde_json::{Map, Value, json};

use super::{Job, JobKind, PRODUCER};
use crate::lineage::flow::{Change, Origin, OutputFlow};
use crate::record::Field;

fn facet(schema: &str, mut content: Value) -> Value {
    let name = schema.split_once('/').map_or(schema, |(_, name)| name);
    if let Some(fields) = content.as_object_mut() {
        fields.insert("_producer".to_owned(), json!(PRODUCER));
        let url = format!("https://openlineage.io/spec/facets/{schema}.json#/$defs/{name}");
        fields.insert("_schemaURL".to_owned(), json!(url));
    }
    content
}

pub(super) fn nominal_time(start: &str) -> Value {
    facet("1-0-1/NominalTimeRunFacet", json!({ "nominalStartTime": start }))
}

pub(super) fn processing_engine() -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let content = json!({ "name": "Lockstep", "version": version, "openlineageAdapterVersion": version });
    facet("1-1-1/ProcessingEngineRunFacet", content)
}

pub(super) fn error_message(message: &str) -> Value {
    facet("1-0-1/ErrorMessageRunFacet", json!({ "message": message, "programmingLanguage": "Rust" }))
}

/// A run has a begin and an end, also where the next one follows by itself. Its begin does not yet say what its end does.
pub(super) fn job_type(kind: JobKind) -> Value {
    let kind = match kind {
        JobKind::Mirror => "MIRROR",
        JobKind::Hub => "HUB",
    };
    let pattern = json!({ "eventTrigger": "EVENT_BASED", "eventContentMode": "ACCUMULATIVE" });
    let content = json!({
        "processingType": "BATCH",
        "integration": "LOCKSTEP",
        "jobType": kind,
        "emissionPattern": pattern,
    });
    facet("2-0-4/JobTypeJobFacet", content)
}

/// The types are those of the systems themselves where they are known.
pub(super) fn schema(fields: &[Field]) -> Value {
    let field = |(at, field): (usize, &Field)| {
        let logical = field.logical.to_string();
        let native = field.properties.get("native-type").filter(|native| !native.is_empty());
        let mut content = json!({
            "name": field.name,
            "type": native.unwrap_or(&logical),
            "ordinal_position": at + 1,
        });
        let comment = field.properties.get("comment").filter(|comment| !comment.is_empty());
        if let (Some(comment), Some(object)) = (comment, content.as_object_mut()) {
            object.insert("description".to_owned(), json!(comment));
        }
        content
    };
    let fields: Vec<Value> = fields.iter().enumerate().map(field).collect();
    facet("1-2-0/SchemaDatasetFacet", json!({ "fields": fields }))
}

pub(super) fn input_statistics(rows: u64) -> Value {
    facet("1-0-0/InputStatisticsInputDatasetFacet", json!({ "rowCount": rows }))
}

pub(super) fn output_statistics(rows: u64) -> Value {
    facet("1-0-2/OutputStatisticsOutputDatasetFacet", json!({ "rowCount": rows }))
}

pub(super) fn column_lineage(job: &Job, flow: &OutputFlow) -> Value {
    let inputs = |origins: &[Origin]| origins.iter().filter_map(|origin| input_field(job, origin)).collect::<Vec<_>>();
    let fields: Map<String, Value> =
        flow.fields.iter().map(|(name, origins)| (name.clone(), json!({ "inputFields": inputs(origins) }))).collect();
    let mut content = json!({ "fields": fields });
    if let (false, Some(object)) = (flow.records.is_empty(), content.as_object_mut()) {
        object.insert("dataset".to_owned(), json!(inputs(&flow.records)));
    }
    facet("1-2-0/ColumnLineageDatasetFacet", content)
}

fn input_field(job: &Job, origin: &Origin) -> Option<Value> {
    let dataset = &job.ends.get(origin.end)?.dataset;
    let (kind, subtype) = match origin.change {
        Change::Identity => ("DIRECT", "IDENTITY"),
        Change::Transformation => ("DIRECT", "TRANSFORMATION"),
        Change::Filter => ("INDIRECT", "FILTER"),
        Change::Join => ("INDIRECT", "JOIN"),
    };
    let transformation = json!({
        "type": kind,
        "subtype": subtype,
        "description": origin.description,
        "masking": false,
    });
    Some(json!({
        "namespace": dataset.namespace,
        "name": dataset.name,
        "field": origin.field,
        "transformations": [transformation],
    }))
}
