//! Dead letters: records that cannot go on without a person, complete and with their cause.

use std::sync::Arc;

use arrow_array::Array as _;
use serde_json::{Map, Value, json};

use crate::connector::{Failure, Rejection};
use crate::error::Code;
use crate::record::{
    Batch, BatchError, ChangeKind, Changes, Field, JsonError, RejectedValue, batch_from_json, project, row_to_json,
};
use crate::store::{Cause, DeadLetter, KeyDigest, NewDeadLetter, PluginUse, Stage};

/// What of an unreadable record is kept; a person looks at it, nobody reads it back.
const RAW_BYTES_MAX: usize = 64 << 10;

/// A record that could not even be turned into a row.
pub(super) fn unreadable(rejection: Rejection, plugin: &PluginUse) -> NewDeadLetter {
    let mut raw = rejection.raw;
    let key = KeyDigest::of_unreadable(&rejection.position, &raw);
    raw.truncate(RAW_BYTES_MAX);
    NewDeadLetter {
        stage: Stage::Source,
        key,
        key_text: String::new(),
        position: Some(rejection.position),
        record: None,
        raw: Some(raw),
        cause: cause(&rejection.error),
        plugin: Some(plugin.clone()),
    }
}

/// A record of the source that failed on its way.
pub(super) struct Failed<'a> {
    pub stage: Stage,
    /// As it was read.
    pub source: &'a Changes,
    pub row: usize,
    /// The key fields of the source.
    pub key: &'a [String],
    pub plugin: Option<&'a PluginUse>,
}

impl Failed<'_> {
    pub fn letter(&self, cause: Cause) -> NewDeadLetter {
        let record = record_text(self.source, self.row);
        // Records without a key have nothing in common: each is known by all of its values.
        let key_text = if has_key(&self.source.data, self.row, self.key) {
            key_text(&self.source.data, self.row, self.key)
        } else {
            String::new()
        };
        let key = match key_text.as_str() {
            "" => KeyDigest::of_unreadable("", record.as_bytes()),
            key => KeyDigest::of_key(key),
        };
        NewDeadLetter {
            stage: self.stage,
            key,
            key_text,
            position: None,
            record: Some(record),
            raw: None,
            cause,
            plugin: self.plugin.cloned(),
        }
    }
}

fn has_key(data: &Batch, row: usize, key: &[String]) -> bool {
    key.iter().all(|name| data.column(name).is_some_and(|column| column.is_present(row) && column.array.is_valid(row)))
}

/// Whether what failed is a delete.
pub(super) fn is_delete(letter: &NewDeadLetter) -> bool {
    let record = letter.record.as_deref().and_then(|record| serde_json::from_str::<Value>(record).ok());
    record.is_some_and(|record| record.get("kind") == Some(&json!(ChangeKind::Delete as u8)))
}

/// The key of a record as canonical JSON: its values as text, in the key's order.
pub(super) fn key_text(data: &Batch, row: usize, key: &[String]) -> String {
    let record = row_to_json(data, row);
    let values: Vec<Value> = key
        .iter()
        .map(|name| match record.get(name) {
            Some(Value::String(text)) => json!(text),
            Some(Value::Null) | None => Value::Null,
            Some(other) => json!(other.to_string()),
        })
        .collect();
    Value::Array(values).to_string()
}

/// The digests under which the dead letters of a page's records are known.
pub(super) fn key_digests(data: &Batch, key: &[String]) -> Result<Vec<KeyDigest>, BatchError> {
    let keys = project(data, key)?;
    Ok((0..keys.rows()).map(|row| KeyDigest::of_key(&key_text(&keys, row, key))).collect())
}

pub(super) fn cause(failure: &Failure) -> Cause {
    Cause {
        code: failure.code.id.to_owned(),
        kind: failure.kind.name().to_owned(),
        message: failure.message.clone(),
        detail_code: failure.detail_code.clone(),
        field: failure.properties.get("field").map(str::to_owned),
        hint: failure.properties.get("hint").map(str::to_owned),
    }
}

/// A cause that the host itself found.
pub(super) fn own_cause(code: &Code, field: Option<&str>, message: String) -> Cause {
    Cause {
        code: code.id.to_owned(),
        kind: "invalid-data".to_owned(),
        message,
        field: field.map(str::to_owned),
        ..Cause::default()
    }
}

pub(super) fn value_cause(code: &Code, rejected: &RejectedValue) -> Cause {
    own_cause(code, Some(&rejected.field), format!("field `{}`: {}", rejected.field, rejected.reason))
}

/// A record with the types of its fields, so that it can be tried again later.
fn record_text(changes: &Changes, row: usize) -> String {
    let types: Map<String, Value> =
        changes.data.fields().iter().map(|field| (field.name.clone(), json!(field.logical.to_string()))).collect();
    json!({
        "kind": changes.kind(row) as u8,
        "types": types,
        "values": row_to_json(&changes.data, row),
    })
    .to_string()
}

/// The record of a dead letter with the fields that are read today; fields it does not know are absent.
pub(super) fn read_record(letter: &DeadLetter, fields: &Arc<[Field]>) -> Result<Changes, JsonError> {
    let text = letter.letter.record.as_deref().unwrap_or_default();
    let stored: Value = serde_json::from_str(text).map_err(|_| JsonError::NotAnObject)?;
    let mut values = stored.get("values").cloned().unwrap_or(Value::Null);
    if let Some(object) = values.as_object_mut() {
        object.retain(|name, _| fields.iter().any(|field| field.name == *name));
    }
    let mut changes = Changes::upserts(batch_from_json(fields, &[values])?);
    let kind = stored.get("kind").and_then(Value::as_u64).and_then(|kind| u8::try_from(kind).ok()).unwrap_or(0);
    if kind != ChangeKind::Upsert as u8 {
        changes.kinds = Some(vec![kind].into());
    }
    Ok(changes.check()?)
}
