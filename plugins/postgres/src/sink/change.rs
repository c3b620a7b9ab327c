//! Records that are inserted as new ones, or changed only if they are still as expected: modes `insert` and `update`.
//!
//! Each page is copied into a temporary table and applied at once, for its rows are answered one by one; nothing of it is seen
//! before the flush. Rows are taken in the order of their keys, so that writers who meet wait for one another instead of for ever.
//! Two pages between two flushes have no key in common.

mod stage;

use std::collections::HashSet;

use lockstep_plugin_sdk::capabilities::sql::{RowPage, Session};
use lockstep_plugin_sdk::error::{Error, ErrorKind, Result};
use lockstep_plugin_sdk::outcome::Outcome;
use lockstep_plugin_sdk::sink::{Flushed, WriteMode, WriteResults, Writer};
use lockstep_plugin_sdk::types::{Batch, Changes, LogicalType, Values};
use lockstep_sql_dialect::{
    Arguments, ChangeColumns, Load, Transaction, identify_all, in_page, read_batch, renumber, rows_by_kind,
};

use super::fault;
use super::merge::PLAN;
use super::target::Target;
use stage::{Purpose, Stage};

/// A writer of single records of one table.
pub struct ChangeWriter {
    transaction: Transaction,
    /// Stages that have been made, and whether they hold rows of this transaction.
    stages: Vec<(Stage, Contents)>,
    target: Target,
    mode: WriteMode,
    written: u64,
    unchanged: u64,
    deleted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    Rows,
    Nothing,
}

impl ChangeWriter {
    pub fn new(session: Session, target: Target, mode: WriteMode) -> Self {
        let transaction = Transaction::new(session, "BEGIN");
        Self { transaction, stages: Vec::new(), target, mode, written: 0, unchanged: 0, deleted: 0 }
    }

