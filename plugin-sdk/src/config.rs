//! Typed configuration.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// For plugins that take no configuration; any key is an error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Reads a connection's `config`. The host has checked it against the manifest's schema before.
pub fn parse<C: DeserializeOwned>(json: &str) -> Result<C> {
    let json = if json.is_empty() { "{}" } else { json };
    serde_json::from_str(json)
        .map_err(|error| Error::config(format!("the configuration does not fit: {error}")).with_code("config"))
}
