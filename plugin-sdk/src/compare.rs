//! Digests of a stream, computed where the records are.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

pub use crate::bindings::compare::exports::lockstep::plugin::compare::{CompareRequest, Digests, EntryPage};

use crate::error::Result;
use crate::types::Limits;

/// Optional: digests, so that two large copies are compared without moving them.
pub trait Compare {
    /// Read from the connection's `config`.
    type Config: DeserializeOwned;
    /// Reads the records of buckets that differ.
    type EntryReader: EntryReader;

    /// The methods offered for these fields, best first. The name carries everything equality depends on.
    fn methods(config: Self::Config, request: CompareRequest) -> Result<Vec<String>>;

    /// Digests of all records in `buckets` buckets (a power of two) by key.
    fn digest(config: Self::Config, request: CompareRequest, buckets: u32) -> Result<Digests>;

    /// The single records of the wanted buckets.
    fn entries(
        config: Self::Config,
        request: CompareRequest,
        buckets: u32,
        wanted: Vec<u32>,
    ) -> Result<Self::EntryReader>;
}

/// A reading of single records: their keys and digests.
pub trait EntryReader: 'static {
    /// None at the end.
    fn next(&mut self, limits: Limits) -> Result<Option<EntryPage>>;
}

/// A reader of entries behind a handle.
#[doc(hidden)]
pub struct EntryReaderResource(RefCell<Box<dyn EntryReader>>);

impl EntryReaderResource {
    pub fn new(reader: impl EntryReader) -> Self {
        Self(RefCell::new(Box::new(reader)))
    }
}

impl crate::bindings::compare::exports::lockstep::plugin::compare::GuestEntryReader for EntryReaderResource {
    fn next(&self, limits: Limits) -> Result<Option<EntryPage>> {
        self.0.borrow_mut().next(limits)
    }
}
