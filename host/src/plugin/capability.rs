//! What the host can do for a plugin, within a connection's grants. Nothing here knows wasmtime; `imports` binds it to the
//! contract. Every answer to a misuse is a typed error for the plugin and a sentence with the way out for the person.

pub mod files;
pub mod http;
pub mod sql;
