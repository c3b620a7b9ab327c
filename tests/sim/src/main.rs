//! `cargo xtask sim`: runs seeds and says what failed and how to see it again.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a command")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use lockstep::resolve::{Mechanism, Safety};
use lockstep_sim::campaign::{Manner, run_seeds};
use lockstep_sim::engine::{Engine, Production};
use lockstep_sim::mutate;
use lockstep_sim::plan::Options;
use lockstep_sim::quirks::Quirks;
use lockstep_sim::reference::{Bug, Reference};
use lockstep_sim::run::{Make, Outcome, run_seed};
use lockstep_sim::shrink;

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs hubs on simulated time, between simulated systems, with everything going wrong that can.
#[derive(Parser)]
#[command(name = "cargo xtask sim")]
struct Args {
    /// Seeds from A up to and including B.
    #[arg(long, value_name = "A..B", value_parser = range, default_value = "1..200")]
    seeds: (u64, u64),
    /// One seed, with what happened in it.
    #[arg(long)]
    seed: Option<u64>,
    /// Simulated days of each seed.
    #[arg(long, default_value_t = 7)]
    days: u64,
    /// Switches a safety mechanism off.
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    without: Option<Mechanism>,
    /// Switches every safety mechanism off in turn until a seed notices.
    #[arg(long)]
    mutations: bool,
    /// Shows every event of a seed.
    #[arg(long)]
    trace: bool,
    /// What may go wrong, as a failing seed prints it.
    #[arg(long, value_name = "HEX", value_parser = quirks)]
    quirks: Option<Quirks>,
    /// At most so many systems.
    #[arg(long)]
    systems: Option<usize>,
    /// At most so many things users do.
    #[arg(long)]
    edits: Option<u64>,
    /// Leaves a failing seed as big as it is.
    #[arg(long)]
    no_shrink: bool,
    /// Shows how often which fault has met which operation.
    #[arg(long)]
    coverage: bool,
    #[arg(long)]
    threads: Option<usize>,
    /// Ends with so many failing seeds.
    #[arg(long, default_value_t = 10)]
    failures: usize,
    /// Runs the simple engine the simulation is tested with.
    #[arg(long)]
    reference: bool,
    /// Gives it a bug.
    #[arg(long, value_name = "NUMBER")]
    bug: Option<usize>,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number"));
    Ok((number(first)?, number(last.trim_start_matches('='))?))
}

fn mechanism(text: &str) -> Result<Mechanism, String> {
    mutate::find(text).ok_or_else(|| {
        let names: Vec<String> = Mechanism::ALL.iter().map(|known| known.name().replace(' ', "-")).collect();
        format!("there are {}", names.join(", "))
    })
}

fn quirks(text: &str) -> Result<Quirks, String> {
    u64::from_str_radix(text, 16).map(Quirks).map_err(|error| error.to_string())
}

impl Args {
    fn options(&self, seed: u64) -> Options {
        let plain = Options::new(seed, self.days);
        Options {
            quirks: self.quirks.unwrap_or(plain.quirks),
            systems: self.systems.unwrap_or(plain.systems),
            edits: self.edits.unwrap_or(plain.edits),
            safety: self.without.map_or(plain.safety, Safety::without),
            ..plain
        }
    }

