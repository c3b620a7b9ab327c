//! Writing to a set.
//!
//! Every record is a request of its own, sent in batches. What a record is, is read first: so what must still be there is compared
//! exactly, what is equal already is not written, and a write that is made carries the version that was compared.

mod body;
mod perform;
mod verdict;
mod writer;

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::sink::Prepared;
use lockstep_plugin_sdk::types::Stream;

use crate::config::Config;
use crate::discover::discover;

pub use writer::{SetWriter, open};

/// The stream as it is; none if the service has no such set.
pub fn describe(config: Config, name: &str) -> Result<Option<Stream>> {
    discover(config, &[name.to_owned()]).map(|streams| streams.into_iter().next())
}

/// A service's sets and properties are the service's business: what is missing is an error.
pub fn prepare(config: Config, wanted: &Stream) -> Result<Prepared> {
    let stream = describe(config, &wanted.name)?.ok_or_else(|| {
        Error::config(format!("the service has no entity set `{}`, and none can be made", wanted.name))
            .with_code("odata.no-set")
            .with_hint("`lockstep check --online` lists the sets there are")
    })?;
    let is_there = |name: &str| stream.fields.iter().any(|field| field.name == name);
    match wanted.fields.iter().map(|field| &field.name).chain(&wanted.key).find(|name| !is_there(name)) {
        Some(name) => Err(Error::config(format!("`{}` has no property `{name}`, and none can be added", wanted.name))
            .with_code("odata.no-property")
            .with_field(name)
            .with_hint("map the field to a property the set has, or leave it out")),
        None => Ok(Prepared { stream, actions: Vec::new() }),
    }
}
