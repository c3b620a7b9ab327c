use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::record::{Batch, Field, batch_from_json, row_to_json};

const TYPES: [&str; 18] = [
    "bool",
    "int64",
    "float64",
    "decimal",
    "decimal(5,2)",
    "decimal(9,0)",
    "decimal(18,2)",
    "decimal(18,18)",
    "decimal(19,0)",
    "decimal(38,10)",
    "timestamp",
    "datetime",
    "date",
    "time",
    "uuid",
    "text",
    "binary",
    "json",
];

fn logical(name: &str) -> LogicalType {
    name.parse().unwrap()
}

fn column(logical: LogicalType, values: &[Value]) -> Column {
    let fields: Arc<[Field]> = [Field::new("a", logical)].into();
    let records: Vec<Value> = values
        .iter()
        .map(|value| match value {
            Value::String(absent) if absent == "<absent>" => json!({}),
            value => json!({ "a": value }),
        })
        .collect();
    batch_from_json(&fields, &records).unwrap().columns()[0].clone()
}

fn values(logical: LogicalType, column: &Column) -> Vec<Value> {
    let rows = column.array.len();
    let batch = Batch::new([Field::new("a", logical)].into(), vec![column.clone()], rows).unwrap();
    let value = |mut record: Map<String, Value>| record.remove("a").unwrap_or_else(|| json!("<absent>"));
    (0..rows).map(|row| value(row_to_json(&batch, row))).collect()
}

/// Expected is the converted value, or the reason without the value it quotes.
fn check(from: &str, value: Value, to: &str, expected: Result<Value, &str>) {
    let (from, to) = (logical(from), logical(to));
    let cast = cast(&column(from, std::slice::from_ref(&value)), from, to).unwrap();
    let found = values(to, &cast.column).remove(0);
    match expected {
        Ok(expected) => assert_eq!((found, cast.rejected), (expected, vec![]), "{from} {value} -> {to}"),
        Err(reason) => {
            assert_eq!(found, Value::Null, "{from} {value} -> {to}");
            assert!(cast.rejected[0].1.ends_with(reason), "{:?} lacks `{reason}`", cast.rejected);
        }
    }
}

#[test]
fn numbers_keep_their_value_or_are_refused() {
    check("int64", json!(12), "decimal(5,2)", Ok(json!("12.00")));
    check("int64", json!(1000), "decimal(5,2)", Err("out of range"));
    check("int64", json!(i64::MIN), "decimal", Ok(json!("-9223372036854775808")));
    check("int64", json!(i64::MIN), "decimal(19,0)", Ok(json!("-9223372036854775808")));
    check("int64", json!(i64::MAX), "float64", Err("more digits than a float keeps"));
    check("int64", json!(1i64 << 60), "float64", Ok(json!((1i64 << 60) as f64)));
    check("decimal(5,2)", json!("12.00"), "int64", Ok(json!(12)));
    check("decimal(5,2)", json!("12.50"), "int64", Err("digits behind the point would be lost"));
    check("decimal(18,2)", json!("999.99"), "decimal(5,2)", Ok(json!("999.99")));
    check("decimal(18,2)", json!("1000.00"), "decimal(5,2)", Err("out of range"));
    check("decimal(18,2)", json!("0.10"), "decimal(18,18)", Ok(json!("0.100000000000000000")));
    check("decimal(18,2)", json!("-99.00"), "decimal(9,0)", Ok(json!("-99")));
    check("decimal(18,2)", json!("-0.05"), "decimal", Ok(json!("-0.05")));
    check("decimal(18,18)", json!("0.5"), "decimal(38,10)", Ok(json!("0.500000000000000000")));
    check("decimal(18,18)", json!("0.000000000000000001"), "decimal(38,10)", Err("than the type keeps"));
    check("decimal", json!("1e3"), "int64", Ok(json!(1000)));
    check("decimal", json!("NaN"), "int64", Err("not a decimal number"));
    check("decimal", json!("NaN"), "float64", Ok(json!("NaN")));
    check("decimal", json!("123456789012345678901.5"), "decimal(38,10)", Ok(json!("123456789012345678901.5")));
    check("decimal", json!("0.00000000001"), "decimal(38,10)", Err("than the type keeps"));
}

