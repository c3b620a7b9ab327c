//! Records that are made, changed and deleted, each answered.

use lockstep::connector::{Sink as _, Source as _, WriteMode, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::record::{ChangeKind, Stream};
use lockstep_test_servers::Salesforce;
use serde_json::{Value, json};

use super::{account, accounts, calls, id, start};
use crate::plugins::{apply, changes, complaints, ids, page, page_with_deletes, run};

const CONFLICT: WriteStatus = WriteStatus::Conflict;
const REJECTED: WriteStatus = WriteStatus::Rejected;
const RETRY: WriteStatus = WriteStatus::Retry;
const UPDATE: ChangeKind = ChangeKind::Upsert;
const DELETE: ChangeKind = ChangeKind::Delete;

async fn target(plugin: &PluginConnector) -> Stream {
    plugin.discover(&["Account".to_owned()]).await.unwrap().remove(0)
}

/// Numbers, names and credits of what is there, in the order in which it was made.
fn all(server: &Salesforce) -> Vec<String> {
    let rows = server.run(
        "return [...org.of('Account')].filter((record) => !record.IsDeleted).map(({ No__c, Name, Credit__c }) => `${No__c} ${Name} ${Credit__c}`)",
    );
    serde_json::from_str(&rows).unwrap()
}

#[test]
fn ids_are_told_in_the_order_of_the_rows() {
    run(async {
        let (server, plugin) = start("");
        let target = target(&plugin).await;
        let rows: Vec<Value> =
            (0..450).map(|n| json!({"Name": format!("{n:03}"), "Credit__c": format!("{n}.50")})).collect();
        calls(&server);
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((450, 0, 0), vec![]));
        let found: Vec<String> = serde_json::from_str(&server.run(
            "return [...org.of('Account')].sort((one, other) => one.Name < other.Name ? -1 : 1).map((record) => JSON.stringify([record.Id]))",
        ))
        .unwrap();
        assert_eq!(ids(&results), found);
        assert_eq!(calls(&server), [("POST composite/sobjects".to_owned(), 3)]);
    });
}

#[test]
fn each_record_is_answered_for_itself() {
    run(async {
        let (server, plugin) = start(&accounts(1));
        let target = target(&plugin).await;
        let row = |no: &str, name: &str, parent: Option<&str>| json!({"No__c": no, "Name": name, "ParentId": parent});
        let rows = [
            row("N2", "b", None),
            row("n1", "again", None),
            row("N3", &"x".repeat(300), None),
            row("N4", "", None),
            row("N5", "c", Some("001Ab0000999999AAA")),
            row("N6", "d", Some(&id(&server, 1)[..15])),
        ];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(counts, (2, 0, 0));
        let expected = [
            (1, CONFLICT, "DUPLICATE_VALUE"),
            (2, REJECTED, "STRING_TOO_LONG"),
            (3, REJECTED, "REQUIRED_FIELD_MISSING"),
            (4, REJECTED, "INVALID_CROSS_REFERENCE_KEY"),
        ];
        assert_eq!(complaints(&results), expected);
        assert_eq!(all(&server), ["N1 Name 1 1.25", "N2 b null", "N6 d null"]);
    });
}

