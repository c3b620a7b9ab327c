//! The logical types: what a value means, as opposed to how it lies in memory.

use std::fmt;
use std::str::FromStr;

/// Precision (all digits) and scale (digits behind the point) of an exact decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecimalShape {
    /// Digits in all.
    pub precision: u16,
    /// Digits behind the point.
    pub scale: u16,
}

/// What a value means. The text form is the one of the plugin contract: `decimal(18,2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogicalType {
    /// True or false.
    Bool,
    /// Whole numbers of 64 bits.
    Int64,
    /// Floating-point numbers of 64 bits.
    Float64,
    /// Exact. Without a shape: any number of digits.
    Decimal(Option<DecimalShape>),
    /// An instant: microseconds since 1970 in UTC. `i64::MIN` and `i64::MAX` are minus and plus infinity.
    Timestamp,
    /// A wall-clock reading without zone: microseconds since 1970 on that clock; infinities likewise.
    Datetime,
    /// Days since 1970-01-01; infinities likewise.
    Date,
    /// Microseconds since midnight.
    Time,
    /// UUIDs as text.
    Uuid,
    /// Text in UTF-8.
    Text,
    /// Bytes.
    Binary,
    /// JSON texts, kept byte by byte.
    Json,
}

/// How values lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One bit per row.
    Bits,
    /// Signed whole numbers of 64 bits.
    Int64,
    /// Floating-point numbers of 64 bits.
    Float64,
    /// Text.
    Utf8,
    /// Bytes that are no text.
    Bytes,
}

/// The most digits that always fit a scaled `i64`.
const SCALED_PRECISION_MAX: u16 = 18;

impl LogicalType {
    /// How the values of this type lie in memory.
    pub fn layout(self) -> Layout {
        match self {
            Self::Bool => Layout::Bits,
            Self::Int64 | Self::Timestamp | Self::Datetime | Self::Date | Self::Time => Layout::Int64,
            Self::Float64 => Layout::Float64,
            Self::Decimal(Some(shape)) if shape.precision <= SCALED_PRECISION_MAX => Layout::Int64,
            Self::Decimal(_) | Self::Uuid | Self::Text | Self::Json => Layout::Utf8,
            Self::Binary => Layout::Bytes,
        }
    }
}

impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Decimal(Some(shape)) => return write!(f, "decimal({},{})", shape.precision, shape.scale),
            Self::Decimal(None) => "decimal",
            Self::Timestamp => "timestamp",
            Self::Datetime => "datetime",
            Self::Date => "date",
            Self::Time => "time",
            Self::Uuid => "uuid",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Json => "json",
        })
    }
}

/// A type name nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogicalTypeError(pub String);

impl fmt::Display for LogicalTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no type `{}`; the types are {NAMES}", self.0.escape_debug())
    }
}

impl std::error::Error for LogicalTypeError {}

const NAMES: &str =
    "bool, int64, float64, decimal, decimal(p,s), timestamp, datetime, date, time, uuid, text, binary, json";

impl FromStr for LogicalType {
    type Err = LogicalTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "bool" => Self::Bool,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "decimal" => Self::Decimal(None),
            "timestamp" => Self::Timestamp,
            "datetime" => Self::Datetime,
            "date" => Self::Date,
            "time" => Self::Time,
            "uuid" => Self::Uuid,
            "text" => Self::Text,
            "binary" => Self::Binary,
            "json" => Self::Json,
            other => return parse_decimal(other).ok_or_else(|| LogicalTypeError(other.to_owned())),
        })
    }
}

fn parse_decimal(text: &str) -> Option<LogicalType> {
    let (precision, scale) = text.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    let shape = DecimalShape { precision: precision.trim().parse().ok()?, scale: scale.trim().parse().ok()? };
    (shape.precision > 0 && shape.scale <= shape.precision).then_some(LogicalType::Decimal(Some(shape)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in [
            "bool",
            "int64",
            "float64",
            "decimal",
            "decimal(18,2)",
            "decimal(38,0)",
            "timestamp",
            "datetime",
            "date",
            "time",
            "uuid",
            "text",
            "binary",
            "json",
        ] {
            assert_eq!(name.parse::<LogicalType>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for name in ["", "int", "decimal()", "decimal(2,3)", "decimal(0,0)", "decimal(1)", "TEXT"] {
            assert!(name.parse::<LogicalType>().is_err(), "{name}");
        }
    }

    #[test]
    fn small_decimals_are_scaled_integers_and_large_ones_text() {
        assert_eq!("decimal(18,2)".parse::<LogicalType>().unwrap().layout(), Layout::Int64);
        assert_eq!("decimal(19,2)".parse::<LogicalType>().unwrap().layout(), Layout::Utf8);
    }
}
