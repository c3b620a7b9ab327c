//! Values of a result on their way into columns, straight from the server's bytes.

use super::super::columns::ColumnBuilder;
use super::super::value::{Fit, Misfit, push_parsed, push_uuid};
use super::messages::Format;
use super::native::Native;
use super::numeric;
use crate::record::{DecimalShape, Layout, LogicalType, format_date, format_datetime, format_time, format_timestamp};

/// Days from 1970 to 2000, where the server begins to count.
pub(super) const EPOCH_DAYS: i64 = 10_957;
pub(super) const EPOCH_MICROS: i64 = EPOCH_DAYS * 86_400_000_000;

/// How the values of one column are asked for and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decode {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    /// A numeric as an integer of 64 bits in units of the scale.
    Scaled {
        scale: u16,
        magnitude_max: u64,
    },
    /// A numeric as text; with a shape that it has to fit.
    Numeric(Option<DecimalShape>),
    Timestamp,
    Date,
    Time,
    Uuid,
    /// The bytes as they are, in the format in which they are what is wanted.
    Raw(Format),
    /// A date, time or truth value in our own spelling.
    Spelled(LogicalType),
    /// The server's text, read as something else.
    Parsed(LogicalType),
}

impl Decode {
    /// How to read `native` as `wanted`; None if that would lose something or means nothing.
    pub fn plan(native: Native, wanted: LogicalType) -> Option<Self> {
        use LogicalType as L;
        use Native as N;
        Some(match (native, wanted) {
            (N::Bool, L::Bool) => Self::Bool,
            (N::Int2, L::Int64) => Self::Int2,
            (N::Int4, L::Int64) => Self::Int4,
            (N::Int8, L::Int64) => Self::Int8,
            (N::Oid, L::Int64) => Self::Oid,
            (N::Int2 | N::Int4 | N::Int8 | N::Oid, L::Decimal(_)) => Self::Parsed(wanted),
            (N::Int2 | N::Int4 | N::Oid, L::Float64) => Self::Parsed(wanted),
            (N::Float4, L::Float64) => Self::Float4,
            (N::Float8, L::Float64) => Self::Float8,
            (N::Numeric(_) | N::RoundedNumeric(_), L::Decimal(shape)) => Self::decimal(shape),
            (N::Numeric(None) | N::RoundedNumeric(_), L::Int64) => Self::whole(),
            (N::Numeric(Some(shape)), L::Int64) if shape.scale == 0 => Self::whole(),
            (N::Timestamptz(_), L::Timestamp) | (N::Timestamp(_), L::Datetime) => Self::Timestamp,
            (N::Date, L::Date) => Self::Date,
            (N::Time(_), L::Time) => Self::Time,
            (N::Uuid, L::Uuid | L::Text) => Self::Uuid,
            (N::Bytea, L::Binary) => Self::Raw(Format::Binary),
            (N::Json | N::Jsonb, L::Json) => Self::Raw(Format::Text),
            (N::Bool | N::Timestamptz(_) | N::Timestamp(_) | N::Date | N::Time(_), L::Text) => {
                Self::Spelled(native.natural())
            }
            (N::Bytea, _) | (_, L::Binary) => return None,
            (_, L::Text) => Self::Raw(Format::Text),
            (N::Text(_), _) => Self::Parsed(wanted),
            _ => return None,
        })
    }

    fn decimal(shape: Option<DecimalShape>) -> Self {
        match shape {
            Some(shape) if LogicalType::Decimal(Some(shape)).layout() == Layout::Int64 => {
                let magnitude_max = 10u64.saturating_pow(u32::from(shape.precision)) - 1;
                Self::Scaled { scale: shape.scale, magnitude_max }
            }
            shape => Self::Numeric(shape),
        }
    }

    fn whole() -> Self {
        Self::Scaled { scale: 0, magnitude_max: u64::MAX }
    }

