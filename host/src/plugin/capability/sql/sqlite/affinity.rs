//! What SQLite makes of a value when it stores it, by the affinity of the column.
//!
//! A column whose declared type is not one of text turns text that looks like a number into a number. `00123` in a column declared
//! `STRING` is 123 from then on, and a decimal of twenty digits loses some. Such values are refused.

use super::super::value::{Fit, Misfit, format_float};
use crate::record::{Layout, LogicalType};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affinity {
    Text,
    Integer,
    Real,
    Numeric,
    None,
}

/// Whether the table was declared `STRICT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    Strict,
    Loose,
}

impl Affinity {
    /// By the rules of SQLite's documentation, section 3.1 of "Datatypes in SQLite", in their order.
    pub fn of(declared: &str, strictness: Strictness) -> Self {
        let upper = declared.to_ascii_uppercase();
        let has = |part: &str| upper.contains(part);
        if strictness == Strictness::Strict && upper == "ANY" {
            Self::None
        } else if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || upper.trim().is_empty() {
            Self::None
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    fn makes_numbers(self) -> bool {
        matches!(self, Self::Integer | Self::Real | Self::Numeric)
    }

    /// Whether every value of the type is stored as it is, so that none has to be looked at.
    pub fn keeps(self, logical: LogicalType) -> bool {
        match logical.layout() {
            Layout::Int64 if matches!(logical, LogicalType::Decimal(_)) => !self.makes_numbers(),
            Layout::Int64 => self != Self::Real || logical != LogicalType::Int64,
            Layout::Utf8 => !self.makes_numbers() || logical == LogicalType::Uuid,
            Layout::Float64 => false,
            Layout::Bits | Layout::Bytes => true,
        }
    }
}

/// Whole numbers up to here are exact in a float.
const FLOAT_EXACT_MAX: u64 = 1 << 53;
/// 2^63: smaller whole numbers fit into 64 bits.
const WHOLE_LIMIT: f64 = 9_223_372_036_854_775_808.0;
/// Decimals of so many digits come back from a float as they went in.
const FLOAT_DIGITS: usize = 15;

pub(super) fn check_int(affinity: Affinity, value: i64) -> Fit {
    if affinity == Affinity::Real && value.unsigned_abs() > FLOAT_EXACT_MAX {
        return Err(Misfit::lossy(format!("{value} is not exact in a column of floating point numbers")));
    }
    Ok(())
}

/// SQLite has no NaN: it would store null.
pub(super) fn check_float(value: f64) -> Fit {
    if value.is_nan() { Err(Misfit::range("SQLite cannot store `NaN`")) } else { Ok(()) }
}

/// Plain decimal text; as a number it has to keep its value.
pub(super) fn check_decimal(affinity: Affinity, text: &str) -> Fit {
    let digits = text.trim_start_matches(['-', '+']);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
    if !affinity.makes_numbers() || !is_number {
        return Ok(());
    }
    if affinity != Affinity::Real && text.parse::<i64>().is_ok() {
        return Ok(());
    }
    let significant = digits.replace('.', "");
    let significant = significant.trim_start_matches('0');
    let significant = if digits.contains('.') { significant.trim_end_matches('0') } else { significant };
    if significant.len() <= FLOAT_DIGITS {
        return Ok(());
    }
    Err(Misfit::lossy(
        "SQLite would make it a floating point number of 15 digits; declare the column as `DECIMAL_TEXT(p,s)` to keep them all",
    ))
}

/// Text must read back as the very same text.
pub(super) fn check_text(affinity: Affinity, text: &str) -> Fit {
    if !affinity.makes_numbers() || !looks_like_a_number(text) || as_stored(affinity, text) == text {
        return Ok(());
    }
    Err(Misfit::lossy("SQLite would make it a number, which reads back differently; declare the column as `TEXT`"))
}

/// The text of the number that SQLite stores in place of a text.
fn as_stored(affinity: Affinity, text: &str) -> String {
    if affinity != Affinity::Real
        && let Ok(value) = text.parse::<i64>()
    {
        return value.to_string();
    }
    let value: f64 = text.trim().parse().unwrap_or(f64::NAN);
    // A zero made of text has no sign, and whole numbers that 64 bits hold are kept as such.
    if value == 0.0 {
        return format_float(0.0);
    }
    if affinity != Affinity::Real && value.fract() == 0.0 && value.abs() < WHOLE_LIMIT {
        return (value as i64).to_string();
    }
    format_float(value)
}

/// An optional sign, digits with a point somewhere, an exponent; blanks around. Hexadecimal numbers and names do not count.
fn looks_like_a_number(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && all_digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::Connection;
    use rusqlite::types::ValueRef;

    #[test]
    fn affinities_follow_the_rules() {
        for (declared, expected) in [
            ("INTEGER", Affinity::Integer),
            ("POINT", Affinity::Integer),
            ("VARCHAR(5)", Affinity::Text),
            ("DECIMAL_TEXT(38,10)", Affinity::Text),
            ("BLOB", Affinity::None),
            ("", Affinity::None),
            ("DOUBLE", Affinity::Real),
            ("DECIMAL(12,2)", Affinity::Numeric),
            ("STRING", Affinity::Numeric),
            ("ANY", Affinity::Numeric),
        ] {
            assert_eq!(Affinity::of(declared, Strictness::Loose), expected, "{declared}");
        }
        assert_eq!(Affinity::of("ANY", Strictness::Strict), Affinity::None);
    }

    /// What SQLite itself makes of a text, as text.
    fn stored(declared: &str, text: &str) -> String {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("CREATE TABLE t (a {declared})")).unwrap();
        connection.execute("INSERT INTO t VALUES (?1)", [text]).unwrap();
        connection
            .query_row("SELECT a FROM t", [], |row| {
                Ok(match row.get_ref(0)? {
                    ValueRef::Integer(value) => value.to_string(),
                    ValueRef::Real(value) => format_float(value),
                    ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    other => format!("{other:?}"),
                })
            })
            .unwrap()
    }

    #[test]
    fn text_that_would_become_another_number_is_refused() {
        for text in ["00123", "1.0", "1e5", "+1", " 1", "12345678901234567890", "0.10", ".5", "5.", "1.1e16"] {
            assert!(check_text(Affinity::Numeric, text).is_err(), "{text}");
            assert_ne!(stored("STRING", text), text);
        }
        for text in ["1", "-17", "0.5", "abc", "", "0x10", "1e", "NaN", "inf", "12-3", "9223372036854775807"] {
            assert!(check_text(Affinity::Numeric, text).is_ok(), "{text}");
            assert_eq!(stored("STRING", text), text);
        }
        for (declared, affinity) in
            [("STRING", Affinity::Numeric), ("INTEGER", Affinity::Integer), ("REAL", Affinity::Real)]
        {
            assert!(check_text(affinity, "-0").is_err(), "{declared}");
            assert_eq!(stored(declared, "-0"), "0");
        }
        assert!(check_text(Affinity::Text, "00123").is_ok());
    }

    #[test]
    fn decimals_of_too_many_digits_are_refused() {
        for (text, fits) in [
            ("12.50", true),
            ("123456789012.345", true),
            ("1234567890123.456", false),
            ("-123456789012345678", true),
            ("0.000000000000000000123", true),
            ("123456789012345678901234567890", false),
            ("NaN", true),
        ] {
            assert_eq!(check_decimal(Affinity::Numeric, text).is_ok(), fits, "{text}");
        }
        assert!(check_decimal(Affinity::Real, "1234567890123456").is_err());
        assert!(check_decimal(Affinity::Text, "1234567890123.456").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_let_through_comes_back(text in "[-+ ]{0,2}[0-9]{0,20}\\.?[0-9]{0,3}([eE][-+]?[0-9]{0,2})?|[-a-z0-9.]{0,8}") {
            for (declared, affinity) in [("STRING", Affinity::Numeric), ("INTEGER", Affinity::Integer), ("REAL", Affinity::Real)] {
                if check_text(affinity, &text).is_ok() {
                    prop_assert_eq!(&stored(declared, &text), &text);
                }
            }
        }

        #[test]
        fn decimals_let_through_keep_their_value(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?") {
            use crate::record::Decimal;
            let canonical = |text: &str| Decimal::parse(text).unwrap().canonical().to_string();
            for (declared, affinity) in [("DECIMAL", Affinity::Numeric), ("INTEGER", Affinity::Integer), ("REAL", Affinity::Real)] {
                if check_decimal(affinity, &text).is_ok() {
                    prop_assert_eq!(canonical(&stored(declared, &text)), canonical(&text));
                }
            }
        }
    }
}