#[test]
fn floats_stand_for_the_shortest_decimal_or_the_whole_number_they_are() {
    check("float64", json!(0.1), "decimal(18,2)", Ok(json!("0.10")));
    check("float64", json!(0.125), "decimal(18,2)", Err("than the type keeps"));
    check("float64", json!(1_152_921_504_606_846_976.0), "decimal", Ok(json!("1152921504606846976")));
    check("float64", json!("Infinity"), "decimal", Ok(json!("Infinity")));
    check("float64", json!("Infinity"), "decimal(38,10)", Err("not a decimal number"));
    check("float64", json!(-3.0), "int64", Ok(json!(-3)));
    check("float64", json!(0.5), "int64", Err("digits behind the point would be lost"));
    check("float64", json!(9.3e18), "int64", Err("out of range"));
    check("float64", json!(-9_223_372_036_854_775_808.0), "int64", Ok(json!(i64::MIN)));
    check("float64", json!("NaN"), "int64", Err("not a number"));
    check("decimal(18,2)", json!("0.10"), "float64", Ok(json!(0.1)));
    check("decimal", json!("0.10000000000000001"), "float64", Err("more digits than a float keeps"));
    // This float is 2182546431363675.25: two shortest texts lie equally near.
    let tie = json!(2_182_546_431_363_675.3);
    check("float64", tie.clone(), "decimal", Ok(json!("2182546431363675.3")));
    check("decimal", json!("2182546431363675.3"), "float64", Ok(tie.clone()));
    check("text", json!("2182546431363675.2"), "float64", Ok(tie));
    check("float64", json!(1e300), "text", Ok(json!("1e300")));
    check("float64", json!(5.0), "text", Ok(json!("5")));
}

#[test]
fn text_is_read_in_the_forms_people_write() {
    check("text", json!("007"), "int64", Ok(json!(7)));
    check("text", json!("1.2e1"), "int64", Ok(json!(12)));
    check("text", json!("-9223372036854775808.0"), "int64", Ok(json!(i64::MIN)));
    check("text", json!("9223372036854775808"), "int64", Err("too many digits before the point"));
    check("text", json!("12 "), "int64", Err("not a decimal number"));
    check("text", json!(""), "int64", Err("not a decimal number"));
    check("text", json!("12.5"), "decimal(18,2)", Ok(json!("12.50")));
    check("text", json!("12.505"), "decimal(18,2)", Err("than the type keeps"));
    check("text", json!("1e3"), "decimal", Ok(json!("1000")));
    check("text", json!("true"), "bool", Ok(json!(true)));
    check("text", json!("TRUE"), "bool", Err("neither `true` nor `false`"));
    check("text", json!("2023-02-29"), "date", Err("there is no such date or time"));
    check("text", json!("2026-11-21T12:00:00"), "timestamp", Err("as ISO 8601 writes it"));
    check("text", json!("2026-11-21T12:00:00+01"), "timestamp", Ok(json!("2026-11-21T11:00:00Z")));
    check("text", json!("67E5504410B1426F9247BB680E5FE0C8"), "uuid", Ok(json!("67e55044-10b1-426f-9247-bb680e5fe0c8")));
    check("text", json!("67e55044-10b1426f-9247-bb680e5fe0c8-"), "uuid", Err("32 hexadecimal digits"));
    check("text", json!("{\"a\": [1]}"), "json", Ok(json!("{\"a\": [1]}")));
    check("text", json!("{a}"), "json", Err("line 1 column 2"));
    check("text", json!("AAEC"), "binary", Ok(json!("AAEC")));
    check("text", json!("a"), "binary", Err(""));
}

