//! What a query selects: the fields that are wanted, and columns behind them that only tell where a row stands.

use std::collections::BTreeMap;

use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::capabilities::sql::RowPage;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Batch, Field, LogicalType, Rejection, RowError};
use serde_json::Value as Json;

use crate::batches::keep_rows;
use crate::record::row_to_json;
use crate::value::Value;

/// The columns of a query.
#[derive(Clone, Debug)]
pub struct Selection {
    fields: Vec<Field>,
    types: Vec<LogicalType>,
    /// So many of the fields are wanted; those behind them are not shown to anybody.
    wanted: usize,
    /// Which of the fields make up the position of a row.
    position: Vec<usize>,
    /// Which of them name the row for a person.
    key: Vec<usize>,
}

/// The rows of a result, told apart.
#[derive(Debug)]
pub struct Taken {
    pub data: Batch,
    pub rejected: Vec<Rejection>,
    /// The position of the last row whose position is known.
    pub last: Option<Vec<Value>>,
    /// So many rows stood behind that one.
    pub behind_last: u64,
    /// Rows in all.
    pub rows: u64,
}

impl Selection {
    /// `position` and `key` are added behind the wanted fields as far as they are not among them with the same types.
    pub fn new(wanted: &[Field], position: &[Field], key: &[Field]) -> Result<Self> {
        let mut fields = wanted.to_vec();
        let is_same = |a: &Field, b: &Field| a.name == b.name && a.logical_type == b.logical_type;
        let mut place = |field: &Field| match fields.iter().position(|other| is_same(other, field)) {
            Some(place) => place,
            None => {
                fields.push(field.clone());
                fields.len() - 1
            }
        };
        let position = position.iter().map(&mut place).collect();
        let key = key.iter().map(&mut place).collect();
        let types = fields.iter().map(Field::logical).collect::<Result<_>>()?;
        Ok(Self { fields, types, wanted: wanted.len(), position, key })
    }

    /// All columns, in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The names of their types, as a query wants them.
    pub fn type_names(&self) -> Vec<String> {
        self.types.iter().map(ToString::to_string).collect()
    }

    /// The types of a position.
    pub fn position_types(&self) -> Vec<LogicalType> {
        self.position.iter().filter_map(|place| self.types.get(*place).copied()).collect()
    }

    /// Turns rows of the result into records, and those with a value that does not fit into rejections.
    pub fn take(&self, page: RowPage) -> Result<Taken> {
        let RowPage { mut data, problems } = page;
        if data.columns.len() != self.fields.len() {
            return Err(Error::permanent("the database answered other columns than were asked for"));
        }
        let rows = data.rows;
        let last = self.last_position(&data);
        let mut taken = Taken {
            rejected: Vec::new(),
            behind_last: u64::from(rows),
            rows: u64::from(rows),
            last: None,
            data: Batch::none(),
        };
        if let Some((row, position)) = last {
            taken.behind_last = u64::from(rows) - 1 - row as u64;
            taken.last = Some(position);
        }
        if !problems.is_empty() {
            let broken = by_row(problems);
            taken.rejected = broken.iter().map(|(row, errors)| self.rejection(&data, *row as usize, errors)).collect();
            let good: Vec<u32> = (0..rows).filter(|row| !broken.contains_key(row)).collect();
            data = keep_rows(&data, &good);
        }
        data.columns.truncate(self.wanted);
        taken.data = data;
        Ok(taken)
    }

    /// A row without a full position cannot be gone on from.
    fn last_position(&self, data: &Batch) -> Option<(usize, Vec<Value>)> {
        if self.position.is_empty() {
            return None;
        }
        (0..data.rows as usize)
            .rev()
            .map(|row| (row, self.values(data, row, &self.position)))
            .find(|(_, position)| !position.iter().any(Value::is_null))
    }

    fn values(&self, data: &Batch, row: usize, places: &[usize]) -> Vec<Value> {
        let view = BatchView::new(data);
        let value = |place: &usize| match (view.columns().nth(*place), self.types.get(*place)) {
            (Some(column), Some(logical)) => Value::of(column, *logical, row),
            _ => Value::Null,
        };
        places.iter().map(value).collect()
    }

