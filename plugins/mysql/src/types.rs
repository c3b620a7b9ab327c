//! Declared types and what they mean: the same reading as the host's driver has.

use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::DecimalShape;

/// What a type holds, whatever its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `tinyint(1)`.
    Bool,
    Integer,
    /// `bigint unsigned`, whose values do not all fit 64 bits with a sign.
    BigUnsigned,
    Float,
    Decimal,
    Text,
    /// `enum` and `set`: they sort by their numbers and compare by their texts.
    Choice,
    Binary,
    /// MySQL's own type; MariaDB's is text with a check.
    Json,
    Date,
    Time,
    Datetime,
    Timestamp,
    Year,
    Bit,
    /// MariaDB's own type.
    Uuid,
    /// Travels as text both ways: `inet6`.
    OtherText,
    Geometry,
}

/// A type as the catalog spells it: `decimal(12,2) unsigned`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeType {
    pub family: Family,
    /// The numbers in brackets.
    numbers: Vec<u32>,
}

impl NativeType {
    pub fn new(declared: &str) -> Self {
        let lower = declared.trim().to_ascii_lowercase();
        let end = lower.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(lower.len());
        let inner = lower.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inner, _)| inner);
        let numbers: Vec<u32> = inner.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        let is_unsigned = lower.contains("unsigned") || lower.contains("zerofill");
        let family = match lower.get(..end).unwrap_or_default() {
            "tinyint" if numbers.first() == Some(&1) && !is_unsigned => Family::Bool,
            "bigint" if is_unsigned => Family::BigUnsigned,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Family::Integer,
            "float" | "double" => Family::Float,
            "decimal" => Family::Decimal,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => Family::Text,
            "enum" | "set" => Family::Choice,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Family::Binary,
            "json" => Family::Json,
            "date" => Family::Date,
            "time" => Family::Time,
            "datetime" => Family::Datetime,
            "timestamp" => Family::Timestamp,
            "year" => Family::Year,
            "bit" => Family::Bit,
            "uuid" => Family::Uuid,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
            | "geometrycollection" | "geomcollection" | "vector" => Family::Geometry,
            _ => Family::OtherText,
        };
        Self { family, numbers }
    }

    fn number(&self, place: usize) -> Option<u32> {
        self.numbers.get(place).copied()
    }

    /// The logical type that holds every value of this type, those apart that are no value at all.
    pub fn logical(&self) -> LogicalType {
        let big = LogicalType::Decimal(Some(DecimalShape { precision: 20, scale: 0 }));
        match self.family {
            Family::Bool => LogicalType::Bool,
            Family::Bit => match self.number(0).unwrap_or(1) {
                1 => LogicalType::Bool,
                64 => big,
                _ => LogicalType::Int64,
            },
            Family::Integer | Family::Year => LogicalType::Int64,
            Family::BigUnsigned => big,
            Family::Float => LogicalType::Float64,
            Family::Decimal => {
                let (precision, scale) = (self.number(0).unwrap_or(10) as u16, self.number(1).unwrap_or(0) as u16);
                LogicalType::Decimal(Some(DecimalShape { precision, scale }))
            }
            Family::Text | Family::Choice | Family::OtherText => LogicalType::Text,
            Family::Binary | Family::Geometry => LogicalType::Binary,
            Family::Json => LogicalType::Json,
            Family::Date => LogicalType::Date,
            Family::Time => LogicalType::Time,
            Family::Datetime => LogicalType::Datetime,
            Family::Timestamp => LogicalType::Timestamp,
            Family::Uuid => LogicalType::Uuid,
        }
    }

    /// Whether values of the logical type can be written to such a column, those apart that exceed its limits: the same answer
    /// as the host's driver gives once a load begins.
    pub fn takes(&self, logical: LogicalType) -> bool {
        use LogicalType as L;
        match (self.family, logical) {
            (Family::Geometry, _) => false,
            (Family::Binary, L::Uuid) => self.number(0) == Some(16),
            (Family::Binary, _) | (_, L::Binary) => self.family == Family::Binary && logical == L::Binary,
            (Family::Text | Family::Choice | Family::OtherText, _) | (_, L::Text) => true,
            (Family::Bool | Family::Integer | Family::BigUnsigned | Family::Bit, _) => {
                matches!(logical, L::Bool | L::Int64 | L::Decimal(_))
            }
            (Family::Decimal, _) => matches!(logical, L::Int64 | L::Decimal(_) | L::Float64),
            (Family::Float, _) => matches!(logical, L::Float64 | L::Int64),
            _ => self.logical() == logical,
        }
    }

    /// Whether rows sort by such a column as its values compare with one of ours: only then can a reading go on behind a row.
    pub fn is_position(&self) -> bool {
        !matches!(
            self.family,
            Family::Float | Family::Choice | Family::Json | Family::Bit | Family::OtherText | Family::Geometry
        )
    }

    /// Characters at most.
    pub fn length_max(&self) -> Option<u32> {
        self.number(0).filter(|_| self.family == Family::Text)
    }
}

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    Mariadb,
    Mysql,
}

