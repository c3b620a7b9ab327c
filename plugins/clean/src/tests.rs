use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::testing::{self, Outcome};
use lockstep_plugin_sdk::types::BytesColumn;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::facts::{Facts, Survey};
use crate::gate::{Gate, Stopped};
use crate::steps::Operation;
use crate::{Clean, Config};

fn stream() -> Stream {
    Stream::new("contacts")
        .required_field("id", LogicalType::Int64)
        .field("email", LogicalType::Text)
        .field("name", LogicalType::Text)
        .field("phone", LogicalType::Text)
}

fn clean(config: Value, rows: &[Value]) -> Outcome {
    testing::transform::<Clean>(config, &stream(), rows).unwrap()
}

fn refusal(config: Value) -> String {
    let error = testing::transform::<Clean>(config, &stream(), &[]).unwrap_err();
    assert!(error.is(ErrorKind::Config), "{error:?}");
    error.message
}

#[test]
fn records_are_cleaned_and_the_rest_goes_on() {
    let config = json!({
        "fields": {
            "email": ["trim", "nfc", {"email": {"local": "lower"}}],
            "phone": [{"phone": {"default": "DE"}}],
        },
        "all_text": ["trim", "collapse", "nfc", "empty_as_null"],
        "required": ["email"],
    });
    let outcome = clean(
        config,
        &[
            json!({"id": 1, "email": " Ann@Example.com", "name": " Ann\t Lee ", "phone": "030 123456"}),
            json!({"id": 2, "email": null, "name": "Bob", "phone": null}),
            json!({"id": 3, "email": "c@d.e", "name": "  ", "phone": "+4930123456"}),
            json!({"id": 4, "email": "nobody", "name": "Dan", "phone": "x"}),
            json!({"id": 5, "email": "e@f.g", "name": "e\u{301}", "phone": "call me"}),
            json!({"id": 6, "name": "Fay"}),
            json!({"id": 7, "email": "g@h.i"}),
        ],
    );
    assert_eq!(
        outcome.rows,
        [
            json!({"id": 1, "email": "ann@example.com", "name": "Ann Lee", "phone": "+4930123456"}),
            json!({"id": 3, "email": "c@d.e", "name": null, "phone": "+4930123456"}),
            json!({"id": 7, "email": "g@h.i"}),
        ]
    );
    assert_eq!(outcome.origins, [0, 2, 6]);
    assert_eq!(
        outcome.rejections(),
        [
            (1, "clean.required", "email"),
            (3, "clean.email", "email"),
            (4, "clean.phone", "phone"),
            (5, "clean.required", "email"),
        ]
    );
    let error = &outcome.rejected[1].error;
    assert_eq!(error.message, "field `email`: `nobody` is no e-mail address: it has no `@`");
    assert_eq!((error.kind.as_str(), error.property("value")), ("invalid-data", Some("nobody")));
}

#[test]
fn a_partial_update_may_leave_out_what_is_required() {
    let rows = [json!({"id": 1, "name": "x"}), json!({"id": 2, "email": null}), json!({"id": 3, "email": ""})];
    let outcome = clean(json!({"required": ["email"], "absent": "pass"}), &rows);
    assert_eq!(outcome.rows, rows[..1]);
    assert_eq!(outcome.rejections(), [(1, "clean.required", "email"), (2, "clean.required", "email")]);
}

#[test]
fn what_may_not_be_null_is_not_made_null() {
    let stream = Stream::new("s").required_field("code", LogicalType::Text);
    let config = json!({"all_text": ["trim", "empty_as_null"]});
    let outcome = testing::transform::<Clean>(config, &stream, &[json!({"code": " "}), json!({"code": "x "})]).unwrap();
    assert_eq!(outcome.rows, [json!({"code": "x"})]);
    assert_eq!(outcome.rejections(), [(0, "clean.required", "code")]);
}

#[test]
fn a_deleted_record_always_goes_on() {
    let config: Config = serde_json::from_value(json!({
        "fields": {"email": ["trim", {"email": {}}], "name": [{"email": {"invalid": "null"}}]},
        "required": ["phone"],
    }))
    .unwrap();
    let rows = [json!({"id": 1, "email": " x ", "name": "y", "phone": null})];
    let mut changes = Changes::upserts(testing::batch(&stream().fields, &rows).unwrap());
    changes.kinds = Some(vec![1]);
    let output = Clean::open(config, stream()).unwrap().apply(changes).unwrap();
    assert!(output.rejected.is_empty() && output.origins.is_none());
    assert_eq!(testing::rows(&stream().fields, &output.changes.data).unwrap(), rows);
}

