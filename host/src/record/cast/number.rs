//! Integers, decimals and floats among each other.

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};

use super::build::{collect_floats, collect_ints, collect_texts, keep_checked};
use super::{Cast, CastError, Column, Layout, LogicalType, misfit};
use crate::record::{Decimal, DecimalError, DecimalShape};

/// Digits that every decimal keeps when it becomes a float and back (`f64::DIGITS`).
const FLOAT_DIGITS: usize = f64::DIGITS as usize;
/// No float has more digits than this, however it is written out.
const FLOAT_DIGITS_MAX: usize = 767;
const OUT_OF_RANGE: &str = "out of range";
const NOT_WHOLE: &str = "digits behind the point would be lost";
const NOT_EXACT: &str = "more digits than a float keeps";
const NOT_A_NUMBER: &str = "not a number";

/// Digits behind the point; 0 for integers and for decimals of any shape.
pub fn scale(logical: LogicalType) -> u16 {
    match logical {
        LogicalType::Decimal(Some(shape)) => shape.scale,
        _ => 0,
    }
}

/// The most digits before and behind the point; none = no limit.
fn digits(logical: LogicalType) -> Option<(u16, u16)> {
    match logical {
        LogicalType::Decimal(None) => None,
        LogicalType::Decimal(Some(shape)) => Some((shape.precision.saturating_sub(shape.scale), shape.scale)),
        _ => Some((19, 0)),
    }
}

/// Whether every integer or decimal of one type is one of the other.
pub fn always_fits(from: LogicalType, to: LogicalType) -> bool {
    match (digits(from), digits(to)) {
        (_, None) => true,
        (None, _) => false,
        // Nineteen digits are more than 64 bits hold, so a decimal of that size need not fit an integer.
        (Some((whole, _)), _) if to == LogicalType::Int64 && from != to => whole < 19 && scale(from) == 0,
        (Some((whole, fraction)), Some((whole_max, fraction_max))) => whole <= whole_max && fraction <= fraction_max,
    }
}

/// From integers and decimals that are scaled integers to either kind of decimal, or to integers.
pub fn from_scaled(column: &Column, from: LogicalType, to: LogicalType) -> Result<Cast, CastError> {
    let values = column.array.as_primitive::<Int64Type>();
    let from_scale = scale(from);
    let shown = |value: i64| Decimal::from_scaled(value, from_scale);
    if to.layout() == Layout::Int64 {
        if from_scale == scale(to) {
            return keep_checked(column, |row| {
                let value = values.value(row);
                rescale(value, from_scale, to).map(drop).map_err(|why| misfit(shown(value), to, why))
            });
        }
        return Ok(collect_ints(column, |row| {
            let value = values.value(row);
            rescale(value, from_scale, to).map_err(|why| misfit(shown(value), to, why))
        }));
    }
    let shape = if always_fits(from, to) { None } else { shape_of(to) };
    collect_texts(column, |row, text| {
        let value = values.value(row);
        if let Some(shape) = shape {
            shown(value).fits(shape).map_err(|why| misfit(shown(value), to, why))?;
        }
        push_scaled(text, value, from_scale);
        Ok(())
    })
}

fn shape_of(logical: LogicalType) -> Option<DecimalShape> {
    match logical {
        LogicalType::Decimal(shape) => shape,
        _ => None,
    }
}

/// The scaled integer of another type for the same number.
fn rescale(value: i64, from_scale: u16, to: LogicalType) -> Result<i64, &'static str> {
    let to_scale = scale(to);
    let rescaled = if to_scale >= from_scale {
        let factor = power_of_ten(to_scale - from_scale).ok_or(OUT_OF_RANGE)?;
        value.checked_mul(factor).ok_or(OUT_OF_RANGE)?
    } else {
        let factor = power_of_ten(from_scale - to_scale).ok_or(NOT_WHOLE)?;
        if value % factor != 0 {
            return Err(NOT_WHOLE);
        }
        value / factor
    };
    let limit = shape_of(to).and_then(|shape| power_of_ten(shape.precision));
    let fits = limit.is_none_or(|limit| rescaled.unsigned_abs() < limit.unsigned_abs());
    if fits { Ok(rescaled) } else { Err(OUT_OF_RANGE) }
}

fn power_of_ten(exponent: u16) -> Option<i64> {
    10i64.checked_pow(u32::from(exponent))
}

