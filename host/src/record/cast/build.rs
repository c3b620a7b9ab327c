//! Builds columns value by value and remembers the rows that did not fit.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::{Cast, CastError, Column};

/// Text and bytes one converted column may hold; short numbers such as `1e9999` grow when they are written out, and a column's
/// offsets end at 2 GiB.
const COLUMN_BYTES_MAX: usize = 256 << 20;

pub fn collect_ints(column: &Column, value: impl FnMut(usize) -> Result<i64, String>) -> Cast {
    let (values, rejected) = collect(column, value);
    finish(column, rejected, |nulls| Arc::new(Int64Array::new(values.into(), nulls)))
}

pub fn collect_floats(column: &Column, value: impl FnMut(usize) -> Result<f64, String>) -> Cast {
    let (values, rejected) = collect(column, value);
    finish(column, rejected, |nulls| Arc::new(Float64Array::new(values.into(), nulls)))
}

pub fn collect_bools(column: &Column, value: impl FnMut(usize) -> Result<bool, String>) -> Cast {
    let (values, rejected) = collect(column, value);
    finish(column, rejected, |nulls| Arc::new(BooleanArray::new(values.into(), nulls)))
}

/// `append` adds the text of a row; what it added before failing is taken back.
pub fn collect_texts(
    column: &Column,
    mut append: impl FnMut(usize, &mut String) -> Result<(), String>,
) -> Result<Cast, CastError> {
    let mut data = String::new();
    let (ends, rejected) = collect(column, |row| {
        let start = data.len();
        append(row, &mut data).and_then(|()| offset(data.len())).inspect_err(|_| data.truncate(start))
    });
    let offsets = offsets(&ends);
    let nulls = nulls_with(column, &rejected);
    let array = StringArray::try_new(offsets, Buffer::from(data.into_bytes()), nulls)
        .map_err(|error| CastError::Build(error.to_string()))?;
    Ok(with_array(column, Arc::new(array), rejected))
}

pub fn collect_bytes(
    column: &Column,
    mut append: impl FnMut(usize, &mut Vec<u8>) -> Result<(), String>,
) -> Result<Cast, CastError> {
    let mut data = Vec::new();
    let (ends, rejected) = collect(column, |row| {
        let start = data.len();
        append(row, &mut data).and_then(|()| offset(data.len())).inspect_err(|_| data.truncate(start))
    });
    let offsets = offsets(&ends);
    let nulls = nulls_with(column, &rejected);
    let array = BinaryArray::try_new(offsets, Buffer::from(data), nulls)
        .map_err(|error| CastError::Build(error.to_string()))?;
    Ok(with_array(column, Arc::new(array), rejected))
}

/// The same values, without those that `check` refuses; nothing is copied.
pub fn keep_checked(column: &Column, check: impl FnMut(usize) -> Result<(), String>) -> Result<Cast, CastError> {
    let (_, rejected) = collect(column, check);
    if rejected.is_empty() {
        return Ok(Cast::unchanged(column));
    }
    let data = column.array.to_data().into_builder().nulls(nulls_with(column, &rejected));
    let data = data.build().map_err(|error| CastError::Build(error.to_string()))?;
    Ok(with_array(column, arrow_array::make_array(data), rejected))
}

/// One entry per row: the value, or the default where there is none or it was refused.
fn collect<T: Default>(
    column: &Column,
    mut value: impl FnMut(usize) -> Result<T, String>,
) -> (Vec<T>, Vec<(u32, String)>) {
    let nulls = column.array.nulls();
    let mut values = Vec::with_capacity(column.array.len());
    let mut rejected = Vec::new();
    for row in 0..column.array.len() {
        let result = if nulls.is_none_or(|nulls| nulls.is_valid(row)) { value(row) } else { Ok(T::default()) };
        values.push(result.unwrap_or_else(|reason| {
            rejected.push((row as u32, reason));
            T::default()
        }));
    }
    (values, rejected)
}

fn offset(length: usize) -> Result<i32, String> {
    if length > COLUMN_BYTES_MAX {
        return Err("the value, written out, takes more room than a page may".into());
    }
    i32::try_from(length).map_err(|error| error.to_string())
}

/// Offsets from the ends of the values; a row without a value ends where the one before it did.
fn offsets(ends: &[i32]) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    let mut last = 0;
    offsets.push(last);
    for end in ends {
        last = last.max(*end);
        offsets.push(last);
    }
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

fn finish(column: &Column, rejected: Vec<(u32, String)>, array: impl FnOnce(Option<NullBuffer>) -> ArrayRef) -> Cast {
    let array = array(nulls_with(column, &rejected));
    with_array(column, array, rejected)
}

fn with_array(column: &Column, array: ArrayRef, rejected: Vec<(u32, String)>) -> Cast {
    Cast { column: Column { array, present: column.present.clone() }, rejected }
}

/// The column's nulls and the rejected rows.
fn nulls_with(column: &Column, rejected: &[(u32, String)]) -> Option<NullBuffer> {
    if rejected.is_empty() {
        return column.array.nulls().cloned();
    }
    let mut bits = BooleanBufferBuilder::new(column.array.len());
    match column.array.nulls() {
        Some(nulls) => bits.append_buffer(nulls.inner()),
        None => bits.append_n(column.array.len(), true),
    }
    rejected.iter().for_each(|(row, _)| bits.set_bit(*row as usize, false));
    Some(NullBuffer::new(bits.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;

    #[test]
    fn values_that_grow_without_end_are_refused_and_the_rest_goes_on() {
        let column = Column::new(Arc::new(Int64Array::from(vec![1, COLUMN_BYTES_MAX as i64, 2])));
        let lengths = column.array.as_primitive::<arrow_array::types::Int64Type>();
        let cast = collect_texts(&column, |row, text| {
            text.push_str(&"1".repeat(lengths.value(row) as usize));
            Ok(())
        })
        .unwrap();
        assert!(cast.rejected[0].1.contains("takes more room"));
        assert_eq!(cast.column.array.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("1"), None, Some("11")]);
    }
}
