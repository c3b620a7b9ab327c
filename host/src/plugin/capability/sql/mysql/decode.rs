//! Values of a result on their way into columns, straight from the server's bytes.

mod raw;

use super::super::columns::ColumnBuilder;
use super::super::value::{Fit, Misfit, push_decimal, push_parsed, push_uuid};
use super::native::{Definition, Native};
use super::packet::Reader;
use crate::record::{DecimalShape, LogicalType, MICROS_PER_DAY};

use raw::Raw;

/// How the values of one column lie in a row and what is made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decode {
    code: u8,
    is_unsigned: bool,
    into: Into,
}

/// What a value becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Into {
    Bool,
    Int64,
    Float64,
    Decimal(Option<DecimalShape>),
    /// Microseconds since 1970, of the wall clock or in UTC: sessions live there.
    Moment,
    Date,
    Time,
    Uuid,
    /// The bytes as they are.
    Bytes,
    /// The text as it is, or a value as the server writes it.
    Spelled,
    /// The server's text, read as something else.
    Parsed(LogicalType),
}

impl Decode {
    /// How to read a column as `wanted`; None if that would lose something or means nothing.
    pub fn plan(definition: &Definition, wanted: LogicalType) -> Option<Self> {
        let into = plan(&definition.native(), wanted)?;
        Some(Self { code: definition.code, is_unsigned: definition.is_unsigned, into })
    }

    /// Appends the next value of a row, which is not null. After a misfit nothing has been appended. None: the row is broken.
    #[inline]
    pub fn push(self, builder: &mut ColumnBuilder, row: &mut Reader<'_>) -> Option<Fit> {
        let raw = Raw::read(self.code, self.is_unsigned, row)?;
        Some(push(self.into, builder, raw))
    }
}

fn plan(native: &Native, wanted: LogicalType) -> Option<Into> {
    use LogicalType as L;
    use Native as N;
    Some(match (native, wanted) {
        (N::Geometry | N::Bytes(_), L::Binary) => Into::Bytes,
        (N::Bytes(_), L::Uuid) => Into::Uuid,
        (N::Geometry | N::Bytes(_), _) | (_, L::Binary) => return None,
        (N::Bool | N::Int(_) | N::Bit(_), L::Bool) => Into::Bool,
        (N::Bool | N::Int(_) | N::Bit(_) | N::Year, L::Int64) => Into::Int64,
        (N::Bool | N::Int(_) | N::Bit(_) | N::Year, L::Decimal(shape)) => Into::Decimal(shape),
        (N::Int(int), L::Float64) if int.bytes < 8 => Into::Float64,
        (N::Float4(_) | N::Float8(_), L::Float64) => Into::Float64,
        (N::Decimal(_), L::Decimal(shape)) => Into::Decimal(shape),
        (N::Decimal(shape), L::Int64) if shape.scale == 0 => Into::Parsed(wanted),
        (N::Timestamp(_), L::Timestamp) | (N::Datetime(_), L::Datetime) => Into::Moment,
        (N::Date, L::Date) => Into::Date,
        (N::Time(_), L::Time) => Into::Time,
        (N::Bit(_), L::Text) => return None,
        (_, L::Text) => Into::Spelled,
        // Whether it is JSON is not asked: the server has checked it, or the column is one of text.
        (N::Json, L::Json) => Into::Spelled,
        (N::Text(_) | N::Enum(_) | N::Set(_) | N::OtherText | N::Uuid, _) => Into::Parsed(wanted),
        _ => return None,
    })
}

