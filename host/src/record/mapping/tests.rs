use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::error::Explain as _;
use crate::record::{Batch, CastError, Column, batch_from_json, row_to_json};

fn fields(types: &[(&str, &str)]) -> Arc<[Field]> {
    types.iter().map(|(name, logical)| Field::new(*name, logical.parse().unwrap())).collect()
}

fn types(types: &[(&str, &str)]) -> Vec<(String, LogicalType)> {
    types.iter().map(|(name, logical)| ((*name).to_owned(), logical.parse().unwrap())).collect()
}

fn line(source: &str, target: &str) -> FieldMap {
    FieldMap { source: Some(source.into()), target: target.into(), ..FieldMap::default() }
}

fn constant(target: &str, value: Value) -> FieldMap {
    FieldMap { target: target.into(), constant: Some(value), ..FieldMap::default() }
}

fn changes(source: &Arc<[Field]>, records: &[Value]) -> Changes {
    Changes::upserts(batch_from_json(source, records).unwrap())
}

fn records(changes: &Changes) -> Vec<Value> {
    (0..changes.rows()).map(|row| Value::Object(row_to_json(&changes.data, row))).collect()
}

const SOURCE: &[(&str, &str)] = &[("id", "int64"), ("EmailAddress", "text"), ("limit", "text"), ("at", "datetime")];

/// Maps one record with the lines.
fn check(lines: &[FieldMap], target_types: &[(&str, &str)], record: Value, expected: Result<Value, &str>) {
    let source = fields(SOURCE);
    let mapping = Mapping::new(lines, &source, &types(target_types)).unwrap();
    let mapped = mapping.apply(&changes(&source, &[record])).unwrap();
    match expected {
        Ok(expected) => assert_eq!((records(&mapped.changes), mapped.rejected), (vec![expected], vec![])),
        Err(reason) => {
            assert_eq!(mapped.changes.rows(), 0);
            assert!(mapped.rejected[0].reason.contains(reason), "{:?}", mapped.rejected);
        }
    }
}

fn check_error(lines: &[FieldMap], target_types: &[(&str, &str)], message: &str, code: &str, hint: &str) {
    let error = Mapping::new(lines, &fields(SOURCE), &types(target_types)).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert_eq!(error.code().id, code);
    assert_eq!(error.hints().join("; "), hint);
}

#[test]
fn fields_are_renamed_left_out_and_converted() {
    check(
        &[line("EmailAddress", "email"), line("limit", "credit_limit")],
        &[("credit_limit", "decimal(18,2)")],
        json!({"id": 1, "EmailAddress": "a@b.c", "limit": "12.5", "at": null}),
        Ok(json!({"email": "a@b.c", "credit_limit": "12.50"})),
    );
}

#[test]
fn a_declared_type_holds_on_the_way_to_a_wider_target() {
    let declared = FieldMap { logical: Some("decimal(18,2)".parse().unwrap()), ..line("limit", "limit") };
    let target = &[("limit", "decimal(20,4)")];
    check(std::slice::from_ref(&declared), target, json!({"limit": "12.5"}), Ok(json!({"limit": "12.50"})));
    check(&[declared], target, json!({"limit": "12.345"}), Err("more digits behind the point"));
}

#[test]
fn null_and_absent_stay_apart_unless_a_default_stands_in() {
    check(&[line("limit", "limit")], &[], json!({}), Ok(json!({})));
    check(&[line("limit", "limit")], &[], json!({"limit": null}), Ok(json!({"limit": null})));
    let default = [FieldMap { default: Some(json!(7)), ..line("limit", "limit") }];
    for record in [json!({}), json!({"limit": null})] {
        check(&default, &[("limit", "int64")], record, Ok(json!({"limit": 7})));
    }
    check(&default, &[("limit", "int64")], json!({"limit": "0"}), Ok(json!({"limit": 0})));
    check(&default, &[("limit", "int64")], json!({"limit": "x"}), Err("not a decimal number"));
}