    /// Names the record by its key, and shows it without what is broken.
    fn rejection(&self, data: &Batch, row: usize, errors: &[RowError]) -> Rejection {
        let broken = |place: usize| {
            let name = self.fields.get(place).map(|field| field.name.as_str());
            errors.iter().any(|problem| problem.error.property("field") == name)
        };
        let key = row_to_json(&self.fields, data, row, |place| self.key.contains(&place));
        let position: Vec<String> = key.iter().map(|(name, value)| format!("{name} = {}", plain(value))).collect();
        let raw = row_to_json(&self.fields, data, row, |place| place < self.wanted && !broken(place));
        let error = errors.first().map(|problem| problem.error.clone());
        Rejection {
            position: position.join(", "),
            raw: Json::Object(raw).to_string().into_bytes(),
            error: error.unwrap_or_else(|| Error::invalid_data("the record holds a value that does not fit")),
        }
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn by_row(problems: Vec<RowError>) -> BTreeMap<u32, Vec<RowError>> {
    let mut rows: BTreeMap<u32, Vec<RowError>> = BTreeMap::new();
    for problem in problems {
        rows.entry(problem.row).or_default().push(problem);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::{batch_of, row_of};

    fn field(name: &str, logical: &str) -> Field {
        Field::new(name, logical.parse().unwrap())
    }

    fn page(rows: &[(Option<i64>, &str, Option<i64>)], problems: &[(u32, &str)]) -> RowPage {
        let fields = [field("name", "text"), field("id", "int64"), field("seen", "timestamp")];
        let int = |value: Option<i64>| value.map_or(Value::Null, Value::Int64);
        let rows: Vec<Vec<Value>> =
            rows.iter().map(|(id, name, seen)| vec![Value::Text((*name).into()), int(*id), int(*seen)]).collect();
        let problem = |(row, name): &(u32, &str)| RowError {
            row: *row,
            error: Error::invalid_data("does not fit").with_property("field", *name),
        };
        RowPage { data: batch_of(&fields, &rows).unwrap(), problems: problems.iter().map(problem).collect() }
    }

    fn selection() -> Selection {
        let key = [field("id", "int64")];
        Selection::new(
            &[field("name", "text"), field("id", "int64")],
            &[field("seen", "timestamp"), key[0].clone()],
            &key,
        )
        .unwrap()
    }

    #[test]
    fn hidden_columns_tell_the_position_and_stay_hidden() {
        let selection = selection();
        assert_eq!(selection.type_names(), ["text", "int64", "timestamp"]);
        assert_eq!(selection.position_types(), [LogicalType::Timestamp, LogicalType::Int64]);
        let taken = selection.take(page(&[(Some(1), "a", Some(10)), (Some(2), "b", Some(20))], &[])).unwrap();
        assert_eq!(taken.data.columns.len(), 2);
        assert_eq!(taken.last, Some(vec![Value::Int64(20), Value::Int64(2)]));
        assert_eq!((taken.behind_last, taken.rows), (0, 2));
    }

    #[test]
    fn rows_that_do_not_fit_are_rejections() {
        let rows = [(Some(1), "a", Some(10)), (Some(2), "", Some(20)), (None, "c", Some(30))];
        let taken = selection().take(page(&rows, &[(1, "name"), (2, "id")])).unwrap();
        assert_eq!(taken.data.rows, 1);
        assert_eq!(row_of(&[field("name", "text")], &taken.data, 0).unwrap(), [Value::Text("a".into())]);
        let shown: Vec<(String, String)> = taken
            .rejected
            .iter()
            .map(|rejection| (rejection.position.clone(), String::from_utf8(rejection.raw.clone()).unwrap()))
            .collect();
        assert_eq!(shown[0], ("id = 2".to_owned(), r#"{"id":2}"#.to_owned()));
        assert_eq!(shown[1], ("id = null".to_owned(), r#"{"name":"c"}"#.to_owned()));
        // The third row cannot be gone on from.
        assert_eq!(taken.last, Some(vec![Value::Int64(20), Value::Int64(2)]));
        assert_eq!(taken.behind_last, 1);
    }

    #[test]
    fn without_a_position_nothing_is_known() {
        let taken =
            Selection::new(&[field("name", "text"), field("id", "int64"), field("seen", "timestamp")], &[], &[])
                .unwrap()
                .take(page(&[(Some(1), "a", None)], &[]))
                .unwrap();
        assert_eq!((taken.last, taken.behind_last), (None, 1));
    }
}
