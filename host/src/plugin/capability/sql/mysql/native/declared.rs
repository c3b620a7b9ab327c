//! Types as `SHOW COLUMNS` spells them: `decimal(12,2) unsigned`, `enum('a','it''s')`.

use super::{BytesLimit, Int, Native, Repertoire, SecondDigits, Text, TextLimit};
use crate::record::DecimalShape;

impl Native {
    /// What a column's declaration says. `collation`: of a column of text.
    pub fn declared(declaration: &str, collation: Option<&str>) -> Self {
        let lower = declaration.trim().to_ascii_lowercase();
        let end = lower.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(lower.len());
        let name = lower.get(..end).unwrap_or_default();
        let numbers = numbers(&lower);
        let number = |place: usize| numbers.get(place).copied();
        let is_unsigned = lower.contains("unsigned") || lower.contains("zerofill");
        let int = |bytes| Self::Int(Int { bytes, is_unsigned });
        let digits = || SecondDigits(number(0).unwrap_or(0).min(6) as u8);
        let text = |limit| Self::Text(Text { limit, trims_blanks: name == "char", repertoire: repertoire(collation) });
        let scale = || number(1).map(|digits| digits.min(255) as u8);
        match name {
            "tinyint" if number(0) == Some(1) && !is_unsigned => Self::Bool,
            "tinyint" => int(1),
            "smallint" => int(2),
            "mediumint" => int(3),
            "int" => int(4),
            "bigint" => int(8),
            "float" => Self::Float4(scale()),
            "double" => Self::Float8(scale()),
            "decimal" => {
                let (precision, scale) =
                    (number(0).unwrap_or(10).min(65) as u16, number(1).unwrap_or(0).min(38) as u16);
                Self::Decimal(DecimalShape { precision, scale })
            }
            "char" | "varchar" => text(TextLimit::Characters(number(0).unwrap_or(1).min(u64::from(u32::MAX)) as u32)),
            "tinytext" => text(TextLimit::Bytes(0xff)),
            "text" => text(TextLimit::Bytes(0xffff)),
            "mediumtext" => text(TextLimit::Bytes(0xff_ffff)),
            "longtext" => text(TextLimit::None),
            "binary" => Self::Bytes(BytesLimit::Exactly(number(0).unwrap_or(1))),
            "varbinary" => Self::Bytes(BytesLimit::AtMost(number(0).unwrap_or(0))),
            "tinyblob" => Self::Bytes(BytesLimit::AtMost(0xff)),
            "blob" => Self::Bytes(BytesLimit::AtMost(0xffff)),
            "mediumblob" => Self::Bytes(BytesLimit::AtMost(0xff_ffff)),
            "longblob" => Self::Bytes(BytesLimit::AtMost(0xffff_ffff)),
            "enum" => Self::Enum(members(declaration).into()),
            "set" => Self::Set(members(declaration).into()),
            "json" => Self::Json,
            "date" => Self::Date,
            "time" => Self::Time(digits()),
            "datetime" => Self::Datetime(digits()),
            "timestamp" => Self::Timestamp(digits()),
            "year" => Self::Year,
            "bit" => Self::Bit(number(0).unwrap_or(1).clamp(1, 64) as u8),
            "uuid" => Self::Uuid,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
            | "geometrycollection" | "geomcollection" | "vector" => Self::Geometry,
            _ => Self::OtherText,
        }
    }
}

fn repertoire(collation: Option<&str>) -> Repertoire {
    match collation.map(|name| name.split('_').next().unwrap_or_default()) {
        Some("utf8mb4" | "uca1400") => Repertoire::Utf8,
        Some("utf8" | "utf8mb3") => Repertoire::Utf8Mb3,
        _ => Repertoire::Other,
    }
}

/// The numbers in the first brackets.
fn numbers(lower: &str) -> Vec<u64> {
    let inner = lower.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inner, _)| inner);
    inner.split(',').filter_map(|number| number.trim().parse().ok()).collect()
}

/// The texts in quotes, in which quotes are doubled.
fn members(declaration: &str) -> Vec<String> {
    let mut members = Vec::new();
    let mut rest = declaration.split_once('(').map_or("", |(_, rest)| rest).chars().peekable();
    while let Some(character) = rest.next() {
        if character != '\'' {
            continue;
        }
        let mut member = String::new();
        while let Some(character) = rest.next() {
            match character {
                '\'' if rest.peek() == Some(&'\'') => member.extend(rest.next()),
                '\'' => break,
                other => member.push(other),
            }
        }
        members.push(member);
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(declaration: &str, logical: &str) {
        let native = Native::declared(declaration, None);
        assert_eq!(native.natural().to_string(), logical, "{declaration}");
    }

    #[test]
    fn declarations_mean_what_the_plugin_takes_them_for() {
        for (declaration, logical) in [
            ("tinyint(1)", "bool"),
            ("tinyint(4)", "int64"),
            ("tinyint(1) unsigned", "int64"),
            ("int", "int64"),
            ("int(10) unsigned", "int64"),
            ("bigint(20)", "int64"),
            ("bigint(20) unsigned zerofill", "decimal(20,0)"),
            ("decimal(12,2)", "decimal(12,2)"),
            ("decimal(65,30) unsigned", "decimal(65,30)"),
            ("double(8,2)", "float64"),
            ("char(3)", "text"),
            ("longtext", "text"),
            ("enum('a','b')", "text"),
            ("varbinary(16)", "binary"),
            ("json", "json"),
            ("datetime(6)", "datetime"),
            ("timestamp", "timestamp"),
            ("time(3)", "time"),
            ("year(4)", "int64"),
            ("bit(1)", "bool"),
            ("bit(8)", "int64"),
            ("uuid", "uuid"),
            ("inet6", "text"),
            ("point", "binary"),
        ] {
            check(declaration, logical);
        }
    }

    #[test]
    fn limits_are_read() {
        let text = |declaration, collation| match Native::declared(declaration, Some(collation)) {
            Native::Text(text) => text,
            other => panic!("{other:?}"),
        };
        let name = text("char(30)", "utf8mb3_general_ci");
        assert_eq!(name.limit, TextLimit::Characters(30));
        assert!(name.trims_blanks && name.repertoire == Repertoire::Utf8Mb3);
        assert_eq!(text("varchar(3)", "utf8mb4_bin").repertoire, Repertoire::Utf8);
        assert_eq!(text("text", "latin1_swedish_ci").repertoire, Repertoire::Other);
        assert_eq!(Native::declared("binary(16)", None), Native::Bytes(BytesLimit::Exactly(16)));
        assert_eq!(Native::declared("float(7,3)", None), Native::Float4(Some(3)));
    }

    #[test]
    fn members_may_hold_anything() {
        assert_eq!(members("enum('a','it''s','b,c',')','','Ä')"), ["a", "it's", "b,c", ")", "", "Ä"]);
        assert!(members("enum(").is_empty());
    }
}
