//! `plugin dev`: what was built is shown, and shown again when a source changes.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::{Bench, contains};

/// More than a build takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn records_and_verdicts_are_shown() {
    let bench = Bench::new();
    bench.lockstep("plugin new mine --lang javascript --kind both", 0);
    bench.lockstep("plugin build mine --install", 0);
    let shown = bench.lockstep("plugin dev mine --once", 0);
    contains(&shown, "built mine@0.1.0, 1.8 MB");
    contains(&shown, "reads people: 3 fields, key id");
    contains(&shown, "nothing is written");
    assert!(!bench.path("mine/out/people.json").exists());

    bench.write(
        "rows.jsonl",
        "{\"id\": 1, \"name\": \"Ann\", \"email\": null}\n\n{\"id\": 2, \"name\": \"Bo\", \"email\": \"b@b\"}\n",
    );
    let shown = bench.lockstep("plugin dev mine --once --stream people --write rows.jsonl", 0);
    contains(&shown, "writes people: 3 fields, key id");
    contains(&shown, "2 written, 0 unchanged");
    contains(&shown, "\"Bo\"");
    contains(&std::fs::read_to_string(bench.path("mine/out/people.json")).unwrap(), "\"Ann\"");
    contains(&bench.lockstep("plugin dev mine --once", 0), "2   Bo");
    let events = bench.lockstep("--json plugin dev mine --once --stream people --write rows.jsonl", 0);
    contains(&events, "\"event\":\"verdict\"");

    bench.write("rows.jsonl", "{\"id\": 1}\n[]\n");
    contains(
        &bench.lockstep("plugin dev mine --once --stream people --write rows.jsonl", 2),
        "line 2: it is no object",
    );
    contains(&bench.lockstep("plugin dev mine --once --connection nobody", 2), "there is no connection `nobody`");

    bench.lockstep("plugin new trim --lang javascript --kind transform", 0);
    bench.lockstep("plugin build trim --install", 0);
    let shown = bench.lockstep("plugin dev trim --once", 0);
    contains(&shown, "makes people");
    contains(&shown, "1   Ann   ann@example.com");
}

/// Lines of a process as they come.
fn lines(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[track_caller]
fn wait_for(lines: &Receiver<String>, part: &str) {
    let mut said = Vec::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains(part) => return,
            Ok(line) => said.push(line),
            Err(_) => panic!("`{part}` is not in:\n{}", said.join("\n")),
        }
    }
}

#[test]
fn every_change_is_built_and_shown_and_mistakes_end_nothing() {
    let bench = Bench::new();
    bench.lockstep("plugin new mine --lang javascript", 0);
    bench.lockstep("plugin build mine --install", 0);
    let mut process = Command::new(env!("CARGO_BIN_EXE_lockstep-under-test"))
        .args(["plugin", "dev", "mine"])
        .current_dir(bench.path(""))
        .env("LOCKSTEP_CACHE_DIR", std::env::temp_dir().join("lockstep-test-cache"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (shown, said) = (lines(process.stdout.take().unwrap()), lines(process.stderr.take().unwrap()));
    wait_for(&shown, "world");
    wait_for(&said, "waiting for a change");
    bench.edit("mine/src/source.mjs", "\"world\"", "\"everybody\"");
    wait_for(&shown, "everybody");
    wait_for(&said, "waiting for a change");
    bench.edit("mine/src/source.mjs", "*read() {", "*read( {");
    wait_for(&said, "error[LS0312]");
    wait_for(&said, "waiting for a change");
    bench.edit("mine/src/source.mjs", "*read( {", "*read() {");
    wait_for(&shown, "everybody");
    wait_for(&said, "waiting for a change");
    Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
}
