//! Values from text, straight from bytes into a column: no copies, no floats where something exact is wanted.
//!
//! What is not a value of the wanted type is an error; nothing is trimmed, rounded or guessed.

mod binary;
mod number;
mod time;
mod uuid;

use std::borrow::Cow;
use std::fmt;

use lockstep_plugin_sdk::batch::ColumnBuilder;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::Layout;
use serde::de::IgnoredAny;

pub use number::{float64, int64};
pub use uuid::canonical_uuid;

/// Why text is not a value of a type, to be read behind `which is not int64: `.
///
/// Small, so that a result that holds one fits registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError(Box<Cow<'static, str>>);

impl ValueError {
    #[cold]
    pub fn new(reason: &'static str) -> Self {
        Self(Box::new(Cow::Borrowed(reason)))
    }

    #[cold]
    pub fn of(error: impl fmt::Display) -> Self {
        Self(Box::new(Cow::Owned(error.to_string())))
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The words for true and false; case does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BoolWords {
    truthy: Vec<String>,
    falsy: Vec<String>,
    /// Whether `true` and `false` mean themselves, as they nearly always do.
    plain: bool,
}

impl Default for BoolWords {
    /// Those of PostgreSQL.
    fn default() -> Self {
        let words = |words: [&str; 6]| words.map(str::to_owned).to_vec();
        let truthy = words(["true", "t", "yes", "y", "on", "1"]);
        Self::new(truthy, words(["false", "f", "no", "n", "off", "0"]))
    }
}

impl BoolWords {
    pub fn new(truthy: Vec<String>, falsy: Vec<String>) -> Self {
        let mut words = Self { truthy, falsy, plain: false };
        words.plain = words.parse(b"true") == Some(true) && words.parse(b"false") == Some(false);
        words
    }

    /// These, with other words for true or false where they are given.
    pub fn with(self, truthy: Option<Vec<String>>, falsy: Option<Vec<String>>) -> Self {
        Self::new(truthy.unwrap_or(self.truthy), falsy.unwrap_or(self.falsy))
    }

    #[inline]
    pub fn parse(&self, text: &[u8]) -> Option<bool> {
        match text {
            b"true" if self.plain => Some(true),
            b"false" if self.plain => Some(false),
            _ => self.look_up(text),
        }
    }

    fn look_up(&self, text: &[u8]) -> Option<bool> {
        let is = |words: &[String]| words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(text));
        if is(&self.truthy) { Some(true) } else { is(&self.falsy).then_some(false) }
    }
}

/// Pushes the value that stands in the text, and answers how many bytes it takes beside the column's fixed part.
///
/// The text of types that are kept as text must be UTF-8.
pub fn push_value(column: &mut ColumnBuilder, text: &[u8], words: &BoolWords) -> Result<usize, ValueError> {
    with_push(column.logical(), words, PushOne { column, text })
}

/// The same for every type but JSON: who has checked the syntax of documents already needs no second reader.
pub fn push_scalar(column: &mut ColumnBuilder, text: &[u8], words: &BoolWords) -> Result<usize, ValueError> {
    with_scalar_push(column.logical(), words, PushOne { column, text })
}

/// Something to be done with the way in which values of one type are pushed: [`with_push`] gives each type its own code, so that
/// a loop over many values decides about the type only once.
pub trait WithPush {
    type Output;

    fn run(self, push: impl Fn(&mut ColumnBuilder, &[u8]) -> Result<usize, ValueError>) -> Self::Output;
}

/// Does something with the way in which values of a type are pushed, as [`push_value`] does it.
pub fn with_push<W: WithPush>(logical: LogicalType, words: &BoolWords, work: W) -> W::Output {
    match logical {
        LogicalType::Json => work.run(push_json),
        logical => with_scalar_push(logical, words, work),
    }
}

fn with_scalar_push<W: WithPush>(logical: LogicalType, words: &BoolWords, work: W) -> W::Output {
    match logical {
        LogicalType::Text => work.run(|column, text| {
            column.push_bytes(text);
            Ok(text.len())
        }),
        LogicalType::Int64 => work.run(|column, text| push_int64(column, int64(text))),
        LogicalType::Bool => {
            work.run(|column, text| bool(text, words).map(|value| column.push_bool(value)).map(|()| 0))
        }
        LogicalType::Date => work.run(|column, text| push_int64(column, time::date(text))),
        LogicalType::Timestamp => work.run(|column, text| push_int64(column, time::timestamp(text))),
        LogicalType::Datetime => work.run(|column, text| push_int64(column, time::datetime(text))),
        LogicalType::Time => work.run(|column, text| push_int64(column, time::time(text))),
        #[cfg(not(any(test, feature = "floats")))]
        LogicalType::Float64 => work.run(|_, _| Err(ValueError::new("a float, of which there are none here"))),
        #[cfg(any(test, feature = "floats"))]
        LogicalType::Float64 => {
            work.run(|column, text| float64(text).map(|value| column.push_float64(value)).map(|()| 0))
        }
        LogicalType::Decimal(shape) => work.run(|column, text| number::push_decimal(column, text, shape)),
        LogicalType::Uuid => work.run(uuid::push_uuid),
        LogicalType::Binary => work.run(binary::push_binary),
        LogicalType::Json => work.run(|_, _| Err(ValueError::new("a document"))),
    }
}

struct PushOne<'a> {
    column: &'a mut ColumnBuilder,
    text: &'a [u8],
}

