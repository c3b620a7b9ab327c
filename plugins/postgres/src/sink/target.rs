//! What is written to: the table's columns, its key, and how rows are merged into it.

use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Batch, Field, LogicalType, RowError, Stream};
use lockstep_sql_dialect::expected_field;

use super::prepare;
use crate::catalog::{Column, Table};
use crate::types::{Family, NativeType};

/// Where `MERGE` begins to exist.
const MERGE_VERSION: u32 = 15;

/// The target of a writer.
#[derive(Debug)]
pub struct Target {
    pub table: Table,
    pub key: Vec<Field>,
    fields: Vec<Field>,
    pub method: Method,
}

/// How staged rows come into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// One `MERGE`, which leaves rows that are equal alone and does not even lock them.
    Merge,
    /// An `UPDATE` of rows that differ and an `INSERT` of those that are missing, where the server has no `MERGE` for the table.
    UpdateInsert,
}

impl Target {
    /// `server` as the driver names it: `postgres 15.18`.
    pub fn new(table: Table, stream: &Stream, server: &str) -> Result<Self> {
        prepare::check(&table, &stream.key, &stream.fields)?;
        for field in &stream.fields {
            table.require_column(&field.name)?;
        }
        let find = |name: &String| stream.fields.iter().find(|field| field.name == *name).cloned();
        let missing = |name: &String| Error::config(format!("the key field `{name}` is not among the fields to write"));
        let key = stream.key.iter().map(|name| find(name).ok_or_else(|| missing(name))).collect::<Result<_>>()?;
        let has_merge = major_version(server) >= MERGE_VERSION && !table.has_rules;
        let method = if has_merge { Method::Merge } else { Method::UpdateInsert };
        Ok(Self { table, key, fields: stream.fields.clone(), method })
    }