#[test]
fn a_configuration_that_makes_no_sense_says_why() {
    for (config, expected) in [
        (json!({"required": ["mail"]}), "`contacts` has no field `mail`"),
        (json!({"fields": {"id": ["trim"]}}), "field `id` is of type int64; only text can be cleaned"),
        (json!({"all_text": ["trimm"]}), "there is no step `trimm`"),
        (json!({"all_text": [{"phone": {"default": "XX"}}]}), "there is no country or calling code `XX`"),
        (json!({"all_text": [{"map": {}, "max_length": 3}]}), "a step is one of"),
        (json!({"all_text": [3]}), "a step such as `trim`"),
        (json!({"al_text": []}), "unknown field `al_text`"),
    ] {
        let message = refusal(config.clone());
        assert!(message.contains(expected), "{config}: {message}");
    }
}

#[test]
fn clean_columns_are_handed_on_as_they_came() {
    let rows: Vec<Value> =
        (0..100).map(|id| json!({"id": id, "email": "a@b.c", "name": "Ann é", "phone": "+4930123456"})).collect();
    let config = json!({
        "fields": {"email": ["trim", "email"], "phone": ["phone"]},
        "all_text": ["trim", "collapse", "nfc", "empty_as_null", {"max_length": 10}],
    });
    let config: Config = serde_json::from_value(config).unwrap();
    let batch = testing::batch(&stream().fields, &rows).unwrap();
    let addresses = |batch: &Batch| -> Vec<*const u8> {
        let text = |column: &lockstep_plugin_sdk::types::Column| match &column.values {
            lockstep_plugin_sdk::types::Values::Bytes(values) => values.data.as_ptr(),
            _ => std::ptr::null(),
        };
        batch.columns.iter().map(text).collect()
    };
    let before = addresses(&batch);
    let output = Clean::open(config, stream()).unwrap().apply(Changes::upserts(batch)).unwrap();
    assert_eq!(addresses(&output.changes.data), before);
}

/// Steps in any combination.
fn steps() -> impl Strategy<Value = Vec<Value>> {
    let orders = [
        json!("trim"),
        json!("collapse"),
        json!("nfc"),
        json!("lower"),
        json!("upper"),
        json!({"email": {"local": "lower", "invalid": "keep"}}),
        json!({"phone": {"default": "DE", "invalid": "null"}}),
        json!({"map": {"a": "b", "x": null}, "default": "keep"}),
        json!({"email": {"invalid": "reject"}}),
        json!({"max_length": 6, "longer": "reject"}),
        json!({"max_length": 4, "longer": "cut"}),
        json!("empty_as_null"),
    ];
    prop::sample::subsequence(orders.to_vec(), 0..5)
}

/// Steps that do not undo each other, as people combine them: cleaning twice is then cleaning once.
fn sensible_steps() -> impl Strategy<Value = Vec<Value>> {
    steps().prop_map(|mut steps| {
        let has = |steps: &[Value], name: &str| steps.iter().any(|step| step == name || step.get(name).is_some());
        if has(&steps, "lower") {
            steps.retain(|step| step != "upper");
        }
        // What is cut may become a value that an earlier step would change.
        if ["email", "phone", "map"].iter().any(|name| has(&steps, name)) {
            steps.retain(|step| step.get("longer").is_none_or(|longer| longer != "cut"));
        }
        steps
    })
}

/// Text that is likely to need cleaning.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ \t]{0,2}[a-zA-Z0-9]{0,6}[ \u{a0}]{0,3}[A-Zß-ü]{0,3}[ ]{0,2}",
        "[ ]{0,1}[aA.\"@-]{0,5}@[bB.-]{1,6}",
        "[0-9+() /-]{0,16}",
        "\\+4930[0-9]{4,8}",
        "[aeE]{0,3}[\u{300}-\u{345}]{0,3}[a\u{212b}\u{1e9b}İΣ\u{ac00}\u{1161}]{0,3}",
        ".{0,12}",
    ]
}

fn column(texts: &[String]) -> BytesColumn {
    let ends = texts.iter().scan(0, |end, text| {
        *end += text.len() as u32;
        Some(*end)
    });
    BytesColumn { offsets: std::iter::once(0).chain(ends).collect(), data: texts.concat().into_bytes() }
}

fn rows_of(values: &[Option<Option<String>>]) -> Vec<Value> {
    let row = |(id, value): (usize, &Option<Option<String>>)| match value {
        None => json!({"id": id}),
        Some(value) => json!({"id": id, "name": value}),
    };
    values.iter().enumerate().map(row).collect()
}

