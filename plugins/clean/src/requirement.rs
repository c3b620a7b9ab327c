//! What a record must have to go on, and what is known of those that do not.

use std::collections::BTreeMap;

use lockstep_plugin_sdk::prelude::*;

use crate::config::Absent;

/// Characters of a value that an error quotes.
const QUOTED_MAX: usize = 100;

/// The kind of a change that removes a record.
const DELETE: u8 = 1;

/// What a field must have after cleaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The stream says it is never null, and a step might have made it so.
    NotNull,
    /// A value, and no empty text.
    Value(Absent),
}

impl Requirement {
    /// Rejects the rows of a column that do not meet it.
    pub fn check(self, column: ColumnView<'_>, rows: u32, rejections: &mut Rejections<'_>) {
        for row in 0..rows {
            if !self.is_met(column, row as usize) {
                rejections.lacks(row as usize, column.name());
            }
        }
    }

    fn is_met(self, column: ColumnView<'_>, row: usize) -> bool {
        match self {
            Self::NotNull => column.is_valid(row) || !column.is_present(row),
            Self::Value(_) if column.is_valid(row) => column.bytes(row).is_none_or(|text| !text.is_empty()),
            Self::Value(absent) => absent == Absent::Pass && !column.is_present(row),
        }
    }
}

/// The rows of a page that cannot go on, each with the first reason that was found.
#[derive(Debug)]
pub struct Rejections<'a> {
    kinds: Option<&'a [u8]>,
    errors: BTreeMap<u32, Error>,
}

impl<'a> Rejections<'a> {
    /// `kinds` are those of the page's changes.
    pub fn new(kinds: Option<&'a [u8]>) -> Self {
        Self { kinds, errors: BTreeMap::new() }
    }

    /// Notes that the value of a field cannot go on. Of a deleted record only the key counts: it always goes on.
    pub fn refuse(&mut self, row: usize, field: &str, code: &str, reason: &str, value: &str) {
        self.note(row, || {
            let quoted: String = value.chars().take(QUOTED_MAX).collect();
            Error::invalid_data(format!("field `{field}`: `{quoted}` {reason}"))
                .with_code(code)
                .with_field(field)
                .with_property("value", value)
        });
    }

    /// Notes that a required field has no value.
    pub fn lacks(&mut self, row: usize, field: &str) {
        self.note(row, || {
            Error::invalid_data(format!("field `{field}` is required and has no value"))
                .with_code("clean.required")
                .with_field(field)
        });
    }

    /// Whether the row removes a record.
    pub fn is_delete(&self, row: usize) -> bool {
        self.kinds.and_then(|kinds| kinds.get(row)) == Some(&DELETE)
    }

    fn note(&mut self, row: usize, error: impl FnOnce() -> Error) {
        if !self.is_delete(row) {
            self.errors.entry(row as u32).or_insert_with(error);
        }
    }

    /// The errors, by row.
    pub fn finish(self) -> Vec<RowError> {
        self.errors.into_iter().map(|(row, error)| RowError::new(row, error)).collect()
    }
}
