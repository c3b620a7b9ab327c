//! HubSpot's contacts, against an emulator after its OpenAPI document.

use lockstep::connector::{Lookup, PageStatus, Source as _, WriteMode, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::record::{ChangeKind, Stream};
use lockstep_test_servers::{Api, Postgres};
use serde_json::{Value, json};

use super::{connect_api, state, told};
use crate::hub::systems::figures;
use crate::mirror::project::Project;
use crate::plugins::{Reading, apply, changes, complaints, ids, page, records, run};

pub const TOKEN: &str = "pat-na1-secret-of-hubspot";

fn start(contacts: &[Value]) -> (Api, PluginConnector) {
    let server = Api::start("hubspot");
    server.change(&json!({ "add": contacts }).to_string());
    let plugin = connect_api(&server.url(), "api = \"hubspot\"", "auth = { bearer = \"file:secret\" }", TOKEN);
    server.calls();
    (server, plugin)
}

fn many(count: u32) -> Vec<Value> {
    (1..=count).map(|n| json!({"email": format!("p{n}@example.com"), "firstname": format!("Name {n}"), "annualrevenue": format!("{n}.25")})).collect()
}

async fn contacts(plugin: &PluginConnector) -> Stream {
    plugin.discover(&["contacts".to_owned()]).await.unwrap().remove(0)
}

#[test]
fn properties_are_described_and_read_with_their_types() {
    run(async {
        let (server, plugin) = start(&[
            json!({"email": "A@Example.com", "annualrevenue": "12.50", "subscribed": "true", "birthday": "2000-02-29"}),
        ]);
        let stream = contacts(&plugin).await;
        let logical = |name: &str| stream.fields.iter().find(|field| field.name == name).unwrap().logical.to_string();
        let found =
            ["annualrevenue", "subscribed", "birthday", "lastmodifieddate", "lifecyclestage", "id"].map(logical);
        assert_eq!(found, ["decimal", "bool", "date", "timestamp", "text", "text"]);
        assert_eq!(stream.properties.get("visibility-lag-ms"), Some("60000"));
        assert_eq!(stream.properties.get("write"), Some("upsert,delete,insert,update"));
        let shown = Reading::full(&plugin, "contacts").discovered().await.read().await;
        let record = &shown.records[0];
        assert_eq!(
            (&record["email"], &record["annualrevenue"], &record["subscribed"]),
            (&json!("a@example.com"), &json!("12.50"), &json!(true))
        );
        assert_eq!((&record["birthday"], &record["phone"]), (&json!("2000-02-29"), &Value::Null));
        assert!(told(&server.calls()).iter().any(|(name, _)| name == "GET /crm/v3/properties/contacts"));
    });
}

#[test]
fn a_full_reading_takes_a_request_for_each_hundred() {
    run(async {
        let (server, plugin) = start(&many(250));
        server.change(&json!({"archive": ["1000"]}).to_string());
        let mut reading = Reading::full(&plugin, "contacts").discovered().await;
        server.calls();
        let shown = reading.read().await;
        assert_eq!((shown.records.len(), shown.status), (249, Some(PageStatus::EnumerationComplete)));
        assert_eq!(told(&server.calls()), [("GET /crm/v3/objects/contacts".to_owned(), 3)]);
    });
}

#[test]
fn changes_are_found_behind_the_limit_of_search_and_where_thousands_share_one_time() {
    run(async {
        let (server, plugin) = start(&[]);
        server.change(&json!({"time": "2026-01-01T00:00:00.000Z", "add": many(10_300)}).to_string());
        let mut reading = Reading::incremental(&plugin, "contacts", "lastmodifieddate").discovered().await;
        let first = reading.read().await;
        assert_eq!((first.records.len(), first.status), (10_300, Some(PageStatus::EnumerationComplete)));
        // All of them at one and the same millisecond, more than a search answers.
        let edits: serde_json::Map<String, Value> =
            (1000..11_250).map(|id| (id.to_string(), json!({"firstname": "new"}))).collect();
        server.change(&json!({"time": "2099-01-01T00:00:00.000Z", "edit": edits}).to_string());
        let changed = reading.read().await;
        assert_eq!((changed.records.len(), changed.status), (10_250, Some(PageStatus::CaughtUp)));
        assert!(changed.records.iter().all(|record| record["firstname"] == "new"));
    });
}

#[test]
fn what_search_does_not_show_yet_is_found_within_the_lookback() {
    run(async {
        let (server, plugin) = start(&many(3));
        let mut reading = Reading::incremental(&plugin, "contacts", "lastmodifieddate").discovered().await;
        reading.read().await;
        server.change(&json!({"lag": true}).to_string());
        server.change(&json!({"edit": {"1001": {"firstname": "late"}}}).to_string());
        let before = reading.read().await;
        assert!(before.records.iter().all(|record| record["firstname"] != "late"));
        server.change(&json!({"lag": false}).to_string());
        let after = reading.read().await;
        assert!(after.records.iter().any(|record| record["firstname"] == "late"));
    });
}

#[test]
fn every_input_of_a_batch_is_answered_by_its_trace() {
    run(async {
        let (server, plugin) = start(&many(2));
        let target = contacts(&plugin).await;
        let rows = [
            json!({"email": "new@example.com", "firstname": "New", "annualrevenue": "7.10"}),
            // The same address to HubSpot, in whatever case it is written.
            json!({"email": "P1@Example.com", "firstname": "There", "annualrevenue": null}),
            json!({"email": "broken", "firstname": "Bad", "annualrevenue": null}),
            json!({"email": "other@example.com", "firstname": "Other", "annualrevenue": null}),
        ];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(counts, (2, 0, 0));
        assert_eq!(
            complaints(&results),
            [(1, WriteStatus::Conflict, "api.exists"), (2, WriteStatus::Rejected, "VALIDATION_ERROR")]
        );
        assert!(ids(&results)[0] != ids(&results)[3] && ids(&results)[1].is_empty());
        let all = state(&server.ask("GET", "/-/state", ""), "contacts");
        let new = all.iter().find(|contact| contact["properties"]["email"] == "new@example.com").unwrap();
        assert_eq!(ids(&results)[0], format!("[{}]", new["id"]));
        assert_eq!((&new["properties"]["annualrevenue"], all.len()), (&json!("7.10"), 4));
        assert_eq!(all[0]["properties"]["firstname"], "Name 1");
    });
}

#[test]
fn records_are_changed_only_if_they_are_as_expected_and_deletes_archive() {
    run(async {
        let (server, plugin) = start(&many(5));
        let target = contacts(&plugin).await;
        let change = |id: &str, name: Value, expected: &str| {
            (ChangeKind::Upsert, json!({"id": id, "firstname": name, "expected:firstname": expected}))
        };
        let rows = [
            change("1000", json!("one"), "Name 1"),
            change("1001", json!("two"), "other"),
            change("9999", json!("none"), "x"),
            (ChangeKind::Delete, json!({"id": "1002", "firstname": null, "expected:firstname": "Name 3"})),
            change("1003", json!("Name 4"), "Name 4"),
            change("1004", Value::Null, "Name 5"),
        ];
        server.calls();
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &rows)).await;
        assert_eq!(counts, (2, 1, 1));
        let told_rows: Vec<(u32, WriteStatus)> =
            complaints(&results).iter().map(|(row, status, _)| (*row, *status)).collect();
        assert_eq!(told_rows, [(1, WriteStatus::Conflict), (2, WriteStatus::Conflict)]);
        let asked = told(&server.calls());
        assert_eq!(asked.iter().map(|(_, count)| count).sum::<u64>(), 3, "{asked:?}");
        let all = state(&server.ask("GET", "/-/state", ""), "contacts");
        let names: Vec<&Value> = all.iter().map(|contact| &contact["properties"]["firstname"]).collect();
        assert_eq!(names, [&json!("one"), &json!("Name 2"), &json!("Name 3"), &json!("Name 4"), &Value::Null]);
        assert_eq!(all[2]["archived"], true);
    });
}

