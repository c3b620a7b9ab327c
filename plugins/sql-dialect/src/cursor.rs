//! Cursors as JSON: they are small, and a person who looks into the state can read them.

use lockstep_plugin_sdk::error::{Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a position.
pub fn encode_cursor<T: Serialize>(cursor: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(cursor).map_err(|error| Error::permanent(format!("the cursor cannot be written: {error}")))
}

/// The position in these bytes. Bytes that are no position are one from another time: the host reads everything again.
pub fn decode_cursor<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| stale(format!("the cursor cannot be read: {error}")))
}

/// The position is gone.
pub fn stale(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::StaleCursor, message).with_code("sql.stale-cursor")
}
