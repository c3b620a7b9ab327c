use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_buffer::BooleanBuffer;

use super::*;
use crate::plugin::capability::sql::postgres::native::SecondDigits;
use crate::record::{DecimalShape, Field};

fn ints(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// The row and code of what is refused.
fn check(native: Native, logical: &str, array: ArrayRef) -> Result<(), (String, &'static str)> {
    let encoder = ColumnEncoder::new("a", native, logical.parse().unwrap()).expect("can be written");
    encoder
        .check(&Column::new(array), "sql.main", 100)
        .map_err(|failure| (failure.properties.get("row").unwrap_or_default().to_owned(), failure.code.id))
}

fn refused(row: u64, code: &'static crate::error::Code) -> Result<(), (String, &'static str)> {
    Err((row.to_string(), code.id))
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert_eq!(check(Native::Int2, "int64", ints(&[32767, -32768])), Ok(()));
    assert_eq!(check(Native::Int2, "int64", ints(&[0, 32768])), refused(101, &codes::DATA_RANGE));
    assert_eq!(check(Native::Int4, "int64", ints(&[1 << 31])), refused(100, &codes::DATA_RANGE));
    assert_eq!(check(Native::Oid, "int64", ints(&[u32::MAX.into(), -1])), refused(101, &codes::DATA_RANGE));
    let null_in_range: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(1)]));
    assert_eq!(check(Native::Int2, "int64", null_in_range), Ok(()));
}

#[test]
fn what_the_server_would_round_is_refused() {
    let money = Native::Numeric(Some(DecimalShape { precision: 5, scale: 2 }));
    let floats = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    assert_eq!(check(money, "decimal(18,4)", ints(&[12_500, 12_345])), refused(101, &codes::DATA_LOSSY));
    assert_eq!(check(money, "decimal(18,2)", ints(&[99_999, 100_000])), refused(101, &codes::DATA_RANGE));
    assert_eq!(check(money, "decimal", texts(&["1.50", "NaN", "1.005"])), refused(102, &codes::DATA_LOSSY));
    assert_eq!(check(money, "float64", floats(vec![0.5, 0.125])), refused(101, &codes::DATA_LOSSY));
    assert_eq!(check(Native::Float4, "float64", floats(vec![0.5, f64::NAN, 0.1])), refused(102, &codes::DATA_LOSSY));
    assert_eq!(check(Native::Float8, "int64", ints(&[1 << 53, (1 << 53) + 1])), refused(101, &codes::DATA_LOSSY));
    assert_eq!(
        check(Native::Timestamptz(SecondDigits(3)), "timestamp", ints(&[1000, 1])),
        refused(101, &codes::DATA_LOSSY)
    );
    assert_eq!(check(Native::Time(SecondDigits(0)), "time", ints(&[500_000])), refused(100, &codes::DATA_LOSSY));
}

#[test]
fn text_that_cannot_be_stored_is_refused() {
    let any = Native::Text(TextLimit::None);
    let three = Native::Text(TextLimit::Characters(3));
    assert_eq!(check(any, "text", texts(&["", "a\0b"])), refused(101, &codes::DATA_MALFORMED));
    assert_eq!(check(Native::Jsonb, "json", texts(&["\"\0\""])), refused(100, &codes::DATA_MALFORMED));
    assert_eq!(check(three, "text", texts(&["äöü", "abcd"])), refused(101, &codes::DATA_RANGE));
    // The server would cut the blanks off without a word.
    assert_eq!(check(three, "text", texts(&["abc  "])), refused(100, &codes::DATA_RANGE));
    assert_eq!(check(three, "int64", ints(&[999, 1000])), refused(101, &codes::DATA_RANGE));
    assert_eq!(check(Native::Uuid, "text", texts(&["no"])), refused(100, &codes::DATA_MALFORMED));
}

#[test]
fn times_out_of_range_are_refused() {
    let timestamps = Native::Timestamptz(SecondDigits(6));
    assert_eq!(check(timestamps, "timestamp", ints(&[i64::MIN, i64::MAX, 0, i64::MAX - 1])), Ok(()));
    assert_eq!(check(timestamps, "timestamp", ints(&[i64::MIN + 1])), refused(100, &codes::DATA_RANGE));
    assert_eq!(check(Native::Date, "date", ints(&[i64::MIN, i64::MAX, 0])), Ok(()));
    assert_eq!(check(Native::Date, "date", ints(&[-2_440_588, -2_440_589])), refused(101, &codes::DATA_RANGE));
    assert_eq!(check(Native::Time(SecondDigits(6)), "time", ints(&[86_400_000_001])), refused(100, &codes::DATA_RANGE));
}

#[test]
fn what_means_nothing_cannot_be_written() {
    for (native, logical) in [
        (Native::Bytea, "text"),
        (Native::Text(TextLimit::None), "binary"),
        (Native::Timestamp(SecondDigits(6)), "timestamp"),
        (Native::Timestamptz(SecondDigits(6)), "datetime"),
        (Native::Float8, "decimal(5,2)"),
        (Native::Bool, "int64"),
        (Native::Date, "timestamp"),
    ] {
        assert!(ColumnEncoder::new("a", native, logical.parse().unwrap()).is_none(), "{native:?} {logical}");
    }
}

#[test]
fn absent_is_not_null() {
    let encoder = ColumnEncoder::new("a", Native::Int8, LogicalType::Int64).unwrap();
    let fields: Arc<[Field]> = Arc::from([Field::new("a", LogicalType::Int64)]);
    let column = Column { array: ints(&[1, 2]), present: Some(BooleanBuffer::from(vec![true, false])) };
    let batch = Batch::new(fields, vec![column], 2).unwrap();
    let failure = check_batch(&[encoder], &batch, "sql.main", 0).unwrap_err();
    assert_eq!((failure.kind, failure.properties.get("row")), (FailureKind::Permanent, Some("1")));
}

#[test]
fn a_batch_has_to_be_what_was_announced() {
    let encoder = ColumnEncoder::new("a", Native::Bool, LogicalType::Bool).unwrap();
    let batch = |logical: LogicalType, array: ArrayRef| {
        let rows = array.len();
        Batch::new(Arc::from([Field::new("a", logical)]), vec![Column::new(array)], rows).unwrap()
    };
    let wrong = batch(LogicalType::Int64, ints(&[1]));
    assert!(check_batch(std::slice::from_ref(&encoder), &wrong, "sql.main", 0).is_err());
    let right = batch(LogicalType::Bool, Arc::new(BooleanArray::from(vec![true])));
    assert!(check_batch(std::slice::from_ref(&encoder), &right, "sql.main", 0).is_ok());
    assert!(check_batch(&[], &right, "sql.main", 0).is_err());
}