    /// In which format the server has to send the values.
    pub fn format(self) -> Format {
        match self {
            Self::Raw(format) => format,
            Self::Parsed(_) => Format::Text,
            _ => Format::Binary,
        }
    }

    /// Appends one value that is not null. After a misfit nothing has been appended.
    #[inline]
    pub fn push(self, builder: &mut ColumnBuilder, bytes: &[u8]) -> Fit {
        match self {
            Self::Raw(_) => builder.push_bytes(bytes),
            Self::Int8 => builder.push_i64(i64::from_be_bytes(fixed(bytes)?)),
            Self::Int4 => builder.push_i64(i64::from(i32::from_be_bytes(fixed(bytes)?))),
            Self::Scaled { scale, magnitude_max } => builder.push_i64(scaled(bytes, scale, magnitude_max)?),
            Self::Timestamp => builder.push_i64(timestamp(bytes)?),
            Self::Date => builder.push_i64(date(bytes)?),
            Self::Bool => builder.push_bool(fixed::<1>(bytes)? != [0]),
            Self::Float8 => builder.push_f64(f64::from_be_bytes(fixed(bytes)?)),
            Self::Uuid => push_uuid(builder, &fixed(bytes)?),
            Self::Int2 => builder.push_i64(i64::from(i16::from_be_bytes(fixed(bytes)?))),
            Self::Oid => builder.push_i64(i64::from(u32::from_be_bytes(fixed(bytes)?))),
            Self::Float4 => builder.push_f64(f64::from(f32::from_be_bytes(fixed(bytes)?))),
            Self::Time => builder.push_i64(i64::from_be_bytes(fixed(bytes)?)),
            Self::Numeric(shape) => return push_numeric(builder, shape, bytes),
            Self::Spelled(logical) => builder.push_bytes(spell(logical, bytes)?.as_bytes()),
            Self::Parsed(logical) => return push_parsed(builder, logical, bytes),
        }
        Ok(())
    }
}

#[inline]
fn fixed<const N: usize>(bytes: &[u8]) -> Fit<[u8; N]> {
    bytes.try_into().map_err(|_| Misfit::malformed(format!("the server sent {} bytes instead of {N}", bytes.len())))
}

fn scaled(bytes: &[u8], scale: u16, magnitude_max: u64) -> Fit<i64> {
    let value = numeric::to_scaled(bytes, scale)?;
    if value.unsigned_abs() > magnitude_max {
        return Err(Misfit::range("too many digits before the point"));
    }
    Ok(value)
}

fn push_numeric(builder: &mut ColumnBuilder, shape: Option<DecimalShape>, bytes: &[u8]) -> Fit {
    let mut text = Vec::new();
    numeric::write_text(bytes, &mut text)?;
    if let Some(shape) = shape {
        numeric::check_text(std::str::from_utf8(&text).unwrap_or_default(), Some(shape))?;
        if text == b"NaN" {
            return Err(Misfit::range("`NaN` is not a number of this type"));
        }
    }
    builder.push_bytes(&text);
    Ok(())
}

/// Infinities are the least and the greatest number on both sides.
fn timestamp(bytes: &[u8]) -> Fit<i64> {
    let micros = i64::from_be_bytes(fixed(bytes)?);
    if matches!(micros, i64::MIN | i64::MAX) {
        return Ok(micros);
    }
    micros
        .checked_add(EPOCH_MICROS)
        .filter(|micros| *micros != i64::MAX)
        .ok_or_else(|| Misfit::range("a time after the year 294246"))
}

fn date(bytes: &[u8]) -> Fit<i64> {
    Ok(match i32::from_be_bytes(fixed(bytes)?) {
        i32::MIN => i64::MIN,
        i32::MAX => i64::MAX,
        days => i64::from(days) + EPOCH_DAYS,
    })
}