#[inline]
fn push(into: Into, builder: &mut ColumnBuilder, raw: Raw<'_>) -> Fit {
    match (into, raw) {
        (Into::Int64, Raw::Int(value)) => builder.push_i64(value),
        (Into::Spelled | Into::Bytes, Raw::Bytes(bytes)) => builder.push_bytes(bytes),
        (Into::Float64, Raw::Float8(value)) => builder.push_f64(value),
        (Into::Float64, Raw::Float4(value)) => builder.push_f64(f64::from(value)),
        (Into::Float64, Raw::Int(value)) => builder.push_f64(value as f64),
        (Into::Decimal(shape), Raw::Bytes(text)) => return push_parsed(builder, LogicalType::Decimal(shape), text),
        (Into::Decimal(shape), Raw::Int(value)) => return push_decimal(builder, shape, &value.to_string()),
        (Into::Decimal(shape), Raw::Big(value) | Raw::Bits(value)) => {
            return push_decimal(builder, shape, &value.to_string());
        }
        (Into::Bool, Raw::Int(value @ (0 | 1))) => builder.push_bool(value == 1),
        (Into::Bool, Raw::Bits(value @ (0 | 1))) => builder.push_bool(value == 1),
        (Into::Bool, other) => return Err(Misfit::malformed(format!("`{}` is no truth value", other.spell()))),
        (Into::Int64, Raw::Big(value) | Raw::Bits(value)) => {
            builder.push_i64(i64::try_from(value).map_err(|_| Misfit::range("the number does not fit 64 bits"))?);
        }
        (Into::Moment, Raw::Moment(moment)) => builder.push_i64(moment.micros().ok_or_else(|| no_moment(raw))?),
        (Into::Date, Raw::Moment(moment)) => builder.push_i64(moment.days().ok_or_else(|| no_moment(raw))?),
        (Into::Time, Raw::Span(micros)) => builder.push_i64(time_of_day(micros, raw)?),
        (Into::Uuid, Raw::Bytes(bytes)) => {
            let uuid = bytes.try_into().map_err(|_| Misfit::malformed("a UUID has sixteen bytes"))?;
            push_uuid(builder, uuid);
        }
        (Into::Parsed(logical), Raw::Bytes(text)) => return push_parsed(builder, logical, text),
        (Into::Spelled | Into::Parsed(LogicalType::Text), other) => builder.push_bytes(other.spell().as_bytes()),
        _ => return Err(Misfit::malformed("the server sent a value of another type than it had announced")),
    }
    Ok(())
}

/// `0000-00-00` and days a month does not have.
fn no_moment(raw: Raw<'_>) -> Box<Misfit> {
    Misfit::malformed(format!("`{}` is no day of the calendar", raw.spell()))
}

fn time_of_day(micros: i64, raw: Raw<'_>) -> Fit<i64> {
    if (0..=MICROS_PER_DAY).contains(&micros) {
        return Ok(micros);
    }
    Err(Misfit::range(format!("`{}` is no time of a day", raw.spell())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::capability::sql::mysql::native::{Int, SecondDigits, Text};

    fn check(native: &Native, wanted: &str, is_readable: bool) {
        assert_eq!(plan(native, wanted.parse().unwrap()).is_some(), is_readable, "{native:?} {wanted}");
    }

    #[test]
    fn every_type_has_its_natural_reading() {
        for declaration in [
            "tinyint(1)",
            "smallint",
            "bigint unsigned",
            "float",
            "double",
            "decimal(12,2)",
            "decimal(65,30)",
            "char(3)",
            "longtext",
            "enum('a')",
            "set('a')",
            "binary(3)",
            "blob",
            "json",
            "date",
            "time(6)",
            "datetime",
            "timestamp(3)",
            "year",
            "bit(1)",
            "bit(40)",
            "bit(64)",
            "uuid",
            "inet6",
            "point",
        ] {
            let native = Native::declared(declaration, None);
            check(&native, &native.natural().to_string(), true);
        }
    }

    #[test]
    fn what_loses_something_has_no_reading() {
        let decimal = Native::declared("decimal(12,2)", None);
        let big = Native::Int(Int { bytes: 8, is_unsigned: false });
        for (native, wanted) in [
            (&big, "float64"),
            (&Native::Float8(None), "int64"),
            (&Native::Float8(None), "decimal"),
            (&decimal, "float64"),
            (&decimal, "int64"),
            (&Native::Datetime(SecondDigits(6)), "timestamp"),
            (&Native::Timestamp(SecondDigits(6)), "datetime"),
            (&Native::declared("blob", None), "text"),
            (&Native::Text(Text::ANY), "binary"),
            (&Native::Bit(3), "text"),
        ] {
            check(native, wanted, false);
        }
        check(&Native::declared("bigint unsigned", None), "int64", true);
        check(&Native::declared("binary(16)", None), "uuid", true);
        check(&Native::Text(Text::ANY), "date", true);
    }

    fn read(into: Into, logical: &str, raw: Raw<'_>) -> Option<String> {
        let mut builder = ColumnBuilder::new(logical.parse().unwrap());
        push(into, &mut builder, raw).ok()?;
        Some(format!("{:?}", builder.finish().unwrap().0.array.slice(0, 1)))
    }

    #[test]
    fn values_that_fit_nothing_are_misfits() {
        assert_eq!(read(Into::Int64, "int64", Raw::Big(u64::MAX)), None);
        assert_eq!(read(Into::Bool, "bool", Raw::Int(2)), None);
        assert_eq!(read(Into::Time, "time", Raw::Span(-1)), None);
        assert_eq!(read(Into::Uuid, "uuid", Raw::Bytes(&[0; 15])), None);
        assert_eq!(read(Into::Int64, "int64", Raw::Bytes(b"1")), None);
        assert!(read(Into::Decimal(None), "decimal", Raw::Big(u64::MAX)).unwrap().contains("18446744073709551615"));
    }
}
