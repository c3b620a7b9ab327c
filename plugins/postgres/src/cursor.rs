//! Positions of readings, as the host stores them.
//!
//! A cursor belongs to one table (by its object id), one key and one `modified` column. For another one it is stale, and the
//! host reads everything again; so it does for one of another version of this plugin.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_sql_dialect::{
    FromJson, Members, Unfit, Value, choice, decode_cursor, encode_cursor, name_to_json, names_to_json, object, stale,
    values_from_json, values_to_json,
};
use serde_json::Value as Json;

use crate::snapshot::Snapshot;

const VERSION: u32 = 1;

/// What a cursor holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub table: i64,
    /// Name and type of each field of the key.
    pub key: Vec<(String, LogicalType)>,
    /// Name and type of the field incremental reading goes by.
    pub modified: Option<(String, LogicalType)>,
}

/// Where a reading stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Position {
    /// At the beginning.
    Beginning,
    /// A full reading, behind the record with this key.
    Full { after: Vec<Value> },
    /// A full reading that is over: the next one begins at the beginning.
    FullDone,
    /// The first reading of an incremental one, behind the record with this key; none = before the first record.
    Enumerating { after: Option<Vec<Value>>, boundary: Boundary },
    /// Behind the last complete reading, with what of a later one has been read.
    Following { boundary: Boundary, parts: Vec<Part> },
}

/// What a complete reading has shown: everything its snapshot saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Boundary {
    /// None if rows do not tell which transaction wrote them.
    pub snapshot: Option<Snapshot>,
    /// The greatest value of `modified`; none if there was none.
    pub modified: Option<i64>,
    /// Where the lookback counts from: not later than `modified`, nor than the server's clock, nor than the beginning of the
    /// oldest transaction that was writing.
    pub lookback_from: Option<i64>,
}

/// A part of a reading: everything its snapshot saw up to a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub snapshot: Snapshot,
    pub modified: i64,
    pub key: Vec<Value>,
}

/// Readings that broke off, one after the other, before the one that goes on. Older ones are forgotten, and what they had
/// shown is shown again.
const PARTS_MAX: usize = 4;

struct Stored {
    v: u32,
    table: i64,
    key: Vec<(String, String)>,
    modified: Option<(String, String)>,
    at: StoredPosition,
}

enum StoredPosition {
    Beginning,
    Full(Vec<Json>),
    Done,
    Enumerating { after: Option<Vec<Json>>, boundary: StoredBoundary },
    Following { boundary: StoredBoundary, parts: Vec<StoredPart> },
}

struct StoredBoundary {
    snapshot: Option<Snapshot>,
    modified: Option<i64>,
    from: Option<i64>,
}

struct StoredPart {
    snapshot: Snapshot,
    modified: i64,
    key: Vec<Json>,
}

impl Stored {
    fn to_json(&self) -> Json {
        let mut members =
            vec![("v", Json::from(self.v)), ("table", Json::from(self.table)), ("key", names_to_json(&self.key))];
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
            table: members.take("table")?,
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
            Self::Enumerating { after, boundary } => (
                "enumerating",
                object(vec![("after", after.as_ref().map_or(Json::Null, list)), ("boundary", boundary.to_json())]),
            ),
            Self::Following { boundary, parts } => {
                let parts = Json::Array(parts.iter().map(StoredPart::to_json).collect());
                ("following", object(vec![("boundary", boundary.to_json()), ("parts", parts)]))
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
                Self::Following { boundary: members.take("boundary")?, parts: members.take("parts")? }
            }
            (name, _) => return Err(Unfit::new(format!("unknown variant `{name}`"))),
        })
    }
}

impl StoredBoundary {
    fn to_json(&self) -> Json {
        let snapshot = self.snapshot.as_ref().map_or(Json::Null, Snapshot::to_json);
        object(vec![("snapshot", snapshot), ("modified", Json::from(self.modified)), ("from", Json::from(self.from))])
    }
}

impl FromJson for StoredBoundary {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self {
            snapshot: members.take("snapshot")?,
            modified: members.take("modified")?,
            from: members.take("from")?,
        })
    }
}

impl StoredPart {
    fn to_json(&self) -> Json {
        object(vec![
            ("snapshot", self.snapshot.to_json()),
            ("modified", Json::from(self.modified)),
            ("key", Json::Array(self.key.clone())),
        ])
    }
}

impl FromJson for StoredPart {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self { snapshot: members.take("snapshot")?, modified: members.take("modified")?, key: members.take("key")? })
    }
}

