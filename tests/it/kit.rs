//! Plugins made with the command, in each language: begun, built, used, built again. And what is no plugin, refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lockstep_test_servers::componentize_py;
use serde_json::{Value, json};
use tempfile::TempDir;

mod checked;
mod contacts;
mod dev;
mod issues;

/// A folder to work in.
pub struct Bench {
    folder: TempDir,
    pub secrets: Vec<(&'static str, String)>,
}

impl Bench {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), secrets: Vec::new() }
    }

    /// With the sources of an example, under its name.
    pub fn with_example(name: &str) -> Self {
        let bench = Self::new();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
        copy_folder(&from, &bench.path(name));
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{text}");
        self.write(name, &text.replace(from, to));
    }

    /// What the command says, on both streams; it must end with `code`.
    pub fn lockstep(&self, args: &str, code: i32) -> String {
        let (said, found) = self.run(args);
        assert_eq!(found, Some(code), "lockstep {args}\n{said}");
        said
    }

    /// What the command says, whatever became of it.
    pub fn lockstep_any(&self, args: &str) -> String {
        self.run(args).0
    }

    fn run(&self, args: &str) -> (String, Option<i32>) {
        let output = Command::new(env!("CARGO_BIN_EXE_lockstep-under-test"))
            .args(args.split_whitespace())
            .current_dir(self.folder.path())
            .env("LOCKSTEP_CACHE_DIR", std::env::temp_dir().join("lockstep-test-cache"))
            // Crates are those the workspace itself is built with; they are built once for all tests.
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/kit"))
            .env_remove("LOCKSTEP_PROJECT")
            .envs(self.secrets.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
        (said, output.status.code())
    }

    /// The rows of a query, one text each.
    pub fn sqlite(&self, file: &str, query: &str) -> Vec<String> {
        let database = rusqlite::Connection::open(self.path(file)).unwrap();
        let mut statement = database.prepare(query).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Gives a plugin's folder the environment that all tests share.
    pub fn environment(&self, plugin: &str) {
        std::os::unix::fs::symlink(componentize_py(), self.path(plugin).join(".venv")).unwrap();
    }
}

/// Without what a build or a run of the original left there.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            if ![".lockstep", ".venv", "node_modules", "__pycache__", "target"].contains(&name.as_str()) {
                copy_folder(&entry.path(), &to.join(name));
            }
        } else if !name.ends_with(".wasm") && !name.starts_with("copy.db") {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

#[track_caller]
pub fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` is not in:\n{text}");
}

fn people(bench: &Bench, file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(bench.path(&format!("mine/out/{file}.json"))).unwrap()).unwrap()
}

/// From nothing to a plugin that reads and writes, as its README says; then with a change.
fn lives(bench: &Bench, language: &str, file: &str) {
    contains(
        &bench.lockstep(&format!("plugin new mine --lang {language} --kind both"), 0),
        "next: `lockstep plugin build mine",
    );
    if language == "python" {
        bench.environment("mine");
    }
    let install = if language == "rust" { "" } else { "--install" };
    let built = bench.lockstep(&format!("plugin build mine {install}"), 0);
    contains(&built, "mine@0.1.0");
    contains(&built, "may use   files");
    let ran = bench.lockstep("--project mine run", 0);
    contains(&ran, "people: 3 read, 3 written");
    contains(&ran, "copy: 3 read, 3 written");
    assert_eq!(bench.sqlite("mine/copy.db", "SELECT id || name FROM people ORDER BY id"), ["1 Ann ", "2Bo", "3Cleo"]);
    let ann = json!({"id": 1, "name": " Ann ", "email": "ann@example.com"});
    let (bo, cleo) =
        (json!({"id": 2, "name": "Bo", "email": "bo@example.com"}), json!({"id": 3, "name": "Cleo", "email": null}));
    assert_eq!(people(bench, "people"), json!([ann, bo, cleo]));
    let args = "--project mine plugin check --json --connection mine --stream people --write-stream people";
    checked::nothing_failed(bench, args, &[checked::READS, checked::WRITES].concat());
    assert_eq!(people(bench, "people"), json!([ann, bo, cleo]), "what was checked is as it was");

    bench.edit(&format!("mine/src/{file}"), "\"people.json\"", "\"persons.json\"");
    bench.edit("mine/data/people.csv", "2,Bo,bo@example.com\n", "2,Bob,bo@example.com\n");
    contains(&bench.lockstep("plugin build mine", 0), "in the lockstep.lock beside it");
    let ran = bench.lockstep("--project mine run", 0);
    contains(&ran, "people: 3 read, 3 written");
    contains(&ran, "copy: 3 read, 1 written, 2 unchanged");
    assert_eq!(bench.sqlite("mine/copy.db", "SELECT name FROM people WHERE id = 2"), ["Bob"]);
    assert_eq!(people(bench, "persons")[1]["name"], "Bob");
}

