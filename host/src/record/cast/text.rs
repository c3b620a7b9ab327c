//! Text forms of every type, in both directions.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::build::{collect_bools, collect_bytes, collect_floats, collect_ints, collect_texts, keep_checked};
use super::number::{float_text, parse_float, parse_int, parse_scaled, push_scaled, scale};
use super::{Cast, CastError, Column, Layout, LogicalType, misfit};
use crate::record::{
    Decimal, MICROS_PER_DAY, TimeError, format_date, format_datetime, format_time, format_timestamp, parse_date,
    parse_datetime, parse_time, parse_timestamp,
};

pub fn to_text(column: &Column, from: LogicalType) -> Result<Cast, CastError> {
    match from.layout() {
        Layout::Bits => {
            let values = column.array.as_boolean();
            collect_texts(column, |row, text| {
                text.push_str(if values.value(row) { "true" } else { "false" });
                Ok(())
            })
        }
        Layout::Int64 => {
            let values = column.array.as_primitive::<Int64Type>();
            collect_texts(column, |row, text| push_int(text, values.value(row), from))
        }
        Layout::Float64 => {
            let values = column.array.as_primitive::<Float64Type>();
            collect_texts(column, |row, text| {
                text.push_str(&float_text(values.value(row)));
                Ok(())
            })
        }
        Layout::Bytes => {
            let values = column.array.as_binary::<i32>();
            collect_texts(column, |row, text| {
                BASE64.encode_string(values.value(row), text);
                Ok(())
            })
        }
        Layout::Utf8 => Ok(Cast::unchanged(column)),
    }
}

/// Years have at most nine digits; 400 years are 146,097 days.
const DAYS_MAX: u64 = 1_000_000_000 / 400 * 146_097 - 719_528 - 1;

fn push_int(text: &mut String, value: i64, from: LogicalType) -> Result<(), String> {
    let out_of_range = || Err(format!("{value} is out of the range of `{from}`"));
    match from {
        LogicalType::Timestamp => text.push_str(&format_timestamp(value)),
        LogicalType::Datetime => text.push_str(&format_datetime(value)),
        LogicalType::Date if !matches!(value, i64::MIN | i64::MAX) && value.unsigned_abs() > DAYS_MAX => {
            return out_of_range();
        }
        LogicalType::Date => text.push_str(&format_date(value)),
        // Databases know 24:00:00.
        LogicalType::Time if !(0..=MICROS_PER_DAY).contains(&value) => return out_of_range(),
        LogicalType::Time => text.push_str(&format_time(value)),
        _ => push_scaled(text, value, scale(from)),
    }
    Ok(())
}

pub fn from_text(column: &Column, to: LogicalType) -> Result<Cast, CastError> {
    let texts = column.array.as_string::<i32>();
    match to {
        LogicalType::Bool => Ok(collect_bools(column, |row| match texts.value(row) {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(misfit(other, to, "neither `true` nor `false`")),
        })),
        LogicalType::Float64 => Ok(collect_floats(column, |row| {
            parse_float(texts.value(row)).map_err(|why| misfit(texts.value(row), to, why))
        })),
        LogicalType::Json => keep_checked(column, |row| check_json(texts.value(row))),
        LogicalType::Uuid => collect_texts(column, |row, text| push_uuid(text, texts.value(row))),
        LogicalType::Binary => collect_bytes(column, |row, bytes| {
            BASE64
                .decode_vec(texts.value(row), bytes)
                .map_err(|why| misfit(texts.value(row), to, format!("not base64: {why}")))
        }),
        LogicalType::Decimal(_) if to.layout() == Layout::Utf8 => {
            collect_texts(column, |row, text| push_decimal(text, texts.value(row), to))
        }
        LogicalType::Text => Ok(Cast::unchanged(column)),
        _ => Ok(collect_ints(column, |row| parse(texts.value(row), to))),
    }
}

fn parse(text: &str, to: LogicalType) -> Result<i64, String> {
    let time = |result: Result<i64, TimeError>| result.map_err(|why| misfit(text, to, why));
    match to {
        LogicalType::Timestamp => time(parse_timestamp(text)),
        LogicalType::Datetime => time(parse_datetime(text)),
        LogicalType::Date => time(parse_date(text)),
        LogicalType::Time => time(parse_time(text)),
        LogicalType::Decimal(Some(shape)) => parse_scaled(text, shape).map_err(|why| misfit(text, to, why)),
        _ => parse_int(text).map_err(|why| misfit(text, to, why)),
    }
}

fn check_json(text: &str) -> Result<(), String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop).map_err(|why| misfit(text, LogicalType::Json, why))
}

fn push_decimal(out: &mut String, text: &str, to: LogicalType) -> Result<(), String> {
    // Databases know values that are no numbers.
    if to == LogicalType::Decimal(None) && matches!(text, "NaN" | "Infinity" | "-Infinity") {
        out.push_str(text);
        return Ok(());
    }
    let fitting = Decimal::parse(text).and_then(|decimal| match to {
        LogicalType::Decimal(Some(shape)) => decimal.fits(shape).map(|()| decimal),
        _ => Ok(decimal),
    });
    out.push_str(&fitting.map_err(|why| misfit(text, to, why))?.to_string());
    Ok(())
}

/// 32 hexadecimal digits, with or without the usual four hyphens; written in lower case with hyphens, so that equal
/// identifiers are equal texts.
fn push_uuid(out: &mut String, text: &str) -> Result<(), String> {
    let hyphens: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).map(|digit| digit.to_ascii_lowercase()).collect();
    let regular = hyphens.is_empty() || hyphens == [8, 13, 18, 23];
    if !regular || digits.len() != 32 || text.len() != 32 + hyphens.len() {
        return Err(misfit(text, LogicalType::Uuid, "it needs 32 hexadecimal digits"));
    }
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    Ok(())
}
