//! Of several records of one key the last wins; what only earlier ones make a statement about is not lost.

use std::collections::HashMap;

use arrow_array::UInt32Array;

use crate::record::{Batch, BatchError, ChangeKind, Changes, Column, Digest, Keys};

/// The last record of each key with the rows they stood in, or none if every key occurs once. A field about which the last record
/// says nothing has the value of the newest one that does, back to the last delete. Records without a key are all kept.
pub(super) fn last_of_each(changes: &Changes, keys: &Keys) -> Result<Option<(Changes, UInt32Array)>, BatchError> {
    let rows = if keys.unusable.is_empty() { keys.last_of_each() } else { set_apart(keys).last_of_each() };
    let Some(rows) = rows else { return Ok(None) };
    let mut last = changes.take(&rows)?;
    if changes.data.columns().iter().any(|column| column.present.is_some()) {
        last.data = with_earlier(changes, keys, &rows, &last.data)?;
    }
    Ok(Some((last, rows)))
}

/// The keys with one of its own for each record that has none.
fn set_apart(keys: &Keys) -> Keys {
    let mut digests = keys.digests.clone();
    for row in &keys.unusable {
        if let Some(digest) = digests.get_mut(*row as usize) {
            *digest = Digest(u128::MAX - u128::from(*row));
        }
    }
    Keys { digests, unusable: Vec::new() }
}

fn with_earlier(changes: &Changes, keys: &Keys, rows: &UInt32Array, last: &Batch) -> Result<Batch, BatchError> {
    let histories = histories(changes, keys);
    let columns = changes.data.iter().zip(last.columns()).map(|((field, column), last)| {
        if column.present.is_none() {
            return Ok(last.clone());
        }
        let newest: Vec<u32> =
            rows.values().iter().map(|row| newest_statement(&histories, keys, column, *row)).collect();
        let alone = Batch::new([field.clone()].into(), vec![column.clone()], changes.rows())?;
        let taken = alone.take(&newest.into())?;
        Ok(taken.columns().first().cloned().unwrap_or_else(|| last.clone()))
    });
    let columns = columns.collect::<Result<Vec<Column>, BatchError>>()?;
    Batch::new(last.fields().clone(), columns, last.rows())
}

/// The rows of each key since it was last deleted, oldest first.
fn histories(changes: &Changes, keys: &Keys) -> HashMap<Digest, Vec<u32>> {
    let mut histories: HashMap<Digest, Vec<u32>> = HashMap::with_capacity(keys.digests.len());
    for (row, digest) in keys.digests.iter().enumerate() {
        let history = histories.entry(*digest).or_default();
        match changes.kind(row) {
            ChangeKind::Delete => history.clear(),
            _ => history.push(row as u32),
        }
    }
    for row in &keys.unusable {
        if let Some(digest) = keys.digests.get(*row as usize) {
            histories.remove(digest);
        }
    }
    histories
}

fn newest_statement(histories: &HashMap<Digest, Vec<u32>>, keys: &Keys, column: &Column, row: u32) -> u32 {
    let history = keys.digests.get(row as usize).and_then(|digest| histories.get(digest));
    let newest = history.into_iter().flatten().rev().find(|row| column.is_present(**row as usize));
    newest.copied().unwrap_or(row)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::record::{Field, RowDigester, batch_from_json, row_to_json};

    fn check(records: &[Value], kinds: &[u8], expected: &[Value]) {
        let fields: Arc<[Field]> =
            ["id", "a", "b"].into_iter().map(|name| Field::new(name, "int64".parse().unwrap())).collect();
        let mut changes = Changes::upserts(batch_from_json(&fields, records).unwrap());
        changes.kinds = Some(kinds.to_vec().into());
        let keys = Keys::of(&RowDigester::new((1, 2)), &changes.data, &["id".into()]).unwrap();
        let last = last_of_each(&changes, &keys).unwrap().map_or(changes, |(last, _)| last);
        let found: Vec<Value> = (0..last.rows()).map(|row| Value::Object(row_to_json(&last.data, row))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn earlier_statements_are_kept_where_later_records_make_none() {
        check(
            &[json!({"id": 1, "a": 1, "b": 1}), json!({"id": 2}), json!({"id": 1, "a": null}), json!({"id": 1})],
            &[0; 4],
            &[json!({"id": 2}), json!({"id": 1, "a": null, "b": 1})],
        );
    }

    #[test]
    fn nothing_outlives_a_delete() {
        check(
            &[json!({"id": 1, "a": 1, "b": 1}), json!({"id": 1}), json!({"id": 1, "b": 2})],
            &[0, 1, 0],
            &[json!({"id": 1, "b": 2})],
        );
    }

    #[test]
    fn records_without_a_key_have_nothing_in_common() {
        let records = [json!({"id": null, "a": 1}), json!({"a": 2}), json!({"id": null, "a": 1})];
        check(&records, &[0; 3], &records);
    }
}
