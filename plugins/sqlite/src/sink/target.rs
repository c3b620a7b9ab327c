//! What is written to: the table's columns and its key.

use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Batch, Field, RowError, Stream};

use super::prepare;
use crate::catalog::Table;

/// The target of a writer.
#[derive(Debug)]
pub struct Target {
    pub table: Table,
    pub key: Vec<Field>,
    fields: Vec<Field>,
}

impl Target {
    pub fn new(table: Table, stream: &Stream) -> Result<Self> {
        prepare::check(&table, &stream.key, &stream.fields)?;
        for field in &stream.fields {
            table.require_column(&field.name)?;
        }
        let find = |name: &String| stream.fields.iter().find(|field| field.name == *name).cloned();
        let missing = |name: &String| Error::config(format!("the key field `{name}` is not among the fields to write"));
        let key = stream.key.iter().map(|name| find(name).ok_or_else(|| missing(name))).collect::<Result<_>>()?;
        Ok(Self { table, key, fields: stream.fields.clone() })
    }

    /// The fields of a page's columns, in their order. The key has to be among them.
    pub fn fields_of(&self, page: &Batch) -> Result<Vec<Field>> {
        let find = |name: &String| self.fields.iter().find(|field| field.name == *name).cloned();
        let unknown =
            |name: &String| Error::permanent(format!("the page has a column `{name}` that was not announced"));
        let fields: Vec<Field> = page
            .columns
            .iter()
            .map(|column| find(&column.name).ok_or_else(|| unknown(&column.name)))
            .collect::<Result<_>>()?;
        match self.key.iter().find(|key| !fields.iter().any(|field| field.name == key.name)) {
            Some(key) => {
                Err(Error::permanent(format!("the page has no column `{}`, which is part of the key", key.name)))
            }
            None => Ok(fields),
        }
    }

    pub fn is_key(&self, name: &str) -> bool {
        self.key.iter().any(|field| field.name == name)
    }

    /// Whether a row of these columns alone can be inserted.
    pub fn is_insertable(&self, names: &[String]) -> bool {
        let is_given = |name: &str| names.iter().any(|given| given.eq_ignore_ascii_case(name));
        self.table.columns.iter().all(|column| !column.not_null || column.has_default || is_given(&column.name))
    }

    /// The rows without a full key. SQLite would number a row that comes without one, and take two nulls for two keys.
    pub fn without_key(&self, page: &Batch) -> Vec<RowError> {
        let view = BatchView::new(page);
        let columns: Vec<_> = self.key.iter().filter_map(|field| Some((field, view.column(&field.name)?))).collect();
        let missing = |row: u32| {
            let (field, _) = columns.iter().find(|(_, column)| !column.is_valid(row as usize))?;
            let error = Error::invalid_data(format!("the key field `{}` is null", field.name))
                .with_code("sqlite.null-key")
                .with_property("row", row.to_string())
                .with_field(field.name.as_str());
            Some(RowError { row, error })
        };
        (0..page.rows).filter_map(missing).collect()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::catalog::tests::table;
    use lockstep_sql_dialect::{Value, batch_of};

    /// A target with the columns `id` (key), `name`, `doc` and `n`, of which `n` is never null.
    pub fn target() -> Target {
        let columns =
            [("id", "INTEGER", true), ("name", "TEXT", false), ("doc", "JSON_TEXT", false), ("n", "INTEGER", true)];
        let table = table(&columns, &[&["id"], &["name"]]);
        let stream = table.stream("t");
        Target::new(table, &stream).unwrap()
    }

    #[test]
    fn a_page_must_be_of_announced_columns_and_have_the_key() {
        let target = target();
        let page = |names: &[&str]| {
            let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, "text".parse().unwrap())).collect();
            batch_of(&fields, &[]).unwrap()
        };
        assert_eq!(target.fields_of(&page(&["n", "id"])).unwrap().len(), 2);
        assert!(target.fields_of(&page(&["n"])).is_err());
        assert!(target.fields_of(&page(&["id", "other"])).is_err());
    }

    #[test]
    fn rows_without_a_key_are_found() {
        let target = target();
        let rows = [vec![Value::Int64(1)], vec![Value::Null], vec![Value::Int64(3)]];
        let errors = target.without_key(&batch_of(&target.key, &rows).unwrap());
        assert_eq!(errors.iter().map(|error| error.row).collect::<Vec<_>>(), [1]);
        assert_eq!(errors[0].error.property("field"), Some("id"));
    }

    #[test]
    fn columns_that_are_never_null_have_to_be_given() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(target().is_insertable(&names(&["id", "N"])));
        assert!(!target().is_insertable(&names(&["id", "name"])));
    }
}