#[test]
fn a_plugin_in_rust_lives() {
    let bench = Bench::new();
    lives(&bench, "rust", "sink.rs");
    bench.edit("mine/src/source.rs", "Ok(source::only", "Oh(source::only");
    let refused = bench.lockstep("plugin build mine", 2);
    contains(&refused, "error[LS0312]");
    contains(&refused, "src/source.rs:");
}

#[test]
fn a_plugin_in_python_lives() {
    let bench = Bench::new();
    lives(&bench, "python", "sink.py");
    let before = std::fs::read(bench.path("mine/mine.wasm")).unwrap();
    bench.edit("mine/src/source.py", "from lockstep import", "import requests\nfrom lockstep import");
    let refused = bench.lockstep("plugin build mine", 2);
    contains(&refused, "error[LS0312]: `componentize-py` failed");
    contains(&refused, "No module named 'requests'");
    assert_eq!(std::fs::read(bench.path("mine/mine.wasm")).unwrap(), before, "what was built stays");
}

#[test]
fn a_plugin_in_javascript_lives() {
    let bench = Bench::new();
    bench.lockstep("plugin new late --lang javascript", 0);
    contains(&bench.lockstep("plugin build late", 3), "`lockstep plugin build --install` installs it");
    lives(&bench, "javascript", "sink.mjs");
    // The engine would round it: it waits for a person instead.
    bench.edit("mine/data/people.csv", "1, Ann ", "1152921504606846977,Big,b@b\n1, Ann ");
    contains(&bench.lockstep("--project mine run", 1), "1 dead letter");
    contains(&bench.lockstep("--project mine dead-letters list", 0), "does not reach JavaScript exactly");
    assert_eq!(people(&bench, "persons").as_array().unwrap().len(), 3);
    bench.edit("mine/plugin.toml", "\"lookup\"]", "\"lookup\", \"transform\"]");
    let refused = bench.lockstep("plugin build mine", 2);
    contains(&refused, "plugin.toml exports `transform`, but the plugin has no such side");
}

#[test]
fn transforms_trim_text() {
    for (language, install) in [("rust", ""), ("javascript", "--install"), ("python", "")] {
        let bench = Bench::new();
        bench.lockstep(&format!("plugin new mine --lang {language} --kind transform"), 0);
        if language == "python" {
            bench.environment("mine");
        }
        bench.lockstep(&format!("plugin build mine {install}"), 0);
        checked::nothing_failed(&bench, "plugin check --json mine/mine.wasm", &["transform."]);
        contains(&bench.lockstep("--project mine run", 0), "3 read, 3 written");
        assert_eq!(
            bench.sqlite("mine/copy.db", "SELECT name FROM people ORDER BY id"),
            ["Ann", "Bo", "Cleo"],
            "{language}"
        );
    }
}

/// One that can only be written is looked up, so that what it wrote can be checked.
#[test]
fn a_sink_alone_is_checked() {
    let bench = Bench::new();
    bench.lockstep("plugin new mine --lang rust --kind sink", 0);
    bench.lockstep("plugin build mine", 0);
    let args = "--project mine plugin check --json --connection mine --write-stream people";
    checked::nothing_failed(&bench, args, checked::WRITES);
}

#[test]
fn every_smallest_source_has_at_most_twenty_five_lines() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src/kit/templates");
    for (file, end) in
        [("rust/source.rs", "\n#[cfg(test)]"), ("python/source.py", "\u{0}"), ("javascript/source.mjs", "\u{0}")]
    {
        let text = std::fs::read_to_string(templates.join(file)).unwrap();
        let lines = text.split(end).next().unwrap().lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 25, "{file}: {lines}");
    }
}

/// A component without a manifest, and one to put in.
fn bare(bench: &Bench) -> Vec<u8> {
    bench.write("plugin.toml", "name = \"hello\"\nversion = \"2.0.0\"\nlicense = \"MIT\"\ndescription = \"Greets\"\n");
    std::fs::read(lockstep_tests::hello_plugin()).unwrap()
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut found = 0;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + from.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0);
    bytes
}

#[test]
fn a_packed_plugin_runs() {
    let bench = Bench::new();
    std::fs::write(bench.path("hello.wasm"), bare(&bench)).unwrap();
    contains(&bench.lockstep("plugin pack hello.wasm -o packed.wasm", 0), "hello@2.0.0: Greets");
    contains(&bench.lockstep("plugin inspect packed.wasm", 0), "licence   MIT");
    std::fs::create_dir(bench.path("mine")).unwrap();
    let project = "[project]\nname = \"mine\"\n[connection.mine]\nplugin = \"../packed.wasm\"\n[connection.copy]\nplugin = \"sqlite\"\n\
                   sql.main = { path = \"copy.db\" }\n[sync.g]\nmode = \"mirror\"\nsource = { connection = \"mine\", stream = \"greetings\" }\n\
                   target = { connection = \"copy\", stream = \"greetings\" }\n";
    bench.write("mine/lockstep.toml", project);
    contains(&bench.lockstep("--project mine run", 0), "2 read, 2 written");
}