/// `-12.50` for -1250 at scale 2.
pub fn push_scaled(text: &mut String, value: i64, scale: u16) {
    let sign = if value < 0 { "-" } else { "" };
    let factor = power_of_ten(scale).map(i64::unsigned_abs).filter(|factor| *factor > 1);
    // Writing to a string cannot fail.
    let _ = match factor {
        None if scale == 0 => write!(text, "{value}"),
        None => write!(text, "{}", Decimal::from_scaled(value, scale)),
        Some(factor) => {
            let (whole, fraction) = (value.unsigned_abs() / factor, value.unsigned_abs() % factor);
            write!(text, "{sign}{whole}.{fraction:0width$}", width = usize::from(scale))
        }
    };
}

/// From decimals that are texts to integers or to either kind of decimal.
pub fn from_decimal_text(column: &Column, to: LogicalType) -> Result<Cast, CastError> {
    let texts = column.array.as_string::<i32>();
    match to {
        LogicalType::Decimal(Some(shape)) if to.layout() == Layout::Utf8 => keep_checked(column, |row| {
            let text = texts.value(row);
            Decimal::parse(text).and_then(|decimal| decimal.fits(shape)).map_err(|why| misfit(text, to, why))
        }),
        LogicalType::Decimal(Some(shape)) => Ok(collect_ints(column, |row| {
            let text = texts.value(row);
            parse_scaled(text, shape).map_err(|why| misfit(text, to, why))
        })),
        _ => Ok(collect_ints(column, |row| {
            let text = texts.value(row);
            parse_int(text).map_err(|why| misfit(text, to, why))
        })),
    }
}

/// A whole number in any of the forms decimals have: `12`, `+12`, `12.0`, `1.2e1`.
pub fn parse_int(text: &str) -> Result<i64, DecimalError> {
    match text.parse() {
        Ok(value) => Ok(value),
        Err(_) => Decimal::parse(text)?.rescale(0)?.to_string().parse().map_err(|_| DecimalError::Range),
    }
}

pub fn parse_scaled(text: &str, shape: DecimalShape) -> Result<i64, DecimalError> {
    match parse_scaled_plain(text, shape) {
        Some(value) => Ok(value),
        None => Decimal::parse(text)?.to_scaled(shape),
    }
}

/// The usual case without allocating: digits with at most one point, all of them kept by the shape.
fn parse_scaled_plain(text: &str, shape: DecimalShape) -> Option<i64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let room = usize::from(shape.precision.saturating_sub(shape.scale));
    if whole.is_empty() || whole.len() > room || fraction.len() > usize::from(shape.scale) {
        return None;
    }
    let mut value = 0i64;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value = value.checked_mul(10)?.checked_add(i64::from(digit))?;
    }
    let missing = shape.scale - fraction.len() as u16;
    value = value.checked_mul(power_of_ten(missing)?)?;
    Some(if text.starts_with('-') { -value } else { value })
}

pub fn floats_to_ints(column: &Column) -> Result<Cast, CastError> {
    let values = column.array.as_primitive::<Float64Type>();
    Ok(collect_ints(column, |row| {
        let value = values.value(row);
        float_to_int(value).map_err(|why| misfit(float_text(value), LogicalType::Int64, why))
    }))
}

fn float_to_int(value: f64) -> Result<i64, &'static str> {
    /// 2^63, the least float that is too great.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if !value.is_finite() {
        Err(NOT_A_NUMBER)
    } else if value.fract() != 0.0 {
        Err(NOT_WHOLE)
    } else if (-LIMIT..LIMIT).contains(&value) {
        Ok(value as i64)
    } else {
        Err(OUT_OF_RANGE)
    }
}

pub fn floats_to_decimals(column: &Column, shape: Option<DecimalShape>) -> Result<Cast, CastError> {
    let values = column.array.as_primitive::<Float64Type>();
    let to = LogicalType::Decimal(shape);
    match shape {
        Some(shape) if to.layout() == Layout::Int64 => Ok(collect_ints(column, |row| {
            let value = values.value(row);
            let scaled = float_to_decimal(value).and_then(|decimal| decimal.to_scaled(shape));
            scaled.map_err(|why| misfit(float_text(value), to, why))
        })),
        _ => collect_texts(column, |row, text| {
            let value = values.value(row);
            if !value.is_finite() && shape.is_none() {
                text.push_str(&float_text(value));
                return Ok(());
            }
            let fitting = float_to_decimal(value).and_then(|decimal| match shape {
                Some(shape) => decimal.fits(shape).map(|()| decimal),
                None => Ok(decimal),
            });
            let _ = write!(text, "{}", fitting.map_err(|why| misfit(float_text(value), to, why))?);
            Ok(())
        }),
    }
}

