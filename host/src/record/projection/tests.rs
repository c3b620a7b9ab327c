use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::error::Explain as _;
use crate::record::{Castable, LogicalType, batch_from_json, castable};

fn logical(name: &str) -> LogicalType {
    name.parse().unwrap()
}

fn field(name: &str, logical_name: &str) -> Field {
    Field::new(name, logical(logical_name))
}

fn value(logical_name: &str, json: serde_json::Value) -> Value {
    Value::from_json(&json, logical(logical_name)).unwrap()
}

/// A projection of one column `remote` to the entity's only field `name`.
fn one(remote: &str, entity: &str, change: impl FnOnce(&mut ColumnRule)) -> Result<Projection, ProjectionError> {
    let mut rule = ColumnRule::plain(field("remote", remote), 0);
    change(&mut rule);
    Projection::new([field("name", entity)].into(), vec![rule])
}

fn plain(remote: &str, entity: &str) -> Projection {
    one(remote, entity, |_| ()).unwrap()
}

fn page(logical_name: &str, value: serde_json::Value) -> Batch {
    batch_from_json(&[field("remote", logical_name)].into(), &[json!({ "remote": value })]).unwrap()
}

/// Reads one value; expected is the entity's value, or a part of the reason.
fn check_read(projection: &Projection, page: &Batch, expected: Result<serde_json::Value, &str>) {
    let read = projection.read(page);
    let entity = projection.entity_fields()[0].logical;
    match expected {
        Ok(expected) => {
            assert_eq!(read.rejected, []);
            assert_eq!(read.rows[0].as_ref().unwrap()[0].as_ref().unwrap().to_json(entity), expected);
        }
        Err(reason) => {
            assert_eq!(read.rows, [None]);
            assert_eq!((read.rejected[0].row, read.rejected[0].field.as_str()), (0, "remote"));
            assert!(read.rejected[0].reason.contains(reason), "{}", read.rejected[0].reason);
        }
    }
}

/// Writes one value; expected is the endpoint's value, or a part of the reason.
fn check_write(projection: &Projection, value: Value, expected: Result<serde_json::Value, &str>) {
    let written = projection.write(&[Some(value)], Purpose::Update);
    let remote = projection.remote_fields()[0].logical;
    match (written, expected) {
        (Ok(written), Ok(expected)) => assert_eq!(written[0].as_ref().unwrap().to_json(remote), expected),
        (Err(rejected), Err(reason)) => {
            assert_eq!(rejected.field, "remote");
            assert!(rejected.reason.contains(reason), "{}", rejected.reason);
        }
        (written, expected) => panic!("{written:?} instead of {expected:?}"),
    }
}

#[test]
fn plain_columns_are_cast_both_ways() {
    let projection = plain("text", "decimal(9,2)");
    check_read(&projection, &page("text", json!("12.5")), Ok(json!("12.50")));
    check_read(&projection, &page("text", json!("12.345")), Err("more digits"));
    check_read(&projection, &page("text", json!(null)), Ok(json!(null)));
    check_write(&projection, value("decimal(9,2)", json!("12.5")), Ok(json!("12.50")));
    check_write(&plain("int64", "text"), Value::text("x"), Err("`x` does not fit `int64`"));
    check_write(&plain("int64", "int64"), Value::Int(7), Ok(json!(7)));
    check_write(&plain("text", "int64"), Value::text("7"), Err("a value of type `int64` came as"));
}

#[test]
fn a_page_of_another_type_is_cast_to_the_declared_one_first() {
    check_read(&plain("int64", "text"), &page("text", json!("007")), Ok(json!("7")));
    check_read(&plain("int64", "text"), &page("text", json!("x")), Err("does not fit `int64`"));
    check_read(&plain("timestamp", "text"), &page("date", json!("2026-11-21")), Err("in which time zone"));
}

#[test]
fn what_a_record_does_not_say_stays_unsaid() {
    let rules = vec![ColumnRule::plain(field("A", "text"), 1), ColumnRule::plain(field("B", "int64"), 0)];
    let entity: Arc<[Field]> = [field("b", "text"), field("a", "text"), field("c", "text")].into();
    let projection = Projection::new(entity, rules).unwrap();
    let fields: Arc<[Field]> = [field("B", "int64"), field("A", "text"), field("Z", "text")].into();
    let page = batch_from_json(&fields, &[json!({"A": "x"}), json!({"B": 5, "A": null, "Z": "z"})]).unwrap();
    let rows = projection.read(&page).rows;
    assert_eq!(rows[0].as_deref().unwrap(), [None, Some(Value::text("x")), None]);
    assert_eq!(rows[1].as_deref().unwrap(), [Some(Value::text("5")), Some(Value::Null), None]);
    let written = projection.write(&[Some(Value::text("5")), None, Some(Value::text("c"))], Purpose::Create).unwrap();
    assert_eq!(written, [None, Some(Value::Int(5))]);
    assert_eq!(projection.fields_read().collect::<Vec<_>>(), ["B", "A"]);
    let short = projection.read(&batch_from_json(&[field("B", "int64")].into(), &[json!({"B": 1})]).unwrap());
    assert_eq!(short.rows[0].as_deref().unwrap(), [Some(Value::text("1")), None, None]);
}

