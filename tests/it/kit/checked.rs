//! Plugins of the kit pass the battery: what `plugin new` writes and the examples, each where it is built anyway.

use serde_json::Value;

use super::Bench;

/// Runs `plugin check --json …`: nothing may fail, and each of these groups must have been asked for something.
#[track_caller]
pub fn nothing_failed(bench: &Bench, args: &str, asked: &[&str]) {
    let said = bench.lockstep_any(args);
    let begin = said.find('{').unwrap_or_else(|| panic!("{said}"));
    let document = serde_json::Deserializer::from_str(&said[begin..]).into_iter::<Value>().next().unwrap().unwrap();
    let results = document["result"]["results"].as_array().unwrap_or_else(|| panic!("{said}"));
    let with = |name: &str| -> Vec<String> {
        let of = |result: &&Value| result["outcome"] == name;
        results
            .iter()
            .filter(of)
            .map(|result| format!("{}: {}", result["check"].as_str().unwrap(), result["reason"]))
            .collect()
    };
    assert_eq!(with("failed"), [""; 0], "{args}");
    let passed = with("passed");
    for group in asked {
        assert!(
            passed.iter().any(|check| check.starts_with(group)),
            "nothing of `{group}` was asked: {:#?}",
            with("skipped")
        );
    }
}

pub const READS: &[&str] = &["read.", "resume.", "pages."];
/// All there is about writing by key, but what becomes of requests.
pub const WRITES: &[&str] = &[
    "write.describes",
    "write.missing",
    "write.dry-run",
    "write.prepared",
    "write.upsert",
    "write.idempotent",
    "write.unchanged",
    "write.change",
    "write.null",
    "write.partial",
    "write.counts",
    "write.flush-nothing",
    "write.flush-twice",
    "write.load",
    "write.delete",
    "write.delete-again",
    "write.options",
    "write.answers",
];

#[test]
fn the_smallest_plugin_passes() {
    let bench = Bench::new();
    std::fs::copy(lockstep_tests::hello_plugin(), bench.path("hello.wasm")).unwrap();
    nothing_failed(&bench, "plugin check --json hello.wasm", READS);
}
