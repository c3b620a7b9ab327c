//! What is written to: the table's columns, its key, and how rows are merged into it.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Batch, Field, Stream};

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

    /// How two values of a column are compared so that no difference is overlooked: equality of the server's own knows
    /// collations that ignore case, intervals of other spelling, and types without any.
    pub fn comparison(&self, name: &str, alias: &str) -> String {
        let column = format!("{alias}.{}", lockstep_sql_dialect::quote(name));
        let native = self.table.column(name).map(Column::native_type);
        match native.map(NativeType::family) {
            Some(Family::Text | Family::PaddedText) if native.is_some_and(NativeType::is_collatable) => {
                format!("{column} COLLATE \"C\"")
            }
            Some(Family::Text | Family::PaddedText | Family::Json | Family::Jsonb | Family::Other) | None => {
                format!("{column}::pg_catalog.text COLLATE \"C\"")
            }
            _ => column,
        }
    }
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
    fn nothing_is_overlooked_in_a_comparison() {
        let target = target("postgres 15");
        assert_eq!(target.comparison("n", "t"), "t.\"n\"");
        assert_eq!(target.comparison("name", "s"), "s.\"name\" COLLATE \"C\"");
        assert_eq!(target.comparison("doc", "s"), "s.\"doc\"::pg_catalog.text COLLATE \"C\"");
    }

    #[test]
    fn only_the_keys_own_index_is_the_key() {
        let target = target("postgres 15");
        assert!(target.is_key_index("unique_0"));
        assert!(!target.is_key_index("unique_1"));
        assert!(!target.is_key_index("elsewhere"));
    }
}
