//! Documents with revisions and tombstones, described by the manifest of the example.

use lockstep::connector::{Lookup, PageStatus, Source as _, WriteMode, WriteStatus};
use lockstep::record::ChangeKind;
use serde_json::{Value, json};

use super::{calls, documents, put, start_couch};
use crate::plugins::{Reading, apply, changes, complaints, ids, page, records, run};

fn many(count: u32) -> Vec<Value> {
    (1..=count)
        .map(|n| json!({"_id": format!("{n:05}"), "n": n, "name": format!("Name {n}"), "credit": f64::from(n) + 0.25}))
        .collect()
}

#[test]
fn fields_are_guessed_from_documents() {
    run(async {
        let (server, plugin) = start_couch(&[
            json!({"_id": "a", "n": 1, "credit": 1.5, "is": true, "at": "2026-01-01T10:00:00Z", "tags": ["x"]}),
            json!({"_id": "b", "n": 2, "credit": 2, "on": "2026-01-01"}),
        ]);
        server.ask("PUT", "/shop/_design/x", "{\"views\":{}}");
        let stream = plugin.discover(&[]).await.unwrap().remove(0);
        let shown: Vec<String> =
            stream.fields.iter().map(|field| format!("{} {}", field.name, field.logical)).collect();
        let expected =
            ["_id text", "_rev text", "n int64", "credit decimal", "is bool", "at timestamp", "tags json", "on date"];
        for field in expected {
            assert!(shown.iter().any(|known| known == field), "{field}: {shown:?}");
        }
        assert_eq!(stream.properties.get("reports-deletes"), Some("true"));
        let shown = Reading::full(&plugin, "documents").read().await;
        assert_eq!(shown.records.len(), 2);
        assert_eq!(shown.records[0]["on"], Value::Null);
    });
}

#[test]
fn a_full_reading_goes_on_behind_the_last_key() {
    run(async {
        let (server, plugin) = start_couch(&many(2500));
        let mut reading = Reading::full(&plugin, "documents").discovered().await;
        calls(&server);
        let shown = reading.read().await;
        assert_eq!((shown.sorted("n"), shown.status), ((1..=2500).collect(), Some(PageStatus::EnumerationComplete)));
        assert_eq!(calls(&server), [("GET _all_docs".to_owned(), 3)]);
        // It goes on where it broke off, and pages of ours may be smaller than those of the API.
        let mut reading = Reading::full(&plugin, "documents").discovered().await.page_rows(300);
        let first = reading.read_pages(2).await.unwrap();
        let rest = reading.read().await;
        assert_eq!((first.records.len(), rest.status), (600, Some(PageStatus::CaughtUp)));
        let all: Vec<i64> = first.ints("n").into_iter().chain(rest.ints("n")).collect();
        assert_eq!(all, (1..=2500).collect::<Vec<_>>());
    });
}

#[test]
fn the_feed_tells_changes_and_deletes() {
    run(async {
        let (server, plugin) = start_couch(&many(1500));
        let mut reading = Reading::full(&plugin, "documents").discovered().await;
        reading.request.mode = lockstep::connector::ReadMode::Incremental;
        let first = reading.read().await;
        assert_eq!((first.sorted("n"), first.status), ((1..=1500).collect(), Some(PageStatus::EnumerationComplete)));
        let nothing = reading.read().await;
        assert_eq!((nothing.records.len(), nothing.status), (0, Some(PageStatus::CaughtUp)));
        let one: Value = serde_json::from_str(&server.ask("GET", "/shop/00001", "")).unwrap();
        let two: Value = serde_json::from_str(&server.ask("GET", "/shop/00002", "")).unwrap();
        put(&server, &[json!({"_id": "00001", "_rev": one["_rev"], "n": 1, "name": "new", "credit": 1})]);
        server.ask("DELETE", &format!("/shop/00002?rev={}", two["_rev"].as_str().unwrap()), "");
        let mut reader = plugin.open(reading.request.clone()).await.unwrap();
        let page = reader.next(reading.limits).await.unwrap();
        let shown = records(&page.changes.data);
        assert_eq!((shown.len(), &shown[0]["name"], &shown[1]["_id"]), (2, &json!("new"), &json!("00002")));
        assert_eq!(
            page.changes.kinds.as_deref(),
            Some([ChangeKind::Upsert as u8, ChangeKind::Delete as u8].as_slice())
        );
    });
}

