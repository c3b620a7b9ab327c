//! Splitting pages so that a sink sees only columns in which every row makes a statement, and deletes apart from the rest.

use std::collections::BTreeMap;

use arrow_array::UInt32Array;

use super::{Batch, BatchError, ChangeKind, Changes, Column};

/// Part of a page: rows that make statements about the same fields, or deletes.
#[derive(Clone, Debug)]
pub struct Uniform {
    /// Without absent values; of deletes only the key is left.
    pub changes: Changes,
    /// For each row the row of the page it came from; none = row by row.
    pub rows: Option<Vec<u32>>,
}

impl Uniform {
    /// The page's row.
    pub fn row(&self, row: usize) -> usize {
        self.rows.as_ref().and_then(|rows| rows.get(row)).map_or(row, |row| *row as usize)
    }
}

/// Splits a page. A page without absent values and deletes is returned as it is, without copying.
pub fn split_uniform(changes: &Changes, key: &[String]) -> Result<Vec<Uniform>, BatchError> {
    let partial: Vec<&Column> = changes.data.columns().iter().filter(|column| is_partial(column)).collect();
    let has_deletes = (0..changes.rows()).any(|row| changes.kind(row) == ChangeKind::Delete);
    if partial.is_empty() && !has_deletes {
        let changes = changes.with_data(keep_present(&changes.data)?);
        return Ok(vec![Uniform { changes, rows: None }]);
    }
    let mut groups: BTreeMap<Vec<bool>, Vec<u32>> = BTreeMap::new();
    for row in 0..changes.rows() {
        let group = match changes.kind(row) {
            // Deletes sort behind everything else and never share a group with it.
            ChangeKind::Delete => vec![true; partial.len() + 1],
            _ => partial.iter().map(|column| column.is_present(row)).collect(),
        };
        groups.entry(group).or_default().push(row as u32);
    }
    groups
        .into_iter()
        .map(|(group, rows)| {
            let taken = changes.take(&UInt32Array::from(rows.clone()))?;
            let is_delete = group.len() > partial.len();
            let data = if is_delete { project(&taken.data, key)? } else { keep_present(&taken.data)? };
            Ok(Uniform { changes: taken.with_data(data), rows: Some(rows) })
        })
        .collect()
}

fn is_partial(column: &Column) -> bool {
    column.present.as_ref().is_some_and(|present| {
        let set = present.count_set_bits();
        set > 0 && set < present.len()
    })
}

/// Columns that make a statement in every row, which by now all rows of a column agree on.
fn keep_present(data: &Batch) -> Result<Batch, BatchError> {
    keep_columns(data, |column| column.present.as_ref().is_none_or(|present| present.count_set_bits() == present.len()))
}

fn keep_columns(data: &Batch, keep: impl Fn(&Column) -> bool) -> Result<Batch, BatchError> {
    if data.columns().iter().all(|column| column.present.is_none()) {
        return Ok(data.clone());
    }
    let kept = data.iter().filter(|(_, column)| keep(column));
    let (fields, columns): (Vec<_>, Vec<_>) =
        kept.map(|(field, column)| (field.clone(), Column::new(column.array.clone()))).unzip();
    Batch::new(fields.into(), columns, data.rows())
}

/// Only the named columns, in that order; names that do not exist are left out.
pub fn project(data: &Batch, names: &[String]) -> Result<Batch, BatchError> {
    let found = names.iter().filter_map(|name| data.iter().find(|(field, _)| field.name == *name));
    let (fields, columns): (Vec<_>, Vec<_>) = found.map(|(field, column)| (field.clone(), column.clone())).unzip();
    Batch::new(fields.into(), columns, data.rows())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::record::{Field, batch_from_json, row_to_json};

    fn page(records: &[Value], kinds: Option<&[u8]>) -> Changes {
        let fields: Arc<[Field]> =
            ["id", "a", "b"].into_iter().map(|name| Field::new(name, "int64".parse().unwrap())).collect();
        let mut changes = Changes::upserts(batch_from_json(&fields, records).unwrap());
        changes.kinds = kinds.map(|kinds| kinds.to_vec().into());
        changes
    }

    fn check(changes: &Changes, expected: &[(&[usize], Value)]) {
        let parts = split_uniform(changes, &["id".into()]).unwrap();
        let found: Vec<(Vec<usize>, Value)> = parts
            .iter()
            .map(|part| {
                let rows = 0..part.changes.rows();
                assert!(part.changes.data.columns().iter().all(|column| column.present.is_none()));
                let values = rows.clone().map(|row| Value::Object(row_to_json(&part.changes.data, row))).collect();
                (rows.map(|row| part.row(row)).collect(), Value::Array(values))
            })
            .collect();
        let expected: Vec<(Vec<usize>, Value)> =
            expected.iter().map(|(rows, values)| (rows.to_vec(), values.clone())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_plain_page_stays_whole() {
        let records = [json!({"id": 1, "a": 1, "b": null}), json!({"id": 2, "a": 2, "b": 3})];
        check(&page(&records, None), &[(&[0, 1], json!(records))]);
    }

    #[test]
    fn rows_are_grouped_by_what_they_say() {
        let records = [json!({"id": 1, "a": 1}), json!({"id": 2, "b": 2}), json!({"id": 3, "a": null})];
        check(
            &page(&records, None),
            &[(&[1], json!([{"id": 2, "b": 2}])), (&[0, 2], json!([{"id": 1, "a": 1}, {"id": 3, "a": null}]))],
        );
    }

    #[test]
    fn a_field_nobody_mentions_is_left_out() {
        let records = [json!({"id": 1, "a": 1}), json!({"id": 2, "a": 2})];
        check(&page(&records, None), &[(&[0, 1], json!(records))]);
    }

    #[test]
    fn a_field_everybody_mentions_is_kept_though_others_did_not() {
        let records = [json!({"id": 1, "a": 1, "b": 1}), json!({"id": 2}), json!({"id": 3, "a": 3, "b": null})];
        let rest = page(&records, None).take(&UInt32Array::from(vec![0, 2])).unwrap();
        check(&rest, &[(&[0, 1], json!([records[0], records[2]]))]);
    }

    #[test]
    fn deletes_keep_only_their_key() {
        let records = [json!({"id": 1, "a": 1, "b": 1}), json!({"id": 2}), json!({"id": 3, "a": 1, "b": 2})];
        check(
            &page(&records, Some(&[0, 1, 0])),
            &[(&[0, 2], json!([{"id": 1, "a": 1, "b": 1}, {"id": 3, "a": 1, "b": 2}])), (&[1], json!([{"id": 2}]))],
        );
    }
}
