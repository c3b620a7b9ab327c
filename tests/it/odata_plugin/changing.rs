//! Records that are made, changed and deleted, each answered.

use lockstep::connector::{Sink as _, Source as _, WriteMode, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::record::{ChangeKind, Stream};
use lockstep_test_servers::Cap;
use serde_json::{Value, json};

use super::{calls, connect, customers, id, start};
use crate::plugins::{apply, changes, complaints, ids, page, page_with_deletes, run, updates};

const CONFLICT: WriteStatus = WriteStatus::Conflict;
const REJECTED: WriteStatus = WriteStatus::Rejected;
const UPDATE: ChangeKind = ChangeKind::Upsert;
const DELETE: ChangeKind = ChangeKind::Delete;
const TIME: &str = "2026-01-01T00:00:00.000Z";

async fn target(plugin: &PluginConnector, name: &str) -> Stream {
    plugin.discover(&[name.to_owned()]).await.unwrap().remove(0)
}

/// Numbers, names and credits, in the order of the numbers.
fn all(server: &Cap) -> Vec<String> {
    let rows: Value = serde_json::from_str(
        &server.sql("select number, name, credit from Sales_Customers order by number is null, number"),
    )
    .unwrap();
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {} {}", shown(&row["number"]), shown(&row["name"]), shown(&row["credit"])))
        .collect()
}

#[test]
fn keys_are_filled_in_and_told_in_the_order_of_the_rows() {
    run(async {
        for form in ["multipart", "json", "none"] {
            let (server, _) = start("");
            let plugin = connect(&server.url(), Cap::version_4(), &format!("batch = \"{form}\", batch_size = 40"));
            let target = target(&plugin, "Customers").await;
            let rows: Vec<Value> =
                (0..100).map(|n| json!({"number": format!("{n:03}"), "credit": format!("{n}.50")})).collect();
            calls(&server);
            let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
            assert_eq!((counts, complaints(&results)), ((100, 0, 0), vec![]), "{form}");
            let found: Value =
                serde_json::from_str(&server.sql("select ID from Sales_Customers order by number is null, number"))
                    .unwrap();
            let expected: Vec<String> =
                found.as_array().unwrap().iter().map(|row| format!("[{}]", row["ID"])).collect();
            assert_eq!(ids(&results), expected, "{form}");
            let posts: u64 =
                calls(&server).iter().filter(|(name, _)| name.starts_with("POST")).map(|(_, count)| *count).sum();
            assert_eq!(posts, if form == "none" { 100 } else { 3 }, "{form}");
        }
    });
}

#[test]
fn records_that_are_there_are_not_inserted_again() {
    run(async {
        let (server, plugin) = start(&customers(1, TIME));
        let target = target(&plugin, "Customers").await;
        let rows = [
            json!({"ID": id(2), "number": "N2", "name": "b"}),
            json!({"ID": id(1), "number": "N1", "name": "again"}),
            json!({"ID": id(3), "number": "N3", "name": "x".repeat(200)}),
        ];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(counts, (1, 0, 0));
        let told: Vec<(u32, WriteStatus)> =
            complaints(&results).iter().map(|(row, status, _)| (*row, *status)).collect();
        assert_eq!(told, [(1, CONFLICT), (2, REJECTED)]);
        assert_eq!(ids(&results)[0], format!("[\"{}\"]", id(2)));
        assert_eq!(all(&server), ["N1 Name 1 1.25", "N2 b null"]);
    });
}

#[test]
fn records_are_changed_only_if_they_are_as_expected() {
    run(async {
        for form in ["multipart", "json"] {
            let (server, _) = start(&customers(6, TIME));
            let plugin = connect(&server.url(), Cap::version_4(), &format!("batch = \"{form}\""));
            let target = target(&plugin, "Customers").await;
            let change = |n: u32, name: &str, expected: &str| {
                (UPDATE, json!({"ID": id(n), "name": name, "expected:name": expected}))
            };
            let rows = [
                change(1, "one", "Name 1"),
                change(2, "two", "Name x"),
                change(99, "none", "Name 99"),
                (DELETE, json!({"ID": id(3), "name": null, "expected:name": "Name 3"})),
                (DELETE, json!({"ID": id(4), "name": null, "expected:name": "Name x"})),
                (DELETE, json!({"ID": id(98), "name": null, "expected:name": "Name 98"})),
                change(5, "Name 5", "Name 5"),
            ];
            calls(&server);
            let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &rows)).await;
            assert_eq!(counts, (1, 2, 1), "{form}");
            assert_eq!(
                complaints(&results),
                [(1, CONFLICT, "odata.changed"), (2, CONFLICT, "odata.missing"), (4, CONFLICT, "odata.changed")]
            );
            let expected = ["N1 one 1.25", "N2 Name 2 2.25", "N4 Name 4 4.25", "N5 Name 5 5.25", "N6 Name 6 6.25"];
            assert_eq!(all(&server), expected, "{form}");
            // One that reads, one that writes; what is equal is not written.
            let told = calls(&server);
            assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), 2, "{told:?}");
        }
    });
}

