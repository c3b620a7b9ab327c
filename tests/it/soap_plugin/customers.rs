//! Operations of a WSDL as a stream: discovered, read, looked up, written, with faults told row by row.

use lockstep::connector::{Lookup, PageStatus, Source as _, WriteMode, WriteStatus};
use lockstep::record::ChangeKind;
use serde_json::{Value, json};

use super::{CRM, calls, connect, customer, seed, start, state};
use crate::plugins::{Reading, apply, changes, complaints, ids, page, records, run};

const CONFLICT: WriteStatus = WriteStatus::Conflict;
const REJECTED: WriteStatus = WriteStatus::Rejected;
const UNKNOWN: WriteStatus = WriteStatus::Unknown;

#[test]
fn fields_are_those_of_the_schema() {
    run(async {
        let (server, plugin) = start(&[]);
        let by_file = connect(&server.url(), CRM, "wsdl = \"crm.wsdl\"", "");
        for plugin in [plugin, by_file] {
            let stream = plugin.discover(&[]).await.unwrap().remove(0);
            let shown: Vec<String> =
                stream.fields.iter().map(|field| format!("{} {}", field.name, field.logical)).collect();
            let expected = [
                "Id int64",
                "Changed timestamp",
                "Number text",
                "Name text",
                "Credit decimal(18,2)",
                "Blocked bool",
                "Since date",
                "Tag json",
            ];
            assert_eq!(shown, expected);
            assert_eq!(stream.properties.get("write"), Some("upsert,delete,insert,update"));
        }
    });
}

#[test]
fn all_are_read_page_by_page() {
    run(async {
        let (server, plugin) = start(&(1..=1200).map(customer).collect::<Vec<_>>());
        let mut reading = Reading::full(&plugin, "customers").discovered().await;
        calls(&server);
        let shown = reading.read().await;
        assert_eq!((shown.sorted("Id"), shown.status), ((1..=1200).collect(), Some(PageStatus::EnumerationComplete)));
        assert_eq!(calls(&server), [("ListCustomers".to_owned(), 3)]);
        let first = &shown.records[0];
        let values = (&first["Credit"], &first["Since"], &first["Blocked"]);
        assert_eq!(values, (&json!("1.25"), &Value::Null, &json!(false)));
        assert!(shown.rejected.is_empty(), "{:?}", shown.rejected);
        // Nobody is there: that is an answer, too.
        let (_empty, plugin) = start(&[]);
        let shown = Reading::full(&plugin, "customers").discovered().await.read().await;
        assert_eq!((shown.records.len(), shown.status), (0, Some(PageStatus::EnumerationComplete)));
    });
}

#[test]
fn changes_are_told_by_their_time() {
    run(async {
        let (server, plugin) = start(&(1..=3).map(customer).collect::<Vec<_>>());
        let mut reading = Reading::incremental(&plugin, "customers", "Changed").discovered().await;
        assert_eq!(reading.read().await.records.len(), 3);
        seed(&server, &[json!({"Id": 2, "Name": "later", "Changed": "2999-01-01T00:00:00Z"})]);
        let shown = reading.read().await;
        assert_eq!((shown.sorted("Id"), &shown.records[0]["Name"]), (vec![2], &json!("later")));
    });
}