impl WithPush for PushOne<'_> {
    type Output = Result<usize, ValueError>;

    fn run(self, push: impl Fn(&mut ColumnBuilder, &[u8]) -> Result<usize, ValueError>) -> Self::Output {
        push(self.column, self.text)
    }
}

#[inline]
fn push_int64(column: &mut ColumnBuilder, value: Result<i64, ValueError>) -> Result<usize, ValueError> {
    column.push_int64(value?);
    Ok(0)
}

/// What a row of such a column takes at least, in bits: what [`push_value`] does not count.
pub fn fixed_bits(logical: LogicalType) -> u64 {
    match logical.layout() {
        Layout::Bits => 1,
        Layout::Int64 | Layout::Float64 => 64,
        Layout::Utf8 | Layout::Bytes => 32,
    }
}

#[inline]
fn bool(text: &[u8], words: &BoolWords) -> Result<bool, ValueError> {
    words.parse(text).ok_or_else(|| ValueError::new("neither a word for true nor one for false"))
}

fn push_json(column: &mut ColumnBuilder, text: &[u8]) -> Result<usize, ValueError> {
    // Only the syntax is checked: the text itself is the value.
    serde_json::from_slice::<IgnoredAny>(text).map_err(ValueError::of)?;
    column.push_bytes(text);
    Ok(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::batch::{BatchBuilder, ColumnView};
    use lockstep_plugin_sdk::types::Values;
    use proptest::prelude::*;

    /// The value as it lies in the column, or that there is none.
    fn push(logical: &str, text: &[u8]) -> Result<String, ValueError> {
        let mut batch = BatchBuilder::new([("a", logical.parse().unwrap())]);
        let fixed = batch.bytes();
        let extra = push_value(batch.column(0), text, &BoolWords::default())?;
        batch.end_row();
        let logical: LogicalType = logical.parse().unwrap();
        assert_eq!(batch.bytes() - fixed, (extra as u64 * 8 + fixed_bits(logical)).div_ceil(8));
        let batch = batch.finish().unwrap();
        let view = ColumnView::new(&batch.columns[0]);
        Ok(match &batch.columns[0].values {
            Values::Bits(_) => view.bool(0).unwrap().to_string(),
            Values::Int64(_) => view.int64(0).unwrap().to_string(),
            Values::Float64(_) => view.float64(0).unwrap().to_string(),
            _ if logical == LogicalType::Binary => format!("{:?}", view.bytes(0).unwrap()),
            _ => view.text(0).unwrap().to_owned(),
        })
    }

    fn check(logical: &str, text: &str, expected: &str) {
        assert_eq!(push(logical, text.as_bytes()).as_deref(), Ok(expected), "{logical} {text}");
    }

    fn refuse(logical: &str, text: &str, reason: &str) {
        let error = push(logical, text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{logical} {text}: {error}");
    }

    #[test]
    fn values_of_every_type() {
        check("text", " 007 ", " 007 ");
        check("text", "", "");
        check("int64", "-9223372036854775808", "-9223372036854775808");
        check("int64", "007", "7");
        check("bool", "TRUE", "true");
        check("bool", "false", "false");
        check("bool", "0", "false");
        check("date", "2024-02-29", "19782");
        check("timestamp", "2026-11-21T13:00:00+01:00", "1795262400000000");
        check("datetime", "2026-11-21 12:00:00.000001", "1795262400000001");
        check("time", "13:45:10.5", "49510500000");
        check("float64", "1.5e3", "1500");
        check("decimal", "12.50", "12.50");
        check("decimal(9,2)", "12.5", "1250");
        check("decimal(38,2)", "12.5", "12.50");
        check("uuid", "67E55044-10B1-426F-9247-BB680E5FE0C8", "67e55044-10b1-426f-9247-bb680e5fe0c8");
        check("binary", "\\x00ff", "[0, 255]");
        check("binary", "AP8=", "[0, 255]");
        check("json", "{\"a\": 12.50}", "{\"a\": 12.50}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        refuse("int64", "", "whole number");
        refuse("int64", " 5", "whole number");
        refuse("int64", "5.0", "whole number");
        refuse("int64", "9223372036854775808", "64 bits");
        refuse("bool", "maybe", "true");
        refuse("date", "2023-02-29", "no such date");
        refuse("date", "29.02.2024", "ISO 8601");
        refuse("timestamp", "2026-11-21T13:00:00", "ISO 8601");
        refuse("datetime", "2026-11-21T13:00:00Z", "ISO 8601");
        refuse("datetime", "2026-11-21T24:00:00", "no such date");
        refuse("time", "10:00:00.1234567", "microsecond");
        refuse("float64", "1e400", "range");
        refuse("float64", "1e-400", "range");
        refuse("float64", "0x10", "number");
        refuse("decimal", "1,5", "decimal");
        refuse("decimal(4,2)", "123.45", "before the point");
        refuse("decimal(4,2)", "1.005", "behind the point");
        refuse("decimal(38,2)", "1.005", "behind the point");
        refuse("uuid", "67e55044", "UUID");
        refuse("binary", "AP8", "base64");
        refuse("json", "{\"a\":}", "expected value");
    }

    proptest! {
        #[test]
        fn nothing_panics(logical in "int64|float64|decimal|decimal\\(9,2\\)|date|time|timestamp|datetime|uuid|binary|json|bool",
                          text in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = push(&logical, &text);
        }
    }
}