impl Scope {
    pub fn encode(&self, position: &Position) -> Result<Vec<u8>> {
        let named = |(name, logical): &(String, LogicalType)| (name.clone(), logical.to_string());
        let stored = Stored {
            v: VERSION,
            table: self.table,
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
        if stored.table != self.table {
            return Err(stale("the table was dropped and made again since the cursor was written"));
        }
        let named = |(name, logical): &(String, LogicalType)| (name.clone(), logical.to_string());
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
        let types: Vec<LogicalType> = self.key.iter().map(|(_, logical)| *logical).collect();
        let values = |json: &Vec<Json>| values_from_json(&types, json);
        Some(match stored {
            StoredPosition::Beginning => Position::Beginning,
            StoredPosition::Full(after) => Position::Full { after: values(&after)? },
            StoredPosition::Done => Position::FullDone,
            StoredPosition::Enumerating { after, boundary } => {
                let after = match after {
                    Some(after) => Some(values(&after)?),
                    None => None,
                };
                Position::Enumerating { after, boundary: boundary.restore() }
            }
            StoredPosition::Following { boundary, parts } => {
                let part = |part: StoredPart| {
                    Some(Part { key: values(&part.key)?, snapshot: part.snapshot, modified: part.modified })
                };
                let parts = parts.into_iter().map(part).collect::<Option<_>>()?;
                Position::Following { boundary: boundary.restore(), parts }
            }
        })
    }
}

fn store(position: &Position) -> StoredPosition {
    match position {
        Position::Beginning => StoredPosition::Beginning,
        Position::Full { after } => StoredPosition::Full(values_to_json(after)),
        Position::FullDone => StoredPosition::Done,
        Position::Enumerating { after, boundary } => StoredPosition::Enumerating {
            after: after.as_deref().map(values_to_json),
            boundary: StoredBoundary::of(boundary),
        },
        Position::Following { boundary, parts } => {
            let part = |part: &Part| StoredPart {
                snapshot: part.snapshot.clone(),
                modified: part.modified,
                key: values_to_json(&part.key),
            };
            StoredPosition::Following {
                boundary: StoredBoundary::of(boundary),
                parts: parts.iter().map(part).collect(),
            }
        }
    }
}

impl StoredBoundary {
    fn of(boundary: &Boundary) -> Self {
        Self { snapshot: boundary.snapshot.clone(), modified: boundary.modified, from: boundary.lookback_from }
    }

