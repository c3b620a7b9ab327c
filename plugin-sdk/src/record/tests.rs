#![cfg(feature = "derive")]

use proptest::prelude::*;
use serde_json::json;

use crate::prelude::*;
use crate::testing;

#[derive(Clone, Debug, PartialEq, Record)]
struct Everything {
    #[record(key)]
    id: i64,
    small: i32,
    flag: bool,
    ratio: Option<f64>,
    #[record(decimal(5, 2))]
    money: Decimal,
    #[record(decimal(30, 2))]
    fortune: Option<Decimal>,
    any: Option<Decimal>,
    name: String,
    raw: Vec<u8>,
    #[record(modified)]
    at: Timestamp,
    #[record(date)]
    day: i64,
    uuid: Option<Uuid>,
    extra: Maybe<Json>,
    #[record(rename = "e-mail")]
    email: Maybe<String>,
    r#type: Option<Time>,
}

fn sample() -> Everything {
    Everything {
        id: 1,
        small: -5,
        flag: true,
        ratio: None,
        money: Decimal::parse("-12.5").unwrap(),
        fortune: Decimal::parse("123456789012345678901234567.89").ok(),
        any: None,
        name: "Ünï".to_owned(),
        raw: vec![0, 255],
        at: "2026-11-21T12:45:10Z".parse().unwrap(),
        day: 0,
        uuid: Some(Uuid::from("123e4567-e89b-12d3-a456-426614174000")),
        extra: Maybe::Value(Json::from("{}")),
        email: Maybe::Absent,
        r#type: None,
    }
}

fn written(records: &[Everything]) -> Batch {
    let mut builder = Everything::builder();
    records.iter().for_each(|record| builder.push(record).unwrap());
    builder.finish().unwrap()
}

#[test]
fn the_stream_says_what_the_struct_says() {
    let stream = Everything::stream("all");
    assert_eq!(stream.key, ["id"]);
    assert_eq!(stream.properties, [("modified".to_owned(), "at".to_owned())]);
    let fields: Vec<String> = stream
        .fields
        .iter()
        .map(|field| format!("{}:{}{}", field.name, field.logical_type, if field.nullable { "?" } else { "" }))
        .collect();
    let expected = "id:int64 small:int64 flag:bool ratio:float64? money:decimal(5,2) fortune:decimal(30,2)? any:decimal? \
                    name:text raw:binary at:timestamp day:date uuid:uuid? extra:json? e-mail:text? type:time?";
    assert_eq!(fields.join(" "), expected);
}

#[test]
fn a_record_reads_as_people_would_write_it() {
    let rows = testing::rows(&Everything::stream("all").fields, &written(&[sample()])).unwrap();
    assert_eq!(
        rows,
        [json!({
            "id": 1, "small": -5, "flag": true, "ratio": null, "money": "-12.50",
            "fortune": "123456789012345678901234567.89", "any": null, "name": "Ünï", "raw": "AP8=",
            "at": "2026-11-21T12:45:10Z", "day": "1970-01-01", "uuid": "123e4567-e89b-12d3-a456-426614174000",
            "extra": {}, "type": null,
        })]
    );
}

#[test]
fn a_value_that_does_not_fit_leaves_no_trace() {
    let mut builder = Everything::builder();
    builder.push(&sample()).unwrap();
    let error = builder.push(&Everything { money: Decimal::parse("1000").unwrap(), ..sample() }).unwrap_err();
    assert_eq!(error.message, "field `money`: 1000 does not fit: too many digits before the point");
    assert_eq!((error.kind.as_str(), error.property("field")), ("invalid-data", Some("money")));
    let error = builder.push(&Everything { money: Decimal::parse("1.005").unwrap(), ..sample() }).unwrap_err();
    assert!(error.message.contains("more digits behind the point"), "{error:?}");
    let batch = builder.finish().unwrap();
    assert_eq!(Everything::read(&batch).count(), 1);
}

