//! Parameters of prepared statements. Where a value goes is not known here: it has the form it has everywhere.

use super::super::native::code;
use super::super::packet::put_counted;
use super::{check_days, check_float, check_moment, check_time, spell};
use crate::connector::Failure;
use crate::plugin::capability::sql::check_present;
use crate::plugin::capability::sql::value::{Fit, Misfit};
use crate::plugin::capability::sql::view::View;
use crate::record::{Batch, Decimal, Layout, LogicalType, MICROS_PER_DAY, format_date};

/// Rows of values, checked.
pub struct Parameters<'b> {
    logicals: Vec<LogicalType>,
    views: Vec<View<'b>>,
}

impl<'b> Parameters<'b> {
    /// Fails if a value is one the server does not have.
    pub fn new(batch: Option<&'b Batch>, origin: &str) -> Result<Self, Failure> {
        let mut parameters = Self { logicals: Vec::new(), views: Vec::new() };
        for (number, (field, column)) in batch.iter().flat_map(|batch| batch.iter()).enumerate() {
            let name = format!("?{}", number + 1);
            check_present(&name, column, origin, 0)?;
            let view = View::new(&column.array);
            for row in (0..column.array.len()).filter(|row| view.is_valid(*row)) {
                check(field.logical, &view, row).map_err(|misfit| misfit.failure(origin, row as u64, &name))?;
            }
            parameters.logicals.push(field.logical);
            parameters.views.push(view);
        }
        Ok(parameters)
    }

    /// The message that runs a prepared statement with a row: nulls, types, values.
    pub fn body(&self, statement: u32, row: usize) -> Vec<u8> {
        let mut out = statement.to_le_bytes().to_vec();
        // No cursor; once.
        out.extend_from_slice(&[0, 1, 0, 0, 0]);
        if self.views.is_empty() {
            return out;
        }
        let mut nulls = vec![0u8; self.views.len().div_ceil(8)];
        for (index, view) in self.views.iter().enumerate().filter(|(_, view)| !view.is_valid(row)) {
            let _ = view;
            if let Some(byte) = nulls.get_mut(index / 8) {
                *byte |= 1 << (index % 8);
            }
        }
        out.extend_from_slice(&nulls);
        out.push(1);
        out.extend(self.logicals.iter().flat_map(|logical| [type_code(*logical), 0]));
        for (logical, view) in self.logicals.iter().zip(&self.views).filter(|(_, view)| view.is_valid(row)) {
            write(*logical, view, row, &mut out);
        }
        out
    }
}

fn type_code(logical: LogicalType) -> u8 {
    match logical {
        LogicalType::Bool => code::TINY,
        LogicalType::Int64 => code::LONGLONG,
        LogicalType::Float64 => code::DOUBLE,
        LogicalType::Decimal(_) => code::NEWDECIMAL,
        LogicalType::Timestamp | LogicalType::Datetime => code::DATETIME,
        LogicalType::Date => code::DATE,
        LogicalType::Time => code::TIME,
        LogicalType::Binary => code::BLOB,
        LogicalType::Uuid | LogicalType::Text | LogicalType::Json => code::VAR_STRING,
    }
}

fn check(logical: LogicalType, view: &View<'_>, row: usize) -> Fit {
    match logical {
        LogicalType::Float64 => check_float(view.float(row)),
        LogicalType::Timestamp | LogicalType::Datetime => check_moment(view.int(row)),
        LogicalType::Date => check_days(view.int(row)),
        LogicalType::Time => check_time(view.int(row)),
        LogicalType::Decimal(_) if logical.layout() == Layout::Utf8 => {
            Decimal::parse(view.text(row)).map(|_| ()).map_err(Box::<Misfit>::from)
        }
        _ => Ok(()),
    }
}

