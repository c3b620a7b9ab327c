//! Records that cannot go on: they wait, complete and with their cause, and the rest flows.

use serde_json::json;

use crate::connector::WriteStatus;
use crate::project::{FieldLine, FieldValue, Place};
use crate::store::{DeadLetterState, Stage};
use crate::sync::testing::{FakeTransform, Flavour, Lab, Outcome, Record, Verdict, person, record, record_of};

/// A target that dislikes records of this name.
fn refuses(lab: &Lab, verdict: Verdict) {
    lab.sink.rule(
        move |record: &Record| {
            if record.get("name") == Some(&json!("bad")) { verdict } else { Verdict::Take }
        },
    );
}

fn field(target: &str, source: &str, logical: &str) -> FieldLine {
    FieldLine {
        target: target.into(),
        value: FieldValue::Source { field: source.into(), default: None },
        logical: Some(logical.parse().unwrap()),
        place: Place::new(&"lockstep.toml".into(), 1),
    }
}

/// A mapping that a name which is no number does not survive.
fn numeric_names(mut lab: Lab) -> Lab {
    lab.def.fields = vec![field("id", "id", "int64"), field("name", "name", "int64")];
    lab.unchecked()
}

#[test]
fn a_record_the_target_refuses_waits_complete_and_the_rest_flows() {
    let verdicts = [
        Verdict::RefusePage,
        Verdict::RefuseFlush,
        Verdict::Status(WriteStatus::Rejected),
        Verdict::Status(WriteStatus::Conflict),
        Verdict::Break,
    ];
    for verdict in verdicts {
        for lab in [Lab::new(), Lab::new().in_one_group()] {
            let lab = lab.with_people(1..=25);
            for id in [3, 4, 17] {
                lab.source.state().put(id, person(id, "bad"));
            }
            refuses(&lab, verdict);
            let report = lab.run_well();
            assert_eq!((report.counters.written, report.counters.rejected), (22, 3), "{verdict:?}");
            let letters = lab.open_letters();
            assert_eq!(letters.iter().map(record_of).collect::<Vec<_>>(), [3, 4, 17].map(|id| person(id, "bad")));
            for row in &letters {
                assert_eq!((row.letter.stage, row.attempts), (Stage::Write, 1));
                assert!(row.letter.cause.message.contains("on purpose"), "{:?}", row.letter.cause);
                assert_eq!(row.letter.plugin.as_ref().unwrap().label, "sink@1");
            }
            assert_eq!(letters[0].letter.key_text, "[\"3\"]");
            assert_eq!(lab.ids().len(), 22);
        }
    }
}

#[test]
fn an_unreadable_record_waits_with_its_place() {
    let lab = Lab::new().with_people(1..=25);
    lab.source.state().spoil(7);
    let report = lab.run_well();
    assert_eq!((report.counters.read, report.counters.written, report.counters.rejected), (25, 24, 1));
    let letters = lab.open_letters();
    assert_eq!(letters[0].letter.stage, Stage::Source);
    assert_eq!(letters[0].letter.position.as_deref(), Some("line 7"));
    assert!(letters[0].letter.raw.as_ref().unwrap().starts_with(b"garbage"));
}

#[test]
fn a_value_that_does_not_fit_waits_with_its_field() {
    let lab = numeric_names(Lab::new());
    for (id, name) in [(1, "10"), (2, "x"), (3, "30")] {
        lab.source.state().put(id, person(id, name));
    }
    lab.run_well();
    assert_eq!(lab.target(3), Some(record(json!({"id": 3, "name": 30}))));
    let letters = lab.open_letters();
    assert_eq!(letters[0].letter.stage, Stage::Map);
    assert_eq!(letters[0].letter.cause.field.as_deref(), Some("name"));
    assert_eq!(letters[0].letter.key_text, "[\"2\"]");
}

