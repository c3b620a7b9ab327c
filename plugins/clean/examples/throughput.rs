//! Values per second of the transform, run natively: `cargo run --release -p lockstep-plugin-clean --example throughput`.
//!
//! Pages of 10,000 contacts, eight columns of text, seeded: one value in twenty needs cleaning. The same plugin as a component is
//! measured by the workspace's benchmark.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use lockstep_plugin_clean::{Clean, Config};
use lockstep_plugin_sdk::prelude::*;
use serde_json::json;

const ROWS: u64 = 10_000;
const COLUMNS: [&str; 8] = ["email", "first", "last", "phone", "street", "city", "status", "note"];

fn main() {
    let stream = COLUMNS.iter().fold(Stream::new("contacts"), |stream, name| stream.field(*name, LogicalType::Text));
    for (name, dirty, config) in [
        ("text, all clean", 0, json!({"all_text": ["trim", "nfc"]})),
        ("text, 5 % dirty", 20, json!({"all_text": ["trim", "nfc"]})),
        ("text, collapsed, 5 % dirty", 20, json!({"all_text": ["trim", "collapse", "nfc", "empty_as_null"]})),
        ("contacts, 5 % dirty", 20, contacts()),
        ("contacts, all dirty", 1, contacts()),
    ] {
        let config: Config = serde_json::from_value(config).unwrap();
        let pages: Vec<Batch> = (0..10).map(|seed| page(seed, dirty)).collect();
        let mut cleaner = Clean::open(config, stream.clone()).unwrap();
        let best = (0..7).map(|_| run(&mut cleaner, &pages)).min().unwrap();
        let values = ROWS as f64 * COLUMNS.len() as f64 * pages.len() as f64;
        let bytes: u64 = pages.iter().map(bytes).sum();
        let (rate, bandwidth) = (values / best.as_secs_f64() / 1e6, bytes as f64 / best.as_secs_f64() / 1e6);
        println!("{name:28} {rate:7.1} M values/s {bandwidth:7.0} MB/s {best:9.2?}");
    }
}

fn contacts() -> serde_json::Value {
    json!({
        "fields": {
            "email": ["trim", "nfc", "email"],
            "phone": [{"phone": {"default": "DE", "invalid": "keep"}}],
            "status": ["trim", {"map": {"Mr.": "mr", "Mrs.": "mrs"}}],
        },
        "all_text": ["trim", "nfc", "empty_as_null"],
        "required": ["email"],
    })
}

/// The time of cleaning the pages, without that of copying them.
fn run(cleaner: &mut impl Transformer, pages: &[Batch]) -> Duration {
    let copies: Vec<Changes> = pages.iter().cloned().map(Changes::upserts).collect();
    let started = Instant::now();
    let outputs: Vec<Transformed> = copies.into_iter().map(|changes| cleaner.apply(changes).unwrap()).collect();
    let time = started.elapsed();
    assert!(outputs.iter().all(|output| output.changes.data.rows as u64 == ROWS));
    time
}

fn bytes(batch: &Batch) -> u64 {
    let mut view = BatchView::new(batch).columns();
    (0..COLUMNS.len())
        .map(|_| view.next().unwrap())
        .map(|column| (0..ROWS as usize).map(|row| column.bytes(row).map_or(0, <[u8]>::len) as u64).sum::<u64>())
        .sum()
}

/// Numbers that look like chance and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

const FIRST: [&str; 8] = ["Anna", "Björn", "Chloé", "David", "Eva", "Friedrich", "Gül", "Hans-Peter"];
const LAST: [&str; 8] = ["Müller", "Schmidt", "O'Brien", "Nguyen", "García", "Kowalski", "van der Berg", "Li"];
const STREET: [&str; 4] = ["Hauptstraße", "Station Road", "Rue de la Paix", "Calle Mayor"];
const CITY: [&str; 6] = ["Berlin", "München", "London", "Paris", "Sevilla", "Łódź"];

/// One value in `dirty` is dirty; none if it is 0.
fn page(seed: u64, dirty: u64) -> Batch {
    let mut random = Random(seed * 7919 + 17);
    let mut batch = BatchBuilder::new(COLUMNS.map(|name| (name, LogicalType::Text)));
    for row in 0..ROWS {
        for (column, name) in COLUMNS.iter().enumerate() {
            let is_dirty = dirty > 0 && random.below(dirty) == 0;
            let (clean, soiled) = value(name, seed * ROWS + row, &mut random);
            batch.column(column).push_text(if is_dirty { &soiled } else { &clean });
        }
        batch.end_row();
    }
    batch.finish().unwrap()
}

/// A clean value, and a dirty form of it.
fn value(name: &str, row: u64, random: &mut Random) -> (String, String) {
    let spaced = |clean: String| (clean.clone(), format!("  {clean} "));
    match name {
        "email" => (format!("user.{row}@mail.example.com"), format!(" User.{row}@Mail.Example.COM ")),
        "phone" => {
            let number = 1_000_000 + row;
            (format!("+4930{number}"), format!("030 / {number}"))
        }
        "first" => spaced(random.of(&FIRST).to_owned()),
        "last" => spaced(random.of(&LAST).to_owned()),
        "street" => spaced(format!("{} {}", random.of(&STREET), random.below(200))),
        "city" => {
            let city = random.of(&CITY);
            (city.to_owned(), city.replace('ü', "u\u{308}") + " ")
        }
        "status" => (random.of(&["mr", "mrs", "dr"]).to_owned(), "Mr.".to_owned()),
        _ => spaced("a note of some length, as people write them into such fields; nobody reads it".to_owned()),
    }
}
