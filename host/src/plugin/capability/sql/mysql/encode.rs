//! Columns on their way into parameters and into statements that load.
//!
//! Everything is checked before anything is written, and writing cannot fail: what is refused has not been sent in part. What
//! the server would round, cut, pad or reinterpret without a word is refused here.

mod check;
mod literal;
mod parameter;

pub(super) use literal::{ColumnEncoder, convert};
pub(super) use parameter::Parameters;

use crate::plugin::capability::sql::value::{Fit, Misfit, format_float};
use crate::plugin::capability::sql::view::View;
use crate::record::{
    Decimal, Layout, LogicalType, MICROS_PER_DAY, days_from_civil, format_date, format_datetime, format_time,
    format_timestamp,
};

/// Appends a value as the host spells it everywhere.
fn spell(logical: LogicalType, view: &View<'_>, row: usize, out: &mut Vec<u8>) {
    let text = match logical {
        LogicalType::Bool => view.bool(row).to_string(),
        LogicalType::Int64 => view.int(row).to_string(),
        LogicalType::Float64 => format_float(view.float(row)),
        LogicalType::Decimal(Some(shape)) if logical.layout() == Layout::Int64 => {
            Decimal::from_scaled(view.int(row), shape.scale).to_string()
        }
        LogicalType::Timestamp => format_timestamp(view.int(row)),
        LogicalType::Datetime => format_datetime(view.int(row)),
        LogicalType::Date => format_date(view.int(row)),
        LogicalType::Time => format_time(view.int(row)),
        _ => return out.extend_from_slice(view.bytes(row)),
    };
    out.extend_from_slice(text.as_bytes());
}

/// A day the server's calendar has.
fn check_days(days: i64) -> Fit {
    let first = days_from_civil(1, 1, 1).unwrap_or_default();
    let last = days_from_civil(9999, 12, 31).unwrap_or_default();
    if (first..=last).contains(&days) {
        return Ok(());
    }
    Err(Misfit::range("a day before the year 1 or after the year 9999"))
}

fn check_moment(micros: i64) -> Fit {
    check_days(micros.div_euclid(MICROS_PER_DAY))
}

fn check_time(micros: i64) -> Fit {
    if (0..=MICROS_PER_DAY).contains(&micros) { Ok(()) } else { Err(Misfit::range("a time outside of a day")) }
}

fn check_float(value: f64) -> Fit {
    if value.is_finite() {
        return Ok(());
    }
    Err(Misfit::range(format!("`{}` is no number the server knows", format_float(value))))
}
