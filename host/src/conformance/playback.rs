//! What a plugin gives when all of it is read, as values: kept beside a recording, and compared when the recording is replayed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::reading::Request;
use crate::connector::{Cursor, Failure, FailureKind, Page, PageLimits, PageStatus, Source as _};
use crate::error::codes;
use crate::plugin::PluginConnector;
use crate::record::{ChangeKind, Stream, row_to_json};

/// No reading that is recorded has so many pages.
const PAGES_MAX: usize = 20_000;

/// Something the plugin gave then and does not give now, or the other way round.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Empty = of the streams themselves.
    pub stream: String,
    pub what: String,
    pub then: Value,
    pub now: Value,
}

/// What is done after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// That was all.
    Stop,
    /// Once more: as a sync does, behind the last page that was given.
    GoOn,
}

/// Asks for these streams and reads them to their end; all there are if none is named.
pub async fn perform(connector: &PluginConnector, names: &[String], limits: PageLimits, after: After) -> Vec<Value> {
    let mut gave = Vec::new();
    let names = match names {
        [] => list(connector, after, &mut gave).await,
        names => names.to_vec(),
    };
    for name in names {
        let (mut found, mut cursor) = (None, None);
        for _ in 0..after.attempts() {
            match attempt(connector, &name, limits, (&mut found, &mut cursor), &mut gave).await {
                Ok(()) => break,
                Err(failure) => gave.push(json!({ "stream": name, "error": told(&failure) })),
            }
        }
    }
    gave
}

impl After {
    fn attempts(self) -> usize {
        match self {
            Self::Stop => 1,
            Self::GoOn => 2,
        }
    }
}

/// The names of all streams.
async fn list(connector: &PluginConnector, after: After, gave: &mut Vec<Value>) -> Vec<String> {
    for _ in 0..after.attempts() {
        match connector.discover(&[]).await {
            Ok(found) => return found.into_iter().map(|stream| stream.name).collect(),
            Err(failure) => gave.push(json!({ "discovered": [], "error": told(&failure) })),
        }
    }
    Vec::new()
}

/// What a sync does: asks for the stream by its name, and reads on where it was.
async fn attempt(
    connector: &PluginConnector,
    name: &str,
    limits: PageLimits,
    (found, cursor): (&mut Option<Stream>, &mut Option<Cursor>),
    gave: &mut Vec<Value>,
) -> Result<(), Failure> {
    if found.is_none() {
        *found = connector.discover(&[name.to_owned()]).await?.into_iter().next();
        gave.extend(found.iter().map(|stream| json!({ "discovered": [stream_to_json(stream)] })));
    }
    match found {
        Some(stream) => read(connector, stream, limits, cursor, gave).await,
        None => {
            let text = format!("there is no stream `{name}`");
            Err(Failure::new(FailureKind::NotFound, &codes::STREAM_MISSING, "recording", text))
        }
    }
}

async fn read(
    connector: &PluginConnector,
    stream: &Stream,
    limits: PageLimits,
    cursor: &mut Option<Cursor>,
    gave: &mut Vec<Value>,
) -> Result<(), Failure> {
    let mut reader = connector.open(Request::full(stream).at(cursor.clone())).await?;
    for number in 1..=PAGES_MAX {
        let page = reader.next(limits).await?;
        gave.push(page_to_json(&stream.name, number, &page));
        *cursor = Some(page.next_cursor);
        if page.status != PageStatus::More {
            return Ok(());
        }
    }
    let text = format!("the stream `{}` has more than {PAGES_MAX} pages", stream.name);
    Err(Failure::new(FailureKind::Permanent, &codes::PLUGIN_LIMIT, "recording", text))
}

pub(super) fn told(failure: &Failure) -> Value {
    let retry_after_ms = failure.retry_after.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    json!({
        "kind": failure.kind.name(),
        "code": failure.code.id,
        "message": failure.message,
        "retry_after_ms": retry_after_ms,
        "outcome": failure.properties.get("outcome"),
    })
}