fn write(logical: LogicalType, view: &View<'_>, row: usize, out: &mut Vec<u8>) {
    match logical {
        LogicalType::Bool => out.push(u8::from(view.bool(row))),
        LogicalType::Int64 => out.extend_from_slice(&view.int(row).to_le_bytes()),
        LogicalType::Float64 => out.extend_from_slice(&view.float(row).to_le_bytes()),
        LogicalType::Timestamp | LogicalType::Datetime => {
            let micros = view.int(row);
            out.push(11);
            write_day(micros.div_euclid(MICROS_PER_DAY), out);
            write_clock(micros.rem_euclid(MICROS_PER_DAY), out);
        }
        LogicalType::Date => {
            out.push(4);
            write_day(view.int(row), out);
        }
        LogicalType::Time => {
            let micros = view.int(row);
            out.extend_from_slice(&[12, 0]);
            out.extend_from_slice(&((micros / MICROS_PER_DAY) as u32).to_le_bytes());
            write_clock(micros % MICROS_PER_DAY, out);
        }
        _ => {
            let mut text = Vec::new();
            spell(logical, view, row, &mut text);
            put_counted(out, &text);
        }
    }
}

/// Year, month, day; of a day that has been checked.
fn write_day(days: i64, out: &mut Vec<u8>) {
    let text = format_date(days);
    let mut parts = text.split('-').map(|part| part.parse::<u16>().unwrap_or_default());
    let mut next = || parts.next().unwrap_or_default();
    let (year, month, day) = (next(), next(), next());
    out.extend_from_slice(&year.to_le_bytes());
    out.extend_from_slice(&[month as u8, day as u8]);
}

/// Hour, minute, second and microseconds.
fn write_clock(micros: i64, out: &mut Vec<u8>) {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    out.extend_from_slice(&[(seconds / 3600) as u8, (seconds / 60 % 60) as u8, (seconds % 60) as u8]);
    out.extend_from_slice(&(rest as u32).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::*;
    use crate::record::{Column, Field};

    fn batch(logical: &str, array: ArrayRef) -> Batch {
        let rows = array.len();
        Batch::new(Arc::from([Field::new("1", logical.parse().unwrap())]), vec![Column::new(array)], rows).unwrap()
    }

    fn value(logical: &str, array: ArrayRef) -> Vec<u8> {
        let batch = batch(logical, array);
        let body = Parameters::new(Some(&batch), "sql.main").unwrap().body(7, 0);
        assert_eq!(&body[..9], &[7, 0, 0, 0, 0, 1, 0, 0, 0]);
        body[13..].to_vec()
    }

    fn ints(value: i64) -> ArrayRef {
        Arc::new(Int64Array::from(vec![value]))
    }

    #[test]
    fn values_have_the_protocols_form() {
        assert_eq!(value("int64", ints(-1)), [255; 8]);
        assert_eq!(value("decimal(9,2)", ints(-150)), b"\x05-1.50");
        assert_eq!(value("text", Arc::new(StringArray::from(vec!["é"]))), "\x02é".as_bytes());
        assert_eq!(value("date", ints(0)), [4, 0xb2, 0x07, 1, 1]);
        assert_eq!(value("timestamp", ints(1_000_005)), [11, 0xb2, 0x07, 1, 1, 0, 0, 1, 5, 0, 0, 0]);
        assert_eq!(value("datetime", ints(-1)), [11, 0xb1, 0x07, 12, 31, 23, 59, 59, 0x3f, 0x42, 0x0f, 0]);
        assert_eq!(value("time", ints(86_400_000_000)), [12, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn nulls_have_a_bit_and_no_value() {
        let batch = batch("int64", Arc::new(Int64Array::from(vec![None])));
        let body = Parameters::new(Some(&batch), "sql.main").unwrap().body(1, 0);
        assert_eq!(&body[9..], &[1, 1, code::LONGLONG, 0]);
        assert_eq!(Parameters::new(None, "sql.main").unwrap().body(1, 0).len(), 9);
    }

    #[test]
    fn what_the_server_does_not_have_is_refused() {
        let refused = |logical: &str, array: ArrayRef| {
            let batch = batch(logical, array);
            Parameters::new(Some(&batch), "sql.main").err().unwrap().code.id
        };
        let range = crate::error::codes::DATA_RANGE.id;
        assert_eq!(refused("float64", Arc::new(Float64Array::from(vec![f64::NAN]))), range);
        assert_eq!(refused("timestamp", ints(i64::MAX)), range);
        assert_eq!(refused("date", ints(i64::MIN)), range);
        assert_eq!(refused("time", ints(-1)), range);
        let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        assert_eq!(refused("decimal", text("NaN")), crate::error::codes::DATA_MALFORMED.id);
    }
}
