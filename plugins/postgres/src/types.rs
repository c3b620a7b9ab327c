//! The server's types and what they mean: the same reading as the host's driver has.

use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::DecimalShape;

/// What a type holds, whatever its limits. A domain counts as what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Bool,
    /// Integers of 2, 4 and 8 bytes, and object ids.
    Integer,
    Float,
    Numeric,
    /// `text`, `varchar`, `name`.
    Text,
    /// `char(n)`, whose comparison does not see blanks at the end.
    PaddedText,
    Bytea,
    Json,
    Jsonb,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Uuid,
    /// Anything else travels as the text the server writes.
    Other,
}

/// A type by its object id, which is the same on every server for these, and its modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeType {
    pub id: u32,
    pub modifier: i32,
}

impl NativeType {
    pub fn family(self) -> Family {
        match self.id {
            16 => Family::Bool,
            20 | 21 | 23 | 26 => Family::Integer,
            700 | 701 => Family::Float,
            1700 => Family::Numeric,
            18 | 19 | 25 | 1043 => Family::Text,
            1042 => Family::PaddedText,
            17 => Family::Bytea,
            114 => Family::Json,
            3802 => Family::Jsonb,
            1082 => Family::Date,
            1083 => Family::Time,
            1114 => Family::Timestamp,
            1184 => Family::Timestamptz,
            2950 => Family::Uuid,
            _ => Family::Other,
        }
    }

    /// The logical type that holds every value of this type.
    pub fn logical(self) -> LogicalType {
        match self.family() {
            Family::Bool => LogicalType::Bool,
            Family::Integer => LogicalType::Int64,
            Family::Float => LogicalType::Float64,
            Family::Numeric => LogicalType::Decimal(self.decimal_shape()),
            Family::Text | Family::PaddedText | Family::Other => LogicalType::Text,
            Family::Bytea => LogicalType::Binary,
            Family::Json | Family::Jsonb => LogicalType::Json,
            Family::Date => LogicalType::Date,
            Family::Time => LogicalType::Time,
            Family::Timestamp => LogicalType::Datetime,
            Family::Timestamptz => LogicalType::Timestamp,
            Family::Uuid => LogicalType::Uuid,
        }
    }

    /// Whether values of the logical type can be written to such a column, those apart that exceed its limits: the same answer
    /// as the host's driver gives once a load begins.
    pub fn takes(self, logical: LogicalType) -> bool {
        use LogicalType as L;
        match (self.family(), logical) {
            (Family::Bytea, _) | (_, L::Binary) => self.family() == Family::Bytea && logical == L::Binary,
            (Family::Text | Family::PaddedText, _) => true,
            // It rounds before the point, without a word.
            (Family::Numeric, _) if self.has_negative_scale() => false,
            (_, L::Text) => true,
            (Family::Other, _) => self.id != MONEY || matches!(logical, L::Decimal(_) | L::Int64),
            (Family::Integer, _) => matches!(logical, L::Int64 | L::Decimal(_)),
            (Family::Numeric, _) => matches!(logical, L::Int64 | L::Decimal(_) | L::Float64),
            (Family::Float, _) => matches!(logical, L::Int64 | L::Float64),
            (Family::Json | Family::Jsonb, _) => logical == L::Json,
            _ => self.logical() == logical,
        }
    }

    /// Whether its text can be compared under a collation; `"char"` knows none.
    pub fn is_collatable(self) -> bool {
        self.id != SINGLE_BYTE_CHAR && matches!(self.family(), Family::Text | Family::PaddedText)
    }

    fn has_negative_scale(self) -> bool {
        self.modifier >= 4 && (self.modifier - 4) & 0x400 != 0
    }

    /// Characters at most.
    pub fn length_max(self) -> Option<u32> {
        let is_limited = matches!(self.id, 1042 | 1043) && self.modifier >= 4;
        u32::try_from(self.modifier.saturating_sub(4)).ok().filter(|_| is_limited)
    }

    /// The modifier of a numeric packs precision and a scale of eleven bits with a sign. A scale beyond the precision, or a
    /// negative one, is widened to a shape that holds the same numbers.
    fn decimal_shape(self) -> Option<DecimalShape> {
        let packed = self.modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
        let (precision, scale) = (packed >> 16 & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024);
        let narrow = |number: i32| u16::try_from(number).ok();
        match scale {
            0.. => Some(DecimalShape { precision: narrow(precision.max(scale))?, scale: narrow(scale)? }),
            _ => Some(DecimalShape { precision: narrow(precision - scale)?, scale: 0 }),
        }
    }
}

