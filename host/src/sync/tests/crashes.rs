//! The process dies at every step at which something becomes durable; the next run makes it good.

use serde_json::json;

use crate::connector::WriteStatus;
use crate::project::Deletes;
use crate::sync::testing::{Body, Lab, Record, Verdict, person, waits};

/// Runs a laboratory once for each step of its run, dies there, and runs again.
fn check(make: impl Fn() -> Lab, steps_min: u64, expect: impl Fn(&Lab)) {
    for step in 1.. {
        let lab = make();
        lab.power.cut_at(step);
        let died = lab.try_run().is_err() | lab.power.restore();
        lab.run_well();
        lab.run_well();
        expect(&lab);
        if !died {
            assert!(step > steps_min, "only {step} steps");
            return;
        }
    }
}

fn refuse_bad(lab: &Lab, verdict: Verdict) {
    lab.sink.rule(
        move |record: &Record| {
            if record.get("name") == Some(&json!("bad")) { verdict } else { Verdict::Take }
        },
    );
}

#[test]
fn a_first_load_survives_death_at_every_step() {
    for grouping in [1, usize::MAX] {
        let make = || {
            let mut lab = Lab::new().with_people(1..=45);
            lab.grouping.bytes = grouping;
            lab
        };
        let steps = if grouping == 1 { 20 } else { 9 };
        check(make, steps, |lab| {
            lab.assert_equal();
            assert_eq!(lab.open_letters(), []);
        });
    }
}

#[test]
fn bad_records_survive_death_at_every_step() {
    for verdict in [Verdict::RefusePage, Verdict::Status(WriteStatus::Rejected), Verdict::Break] {
        let make = || {
            let lab = Lab::new().with_people(1..=25);
            lab.source.state().put(7, person(7, "bad"));
            lab.source.state().spoil(12);
            refuse_bad(&lab, verdict);
            lab
        };
        check(make, 15, |lab| {
            let letters = lab.open_letters();
            assert_eq!(letters.len(), 2);
            assert!(waits(&Body::Record(person(7, "bad")), &letters));
            assert_eq!(lab.ids().len(), 23);
        });
    }
}

#[test]
fn an_incremental_run_survives_death_at_every_step() {
    let make = || {
        let lab = Lab::new().incremental().with_people(1..=45);
        lab.source.state().put(3, person(3, "bad"));
        refuse_bad(&lab, Verdict::RefusePage);
        lab.run_well();
        lab.source.state().put(3, person(3, "good"));
        (10..30).for_each(|id| lab.source.state().put(id, person(id, "second")));
        (31..40).for_each(|id| lab.source.state().remove(id));
        lab
    };
    check(make, 12, |lab| {
        lab.assert_equal();
        assert_eq!(lab.open_letters(), []);
    });
}

#[test]
fn inferred_deletes_survive_death_at_every_step() {
    for lab in [Lab::new, || Lab::new().comparable()] {
        let make = || {
            let mut lab = lab().with_people(1..=45);
            lab.def.deletes = Deletes::Compare;
            lab.run_well();
            (10..20).for_each(|id| lab.source.state().remove(id));
            lab.source.state().put(5, person(5, "second"));
            lab
        };
        check(make, 6, Lab::assert_equal);
    }
}

#[test]
fn approved_deletes_survive_death_at_every_step() {
    let make = || {
        let mut lab = Lab::new().with_people(1..=45);
        lab.def.deletes = Deletes::Compare;
        lab.run_well();
        (10..40).for_each(|id| lab.source.state().remove(id));
        let held = lab.run_well().held.unwrap();
        lab.approve(held.hold);
        lab
    };
    check(make, 6, Lab::assert_equal);
}

#[test]
fn a_new_definition_survives_death_at_every_step() {
    let make = || {
        let mut lab = Lab::new().with_people(1..=45).unchecked();
        lab.run_well();
        lab.def.source.types.insert("amount".into(), "text".parse().unwrap());
        lab.source.state().put(3, person(3, "second"));
        (1..=45).for_each(|id| {
            let mut record = lab.source.state().current()[&json!([id]).to_string()].clone();
            record.insert("amount".into(), json!("7"));
            lab.source.state().put(id, record);
        });
        lab
    };
    check(make, 10, |lab| {
        assert_eq!(lab.target(3).unwrap()["name"], json!("second"));
        assert!((1..=45).all(|id| lab.target(id).unwrap()["amount"] == json!(7)));
    });
}

#[test]
fn a_flush_of_unknown_outcome_is_written_again() {
    use crate::connector::FailureKind;
    use crate::sync::testing::failure;
    for lab in [Lab::new(), Lab::new().in_one_group(), Lab::new().incremental()] {
        let lab = lab.with_people(1..=25);
        lab.sink.script.fail("flushed", 1, failure(FailureKind::Transient));
        let report = lab.run_well();
        assert_eq!(lab.open_letters(), []);
        lab.assert_equal();
        lab.assert_counted(&report);
    }
}

#[test]
fn a_state_that_cannot_be_written_ends_the_run_and_loses_nothing() {
    use crate::connector::FailureKind;
    use crate::sync::testing::failure;
    for nth in 1..=3 {
        let lab = Lab::new().with_people(1..=25);
        lab.store.script.fail("commit_page", nth, failure(FailureKind::Other));
        assert_eq!(lab.run_badly(), "LS0804");
        lab.run_well();
        assert_eq!(lab.open_letters(), []);
        lab.assert_equal();
    }
}
