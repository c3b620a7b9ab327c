//! Whole rows on their way into the table, by their keys: nothing of them is seen before the flush, and then all.
//!
//! `load` inserts straight into the table, in a transaction. `upsert` fills temporary tables, for which nobody has to wait, and
//! merges them in one transaction at the flush. Between two flushes no key occurs twice, so that deletes and upserts do not
//! interact.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::outcome::{Outcome, at_row};
use lockstep_plugin_sdk::sink::{Flushed, WriteMode, WriteResults, Writer};
use lockstep_plugin_sdk::types::{Batch, Changes, Field, RowError};
use lockstep_sql_dialect::{Arguments, KeyOrder, Load, Transaction, in_page, keep_rows, read_all, split_kinds};

use super::fault;
use super::merge::{Order, Stage};
use super::target::Target;

/// Keys to be deleted are kept in memory up to so many; then they are staged.
const DOOMED_ROWS_MAX: u32 = 50_000;

/// A writer of one table.
pub struct MergeWriter {
    /// Declared before the session, which has to outlive it.
    load: Option<Load>,
    /// The stage the load fills; none = the table itself.
    loading: Option<usize>,
    /// The keys of rows to be deleted.
    doomed: Vec<Batch>,
    doomed_rows: u32,
    doomed_stage: Option<Filled>,
    /// One for each set of columns.
    stages: Vec<Filled>,
    order: KeyOrder,
    target: Target,
    mode: WriteMode,
    written: u64,
    transaction: Transaction,
}

/// A stage with the rows it holds.
struct Filled {
    stage: Stage,
    rows: u64,
    /// Whether its rows are in the table already: they have to go before others come.
    is_merged: bool,
}

impl Filled {
    fn new(stage: Stage) -> Self {
        Self { stage, rows: 0, is_merged: false }
    }

    fn is_waiting(&self) -> bool {
        self.rows > 0 && !self.is_merged
    }
}

impl MergeWriter {
    pub fn new(transaction: Transaction, target: Target, mode: WriteMode) -> Self {
        Self {
            load: None,
            loading: None,
            doomed: Vec::new(),
            doomed_rows: 0,
            doomed_stage: None,
            stages: Vec::new(),
            order: KeyOrder::default(),
            target,
            mode,
            written: 0,
            transaction,
        }
    }

