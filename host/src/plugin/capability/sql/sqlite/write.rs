//! Values on their way into SQLite.
//!
//! One form for each type, chosen so that text sorts as the values do: truth values as 0 and 1, decimals as plain text, dates as
//! `2026-11-21`, timestamps as `2026-11-21T12:00:00.000000Z` and datetimes the same without `Z`, both always with six digits of a
//! second, times as `12:00:00.000000`; infinities as `infinity` and `-infinity`. (Years before 0 and after 9999 do not sort.) Into a
//! column of text go the host's own spellings of truth values and floats.

use std::io::Write as _;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Statement, ToSql};

use super::super::value::{Fit, format_float};
use super::super::view::View;
use super::affinity::{self, Affinity};
use crate::record::{Column, Decimal, LogicalType, MICROS_PER_DAY, format_date};

/// A value to be bound as it is.
struct Bound<'a>(ValueRef<'a>);

impl ToSql for Bound<'_> {
    #[inline]
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

/// Finds the first value that SQLite would keep in another form than it came.
pub(super) fn check(
    logical: LogicalType,
    affinity: Affinity,
    column: &Column,
) -> Result<(), (usize, Box<super::super::value::Misfit>)> {
    if affinity.keeps(logical) {
        return Ok(());
    }
    let view = View::new(&column.array);
    for row in (0..column.array.len()).filter(|row| view.is_valid(*row)) {
        check_value(logical, affinity, &view, row).map_err(|misfit| (row, misfit))?;
    }
    Ok(())
}

fn check_value(logical: LogicalType, affinity: Affinity, view: &View<'_>, row: usize) -> Fit {
    match logical {
        LogicalType::Int64 => affinity::check_int(affinity, view.int(row)),
        LogicalType::Float64 => affinity::check_float(view.float(row)),
        LogicalType::Decimal(Some(shape)) if !view.is_text() => {
            // Up to fifteen digits everything fits.
            if view.int(row).unsigned_abs() < 1_000_000_000_000_000 {
                return Ok(());
            }
            affinity::check_decimal(affinity, &Decimal::from_scaled(view.int(row), shape.scale).to_string())
        }
        LogicalType::Decimal(_) => affinity::check_decimal(affinity, view.text(row)),
        LogicalType::Text | LogicalType::Json => affinity::check_text(affinity, view.text(row)),
        _ => Ok(()),
    }
}

/// Binds a value to the parameter with this number, counted from 1.
#[inline]
pub(super) fn bind(
    statement: &mut Statement<'_>,
    number: usize,
    logical: LogicalType,
    affinity: Affinity,
    view: &View<'_>,
    row: usize,
    scratch: &mut Vec<u8>,
) -> rusqlite::Result<()> {
    let value = if view.is_valid(row) { encode(logical, affinity, view, row, scratch) } else { ValueRef::Null };
    statement.raw_bind_parameter(number, Bound(value))
}

fn encode<'a>(
    logical: LogicalType,
    affinity: Affinity,
    view: &View<'a>,
    row: usize,
    scratch: &'a mut Vec<u8>,
) -> ValueRef<'a> {
    scratch.clear();
    match logical {
        LogicalType::Int64 => return ValueRef::Integer(view.int(row)),
        LogicalType::Bool if affinity == Affinity::Text => {
            scratch.extend_from_slice(if view.bool(row) { b"true" } else { b"false" });
        }
        LogicalType::Bool => return ValueRef::Integer(i64::from(view.bool(row))),
        // SQLite itself would write fifteen digits.
        LogicalType::Float64 if affinity == Affinity::Text => {
            scratch.extend_from_slice(format_float(view.float(row)).as_bytes());
        }
        LogicalType::Float64 => return ValueRef::Real(view.float(row)),
        LogicalType::Binary => return ValueRef::Blob(view.bytes(row)),
        LogicalType::Decimal(Some(shape)) if !view.is_text() => write_scaled(view.int(row), shape.scale, scratch),
        LogicalType::Date => write_date(view.int(row), scratch),
        LogicalType::Timestamp => write_instant(view.int(row), b"Z", scratch),
        LogicalType::Datetime => write_instant(view.int(row), b"", scratch),
        LogicalType::Time => write_time(view.int(row), scratch),
        _ => return ValueRef::Text(view.bytes(row)),
    }
    ValueRef::Text(scratch)
}