fn spell(logical: LogicalType, bytes: &[u8]) -> Fit<String> {
    Ok(match logical {
        LogicalType::Bool => (fixed::<1>(bytes)? != [0]).to_string(),
        LogicalType::Timestamp => format_timestamp(timestamp(bytes)?),
        LogicalType::Datetime => format_datetime(timestamp(bytes)?),
        LogicalType::Date => format_date(date(bytes)?),
        _ => format_time(i64::from_be_bytes(fixed(bytes)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::capability::sql::postgres::native::{SecondDigits, TextLimit};

    const MICROS: SecondDigits = SecondDigits(6);

    fn plan(native: Native, wanted: &str) -> Option<Decode> {
        Decode::plan(native, wanted.parse().unwrap())
    }

    #[test]
    fn every_type_has_its_natural_reading() {
        use Native::*;
        let shape = |precision, scale| Some(DecimalShape { precision, scale });
        for native in [
            Bool,
            Int2,
            Int4,
            Int8,
            Oid,
            Float4,
            Float8,
            Numeric(None),
            Numeric(shape(12, 2)),
            Numeric(shape(38, 10)),
            Money,
            Text(TextLimit::None),
            Bytea,
            Json,
            Jsonb,
            Date,
            Time(MICROS),
            Timestamp(MICROS),
            Timestamptz(MICROS),
            Uuid,
            Other,
        ] {
            assert!(Decode::plan(native, native.natural()).is_some(), "{native:?}");
        }
    }

    #[test]
    fn what_loses_something_has_no_reading() {
        let numeric = Native::Numeric(Some(DecimalShape { precision: 12, scale: 2 }));
        for (native, wanted) in [
            (Native::Int8, "float64"),
            (Native::Float8, "int64"),
            (Native::Float8, "decimal"),
            (numeric, "float64"),
            (numeric, "int64"),
            (Native::Timestamp(MICROS), "timestamp"),
            (Native::Timestamptz(MICROS), "date"),
            (Native::Bytea, "text"),
            (Native::Text(TextLimit::None), "binary"),
            (Native::Money, "decimal"),
            (Native::Other, "int64"),
        ] {
            assert_eq!(plan(native, wanted), None, "{native:?} {wanted}");
        }
    }

    #[test]
    fn what_keeps_everything_has_one() {
        for (native, wanted) in [
            (Native::Int8, "decimal(18,0)"),
            (Native::Int8, "text"),
            (Native::Int4, "float64"),
            (Native::Numeric(None), "decimal(12,2)"),
            (Native::Numeric(None), "int64"),
            (Native::Timestamptz(MICROS), "text"),
            (Native::Text(TextLimit::None), "date"),
            (Native::Jsonb, "text"),
            (Native::Other, "text"),
        ] {
            assert!(plan(native, wanted).is_some(), "{native:?} {wanted}");
        }
    }

    fn read(decode: Decode, logical: &str, bytes: &[u8]) -> Option<String> {
        let mut builder = ColumnBuilder::new(logical.parse().unwrap());
        decode.push(&mut builder, bytes).ok()?;
        Some(format!("{:?}", builder.finish().unwrap().0.array))
    }

    #[test]
    fn infinities_and_the_end_of_time() {
        let micros = |value: i64| read(Decode::Timestamp, "timestamp", &value.to_be_bytes());
        assert!(micros(i64::MAX).unwrap().contains(&i64::MAX.to_string()));
        assert!(micros(i64::MIN).unwrap().contains(&i64::MIN.to_string()));
        assert!(micros(0).unwrap().contains("946684800000000"));
        assert_eq!(micros(i64::MAX - 1), None);
        let days = |value: i32| read(Decode::Date, "date", &value.to_be_bytes());
        assert!(days(i32::MAX).unwrap().contains(&i64::MAX.to_string()));
        assert!(days(0).unwrap().contains("10957"));
    }

    #[test]
    fn broken_values_are_misfits() {
        assert_eq!(read(Decode::Int8, "int64", &[0; 4]), None);
        assert_eq!(read(Decode::Uuid, "uuid", &[0; 15]), None);
    }
}
