//! Tells others what runs did: OpenLineage events, to a file or to a consumer over HTTP.
//!
//! It hears runs as an [`Observer`](crate::sync::Observer) does and knows nothing of how they go; it prints nothing and fails no
//! run. Whoever runs syncs asks it for warnings.
//!
//! Invariants: an event is durable in the outbox before anybody is told of it, and leaves the outbox only after the consumer has
//! taken it, so that none is lost and none overtakes another; a run whose process died is told to be aborted. A consumer that is down, slow
//! or wrong costs a run no more than [`GRACE`].

mod deliver;
mod error;
mod exporter;
mod file;
mod http;
mod outbox;
mod told;

pub use error::ExportError;
pub use exporter::{Exporter, GRACE};
pub use told::Told;
