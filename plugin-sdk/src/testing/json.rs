//! Records as JSON objects, exact in both directions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lockstep_values::{
    Decimal, Layout, LogicalType, format_date, format_datetime, format_time, format_timestamp, parse_date,
    parse_datetime, parse_time, parse_timestamp,
};
use serde_json::{Map, Value};

use crate::batch::{BatchBuilder, BatchView, ColumnBuilder, ColumnView};
use crate::error::{Error, Result};
use crate::types::{Batch, Field};

/// A batch of these fields from JSON objects. What an object leaves out is absent; a name that is no field, or a value that does
/// not fit, is an error of kind `invalid-data`.
pub fn batch(fields: &[Field], rows: &[Value]) -> Result<Batch> {
    let mut batch = BatchBuilder::for_fields(fields)?;
    for row in rows {
        let object = row.as_object().ok_or_else(|| Error::invalid_data(format!("{row} is not an object")))?;
        if let Some(name) = object.keys().find(|name| fields.iter().all(|field| field.name != **name)) {
            return Err(Error::invalid_data(format!("there is no field `{name}`")).with_field(name));
        }
        for column in batch.columns() {
            push(column, object)?;
        }
        batch.end_row();
    }
    batch.finish()
}

fn push(column: &mut ColumnBuilder, object: &Map<String, Value>) -> Result<()> {
    match object.get(column.name()) {
        None => column.push_absent(),
        Some(Value::Null) => column.push_null(),
        Some(value) => {
            let misfit = |reason: String| {
                let (name, logical) = (column.name(), column.logical());
                Error::invalid_data(format!("field `{name}`: {value} is not {logical}: {reason}")).with_field(name)
            };
            let parsed = Parsed::new(column.logical(), value).map_err(misfit)?;
            parsed.push(column);
        }
    }
    Ok(())
}

enum Parsed {
    Bool(bool),
    Int64(i64),
    Float64(f64),
    Bytes(Vec<u8>),
}

impl Parsed {
    fn new(logical: LogicalType, value: &Value) -> Result<Self, String> {
        Ok(match logical.layout() {
            Layout::Bits => Self::Bool(value.as_bool().ok_or("not a boolean")?),
            Layout::Int64 => Self::Int64(int64(logical, value)?),
            Layout::Float64 => Self::Float64(float64(value).ok_or("not a number")?),
            Layout::Utf8 => Self::Bytes(text(logical, value)?.into_bytes()),
            Layout::Bytes => {
                let text = value.as_str().ok_or("not a string")?;
                Self::Bytes(BASE64.decode(text).map_err(|error| error.to_string())?)
            }
        })
    }

    fn push(self, column: &mut ColumnBuilder) {
        match self {
            Self::Bool(value) => column.push_bool(value),
            Self::Int64(value) => column.push_int64(value),
            Self::Float64(value) => column.push_float64(value),
            Self::Bytes(value) => column.push_bytes(&value),
        }
    }
}

fn int64(logical: LogicalType, value: &Value) -> Result<i64, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let time = |result: Result<i64, lockstep_values::TimeError>| result.map_err(|error| error.to_string());
    match logical {
        LogicalType::Timestamp => time(parse_timestamp(&text)),
        LogicalType::Datetime => time(parse_datetime(&text)),
        LogicalType::Date => time(parse_date(&text)),
        LogicalType::Time => time(parse_time(&text)),
        LogicalType::Decimal(Some(shape)) => {
            Decimal::parse(&text).and_then(|decimal| decimal.to_scaled(shape)).map_err(|error| error.to_string())
        }
        _ => value.as_i64().ok_or_else(|| "not a whole number of 64 bits".to_owned()),
    }
}

fn float64(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => value.as_f64(),
    }
}

fn text(logical: LogicalType, value: &Value) -> Result<String, String> {
    match (logical, value) {
        (_, Value::String(text)) => Ok(text.clone()),
        (LogicalType::Json, value) => Ok(value.to_string()),
        (LogicalType::Decimal(_), Value::Number(number)) => Ok(number.to_string()),
        _ => Err("not a string".to_owned()),
    }
}

/// The records of a batch as JSON objects, by the types of these fields. A column that is none of the fields is an error; what a
/// record says nothing about is left out.
pub fn rows(fields: &[Field], batch: &Batch) -> Result<Vec<Value>> {
    let view = BatchView::new(batch);
    let columns =
        view.columns().map(|column| Ok((column, logical(fields, column.name())?))).collect::<Result<Vec<_>>>()?;
    let row =
        |row| Value::Object(columns.iter().filter_map(|(column, logical)| cell(*column, *logical, row)).collect());
    Ok((0..view.rows()).map(row).collect())
}

