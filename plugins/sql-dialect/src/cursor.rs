//! Cursors as JSON: they are small, and a person who looks into the state can read them.

use lockstep_plugin_sdk::error::{Error, ErrorKind, Result};
use serde_json::Value as Json;

use crate::document::{FromJson, read_document};

/// The bytes of a position.
pub fn encode_cursor(cursor: &Json) -> Vec<u8> {
    cursor.to_string().into_bytes()
}

/// The position in these bytes. Bytes that are no position are one from another time: the host reads everything again.
pub fn decode_cursor<T: FromJson>(bytes: &[u8]) -> Result<T> {
    read_document(bytes).map_err(|error| stale(format!("the cursor cannot be read: {error}")))
}

/// The name and the type of each column a position is made of, or whatever else tells them apart.
pub fn names_to_json(names: &[(String, String)]) -> Json {
    Json::Array(names.iter().map(name_to_json).collect())
}

/// As [`names_to_json`], for one.
pub fn name_to_json((name, kind): &(String, String)) -> Json {
    Json::Array(vec![Json::from(name.as_str()), Json::from(kind.as_str())])
}

/// The position is gone.
pub fn stale(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::StaleCursor, message).with_code("sql.stale-cursor")
}
