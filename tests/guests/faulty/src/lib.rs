//! A plugin that misbehaves on demand: `config.behaviour` says how. Each behaviour is a case a hostile author would try.

use std::hint::black_box;

use lockstep_plugin_sdk::capabilities::{files, http, log, sql};
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};
use lockstep_plugin_sdk::types::{BytesColumn, Column, Status, Values};
use serde::Deserialize;

struct Faulty;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    behaviour: String,
}

fn stream() -> Stream {
    Stream::new("rows").key(["id"]).field("id", LogicalType::Int64).field("text", LogicalType::Text)
}

impl Source for Faulty {
    type Config = Config;
    type Reader = FaultyReader;

    fn discover(config: Config, _names: Vec<String>) -> Result<Vec<Stream>> {
        match config.behaviour.as_str() {
            "discover-twice-the-same-field" => Ok(vec![stream().field("id", LogicalType::Text)]),
            "leak-memory" => {
                std::mem::forget(black_box(vec![1u8; 4 << 20]));
                Ok(vec![stream()])
            }
            "discover-a-key-without-field" => Ok(vec![stream().key(["nope"])]),
            _ => Ok(vec![stream()]),
        }
    }

    fn open(config: Config, _request: ReadRequest) -> Result<FaultyReader> {
        Ok(FaultyReader { behaviour: config.behaviour })
    }
}

struct FaultyReader {
    behaviour: String,
}

impl Reader for FaultyReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        misbehave(&self.behaviour);
        let mut page = page(3)?;
        spoil(&self.behaviour, &mut page, limits);
        Ok(page)
    }
}

fn page(rows: i64) -> Result<Page> {
    let mut batch = BatchBuilder::new([("id", LogicalType::Int64), ("text", LogicalType::Text)]);
    for row in 0..rows {
        batch.column(0).push_int64(row);
        batch.column(1).push_text("x");
        batch.end_row();
    }
    Ok(Page::new(batch.finish()?, b"cursor".to_vec(), Status::CaughtUp))
}

/// What ends the instance, or tries to use what was not granted.
#[allow(clippy::panic, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::empty_loop)]
fn misbehave(behaviour: &str) {
    match behaviour {
        "panic" => panic!("no such row"),
        "trap" => std::process::abort(),
        "exit" => std::process::exit(0),
        "loop" => loop {
            black_box(());
        },
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(3600)),
        "recurse" => {
            black_box(recurse(black_box(1)));
        }
        "fill-memory" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1u8; 1 << 20]);
                black_box(&hoard);
            }
        }
        "copy-memory" => {
            let mut block = vec![1u8; 48 << 20];
            loop {
                let half = block.len() / 2;
                block.copy_within(..half, half);
                black_box(&block);
            }
        }
        "flood-stderr" => {
            for _ in 0..20 {
                eprint!("{}", "flood ".repeat(10_000));
            }
        }
        "forge-log" => eprintln!("\u{1b}[31m{{\"level\":\"audit\"}}\r\u{202e}"),
        "flood-log" => {
            for _ in 0..5_000 {
                log::log(log::Level::Error, &"flood ".repeat(100), &[]);
            }
        }
        "hoard-handles" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(files::open("data", "file.txt").expect("the file is granted"));
            }
        }
        "push-too-much" => {
            let _ = http::send(&[http::Request {
                endpoint: "api".into(),
                method: "POST".into(),
                target: "/".into(),
                headers: Vec::new(),
                body: Some(vec![0; 40 << 20]),
                options: Vec::new(),
            }]);
        }
        "ask-for-too-much-chance" => {
            // The standard library asks for a few bytes at a time; many times over is fine, and bounded by the clock.
            for _ in 0..1000 {
                black_box(std::collections::HashMap::<u8, u8>::new());
            }
        }
        "use-what-is-not-granted" => use_what_is_not_granted(),
        _ => {}
    }
}

