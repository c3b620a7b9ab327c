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

use crate::moment::Moment;
use crate::position::{Form, Place};

const VERSION: u32 = 1;

/// What a cursor holds for: the columns by which rows are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The table's own unique columns; empty if it has none.
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

/// What `modified` was at most when a reading began, or the clock if that was earlier; none if there was no value yet.
pub type Boundary = Option<Moment>;

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
                ("enumerating", object(vec![("after", list(after)), ("boundary", moment_to_json(boundary))]))
            }
            Self::Following { boundary, part } => {
                let part = part.as_ref().map_or(Json::Null, StoredPart::to_json);
                ("following", object(vec![("boundary", moment_to_json(boundary)), ("part", part)]))
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
        object(vec![("after", Json::Array(self.after.clone())), ("next", moment_to_json(&self.next))])
    }
}

impl FromJson for StoredPart {
    fn from_json(json: Json) -> std::result::Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self { after: members.take("after")?, next: members.take("next")? })
    }
}

fn moment_to_json(boundary: &Boundary) -> Json {
    boundary.as_ref().map_or(Json::Null, Moment::to_json)
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
        let types = |places: &[Place]| places.iter().map(Place::stored_type).collect::<Vec<LogicalType>>();
        let key = |json: &[Json]| values_from_json(&types(&self.key), json);
        Some(match stored {
            StoredPosition::Beginning => Position::Beginning,
            StoredPosition::Full(after) => Position::Full { after: key(&after)? },
            StoredPosition::Done => Position::FullDone,
            StoredPosition::Enumerating { after, boundary } => Position::Enumerating { after: key(&after)?, boundary },
            StoredPosition::Following { boundary, part: None } => Position::Following { boundary, part: None },
            StoredPosition::Following { boundary, part: Some(StoredPart { after, next }) } => {
                let after = values_from_json(&types(&self.changes()), &after)?;
                Position::Following { boundary, part: Some(Part { after, next }) }
            }
        })
    }
}

/// A column and in which form its values are kept.
fn named(place: &Place) -> (String, String) {
    let form = match place.form {
        Form::Plain(logical) => logical.to_string(),
        Form::Quoted => "literal".to_owned(),
    };
    (place.name.clone(), form)
}

fn store(position: &Position) -> StoredPosition {
    match position {
        Position::Beginning => StoredPosition::Beginning,
        Position::Full { after } => StoredPosition::Full(values_to_json(after)),
        Position::FullDone => StoredPosition::Done,
        Position::Enumerating { after, boundary } => {
            StoredPosition::Enumerating { after: values_to_json(after), boundary: boundary.clone() }
        }
        Position::Following { boundary, part } => {
            let part =
                part.as_ref().map(|part| StoredPart { after: values_to_json(&part.after), next: part.next.clone() });
            StoredPosition::Following { boundary: boundary.clone(), part }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Column, tests::table};
    use lockstep_plugin_sdk::error::ErrorKind;
    use lockstep_plugin_sdk::types::Field;
    use proptest::prelude::*;

    fn scope(key: &[usize]) -> Scope {
        let table = table(&[("id", "INTEGER", true), ("name", "TEXT", true), ("at", "TIMESTAMPTZ", true)], &[]);
        let wanted: Vec<Field> = table.columns.iter().map(Column::field).collect();
        let place = |index: usize| Place::new(&table.columns[index], None, &wanted);
        Scope { key: key.iter().map(|index| place(*index)).collect(), modified: Some(place(2)) }
    }

    proptest! {
        #[test]
        fn positions_survive(id in any::<i64>(), name in any::<String>(), choice in 0..6) {
            let after = vec![Value::Int64(id), Value::Text(name.clone())];
            let boundary = (id % 3 != 0).then_some(if id % 2 == 0 { Moment::Int(id) } else { Moment::Text(name.clone()) });
            let position = match choice {
                0 => Position::Beginning,
                1 => Position::Full { after },
                2 => Position::FullDone,
                3 => Position::Enumerating { after, boundary },
                4 => Position::Following { boundary, part: None },
                _ => {
                    let after = std::iter::once(Value::Text(name)).chain(after).collect();
                    Position::Following { boundary, part: Some(Part { after, next: Some(Moment::Int(id)) }) }
                }
            };
            let scope = scope(&[0, 1]);
            let bytes = scope.encode(&position).unwrap();
            prop_assert_eq!(scope.decode(&bytes).unwrap(), position);
        }

        #[test]
        fn any_bytes_are_a_stale_cursor_at_worst(bytes in any::<Vec<u8>>()) {
            prop_assert!(scope(&[0]).decode(&bytes).unwrap_err().is(ErrorKind::StaleCursor));
        }
    }

    #[test]
    fn cursors_of_another_scope_are_stale() {
        let bytes = scope(&[0, 1]).encode(&Position::FullDone).unwrap();
        let other_modified = Scope { modified: Some(scope(&[1]).key.remove(0)), ..scope(&[0, 1]) };
        for other in [scope(&[0]), scope(&[1, 0]), other_modified] {
            assert!(other.decode(&bytes).unwrap_err().is(ErrorKind::StaleCursor), "{other:?}");
        }
    }

    #[test]
    fn another_mode_begins_at_the_beginning() {
        let full = Scope { modified: None, ..scope(&[0]) };
        let bytes = full.encode(&Position::FullDone).unwrap();
        assert_eq!(scope(&[0]).decode(&bytes).unwrap(), Position::Beginning);
        assert_eq!(full.decode(&scope(&[0]).encode(&Position::FullDone).unwrap()).unwrap(), Position::Beginning);
    }

    #[test]
    fn cursors_stored_long_ago_are_read_and_written_as_ever() {
        let scope = scope(&[0, 1]);
        let after = vec![Value::Int64(1), Value::Text("x".into())];
        let of_changes = [vec![Value::Text("t".into())], after.clone()].concat();
        let scoped = r#"{"v":1,"key":[["id","int64"],["name","text"]],"modified":["at","literal"],"at":"#;
        for (position, stored) in [
            (Position::Beginning, r#""beginning""#),
            (Position::Full { after: after.clone() }, r#"{"full":[1,"x"]}"#),
            (Position::FullDone, r#""done""#),
            (
                Position::Enumerating { after: after.clone(), boundary: None },
                r#"{"enumerating":{"after":[1,"x"],"boundary":null}}"#,
            ),
            (
                Position::Enumerating { after, boundary: Some(Moment::Int(-3)) },
                r#"{"enumerating":{"after":[1,"x"],"boundary":-3}}"#,
            ),
            (Position::Following { boundary: None, part: None }, r#"{"following":{"boundary":null,"part":null}}"#),
            (
                Position::Following { boundary: Some(Moment::Text("2026".into())), part: None },
                r#"{"following":{"boundary":"2026","part":null}}"#,
            ),
            (
                Position::Following {
                    boundary: Some(Moment::Int(-3)),
                    part: Some(Part { after: of_changes, next: None }),
                },
                r#"{"following":{"boundary":-3,"part":{"after":["t",1,"x"],"next":null}}}"#,
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
        let stored = stored.replace(r#""modified":["at","literal"],"#, "");
        assert_eq!(full.encode(&Position::FullDone).unwrap(), stored.as_bytes());
        assert_eq!(full.decode(stored.as_bytes()).unwrap(), Position::FullDone);
    }
}
