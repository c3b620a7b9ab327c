//! The server's own types: what they are called, what they mean, and what they keep.

mod declared;

use std::sync::Arc;

use super::packet::Reader;
use crate::record::{DecimalShape, LogicalType};

/// What a type of the server means to us. Limits are part of it: the server rounds, cuts or pads what exceeds some of them, we
/// refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Native {
    /// `tinyint(1)`: what both servers make of `BOOLEAN`.
    Bool,
    Int(Int),
    /// Digits behind the point, where the declaration limits them.
    Float4(Option<u8>),
    Float8(Option<u8>),
    Decimal(DecimalShape),
    Text(Text),
    /// One of the members.
    Enum(Arc<[String]>),
    /// Some of the members, in their order, separated by commas.
    Set(Arc<[String]>),
    Bytes(BytesLimit),
    /// MySQL's own type, which keeps the value and not the text. MariaDB's is text with a check.
    Json,
    Date,
    Time(SecondDigits),
    Datetime(SecondDigits),
    Timestamp(SecondDigits),
    Year,
    Bit(u8),
    /// MariaDB's own type.
    Uuid,
    /// Other types that travel as text both ways: `inet6`.
    OtherText,
    /// Shapes.
    Geometry,
}

/// Whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Int {
    pub bytes: u8,
    pub is_unsigned: bool,
}

impl Int {
    /// The least and the greatest value.
    pub fn range(self) -> (i128, i128) {
        let bits = u32::from(self.bytes) * 8;
        if self.is_unsigned { (0, (1 << bits) - 1) } else { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) }
    }

    /// Whether every value fits 64 bits with a sign.
    pub fn is_small(self) -> bool {
        self.bytes < 8 || !self.is_unsigned
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub limit: TextLimit,
    /// `char(n)`: blanks at the end do not come back.
    pub trims_blanks: bool,
    pub repertoire: Repertoire,
}

impl Text {
    pub const ANY: Self = Self { limit: TextLimit::None, trims_blanks: false, repertoire: Repertoire::Utf8 };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextLimit {
    None,
    Characters(u32),
    Bytes(u64),
}

/// Which characters a column can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repertoire {
    Utf8,
    /// `utf8mb3`, which knows no characters of four bytes.
    Utf8Mb3,
    /// Any other: the server says what it cannot hold.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BytesLimit {
    AtMost(u64),
    /// `binary(n)`: shorter values are padded.
    Exactly(u64),
}

/// Digits of a second that are kept, at most 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SecondDigits(pub u8);

impl SecondDigits {
    /// Values must be a multiple of this many microseconds.
    pub fn unit_micros(self) -> i64 {
        10i64.pow(u32::from(6u8.saturating_sub(self.0)))
    }
}

/// How values of a column lie in a row: the protocol's own codes.
pub(super) mod code {
    pub const DECIMAL: u8 = 0;
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const BIT: u8 = 16;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const BLOB: u8 = 252;
    pub const VAR_STRING: u8 = 253;
    pub const GEOMETRY: u8 = 255;
}

const UNSIGNED: u16 = 0x20;
/// The character set of what is no text.
const BINARY: u16 = 63;
/// Fractions of unknown length, and no fraction at all.
const ANY_DIGITS: u8 = 31;

/// A column of a result as the server describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub name: String,
    pub code: u8,
    pub is_unsigned: bool,
    is_binary: bool,
    length: u32,
    decimals: u8,
}

impl Definition {
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        for _catalog_schema_and_tables in 0..4 {
            reader.counted()?;
        }
        let name = reader.counted_text()?;
        reader.counted()?;
        let mut fixed = Reader(reader.counted()?);
        let (charset, length, code, flags) = (fixed.u16()?, fixed.u32()?, fixed.u8()?, fixed.u16()?);
        let decimals = fixed.u8()?;
        Some(Self { name, code, is_unsigned: flags & UNSIGNED != 0, is_binary: charset == BINARY, length, decimals })
    }

    pub fn native(&self) -> Native {
        let int = |bytes| Native::Int(Int { bytes, is_unsigned: self.is_unsigned });
        match self.code {
            code::TINY if self.length == 1 && !self.is_unsigned => Native::Bool,
            code::TINY => int(1),
            code::SHORT => int(2),
            code::INT24 => int(3),
            code::LONG => int(4),
            code::LONGLONG => int(8),
            code::FLOAT => Native::Float4(None),
            code::DOUBLE => Native::Float8(None),
            code::DECIMAL | code::NEWDECIMAL => Native::Decimal(self.decimal_shape()),
            code::TIMESTAMP => Native::Timestamp(self.second_digits()),
            code::DATETIME => Native::Datetime(self.second_digits()),
            code::TIME => Native::Time(self.second_digits()),
            code::DATE => Native::Date,
            code::YEAR => Native::Year,
            code::BIT => Native::Bit(self.length.clamp(1, 64) as u8),
            code::JSON => Native::Json,
            code::GEOMETRY => Native::Geometry,
            code::NULL => Native::Text(Text::ANY),
            _ if self.is_binary => Native::Bytes(BytesLimit::AtMost(u64::from(self.length))),
            _ => Native::Text(Text::ANY),
        }
    }

    /// The length counts the digits, the point and the sign.
    fn decimal_shape(&self) -> DecimalShape {
        let scale = u16::from(self.decimals.min(38));
        let marks = u32::from(!self.is_unsigned) + u32::from(scale > 0);
        let precision = self.length.saturating_sub(marks).clamp(1, 65) as u16;
        DecimalShape { precision: precision.max(scale), scale }
    }

    fn second_digits(&self) -> SecondDigits {
        SecondDigits(if self.decimals >= ANY_DIGITS { 6 } else { self.decimals.min(6) })
    }
}

