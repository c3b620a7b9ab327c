//! Single values on their way between a database and a column: text that stands for a value of another type, and why a value
//! does not fit.

use crate::connector::{Failure, FailureKind, RowError};
use crate::error::{Code, codes};
use crate::record::{
    Decimal, DecimalError, DecimalShape, Layout, LogicalType, TimeError, parse_date, parse_datetime, parse_time,
    parse_timestamp,
};

use super::columns::ColumnBuilder;

/// Why a value does not fit its column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    code: &'static Code,
    reason: String,
}

/// Boxed: what hardly ever happens must not make every value slower.
pub(super) type Fit<T = ()> = Result<T, Box<Misfit>>;

impl Misfit {
    pub fn malformed(reason: impl Into<String>) -> Box<Self> {
        Box::new(Self { code: &codes::DATA_MALFORMED, reason: reason.into() })
    }

    pub fn range(reason: impl Into<String>) -> Box<Self> {
        Box::new(Self { code: &codes::DATA_RANGE, reason: reason.into() })
    }

    pub fn lossy(reason: impl Into<String>) -> Box<Self> {
        Box::new(Self { code: &codes::DATA_LOSSY, reason: reason.into() })
    }

    /// The failure of a value at a place. Rows are counted from 0.
    pub fn failure(self, origin: &str, row: u64, column: &str) -> Failure {
        let text = format!("row {row}, column `{column}`: {}", self.reason);
        Failure::new(FailureKind::InvalidData, self.code, origin, text)
            .with("row", row.to_string())
            .with("field", column)
    }

    pub fn row_error(self, origin: &str, row: usize, column: &str) -> RowError {
        RowError { row: row as u32, error: self.failure(origin, row as u64, column) }
    }
}

impl From<DecimalError> for Box<Misfit> {
    fn from(error: DecimalError) -> Self {
        match error {
            DecimalError::Syntax => Misfit::malformed(error.to_string()),
            DecimalError::Range => Misfit::range(error.to_string()),
            DecimalError::Lossy => Misfit::lossy(error.to_string()),
        }
    }
}

impl From<TimeError> for Box<Misfit> {
    fn from(error: TimeError) -> Self {
        match error {
            TimeError::Syntax | TimeError::NoSuchTime => Misfit::malformed(error.to_string()),
            TimeError::Range => Misfit::range(error.to_string()),
            TimeError::Lossy => Misfit::lossy(error.to_string()),
        }
    }
}

/// Appends the value that `text` stands for; nothing if it stands for none.
pub(super) fn push_parsed(builder: &mut ColumnBuilder, logical: LogicalType, text: &[u8]) -> Fit {
    let text = std::str::from_utf8(text).map_err(|_| Misfit::malformed("the text is not UTF-8"))?;
    match logical {
        LogicalType::Text => builder.push_bytes(text.as_bytes()),
        LogicalType::Binary => return Err(Misfit::malformed("text does not stand for bytes")),
        LogicalType::Bool => builder.push_bool(parse_bool(text)?),
        LogicalType::Int64 => builder.push_i64(parse_int(text)?),
        LogicalType::Float64 => builder.push_f64(parse_float(text)?),
        LogicalType::Decimal(shape) => return push_decimal(builder, shape, text),
        LogicalType::Timestamp => builder.push_i64(parse_timestamp(text)?),
        LogicalType::Datetime => builder.push_i64(parse_datetime(text)?),
        LogicalType::Date => builder.push_i64(parse_date(text)?),
        LogicalType::Time => builder.push_i64(parse_time(text)?),
        LogicalType::Uuid => push_uuid(builder, &parse_uuid(text)?),
        LogicalType::Json => {
            check_json(text)?;
            builder.push_bytes(text.as_bytes());
        }
    }
    Ok(())
}

fn parse_bool(text: &str) -> Fit<bool> {
    match text {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err(Misfit::malformed("not a truth value")),
    }
}

fn parse_int(text: &str) -> Fit<i64> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        PosOverflow | NegOverflow => Misfit::range("the number does not fit 64 bits"),
        _ => Misfit::malformed("not a whole number"),
    })
}

fn parse_float(text: &str) -> Fit<f64> {
    let value: f64 = text.parse().map_err(|_| Misfit::malformed("not a number"))?;
    let says_infinity = text.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
    if value.is_infinite() && !says_infinity { Err(Misfit::range("the number is too big")) } else { Ok(value) }
}

/// Appends a decimal in the layout of its shape. Without a shape the text is kept as it is written, as far as it is plain, and
/// may be one of the three numbers that databases know beyond the numbers.
pub(super) fn push_decimal(builder: &mut ColumnBuilder, shape: Option<DecimalShape>, text: &str) -> Fit {
    if shape.is_none() && matches!(text, "NaN" | "Infinity" | "-Infinity") {
        builder.push_bytes(text.as_bytes());
        return Ok(());
    }
    let decimal = Decimal::parse(text)?;
    match shape {
        Some(shape) if LogicalType::Decimal(Some(shape)).layout() == Layout::Int64 => {
            builder.push_i64(decimal.to_scaled(shape)?);
        }
        Some(shape) => {
            decimal.fits(shape)?;
            builder.push_bytes(decimal.to_string().as_bytes());
        }
        None => builder.push_bytes(decimal.to_string().as_bytes()),
    }
    Ok(())
}

