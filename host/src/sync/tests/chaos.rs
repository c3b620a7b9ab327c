//! Seeds: edits, failures and deaths in any order, then quiet. Whatever happened, source and target end equal.

use std::time::Duration;

use serde_json::json;

use crate::connector::FailureKind;
use crate::project::Deletes;
use crate::sync::testing::{Body, Flavour, Lab, Power, Script, SeededRandom, failure, person};

const SEEDS: u64 = 300;
const ROUNDS: u64 = 6;
const PLACES: u64 = 40;

fn make(seed: u64) -> Lab {
    let random = SeededRandom::new(seed);
    let mut lab = Lab::seeded(seed).with_people(1..=30);
    lab.grouping.bytes = if random.one_in(2) { 1 } else { usize::MAX };
    lab.source.state().page_sizes = Some(random.clone());
    match random.below(4) {
        0 => lab.def.deletes = Deletes::Compare,
        1 => {
            lab = lab.comparable();
            lab.def.deletes = Deletes::Compare;
        }
        2 => {
            lab = lab.incremental();
            // Some edits are committed late; nobody finds those who does not look back.
            lab.def.source.lookback = Some(Duration::from_millis(5));
        }
        _ => {
            lab.source.state().flavour = Flavour::Table;
            lab.def.deletes = Deletes::Compare;
        }
    }
    // What is held for a person's decision is another test's subject.
    lab.def.guard.rows = u64::MAX;
    lab
}

fn edit(lab: &Lab, random: &SeededRandom) {
    let mut source = lab.source.state();
    for _ in 0..random.below(12) {
        let place = 1 + random.below(PLACES) as i64;
        match random.below(6) {
            // A line that nobody can read leaves no tombstone; how should a reader know?
            0 if matches!(source.body(place), Some(Body::Unreadable(_))) => {}
            0 => source.remove(place),
            1 => source.spoil(place),
            2 => {
                let now = source.now();
                source.put_at(place, person(place, "late"), now.saturating_sub(random.below(2)));
            }
            _ => source.put(place, person(place, &format!("edit {}", random.below(1000)))),
        }
    }
}

fn break_things(lab: &Lab, random: &SeededRandom) {
    let kinds = [FailureKind::Transient, FailureKind::Fault, FailureKind::InvalidData];
    let failures = |calls: &[&'static str]| -> Vec<_> {
        calls.iter().flat_map(|call| kinds.iter().map(|kind| (*call, failure(*kind)))).collect()
    };
    let one_in = 3 + random.below(12);
    lab.source.script.fail_by_chance(random, one_in, failures(&["read", "next", "digest", "entries", "lookup"]));
    lab.sink.script.fail_by_chance(
        random,
        one_in,
        failures(&["open", "write", "flush", "flushed", "digest", "entries"]),
    );
    lab.store.script.fail_by_chance(random, 20, vec![("commit_page", failure(FailureKind::Other))]);
    if random.one_in(3) {
        lab.power.cut_at(1 + random.below(40));
    }
}

fn heal(lab: &Lab) {
    let scripts: [&Script; 3] = [&lab.source.script, &lab.sink.script, &lab.store.script];
    scripts.into_iter().for_each(Script::heal);
    Power::restore(&lab.power);
    // Lines that nobody can read are mended, so that the source is complete.
    let mut source = lab.source.state();
    for place in source.places() {
        if matches!(source.body(place), Some(Body::Unreadable(_))) {
            source.put(place, person(place, "mended"));
        }
    }
}

#[test]
fn after_any_mishaps_source_and_target_end_equal() {
    let (mut failed, mut letters) = (0, 0);
    for seed in 0..SEEDS {
        let lab = make(seed);
        let random = SeededRandom::new(seed + 1_000_000);
        for _ in 0..ROUNDS {
            edit(&lab, &random);
            break_things(&lab, &random);
            failed += u32::from(lab.try_run().map_or(true, |report| report.error.is_some()));
            lab.power.restore();
            lab.clock.advance(Duration::from_secs(random.below(3600)));
        }
        heal(&lab);
        letters += lab.open_letters().len();
        for _ in 0..2 {
            let report = lab.run_well();
            assert!(report.held.is_none(), "seed {seed}");
        }
        lab.retry(&lab.open_letters());
        lab.run_well();
        let waiting = lab.open_letters();
        let differs = |id: &i64| lab.target(*id).as_ref() != lab.source.state().current().get(&json!([id]).to_string());
        let differing: Vec<i64> = (1..=PLACES as i64).filter(differs).collect();
        let pairs: Vec<_> =
            differing.iter().map(|id| (lab.target(*id), lab.source.state().body(*id).cloned())).collect();
        assert_eq!(differing, [] as [i64; 0], "seed {seed}: {pairs:?}; {} letters wait: {waiting:?}", waiting.len());
    }
    assert!(failed > 300 && letters > 100, "nothing much went wrong: {failed} runs, {letters} letters");
}
