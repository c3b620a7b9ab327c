//! Taking rows out of a page.

use std::ops::Range;

use crate::types::{BytesColumn, Changes, Column, Values};

impl Changes {
    /// Takes the given rows out; `dropped` is sorted. Returns, for each row that stays, which one it was.
    pub fn drop_rows(&mut self, dropped: &[u32]) -> Vec<u32> {
        let kept = kept(self.data.rows, dropped);
        let origins: Vec<u32> = kept.iter().flat_map(|run| run.start as u32..run.end as u32).collect();
        self.kinds.iter_mut().for_each(|kinds| keep(kinds, &kept));
        self.changed_at.iter_mut().for_each(|times| keep(times, &kept));
        for list in [&mut self.ids, &mut self.versions, &mut self.origins].into_iter().flatten() {
            keep_bytes(list, &kept);
        }
        self.data.columns.iter_mut().for_each(|column| keep_column(column, &kept));
        self.data.rows = origins.len() as u32;
        origins
    }
}

/// The runs of rows that stay.
fn kept(rows: u32, dropped: &[u32]) -> Vec<Range<usize>> {
    let mut runs = Vec::with_capacity(dropped.len() + 1);
    let mut start = 0;
    for row in dropped.iter().copied().chain([rows]) {
        let row = row.min(rows);
        if start < row {
            runs.push(start as usize..row as usize);
        }
        start = start.max(row.saturating_add(1));
    }
    runs
}

fn keep_column(column: &mut Column, kept: &[Range<usize>]) {
    for bits in [&mut column.valid, &mut column.present].into_iter().flatten() {
        keep_bits(bits, kept);
    }
    match &mut column.values {
        Values::Bits(bits) => keep_bits(bits, kept),
        Values::Int64(values) => keep(values, kept),
        Values::Float64(values) => keep(values, kept),
        Values::Bytes(list) => keep_bytes(list, kept),
        // A layout nobody here knows cannot have come from a host of this version.
        Values::Other(_) => {}
    }
}

fn keep<T: Copy>(values: &mut Vec<T>, kept: &[Range<usize>]) {
    let mut length = 0;
    for run in kept {
        let run = run.start.min(values.len())..run.end.min(values.len());
        let next = length + run.len();
        values.copy_within(run, length);
        length = next;
    }
    values.truncate(length);
}

fn keep_bytes(list: &mut BytesColumn, kept: &[Range<usize>]) {
    let (mut offsets, mut length) = (vec![0u32], 0usize);
    for run in kept {
        let Some([start, ends @ ..]) = list.offsets.get(run.start..=run.end) else { continue };
        let end = ends.last().unwrap_or(start);
        offsets.extend(ends.iter().map(|end| length as u32 + (end - start)));
        list.data.copy_within(*start as usize..*end as usize, length);
        length += (end - start) as usize;
    }
    list.data.truncate(length);
    list.offsets = offsets;
}

fn keep_bits(bits: &mut Vec<u8>, kept: &[Range<usize>]) {
    let bit = |bits: &[u8], row: usize| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1);
    let mut rows = kept.iter().cloned().flatten();
    let length: usize = kept.iter().map(Range::len).sum();
    let byte = |rows: &mut dyn Iterator<Item = usize>| {
        rows.take(8).enumerate().fold(0u8, |byte, (at, row)| byte | u8::from(bit(bits, row)) << at)
    };
    *bits = (0..length.div_ceil(8)).map(|_| byte(&mut rows)).collect();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::prelude::*;
    use crate::testing;
    use crate::types::BytesColumn;

    fn fields() -> Vec<Field> {
        let types = [("i", "int64"), ("t", "text"), ("b", "bool"), ("f", "float64")];
        types.iter().map(|(name, logical)| Field::new(*name, logical.parse().unwrap())).collect()
    }

    fn row(row: usize) -> Value {
        match row % 4 {
            0 => json!({"i": row, "t": "x".repeat(row), "b": true, "f": 0.5}),
            1 => json!({"i": null, "t": "y", "b": false, "f": null}),
            2 => json!({"t": null, "b": row.is_multiple_of(3)}),
            _ => json!({"i": row, "t": "ü", "f": row}),
        }
    }

    proptest! {
        #[test]
        fn what_stays_is_what_was_there(drops in prop::collection::vec(any::<bool>(), 0..70)) {
            let rows_in: Vec<Value> = (0..drops.len()).map(row).collect();
            let mut changes = Changes::upserts(testing::batch(&fields(), &rows_in).unwrap());
            changes.kinds = Some((0..drops.len()).map(|row| row as u8).collect());
            changes.ids = Some(BytesColumn {
                offsets: (0..=drops.len() as u32).collect(),
                data: (0..drops.len()).map(|row| row as u8).collect(),
            });
            let dropped: Vec<u32> = (0..drops.len()).filter(|row| drops[*row]).map(|row| row as u32).collect();
            let stays: Vec<u32> = (0..drops.len()).filter(|row| !drops[*row]).map(|row| row as u32).collect();
            let origins = changes.drop_rows(&dropped);
            prop_assert_eq!(&origins, &stays);
            let expected: Vec<Value> =
                testing::rows(&fields(), &testing::batch(&fields(), &rows_in).unwrap()).unwrap();
            let expected: Vec<Value> = stays.iter().map(|row| expected[*row as usize].clone()).collect();
            prop_assert_eq!(testing::rows(&fields(), &changes.data).unwrap(), expected);
            let numbers: Vec<u8> = stays.iter().map(|row| *row as u8).collect();
            prop_assert_eq!(changes.kinds.unwrap(), numbers.clone());
            let ids = changes.ids.unwrap();
            prop_assert_eq!((ids.offsets, ids.data), ((0..=stays.len() as u32).collect(), numbers));
        }
    }
}
