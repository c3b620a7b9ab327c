//! Each safety mechanism switched off, until a seed notices.

use lockstep::resolve::{Mechanism, Safety};

use crate::campaign::{Manner, run_seeds};
use crate::plan::Options;
use crate::run::Make;

/// How a missing mechanism was noticed.
#[derive(Clone, Debug)]
pub struct Caught {
    pub mechanism: Mechanism,
    /// None = it was not.
    pub by: Option<Notice>,
    /// How many seeds were run.
    pub seeds: u64,
}

#[derive(Clone, Debug)]
pub struct Notice {
    pub seed: u64,
    pub invariant: &'static str,
    pub what: String,
}

/// Runs seeds from `first` on without a mechanism until one fails, at most `most`.
pub fn without(mechanism: Mechanism, first: u64, most: u64, days: u64, threads: usize, make: &Make) -> Caught {
    let options = Options { safety: Safety::without(mechanism), ..Options::new(first, days) };
    let manner = Manner { threads, twice: 0, failures_max: 1 };
    let summary = run_seeds(first, first + most - 1, &options, manner, make);
    let notice = |outcome: &crate::run::Outcome| {
        let failure = outcome.failures.first()?;
        Some(Notice { seed: outcome.seed, invariant: failure.invariant, what: failure.what.clone() })
    };
    Caught { mechanism, by: summary.failed.first().and_then(notice), seeds: summary.seeds }
}

/// The mechanism of this name; spaces may be dashes.
pub fn find(name: &str) -> Option<Mechanism> {
    Mechanism::ALL.iter().copied().find(|mechanism| mechanism.name().replace(' ', "-") == name.replace(' ', "-"))
}