#[test]
fn contacts_are_looked_up_by_id_and_by_address() {
    run(async {
        let (server, plugin) = start(&many(150));
        let reading = Reading::full(&plugin, "contacts").discovered().await;
        let target = contacts(&plugin).await;
        let keys = |rows: &[Value]| page(&target, rows).data;
        server.calls();
        let found = Lookup::lookup(&plugin, &reading.request, &keys(&[json!({"id": "1001"}), json!({"id": "1"})]))
            .await
            .unwrap();
        assert_eq!((found.rows(), &records(&found.data)[0]["email"]), (1, &json!("p2@example.com")));
        let addresses: Vec<Value> = (1..=150).map(|n| json!({"email": format!("p{n}@example.com")})).collect();
        let found = Lookup::lookup(&plugin, &reading.request, &keys(&addresses)).await.unwrap();
        assert_eq!(found.rows(), 150);
        assert_eq!(told(&server.calls()), [("POST /crm/v3/objects/contacts/batch/read".to_owned(), 3)]);
    });
}

pub const README: &str = include_str!("../../../plugins/http-json/apis/hubspot/README.md");

/// What the README shows works as it stands there, but for where the systems are.
#[test]
fn five_lines_join_hubspot_to_a_hub() {
    let (_, rest) = README.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let (_, text) = text.split_once("name = \"sales\"\n").unwrap();
    let (server, database) = (Api::start("hubspot"), Postgres::start());
    server.change(&json!({ "add": many(120) }).to_string());
    database.psql(
        "create table customer (id bigint generated always as identity primary key, mail text unique, name text, revenue numeric(18,2)); \
         insert into customer (mail, name, revenue) values ('p1@example.com', 'Name 1', 1.25), ('x@example.com', 'X', 9)",
    );
    let text = text
        .replace("origin = \"https://api.hubapi.com\"", &format!("origin = \"{}\", allow_private = true", server.url()))
        .replace("env:HUBSPOT_TOKEN", "file:token")
        .replace("env:ERP_URL", "file:url");
    let project = Project::new(&text);
    project.write("token", TOKEN);
    project.write("url", database.url());
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [120, 0]);
    assert_eq!(database.psql("select count(*), sum(revenue) from customer"), "121|7299.00");
    let all = state(&server.ask("GET", "/-/state", ""), "contacts");
    let x = all.iter().find(|contact| contact["properties"]["email"] == "x@example.com").unwrap();
    assert_eq!((&x["properties"]["firstname"], &x["properties"]["annualrevenue"]), (&json!("X"), &json!("9")));
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [0, 0]);
    server.change(&json!({"edit": {"1001": {"firstname": "edited"}}}).to_string());
    database.psql("update customer set revenue = 77 where mail = 'p3@example.com'");
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [2, 0]);
    assert_eq!(database.psql("select name from customer where mail = 'p2@example.com'"), "edited");
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [0, 0]);
}
