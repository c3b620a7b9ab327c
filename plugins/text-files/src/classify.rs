//! What a column of text most likely is, judged by a sample of its values.
//!
//! Careful rather than clever: a type is chosen only if every value reads as that type and nothing of what is written would be
//! lost by it. `007`, `+1` and numbers that are too long stay text, and nothing becomes a float that could be money.

use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::{parse_date, parse_datetime, parse_timestamp};

/// More digits before the point are more likely an identifier than a number.
const WHOLE_DIGITS_MAX: usize = 18;

/// What one value reads as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Bool = 1,
    Int64 = 2,
    Decimal = 4,
    /// A number with an exponent.
    Exponent = 8,
    Date = 16,
    Timestamp = 32,
    Datetime = 64,
    Uuid = 128,
    Text = 256,
}

impl Class {
    pub fn of(text: &[u8]) -> Self {
        match text {
            b"true" | b"false" | b"True" | b"False" | b"TRUE" | b"FALSE" => Self::Bool,
            [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..] => {
                time(text).or_else(|| uuid(text)).unwrap_or(Self::Text)
            }
            [b'0'..=b'9' | b'-' | b'.', ..] => number(text).or_else(|| uuid(text)).unwrap_or(Self::Text),
            _ => uuid(text).unwrap_or(Self::Text),
        }
    }
}

/// What the values of a column read as, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes(u16);

impl Classes {
    pub fn add(&mut self, class: Class) {
        self.0 |= class as u16;
    }

    /// Whether looking at more values could change anything.
    pub fn is_settled(self) -> bool {
        self.0 & Class::Text as u16 != 0
    }

    /// The type all values fit; text if there are none.
    pub fn logical(self) -> LogicalType {
        let is = |classes: &[Class]| {
            self.0 != 0 && self.0 & !classes.iter().fold(0, |bits, class| bits | *class as u16) == 0
        };
        let candidates: [(&[Class], LogicalType); 8] = [
            (&[Class::Bool], LogicalType::Bool),
            (&[Class::Int64], LogicalType::Int64),
            (&[Class::Int64, Class::Decimal], LogicalType::Decimal(None)),
            (&[Class::Decimal, Class::Exponent], LogicalType::Float64),
            (&[Class::Date], LogicalType::Date),
            (&[Class::Timestamp], LogicalType::Timestamp),
            (&[Class::Datetime], LogicalType::Datetime),
            (&[Class::Uuid], LogicalType::Uuid),
        ];
        candidates.into_iter().find(|(classes, _)| is(classes)).map_or(LogicalType::Text, |(_, logical)| logical)
    }
}

fn time(text: &[u8]) -> Option<Class> {
    let text = std::str::from_utf8(text).ok()?;
    if text.len() == 10 {
        return parse_date(text).is_ok().then_some(Class::Date);
    }
    if parse_datetime(text).is_ok() {
        return Some(Class::Datetime);
    }
    parse_timestamp(text).is_ok().then_some(Class::Timestamp)
}

/// Lower case only: upper case would not come back as it was.
fn uuid(text: &[u8]) -> Option<Class> {
    crate::value::canonical_uuid(text).is_some_and(|uuid| uuid == text).then_some(Class::Uuid)
}

fn number(text: &[u8]) -> Option<Class> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = split_digits(unsigned);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => {
            let (fraction, rest) = split_digits(rest);
            (Some(fraction).filter(|digits| !digits.is_empty())?, rest)
        }
        _ => (&[][..], rest),
    };
    let is_long = whole.len() > WHOLE_DIGITS_MAX || (whole.len() > 1 && whole.starts_with(b"0"));
    if is_long || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    match rest {
        [] if fraction.is_empty() => Some(Class::Int64),
        [] => Some(Class::Decimal),
        _ => exponent(text, rest),
    }
}

fn exponent(text: &[u8], rest: &[u8]) -> Option<Class> {
    matches!(rest, [b'e' | b'E', ..]).then_some(())?;
    crate::value::float64(text).ok().map(|_| Class::Exponent)
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{BoolWords, push_value};
    use lockstep_plugin_sdk::batch::BatchBuilder;
    use proptest::prelude::*;

    fn check(values: &[&str], expected: &str) {
        let mut classes = Classes::default();
        values.iter().for_each(|value| classes.add(Class::of(value.as_bytes())));
        assert_eq!(classes.logical().to_string(), expected, "{values:?}");
    }

    #[test]
    fn numbers() {
        check(&["1", "-20", "0", "999999999999999999"], "int64");
        check(&["1", "2.50", "-0.05", ".5"], "decimal");
        check(&["1.5", "2e-7"], "float64");
        check(&["1e5"], "float64");
        for value in [
            "007",
            "+1",
            "1234567890123456789",
            "1,5",
            "1.234,50",
            "1_000",
            "5.",
            "-",
            ".",
            "1e",
            "1e999",
            "NaN",
            " 1",
            "",
        ] {
            check(&[value], "text");
        }
        check(&["1", "1e5"], "text");
        check(&["1", "x"], "text");
        check(&["00.5"], "text");
    }

    #[test]
    fn times() {
        check(&["2026-11-21", "1999-01-01"], "date");
        check(&["2026-11-21T10:00:00Z", "2026-11-21 10:00:00.5+01:00"], "timestamp");
        check(&["2026-11-21T10:00:00", "2026-11-21 10:00"], "datetime");
        check(&["2026-11-21", "2026-11-21T10:00:00"], "text");
        check(&["2023-02-29"], "text");
        check(&["2026-11-21T10:00:00.1234567Z"], "text");
        check(&["infinity"], "text");
    }

    #[test]
    fn the_rest() {
        check(&["true", "FALSE"], "bool");
        check(&["t"], "text");
        check(&["true", "1"], "text");
        check(&["67e55044-10b1-426f-9247-bb680e5fe0c8", "12345678-1234-1234-1234-123456789012"], "uuid");
        check(&["67E55044-10B1-426F-9247-BB680E5FE0C8"], "text");
        check(&[], "text");
    }

    proptest! {
        #[test]
        fn every_value_is_one_of_its_type(text in "-?[0-9]{0,20}(\\.[0-9]{0,4})?(e-?[0-9]{1,3})?|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(Z|\\+01:00)?)?|\\PC{0,9}") {
            let mut classes = Classes::default();
            classes.add(Class::of(text.as_bytes()));
            let mut batch = BatchBuilder::new([("a", classes.logical())]);
            let pushed = push_value(batch.column(0), text.as_bytes(), &BoolWords::default());
            prop_assert!(pushed.is_ok(), "{} is not {}", text, classes.logical());
        }
    }
}
