//! Single values: what records are compared, merged and remembered by. Which logical type a value has, its field says.
//!
//! Two values of one type are equal exactly if they mean the same: `12.50` and `12.5` are one decimal, `-0.0` is `0.0`.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;

use super::{Batch, BatchError, Column, Decimal, Field, Layout, LogicalType, batch_from_json, cast, row_to_json};

/// One value of a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    Null,
    Bool(bool),
    /// Whole numbers, times, and decimals scaled to their type.
    Int(i64),
    /// The bits of a float, the same for equal ones.
    Float(u64),
    /// Texts, and decimals in canonical form.
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub fn float(value: f64) -> Self {
        Self::Float(if value == 0.0 {
            0
        } else if value.is_nan() {
            f64::NAN.to_bits()
        } else {
            value.to_bits()
        })
    }

    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The same value as another type has it; the error says what would be lost. Columns are cast quicker by [`cast`].
    pub fn cast(&self, from: LogicalType, to: LogicalType) -> Result<Self, String> {
        let rows = [Some(self.clone())];
        let column = column_of_values(&Field::new("value", from), &[&rows], 0).map_err(|error| error.to_string())?;
        let cast = cast(&column, from, to).map_err(|error| error.to_string())?;
        if let Some((_, reason)) = cast.rejected.into_iter().next() {
            return Err(reason);
        }
        let value = values_of(&Field::new("value", to), &cast.column).into_iter().next().flatten();
        value.ok_or_else(|| "there is no value".to_owned())
    }

    /// Whether a value of this type can look like this.
    pub fn fits_layout(&self, logical: LogicalType) -> bool {
        matches!(
            (self, logical.layout()),
            (Self::Null, _)
                | (Self::Bool(_), Layout::Bits)
                | (Self::Int(_), Layout::Int64)
                | (Self::Float(_), Layout::Float64)
                | (Self::Text(_), Layout::Utf8)
                | (Self::Bytes(_), Layout::Bytes)
        )
    }

    /// For people, and for whatever needs a text: JSON as in dead letters.
    pub fn to_json(&self, logical: LogicalType) -> serde_json::Value {
        let fields: Arc<[Field]> = [Field::new("value", logical)].into();
        let row = [Some(self.clone())];
        let batch = batch_of_values(&fields, &[&row]);
        batch.ok().and_then(|batch| row_to_json(&batch, 0).remove("value")).unwrap_or(serde_json::Value::Null)
    }

    /// The value a JSON value stands for; the error says why it does not fit.
    pub fn from_json(json: &serde_json::Value, logical: LogicalType) -> Result<Self, String> {
        let fields: Arc<[Field]> = [Field::new("value", logical)].into();
        let record = serde_json::json!({ "value": json });
        let batch = batch_from_json(&fields, &[record]).map_err(|error| error.to_string())?;
        let values = batch.iter().next().map(|(field, column)| values_of(field, column));
        values.and_then(|values| values.into_iter().next()?).ok_or_else(|| "there is no value".to_owned())
    }
}

/// The values of a column; none where the record says nothing.
pub fn values_of(field: &Field, column: &Column) -> Vec<Option<Value>> {
    let array = &column.array;
    let collect = |value: &dyn Fn(usize) -> Value| {
        (0..array.len())
            .map(|row| column.is_present(row).then(|| if array.is_null(row) { Value::Null } else { value(row) }))
            .collect()
    };
    match field.logical.layout() {
        Layout::Bits => {
            let array = array.as_boolean();
            collect(&|row| Value::Bool(array.value(row)))
        }
        Layout::Int64 => {
            let array = array.as_primitive::<Int64Type>();
            collect(&|row| Value::Int(array.value(row)))
        }
        Layout::Float64 => {
            let array = array.as_primitive::<Float64Type>();
            collect(&|row| Value::float(array.value(row)))
        }
        Layout::Utf8 => {
            let array = array.as_string::<i32>();
            match field.logical {
                LogicalType::Decimal(_) => collect(&|row| decimal_text(array.value(row))),
                _ => collect(&|row| Value::text(array.value(row))),
            }
        }
        Layout::Bytes => {
            let array = array.as_binary::<i32>();
            collect(&|row| Value::Bytes(array.value(row).into()))
        }
    }
}

fn decimal_text(text: &str) -> Value {
    match Decimal::parse(text) {
        Ok(decimal) => Value::text(&decimal.canonical().to_string()),
        Err(_) => Value::text(text),
    }
}

/// A batch of these rows, each with one entry per field. A value of another type than its field's is an error.
pub fn batch_of_values(fields: &Arc<[Field]>, rows: &[&[Option<Value>]]) -> Result<Batch, BatchError> {
    let columns = fields.iter().enumerate().map(|(at, field)| column_of_values(field, rows, at));
    Batch::new(fields.clone(), columns.collect::<Result<_, _>>()?, rows.len())
}