#[test]
fn every_record_without_a_key_waits_by_itself() {
    let lab = Lab::new().with_people(1..=2);
    for (place, name) in [(3, "a"), (4, "b"), (5, "b")] {
        lab.source.state().put(place, record(json!({"id": null, "name": name, "amount": 1, "note": null})));
    }
    lab.source.state().put(6, record(json!({"name": "c"})));
    let report = lab.run_well();
    assert_eq!((report.counters.written, report.counters.read), (2, 6));
    // Two that are equal in everything are one.
    let letters = lab.open_letters();
    let names: Vec<_> = letters.iter().map(|row| record_of(row)["name"].clone()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(letters.iter().all(|row| row.letter.cause.code == "LS0606" && row.letter.key_text.is_empty()));
}

#[test]
fn of_several_records_of_one_key_the_last_wins() {
    for lab in [Lab::new(), Lab::new().in_one_group()] {
        let lab = lab.with_people(1..=9);
        // In the same page, and in the next one.
        lab.source.state().put(10, person(3, "second"));
        lab.source.state().put(11, person(3, "third"));
        let report = lab.run_well();
        assert_eq!(lab.target(3), Some(person(3, "third")));
        assert_eq!((report.counters.read, report.counters.duplicates, report.counters.written), (11, 1, 10));
    }
}

#[test]
fn what_only_an_earlier_record_of_a_key_says_is_not_lost() {
    let lab = Lab::new();
    lab.source.state().put(1, person(1, "first"));
    lab.source.state().put(2, record(json!({"id": 1, "name": "second"})));
    lab.source.state().put(3, record(json!({"id": 1, "amount": 7})));
    let report = lab.unchecked().run_and_target(1);
    assert_eq!(report.1, record(json!({"id": 1, "name": "second", "amount": 7, "note": null})));
    assert_eq!(report.0.counters.duplicates, 2);
}

#[test]
fn absent_fields_are_left_as_they_are() {
    let lab = Lab::new().unchecked().incremental().with_people(1..=3);
    lab.run_well();
    lab.source.state().put(2, record(json!({"id": 2, "amount": 5})));
    lab.source.state().put(3, record(json!({"id": 3, "name": null})));
    lab.run_well();
    assert_eq!(lab.target(2).unwrap()["name"], json!("first"));
    assert_eq!(lab.target(3).unwrap()["name"], json!(null));
}

#[test]
fn a_later_good_record_outdates_the_letter_of_its_key() {
    for verdict in [Verdict::RefusePage, Verdict::Status(WriteStatus::Rejected), Verdict::Break] {
        let lab = Lab::new().incremental().with_people(1..=25);
        lab.source.state().put(7, person(7, "bad"));
        refuses(&lab, verdict);
        lab.run_well();
        assert_eq!(lab.open_letters().len(), 1);
        lab.source.state().put(7, person(7, "good"));
        lab.run_well();
        assert_eq!(lab.open_letters(), []);
        assert_eq!(lab.letters(DeadLetterState::Superseded).len(), 1);
        lab.assert_equal();
    }
}

#[test]
fn a_later_good_record_in_the_same_reading_leaves_no_letter() {
    for (lab, later) in [(Lab::new(), 9), (Lab::new(), 15), (Lab::new().in_one_group(), 15)] {
        for verdict in [Verdict::RefusePage, Verdict::Status(WriteStatus::Rejected)] {
            // Ten lines: what is later than those is in the next page.
            let lab = Lab::new_like(&lab).with_people(1..=10);
            lab.source.state().put(3, person(3, "bad"));
            lab.source.state().put(later, person(3, "good"));
            refuses(&lab, verdict);
            let report = lab.run_well();
            assert_eq!(lab.open_letters(), []);
            assert_eq!(lab.target(3), Some(person(3, "good")));
            lab.assert_counted(&report);
        }
    }
}

#[test]
fn a_record_that_does_not_fit_leaves_no_letter_if_a_later_one_of_its_key_does() {
    for later in [4, 15] {
        let lab = numeric_names(Lab::new().in_one_group());
        (5..=14).for_each(|place| lab.source.state().put(place, person(place, "5")));
        for (place, id, name) in [(1, 1, "10"), (2, 2, "x"), (later, 2, "20")] {
            lab.source.state().put(place, person(id, name));
        }
        let report = lab.run_well();
        // A retry of the first record would overwrite the second.
        assert_eq!(lab.open_letters(), []);
        assert_eq!(lab.target(2).unwrap()["name"], json!(20));
        lab.assert_counted(&report);
    }
}

#[test]
fn the_newest_of_two_bad_records_of_a_key_waits() {
    for lab in [Lab::new(), Lab::new().in_one_group()] {
        let lab = numeric_names(lab);
        (5..=14).for_each(|place| lab.source.state().put(place, person(place, "5")));
        for (place, name) in [(1, "x"), (2, "y"), (15, "z")] {
            lab.source.state().put(place, person(2, name));
        }
        let report = lab.run_well();
        let letters = lab.open_letters();
        assert_eq!(letters.len(), 1);
        assert_eq!(record_of(&letters[0])["name"], json!("z"));
        lab.assert_counted(&report);
    }
}

#[test]
fn a_tombstone_outdates_the_letter_of_its_key() {
    let lab = Lab::new().incremental().with_people(1..=5);
    lab.source.state().put(3, person(3, "bad"));
    refuses(&lab, Verdict::RefusePage);
    lab.run_well();
    lab.source.state().remove(3);
    lab.run_well();
    assert_eq!(lab.open_letters(), []);
    lab.assert_equal();
}

#[test]
fn a_record_that_a_transform_now_drops_outdates_the_letter_of_its_key() {
    let mut lab = Lab::new().incremental().unchecked().with_people(1..=5);
    lab.transforms = vec![FakeTransform::new(|record| match record["name"].as_str() {
        Some("secret") => Outcome::Into(Vec::new()),
        _ => Outcome::Into(vec![record]),
    })];
    lab.source.state().put(3, person(3, "bad"));
    refuses(&lab, Verdict::RefusePage);
    lab.run_well();
    lab.source.state().put(3, person(3, "secret"));
    lab.run_well();
    assert_eq!(lab.open_letters(), []);
}

#[test]
fn a_complete_reading_closes_letters_of_records_that_are_gone_or_mended() {
    let lab = Lab::new().with_people(1..=25);
    lab.source.state().spoil(7);
    lab.source.state().spoil(8);
    lab.source.state().put(9, person(9, "bad"));
    refuses(&lab, Verdict::RefusePage);
    lab.run_well();
    assert_eq!(lab.open_letters().len(), 3);
    lab.source.state().put(7, person(7, "mended"));
    lab.source.state().remove(9);
    lab.run_well();
    let letters = lab.open_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].letter.position.as_deref(), Some("line 8"));
    assert_eq!(letters[0].attempts, 2);
}

