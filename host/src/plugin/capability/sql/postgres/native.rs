//! The server's own types: what they are called, what they mean, and what they keep.

use crate::record::{DecimalShape, LogicalType};

/// What a type of the server means to us. Limits are part of it: the server rounds and cuts what exceeds them, we refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Native {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric(Option<DecimalShape>),
    /// A numeric of negative scale: it rounds before the point.
    RoundedNumeric(DecimalShape),
    Money,
    Text(TextLimit),
    Bytea,
    Json,
    Jsonb,
    Date,
    Time(SecondDigits),
    Timestamp(SecondDigits),
    Timestamptz(SecondDigits),
    Uuid,
    /// Anything else: arrays, enums, ranges, addresses, intervals. It travels as the server's text.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextLimit {
    None,
    Characters(u32),
    Bytes(u32),
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

/// Object ids that are the same in every server.
pub(super) mod oid {
    pub const BOOL: u32 = 16;
    pub const BYTEA: u32 = 17;
    pub const CHAR: u32 = 18;
    pub const NAME: u32 = 19;
    pub const INT8: u32 = 20;
    pub const INT2: u32 = 21;
    pub const INT4: u32 = 23;
    pub const TEXT: u32 = 25;
    pub const OID: u32 = 26;
    pub const JSON: u32 = 114;
    pub const FLOAT4: u32 = 700;
    pub const FLOAT8: u32 = 701;
    pub const UNKNOWN: u32 = 705;
    pub const MONEY: u32 = 790;
    pub const BPCHAR: u32 = 1042;
    pub const VARCHAR: u32 = 1043;
    pub const DATE: u32 = 1082;
    pub const TIME: u32 = 1083;
    pub const TIMESTAMP: u32 = 1114;
    pub const TIMESTAMPTZ: u32 = 1184;
    pub const NUMERIC: u32 = 1700;
    pub const UUID: u32 = 2950;
    pub const JSONB: u32 = 3802;
}

/// `name`'s room without its final NUL, as PostgreSQL is built.
const NAME_BYTES: u32 = 63;

impl Native {
    /// The type with this object id and modifier.
    pub fn of(id: u32, modifier: i32) -> Self {
        match id {
            oid::BOOL => Self::Bool,
            oid::BYTEA => Self::Bytea,
            oid::CHAR => Self::Text(TextLimit::Bytes(1)),
            oid::NAME => Self::Text(TextLimit::Bytes(NAME_BYTES)),
            oid::INT8 => Self::Int8,
            oid::INT2 => Self::Int2,
            oid::INT4 => Self::Int4,
            oid::TEXT | oid::UNKNOWN => Self::Text(TextLimit::None),
            oid::OID => Self::Oid,
            oid::JSON => Self::Json,
            oid::FLOAT4 => Self::Float4,
            oid::FLOAT8 => Self::Float8,
            oid::MONEY => Self::Money,
            oid::BPCHAR | oid::VARCHAR => Self::Text(character_limit(modifier)),
            oid::DATE => Self::Date,
            oid::TIME => Self::Time(second_digits(modifier)),
            oid::TIMESTAMP => Self::Timestamp(second_digits(modifier)),
            oid::TIMESTAMPTZ => Self::Timestamptz(second_digits(modifier)),
            oid::NUMERIC => numeric(modifier),
            oid::UUID => Self::Uuid,
            oid::JSONB => Self::Jsonb,
            _ => Self::Other,
        }
    }

    /// The logical type that holds every value of this type.
    pub fn natural(self) -> LogicalType {
        match self {
            Self::Bool => LogicalType::Bool,
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Oid => LogicalType::Int64,
            Self::Float4 | Self::Float8 => LogicalType::Float64,
            Self::Numeric(shape) => LogicalType::Decimal(shape),
            Self::RoundedNumeric(shape) => LogicalType::Decimal(Some(shape)),
            Self::Money | Self::Text(_) | Self::Other => LogicalType::Text,
            Self::Bytea => LogicalType::Binary,
            Self::Json | Self::Jsonb => LogicalType::Json,
            Self::Date => LogicalType::Date,
            Self::Time(_) => LogicalType::Time,
            Self::Timestamp(_) => LogicalType::Datetime,
            Self::Timestamptz(_) => LogicalType::Timestamp,
            Self::Uuid => LogicalType::Uuid,
        }
    }
}