fn use_what_is_not_granted() {
    let denied = [
        files::list_files("other").err().map(|error| error.code),
        files::open("data", "../secret").err().map(|error| error.code),
        sql::open("main").err().map(|error| error.code),
    ];
    assert!(denied.iter().all(Option::is_some), "something was granted");
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    let frame = [depth; 32];
    black_box(&frame);
    recurse(depth + 1).wrapping_add(frame.iter().sum::<u64>())
}

/// What makes a page that the host must not believe.
fn spoil(behaviour: &str, page: &mut Page, limits: Limits) {
    let data = &mut page.changes.data;
    let bytes =
        |offsets: &[u32], data: &[u8]| Values::Bytes(BytesColumn { offsets: offsets.to_vec(), data: data.to_vec() });
    match behaviour {
        "too-many-rows" => {
            let rows = limits.rows as usize + 1;
            data.rows = rows as u32;
            data.columns =
                vec![Column { name: "id".into(), valid: None, present: None, values: Values::Int64(vec![0; rows]) }];
        }
        "wrong-row-count" => data.rows = 7,
        "unknown-column" => data.columns.iter_mut().for_each(|column| column.name.push('x')),
        "falling-offsets" => set_text(page, bytes(&[0, 2, 1, 3], b"abc")),
        "wild-offsets" => set_text(page, bytes(&[0, 1, 2, u32::MAX], b"abc")),
        "not-utf8" => set_text(page, bytes(&[0, 1, 2, 3], &[0xff, 0xfe, 0xfd])),
        "short-bitmap" => data.columns.iter_mut().for_each(|column| column.valid = Some(Vec::new())),
        "other-layout" => set_text(page, Values::Other(("arrow-ipc".into(), vec![1, 2, 3]))),
        "unknown-status" => page.status = "maybe".into(),
        "unknown-kind" => page.changes.kinds = Some(vec![9; 3]),
        "huge-cursor" => page.next_cursor = vec![0; 1 << 20],
        "secret-hunting" => page.status = std::env::vars().map(|(name, value)| name + &value).collect(),
        _ => {}
    }
}

fn set_text(page: &mut Page, values: Values) {
    if let Some(column) = page.changes.data.columns.get_mut(1) {
        column.values = values;
    }
}

impl Sink for Faulty {
    type Config = Config;
    type Writer = FaultyWriter;

    fn describe(_config: Config, _name: String) -> Result<Option<Stream>> {
        Ok(Some(stream().property("empty", "false")))
    }

    fn prepare(_config: Config, wanted: Stream, _options: PrepareOptions) -> Result<Prepared> {
        Ok(Prepared { stream: wanted, actions: Vec::new() })
    }

    fn open(config: Config, _request: WriteRequest) -> Result<FaultyWriter> {
        Ok(FaultyWriter { behaviour: config.behaviour, rows: 0 })
    }
}

/// Refuses or breaks at the row whose id is 7431.
struct FaultyWriter {
    behaviour: String,
    rows: u64,
}

const BAD_ID: i64 = 7431;

impl Writer for FaultyWriter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        misbehave(&self.behaviour);
        let ids = BatchView::new(&changes.data).column("id");
        let bad = ids.is_some_and(|ids| (0..changes.data.rows as usize).any(|row| ids.int64(row) == Some(BAD_ID)));
        match self.behaviour.as_str() {
            "panic-at-one-row" => assert!(!bad, "row {BAD_ID} is cursed"),
            "leak-memory" => std::mem::forget(black_box(vec![1u8; 4 << 20])),
            "reject-one-row" if bad => return Err(Error::invalid_data("one of these rows is cursed")),
            "too-many-statuses" => {
                return Ok(WriteResults {
                    statuses: Some(vec![0; changes.data.rows as usize + 1]),
                    ..WriteResults::all_ok()
                });
            }
            _ => {}
        }
        self.rows += u64::from(changes.data.rows);
        Ok(WriteResults::all_ok())
    }

    fn flush(&mut self) -> Result<Flushed> {
        Ok(Flushed::new(std::mem::take(&mut self.rows), 0, 0))
    }
}

export!(Faulty: source, sink);
