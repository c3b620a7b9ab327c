//! `plugin check` as a person or a build server runs it.

use serde_json::{Value, json};

use crate::mirror::project::Project;

/// A project with the twin as its connection `twin`.
fn project(breach: &str) -> Project {
    let project = Project::new(&format!(
        "[connection.twin]\nplugin = \"./twins.wasm\"\nfiles.data = {{ path = \"data\" }}\nconfig = {{ breach = \"{breach}\" }}\n"
    ));
    std::fs::copy(lockstep_tests::guest("twins"), project.path("twins.wasm")).unwrap();
    let items: Vec<Value> = (1..=12)
        .map(|id| json!({"id": id, "name": "a", "amount": 1, "changed": 1_000_000 * id, "note": null}))
        .collect();
    project.write("data/store.json", json!({"streams": {"items": items}}).to_string());
    project
}

const CHECK: &[&str] = &["plugin", "check", "--connection", "twin", "--write-stream", "scratch"];

fn check<'a>(more: &[&'a str]) -> Vec<&'a str> {
    CHECK.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn a_failure_has_its_reason_its_fix_and_its_rule() {
    let project = project("resume.every-page");
    let outcome = project.run(&check(&[])).ends(1).says(&[
        "resume       every-page",
        "failed  resume.every-page: behind every page a new reading shows the rest",
        "reason  begun behind page 1, it does not show",
        "fix     put into the cursor what says where the page ended, and begin behind it",
        "rule    wit/v0.1/types.wit, page.next-cursor",
        "1 failed",
    ]);
    let wide: Vec<&str> = outcome.stdout.lines().filter(|line| line.chars().count() > 100).collect();
    assert_eq!(wide, Vec::<&str>::new(), "fits 100 columns");
    assert_eq!(outcome.stderr, "", "a bar is shown on a terminal only");
}

#[test]
fn only_some_checks_can_be_run() {
    let project = project("");
    let outcome = project.run(&check(&["--only", "read.keys,discover"])).ends(0);
    outcome.says(&["8 checks, 8 passed"]).keeps_quiet_about(&["resume"]);
    project.run(&check(&["--only", "read.kys"])).ends(2).says(&["LS0102", "did you mean `read.keys`?"]);
}

