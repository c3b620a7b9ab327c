//! A record as JSON, for people: what a rejection shows; and its key, for the host. The same forms as the host's own.

use lockstep_plugin_sdk::batch::{BatchView, ColumnView};
use lockstep_plugin_sdk::types::{Batch, Field, LogicalType};
use lockstep_plugin_sdk::values::{Decimal, format_date, format_datetime, format_time, format_timestamp};
use serde_json::{Map, Value as Json};

use crate::document::parse;
use crate::value::Value;

/// The fields of one row that `is_wanted` by their position, as a JSON object.
pub fn row_to_json(
    fields: &[Field],
    batch: &Batch,
    row: usize,
    is_wanted: impl Fn(usize) -> bool,
) -> Map<String, Json> {
    let columns = fields.iter().zip(BatchView::new(batch).columns()).enumerate();
    columns
        .filter(|(index, (_, column))| is_wanted(*index) && column.is_present(row))
        .map(|(_, (field, column))| (field.name.clone(), value_to_json(field, column, row)))
        .collect()
}

/// The key of one row as the host keeps it: a JSON list of texts. None if one of its values is null.
pub fn key_to_json(key: &[Field], batch: &Batch, row: usize) -> Option<Vec<u8>> {
    let columns = key.iter().zip(BatchView::new(batch).columns());
    let texts: Option<Vec<String>> = columns.map(|(field, column)| value_to_text(field, column, row)).collect();
    texts.map(|texts| Json::from(texts).to_string().into_bytes())
}

/// A document is its own text; any other value the one it has in a record.
fn value_to_text(field: &Field, column: ColumnView<'_>, row: usize) -> Option<String> {
    if matches!(field.logical(), Ok(LogicalType::Json)) {
        return column.text(row).map(str::to_owned);
    }
    match value_to_json(field, column, row) {
        Json::Null => None,
        Json::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn value_to_json(field: &Field, column: ColumnView<'_>, row: usize) -> Json {
    let Ok(logical) = field.logical() else { return Json::Null };
    match Value::of(column, logical, row) {
        Value::Int64(value) => int_to_json(logical, value),
        Value::Float64(value) => float_to_json(value),
        Value::Binary(value) => Json::from(base64(&value)),
        Value::Text(value) if logical == LogicalType::Json => embedded(value),
        other => other.to_json(),
    }
}

fn int_to_json(logical: LogicalType, value: i64) -> Json {
    Json::String(match logical {
        LogicalType::Timestamp => format_timestamp(value),
        LogicalType::Datetime => format_datetime(value),
        LogicalType::Date => format_date(value),
        LogicalType::Time => format_time(value),
        LogicalType::Decimal(Some(shape)) => Decimal::from_scaled(value, shape.scale).to_string(),
        _ => return Json::from(value),
    })
}

fn float_to_json(value: f64) -> Json {
    match serde_json::Number::from_f64(value) {
        Some(number) => Json::Number(number),
        None if value.is_nan() => Json::from("NaN"),
        None => Json::from(if value > 0.0 { "Infinity" } else { "-Infinity" }),
    }
}

/// JSON inside of JSON, if nothing is lost by it.
fn embedded(text: String) -> Json {
    match parse(text.as_bytes()) {
        Ok(value) if !value.is_string() && format!("{value}") == text => value,
        _ => Json::String(text),
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let is_padding = place > group.len();
            let symbol = BASE64.get(digit as usize).copied().unwrap_or(b'=');
            text.push(char::from(if is_padding { b'=' } else { symbol }));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::batch::BatchBuilder;

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn keys_are_lists_of_texts() {
        let fields: Vec<Field> =
            [("id", "int64"), ("b", "bool"), ("d", "decimal(8,2)"), ("j", "json"), ("t", "text"), ("at", "timestamp")]
                .map(|(name, logical)| Field::new(name, logical.parse().unwrap()))
                .into();
        let full = vec![
            Value::Int64(17),
            Value::Bool(true),
            Value::Int64(150),
            Value::Text("{\"a\":1}".into()),
            Value::Text("it's \"x\"".into()),
            Value::Int64(0),
        ];
        let mut lacking = full.clone();
        lacking[4] = Value::Null;
        let batch = crate::batches::batch_of(&fields, &[full, lacking]).unwrap();
        assert_eq!(
            String::from_utf8(key_to_json(&fields, &batch, 0).unwrap()).unwrap(),
            r#"["17","true","1.50","{\"a\":1}","it's \"x\"","1970-01-01T00:00:00Z"]"#
        );
        assert_eq!(key_to_json(&fields, &batch, 1), None);
    }

    #[test]
    fn values_are_shown_as_people_write_them() {
        let fields: Vec<Field> = [
            ("amount", "decimal(8,2)"),
            ("day", "date"),
            ("seen", "timestamp"),
            ("doc", "json"),
            ("long", "json"),
            ("raw", "binary"),
            ("no", "text"),
        ]
        .map(|(name, logical)| Field::new(name, logical.parse().unwrap()))
        .into();
        let mut builder = BatchBuilder::for_fields(&fields).unwrap();
        builder.column(0).push_int64(-1250);
        builder.column(1).push_int64(0);
        builder.column(2).push_int64(1_500_000);
        builder.column(3).push_text("{\"a\":1}");
        builder.column(4).push_text("{ \"a\": 1.10 }");
        builder.column(5).push_bytes(b"\xff");
        builder.column(6).push_null();
        builder.end_row();
        let batch = builder.finish().unwrap();
        let shown = Json::Object(row_to_json(&fields, &batch, 0, |_| true)).to_string();
        assert_eq!(
            shown,
            r#"{"amount":"-12.50","day":"1970-01-01","seen":"1970-01-01T00:00:01.5Z","doc":{"a":1},"long":"{ \"a\": 1.10 }","raw":"/w==","no":null}"#
        );
        assert_eq!(row_to_json(&fields, &batch, 0, |index| index == 1).len(), 1);
    }
}
