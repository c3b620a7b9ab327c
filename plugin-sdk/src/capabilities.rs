//! What a plugin may import. Using an item of a module makes the plugin import that interface; its users see that.

/// Files below a granted root.
pub mod files {
    pub use crate::bindings::capabilities::lockstep::plugin::files::{Entry, File, NewFile, create, list_files, open};
}

/// Sessions on a granted database.
pub mod sql {
    pub use crate::bindings::capabilities::lockstep::plugin::sql::{Ingest, Parameters, RowPage, Rows, Session, open};
}

/// Requests to granted origins.
pub mod http {
    pub use crate::bindings::capabilities::lockstep::plugin::http::{Request, Response, send};
}

/// Structured logging.
pub mod log {
    pub use crate::bindings::capabilities::lockstep::plugin::log::{Level, log};
}
