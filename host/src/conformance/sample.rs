//! Values made up for fields, and keys that are not there.

use serde_json::{Map, Value, json};

use super::reading::{Reading, see};
use crate::record::{Batch, Field, LogicalType, Stream, batch_from_json, row_to_json};

/// Made-up whole numbers begin here: large enough to be free, small enough for 32 bits.
const NUMBERS_FROM: u32 = 910_000;
/// Tries to find a key that is not there.
const TRIES: u32 = 20;
/// Texts are cut to this unless the field says less.
const TEXT_CHARS: usize = 40;

/// A value that differs with the number, and that no system has a reason to change.
pub(super) fn value(field: &Field, number: u32) -> Value {
    match field.logical {
        LogicalType::Bool => json!(number.is_multiple_of(2)),
        LogicalType::Int64 => json!(NUMBERS_FROM + number),
        LogicalType::Float64 => json!(f64::from(number) + 0.5),
        LogicalType::Decimal(shape) => json!(decimal(number, shape.map(|shape| (shape.precision, shape.scale)))),
        LogicalType::Timestamp => json!(format!("{}Z", moment(number))),
        LogicalType::Datetime => json!(moment(number)),
        LogicalType::Date => json!(format!("2026-{:02}-{:02}", 1 + number / 28 % 12, 1 + number % 28)),
        LogicalType::Time => json!(format!("{:02}:{:02}:00", number / 60 % 24, number % 60)),
        LogicalType::Uuid => json!(format!("{number:08x}-c0de-4000-8000-10c45e900000")),
        LogicalType::Text => json!(text(field, number)),
        // `check` and the number, in base64.
        LogicalType::Binary => json!(format!("Y2hl{:04}", number % 10_000)),
        LogicalType::Json => json!({ "check": number }),
    }
}

/// A value of a sample with the number in the place of `{n}`.
pub(super) fn numbered(value: &Value, number: u32) -> Value {
    match value {
        Value::String(text) => json!(text.replace("{n}", &number.to_string())),
        other => other.clone(),
    }
}

fn moment(number: u32) -> String {
    format!("2026-01-{:02}T{:02}:{:02}:00", 1 + number / 1440 % 28, number / 60 % 24, number % 60)
}

fn decimal(number: u32, shape: Option<(u16, u16)>) -> String {
    let (precision, scale) = shape.unwrap_or((18, 1));
    let whole = match precision.saturating_sub(scale) {
        0 => 0,
        digits => number % 10u32.pow(u32::from(digits.min(6))),
    };
    if scale == 0 { whole.to_string() } else { format!("{whole}.{}", number % 9 + 1) }
}

/// The end differs, so that a short field keeps it.
fn text(field: &Field, number: u32) -> String {
    let longest = field.properties.get("max-length").and_then(|length| length.parse().ok()).unwrap_or(TEXT_CHARS);
    let text = format!("lockstep check {number}");
    text.chars().skip(text.chars().count().saturating_sub(longest)).collect()
}

/// A key like those of the stream that no record has.
pub(super) fn absent_key(stream: &Stream, whole: &Reading) -> Option<Batch> {
    let page = whole.pages.iter().find(|page| page.changes.rows() > 0)?;
    let keys = crate::record::project(&page.changes.data, &stream.key).ok()?;
    let mut key = row_to_json(&keys, 0);
    for number in 1..=TRIES {
        let name =
            stream.key.iter().rev().find(|name| key.get(*name).is_some_and(|value| next(value, number).is_some()))?;
        let changed = next(key.get(name)?, number)?;
        key.insert(name.clone(), changed);
        let batch = batch_from_json(keys.fields(), &[Value::Object(key.clone())]).ok()?;
        let seen = see(&crate::record::Changes::upserts(batch.clone()), 0, &stream.key);
        if !whole.seen().any(|other| other.key == seen.key) {
            return Some(batch);
        }
    }
    None
}

/// Another value of the same form.
fn next(value: &Value, number: u32) -> Option<Value> {
    match value {
        Value::Number(found) => Some(json!(found.as_i64()?.checked_add(1_000_003 * i64::from(number))?)),
        Value::String(text) => {
            let at = text.rfind(|c: char| c.is_ascii_alphanumeric())?;
            let (before, after) = text.split_at_checked(at)?;
            let mut rest = after.chars();
            let turned = turn(rest.next()?);
            Some(json!(format!("{before}{turned}{}", rest.as_str())))
        }
        _ => None,
    }
}

/// The next digit or letter, so that a UUID stays one.
fn turn(c: char) -> char {
    match c {
        '9' => '0',
        'f' => 'a',
        'F' => 'A',
        'z' => 'a',
        'Z' => 'A',
        other => char::from_u32(u32::from(other) + 1).unwrap_or(other),
    }
}

/// The fields of records whose types nobody has said, from the first record that has a value.
pub(super) fn fields_of(records: &[Map<String, Value>]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for (name, value) in records.iter().flatten() {
        if value.is_null() || fields.iter().any(|field| field.name == *name) {
            continue;
        }
        let logical = match value {
            Value::Bool(_) => LogicalType::Bool,
            Value::Number(number) if number.is_i64() => LogicalType::Int64,
            Value::Number(_) => LogicalType::Float64,
            Value::String(_) | Value::Null => LogicalType::Text,
            Value::Array(_) | Value::Object(_) => LogicalType::Json,
        };
        fields.push(Field::new(name.clone(), logical));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_values_that_differ() {
        for logical in [
            "bool",
            "int64",
            "float64",
            "decimal",
            "decimal(18,2)",
            "decimal(3,0)",
            "decimal(1,1)",
            "timestamp",
            "datetime",
            "date",
            "time",
            "uuid",
            "text",
            "binary",
            "json",
        ] {
            let field = Field::new("value", logical.parse().unwrap());
            let fields: std::sync::Arc<[Field]> = [field.clone()].into();
            let [a, b] = [1, 2].map(|number| json!({"value": value(&field, number)}));
            assert_ne!(a, b, "{logical}");
            assert!(batch_from_json(&fields, &[a, b]).is_ok(), "{logical}");
        }
    }

    #[test]
    fn short_texts_keep_what_differs() {
        let mut field = Field::new("value", LogicalType::Text);
        field.properties.set("max-length", "5");
        assert_eq!(value(&field, 1234), json!(" 1234"));
    }

    #[test]
    fn other_values_have_the_same_form() {
        assert_eq!(next(&json!("a9f"), 1), Some(json!("a9a")));
        assert_eq!(next(&json!("N-41)"), 1), Some(json!("N-42)")));
        assert_eq!(next(&json!(7), 1), Some(json!(1_000_010)));
        assert_eq!(next(&json!(true), 1), None);
    }

    #[test]
    fn fields_are_told_from_records() {
        let Value::Object(record) = json!({"id": 1, "a": "x", "b": 1.5, "c": [1], "d": null}) else { panic!() };
        let types: Vec<String> =
            fields_of(&[record]).iter().map(|field| format!("{} {}", field.name, field.logical)).collect();
        assert_eq!(types, ["id int64", "a text", "b float64", "c json"]);
    }
}
