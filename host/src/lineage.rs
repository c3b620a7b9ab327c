//! Lineage: who set which field of which record to what, when and why. Entries are written once and never changed; the store chains
//! them by their hashes, and each names the one before it about the same record.
//!
//! Pure: entries and their bytes. It must not know stores, projects or connectors.

mod entry;

pub use entry::{Entry, EntryKind, Item};