    /// Does something; after an error everything since the last flush is taken back.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.transaction.check()?;
        let result = work(self);
        if result.is_err() {
            self.load = None;
            self.transaction.abort();
        }
        result
    }

    fn take(&mut self, changes: &Changes) -> Result<Vec<RowError>> {
        let Some(kinds) = split_kinds(changes, &self.target.key)? else { return self.take_rows(&changes.data) };
        let errors = self.take_rows(&kinds.upserts)?;
        self.doomed_rows += kinds.deletes.rows;
        self.doomed.push(kinds.deletes);
        if self.doomed_rows >= DOOMED_ROWS_MAX {
            self.stage_doomed()?;
        }
        Ok(errors.into_iter().map(|error| renumber(error, &kinds.upsert_rows)).collect())
    }

    /// Hands rows over; those that cannot be written are left out and answered.
    fn take_rows(&mut self, page: &Batch) -> Result<Vec<RowError>> {
        if page.rows == 0 {
            return Ok(Vec::new());
        }
        let fields = self.target.fields_of(page)?;
        let mut errors = self.target.without_key(page);
        if errors.is_empty() {
            return self.load_rows(page, fields);
        }
        let is_good = |row: &u32| !errors.iter().any(|error| error.row == *row);
        let rows: Vec<u32> = (0..page.rows).filter(is_good).collect();
        let refused = self.load_rows(&keep_rows(page, &rows), fields)?;
        errors.extend(refused.into_iter().map(|error| renumber(error, &rows)));
        Ok(errors)
    }

    fn load_rows(&mut self, page: &Batch, fields: Vec<Field>) -> Result<Vec<RowError>> {
        if page.rows == 0 {
            return Ok(Vec::new());
        }
        let is_same = |load: &Load| load.fields.iter().map(|f| &f.name).eq(fields.iter().map(|f| &f.name));
        if !self.load.as_ref().is_some_and(is_same) {
            self.finish_load()?;
            self.begin_load(fields)?;
        }
        self.order.note(page, &self.target.key);
        let mode = self.mode;
        match &mut self.load {
            Some(load) => load.append(page).map_err(|error| explain(mode, error)),
            None => Ok(Vec::new()),
        }
    }

    fn begin_load(&mut self, fields: Vec<Field>) -> Result<()> {
        let path = match self.mode {
            WriteMode::Load => {
                self.transaction.begin()?;
                self.target.table.path()
            }
            _ => self.find_stage(&fields)?,
        };
        self.load = Some(Load::begin(self.transaction.session(), &path, fields)?);
        Ok(())
    }

    fn find_stage(&mut self, fields: &[Field]) -> Result<Vec<String>> {
        let place = match self.stages.iter().position(|filled| filled.stage.has_columns(fields)) {
            Some(place) => place,
            None => {
                let stage = Stage::of_rows(self.stages.len() + 1, &self.target, fields);
                self.transaction.session().script(&stage.create(&self.target)?)?;
                self.stages.push(Filled::new(stage));
                self.stages.len() - 1
            }
        };
        self.loading = Some(place);
        let session = self.transaction.session();
        let Some(filled) = self.stages.get_mut(place) else { return Ok(Vec::new()) };
        if filled.is_merged {
            session.script(&filled.stage.clear())?;
            *filled = Filled::new(filled.stage.clone());
        }
        Ok(filled.stage.path())
    }

    fn finish_load(&mut self) -> Result<()> {
        let Some(load) = self.load.take() else { return Ok(()) };
        let rows = load.finish().map_err(|error| explain(self.mode, in_page(error, 0, 0)))?;
        match self.loading.take().and_then(|place| self.stages.get_mut(place)) {
            Some(filled) => filled.rows += rows,
            None => self.written += rows,
        }
        Ok(())
    }

    fn stage_doomed(&mut self) -> Result<()> {
        self.finish_load()?;
        let doomed = std::mem::take(&mut self.doomed);
        self.doomed_rows = 0;
        if doomed.is_empty() {
            return Ok(());
        }
        let session = self.transaction.session();
        let filled = match &mut self.doomed_stage {
            Some(filled) => filled,
            None => {
                let stage = Stage::of_keys(&self.target);
                session.script(&stage.create(&self.target)?)?;
                self.doomed_stage.insert(Filled::new(stage))
            }
        };
        if filled.is_merged {
            session.script(&filled.stage.clear())?;
            *filled = Filled::new(filled.stage.clone());
        }
        let mut load = Load::begin(session, &filled.stage.path(), self.target.key.clone())?;
        for keys in &doomed {
            // A key the column cannot hold is the key of no row.
            load.append(keys)?;
        }
        filled.rows += load.finish()?;
        Ok(())
    }

    fn commit(&mut self) -> Result<Flushed> {
        self.stage_doomed()?;
        let has_staged = self.stages.iter().chain(&self.doomed_stage).any(Filled::is_waiting);
        if has_staged {
            self.transaction.begin()?;
        }
        let (merged, unchanged) = self.merge()?;
        let deleted = match self.doomed_stage.as_ref().filter(|filled| filled.is_waiting()) {
            Some(filled) => self.transaction.session().execute(&filled.stage.delete(&self.target), None)?,
            None => 0,
        };
        self.transaction.commit().map_err(|error| fault::while_merging(error, &self.target))?;
        self.stages.iter_mut().chain(&mut self.doomed_stage).for_each(|filled| filled.is_merged = filled.rows > 0);
        Ok(Flushed::new(std::mem::take(&mut self.written) + merged, unchanged, deleted))
    }

    /// Rows written and rows that were equal.
    fn merge(&mut self) -> Result<(u64, u64)> {
        let order = if self.order.is_ascending() { Order::AsTheyCame } else { Order::ByKey };
        self.order = KeyOrder::default();
        let (mut written, mut staged) = (0, 0);
        for filled in self.stages.iter().filter(|filled| filled.is_waiting()) {
            written += self.merge_stage(&filled.stage, order)?;
            staged += filled.rows;
        }
        Ok((written, staged.saturating_sub(written)))
    }

    fn merge_stage(&self, stage: &Stage, order: Order) -> Result<u64> {
        let session = self.transaction.session();
        let run = |statement: &str| {
            session.execute(statement, None).map_err(|error| fault::while_merging(error, &self.target))
        };
        let updated = stage.update(&self.target).map_or(Ok(0), |statement| run(&statement))?;
        // The server refuses the statement even if there is no row to be inserted.
        let is_needed = self.target.is_insertable(stage.columns())
            || read_all(session, &stage.has_missing(&self.target), Arguments::new(), 1)?.is_true(0, 0);
        let inserted = if is_needed { run(&stage.insert(&self.target, order))? } else { 0 };
        Ok(updated + inserted)
    }
}

/// An error about a row of a part of a page, as one about the page. `rows`: which rows the part was made of.
fn renumber(error: RowError, rows: &[u32]) -> RowError {
    let row = rows.get(error.row as usize).copied().unwrap_or(error.row);
    RowError { row, error: at_row(error.error, row) }
}

fn explain(mode: WriteMode, error: Error) -> Error {
    match mode {
        WriteMode::Load => fault::while_loading(error),
        _ => error,
    }
}

impl Writer for MergeWriter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        let mut outcome = Outcome::new(changes.data.rows);
        for error in self.guarded(|writer| writer.take(&changes))? {
            outcome.reject(error.row, error.error);
        }
        Ok(outcome.into_results())
    }

    fn flush(&mut self) -> Result<Flushed> {
        self.guarded(Self::commit)
    }
}
