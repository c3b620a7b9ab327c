//! Schemas and definitions that change between runs.

use serde_json::json;

use crate::project::{FieldLine, FieldValue, Place, SchemaPolicy};
use crate::record::Field;
use crate::sync::testing::{Lab, person, record};

fn field(name: &str, logical: &str) -> Field {
    Field::new(name, logical.parse().unwrap())
}

fn line(target: &str, source: &str) -> FieldLine {
    FieldLine {
        target: target.into(),
        value: FieldValue::Source { field: source.into(), default: None },
        logical: None,
        place: Place::new(&"lockstep.toml".into(), 1),
    }
}

fn loaded(policy: SchemaPolicy) -> Lab {
    let mut lab = Lab::new().unchecked().with_people(1..=5);
    lab.def.schema = policy;
    lab.run_well();
    lab
}

fn remove_field(lab: &Lab, name: &str) {
    let mut source = lab.source.state();
    source.stream.fields.retain(|field| field.name != name);
    for place in source.places() {
        let mut record = source.current()[&format!("[{place}]")].clone();
        record.remove(name);
        source.put(place, record);
    }
}

fn add_field(lab: &Lab, name: &str, logical: &str, value: serde_json::Value) {
    let mut source = lab.source.state();
    source.stream.fields.push(field(name, logical));
    for place in source.places() {
        let mut record = source.current()[&format!("[{place}]")].clone();
        record.insert(name.into(), value.clone());
        source.put(place, record);
    }
}

#[test]
fn a_removed_field_pauses_whatever_the_policy() {
    for policy in [SchemaPolicy::Pause, SchemaPolicy::Ignore, SchemaPolicy::Evolve] {
        let lab = loaded(policy);
        remove_field(&lab, "name");
        let before = lab.sink.writes();
        assert_eq!(lab.run_badly(), "LS0704", "{policy:?}");
        assert_eq!(lab.sink.writes(), before);
        assert_eq!(lab.target(3).unwrap()["name"], json!("first"));
    }
}

#[test]
fn a_removed_field_keeps_its_values_once_somebody_accepts_it() {
    let mut lab = loaded(SchemaPolicy::Pause);
    remove_field(&lab, "name");
    lab.source.state().put(3, record(json!({"id": 3, "amount": 8, "note": "x"})));
    lab.options.accept_schema = true;
    lab.run_well();
    assert_eq!(lab.target(3), Some(record(json!({"id": 3, "name": "first", "amount": 8, "note": "x"}))));
    lab.options.accept_schema = false;
    lab.source.state().put(4, record(json!({"id": 4, "amount": 9, "note": "x"})));
    lab.run_well();
    assert_eq!(lab.target(4).unwrap()["name"], json!("first"));
}

#[test]
fn a_retyped_field_pauses_until_somebody_accepts_it() {
    for policy in [SchemaPolicy::Pause, SchemaPolicy::Ignore, SchemaPolicy::Evolve] {
        let mut lab = loaded(policy);
        lab.source.state().stream.fields[2] = field("amount", "text");
        lab.source.state().put(3, record(json!({"id": 3, "name": "n", "amount": "77", "note": null})));
        (1..=5).filter(|id| *id != 3).for_each(|id| {
            lab.source.state().put(id, record(json!({"id": id, "name": "n", "amount": "7", "note": null})));
        });
        assert_eq!(lab.run_badly(), "LS0704", "{policy:?}");
        lab.options.accept_schema = true;
        let report = lab.run_well();
        assert_eq!(report.counters.rejected, 0);
        lab.options.accept_schema = false;
        // It is no news any more.
        lab.run_well();
        assert_eq!(lab.target(3).unwrap()["amount"], json!(77));
    }
}

#[test]
fn a_new_field_pauses_is_left_out_or_is_taken_in() {
    let lab = loaded(SchemaPolicy::Pause);
    add_field(&lab, "city", "text", json!("Bonn"));
    assert_eq!(lab.run_badly(), "LS0704");

    let lab = loaded(SchemaPolicy::Ignore);
    add_field(&lab, "city", "text", json!("Bonn"));
    lab.source.state().put(3, record(json!({"id": 3, "name": "second", "amount": 30, "note": null, "city": "Ulm"})));
    lab.run_well();
    assert_eq!(lab.target(3), Some(person(3, "second")));
    assert!(lab.notes.mention("`city` is new"));

    let lab = loaded(SchemaPolicy::Evolve);
    add_field(&lab, "city", "text", json!("Bonn"));
    lab.run_well();
    assert!((1..=5).all(|id| lab.target(id).unwrap()["city"] == json!("Bonn")));
    lab.run_well();
    lab.assert_equal();
}