#[test]
fn floats_are_read_from_text_only_with_digits_they_have() {
    check("text", json!("0.1"), "float64", Ok(json!(0.1)));
    check("text", json!("0.10000000000000000000"), "float64", Ok(json!(0.1)));
    check("text", json!("0.10000000000000001"), "float64", Ok(json!(0.1)));
    check("text", json!("0.100000000000000012"), "float64", Err("more digits than a float keeps"));
    check("text", json!("9007199254740993"), "float64", Err("more digits than a float keeps"));
    check("text", json!("5e-324"), "float64", Ok(json!(5e-324)));
    check("text", json!("1e-400"), "float64", Err("more digits than a float keeps"));
    check("text", json!("1e400"), "float64", Err("out of range"));
    check("text", json!("inf"), "float64", Err("not a number"));
    check("text", json!("0.000"), "float64", Ok(json!(0.0)));
    check("text", json!(format!("0.{}", "1".repeat(70_000))), "float64", Err("more digits than a float keeps"));
}

#[test]
fn days_become_midnights_and_back() {
    check("date", json!("2026-11-21"), "datetime", Ok(json!("2026-11-21T00:00:00")));
    check("date", json!("infinity"), "datetime", Ok(json!("infinity")));
    check("date", json!("294248-01-01"), "datetime", Err("out of range"));
    check("datetime", json!("-infinity"), "date", Ok(json!("-infinity")));
    check("datetime", json!("2026-11-21T00:00:01"), "date", Err("the time of day would be lost"));
}

#[test]
fn values_without_a_text_form_are_refused() {
    let ints = |value: i64| Column::new(Arc::new(arrow_array::Int64Array::from(vec![value])));
    assert_eq!(cast(&ints(i64::MAX - 1), LogicalType::Date, LogicalType::Text).unwrap().rejected.len(), 1);
    assert_eq!(cast(&ints(-1), LogicalType::Time, LogicalType::Text).unwrap().rejected.len(), 1);
}

#[test]
fn zones_are_never_invented() {
    for (from, to) in
        [("datetime", "timestamp"), ("timestamp", "datetime"), ("timestamp", "date"), ("date", "timestamp")]
    {
        let error = cast(&column(logical(from), &[]), logical(from), logical(to)).unwrap_err();
        assert!(error.to_string().contains("time zone"), "{error}");
    }
}

#[test]
fn null_and_absent_stay_apart_and_other_rows_go_on() {
    let text = column(LogicalType::Text, &[json!("1"), json!(null), json!("x"), json!("<absent>"), json!("2")]);
    let cast = cast(&text, LogicalType::Text, LogicalType::Int64).unwrap();
    assert_eq!(
        values(LogicalType::Int64, &cast.column),
        [json!(1), json!(null), json!(null), json!("<absent>"), json!(2)]
    );
    assert_eq!(cast.rejected, [(2, "`x` does not fit `int64`: not a decimal number".to_owned())]);
}

#[test]
fn the_same_layout_is_not_copied() {
    for (from, to) in [
        ("decimal(9,2)", "decimal(18,2)"),
        ("decimal(18,2)", "decimal(9,2)"),
        ("decimal(9,0)", "int64"),
        ("decimal(38,10)", "decimal"),
        ("decimal", "decimal(38,10)"),
        ("uuid", "text"),
        ("json", "text"),
        ("text", "json"),
    ] {
        let value = if from == "uuid" { json!("67e55044-10b1-426f-9247-bb680e5fe0c8") } else { json!("12") };
        let before = column(logical(from), &[value]);
        let after = cast(&before, logical(from), logical(to)).unwrap().column;
        let address = |column: &Column| column.array.to_data().buffers()[0].as_ptr();
        assert_eq!(address(&before), address(&after), "{from} -> {to}");
    }
}

#[test]
fn a_column_of_another_type_than_said_is_an_error() {
    let text = column(LogicalType::Text, &[json!("1")]);
    assert!(matches!(cast(&text, LogicalType::Int64, LogicalType::Text), Err(CastError::Layout { .. })));
}

