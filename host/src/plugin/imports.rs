//! The interfaces a plugin may import, bound to the capabilities of its connection.
//!
//! A plugin's mistake is an error it receives, never a trap: only the engine ends an instance.

mod files;
mod http;
mod log;
pub(super) mod sql;

use super::bindings::convert::error_for_plugin;
use super::bindings::lockstep::plugin::types as wit;
use super::instance::State;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;

impl wit::Host for State {}

type HostResult<T> = wasmtime::Result<Result<T, wit::Error>>;

/// What a capability answered, as the plugin receives it.
fn answer<T>(outcome: Result<T, Failure>) -> Result<T, wit::Error> {
    outcome.map_err(error_for_plugin)
}

/// For an alias that the project does not grant: the sentence names the line that would.
fn not_granted(state: &State, capability: &str, alias: &str, example: &str) -> Failure {
    let connection = &state.grants.connection;
    let message = format!("connection `{connection}` grants no `{capability}` under the alias `{alias}`");
    Failure::new(FailureKind::Config, &codes::GRANT_ALIAS, capability, message).with(
        "hint",
        format!("add to lockstep.toml, under [connection.{connection}]: `{capability}.{alias} = {example}`"),
    )
}

/// Resource tables fail only if a plugin forges handles or opens too many; both end the instance.
fn table_error(error: wasmtime::component::ResourceTableError) -> wasmtime::Error {
    wasmtime::Error::from(error)
}