#[test]
fn records_are_changed_only_if_they_are_as_expected() {
    run(async {
        let (server, plugin) = start(&accounts(8));
        let target = target(&plugin).await;
        let change = |n: u32, name: &str, expected: &str| {
            (UPDATE, json!({"Id": id(&server, n), "Name": name, "expected:Name": expected}))
        };
        let delete =
            |n: u32, expected: &str| (DELETE, json!({"Id": id(&server, n), "Name": null, "expected:Name": expected}));
        let rows = [
            change(1, "one", "Name 1"),
            change(2, "two", "Name x"),
            (UPDATE, json!({"Id": "001Ab0000999999AAA", "Name": "none", "expected:Name": "x"})),
            delete(3, "Name 3"),
            delete(4, "Name x"),
            (DELETE, json!({"Id": "001Ab0000999999AAA", "Name": null, "expected:Name": "x"})),
            change(5, "Name 5", "Name 5"),
            (UPDATE, json!({"Id": "nonsense", "Name": "x", "expected:Name": "x"})),
        ];
        calls(&server);
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &rows)).await;
        assert_eq!(counts, (1, 2, 1));
        let expected = [
            (1, CONFLICT, "salesforce.changed"),
            (2, CONFLICT, "salesforce.missing"),
            (4, CONFLICT, "salesforce.changed"),
            (7, REJECTED, "salesforce.key"),
        ];
        assert_eq!(complaints(&results), expected);
        let mut left: Vec<String> = (4..=8).map(|n| format!("N{n} Name {n} {n}.25")).collect();
        left.splice(0..0, ["N1 one 1.25".to_owned(), "N2 Name 2 2.25".to_owned()]);
        assert_eq!(all(&server), left);
        // One that reads, two that write; what is equal is not written.
        let expected = [
            ("POST composite/sobjects/Account".to_owned(), 1),
            ("PATCH composite/sobjects".to_owned(), 1),
            ("DELETE composite/sobjects".to_owned(), 1),
        ];
        assert_eq!(calls(&server), expected);
    });
}

#[test]
fn records_are_found_by_an_external_id_and_equal_ones_left_alone() {
    run(async {
        let (server, plugin) = start(&accounts(4));
        let mut target = target(&plugin).await;
        target.key = vec!["No__c".into()];
        server.run("org.advance(3600)");
        let rows = [
            (UPDATE, json!({"No__c": "N1", "Name": "Name 1", "Credit__c": "1.250"})),
            (UPDATE, json!({"No__c": "N2", "Name": "new", "Credit__c": "2.25"})),
            (UPDATE, json!({"No__c": "N7", "Name": "seven", "Credit__c": "7.00"})),
            (DELETE, json!({"No__c": "N3", "Name": null, "Credit__c": null})),
            (DELETE, json!({"No__c": "N9", "Name": null, "Credit__c": null})),
        ];
        calls(&server);
        let changes = page_with_deletes(&target, &rows);
        let (counts, results) = apply(&plugin, &target, WriteMode::Upsert, changes.clone()).await;
        assert_eq!((counts, complaints(&results)), ((2, 2, 1), vec![]));
        assert_eq!(all(&server), ["N1 Name 1 1.25", "N2 new 2.25", "N4 Name 4 4.25", "N7 seven 7"]);
        let names: Vec<String> = calls(&server).into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"PATCH composite/sobjects/Account/No__c".to_owned()), "{names:?}");
        let untouched = server.run("return [...org.of('Account')].filter((record) => record.SystemModstamp < '2026-01-01T01').map((record) => record.No__c)");
        assert_eq!(untouched, r#"["N1","N4"]"#);
        assert_eq!(apply(&plugin, &target, WriteMode::Upsert, changes).await.0, (0, 5, 0));
    });
}

#[test]
fn an_external_id_that_several_have_is_refused() {
    run(async {
        let (server, plugin) =
            start("for (const n of [1, 2, 2]) org.create('Account', { Name: `${n}`, Ref__c: `R${n}` })");
        let mut target = target(&plugin).await;
        target.key = vec!["Ref__c".into()];
        let rows: Vec<Value> = ["R1", "R2", "R3"].map(|code| json!({"Ref__c": code, "Name": "new"})).to_vec();
        let (counts, results) = apply(&plugin, &target, WriteMode::Upsert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((2, 0, 0), vec![(1, REJECTED, "salesforce.ambiguous")]));
        // Nobody but us keeps these apart: what is there is not made again.
        let rows: Vec<Value> = ["R1", "R2", "R4"].map(|code| json!({"Ref__c": code, "Name": "newer"})).to_vec();
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results).len()), ((1, 0, 0), 2));
        assert_eq!(ids(&results), ["", "", "[\"R4\"]"]);
        assert_eq!(server.run("return [...org.of('Account')].length"), "5");
    });
}

