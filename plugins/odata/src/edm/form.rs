//! How the values of JSON bodies become values of columns.

use std::borrow::Cow;

use lockstep_json::{Kind, Value};
use lockstep_plugin_sdk::batch::ColumnBuilder;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::MICROS_PER_DAY;
use lockstep_text_files::value::{BoolWords, ValueError, push_scalar};
use lockstep_web::{Form, as_it_is};

use super::Edm;

/// The digits of a second that a time keeps here.
const FRACTION_DIGITS: usize = 6;

/// How a property's values are read. What version 2 writes in a way of its own is understood wherever it occurs.
pub fn form(edm: &Edm) -> Form {
    match edm {
        Edm::DateTimeOffset | Edm::DateTime | Edm::DateTimeDay | Edm::Date => moment,
        Edm::Time | Edm::TimeOfDay => time,
        Edm::Binary => binary,
        Edm::Single | Edm::Double => float,
        _ => as_it_is,
    }
}

/// The inside of a string; none for everything else.
fn string(text: &[u8], value: Value) -> Option<Cow<'_, [u8]>> {
    match value.kind {
        Kind::Text(inside) => Some(inside.of(text)),
        _ => None,
    }
}

fn push(column: &mut ColumnBuilder, text: &[u8]) -> Result<(), ValueError> {
    push_scalar(column, text, &BoolWords::default()).map(|_| ())
}

/// ISO 8601, or `/Date(1735689600000+0060)/`: milliseconds, and minutes that only say where they were written.
fn moment(column: &mut ColumnBuilder, text: &[u8], value: Value) -> Result<(), ValueError> {
    let Some(inside) = string(text, value) else { return as_it_is(column, text, value) };
    if let Some(millis) = millis(&inside) {
        let micros = millis.checked_mul(1000).ok_or_else(|| ValueError::new("a time out of range"))?;
        match column.logical() {
            LogicalType::Timestamp | LogicalType::Datetime => column.push_int64(micros),
            LogicalType::Date if micros.rem_euclid(MICROS_PER_DAY) == 0 => column.push_int64(micros / MICROS_PER_DAY),
            LogicalType::Date => return Err(ValueError::new("a day with a time")),
            _ => return as_it_is(column, text, value),
        }
        return Ok(());
    }
    match column.logical() {
        LogicalType::Timestamp | LogicalType::Datetime => push(column, &shortened(&inside)),
        LogicalType::Date => push(column, inside.strip_suffix(b"T00:00:00").unwrap_or(&inside)),
        _ => as_it_is(column, text, value),
    }
}

fn millis(text: &[u8]) -> Option<i64> {
    let inside = text.strip_prefix(b"/Date(")?.strip_suffix(b")/")?;
    let inside = std::str::from_utf8(inside).ok()?;
    let end = inside.char_indices().skip(1).find(|(_, character)| matches!(character, '+' | '-'));
    inside.get(..end.map_or(inside.len(), |(at, _)| at))?.parse().ok()
}

/// Without the digits of a second behind the microsecond, which some services send and no column keeps.
fn shortened(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(point) = text.iter().position(|byte| *byte == b'.') else { return Cow::Borrowed(text) };
    let (head, behind) = text.split_at(point + 1);
    let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits <= FRACTION_DIGITS {
        return Cow::Borrowed(text);
    }
    let kept = behind.get(..FRACTION_DIGITS).unwrap_or_default();
    Cow::Owned([head, kept, behind.get(digits..).unwrap_or_default()].concat())
}

/// `13:05:00`, or `PT13H5M0S`.
fn time(column: &mut ColumnBuilder, text: &[u8], value: Value) -> Result<(), ValueError> {
    match string(text, value) {
        Some(inside) if column.logical() == LogicalType::Time => match inside.strip_prefix(b"PT") {
            Some(parts) => {
                let micros = duration(parts).ok_or_else(|| ValueError::new("not a time of the day"))?;
                column.push_int64(micros);
                Ok(())
            }
            None => push(column, &shortened(&inside)),
        },
        _ => as_it_is(column, text, value),
    }
}