    fn threads(&self) -> usize {
        self.threads.unwrap_or(Manner::default().threads)
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let bug = args.bug.and_then(|number| Bug::ALL.get(number).copied());
    let simple = args.reference || bug.is_some();
    let make = move || -> Box<dyn Engine> {
        if simple { Box::new(Reference::new(bug)) } else { Box::new(Production::new(lockstep_sim::engine::memory())) }
    };
    let all_is_well = match args.seed {
        _ if args.mutations => mutations(&args, &make),
        Some(seed) => one_seed(&args, seed, &make),
        None => many_seeds(&args, &make),
    };
    if all_is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one_seed(args: &Args, seed: u64, make: &Make) -> bool {
    let outcome = run_seed(&Options { trace: true, ..args.options(seed) }, make);
    if args.trace {
        outcome.lines.iter().for_each(|line| println!("{line}"));
    }
    println!("systems: {}", outcome.plan.systems.iter().map(|s| s.name).collect::<Vec<_>>().join(", "));
    println!("quirks: {}", outcome.plan.quirks.names().join(" "));
    println!(
        "seed {seed}: {} runs, {} edits, {} writes, hash {:016x}",
        outcome.runs, outcome.edits, outcome.writes, outcome.hash
    );
    report(args, &outcome, !args.no_shrink, make);
    outcome.failures.is_empty()
}

/// What failed, what happened before it, and the smallest command that shows it again.
fn report(args: &Args, outcome: &Outcome, shrinks: bool, make: &Make) {
    let Some(first) = outcome.failures.first() else { return };
    for failure in outcome.failures.iter().take(5) {
        println!("  FAILED {}: {}", failure.invariant, failure.what);
    }
    let without = args.without.map(Mechanism::name);
    let options = args.options(outcome.seed);
    println!("  again: {}", shrink::command(&options, without));
    if !shrinks {
        return;
    }
    let small = shrink::shrink(&options, first.invariant, make);
    let again = run_seed(&Options { trace: true, ..small.clone() }, make);
    if !args.trace {
        let skipped = again.lines.len().saturating_sub(60);
        again.lines.iter().skip(skipped).for_each(|line| println!("    {line}"));
    }
    println!("  smaller: {} --trace", shrink::command(&small, without));
}

fn many_seeds(args: &Args, make: &Make) -> bool {
    let start = Instant::now();
    let (first, last) = args.seeds;
    let manner = Manner { threads: args.threads(), failures_max: args.failures, ..Manner::default() };
    let summary = run_seeds(first, last, &args.options(first), manner, make);
    let seconds = start.elapsed().as_secs_f64();
    let first_failed = summary.failed.first().map_or(0, |outcome| outcome.seed);
    for outcome in &summary.failed {
        println!("seed {}:", outcome.seed);
        let is_first = outcome.seed == first_failed;
        report(args, outcome, is_first && !args.no_shrink, make);
    }
    for seed in &summary.wavering {
        println!("seed {seed} did not go the same way twice");
    }
    println!(
        "{} seeds × {} days in {seconds:.1} s ({:.3} core-seconds each): {} runs, {} edits, {} writes, {} failed",
        summary.seeds,
        args.days,
        seconds * manner.threads as f64 / summary.seeds.max(1) as f64,
        summary.runs,
        summary.edits,
        summary.writes,
        summary.failed.len()
    );
    let missing = summary.coverage.missing();
    if args.coverage {
        print!("{}", summary.coverage.table());
    }
    // A few seeds cannot see everything.
    let is_void = summary.seeds * args.days >= 20_000 && !missing.is_empty();
    if args.coverage || is_void {
        println!("never seen: {}", if missing.is_empty() { "nothing".to_owned() } else { missing.join("; ") });
    }
    summary.failed.is_empty() && summary.wavering.is_empty() && !is_void
}

fn mutations(args: &Args, make: &Make) -> bool {
    let mut missed = 0;
    println!("{:<28} {:>6}  noticed by", "without", "seed");
    for mechanism in Mechanism::ALL {
        let caught = mutate::without(*mechanism, args.seeds.0, 1000, args.days, args.threads(), make);
        match caught.by {
            Some(notice) => {
                println!("{:<28} {:>6}  {}: {}", mechanism.name(), notice.seed, notice.invariant, notice.what);
            }
            None => {
                missed += 1;
                println!("{:<28} {:>6}  not noticed in {} seeds", mechanism.name(), "-", caught.seeds);
            }
        }
    }
    println!("{} of {} noticed", Mechanism::ALL.len() - missed, Mechanism::ALL.len());
    missed == 0
}
