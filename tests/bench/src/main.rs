//! Speed and memory, as ratios against floors measured in the same run.
//!
//! A floor is what the same work costs with the database's own tools. Floor and product take turns, so that a noisy machine is
//! noisy for both; of each the median counts. The page this writes says with which command and on what machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a chore, not the product"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a command")]

mod data;
mod lab;
mod measure;
mod report;
mod scenarios;

use std::path::PathBuf;

use clap::Parser;

use report::Report;

/// Measure and write docs/reference/benchmarks.md
#[derive(Debug, Parser)]
struct Args {
    /// Rows of the large files and tables
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// How often each thing is measured
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// Only the scenarios with this in their name (files, tables, sandbox, calls, start, memory, hub, many-records, deciding, web); the page
    /// keeps the other figures
    #[arg(long)]
    only: Option<String>,
    /// The binary that is measured
    #[arg(long, default_value = "target/release/lockstep")]
    binary: PathBuf,
    /// Print only, and leave the page as it is
    #[arg(long)]
    print: bool,
}

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAGE: &str = "docs/reference/benchmarks.md";

fn main() {
    let args = Args::parse();
    let binary = std::path::absolute(&args.binary).unwrap();
    assert!(binary.is_file(), "build it first: cargo build --release (`{}` is not there)", binary.display());
    let mut report = Report::new(args.rows, args.times);
    for (name, scenario) in scenarios::ALL {
        if args.only.as_ref().is_none_or(|only| name.contains(only.as_str())) {
            eprintln!("== {name}");
            scenario(&lab::Bench { rows: args.rows, times: args.times, binary: binary.clone() }, &mut report);
        }
    }
    let old = if args.only.is_some() { std::fs::read_to_string(PAGE).unwrap_or_default() } else { String::new() };
    println!("{}", report.page(""));
    if !args.print {
        std::fs::write(PAGE, report.page(&old)).expect("the page is written");
        eprintln!("{PAGE} is written");
    }
}
