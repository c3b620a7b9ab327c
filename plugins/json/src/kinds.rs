//! What type a field is guessed to have from the values it shows.

use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::Decimal;
use lockstep_text_files::value::int64;

use crate::{Kind, Value};

/// What a string looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    Date,
    Timestamp,
    Text,
}

/// What the values of a field are, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

const BOOL: u8 = 1;
const INT64: u8 = 2;
const DECIMAL: u8 = 4;
const DATE: u8 = 8;
const TIMESTAMP: u8 = 16;
const TEXT: u8 = 32;
const OTHER: u8 = 64;

impl Kinds {
    /// Takes in a value of `text`; `looks` says what its string is, which plugins know more or less of.
    pub fn add(&mut self, value: Value, text: &[u8], looks: impl FnOnce(&[u8]) -> Looks) {
        self.0 |= match value.kind {
            Kind::Null => 0,
            Kind::Bool(_) => BOOL,
            Kind::Integer if int64(value.of(text)).is_ok() => INT64,
            Kind::Integer | Kind::Number if is_decimal(value.of(text)) => DECIMAL,
            Kind::Text(inside) => match looks(&inside.of(text)) {
                Looks::Date => DATE,
                Looks::Timestamp => TIMESTAMP,
                Looks::Text => TEXT,
            },
            _ => OTHER,
        };
    }

    /// Strings that are all dates or all timestamps are such; anything mixed stays what it is, as JSON. Nothing becomes a float that
    /// could be money.
    pub fn logical(self) -> LogicalType {
        let is = |kinds: u8| self.0 & !kinds == 0;
        match self.0 {
            0 => LogicalType::Text,
            BOOL => LogicalType::Bool,
            INT64 => LogicalType::Int64,
            DATE => LogicalType::Date,
            TIMESTAMP => LogicalType::Timestamp,
            _ if is(INT64 | DECIMAL) => LogicalType::Decimal(None),
            _ if is(TEXT | DATE | TIMESTAMP) => LogicalType::Text,
            _ => LogicalType::Json,
        }
    }
}

fn is_decimal(number: &[u8]) -> bool {
    std::str::from_utf8(number).is_ok_and(|number| Decimal::parse(number).is_ok())
}
