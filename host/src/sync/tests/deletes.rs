//! Records that are gone from the source.

use std::time::Duration;

use serde_json::json;

use crate::connector::FailureKind;
use crate::project::{Deletes, FieldLine, FieldValue, Guard, Place};
use crate::store::{Decision, HoldFilter, HoldState, Store as _};
use crate::sync::RunReport;
use crate::sync::testing::{FakeTransform, Flavour, Lab, Outcome, Verdict, failure, person};

/// Both ways of finding out what is gone.
fn comparing() -> [Lab; 2] {
    [Lab::new(), Lab::new().comparable()].map(|mut lab| {
        lab.def.deletes = Deletes::Compare;
        lab
    })
}

fn remove(lab: &Lab, ids: std::ops::RangeInclusive<i64>) {
    let mut source = lab.source.state();
    ids.for_each(|id| source.remove(id));
}

fn holds(lab: &Lab, state: HoldState) -> usize {
    lab.store.inner.holds(&HoldFilter { state: Some(state), ..HoldFilter::default() }).unwrap().len()
}

/// A target that held these people before anybody mirrored anything to it.
fn with_strangers(lab: &Lab, ids: std::ops::RangeInclusive<i64>) {
    let other = Lab::new().with_people(ids);
    other.run_well();
    let mut sink = lab.sink.state();
    sink.rows = other.sink.state().rows.clone();
    sink.stream = other.sink.state().stream.clone();
}

fn held(report: &RunReport) -> u64 {
    report.held.as_ref().map_or(0, |held| held.deletes)
}

#[test]
fn tombstones_delete() {
    let lab = Lab::new().incremental().with_people(1..=5);
    lab.run_well();
    remove(&lab, 2..=3);
    let report = lab.run_well();
    assert_eq!(report.counters.deleted, 2);
    lab.assert_equal();
}

#[test]
fn a_tombstone_and_a_record_of_one_key_in_one_page_end_with_the_later_one() {
    let lab = Lab::new().incremental().with_people(1..=5);
    lab.run_well();
    remove(&lab, 2..=3);
    lab.source.state().put(12, person(2, "back"));
    lab.source.state().put(13, person(4, "changed"));
    lab.source.state().remove(13);
    let report = lab.unchecked().run_and_ids();
    assert_eq!(report.1, [1, 2, 5]);
    assert_eq!(report.0.counters.duplicates, 1);
}

#[test]
fn tombstones_are_ignored_where_deletes_are() {
    let mut lab = Lab::new().incremental().unchecked().with_people(1..=5);
    lab.def.deletes = Deletes::Ignore;
    lab.run_well();
    remove(&lab, 2..=3);
    lab.source.state().put(4, person(4, "second"));
    let report = lab.run_well();
    assert_eq!(lab.ids(), [1, 2, 3, 4, 5]);
    assert_eq!(lab.target(4), Some(person(4, "second")));
    assert_eq!(report.counters.deleted, 0);
    lab.assert_counted(&report);
    assert_eq!(lab.state().open_dead_letter_keys.len(), 0);
}

#[test]
fn without_comparing_nothing_is_inferred() {
    let lab = Lab::new().with_people(1..=25);
    lab.run_well();
    remove(&lab, 2..=3);
    lab.run_well();
    assert_eq!(lab.ids().len(), 25);
}

#[test]
fn what_a_comparison_does_not_find_is_deleted() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        lab.run_well();
        remove(&lab, 10..=19);
        lab.source.state().put(5, person(5, "second"));
        lab.source.state().put(99, person(99, "new"));
        let report = lab.run_well();
        assert_eq!((report.counters.deleted, report.counters.written), (10, 2));
        lab.assert_equal();
        assert!(lab.state().last_compare_at.is_some());
    }
}

#[test]
fn what_was_just_loaded_is_not_compared() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        lab.run_well();
        assert_eq!(lab.source.state().records_read, 45);
        assert!(lab.state().last_compare_at.is_some());
    }
}

#[test]
fn a_comparison_counts_every_record_once() {
    let lab = Lab::new().comparable().with_people(1..=25);
    lab.run_well();
    lab.source.state().put(5, person(5, "second"));
    let report = lab.run_well();
    assert_eq!((report.counters.read, report.counters.written, report.counters.unchanged), (25, 1, 24));
    let mut lab = lab.incremental();
    lab.def.deletes = Deletes::Compare;
    let report = lab.run_well();
    lab.assert_counted(&report);
}