impl Product {
    /// From what the driver calls it: `mariadb 10.11.19`.
    pub fn of(server: &str) -> Self {
        if server.starts_with("mariadb") { Self::Mariadb } else { Self::Mysql }
    }

    /// A collation under which texts are equal only if they are the same, blanks at the end included.
    pub fn exact_collation(self) -> &'static str {
        match self {
            Self::Mariadb => "utf8mb4_nopad_bin",
            Self::Mysql => "utf8mb4_0900_bin",
        }
    }
}

/// The servers' own limits on a declared decimal; MySQL's is the smaller scale.
const PRECISION_MAX: u16 = 65;
const SCALE_MAX: u16 = 30;

/// The type a column is created with, for any place but a key.
pub fn column_type(logical: LogicalType, product: Product) -> String {
    match logical {
        LogicalType::Bool => "tinyint(1)".to_owned(),
        LogicalType::Int64 => "bigint".to_owned(),
        LogicalType::Float64 => "double".to_owned(),
        LogicalType::Decimal(Some(shape)) if shape.precision <= PRECISION_MAX && shape.scale <= SCALE_MAX => {
            format!("decimal({},{})", shape.precision, shape.scale)
        }
        LogicalType::Timestamp => "timestamp(6)".to_owned(),
        LogicalType::Datetime => "datetime(6)".to_owned(),
        LogicalType::Date => "date".to_owned(),
        LogicalType::Time => "time(6)".to_owned(),
        LogicalType::Uuid if product == Product::Mariadb => "uuid".to_owned(),
        LogicalType::Uuid => "char(36)".to_owned(),
        // No number of digits holds every decimal.
        LogicalType::Text | LogicalType::Json | LogicalType::Decimal(_) => "longtext".to_owned(),
        LogicalType::Binary => "longblob".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(declared: &str, logical: &str) {
        assert_eq!(NativeType::new(declared).logical().to_string(), logical, "{declared}");
    }

    #[test]
    fn declared_types_mean_what_the_driver_takes_them_for() {
        for (declared, logical) in [
            ("tinyint(1)", "bool"),
            ("tinyint(4)", "int64"),
            ("tinyint(1) unsigned", "int64"),
            ("int(10) unsigned", "int64"),
            ("bigint(20) unsigned zerofill", "decimal(20,0)"),
            ("decimal(12,2)", "decimal(12,2)"),
            ("double(8,2)", "float64"),
            ("enum('a(1)','b')", "text"),
            ("varbinary(16)", "binary"),
            ("json", "json"),
            ("datetime(6)", "datetime"),
            ("timestamp", "timestamp"),
            ("year(4)", "int64"),
            ("bit(1)", "bool"),
            ("bit(8)", "int64"),
            ("bit(64)", "decimal(20,0)"),
            ("uuid", "uuid"),
            ("inet6", "text"),
            ("point", "binary"),
        ] {
            check(declared, logical);
        }
        assert_eq!(NativeType::new("varchar(30)").length_max(), Some(30));
    }

    #[test]
    fn columns_take_what_they_can_keep() {
        for (declared, taken, refused) in [
            ("tinyint(1)", vec!["bool", "int64", "text"], vec!["binary", "json"]),
            ("int", vec!["int64", "decimal(9,2)", "text", "bool"], vec!["float64", "timestamp"]),
            ("double", vec!["float64", "int64"], vec!["decimal(9,2)"]),
            ("decimal(9,2)", vec!["decimal(9,2)", "float64", "int64", "text"], vec!["date"]),
            ("varchar(9)", vec!["text", "int64", "timestamp", "uuid", "json"], vec!["binary"]),
            ("blob", vec!["binary"], vec!["text", "uuid"]),
            ("binary(16)", vec!["binary", "uuid"], vec!["text"]),
            ("timestamp", vec!["timestamp", "text"], vec!["datetime", "date"]),
            ("json", vec!["json", "text"], vec!["int64"]),
            ("uuid", vec!["uuid", "text"], vec!["int64"]),
            ("point", vec![], vec!["binary", "text"]),
        ] {
            let native = NativeType::new(declared);
            assert!(taken.iter().all(|logical| native.takes(logical.parse().unwrap())), "{declared} {taken:?}");
            assert!(!refused.iter().any(|logical| native.takes(logical.parse().unwrap())), "{declared} {refused:?}");
        }
    }

    #[test]
    fn columns_are_created_with_types_that_mean_the_same_again() {
        for logical in [
            "bool",
            "int64",
            "float64",
            "decimal(12,2)",
            "timestamp",
            "datetime",
            "date",
            "time",
            "uuid",
            "text",
            "binary",
        ] {
            let logical: LogicalType = logical.parse().unwrap();
            assert_eq!(NativeType::new(&column_type(logical, Product::Mariadb)).logical(), logical);
        }
        assert_eq!(column_type("decimal(70,2)".parse().unwrap(), Product::Mysql), "longtext");
        assert_eq!(column_type("uuid".parse().unwrap(), Product::of("mysql 8.4.0")), "char(36)");
    }
}