fn logical(fields: &[Field], name: &str) -> Result<LogicalType> {
    let field = fields.iter().find(|field| field.name == name);
    field.ok_or_else(|| Error::permanent(format!("column `{name}` was not asked for")))?.logical()
}

fn cell(column: ColumnView<'_>, logical: LogicalType, row: usize) -> Option<(String, Value)> {
    let value = column.is_valid(row).then(|| value(column, logical, row)).flatten().unwrap_or(Value::Null);
    column.is_present(row).then(|| (column.name().to_owned(), value))
}

fn value(column: ColumnView<'_>, logical: LogicalType, row: usize) -> Option<Value> {
    Some(match logical.layout() {
        Layout::Bits => column.bool(row)?.into(),
        Layout::Int64 => int64_value(logical, column.int64(row)?),
        Layout::Float64 => float64_value(column.float64(row)?),
        Layout::Utf8 => text_value(logical, column.text(row)?),
        Layout::Bytes => BASE64.encode(column.bytes(row)?).into(),
    })
}

fn int64_value(logical: LogicalType, value: i64) -> Value {
    Value::String(match logical {
        LogicalType::Timestamp => format_timestamp(value),
        LogicalType::Datetime => format_datetime(value),
        LogicalType::Date => format_date(value),
        LogicalType::Time => format_time(value),
        LogicalType::Decimal(Some(shape)) => Decimal::from_scaled(value, shape.scale).to_string(),
        _ => return value.into(),
    })
}

fn float64_value(value: f64) -> Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => number.into(),
        None if value.is_nan() => "NaN".into(),
        None => if value > 0.0 { "Infinity" } else { "-Infinity" }.into(),
    }
}

fn text_value(logical: LogicalType, text: &str) -> Value {
    let embedded = || serde_json::from_str::<Value>(text).ok().filter(|value| format!("{value}") == text);
    match logical {
        // Embedded only if nothing is lost by it; a JSON string stays what it is, text.
        LogicalType::Json => embedded().filter(|value| !value.is_string()).unwrap_or_else(|| text.into()),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn fields() -> Vec<Field> {
        let types = [
            ("b", "bool"),
            ("i", "int64"),
            ("f", "float64"),
            ("m", "decimal(18,2)"),
            ("n", "decimal"),
            ("at", "timestamp"),
            ("wall", "datetime"),
            ("d", "date"),
            ("t", "time"),
            ("u", "uuid"),
            ("s", "text"),
            ("x", "binary"),
            ("j", "json"),
        ];
        types.iter().map(|(name, logical)| Field::new(*name, logical.parse().unwrap())).collect()
    }

    fn check(rows_in: &[Value]) {
        let made = batch(&fields(), rows_in).unwrap();
        assert_eq!(rows(&fields(), &made).unwrap(), rows_in);
    }

    #[test]
    fn every_type_survives_the_round_trip() {
        check(&[
            json!({"b": true, "i": i64::MIN, "f": 1.5, "m": "-12.50", "n": "1e0", "at": "2026-11-21T12:45:10.5Z"}),
            json!({"wall": "2026-11-21T12:45:10", "d": "2026-11-21", "t": "12:45:10", "u": "u", "s": "", "x": "AP8="}),
            json!({"j": {"a": [1, null]}, "f": "NaN", "s": null}),
            json!({}),
        ]);
    }

    #[test]
    fn what_does_not_fit_names_its_field() {
        for (row, text) in [
            (json!({"i": 1.5}), "field `i`: 1.5 is not int64"),
            (json!({"m": "1.005"}), "field `m`"),
            (json!({"x": "?"}), "field `x`"),
            (json!({"at": "2026-11-21T12:45:10"}), "field `at`"),
            (json!({"nope": 1}), "there is no field `nope`"),
            (json!(1), "not an object"),
        ] {
            let message = batch(&fields(), &[row]).unwrap_err().message;
            assert!(message.contains(text), "{message}");
        }
    }

    proptest! {
        #[test]
        fn rows_round_trip(
            values in prop::collection::vec((any::<Option<i64>>(), prop::option::of(".*"), any::<bool>()), 0..40),
        ) {
            let rows_in: Vec<Value> = values
                .iter()
                .map(|(i, s, present)| if *present { json!({"i": i, "s": s}) } else { json!({"i": i}) })
                .collect();
            check(&rows_in);
        }
    }
}