#[test]
fn a_comparison_repairs_what_somebody_changed_in_the_target() {
    let lab = Lab::new().comparable().with_people(1..=25);
    lab.run_well();
    lab.sink.state().rows.insert("[3]".into(), person(3, "vandalised"));
    lab.sink.state().rows.remove("[4]");
    lab.run_well();
    lab.assert_equal();
}

#[test]
fn a_source_that_differs_in_most_records_is_read_instead() {
    let mut lab = Lab::new().comparable().with_people(1..=2_000);
    lab.page_rows = 500;
    lab.def.deletes = Deletes::Compare;
    lab.run_well();
    (1..=1_500).for_each(|id| lab.source.state().put(id, person(id, "second")));
    remove(&lab, 1_501..=1_510);
    lab.run_well();
    lab.assert_equal();
}

#[test]
fn more_deletes_than_the_guard_allows_are_held() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        lab.run_well();
        remove(&lab, 10..=40);
        for _ in 0..2 {
            let report = lab.run_well();
            assert_eq!((held(&report), report.counters.deleted), (31, 0));
            assert!(!report.is_clean());
            assert_eq!((lab.ids().len(), holds(&lab, HoldState::Open)), (45, 1));
        }
    }
}

#[test]
fn an_approval_lets_exactly_the_approved_deletes_go() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        lab.run_well();
        remove(&lab, 10..=40);
        let hold = lab.run_well().held.unwrap().hold;
        lab.approve(hold);
        let report = lab.run_well();
        assert_eq!((held(&report), report.counters.deleted), (0, 31));
        assert_eq!(holds(&lab, HoldState::Applied), 1);
        lab.assert_equal();
    }
}

#[test]
fn deletes_that_moved_after_the_approval_are_held_anew() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        lab.run_well();
        remove(&lab, 10..=40);
        lab.approve(lab.run_well().held.unwrap().hold);
        remove(&lab, 41..=41);
        let report = lab.run_well();
        assert_eq!((held(&report), report.counters.deleted), (32, 0));
        assert_eq!((holds(&lab, HoldState::Outdated), holds(&lab, HoldState::Open)), (1, 1));
        assert_eq!(lab.ids().len(), 45);
    }
}

#[test]
fn refused_deletes_are_not_done_nor_asked_for_again() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        lab.run_well();
        remove(&lab, 10..=40);
        let hold = lab.run_well().held.unwrap().hold;
        lab.store.inner.decide_hold(hold, Decision::Refuse, crate::world::Clock::now(&lab.clock)).unwrap();
        for _ in 0..2 {
            let report = lab.run_well();
            assert_eq!((held(&report), report.counters.deleted), (0, 0));
            assert!(report.is_clean());
        }
        // What is left of them is below the guard, and somebody said that it shall stay.
        (10..=35).for_each(|id| lab.source.state().put(id, person(id, "first")));
        let report = lab.run_well();
        assert_eq!((held(&report), report.counters.deleted), (5, 0));
        assert_eq!(lab.ids().len(), 45);
    }
}

#[test]
fn a_hold_goes_away_when_the_records_are_back() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        lab.run_well();
        remove(&lab, 10..=40);
        lab.run_well();
        (10..=40).for_each(|id| lab.source.state().put(id, person(id, "first")));
        let report = lab.run_well();
        assert!(report.is_clean());
        assert_eq!((holds(&lab, HoldState::Outdated), holds(&lab, HoldState::Open)), (1, 0));
        lab.assert_equal();
    }
}

#[test]
fn an_empty_source_deletes_nothing() {
    for lab in comparing() {
        let mut lab = lab.with_people(1..=10_000);
        lab.page_rows = 5_000;
        lab.run_well();
        lab.source.state().clear();
        let report = lab.run_well();
        assert_eq!((held(&report), report.counters.deleted), (10_000, 0));
        assert_eq!(lab.ids().len(), 10_000);
    }
}

