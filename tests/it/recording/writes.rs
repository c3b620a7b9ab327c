//! Plugins that write: what is recorded, and what a plugin says of rows when something goes wrong.

use serde_json::{Value, json};

use super::lines;
use crate::http::records::Records;
use crate::mirror::project::{FILES, Project};

pub fn project(records: &Records, config: &str) -> Project {
    let project = Project::new(&format!(
        "[connection.crm]\nplugin = \"./twins-http.wasm\"\nconfig = {{ {config} }}\n\
         http.api = {{ origin = \"{}\", allow_private = true, auth = {{ bearer = \"file:secret\" }} }}\n",
        records.server.url()
    ));
    std::fs::copy(lockstep_tests::guest("twins-http"), project.path("twins-http.wasm")).unwrap();
    project.write("secret", "a-secret-of-some-length");
    project
}

pub const RECORD: &[&str] =
    &["plugin", "record", "--connection", "crm", "--write-stream", "scratch", "--out", "w.jsonl"];

fn struck(project: &Project, args: &[&str], code: i32) -> Vec<Value> {
    let document = project.run(&[args, &["--json"]].concat()).ends(code).json();
    let faults = document["result"]["faults"].as_array().unwrap().clone();
    faults.into_iter().filter(|struck| struck["during"] == "writing").collect()
}

