//! Writing to an object.
//!
//! What the records are is read first: so what must still be there is compared exactly, and what is equal already is not written.
//! Two hundred records go in one request, and each is answered for itself.

mod body;
mod job;
mod left;
mod perform;
mod verdict;
mod writer;

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::sink::Prepared;
use lockstep_plugin_sdk::types::Stream;

use crate::config::Config;
use crate::describe::discover;

pub use writer::{ObjectWriter, open};

/// The stream as it is; none if the org has no such object.
pub fn describe(config: Config, name: &str) -> Result<Option<Stream>> {
    discover(config, &[name.to_owned()]).map(|streams| streams.into_iter().next())
}

/// An org's objects and fields are its administrator's business: what is missing is an error.
pub fn prepare(config: Config, wanted: &Stream) -> Result<Prepared> {
    let stream = describe(config, &wanted.name)?.ok_or_else(|| {
        Error::config(format!("the org has no object `{}`, and none can be made", wanted.name))
            .with_code("salesforce.no-object")
            .with_hint("`lockstep check --online` lists the objects there are")
    })?;
    let is_there = |name: &str| stream.fields.iter().any(|field| field.name == name);
    match wanted.fields.iter().map(|field| &field.name).chain(&wanted.key).find(|name| !is_there(name)) {
        Some(name) => Err(Error::config(format!("`{}` has no field `{name}`, and none can be added", wanted.name))
            .with_code("salesforce.no-field")
            .with_field(name)
            .with_hint("map it to a field the object has and the user may see, or leave it out")),
        None => Ok(Prepared { stream, actions: Vec::new() }),
    }
}