    /// Does something; after an error everything since the last flush is taken back.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let result = work(self);
        if result.is_err() {
            self.transaction.abort();
        }
        result
    }

    fn take(&mut self, changes: &Changes) -> Result<Outcome> {
        self.transaction.begin()?;
        let mut outcome = Outcome::new(changes.data.rows);
        match self.mode {
            WriteMode::Insert => self.insert(&changes.data, &mut outcome)?,
            _ => self.change(changes, &mut outcome)?,
        }
        Ok(outcome)
    }

    fn insert(&mut self, page: &Batch, outcome: &mut Outcome) -> Result<()> {
        let fields = self.target.announced(page)?;
        if fields.is_empty() {
            (0..page.rows).for_each(|row| outcome.reject(row, empty()));
            return Ok(());
        }
        for error in self.target.without_key(page) {
            outcome.reject(error.row, error.error);
        }
        let stage = self.make(Stage::inserts(&self.target, fields))?;
        let rows = self.fill(&stage, page, outcome.fine_rows(), outcome)?;
        if rows.is_empty() {
            return Ok(());
        }
        let statement = stage.insert(&self.target);
        let is_numbered = stage.has_key(&self.target);
        let found = self.query(&statement, is_numbered)?;
        let (inserted, keys) = match is_numbered {
            true => take_numbers(found)?,
            false if found.rows as usize == rows.len() => (rows.clone(), found),
            false => return Err(left_out(&rows, found.rows)),
        };
        identify_all(outcome, &inserted, &self.target.key, &keys)?;
        self.written += inserted.len() as u64;
        let inserted: HashSet<u32> = inserted.into_iter().collect();
        rows.iter().filter(|row| !inserted.contains(row)).for_each(|row| outcome.conflict(*row, exists()));
        Ok(())
    }

    /// Runs a statement that answers keys, perhaps behind the numbers of their rows.
    fn query(&self, statement: &str, is_numbered: bool) -> Result<Batch> {
        let number = is_numbered.then_some(Ok(LogicalType::Int64));
        let key = self.target.key.iter().map(|field| field.logical());
        let types: Vec<LogicalType> = number.into_iter().chain(key).collect::<Result<_>>()?;
        let page = read_batch(self.transaction.session(), statement, Arguments::new(), &types);
        without_problems(page.map_err(|error| fault::while_inserting(error, &self.target))?)
    }

    fn change(&mut self, changes: &Changes, outcome: &mut Outcome) -> Result<()> {
        let page = &changes.data;
        let columns = ChangeColumns::of(page, &self.target.key, |name| self.target.field(name))?;
        let (updates, deletes) = rows_by_kind(changes);
        // What is deleted first may make room for what is changed.
        self.deleted += self.apply(Purpose::Delete, &columns, page, deletes, outcome)?;
        self.written += self.apply(Purpose::Update, &columns, page, updates, outcome)?;
        Ok(())
    }

    /// Answers how many records were changed or deleted.
    fn apply(
        &mut self,
        purpose: Purpose,
        columns: &ChangeColumns,
        page: &Batch,
        rows: Vec<u32>,
        outcome: &mut Outcome,
    ) -> Result<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        let stage = self.make(Stage::changes(purpose, &self.target, columns)?)?;
        let rows = self.fill(&stage, page, rows, outcome)?;
        self.transaction.session().script(PLAN)?;
        let done: HashSet<u32> = match stage.apply(&self.target) {
            Some(statement) => self.numbers(&statement)?.into_iter().collect(),
            None => HashSet::new(),
        };
        if done.len() < rows.len() {
            self.judge(&stage, &done, outcome)?;
        }
        Ok(done.len() as u64)
    }

    fn numbers(&self, statement: &str) -> Result<Vec<u32>> {
        let page = read_batch(self.transaction.session(), statement, Arguments::new(), &[LogicalType::Int64]);
        let page = page.map_err(|error| fault::while_merging(error, &self.target))?;
        Ok(take_numbers(without_problems(page)?)?.0)
    }

    /// Finds out why rows were left alone.
    fn judge(&mut self, stage: &Stage, done: &HashSet<u32>, outcome: &mut Outcome) -> Result<()> {
        let types = [LogicalType::Int64, LogicalType::Bool, LogicalType::Int64, LogicalType::Bool];
        let statement = stage.judge(&self.target);
        let page = read_batch(self.transaction.session(), &statement, Arguments::new(), &types)?;
        let page = without_problems(page)?;
        let view = lockstep_plugin_sdk::batch::BatchView::new(&page);
        let columns: Vec<_> = view.columns().collect();
        let [number, found, unexpected, open] = columns.as_slice() else { return Err(other_columns()) };
        for index in 0..view.rows() {
            let Some(row) = number.int64(index).and_then(|row| u32::try_from(row).ok()) else { continue };
            if done.contains(&row) {
                continue;
            }
            match (found.bool(index), unexpected.int64(index), open.bool(index)) {
                (Some(true), None, Some(false)) => self.unchanged += 1,
                (Some(true), place, _) => outcome.conflict(row, changed(place.and_then(|place| stage.expected(place)))),
                _ if stage.purpose == Purpose::Delete => self.unchanged += 1,
                _ => outcome.conflict(row, missing()),
            }
        }
        Ok(())
    }

    /// The stage, made if there is none like it yet, and empty.
    fn make(&mut self, mut stage: Stage) -> Result<Stage> {
        let session = self.transaction.session();
        if let Some((made, contents)) = self.stages.iter_mut().find(|(made, _)| made.is_like(&stage)) {
            if *contents == Contents::Rows {
                session.script(&made.clear())?;
            }
            *contents = Contents::Rows;
            return Ok(made.clone());
        }
        stage.number = self.stages.len() + 1;
        session.script(&stage.create(&self.target))?;
        self.stages.push((stage.clone(), Contents::Rows));
        Ok(stage)
    }

    /// Copies rows of the page into the stage; answers those that are there. The others cannot be written.
    fn fill(&self, stage: &Stage, page: &Batch, rows: Vec<u32>, outcome: &mut Outcome) -> Result<Vec<u32>> {
        if rows.is_empty() {
            return Ok(rows);
        }
        let mut load = Load::begin(self.transaction.session(), &stage.path(), stage.fields())?;
        let refused = load.append(&stage.rows(page, &rows)?).map_err(|error| renumber(error, &rows))?;
        load.finish().map_err(|error| renumber(in_page(error, 0, rows.len() as u64), &rows))?;
        let missing: HashSet<u32> = refused.iter().map(|error| error.row).collect();
        for error in refused {
            let row = rows.get(error.row as usize).copied().unwrap_or(error.row);
            outcome.reject(row, error.error);
        }
        Ok((0..).zip(rows).filter(|(place, _)| !missing.contains(place)).map(|(_, row)| row).collect())
    }

    fn commit(&mut self) -> Result<Flushed> {
        self.transaction.commit().map_err(|error| fault::while_merging(error, &self.target))?;
        // Stages are emptied by the end of the transaction.
        self.stages.iter_mut().for_each(|(_, contents)| *contents = Contents::Nothing);
        let counts = [&mut self.written, &mut self.unchanged, &mut self.deleted];
        let [written, unchanged, deleted] = counts.map(std::mem::take);
        Ok(Flushed::new(written, unchanged, deleted))
    }
}

