//! Batches without bitmaps: builders that take values and views that give them.

use lockstep_values::{Layout, LogicalType};

use crate::error::{Error, Result};
use crate::types::{Batch, BytesColumn, Column, Field, Values};

/// Builds a batch column by column, row by row.
///
/// Every row pushes exactly one value to every column and then calls [`BatchBuilder::end_row`].
///
/// ```
/// use lockstep_plugin_sdk::prelude::*;
///
/// let mut batch = BatchBuilder::new([("id", LogicalType::Int64), ("name", LogicalType::Text)]);
/// batch.column(0).push_int64(1);
/// batch.column(1).push_null();
/// batch.end_row();
/// let batch = batch.finish()?;
/// let view = BatchView::new(&batch);
/// let name = view.column("name").unwrap();
/// assert_eq!((view.rows(), name.is_valid(0), name.is_present(0)), (1, false, true));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct BatchBuilder {
    columns: Vec<ColumnBuilder>,
    rows: usize,
}

impl BatchBuilder {
    /// A builder for these columns.
    pub fn new<N: Into<String>>(columns: impl IntoIterator<Item = (N, LogicalType)>) -> Self {
        let columns = columns.into_iter().map(|(name, logical)| ColumnBuilder::new(name, logical)).collect();
        Self { columns, rows: 0 }
    }

    /// A builder for these fields; an unknown type is an error.
    pub fn for_fields(fields: &[Field]) -> Result<Self> {
        let columns =
            fields.iter().map(|field| Ok((field.name.clone(), field.logical()?))).collect::<Result<Vec<_>>>()?;
        Ok(Self::new(columns))
    }

    /// The column at a position.
    ///
    /// # Panics
    /// If there is no such column.
    #[allow(
        clippy::indexing_slicing,
        reason = "the caller made the columns; a panic in a guest is a fault the host names"
    )]
    pub fn column(&mut self, index: usize) -> &mut ColumnBuilder {
        &mut self.columns[index]
    }

    /// The columns in their order.
    pub fn columns(&mut self) -> &mut [ColumnBuilder] {
        &mut self.columns
    }

    /// The row is whole: every column got its value.
    pub fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Takes back what was pushed since the last [`BatchBuilder::end_row`].
    pub fn abandon_row(&mut self) {
        for column in &mut self.columns {
            column.truncate(self.rows);
        }
    }

    /// Rows that are whole.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The bytes the values take, roughly: what [`crate::types::Limits::bytes`] counts.
    pub fn bytes(&self) -> u64 {
        self.columns.iter().map(|column| column.bytes() as u64).sum()
    }

    /// The batch; a column with too few or too many values is an error. The builder is empty afterwards.
    pub fn finish(&mut self) -> Result<Batch> {
        let rows =
            u32::try_from(self.rows).map_err(|_| Error::permanent("a batch has more rows than 32 bits count"))?;
        let columns = self.columns.iter_mut().map(|column| column.finish(self.rows)).collect::<Result<Vec<_>>>()?;
        self.rows = 0;
        Ok(Batch { rows, columns })
    }
}

#[derive(Debug)]
enum Buffer {
    Bits(Vec<u8>),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
    Bytes { offsets: Vec<u32>, data: Vec<u8> },
}

impl Buffer {
    /// An empty one with room for as much: the next batch is usually as large as the last.
    fn empty_of_like_size(&self) -> Self {
        match self {
            Self::Bits(bits) => Self::Bits(Vec::with_capacity(bits.len())),
            Self::Int64(values) => Self::Int64(Vec::with_capacity(values.len())),
            Self::Float64(values) => Self::Float64(Vec::with_capacity(values.len())),
            Self::Bytes { offsets, data } => {
                let mut empty = Vec::with_capacity(offsets.len());
                empty.push(0);
                // A little more, for texts are not always as long.
                Self::Bytes { offsets: empty, data: Vec::with_capacity(data.len() + data.len() / 8) }
            }
        }
    }
}

/// Builds one column. Pushing a value of the wrong kind counts as null and makes `finish` fail.
#[derive(Debug)]
pub struct ColumnBuilder {
    name: String,
    logical: LogicalType,
    buffer: Buffer,
    valid: Bitmap,
    present: Bitmap,
    length: usize,
    mistyped: bool,
}

impl ColumnBuilder {
    /// An empty column.
    pub fn new(name: impl Into<String>, logical: LogicalType) -> Self {
        let buffer = empty_buffer(logical);
        Self {
            name: name.into(),
            logical,
            buffer,
            valid: Bitmap::default(),
            present: Bitmap::default(),
            length: 0,
            mistyped: false,
        }
    }

