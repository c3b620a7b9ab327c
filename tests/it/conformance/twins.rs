//! For each check of the battery there is a plugin that fails it and nothing else, and one that passes.

use lockstep::conformance::{Pinned, checks};
use lockstep::plugin::{Access, FilesRoot, Limits};
use lockstep::project::PluginDigest;
use serde_json::json;

use super::lab::{Bench, MANY_RECORDS, failures, skipped};

/// A custom section with this text behind everything else: the last manifest counts.
fn with_manifest(mut bytes: Vec<u8>, text: &str) -> Vec<u8> {
    const NAME: &[u8] = b"lockstep:manifest";
    let mut content = vec![NAME.len() as u8];
    content.extend_from_slice(NAME);
    content.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes.extend(leb128(content.len()));
    bytes.extend(content);
    bytes
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        bytes.push(if number > 0 { low | 0x80 } else { low });
        if number == 0 {
            return bytes;
        }
    }
}

/// Every occurrence of a text replaced by one of the same length.
fn with(mut bytes: Vec<u8>, text: &str, other: &str) -> Vec<u8> {
    assert_eq!(text.len(), other.len());
    let mut found = false;
    for at in 0..bytes.len().saturating_sub(text.len()) {
        if bytes[at..].starts_with(text.as_bytes()) {
            bytes[at..at + text.len()].copy_from_slice(other.as_bytes());
            found = true;
        }
    }
    assert!(found, "there is no `{text}`");
    bytes
}

const MANIFEST: &str = include_str!("../../guests/twins/plugin.toml");
const FILE: &str = "twins.wasm";

/// The twin with another manifest.
fn stating(text: &str, other: &str) -> Bench {
    assert!(MANIFEST.contains(text), "{text}");
    let manifest = MANIFEST.replace(text, other);
    Bench::new("twins", "").file(FILE, |bytes| with_manifest(bytes, &manifest))
}

/// The component that fails a check by what it is rather than by what it does.
fn binary_twin(check: &str) -> Option<Bench> {
    let edited = |edit: fn(Vec<u8>) -> Vec<u8>| Bench::new("twins", "").file(FILE, edit);
    Some(match check {
        "binary.component" => edited(|mut bytes| {
            bytes.truncate(bytes.len() / 2);
            bytes
        }),
        "binary.size" => edited(|bytes| with_manifest(bytes, &"#".repeat(Limits::default().component_bytes))),
        "binary.contract" => {
            edited(|bytes| with(bytes, "lockstep:plugin/source@0.1.0", "lockstep:plugin/source@0.9.0"))
        }
        "binary.imports" => edited(|bytes| with(bytes, "wasi:cli/exit@", "wasi:cli/exec@")),
        "binary.exports" => edited(|_| with_manifest(vec![0, b'a', b's', b'm', 0x0d, 0, 1, 0], &quiet_manifest())),
        "binary.links" => edited(|bytes| with(bytes, "next-cursor", "next-curses")),
        "binary.pure" => Bench::new("twins-impure", "").config(json!({})),
        "manifest.present" => edited(|bytes| with(bytes, "lockstep:manifest", "lockstep:manifold")),
        "manifest.valid" => edited(|bytes| with_manifest(bytes, "name = 1")),
        "manifest.capabilities" => stating("capabilities = [\"files\"]", "capabilities = []"),
        "manifest.modest" => stating("capabilities = [\"files\"]", "capabilities = [\"files\", \"http\"]"),
        "manifest.aliases" => stating("[aliases]\nfiles = [\"data\"]\n", ""),
        "manifest.schema" => stating("type = \"object\"", "type = \"objects\""),
        "manifest.closed" => stating("additionalProperties = false", "additionalProperties = true"),
        "manifest.defaults" => stating("default = \"\"", "default = 7"),
        "manifest.described" => stating("license = \"Apache-2.0\"", "license = \"\""),
        "manifest.name" => Bench::new("twins", "").file("others.wasm", |bytes| bytes),
        "manifest.version" => {
            let digest = PluginDigest::of(b"the one before");
            let pinned = Pinned { name: "twins".into(), version: "0.1.0".into(), digest };
            let mut bench = Bench::new("twins", "");
            bench.pinned = Some(pinned);
            bench
        }
        _ => return None,
    })
}

/// A manifest that asks for nothing.
fn quiet_manifest() -> String {
    MANIFEST.replace("capabilities = [\"files\"]\n\n[aliases]\nfiles = [\"data\"]\n", "")
}

fn twin(check: &str) -> Bench {
    if let Some(bench) = binary_twin(check) {
        return bench;
    }
    if check.starts_with("transform.") || check == "memory.transform" {
        return Bench::new("twins-transform", check);
    }
    let bench = Bench::new("twins", check);
    if check == "memory.read" {
        bench.store(MANY_RECORDS);
    }
    bench
}

