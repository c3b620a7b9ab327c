//! What is written to: the table's columns and its key.

use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Batch, Field, RowError, Stream};
use lockstep_sql_dialect::expected_field;

use super::prepare;
use crate::catalog::Table;
use crate::name::quote;
use crate::types::Family;

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

    /// A target whose records are inserted or changed one by one: its key need not be among the fields, for the server may fill
    /// it in, and there may be fields that are only expected.
    pub fn of_changes(table: Table, stream: &Stream) -> Result<Self> {
        let is_written = |field: &&Field| expected_field(&field.name).is_none();
        let written: Vec<Field> = stream.fields.iter().filter(is_written).cloned().collect();
        prepare::check(&table, &stream.key, &written)?;
        for field in &written {
            table.require_column(&field.name)?;
        }
        let find = |name: &String| match written.iter().find(|field| field.name == *name) {
            Some(field) => Ok(field.clone()),
            None => Ok(Field { name: name.clone(), ..table.require_column(name)?.field() }),
        };
        let key = stream.key.iter().map(find).collect::<Result<_>>()?;
        Ok(Self { table, key, fields: stream.fields.clone() })
    }

    /// The field behind a column of a page, in the type in which the column's values come: one that is only expected need not have
    /// been announced.
    pub fn field(&self, column: &str) -> Result<Field> {
        let name = expected_field(column).unwrap_or(column);
        let own = self.table.require_column(name)?;
        let find = |wanted: &str| self.fields.iter().find(|field| field.name == wanted);
        match find(column).or_else(|| find(name)) {
            Some(field) => Ok(Field { name: name.to_owned(), ..field.clone() }),
            None if name == column => Err(unknown(name)),
            None => Ok(own.field()),
        }
    }

    pub fn column_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.table.columns.iter().map(|column| column.name.as_str())
    }

    /// Whether this is the index behind the key.
    pub fn is_key_index(&self, constraint: &str) -> bool {
        let names: Vec<String> = self.key.iter().map(|field| field.name.clone()).collect();
        self.table.unique_on(&names).is_some_and(|unique| unique.name == constraint)
    }

    /// Whether a value of the table and one of a stage are not the same: byte by byte, whatever the column's collation takes for
    /// equal, and null like a value.
    pub fn differs(&self, name: &str) -> String {
        let name_quoted = quote(name);
        let family = self.table.column(name).map(|column| column.native.family);
        match family {
            Some(Family::Text | Family::Choice) => {
                format!("NOT (CAST(t.{name_quoted} AS BINARY) <=> CAST(s.{name_quoted} AS BINARY))")
            }
            Some(Family::Json) => format!("NOT (CAST(t.{name_quoted} AS CHAR) <=> CAST(s.{name_quoted} AS CHAR))"),
            _ => format!("NOT (t.{name_quoted} <=> s.{name_quoted})"),
        }
    }

    /// All rows, if the page lacks a part of the key that the server does not fill in.
    pub fn never_filled(&self, page: &Batch) -> Vec<RowError> {
        let is_given = |field: &Field| page.columns.iter().any(|column| column.name == field.name);
        let Some(field) = self.key.iter().find(|field| !is_given(field) && !self.table.fills_in(&field.name)) else {
            return Vec::new();
        };
        let text = format!("the key field `{}` has no value, and the server has none for it", field.name);
        let error = Error::invalid_data(text).with_code("mysql.null-key").with_field(field.name.as_str());
        (0..page.rows).map(|row| RowError { row, error: error.clone() }).collect()
    }

    /// The fields of a page's columns, in their order.
    pub fn announced(&self, page: &Batch) -> Result<Vec<Field>> {
        let find = |name: &String| self.fields.iter().find(|field| field.name == *name).cloned();
        page.columns.iter().map(|column| find(&column.name).ok_or_else(|| unknown(&column.name))).collect()
    }

    /// As [`Self::announced`]; the key has to be among them.
    pub fn fields_of(&self, page: &Batch) -> Result<Vec<Field>> {
        let fields = self.announced(page)?;
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

    /// The rows without a full key. The server would number a row that comes without one, and take two nulls for two keys.
    pub fn without_key(&self, page: &Batch) -> Vec<RowError> {
        let view = BatchView::new(page);
        let columns: Vec<_> = self.key.iter().filter_map(|field| Some((field, view.column(&field.name)?))).collect();
        let missing = |row: u32| {
            let (field, _) = columns.iter().find(|(_, column)| !column.is_valid(row as usize))?;
            let error = Error::invalid_data(format!("the key field `{}` is null", field.name))
                .with_code("mysql.null-key")
                .with_property("row", row.to_string())
                .with_field(field.name.as_str());
            Some(RowError { row, error })
        };
        (0..page.rows).filter_map(missing).collect()
    }
}

fn unknown(column: &str) -> Error {
    Error::permanent(format!("the page has a column `{column}` that was not announced"))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::catalog::tests::table;
    use lockstep_plugin_sdk::types::LogicalType;
    use lockstep_sql_dialect::{Value, batch_of};

    /// A target with the columns `id` (key), `name`, `doc` and `n`, of which `n` is never null.
    pub fn target() -> Target {
        let columns = [("id", "int", true), ("name", "varchar(30)", false), ("doc", "json", false), ("n", "int", true)];
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
    fn changes_may_lack_the_key_and_have_fields_that_are_only_expected() {
        let table = || {
            table(
                &[("id", "int", true), ("name", "varchar(9)", false), ("n", "decimal(9,2)", false)],
                &[&["id"], &["name"]],
            )
        };
        let mut stream = Stream::new("t").key(["id"]).field("name", LogicalType::Text);
        let target = Target::of_changes(table(), &stream).unwrap();
        let types = ["name", "expected:name", "expected:n"].map(|name| target.field(name).unwrap());
        assert_eq!(
            types.map(|field| field.name + " " + &field.logical_type),
            ["name text", "name text", "n decimal(9,2)"]
        );
        assert!(target.field("n").is_err() && target.field("expected:nowhere").is_err());
        let page = |name: &str| batch_of(&[Field::new(name, LogicalType::Text)], &[vec![Value::Null]]).unwrap();
        assert_eq!(target.never_filled(&page("name")).len(), 1);
        assert!(target.never_filled(&page("id")).is_empty());
        stream.key = vec!["name".into()];
        assert!(Target::of_changes(table(), &stream).unwrap().is_key_index("unique_1"));
    }

    #[test]
    fn nothing_is_overlooked_in_a_comparison() {
        let target = target();
        assert_eq!(target.differs("n"), "NOT (t.`n` <=> s.`n`)");
        assert_eq!(target.differs("name"), "NOT (CAST(t.`name` AS BINARY) <=> CAST(s.`name` AS BINARY))");
        assert_eq!(target.differs("doc"), "NOT (CAST(t.`doc` AS CHAR) <=> CAST(s.`doc` AS CHAR))");
    }

    #[test]
    fn columns_that_are_never_null_have_to_be_given() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(target().is_insertable(&names(&["id", "N"])));
        assert!(!target().is_insertable(&names(&["id", "name"])));
    }
}
