//! Positions of readings, as the host stores them.
//!
//! A cursor belongs to one set of columns that tell where rows stand and one `modified` column. For others it is stale, and the
//! host reads everything again; so it does for one of another version of this plugin.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_sql_dialect::{Value, decode_cursor, encode_cursor, stale, values_from_json, values_to_json};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::statement::Place;

const VERSION: u32 = 1;

/// What a cursor holds for: the columns by which rows are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The table's own unique columns; empty if it has none that could be gone on from.
    pub key: Vec<Place>,
    /// What incremental reading goes by.
    pub modified: Option<Place>,
}

/// Where a reading stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Position {
    /// At the beginning.
    Beginning,
    /// A full reading, behind the row with this key.
    Full { after: Vec<Value> },
    /// A full reading that is over: the next one begins at the beginning.
    FullDone,
    /// The first reading of an incremental one, behind the row with this key.
    Enumerating { after: Vec<Value>, boundary: Boundary },
    /// Behind the last complete reading; perhaps in the middle of a later one.
    Following { boundary: Boundary, part: Option<Part> },
}

/// Where the lookback of the next reading counts from: what `modified` was at most when a reading began, or the clock if that was
/// earlier; none if there was no value yet.
pub type Boundary = Option<i64>;

/// How far a reading has come that broke off.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `modified` and the key of the last row that was shown.
    pub after: Vec<Value>,
    /// Where the next reading begins when this one is over: taken when it began.
    pub next: Boundary,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    v: u32,
    key: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<(String, String)>,
    at: StoredPosition,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredPosition {
    Beginning,
    Full(Vec<Json>),
    Done,
    Enumerating { after: Vec<Json>, boundary: Boundary },
    Following { boundary: Boundary, part: Option<StoredPart> },
}

#[derive(Serialize, Deserialize)]
struct StoredPart {
    after: Vec<Json>,
    next: Boundary,
}

impl Scope {
    /// The columns by which changes are ordered.
    pub fn changes(&self) -> Vec<Place> {
        self.modified.iter().chain(&self.key).cloned().collect()
    }

    pub fn encode(&self, position: &Position) -> Result<Vec<u8>> {
        encode_cursor(&Stored {
            v: VERSION,
            key: self.key.iter().map(named).collect(),
            modified: self.modified.as_ref().map(named),
            at: store(position),
        })
    }

    /// The position in a cursor; an error of kind `stale-cursor` if it is not one of this scope. A full reading has no
    /// `modified`, and goes on from no cursor that has one; nor the other way round: it begins at the beginning.
    pub fn decode(&self, bytes: &[u8]) -> Result<Position> {
        let stored: Stored = decode_cursor(bytes)?;
        if stored.v != VERSION {
            return Err(stale("the cursor was written by another version of the plugin"));
        }
        if stored.modified.is_some() != self.modified.is_some() {
            return Ok(Position::Beginning);
        }
        if stored.modified != self.modified.as_ref().map(named) {
            return Err(stale("the cursor was written for another `modified` field"));
        }
        if stored.key != self.key.iter().map(named).collect::<Vec<_>>() {
            return Err(stale("the cursor was written for another key"));
        }
        self.restore(stored.at).ok_or_else(|| stale("the cursor holds values of other types"))
    }

    fn restore(&self, stored: StoredPosition) -> Option<Position> {
        let values = |places: &[Place], json: &[Json]| {
            let types: Vec<LogicalType> = places.iter().map(|(_, logical)| *logical).collect();
            values_from_json(&types, json)
        };
        Some(match stored {
            StoredPosition::Beginning => Position::Beginning,
            StoredPosition::Full(after) => Position::Full { after: values(&self.key, &after)? },
            StoredPosition::Done => Position::FullDone,
            StoredPosition::Enumerating { after, boundary } => {
                Position::Enumerating { after: values(&self.key, &after)?, boundary }
            }
            StoredPosition::Following { boundary, part: None } => Position::Following { boundary, part: None },
            StoredPosition::Following { boundary, part: Some(StoredPart { after, next }) } => {
                let after = values(&self.changes(), &after)?;
                Position::Following { boundary, part: Some(Part { after, next }) }
            }
        })
    }
}

fn named((name, logical): &Place) -> (String, String) {
    (name.clone(), logical.to_string())
}

fn store(position: &Position) -> StoredPosition {
    match position {
        Position::Beginning => StoredPosition::Beginning,
        Position::Full { after } => StoredPosition::Full(values_to_json(after)),
        Position::FullDone => StoredPosition::Done,
        Position::Enumerating { after, boundary } => {
            StoredPosition::Enumerating { after: values_to_json(after), boundary: *boundary }
        }
        Position::Following { boundary, part } => {
            let part = part.as_ref().map(|part| StoredPart { after: values_to_json(&part.after), next: part.next });
            StoredPosition::Following { boundary: *boundary, part }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::error::ErrorKind;
    use proptest::prelude::*;

    fn scope(key: &[(&str, &str)]) -> Scope {
        let place = |(name, logical): &(&str, &str)| ((*name).to_owned(), logical.parse().unwrap());
        Scope { key: key.iter().map(place).collect(), modified: Some(place(&("seen", "datetime"))) }
    }

    const KEY: [(&str, &str); 2] = [("id", "int64"), ("name", "text")];

    proptest! {
        #[test]
        fn positions_survive(id in any::<i64>(), name in any::<String>(), choice in 0..6) {
            let after = vec![Value::Int64(id), Value::Text(name)];
            let boundary = (id % 3 != 0).then_some(id);
            let position = match choice {
                0 => Position::Beginning,
                1 => Position::Full { after },
                2 => Position::FullDone,
                3 => Position::Enumerating { after, boundary },
                4 => Position::Following { boundary, part: None },
                _ => {
                    let after = std::iter::once(Value::Int64(id)).chain(after).collect();
                    Position::Following { boundary, part: Some(Part { after, next: Some(id) }) }
                }
            };
            let scope = scope(&KEY);
            let bytes = scope.encode(&position).unwrap();
            prop_assert_eq!(scope.decode(&bytes).unwrap(), position);
        }

        #[test]
        fn any_bytes_are_a_stale_cursor_at_worst(bytes in any::<Vec<u8>>()) {
            prop_assert!(scope(&KEY).decode(&bytes).unwrap_err().is(ErrorKind::StaleCursor));
        }
    }

    #[test]
    fn cursors_of_another_scope_are_stale() {
        let bytes = scope(&KEY).encode(&Position::FullDone).unwrap();
        let other_modified = Scope { modified: Some(("at".into(), LogicalType::Datetime)), ..scope(&KEY) };
        for other in [scope(&KEY[..1]), scope(&[("id", "text"), ("name", "text")]), other_modified] {
            assert!(other.decode(&bytes).unwrap_err().is(ErrorKind::StaleCursor), "{other:?}");
        }
    }

    #[test]
    fn another_mode_begins_at_the_beginning() {
        let full = Scope { modified: None, ..scope(&KEY) };
        let bytes = full.encode(&Position::FullDone).unwrap();
        assert_eq!(scope(&KEY).decode(&bytes).unwrap(), Position::Beginning);
        assert_eq!(full.decode(&scope(&KEY).encode(&Position::FullDone).unwrap()).unwrap(), Position::Beginning);
    }
}
