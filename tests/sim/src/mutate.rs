//! Each safety mechanism switched off, until a seed notices.

use lockstep::resolve::{Mechanism, Safety};

use crate::campaign::{Manner, run_seeds};
use crate::plan::Options;
use crate::run::{Make, run_seed};

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

/// Runs seeds from `first` on without a mechanism until one fails that does not fail with it, at most `most`.
pub fn without(mechanism: Mechanism, first: u64, most: u64, days: u64, threads: usize, make: &Make) -> Caught {
    let options = Options { safety: Safety::without(mechanism), ..Options::new(first, days) };
    let manner = Manner { threads, twice: 0, failures_max: 1 };
    let last = first + most - 1;
    let mut next = first;
    while next <= last {
        let summary = run_seeds(next, last, &options, manner, make);
        let Some(outcome) = summary.failed.first() else { break };
        let whole = run_seed(&Options { seed: outcome.seed, ..Options::new(first, days) }, make);
        if let Some(failure) = outcome.failures.first().filter(|_| whole.failures.is_empty()) {
            let notice = Notice { seed: outcome.seed, invariant: failure.invariant, what: failure.what.clone() };
            return Caught { mechanism, by: Some(notice), seeds: outcome.seed - first + 1 };
        }
        next = outcome.seed + 1;
    }
    Caught { mechanism, by: None, seeds: most }
}

/// The mechanism of this name; spaces may be dashes.
pub fn find(name: &str) -> Option<Mechanism> {
    Mechanism::ALL.iter().copied().find(|mechanism| mechanism.name().replace(' ', "-") == name.replace(' ', "-"))
}