#[test]
fn a_reading_that_goes_on_in_the_middle_closes_no_letters() {
    let lab = Lab::new().with_people(1..=25);
    lab.source.state().flavour = Flavour::Table;
    lab.source.state().spoil(7);
    let interrupt = lab.interrupt.clone();
    lab.source.state().edit_after_pages(1, move |_| interrupt.set());
    lab.run_well();
    let lab = lab.resumed();
    lab.run_well();
    assert_eq!(lab.open_letters().len(), 1);
}

#[test]
fn a_comparison_tries_refused_records_again_and_closes_letters_of_those_that_are_gone() {
    let lab = Lab::new().comparable().with_people(1..=25);
    for id in [3, 4] {
        lab.source.state().put(id, person(id, "bad"));
    }
    refuses(&lab, Verdict::RefusePage);
    lab.run_well();
    lab.source.state().remove(4);
    lab.run_well();
    let letters = lab.open_letters();
    assert_eq!(letters.iter().map(|row| row.letter.key_text.as_str()).collect::<Vec<_>>(), ["[\"3\"]"]);
    assert_eq!(letters[0].attempts, 2);
}

#[test]
fn too_many_rejected_records_stop_the_run_behind_what_is_committed() {
    for verdict in [Verdict::RefusePage, Verdict::Status(WriteStatus::Rejected)] {
        let mut lab = Lab::new().with_people(1..=100);
        lab.def.dead_letters_max = 5;
        (41..=100).for_each(|id| lab.source.state().put(id, person(id, "bad")));
        refuses(&lab, verdict);
        assert_eq!(lab.run_badly(), "LS0709");
        assert_eq!(lab.ids(), (1..=40).collect::<Vec<_>>());
        // At most one page over the limit.
        assert!(lab.open_letters().len() <= 15);
    }
}

#[test]
fn unreadable_records_stop_the_run_before_they_fill_the_memory() {
    let mut lab = Lab::new().in_one_group().with_people(1..=100);
    lab.def.dead_letters_max = 5;
    (41..=100).for_each(|id| lab.source.state().spoil(id));
    assert_eq!(lab.run_badly(), "LS0709");
    let letters = lab.open_letters().len();
    assert!((6..=20).contains(&letters), "{letters}");
    assert_eq!(lab.ids().len(), 40);
}
