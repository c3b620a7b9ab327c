//! Reading from a system.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::types::{Limits, Page, ReadRequest, Stream};

/// A system to read from.
pub trait Source {
    /// Read from the connection's `config`; [`crate::config::NoConfig`] for none.
    type Config: DeserializeOwned;
    /// Reads one stream; [`crate::page::RecordReader`] for records that come in the same order each time.
    type Reader: Reader;

    /// The streams; only those in `names` unless it is empty. A name that does not exist is left out.
    fn discover(config: Self::Config, names: Vec<String>) -> Result<Vec<Stream>>;

    /// Begins to read at the request's cursor.
    fn open(config: Self::Config, request: ReadRequest) -> Result<Self::Reader>;
}

/// A reading of one stream.
pub trait Reader: 'static {
    /// The next page, within the limits. Not called again after a page whose status is not `more`.
    fn next(&mut self, limits: Limits) -> Result<Page>;
}

/// Those of the streams that [`Source::discover`] was asked for: all if no name was given.
pub fn only(names: &[String], streams: impl IntoIterator<Item = Stream>) -> Vec<Stream> {
    streams.into_iter().filter(|stream| names.is_empty() || names.contains(&stream.name)).collect()
}

/// How a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// Every record.
    Full,
    /// What changed since the cursor.
    Incremental,
}

impl ReadRequest {
    /// How the stream is to be read.
    pub fn read_mode(&self) -> ReadMode {
        if self.is_incremental() { ReadMode::Incremental } else { ReadMode::Full }
    }
}

/// A reader behind a handle.
#[doc(hidden)]
pub struct ReaderResource(RefCell<Box<dyn Reader>>);

impl ReaderResource {
    pub fn new(reader: impl Reader) -> Self {
        Self(RefCell::new(Box::new(reader)))
    }
}

impl crate::bindings::source::exports::lockstep::plugin::source::GuestReader for ReaderResource {
    fn next(&self, limits: Limits) -> Result<Page> {
        self.0.borrow_mut().next(limits)
    }
}
