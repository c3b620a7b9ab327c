//! Single values, apart from their columns: what positions are made of.

use lockstep_plugin_sdk::batch::{ColumnBuilder, ColumnView};
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::Layout;
use serde_json::Value as Json;

/// A value in the layout of its logical type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int64(i64),
    Float64(f64),
    Text(String),
    Binary(Vec<u8>),
}

impl Value {
    /// The value of a row; null where there is none.
    pub fn of(column: ColumnView<'_>, logical: LogicalType, row: usize) -> Self {
        let value = match logical.layout() {
            Layout::Bits => column.bool(row).map(Self::Bool),
            Layout::Int64 => column.int64(row).map(Self::Int64),
            Layout::Float64 => column.float64(row).map(Self::Float64),
            Layout::Utf8 => column.text(row).map(|text| Self::Text(text.to_owned())),
            Layout::Bytes => column.bytes(row).map(|bytes| Self::Binary(bytes.to_vec())),
        };
        value.unwrap_or(Self::Null)
    }

    /// Appends the value. A column of another layout takes a null and fails when it is finished.
    pub fn push(&self, column: &mut ColumnBuilder) {
        match self {
            Self::Null => column.push_null(),
            Self::Bool(value) => column.push_bool(*value),
            Self::Int64(value) => column.push_int64(*value),
            Self::Float64(value) => column.push_float64(*value),
            Self::Text(value) => column.push_text(value),
            Self::Binary(value) => column.push_bytes(value),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Floats are text, for JSON knows neither all of them nor their exact values; bytes are hexadecimal digits.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int64(value) => Json::from(*value),
            Self::Float64(value) => Json::from(format!("{value:?}")),
            Self::Text(value) => Json::from(value.as_str()),
            Self::Binary(value) => Json::from(hex(value)),
        }
    }

    /// The value that [`Value::to_json`] wrote; None if it is not one of this type.
    pub fn from_json(logical: LogicalType, json: &Json) -> Option<Self> {
        if json.is_null() {
            return Some(Self::Null);
        }
        Some(match logical.layout() {
            Layout::Bits => Self::Bool(json.as_bool()?),
            Layout::Int64 => Self::Int64(json.as_i64()?),
            Layout::Float64 => Self::Float64(json.as_str()?.parse().ok()?),
            Layout::Utf8 => Self::Text(json.as_str()?.to_owned()),
            Layout::Bytes => Self::Binary(unhex(json.as_str()?)?),
        })
    }
}

/// The values of a position, for a cursor.
pub fn values_to_json(values: &[Value]) -> Vec<Json> {
    values.iter().map(Value::to_json).collect()
}

/// None if the values do not have these types: they come from another time.
pub fn values_from_json(types: &[LogicalType], values: &[Json]) -> Option<Vec<Value>> {
    if types.len() != values.len() {
        return None;
    }
    types.iter().zip(values).map(|(logical, json)| Value::from_json(*logical, json)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(logical: &str, value: &Value) {
        let logical = logical.parse().unwrap();
        let text = value.to_json().to_string();
        let read = Value::from_json(logical, &serde_json::from_str(&text).unwrap()).unwrap();
        // NaN is not equal to itself.
        assert_eq!(format!("{read:?}"), format!("{value:?}"), "{logical}");
    }

    proptest! {
        #[test]
        fn values_survive_a_cursor(
            int in any::<i64>(), bits in any::<u64>(), text in any::<String>(), bytes in any::<Vec<u8>>(), truth in any::<bool>(),
        ) {
            check("int64", &Value::Int64(int));
            check("float64", &Value::Float64(f64::from_bits(bits)));
            check("text", &Value::Text(text));
            check("binary", &Value::Binary(bytes));
            check("bool", &Value::Bool(truth));
        }
    }

    #[test]
    fn edges_survive() {
        for value in [i64::MIN, i64::MAX, 0] {
            check("timestamp", &Value::Int64(value));
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE] {
            check("float64", &Value::Float64(value));
        }
        check("text", &Value::Null);
    }

    #[test]
    fn other_types_are_not_misread() {
        for (logical, json) in [
            ("int64", r#""1""#),
            ("int64", "1.5"),
            ("text", "1"),
            ("binary", r#""0g""#),
            ("binary", r#""a""#),
            ("bool", "0"),
        ] {
            let json = serde_json::from_str(json).unwrap();
            assert_eq!(Value::from_json(logical.parse().unwrap(), &json), None, "{logical}");
        }
        assert_eq!(values_from_json(&[LogicalType::Int64], &[]), None);
    }
}