#[test]
fn constants_have_the_targets_type_or_the_one_they_look_like() {
    let target = &[("price", "decimal(18,2)")];
    check(&[constant("price", json!("12.5"))], target, json!({}), Ok(json!({"price": "12.50"})));
    for value in [json!("crm"), json!(true), json!(5), json!(1.5), json!([1])] {
        check(&[constant("x", value.clone())], &[], json!({}), Ok(json!({ "x": value })));
    }
}

#[test]
fn mistakes_are_named_with_what_was_meant() {
    let missing = "the field `email` is mapped from `EmailAdress`, which the source does not have";
    check_error(&[line("EmailAdress", "email")], &[], missing, "LS0706", "did you mean `EmailAddress`?");
    let missing = "the field `x` is mapped from `completely_else`, which the source does not have";
    check_error(&[line("completely_else", "x")], &[], missing, "LS0706", "");
    check_error(&[line("id", "a"), line("at", "a")], &[], "the field `a` is mapped twice", "LS0204", "");
    let nothing = FieldMap { target: "a".into(), ..FieldMap::default() };
    check_error(&[nothing], &[], "the field `a` needs either a source field or a constant", "LS0204", "");
    let both = FieldMap { constant: Some(json!(1)), ..line("id", "a") };
    check_error(&[both], &[], "the field `a` has both a source field and a constant", "LS0204", "");
    let zone = "the field `at` cannot be filled from `at`: `datetime` cannot become `timestamp`: nobody knows in which time \
                zone it was meant";
    let hint = "give the target's field the type `datetime`, or convert to `timestamp` in a transform";
    check_error(&[line("at", "at")], &[("at", "timestamp")], zone, "LS0703", hint);
    let unfit = "the field `a` cannot have this constant: `x` does not fit `int64`: not a decimal number";
    let text = FieldMap { logical: Some(LogicalType::Text), ..constant("a", json!("x")) };
    check_error(&[text], &[("a", "int64")], unfit, "LS0204", "");
    let untyped = "the field `a` cannot have this constant: `null` has no type; name one";
    check_error(&[constant("a", json!(null))], &[], untyped, "LS0204", "");
}

#[test]
fn one_value_that_does_not_fit_takes_its_row_out_and_no_other() {
    let source = fields(SOURCE);
    let mapping = Mapping::new(
        &[line("id", "id"), line("limit", "n"), line("EmailAddress", "m")],
        &source,
        &types(&[("n", "int64"), ("m", "int64")]),
    )
    .unwrap();
    let records_in = [
        json!({"id": 1, "limit": "1"}),
        json!({"id": 2, "limit": "x", "EmailAddress": "y"}),
        json!({"id": 3, "limit": "3"}),
    ];
    let mapped = mapping.apply(&changes(&source, &records_in)).unwrap();
    assert_eq!(records(&mapped.changes), [json!({"id": 1, "n": 1}), json!({"id": 3, "n": 3})]);
    assert_eq!(mapped.origins, Some(vec![0, 2]));
    let rejected: Vec<_> = mapped.rejected.iter().map(|value| (value.row, value.field.as_str())).collect();
    assert_eq!(rejected, [(1, "limit"), (1, "EmailAddress")]);
}

#[test]
fn a_delete_is_not_held_up_by_values_that_do_not_count() {
    let source = fields(SOURCE);
    let mapping = Mapping::new(&[line("id", "id"), line("limit", "n")], &source, &types(&[("n", "int64")])).unwrap();
    let mut deletes = changes(&source, &[json!({"id": 1, "limit": "x"})]);
    deletes.kinds = Some(vec![ChangeKind::Delete as u8].into());
    let mapped = mapping.apply(&deletes).unwrap();
    assert_eq!((records(&mapped.changes), mapped.rejected), (vec![json!({"id": 1, "n": null})], vec![]));
    assert_eq!(mapped.changes.kind(0), ChangeKind::Delete);
}

