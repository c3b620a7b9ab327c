//! The simulation itself is tested with a simple engine: with it the invariants hold, with any of its bugs one of them fails.

use lockstep_sim::campaign::{Manner, Summary, run_seeds};
use lockstep_sim::engine::Engine;
use lockstep_sim::plan::Options;
use lockstep_sim::quirks::{Quirk, Quirks};
use lockstep_sim::reference::{Bug, Reference};
use lockstep_sim::run::run_seed;

/// What the simple engine can stand.
const MILD: &[Quirk] = &[
    Quirk::SkewedClocks,
    Quirk::Duplicates,
    Quirk::Shuffled,
    Quirk::RowRetries,
    Quirk::ClientKeys,
    Quirk::FullReads,
    Quirk::Deletes,
    Quirk::EmailChanges,
    Quirk::Swaps,
    Quirk::NullWrites,
    Quirk::Reverts,
    Quirk::Collisions,
    Quirk::Groups,
];

fn mild() -> Quirks {
    MILD.iter().fold(Quirks::default(), |quirks, quirk| quirks.with(*quirk))
}

fn seeds(last: u64, quirks: Quirks, bug: Option<Bug>) -> Summary {
    let options = Options { quirks, ..Options::new(1, 2) };
    let manner = Manner { threads: 1, twice: 10, failures_max: 1 };
    run_seeds(1, last, &options, manner, &move || Box::new(Reference::new(bug)) as Box<dyn Engine>)
}

#[test]
fn the_simple_engine_does_well_in_fair_weather() {
    let summary = seeds(30, mild(), None);
    let failures: Vec<_> = summary.failed.iter().map(|outcome| (outcome.seed, &outcome.failures)).collect();
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(summary.wavering, Vec::<u64>::new());
}

#[test]
fn each_bug_of_the_simple_engine_is_noticed() {
    for bug in Bug::ALL {
        let summary = seeds(100, mild().with(Quirk::PartialScans), Some(*bug));
        assert!(!summary.failed.is_empty(), "{bug:?} was not noticed");
    }
}

#[test]
fn the_same_seed_goes_the_same_way_and_others_do_not() {
    let hash = |seed| {
        let options = Options { quirks: mild(), ..Options::new(seed, 2) };
        run_seed(&options, &|| Box::new(Reference::new(None)) as Box<dyn Engine>).hash
    };
    assert_eq!(hash(3), hash(3));
    assert_ne!(hash(3), hash(4));
}
