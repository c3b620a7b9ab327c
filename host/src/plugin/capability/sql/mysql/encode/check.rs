//! Which values the server would refuse in the middle of a load, or keep in another form than they came.

use arrow_array::ArrayRef;

use super::super::native::{BytesLimit, Int, Native, Repertoire, SecondDigits, Text, TextLimit};
use super::{check_days, check_float, check_moment, check_time, spell};
use crate::plugin::capability::sql::value::{Fit, Misfit, check_json, format_float, parse_uuid};
use crate::plugin::capability::sql::view::View;
use crate::record::{Decimal, DecimalShape, Layout, LogicalType};

type Refusal = (usize, Box<Misfit>);

/// Whole numbers up to here are exact in a float of 64 bits, and of 32.
const FLOAT8_EXACT_MAX: u64 = 1 << 53;
const FLOAT4_EXACT_MAX: u64 = 1 << 24;
/// The first second of a `TIMESTAMP`: zero stands for no time at all.
const TIMESTAMP_SECONDS_MIN: i64 = 1;

/// Finds the first value that does not fit.
pub fn column(
    native: &Native,
    logical: LogicalType,
    array: &ArrayRef,
    timestamp_seconds_max: i64,
) -> Result<(), Refusal> {
    if is_boundless(native, logical) {
        return Ok(());
    }
    let view = View::new(array);
    for row in (0..array.len()).filter(|row| view.is_valid(*row)) {
        let fit = match native {
            Native::Timestamp(digits) => check_timestamp(view.int(row), timestamp_seconds_max, *digits),
            _ => check_value(native, logical, &view, row),
        };
        fit.map_err(|misfit| (row, misfit))?;
    }
    Ok(())
}

/// Whether such a column takes every value of the type.
fn is_boundless(native: &Native, logical: LogicalType) -> bool {
    match (native, logical) {
        (Native::Int(Int { bytes: 8, is_unsigned: false }), LogicalType::Int64) => true,
        (Native::Text(text), _) => *text == Text::ANY,
        (Native::Bool | Native::Int(_) | Native::Bit(_), LogicalType::Bool) => true,
        _ => false,
    }
}

fn check_value(native: &Native, logical: LogicalType, view: &View<'_>, row: usize) -> Fit {
    use LogicalType as L;
    use Native as N;
    match (native, logical) {
        (N::Text(text), _) => check_text(*text, logical, view, row),
        (N::Int(int), L::Int64) => check_int(*int, i128::from(view.int(row))),
        (N::Bool, L::Int64) => check_int(Int { bytes: 1, is_unsigned: false }, i128::from(view.int(row))),
        (N::Decimal(shape), _) => check_decimal(*shape, logical, view, row),
        (N::Int(int), L::Decimal(_)) => check_int(*int, whole(logical, view, row)?),
        (N::Bool, L::Decimal(_)) => check_int(Int { bytes: 1, is_unsigned: false }, whole(logical, view, row)?),
        (N::Float4(digits), L::Float64) => {
            check_float4(view.float(row)).and_then(|()| check_digits(view.float(row), *digits))
        }
        (N::Float8(digits), L::Float64) => {
            check_float(view.float(row)).and_then(|()| check_digits(view.float(row), *digits))
        }
        (N::Float4(_), L::Int64) => check_exact(view.int(row), FLOAT4_EXACT_MAX),
        (N::Float8(_), L::Int64) => check_exact(view.int(row), FLOAT8_EXACT_MAX),
        (N::Datetime(digits), _) => check_moment(view.int(row)).and_then(|()| check_unit(view.int(row), *digits)),
        (N::Date, _) => check_days(view.int(row)),
        (N::Time(digits), _) => check_time(view.int(row)).and_then(|()| check_unit(view.int(row), *digits)),
        (N::Year, _) => check_year(view.int(row)),
        (N::Bit(bits), L::Int64) => check_bits(*bits, i128::from(view.int(row))),
        (N::Bit(bits), L::Decimal(_)) => check_bits(*bits, whole(logical, view, row)?),
        (N::Bytes(_), L::Uuid) | (N::Uuid, _) => parse_uuid(view.text(row)).map(|_| ()),
        (N::Bytes(limit), _) => check_bytes(*limit, view.bytes(row).len() as u64),
        (N::Json, _) => check_json(view.text(row)),
        (N::Enum(members), _) => check_member(members, &spelled(logical, view, row)),
        (N::Set(members), _) => check_members(members, &spelled(logical, view, row)),
        _ => Ok(()),
    }
}