#[test]
fn what_cannot_be_packed_is_refused_with_the_reason() {
    let bench = Bench::new();
    let good = bare(&bench);
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("core", b"\0asm\x01\0\0\0".to_vec(), "LS0302", "it is a core module; build it for `wasm32-wasip2`"),
        ("text", b"(component)".to_vec(), "LS0302", "it is WebAssembly text"),
        ("empty", Vec::new(), "LS0302", "does not begin with the WebAssembly header"),
        ("page", b"<html>".to_vec(), "LS0302", "does not begin with the WebAssembly header"),
        ("cut", good[..good.len() / 2].to_vec(), "LS0302", "it is damaged"),
        ("flipped", flipped(9), "LS0302", "it is damaged"),
        (
            "newer",
            replaced(&good, b"lockstep:plugin/source@0.1.0", b"lockstep:plugin/source@0.9.0"),
            "LS0305",
            "source@0.9.0",
        ),
        ("evil", replaced(&good, b"wasi:cli/environment@", b"evil:cli/environment@"), "LS0304", "evil:cli/environment"),
    ];
    for (name, bytes, code, reason) in cases {
        std::fs::write(bench.path("x.wasm"), bytes).unwrap();
        let refused = bench.lockstep("plugin pack x.wasm -o out.wasm", 2);
        contains(&refused, &format!("error[{code}]"));
        contains(&refused, reason);
        contains(&refused, "hint: ");
        assert!(!bench.path("out.wasm").exists(), "{name}");
    }
}

/// Some bits change only a constant; most make code no compiler takes. None makes the command fall over.
#[test]
fn a_flipped_bit_is_found_or_harmless() {
    let bench = Bench::new();
    let good = bare(&bench);
    let manifest = std::fs::read_to_string(bench.path("plugin.toml")).unwrap();
    let mut refused = 0;
    for at in (8..good.len()).step_by(good.len() / 300) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        match lockstep::plugin::pack("x.wasm", &bytes, &manifest) {
            Ok(packed) => assert_eq!(packed.binary.label(), "hello@2.0.0"),
            Err(error) => {
                let id = lockstep::error::Explain::code(&error).id;
                assert!(["LS0302", "LS0303", "LS0304", "LS0305", "LS0307"].contains(&id), "{at}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn manifests_that_do_not_fit_are_refused() {
    let bench = Bench::new();
    let good = bare(&bench);
    std::fs::write(bench.path("x.wasm"), &good).unwrap();
    let base = "name = \"hello\"\nversion = \"2.0.0\"\n";
    for (manifest, reason) in [
        (format!("{base}exports = [\"sink\"]"), "the component has no `sink`"),
        (format!("{base}exports = []"), "the component exports `source`, which `exports` does not name"),
        (format!("{base}colour = 1"), "unknown field `colour`"),
        ("name = \"Hello\"\nversion = \"2.0.0\"".to_owned(), "not a name of lower-case letters"),
        ("name = \"hello\"".to_owned(), "missing field `version`"),
    ] {
        bench.write("plugin.toml", &manifest);
        let refused = bench.lockstep("plugin pack x.wasm -o out.wasm", 2);
        contains(&refused, "error[LS0303]");
        contains(&refused, reason);
    }
    contains(&bench.lockstep("plugin pack nothing.wasm -o out.wasm", 3), "cannot read `nothing.wasm`");
}

/// Python's runtime names sockets. Whoever uses one loses the instance, and nothing was opened. Any other mistake is an answer.
#[test]
fn mistakes_in_python_are_told_and_sockets_lead_nowhere() {
    let bench = Bench::new();
    bench.lockstep("plugin new mine --lang python", 0);
    bench.environment("mine");
    bench.edit("mine/src/source.py", "from lockstep import", "import socket\n\nfrom lockstep import");
    let streams = "[stream(\"greetings\", Greeting), stream(\"mistakes\", Greeting)]";
    bench.edit("mine/src/source.py", "[stream(\"greetings\", Greeting)]", streams);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let call = format!(
        "if request.stream == \"mistakes\":\n            {{}}[\"nobody\"]\n        \
         socket.socket().connect((\"127.0.0.1\", {port}))\n        for number"
    );
    bench.edit("mine/src/source.py", "for number", &call);
    bench.lockstep("plugin build mine", 0);
    contains(&bench.lockstep("plugin inspect mine/mine.wasm", 0), "wasi:sockets/tcp@0.2");
    let told = bench.lockstep_any("plugin dev mine --once --stream mistakes");
    contains(&told, "KeyError: 'nobody'");
    contains(&told, "source.py:");
    let refused = bench.lockstep("plugin dev mine --once --stream greetings", 1);
    contains(&refused, "wanted a socket in source.next; requests go through the capability `http`");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody came");
}