    /// As the field is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the values mean.
    pub fn logical(&self) -> LogicalType {
        self.logical
    }

    /// Truth.
    pub fn push_bool(&mut self, value: bool) {
        match &mut self.buffer {
            Buffer::Bits(bits) => push_bit(bits, self.length, value),
            _ => return self.push_mistyped(),
        }
        self.grow(true, true);
    }

    /// `int64`, the times, and small decimals as scaled integers.
    #[inline]
    pub fn push_int64(&mut self, value: i64) {
        match &mut self.buffer {
            Buffer::Int64(values) => values.push(value),
            _ => return self.push_mistyped(),
        }
        self.grow(true, true);
    }

    /// A number of `float64`.
    pub fn push_float64(&mut self, value: f64) {
        match &mut self.buffer {
            Buffer::Float64(values) => values.push(value),
            _ => return self.push_mistyped(),
        }
        self.grow(true, true);
    }

    /// `text`, `json`, `uuid` and large decimals.
    #[inline]
    pub fn push_text(&mut self, value: &str) {
        self.push_bytes(value.as_bytes());
    }

    /// `binary`, and whatever is text.
    #[inline]
    pub fn push_bytes(&mut self, value: &[u8]) {
        match &mut self.buffer {
            Buffer::Bytes { offsets, data } => {
                data.extend_from_slice(value);
                offsets.push(data.len() as u32);
            }
            _ => return self.push_mistyped(),
        }
        self.grow(true, true);
    }

    /// No value: the field is empty.
    #[inline]
    pub fn push_null(&mut self) {
        self.push_nothing(true);
    }

    /// The source says nothing about this field of this record.
    pub fn push_absent(&mut self) {
        self.push_nothing(false);
    }

    fn push_mistyped(&mut self) {
        self.mistyped = true;
        self.push_null();
    }

    fn push_nothing(&mut self, present: bool) {
        match &mut self.buffer {
            Buffer::Bits(bits) => push_bit(bits, self.length, false),
            Buffer::Int64(values) => values.push(0),
            Buffer::Float64(values) => values.push(0.0),
            Buffer::Bytes { offsets, data } => offsets.push(data.len() as u32),
        }
        self.grow(false, present);
    }

    #[inline]
    fn grow(&mut self, valid: bool, present: bool) {
        self.valid.push(self.length, valid);
        self.present.push(self.length, present);
        self.length += 1;
    }

    fn truncate(&mut self, length: usize) {
        if self.length <= length {
            return;
        }
        match &mut self.buffer {
            Buffer::Bits(bits) => truncate_bits(bits, length),
            Buffer::Int64(values) => values.truncate(length),
            Buffer::Float64(values) => values.truncate(length),
            Buffer::Bytes { offsets, data } => {
                offsets.truncate(length + 1);
                data.truncate(offsets.last().copied().unwrap_or(0) as usize);
            }
        }
        self.valid.truncate(length);
        self.present.truncate(length);
        self.length = length;
    }

    fn bytes(&self) -> usize {
        match &self.buffer {
            Buffer::Bits(bits) => bits.len(),
            Buffer::Int64(values) => values.len() * 8,
            Buffer::Float64(values) => values.len() * 8,
            Buffer::Bytes { offsets, data } => offsets.len() * 4 + data.len(),
        }
    }

    fn finish(&mut self, rows: usize) -> Result<Column> {
        if self.mistyped {
            return Err(Error::permanent(format!("column `{}` got a value that is not {}", self.name, self.logical)));
        }
        if self.length != rows {
            let message = format!("column `{}` has {} values for {rows} rows", self.name, self.length);
            return Err(Error::permanent(message));
        }
        let next = self.buffer.empty_of_like_size();
        let values = match std::mem::replace(&mut self.buffer, next) {
            Buffer::Bits(bits) => Values::Bits(bits),
            Buffer::Int64(values) => Values::Int64(values),
            Buffer::Float64(values) => Values::Float64(values),
            Buffer::Bytes { offsets, data } => Values::Bytes(BytesColumn { offsets, data }),
        };
        self.length = 0;
        Ok(Column { name: self.name.clone(), valid: self.valid.take(), present: self.present.take(), values })
    }
}