    /// A target whose records are inserted or changed one by one: its key need not be among the fields, for the server may fill
    /// it in, and there may be fields that are only expected.
    pub fn of_changes(table: Table, stream: &Stream) -> Result<Self> {
        if table.has_rules {
            let name = table.name().stream();
            return Err(Error::config(format!(
                "`{name}` has rules, under which nobody can tell what became of a single record"
            ))
            .with_code("postgres.rules"));
        }
        let is_written = |field: &&Field| expected_field(&field.name).is_none();
        let written: Vec<Field> = stream.fields.iter().filter(is_written).cloned().collect();
        prepare::check(&table, &stream.key, &written)?;
        for field in &written {
            table.require_column(&field.name)?;
        }
        let find = |name: &String| match written.iter().find(|field| field.name == *name) {
            Some(field) => Ok(field.clone()),
            None => Ok(table.require_column(name)?.field()),
        };
        let key = stream.key.iter().map(find).collect::<Result<_>>()?;
        Ok(Self { table, key, fields: stream.fields.clone(), method: Method::UpdateInsert })
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

    /// The type in which a value is compared with those of a column, whether the column could hold it or not.
    pub fn comparable_type(&self, name: &str, logical: LogicalType) -> Result<String> {
        let column = self.table.require_column(name)?;
        let unlimited = NativeType { modifier: -1, ..column.native_type() };
        let fitting = match logical {
            LogicalType::Decimal(_) if !unlimited.takes(logical) => "pg_catalog.numeric",
            LogicalType::Float64 if !unlimited.takes(logical) => "pg_catalog.float8",
            _ => column.comparable_type(),
        };
        Ok(fitting.to_owned())
    }

    /// The rows in which a part of the key is null that the page has a column for.
    pub fn without_key(&self, page: &Batch) -> Vec<RowError> {
        let view = BatchView::new(page);
        let columns: Vec<_> = self.key.iter().filter_map(|field| Some((field, view.column(&field.name)?))).collect();
        let missing = |row: u32| {
            let (field, _) = columns.iter().find(|(_, column)| !column.is_valid(row as usize))?;
            let error = Error::invalid_data(format!("the key field `{}` is null", field.name));
            Some(RowError { row, error: error.with_code("postgres.null-key").with_field(field.name.as_str()) })
        };
        (0..page.rows).filter_map(missing).collect()
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

    /// Whether this is an index that makes the key unique.
    pub fn is_key_index(&self, constraint: &str) -> bool {
        let names: Vec<String> = self.key.iter().map(|field| field.name.clone()).collect();
        let is_within = |columns: &[String]| columns.iter().all(|name| names.contains(name));
        self.table.uniques.iter().any(|unique| unique.name == constraint && is_within(&unique.columns))
    }

    /// The index behind the key.
    pub fn key_columns(&self) -> Vec<String> {
        let names: Vec<String> = self.key.iter().map(|field| field.name.clone()).collect();
        self.table.unique_within(&names).map(|unique| unique.columns.clone()).unwrap_or(names)
    }

    /// How two values of a column, each in an expression, are compared so that no difference is overlooked: equality of the
    /// server's own knows collations that ignore case, intervals of other spelling, and types without any.
    pub fn comparison(&self, name: &str, expression: &str) -> String {
        let native = self.table.column(name).map(Column::native_type);
        match native.map(NativeType::family) {
            Some(Family::Text | Family::PaddedText) if native.is_some_and(NativeType::is_collatable) => {
                format!("{expression} COLLATE \"C\"")
            }
            Some(Family::Text | Family::PaddedText | Family::Json | Family::Jsonb | Family::Other) | None => {
                format!("{expression}::pg_catalog.text COLLATE \"C\"")
            }
            _ => expression.to_owned(),
        }
    }
}

fn unknown(column: &str) -> Error {
    Error::permanent(format!("the page has a column `{column}` that was not announced"))
}

fn major_version(server: &str) -> u32 {
    let digits: String = server.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::catalog::tests::table;

    /// A target with the columns `id` (key), `name`, `doc` and `n`.
    pub fn target(server: &str) -> Target {
        let columns = [("id", 20, true), ("name", 25, false), ("doc", 114, false), ("n", 23, false)];
        let table = table(&columns, &[&["id"], &["name"]]);
        let stream = table.stream("t");
        Target::new(table, &stream, server).unwrap()
    }

    #[test]
    fn the_server_decides_how_rows_are_merged() {
        assert_eq!(target("postgres 15.18").method, Method::Merge);
        assert_eq!(target("postgres 14.2").method, Method::UpdateInsert);
        assert_eq!(target("postgres 9.6.1").method, Method::UpdateInsert);
        assert_eq!(major_version("postgres 18beta1"), 18);
        assert_eq!(major_version("postgres"), 0);
    }

    #[test]
    fn a_page_must_be_of_announced_columns_and_have_the_key() {
        let target = target("postgres 15");
        let page = |names: &[&str]| Batch {
            rows: 0,
            columns: names
                .iter()
                .map(|name| lockstep_plugin_sdk::types::Column {
                    name: (*name).into(),
                    valid: None,
                    present: None,
                    values: lockstep_plugin_sdk::types::Values::Int64(Vec::new()),
                })
                .collect(),
        };
        assert_eq!(target.fields_of(&page(&["n", "id"])).unwrap().len(), 2);
        assert!(target.fields_of(&page(&["n"])).is_err());
        assert!(target.fields_of(&page(&["id", "other"])).is_err());
    }

    #[test]
    fn changes_may_lack_the_key_and_have_fields_that_are_only_expected() {
        let table =
            || table(&[("id", 20, true), ("name", 25, false), ("n", 1700, false), ("f", 701, false)], &[&["id"]]);
        let mut stream = Stream::new("t").key(["id"]).field("name", LogicalType::Text);
        stream = stream.field("expected:n", LogicalType::Text);
        let target = Target::of_changes(table(), &stream).unwrap();
        assert_eq!(target.key[0].logical_type, "int64");
        let types = ["name", "expected:name", "expected:n", "expected:f"].map(|name| target.field(name).unwrap());
        assert_eq!(
            types.map(|field| field.name + " " + &field.logical_type),
            ["name text", "name text", "n text", "f float64"]
        );
        assert!(target.field("n").is_err() && target.field("expected:nowhere").is_err());
        let unknown = stream.clone().field("nowhere", LogicalType::Text);
        assert_eq!(Target::of_changes(table(), &unknown).unwrap_err().code, "postgres.no-column");
        let mut with_rules = table();
        with_rules.has_rules = true;
        assert_eq!(Target::of_changes(with_rules, &stream).unwrap_err().code, "postgres.rules");
        assert_eq!(target.comparable_type("f", LogicalType::Decimal(None)).unwrap(), "pg_catalog.numeric");
        assert_eq!(target.comparable_type("f", LogicalType::Float64).unwrap(), "pg_catalog.float8");
    }

    #[test]
    fn nothing_is_overlooked_in_a_comparison() {
        let target = target("postgres 15");
        assert_eq!(target.comparison("n", "t.n"), "t.n");
        assert_eq!(target.comparison("name", "s.x"), "s.x COLLATE \"C\"");
        assert_eq!(target.comparison("doc", "s.x"), "s.x::pg_catalog.text COLLATE \"C\"");
    }

    #[test]
    fn only_the_keys_own_index_is_the_key() {
        let target = target("postgres 15");
        assert!(target.is_key_index("unique_0"));
        assert!(!target.is_key_index("unique_1"));
        assert!(!target.is_key_index("elsewhere"));
    }
}
