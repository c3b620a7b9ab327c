//! Positions of readings, as the host stores them.
//!
//! A cursor belongs to one set of columns that tell where rows stand and one `modified` column. For others it is stale, and the
//! host reads everything again; so it does for one of another version of this plugin.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_sql_dialect::{
    FromJson, Members, Unfit, Value, choice, decode_cursor, encode_cursor, name_to_json, names_to_json, object, stale,
    values_from_json, values_to_json,
};
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

struct Stored {
    v: u32,
    key: Vec<(String, String)>,
    modified: Option<(String, String)>,
    at: StoredPosition,
}

enum StoredPosition {
    Beginning,
    Full(Vec<Json>),
    Done,
    Enumerating { after: Vec<Json>, boundary: Boundary },
    Following { boundary: Boundary, part: Option<StoredPart> },
}

struct StoredPart {
    after: Vec<Json>,
    next: Boundary,
}

impl Stored {
    fn to_json(&self) -> Json {
        let mut members = vec![("v", Json::from(self.v)), ("key", names_to_json(&self.key))];
        if let Some(modified) = &self.modified {
            members.push(("modified", name_to_json(modified)));
        }
        members.push(("at", self.at.to_json()));
        object(members)
    }
}

impl FromJson for Stored {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        let stored = Self {
            v: members.take("v")?,
            key: members.take("key")?,
            modified: members.take("modified")?,
            at: members.take("at")?,
        };
        members.end().map(|()| stored)
    }
}

impl StoredPosition {
    fn to_json(&self) -> Json {
        let list = |values: &Vec<Json>| Json::Array(values.clone());
        let (name, value) = match self {
            Self::Beginning => return Json::from("beginning"),
            Self::Done => return Json::from("done"),
            Self::Full(after) => ("full", list(after)),
            Self::Enumerating { after, boundary } => {
                ("enumerating", object(vec![("after", list(after)), ("boundary", Json::from(*boundary))]))
            }
            Self::Following { boundary, part } => {
                let part = part.as_ref().map_or(Json::Null, StoredPart::to_json);
                ("following", object(vec![("boundary", Json::from(*boundary)), ("part", part)]))
            }
        };
        object(vec![(name, value)])
    }
}

impl FromJson for StoredPosition {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        Ok(match choice(json)? {
            (name, Json::Null) if name == "beginning" => Self::Beginning,
            (name, Json::Null) if name == "done" => Self::Done,
            (name, after) if name == "full" => Self::Full(Vec::from_json(after)?),
            (name, members) if name == "enumerating" => {
                let mut members = Members::from_json(members)?;
                Self::Enumerating { after: members.take("after")?, boundary: members.take("boundary")? }
            }
            (name, members) if name == "following" => {
                let mut members = Members::from_json(members)?;
                Self::Following { boundary: members.take("boundary")?, part: members.take("part")? }
            }
            (name, _) => return Err(Unfit::new(format!("unknown variant `{name}`"))),
        })
    }
}

impl StoredPart {
    fn to_json(&self) -> Json {
        object(vec![("after", Json::Array(self.after.clone())), ("next", Json::from(self.next))])
    }
}

impl FromJson for StoredPart {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self { after: members.take("after")?, next: members.take("next")? })
    }
}

impl Scope {
    /// The columns by which changes are ordered.
    pub fn changes(&self) -> Vec<Place> {
        self.modified.iter().chain(&self.key).cloned().collect()
    }

    pub fn encode(&self, position: &Position) -> Result<Vec<u8>> {
        let stored = Stored {
            v: VERSION,
            key: self.key.iter().map(named).collect(),
            modified: self.modified.as_ref().map(named),
            at: store(position),
        };
        Ok(encode_cursor(&stored.to_json()))
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

    #[test]
    fn cursors_stored_long_ago_are_read_and_written_as_ever() {
        let scope = scope(&KEY);
        let after = vec![Value::Int64(1), Value::Text("x".into())];
        let of_changes = [vec![Value::Int64(9)], after.clone()].concat();
        let scoped = r#"{"v":1,"key":[["id","int64"],["name","text"]],"modified":["seen","datetime"],"at":"#;
        for (position, stored) in [
            (Position::Beginning, r#""beginning""#),
            (Position::Full { after: after.clone() }, r#"{"full":[1,"x"]}"#),
            (Position::FullDone, r#""done""#),
            (
                Position::Enumerating { after: after.clone(), boundary: None },
                r#"{"enumerating":{"after":[1,"x"],"boundary":null}}"#,
            ),
            (Position::Enumerating { after, boundary: Some(-3) }, r#"{"enumerating":{"after":[1,"x"],"boundary":-3}}"#),
            (Position::Following { boundary: None, part: None }, r#"{"following":{"boundary":null,"part":null}}"#),
            (
                Position::Following { boundary: Some(-3), part: Some(Part { after: of_changes, next: None }) },
                r#"{"following":{"boundary":-3,"part":{"after":[9,1,"x"],"next":null}}}"#,
            ),
        ] {
            let stored = format!("{scoped}{stored}}}");
            assert_eq!(String::from_utf8(scope.encode(&position).unwrap()).unwrap(), stored);
            assert_eq!(scope.decode(stored.as_bytes()).unwrap(), position);
        }
        let stored = format!(r#"{scoped}"done"}}"#);
        for broken in [
            stored.replace("\"v\"", "\"w\":1,\"v\""),
            stored.replace("\"v\":1,", ""),
            stored.replace("\"done\"", "\"doing\""),
            stored.replace("\"done\"", "{\"full\":[1,\"x\"],\"done\":null}"),
            stored.replace("\"v\":1", "\"v\":\"1\""),
            format!("{stored} 1"),
        ] {
            assert!(scope.decode(broken.as_bytes()).unwrap_err().is(ErrorKind::StaleCursor), "{broken}");
        }
        let full = Scope { modified: None, ..scope };
        let stored = stored.replace(r#""modified":["seen","datetime"],"#, "");
        assert_eq!(full.encode(&Position::FullDone).unwrap(), stored.as_bytes());
        assert_eq!(full.decode(stored.as_bytes()).unwrap(), Position::FullDone);
    }
}