#[test]
fn one_bad_value_rejects_its_row_alone_and_names_every_reason() {
    let rules = ["a", "b"].iter().enumerate().map(|(at, name)| ColumnRule::plain(field(name, "text"), at)).collect();
    let projection = Projection::new([field("a", "int64"), field("b", "bool")].into(), rules).unwrap();
    let fields: Arc<[Field]> = [field("a", "text"), field("b", "text")].into();
    let records = [json!({"a": "x", "b": "y"}), json!({"a": "1", "b": "true"}), json!({"a": "2", "b": "no"})];
    let read = projection.read(&batch_from_json(&fields, &records).unwrap());
    assert_eq!(read.rows.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
    let rejected: Vec<_> = read.rejected.iter().map(|value| (value.row, value.field.as_str())).collect();
    assert_eq!(rejected, [(0, "a"), (0, "b"), (2, "b")]);
}

#[test]
fn values_are_looked_up_by_what_they_mean() {
    let pairs = [("1", "active"), ("2", "gone"), ("3", "gone")];
    let values = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let projection = one("int64", "text", |rule| rule.values = values).unwrap();
    check_read(&projection, &page("int64", json!(1)), Ok(json!("active")));
    check_read(&projection, &page("text", json!("01")), Ok(json!("active")));
    check_read(&projection, &page("int64", json!(3)), Ok(json!("gone")));
    check_read(&projection, &page("int64", json!(9)), Err("`9` is not in the list of values"));
    check_read(&projection, &page("int64", json!(null)), Ok(json!(null)));
    check_write(&projection, Value::text("gone"), Ok(json!(2)));
    check_write(&projection, Value::text("other"), Err("`other` is not in the list of values"));
    check_write(&projection, Value::Null, Ok(json!(null)));
}

#[test]
fn a_default_stands_in_for_null_alone() {
    let projection = one("text", "int64", |rule| rule.default = Some(Value::Int(7))).unwrap();
    check_read(&projection, &page("text", json!(null)), Ok(json!(7)));
    check_read(&projection, &page("text", json!("1")), Ok(json!(1)));
    let absent = batch_from_json(&[field("remote", "text")].into(), &[json!({})]).unwrap();
    assert_eq!(projection.read(&absent).rows[0].as_deref().unwrap(), [None]);
}

#[test]
fn constants_are_written_when_a_record_is_made_and_never_read() {
    let constant = ColumnRule { constant: Some(Value::text("web")), ..ColumnRule::plain(field("origin", "text"), 99) };
    let rules = vec![constant, ColumnRule::plain(field("remote", "text"), 0)];
    let projection = Projection::new([field("name", "text")].into(), rules).unwrap();
    let row = [Some(Value::text("x"))];
    assert_eq!(projection.write(&row, Purpose::Create).unwrap(), [Some(Value::text("web")), Some(Value::text("x"))]);
    assert_eq!(projection.write(&row, Purpose::Update).unwrap(), [None, Some(Value::text("x"))]);
    assert_eq!(projection.fields_read().collect::<Vec<_>>(), ["remote"]);
}

fn check_error(result: Result<Projection, ProjectionError>, message: &str, code: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.code().id), (message, code));
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    check_error(
        one("timestamp", "date", |_| ()),
        "the field `name` cannot be read as `remote`: `timestamp` cannot become `date`: nobody knows in which time zone it \
         was meant",
        "LS0703",
    );
    check_error(
        one("text", "int64", |rule| rule.default = Some(Value::text("x"))),
        "the field `remote` of the endpoint cannot have this default: `x` is not a `int64`",
        "LS0204",
    );
    check_error(
        one("int64", "text", |rule| rule.values = vec![("x".into(), "y".into())]),
        "the field `remote` of the endpoint cannot have this list of values: `x` does not fit `int64`: not a decimal number",
        "LS0204",
    );
    check_error(
        one("int64", "text", |rule| rule.values = vec![("1".into(), "y".into()), ("01".into(), "z".into())]),
        "the field `remote` of the endpoint cannot have this list of values: `01` is listed twice",
        "LS0204",
    );
    check_error(
        one("text", "text", |rule| rule.entity = 1),
        "the field `remote` of the endpoint is mapped to field 1 of the entity, which has no such field",
        "LS0706",
    );
    let two = |first, second| {
        Projection::new(
            [field("name", "text")].into(),
            vec![ColumnRule::plain(field(first, "text"), 0), ColumnRule::plain(field(second, "text"), 0)],
        )
    };
    check_error(two("a", "a"), "the field `a` of the endpoint is mapped twice", "LS0204");
    check_error(two("a", "b"), "the field `name` is read from both `a` and `b`", "LS0204");
}