#[test]
fn only_what_is_asked_for_is_written() {
    let stream = Everything::stream("all");
    let wanted: Vec<Field> = [stream.fields[7].clone(), stream.fields[0].clone()].to_vec();
    let mut records = Records::for_fields(&wanted).unwrap();
    records.push(&sample()).unwrap();
    let batch = records.finish().unwrap();
    assert_eq!(testing::rows(&wanted, &batch).unwrap(), [json!({"name": "Ünï", "id": 1})]);
    assert_eq!(batch.columns.len(), 2);
}

#[test]
fn fields_that_do_not_exist_or_are_of_another_type_are_refused() {
    let check = |name: &str, logical: &str| {
        let field = Field::new(name, logical.parse().unwrap());
        Everything::check_fields(&[field]).map_err(|error| error.message)
    };
    assert_eq!(check("money", "decimal(5,2)"), Ok(()));
    assert_eq!(check("nope", "text"), Err("there is no field `nope`".to_owned()));
    let message = "field `money` is of type decimal(5,2), not decimal(5,3)";
    assert_eq!(check("money", "decimal(5,3)"), Err(message.to_owned()));
}

#[derive(Debug, PartialEq, Record)]
struct Small {
    id: i32,
    text: Option<String>,
    other: Maybe<bool>,
}

fn small(rows: &[serde_json::Value]) -> Vec<Result<Small, String>> {
    let batch = testing::batch(&Small::stream("s").fields, rows).unwrap();
    Small::read(&batch).map(|row| row.map_err(|error| error.message)).collect()
}

#[test]
fn absent_is_never_null() {
    let rows = small(&[json!({"id": 1, "text": null, "other": null}), json!({"id": 2, "text": "x"})]);
    assert_eq!(
        rows,
        [
            Ok(Small { id: 1, text: None, other: Maybe::Null }),
            Ok(Small { id: 2, text: Some("x".to_owned()), other: Maybe::Absent }),
        ]
    );
    let error = small(&[json!({"id": 1})]).remove(0).unwrap_err();
    assert!(error.starts_with("field `text`: the record says nothing about it"), "{error}");
    assert_eq!(small(&[json!({"id": null, "text": null})]), [Err("field `id`: it is null".to_owned())]);
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let error = small(&[json!({"id": 1_i64 << 31, "text": null})]).remove(0).unwrap_err();
    assert_eq!(error, "field `id`: 2147483648 does not fit 32 bits");
}

#[test]
fn a_column_without_a_field_is_not_lost_in_silence() {
    let fields = [Field::new("id", LogicalType::Int64), Field::new("more", LogicalType::Text)];
    let batch = testing::batch(&fields, &[json!({"id": 1, "more": "x"}), json!({"id": 2, "more": "y"})]).unwrap();
    let rows: Vec<_> = Small::read(&batch).map(|row| row.map_err(|error| error.message)).collect();
    assert_eq!(rows, [Err("there is no field `more`".to_owned())]);
}

proptest! {
    #[test]
    fn records_come_back_as_they_went(
        rows in prop::collection::vec((any::<i64>(), any::<i32>(), ".*", any::<Option<f64>>(), 0u8..3, -99_999i64..99_999), 0..50),
    ) {
        let records: Vec<Everything> = rows
            .into_iter()
            .map(|(id, small, name, ratio, email, money)| Everything {
                id,
                small,
                name: name.clone(),
                ratio: ratio.filter(|ratio| !ratio.is_nan()),
                email: match email { 0 => Maybe::Absent, 1 => Maybe::Null, _ => Maybe::Value(name) },
                money: Decimal::from_scaled(money, 2),
                ..sample()
            })
            .collect();
        let batch = written(&records);
        let back: Vec<Everything> = Everything::read(&batch).map(Result::unwrap).collect();
        prop_assert_eq!(back.len(), records.len());
        for (back, record) in back.into_iter().zip(records) {
            let money = record.money.rescale(2).unwrap();
            prop_assert_eq!(back, Everything { money, ..record });
        }
    }
}
