//! What became of the rows of a page, row by row.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::sink::WriteResults;
use lockstep_plugin_sdk::types::{Batch, BytesColumn, Field, RowError};

use crate::load::at_row;
use crate::record::key_to_json;

const OK: u8 = 0;
const CONFLICT: u8 = 1;
const REJECTED: u8 = 2;

/// Every row is fine until something else is said about it.
#[derive(Clone, Debug)]
pub struct Outcome {
    statuses: Vec<u8>,
    errors: Vec<RowError>,
    ids: Option<Vec<Vec<u8>>>,
}

impl Outcome {
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

    /// The keys under which these rows were inserted, in the same order.
    pub fn identify_all(&mut self, rows: &[u32], key: &[Field], keys: &Batch) -> Result<()> {
        for (index, row) in rows.iter().enumerate() {
            let lacking = || Error::invalid_data("the database gave the record no value for its key");
            let id = key_to_json(key, keys, index);
            self.identify(*row, id.ok_or_else(|| at_row(lacking().with_code("sql.null-key"), *row))?);
        }
        Ok(())
    }

    fn identify(&mut self, row: u32, id: Vec<u8>) {
        let rows = self.statuses.len();
        if let Some(place) = self.ids.get_or_insert_with(|| vec![Vec::new(); rows]).get_mut(row as usize) {
            *place = id;
        }
    }

    /// The rows of which nothing was said but that they are fine.
    pub fn fine_rows(&self) -> Vec<u32> {
        (0..).zip(&self.statuses).filter(|(_, status)| **status == OK).map(|(row, _)| row).collect()
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::batch_of;
    use crate::value::Value;
    use lockstep_plugin_sdk::types::LogicalType;

    #[test]
    fn rows_nobody_complains_about_are_fine() {
        let results = Outcome::new(3).into_results();
        assert!(results.statuses.is_none() && results.errors.is_empty() && results.ids.is_none());
    }

    #[test]
    fn each_row_is_answered() {
        let mut outcome = Outcome::new(4);
        outcome.reject(3, Error::invalid_data("too long"));
        outcome.conflict(1, Error::conflict("changed").with_property("row", "0"));
        let key = [Field::new("id", LogicalType::Int64)];
        let keys = batch_of(&key, &[vec![Value::Int64(17)], vec![Value::Null]]).unwrap();
        outcome.identify_all(&[2], &key, &keys).unwrap();
        assert_eq!(outcome.identify_all(&[0, 2], &key, &keys).unwrap_err().property("row"), Some("2"));
        outcome.identify(0, Vec::new());
        outcome.identify(2, b"[\"17\"]".to_vec());
        assert_eq!(outcome.fine_rows(), [0, 2]);
        let results = outcome.into_results();
        assert_eq!(results.statuses, Some(vec![0, 1, 0, 2]));
        let rows: Vec<(u32, Option<&str>)> =
            results.errors.iter().map(|error| (error.row, error.error.property("row"))).collect();
        assert_eq!(rows, [(3, Some("3")), (1, Some("1"))]);
        let ids = results.ids.unwrap();
        let shown: Vec<&[u8]> = (0..4).map(|row| ids.value(row).unwrap()).collect();
        assert_eq!(shown, [&b""[..], b"", b"[\"17\"]", b""]);
    }
}
