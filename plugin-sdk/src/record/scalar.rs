//! The values a field can hold.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use lockstep_values::{
    Decimal, DecimalError, Layout, LogicalType, TimeError, format_date, format_datetime, format_time, format_timestamp,
    parse_date, parse_datetime, parse_time, parse_timestamp,
};

use super::read::Cell;
use crate::batch::ColumnBuilder;

/// A type of single values, with the column it lies in.
///
/// Implement it for a type of your own, for instance an enum that is stored as text:
///
/// ```
/// use lockstep_plugin_sdk::prelude::*;
/// use lockstep_plugin_sdk::record::{Cell, Scalar, ValueError};
///
/// enum Status {
///     Open,
///     Closed,
/// }
///
/// impl Scalar for Status {
///     const LOGICAL: LogicalType = LogicalType::Text;
///
///     fn push(&self, column: &mut ColumnBuilder) -> Result<(), ValueError> {
///         column.push_text(match self {
///             Self::Open => "open",
///             Self::Closed => "closed",
///         });
///         Ok(())
///     }
///
///     fn pull(cell: Cell<'_>) -> Result<Self, ValueError> {
///         match cell.text()? {
///             "open" => Ok(Self::Open),
///             "closed" => Ok(Self::Closed),
///             other => Err(format!("`{other}` is no status").into()),
///         }
///     }
/// }
/// ```
pub trait Scalar: Sized {
    /// What the values mean.
    const LOGICAL: LogicalType;

    /// Adds exactly one value to the column; nothing on an error.
    fn push(&self, column: &mut ColumnBuilder) -> Result<(), ValueError>;

    /// The value of a cell that has one.
    fn pull(cell: Cell<'_>) -> Result<Self, ValueError>;
}

/// Why a value does not fit: one clause, to be read behind the field's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError(Cow<'static, str>);

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ValueError {}

impl From<&'static str> for ValueError {
    fn from(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}

impl From<String> for ValueError {
    fn from(reason: String) -> Self {
        Self(Cow::Owned(reason))
    }
}

impl From<DecimalError> for ValueError {
    fn from(error: DecimalError) -> Self {
        Self::from(error.to_string())
    }
}

impl From<TimeError> for ValueError {
    fn from(error: TimeError) -> Self {
        Self::from(error.to_string())
    }
}

macro_rules! scalar {
    ($type:ty, $logical:ident, $push:expr, $pull:expr) => {
        impl Scalar for $type {
            const LOGICAL: LogicalType = LogicalType::$logical;

            #[inline]
            fn push(&self, column: &mut ColumnBuilder) -> Result<(), ValueError> {
                let push: fn(&Self, &mut ColumnBuilder) = $push;
                push(self, column);
                Ok(())
            }

            #[inline]
            fn pull(cell: Cell<'_>) -> Result<Self, ValueError> {
                let pull: fn(Cell<'_>) -> Result<Self, ValueError> = $pull;
                pull(cell)
            }
        }
    };
}

scalar!(bool, Bool, |value, column| column.push_bool(*value), |cell| cell.bool());
scalar!(i64, Int64, |value, column| column.push_int64(*value), |cell| cell.int64());
scalar!(f64, Float64, |value, column| column.push_float64(*value), |cell| cell.float64());
scalar!(String, Text, |value, column| column.push_text(value), |cell| cell.text().map(str::to_owned));
scalar!(Vec<u8>, Binary, |value, column| column.push_bytes(value), |cell| cell.bytes().map(<[u8]>::to_vec));
scalar!(i32, Int64, |value, column| column.push_int64(i64::from(*value)), |cell| {
    let value = cell.int64()?;
    i32::try_from(value).map_err(|_| ValueError::from(format!("{value} does not fit 32 bits")))
});

impl Scalar for Decimal {
    const LOGICAL: LogicalType = LogicalType::Decimal(None);

    fn push(&self, column: &mut ColumnBuilder) -> Result<(), ValueError> {
        let LogicalType::Decimal(Some(shape)) = column.logical() else {
            column.push_text(&self.to_string());
            return Ok(());
        };
        let misfit = |error: DecimalError| ValueError::from(format!("{self} does not fit: {error}"));
        match column.logical().layout() {
            Layout::Int64 => column.push_int64(self.to_scaled(shape).map_err(misfit)?),
            _ => {
                self.fits(shape).map_err(misfit)?;
                column.push_text(&self.to_string());
            }
        }
        Ok(())
    }

    fn pull(cell: Cell<'_>) -> Result<Self, ValueError> {
        match cell.logical() {
            LogicalType::Decimal(Some(shape)) if cell.logical().layout() == Layout::Int64 => {
                Ok(Self::from_scaled(cell.int64()?, shape.scale))
            }
            _ => Ok(Self::parse(cell.text()?)?),
        }
    }
}

macro_rules! count {
    ($(#[$doc:meta])* $name:ident, $format:ident, $parse:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        scalar!($name, $name, |value, column| column.push_int64(value.0), |cell| cell.int64().map($name));

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$format(self.0))
            }
        }

        impl FromStr for $name {
            type Err = TimeError;

            fn from_str(text: &str) -> Result<Self, TimeError> {
                $parse(text).map(Self)
            }
        }
    };
}

count! {
    /// An instant: microseconds since 1970 in UTC; the least and the greatest `i64` are minus and plus infinity. Text is
    /// RFC 3339 and must carry an offset.
    Timestamp, format_timestamp, parse_timestamp
}
count! {
    /// A wall-clock reading without zone: microseconds since 1970 on that clock; infinities likewise.
    Datetime, format_datetime, parse_datetime
}
count! {
    /// Days since 1970-01-01; infinities likewise.
    Date, format_date, parse_date
}
count! {
    /// Microseconds since midnight.
    Time, format_time, parse_time
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub String);

        scalar!($name, $name, |value, column| column.push_text(&value.0), |cell| cell.text().map(|text| $name(text.to_owned())));

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

words! {
    /// A UUID as text: `123e4567-e89b-12d3-a456-426614174000`. Passed on as it is.
    Uuid
}
words! {
    /// A JSON text, passed on byte by byte: neither long numbers nor the order of keys are lost.
    Json
}
