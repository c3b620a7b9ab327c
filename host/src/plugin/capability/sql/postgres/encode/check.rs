//! Which values the server would refuse in the middle of a load, or keep in another form than they came.

use crate::plugin::capability::sql::postgres::decode::{EPOCH_DAYS, EPOCH_MICROS};
use crate::plugin::capability::sql::postgres::native::{Native, SecondDigits, TextLimit};
use crate::plugin::capability::sql::postgres::numeric;
use crate::plugin::capability::sql::value::{Fit, Misfit, format_float, parse_uuid};
use crate::plugin::capability::sql::view::View;
use crate::record::{Column, DecimalShape, Layout, LogicalType, MICROS_PER_DAY};

type Refusal = (usize, Box<Misfit>);

/// Whole numbers up to here are exact in a float of 64 bits, and of 32.
const FLOAT8_EXACT_MAX: u64 = 1 << 53;
const FLOAT4_EXACT_MAX: u64 = 1 << 24;
/// From the server's own source: Julian day 0, and the first instant that it refuses, in its own count from 2000 on.
const DAYS_MIN: i64 = -2_451_545;
const DATE_DAYS_END: i64 = 2_145_031_949;
const MICROS_MIN: i64 = -211_813_488_000_000_000;

/// Finds the first value that does not fit.
pub(super) fn column(native: Native, logical: LogicalType, column: &Column) -> Result<(), Refusal> {
    let view = View::new(&column.array);
    let rows = column.array.len();
    if view.is_text() {
        check_nul(&view, rows)?;
    }
    match (native, logical.layout()) {
        (Native::Text(limit), Layout::Utf8) => check_length(&view, rows, limit),
        (Native::Text(TextLimit::None), _) | (Native::Bool | Native::Bytea | Native::Int8, _) => Ok(()),
        (Native::Float8, Layout::Float64) => Ok(()),
        _ => each(&view, rows, |row| check_value(native, logical, &view, row)),
    }
}

fn each(view: &View<'_>, rows: usize, check: impl Fn(usize) -> Fit) -> Result<(), Refusal> {
    for row in 0..rows {
        if view.is_valid(row) {
            check(row).map_err(|misfit| (row, misfit))?;
        }
    }
    Ok(())
}

/// The server cannot store a NUL in text. One look over the whole column tells that there is none.
fn check_nul(view: &View<'_>, rows: usize) -> Result<(), Refusal> {
    if !view.all_text().contains(&0) {
        return Ok(());
    }
    each(view, rows, |row| {
        if view.bytes(row).contains(&0) {
            return Err(Misfit::malformed("the text contains a NUL byte, which PostgreSQL cannot store"));
        }
        Ok(())
    })
}

fn check_length(view: &View<'_>, rows: usize, limit: TextLimit) -> Result<(), Refusal> {
    match limit {
        TextLimit::None => Ok(()),
        TextLimit::Bytes(max) => each(view, rows, |row| check_count(view.bytes(row).len(), max, "bytes")),
        TextLimit::Characters(max) => each(view, rows, |row| {
            // Counting bytes is enough for most.
            let text = view.text(row);
            if text.len() <= max as usize { Ok(()) } else { check_count(text.chars().count(), max, "characters") }
        }),
    }
}

fn check_count(count: usize, max: u32, unit: &str) -> Fit {
    if count > max as usize {
        return Err(Misfit::range(format!("the text has {count} {unit} and the column takes {max}")));
    }
    Ok(())
}

fn check_value(native: Native, logical: LogicalType, view: &View<'_>, row: usize) -> Fit {
    match (native, logical) {
        (Native::Int2, LogicalType::Int64) => check_int::<i16>(view.int(row)),
        (Native::Int4, LogicalType::Int64) => check_int::<i32>(view.int(row)),
        (Native::Oid, LogicalType::Int64) => check_int::<u32>(view.int(row)),
        (Native::Float4, LogicalType::Float64) => check_float4(view.float(row)),
        (Native::Float4, LogicalType::Int64) => check_exact(view.int(row), FLOAT4_EXACT_MAX),
        (Native::Float8, LogicalType::Int64) => check_exact(view.int(row), FLOAT8_EXACT_MAX),
        (Native::Numeric(shape), _) => check_numeric(shape, logical, view, row),
        (Native::Timestamp(digits) | Native::Timestamptz(digits), LogicalType::Timestamp | LogicalType::Datetime) => {
            check_timestamp(view.int(row), digits)
        }
        (Native::Date, LogicalType::Date) => check_date(view.int(row)),
        (Native::Time(digits), LogicalType::Time) => check_time(view.int(row), digits),
        (Native::Uuid, LogicalType::Uuid | LogicalType::Text) => parse_uuid(view.text(row)).map(|_| ()),
        (Native::Text(limit), _) => check_spelled(limit, logical, view, row),
        _ => Ok(()),
    }
}

