//! The types of the entity data model: what they are here, and how their values are written in URLs and bodies.

mod form;
mod literal;

use std::fmt;

use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::DecimalShape;

pub use form::form;
pub use literal::{body_value, literal};

/// A generation of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V2,
    V4,
}

/// The type of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edm {
    String,
    Guid,
    Boolean,
    /// Of at most 32 bits: `Int32`, `Byte`.
    Int(String),
    Int64,
    Single,
    Double,
    Decimal(Option<DecimalShape>),
    Date,
    DateTimeOffset,
    /// Version 2: a wall clock.
    DateTime,
    /// Version 2: a wall clock that only shows a day.
    DateTimeDay,
    TimeOfDay,
    /// Version 2: a time of the day, written as a duration.
    Time,
    Duration,
    Binary,
    /// With its qualified name.
    Enum(String),
    /// Complex types, lists, shapes: JSON as it is.
    Other(String),
}

impl Edm {
    /// A primitive type by its name; anything else is [`Edm::Other`].
    pub fn primitive(name: &str) -> Self {
        match name.strip_prefix("Edm.").unwrap_or_default() {
            "String" => Self::String,
            "Guid" => Self::Guid,
            "Boolean" => Self::Boolean,
            short @ ("Byte" | "SByte" | "Int16" | "Int32") => Self::Int(short.to_owned()),
            "Int64" => Self::Int64,
            "Single" => Self::Single,
            "Double" => Self::Double,
            "Decimal" => Self::Decimal(None),
            "Date" => Self::Date,
            "DateTimeOffset" => Self::DateTimeOffset,
            "DateTime" => Self::DateTime,
            "TimeOfDay" => Self::TimeOfDay,
            "Time" => Self::Time,
            "Duration" => Self::Duration,
            "Binary" => Self::Binary,
            _ => Self::Other(name.to_owned()),
        }
    }

    pub fn logical(&self) -> LogicalType {
        match self {
            Self::String | Self::Duration | Self::Enum(_) => LogicalType::Text,
            Self::Guid => LogicalType::Uuid,
            Self::Boolean => LogicalType::Bool,
            Self::Int(_) | Self::Int64 => LogicalType::Int64,
            Self::Single | Self::Double => LogicalType::Float64,
            Self::Decimal(shape) => LogicalType::Decimal(*shape),
            Self::Date | Self::DateTimeDay => LogicalType::Date,
            Self::DateTimeOffset => LogicalType::Timestamp,
            Self::DateTime => LogicalType::Datetime,
            Self::TimeOfDay | Self::Time => LogicalType::Time,
            Self::Binary => LogicalType::Binary,
            Self::Other(_) => LogicalType::Json,
        }
    }

    /// Whether records can be gone on from behind one of its values. The rest may not be compared, or sort by what nobody sees.
    pub fn is_ordered(&self) -> bool {
        !matches!(
            self,
            Self::Boolean
                | Self::Single
                | Self::Double
                | Self::Binary
                | Self::Enum(_)
                | Self::Duration
                | Self::Other(_)
        )
    }

    /// Whether a greater value can mean a later change.
    pub fn tells_changes(&self) -> bool {
        matches!(
            self,
            Self::Int(_) | Self::Int64 | Self::Date | Self::DateTimeDay | Self::DateTime | Self::DateTimeOffset
        )
    }

    /// The type that [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Self {
        let Some((name, facets)) = text.split_once('(') else {
            return match text.strip_prefix("enum:") {
                Some(name) => Self::Enum(name.to_owned()),
                None if text == "Edm.DateTime:day" => Self::DateTimeDay,
                None => Self::primitive(text),
            };
        };
        let numbers = facets.trim_end_matches(')').split_once(',');
        match numbers.map(|(precision, scale)| (precision.parse(), scale.parse())) {
            Some((Ok(precision), Ok(scale))) if name == "Edm.Decimal" => {
                Self::Decimal(Some(DecimalShape { precision, scale }))
            }
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl fmt::Display for Edm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = match self {
            Self::Int(name) => return write!(f, "Edm.{name}"),
            Self::Enum(name) => return write!(f, "enum:{name}"),
            Self::Other(name) => return f.write_str(name),
            Self::Decimal(Some(shape)) => return write!(f, "Edm.Decimal({},{})", shape.precision, shape.scale),
            Self::Decimal(None) => "Decimal",
            Self::String => "String",
            Self::Guid => "Guid",
            Self::Boolean => "Boolean",
            Self::Int64 => "Int64",
            Self::Single => "Single",
            Self::Double => "Double",
            Self::Date => "Date",
            Self::DateTimeOffset => "DateTimeOffset",
            Self::DateTime => "DateTime",
            Self::DateTimeDay => "DateTime:day",
            Self::TimeOfDay => "TimeOfDay",
            Self::Time => "Time",
            Self::Duration => "Duration",
            Self::Binary => "Binary",
        };
        write!(f, "Edm.{short}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_survive_being_remembered() {
        let decimal = Edm::Decimal(Some(DecimalShape { precision: 18, scale: 2 }));
        let names = ["String", "Guid", "Boolean", "Byte", "Int32", "Int64", "Single", "Double", "Decimal", "Date"];
        let more = ["DateTimeOffset", "DateTime", "TimeOfDay", "Time", "Duration", "Binary", "GeographyPoint"];
        let named = names.iter().chain(&more).map(|name| Edm::primitive(&format!("Edm.{name}")));
        let special = [decimal, Edm::DateTimeDay, Edm::Enum("a.B".into()), Edm::Other("Collection(Edm.String)".into())];
        for edm in named.chain(special) {
            assert_eq!(Edm::parse(&edm.to_string()), edm);
        }
    }
}