#[test]
fn what_the_server_makes_of_values_is_not_written_again_and_again() {
    run(async {
        let (server, plugin) = start("");
        let mut target = target(&plugin).await;
        target.key = vec!["No__c".into()];
        let parent: String =
            serde_json::from_str(&server.run("return org.create('Account', { Name: 'p', No__c: 'P' }).id")).unwrap();
        let row = json!({
            "No__c": "1", "Name": "\"\\\n\u{1f600}", "Credit__c": "9999999999999.99", "Rate__c": "0.1", "NumberOfEmployees": -7,
            "Active__c": false, "Since__c": "2024-02-29", "Opens__c": "01:02:03", "Seen__c": "2026-01-01T10:00:00Z",
            "Interests__c": "Cars;Art", "ParentId": &parent[..15], "Description": ""
        });
        let rows = std::slice::from_ref(&row);
        let (counts, results) = apply(&plugin, &target, WriteMode::Upsert, page(&target, rows)).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![]));
        let (counts, results) = apply(&plugin, &target, WriteMode::Upsert, page(&target, rows)).await;
        assert_eq!((counts, complaints(&results)), ((0, 1, 0), vec![]));
    });
}

#[test]
fn rows_that_are_locked_are_tried_again_and_those_beside_them_are_written() {
    run(async {
        let (server, plugin) = start(&accounts(3));
        let target = target(&plugin).await;
        server.run(&account(2, "org.locked.add(record.Id)"));
        let rows: Vec<Value> = (1..=3).map(|n| json!({"Id": id(&server, n), "Name": "new"})).collect();
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((2, 0, 0), vec![(1, RETRY, "UNABLE_TO_LOCK_ROW")]));
    });
}

#[test]
fn a_record_that_goes_between_reading_and_writing_is_a_conflict() {
    run(async {
        let (server, plugin) = start(&accounts(2));
        let target = target(&plugin).await;
        server.run("site.routes.push((request) => { if (request.method !== 'POST') for (const record of org.of('Account')) if (record.No__c === 'N1') org.delete(record.Id) })");
        let rows: Vec<Value> = (1..=2).map(|n| json!({"Id": id(&server, n), "Name": "new"})).collect();
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![(0, CONFLICT, "ENTITY_IS_DELETED")]));
        let rows: Vec<(ChangeKind, Value)> = vec![(DELETE, json!({"Id": id(&server, 2), "Name": null}))];
        server.run("site.routes.push((request) => { for (const record of org.of('Account')) if (request.method === 'DELETE') org.delete(record.Id) })");
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, page_with_deletes(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((0, 1, 0), vec![]));
    });
}

#[test]
fn one_record_that_cannot_be_understood_takes_no_other_with_it() {
    run(async {
        let (server, plugin) = start("");
        // As where a field changes its type between a describe and a write.
        let mut target = target(&plugin).await;
        let rows: Vec<Value> = (0..40).map(|n| json!({"Name": format!("{n}"), "Description": "fine"})).collect();
        server.run(
            "const understood = org.understood.bind(org); org.understood = (object, values) => understood(object, { ...values, ...(values.Name === '17' ? { Since__c: 'soon' } : {}) })",
        );
        target.fields.retain(|field| ["Name", "Description", "Id"].contains(&field.name.as_str()));
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((39, 0, 0), vec![(17, REJECTED, "JSON_PARSER_ERROR")]));
        assert_eq!(all(&server).len(), 39);
    });
}

#[test]
fn objects_and_fields_are_not_made() {
    run(async {
        let (_server, plugin) = start("");
        let mut wanted = target(&plugin).await;
        assert!(plugin.prepare(&wanted, crate::plugins::EVOLVE).await.unwrap().actions.is_empty());
        wanted.fields[2].name = "Nowhere__c".into();
        assert_eq!(
            plugin.prepare(&wanted, crate::plugins::EVOLVE).await.unwrap_err().detail_code,
            "salesforce.no-field"
        );
        wanted.name = "Nothing".into();
        assert_eq!(
            plugin.prepare(&wanted, crate::plugins::EVOLVE).await.unwrap_err().detail_code,
            "salesforce.no-object"
        );
    });
}