const TYPES: [&str; 13] = [
    "bool",
    "int64",
    "float64",
    "decimal",
    "decimal(9,2)",
    "decimal(30,5)",
    "timestamp",
    "datetime",
    "date",
    "time",
    "uuid",
    "text",
    "binary",
];

fn any_value_of(name: &str) -> BoxedStrategy<Value> {
    let decimals = |shape: &'static str| {
        (-999_999_999i64..=999_999_999)
            .prop_map(move |scaled| value(shape, json!(crate::record::Decimal::from_scaled(scaled, 2).to_string())))
    };
    match name {
        "bool" => any::<bool>().prop_map(Value::Bool).boxed(),
        "int64" => any::<i64>().prop_map(Value::Int).boxed(),
        "float64" => any::<f64>().prop_map(Value::float).boxed(),
        "decimal" => decimals("decimal").boxed(),
        "decimal(9,2)" => decimals("decimal(9,2)").boxed(),
        "decimal(30,5)" => decimals("decimal(30,5)").boxed(),
        "time" => (0i64..86_400_000_000).prop_map(Value::Int).boxed(),
        "date" => (-3_000_000i64..3_000_000).prop_map(Value::Int).boxed(),
        "timestamp" | "datetime" => any::<i64>().prop_map(Value::Int).boxed(),
        "uuid" => any::<[u8; 16]>()
            .prop_map(|bytes| {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Value::text(&format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
            })
            .boxed(),
        "binary" => any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
        _ => any::<String>().prop_map(|text| Value::text(&text)).boxed(),
    }
}