pub(super) fn check_json(text: &str) -> Fit {
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map(|_| ())
        .map_err(|error| Misfit::malformed(format!("not JSON: {error}")))
}

/// The sixteen bytes of `0123abcd-…`; braces and missing hyphens are allowed, as databases allow them.
pub(super) fn parse_uuid(text: &str) -> Fit<[u8; 16]> {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    let mut uuid = [0u8; 16];
    let mut digits = 0;
    for byte in inner.bytes().filter(|byte| *byte != b'-') {
        let digit = char::from(byte).to_digit(16).ok_or_else(|| Misfit::malformed("not a UUID"))?;
        let place = uuid.get_mut(digits / 2).ok_or_else(|| Misfit::malformed("not a UUID"))?;
        *place = *place << 4 | digit as u8;
        digits += 1;
    }
    if digits == 32 { Ok(uuid) } else { Err(Misfit::malformed("not a UUID")) }
}

#[inline]
pub(super) fn push_uuid(builder: &mut ColumnBuilder, uuid: &[u8; 16]) {
    builder.push_bytes(&format_uuid(uuid));
}

/// `01234567-89ab-cdef-0123-456789abcdef`.
pub(super) fn format_uuid(uuid: &[u8; 16]) -> [u8; 36] {
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let mut text = [b'-'; 36];
    for (byte, place) in uuid.iter().zip(PLACES) {
        if let Some(pair) = text.get_mut(place..place + 2) {
            pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
    }
    text
}

/// The digit of a number below 16.
#[inline]
pub(super) fn hex_digit(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

/// A float as the shortest text that reads back as the same float: what decimals are compared and stored by.
pub(super) fn format_float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        // Debug writes an exponent where the digits would be mostly zeros.
        format!("{value:?}").trim_end_matches(".0").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(logical: &str, text: &str, expected: Result<(), &'static Code>) {
        let logical = logical.parse().unwrap();
        let mut builder = ColumnBuilder::new(logical);
        let result = push_parsed(&mut builder, logical, text.as_bytes()).map_err(|misfit| misfit.code);
        assert_eq!(result, expected, "{logical} {text}");
        assert_eq!(builder.finish().unwrap().0.array.len(), usize::from(expected.is_ok()), "{logical} {text}");
    }

    #[test]
    fn text_is_read_as_what_is_wanted() {
        for (logical, text) in [
            ("bool", "t"),
            ("int64", "-9223372036854775808"),
            ("float64", "-Infinity"),
            ("float64", "1e308"),
            ("decimal(5,2)", "999.99"),
            ("decimal(30,2)", "123456789012345678901234567.89"),
            ("decimal", "1e-3"),
            ("timestamp", "2026-11-21 12:00:00+00"),
            ("datetime", "2026-11-21 12:00:00"),
            ("date", "infinity"),
            ("time", "13:45"),
            ("uuid", "{01234567-89AB-CDEF-0123-456789ABCDEF}"),
            ("json", "[1, {}]"),
        ] {
            check(logical, text, Ok(()));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check("bool", "yes", Err(&codes::DATA_MALFORMED));
        check("int64", "9223372036854775808", Err(&codes::DATA_RANGE));
        check("int64", "1.0", Err(&codes::DATA_MALFORMED));
        check("float64", "1e309", Err(&codes::DATA_RANGE));
        check("decimal(5,2)", "1000", Err(&codes::DATA_RANGE));
        check("decimal(5,2)", "1.005", Err(&codes::DATA_LOSSY));
        check("decimal(30,2)", "1.005", Err(&codes::DATA_LOSSY));
        check("timestamp", "2026-11-21 12:00:00", Err(&codes::DATA_MALFORMED));
        check("datetime", "2026-02-30 12:00:00", Err(&codes::DATA_MALFORMED));
        check("uuid", "01234567-89ab-cdef-0123-456789abcde", Err(&codes::DATA_MALFORMED));
        check("uuid", "01234567-89ab-cdef-0123-456789abcdef0", Err(&codes::DATA_MALFORMED));
        check("json", "{", Err(&codes::DATA_MALFORMED));
        check("binary", "x", Err(&codes::DATA_MALFORMED));
    }

    proptest! {
        #[test]
        fn uuids_round_trip(uuid in any::<[u8; 16]>()) {
            let text = format_uuid(&uuid);
            prop_assert_eq!(parse_uuid(std::str::from_utf8(&text).unwrap()), Ok(uuid));
        }

        #[test]
        fn floats_round_trip(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let read = parse_float(&format_float(value)).unwrap();
            prop_assert!(read == value && read.is_sign_negative() == value.is_sign_negative() || value.is_nan());
        }
    }
}