/// `13H5M0.25S` in microseconds; none if it is no time of the day.
fn duration(text: &[u8]) -> Option<i64> {
    let mut rest = std::str::from_utf8(text).ok()?;
    let mut micros: i64 = 0;
    for (unit, length) in [('H', 3_600_000_000), ('M', 60_000_000)] {
        if let Some((number, behind)) = rest.split_once(unit) {
            micros = micros.checked_add(number.parse::<i64>().ok()?.checked_mul(length)?)?;
            rest = behind;
        }
    }
    if let Some(number) = rest.strip_suffix('S') {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = fraction.get(..FRACTION_DIGITS.min(fraction.len()))?;
        let fraction: i64 = format!("{digits:0<6}").parse().ok()?;
        micros = micros.checked_add(whole.parse::<i64>().ok()?.checked_mul(1_000_000)?)?.checked_add(fraction)?;
        rest = "";
    }
    (rest.is_empty() && (0..MICROS_PER_DAY).contains(&micros)).then_some(micros)
}

/// Base64 with the letters for URLs or the common ones, with or without padding.
fn binary(column: &mut ColumnBuilder, text: &[u8], value: Value) -> Result<(), ValueError> {
    match string(text, value) {
        Some(inside) if column.logical() == LogicalType::Binary => {
            let letter = |byte: &u8| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            };
            let mut common: Vec<u8> = inside.iter().map(letter).collect();
            while !common.len().is_multiple_of(4) {
                common.push(b'=');
            }
            push(column, &common)
        }
        _ => as_it_is(column, text, value),
    }
}

fn float(column: &mut ColumnBuilder, text: &[u8], value: Value) -> Result<(), ValueError> {
    let special = match string(text, value).as_deref() {
        Some(b"INF") => f64::INFINITY,
        Some(b"-INF") => f64::NEG_INFINITY,
        _ => return as_it_is(column, text, value),
    };
    if column.logical() != LogicalType::Float64 {
        return as_it_is(column, text, value);
    }
    column.push_float64(special);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_json::Document;
    use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView};
    use lockstep_web::plain;

    fn read(edm: &Edm, json: &str) -> Result<Option<String>, ValueError> {
        let value = Document::new(json.as_bytes()).value().unwrap();
        let mut batch = BatchBuilder::new([("a", edm.logical())]);
        form(edm)(batch.column(0), json.as_bytes(), value)?;
        batch.end_row();
        let batch = batch.finish().unwrap();
        Ok(plain(BatchView::new(&batch).column("a").unwrap(), edm.logical(), 0))
    }

    fn check(edm: &Edm, json: &str, expected: &str) {
        assert_eq!(read(edm, json).unwrap().as_deref(), Some(expected), "{json}");
    }

    #[test]
    fn both_versions_are_read() {
        check(&Edm::DateTimeOffset, "\"2026-01-01T10:00:00.1234567+01:00\"", "2026-01-01T09:00:00.123456Z");
        check(&Edm::DateTimeOffset, "\"/Date(1500+0060)/\"", "1970-01-01T00:00:01.5Z");
        check(&Edm::DateTime, r#""\/Date(-1000)\/""#, "1969-12-31T23:59:59");
        check(&Edm::DateTimeDay, "\"/Date(86400000)/\"", "1970-01-02");
        check(&Edm::Date, "\"2026-02-28\"", "2026-02-28");
        check(&Edm::Time, "\"PT13H05M00.25S\"", "13:05:00.25");
        check(&Edm::TimeOfDay, "\"13:05:00.1234567\"", "13:05:00.123456");
        check(&Edm::Int64, "\"9007199254740993\"", "9007199254740993");
        check(&Edm::Decimal(None), "12.50", "12.50");
        check(&Edm::Decimal(None), "\"123456789012345678901234567890.10\"", "123456789012345678901234567890.10");
        check(&Edm::Double, "\"-INF\"", "-inf");
        check(&Edm::Binary, "\"-_8\"", "fbff");
        check(&Edm::Binary, "\"+/8=\"", "fbff");
        check(&Edm::Boolean, "true", "true");
        check(&Edm::Other("x".into()), "{\"a\":[1]}", "{\"a\":[1]}");
        assert_eq!(read(&Edm::Date, "null"), Ok(None));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (edm, json) in [
            (Edm::DateTimeDay, "\"/Date(1000)/\""),
            (Edm::Time, "\"PT25H\""),
            (Edm::Time, "\"PT1X\""),
            (Edm::DateTimeOffset, "\"/Date(9223372036854775807)/\""),
            (Edm::Int64, "\"x\""),
            (Edm::Int64, "1.5"),
            (Edm::Boolean, "\"true\""),
            (Edm::Int("Int32".into()), "{}"),
        ] {
            assert!(read(&edm, json).is_err(), "{json}");
        }
    }
}
