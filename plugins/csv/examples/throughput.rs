//! How fast bytes become typed columns: a file of a million rows in memory, read in pages as the host asks for them.
//!
//! `cargo run --release -p lockstep-plugin-csv --example throughput [ROWS [PAGE_ROWS]]`
#![allow(clippy::print_stdout, reason = "a measurement is printed")]

use std::fmt::Write as _;
use std::time::Duration;

use lockstep_plugin_csv::{Config, discover_in, open_in};
use lockstep_plugin_sdk::prelude::*;
use lockstep_text_files::memory::{MemoryFile, MemoryStore};
use lockstep_text_files::{FileRead, Store, StoredFile};

const PATH: &str = "customers.csv";

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let rows = numbers.next().unwrap_or(1_000_000);
    let page_rows = numbers.next().unwrap_or(10_000);
    let content = customers(rows);
    let megabytes = content.len() as f64 / 1e6;
    let store = Undigested(MemoryStore::with(PATH, content));
    let config: Config = lockstep_plugin_sdk::config::parse("{}")?;

    let begun = cpu_time();
    let streams = discover_in(&store, &config, &[PATH.to_owned()])?;
    println!("types guessed in {:.1} ms", milliseconds(cpu_time().saturating_sub(begun)));
    let stream = streams.first().ok_or_else(|| Error::permanent("the stream is gone"))?;
    for field in &stream.fields {
        println!("  {} {}", field.name, field.logical_type);
    }
    let limits = Limits { rows: page_rows as u32, bytes: 16 << 20 };
    for wanted in [stream.fields.len(), 3, stream.fields.len()] {
        let fields: Vec<Field> = stream.fields.iter().take(wanted).cloned().collect();
        let best =
            (0..5).map(|_| read(&store, &config, request_for(&fields), limits, rows)).collect::<Result<Vec<_>>>()?;
        let best = best.into_iter().min().unwrap_or_default();
        let seconds = best.as_secs_f64();
        println!(
            "{wanted:2} columns: {:.0} ms, {:.0} MB/s, {:.2} M rows/s",
            seconds * 1e3,
            megabytes / seconds,
            rows as f64 / seconds / 1e6
        );
    }
    Ok(())
}

/// Files whose digest costs nothing: computing it is the host's part and is measured there.
struct Undigested(MemoryStore);

struct UndigestedFile(MemoryFile);

impl Store for Undigested {
    type File = UndigestedFile;

    fn list(&self) -> Result<Vec<StoredFile>> {
        self.0.list()
    }

    fn open(&self, path: &str) -> Result<UndigestedFile> {
        self.0.open(path).map(UndigestedFile)
    }
}

impl FileRead for UndigestedFile {
    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.0.read(offset, length)
    }

    fn digest(&self) -> Result<Vec<u8>> {
        Ok(vec![0; 32])
    }
}

fn request_for(fields: &[Field]) -> ReadRequest {
    ReadRequest {
        stream: PATH.to_owned(),
        key: Vec::new(),
        fields: fields.to_vec(),
        mode: "full".to_owned(),
        cursor: None,
        options: Vec::new(),
    }
}

fn read(store: &Undigested, config: &Config, request: ReadRequest, limits: Limits, rows: usize) -> Result<Duration> {
    let mut reader = open_in(store, config, &request)?;
    let begun = cpu_time();
    let mut seen = 0;
    loop {
        let page = reader.next(limits)?;
        seen += page.changes.data.rows as usize;
        if let Some(rejection) = page.rejected.first() {
            return Err(rejection.error.clone());
        }
        if page.status != "more" {
            break;
        }
    }
    let took = cpu_time().saturating_sub(begun);
    if seen == rows { Ok(took) } else { Err(Error::permanent(format!("{seen} rows instead of {rows}"))) }
}

/// The time this thread has had a processor, so that neighbours on a busy machine count for little.
fn cpu_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = statistics.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.map_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap_or_default(), Duration::from_nanos)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A generator with a fixed seed (Steele, Lea, Flood: SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words.get(self.below(words.len() as u64) as usize).copied().unwrap_or_default()
    }
}

const FIRST: [&str; 8] = ["Anna", "Bernadette", "Cem", "Doris", "Émile", "Friedrich", "Gül", "Hannelore"];
const LAST: [&str; 8] = ["Abel", "Brandmeier", "Çelik", "Dombrowski", "Eder", "Fuchs", "Großmann", "Habermas"];
const CITY: [&str; 6] = ["Berlin", "Frankfurt am Main", "Köln", "Paris", "San Francisco", "Wien"];
const NOTE: [&str; 4] = ["", "prefers e-mail", "\"calls, then writes\"", "\"said \"\"never on Monday\"\"\""];

fn customers(rows: usize) -> Vec<u8> {
    let mut text = String::from("id,name,email,street,city,quantity,amount,balance,active,birthday,created_at,note\n");
    let mut random = Random(42);
    for id in 0..rows {
        let (first, last, city) = (random.pick(&FIRST), random.pick(&LAST), random.pick(&CITY));
        let mut below = |limit| random.below(limit);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{},{first} {last},{}.{}{}@customers.example.com,Long Street of the Republic {},{city},{},{}.{:02},{}{}.{:02},{},{}-{:02}-{:02},",
            100_000 + id,
            first.to_lowercase(),
            last.to_lowercase(),
            below(10_000),
            1 + below(300),
            below(1000),
            below(100_000),
            below(100),
            if below(2) == 0 { "-" } else { "" },
            1 + below(9_999),
            below(100),
            below(2) == 0,
            1940 + below(70),
            1 + below(12),
            1 + below(28),
        );
        let _ = writeln!(
            text,
            "20{:02}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z,{}",
            below(27),
            1 + below(12),
            1 + below(28),
            below(24),
            below(60),
            below(60),
            below(1000),
            random.pick(&NOTE),
        );
    }
    text.into_bytes()
}