#[test]
fn results_and_certificate_are_documents() {
    let project = project("write.null");
    let files = ["--certificate", "twins.json", "--junit", "twins.xml", "--json"];
    let document = project.run(&check(&files)).ends(1).json();
    assert_eq!((&document["command"], &document["ok"]), (&json!("plugin check"), &json!(false)));
    let failed: Vec<&Value> = document["result"]["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|result| result["outcome"] == "failed")
        .collect();
    assert_eq!((failed.len(), &failed[0]["check"]), (1, &json!("write.null")));
    assert!(failed[0]["fix"].as_str().unwrap().starts_with("write null where"), "{failed:?}");
    let certificate: Value = serde_json::from_str(&project.read("twins.json")).unwrap();
    assert_eq!(certificate, document["result"]["certificate"]);
    assert_eq!(certificate["verdict"], "does not conform");
    assert_eq!(certificate["plugin"]["capabilities"], json!(["files"]));
    assert!(certificate["plugin"]["digest"].as_str().unwrap().starts_with("sha256:"));
    assert!(certificate["checks"]["write.null"]["failed"].is_string());
    assert!(certificate["memory_peak_mib"].as_u64().unwrap() > 0);
    let junit = project.read("twins.xml");
    assert!(junit.contains("<testcase classname=\"read\" name=\"read.keys\" time=\""), "{junit}");
    assert!(junit.contains("    <failure message="), "{junit}");
}

#[test]
fn the_certificate_of_one_plugin_is_always_the_same() {
    let project = project("");
    project.run(&check(&["--certificate", "first.json"])).ends(0);
    project.run(&check(&["--certificate", "second.json"])).ends(0);
    assert_eq!(project.read("first.json"), project.read("second.json"));
    let certificate: Value = serde_json::from_str(&project.read("first.json")).unwrap();
    assert_eq!((&certificate["verdict"], &certificate["writing"]), (&json!("conforms"), &json!("checked")));
}

#[test]
fn nothing_is_written_unless_a_stream_is_named_for_it() {
    let project = project("");
    let before = project.read("data/store.json");
    project.run(&["plugin", "check", "--connection", "twin", "--certificate", "c.json"]).ends(0);
    assert_eq!(project.read("data/store.json"), before);
    let certificate: Value = serde_json::from_str(&project.read("c.json")).unwrap();
    assert_eq!(certificate["writing"], "not checked: no stream was named for it");
    let why = certificate["checks"]["write.upsert"]["skipped"].as_str().unwrap();
    assert!(why.ends_with("`--write-stream NAME`"), "{why}");
}

#[test]
fn a_connection_of_the_project_can_check_another_file() {
    let project = project("");
    project.run(&["plugin", "check", "--connection", "twin", "--only", "manifest"]).ends(0);
    std::fs::rename(project.path("twins.wasm"), project.path("new-twins.wasm")).unwrap();
    project.run(&["plugin", "check", "./new-twins.wasm", "--connection", "twin", "--only", "read"]).ends(0);
    let unknown = project.run(&["plugin", "check", "./new-twins.wasm", "--connection", "twn"]).ends(2);
    unknown.says(&["there is no connection `twn`", "did you mean `twin`?"]);
    let unknown =
        project.run(&["plugin", "check", "./new-twins.wasm", "--connection", "twin", "--stream", "item"]).ends(2);
    unknown.says(&["there is no stream `item`", "did you mean `items`?"]);
}

#[test]
fn without_its_grants_a_plugin_is_read_and_not_run() {
    let project = project("");
    let outcome = project.run(&["plugin", "check", "./twins.wasm"]).ends(0);
    outcome.says(&["nothing grants it `files.data`"]);
}

/// One clear error each, with what to do.
#[test]
fn what_is_no_plugin_is_one_error_with_its_fix() {
    let project = Project::new("");
    let component = std::fs::read(lockstep_tests::guest("twins")).unwrap();
    let flipped = |at: usize| {
        let mut bytes = component.clone();
        bytes[at] ^= 0x80;
        bytes
    };
    let contract = String::from_utf8_lossy(&component).matches("lockstep:plugin/types@0.1.0").count();
    assert!(contract > 0);
    let replaced = |from: &[u8], to: &[u8]| {
        let mut bytes = component.clone();
        while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        bytes
    };
    for (name, bytes, code, what, fix) in [
        ("core", b"\0asm\x01\0\0\0".to_vec(), "LS0302", "it is a core module", "wasm-tools component new"),
        ("text", b"(component)".to_vec(), "LS0302", "it is WebAssembly text", "wasm32-wasip2"),
        ("empty", Vec::new(), "LS0302", "does not begin with the WebAssembly header", "wasm32-wasip2"),
        ("cut", component[..component.len() / 3].to_vec(), "LS0302", "it is damaged", "get it again"),
        ("flipped", flipped(9), "LS0302", "it is damaged", "get it again"),
        (
            "silent",
            replaced(b"lockstep:manifest", b"lockstep:manifold"),
            "LS0303",
            "has no section `lockstep:manifest`",
            "`export!` embeds",
        ),
        (
            "other",
            replaced(b"lockstep:plugin/types@0.1.0", b"lockstep:plugin/types@0.7.0"),
            "LS0305",
            "it speaks `lockstep:plugin/types@0.7.0`",
            "with the SDK of this version",
        ),
        (
            "greedy",
            replaced(b"wasi:cli/exit@", b"wasi:cli/exec@"),
            "LS0304",
            "which the host does not offer",
            "with the SDK of this version",
        ),
    ] {
        project.write(&format!("{name}.wasm"), bytes);
        let outcome = project.run(&["plugin", "check", &format!("./{name}.wasm")]).ends(2);
        let outcome = outcome.says(&[&format!("error[{code}]"), what, "hint: ", fix]);
        assert_eq!(outcome.stdout, "", "{name}: nothing else is said");
        assert_eq!(outcome.stderr.matches("error[").count(), 1, "{name}: {outcome}");
    }
    project.run(&["plugin", "check", "./nowhere.wasm"]).ends(2).says(&["LS0301", "nowhere.wasm"]);
}

#[test]
fn a_configuration_that_does_not_fit_is_told_before_anything_runs() {
    let project = project("");
    let outcome = project.run(&check(&["--config", "{\"breach\": 7}"])).ends(2);
    outcome.says(&["LS0309", "`config.breach`", "7 is not of type \"string\"", "plugin inspect"]);
    project.write("config.toml", "breach = \"read.nullable\"\n");
    project.run(&check(&["--config", "config.toml", "--only", "read.nullable"])).ends(1);
    project.run(&check(&["--config", "{breach}"])).ends(2).says(&["`--config` cannot be read", "takes JSON"]);
    project.run(&check(&["--config", "none.json"])).ends(3).says(&["cannot read `none.json`"]);
    project.write("sample.json", "{}");
    project.run(&check(&["--sample", "sample.json"])).ends(2).says(&["a sample is a list of records"]);
}

/// The smallest plugin there is, as the guide has it checked.
#[test]
fn the_plugin_of_the_guide_passes() {
    let project = Project::new("");
    std::fs::copy(lockstep_tests::hello_plugin(), project.path("hello.wasm")).unwrap();
    project.run(&["plugin", "check", "./hello.wasm"]).ends(0).says(&["hello@0.1.0: ", "0 failed"]);
}
