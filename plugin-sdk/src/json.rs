//! JSON as typed records, without loss: decimals digit by digit, times as they are meant, records one by one.
//!
//! A struct that derives [`Record`](crate::record::Record) and `serde::Deserialize` is read from an API's JSON as it stands:
//!
//! ```
//! use lockstep_plugin_sdk::json;
//! use lockstep_plugin_sdk::prelude::*;
//! use serde::Deserialize;
//!
//! #[derive(Debug, Record, Deserialize)]
//! struct Invoice {
//!     #[record(key)]
//!     id: i64,
//!     #[serde(deserialize_with = "json::decimal")]
//!     total: Decimal,
//!     #[serde(default, deserialize_with = "json::optional_decimal")]
//!     paid: Option<Decimal>,
//!     #[record(modified)]
//!     updated_at: Timestamp,
//!     lines: Option<Json>,
//!     #[serde(default)]
//!     note: Maybe<String>,
//! }
//!
//! let text = r#"{"id": 1, "total": 0.10, "updated_at": "2026-01-02T03:04:05+01:00", "lines": [1, {"a": 1e400}], "x": 1}"#;
//! let invoice: Invoice = json::read(text)?;
//! assert_eq!(invoice.total.to_string(), "0.10");
//! assert_eq!(invoice.updated_at.to_string(), "2026-01-02T02:04:05Z");
//! assert_eq!(invoice.lines.unwrap().0, r#"[1, {"a": 1e400}]"#);
//! assert_eq!(invoice.note, Maybe::Absent);
//! assert!(json::read::<Invoice>("{}").unwrap_err().is(ErrorKind::InvalidData));
//! # Ok::<(), Error>(())
//! ```

use std::fmt;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::record::{Date, Datetime, Decimal, Json, Maybe, Time, Timestamp, Uuid};

/// A JSON value as it was written, taken apart later: one record that makes no sense does not spoil the list it is in.
///
/// ```
/// use lockstep_plugin_sdk::json::Raw;
///
/// let list: Vec<Raw> = serde_json::from_str(r#"[{"id": 1}, "odd", 1.10]"#)?;
/// assert_eq!(list[2].get(), "1.10");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Raw(Box<RawValue>);

impl Raw {
    /// A text that is JSON.
    pub fn new(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|reason| misfit(&reason))
    }

    /// The text.
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The record a JSON text is; one that it is not is an error of kind `invalid-data`.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|reason| misfit(&reason))
}

fn misfit(reason: &serde_json::Error) -> Error {
    Error::invalid_data(format!("the record is not what it should be: {reason}")).with_code("json.record")
}

/// A number or a string of digits, digit by digit. For `#[serde(deserialize_with = "lockstep_plugin_sdk::json::decimal")]`.
pub fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let raw = Raw::deserialize(deserializer)?;
    Decimal::parse(raw.get().trim_matches('"')).map_err(D::Error::custom)
}

/// The same where there may be none: `#[serde(default, deserialize_with = "…::json::optional_decimal")]`.
pub fn optional_decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let raw = Option::<Raw>::deserialize(deserializer)?;
    raw.map(|raw| Decimal::parse(raw.get().trim_matches('"')).map_err(D::Error::custom)).transpose()
}

macro_rules! texts {
    ($($name:ident),+) => {
        $(
            /// From the text that stands for it.
            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    written(self, serializer)
                }
            }
        )+
    };
}

texts!(Timestamp, Datetime, Date, Time);

fn written<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Whatever stands there, as it is written.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Raw::deserialize(deserializer).map(|raw| Self(raw.get().to_owned()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Raw::new(&self.0).map_err(|error| serde::ser::Error::custom(error.message))?.serialize(serializer)
    }
}

/// Null is null; with `#[serde(default)]` what is left out is absent.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::from)
    }
}

/// For `#[serde(skip_serializing_if = "Maybe::is_absent")]`, so that what is absent is left out; else it is null.
impl<T: Serialize> Serialize for Maybe<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => serializer.serialize_some(value),
            Self::Null | Self::Absent => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Numbers {
        #[serde(deserialize_with = "decimal")]
        a: Decimal,
        #[serde(default, deserialize_with = "optional_decimal")]
        b: Option<Decimal>,
    }

    #[test]
    fn numbers_keep_their_digits() {
        let shown = |text: &str| {
            let numbers: Numbers = read(text).unwrap();
            (numbers.a.to_string(), numbers.b.map(|number| number.to_string()))
        };
        let long = "12345678901234567890.123456789012345678901";
        assert_eq!(shown(&format!("{{\"a\": {long}}}")), (long.to_owned(), None));
        assert_eq!(shown(r#"{"a": "1.10", "b": null}"#), ("1.10".to_owned(), None));
        assert_eq!(shown(r#"{"a": 1, "b": 0.10}"#), ("1".to_owned(), Some("0.10".to_owned())));
        for bad in [r#"{"a": null}"#, r#"{"a": "x"}"#, r#"{"a": [1]}"#, r#"{"a": true}"#] {
            assert_eq!(read::<Numbers>(bad).unwrap_err().code, "json.record", "{bad}");
        }
    }

    #[test]
    fn times_need_what_makes_them_times() {
        assert_eq!(read::<Timestamp>("\"1970-01-01T00:00:01Z\"").unwrap(), Timestamp(1_000_000));
        assert_eq!(read::<Date>("\"1970-01-02\"").unwrap(), Date(1));
        for bad in ["\"1970-01-01T00:00:01\"", "1", "null", "\"\""] {
            assert!(read::<Timestamp>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_read_can_be_written() {
        for text in ["\"2026-01-02T03:04:05Z\"", "\"0001-01-01T00:00:00Z\""] {
            assert_eq!(serde_json::to_string(&read::<Timestamp>(text).unwrap()).unwrap(), text);
        }
        assert_eq!(serde_json::to_string(&Json("{\"a\":1.10}".into())).unwrap(), "{\"a\":1.10}");
        assert!(serde_json::to_string(&Json("{".into())).is_err());
        assert_eq!(serde_json::to_string(&[Maybe::Value(1), Maybe::Null]).unwrap(), "[1,null]");
        assert_eq!(read::<Vec<Maybe<i64>>>("[1,null]").unwrap(), [Maybe::Value(1), Maybe::Null]);
    }
}
