//! Parts of batches: some of their columns, some of their rows.

use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Batch, BytesColumn, Changes, Column, Field, Values};

use crate::value::Value;

/// What becomes of the rows of a page.
#[derive(Clone, Debug)]
pub struct Kinds {
    /// To be inserted or updated.
    pub upserts: Batch,
    /// To be deleted: their key columns only, in the order of the key.
    pub deletes: Batch,
    /// For each row of the two batches the row of the page it came from.
    pub upsert_rows: Vec<u32>,
    pub delete_rows: Vec<u32>,
}

const DELETE: u8 = 1;

/// Separates what is to be written from what is to be deleted. `None`: nothing is to be deleted, and the page may be taken
/// as it is.
pub fn split_kinds(changes: &Changes, key: &[Field]) -> Result<Option<Kinds>> {
    let Some(kinds) = changes.kinds.as_ref().filter(|kinds| kinds.contains(&DELETE)) else { return Ok(None) };
    let (delete_rows, upsert_rows): (Vec<u32>, Vec<u32>) =
        (0..changes.data.rows).partition(|row| kinds.get(*row as usize) == Some(&DELETE));
    let upserts = keep_rows(&changes.data, &upsert_rows);
    let keys = keep_columns(&changes.data, key)?;
    let deletes = keep_rows(&keys, &delete_rows);
    Ok(Some(Kinds { upserts, deletes, upsert_rows, delete_rows }))
}

/// These columns, in this order.
pub fn keep_columns(batch: &Batch, fields: &[Field]) -> Result<Batch> {
    let column = |field: &Field| {
        let column = batch.columns.iter().find(|column| column.name == field.name);
        column.cloned().ok_or_else(|| Error::permanent(format!("the page has no column `{}`", field.name)))
    };
    Ok(Batch { rows: batch.rows, columns: fields.iter().map(column).collect::<Result<_>>()? })
}

/// These rows, in this order.
pub fn keep_rows(batch: &Batch, rows: &[u32]) -> Batch {
    let columns = batch.columns.iter().map(|column| keep_column_rows(column, rows)).collect();
    Batch { rows: rows.len() as u32, columns }
}

fn keep_column_rows(column: &Column, rows: &[u32]) -> Column {
    let bitmap = |bits: &Vec<u8>| keep_bits(bits, rows);
    Column {
        name: column.name.clone(),
        valid: column.valid.as_ref().map(bitmap),
        present: column.present.as_ref().map(bitmap),
        values: match &column.values {
            Values::Bits(bits) => Values::Bits(keep_bits(bits, rows)),
            Values::Int64(values) => Values::Int64(keep_values(values, rows)),
            Values::Float64(values) => Values::Float64(keep_values(values, rows)),
            Values::Bytes(bytes) => Values::Bytes(keep_bytes(bytes, rows)),
            Values::Other(other) => Values::Other(other.clone()),
        },
    }
}

fn keep_values<T: Copy + Default>(values: &[T], rows: &[u32]) -> Vec<T> {
    rows.iter().map(|row| values.get(*row as usize).copied().unwrap_or_default()).collect()
}

fn keep_bits(bits: &[u8], rows: &[u32]) -> Vec<u8> {
    let mut kept = vec![0; rows.len().div_ceil(8)];
    for (index, row) in rows.iter().enumerate() {
        let is_set = bits.get(*row as usize / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1);
        if let Some(byte) = kept.get_mut(index / 8) {
            *byte |= u8::from(is_set) << (index % 8);
        }
    }
    kept
}

fn keep_bytes(column: &BytesColumn, rows: &[u32]) -> BytesColumn {
    let mut kept = BytesColumn { offsets: vec![0], data: Vec::new() };
    for row in rows {
        kept.data.extend_from_slice(column.value(*row as usize).unwrap_or_default());
        kept.offsets.push(kept.data.len() as u32);
    }
    kept
}

/// All rows of batches with the same columns, one behind the other.
pub fn join(batches: Vec<Batch>) -> Batch {
    let mut batches = batches.into_iter();
    let Some(mut joined) = batches.next() else { return Batch::none() };
    for batch in batches {
        let columns = std::mem::take(&mut joined.columns).into_iter().zip(batch.columns);
        joined.columns = columns.map(|(head, tail)| join_columns(head, joined.rows, tail, batch.rows)).collect();
        joined.rows += batch.rows;
    }
    joined
}

fn join_columns(head: Column, head_rows: u32, tail: Column, tail_rows: u32) -> Column {
    let bits = |head: Option<Vec<u8>>, tail: Option<Vec<u8>>| match (head, tail) {
        (None, None) => None,
        (head, tail) => Some(join_bits(&head, head_rows, &tail, tail_rows)),
    };
    Column {
        name: head.name,
        valid: bits(head.valid, tail.valid),
        present: bits(head.present, tail.present),
        values: match (head.values, tail.values) {
            (Values::Bits(head), Values::Bits(tail)) => {
                Values::Bits(join_bits(&Some(head), head_rows, &Some(tail), tail_rows))
            }
            (Values::Int64(mut head), Values::Int64(tail)) => {
                head.extend(tail);
                Values::Int64(head)
            }
            (Values::Float64(mut head), Values::Float64(tail)) => {
                head.extend(tail);
                Values::Float64(head)
            }
            (Values::Bytes(mut head), Values::Bytes(tail)) => {
                let start = head.data.len() as u32;
                head.offsets.extend(tail.offsets.iter().skip(1).map(|offset| offset + start));
                head.data.extend(tail.data);
                Values::Bytes(head)
            }
            (head, _) => head,
        },
    }
}