fn empty_buffer(logical: LogicalType) -> Buffer {
    match logical.layout() {
        Layout::Bits => Buffer::Bits(Vec::new()),
        Layout::Int64 => Buffer::Int64(Vec::new()),
        Layout::Float64 => Buffer::Float64(Vec::new()),
        Layout::Utf8 | Layout::Bytes => Buffer::Bytes { offsets: vec![0], data: Vec::new() },
    }
}

/// A bitmap that costs nothing until the first bit that is not set.
#[derive(Debug, Default)]
struct Bitmap(Option<Vec<u8>>);

impl Bitmap {
    #[inline]
    fn push(&mut self, length: usize, set: bool) {
        match &mut self.0 {
            Some(bits) => push_bit(bits, length, set),
            None if set => {}
            None => {
                let mut bits = vec![0xff; length / 8];
                if !length.is_multiple_of(8) {
                    bits.push((1u8 << (length % 8)) - 1);
                }
                push_bit(&mut bits, length, false);
                self.0 = Some(bits);
            }
        }
    }

    fn truncate(&mut self, length: usize) {
        if let Some(bits) = &mut self.0 {
            truncate_bits(bits, length);
        }
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        self.0.take()
    }
}

#[inline]
fn push_bit(bits: &mut Vec<u8>, length: usize, set: bool) {
    if length.is_multiple_of(8) {
        bits.push(0);
    }
    if let Some(last) = bits.last_mut() {
        *last |= u8::from(set) << (length % 8);
    }
}

fn truncate_bits(bits: &mut Vec<u8>, length: usize) {
    bits.truncate(length.div_ceil(8));
    if !length.is_multiple_of(8)
        && let Some(last) = bits.last_mut()
    {
        *last &= (1u8 << (length % 8)) - 1;
    }
}

/// A batch to read from.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a>(&'a Batch);

impl<'a> BatchView<'a> {
    /// Looks at a batch.
    pub fn new(batch: &'a Batch) -> Self {
        Self(batch)
    }

    /// How many rows there are.
    pub fn rows(self) -> usize {
        self.0.rows as usize
    }

    /// The columns, in order.
    pub fn columns(self) -> impl Iterator<Item = ColumnView<'a>> {
        self.0.columns.iter().map(ColumnView)
    }

    /// The column of this name.
    pub fn column(self, name: &str) -> Option<ColumnView<'a>> {
        self.columns().find(|column| column.name() == name)
    }
}

/// A column to read from. Rows outside of it read as null.
#[derive(Clone, Copy, Debug)]
pub struct ColumnView<'a>(&'a Column);

impl<'a> ColumnView<'a> {
    /// Looks at a column.
    pub fn new(column: &'a Column) -> Self {
        Self(column)
    }

    /// As the field is called.
    pub fn name(self) -> &'a str {
        &self.0.name
    }

    /// Whether the row has a value: neither null nor absent.
    #[inline]
    pub fn is_valid(self, row: usize) -> bool {
        is_set(&self.0.valid, row) && self.is_present(row)
    }

    /// Whether the source said anything about this field of this record.
    #[inline]
    pub fn is_present(self, row: usize) -> bool {
        is_set(&self.0.present, row)
    }

    /// The value of a row of a column of bits.
    pub fn bool(self, row: usize) -> Option<bool> {
        match &self.0.values {
            Values::Bits(bits) if self.is_valid(row) => bits.get(row / 8).map(|byte| byte >> (row % 8) & 1 == 1),
            _ => None,
        }
    }

    /// The value of a row of a column of whole numbers.
    #[inline]
    pub fn int64(self, row: usize) -> Option<i64> {
        match &self.0.values {
            Values::Int64(values) if self.is_valid(row) => values.get(row).copied(),
            _ => None,
        }
    }

    /// The value of a row of a column of floating-point numbers.
    pub fn float64(self, row: usize) -> Option<f64> {
        match &self.0.values {
            Values::Float64(values) if self.is_valid(row) => values.get(row).copied(),
            _ => None,
        }
    }

    /// The value of a row of a column of text or bytes.
    #[inline]
    pub fn bytes(self, row: usize) -> Option<&'a [u8]> {
        match &self.0.values {
            Values::Bytes(column) if self.is_valid(row) => column.value(row),
            _ => None,
        }
    }

    /// The value as text. The host passes valid UTF-8 in columns of text; anything else reads as null.
    #[inline]
    pub fn text(self, row: usize) -> Option<&'a str> {
        self.bytes(row).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

#[inline]
fn is_set(bits: &Option<Vec<u8>>, row: usize) -> bool {
    bits.as_ref().is_none_or(|bits| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
}

#[cfg(test)]
mod tests;