fn stream_to_json(stream: &Stream) -> Value {
    let fields: Map<String, Value> = stream
        .fields
        .iter()
        .map(|field| {
            let nullable = if field.nullable { "" } else { ", never null" };
            (field.name.clone(), Value::String(format!("{}{nullable}", field.logical)))
        })
        .collect();
    json!({ "name": stream.name, "key": stream.key, "fields": fields })
}

fn page_to_json(stream: &str, number: usize, page: &Page) -> Value {
    let changes = &page.changes;
    let deleted: Vec<usize> = (0..changes.rows()).filter(|row| changes.kind(*row) == ChangeKind::Delete).collect();
    let records: Vec<Value> = (0..changes.rows()).map(|row| Value::Object(row_to_json(&changes.data, row))).collect();
    let rejected = page
        .rejected
        .iter()
        .map(|rejection| json!({ "position": rejection.position, "error": told(&rejection.error) }));
    let mut given = json!({ "stream": stream, "page": number, "records": records });
    if let Some(members) = given.as_object_mut() {
        if !deleted.is_empty() {
            members.insert("deleted".into(), json!(deleted));
        }
        if !page.rejected.is_empty() {
            members.insert("rejected".into(), rejected.collect());
        }
        members.insert("cursor".into(), Value::String(String::from_utf8_lossy(&page.next_cursor.0).into_owned()));
        members.insert("status".into(), Value::String(status(page.status).to_owned()));
    }
    given
}

fn status(status: PageStatus) -> &'static str {
    match status {
        PageStatus::More => "more",
        PageStatus::CaughtUp => "caught-up",
        PageStatus::EnumerationComplete => "enumeration-complete",
    }
}

/// How many streams, pages and records were given.
pub fn counts(gave: &[Value]) -> (usize, usize, usize) {
    let streams = gave.iter().filter_map(|given| given.get("discovered")?.as_array()).map(Vec::len).sum();
    let pages = gave.iter().filter_map(|given| given.get("records")?.as_array());
    (streams, pages.clone().count(), pages.map(Vec::len).sum())
}

/// Whether it ended with an error, or came upon one.
pub fn has_error(gave: &[Value]) -> bool {
    gave.iter().any(|given| given.get("error").is_some())
}

/// How many pages were written.
pub fn written(gave: &[Value]) -> usize {
    gave.iter().filter(|given| given.get("write").is_some()).count()
}

/// Everything one stream gave.
#[derive(Default)]
pub(super) struct Told<'a> {
    pub definition: Option<&'a Value>,
    pages: Vec<&'a Value>,
    writes: Vec<&'a Value>,
    error: Option<&'a Value>,
}

/// What differs, stream by stream.
pub fn differences(then: &[Value], now: &[Value]) -> Vec<Difference> {
    let (before, after) = (by_stream(then), by_stream(now));
    let (mut found, nothing) = (Vec::new(), Told::default());
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    for stream in names {
        let (then, now) = (before.get(stream).unwrap_or(&nothing), after.get(stream).unwrap_or(&nothing));
        let mut compared = Compared { stream, found: &mut found };
        compared.definitions(then.definition, now.definition);
        compared.records(then, now);
        compared.pages(then, now);
        compared.writes(then, now);
        compared.value("error", then.error.unwrap_or(&Value::Null), now.error.unwrap_or(&Value::Null));
    }
    found
}

pub(super) fn by_stream(gave: &[Value]) -> BTreeMap<&str, Told<'_>> {
    let mut streams: BTreeMap<&str, Told<'_>> = BTreeMap::new();
    for given in gave {
        for definition in given.get("discovered").and_then(Value::as_array).into_iter().flatten() {
            let name = definition.get("name").and_then(Value::as_str).unwrap_or_default();
            streams.entry(name).or_default().definition = Some(definition);
        }
        let told = streams.entry(given.get("stream").and_then(Value::as_str).unwrap_or_default()).or_default();
        if given.get("write").is_some() {
            told.writes.push(given);
            continue;
        }
        told.error = told.error.or(given.get("error"));
        told.pages.extend(given.get("records").map(|_| given));
    }
    streams
}