#[test]
fn a_new_field_is_taken_in_for_records_that_did_not_change_too() {
    let mut lab = Lab::new().incremental().unchecked().with_people(1..=5);
    lab.def.schema = SchemaPolicy::Evolve;
    lab.run_well();
    add_field(&lab, "city", "text", json!("Bonn"));
    let report = lab.run_well();
    assert_eq!(report.counters.read, 5);
    lab.assert_equal();
}

/// Another sample suggests another type for the name.
fn guess_anew(lab: &Lab, logical: &str) {
    let mut source = lab.source.state();
    let properties = source.stream.fields[1].properties.clone();
    source.stream.fields[1] = Field { properties, ..field("name", logical) };
}

#[test]
fn a_guessed_type_that_changes_is_no_news() {
    let lab = Lab::new().unchecked();
    lab.source.state().stream.fields[1].properties.set("inferred", "true");
    lab.source.state().put(1, person(1, "007"));
    lab.run_well();
    guess_anew(&lab, "int64");
    lab.source.state().put(2, person(2, "008"));
    let report = lab.run_well();
    assert_eq!(report.counters.rejected, 0);
    // Read as it was agreed on, not as it looks now.
    assert_eq!(lab.target(2).unwrap()["name"], json!("008"));
}

#[test]
fn a_guessed_type_stays_when_somebody_accepts_something_else() {
    let mut lab = Lab::new().unchecked();
    lab.source.state().stream.fields[1].properties.set("inferred", "true");
    lab.source.state().put(1, person(1, "007"));
    lab.run_well();
    guess_anew(&lab, "int64");
    lab.source.state().put(2, person(2, "008"));
    remove_field(&lab, "note");
    lab.options.accept_schema = true;
    lab.run_well();
    assert_eq!(lab.target(2).unwrap()["name"], json!("008"));
}

#[test]
fn a_value_that_does_not_fit_the_pinned_type_waits() {
    let lab = Lab::new().unchecked().with_people(1..=3);
    lab.source.state().stream.fields[2].properties.set("inferred", "true");
    lab.run_well();
    lab.source.state().put(2, record(json!({"id": 2, "name": "n", "amount": "many", "note": null})));
    let report = lab.run_well();
    assert_eq!(report.counters.rejected, 1);
    assert_eq!(lab.target(2), Some(person(2, "first")));
}

#[test]
fn a_declared_type_stands_whatever_is_found() {
    let mut lab = Lab::new().unchecked();
    lab.def.source.types.insert("amount".into(), "text".parse().unwrap());
    lab.source.state().put(1, record(json!({"id": 1, "name": "n", "amount": "007", "note": null})));
    lab.run_well();
    lab.source.state().stream.fields[2] = field("amount", "float64");
    lab.source.state().put(2, record(json!({"id": 2, "name": "n", "amount": "008", "note": null})));
    lab.run_well();
    assert_eq!(lab.target(2).unwrap()["amount"], json!("008"));
}

#[test]
fn a_field_nobody_maps_may_change_as_it_likes() {
    let mut lab = Lab::new().unchecked().with_people(1..=5);
    lab.def.fields = vec![line("id", "id"), line("called", "name")];
    lab.run_well();
    remove_field(&lab, "note");
    add_field(&lab, "city", "text", json!("Bonn"));
    lab.run_well();
    assert_eq!(lab.target(3), Some(record(json!({"id": 3, "called": "first"}))));
}

#[test]
fn a_new_mapping_reads_everything_again() {
    let mut lab = Lab::new().incremental().unchecked().with_people(1..=5);
    lab.def.schema = SchemaPolicy::Evolve;
    lab.run_well();
    lab.def.fields = vec![line("id", "id"), line("name", "name"), line("copy", "name")];
    let report = lab.run_well();
    assert_eq!(report.counters.read, 5);
    assert_eq!(lab.target(3).unwrap()["copy"], json!("first"));
    // A field that is no longer mapped keeps what it holds.
    assert_eq!(lab.target(3).unwrap()["amount"], json!(30));
    assert_eq!(lab.run_well().counters.read, 0);
}

#[test]
fn a_target_without_a_field_that_is_mapped_is_unfit_unless_it_may_grow() {
    let mut lab = loaded(SchemaPolicy::Pause);
    lab.def.fields = vec![line("id", "id"), line("copy", "name")];
    assert_eq!(lab.run_badly(), "LS0703");
}

#[test]
fn a_missing_stream_or_key_is_named() {
    // What the checks of a commit know of keys they have from the stream, which has none.
    let mut lab = Lab::new().unchecked().with_people(1..=5);
    lab.source.state().stream.key.clear();
    assert_eq!(lab.run_badly(), "LS0702");
    lab.def.source.key = vec!["idd".into()];
    assert_eq!(lab.run_badly(), "LS0706");
    lab.def.source.stream = "poeple".into();
    assert_eq!(lab.run_badly(), "LS0701");
    lab.def.source.stream = "people".into();
    lab.def.source.key = vec!["id".into()];
    lab.run_well();
}
