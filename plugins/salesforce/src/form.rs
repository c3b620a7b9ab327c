//! How values are written by the API, and when two of them are the same.

use lockstep_json::{Kind as JsonKind, Value};
use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView, ColumnBuilder, ColumnView};
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::Decimal;
use lockstep_text_files::value::{BoolWords, ValueError, push_scalar};
use lockstep_web::{Form, as_it_is, plain};

use crate::id;
use crate::kind::Kind;

/// How a field's values are read from JSON.
pub fn form(kind: &Kind) -> Form {
    match kind {
        Kind::Id => identifier,
        Kind::Time => time,
        _ => as_it_is,
    }
}

fn identifier(column: &mut ColumnBuilder, text: &[u8], value: Value) -> Result<(), ValueError> {
    match value.kind {
        JsonKind::Text(inside) => push_text(&Kind::Id, column, &inside.of(text)),
        _ => as_it_is(column, text, value),
    }
}

fn time(column: &mut ColumnBuilder, text: &[u8], value: Value) -> Result<(), ValueError> {
    match value.kind {
        JsonKind::Text(inside) => push_text(&Kind::Time, column, &inside.of(text)),
        _ => as_it_is(column, text, value),
    }
}

/// Pushes a value that is written as text. `10:30:00.000Z` is a time of the day on whatever clock it is read.
pub fn push_text(kind: &Kind, column: &mut ColumnBuilder, text: &[u8]) -> Result<(), ValueError> {
    match (kind, column.logical()) {
        (Kind::Id, LogicalType::Text) => {
            let long = std::str::from_utf8(text).ok().and_then(id::long);
            column.push_bytes(long.as_deref().map_or(text, str::as_bytes));
            Ok(())
        }
        (Kind::Time, LogicalType::Time) => push(column, text.strip_suffix(b"Z").unwrap_or(text)),
        (_, LogicalType::Text | LogicalType::Json) => {
            column.push_bytes(text);
            Ok(())
        }
        _ => push(column, text),
    }
}

fn push(column: &mut ColumnBuilder, text: &[u8]) -> Result<(), ValueError> {
    push_scalar(column, text, &BoolWords::default()).map(|_| ())
}

/// A value as the API would show it; none where that is no value: an empty text is none. What does not fit stays what it is.
pub fn shown(kind: &Kind, text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let shown = match kind {
        Kind::Id => id::long(text),
        Kind::Decimal(_) => Decimal::parse(text).ok().map(|decimal| decimal.canonical().to_string()),
        Kind::Several => Some(sorted(text)),
        Kind::Text(_) | Kind::Compound(_) => None,
        _ => retyped(kind, text),
    };
    Some(shown.unwrap_or_else(|| text.to_owned()))
}

/// The value of a row as the API would show it.
pub fn of_row(kind: &Kind, logical: LogicalType, column: ColumnView<'_>, row: usize) -> Option<String> {
    shown(kind, &plain(column, logical, row)?)
}

/// The set says the same in any order.
fn sorted(text: &str) -> String {
    let mut values: Vec<&str> = text.split(';').filter(|value| !value.is_empty()).collect();
    values.sort_unstable();
    values.join(";")
}

fn retyped(kind: &Kind, text: &str) -> Option<String> {
    let logical = kind.logical();
    let mut batch = BatchBuilder::new([("", logical)]);
    push_text(kind, batch.column(0), text.as_bytes()).ok()?;
    batch.end_row();
    let batch = batch.finish().ok()?;
    plain(BatchView::new(&batch).columns().next()?, logical, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_json::Document;

    fn read(kind: &Kind, json: &str) -> Result<Option<String>, ValueError> {
        let value = Document::new(json.as_bytes()).value().unwrap();
        let mut batch = BatchBuilder::new([("a", kind.logical())]);
        form(kind)(batch.column(0), json.as_bytes(), value)?;
        batch.end_row();
        let batch = batch.finish().unwrap();
        Ok(plain(BatchView::new(&batch).column("a").unwrap(), kind.logical(), 0))
    }

    fn kind(name: &str) -> Kind {
        Kind::parse(name).unwrap()
    }

    #[test]
    fn values_are_read_exactly() {
        for (name, json, expected) in [
            ("id", "\"001A000000AbCdE\"", "001A000000AbCdEIAV"),
            ("reference", "\"no id\"", "no id"),
            ("currency", "1.0E7", "10000000"),
            ("currency", "12345678901234.125", "12345678901234.125"),
            ("percent", "0.1", "0.1"),
            ("double", "1.23E-4", "0.000123"),
            ("int", "7", "7"),
            ("date", "\"2024-02-29\"", "2024-02-29"),
            ("datetime", "\"2026-01-01T10:00:00.000+0000\"", "2026-01-01T10:00:00Z"),
            ("datetime", "\"2026-01-01T10:00:00.123Z\"", "2026-01-01T10:00:00.123Z"),
            ("time", "\"10:30:00.000Z\"", "10:30:00"),
            ("multipicklist", "\"b;a\"", "b;a"),
            ("address", "{\"city\":\"Ulm\"}", "{\"city\":\"Ulm\"}"),
            ("string", "\"a\\\"\"", "a\""),
        ] {
            assert_eq!(read(&kind(name), json).unwrap().as_deref(), Some(expected), "{name} {json}");
        }
        assert_eq!(read(&kind("date"), "null"), Ok(None));
        for (name, json) in [("int", "\"x\""), ("date", "\"soon\""), ("boolean", "1"), ("currency", "{}")] {
            assert!(read(&kind(name), json).is_err(), "{name} {json}");
        }
    }

    #[test]
    fn what_says_the_same_is_shown_the_same() {
        for (name, one, other) in [
            ("id", "001A000000AbCdE", "001A000000AbCdEIAV"),
            ("currency", "12.50", "12.5"),
            ("currency", "1E2", "100"),
            ("multipicklist", "b;a", "a;b"),
            ("datetime", "2026-01-01T10:00:00.000+0000", "2026-01-01T10:00:00Z"),
            ("time", "10:30:00.000Z", "10:30:00"),
        ] {
            assert_eq!(shown(&kind(name), one), shown(&kind(name), other), "{name}");
        }
        assert_eq!(shown(&kind("string"), ""), None);
        assert_ne!(shown(&kind("string"), "a"), shown(&kind("string"), "A"));
    }
}
