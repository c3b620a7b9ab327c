//! Whole rows on their way into the table, by their keys: modes `load` and `upsert`, one transaction from flush to flush.
//!
//! `load` copies straight into the table. `upsert` copies into a stage, which one statement merges at the flush. Between two
//! flushes no key occurs twice, so that deletes and upserts do not interact.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::outcome::{Outcome, at_row};
use lockstep_plugin_sdk::sink::{Flushed, WriteMode, WriteResults, Writer};
use lockstep_plugin_sdk::types::{Batch, Changes, Field, RowError};
use lockstep_sql_dialect::{KeyOrder, Load, in_page, split_kinds};

use super::fault;
use super::merge::{Order, PLAN, Stage};
use super::target::{Method, Target};

/// Keys to be deleted are kept until the flush, or until there are so many.
const DOOMED_ROWS_MAX: u32 = 50_000;
/// From this share of the table on, the planner knows better how to merge.
const LARGE_SHARE: u64 = 2;

/// A writer of one table.
pub struct MergeWriter {
    /// Declared before the session, which has to outlive it.
    load: Option<Load>,
    /// The keys of rows to be deleted.
    doomed: Vec<Batch>,
    doomed_rows: u32,
    /// Stages that have been made, one for each set of columns.
    stages: Vec<Stage>,
    doomed_stage: Option<Stage>,
    /// Stages that hold rows of this transaction.
    filled: Vec<Stage>,
    order: KeyOrder,
    target: Target,
    mode: WriteMode,
    state: State,
    counts: Counts,
    session: Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    InTransaction,
    /// After an error nothing more can be done.
    Broken,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    written: u64,
    unchanged: u64,
    deleted: u64,
}

impl MergeWriter {
    pub fn new(session: Session, target: Target, mode: WriteMode) -> Self {
        Self {
            load: None,
            doomed: Vec::new(),
            doomed_rows: 0,
            stages: Vec::new(),
            doomed_stage: None,
            filled: Vec::new(),
            order: KeyOrder::default(),
            target,
            mode,
            state: State::Idle,
            counts: Counts::default(),
            session,
        }
    }

    /// Does something; after an error everything since the last flush is taken back.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.state == State::Broken {
            return Err(Error::permanent("the writer has failed before and cannot go on"));
        }
        let result = work(self);
        if result.is_err() {
            self.state = State::Broken;
            self.load = None;
            // Whether it works or not, the session is not used again.
            let _ = self.session.script("ROLLBACK");
        }
        result
    }

    fn take(&mut self, changes: &Changes) -> Result<Vec<RowError>> {
        self.begin()?;
        let Some(kinds) = split_kinds(changes, &self.target.key)? else { return self.stage(&changes.data) };
        let errors = self.stage(&kinds.upserts)?;
        self.doomed_rows += kinds.deletes.rows;
        self.doomed.push(kinds.deletes);
        if self.doomed_rows >= DOOMED_ROWS_MAX {
            self.finish_load()?;
            self.delete()?;
        }
        let in_page = |error: RowError| {
            let row = kinds.upsert_rows.get(error.row as usize).copied().unwrap_or(error.row);
            RowError { row, error: at_row(error.error, row) }
        };
        Ok(errors.into_iter().map(in_page).collect())
    }

    fn begin(&mut self) -> Result<()> {
        if self.state == State::Idle {
            self.session.script("BEGIN")?;
            self.state = State::InTransaction;
        }
        Ok(())
    }

    /// Hands rows to the load for their columns.
    fn stage(&mut self, page: &Batch) -> Result<Vec<RowError>> {
        if page.rows == 0 {
            return Ok(Vec::new());
        }
        let fields = self.target.fields_of(page)?;
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
        let table = match self.mode {
            WriteMode::Load => self.target.table.name().path().to_vec(),
            _ => self.find_stage(&fields)?.path(),
        };
        self.order = KeyOrder::default();
        self.load = Some(Load::begin(&self.session, &table, fields)?);
        Ok(())
    }

    fn find_stage(&mut self, fields: &[Field]) -> Result<Stage> {
        if let Some(stage) = self.stages.iter().find(|stage| stage.has_columns(fields)).cloned() {
            self.empty(&stage)?;
            return Ok(stage);
        }
        let stage = Stage::of_rows(self.stages.len() + 1, fields);
        self.session.script(&stage.create(&self.target))?;
        self.stages.push(stage.clone());
        Ok(stage)
    }

    /// A stage is empty at the beginning of a transaction; used for the second time in one, it has to be emptied.
    fn empty(&mut self, stage: &Stage) -> Result<()> {
        match self.filled.iter().position(|filled| filled == stage) {
            Some(place) => {
                self.filled.swap_remove(place);
                self.session.script(&stage.clear())
            }
            None => Ok(()),
        }
    }

    /// Ends the load under way; what was staged goes into the table.
    fn finish_load(&mut self) -> Result<()> {
        let Some(load) = self.load.take() else { return Ok(()) };
        let stage = self.stages.iter().find(|stage| stage.has_columns(&load.fields)).cloned();
        let mode = self.mode;
        let rows = load.finish().map_err(|error| explain(mode, in_page(error, 0, 0)))?;
        match (self.mode, stage) {
            (WriteMode::Upsert, Some(stage)) => self.merge(&stage, rows),
            _ => {
                self.counts.written += rows;
                Ok(())
            }
        }
    }

    fn merge(&mut self, stage: &Stage, rows: u64) -> Result<()> {
        let order = if self.order.is_ascending() { Order::AsTheyCame } else { Order::ByKey };
        if self.target.table.rows().is_none_or(|all| rows < all / LARGE_SHARE) {
            self.session.script(PLAN)?;
        }
        let statements = match self.target.method {
            Method::Merge => vec![stage.merge(&self.target, order)],
            Method::UpdateInsert => stage.update_insert(&self.target, order),
        };
        let mut written = 0;
        for statement in &statements {
            let merged = self.session.execute(statement, None);
            written += merged.map_err(|error| fault::while_merging(error, &self.target))?;
        }
        self.counts.written += written;
        self.counts.unchanged += rows.saturating_sub(written);
        self.filled.push(stage.clone());
        Ok(())
    }

    fn delete(&mut self) -> Result<()> {
        let doomed = std::mem::take(&mut self.doomed);
        self.doomed_rows = 0;
        if doomed.is_empty() {
            return Ok(());
        }
        let stage = match self.doomed_stage.clone() {
            Some(stage) => {
                self.empty(&stage)?;
                stage
            }
            None => {
                let stage = Stage::of_keys(&self.target);
                self.session.script(&stage.create(&self.target))?;
                self.doomed_stage.insert(stage).clone()
            }
        };
        let mut load = Load::begin(&self.session, &stage.path(), self.target.key.clone())?;
        for keys in &doomed {
            // A key the column cannot hold is the key of no row.
            load.append(keys)?;
        }
        load.finish()?;
        self.session.script(PLAN)?;
        self.counts.deleted += self.session.execute(&stage.delete(&self.target), None)?;
        self.filled.push(stage);
        Ok(())
    }

    fn commit(&mut self) -> Result<Flushed> {
        self.finish_load()?;
        self.delete()?;
        if self.state == State::InTransaction {
            self.session.script("COMMIT").map_err(|error| fault::while_merging(error, &self.target))?;
            self.state = State::Idle;
            self.filled.clear();
        }
        let Counts { written, unchanged, deleted } = std::mem::take(&mut self.counts);
        Ok(Flushed::new(written, unchanged, deleted))
    }
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