fn column_of_values(field: &Field, rows: &[&[Option<Value>]], at: usize) -> Result<Column, BatchError> {
    let values = || rows.iter().map(|row| row.get(at).and_then(Option::as_ref).filter(|value| !value.is_null()));
    let misfit = |value: &Value| BatchError::Values {
        column: field.name.clone(),
        reason: format!("a value of type {} came as {value:?}", field.logical),
    };
    macro_rules! build {
        ($builder:expr, $pattern:pat => $value:expr) => {{
            let mut builder = $builder;
            for value in values() {
                match value {
                    None => builder.append_null(),
                    Some($pattern) => builder.append_value($value),
                    Some(other) => return Err(misfit(other)),
                }
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    let array = match field.logical.layout() {
        Layout::Bits => build!(BooleanBuilder::with_capacity(rows.len()), Value::Bool(value) => *value),
        Layout::Int64 => build!(Int64Builder::with_capacity(rows.len()), Value::Int(value) => *value),
        Layout::Float64 => {
            build!(Float64Builder::with_capacity(rows.len()), Value::Float(bits) => f64::from_bits(*bits))
        }
        Layout::Utf8 => build!(StringBuilder::new(), Value::Text(text) => text),
        Layout::Bytes => build!(BinaryBuilder::new(), Value::Bytes(bytes) => bytes),
    };
    let is_present = |row: usize| rows.get(row).and_then(|row| row.get(at)).is_some_and(Option::is_some);
    let present = BooleanBuffer::collect_bool(rows.len(), is_present);
    let present = (present.count_set_bits() < rows.len()).then_some(present);
    Ok(Column { array, present })
}

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const TEXT: u8 = 5;
const BYTES: u8 = 6;

/// Appends a value in a form that [`read_value`] reads back.
pub fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Int(value) => {
            out.push(INT);
            write_int(out, *value);
        }
        Value::Float(bits) => {
            out.push(FLOAT);
            out.extend_from_slice(&bits.to_le_bytes());
        }
        Value::Text(text) => {
            out.push(TEXT);
            write_bytes(out, text.as_bytes());
        }
        Value::Bytes(bytes) => {
            out.push(BYTES);
            write_bytes(out, bytes);
        }
    }
}

/// Takes a value from the front; none if there is no such thing.
pub fn read_value(bytes: &mut &[u8]) -> Option<Value> {
    Some(match read_byte(bytes)? {
        NULL => Value::Null,
        FALSE => Value::Bool(false),
        TRUE => Value::Bool(true),
        INT => Value::Int(read_int(bytes)?),
        FLOAT => {
            let (head, rest) = bytes.split_first_chunk::<8>()?;
            *bytes = rest;
            Value::Float(u64::from_le_bytes(*head))
        }
        TEXT => Value::Text(std::str::from_utf8(read_bytes(bytes)?).ok()?.into()),
        BYTES => Value::Bytes(read_bytes(bytes)?.into()),
        _ => return None,
    })
}

/// Seven bits a byte, the least significant first.
pub fn write_count(out: &mut Vec<u8>, mut count: u64) {
    while count >= 0x80 {
        out.push((count & 0x7f) as u8 | 0x80);
        count >>= 7;
    }
    out.push(count as u8);
}

pub fn read_count(bytes: &mut &[u8]) -> Option<u64> {
    let mut count = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = read_byte(bytes)?;
        count |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(count);
        }
    }
    None
}

/// Small numbers of either sign are short.
pub fn write_int(out: &mut Vec<u8>, value: i64) {
    write_count(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub fn read_int(bytes: &mut &[u8]) -> Option<i64> {
    let count = read_count(bytes)?;
    Some((count >> 1) as i64 ^ -((count & 1) as i64))
}

pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_count(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub fn read_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(read_count(bytes)?).ok()?;
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

pub fn read_byte(bytes: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<f64>().prop_map(Value::float),
            any::<String>().prop_map(|text| Value::text(&text)),
            any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())),
        ]
    }

    #[test]
    fn equal_meanings_are_equal_values() {
        let decimal = |text: &str| Value::from_json(&json!(text), "decimal".parse().unwrap()).unwrap();
        assert_eq!(decimal("12.50"), decimal("12.5"));
        assert_eq!(decimal("-0"), decimal("0.00"));
        assert_eq!(Value::float(-0.0), Value::float(0.0));
        assert_eq!(Value::float(f64::NAN), Value::float(-f64::NAN));
        assert_ne!(Value::text(""), Value::Null);
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let fields: Arc<[Field]> = [Field::new("a", LogicalType::Int64)].into();
        let row = [Some(Value::text("x"))];
        assert!(batch_of_values(&fields, &[&row]).is_err());
    }

    #[test]
    fn json_goes_both_ways() {
        for (logical, json) in [
            ("decimal(9,2)", json!("1.50")),
            ("timestamp", json!("2026-11-21T12:00:00Z")),
            ("text", json!("x")),
            ("bool", json!(true)),
            ("int64", json!(null)),
        ] {
            let logical = logical.parse().unwrap();
            assert_eq!(Value::from_json(&json, logical).unwrap().to_json(logical), json);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(any_value(), 0..20)) {
            let mut bytes = Vec::new();
            values.iter().for_each(|value| write_value(&mut bytes, value));
            let mut rest = bytes.as_slice();
            for value in &values {
                let read = read_value(&mut rest);
                prop_assert_eq!(read.as_ref(), Some(value));
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn nonsense_is_not_read_as_more_than_it_is(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut rest = bytes.as_slice();
            while read_value(&mut rest).is_some() {}
        }

        #[test]
        fn columns_go_both_ways(rows in prop::collection::vec(any::<Option<Option<i64>>>(), 0..40)) {
            let fields: Arc<[Field]> = [Field::new("a", LogicalType::Int64)].into();
            let rows: Vec<[Option<Value>; 1]> =
                rows.into_iter().map(|row| [row.map(|value| value.map_or(Value::Null, Value::Int))]).collect();
            let slices: Vec<&[Option<Value>]> = rows.iter().map(|row| row.as_slice()).collect();
            let batch = batch_of_values(&fields, &slices).unwrap();
            let back = values_of(&fields[0], &batch.columns()[0]);
            prop_assert_eq!(back, rows.into_iter().map(|[value]| value).collect::<Vec<_>>());
        }
    }
}