    fn restore(self) -> Boundary {
        Boundary { snapshot: self.snapshot, modified: self.modified, lookback_from: self.from }
    }
}

/// The parts when the newest has come this far: it covers the older ones it has passed.
pub fn with_part(newest: Part, older: &[Part]) -> Vec<Part> {
    let ahead = older.iter().filter(|part| part.modified >= newest.modified).cloned();
    let mut parts: Vec<Part> = std::iter::once(newest.clone()).chain(ahead).collect();
    parts.truncate(PARTS_MAX);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::error::ErrorKind;
    use proptest::prelude::*;

    fn scope() -> Scope {
        Scope {
            table: 16384,
            key: vec![("id".into(), LogicalType::Int64), ("name".into(), LogicalType::Text)],
            modified: Some(("updated_at".into(), LogicalType::Timestamp)),
        }
    }

    fn snapshot(next: u64) -> Snapshot {
        Snapshot { oldest: 5, next, seen: vec![1, 3], server: "7/1".into() }
    }

    fn part(modified: i64, next: u64) -> Part {
        Part { snapshot: snapshot(next), modified, key: vec![Value::Int64(1), Value::Text("x".into())] }
    }

    proptest! {
        #[test]
        fn positions_survive(id in any::<i64>(), name in any::<String>(), modified in any::<Option<i64>>(), choice in 0..6) {
            let after = vec![Value::Int64(id), Value::Text(name)];
            let boundary = Boundary { snapshot: Some(snapshot(9)), modified, lookback_from: modified };
            let position = match choice {
                0 => Position::Beginning,
                1 => Position::Full { after },
                2 => Position::FullDone,
                3 => Position::Enumerating { after: Some(after), boundary },
                4 => Position::Enumerating { after: None, boundary: Boundary { snapshot: None, ..boundary } },
                _ => Position::Following { boundary, parts: vec![Part { key: after, ..part(id, 9) }] },
            };
            let bytes = scope().encode(&position).unwrap();
            prop_assert_eq!(scope().decode(&bytes).unwrap(), position);
        }

        #[test]
        fn any_bytes_are_a_stale_cursor_at_worst(bytes in any::<Vec<u8>>()) {
            prop_assert!(scope().decode(&bytes).unwrap_err().is(ErrorKind::StaleCursor));
        }
    }

    #[test]
    fn cursors_of_another_scope_are_stale() {
        let bytes = scope().encode(&Position::FullDone).unwrap();
        let mut others = vec![scope(), scope(), scope(), scope()];
        others[0].table = 1;
        others[1].key.pop();
        others[2].key[0].1 = LogicalType::Text;
        others[3].modified = Some(("seen_at".into(), LogicalType::Timestamp));
        for other in others {
            assert!(other.decode(&bytes).unwrap_err().is(ErrorKind::StaleCursor), "{other:?}");
        }
    }

    #[test]
    fn another_mode_begins_at_the_beginning() {
        let full = Scope { modified: None, ..scope() };
        let bytes = full.encode(&Position::FullDone).unwrap();
        assert_eq!(scope().decode(&bytes).unwrap(), Position::Beginning);
        assert_eq!(full.decode(&scope().encode(&Position::FullDone).unwrap()).unwrap(), Position::Beginning);
    }

    #[test]
    fn a_part_covers_those_it_has_passed() {
        let older = [part(10, 1), part(20, 2), part(30, 3)];
        let modified = |parts: Vec<Part>| parts.iter().map(|part| part.modified).collect::<Vec<_>>();
        assert_eq!(modified(with_part(part(5, 4), &older)), [5, 10, 20, 30]);
        assert_eq!(modified(with_part(part(20, 4), &older)), [20, 20, 30]);
        assert_eq!(modified(with_part(part(40, 4), &older)), [40]);
        assert_eq!(with_part(part(0, 4), &[part(1, 1), part(1, 1), part(1, 1), part(1, 1)]).len(), PARTS_MAX);
    }

    #[test]
    fn cursors_stored_long_ago_are_read_and_written_as_ever() {
        let after = vec![Value::Int64(1), Value::Text("x".into())];
        let boundary = Boundary { snapshot: Some(snapshot(9)), modified: Some(7), lookback_from: None };
        let bare = Snapshot { oldest: 5, next: 9, seen: Vec::new(), server: String::new() };
        let without = Boundary { snapshot: None, modified: None, lookback_from: Some(-3) };
        let part = Part { snapshot: bare, modified: 8, key: after.clone() };
        let scoped = r#"{"v":1,"table":16384,"key":[["id","int64"],["name","text"]],"modified":["updated_at","timestamp"],"at":"#;
        let seen = r#"{"snapshot":{"oldest":5,"next":9,"seen":[1,3],"server":"7/1"},"modified":7,"from":null}"#;
        let unseen = r#"{"snapshot":null,"modified":null,"from":-3}"#;
        for (position, stored) in [
            (Position::Beginning, r#""beginning""#.to_owned()),
            (Position::Full { after: after.clone() }, r#"{"full":[1,"x"]}"#.to_owned()),
            (Position::FullDone, r#""done""#.to_owned()),
            (
                Position::Enumerating { after: Some(after), boundary: boundary.clone() },
                format!(r#"{{"enumerating":{{"after":[1,"x"],"boundary":{seen}}}}}"#),
            ),
            (
                Position::Enumerating { after: None, boundary: without },
                format!(r#"{{"enumerating":{{"after":null,"boundary":{unseen}}}}}"#),
            ),
            (
                Position::Following { boundary, parts: vec![part] },
                format!(
                    r#"{{"following":{{"boundary":{seen},"parts":[{{"snapshot":{{"oldest":5,"next":9}},"modified":8,"key":[1,"x"]}}]}}}}"#
                ),
            ),
        ] {
            let stored = format!("{scoped}{stored}}}");
            assert_eq!(String::from_utf8(scope().encode(&position).unwrap()).unwrap(), stored);
            assert_eq!(scope().decode(stored.as_bytes()).unwrap(), position);
        }
        let full = Scope { modified: None, ..scope() };
        let stored = r#"{"v":1,"table":16384,"key":[["id","int64"],["name","text"]],"at":"done"}"#;
        assert_eq!(full.encode(&Position::FullDone).unwrap(), stored.as_bytes());
        assert_eq!(full.decode(stored.as_bytes()).unwrap(), Position::FullDone);
        for broken in [
            stored.replace("\"v\"", "\"w\":1,\"v\""),
            stored.replace("\"v\":1,", ""),
            stored.replace("\"done\"", "\"doing\""),
            stored.replace("\"done\"", "{\"full\":[1,\"x\"],\"done\":null}"),
            stored.replace("16384", "\"16384\""),
            format!("{stored} 1"),
        ] {
            assert!(full.decode(broken.as_bytes()).unwrap_err().is(ErrorKind::StaleCursor), "{broken}");
        }
    }
}
