//! Columns that grow value by value, without allocating for each of them, and become a batch.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use crate::record::{Column, Layout, LogicalType};

/// A column under construction. Values that are not of the column's layout are not taken, and [`ColumnBuilder::finish`] fails.
pub(super) struct ColumnBuilder {
    values: Values,
    nulls: Nulls,
}

enum Values {
    Bits(BooleanBufferBuilder),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
    Utf8(Spans),
    Bytes(Spans),
}

/// Byte strings, one behind the other.
struct Spans {
    offsets: Vec<i32>,
    data: Vec<u8>,
}

impl Spans {
    fn with_capacity(values: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(values + 1);
        offsets.push(0);
        Self { offsets, data: Vec::with_capacity(bytes) }
    }

    #[inline]
    fn close(&mut self) {
        // Pages stay far below 2 GiB: a page ends at the limit on its bytes, a message at its own.
        self.offsets.push(self.data.len() as i32);
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, Vec<u8>) {
        let next = Self::with_capacity(self.offsets.len(), self.data.len());
        let full = std::mem::replace(self, next);
        (OffsetBuffer::new(ScalarBuffer::from(full.offsets)), full.data)
    }
}

/// Which values are there; nothing is kept as long as all are.
#[derive(Default)]
struct Nulls {
    bits: Option<BooleanBufferBuilder>,
    rows: usize,
}

impl Nulls {
    #[inline]
    fn push_valid(&mut self) {
        self.rows += 1;
        if let Some(bits) = &mut self.bits {
            bits.append(true);
        }
    }

    fn push_null(&mut self) {
        let rows = self.rows;
        let bits = self.bits.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(rows + 1024);
            bits.append_n(rows, true);
            bits
        });
        bits.append(false);
        self.rows += 1;
    }

    fn take(&mut self) -> Option<NullBuffer> {
        self.rows = 0;
        self.bits.take().map(|mut bits| NullBuffer::new(bits.finish()))
    }
}

impl ColumnBuilder {
    pub fn new(logical: LogicalType) -> Self {
        let values = match logical.layout() {
            Layout::Bits => Values::Bits(BooleanBufferBuilder::new(0)),
            Layout::Int64 => Values::Int64(Vec::new()),
            Layout::Float64 => Values::Float64(Vec::new()),
            Layout::Utf8 => Values::Utf8(Spans::with_capacity(0, 0)),
            Layout::Bytes => Values::Bytes(Spans::with_capacity(0, 0)),
        };
        Self { values, nulls: Nulls::default() }
    }

    pub fn push_null(&mut self) {
        self.nulls.push_null();
        match &mut self.values {
            Values::Bits(bits) => bits.append(false),
            Values::Int64(values) => values.push(0),
            Values::Float64(values) => values.push(0.0),
            Values::Utf8(spans) | Values::Bytes(spans) => spans.close(),
        }
    }

    #[inline]
    pub fn push_bool(&mut self, value: bool) {
        if let Values::Bits(bits) = &mut self.values {
            bits.append(value);
            self.nulls.push_valid();
        }
    }

    #[inline]
    pub fn push_i64(&mut self, value: i64) {
        if let Values::Int64(values) = &mut self.values {
            values.push(value);
            self.nulls.push_valid();
        }
    }

    #[inline]
    pub fn push_f64(&mut self, value: f64) {
        if let Values::Float64(values) = &mut self.values {
            values.push(value);
            self.nulls.push_valid();
        }
    }

    /// Text or bytes. Whether text is UTF-8 is looked at once per page.
    #[inline]
    pub fn push_bytes(&mut self, value: &[u8]) {
        if let Values::Utf8(spans) | Values::Bytes(spans) = &mut self.values {
            spans.data.extend_from_slice(value);
            spans.close();
            self.nulls.push_valid();
        }
    }

