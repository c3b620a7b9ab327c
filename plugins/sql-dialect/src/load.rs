//! Rows on their way into one table, page after page.

use lockstep_plugin_sdk::capabilities::sql::{Ingest, Session};
use lockstep_plugin_sdk::error::{Error, ErrorKind, Result};
use lockstep_plugin_sdk::outcome::at_row;
use lockstep_plugin_sdk::types::{Batch, Field, RowError};

use crate::batches::keep_rows;

/// Rows of one page that are told apart one by one; with more of them the page as a whole is at fault.
const REFUSED_MAX: usize = 100;

/// A load under way, into the target or into a stage.
pub struct Load {
    ingest: Ingest,
    pub fields: Vec<Field>,
    rows: u64,
}

impl Load {
    pub fn begin(session: &Session, table: &[String], fields: Vec<Field>) -> Result<Self> {
        Ok(Self { ingest: session.ingest(table, &fields)?, fields, rows: 0 })
    }

    /// Hands the rows over. Those with a value that the table could not hold as it is are left out and answered.
    pub fn append(&mut self, page: &Batch) -> Result<Vec<RowError>> {
        let mut refused: Vec<RowError> = Vec::new();
        let Err(error) = self.ingest.append(page) else {
            self.rows += u64::from(page.rows);
            return Ok(refused);
        };
        let mut error = self.refusal(error, page.rows)?;
        let mut rest: Vec<u32> = (0..page.rows).collect();
        loop {
            let row = rest.remove(error.row as usize);
            refused.push(RowError { row, error: at_row(error.error, row) });
            if refused.len() > REFUSED_MAX {
                return Err(refused.swap_remove(0).error);
            }
            let part = keep_rows(page, &rest);
            match self.ingest.append(&part) {
                Ok(()) => {
                    self.rows += u64::from(part.rows);
                    return Ok(refused);
                }
                Err(next) => error = self.refusal(next, part.rows)?,
            }
        }
    }

    /// The row an error is about, if it is about a row that was not even sent: the driver's own checks have no code of the
    /// server's. Any other error ends the load.
    fn refusal(&self, error: Error, rows: u32) -> Result<RowError> {
        let is_own = error.is(ErrorKind::InvalidData) && error.code.is_empty();
        let error = in_page(error, self.rows, u64::from(rows));
        match error.property("row").and_then(|row| row.parse().ok()).filter(|_| is_own) {
            Some(row) => Ok(RowError { row, error }),
            None => Err(error),
        }
    }

    /// Ends the load; answers the rows the table took.
    pub fn finish(self) -> Result<u64> {
        self.ingest.finish()
    }
}

/// Rows of a load are counted over all its pages. Only for a row of the page at hand the number means something to the host.
pub fn in_page(mut error: Error, first: u64, rows: u64) -> Error {
    let Some(row) = error.property("row").and_then(|row| row.parse::<u64>().ok()) else { return error };
    match row.checked_sub(first).filter(|row| *row < rows) {
        Some(row) => at_row(error, row as u32),
        None => {
            error.properties.retain(|(name, _)| name != "row");
            error
        }
    }
}

/// An error about a row of a part of a page, as one about the page. `rows`: which rows the part was made of.
pub fn renumber(error: Error, rows: &[u32]) -> Error {
    let row = error.property("row").and_then(|row| row.parse::<usize>().ok()).and_then(|row| rows.get(row).copied());
    match row {
        Some(row) => at_row(error, row),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_within_the_page() {
        let error = |row: &str| Error::invalid_data("x").with_property("row", row);
        assert_eq!(in_page(error("12"), 10, 5).property("row"), Some("2"));
        assert_eq!(in_page(error("9"), 10, 5).property("row"), None);
        assert_eq!(in_page(error("15"), 10, 5).property("row"), None);
        assert_eq!(in_page(Error::invalid_data("x"), 10, 5).property("row"), None);
        assert_eq!(renumber(error("1"), &[3, 8]).property("row"), Some("8"));
        assert_eq!(renumber(Error::invalid_data("x"), &[3, 8]).property("row"), None);
    }
}
