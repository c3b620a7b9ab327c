//! Measures what a plugin costs in each language: `cargo run -p lockstep-tests --example languages`. It needs componentize-py and npm as the
//! tests do. Memory is found by trying: the least limit, in steps of a megabyte, with which it goes well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool for developers"
)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use lockstep::connector::{PageLimits, PageStatus, ReadMode, ReadRequest, Source};
use lockstep::plugin::{Catalog, Grants, Limits, PluginBinary, PluginConnector, Runtime};
use lockstep::record::Properties;
use lockstep::world::World;
use lockstep_test_servers::componentize_py;

const PAGES: u32 = 1000;
const ROWS: u32 = 100;

const RUST: (&str, &str) = (
    "RecordReader::new(&request, (1..).zip(texts).map(|(id, text)| Ok(Greeting { id, text })))",
    "let _ = texts; RecordReader::new(&request, (1..=100_000).map(|id| Ok(Greeting { id, text: format!(\"greeting number {id}\") })))",
);
const PYTHON: (&str, &str) = (
    "for number, text in enumerate([\"hello\", \"world\"], start=1):\n            yield Greeting(id=number, text=text)",
    "for number in range(100_000):\n            yield Greeting(id=number, text=f\"greeting number {number}\")",
);
const JAVASCRIPT: (&str, &str) = (
    "yield { id: 1, text: \"hello\" };\n      yield { id: 2, text: \"world\" };",
    "for (let id = 0; id < 100000; id += 1) yield { id, text: `greeting number ${id}` };",
);

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "| language | component | build | compile | start | rows/s | memory at start | after {PAGES} pages |\n|---|---|---|---|---|---|---|---|"
    );
    for (language, file, (from, to)) in
        [("rust", "source.rs", RUST), ("python", "source.py", PYTHON), ("javascript", "source.mjs", JAVASCRIPT)]
    {
        let folder = tempfile::tempdir().unwrap();
        let build = make(folder.path(), language, file, from, to);
        let binary = Catalog::new(&[]).from_path(&folder.path().join("mine/mine.wasm"), &Limits::default()).unwrap();
        let cache = folder.path().join("cache");
        let engine = Runtime::new(cache, Limits::default()).unwrap();
        let begin = Instant::now();
        connect(&engine, &binary, 128);
        let compile = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        runtime.block_on(discover(&connect(&engine, &binary, 128))).unwrap();
        let start = begin.elapsed().as_secs_f64() * 1000.0;
        let begin = Instant::now();
        runtime.block_on(read(&connect(&engine, &binary, 128))).unwrap();
        let rate = f64::from(PAGES * ROWS) / begin.elapsed().as_secs_f64();
        let least = |works: &dyn Fn(usize) -> bool| (1..=128).find(|limit| works(*limit)).unwrap();
        let at_start = least(&|limit| runtime.block_on(discover(&connect(&engine, &binary, limit))).is_ok());
        let after =
            (at_start..=128).find(|limit| runtime.block_on(read(&connect(&engine, &binary, *limit))).is_ok()).unwrap();
        let size = binary.report.bytes as f64 / 1e6;
        println!(
            "| {language} | {size:.2} MB | {build:.1} s | {compile:.1} s | {start:.0} ms | {rate:.0} | {at_start} MiB | {after} MiB |"
        );
    }
}

/// Begins a plugin whose source tells many rows, and builds it; answers how long the build took.
fn make(folder: &Path, language: &str, file: &str, from: &str, to: &str) -> f64 {
    let lockstep = std::env::var("LOCKSTEP").expect("LOCKSTEP names the command: LOCKSTEP=target/debug/lockstep");
    let run = |args: &[&str]| {
        assert!(Command::new(&lockstep).args(args).current_dir(folder).output().unwrap().status.success(), "{args:?}")
    };
    run(&["plugin", "new", "mine", "--lang", language]);
    if language == "python" {
        std::os::unix::fs::symlink(componentize_py(), folder.join("mine/.venv")).unwrap();
    }
    let source = folder.join("mine/src").join(file);
    run(if language == "javascript" {
        &["plugin", "build", "mine", "--install"]
    } else {
        &["plugin", "build", "mine"]
    });
    let text = std::fs::read_to_string(&source).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&source, text.replace(from, to)).unwrap();
    let begin = Instant::now();
    run(&["plugin", "build", "mine"]);
    begin.elapsed().as_secs_f64()
}

fn connect(engine: &Runtime, binary: &PluginBinary, memory: usize) -> PluginConnector {
    let limits = Limits { memory_bytes: memory << 20, ..Limits::default() };
    PluginConnector::system(engine, binary, &serde_json::json!({}), Grants::none("test"), limits, World::real().clock)
        .unwrap()
}

async fn discover(connector: &PluginConnector) -> Result<(), lockstep::connector::Failure> {
    connector.discover(&[]).await.map(drop)
}

async fn read(connector: &PluginConnector) -> Result<(), lockstep::connector::Failure> {
    let stream = connector.discover(&[]).await?.into_iter().next().unwrap();
    let request = ReadRequest {
        stream: stream.name,
        key: stream.key,
        fields: stream.fields,
        mode: ReadMode::Full,
        cursor: None,
        options: Properties::default(),
    };
    let mut reader = Source::open(connector, request).await?;
    while reader.next(PageLimits { rows: ROWS, bytes: 4 << 20 }).await?.status == PageStatus::More {}
    Ok(())
}
