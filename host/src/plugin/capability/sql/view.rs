//! A column with its type already known, so that nothing is looked up per value.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::NullBuffer;

/// The values of one column. A value asked for in another layout than the column's is empty or zero: callers have checked.
pub(super) struct View<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Bits(&'a BooleanArray),
    Int64(&'a [i64]),
    Float64(&'a [f64]),
    Utf8(&'a StringArray),
    Bytes(&'a BinaryArray),
    Unknown,
}

impl<'a> View<'a> {
    pub fn new(array: &'a ArrayRef) -> Self {
        let values = if let Some(bits) = array.as_boolean_opt() {
            Values::Bits(bits)
        } else if let Some(ints) = array.as_primitive_opt::<Int64Type>() {
            Values::Int64(ints.values())
        } else if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
            Values::Float64(floats.values())
        } else if let Some(text) = array.as_string_opt::<i32>() {
            Values::Utf8(text)
        } else if let Some(bytes) = array.as_binary_opt::<i32>() {
            Values::Bytes(bytes)
        } else {
            Values::Unknown
        };
        Self { nulls: array.nulls(), values }
    }

    #[inline]
    pub fn is_valid(&self, row: usize) -> bool {
        self.nulls.is_none_or(|nulls| nulls.is_valid(row))
    }

    #[inline]
    pub fn bool(&self, row: usize) -> bool {
        matches!(self.values, Values::Bits(bits) if bits.value(row))
    }

    #[inline]
    pub fn int(&self, row: usize) -> i64 {
        match self.values {
            Values::Int64(values) => values.get(row).copied().unwrap_or_default(),
            _ => 0,
        }
    }

    #[inline]
    pub fn float(&self, row: usize) -> f64 {
        match self.values {
            Values::Float64(values) => values.get(row).copied().unwrap_or_default(),
            _ => 0.0,
        }
    }

    #[inline]
    pub fn text(&self, row: usize) -> &'a str {
        match self.values {
            Values::Utf8(text) => text.value(row),
            _ => "",
        }
    }

    #[inline]
    pub fn bytes(&self, row: usize) -> &'a [u8] {
        match self.values {
            Values::Utf8(text) => text.value(row).as_bytes(),
            Values::Bytes(bytes) => bytes.value(row),
            _ => &[],
        }
    }

    pub fn is_text(&self) -> bool {
        matches!(self.values, Values::Utf8(_))
    }

    /// All text of the column at once, with what stands in null rows.
    pub fn all_text(&self) -> &'a [u8] {
        let Values::Utf8(text) = self.values else { return &[] };
        let offsets = text.value_offsets();
        let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
        text.value_data().get(first as usize..last as usize).unwrap_or_default()
    }
}