/// The decimal a float stands for: the number itself if it is whole, else the shortest decimal that names it.
fn float_to_decimal(value: f64) -> Result<Decimal, DecimalError> {
    Decimal::parse(&if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:?}") })
}

/// From integers and either kind of decimal.
pub fn to_floats(column: &Column, from: LogicalType) -> Result<Cast, CastError> {
    let to = LogicalType::Float64;
    if from.layout() == Layout::Utf8 {
        let texts = column.array.as_string::<i32>();
        return Ok(collect_floats(column, |row| {
            let text = texts.value(row);
            decimal_to_float(text).map_err(|why| misfit(text, to, why))
        }));
    }
    let values = column.array.as_primitive::<Int64Type>();
    Ok(collect_floats(column, |row| {
        let value = values.value(row);
        let float = if from == LogicalType::Int64 { int_to_float(value) } else { scaled_to_float(value, scale(from)) };
        float.map_err(|why| misfit(Decimal::from_scaled(value, scale(from)), to, why))
    }))
}

fn int_to_float(value: i64) -> Result<f64, &'static str> {
    let float = value as f64;
    if float as i128 == i128::from(value) { Ok(float) } else { Err(NOT_EXACT) }
}

fn scaled_to_float(value: i64, scale: u16) -> Result<f64, &'static str> {
    /// Both numbers are exact as floats, so that their quotient is the nearest float there is.
    const EXACT_MAX: u64 = 10u64.pow(FLOAT_DIGITS as u32);
    match power_of_ten(scale) {
        Some(factor) if value.unsigned_abs() < EXACT_MAX && scale <= 18 => Ok(value as f64 / factor as f64),
        _ => decimal_to_float(&Decimal::from_scaled(value, scale).to_string()),
    }
}

/// Only if the float stands for exactly this decimal.
fn decimal_to_float(text: &str) -> Result<f64, &'static str> {
    let float = parse_float(text)?;
    if !float.is_finite() || (significant_digits(text) <= FLOAT_DIGITS && float.is_normal()) {
        return Ok(float);
    }
    let back = float_to_decimal(float).map_err(|_| NOT_EXACT)?;
    let decimal = Decimal::parse(text).map_err(|_| NOT_A_NUMBER)?;
    if back.canonical() == decimal.canonical() { Ok(float) } else { Err(NOT_EXACT) }
}

/// A float from text. The text must have no digit the float does not have: printed with as many digits as the text, or as the
/// shortest text that names it, it is the same number. The two differ where two shortest texts lie equally near:
/// `2182546431363675.2` and `….3` for `….25`.
pub fn parse_float(text: &str) -> Result<f64, &'static str> {
    match text {
        "NaN" => return Ok(f64::NAN),
        "Infinity" => return Ok(f64::INFINITY),
        "-Infinity" => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    // The standard library knows more names for infinity than there should be.
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return Err(NOT_A_NUMBER);
    }
    let float: f64 = text.parse().map_err(|_| NOT_A_NUMBER)?;
    if float.is_infinite() {
        return Err(OUT_OF_RANGE);
    }
    if has_digits_of(float, text) { Ok(float) } else { Err(NOT_EXACT) }
}

fn has_digits_of(float: f64, text: &str) -> bool {
    let digits = significant_digits(text);
    if digits == 0 || (digits <= FLOAT_DIGITS && float.is_normal()) {
        return true;
    }
    if digits > FLOAT_DIGITS_MAX {
        return false;
    }
    let printed = format!("{float:.precision$e}", precision = digits - 1);
    let canonical = |text: &str| Decimal::parse(text).map(|decimal| decimal.canonical());
    let Ok(wanted) = canonical(text) else { return false };
    canonical(&printed).as_ref() == Ok(&wanted) || canonical(&format!("{float:?}")).as_ref() == Ok(&wanted)
}

/// Digits of the mantissa, without leading zeros and without zeros at the end of the fraction.
fn significant_digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0') } else { mantissa };
    mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').count()
}

/// The shortest text that names the float: `1`, `0.1`, `1e300`, `-0`, `NaN`, `-Infinity`.
pub fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let mut text = format!("{value:?}");
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text
}