struct Compared<'a> {
    stream: &'a str,
    found: &'a mut Vec<Difference>,
}

impl Compared<'_> {
    fn tell(&mut self, what: impl Into<String>, then: Value, now: Value) {
        self.found.push(Difference { stream: self.stream.to_owned(), what: what.into(), then, now });
    }

    fn value(&mut self, what: &str, then: &Value, now: &Value) {
        if then != now {
            self.tell(what, then.clone(), now.clone());
        }
    }

    /// Members of two objects, each that differs by itself.
    fn members(&mut self, what: &str, then: &Value, now: &Value) {
        let none = Map::new();
        let (then, now) = (then.as_object().unwrap_or(&none), now.as_object().unwrap_or(&none));
        for name in then.keys().chain(now.keys().filter(|name| !then.contains_key(*name))) {
            let absent = Value::String("nothing".to_owned());
            self.value(
                &format!("{what} `{name}`"),
                then.get(name).unwrap_or(&absent),
                now.get(name).unwrap_or(&absent),
            );
        }
    }

    fn definitions(&mut self, then: Option<&Value>, now: Option<&Value>) {
        match (then, now) {
            (Some(then), Some(now)) => {
                self.value("key", then.get("key").unwrap_or(&Value::Null), now.get("key").unwrap_or(&Value::Null));
                let none = Value::Null;
                self.members("field", then.get("fields").unwrap_or(&none), now.get("fields").unwrap_or(&none));
            }
            (Some(_), None) => self.tell("stream", json!("there"), json!("missing")),
            (None, Some(_)) => self.tell("stream", json!("missing"), json!("there")),
            (None, None) => {}
        }
    }

    fn records(&mut self, then: &Told<'_>, now: &Told<'_>) {
        let key = key_of(then.definition.or(now.definition));
        let (before, after) = (keyed(then, &key), keyed(now, &key));
        for (name, record) in &before {
            match after.get(name) {
                Some(other) if other == record => {}
                Some(other) => self.members(&format!("record {}", name.0), record, other),
                None => self.tell(format!("record {}", name.0), record.clone(), Value::String("nothing".to_owned())),
            }
        }
        for (name, record) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
            self.tell(format!("record {}", name.0), Value::String("nothing".to_owned()), record.clone());
        }
    }

    fn writes(&mut self, then: &Told<'_>, now: &Told<'_>) {
        self.value("writes", &json!(then.writes.len()), &json!(now.writes.len()));
        for (number, (then, now)) in then.writes.iter().zip(&now.writes).enumerate() {
            for part in ["statuses", "errors", "ids", "flushed", "error"] {
                let none = Value::Null;
                let (then, now) = (then.get(part).unwrap_or(&none), now.get(part).unwrap_or(&none));
                self.value(&format!("{part} of write {}", number + 1), then, now);
            }
        }
    }

    fn pages(&mut self, then: &Told<'_>, now: &Told<'_>) {
        self.value("pages", &json!(then.pages.len()), &json!(now.pages.len()));
        for (number, (then, now)) in then.pages.iter().zip(&now.pages).enumerate() {
            for part in ["cursor", "status", "rejected"] {
                let none = Value::Null;
                let (then, now) = (then.get(part).unwrap_or(&none), now.get(part).unwrap_or(&none));
                self.value(&format!("{part} of page {}", number + 1), then, now);
            }
        }
    }
}

/// The fields that identify a record.
pub(super) fn key_of(definition: Option<&Value>) -> Vec<String> {
    let key = definition.and_then(|definition| definition.get("key")).cloned();
    key.and_then(|key| serde_json::from_value(key).ok()).unwrap_or_default()
}

