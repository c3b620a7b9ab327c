//! A plugin that breaks, hangs or hoards ends its own sync with an error that names it; the state and the other syncs go on.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::project::{FILES, Project, counts};

const GOOD: &str = "[sync.good]\nmode = \"mirror\"\n\
    source = { connection = \"files\", stream = \"items.csv\", key = [\"id\"] }\n\
    target = { connection = \"copy\", stream = \"good\" }\n";

/// With a connection to the faulty plugin, and a good sync behind the bad one.
fn project(behaviour: &str, source: &str, target: &str) -> Project {
    let guest = lockstep_tests::guest("faulty");
    let project = Project::new(&format!(
        "{FILES}[connection.bad]\nplugin = \"{}\"\nconfig = {{ behaviour = \"{behaviour}\" }}\n\
         limits = {{ cpu = \"500ms\", wall = \"2s\", memory = \"64MiB\" }}\n\
         [sync.bad]\nmode = \"mirror\"\nsource = {{ connection = {source} }}\ntarget = {{ connection = {target} }}\n{GOOD}",
        guest.display()
    ));
    project.write("data/items.csv", "id,text\n1,a\n7431,b\n3,c\n");
    project
}

fn bad_source(behaviour: &str) -> Project {
    project(behaviour, "\"bad\", stream = \"rows\"", "\"copy\", stream = \"bad\"")
}

fn bad_target(behaviour: &str) -> Project {
    project(behaviour, "\"files\", stream = \"items.csv\", key = [\"id\"]", "\"bad\", stream = \"rows\"")
}

/// Runs everything: the bad sync must fail with all of these words, the good one must not notice.
#[track_caller]
fn check(project: &Project, words: &[&str]) {
    let started = Instant::now();
    let document = project.run(&["run", "--json"]).ends(1).json();
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    let message = document["error"]["message"].as_str().unwrap_or_default();
    for word in words {
        assert!(message.contains(word), "nothing says `{word}` in {message}");
    }
    assert_eq!(document["error"]["code"], "LS0409", "{document}");
    let good = &document["result"]["syncs"][1];
    assert_eq!((good["ok"].as_bool(), counts(good)[1]), (Some(true), 3), "{document}");
    assert_eq!(project.sqlite("select count(*) from good"), "3");
    let status = project.run(&["status", "--json"]).ends(0).json();
    assert_eq!(status["result"]["syncs"][0]["last_run"]["status"], "failed", "{status}");
    assert_eq!(status["result"]["syncs"][0]["last_success_at"], Value::Null);
    assert_eq!(status["result"]["syncs"][1]["last_run"]["status"], "succeeded");
    // The good one goes on by itself as if nothing had been.
    assert_eq!(counts(&project.run(&["run", "good", "--json"]).ends(0).json()["result"]["syncs"][0])[1], 0);
}

#[test]
fn a_source_that_panics() {
    check(&bad_source("panic"), &["faulty@0.1.0", "panicked in source.next", "no such row"]);
}

#[test]
fn a_source_that_never_ends() {
    check(&bad_source("loop"), &["faulty@0.1.0", "used up its processor time in source.next"]);
}

#[test]
fn a_source_that_sleeps() {
    check(&bad_source("sleep"), &["faulty@0.1.0", "took longer than 2 s in source.next"]);
}

#[test]
fn a_source_that_hoards_memory() {
    check(&bad_source("fill-memory"), &["faulty@0.1.0", "ran out of memory in source.next"]);
}

#[test]
fn a_source_that_lies() {
    check(&bad_source("falling-offsets"), &["faulty@0.1.0", "offsets that do not fit"]);
}

#[test]
fn a_target_that_panics() {
    check(&bad_target("panic"), &["faulty@0.1.0", "panicked in sink.write", "no such row"]);
}

#[test]
fn a_target_that_breaks_at_one_record_is_mended_by_leaving_it_out() {
    let letter = left_out(&bad_target("reject-one-row"));
    assert_eq!(letter["key"], "[\"7431\"]", "{letter:#}");
}

/// The letter about the one record of three that the bad sync leaves out.
#[track_caller]
fn left_out(project: &Project) -> Value {
    let document = project.run(&["run", "bad", "--json"]).ends(1).json();
    let sync = &document["result"]["syncs"][0];
    assert_eq!((sync["written"].as_u64(), sync["dead_letters"].as_u64()), (Some(2), Some(1)), "{document}");
    let letters = project.run(&["dead-letters", "list", "--json"]).ends(0).json();
    letters["result"]["dead_letters"][0].clone()
}

/// Its items go through the crooked transform, which breaks at the one whose text is `bad`.
fn crooked(behaviour: &str) -> Project {
    let guest = lockstep_tests::guest("crooked");
    let project = Project::new(&format!(
        "{FILES}[sync.bad]\nmode = \"mirror\"\n\
         source = {{ connection = \"files\", stream = \"items.csv\", key = [\"id\"] }}\n\
         target = {{ connection = \"copy\", stream = \"bad\" }}\n\
         [[sync.bad.transforms]]\nplugin = \"{}\"\nconfig = {{ behaviour = \"{behaviour}\" }}\n{GOOD}",
        guest.display()
    ));
    project.write("data/items.csv", "id,text\n1,a\n2,bad\n3,c\n");
    project
}

#[test]
fn a_transform_that_lies() {
    check(&crooked("forge-origins"), &["crooked@0.1.0", "origins that do not fit"]);
}

#[test]
fn a_transform_that_breaks_at_one_record_is_mended_by_leaving_it_out() {
    let letter = left_out(&crooked("panic"));
    assert_eq!(letter["record"]["values"]["text"], "bad", "{letter:#}");
    assert_eq!(letter["plugin"]["label"], "crooked@0.1.0");
    assert!(letter["cause"]["message"].as_str().unwrap().contains("no such rule"), "{letter:#}");
}

#[test]
fn a_source_that_is_noisy_is_only_noisy() {
    let project = bad_source("forge-log");
    let outcome = project.run(&["run", "-vv"]).ends(0).keeps_quiet_about(&["\u{1b}[31m", "\u{202e}"]);
    assert!(outcome.stdout.contains("bad: 3 read, 3 written"), "{outcome}");
    let flood = bad_source("flood-stderr").run(&["run"]).ends(0);
    assert!(flood.stderr.len() < 1 << 20, "{} bytes of noise", flood.stderr.len());
}

#[test]
fn a_plugin_that_is_no_plugin_stops_only_its_sync() {
    let project = bad_source("none");
    project.write("broken.wasm", "\0asm but not really");
    project.define(
        &project
            .read("lockstep.toml")
            .replacen("[project]\nname = \"test\"\n", "", 1)
            .replace(&lockstep_tests::guest("faulty").display().to_string(), "./broken.wasm"),
    );
    let outcome = project.run(&["run"]).ends(1).says(&["LS0302", "broken.wasm", "good: 3 read, 3 written"]);
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
}

#[test]
fn a_plugin_that_was_exchanged_is_refused() {
    let project = bad_source("none");
    std::fs::copy(lockstep_tests::guest("faulty"), project.path("mine.wasm")).unwrap();
    let text = project.read("lockstep.toml").replacen("[project]\nname = \"test\"\n", "", 1);
    project.define(&text.replace(&lockstep_tests::guest("faulty").display().to_string(), "./mine.wasm"));
    project.run(&["run"]).ends(0);
    std::fs::copy(lockstep_tests::guest("numbers"), project.path("mine.wasm")).unwrap();
    project.run(&["run"]).ends(1).says(&["LS0306", "good: "]);
}
