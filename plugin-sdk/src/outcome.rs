//! What became of the rows of a page, row by row.

use crate::error::{Error, ErrorKind, Result};
use crate::sink::WriteResults;
use crate::types::{BytesColumn, RowError};

const OK: u8 = 0;
const CONFLICT: u8 = 1;
const REJECTED: u8 = 2;
const RETRY: u8 = 3;
const UNKNOWN: u8 = 4;

/// Every row is fine until something else is said about it. [`crate::rows::Tally`] fills one by itself.
///
/// ```
/// use lockstep_plugin_sdk::outcome::Outcome;
/// use lockstep_plugin_sdk::prelude::*;
///
/// let mut outcome = Outcome::new(3);
/// outcome.reject(1, Error::invalid_data("the name is too long").with_field("name"));
/// outcome.settle(2, Error::transient("the connection broke").with_outcome_unknown())?;
/// assert_eq!(outcome.fine_rows(), [0]);
/// assert_eq!(outcome.into_results().statuses, Some(vec![0, 2, 4]));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Outcome {
    statuses: Vec<u8>,
    errors: Vec<RowError>,
    ids: Option<Vec<Vec<u8>>>,
}

impl Outcome {
    /// For a page of so many rows.
    pub fn new(rows: u32) -> Self {
        Self { statuses: vec![OK; rows as usize], errors: Vec::new(), ids: None }
    }

    /// The record is not as it was expected to be, and was left alone.
    pub fn conflict(&mut self, row: u32, error: Error) {
        self.answer(row, CONFLICT, error);
    }

    /// The row cannot be written as it is.
    pub fn reject(&mut self, row: u32, error: Error) {
        self.answer(row, REJECTED, error);
    }

    fn answer(&mut self, row: u32, status: u8, error: Error) {
        if let Some(place) = self.statuses.get_mut(row as usize) {
            *place = status;
            self.errors.push(RowError { row, error: at_row(error, row) });
        }
    }

    /// Nothing was done; it may work later.
    pub fn retry(&mut self, row: u32, error: Error) {
        self.answer(row, RETRY, error);
    }

    /// Nobody knows whether it was done.
    pub fn unknown(&mut self, row: u32, error: Error) {
        self.answer(row, UNKNOWN, error);
    }

    /// What an error means for a row ([`crate::rows::Tally`] has the table). One that is about all rows is handed back: it ends the run.
    pub fn settle(&mut self, row: u32, error: Error) -> Result<()> {
        let is = |kinds: &[ErrorKind]| kinds.iter().any(|kind| error.is(*kind));
        if error.is_outcome_unknown() {
            self.unknown(row, error);
        } else if is(&[ErrorKind::Auth, ErrorKind::Config, ErrorKind::RateLimited]) {
            return Err(error);
        } else if error.is(ErrorKind::Transient) {
            self.retry(row, error);
        } else if is(&[ErrorKind::Conflict, ErrorKind::NotFound]) {
            self.conflict(row, error);
        } else {
            self.reject(row, error);
        }
        Ok(())
    }

    /// Whether anything but that it is fine was said of a row.
    pub fn is_settled(&self, row: u32) -> bool {
        self.statuses.get(row as usize).is_some_and(|status| *status != OK)
    }

    /// The key under which the row was inserted: a JSON list of texts.
    pub fn identify(&mut self, row: u32, id: Vec<u8>) {
        let rows = self.statuses.len();
        if let Some(place) = self.ids.get_or_insert_with(|| vec![Vec::new(); rows]).get_mut(row as usize) {
            *place = id;
        }
    }

    /// The rows of which nothing was said but that they are fine.
    pub fn fine_rows(&self) -> Vec<u32> {
        (0..).zip(&self.statuses).filter(|(_, status)| **status == OK).map(|(row, _)| row).collect()
    }

    /// The answer for the host.
    pub fn into_results(self) -> WriteResults {
        let ids = self.ids.map(|ids| {
            let mut column = BytesColumn { offsets: vec![0], data: Vec::new() };
            for id in ids {
                column.data.extend(id);
                column.offsets.push(column.data.len() as u32);
            }
            column
        });
        let statuses = (!self.errors.is_empty()).then_some(self.statuses);
        WriteResults { statuses, errors: self.errors, ids, versions: None }
    }
}

/// The error with this row as its own.
pub fn at_row(mut error: Error, row: u32) -> Error {
    error.properties.retain(|(name, _)| name != "row");
    error.with_property("row", row.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_nobody_complains_about_are_fine() {
        let results = Outcome::new(3).into_results();
        assert!(results.statuses.is_none() && results.errors.is_empty() && results.ids.is_none());
    }

    #[test]
    fn each_row_is_answered() {
        let mut outcome = Outcome::new(6);
        outcome.reject(3, Error::invalid_data("too long"));
        outcome.conflict(1, Error::conflict("changed").with_property("row", "0"));
        outcome.retry(4, Error::transient("locked"));
        outcome.unknown(5, Error::transient("cut off"));
        outcome.identify(2, b"[\"17\"]".to_vec());
        assert_eq!(outcome.fine_rows(), [0, 2]);
        let results = outcome.into_results();
        assert_eq!(results.statuses, Some(vec![0, 1, 0, 2, 3, 4]));
        let rows: Vec<(u32, Option<&str>)> =
            results.errors.iter().map(|error| (error.row, error.error.property("row"))).collect();
        assert_eq!(rows, [(3, Some("3")), (1, Some("1")), (4, Some("4")), (5, Some("5"))]);
        let ids = results.ids.unwrap();
        let shown: Vec<&[u8]> = (0..6).map(|row| ids.value(row).unwrap()).collect();
        assert_eq!(shown, [&b""[..], b"", b"[\"17\"]", b"", b"", b""]);
    }
}
