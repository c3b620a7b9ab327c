//! Pages of records: filled up to the host's limits.

use std::fmt;
use std::iter::Peekable;

use crate::error::{Error, ErrorKind, Result};
use crate::record::{Record, Records};
use crate::source::Reader;
use crate::types::{Field, Limits, Page, ReadRequest, Rejection, Status};

/// Why [`PageBuilder::fill`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// The page is full; there may be more records, or none.
    More,
    /// There are no more records.
    Complete,
}

/// Collects the records of one page after the other.
///
/// ```
/// use lockstep_plugin_sdk::prelude::*;
///
/// #[derive(Record)]
/// struct Number {
///     #[record(key)]
///     n: i64,
/// }
///
/// struct Numbers {
///     page: PageBuilder<Number>,
///     next: i64,
/// }
///
/// impl Reader for Numbers {
///     fn next(&mut self, limits: Limits) -> Result<Page> {
///         let mut numbers = (self.next..1000).map(|n| Ok(Number { n }));
///         let status = match self.page.fill(limits, &mut numbers)? {
///             Filled::More => Status::More,
///             Filled::Complete => Status::EnumerationComplete,
///         };
///         self.next += self.page.rows() as i64;
///         self.page.finish(self.next.to_le_bytes().to_vec(), status)
///     }
/// }
///
/// let page = PageBuilder::new(&Number::stream("numbers").fields)?;
/// let mut reader = Numbers { page, next: 995 };
/// let page = reader.next(Limits { rows: 3, bytes: 1000 })?;
/// assert_eq!((page.changes.data.rows, page.status.as_str()), (3, "more"));
/// let page = reader.next(Limits { rows: 3, bytes: 1000 })?;
/// assert_eq!((page.changes.data.rows, page.status.as_str()), (2, "enumeration-complete"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct PageBuilder<T> {
    records: Records<T>,
    rejected: Vec<Rejection>,
}

impl<T: Record> PageBuilder<T> {
    /// Pages of these fields: those of the [`ReadRequest`]. An error of kind `config` if the record has no such field.
    pub fn new(fields: &[Field]) -> Result<Self> {
        Ok(Self { records: Records::for_fields(fields)?, rejected: Vec::new() })
    }

    /// Adds a record; one that does not fit is an error of kind `invalid-data` and leaves no trace.
    pub fn push(&mut self, record: &T) -> Result<()> {
        self.records.push(record)
    }

    /// Adds a record, or puts aside what could not become one: the host keeps it with its position (`line 12`) and its raw form
    /// for a person. Errors of other kinds than `invalid-data` are not about the record and are returned.
    pub fn push_or_reject(&mut self, record: Result<T>, position: impl fmt::Display, raw: &[u8]) -> Result<()> {
        match record.and_then(|record| self.records.push(&record)) {
            Err(error) if error.is(ErrorKind::InvalidData) => {
                self.rejected.push(Rejection::new(position, raw, error));
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Adds records until the page is full or there are none left; the first that is an error ends it.
    pub fn fill(&mut self, limits: Limits, records: &mut impl Iterator<Item = Result<T>>) -> Result<Filled> {
        while !self.is_full(limits) {
            match records.next() {
                Some(record) => self.records.push(&record?)?,
                None => return Ok(Filled::Complete),
            }
        }
        Ok(Filled::More)
    }

    /// Whether the page holds as much as it may.
    pub fn is_full(&self, limits: Limits) -> bool {
        let taken = self.records.rows() + self.rejected.len();
        taken >= limits.rows as usize || (taken > 0 && self.records.bytes() >= limits.bytes)
    }

    /// Records added since the last page; without the rejected ones.
    pub fn rows(&self) -> usize {
        self.records.rows()
    }

    /// The page. `next_cursor` is the position behind it.
    pub fn finish(&mut self, next_cursor: Vec<u8>, status: Status) -> Result<Page> {
        let page = Page::new(self.records.finish()?, next_cursor, status);
        Ok(Page { rejected: std::mem::take(&mut self.rejected), ..page })
    }
}

/// A [`Reader`] of records that come in the same order each time: files, lists, answers that fit into memory. Always reads from
/// the beginning; in the middle, its cursor is the number of records that were read.
pub struct RecordReader<T> {
    page: PageBuilder<T>,
    records: Peekable<Box<dyn Iterator<Item = Result<T>>>>,
    position: u64,
}

impl<T: Record> RecordReader<T> {
    /// Reads `records`, all of them, behind the request's cursor. An error of kind `config` if the request names a field that the
    /// record does not have, `stale-cursor` if the cursor is not one of this reader's.
    pub fn new<R>(request: &ReadRequest, records: R) -> Result<Self>
    where
        R: IntoIterator<Item = Result<T>>,
        R::IntoIter: 'static,
    {
        let position = position(request.cursor.as_deref().unwrap_or_default())?;
        let mut records: Box<dyn Iterator<Item = Result<T>>> = Box::new(records.into_iter());
        for _ in 0..position {
            records.next().ok_or_else(stale)??;
        }
        Ok(Self { page: PageBuilder::new(&request.fields)?, records: records.peekable(), position })
    }
}

/// Nothing is the beginning; else the number of records.
fn position(cursor: &[u8]) -> Result<u64> {
    if cursor.is_empty() {
        return Ok(0);
    }
    cursor.try_into().map(u64::from_le_bytes).map_err(|_| stale())
}

fn stale() -> Error {
    Error::stale_cursor("the position is not one of this stream")
}

impl<T: Record + 'static> Reader for RecordReader<T> {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        let filled = self.page.fill(limits, &mut self.records)?;
        self.position += self.page.rows() as u64;
        if filled == Filled::More && self.records.peek().is_some() {
            return self.page.finish(self.position.to_le_bytes().to_vec(), Status::More);
        }
        self.page.finish(Vec::new(), Status::EnumerationComplete)
    }
}

impl<T> fmt::Debug for RecordReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordReader").field("position", &self.position).finish_non_exhaustive()
    }
}
