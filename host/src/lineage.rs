//! Lineage: who set which field of which record to what, when and why. Entries are written once and never changed; the store chains
//! them by their hashes, and each names the one before it about the same record. And what runs as a whole read and wrote, column by
//! column, in the words of OpenLineage.
//!
//! Pure: entries, events and their bytes. It must not know stores, projects or connectors.

mod entry;
mod flow;
pub mod openlineage;

pub use entry::{Entry, EntryKind, Item};
pub use flow::{Change, EndRows, Flow, Origin, OutputFlow};
