//! Whether rows come in the order of their key, which makes them quicker to look up one after the other.

use lockstep_plugin_sdk::batch::{BatchView, ColumnView};
use lockstep_plugin_sdk::types::{Batch, Field, Values};

/// What is known of the order of rows. A guess is enough: only speed depends on it, so it goes by the first field of the key, and
/// by bytes where a database may sort otherwise.
#[derive(Clone, Debug, Default)]
pub struct KeyOrder {
    last: Option<Last>,
    is_broken: bool,
}

#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Last {
    Int64(i64),
    Bytes(Vec<u8>),
}

impl KeyOrder {
    /// Takes note of a page.
    pub fn note(&mut self, page: &Batch, key: &[Field]) {
        if self.is_broken {
            return;
        }
        let column = key.first().and_then(|field| BatchView::new(page).column(&field.name));
        let Some(column) = column else { return self.is_broken = true };
        let values = page.columns.iter().find(|other| other.name == column.name()).map(|column| &column.values);
        let is_ascending = match values {
            Some(Values::Int64(values)) => values.is_sorted(),
            Some(Values::Bytes(_)) => (1..page.rows as usize).all(|row| column.bytes(row - 1) <= column.bytes(row)),
            _ => false,
        };
        let follows = page.rows == 0
            || self.last.as_ref().is_none_or(|last| value(column, 0).is_some_and(|first| *last <= first));
        self.is_broken = !(is_ascending && follows);
        if page.rows > 0 {
            self.last = value(column, page.rows as usize - 1);
        }
    }

    pub fn is_ascending(&self) -> bool {
        !self.is_broken
    }
}

fn value(column: ColumnView<'_>, row: usize) -> Option<Last> {
    column.int64(row).map(Last::Int64).or_else(|| column.bytes(row).map(|bytes| Last::Bytes(bytes.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::batch_of;
    use crate::value::Value;

    fn check(pages: &[&[i64]], expected: bool) {
        let fields = [Field::new("id", "int64".parse().unwrap())];
        let texts = [Field::new("id", "text".parse().unwrap())];
        let (mut numbers, mut words) = (KeyOrder::default(), KeyOrder::default());
        for page in pages {
            let rows: Vec<Vec<Value>> = page.iter().map(|value| vec![Value::Int64(*value)]).collect();
            numbers.note(&batch_of(&fields, &rows).unwrap(), &fields);
            let rows: Vec<Vec<Value>> = page.iter().map(|value| vec![Value::Text(format!("{value:03}"))]).collect();
            words.note(&batch_of(&texts, &rows).unwrap(), &texts);
        }
        assert_eq!((numbers.is_ascending(), words.is_ascending()), (expected, expected), "{pages:?}");
    }

    #[test]
    fn order_is_seen_within_pages_and_between_them() {
        check(&[], true);
        check(&[&[1, 2], &[], &[2, 3]], true);
        check(&[&[2, 1]], false);
        check(&[&[1, 5], &[4, 6]], false);
        check(&[&[2, 1], &[3, 4]], false);
    }
}
