//! Columns into records.

use std::marker::PhantomData;

use lockstep_values::LogicalType;

use super::field::{FieldSpec, FieldValue};
use super::scalar::ValueError;
use super::write::misfit;
use super::{Record, unknown_field};
use crate::batch::{BatchView, ColumnView};
use crate::error::{Error, Result};
use crate::types::Batch;

/// The records of a batch, in order; see [`Record::read`].
#[derive(Debug)]
pub struct Rows<'a, T> {
    reader: RowReader<'a>,
    rows: usize,
    /// A fault of the whole batch; it is told once, instead of any record.
    fault: Option<Error>,
    record: PhantomData<fn() -> T>,
}

impl<'a, T: Record> Rows<'a, T> {
    pub(super) fn new(batch: &'a Batch) -> Self {
        let view = BatchView::new(batch);
        let extra = view.columns().find(|column| T::FIELDS.iter().all(|spec| spec.name != column.name()));
        let columns = T::FIELDS.iter().map(|spec| view.column(spec.name)).collect();
        let reader = RowReader { columns, specs: T::FIELDS, row: 0 };
        let fault = extra.map(|column| unknown_field(column.name()));
        Self { reader, rows: view.rows(), fault, record: PhantomData }
    }
}

impl<T: Record> Iterator for Rows<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if let Some(fault) = self.fault.take() {
            self.rows = 0;
            return Some(Err(fault));
        }
        if self.reader.row >= self.rows {
            return None;
        }
        let record = T::read_row(&self.reader);
        self.reader.row += 1;
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = if self.fault.is_some() { 1 } else { self.rows.saturating_sub(self.reader.row) };
        (left, Some(left))
    }
}

/// One record on its way out of columns.
#[derive(Debug)]
pub struct RowReader<'a> {
    columns: Vec<Option<ColumnView<'a>>>,
    specs: &'static [FieldSpec],
    row: usize,
}

impl RowReader<'_> {
    /// The value of a field, by its position in the record. A value that does not fit is an error of kind `invalid-data` with
    /// the properties `field` and `row`.
    #[inline]
    pub fn read<V: FieldValue>(&self, field: usize) -> Result<V> {
        let logical = self.specs.get(field).map_or(LogicalType::Text, |spec| spec.logical);
        let cell = Cell { column: self.columns.get(field).copied().flatten(), row: self.row, logical };
        V::read(cell).map_err(|reason| misfit(self.specs, field, &reason).with_property("row", self.row.to_string()))
    }
}

/// One value of a column.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    column: Option<ColumnView<'a>>,
    row: usize,
    logical: LogicalType,
}

macro_rules! layouts {
    ($($(#[$doc:meta])* $name:ident: $value:ty;)+) => {
        $(
            $(#[$doc])*
            #[inline]
            pub fn $name(self) -> Result<$value, ValueError> {
                self.column.and_then(|column| column.$name(self.row)).ok_or(ValueError::from(OTHER_LAYOUT))
            }
        )+
    };
}

const OTHER_LAYOUT: &str = "its column has another layout";

impl<'a> Cell<'a> {
    /// The column; none if the batch has none for this field.
    pub fn column(self) -> Option<ColumnView<'a>> {
        self.column
    }

    /// The row's position in the column.
    pub fn row(self) -> usize {
        self.row
    }

    /// What the value means, as the record says.
    pub fn logical(self) -> LogicalType {
        self.logical
    }

    layouts! {
        /// The value of a column of bits.
        bool: bool;
        /// The value of a column of whole numbers.
        int64: i64;
        /// The value of a column of floating-point numbers.
        float64: f64;
        /// The value of a column of text or bytes.
        bytes: &'a [u8];
        /// The value of a column of text.
        text: &'a str;
    }
}