fn outcomes(struck: &[Value], fault: &str) -> Vec<String> {
    let of = struck.iter().filter(|struck| struck["fault"] == fault);
    of.map(|struck| struck["outcome"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn writes_are_recorded_taken_away_and_replayed_without_the_system() {
    let records = Records::start();
    let project = project(&records, "makes_key = true");
    project.run(RECORD).ends(0).says(&["1 stream, 0 records in 1 page, 2 writes, 7 exchanges in w.jsonl"]);
    assert_eq!(records.kept(), Vec::<Value>::new(), "what was written is taken away");
    let asked = records.server.requests().len();
    let recorded = lines(&project, "w.jsonl");
    let steps = recorded[0]["writes"]["steps"].as_array().unwrap().clone();
    assert_eq!((&steps[0]["mode"], steps[0]["rows"].as_array().unwrap().len()), (&json!("insert"), 3));
    assert_eq!((&steps[1]["deletes"], &steps[1]["rows"][2]), (&json!(true), &json!({"id": 3})));
    let wrote: Vec<&Value> = recorded.iter().map(|line| &line["gave"]).filter(|gave| gave["write"].is_u64()).collect();
    assert_eq!((&wrote[0]["statuses"], &wrote[0]["ids"][0]), (&json!(["ok", "ok", "ok"]), &json!("[\"1\"]")));
    assert_eq!(wrote[1]["flushed"]["deleted"], 3);

    project.run(&["plugin", "replay", "./twins-http.wasm", "w.jsonl"]).ends(0).says(&["2 writes, as twins-http@"]);
    assert_eq!(records.server.requests().len(), asked, "nothing is reached");
    let text = project.read("w.jsonl");
    project.write("w.jsonl", text.replacen("\"ids\":[\"[\\\"1\\\"]\"", "\"ids\":[\"[\\\"8\\\"]\"", 1));
    project.run(&["plugin", "replay", "./twins-http.wasm", "w.jsonl"]).ends(1).says(&["scratch  ids of write 1"]);
}

#[test]
fn a_write_whose_answer_is_lost_is_not_claimed_to_be_known() {
    let records = Records::start();
    let replay = ["plugin", "replay", "./twins-http.wasm", "w.jsonl", "--fault", "all"];
    let check =
        ["plugin", "check", "--connection", "crm", "--write-stream", "scratch", "--only", "errors", "--fault", "all"];
    let right = project(&records, "makes_key = true");
    right.run(RECORD).ends(0);
    let told = struck(&right, &replay, 0);
    // Three requests that insert, three that delete: of these each may be sent twice.
    assert_eq!(outcomes(&told, "timeout-after-commit"), ["told"; 6], "{told:#?}");
    assert_eq!(outcomes(&told, "429"), ["told"; 6], "{told:#?}");
    let told = struck(&right, &check, 0);
    assert_eq!(outcomes(&told, "timeout-after-commit"), ["told"; 3], "{told:#?}");
    assert_eq!(records.kept(), Vec::<Value>::new());

    for (breach, replayed, checked) in [
        ("says-ok", "scratch: write 1 answers as if nothing had happened", ""),
        ("says-retry", "scratch: row 0 of write 1 is `retry`, though it was written", "row 0 is `retry`, though"),
        ("sends-again", "scratch: write 1 sends a request again", "it sends a request again"),
    ] {
        let wrong = project(&records, &format!("makes_key = true, breach = \"{breach}\""));
        let config = format!("\"makes_key\":true,\"breach\":\"{breach}\"");
        wrong.write("w.jsonl", right.read("w.jsonl").replace("\"makes_key\":true", &config));
        let first = "timeout-after-commit@4";
        let told = struck(&wrong, &["plugin", "replay", "./twins-http.wasm", "w.jsonl", "--fault", first], 1);
        assert!(told[0]["wrong"][0].as_str().unwrap().starts_with(replayed), "{breach}: {told:#?}");
        // What is said to be there is there: that it was a guess cannot be seen at the system.
        let told = struck(
            &wrong,
            &[&check[..8], &["--fault", "timeout-after-commit@1"]].concat(),
            i32::from(!checked.is_empty()),
        );
        assert!(told[0]["wrong"][0].as_str().unwrap_or_default().starts_with(checked), "{breach}: {told:#?}");
        assert_eq!(records.kept(), Vec::<Value>::new(), "{breach}");
    }
}

#[test]
fn databases_and_files_are_written_into_a_recording() {
    let project = Project::new(FILES);
    project.run(&["plugin", "record", "--connection", "copy", "--write-stream", "scratch", "--out", "s.jsonl"]).ends(0);
    assert_eq!(project.sqlite("SELECT count(*) FROM scratch"), "0");
    let recorded = lines(&project, "s.jsonl");
    let statuses: Vec<&Value> =
        recorded.iter().map(|line| &line["gave"]["flushed"]).filter(|done| done.is_object()).collect();
    let done = |written, unchanged, deleted| json!({"written": written, "unchanged": unchanged, "deleted": deleted});
    assert_eq!(statuses, [&done(3, 0, 0), &done(0, 3, 0), &done(1, 0, 0), &done(0, 0, 3)]);
    std::fs::remove_file(project.path("copy.db")).unwrap();
    project.run(&["plugin", "replay", "sqlite", "s.jsonl"]).ends(0).says(&["4 writes, as sqlite@"]);
    let told = struck(&project, &["plugin", "replay", "sqlite", "s.jsonl", "--fault", "timeout-after-commit"], 0);
    // To take back what is under way is something else than was recorded.
    let (told, rest): (Vec<Value>, Vec<Value>) = told.into_iter().partition(|struck| struck["outcome"] == "told");
    assert!(told.len() > 20 && rest.iter().all(|struck| struck["outcome"] == "not-recorded"), "{rest:#?}");

    std::fs::copy(lockstep_tests::guest("twins"), project.path("twins.wasm")).unwrap();
    let twin = "\n[connection.twin]\nplugin = \"./twins.wasm\"\nfiles.data = { path = \"data\" }\n";
    project.write("lockstep.toml", project.read("lockstep.toml") + twin);
    let store = json!({"streams": {"scratch": []}}).to_string();
    project.write("data/store.json", &store);
    project.run(&["plugin", "record", "--connection", "twin", "--write-stream", "scratch", "--out", "f.jsonl"]).ends(0);
    assert!(project.read("f.jsonl").contains("\"finish\":\"store.json\""));
    assert_eq!(project.read("data/store.json"), store, "and it is as it was");
    std::fs::remove_file(project.path("data/store.json")).unwrap();
    project.run(&["plugin", "replay", "./twins.wasm", "f.jsonl"]).ends(0).says(&["4 writes, as twins@"]);
    assert!(!project.path("data/store.json").exists(), "nothing is written");
}

#[test]
fn what_cannot_be_written_is_said() {
    let project = Project::new(FILES);
    project.write("data/people.csv", "id,name\n1,Ann\n");
    let record = |connection, stream| {
        ["plugin", "record", "--connection", connection, "--write-stream", stream, "--out", "x.jsonl"]
    };
    project.run(&record("files", "people.csv")).ends(2).says(&["`sink`"]);
    project.sqlite("CREATE TABLE t (name TEXT)");
    project.run(&record("copy", "t")).ends(2).says(&["nothing can be written: `t` has no key", "--sample FILE"]);
}