/// The numbers in the first column, and the other columns. A record without a number is not the one that was to be written.
fn take_numbers(batch: Batch) -> Result<(Vec<u32>, Batch)> {
    let rows = batch.rows;
    let mut columns = batch.columns.into_iter();
    let Some(column) = columns.next() else { return Ok((Vec::new(), Batch::none())) };
    let view = lockstep_plugin_sdk::batch::ColumnView::new(&column);
    let number = |row: u32| view.int64(row as usize).and_then(|number| u32::try_from(number).ok());
    let numbers: Option<Vec<u32>> = match &column.values {
        Values::Int64(_) => (0..rows).map(number).collect(),
        _ => None,
    };
    let numbers = numbers.ok_or_else(|| {
        Error::invalid_data("the server keeps the record under another key than the one it was to be inserted under")
            .with_code("postgres.other-key")
    })?;
    Ok((numbers, Batch { rows, columns: columns.collect() }))
}

fn without_problems(page: RowPage) -> Result<Batch> {
    match page.problems.into_iter().next() {
        Some(problem) => Err(problem.error),
        None => Ok(page.data),
    }
}

fn empty() -> Error {
    Error::invalid_data("the record has no value at all").with_code("postgres.no-values")
}

fn exists() -> Error {
    Error::conflict("there is a record with this key already").with_code("postgres.exists")
}

fn missing() -> Error {
    Error::conflict("the record that was to be changed is not there").with_code("postgres.missing")
}

/// `field`: what is not as expected; none where something kept the server from changing a record that is.
fn changed(field: Option<&str>) -> Error {
    match field {
        Some(field) => {
            Error::conflict(format!("`{field}` does not have the value any more that it was expected to have"))
                .with_code("postgres.changed")
                .with_field(field)
        }
        None => {
            Error::conflict("the record was being changed by somebody else, or a trigger keeps it from being changed")
                .with_code("postgres.changed")
        }
    }
}

/// Without their keys, records can only be told apart by their order, which says nothing where some are missing.
fn left_out(rows: &[u32], found: u32) -> Error {
    let error = Error::new(
        ErrorKind::InvalidData,
        format!("the server inserted {found} of {} records; a trigger or a rule leaves the others out", rows.len()),
    );
    error.with_code("postgres.left-out")
}

fn other_columns() -> Error {
    Error::permanent("the server answered other columns than were asked for")
}

impl Writer for ChangeWriter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        self.guarded(|writer| writer.take(&changes)).map(Outcome::into_results)
    }

    fn flush(&mut self) -> Result<Flushed> {
        self.guarded(Self::commit)
    }
}
