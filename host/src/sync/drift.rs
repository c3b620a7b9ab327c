//! Whether a stream still has the schema that was pinned at the first run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::{Field, LogicalType, Properties, Stream};

/// A stream's schema as it is pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PinnedStream {
    pub key: Vec<String>,
    pub fields: Vec<PinnedField>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PinnedField {
    pub name: String,
    #[serde(rename = "type")]
    pub logical: String,
}

impl PinnedStream {
    pub fn of(key: &[String], fields: &[Field]) -> Self {
        let pinned = |field: &Field| PinnedField { name: field.name.clone(), logical: field.logical.to_string() };
        Self { key: key.to_vec(), fields: fields.iter().map(pinned).collect() }
    }

    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The type a field was pinned with.
    pub fn logical(&self, name: &str) -> Option<LogicalType> {
        self.fields.iter().find(|field| field.name == name)?.logical.parse().ok()
    }
}

/// One difference to the pinned schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Added(String),
    Removed(String),
    Retyped { field: String, from: String, to: String },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(field) => write!(f, "`{field}` is new"),
            Self::Removed(field) => write!(f, "`{field}` is gone"),
            Self::Retyped { field, from, to } => write!(f, "`{field}` was {from} and is {to}"),
        }
    }
}

/// A type that was guessed from a sample: another sample may give another one, which is no change of the schema. Values that do
/// not fit the pinned type are rejected one by one.
pub(super) fn is_guessed(properties: &Properties) -> bool {
    properties.get("inferred") == Some("true")
}

/// The differences, in the order of the pinned fields, new ones last.
pub(super) fn changes(pinned: &PinnedStream, found: &Stream) -> Vec<Change> {
    let mut changes: Vec<Change> = pinned
        .fields
        .iter()
        .filter_map(|field| match found.field(&field.name) {
            None => Some(Change::Removed(field.name.clone())),
            Some(now) if now.logical.to_string() != field.logical && !is_guessed(&now.properties) => {
                Some(Change::Retyped {
                    field: field.name.clone(),
                    from: field.logical.clone(),
                    to: now.logical.to_string(),
                })
            }
            Some(_) => None,
        })
        .collect();
    let is_new = |field: &&Field| !pinned.fields.iter().any(|known| known.name == field.name);
    changes.extend(found.fields.iter().filter(is_new).map(|field| Change::Added(field.name.clone())));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(fields: &[(&str, &str)]) -> Stream {
        let fields = fields.iter().map(|(name, logical)| Field::new(*name, logical.parse().unwrap())).collect();
        Stream { name: "s".into(), key: vec!["id".into()], fields, properties: Properties::default() }
    }

    fn check(pinned: &[(&str, &str)], found: &[(&str, &str)], expected: &[&str]) {
        let pinned = PinnedStream::of(&["id".into()], &stream(pinned).fields);
        let pinned = PinnedStream::parse(&pinned.to_text()).unwrap();
        let changes: Vec<String> = changes(&pinned, &stream(found)).iter().map(Change::to_string).collect();
        assert_eq!(changes, expected);
    }

    #[test]
    fn differences_are_named() {
        check(&[("id", "int64"), ("a", "text")], &[("a", "text"), ("id", "int64")], &[]);
        check(&[("id", "int64"), ("a", "text")], &[("id", "int64"), ("b", "text")], &["`a` is gone", "`b` is new"]);
        check(&[("id", "int64")], &[("id", "text")], &["`id` was int64 and is text"]);
    }

    #[test]
    fn a_guess_is_no_change() {
        let pinned = PinnedStream::of(&["id".into()], &stream(&[("id", "int64")]).fields);
        let mut found = stream(&[("id", "text")]);
        found.fields[0].properties.set("inferred", "true");
        assert_eq!(changes(&pinned, &found), []);
    }
}
