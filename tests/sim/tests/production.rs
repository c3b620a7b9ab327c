//! The production engine and store in the simulation.

use lockstep_sim::campaign::{Manner, run_seeds};
use lockstep_sim::engine::{Engine, Production, memory};
use lockstep_sim::plan::Options;
use lockstep_sim::quirks::Quirks;

fn check(first: u64, last: u64, quirks: Quirks) {
    let options = Options { quirks, ..Options::new(1, 1) };
    let manner = Manner { threads: 2, twice: 3, failures_max: 1 };
    let make = || Box::new(Production::new(memory())) as Box<dyn Engine>;
    let summary = run_seeds(first, last, &options, manner, &make);
    let failures: Vec<_> = summary.failed.iter().map(|outcome| (outcome.seed, &outcome.failures)).collect();
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(summary.wavering, Vec::<u64>::new());
}

#[test]
fn hubs_do_well_in_fair_weather() {
    check(1, 12, Quirks::default());
}

#[test]
fn hubs_hold_when_everything_goes_wrong() {
    check(1, 30, Quirks::EVERYTHING);
}

#[test]
fn hubs_hold_when_everything_goes_wrong_in_other_ways() {
    check(31, 60, Quirks::EVERYTHING);
}