fn spelled(logical: LogicalType, view: &View<'_>, row: usize) -> String {
    let mut text = Vec::new();
    spell(logical, view, row, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn check_text(text: Text, logical: LogicalType, view: &View<'_>, row: usize) -> Fit {
    if !view.is_text() {
        // What we spell ourselves is ASCII without blanks.
        let length = spelled(logical, view, row).len();
        return check_length(text.limit, length, || length);
    }
    let value = view.text(row);
    check_length(text.limit, value.len(), || value.chars().count())?;
    if text.trims_blanks && value.ends_with(' ') {
        return Err(Misfit::lossy("the column is of type `char`, which loses blanks at the end"));
    }
    if text.repertoire == Repertoire::Utf8Mb3 && value.bytes().any(|byte| byte >= 0xf0) {
        return Err(Misfit::malformed("the column's character set `utf8mb3` has no characters of four bytes"));
    }
    Ok(())
}

fn check_length(limit: TextLimit, bytes: usize, characters: impl Fn() -> usize) -> Fit {
    match limit {
        TextLimit::None => Ok(()),
        TextLimit::Bytes(max) => check_count(bytes as u64, max, "bytes"),
        // Counting bytes is enough for most.
        TextLimit::Characters(max) if bytes <= max as usize => Ok(()),
        TextLimit::Characters(max) => check_count(characters() as u64, u64::from(max), "characters"),
    }
}

fn check_count(count: u64, max: u64, unit: &str) -> Fit {
    if count > max {
        return Err(Misfit::range(format!("the value has {count} {unit} and the column takes {max}")));
    }
    Ok(())
}

fn check_bytes(limit: BytesLimit, length: u64) -> Fit {
    match limit {
        BytesLimit::AtMost(max) => check_count(length, max, "bytes"),
        BytesLimit::Exactly(wanted) if length < wanted => {
            Err(Misfit::lossy(format!("the value has {length} bytes, which the column would fill up to {wanted}")))
        }
        BytesLimit::Exactly(wanted) => check_count(length, wanted, "bytes"),
    }
}

fn check_int(int: Int, value: i128) -> Fit {
    let (least, greatest) = int.range();
    if (least..=greatest).contains(&value) {
        return Ok(());
    }
    Err(Misfit::range(format!("{value} is not between {least} and {greatest}")))
}

/// The decimal as a whole number.
fn whole(logical: LogicalType, view: &View<'_>, row: usize) -> Fit<i128> {
    let decimal = Decimal::parse(&spelled(logical, view, row))?.rescale(0)?;
    decimal.to_string().parse().map_err(|_| Misfit::range("the number does not fit the column"))
}

fn check_decimal(shape: DecimalShape, logical: LogicalType, view: &View<'_>, row: usize) -> Fit {
    if let LogicalType::Decimal(Some(own)) = logical
        && logical.layout() == Layout::Int64
        && own.scale <= shape.scale
        && own.precision - own.scale <= shape.precision - shape.scale
        && view.int(row).unsigned_abs() < 10u64.saturating_pow(u32::from(own.precision))
    {
        return Ok(());
    }
    if logical == LogicalType::Float64 {
        check_float(view.float(row))?;
    }
    Ok(Decimal::parse(&spelled(logical, view, row))?.fits(shape)?)
}

fn check_float4(value: f64) -> Fit {
    check_float(value)?;
    if f64::from(value as f32) == value {
        return Ok(());
    }
    Err(Misfit::lossy(format!("{value} is not exact in a `float` of 4 bytes")))
}

/// A float that is declared with digits is rounded to them.
fn check_digits(value: f64, digits: Option<u8>) -> Fit {
    let Some(digits) = digits else { return Ok(()) };
    let shape = DecimalShape { precision: u16::MAX, scale: u16::from(digits) };
    Ok(Decimal::parse(&format_float(value))?.fits(shape)?)
}

fn check_exact(value: i64, max: u64) -> Fit {
    if value.unsigned_abs() > max {
        return Err(Misfit::lossy(format!("{value} is not exact in a floating point number")));
    }
    Ok(())
}

fn check_timestamp(micros: i64, seconds_max: i64, digits: SecondDigits) -> Fit {
    let seconds = micros.div_euclid(1_000_000);
    if !(TIMESTAMP_SECONDS_MIN..=seconds_max).contains(&seconds) {
        let last = if seconds_max > i64::from(i32::MAX) { 2106 } else { 2038 };
        return Err(Misfit::range(format!("a `timestamp` of this server holds the years 1970 to {last}")));
    }
    check_unit(micros, digits)
}

fn check_unit(micros: i64, digits: SecondDigits) -> Fit {
    if micros % digits.unit_micros() != 0 {
        return Err(Misfit::lossy(format!("the column keeps {} digits of a second", digits.0)));
    }
    Ok(())
}

/// Smaller numbers would be taken for years of this or the last century.
fn check_year(year: i64) -> Fit {
    if year == 0 || (1901..=2155).contains(&year) {
        return Ok(());
    }
    Err(Misfit::range(format!("{year} is not between 1901 and 2155")))
}

fn check_bits(bits: u8, value: i128) -> Fit {
    if (0..1i128 << bits).contains(&value) {
        return Ok(());
    }
    Err(Misfit::range(format!("{value} does not fit {bits} bits")))
}

/// The server would also take a member in another case, or its number.
fn check_member(members: &[String], text: &str) -> Fit {
    if members.iter().any(|member| member == text) {
        return Ok(());
    }
    Err(Misfit::range(format!("`{text}` is not one of the column's values, {}", shown(members))))
}

/// The server would put the members in their own order, and drop those that come twice.
fn check_members(members: &[String], text: &str) -> Fit {
    let mut rest = members.iter();
    let is_in_order = text.is_empty() || text.split(',').all(|part| rest.any(|member| member == part));
    if is_in_order {
        return Ok(());
    }
    Err(Misfit::range(format!("`{text}` is not some of the column's values in their order, {}", shown(members))))
}

fn shown(members: &[String]) -> String {
    members.iter().map(|member| format!("`{member}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, Float64Array, Int64Array, StringArray};

    use super::*;
    use crate::error::{Code, codes};

    const SECONDS_MAX: i64 = i32::MAX as i64;

    fn check(declaration: &str, logical: &str, array: ArrayRef, expected: Result<(), (usize, &'static Code)>) {
        let native = Native::declared(declaration, Some("utf8mb3_general_ci"));
        let found = column(&native, logical.parse().unwrap(), &array, SECONDS_MAX);
        let found = found.map_err(|(row, misfit)| (row, misfit.failure("a", 0, "b").code.id));
        assert_eq!(found, expected.map_err(|(row, code)| (row, code.id)), "{declaration} {logical}");
    }

    fn ints(values: &[i64]) -> ArrayRef {
        Arc::new(Int64Array::from(values.to_vec()))
    }

    fn texts(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    fn floats(values: &[f64]) -> ArrayRef {
        Arc::new(Float64Array::from(values.to_vec()))
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        check("tinyint", "int64", ints(&[127, 128]), Err((1, &codes::DATA_RANGE)));
        check("int unsigned", "int64", ints(&[0, -1]), Err((1, &codes::DATA_RANGE)));
        check(
            "bigint unsigned",
            "decimal(20,0)",
            texts(&["18446744073709551615", "18446744073709551616"]),
            Err((1, &codes::DATA_RANGE)),
        );
        check("bigint", "int64", ints(&[i64::MIN]), Ok(()));
        check("year", "int64", ints(&[0, 2026, 70]), Err((2, &codes::DATA_RANGE)));
        check("bit(3)", "int64", ints(&[7, 8]), Err((1, &codes::DATA_RANGE)));
        check("int", "decimal(9,2)", ints(&[700, 750]), Err((1, &codes::DATA_LOSSY)));
    }

    #[test]
    fn what_the_server_would_round_is_refused() {
        check("decimal(5,2)", "decimal(18,4)", ints(&[12_500, 12_345]), Err((1, &codes::DATA_LOSSY)));
        check("decimal(5,2)", "decimal(18,2)", ints(&[99_999, 100_000]), Err((1, &codes::DATA_RANGE)));
        check("decimal(5,2)", "decimal", texts(&["1.50", "NaN"]), Err((1, &codes::DATA_MALFORMED)));
        check("decimal(5,2)", "float64", floats(&[0.5, 0.125]), Err((1, &codes::DATA_LOSSY)));
        check("float", "float64", floats(&[0.5, 0.1]), Err((1, &codes::DATA_LOSSY)));
        check("double(8,1)", "float64", floats(&[0.5, 0.25]), Err((1, &codes::DATA_LOSSY)));
        check("double", "float64", floats(&[1e300, f64::NAN]), Err((1, &codes::DATA_RANGE)));
        check("double", "int64", ints(&[1 << 53, (1 << 53) + 1]), Err((1, &codes::DATA_LOSSY)));
        check("datetime(3)", "datetime", ints(&[1000, 1]), Err((1, &codes::DATA_LOSSY)));
        check("time", "time", ints(&[500_000]), Err((0, &codes::DATA_LOSSY)));
    }

    #[test]
    fn what_the_server_would_cut_pad_or_rename_is_refused() {
        check("varchar(3)", "text", texts(&["äöü", "abcd"]), Err((1, &codes::DATA_RANGE)));
        check("varchar(9)", "text", texts(&["a ", "😀"]), Err((1, &codes::DATA_MALFORMED)));
        check("char(9)", "text", texts(&["a", "a "]), Err((1, &codes::DATA_LOSSY)));
        check("tinytext", "text", texts(&[&"x".repeat(256)]), Err((0, &codes::DATA_RANGE)));
        let bytes = |values: Vec<&[u8]>| -> ArrayRef { Arc::new(BinaryArray::from(values)) };
        check("binary(2)", "binary", bytes(vec![b"ab", b"a"]), Err((1, &codes::DATA_LOSSY)));
        check("varbinary(2)", "binary", bytes(vec![b"a", b"abc"]), Err((1, &codes::DATA_RANGE)));
        check("enum('a','2')", "text", texts(&["a", "2", "A"]), Err((2, &codes::DATA_RANGE)));
        check("enum('x','y')", "text", texts(&["2"]), Err((0, &codes::DATA_RANGE)));
        check("set('a','b','c')", "text", texts(&["", "a,c", "c,a"]), Err((2, &codes::DATA_RANGE)));
        check("set('a','b')", "text", texts(&["a,a"]), Err((0, &codes::DATA_RANGE)));
        check("varchar(3)", "int64", ints(&[999, 1000]), Err((1, &codes::DATA_RANGE)));
        check("uuid", "text", texts(&["no"]), Err((0, &codes::DATA_MALFORMED)));
        check("json", "json", texts(&["{}", "{"]), Err((1, &codes::DATA_MALFORMED)));
    }

    #[test]
    fn times_out_of_range_are_refused() {
        check("timestamp(6)", "timestamp", ints(&[1_000_000, 999_999]), Err((1, &codes::DATA_RANGE)));
        check(
            "timestamp",
            "timestamp",
            ints(&[SECONDS_MAX * 1_000_000, (SECONDS_MAX + 1) * 1_000_000]),
            Err((1, &codes::DATA_RANGE)),
        );
        check("datetime(6)", "datetime", ints(&[0, i64::MAX]), Err((1, &codes::DATA_RANGE)));
        check("date", "date", ints(&[-719_162, -719_163]), Err((1, &codes::DATA_RANGE)));
        check("time", "time", ints(&[-1]), Err((0, &codes::DATA_RANGE)));
    }
}
