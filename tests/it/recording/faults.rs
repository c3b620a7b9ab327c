//! Faults while a recording is replayed: what is got over, what is told, and that what is lost or told wrongly is seen.

use serde_json::{Value, json};

use super::lines;
use super::requests::{project, things};
use crate::mirror::project::{FILES, Project};

fn faults(project: &Project, plugin: &str, fault: &str, code: i32) -> Vec<Value> {
    let args = ["plugin", "replay", plugin, "things.jsonl", "--fault", fault, "--json"];
    project.run(&args).ends(code).json()["result"]["faults"].as_array().unwrap().clone()
}

fn outcomes(faults: &[Value], name: &str) -> Vec<String> {
    let of = faults.iter().filter(|struck| struck["fault"] == name);
    of.map(|struck| struck["outcome"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nothing_is_lost_whatever_goes_wrong_and_whenever() {
    let server = things();
    let project = project(&server.url());
    project.run(&["plugin", "record", "--connection", "crm", "--out", "things.jsonl"]).ends(0);
    let struck = faults(&project, "http-json", "all", 0);
    for name in ["429", "timeout", "timeout-after-commit", "truncated-body"] {
        assert_eq!(outcomes(&struck, name), ["told"; 4], "{name}: {struck:#?}");
    }
    assert_eq!(outcomes(&struck, "stale-read"), ["not-struck"; 4], "nothing is asked twice");
    let again = outcomes(&struck, "duplicate-page");
    assert_eq!(again, ["not-struck", "told", "told", "told"], "a page that comes again is no end: {struck:#?}");
    project
        .run(&["plugin", "replay", "http-json", "things.jsonl", "--fault", "429@2", "--fault", "timeout"])
        .ends(0)
        .says(&[
            "fault    got over  told  wrong  not struck  not recorded",
            "429             0     1",
            "timeout         0     4",
        ]);
}

/// A plugin that shows failures as records, and one that calls them all `permanent`.
#[test]
fn what_is_told_wrongly_is_seen() {
    let server = things();
    let project = project(&server.url());
    std::fs::copy(lockstep_tests::guest("requests"), project.path("requests.wasm")).unwrap();
    let text = project.read("lockstep.toml").replace("\"http-json\"", "\"./requests.wasm\"");
    project
        .write("lockstep.toml", text.replace("config = { manifest = \"manifest.toml\" }", "config = { fail = true }"));
    let stream = json!([[{"target": "/things?after=0"}], [{"target": "/things?after=3"}]]).to_string();
    let record = ["plugin", "record", "--connection", "crm", "--stream", &stream, "--out", "things.jsonl"];
    project.run(&record).ends(1).says(&["recorded as an error"]);
    let struck = faults(&project, "./requests.wasm", "429@1", 1);
    assert!(struck[0]["wrong"][0].as_str().unwrap().starts_with("the error is of kind `permanent`"), "{struck:#?}");

    project.write("lockstep.toml", project.read("lockstep.toml").replace("config = { fail = true }", ""));
    project.run(&record).ends(0);
    let struck = faults(&project, "./requests.wasm", "timeout@2", 1);
    assert!(struck[0]["wrong"][0].as_str().unwrap().ends_with("record [2] is another"), "{struck:#?}");
    let shown =
        project.run(&["plugin", "replay", "./requests.wasm", "things.jsonl", "--fault", "duplicate-page"]).ends(1);
    shown.says(&["goes wrong:\n  duplicate-page@2: ", "record [2] is another"]);
}

#[test]
fn databases_and_files_fail_too() {
    let project = Project::new(FILES);
    project.write("data/people.csv", "id,name\n1,Ann\n2,Bo\n");
    let database = rusqlite::Connection::open(project.path("copy.db")).unwrap();
    database.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3);").unwrap();
    drop(database);
    for (connection, plugin) in [("files", "csv"), ("copy", "sqlite")] {
        project.run(&["plugin", "record", "--connection", connection, "--out", "things.jsonl"]).ends(0);
        let struck = faults(&project, plugin, "timeout", 0);
        let told = outcomes(&struck, "timeout").iter().filter(|outcome| *outcome == "told").count();
        let over = outcomes(&struck, "timeout").iter().filter(|outcome| *outcome == "got-over").count();
        assert!(told > 1 && told + over == struck.len(), "{plugin}: {struck:#?}");
        assert!(lines(&project, "things.jsonl").len() > 2);
    }
}

#[test]
fn an_unknown_fault_is_one_error() {
    let project = Project::new("");
    let run = |fault: &str| project.run(&["plugin", "replay", "csv", "x.jsonl", "--fault", fault]).ends(2);
    run("truncated-bdy").says(&["there is no fault `truncated-bdy`", "did you mean `truncated-body`?"]);
    run("429@none").says(&["`none` is no number of a call"]);
    project
        .run(&["plugin", "check", "csv", "--only", "binary", "--fault", "429"])
        .ends(2)
        .says(&["there is no stream"]);
    run("429@0").says(&["`0` is no number of a call"]);
}

/// The same on the system itself.
#[test]
fn a_real_system_fails_to_order_too() {
    let server = things();
    let project = project(&server.url());
    let check = ["plugin", "check", "--connection", "crm", "--only", "read.answers", "--fault", "all"];
    project.run(&check).ends(0).says(&["truncated-body               0     4      0           0             0"]);
    let document = project.run(&[&check[..], &["--json"]].concat()).ends(0).json();
    assert_eq!(outcomes(document["result"]["faults"].as_array().unwrap(), "429"), ["told"; 4]);

    std::fs::copy(lockstep_tests::guest("requests"), project.path("requests.wasm")).unwrap();
    let text = project.read("lockstep.toml").replace("\"http-json\"", "\"./requests.wasm\"");
    project.write("lockstep.toml", text.replace("config = { manifest = \"manifest.toml\" }", ""));
    let stream = json!([[{"target": "/things?after=0"}], [{"target": "/things?after=3"}]]).to_string();
    let check = [
        "plugin",
        "check",
        "--connection",
        "crm",
        "--stream",
        &stream,
        "--only",
        "read.answers",
        "--fault",
        "timeout@2",
    ];
    project.run(&check).ends(1).says(&["timeout@2: ", "record [2] is another"]);
}
