//! Writing to a stream.
//!
//! What a record is, is read first: so what must still be there is compared exactly, what is equal already is not written, and a write
//! that can name the version it is about does so. Every row is answered by what became of its own record, however many went in one
//! request.

mod perform;
mod refusal;
mod results;
mod verdict;
mod writer;

use lockstep_plugin_sdk::error::ErrorKind;
use lockstep_plugin_sdk::sink::Prepared;
use lockstep_plugin_sdk::types::Stream;

use crate::Result;
use crate::connection::Connection;
use crate::failure::{Say as _, failure};
use crate::fields::discover;

pub use writer::{StreamWriter, open};

/// The stream as it is; none if the manifest has none of this name.
pub fn describe(connection: &Connection, name: &str) -> Result<Option<Stream>> {
    discover(connection, &[name.to_owned()]).map(|streams| streams.into_iter().next())
}

/// An API's streams and fields are the API's business: what is missing is an error.
pub fn prepare(connection: &Connection, wanted: &Stream) -> Result<Prepared> {
    connection.manifest.stream(&wanted.name)?;
    let stream = describe(connection, &wanted.name)?;
    let stream = stream.ok_or_else(|| failure(ErrorKind::NotFound, "api.no-stream", "the stream is gone"))?;
    let is_there = |name: &str| stream.fields.iter().any(|field| field.name == name);
    match wanted.fields.iter().map(|field| &field.name).chain(&wanted.key).find(|name| !is_there(name)) {
        Some(name) => Err(failure(
            ErrorKind::Config,
            "api.no-field",
            &format!("`{}` has no field `{name}`, and none can be added", wanted.name),
        )
        .field(name)
        .hint("map the field to one the stream has, or describe it in the manifest")),
        None => Ok(Prepared { stream, actions: Vec::new() }),
    }
}