fn any_value(logical: LogicalType) -> BoxedStrategy<Value> {
    use LogicalType as T;
    let instant = any::<i64>();
    match logical {
        T::Bool => any::<bool>().prop_map(Value::from).boxed(),
        T::Int64 => prop_oneof![any::<i64>(), -1000i64..1000].prop_map(Value::from).boxed(),
        T::Float64 => {
            let float = prop_oneof![any::<f64>(), any::<i32>().prop_map(|cents| f64::from(cents) / 100.0)];
            float.prop_map(|value| if value.is_finite() { json!(value) } else { json!("NaN") }).boxed()
        }
        T::Decimal(None) => "-?[1-9][0-9]{0,25}(\\.[0-9]{1,12})?".prop_map(Value::from).boxed(),
        T::Decimal(Some(shape)) => {
            let limit = 10i64.checked_pow(u32::from(shape.precision)).unwrap_or(i64::MAX) - 1;
            let value = prop_oneof![-limit..=limit, -1000i64.min(limit)..1000i64.min(limit)];
            value
                .prop_map(move |value| json!(crate::record::Decimal::from_scaled(value, shape.scale).to_string()))
                .boxed()
        }
        T::Timestamp => instant.prop_map(|micros| json!(crate::record::format_timestamp(micros))).boxed(),
        T::Datetime => {
            let midnight = (-9000i64..9000).prop_map(|days| days * MICROS_PER_DAY);
            prop_oneof![instant, midnight].prop_map(|micros| json!(crate::record::format_datetime(micros))).boxed()
        }
        T::Date => (-300_000_000i64..300_000_000).prop_map(|days| json!(crate::record::format_date(days))).boxed(),
        T::Time => (0..MICROS_PER_DAY).prop_map(|micros| json!(crate::record::format_time(micros))).boxed(),
        T::Uuid => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(Value::from).boxed(),
        T::Text => prop_oneof!["\\PC{0,12}", "-?[0-9]{1,20}(\\.[0-9]{1,4})?(e-?[0-9]{1,3})?", "[-0-9TZ:+]{0,25}"]
            .prop_map(Value::from)
            .boxed(),
        T::Binary => "([A-Za-z0-9+/]{4}){0,4}".prop_map(Value::from).boxed(),
        T::Json => "\\{\"a\":[0-9]\\}|[1-9][0-9]{0,30}".prop_map(Value::from).boxed(),
    }
}

fn column_of_any_type() -> impl Strategy<Value = (LogicalType, Vec<Value>)> {
    prop::sample::select(&TYPES[..]).prop_flat_map(|name| {
        let logical = logical(name);
        let value = prop_oneof![8 => any_value(logical), 1 => Just(Value::Null), 1 => Just(json!("<absent>"))];
        prop::collection::vec(value, 0..6).prop_map(move |values| (logical, values))
    })
}

/// Whether text that becomes this type may come back written differently: `007`, `1e3`, `+01:00`, an upper-case UUID.
fn has_many_spellings(from: LogicalType) -> bool {
    from == LogicalType::Text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_is_converted_comes_back_the_same(
        (from, before) in column_of_any_type(),
        to in prop::sample::select(&TYPES[..]),
    ) {
        let to = logical(to);
        let column = column(from, &before);
        let Ok(there) = cast(&column, from, to) else {
            prop_assert_eq!(castable(from, to), Castable::Never);
            return Ok(());
        };
        if castable(from, to) != Castable::Checked {
            prop_assert_eq!(&there.rejected, &vec![]);
        }
        if castable(to, from) == Castable::Never || has_many_spellings(from) {
            return Ok(());
        }
        let back = cast(&there.column, to, from).unwrap();
        prop_assert_eq!(&back.rejected, &vec![], "{} -> {}", from, to);
        let (before, after) = (values(from, &column), values(from, &back.column));
        for (row, (before, after)) in before.iter().zip(&after).enumerate() {
            if there.rejected.iter().any(|(rejected, _)| *rejected as usize == row) {
                prop_assert_eq!(after, &Value::Null);
            } else {
                prop_assert!(is_equal(from, before, after), "{} {} -> {} -> {}", from, before, to, after);
            }
        }
    }
}

/// Decimals without a fixed scale are equal in value.
fn is_equal(logical: LogicalType, before: &Value, after: &Value) -> bool {
    let canonical = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        crate::record::Decimal::parse(text).map_or(text.to_owned(), |decimal| decimal.canonical().to_string())
    };
    match logical {
        LogicalType::Decimal(_) if before.is_string() => canonical(before) == canonical(after),
        LogicalType::Float64 => before == after || before.as_f64() == Some(0.0) && after.as_f64() == Some(0.0),
        _ => before == after,
    }
}
