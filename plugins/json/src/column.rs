//! A JSON value as the value of a column.

use lockstep_plugin_sdk::batch::ColumnBuilder;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::{Decimal, DecimalShape};
use lockstep_text_files::value::{BoolWords, ValueError, int64, push_scalar};

use crate::scan::{Kind, Value};

/// Pushes a value into a column; answers the bytes of its text.
pub fn push(column: &mut ColumnBuilder, line: &[u8], value: Value, words: &BoolWords) -> Result<usize, ValueError> {
    let raw = value.of(line);
    match (column.logical(), value.kind) {
        (_, Kind::Null) => column.push_null(),
        (LogicalType::Bool, Kind::Bool(value)) => column.push_bool(value),
        (LogicalType::Text, Kind::Text(text)) => return push_bytes(column, &text.of(line)),
        // Whatever else it is, its text says everything.
        (LogicalType::Text | LogicalType::Json, _) => return push_bytes(column, raw),
        (LogicalType::Bool, kind) => return Err(not_a(kind)),
        // Numbers, times and identifiers are often written as strings, to be exact or because JSON has nothing better.
        (_, Kind::Text(text)) => return push_scalar(column, &text.of(line), words),
        (LogicalType::Int64, Kind::Integer | Kind::Number) => column.push_int64(whole(raw)?),
        (LogicalType::Decimal(_) | LogicalType::Float64, Kind::Integer | Kind::Number) => {
            return push_scalar(column, raw, words);
        }
        (_, kind) => return Err(not_a(kind)),
    }
    Ok(0)
}

fn push_bytes(column: &mut ColumnBuilder, bytes: &[u8]) -> Result<usize, ValueError> {
    column.push_bytes(bytes);
    Ok(bytes.len())
}

#[cold]
fn not_a(kind: Kind) -> ValueError {
    ValueError::of(format_args!("it is {} in the JSON", kind.name()))
}

/// A whole number, however it is written: `5`, `5.0`, `5e0`.
fn whole(raw: &[u8]) -> Result<i64, ValueError> {
    let error = match int64(raw) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let shape = DecimalShape { precision: 19, scale: 0 };
    let decimal = std::str::from_utf8(raw).ok().and_then(|text| Decimal::parse(text).ok());
    decimal.and_then(|decimal| decimal.to_scaled(shape).ok()).ok_or(error)
}
