//! The production engine and store in the simulation.

use lockstep_sim::campaign::{Manner, run_seeds};
use lockstep_sim::engine::{Engine, Production, memory};
use lockstep_sim::plan::Options;
use lockstep_sim::quirks::Quirks;

#[test]
fn hubs_do_well_in_fair_weather() {
    let options = Options { quirks: Quirks::default(), ..Options::new(1, 1) };
    let manner = Manner { threads: 2, twice: 3, failures_max: 1 };
    let make = || Box::new(Production::new(memory())) as Box<dyn Engine>;
    let summary = run_seeds(1, 12, &options, manner, &make);
    let failures: Vec<_> = summary.failed.iter().map(|outcome| (outcome.seed, &outcome.failures)).collect();
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(summary.wavering, Vec::<u64>::new());
}
