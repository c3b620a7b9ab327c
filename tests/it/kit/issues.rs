//! The example in JavaScript, through the host and against a tracker: its tests, two ways, and what answers do that are none.

use lockstep_test_servers::Api;
use serde_json::{Value, json};

use super::{Bench, contains};

const RUN: &str = "--project issues-javascript run";
const ROWS: &str = "SELECT title || '|' || state FROM issues ORDER BY title";
const FILE: &str = "issues-javascript/copy.db";

/// The example with its plugin, a table, and a tracker.
fn hub() -> (Bench, Api) {
    let tracker = Api::start("issues");
    let mut bench = Bench::with_example("issues-javascript");
    let here = format!("\"{}\", allow_private = true", tracker.url());
    bench.edit("issues-javascript/lockstep.toml", "\"https://api.github.com\"", &here);
    bench.secrets = vec![("TRACKER_TOKEN", "a-token-of-some-length".to_owned())];
    bench.lockstep("plugin build issues-javascript --install", 0);
    let database = rusqlite::Connection::open(bench.path(FILE)).unwrap();
    database
        .execute_batch("CREATE TABLE issues (id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT, state TEXT)")
        .unwrap();
    (bench, tracker)
}

fn issues(tracker: &Api) -> Vec<(String, String)> {
    let state: Value = serde_json::from_str(&tracker.ask("GET", "/-/state", "")).unwrap();
    let text = |issue: &Value, name: &str| issue[name].as_str().unwrap_or("-").to_owned();
    state["issues"].as_array().unwrap().iter().map(|issue| (text(issue, "title"), text(issue, "state"))).collect()
}

fn write(bench: &Bench, statement: &str) {
    rusqlite::Connection::open(bench.path(FILE)).unwrap().execute_batch(statement).unwrap();
}

#[test]
fn the_issues_example_keeps_its_promises() {
    let (bench, tracker) = hub();
    let tests =
        std::process::Command::new("npm").arg("test").current_dir(bench.path("issues-javascript")).output().unwrap();
    assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stdout));
    let many: Vec<Value> = (0..250).map(|number| json!({"title": format!("old {number:03}")})).collect();
    tracker.change(&json!({ "create": many }).to_string());
    write(&bench, "INSERT INTO issues (title, state) VALUES ('from the table', 'open')");
    bench.lockstep(RUN, 0);
    assert_eq!(issues(&tracker).len(), 251, "250 with one time, and the new one once");
    assert_eq!(bench.sqlite(FILE, "SELECT count(*) || '' FROM issues"), ["251"]);

    tracker.change(r#"{"clock": "2026-01-01T01:00:00Z", "edit": {"number": 7, "title": "edited there"}}"#);
    write(&bench, "UPDATE issues SET state = 'closed' WHERE title = 'from the table'");
    bench.lockstep(RUN, 0);
    assert_eq!(bench.sqlite(FILE, "SELECT title FROM issues WHERE title LIKE 'edited%'"), ["edited there"]);
    assert!(issues(&tracker).contains(&("from the table".to_owned(), "closed".to_owned())));

    tracker.calls();
    bench.lockstep(RUN, 0);
    let calls = tracker.calls();
    assert!(!calls.contains("POST") && !calls.contains("PATCH"), "it is quiet: {calls}");
}

#[test]
fn bad_answers_neither_lose_nor_double_issues() {
    let (bench, tracker) = hub();
    tracker.change(r#"{"create": [{"title": "one"}, {"title": "two"}]}"#);
    bench.lockstep(RUN, 0);
    let list = "GET /repos/acme/shop/issues";
    for (fault, said) in [
        (
            json!({"at": list, "count": 1, "status": 200, "kind": "text/html", "body": "<html>Sign in</html>"}),
            "the answer is no JSON",
        ),
        (json!({"at": list, "count": 1, "status": 200, "body": ""}), "the answer is no JSON"),
        (
            json!({"at": list, "count": 1, "status": 200, "body": "{\"message\": \"maintenance\"}"}),
            "the answer is no list of issues",
        ),
        (
            json!({"at": list, "count": 1, "status": 401, "body": "{\"message\": \"Bad credentials\"}"}),
            "Bad credentials",
        ),
    ] {
        tracker.order_faults(&json!([fault]).to_string());
        contains(&bench.lockstep_any(RUN), said);
        assert_eq!(bench.sqlite(FILE, ROWS), ["one|open", "two|open"], "{said}");
        tracker.order_faults(&json!([]).to_string());
    }
    // The issue is made, and the answer is lost: it is found, not made again.
    write(&bench, "INSERT INTO issues (title, state) VALUES ('three', 'open')");
    tracker.order_faults(r#"[{"at": "POST /repos/acme/shop/issues", "count": 1, "cut": true, "after": true}]"#);
    bench.lockstep_any(RUN);
    bench.lockstep_any(RUN);
    assert_eq!(issues(&tracker).iter().filter(|(title, _)| title == "three").count(), 1);
    assert_eq!(bench.sqlite(FILE, ROWS), ["one|open", "three|open", "two|open"]);
}

/// Recorded once, it runs without the tracker: the same records, and none lost whatever goes wrong.
#[test]
fn a_recording_takes_the_place_of_the_tracker() {
    let (bench, tracker) = hub();
    let many: Vec<Value> = (0..120).map(|number| json!({"title": format!("old {number:03}")})).collect();
    tracker.change(&json!({ "create": many }).to_string());
    let recorded =
        bench.lockstep("--project issues-javascript plugin record --connection tracker --out issues.jsonl", 0);
    contains(&recorded, "120 records");
    drop(tracker);
    let text = std::fs::read_to_string(bench.path("issues.jsonl")).unwrap();
    assert!(!text.contains("a-token-of-some-length") && text.contains("old 119"), "{text}");
    let faults = "--fault 429 --fault timeout --fault truncated-body";
    let shown = bench.lockstep(&format!("plugin replay issues-javascript/issues.wasm issues.jsonl {faults}"), 0);
    contains(&shown, "120 records in");
    contains(&shown, "truncated-body");
    let shown = bench.lockstep("plugin dev issues-javascript --once --replay issues.jsonl --limit 3", 0);
    contains(&shown, "old 000");
}
