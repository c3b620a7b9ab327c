//! Dead letters tried again.

use serde_json::json;

use crate::store::{DeadLetterState, Store as _};
use crate::sync::testing::{Lab, Record, Verdict, person, record_of};

fn refuse_bad(lab: &Lab, verdict: Verdict) {
    lab.sink.rule(
        move |record: &Record| {
            if record.get("name") == Some(&json!("bad")) { verdict } else { Verdict::Take }
        },
    );
}

fn lab_with_letters(ids: &[i64]) -> Lab {
    let lab = Lab::new().incremental().with_people(1..=25);
    ids.iter().for_each(|id| lab.source.state().put(*id, person(*id, "bad")));
    refuse_bad(&lab, Verdict::RefusePage);
    lab.run_well();
    assert_eq!(lab.open_letters().len(), ids.len());
    lab
}

#[test]
fn a_letter_that_goes_through_is_resolved() {
    let lab = lab_with_letters(&[3, 17]);
    lab.sink.rule(|_| Verdict::Take);
    let report = lab.retry(&lab.open_letters());
    assert_eq!((report.counters.read, report.counters.written), (2, 2));
    assert!(report.is_clean());
    assert_eq!(lab.open_letters(), []);
    assert!(lab.letters(DeadLetterState::Resolved).iter().all(|row| row.attempts == 2));
    lab.assert_equal();
}

#[test]
fn a_letter_that_fails_again_stays_the_only_one() {
    for verdict in [Verdict::RefusePage, Verdict::RefuseFlush, Verdict::Break] {
        for ids in [&[3][..], &[3, 17, 18, 19, 20]] {
            let lab = lab_with_letters(ids);
            refuse_bad(&lab, verdict);
            let before = lab.open_letters();
            let report = lab.retry(&before);
            assert!(report.error.is_none(), "{verdict:?} {:?}", report.error);
            assert_eq!(report.counters.rejected, ids.len() as u64);
            let after = lab.open_letters();
            assert_eq!(
                after.iter().map(|row| row.id).collect::<Vec<_>>(),
                before.iter().map(|row| row.id).collect::<Vec<_>>()
            );
            assert!(after.iter().all(|row| row.attempts == 2));
            assert_eq!(
                after.iter().map(record_of).collect::<Vec<_>>(),
                before.iter().map(record_of).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn some_letters_go_through_and_others_do_not() {
    let lab = lab_with_letters(&[3, 4, 5]);
    lab.sink.rule(|record| if record["id"] == json!(4) { Verdict::RefusePage } else { Verdict::Take });
    let report = lab.retry(&lab.open_letters());
    assert_eq!((report.counters.written, report.counters.rejected), (2, 1));
    assert_eq!(lab.open_letters().len(), 1);
    assert_eq!(lab.letters(DeadLetterState::Resolved).len(), 2);
}

#[test]
fn a_letter_that_is_no_longer_open_is_not_written() {
    let lab = lab_with_letters(&[3]);
    let outdated = lab.open_letters();
    lab.sink.rule(|_| Verdict::Take);
    lab.source.state().put(3, person(3, "newer"));
    lab.run_well();
    let report = lab.retry(&outdated);
    assert_eq!(lab.target(3), Some(person(3, "newer")));
    assert_eq!(report.counters.written, 0);
    assert_eq!(lab.letters(DeadLetterState::Superseded).len(), 1);
}

#[test]
fn a_letter_of_another_key_definition_stays_the_only_one() {
    let mut lab = lab_with_letters(&[3]);
    lab.def.source.key = vec!["id".into(), "name".into()];
    lab.def.target.key = vec!["id".into()];
    let report = lab.retry(&lab.open_letters());
    assert_eq!(report.counters.rejected, 1);
    assert_eq!(lab.open_letters().len(), 1);
}

#[test]
fn an_unreadable_letter_cannot_be_tried_and_stays() {
    let lab = Lab::new().with_people(1..=5);
    lab.source.state().spoil(3);
    lab.run_well();
    lab.retry(&lab.open_letters());
    assert!(lab.notes.mention("cannot be tried"));
    assert_eq!(lab.open_letters()[0].attempts, 1);
}

#[test]
fn a_retry_leaves_the_position_alone() {
    let lab = lab_with_letters(&[3]);
    let before = lab.state();
    lab.sink.rule(|_| Verdict::Take);
    lab.retry(&lab.open_letters());
    assert_eq!((lab.state().cursor, lab.state().phase), (before.cursor, before.phase));
}

#[test]
fn a_retry_that_dies_at_any_step_is_made_good_by_the_next() {
    for step in 1.. {
        let lab = lab_with_letters(&[3, 17]);
        lab.sink.rule(|_| Verdict::Take);
        lab.power.cut_at(step);
        let _ = lab.try_retry(&lab.open_letters());
        let died = lab.power.restore();
        lab.retry(&lab.open_letters());
        assert_eq!(lab.open_letters(), []);
        assert_eq!(lab.store.inner.dead_letters(&Default::default()).unwrap().len(), 2);
        lab.assert_equal();
        if !died {
            assert!(step > 6, "only {step} steps");
            break;
        }
    }
}