#[test]
fn equal_records_are_not_written_again() {
    run(async {
        let (server, plugin) = start(&customers(3, TIME));
        let target = target(&plugin, "Customers").await;
        let rows = [
            (UPDATE, json!({"ID": id(1), "name": "Name 1", "credit": "1.250"})),
            (UPDATE, json!({"ID": id(2), "name": "new", "credit": "2.25"})),
            (UPDATE, json!({"ID": id(4), "name": "four", "credit": "4.00"})),
            (DELETE, json!({"ID": id(3), "name": null, "credit": null})),
            (DELETE, json!({"ID": id(9), "name": null, "credit": null})),
        ];
        let mut target = target;
        target
            .fields
            .iter_mut()
            .filter(|field| field.name == "credit")
            .for_each(|field| field.logical = "decimal".parse().unwrap());
        let (counts, results) = apply(&plugin, &target, WriteMode::Upsert, page_with_deletes(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((2, 2, 1), vec![]));
        assert_eq!(all(&server), ["N1 Name 1 1.25", "N2 new 2.25", "null four 4"]);
        let untouched =
            server.sql("select count(*) as n from Sales_Customers where modifiedAt = '2026-01-01T00:00:00.000Z'");
        assert_eq!(untouched, "[{\"n\":1}]");
    });
}

#[test]
fn records_are_found_by_another_field_and_only_if_there_is_one() {
    run(async {
        let (server, plugin) = start(&customers(4, TIME));
        server.sql("update Sales_Customers set number = 'double' where points > 2");
        let mut target = target(&plugin, "Customers").await;
        target.key = vec!["number".into()];
        let rows: Vec<Value> = [("N1", "one"), ("double", "x"), ("N7", "seven")]
            .map(|(number, name)| json!({"number": number, "name": name}))
            .to_vec();
        let (counts, results) = apply(&plugin, &target, WriteMode::Upsert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((2, 0, 0), vec![(1, REJECTED, "odata.ambiguous")]));
        assert_eq!(
            all(&server),
            ["N1 one 1.25", "N2 Name 2 2.25", "N7 seven null", "double Name 3 3.25", "double Name 4 4.25"]
        );
    });
}

#[test]
fn keys_of_two_parts_and_values_of_all_types_are_written() {
    run(async {
        let (server, plugin) = start("");
        let lines = target(&plugin, "Lines").await;
        let row = |document: &str, line: i64, amount: &str| json!({"document": document, "line": line, "text": "a", "amount": amount});
        let rows = [row("A/1 ü'(", 1, "1.2345"), row("A/1 ü'(", 2, "-0.0001")];
        let (counts, results) = apply(&plugin, &lines, WriteMode::Insert, page(&lines, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((2, 0, 0), vec![]));
        assert_eq!(ids(&results), [r#"["A/1 ü'(","1"]"#, r#"["A/1 ü'(","2"]"#]);
        let changed = updates(&lines, &[json!({"document": "A/1 ü'(", "line": 2, "text": "b"})]);
        let (counts, results) = apply(&plugin, &lines, WriteMode::Update, changed).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![]));
        assert_eq!(
            server.sql("select line, text from Sales_Lines order by line"),
            r#"[{"line":1,"text":"a"},{"line":2,"text":"b"}]"#
        );
        let customers = target(&plugin, "Customers").await;
        let all = json!({
            "ID": id(1), "number": "1", "name": "\"\\\n\u{1f600}", "credit": "9999999999999.99", "rate": "0.1", "points": 9_007_199_254_740_993_i64,
            "visits": -7, "active": false, "since": "2024-02-29", "opens": "01:02:03", "score": 1e-7, "photo": "+/8A"
        });
        let (counts, results) =
            apply(&plugin, &customers, WriteMode::Insert, page(&customers, std::slice::from_ref(&all))).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![]));
        let mut shown = crate::plugins::Reading::full(&plugin, "Customers").read().await.records.remove(0);
        shown.remove("modifiedAt");
        assert_eq!(json!(shown)["points"], all["points"]);
        let (counts, _) = apply(&plugin, &customers, WriteMode::Upsert, page(&customers, &[json!(shown)])).await;
        assert_eq!(counts, (0, 1, 0));
    });
}

#[test]
fn sets_and_properties_are_not_made() {
    run(async {
        let (_server, plugin) = start("");
        let mut wanted = target(&plugin, "Lines").await;
        assert!(plugin.prepare(&wanted, crate::plugins::EVOLVE).await.unwrap().actions.is_empty());
        wanted.fields[2].name = "nowhere".into();
        assert_eq!(plugin.prepare(&wanted, crate::plugins::EVOLVE).await.unwrap_err().detail_code, "odata.no-property");
        wanted.name = "Nowhere".into();
        assert_eq!(plugin.prepare(&wanted, crate::plugins::EVOLVE).await.unwrap_err().detail_code, "odata.no-set");
    });
}
