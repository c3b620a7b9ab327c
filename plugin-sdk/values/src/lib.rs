//! The logical types and their text forms: decimals without floats, and civil time over the whole range of `i64`
//! microseconds. Shared by the host and by guests, so that both read and write values in exactly one way.
//!
//! Pure and without dependencies.

#![deny(missing_docs)]

mod decimal;
mod logical;
mod time;

pub use decimal::{Decimal, DecimalError};
pub use logical::{DecimalShape, Layout, LogicalType, LogicalTypeError};
pub use time::{
    MICROS_PER_DAY, TimeError, days_from_civil, format_date, format_datetime, format_time, format_timestamp,
    parse_date, parse_datetime, parse_time, parse_timestamp,
};
