//! Transforms between source and target.

use serde_json::json;

use crate::connector::FailureKind;
use crate::lineage::Change;
use crate::record::Field;
use crate::store::Stage;
use crate::sync::testing::{FakeTransform, Lab, Outcome, Record, Verdict, failure, person, record_of};

fn lab(rule: impl Fn(Record) -> Outcome + Send + Sync + 'static) -> Lab {
    let mut lab = Lab::new().unchecked();
    lab.transforms = vec![FakeTransform::new(rule)];
    lab.with_people(1..=25)
}

fn shout(mut record: Record) -> Outcome {
    if let Some(name) = record.get("name").and_then(|name| name.as_str()) {
        let name = json!(name.to_uppercase());
        record.insert("name".into(), name);
    }
    Outcome::Into(vec![record])
}

fn is(record: &Record, name: &str) -> bool {
    record.get("name") == Some(&json!(name))
}

#[test]
fn records_arrive_as_the_transform_made_them() {
    let lab = lab(shout);
    lab.run_well();
    assert!((1..=25).all(|id| lab.target(id) == Some(person(id, "FIRST"))));
}

/// Nobody can look into a plugin: what comes out under its old name is believed to be the same, what is new may be made of all.
#[test]
fn what_a_transform_makes_comes_from_everything() {
    let mut lab = lab(|mut record| {
        record.insert("length".into(), json!(5));
        Outcome::Into(vec![record])
    });
    lab.transforms[0].adds = vec![Field::new("length", "int64".parse().unwrap())];
    lab.run_well();
    let flow = lab.notes.flow().unwrap();
    let source: Vec<&str> = flow.streams[0].iter().map(|field| field.name.as_str()).collect();
    let output = &flow.outputs[0];
    assert_eq!((output.end, flow.outputs.len()), (1, 1));
    for (field, origins) in &output.fields {
        let from: Vec<&str> = origins.iter().map(|origin| origin.field.as_str()).collect();
        let expected = if field == "length" { source.clone() } else { vec![field.as_str()] };
        assert_eq!(from, expected, "{field}");
        assert!(origins.iter().all(|origin| origin.end == 0 && origin.change == Change::Transformation), "{origins:?}");
    }
    assert!(output.fields.iter().any(|(field, _)| field == "length"), "{output:?}");
}

#[test]
fn several_transforms_follow_each_other() {
    let mut lab = lab(shout);
    let mut second = FakeTransform::new(|mut record| {
        record.insert("length".into(), json!(record["name"].as_str().unwrap().len()));
        if record["id"] == json!(7) { Outcome::Reject } else { Outcome::Into(vec![record]) }
    });
    second.adds = vec![Field::new("length", "int64".parse().unwrap())];
    second.reverses = true;
    lab.transforms[0].reverses = true;
    lab.transforms.push(second);
    lab.run_well();
    assert_eq!(lab.target(8).unwrap()["length"], json!(5));
    // As it was read, not as the first transform made it.
    assert_eq!(record_of(&lab.open_letters()[0]), person(7, "first"));
}

#[test]
fn a_rejected_record_waits_as_it_was_read() {
    let lab = lab(|record| if is(&record, "bad") { Outcome::Reject } else { shout(record) });
    lab.source.state().put(7, person(7, "bad"));
    let report = lab.run_well();
    assert_eq!((report.counters.written, report.counters.rejected), (24, 1));
    let letters = lab.open_letters();
    assert_eq!((letters[0].letter.stage, record_of(&letters[0])), (Stage::Transform, person(7, "bad")));
    assert_eq!(letters[0].letter.plugin.as_ref().unwrap().label, "transform@1");
}

#[test]
fn rows_out_of_order_are_blamed_on_the_right_records() {
    for verdict in [Verdict::RefusePage, Verdict::Status(crate::connector::WriteStatus::Rejected)] {
        let mut lab = lab(|record| if is(&record, "gone") { Outcome::Into(Vec::new()) } else { shout(record) });
        lab.transforms[0].reverses = true;
        lab.source.state().put(3, person(3, "gone"));
        lab.source.state().put(4, person(4, "bad"));
        lab.sink.rule(move |record| if is(record, "BAD") { verdict } else { Verdict::Take });
        let report = lab.run_well();
        assert_eq!((report.counters.written, report.counters.rejected), (23, 1));
        assert_eq!(record_of(&lab.open_letters()[0]), person(4, "bad"));
    }
}

#[test]
fn a_record_that_breaks_the_transform_waits_and_the_rest_flows() {
    for outcome in [|| Outcome::Break, || Outcome::RefusePage] {
        let lab = lab(move |record| if is(&record, "bad") { outcome() } else { shout(record) });
        for id in [3, 4, 5, 6, 17] {
            lab.source.state().put(id, person(id, "bad"));
        }
        let report = lab.run_well();
        assert_eq!((report.counters.written, report.counters.rejected), (20, 5));
        let ids: Vec<_> = lab.open_letters().iter().map(|row| record_of(row)["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, [3, 4, 5, 6, 17]);
    }
}

#[test]
fn a_record_that_breaks_the_transform_waits_though_it_is_alone_in_its_page() {
    let mut lab = lab(|record| if is(&record, "bad") { Outcome::Break } else { shout(record) });
    lab.page_rows = 1;
    lab.source.state().put(7, person(7, "bad"));
    let report = lab.run_well();
    assert_eq!((report.counters.written, report.counters.rejected), (24, 1));
}

#[test]
fn a_transform_that_always_breaks_is_blamed_and_no_record_is() {
    for (call, page_rows) in [("apply", 10), ("apply", 1), ("open", 10), ("open", 2)] {
        let mut lab = lab(shout);
        lab.page_rows = page_rows;
        lab.transforms[0].script.fail_always(call, failure(FailureKind::Fault));
        assert_eq!(lab.run_badly(), "LS0409", "{call} in pages of {page_rows}");
        assert_eq!(lab.open_letters(), []);
        lab.transforms[0].script.heal();
        lab.run_well();
        assert_eq!(lab.ids().len(), 25);
    }
}

#[test]
fn a_transform_that_breaks_once_is_started_again() {
    let lab = lab(shout);
    lab.transforms[0].script.fail("apply", 2, failure(FailureKind::Fault));
    lab.run_well();
    assert_eq!(lab.open_letters(), []);
    assert_eq!(lab.ids().len(), 25);
}

#[test]
fn keys_that_a_transform_makes_equal_are_written_once() {
    let lab = lab(|mut record| {
        let id = record["id"].as_i64().unwrap();
        record.insert("id".into(), json!(id / 2));
        Outcome::Into(vec![record])
    });
    let report = lab.run_well();
    assert_eq!(lab.ids(), (0..=12).collect::<Vec<_>>());
    lab.assert_counted(&report);
}

#[test]
fn one_record_may_become_several() {
    let lab = lab(|record| {
        let copy = |by: i64| {
            let mut copy = record.clone();
            copy.insert("id".into(), json!(record["id"].as_i64().unwrap() * 10 + by));
            copy
        };
        Outcome::Into(vec![copy(0), copy(1)])
    });
    lab.sink.rule(|record| {
        if record["id"] == json!(71) || record["id"] == json!(70) { Verdict::RefusePage } else { Verdict::Take }
    });
    let report = lab.run_well();
    assert_eq!(report.counters.written, 48);
    // One record, one letter.
    assert_eq!((lab.open_letters().len(), report.counters.rejected), (1, 1));
    lab.sink.rule(|_| Verdict::Take);
    lab.retry(&lab.open_letters());
    assert_eq!(lab.ids().len(), 50);
}