/// Two types that can become each other, and values of the entity's. Text on the entity's side has many forms for one value.
fn any_pair() -> impl Strategy<Value = (&'static str, &'static str, Vec<Option<Value>>)> {
    let both = |(remote, entity): &(&str, &str)| {
        castable(logical(remote), logical(entity)) != Castable::Never
            && castable(logical(entity), logical(remote)) != Castable::Never
            && (*entity != "text" || *remote == "text")
    };
    let pairs: Vec<(&str, &str)> =
        TYPES.iter().flat_map(|remote| TYPES.iter().map(move |entity| (*remote, *entity))).filter(both).collect();
    prop::sample::select(pairs).prop_flat_map(|(remote, entity)| {
        let values = prop::option::of(prop_oneof![1 => Just(Value::Null), 8 => any_value_of(entity)]);
        prop::collection::vec(values, 1..12).prop_map(move |values| (remote, entity, values))
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again((remote, entity, values) in any_pair()) {
        let projection = plain(remote, entity);
        let rows: Vec<&[Option<Value>]> = values.iter().map(std::slice::from_ref).collect();
        let written = projection.write_rows(&rows, Purpose::Update);
        let kept: Vec<&[Option<Value>]> = written.rows.iter().map(|row| row.as_deref().unwrap_or(&[None])).collect();
        let page = crate::record::batch_of_values(projection.remote_fields(), &kept).unwrap();
        let read = projection.read(&page);
        prop_assert_eq!(&read.rejected, &[]);
        for (at, value) in values.iter().enumerate() {
            let is_rejected = written.rejected.iter().any(|rejected| rejected.row as usize == at);
            prop_assert_eq!(written.rows[at].is_none(), is_rejected);
            if !is_rejected {
                prop_assert_eq!(&read.rows[at].as_ref().unwrap()[0], value, "{} {}", remote, entity);
            }
        }
    }

    #[test]
    fn one_by_one_is_as_all_at_once((remote, entity, values) in any_pair()) {
        let projection = plain(remote, entity);
        let rows: Vec<&[Option<Value>]> = values.iter().map(std::slice::from_ref).collect();
        let together = projection.write_rows(&rows, Purpose::Create);
        for (at, row) in rows.iter().enumerate() {
            let alone = projection.write(row, Purpose::Create).ok();
            prop_assert_eq!(alone.as_deref(), together.rows[at].as_deref());
        }
    }
}

fn expression(text: &str, logical_name: &str) -> Expression {
    Expression::compile(text, &[(VALUE_VARIABLE, logical(logical_name))]).unwrap()
}

#[test]
fn expressions_translate_both_ways() {
    let projection = one("text", "int64", |rule| {
        rule.read = Some(expression("digits(value)", "text"));
        rule.write = Some(expression("'#' + string(value)", "int64"));
    });
    let projection = projection.unwrap();
    check_read(&projection, &page("text", json!("# 12")), Ok(json!(12)));
    check_read(&projection, &page("text", json!("none")), Err("`` does not fit `int64`"));
    check_read(&projection, &page("text", json!(null)), Ok(json!(null)));
    check_read(&projection, &page("int64", json!(7)), Ok(json!(7)));
    check_write(&projection, Value::Int(12), Ok(json!("#12")));
    check_write(&projection, Value::Null, Ok(json!(null)));
}

#[test]
fn the_default_comes_after_the_expression() {
    let projection = one("text", "text", |rule| {
        rule.read = Some(expression("trim(value) == '' ? null : trim(value)", "text"));
        rule.default = Some(Value::text("none"));
    });
    let projection = projection.unwrap();
    check_read(&projection, &page("text", json!("  ")), Ok(json!("none")));
    check_read(&projection, &page("text", json!(" a ")), Ok(json!("a")));
}

#[test]
fn a_column_may_go_one_way_only() {
    let expression = |text| Some(expression(text, "text"));
    let read =
        ColumnRule { read: expression("lower(value)"), flow: Flow::Read, ..ColumnRule::plain(field("r", "text"), 0) };
    let write =
        ColumnRule { write: expression("upper(value)"), flow: Flow::Write, ..ColumnRule::plain(field("w", "text"), 0) };
    let projection = Projection::new([field("name", "text")].into(), vec![read, write]).unwrap();
    let fields: Arc<[Field]> = [field("r", "text"), field("w", "text")].into();
    let page = batch_from_json(&fields, &[json!({"r": "Ab", "w": "Cd"})]).unwrap();
    assert_eq!(projection.read(&page).rows[0].as_deref().unwrap(), [Some(Value::text("ab"))]);
    let written = projection.write(&[Some(Value::text("ab"))], Purpose::Create).unwrap();
    assert_eq!(written, [None, Some(Value::text("AB"))]);
    assert_eq!(projection.fields_read().collect::<Vec<_>>(), ["r"]);
}

#[test]
fn expressions_of_the_wrong_types_are_refused() {
    let cannot = "the field `remote` of the endpoint cannot have this";
    check_error(
        one("text", "int64", |rule| rule.read = Some(expression("value + 1", "int64"))),
        &format!("{cannot} expression: its one variable must be `value`, of type `text`"),
        "LS0204",
    );
    check_error(
        one("timestamp", "date", |rule| rule.read = Some(expression("value", "timestamp"))),
        &format!("{cannot} expression: `value` gives a timestamp, which can never become `date`"),
        "LS0204",
    );
    check_error(
        one("text", "text", |rule| {
            rule.read = Some(expression("value", "text"));
            rule.values = vec![("a".into(), "b".into())];
        }),
        &format!("{cannot} expression: a list of values leaves nothing for it to do"),
        "LS0204",
    );
    check_error(
        one("text", "text", |rule| {
            rule.constant = Some(Value::text("x"));
            rule.default = Some(Value::text("x"));
        }),
        &format!("{cannot} constant: a constant leaves nothing for an expression, a default or a list of values to do"),
        "LS0204",
    );
}

#[test]
fn rows_far_into_a_page_keep_their_numbers() {
    let texts: Vec<String> = (0..2000).map(|row| if row % 700 == 699 { "x".into() } else { row.to_string() }).collect();
    let records: Vec<_> = texts.iter().map(|text| json!({ "remote": text })).collect();
    let page = batch_from_json(&[field("remote", "text")].into(), &records).unwrap();
    let projection = plain("text", "int64");
    let read = projection.read(&page);
    assert_eq!(read.rejected.iter().map(|value| value.row).collect::<Vec<_>>(), [699, 1399]);
    let values: Vec<_> = read.rows.iter().map(|row| row.as_ref().map(|row| row[0].clone().unwrap())).collect();
    let expected = (0..2000).map(|row| (row % 700 != 699).then_some(Value::Int(row)));
    assert_eq!(values, expected.collect::<Vec<_>>());
    let rows: Vec<[Option<Value>; 1]> = texts.iter().map(|text| [Some(Value::text(text))]).collect();
    let rows: Vec<&[Option<Value>]> = rows.iter().map(|row| row.as_slice()).collect();
    let written = plain("int64", "text").write_rows(&rows, Purpose::Update);
    assert_eq!(written.rejected.iter().map(|value| value.row).collect::<Vec<_>>(), [699, 1399]);
    assert_eq!(written.rows.iter().filter(|row| row.is_some()).count(), 1998);
}
