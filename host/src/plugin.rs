//! Sandboxed plugins: loading, limits, instances, and the capabilities the host grants them.
//!
//! The only module that knows wasmtime. WIT types stop in `bindings`; everything above sees the traits of
//! [`crate::connector`]. What a plugin does wrong is a value ([`crate::connector::Failure`]), never a host panic.
//!
//! Invariants: a plugin has exactly the capabilities it imports, its project grants and no others; an instance that trapped,
//! timed out or went over a limit is never entered again; a credential never enters an instance.

mod binary;
mod bindings;
mod cache;
pub mod capability;
mod catalog;
mod connector;
mod engine;
mod fault;
mod grants;
mod imports;
mod instance;
mod limits;
mod manifest;
mod output;
mod pack;
mod tape;
mod trouble;

pub use binary::{Authority, BinaryReport};
pub use capability::http::SCRUBBED_BYTES_MIN as SECRET_BYTES_MIN;
pub use capability::http::{
    Breaker, Budget, CredentialError, HttpOrigin, HttpSettings, PrivateAddresses, client as http_client,
};
pub use capability::sql::{Database, DatabasePlace};
pub use catalog::{Bundled, Catalog, PluginBinary, PluginError, PluginOrigin};
pub use connector::PluginConnector;
pub use engine::Runtime;
pub use grants::{Access, FilesRoot, Grants};
pub use instance::RULE_PROPERTY;
pub use limits::{LimitWish, Limits};
pub use manifest::{ConfigKey, Manifest};
pub use pack::{Packed, pack};
pub use tape::{Exchange, Head, Recording, RecordingError, Step, Tape, Writes};
pub use trouble::{Calls, Fault, Hits, Spoil, Trouble};
