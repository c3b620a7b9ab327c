//! The inserts of a load.

use rusqlite::CachedStatement;

use super::super::affinity::{Affinity, Strictness};
use super::super::session::Worker;
use super::super::write;
use super::TargetColumn;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::quote;
use crate::plugin::capability::sql::view::View;
use crate::record::{Batch, Field};

/// Rows per statement: more shows no gain, and a statement that fails is repeated row by row.
const ROWS_PER_INSERT: usize = 32;
/// SQLite's own limit on the parameters of a statement.
const PARAMETERS_MAX: usize = 32_766;

/// What the table's columns make of values.
pub(super) fn target_columns(
    worker: &Worker,
    table: &[String],
    fields: &[Field],
) -> Result<Vec<TargetColumn>, Failure> {
    let (schema, name) = match table {
        [name] => (None, name),
        [schema, name] => (Some(schema), name),
        _ => return Err(worker.misuse("a table has a name, and perhaps a schema before it")),
    };
    if fields.is_empty() {
        return Err(worker.misuse("a load needs at least one column"));
    }
    let declared = declared_types(worker, schema, name).map_err(|error| worker.failure(&error))?;
    let strictness = strictness(worker, schema, name).map_err(|error| worker.failure(&error))?;
    let missing = |text: String| Failure::new(FailureKind::NotFound, &codes::SQL_STATEMENT, &worker.origin, text);
    if declared.is_empty() {
        return Err(missing(format!("there is no table {}", quote(table))));
    }
    let column = |field: &Field| {
        let (_, declared) = declared
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&field.name))
            .ok_or_else(|| missing(format!("there is no column `{}` in {}", field.name, quote(table))))?;
        let affinity = Affinity::of(declared, strictness);
        Ok(TargetColumn { name: field.name.clone(), logical: field.logical, affinity })
    };
    fields.iter().map(column).collect()
}

fn declared_types(worker: &Worker, schema: Option<&String>, table: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = worker.connection.prepare_cached("SELECT name, type FROM pragma_table_xinfo(?1, ?2)")?;
    let columns = statement.query_map((table, schema), |row| Ok((row.get(0)?, row.get(1)?)))?;
    columns.collect()
}

fn strictness(worker: &Worker, schema: Option<&String>, table: &str) -> rusqlite::Result<Strictness> {
    let mut statement = worker.connection.prepare_cached(
        "SELECT coalesce(max(strict), 0) FROM pragma_table_list WHERE name = ?1 COLLATE NOCASE AND schema = coalesce(?2, schema)",
    )?;
    let is_strict: i64 = statement.query_row((table, schema), |row| row.get(0))?;
    Ok(if is_strict == 0 { Strictness::Loose } else { Strictness::Strict })
}

/// A series of inserts into one table.
pub(super) struct Load<'w> {
    worker: &'w Worker,
    columns: &'w [TargetColumn],
    head: String,
    /// Rows per statement, as many as the parameters allow.
    rows_per_insert: usize,
    rows: u64,
    scratch: Vec<u8>,
}

impl<'w> Load<'w> {
    pub fn new(worker: &'w Worker, table: &[String], columns: &'w [TargetColumn]) -> Self {
        let names: Vec<String> = columns.iter().map(|column| quote(std::slice::from_ref(&column.name))).collect();
        let head = format!("INSERT INTO {} ({}) VALUES ", quote(table), names.join(", "));
        let rows_per_insert = (PARAMETERS_MAX / columns.len().max(1)).clamp(1, ROWS_PER_INSERT);
        Self { worker, columns, head, rows_per_insert, rows: 0, scratch: Vec::new() }
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn insert(&mut self, batch: &Batch) -> Result<(), Failure> {
        let views: Vec<View<'_>> = batch.columns().iter().map(|column| View::new(&column.array)).collect();
        let whole = batch.rows() - batch.rows() % self.rows_per_insert;
        if whole > 0 {
            let mut statement = self.statement(self.rows_per_insert)?;
            for row in (0..whole).step_by(self.rows_per_insert) {
                if self.insert_at_once(&mut statement, &views, row..row + self.rows_per_insert).is_err() {
                    self.insert_singly(&views, row..row + self.rows_per_insert)?;
                }
            }
        }
        self.insert_singly(&views, whole..batch.rows())
    }

    fn statement(&self, rows: usize) -> Result<CachedStatement<'w>, Failure> {
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        let text = format!("{}{}", self.head, vec![row; rows].join(", "));
        self.worker.connection.prepare_cached(&text).map_err(|error| self.worker.failure(&error))
    }

    fn insert_at_once(
        &mut self,
        statement: &mut CachedStatement<'w>,
        views: &[View<'_>],
        rows: std::ops::Range<usize>,
    ) -> rusqlite::Result<()> {
        let mut number = 1;
        for row in rows.clone() {
            for (column, view) in self.columns.iter().zip(views) {
                write::bind(statement, number, column.logical, column.affinity, view, row, &mut self.scratch)?;
                number += 1;
            }
        }
        statement.raw_execute()?;
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Row by row, so that an error knows its row.
    fn insert_singly(&mut self, views: &[View<'_>], rows: std::ops::Range<usize>) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut statement = self.statement(1)?;
        for row in rows {
            self.insert_at_once(&mut statement, views, row..row + 1)
                .map_err(|error| self.worker.failure(&error).with("row", self.rows.to_string()))?;
        }
        Ok(())
    }
}