/// Writing into memory cannot fail.
macro_rules! append {
    ($out:expr, $($argument:tt)*) => { let _ = write!($out, $($argument)*); };
}

fn write_scaled(value: i64, scale: u16, out: &mut Vec<u8>) {
    let unit = 10u64.saturating_pow(u32::from(scale));
    let magnitude = value.unsigned_abs();
    if value < 0 {
        out.push(b'-');
    }
    append!(out, "{}", magnitude / unit);
    if scale > 0 {
        append!(out, ".{:0width$}", magnitude % unit, width = usize::from(scale));
    }
}

fn write_date(days: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(format_date(days).as_bytes());
}

fn write_instant(micros: i64, zone: &[u8], out: &mut Vec<u8>) {
    if matches!(micros, i64::MIN | i64::MAX) {
        // The same words as for days.
        return write_date(micros, out);
    }
    write_date(micros.div_euclid(MICROS_PER_DAY), out);
    out.push(b'T');
    write_time(micros.rem_euclid(MICROS_PER_DAY), out);
    out.extend_from_slice(zone);
}

/// Two digits at a time, for this is written once per row of a load.
fn write_time(micros: i64, out: &mut Vec<u8>) {
    let seconds = micros / 1_000_000;
    let fraction = micros % 1_000_000;
    let parts = [(seconds / 3600, b':'), (seconds / 60 % 60, b':'), (seconds % 60, b'.')];
    for (part, separator) in parts {
        two_digits(part, out);
        out.push(separator);
    }
    two_digits(fraction / 10_000, out);
    two_digits(fraction / 100 % 100, out);
    two_digits(fraction % 100, out);
}

fn two_digits(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{format_time, parse_datetime, parse_time, parse_timestamp};
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_form_for_each_type() {
        assert_eq!(text(|out| write_instant(1_795_262_400_000_000, b"Z", out)), "2026-11-21T12:00:00.000000Z");
        assert_eq!(text(|out| write_instant(-1, b"", out)), "1969-12-31T23:59:59.999999");
        assert_eq!(text(|out| write_instant(i64::MAX, b"Z", out)), "infinity");
        assert_eq!(text(|out| write_time(45_296_000_000, out)), "12:34:56.000000");
        assert_eq!(text(|out| write_scaled(-5, 2, out)), "-0.05");
        assert_eq!(text(|out| write_scaled(i64::MIN, 0, out)), i64::MIN.to_string());
    }

    proptest! {
        #[test]
        fn instants_sort_as_text(a in -62_167_219_200_000_000i64..253_402_300_800_000_000, b in any::<i32>()) {
            let b = a.saturating_add(i64::from(b)).clamp(-62_167_219_200_000_000, 253_402_300_799_999_999);
            let written = |micros| text(|out| write_instant(micros, b"Z", out));
            prop_assert_eq!(written(a).cmp(&written(b)), a.cmp(&b));
            prop_assert!(written(i64::MIN) < written(a) && written(a) < written(i64::MAX));
        }

        #[test]
        fn everything_reads_back(micros in any::<i64>(), value in any::<i64>(), scale in 0u16..=18) {
            prop_assert_eq!(parse_timestamp(&text(|out| write_instant(micros, b"Z", out))), Ok(micros));
            prop_assert_eq!(parse_datetime(&text(|out| write_instant(micros, b"", out))), Ok(micros));
            let time = micros.rem_euclid(MICROS_PER_DAY);
            prop_assert_eq!(parse_time(&text(|out| write_time(time, out))), Ok(time));
            prop_assert!(text(|out| write_time(time, out)).starts_with(&format_time(time)));
            prop_assert_eq!(text(|out| write_scaled(value, scale, out)), Decimal::from_scaled(value, scale).to_string());
        }
    }
}