/// Bits that are not kept are all set.
fn join_bits(head: &Option<Vec<u8>>, head_rows: u32, tail: &Option<Vec<u8>>, tail_rows: u32) -> Vec<u8> {
    let mut joined = vec![0u8; (head_rows + tail_rows).div_ceil(8) as usize];
    let is_set = |bits: &Option<Vec<u8>>, row: u32| {
        bits.as_ref().is_none_or(|bits| bits.get(row as usize / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
    };
    let rows = (0..head_rows).map(|row| is_set(head, row)).chain((0..tail_rows).map(|row| is_set(tail, row)));
    for (index, set) in rows.enumerate() {
        if let Some(byte) = joined.get_mut(index / 8) {
            *byte |= u8::from(set) << (index % 8);
        }
    }
    joined
}

/// A batch of rows of single values, in the layouts of these fields.
pub fn batch_of(fields: &[Field], rows: &[Vec<Value>]) -> Result<Batch> {
    let mut builder = BatchBuilder::for_fields(fields)?;
    for row in rows {
        for (column, value) in builder.columns().iter_mut().zip(row) {
            value.push(column);
        }
        builder.end_row();
    }
    builder.finish()
}

/// One row as single values.
pub fn row_of(fields: &[Field], batch: &Batch, row: usize) -> Result<Vec<Value>> {
    let columns = fields.iter().zip(BatchView::new(batch).columns());
    columns.map(|(field, column)| Ok(Value::of(column, field.logical()?, row))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields() -> Vec<Field> {
        [("id", "int64"), ("text", "text"), ("flag", "bool"), ("number", "float64"), ("raw", "binary")]
            .map(|(name, logical)| Field::new(name, logical.parse().unwrap()))
            .into()
    }

    fn row(seed: i64) -> Vec<Value> {
        let gap = |value: Value, every: i64| if seed % every == 0 { Value::Null } else { value };
        vec![
            Value::Int64(seed),
            gap(Value::Text(format!("text {seed}")), 3),
            gap(Value::Bool(seed % 2 == 0), 5),
            gap(Value::Float64(seed as f64 / 2.0), 7),
            gap(Value::Binary(vec![seed as u8; seed as usize % 4]), 2),
        ]
    }

    proptest! {
        #[test]
        fn kept_rows_keep_their_values(count in 1u32..60, picks in proptest::collection::vec(any::<u32>(), 0..80)) {
            let rows: Vec<Vec<Value>> = (0..i64::from(count)).map(row).collect();
            let batch = batch_of(&fields(), &rows).unwrap();
            let picks: Vec<u32> = picks.into_iter().map(|pick| pick % count).collect();
            let kept = keep_rows(&batch, &picks);
            prop_assert_eq!(kept.rows as usize, picks.len());
            for (index, pick) in picks.iter().enumerate() {
                prop_assert_eq!(&row_of(&fields(), &kept, index).unwrap(), &rows[*pick as usize]);
            }
        }
    }

    proptest! {
        #[test]
        fn joined_batches_keep_their_rows(lengths in proptest::collection::vec(0i64..20, 0..5)) {
            let mut next = 0;
            let mut all = Vec::new();
            let mut batches = Vec::new();
            for length in lengths {
                let rows: Vec<Vec<Value>> = (next..next + length).map(row).collect();
                next += length;
                batches.push(batch_of(&fields(), &rows).unwrap());
                all.extend(rows);
            }
            let joined = join(batches);
            prop_assert_eq!(joined.rows as usize, all.len());
            for (index, expected) in all.iter().enumerate() {
                prop_assert_eq!(&row_of(&fields(), &joined, index).unwrap(), expected);
            }
        }
    }

    #[test]
    fn deletes_are_told_from_upserts() {
        let rows: Vec<Vec<Value>> = (0..5).map(row).collect();
        let data = batch_of(&fields(), &rows).unwrap();
        let mut changes = Changes::upserts(data);
        assert!(split_kinds(&changes, &fields()[..1]).unwrap().is_none());
        changes.kinds = Some(vec![0; 5]);
        assert!(split_kinds(&changes, &fields()[..1]).unwrap().is_none());
        changes.kinds = Some(vec![0, 1, 2, 1, 0]);
        let kinds = split_kinds(&changes, &fields()[..1]).unwrap().unwrap();
        assert_eq!((kinds.upsert_rows, kinds.delete_rows), (vec![0, 2, 4], vec![1, 3]));
        assert_eq!(kinds.upserts.columns.len(), 5);
        assert_eq!(row_of(&fields()[..1], &kinds.deletes, 1).unwrap(), [Value::Int64(3)]);
    }
}