/// The records by their key, and by how often it has come before: the same twice is not the same as once.
pub(super) fn keyed(told: &Told<'_>, key: &[String]) -> BTreeMap<(String, usize), Value> {
    let mut records = BTreeMap::new();
    for page in &told.pages {
        let deleted = page.get("deleted").and_then(Value::as_array);
        for (row, record) in page.get("records").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let mut record = record.clone();
            let values: Option<Vec<&Value>> =
                key.iter().map(|name| record.get(name).filter(|value| !value.is_null())).collect();
            let name =
                values.filter(|values| !values.is_empty()).map_or_else(|| record.to_string(), |v| json!(v).to_string());
            if deleted.is_some_and(|deleted| deleted.contains(&json!(row)))
                && let Some(members) = record.as_object_mut()
            {
                members.insert("(deleted)".to_owned(), Value::Bool(true));
            }
            let times = (0..).find(|times| !records.contains_key(&(name.clone(), *times))).unwrap_or(0);
            records.insert((name, times), record);
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gave(records: Value, more: Value) -> Vec<Value> {
        let mut page = json!({"stream": "c", "page": 1, "records": records, "cursor": "1", "status": "caught-up"});
        page.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        vec![json!({"discovered": [{"name": "c", "key": ["id"], "fields": {"id": "int64", "a": "text"}}]}), page]
    }

    fn check(now: &[Value], expected: &[(&str, Value, Value)]) {
        let then = gave(json!([{"id": 1, "a": "x"}, {"id": 2, "a": "y"}]), json!({}));
        let found: Vec<(String, Value, Value)> =
            differences(&then, now).into_iter().map(|found| (found.what, found.then, found.now)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(what, then, now)| ((*what).to_owned(), then.clone(), now.clone())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_difference_is_told_once() {
        let (same, nothing) = (json!([{"id": 1, "a": "x"}, {"id": 2, "a": "y"}]), json!("nothing"));
        check(&gave(same.clone(), json!({})), &[]);
        check(&gave(json!([{"id": 2, "a": "y"}, {"id": 1, "a": "x"}]), json!({})), &[]);
        check(
            &gave(json!([{"id": 1, "a": "x"}]), json!({})),
            &[("record [2]", json!({"id": 2, "a": "y"}), nothing.clone())],
        );
        check(
            &gave(json!([{"id": 1, "a": "z"}, {"id": 2, "a": "y"}, {"id": 2, "a": "y"}]), json!({})),
            &[("record [1] `a`", json!("x"), json!("z")), ("record [2]", nothing.clone(), json!({"id": 2, "a": "y"}))],
        );
        check(
            &gave(json!([{"id": 1}, {"id": 2, "a": "y"}]), json!({"deleted": [1]})),
            &[
                ("record [1] `a`", json!("x"), nothing.clone()),
                ("record [2] `(deleted)`", nothing.clone(), json!(true)),
            ],
        );
        check(
            &gave(same.clone(), json!({"cursor": "2", "status": "more"})),
            &[("cursor of page 1", json!("1"), json!("2")), ("status of page 1", json!("caught-up"), json!("more"))],
        );
        let mut failed = gave(same, json!({}));
        failed[1] = json!({"stream": "c", "error": {"kind": "auth"}});
        let found = differences(&gave(json!([]), json!({})), &failed);
        let what: Vec<&str> = found.iter().map(|found| found.what.as_str()).collect();
        assert_eq!(what, ["pages", "error"]);
    }

    #[test]
    fn streams_and_fields_are_compared() {
        let then = gave(json!([]), json!({}));
        let mut now = gave(json!([]), json!({}));
        now[0] =
            json!({"discovered": [{"name": "c", "key": [], "fields": {"id": "text", "b": "text"}}, {"name": "d"}]});
        let found = differences(&then, &now);
        let what: Vec<(&str, &str)> = found.iter().map(|found| (found.stream.as_str(), found.what.as_str())).collect();
        assert_eq!(what, [("c", "key"), ("c", "field `id`"), ("c", "field `a`"), ("c", "field `b`"), ("d", "stream")]);
    }
}
