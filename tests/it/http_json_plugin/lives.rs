//! The same life of records in each API: made, found, changed, read, deleted, with every row answered by what became of its own.

use lockstep::connector::{Lookup, PageStatus, Source as _, WriteMode, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::record::{ChangeKind, Stream};
use serde_json::{Map, Value, json};

use crate::plugins::{Reading, apply, changes, complaints, ids, page, records};

/// What a life is about.
pub struct Life<'a> {
    pub plugin: &'a PluginConnector,
    pub stream: &'a str,
    /// A field that any text fits, and one by which records are found and of which there are no two.
    pub name: &'a str,
    pub unique: &'a str,
    /// Values of the unique field.
    pub values: [&'a str; 3],
    /// A row that the API will not have.
    pub bad: Value,
    /// Whether a record is refused that has the unique value of another.
    pub is_strict: bool,
}

const CONFLICT: WriteStatus = WriteStatus::Conflict;
const REJECTED: WriteStatus = WriteStatus::Rejected;

impl Life<'_> {
    async fn target(&self) -> Stream {
        self.plugin.discover(&[self.stream.to_owned()]).await.unwrap().remove(0)
    }

    fn row(&self, unique: &str, name: &str) -> Value {
        let mut row = Map::new();
        row.insert(self.unique.to_owned(), json!(unique));
        row.insert(self.name.to_owned(), json!(name));
        Value::Object(row)
    }

    /// Answers with the keys of the records that are left.
    pub async fn live(&self) -> Vec<Value> {
        let target = self.target().await;
        let keys = self.are_made(&target).await;
        self.are_found(&target, &keys).await;
        self.are_changed(&target, &keys).await;
        let shown = Reading::full(self.plugin, self.stream).discovered().await.read().await;
        assert_eq!(shown.status, Some(PageStatus::EnumerationComplete), "{}", self.stream);
        let mut names: Vec<&str> = shown.records.iter().map(|record| record[self.name].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["Second", "changed"], "{:?}", shown.records);
        assert!(shown.rejected.is_empty(), "{:?}", shown.rejected);
        keys
    }

    async fn are_made(&self, target: &Stream) -> Vec<Value> {
        let [one, two, three] = self.values;
        let rows = [self.row(one, "First"), self.row(two, "Second"), self.row(three, "Third")];
        let (counts, results) = apply(self.plugin, target, WriteMode::Insert, page(target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((3, 0, 0), vec![]), "{}", self.stream);
        let keys: Vec<Value> =
            ids(&results).iter().map(|id| serde_json::from_str::<Value>(id).unwrap()[0].clone()).collect();
        // One that is there, one that is bad, and both leave alone what is.
        let mut bad = self.row("unused@example.com", "Bad");
        bad.as_object_mut().unwrap().extend(self.bad.as_object().unwrap().clone());
        let mut there = bad.clone();
        for (name, value) in self.row(one, "Again").as_object().unwrap() {
            there[name] = value.clone();
        }
        for name in self.bad.as_object().unwrap().keys().filter(|name| *name != self.name && *name != self.unique) {
            there[name] = Value::Null;
        }
        let rows = if self.is_strict { vec![there, bad] } else { vec![bad] };
        let (counts, results) = apply(self.plugin, target, WriteMode::Insert, page(target, &rows)).await;
        let told: Vec<(u32, WriteStatus)> =
            complaints(&results).iter().map(|(row, status, _)| (*row, *status)).collect();
        let expected = if self.is_strict { vec![(0, CONFLICT), (1, REJECTED)] } else { vec![(0, REJECTED)] };
        assert_eq!((counts, told), ((0, 0, 0), expected), "{} {results:?}", self.stream);
        keys
    }

    fn key(&self, target: &Stream, key: &Value) -> Value {
        let field = target.fields.iter().find(|field| field.name == target.key[0]).unwrap();
        match field.logical.to_string().as_str() {
            "int64" => json!(key.as_str().unwrap().parse::<i64>().unwrap()),
            _ => key.clone(),
        }
    }

    async fn are_found(&self, target: &Stream, keys: &[Value]) {
        let request = Reading::full(self.plugin, self.stream).discovered().await.request;
        let rows: Vec<Value> = keys.iter().map(|key| json!({ &target.key[0]: self.key(target, key) })).collect();
        let found = Lookup::lookup(self.plugin, &request, &page(target, &rows).data).await.unwrap();
        assert_eq!(found.rows(), 3, "{}", self.stream);
        let rows: Vec<Value> =
            [self.values[1], "nobody@example.com"].iter().map(|value| json!({ self.unique: value })).collect();
        let found = Lookup::lookup(self.plugin, &request, &page(target, &rows).data).await.unwrap();
        assert_eq!((found.rows(), &records(&found.data)[0][self.name]), (1, &json!("Second")), "{}", self.stream);
    }

    async fn are_changed(&self, target: &Stream, keys: &[Value]) {
        let expected = format!("expected:{}", self.name);
        let row = |key: &Value, name: &str, was: &str| json!({ &target.key[0]: self.key(target, key), self.name: name, &expected: was });
        let update = |key: &Value, name: &str, was: &str| (ChangeKind::Upsert, row(key, name, was));
        let rows = [
            update(&keys[0], "changed", "First"),
            update(&keys[1], "x", "not so"),
            (ChangeKind::Delete, row(&keys[2], "", "Third")),
        ];
        let (counts, results) = apply(self.plugin, target, WriteMode::Update, changes(target, &rows)).await;
        assert_eq!(counts, (1, 0, 1), "{} {results:?}", self.stream);
        assert_eq!(complaints(&results), [(1, CONFLICT, "api.changed")], "{}", self.stream);
        // What is gone is gone, and what is equal is not written.
        let rows = [
            (ChangeKind::Delete, row(&keys[2], "", "Third")),
            update(&keys[1], "Second", "Second"),
            update(&keys[2], "y", "Third"),
        ];
        let (counts, results) = apply(self.plugin, target, WriteMode::Update, changes(target, &rows)).await;
        assert_eq!(counts, (0, 2, 0), "{} {results:?}", self.stream);
        assert_eq!(complaints(&results), [(2, CONFLICT, "api.missing")], "{}", self.stream);
    }
}
