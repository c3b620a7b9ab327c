//! Pages in mode `update`: which columns name a record, which it is to get, and which say what it still has to be.

use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::sink::EXPECTED_PREFIX;
use lockstep_plugin_sdk::types::{Batch, Changes, Column, Field, LogicalType, Values};
use lockstep_plugin_sdk::values::Decimal;

use crate::value::Value;

const DELETE: u8 = 1;

/// The columns of a page, told apart.
#[derive(Clone, Debug)]
pub struct ChangeColumns {
    /// The fields that are to be changed, without the key.
    pub values: Vec<Field>,
    pub expected: Vec<Expected>,
}

/// A field that must still have the value that stands in a column of the page.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The column of the page: `expected:name`.
    pub column: String,
    /// The field, in the type in which the column's values come.
    pub field: Field,
}

/// The field a column of this name speaks of; none if it is no such column.
pub fn expected_field(column: &str) -> Option<&str> {
    column.strip_prefix(EXPECTED_PREFIX)
}

impl ChangeColumns {
    /// `key`: the fields that name a record, all of which the page must have. `find` knows the field behind a column of the page.
    pub fn of(page: &Batch, key: &[Field], find: impl Fn(&str) -> Result<Field>) -> Result<Self> {
        let mut columns = Self { values: Vec::new(), expected: Vec::new() };
        for name in page.columns.iter().map(|column| column.name.as_str()) {
            match expected_field(name) {
                Some(_) => columns.expected.push(Expected { column: name.to_owned(), field: find(name)? }),
                None if key.iter().any(|field| field.name == name) => {}
                None => columns.values.push(find(name)?),
            }
        }
        match key.iter().find(|field| !page.columns.iter().any(|column| column.name == field.name)) {
            Some(field) => {
                Err(Error::permanent(format!("the page has no column `{}`, which is part of the key", field.name)))
            }
            None => Ok(columns),
        }
    }
}

/// The rows that change a record and those that delete one.
pub fn rows_by_kind(changes: &Changes) -> (Vec<u32>, Vec<u32>) {
    let kind = |row: u32| changes.kinds.as_ref().and_then(|kinds| kinds.get(row as usize));
    (0..changes.data.rows).partition(|row| kind(*row) != Some(&DELETE))
}

/// The batch behind a column of these numbers, one for each of its rows.
pub fn number_rows(batch: Batch, name: &str, numbers: &[u32]) -> Batch {
    let values = Values::Int64(numbers.iter().map(|number| i64::from(*number)).collect());
    let number = Column { name: name.to_owned(), valid: None, present: None, values };
    let columns = std::iter::once(number).chain(batch.columns).collect();
    Batch { rows: batch.rows, columns }
}

/// A name like this one that no column has, whatever the case.
pub fn free_name<'a>(wanted: &str, columns: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let mut name = wanted.to_owned();
    while columns.clone().into_iter().any(|column| column.eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    name
}

/// Whether two values of one type are the same to whoever reads them: decimals by their number, all others exactly.
pub fn is_same(logical: LogicalType, a: &Value, b: &Value) -> bool {
    match (logical, a, b) {
        (LogicalType::Decimal(_), Value::Text(a), Value::Text(b)) if a != b => {
            matches!((Decimal::parse(a), Decimal::parse(b)), (Ok(a), Ok(b)) if a.canonical() == b.canonical())
        }
        _ => a == b,
    }
}

/// The value of a row in a column that may be missing; null then.
pub fn value_at(page: &Batch, column: &str, logical: LogicalType, row: usize) -> Value {
    BatchView::new(page).column(column).map_or(Value::Null, |column| Value::of(column, logical, row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::{batch_of, row_of};

    fn field(name: &str) -> Field {
        Field::new(name, LogicalType::Text)
    }

    fn page(names: &[&str]) -> Batch {
        let fields: Vec<Field> = names.iter().map(|name| field(name)).collect();
        batch_of(&fields, &[]).unwrap()
    }

    fn check(names: &[&str], values: &[&str], expected: &[&str]) {
        let find = |column: &str| Ok(field(expected_field(column).unwrap_or(column)));
        let columns = ChangeColumns::of(&page(names), &[field("id")], find).unwrap();
        assert_eq!(columns.values.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), values);
        assert_eq!(columns.expected.iter().map(|expected| expected.field.name.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn columns_are_told_apart() {
        check(&["id", "a", "b", "expected:b", "expected:id"], &["a", "b"], &["b", "id"]);
        check(&["id"], &[], &[]);
        let lacking = ChangeColumns::of(&page(&["a", "expected:id"]), &[field("id")], |name| Ok(field(name)));
        assert!(lacking.unwrap_err().message.contains("`id`"));
    }

    #[test]
    fn kinds_are_told_apart() {
        let rows: Vec<Vec<Value>> = (0..3).map(|id| vec![Value::Text(format!("{id}"))]).collect();
        let mut changes = Changes::upserts(batch_of(&[field("id")], &rows).unwrap());
        assert_eq!(rows_by_kind(&changes), (vec![0, 1, 2], vec![]));
        changes.kinds = Some(vec![0, 1, 0]);
        assert_eq!(rows_by_kind(&changes), (vec![0, 2], vec![1]));
    }

    #[test]
    fn rows_get_their_numbers() {
        let batch = batch_of(&[field("id")], &[vec![Value::Text("a".into())], vec![Value::Null]]).unwrap();
        let numbered = number_rows(batch, "n", &[7, 9]);
        let fields = [Field::new("n", LogicalType::Int64), field("id")];
        assert_eq!(row_of(&fields, &numbered, 0).unwrap(), [Value::Int64(7), Value::Text("a".into())]);
        assert_eq!(row_of(&fields, &numbered, 1).unwrap(), [Value::Int64(9), Value::Null]);
    }

    #[test]
    fn names_are_made_free() {
        assert_eq!(free_name("row", ["id", "name"]), "row");
        assert_eq!(free_name("row", ["ROW", "row_"]), "row__");
    }

    #[test]
    fn decimals_are_the_same_by_their_number() {
        let same = |logical: &str, a: &str, b: &str| {
            is_same(logical.parse().unwrap(), &Value::Text(a.into()), &Value::Text(b.into()))
        };
        assert!(same("decimal", "1.50", "1.5") && same("decimal(38,2)", "100", "100.00"));
        assert!(!same("decimal", "1.50", "1.51") && !same("text", "1.50", "1.5"));
        assert!(is_same(LogicalType::Text, &Value::Null, &Value::Null));
        assert!(!is_same(LogicalType::Text, &Value::Null, &Value::Text(String::new())));
    }
}