#[test]
fn records_that_were_there_before_us_are_not_deleted_unasked() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        with_strangers(&lab, 1..=50);
        for _ in 0..3 {
            let report = lab.run_well();
            assert_eq!((held(&report), report.counters.deleted), (5, 0));
        }
        // One of ours among them.
        remove(&lab, 7..=7);
        assert_eq!(held(&lab.run_well()), 6);
        lab.approve(lab.run_well().held.unwrap().hold);
        assert_eq!(lab.run_well().counters.deleted, 6);
        lab.assert_equal();
        // From now on everything there is ours.
        remove(&lab, 8..=8);
        assert_eq!(lab.run_well().counters.deleted, 1);
    }
}

#[test]
fn a_target_that_held_nothing_else_is_ours_after_the_first_comparison() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        with_strangers(&lab, 1..=45);
        lab.run_well();
        remove(&lab, 7..=7);
        assert_eq!(lab.run_well().counters.deleted, 1);
    }
}

#[test]
fn a_source_that_shows_only_part_of_itself_deletes_nothing() {
    let mut lab = Lab::new().with_people(1..=45);
    lab.def.deletes = Deletes::Compare;
    lab.run_well();
    remove(&lab, 10..=12);
    lab.source.state().is_complete = false;
    lab.run_well();
    assert_eq!(lab.ids().len(), 45);
    assert!(lab.notes.mention("nothing is deleted"));
}

#[test]
fn an_unreadable_record_may_be_any_so_nothing_is_deleted() {
    let mut lab = Lab::new().with_people(1..=45);
    lab.def.deletes = Deletes::Compare;
    lab.run_well();
    remove(&lab, 10..=12);
    lab.source.state().spoil(13);
    lab.run_well();
    assert_eq!(lab.ids().len(), 45);
    assert!(lab.notes.mention("nothing is deleted"));
    // Not even while the file itself is not read again.
    lab.run_well();
    assert_eq!(lab.ids().len(), 45);
    lab.source.state().put(13, person(13, "mended"));
    lab.run_well();
    lab.assert_equal();
}

#[test]
fn a_record_with_a_known_key_that_failed_keeps_others_from_being_deleted_no_longer() {
    // Refused by the target, and of a value that does not fit.
    let mut refused = Lab::new().with_people(1..=45);
    refused
        .sink
        .rule(|record| if record.get("name") == Some(&json!("bad")) { Verdict::RefusePage } else { Verdict::Take });
    refused.def.deletes = Deletes::Compare;
    let mut unfit = Lab::new().unchecked();
    let field = |target: &str, logical: &str| FieldLine {
        target: target.into(),
        value: FieldValue::Source { field: target.into(), default: None },
        logical: Some(logical.parse().unwrap()),
        place: Place::new(&"lockstep.toml".into(), 1),
    };
    unfit.def.fields = vec![field("id", "int64"), field("name", "int64")];
    unfit.def.deletes = Deletes::Compare;
    (1..=45).for_each(|id| unfit.source.state().put(id, person(id, "7")));
    for lab in [refused, unfit] {
        lab.run_well();
        lab.source.state().put(7, person(7, "bad"));
        remove(&lab, 10..=12);
        let report = lab.run_well();
        assert_eq!((report.counters.rejected, report.counters.deleted), (1, 3));
        assert!(lab.ids().contains(&7));
    }
}

#[test]
fn a_record_a_transform_rejects_may_be_any_so_nothing_is_deleted() {
    let mut lab = Lab::new().unchecked().with_people(1..=45);
    lab.def.deletes = Deletes::Compare;
    lab.transforms = vec![FakeTransform::new(|record| match record.get("name") {
        Some(name) if name == "bad" => Outcome::Reject,
        Some(name) if name == "secret" => Outcome::Into(Vec::new()),
        _ => Outcome::Into(vec![record]),
    })];
    lab.run_well();
    lab.source.state().put(6, person(6, "secret"));
    lab.source.state().put(7, person(7, "bad"));
    lab.run_well();
    assert_eq!(lab.ids().len(), 45);
    lab.source.state().put(7, person(7, "good"));
    lab.run_well();
    // What a transform drops is none of the target's.
    assert_eq!(lab.ids().len(), 44);
}

#[test]
fn comparisons_keep_their_own_schedule() {
    for lab in comparing() {
        let mut lab = lab.incremental();
        lab.def.compare_every = Some(Duration::from_secs(3600));
        lab.source.state().leaves_tombstones = false;
        let lab = lab.with_people(1..=45);
        lab.run_well();
        remove(&lab, 10..=12);
        lab.clock.advance(Duration::from_secs(3000));
        assert_eq!(lab.run_well().counters.deleted, 0);
        lab.clock.advance(Duration::from_secs(1000));
        assert_eq!(lab.run_well().counters.deleted, 3);
        lab.assert_equal();
    }
}

