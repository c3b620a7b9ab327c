use super::*;
use proptest::prelude::*;

fn fields() -> Arc<[Field]> {
    [("a", "int64"), ("b", "text"), ("c", "bool")]
        .into_iter()
        .map(|(name, logical)| Field::new(name, logical.parse().unwrap()))
        .collect()
}

fn bytes_column(offsets: &[u32], data: &[u8]) -> wit::ValuesResult {
    wit::ValuesResult::Bytes(wit::BytesColumnResult { offsets: offsets.to_vec(), data: data.to_vec() })
}

fn check(name: &str, values: wit::ValuesResult, rows: u32) -> Result<Batch, Nonsense> {
    let column = wit::ColumnResult { name: name.into(), valid: None, present: None, values };
    batch(wit::BatchResult { rows, columns: vec![column] }, &fields())
}

#[test]
fn what_does_not_fit_is_refused() {
    for (name, values, expected) in [
        ("a", wit::ValuesResult::Int64(vec![1]), "1 values for 2 rows"),
        ("a", wit::ValuesResult::Float64(vec![1.0, 2.0]), "float64 where int64 was expected"),
        ("b", bytes_column(&[0, 1], b"x"), "2 offsets for 2 rows"),
        ("b", bytes_column(&[0, 2, 1], b"xy"), "offsets that do not fit"),
        ("b", bytes_column(&[1, 1, 2], b"xy"), "offsets that do not fit"),
        ("b", bytes_column(&[0, 1, 9], b"xy"), "offsets that do not fit"),
        ("b", bytes_column(&[0, 1, 2], &[0xff, 0xfe]), "non utf-8"),
        ("b", bytes_column(&[0, 1, 2], "é".as_bytes()), "split utf-8"),
        ("c", wit::ValuesResult::Bits(vec![]), "a bitmap of 0 bytes"),
        ("z", wit::ValuesResult::Int64(vec![1, 2]), "was not asked for"),
    ] {
        let error = check(name, values, 2).unwrap_err();
        assert!(error.to_lowercase().contains(expected), "{error} / {expected}");
    }
}

#[test]
fn a_missing_column_is_absent() {
    let batch = check("a", wit::ValuesResult::Int64(vec![1, 2]), 2).unwrap();
    assert!(batch.column("a").unwrap().is_present(0));
    assert!(!batch.column("b").unwrap().is_present(0));
}

proptest! {
    #[test]
    fn batches_cross_unchanged(
        values in prop::collection::vec((any::<Option<i64>>(), any::<Option<String>>(), any::<bool>()), 0..50),
        cut in 0usize..50,
    ) {
        let records: Vec<_> = values
            .iter()
            .map(|(a, b, c)| serde_json::json!({"a": a, "b": b, "c": c}))
            .collect();
        let whole = crate::record::batch_from_json(&fields(), &records).unwrap();
        let sliced = whole.slice(cut, 20);
        let back = batch(batch_for_plugin(&sliced), &fields()).unwrap();
        for row in 0..sliced.rows() {
            prop_assert_eq!(crate::record::row_to_json(&back, row), crate::record::row_to_json(&sliced, row));
        }
    }
}
