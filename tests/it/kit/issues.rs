//! The examples in JavaScript and in Rust, through the host and against a tracker: their tests, two ways, what answers do that are
//! none, and the battery.

use lockstep_test_servers::Api;
use serde_json::{Value, json};

use super::{Bench, contains};

const RUN: &str = "--project issues run";
const ROWS: &str = "SELECT title || '|' || state FROM issues ORDER BY title";
const FILE: &str = "issues/copy.db";

/// An example, and its words for answers that are none.
struct Example {
    name: &'static str,
    install: &'static str,
    no_json: &'static str,
    empty: &'static str,
    no_list: &'static str,
}

const JAVASCRIPT: Example = Example {
    name: "issues-javascript",
    install: " --install",
    no_json: "the answer is no JSON",
    empty: "the answer is no JSON",
    no_list: "the answer is no list of issues",
};
const RUST: Example = Example {
    name: "issues-rust",
    install: "",
    no_json: "with a page instead of data, as login pages do",
    empty: "without a word",
    no_list: "the answer is not what it should be",
};

/// The example with its plugin, and a tracker.
fn connected(example: &Example) -> (Bench, Api) {
    let tracker = Api::start("issues");
    let mut bench = Bench::with_example(example.name);
    std::fs::rename(bench.path(example.name), bench.path("issues")).unwrap();
    let here = format!("\"{}\", allow_private = true", tracker.url());
    bench.edit("issues/lockstep.toml", "\"https://api.github.com\"", &here);
    bench.secrets = vec![("TRACKER_TOKEN", "a-token-of-some-length".to_owned())];
    bench.lockstep(&format!("plugin build issues{}", example.install), 0);
    (bench, tracker)
}

