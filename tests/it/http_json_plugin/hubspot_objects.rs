//! HubSpot's companies and deals, a key of one's own to upsert by, and what belongs together.

use lockstep::connector::{PageStatus, ReadMode, Source as _, WriteMode, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::world::World;
use lockstep_test_servers::Api;
use serde_json::{Value, json};

use super::hubspot::{README, TOKEN};
use super::lives::Life;
use super::{connect_api, state, told};
use crate::http::lab::Lab;
use crate::plugins::{Reading, apply, complaints, ids, page, run};

const AUTH: &str = "auth = { bearer = \"file:secret\" }";

fn start() -> (Api, PluginConnector) {
    let server = Api::start("hubspot");
    let plugin = connect_api(&server.url(), "api = \"hubspot\"", AUTH, TOKEN);
    (server, plugin)
}

/// With what the README lays over the manifest.
fn start_by_number() -> (Api, PluginConnector) {
    let server = Api::start("hubspot");
    let (_, rest) = README.split_once("`companies.toml`:\n\n```toml\n").unwrap();
    let (manifest, _) = rest.split_once("```").unwrap();
    let lab = Lab::new(TOKEN);
    std::fs::write(lab.path().join("companies.toml"), manifest).unwrap();
    let text = format!(
        "http.api = {{ origin = \"{}\", allow_private = true, {AUTH} }}\nconfig = {{ api = \"hubspot\", manifest = \"companies.toml\" }}",
        server.url()
    );
    let plugin = lab.connect_plugin("http-json", &text, World::real()).unwrap_or_else(|error| panic!("{error}"));
    (server, plugin)
}

async fn live(stream: &str, name: &str) {
    let (server, plugin) = start();
    let values = ["one.example", "two.example", "three.example"];
    let bad = json!({"lifecyclestage": "no such stage"});
    Life { plugin: &plugin, stream, name, unique: "domain", values, bad, is_strict: false }.live().await;
    // What changed since is found by search.
    let mut reading = Reading::full(&plugin, stream).discovered().await;
    reading.request.mode = ReadMode::Incremental;
    let first = reading.read().await;
    assert_eq!((first.records.len(), first.status), (2, Some(PageStatus::EnumerationComplete)));
    let id = state(&server.ask("GET", "/-/state", ""), stream)[0]["id"].as_str().unwrap().to_owned();
    let edit = json!({"type": stream, "time": "2099-01-01T00:00:00.000Z", "edit": { &id: { name: "edited" } }});
    server.change(&edit.to_string());
    let shown = reading.read().await;
    let edited: Vec<_> = shown.records.iter().filter(|record| record[name] == "edited").collect();
    assert_eq!((edited.len(), &edited[0]["id"]), (1, &json!(id)));
}

#[test]
fn companies_live_as_contacts_do() {
    run(live("companies", "name"));
}

#[test]
fn deals_live_as_contacts_do() {
    run(live("deals", "dealname"));
}

#[test]
fn companies_are_upserted_by_a_property_of_ones_own() {
    run(async {
        let (server, plugin) = start_by_number();
        let there = json!({"type": "companies", "add": [{"erp_number": "K1", "name": "There"}]});
        server.change(&there.to_string());
        let target = plugin.discover(&["companies".to_owned()]).await.unwrap().remove(0);
        server.calls();
        let row = |number: &str, name: &str, stage: &str| json!({"erp_number": number, "name": name, "lifecyclestage": stage});
        let rows = [row("K2", "New", "lead"), row("K1", "Again", "lead"), row("K3", "Bad", "no such stage")];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        let told_rows = vec![(1, WriteStatus::Conflict, "api.exists"), (2, WriteStatus::Rejected, "VALIDATION_ERROR")];
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), told_rows), "{results:?}");
        assert!(ids(&results)[0].starts_with("[\""), "{:?}", ids(&results));
        // A look for those that are there, and one request for the rest: whoever repeats it makes no second one.
        let calls: Vec<String> =
            told(&server.calls()).into_iter().map(|(name, count)| format!("{name} {count}")).collect();
        let path = "POST /crm/v3/objects/companies/batch";
        assert_eq!(calls, [format!("{path}/read 1"), format!("{path}/upsert 1")]);
        let all = state(&server.ask("GET", "/-/state", ""), "companies");
        let names: Vec<&Value> = all.iter().map(|company| &company["properties"]["name"]).collect();
        assert_eq!(names, [&json!("There"), &json!("New")]);
    });
}

#[test]
fn an_upsert_whose_answer_is_lost_makes_no_second_company() {
    run(async {
        let (server, plugin) = start_by_number();
        let target = plugin.discover(&["companies".to_owned()]).await.unwrap().remove(0);
        let at = "POST /crm/v3/objects/companies/batch/upsert";
        server.ask("POST", "/-/faults", &json!([{"at": at, "count": 1, "after": true, "cut": true}]).to_string());
        let rows = [json!({"erp_number": "K2", "name": "New"})];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![]));
        assert_eq!(state(&server.ask("GET", "/-/state", ""), "companies").len(), 1);
    });
}

#[test]
fn a_deal_tells_whose_it_is_when_everything_is_read() {
    run(async {
        let (server, plugin) = start();
        let deals = json!({"type": "deals", "add": [{"dealname": "a"}, {"dealname": "b"}], "link": {"1000": {"companies": ["7", "8"]}}});
        server.change(&deals.to_string());
        let shown = Reading::full(&plugin, "deals").discovered().await.read().await;
        let of =
            |n: usize| (shown.records[n].get("company_ids").cloned(), shown.records[n].get("contact_ids").cloned());
        let linked = json!([{"id": "7", "type": "deals_to_companies"}, {"id": "8", "type": "deals_to_companies"}]);
        assert_eq!(of(0), (Some(linked), None));
        // Nothing is said where there is none, and nothing is taken away by that.
        assert_eq!(of(1), (None, None));
    });
}