fn check_int<T: TryFrom<i64>>(value: i64) -> Fit {
    T::try_from(value)
        .map(|_| ())
        .map_err(|_| Misfit::range(format!("{value} does not fit an integer of {} bytes", size_of::<T>())))
}

fn check_float4(value: f64) -> Fit {
    let narrow = value as f32;
    if f64::from(narrow) == value || value.is_nan() {
        return Ok(());
    }
    Err(Misfit::lossy(format!("{value} is not exact in a `real` of 4 bytes")))
}

fn check_exact(value: i64, max: u64) -> Fit {
    if value.unsigned_abs() > max {
        return Err(Misfit::lossy(format!("{value} is not exact in a floating point number")));
    }
    Ok(())
}

fn check_numeric(shape: Option<DecimalShape>, logical: LogicalType, view: &View<'_>, row: usize) -> Fit {
    match logical {
        LogicalType::Decimal(Some(own)) if logical.layout() == Layout::Int64 => {
            check_scaled(view.int(row), own, shape.unwrap_or(own))
        }
        LogicalType::Int64 => {
            let own = DecimalShape { precision: u16::MAX, scale: 0 };
            check_scaled(view.int(row), own, shape.unwrap_or(own))
        }
        LogicalType::Float64 => numeric::check_text(&format_float(view.float(row)), shape),
        _ => numeric::check_text(view.text(row), shape),
    }
}

/// A scaled value of one shape as one of another. It may also have more digits than its own shape says.
fn check_scaled(value: i64, own: DecimalShape, shape: DecimalShape) -> Fit {
    let magnitude = value.unsigned_abs();
    let whole_digits = shape.precision.saturating_sub(shape.scale);
    if magnitude / power_of_ten(own.scale) >= power_of_ten(whole_digits) && magnitude > 0
        || magnitude >= power_of_ten(own.precision) && own.precision < 20
    {
        return Err(Misfit::range(format!("too many digits for numeric({},{})", shape.precision, shape.scale)));
    }
    if !magnitude.is_multiple_of(power_of_ten(own.scale.saturating_sub(shape.scale))) {
        return Err(Misfit::lossy(format!("the column keeps {} digits behind the point", shape.scale)));
    }
    Ok(())
}

/// Saturates at the greatest number of 64 bits, which has 20 digits.
fn power_of_ten(exponent: u16) -> u64 {
    10u64.saturating_pow(u32::from(exponent))
}

fn check_timestamp(micros: i64, digits: SecondDigits) -> Fit {
    if matches!(micros, i64::MIN | i64::MAX) {
        return Ok(());
    }
    if micros.checked_sub(EPOCH_MICROS).is_none_or(|micros| micros < MICROS_MIN) {
        return Err(Misfit::range("a time before 4714 BC"));
    }
    check_unit(micros, digits)
}

fn check_date(days: i64) -> Fit {
    let is_infinite = matches!(days, i64::MIN | i64::MAX);
    if is_infinite || (DAYS_MIN..DATE_DAYS_END).contains(&days.saturating_sub(EPOCH_DAYS)) {
        return Ok(());
    }
    Err(Misfit::range("a date before 4714 BC or after 5874897"))
}

fn check_time(micros: i64, digits: SecondDigits) -> Fit {
    if !(0..=MICROS_PER_DAY).contains(&micros) {
        return Err(Misfit::range("a time outside of a day"));
    }
    check_unit(micros, digits)
}

fn check_unit(micros: i64, digits: SecondDigits) -> Fit {
    if micros % digits.unit_micros() != 0 {
        return Err(Misfit::lossy(format!("the column keeps {} digits of a second", digits.0)));
    }
    Ok(())
}

fn check_spelled(limit: TextLimit, logical: LogicalType, view: &View<'_>, row: usize) -> Fit {
    let mut text = Vec::new();
    super::text::write(logical, view, row, &mut text);
    match limit {
        TextLimit::None => Ok(()),
        // What we spell ourselves is ASCII.
        TextLimit::Bytes(max) | TextLimit::Characters(max) => check_count(text.len(), max, "characters"),
    }
}
