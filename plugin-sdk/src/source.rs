//! Reading from a system.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
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
///
/// ```
/// use lockstep_plugin_sdk::prelude::*;
/// use lockstep_plugin_sdk::source::only;
///
/// let streams = || [Stream::new("contacts"), Stream::new("invoices")];
/// assert_eq!(only(&[], streams()).len(), 2);
/// assert_eq!(only(&["invoices".to_owned(), "nothing".to_owned()], streams())[0].name, "invoices");
/// ```
pub fn only(names: &[String], streams: impl IntoIterator<Item = Stream>) -> Vec<Stream> {
    streams.into_iter().filter(|stream| names.is_empty() || names.contains(&stream.name)).collect()
}

/// Refuses to read a stream that is none of these: an empty reading would look like deleted records.
///
/// ```
/// use lockstep_plugin_sdk::prelude::*;
/// use lockstep_plugin_sdk::{source, testing};
///
/// let request = testing::full_read(&Stream::new("invoices"));
/// assert!(source::expect(&request, ["contacts", "invoices"]).is_ok());
/// assert!(source::expect(&request, ["contacts"]).unwrap_err().is(ErrorKind::NotFound));
/// ```
pub fn expect<'a>(request: &ReadRequest, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    if names.into_iter().any(|name| name == request.stream) {
        return Ok(());
    }
    Err(Error::not_found(format!("there is no stream `{}`", request.stream)))
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