/// What the server calls the type, as `format_type` says it; None if only the server knows.
pub(super) fn name(id: u32, modifier: i32) -> Option<String> {
    let plain = match id {
        oid::BOOL => "boolean",
        oid::BYTEA => "bytea",
        oid::CHAR => "\"char\"",
        oid::NAME => "name",
        oid::INT8 => "bigint",
        oid::INT2 => "smallint",
        oid::INT4 => "integer",
        oid::TEXT => "text",
        oid::OID => "oid",
        oid::JSON => "json",
        oid::FLOAT4 => "real",
        oid::FLOAT8 => "double precision",
        oid::MONEY => "money",
        oid::DATE => "date",
        oid::UUID => "uuid",
        oid::JSONB => "jsonb",
        oid::NUMERIC if modifier < 4 => "numeric",
        oid::NUMERIC => {
            let (precision, scale) = numeric_parts(modifier);
            return Some(format!("numeric({precision},{scale})"));
        }
        oid::VARCHAR if modifier < 4 => "character varying",
        oid::VARCHAR => return Some(format!("character varying({})", modifier - 4)),
        oid::BPCHAR if modifier < 4 => "bpchar",
        oid::BPCHAR => return Some(format!("character({})", modifier - 4)),
        oid::TIME => return Some(time_name("time", modifier, "without time zone")),
        oid::TIMESTAMP => return Some(time_name("timestamp", modifier, "without time zone")),
        oid::TIMESTAMPTZ => return Some(time_name("timestamp", modifier, "with time zone")),
        _ => return None,
    };
    Some(plain.to_owned())
}

fn time_name(name: &str, modifier: i32, zone: &str) -> String {
    if modifier < 0 { format!("{name} {zone}") } else { format!("{name}({modifier}) {zone}") }
}

fn character_limit(modifier: i32) -> TextLimit {
    u32::try_from(modifier - 4).ok().filter(|_| modifier >= 4).map_or(TextLimit::None, TextLimit::Characters)
}

fn second_digits(modifier: i32) -> SecondDigits {
    SecondDigits(u8::try_from(modifier).unwrap_or(6).min(6))
}

/// Precision and scale in the modifier of a numeric; the scale has eleven bits with a sign.
fn numeric_parts(modifier: i32) -> (i32, i32) {
    let packed = modifier - 4;
    (packed >> 16 & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024)
}

fn numeric(modifier: i32) -> Native {
    if modifier < 4 {
        return Native::Numeric(None);
    }
    let (precision, scale) = numeric_parts(modifier);
    let narrow = |number: i32| u16::try_from(number).unwrap_or(u16::MAX);
    match scale {
        0.. => Native::Numeric(Some(DecimalShape { precision: narrow(precision.max(scale)), scale: narrow(scale) })),
        _ => Native::RoundedNumeric(DecimalShape { precision: narrow(precision - scale), scale: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(precision: u16, scale: u16) -> DecimalShape {
        DecimalShape { precision, scale }
    }

    fn packed(precision: i32, scale: i32) -> i32 {
        (precision << 16 | scale & 0x7ff) + 4
    }

    fn check(id: u32, modifier: i32, native: Native, text: &str) {
        assert_eq!(Native::of(id, modifier), native, "{text}");
        assert_eq!(name(id, modifier).as_deref(), Some(text));
    }

    #[test]
    fn modifiers_are_read() {
        check(oid::NUMERIC, -1, Native::Numeric(None), "numeric");
        check(oid::NUMERIC, packed(12, 2), Native::Numeric(Some(shape(12, 2))), "numeric(12,2)");
        check(oid::NUMERIC, packed(1000, 1000), Native::Numeric(Some(shape(1000, 1000))), "numeric(1000,1000)");
        check(oid::NUMERIC, packed(3, 5), Native::Numeric(Some(shape(5, 5))), "numeric(3,5)");
        check(oid::NUMERIC, packed(3, -2), Native::RoundedNumeric(shape(5, 0)), "numeric(3,-2)");
        check(oid::VARCHAR, 54, Native::Text(TextLimit::Characters(50)), "character varying(50)");
        check(oid::VARCHAR, -1, Native::Text(TextLimit::None), "character varying");
        check(oid::BPCHAR, 14, Native::Text(TextLimit::Characters(10)), "character(10)");
        check(oid::TIMESTAMPTZ, 3, Native::Timestamptz(SecondDigits(3)), "timestamp(3) with time zone");
        check(oid::TIME, -1, Native::Time(SecondDigits(6)), "time without time zone");
    }

    #[test]
    fn what_nobody_knows_is_text() {
        assert_eq!(Native::of(869, -1), Native::Other);
        assert_eq!(Native::Other.natural(), LogicalType::Text);
        assert_eq!(name(869, -1), None);
    }

    #[test]
    fn seconds_have_units() {
        assert_eq!(SecondDigits(6).unit_micros(), 1);
        assert_eq!(SecondDigits(0).unit_micros(), 1_000_000);
    }
}
