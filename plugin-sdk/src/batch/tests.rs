//! Values that go into columns come out of them.

use super::*;
use proptest::prelude::*;

#[test]
fn values_come_out_as_they_went_in() {
    let mut builder =
        BatchBuilder::new([("i", LogicalType::Int64), ("t", LogicalType::Text), ("b", LogicalType::Bool)]);
    for row in 0..20i64 {
        builder.column(0).push_int64(row);
        if row % 3 == 0 {
            builder.column(1).push_null()
        } else {
            builder.column(1).push_text(&"x".repeat(row as usize))
        }
        if row == 7 {
            builder.column(2).push_absent()
        } else {
            builder.column(2).push_bool(row % 2 == 0)
        }
        builder.end_row();
    }
    let batch = builder.finish().unwrap();
    let view = BatchView::new(&batch);
    for row in 0..20usize {
        assert_eq!(view.column("i").unwrap().int64(row), Some(row as i64));
        let text = "x".repeat(row);
        assert_eq!(view.column("t").unwrap().text(row), (row % 3 != 0).then_some(text.as_str()));
        assert_eq!(view.column("b").unwrap().bool(row), (row != 7).then_some(row % 2 == 0));
    }
    assert!(!view.column("b").unwrap().is_present(7));
    assert!(batch.columns[0].valid.is_none());
}

#[test]
fn an_abandoned_row_leaves_no_trace() {
    let mut builder = BatchBuilder::new([("a", LogicalType::Text), ("b", LogicalType::Int64)]);
    builder.column(0).push_text("one");
    builder.column(1).push_int64(1);
    builder.end_row();
    builder.column(0).push_text("half");
    builder.abandon_row();
    builder.column(0).push_null();
    builder.column(1).push_int64(2);
    builder.end_row();
    let batch = builder.finish().unwrap();
    let texts = ColumnView::new(&batch.columns[0]);
    assert_eq!((texts.text(0), texts.text(1)), (Some("one"), None));
    assert_eq!(ColumnView::new(&batch.columns[1]).int64(1), Some(2));
}

#[test]
fn a_value_of_the_wrong_kind_is_an_error() {
    let mut builder = BatchBuilder::new([("a", LogicalType::Int64)]);
    builder.column(0).push_text("1");
    builder.end_row();
    assert!(builder.finish().is_err());
}

proptest! {
    #[test]
    fn bitmaps_keep_every_bit(bits in prop::collection::vec(any::<bool>(), 0..70)) {
        let mut bitmap = Bitmap::default();
        for (index, bit) in bits.iter().enumerate() {
            bitmap.push(index, *bit);
        }
        let taken = bitmap.take();
        for (index, bit) in bits.iter().enumerate() {
            prop_assert_eq!(is_set(&taken, index), *bit);
        }
    }
}