#[test]
fn documents_are_written_with_their_revisions_and_keep_what_nobody_mapped() {
    run(async {
        let (server, plugin) = start_couch(&many(4));
        let one: Value = serde_json::from_str(&server.ask("GET", "/shop/00001", "")).unwrap();
        put(
            &server,
            &[
                json!({"_id": "00001", "_rev": one["_rev"], "n": 1, "name": "Name 1", "credit": 1.25, "secret": {"kept": [1]}}),
            ],
        );
        let target = plugin.discover(&[]).await.unwrap().remove(0);
        let change = |id: &str, name: &str, expected: &str| {
            (ChangeKind::Upsert, json!({"_id": id, "name": name, "expected:name": expected}))
        };
        let rows = [
            change("00001", "one", "Name 1"),
            change("00002", "two", "other"),
            change("00099", "none", "Name 99"),
            (ChangeKind::Delete, json!({"_id": "00003", "name": null, "expected:name": "Name 3"})),
            (ChangeKind::Delete, json!({"_id": "00098", "name": null, "expected:name": "Name 98"})),
            change("00004", "Name 4", "Name 4"),
        ];
        calls(&server);
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &rows)).await;
        assert_eq!(counts, (1, 2, 1));
        let told: Vec<(u32, WriteStatus)> =
            complaints(&results).iter().map(|(row, status, _)| (*row, *status)).collect();
        assert_eq!(told, [(1, WriteStatus::Conflict), (2, WriteStatus::Conflict)]);
        let asked = calls(&server);
        assert_eq!(asked.iter().map(|(_, count)| count).sum::<u64>(), 3, "{asked:?}");
        let shown = documents(&server);
        let names: Vec<&Value> = shown.iter().map(|document| &document["name"]).collect();
        assert_eq!(names, [&json!("one"), &json!("Name 2"), &json!("Name 4")]);
        assert_eq!(shown[0]["secret"], json!({"kept": [1]}));
    });
}

#[test]
fn keys_that_are_there_are_conflicts_and_new_ones_are_told() {
    run(async {
        let (server, plugin) = start_couch(&many(1));
        let target = plugin.discover(&[]).await.unwrap().remove(0);
        let given = page(&target, &[json!({"_id": "00001", "name": "again"}), json!({"_id": "x", "name": "new"})]);
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, given).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![(0, WriteStatus::Conflict, "conflict")]));
        assert_eq!(ids(&results), ["", "[\"x\"]"]);
        let (counts, results) =
            apply(&plugin, &target, WriteMode::Insert, page(&target, &[json!({"name": "named"})])).await;
        assert_eq!(counts, (1, 0, 0));
        let told: Vec<String> = serde_json::from_str(&ids(&results)[0]).unwrap();
        assert!(documents(&server).iter().any(|document| document["_id"] == told[0] && document["name"] == "named"));
    });
}

#[test]
fn records_are_found_by_their_key_and_by_any_other_field() {
    run(async {
        let (server, plugin) = start_couch(&many(2500));
        let target = plugin.discover(&[]).await.unwrap().remove(0);
        let mut reading = Reading::full(&plugin, "documents").discovered().await.request;
        let keys = |name: &str, values: &[Value]| {
            let rows: Vec<Value> = values.iter().map(|value| json!({ name: value })).collect();
            page(&target, &rows).data
        };
        calls(&server);
        let found = Lookup::lookup(&plugin, &reading, &keys("_id", &[json!("00007"), json!("none")])).await.unwrap();
        assert_eq!(records(&found.data)[0]["name"], "Name 7");
        assert_eq!((found.rows(), calls(&server).len()), (1, 1));
        // There is no request for this one: everything is looked at.
        reading.fields.retain(|field| field.name == "n");
        let found =
            Lookup::lookup(&plugin, &reading, &keys("name", &[json!("Name 2400"), json!("name 7")])).await.unwrap();
        assert_eq!(records(&found.data), [serde_json::from_value(json!({"n": 2400})).unwrap()]);
    });
}