#[test]
fn held_deletes_are_done_with_the_next_run_after_their_approval() {
    for lab in comparing() {
        let mut lab = lab.incremental();
        lab.def.compare_every = Some(Duration::from_secs(3600));
        lab.source.state().leaves_tombstones = false;
        let lab = lab.with_people(1..=45);
        lab.run_well();
        remove(&lab, 10..=40);
        lab.clock.advance(Duration::from_secs(4000));
        lab.approve(lab.run_well().held.unwrap().hold);
        assert_eq!(lab.run_well().counters.deleted, 31);
    }
}

#[test]
fn a_record_that_comes_back_while_comparing_is_spared() {
    let mut lab = Lab::new().comparable().with_people(1..=45);
    lab.def.deletes = Deletes::Compare;
    lab.run_well();
    remove(&lab, 10..=12);
    lab.source.put_before_lookup(11, person(11, "first"));
    lab.run_well();
    assert_eq!(lab.ids().len(), 43);
    assert!(lab.target(11).is_some());
}

#[test]
fn a_delete_the_target_refuses_waits() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        lab.run_well();
        remove(&lab, 10..=12);
        // Of a delete only the key is left.
        lab.sink.rule(|record| match record.len() == 1 && record["id"] == json!(11) {
            true => Verdict::RefusePage,
            false => Verdict::Take,
        });
        let report = lab.run_well();
        assert_eq!((report.counters.deleted, report.counters.rejected), (2, 1));
        assert_eq!(lab.open_letters()[0].letter.key_text, "[\"11\"]");
        lab.sink.rule(|_| Verdict::Take);
        lab.retry(&lab.open_letters());
        lab.assert_equal();
    }
}

#[test]
fn keys_may_be_called_otherwise_and_stand_in_another_order() {
    for lab in comparing() {
        let mut lab = lab.unchecked().with_people(1..=45);
        let field = |target: &str, source: &str| FieldLine {
            target: target.into(),
            value: FieldValue::Source { field: source.into(), default: None },
            logical: None,
            place: Place::new(&"lockstep.toml".into(), 1),
        };
        lab.def.fields = vec![field("amount_copy", "amount"), field("key", "id"), field("called", "name")];
        lab.def.source.key = vec!["id".into(), "amount".into()];
        lab.source.state().stream.key = lab.def.source.key.clone();
        lab.def.target.key = vec!["amount_copy".into(), "key".into()];
        lab.run_well();
        remove(&lab, 10..=12);
        lab.source.state().put(5, person(5, "second"));
        let report = lab.run_well();
        assert_eq!((report.counters.deleted, report.counters.written), (3, 1));
        assert_eq!(lab.sink.state().rows.len(), 42);
        assert_eq!(lab.sink.state().rows["[50,5]"]["called"], json!("second"));
    }
}

#[test]
fn a_target_that_cannot_be_read_cannot_be_compared() {
    let mut lab = Lab::new().with_people(1..=5);
    lab.def.deletes = Deletes::Compare;
    lab.target_is_readable = false;
    assert_eq!(lab.run_badly(), "LS0703");
    assert_eq!(lab.ids().len(), 5);
}

#[test]
fn somebody_who_stops_a_comparison_deletes_nothing() {
    for lab in comparing() {
        let lab = lab.with_people(1..=45);
        lab.run_well();
        remove(&lab, 10..=12);
        lab.source.script.fail("read", 2, failure(FailureKind::Transient));
        lab.source.script.fail("entries", 1, failure(FailureKind::Transient));
        lab.stop_after(Duration::from_millis(1), lab.interrupt.clone());
        lab.run();
        assert_eq!(lab.ids().len(), 45);
        let lab = lab.resumed();
        lab.run_well();
        lab.assert_equal();
    }
}

#[test]
fn a_generous_guard_lets_everything_go() {
    let mut lab = Lab::new().with_people(1..=45);
    lab.def.deletes = Deletes::Compare;
    lab.def.guard = Guard { rows: 1000, share: 1.0 };
    lab.source.state().flavour = Flavour::Table;
    lab.run_well();
    lab.source.state().clear();
    assert_eq!(lab.run_well().counters.deleted, 45);
}
