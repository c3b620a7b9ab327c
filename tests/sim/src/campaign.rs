//! Many seeds, on all processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use crate::cover::Coverage;
use crate::plan::Options;
use crate::run::{Make, Outcome, run_seed};

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Summary {
    pub seeds: u64,
    pub runs: u64,
    pub edits: u64,
    pub writes: u64,
    pub coverage: Coverage,
    /// By seed.
    pub failed: Vec<Outcome>,
    /// Seeds that did not go the same way twice.
    pub wavering: Vec<u64>,
}

/// How a campaign goes.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub threads: usize,
    /// One seed in so many is run twice; 0 = none.
    pub twice: u64,
    /// It ends with so many failures.
    pub failures_max: usize,
}

impl Default for Manner {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self { threads, twice: 50, failures_max: 10 }
    }
}

/// Runs seeds from `first` to `last`.
pub fn run_seeds(first: u64, last: u64, options: &Options, manner: Manner, make: &Make) -> Summary {
    let (next, stop) = (AtomicU64::new(first), AtomicBool::new(false));
    let summary = Mutex::new(Summary::default());
    thread::scope(|scope| {
        for _ in 0..manner.threads {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed > last {
                        return;
                    }
                    let outcome = run_seed(&Options { seed, ..options.clone() }, make);
                    let again = manner.twice > 0 && seed % manner.twice == 0;
                    let is_same = !again || run_seed(&Options { seed, ..options.clone() }, make).hash == outcome.hash;
                    let mut summary = summary.lock().expect("nobody panicked");
                    summary.add(outcome, is_same);
                    if summary.failed.len() >= manner.failures_max {
                        stop.store(true, Relaxed);
                    }
                }
            });
        }
    });
    let mut summary = summary.into_inner().expect("nobody panicked");
    summary.failed.sort_by_key(|outcome| outcome.seed);
    summary
}

impl Summary {
    fn add(&mut self, outcome: Outcome, is_same: bool) {
        self.seeds += 1;
        self.runs += u64::from(outcome.runs);
        self.edits += outcome.edits as u64;
        self.writes += outcome.writes as u64;
        self.coverage.add(&outcome.coverage);
        if !is_same {
            self.wavering.push(outcome.seed);
        }
        if !outcome.failures.is_empty() {
            self.failed.push(outcome);
        }
    }
}