fn values() -> impl Strategy<Value = Vec<Option<Option<String>>>> {
    let value = prop_oneof![8 => text().prop_map(|text| Some(Some(text))), 1 => Just(Some(None)), 1 => Just(None)];
    prop::collection::vec(value, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cleaning_twice_is_cleaning_once(steps in sensible_steps(), values in values()) {
        let once = clean(json!({"fields": {"name": steps.clone()}}), &rows_of(&values));
        let twice = clean(json!({"fields": {"name": steps}}), &once.rows);
        prop_assert_eq!(once.rows, twice.rows);
        prop_assert!(twice.rejected.is_empty(), "{:?}", twice.rejected);
    }

    #[test]
    fn every_row_goes_on_or_is_rejected(steps in steps(), values in values()) {
        let rows = rows_of(&values);
        let outcome = clean(json!({"fields": {"name": steps}}), &rows);
        let mut seen: Vec<u32> = outcome.origins.iter().copied().chain(outcome.rejected.iter().map(|error| error.row)).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..rows.len() as u32).collect::<Vec<_>>());
        for (row, origin) in outcome.rows.iter().zip(&outcome.origins) {
            prop_assert_eq!(&row["id"], &json!(origin));
            let absent = rows[*origin as usize].get("name").is_none();
            prop_assert_eq!(row.get("name").is_none(), absent);
        }
    }

    /// One odd value in a page switches the facts about its column off, and with them the short cuts.
    #[test]
    fn short_cuts_do_not_change_the_result(steps in steps(), values in values()) {
        let config = json!({"fields": {"name": steps}});
        let plain = clean(config.clone(), &rows_of(&values));
        let mut with_odd = values.clone();
        with_odd.push(Some(Some("  aZ\t\t\u{3000}e\u{301}0123".to_owned())));
        let odd = clean(config.clone(), &rows_of(&with_odd));
        let count = plain.rows.len();
        prop_assert_eq!(&plain.rows[..], &odd.rows[..count]);
        for (value, row) in values.iter().zip(rows_of(&values)) {
            let alone = clean(config.clone(), &[row]);
            let expected = plain.rows.iter().filter(|row| value.is_some() && row["id"] == alone.rows.first().map_or(json!(-1), |row| row["id"].clone()));
            prop_assert!(expected.zip(&alone.rows).all(|(one, other)| one == other));
        }
    }

    /// What the gate lets pass is left alone by the steps.
    #[test]
    fn the_gate_is_right(steps in steps(), texts in prop::collection::vec(text(), 1..30)) {
        let steps: Vec<crate::Step> = serde_json::from_value(json!(steps)).unwrap();
        let operations = Operation::all(&steps);
        let operations: Vec<&Operation> = operations.iter().collect();
        let facts = operations.iter().map(|step| step.triggers().unwrap_or_default() | step.clues());
        let values = column(&texts);
        let mut survey = Survey::default();
        survey.take(&values.data, facts.fold(Facts::NONE, |all, facts| all | facts));
        let mut stopped = Stopped::default();
        Gate::new(&operations).stop(&values, &survey, &mut stopped);
        let stopped: Vec<usize> = stopped.rows().collect();
        for (row, text) in texts.iter().enumerate().filter(|(row, _)| !stopped.contains(row)) {
            for step in &operations {
                let outcome = step.apply(text, &mut String::new());
                prop_assert_eq!(outcome, crate::steps::Outcome::Same, "{:?} {}: {:?}", step, row, text);
            }
        }
    }

    /// And it does its work: addresses and numbers as they usually are pass.
    #[test]
    fn the_gate_is_of_use(names in prop::collection::vec("[a-z0-9]{1,12}([._+-][a-z0-9]{1,8})?", 1..30)) {
        let steps: Vec<crate::Step> = serde_json::from_value(json!(["trim", "nfc", "email", "empty_as_null"])).unwrap();
        let operations = Operation::all(&steps);
        let operations: Vec<&Operation> = operations.iter().collect();
        let values = column(&names.iter().map(|name| format!("{name}@mail.example-site.com")).collect::<Vec<_>>());
        let mut survey = Survey::default();
        survey.take(&values.data, Facts::NOT_PLAIN | Facts::COMBINING);
        let mut stopped = Stopped::default();
        Gate::new(&operations).stop(&values, &survey, &mut stopped);
        prop_assert_eq!(stopped.rows().count(), 0);
    }
}
