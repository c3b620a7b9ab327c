//! The battery on a recording.

use std::collections::BTreeMap;

use serde_json::Value;

use super::requests::{project, things};
use super::writes;
use crate::http::records::Records;
use crate::mirror::project::Project;

/// What became of each check, with the reason.
fn outcomes(project: &Project, args: &[&str]) -> BTreeMap<String, (String, String)> {
    let document = project.run(&[&["plugin", "check", "--json"], args].concat()).ends(0).json();
    let text = |result: &Value, name: &str| result[name].as_str().unwrap_or_default().to_owned();
    let results = document["result"]["results"].as_array().unwrap().clone();
    let outcome = |result: &Value| (text(result, "check"), (text(result, "outcome"), text(result, "reason")));
    results.iter().map(outcome).collect()
}

#[test]
fn what_the_battery_asked_can_be_asked_again_without_the_system() {
    let server = things();
    let project = project(&server.url());
    project.run(&["plugin", "record", "--connection", "crm", "--check", "--out", "c.jsonl"]).ends(0);
    let live = outcomes(&project, &["--connection", "crm"]);
    let asked = server.requests().len();
    let replayed = outcomes(&project, &["http-json", "--replay", "c.jsonl", "--certificate", "c.json"]);
    assert_eq!(replayed, live);
    assert_eq!(server.requests().len(), asked, "nothing is reached");
    assert!(project.read("c.json").contains("\"system\": \"a recording\""));

    // A plugin that does something else is not blamed for what nobody recorded.
    project.write("c.jsonl", project.read("c.jsonl").replace("/things?after=", "/things?behind="));
    let gaps = outcomes(&project, &["http-json", "--replay", "c.jsonl"]);
    let (outcome, reason) = &gaps["read.answers"];
    assert_eq!(outcome, "skipped");
    assert!(reason.starts_with("not recorded: http.api: GET /things?after="), "{reason}");
    assert_eq!(gaps["manifest.present"].0, "passed");
}

#[test]
fn what_was_not_recorded_is_skipped() {
    let server = things();
    let project = project(&server.url());
    project.run(&["plugin", "record", "--connection", "crm", "--out", "r.jsonl"]).ends(0);
    let found = outcomes(&project, &["http-json", "--replay", "r.jsonl"]);
    for check in ["discover.answers", "read.answers", "resume.again"] {
        assert_eq!(found[check].0, "passed", "{check}: {found:#?}");
    }
    assert!(found["write.upsert"].1.contains("--write-stream"), "{found:#?}");
}

#[test]
fn writing_is_checked_on_a_recording() {
    let records = Records::start();
    let project = writes::project(&records, "makes_key = true");
    project.run(&[writes::RECORD, &["--check"]].concat()).ends(0).says(&["2 writes"]);
    assert_eq!(records.kept(), Vec::<Value>::new());
    let live = outcomes(&project, &["--connection", "crm", "--write-stream", "scratch"]);
    let asked = records.server.requests().len();
    let replayed = outcomes(&project, &["./twins-http.wasm", "--replay", "w.jsonl"]);
    assert_eq!(replayed, live);
    assert_eq!(replayed["write.unknown-outcome"].0, "passed");
    assert_eq!(replayed["insert.creates"].0, "passed");
    assert_eq!(records.server.requests().len(), asked, "nothing is reached");
}