#[test]
fn records_are_made_and_found() {
    run(async {
        let (server, plugin) = start(&[]);
        let target = plugin.discover(&[]).await.unwrap().remove(0);
        let row = |number: &str, name: Value| json!({"Number": number, "Name": name, "Tag": "[\"a\",\"b<&\"]"});
        let name = json!("An <n> & \"co\"");
        let rows =
            [row("A", name.clone()), row("B", Value::Null), row("A", json!("twin")), row("C", json!("refuse me"))];
        let mut told = Vec::new();
        // One after the other: what goes side by side has no order.
        for row in &rows {
            let (counts, results) =
                apply(&plugin, &target, WriteMode::Insert, page(&target, std::slice::from_ref(row))).await;
            told.push((counts.0, complaints(&results).first().map(|(_, status, code)| (*status, code.to_string()))));
            if counts.0 == 1 {
                assert!(ids(&results)[0].starts_with("[\""), "{:?}", ids(&results));
            }
        }
        let refused = |status, code: &str| (0, Some((status, code.to_owned())));
        assert_eq!(told, [(1, None), (1, None), refused(CONFLICT, "TAKEN"), refused(REJECTED, "BAD_NAME")]);
        let shown = state(&server);
        assert_eq!((&shown[0]["Name"], &shown[0]["Tag"]), (&name, &json!(["a", "b<&"])));

        let request = Reading::full(&plugin, "customers").discovered().await.request;
        let keys = page(&target, &[json!({"Number": "A"}), json!({"Number": "nobody"})]);
        let found = Lookup::lookup(&plugin, &request, &keys.data).await.unwrap();
        assert_eq!((found.rows(), &records(&found.data)[0]["Name"]), (1, &name));
    });
}

#[test]
fn records_are_changed_and_deleted() {
    run(async {
        let (server, plugin) = start(&(1..=3).map(customer).collect::<Vec<_>>());
        let target = plugin.discover(&[]).await.unwrap().remove(0);
        let update = |id: i64, name: &str, was: &str| {
            (ChangeKind::Upsert, json!({"Id": id, "Name": name, "expected:Name": was}))
        };
        let rows = [update(1, "changed", "Name 1"), update(2, "x", "not so"), update(7, "x", "nobody")];
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &rows)).await;
        let told = vec![(1, CONFLICT, "api.changed"), (2, CONFLICT, "api.missing")];
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), told));
        // Null is said where the schema lets it be said, and what is equal is not written.
        let nameless = |id: i64| (ChangeKind::Upsert, json!({"Id": id, "Name": null}));
        for expected in [(1, 0, 0), (0, 1, 0)] {
            let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &[nameless(1)])).await;
            assert_eq!((counts, complaints(&results)), (expected, vec![]));
        }
        assert_eq!((&state(&server)[0]["Name"], &state(&server)[0]["Number"]), (&Value::Null, &json!("N1")));
        let gone = [2, 9].map(|id| (ChangeKind::Delete, json!({"Id": id, "Name": null})));
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &gone)).await;
        assert_eq!((counts, complaints(&results)), ((0, 1, 1), vec![]));
        assert_eq!(state(&server).len(), 2);
    });
}

#[test]
fn a_fault_of_the_service_leaves_it_open_whether_a_record_was_made() {
    run(async {
        let (server, plugin) = start(&[]);
        let target = plugin.discover(&[]).await.unwrap().remove(0);
        let row = |number: &str, name: &str| json!({"Number": number, "Name": name});
        let rows = [row("A", "break down"), row("B", "say nothing")];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((0, 0, 0), vec![(0, UNKNOWN, "Server"), (1, UNKNOWN, "Server")]));
        // One was made all the same, and only once.
        assert_eq!(state(&server).len(), 1);
        assert_eq!(calls(&server).iter().find(|(name, _)| name == "SaveCustomer").unwrap().1, 2);
    });
}

#[test]
fn what_xml_or_the_schema_cannot_say_is_refused_before_it_is_sent() {
    run(async {
        let (server, plugin) = start(&[]);
        let target = plugin.discover(&[]).await.unwrap().remove(0);
        let rows = [json!({"Number": "A\u{1}", "Name": "x"}), json!({"Number": "B", "Name": "y"})];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![(0, REJECTED, "soap.character")]));
        // `Blocked` may be missing, and cannot be nil.
        for (blocked, expected) in [(json!(true), vec![]), (Value::Null, vec![(0, REJECTED, "soap.null")])] {
            let rows = [(ChangeKind::Upsert, json!({"Id": 1, "Blocked": blocked}))];
            let (_, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &rows)).await;
            assert_eq!(complaints(&results), expected);
        }
        assert_eq!(state(&server)[0]["Blocked"].to_string().trim_matches('"'), "true");
    });
}