    /// The column so far, and the rows whose text is not UTF-8, which are null in it. The builder is empty afterwards.
    pub fn finish(&mut self) -> Result<(Column, Vec<usize>), ArrowError> {
        let nulls = self.nulls.take();
        let array: ArrayRef = match &mut self.values {
            Values::Bits(bits) => {
                let bits = bits.finish();
                check_length(bits.len(), nulls.as_ref())?;
                Arc::new(BooleanArray::new(bits, nulls))
            }
            Values::Int64(values) => {
                let next = Vec::with_capacity(values.len());
                Arc::new(Int64Array::try_new(std::mem::replace(values, next).into(), nulls)?)
            }
            Values::Float64(values) => {
                let next = Vec::with_capacity(values.len());
                Arc::new(Float64Array::try_new(std::mem::replace(values, next).into(), nulls)?)
            }
            Values::Bytes(spans) => {
                let (offsets, data) = spans.take();
                Arc::new(BinaryArray::try_new(offsets, Buffer::from_vec(data), nulls)?)
            }
            Values::Utf8(spans) => return finish_text(spans, nulls),
        };
        Ok((Column::new(array), Vec::new()))
    }
}

fn check_length(values: usize, nulls: Option<&NullBuffer>) -> Result<(), ArrowError> {
    match nulls {
        Some(nulls) if nulls.len() != values => {
            Err(ArrowError::InvalidArgumentError(format!("{values} values for {} rows", nulls.len())))
        }
        _ => Ok(()),
    }
}

fn finish_text(spans: &mut Spans, nulls: Option<NullBuffer>) -> Result<(Column, Vec<usize>), ArrowError> {
    let (offsets, data) = spans.take();
    let buffer = Buffer::from_vec(data);
    match StringArray::try_new(offsets.clone(), buffer.clone(), nulls.clone()) {
        Ok(array) => Ok((Column::new(Arc::new(array)), Vec::new())),
        Err(_) => {
            let bytes = BinaryArray::try_new(offsets, buffer, nulls)?;
            let text: Vec<Option<&str>> = bytes.iter().map(|value| std::str::from_utf8(value?).ok()).collect();
            let broken = (0..bytes.len()).filter(|row| bytes.is_valid(*row) && text.get(*row) == Some(&None)).collect();
            Ok((Column::new(Arc::new(StringArray::from(text))), broken))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray as _;

    #[test]
    fn nulls_may_come_late_or_never() {
        let mut builder = ColumnBuilder::new(LogicalType::Int64);
        builder.push_i64(1);
        builder.push_null();
        builder.push_i64(3);
        let (column, _) = builder.finish().unwrap();
        assert_eq!(column.array.as_ref(), &Int64Array::from(vec![Some(1), None, Some(3)]) as &dyn Array);
        builder.push_i64(4);
        let (column, _) = builder.finish().unwrap();
        assert!(column.array.nulls().is_none());
    }

    #[test]
    fn text_that_is_not_utf8_is_found() {
        let mut builder = ColumnBuilder::new(LogicalType::Text);
        for bytes in [&b"good"[..], b"\xff", "é".as_bytes(), b""] {
            builder.push_bytes(bytes);
        }
        builder.push_null();
        let (column, broken) = builder.finish().unwrap();
        assert_eq!(broken, [1]);
        let text: Vec<_> = column.array.as_string::<i32>().iter().collect();
        assert_eq!(text, [Some("good"), None, Some("é"), Some(""), None]);
    }

    #[test]
    fn a_character_cut_in_two_is_not_text() {
        let mut builder = ColumnBuilder::new(LogicalType::Text);
        let (head, tail) = "é".as_bytes().split_at(1);
        builder.push_bytes(head);
        builder.push_bytes(tail);
        assert_eq!(builder.finish().unwrap().1, [0, 1]);
    }

    #[test]
    fn values_of_another_layout_are_refused() {
        let mut builder = ColumnBuilder::new(LogicalType::Int64);
        builder.push_null();
        builder.push_bytes(b"text");
        let (column, _) = builder.finish().unwrap();
        assert_eq!(column.array.len(), 1);
    }
}
