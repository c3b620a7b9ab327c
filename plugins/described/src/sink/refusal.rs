//! Why a row is not written as it is.

use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::types::LogicalType;

use crate::failure::{Say as _, failure};
use crate::manifest::field::FieldSpec;
use crate::manifest::stream::StreamSpec;

fn named(key: &[(FieldSpec, LogicalType)]) -> String {
    key.iter().map(|(field, _)| field.name.as_str()).collect::<Vec<_>>().join("`, `")
}

pub fn incomplete(key: &[(FieldSpec, LogicalType)]) -> Box<Error> {
    failure(ErrorKind::InvalidData, "api.key", &format!("the key `{}` is not complete", named(key)))
}

pub fn ambiguous(key: &[(FieldSpec, LogicalType)]) -> Box<Error> {
    failure(ErrorKind::InvalidData, "api.ambiguous", &format!("several records have the same `{}`", named(key)))
}

pub fn exists(error: Option<&Error>) -> Box<Error> {
    let said = error.map(|error| format!(": {}", error.message)).unwrap_or_default();
    let code = error.map_or("api.exists", |error| error.code.as_str());
    failure(ErrorKind::Conflict, code, &format!("there is a record with this key already{said}"))
}

pub fn missing() -> Box<Error> {
    failure(ErrorKind::Conflict, "api.missing", "the record that was to be changed is not there")
}

pub fn changed(field: &str) -> Box<Error> {
    failure(
        ErrorKind::Conflict,
        "api.changed",
        &format!("`{field}` does not have the value any more that it was expected to have"),
    )
    .field(field)
}

pub fn unidentified() -> Box<Error> {
    failure(ErrorKind::Transient, "api.no-key", "the API made a record and did not say under which key")
}

pub fn read_only(stream: &str, field: &str) -> Box<Error> {
    failure(
        ErrorKind::Config,
        "api.read-only",
        &format!("`{field}` of `{stream}` is the API's own business: it cannot be written"),
    )
    .field(field)
    .hint("let the other side own the field, or leave it out")
}

pub fn no_way(spec: &StreamSpec, what: &str) -> Box<Error> {
    failure(
        ErrorKind::Config,
        "api.no-way",
        &format!("the manifest does not say how records of `{}` are {what}", spec.name),
    )
    .hint("describe it under `create`, `upsert`, `update` or `delete` of the stream")
}

pub fn no_values() -> Box<Error> {
    failure(ErrorKind::InvalidData, "api.no-values", "the record has no value at all")
}
