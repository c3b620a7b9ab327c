//! The types of fields, as describes call them.

use std::fmt;

use lockstep_plugin_sdk::types::LogicalType;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A record's own id, or a reference to one.
    Id,
    Bool,
    Int,
    /// `double`, `currency`, `percent`: how many digits are shown says nothing about how many are kept.
    Decimal(String),
    Date,
    Datetime,
    Time,
    /// Values of a list with `;` between them, in the order of the list and not of whoever wrote them.
    Several,
    /// `address`, `location`: made of other fields, and not written itself.
    Compound(String),
    Text(String),
}

impl Kind {
    /// None for what is fetched by a request of its own for each record.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "base64" => return None,
            "id" | "reference" => Self::Id,
            "boolean" => Self::Bool,
            "int" | "long" => Self::Int,
            "double" | "currency" | "percent" => Self::Decimal(name.to_owned()),
            "date" => Self::Date,
            "datetime" => Self::Datetime,
            "time" => Self::Time,
            "multipicklist" => Self::Several,
            "address" | "location" | "complexvalue" => Self::Compound(name.to_owned()),
            other => Self::Text(other.to_owned()),
        })
    }

    pub fn logical(&self) -> LogicalType {
        match self {
            Self::Bool => LogicalType::Bool,
            Self::Int => LogicalType::Int64,
            // The digits a describe tells are those that are shown: the API keeps and sends more.
            Self::Decimal(_) => LogicalType::Decimal(None),
            Self::Date => LogicalType::Date,
            Self::Datetime => LogicalType::Timestamp,
            Self::Time => LogicalType::Time,
            Self::Compound(_) => LogicalType::Json,
            Self::Id | Self::Several | Self::Text(_) => LogicalType::Text,
        }
    }

    /// Whether its values tell when a record was changed.
    pub fn tells_changes(&self) -> bool {
        matches!(self, Self::Datetime | Self::Date)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "id",
            Self::Bool => "boolean",
            Self::Int => "int",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Time => "time",
            Self::Several => "multipicklist",
            Self::Decimal(name) | Self::Compound(name) | Self::Text(name) => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_survive_their_names() {
        for (name, logical) in [
            ("id", "text"),
            ("boolean", "bool"),
            ("int", "int64"),
            ("currency", "decimal"),
            ("percent", "decimal"),
            ("date", "date"),
            ("datetime", "timestamp"),
            ("time", "time"),
            ("multipicklist", "text"),
            ("address", "json"),
            ("picklist", "text"),
        ] {
            let kind = Kind::parse(name).unwrap();
            assert_eq!((kind.to_string(), kind.logical().to_string()), (name.to_owned(), logical.to_owned()));
        }
        assert_eq!(Kind::parse("reference"), Some(Kind::Id));
        assert_eq!(Kind::parse("base64"), None);
    }
}
