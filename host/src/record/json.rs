//! A record as a JSON object, exact in both directions: what dead letters store and people read and edit.
//!
//! `int64` is a number; decimals, times and UUIDs are strings as people write them; `binary` is base64; `json` is embedded as
//! it is; floats are numbers, and strings where JSON has none (`NaN`, `Infinity`). Null is `null`; absent fields are left out.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBufferBuilder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Number, Value};

use super::{
    Batch, BatchError, Column, Decimal, Field, Layout, LogicalType, format_date, format_datetime, format_time,
    format_timestamp, parse_date, parse_datetime, parse_time, parse_timestamp,
};

/// Why a JSON object is not a record of these fields.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    #[error("field `{field}`: {found} is not a {logical}: {reason}")]
    Value { field: String, logical: String, found: String, reason: String },
    #[error("a record must be a JSON object")]
    NotAnObject,
    #[error("there is no field `{0}`")]
    UnknownField(String),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// One record; absent fields are left out. A row outside the batch gives an empty object.
pub fn row_to_json(batch: &Batch, row: usize) -> Map<String, Value> {
    batch
        .iter()
        .filter(|(_, column)| row < batch.rows() && column.is_present(row))
        .map(|(field, column)| (field.name.clone(), value_to_json(field.logical, &column.array, row)))
        .collect()
}

fn value_to_json(logical: LogicalType, array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match logical.layout() {
        Layout::Bits => Value::Bool(array.as_boolean().value(row)),
        Layout::Int64 => int_to_json(logical, array.as_primitive::<Int64Type>().value(row)),
        Layout::Float64 => float_to_json(array.as_primitive::<Float64Type>().value(row)),
        Layout::Utf8 => text_to_json(logical, array.as_string::<i32>().value(row)),
        Layout::Bytes => Value::String(BASE64.encode(array.as_binary::<i32>().value(row))),
    }
}

fn int_to_json(logical: LogicalType, value: i64) -> Value {
    Value::String(match logical {
        LogicalType::Timestamp => format_timestamp(value),
        LogicalType::Datetime => format_datetime(value),
        LogicalType::Date => format_date(value),
        LogicalType::Time => format_time(value),
        LogicalType::Decimal(Some(shape)) => Decimal::from_scaled(value, shape.scale).to_string(),
        _ => return Value::Number(value.into()),
    })
}

fn float_to_json(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => Value::String("NaN".into()),
        None => Value::String(if value > 0.0 { "Infinity" } else { "-Infinity" }.into()),
    }
}

fn text_to_json(logical: LogicalType, text: &str) -> Value {
    match logical {
        // Embedded only if nothing is lost by it: serde_json keeps neither long numbers nor spacing.
        LogicalType::Json => serde_json::from_str::<Value>(text)
            .ok()
            .filter(|value| !value.is_string() && format!("{value}") == text)
            .unwrap_or_else(|| Value::String(text.to_owned())),
        _ => Value::String(text.to_owned()),
    }
}

/// Records from JSON objects. Fields that an object leaves out are absent; fields nobody knows are an error.
pub fn batch_from_json(fields: &Arc<[Field]>, records: &[Value]) -> Result<Batch, JsonError> {
    for record in records {
        let object = record.as_object().ok_or(JsonError::NotAnObject)?;
        if let Some(unknown) = object.keys().find(|name| !fields.iter().any(|field| field.name == **name)) {
            return Err(JsonError::UnknownField(unknown.clone()));
        }
    }
    let columns = fields.iter().map(|field| column_from_json(field, records)).collect::<Result<Vec<_>, _>>()?;
    Ok(Batch::new(fields.clone(), columns, records.len())?)
}

fn column_from_json(field: &Field, records: &[Value]) -> Result<Column, JsonError> {
    let values: Vec<Option<&Value>> = records.iter().map(|record| record.get(&field.name)).collect();
    let present = values.iter().any(Option::is_none).then(|| {
        let mut bits = BooleanBufferBuilder::new(values.len());
        values.iter().for_each(|value| bits.append(value.is_some()));
        bits.finish()
    });
    let not_null = |value: &Option<&Value>| -> Option<Value> { value.filter(|value| !value.is_null()).cloned() };
    let mut array = ArrayBuilder::new(field.logical.layout());
    for value in &values {
        array.push(field, not_null(value))?;
    }
    Ok(Column { array: array.finish(), present })
}

enum ArrayBuilder {
    Bits(BooleanBuilder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Utf8(StringBuilder),
    Bytes(BinaryBuilder),
}

impl ArrayBuilder {
    fn new(layout: Layout) -> Self {
        match layout {
            Layout::Bits => Self::Bits(BooleanBuilder::new()),
            Layout::Int64 => Self::Int64(Int64Builder::new()),
            Layout::Float64 => Self::Float64(Float64Builder::new()),
            Layout::Utf8 => Self::Utf8(StringBuilder::new()),
            Layout::Bytes => Self::Bytes(BinaryBuilder::new()),
        }
    }