/// Object ids of types that are an exception in their family.
const SINGLE_BYTE_CHAR: u32 = 18;
const MONEY: u32 = 790;

/// The type a column is created with.
pub fn column_type(logical: LogicalType) -> String {
    match logical {
        LogicalType::Bool => "boolean".to_owned(),
        LogicalType::Int64 => "bigint".to_owned(),
        LogicalType::Float64 => "double precision".to_owned(),
        LogicalType::Decimal(Some(shape)) if shape.precision <= PRECISION_MAX => {
            format!("numeric({},{})", shape.precision, shape.scale)
        }
        LogicalType::Decimal(_) => "numeric".to_owned(),
        LogicalType::Timestamp => "timestamp with time zone".to_owned(),
        LogicalType::Datetime => "timestamp without time zone".to_owned(),
        LogicalType::Date => "date".to_owned(),
        LogicalType::Time => "time without time zone".to_owned(),
        LogicalType::Uuid => "uuid".to_owned(),
        LogicalType::Text => "text".to_owned(),
        LogicalType::Binary => "bytea".to_owned(),
        // `jsonb` would reorder keys, drop doubles and blanks: the text would not come back as it went in.
        LogicalType::Json => "json".to_owned(),
    }
}

/// The server's own limit on the precision of a declared numeric.
const PRECISION_MAX: u16 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: u32, modifier: i32, logical: &str) {
        assert_eq!(NativeType { id, modifier }.logical().to_string(), logical, "{id} {modifier}");
    }

    fn packed(precision: i32, scale: i32) -> i32 {
        (precision << 16 | scale & 0x7ff) + 4
    }

    #[test]
    fn types_mean_what_the_driver_takes_them_for() {
        for (id, logical) in [
            (16, "bool"),
            (21, "int64"),
            (26, "int64"),
            (700, "float64"),
            (1700, "decimal"),
            (25, "text"),
            (1042, "text"),
            (17, "binary"),
            (3802, "json"),
            (1082, "date"),
            (1083, "time"),
            (1114, "datetime"),
            (1184, "timestamp"),
            (2950, "uuid"),
            (869, "text"),
            (790, "text"),
        ] {
            check(id, -1, logical);
        }
        check(1700, packed(12, 2), "decimal(12,2)");
        check(1700, packed(3, 5), "decimal(5,5)");
        check(1700, packed(3, -2), "decimal(5,0)");
    }

    #[test]
    fn columns_take_what_they_can_keep() {
        for (id, modifier, taken, refused) in [
            (16, -1, vec!["bool", "text"], vec!["int64", "binary", "json"]),
            (23, -1, vec!["int64", "decimal(9,2)", "text"], vec!["float64", "bool", "timestamp"]),
            (701, -1, vec!["float64", "int64"], vec!["decimal(9,2)"]),
            (1700, packed(9, 2), vec!["decimal(9,2)", "float64", "int64", "text"], vec!["date"]),
            (1700, packed(3, -2), vec![], vec!["decimal(5,0)", "int64", "text"]),
            (25, -1, vec!["text", "int64", "timestamp", "uuid", "json"], vec!["binary"]),
            (17, -1, vec!["binary"], vec!["text"]),
            (1184, -1, vec!["timestamp", "text"], vec!["datetime", "date"]),
            (1114, -1, vec!["datetime"], vec!["timestamp"]),
            (3802, -1, vec!["json", "text"], vec!["int64"]),
            (790, -1, vec!["decimal(9,2)", "text"], vec!["float64"]),
            (869, -1, vec!["text", "int64"], vec!["binary"]),
        ] {
            let native = NativeType { id, modifier };
            assert!(taken.iter().all(|logical| native.takes(logical.parse().unwrap())), "{id} {taken:?}");
            assert!(!refused.iter().any(|logical| native.takes(logical.parse().unwrap())), "{id} {refused:?}");
        }
    }

    #[test]
    fn lengths_are_read() {
        assert_eq!(NativeType { id: 1043, modifier: 34 }.length_max(), Some(30));
        assert_eq!(NativeType { id: 1043, modifier: -1 }.length_max(), None);
        assert_eq!(NativeType { id: 25, modifier: 34 }.length_max(), None);
    }

    #[test]
    fn columns_are_created_with_exact_types() {
        for (logical, native) in [
            ("decimal(18,2)", "numeric(18,2)"),
            ("decimal(2000,2)", "numeric"),
            ("decimal", "numeric"),
            ("timestamp", "timestamp with time zone"),
            ("datetime", "timestamp without time zone"),
            ("json", "json"),
        ] {
            assert_eq!(column_type(logical.parse().unwrap()), native);
        }
    }
}