#[test]
fn the_source_is_asked_for_each_field_once_and_keys_keep_their_order() {
    let lines = [line("at", "x"), line("id", "first"), line("id", "second"), constant("c", json!(1))];
    let mapping = Mapping::new(&lines, &fields(SOURCE), &[]).unwrap();
    assert_eq!(mapping.source_fields_needed(), ["at", "id"]);
    assert_eq!(mapping.key_map(&["id".into(), "at".into()]).unwrap(), ["first", "x"]);
    let error = mapping.key_map(&["limit".into()]).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.code().id), ("the key field `limit` is not mapped", "LS0702"));
}

#[test]
fn properties_are_carried_over_and_the_native_type_only_with_its_type() {
    let mut source = fields(&[("a", "text"), ("b", "text")]).to_vec();
    for field in &mut source {
        field.nullable = false;
        field.properties.set("native-type", "varchar(10)");
        field.properties.set("comment", "why");
    }
    let mapping = Mapping::identity(&source, &types(&[("b", "int64")])).unwrap();
    let fields = mapping.output_fields();
    assert_eq!(fields[0], source[0]);
    assert_eq!((fields[1].logical, fields[1].nullable), (LogicalType::Int64, false));
    assert_eq!(fields[1].properties.0, [("comment".to_owned(), "why".to_owned())]);
}

#[test]
fn what_does_not_change_is_not_copied() {
    let source = fields(SOURCE);
    let before = changes(&source, &[json!({"id": 1, "EmailAddress": "x", "limit": "y"})]);
    let mapped = Mapping::identity(&source, &[]).unwrap().apply(&before).unwrap();
    for (before, after) in before.data.columns().iter().zip(mapped.changes.data.columns()) {
        assert!(Arc::ptr_eq(&before.array, &after.array));
    }
}

#[test]
fn a_page_that_is_not_what_was_promised_is_an_error() {
    let mapping = Mapping::new(&[line("id", "id")], &fields(SOURCE), &[]).unwrap();
    let page = |types: &[(&str, &str)]| changes(&fields(types), &[]);
    assert!(matches!(mapping.apply(&page(&[("x", "int64")])), Err(MappingError::NotInPage { .. })));
    assert!(matches!(mapping.apply(&page(&[("id", "text")])), Err(MappingError::TypeInPage { .. })));
    let batch = Batch::new(fields(&[]), Vec::<Column>::new(), 0).unwrap();
    assert!(mapping.apply(&Changes::upserts(batch)).is_err());
    assert_eq!(MappingError::from(CastError::Build("x".into())).code().id, "LS0999");
}

proptest! {
    #[test]
    fn identity_changes_nothing(
        rows in prop::collection::vec((any::<i64>(), prop::option::of(prop::option::of("\\PC{0,8}"))), 0..8),
    ) {
        let source = fields(&[("id", "int64"), ("t", "text")]);
        let records_in: Vec<Value> = rows
            .into_iter()
            .map(|(id, text)| match text {
                None => json!({ "id": id }),
                Some(text) => json!({ "id": id, "t": text }),
            })
            .collect();
        let mapped = Mapping::identity(&source, &[]).unwrap().apply(&changes(&source, &records_in)).unwrap();
        prop_assert_eq!(records(&mapped.changes), records_in);
    }

    #[test]
    fn every_row_is_mapped_or_rejected(texts in prop::collection::vec("[0-9x]{0,3}", 0..20)) {
        let source = fields(&[("t", "text")]);
        let records_in: Vec<Value> = texts.iter().map(|text| json!({ "t": text })).collect();
        let mapped = Mapping::new(&[line("t", "n")], &source, &types(&[("n", "int64")])).unwrap();
        let mapped = mapped.apply(&changes(&source, &records_in)).unwrap();
        let expected: Vec<Value> =
            texts.iter().filter_map(|text| text.parse::<i64>().ok()).map(|n| json!({ "n": n })).collect();
        prop_assert_eq!(mapped.rejected.len() + expected.len(), texts.len());
        prop_assert_eq!(records(&mapped.changes), expected);
    }
}