/// Runs the battery on the twins of these groups; each must fail what it is named after.
fn check(groups: &[&str]) {
    let mut wrong = Vec::new();
    for check in checks().filter(|check| groups.contains(&check.group())) {
        // It sends requests; see `an_unknown_outcome_is_not_a_success`.
        if check.id == "write.unknown-outcome" {
            continue;
        }
        let results = twin(check.id).run();
        let failed = failures(&results);
        let is_right = matches!(failed.as_slice(), [(id, _)] if *id == check.id);
        if !is_right {
            wrong.push(format!("{}: fails {failed:#?}", check.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn binaries_and_manifests() {
    check(&["binary", "manifest"]);
}

#[test]
fn discovery_and_lookups() {
    check(&["discover", "lookup", "compare"]);
}

#[test]
fn reading() {
    check(&["read", "resume", "pages"]);
}

#[test]
fn trouble_and_memory() {
    check(&["trouble", "memory", "errors", "incremental"]);
}

#[test]
fn writing() {
    check(&["write", "insert", "update"]);
}

#[test]
fn transforming() {
    check(&["transform"]);
}

#[test]
fn every_group_has_its_twins() {
    const GROUPS: &[&str] = &[
        "binary",
        "manifest",
        "discover",
        "lookup",
        "compare",
        "read",
        "resume",
        "pages",
        "trouble",
        "memory",
        "errors",
        "incremental",
        "write",
        "insert",
        "update",
        "transform",
    ];
    let forgotten: Vec<_> = checks().filter(|check| !GROUPS.contains(&check.group())).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn a_plugin_that_keeps_the_rules_fails_nothing() {
    let bench = Bench::new("twins", "");
    bench.store(MANY_RECORDS);
    let results = bench.run();
    assert_eq!(failures(&results), []);
    let asked_nothing: Vec<_> = skipped(&results)
        .into_iter()
        .filter(|(id, _)| !id.starts_with("transform."))
        .filter(|(id, _)| {
            !matches!(*id, "binary.pure" | "manifest.version" | "memory.transform" | "write.unknown-outcome")
        })
        .collect();
    assert_eq!(asked_nothing, [], "every check is asked of a plugin that can do everything");
    let results = Bench::new("twins-transform", "").run();
    assert_eq!(failures(&results), []);
    let skipped: Vec<_> = skipped(&results).into_iter().filter(|(id, _)| id.starts_with("transform.")).collect();
    assert_eq!(skipped, []);
}

/// What the battery says of a system behind requests, and what it left there.
fn behind_requests(config: serde_json::Value) -> (Vec<lockstep::conformance::CheckResult>, Vec<serde_json::Value>) {
    use std::sync::{Arc, Mutex};

    use lockstep::plugin::{Breaker, Budget, HttpOrigin, HttpSettings, PrivateAddresses};
    use lockstep::project::RequestBudget;
    use lockstep::store::PrivateFiles;
    use lockstep::world::World;

    let records = crate::http::records::Records::start();
    let mut bench = Bench::new("twins-http", "").config(config);
    let files = PrivateFiles::of(bench.folder.path(), "http");
    let origin = HttpOrigin::new(HttpSettings {
        origin: url::Url::parse(&records.server.url()).unwrap(),
        private: PrivateAddresses::Allowed,
        authorities: Vec::new(),
        budget: Arc::new(Budget::new("check", &RequestBudget::default(), files)),
        breaker: Arc::new(Mutex::new(Breaker::default())),
        world: World::real(),
    });
    bench.grants.http.insert("api".into(), origin.unwrap());
    (bench.run(), records.kept())
}

#[test]
fn an_unknown_outcome_is_not_a_success() {
    for makes_key in [false, true] {
        let (right, left) = behind_requests(json!({ "makes_key": makes_key }));
        assert_eq!(failures(&right), []);
        assert!(!skipped(&right).iter().any(|(id, _)| *id == "write.unknown-outcome"));
        assert_eq!(left, Vec::<serde_json::Value>::new(), "what was made without an answer is taken away, too");
    }
    for (breach, reason) in [
        ("says-ok", "[Ok]"),
        ("says-retry", "[Retry]"),
        ("sends-again", "sends the request 2 times: the record is there 2 times"),
    ] {
        let (wrong, left) = behind_requests(json!({ "makes_key": true, "breach": breach }));
        let wrong = failures(&wrong);
        assert!(matches!(wrong.as_slice(), [("write.unknown-outcome", told)] if told.contains(reason)), "{wrong:?}");
        assert_eq!(left, Vec::<serde_json::Value>::new());
    }
}

#[test]
fn what_was_written_is_taken_away_again() {
    let bench = Bench::new("twins", "");
    let file = bench.folder.path().join("data/store.json");
    // Somebody's record stands where the first of ours would.
    let theirs = json!({"id": 910_001, "name": "theirs", "amount": 1, "changed": null, "note": null});
    std::fs::write(&file, json!({"streams": {"items": [{"id": 1}, {"id": 2}], "scratch": [theirs]}}).to_string())
        .unwrap();
    let keep = tempfile::tempdir().unwrap();
    let data = keep.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::copy(&file, data.join("store.json")).unwrap();
    let mut bench = bench;
    bench.grants.files.insert("data".into(), FilesRoot::new(data.clone(), Access::ReadWrite));
    let results = bench.run();
    assert_eq!(failures(&results), []);
    let store: serde_json::Value = serde_json::from_slice(&std::fs::read(data.join("store.json")).unwrap()).unwrap();
    assert_eq!(store["streams"]["scratch"], json!([theirs]));
}