/// The same with the table it is kept in agreement with.
fn hub(example: &Example) -> (Bench, Api) {
    let (bench, tracker) = connected(example);
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

/// The plugin's own tests, as its README runs them.
fn own_tests(bench: &Bench, program: &str) {
    let mut command = std::process::Command::new(program);
    command.arg("test").current_dir(bench.path("issues")).env("CARGO_NET_OFFLINE", "true");
    command.env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/kit"));
    let tests = command.output().unwrap();
    let said = [&tests.stdout, &tests.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
    assert!(tests.status.success(), "{said}");
}

#[test]
fn the_issues_example_in_javascript_keeps_its_promises() {
    let (bench, tracker) = hub(&JAVASCRIPT);
    own_tests(&bench, "npm");
    keeps_its_promises(&bench, &tracker);
}

#[test]
fn the_issues_example_in_rust_keeps_its_promises() {
    let (bench, tracker) = hub(&RUST);
    own_tests(&bench, "cargo");
    keeps_its_promises(&bench, &tracker);
}

fn keeps_its_promises(bench: &Bench, tracker: &Api) {
    let many: Vec<Value> = (0..250).map(|number| json!({"title": format!("old {number:03}")})).collect();
    tracker.change(&json!({ "create": many }).to_string());
    write(bench, "INSERT INTO issues (title, state) VALUES ('from the table', 'open')");
    bench.lockstep(RUN, 0);
    assert_eq!(issues(tracker).len(), 251, "250 with one time, and the new one once");
    assert_eq!(bench.sqlite(FILE, "SELECT count(*) || '' FROM issues"), ["251"]);

    tracker.change(r#"{"clock": "2026-01-01T01:00:00Z", "edit": {"number": 7, "title": "edited there"}}"#);
    write(bench, "UPDATE issues SET state = 'closed' WHERE title = 'from the table'");
    bench.lockstep(RUN, 0);
    assert_eq!(bench.sqlite(FILE, "SELECT title FROM issues WHERE title LIKE 'edited%'"), ["edited there"]);
    assert!(issues(tracker).contains(&("from the table".to_owned(), "closed".to_owned())));

    tracker.calls();
    bench.lockstep(RUN, 0);
    let calls = tracker.calls();
    assert!(!calls.contains("POST") && !calls.contains("PATCH"), "it is quiet: {calls}");
}

/// So many that there are several pages of every size, a hundred with one time among them.
fn fill(tracker: &Api) {
    let made = |range: std::ops::Range<u32>| -> Vec<Value> {
        range
            .map(
                |n| json!({"title": format!("t{n}"), "labels": ["bug"], "body": (n % 2 == 0).then(|| format!("b{n}"))}),
            )
            .collect()
    };
    tracker.change(&json!({ "create": made(0..120) }).to_string());
    tracker.change(&json!({ "clock": "2026-01-01T00:00:07Z", "create": made(120..150) }).to_string());
}

/// Everything there is to check of a tracker in which nothing can be deleted.
fn passes_the_battery(example: &Example) {
    let (bench, tracker) = connected(example);
    fill(&tracker);
    bench.edit("issues/lockstep.toml", "repository = \"acme/shop\"", "repository = \"acme/shop\", page_size = 20");
    bench.write("sample.json", r#"[{"title": "Check {n}", "body": "a", "state": "open"}, {"title": "Other {n}", "body": "b", "state": "open"}]"#);
    let args = "--project issues plugin check --json --connection tracker --stream issues --write-stream issues --sample sample.json";
    super::checked::nothing_failed(
        &bench,
        args,
        &["read.", "resume.", "incremental.", "lookup.", "insert.", "update.", "trouble."],
    );
}

#[test]
fn the_issues_example_in_rust_passes_the_battery() {
    passes_the_battery(&RUST);
}

#[test]
fn the_issues_example_in_javascript_passes_the_battery() {
    passes_the_battery(&JAVASCRIPT);
}

#[test]
fn bad_answers_neither_lose_nor_double_issues_in_javascript() {
    bad_answers_neither_lose_nor_double_issues(&JAVASCRIPT);
}

#[test]
fn bad_answers_neither_lose_nor_double_issues_in_rust() {
    bad_answers_neither_lose_nor_double_issues(&RUST);
}

fn bad_answers_neither_lose_nor_double_issues(example: &Example) {
    let (bench, tracker) = hub(example);
    let (bench, tracker) = (&bench, &tracker);
    tracker.change(r#"{"create": [{"title": "one"}, {"title": "two"}]}"#);
    bench.lockstep(RUN, 0);
    let list = "GET /repos/acme/shop/issues";
    for (fault, said) in [
        (
            json!({"at": list, "count": 1, "status": 200, "kind": "text/html", "body": "<html>Sign in</html>"}),
            example.no_json,
        ),
        (json!({"at": list, "count": 1, "status": 200, "body": ""}), example.empty),
        (json!({"at": list, "count": 1, "status": 200, "body": "{\"message\": \"maintenance\"}"}), example.no_list),
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
    write(bench, "INSERT INTO issues (title, state) VALUES ('three', 'open')");
    tracker.order_faults(r#"[{"at": "POST /repos/acme/shop/issues", "count": 1, "cut": true, "after": true}]"#);
    bench.lockstep_any(RUN);
    bench.lockstep_any(RUN);
    assert_eq!(issues(tracker).iter().filter(|(title, _)| title == "three").count(), 1);
    assert_eq!(bench.sqlite(FILE, ROWS), ["one|open", "three|open", "two|open"]);
}

/// Recorded once, it runs without the tracker: the same records, and none lost whatever goes wrong.
#[test]
fn a_recording_takes_the_place_of_the_tracker() {
    let (bench, tracker) = hub(&JAVASCRIPT);
    let many: Vec<Value> = (0..120).map(|number| json!({"title": format!("old {number:03}")})).collect();
    tracker.change(&json!({ "create": many }).to_string());
    let recorded = bench.lockstep("--project issues plugin record --connection tracker --out issues.jsonl", 0);
    contains(&recorded, "120 records");
    drop(tracker);
    let text = std::fs::read_to_string(bench.path("issues.jsonl")).unwrap();
    assert!(!text.contains("a-token-of-some-length") && text.contains("old 119"), "{text}");
    let faults = "--fault 429 --fault timeout --fault truncated-body";
    let shown = bench.lockstep(&format!("plugin replay issues/issues.wasm issues.jsonl {faults}"), 0);
    contains(&shown, "120 records in");
    contains(&shown, "truncated-body");
    let shown = bench.lockstep("plugin dev issues --once --replay issues.jsonl --limit 3", 0);
    contains(&shown, "old 000");
}