impl Native {
    /// The logical type that holds every value of this type, those apart that are no value at all.
    pub fn natural(&self) -> LogicalType {
        match self {
            Self::Bool | Self::Bit(1) => LogicalType::Bool,
            Self::Int(int) if int.is_small() => LogicalType::Int64,
            Self::Int(_) => LogicalType::Decimal(Some(DecimalShape { precision: 20, scale: 0 })),
            Self::Bit(64) => LogicalType::Decimal(Some(DecimalShape { precision: 20, scale: 0 })),
            Self::Bit(_) | Self::Year => LogicalType::Int64,
            Self::Float4(_) | Self::Float8(_) => LogicalType::Float64,
            Self::Decimal(shape) => LogicalType::Decimal(Some(*shape)),
            Self::Text(_) | Self::Enum(_) | Self::Set(_) | Self::OtherText => LogicalType::Text,
            Self::Bytes(_) | Self::Geometry => LogicalType::Binary,
            Self::Json => LogicalType::Json,
            Self::Date => LogicalType::Date,
            Self::Time(_) => LogicalType::Time,
            Self::Datetime(_) => LogicalType::Datetime,
            Self::Timestamp(_) => LogicalType::Timestamp,
            Self::Uuid => LogicalType::Uuid,
        }
    }

    /// What a person calls it.
    pub fn name(&self) -> String {
        let digits = |name: &str, digits: &SecondDigits| match digits.0 {
            0 => name.to_owned(),
            some => format!("{name}({some})"),
        };
        match self {
            Self::Bool => "tinyint(1)".to_owned(),
            Self::Int(int) => int.name(),
            Self::Float4(_) => "float".to_owned(),
            Self::Float8(_) => "double".to_owned(),
            Self::Decimal(shape) => format!("decimal({},{})", shape.precision, shape.scale),
            Self::Text(_) | Self::OtherText => "text".to_owned(),
            Self::Enum(_) => "enum".to_owned(),
            Self::Set(_) => "set".to_owned(),
            Self::Bytes(_) => "blob".to_owned(),
            Self::Json => "json".to_owned(),
            Self::Date => "date".to_owned(),
            Self::Time(kept) => digits("time", kept),
            Self::Datetime(kept) => digits("datetime", kept),
            Self::Timestamp(kept) => digits("timestamp", kept),
            Self::Year => "year".to_owned(),
            Self::Bit(bits) => format!("bit({bits})"),
            Self::Uuid => "uuid".to_owned(),
            Self::Geometry => "geometry".to_owned(),
        }
    }
}

impl Int {
    fn name(self) -> String {
        let name = match self.bytes {
            1 => "tinyint",
            2 => "smallint",
            3 => "mediumint",
            4 => "int",
            _ => "bigint",
        };
        format!("{name}{}", if self.is_unsigned { " unsigned" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(code: u8, length: u32, decimals: u8, flags: u16, charset: u16) -> Definition {
        let mut body = Vec::new();
        for name in ["def", "s", "t", "t", "a", "a"] {
            super::super::packet::put_counted(&mut body, name.as_bytes());
        }
        body.push(12);
        body.extend_from_slice(&charset.to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        body.push(code);
        body.extend_from_slice(&flags.to_le_bytes());
        body.extend_from_slice(&[decimals, 0, 0]);
        Definition::read(&body).unwrap()
    }

    fn check(definition: Definition, name: &str, logical: &str) {
        let native = definition.native();
        assert_eq!((native.name().as_str(), native.natural().to_string().as_str()), (name, logical));
    }

    #[test]
    fn results_describe_themselves() {
        check(definition(code::TINY, 1, 0, 0, BINARY), "tinyint(1)", "bool");
        check(definition(code::TINY, 4, 0, 0, BINARY), "tinyint", "int64");
        check(definition(code::LONGLONG, 20, 0, UNSIGNED, BINARY), "bigint unsigned", "decimal(20,0)");
        check(definition(code::NEWDECIMAL, 14, 2, 0, BINARY), "decimal(12,2)", "decimal(12,2)");
        check(definition(code::NEWDECIMAL, 20, 0, UNSIGNED, BINARY), "decimal(20,0)", "decimal(20,0)");
        check(definition(code::DATETIME, 26, 6, 0, BINARY), "datetime(6)", "datetime");
        check(definition(code::TIMESTAMP, 19, 0, 0, BINARY), "timestamp", "timestamp");
        check(definition(code::BIT, 64, 0, UNSIGNED, BINARY), "bit(64)", "decimal(20,0)");
        check(definition(code::BLOB, 65535, 0, 0, 45), "text", "text");
        check(definition(code::BLOB, 65535, 0, 0, BINARY), "blob", "binary");
        check(definition(code::VAR_STRING, 40, 0, 0, 45), "text", "text");
    }

    #[test]
    fn broken_definitions_are_none() {
        for length in 0..20 {
            assert_eq!(Definition::read(&vec![1; length]), None);
        }
    }

    #[test]
    fn ranges_are_those_of_the_server() {
        let range = |bytes, is_unsigned| Int { bytes, is_unsigned }.range();
        assert_eq!(range(1, false), (-128, 127));
        assert_eq!(range(3, true), (0, 16_777_215));
        assert_eq!(range(8, true), (0, i128::from(u64::MAX)));
        assert_eq!(range(8, false), (i128::from(i64::MIN), i128::from(i64::MAX)));
    }
}