    fn push(&mut self, field: &Field, value: Option<Value>) -> Result<(), JsonError> {
        let fail = |value: &Value, reason: String| JsonError::Value {
            field: field.name.clone(),
            logical: field.logical.to_string(),
            found: value.to_string(),
            reason,
        };
        match self {
            Self::Bits(bits) => bits.append_option(match value {
                Some(value) => Some(value.as_bool().ok_or_else(|| fail(&value, "not a boolean".into()))?),
                None => None,
            }),
            Self::Int64(ints) => ints.append_option(match value {
                Some(value) => Some(int_from_json(field.logical, &value).map_err(|reason| fail(&value, reason))?),
                None => None,
            }),
            Self::Float64(floats) => floats.append_option(match value {
                Some(value) => Some(float_from_json(&value).ok_or_else(|| fail(&value, "not a number".into()))?),
                None => None,
            }),
            Self::Utf8(texts) => texts.append_option(match value {
                Some(value) => Some(text_from_json(field.logical, &value).map_err(|reason| fail(&value, reason))?),
                None => None,
            }),
            Self::Bytes(bytes) => bytes.append_option(match value {
                Some(value) => Some(
                    value
                        .as_str()
                        .and_then(|text| BASE64.decode(text).ok())
                        .ok_or_else(|| fail(&value, "not base64".into()))?,
                ),
                None => None,
            }),
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Bits(mut bits) => Arc::new(bits.finish()),
            Self::Int64(mut ints) => Arc::new(ints.finish()),
            Self::Float64(mut floats) => Arc::new(floats.finish()),
            Self::Utf8(mut texts) => Arc::new(texts.finish()),
            Self::Bytes(mut bytes) => Arc::new(bytes.finish()),
        }
    }
}

fn int_from_json(logical: LogicalType, value: &Value) -> Result<i64, String> {
    let text = value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string());
    match logical {
        LogicalType::Timestamp => parse_timestamp(&text).map_err(|error| error.to_string()),
        LogicalType::Datetime => parse_datetime(&text).map_err(|error| error.to_string()),
        LogicalType::Date => parse_date(&text).map_err(|error| error.to_string()),
        LogicalType::Time => parse_time(&text).map_err(|error| error.to_string()),
        LogicalType::Decimal(Some(shape)) => {
            Decimal::parse(&text).and_then(|decimal| decimal.to_scaled(shape)).map_err(|error| error.to_string())
        }
        _ => value.as_i64().ok_or_else(|| "not a whole number of 64 bits".to_owned()),
    }
}

fn float_from_json(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => value.as_f64(),
    }
}

fn text_from_json(logical: LogicalType, value: &Value) -> Result<String, String> {
    match (logical, value) {
        (_, Value::String(text)) => check_text(logical, text).map(|()| text.clone()),
        (LogicalType::Json, value) => Ok(value.to_string()),
        (LogicalType::Decimal(_), Value::Number(number)) => {
            let text = number.to_string();
            check_text(logical, &text).map(|()| text)
        }
        _ => Err("not a string".to_owned()),
    }
}

fn check_text(logical: LogicalType, text: &str) -> Result<(), String> {
    match logical {
        // Databases know values that are no numbers.
        LogicalType::Decimal(None) if matches!(text, "NaN" | "Infinity" | "-Infinity") => Ok(()),
        LogicalType::Decimal(shape) => Decimal::parse(text)
            .and_then(|decimal| shape.map_or(Ok(()), |shape| decimal.fits(shape)))
            .map_err(|error| error.to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(types: &[(&str, &str)]) -> Arc<[Field]> {
        types.iter().map(|(name, logical)| Field::new(*name, logical.parse().unwrap())).collect()
    }

    fn check(types: &[(&str, &str)], record: Value) {
        let batch = batch_from_json(&fields(types), std::slice::from_ref(&record)).unwrap();
        assert_eq!(Value::Object(row_to_json(&batch, 0)), record);
    }

    #[test]
    fn every_type_round_trips() {
        check(
            &[
                ("b", "bool"),
                ("i", "int64"),
                ("f", "float64"),
                ("m", "decimal(18,2)"),
                ("d", "decimal"),
                ("ts", "timestamp"),
                ("dt", "datetime"),
                ("da", "date"),
                ("ti", "time"),
                ("u", "uuid"),
                ("t", "text"),
                ("x", "binary"),
                ("j", "json"),
            ],
            json!({
                "b": true, "i": 9_223_372_036_854_775_807i64, "f": 0.1, "m": "-1234567890123456.78",
                "d": "123456789012345678901234567890.10", "ts": "2026-11-21T12:00:00.000001Z", "dt": "2026-11-21T12:00:00",
                "da": "infinity", "ti": "23:59:59", "u": "67e55044-10b1-426f-9247-bb680e5fe0c8", "t": "a\nb\u{0}",
                "x": "AAEC/w==", "j": {"a": [1, 2.5, null]},
            }),
        );
    }

    #[test]
    fn null_empty_and_absent_stay_apart() {
        check(&[("a", "text"), ("b", "text"), ("c", "text")], json!({"a": null, "b": ""}));
    }

    #[test]
    fn floats_without_json_form_are_strings() {
        check(&[("a", "float64"), ("b", "float64")], json!({"a": "Infinity", "b": "-Infinity"}));
    }

    #[test]
    fn json_that_would_change_is_kept_as_text() {
        let fields = fields(&[("j", "json")]);
        for text in ["{\"a\": 1}", "123456789012345678901234567890", "\"text\""] {
            let batch = batch_from_json(&fields, &[json!({ "j": text })]).unwrap();
            assert_eq!(batch.columns()[0].array.as_string::<i32>().value(0), text);
            assert_eq!(Value::Object(row_to_json(&batch, 0)), json!({ "j": text }));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let fail = |logical: &str, value: Value| {
            batch_from_json(&fields(&[("a", logical)]), &[json!({ "a": value })]).unwrap_err().to_string()
        };
        assert!(fail("int64", json!("12")).contains("not a whole number"));
        assert!(fail("int64", json!(1.5)).contains("not a whole number"));
        assert!(fail("decimal(5,2)", json!("1.005")).contains("behind the point"));
        assert!(fail("timestamp", json!("2026-11-21T12:00:00")).contains("ISO 8601"));
        assert!(fail("text", json!(5)).contains("not a string"));
        assert!(batch_from_json(&fields(&[("a", "text")]), &[json!({"z": 1})]).is_err());
    }
}
