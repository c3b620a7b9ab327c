//! What every verb answers to a program: one document on standard output, nothing else there, and the exit code it says.

use serde_json::Value;

use super::project::{FILES, Outcome, Project};

const SYNC: &str = "[sync.items]\nmode = \"mirror\"\n\
    source = { connection = \"files\", stream = \"items.csv\", key = [\"id\"], types = { day = \"date\" } }\n\
    target = { connection = \"copy\", stream = \"items\" }\n";

fn project() -> Project {
    let project = Project::new(&format!("{FILES}{SYNC}deletes = \"compare\"\nguard = {{ rows = 1, share = 0.0 }}\n"));
    project.write("data/items.csv", "id,day\n1,2026-01-01\n2,2026-01-02\n3,2026-02-30\n");
    project
}

fn keys(value: &Value) -> String {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    object.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// The whole of standard output must be this one document.
#[track_caller]
fn document(outcome: &Outcome, command: &str) -> Value {
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
    let document = outcome.json();
    assert_eq!(keys(&document), "command ok result error", "{outcome}");
    assert_eq!(document["command"], command);
    assert_eq!(document["ok"], outcome.code == Some(0), "{outcome}");
    assert_eq!(outcome.stderr, "", "{outcome}");
    document
}

/// One verb that streams nothing: how it ends and what its result holds.
#[track_caller]
fn check(project: &Project, args: &[&str], code: i32, result: &str) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let outcome = project.run(&args).ends(code);
    let words = args.iter().take_while(|word| word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'));
    let words: Vec<&str> = words.copied().filter(|word| !word.starts_with("--")).collect();
    let command = match words.as_slice() {
        [first @ ("dead-letters" | "plugin"), second, ..] => format!("{first} {second}"),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    };
    let document = document(&outcome, &command);
    assert_eq!(keys(&document["result"]), result, "{document}");
    document["result"].clone()
}

#[test]
fn every_verb_answers_with_one_document() {
    let project = project();
    check(&project, &["check"], 0, "project connections syncs");
    check(&project, &["check", "--online"], 0, "project connections syncs streams");
    let plan = check(&project, &["plan"], 0, "syncs");
    assert_eq!(keys(&plan["syncs"][0]), "sync reading actions fields deletes notes counters");
    check(&project, &["status"], 0, "syncs holds");
    check(&project, &["history"], 0, "runs");
    check(&project, &["doctor"], 0, "findings");
    check(&project, &["plugin", "list"], 0, "plugins");
    check(&project, &["explain", "LS0203"], 0, "code exit title page");
    check(&project, &["dead-letters", "list"], 0, "dead_letters");
    assert!(!project.path(".lockstep/state.db").exists(), "looking makes no state");
    assert!(!project.path("copy.db").exists(), "looking makes no database");

    project.run(&["run", "--json"]).ends(1);
    let status = check(&project, &["status"], 0, "syncs holds");
    assert_eq!(
        keys(&status["syncs"][0]),
        "sync phase last_success_at last_compare_at open_dead_letters open_holds open_conflicts endpoints last_run"
    );
    let history = check(&project, &["history", "items"], 0, "runs");
    assert_eq!(keys(&history["runs"][0]), "id sync kind status started_at ended_at counters error plugins");
    let letter = "id sync run state stage key position attempts first_at last_at record raw cause plugin";
    let letters = check(&project, &["dead-letters", "list"], 0, "dead_letters");
    assert_eq!(keys(&letters["dead_letters"][0]), letter);
    check(&project, &["dead-letters", "show", "1"], 0, letter);
    check(&project, &["dead-letters", "discard", "1", "--yes"], 0, "discarded");
    check(&project, &["plan"], 0, "syncs");
}

#[test]
fn what_streams_ends_with_the_document() {
    let project = project();
    let outcome = project.run(&["run", "--json"]).ends(1);
    let events: Vec<Value> = outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, events) = events.split_last().unwrap();
    assert!(events.iter().all(|event| event["event"].is_string()), "{outcome}");
    assert_eq!(keys(last), "command ok result error");
    assert_eq!((last["ok"].as_bool(), &last["error"]), (Some(false), &Value::Null), "{outcome}");
    assert_eq!(
        keys(&last["result"]["syncs"][0]),
        "event sync read written unchanged deleted duplicates held dead_letters conflicts waiting failed elapsed_ms ok run"
    );
    assert_eq!(outcome.stderr, "");
}

#[test]
fn held_deletes_are_told_to_programs_too() {
    let project = project();
    project.write("data/items.csv", "id,day\n1,\n2,\n3,\n");
    project.run(&["run"]).ends(0);
    project.write("data/items.csv", "id,day\n1,\n");
    let document = project.run(&["run", "--json"]).ends(1).json();
    let sync = &document["result"]["syncs"][0];
    assert_eq!((sync["held"].as_u64(), sync["ok"].as_bool()), (Some(2), Some(false)), "{document}");
    let status = check(&project, &["status"], 0, "syncs holds");
    assert_eq!(keys(&status["holds"][0]), "id sync deletes total keys since");
    check(&project, &["approve", "1"], 0, "hold sync deletes next");
    project.run(&["run"]).ends(0);
    assert_eq!(project.sqlite("select id from items"), "1");
}

#[test]
fn errors_are_documents_too() {
    let project = project();
    for (args, code, id) in [
        (&["run", "nope"][..], 2, "LS0102"),
        (&["approve", "7"], 2, "LS0102"),
        (&["dead-letters", "show", "7"], 2, "LS0102"),
        (&["explain", "LS9999"], 2, "LS0102"),
        (&["plugin", "inspect", "nope"], 2, "LS0301"),
        (&["init", "."], 2, "LS0104"),
        (&["--nope"], 2, "LS0101"),
        (&["--project", "/nowhere", "status"], 2, "LS0201"),
    ] {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let outcome = project.run(&args).ends(code);
        assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
        let document = outcome.json();
        assert_eq!(keys(&document), "command ok result error", "{outcome}");
        assert_eq!(keys(&document["error"]), "code message causes hints", "{outcome}");
        assert_eq!((&document["error"]["code"], document["ok"].as_bool()), (&id.into(), Some(false)), "{outcome}");
        assert_eq!(outcome.stderr, "", "{outcome}");
    }
}

#[test]
fn a_project_begun_by_init_runs() {
    let project = project();
    project.run(&["init", "shop", "--json"]).ends(0);
    let shop = |args: &[&str]| project.run(&[&["--project", "shop"], args].concat());
    shop(&["check"]).ends(0);
    shop(&["run"]).ends(0).says(&["customers: "]);
    shop(&["run"]).ends(0).says(&[" 0 written"]);
    project.run(&["completions", "bash"]).ends(0).says(&["lockstep"]);
}
