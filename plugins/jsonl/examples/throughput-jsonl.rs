//! How fast JSON Lines becomes typed columns: a file of a million rows in memory, read in pages as the host asks for them.
//!
//! `cargo run --release -p lockstep-plugin-jsonl --example throughput-jsonl [ROWS [PAGE_ROWS [FILE]]]`; with a file, the rows are
//! written there, too.
#![allow(clippy::print_stdout, reason = "a measurement is printed")]

use lockstep_plugin_jsonl::{Config, JsonlReader, discover_in, open_in};
use lockstep_plugin_sdk::config::parse;
use lockstep_plugin_sdk::prelude::*;
use lockstep_text_files::memory::MemoryStore;
use lockstep_text_files::testing::TestedPlugin;
use lockstep_text_files::testing::throughput::{Customer, Throughput, customers};

struct OnMemory;

impl TestedPlugin for OnMemory {
    type Reader = JsonlReader<MemoryStore>;

    const PATH: &'static str = "customers.jsonl";

    fn discover(store: &MemoryStore, config: &str, names: &[String]) -> Result<Vec<Stream>> {
        discover_in(store, &parse::<Config>(config)?, names)
    }

    fn open(store: &MemoryStore, config: &str, request: &ReadRequest) -> Result<Self::Reader> {
        open_in(store, &parse::<Config>(config)?, request)
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).and_then(|argument| argument.parse().ok());
    let rows: usize = number(0).unwrap_or(1_000_000);
    let content = content(rows);
    if let Some(path) = arguments.get(2) {
        std::fs::write(path, &content).map_err(|error| Error::permanent(error.to_string()))?;
    }
    let measured = Throughput::of::<OnMemory>(content, rows, number(1).unwrap_or(10_000) as u32)?;
    println!("{measured}");
    Ok(())
}

fn content(rows: usize) -> Vec<u8> {
    customers(rows).fold(String::new(), |text, customer| text + &line(&customer)).into_bytes()
}

fn line(customer: &Customer) -> String {
    let Customer { id, name, email, street, city, quantity, amount, balance, active, birthday, created_at, note } =
        customer;
    let note = note.replace('"', "\\\"");
    format!(
        "{{\"id\":{id},\"name\":\"{name}\",\"email\":\"{email}\",\"street\":\"{street}\",\"city\":\"{city}\",\"quantity\":{quantity},\
         \"amount\":{amount},\"balance\":{balance},\"active\":{active},\"birthday\":\"{birthday}\",\"created_at\":\"{created_at}\",\
         \"note\":\"{note}\"}}\n"
    )
}
