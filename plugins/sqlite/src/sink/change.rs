//! Records that are inserted as new ones, or changed only if they are still as expected: modes `insert` and `update`.
//!
//! The rows of a page are answered one by one, so each page is applied at once; nothing of it is seen before the flush, and from
//! the first page on nobody else can write to the file. That makes it simple: what a record is can be read first and compared as
//! its reader would compare it, whatever SQLite keeps a time or a number as, and nothing changes in between.

mod stage;

use std::collections::{BTreeMap, HashMap};

use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::capabilities::sql::{RowPage, Session};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::outcome::Outcome;
use lockstep_plugin_sdk::sink::{Flushed, WriteMode, WriteResults, Writer};
use lockstep_plugin_sdk::types::{Batch, Changes, Field, LogicalType};
use lockstep_sql_dialect::{
    Arguments, ChangeColumns, Expected, Load, Transaction, Value, identify_all, in_page, is_same, read_batch, renumber,
    rows_by_kind, value_at,
};
use serde_json::Value as Json;

use super::fault;
use super::target::Target;
use stage::Stage;

/// At once: a transaction that has begun to read may find that it cannot write any more.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// A writer of single records of one table.
pub struct ChangeWriter {
    transaction: Transaction,
    /// One for each set of columns.
    stages: Vec<Stage>,
    target: Target,
    mode: WriteMode,
    written: u64,
    unchanged: u64,
    deleted: u64,
}

/// What is to become of records that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Update,
    Delete,
}

impl ChangeWriter {
    pub fn new(session: Session, target: Target, mode: WriteMode) -> Self {
        let transaction = Transaction::new(session, BEGIN);
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
        for error in self.target.without_key(page).into_iter().chain(self.target.never_filled(page)) {
            outcome.reject(error.row, error.error);
        }
        let (stage, rows) = self.fill(&fields, page, outcome.fine_rows(), outcome)?;
        if rows.is_empty() {
            return Ok(());
        }
        let has_key = stage.has_key(&self.target);
        let inserted =
            if has_key { self.insert_by_key(&stage, &rows, outcome)? } else { self.number(&stage, &rows, outcome)? };
        self.written += inserted;
        Ok(())
    }

    /// Rows with their keys: those that are there already are left alone.
    fn insert_by_key(&self, stage: &Stage, rows: &[u32], outcome: &mut Outcome) -> Result<u64> {
        let found: Vec<u32> = self.read(stage, &[], &[])?.0;
        for row in &found {
            outcome.conflict(*row, exists());
        }
        let statement = stage.insert(&self.target);
        let inserted = self.transaction.session().execute(&statement, without(&found)?.as_ref());
        let inserted = inserted.map_err(fault::while_merging)?;
        let (numbers, keys, problems) = self.read(stage, &self.target.key, &found)?;
        check_all(rows.len() - found.len(), numbers.len(), problems)?;
        identify_all(outcome, &numbers, &self.target.key, &keys)?;
        Ok(inserted)
    }

    /// Rows whose keys SQLite fills in.
    fn number(&self, stage: &Stage, rows: &[u32], outcome: &mut Outcome) -> Result<u64> {
        let types = self.target.key.iter().map(Field::logical).collect::<Result<Vec<LogicalType>>>()?;
        let page = read_batch(self.transaction.session(), &stage.number(&self.target), Arguments::new(), &types);
        let RowPage { data, problems } = page.map_err(fault::while_merging)?;
        check_all(rows.len(), data.rows as usize, problems.into_iter().map(|problem| problem.error).collect())?;
        identify_all(outcome, rows, &self.target.key, &data)?;
        Ok(u64::from(data.rows))
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
        let mut fields = self.target.key.clone();
        if purpose == Purpose::Update {
            fields.extend(columns.values.iter().cloned());
        }
        let (stage, rows) = self.fill(&fields, page, rows, outcome)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let verdicts = self.judge(&stage, &columns.expected, page)?;
        let (mut left_alone, mut good) = (Vec::new(), 0);
        for row in rows {
            match verdicts.get(&row) {
                Some(None) => good += 1,
                Some(Some(field)) => {
                    outcome.conflict(row, changed(field));
                    left_alone.push(row);
                }
                None if purpose == Purpose::Delete => self.unchanged += 1,
                None => outcome.conflict(row, missing()),
            }
        }
        let statement = match purpose {
            Purpose::Update => stage.update(&self.target),
            Purpose::Delete => Some(stage.delete(&self.target)),
        };
        let Some(statement) = statement.filter(|_| good > 0) else {
            self.unchanged += good;
            return Ok(0);
        };
        let done = self.transaction.session().execute(&statement, without(&left_alone)?.as_ref());
        let done = done.map_err(fault::while_merging)?;
        self.unchanged += good.saturating_sub(done);
        Ok(done)
    }

    /// For the rows whose records are there, the first field that is not as expected.
    fn judge(&self, stage: &Stage, expected: &[Expected], page: &Batch) -> Result<HashMap<u32, Option<String>>> {
        let fields: Vec<Field> = expected.iter().map(|expected| expected.field.clone()).collect();
        let RowPage { data, problems } = self.look(stage, &fields, &[])?;
        let mut unreadable: BTreeMap<u32, String> = BTreeMap::new();
        for problem in problems {
            unreadable.entry(problem.row).or_insert(problem.error.property("field").unwrap_or_default().to_owned());
        }
        let types = fields.iter().map(Field::logical).collect::<Result<Vec<LogicalType>>>()?;
        let view = BatchView::new(&data);
        let mut columns = view.columns();
        let Some(numbers) = columns.next() else { return Ok(HashMap::new()) };
        let columns: Vec<_> = columns.collect();
        let mut verdicts = HashMap::with_capacity(view.rows());
        for index in 0..view.rows() {
            let Some(row) = numbers.int64(index).and_then(|row| u32::try_from(row).ok()) else { continue };
            let differs = |((expected, logical), column): &((&Expected, &LogicalType), &_)| {
                let wanted = value_at(page, &expected.column, **logical, row as usize);
                !is_same(**logical, &Value::of(**column, **logical, index), &wanted)
            };
            let differing = expected.iter().zip(&types).zip(&columns).find(differs);
            let differing = differing.map(|((expected, _), _)| expected.field.name.clone());
            verdicts.insert(row, unreadable.get(&(index as u32)).cloned().or(differing));
        }
        Ok(verdicts)
    }

    /// The numbers of the staged rows whose records are there, and some of their fields; without some rows.
    fn read(&self, stage: &Stage, fields: &[Field], left_out: &[u32]) -> Result<(Vec<u32>, Batch, Vec<Error>)> {
        let RowPage { mut data, problems } = self.look(stage, fields, left_out)?;
        let numbers = BatchView::new(&data).columns().next().map_or_else(Vec::new, |column| {
            let number = |row: u32| column.int64(row as usize).and_then(|number| u32::try_from(number).ok());
            (0..data.rows).filter_map(number).collect()
        });
        if !data.columns.is_empty() {
            data.columns.remove(0);
        }
        Ok((numbers, data, problems.into_iter().map(|problem| problem.error).collect()))
    }

    fn look(&self, stage: &Stage, fields: &[Field], left_out: &[u32]) -> Result<RowPage> {
        let key = std::iter::once(Ok(LogicalType::Int64)).chain(fields.iter().map(Field::logical));
        let types = key.collect::<Result<Vec<LogicalType>>>()?;
        let statement = stage.look(&self.target, fields);
        read_batch(self.transaction.session(), &statement, numbers(left_out), &types)
    }

    /// Stages rows of the page; answers those that are there. The others cannot be written.
    fn fill(
        &mut self,
        fields: &[Field],
        page: &Batch,
        rows: Vec<u32>,
        outcome: &mut Outcome,
    ) -> Result<(Stage, Vec<u32>)> {
        let stage = Stage::new(self.stages.len() + 1, &self.target, fields);
        if rows.is_empty() {
            return Ok((stage, rows));
        }
        let stage = self.make(stage)?;
        let mut load = Load::begin(self.transaction.session(), &stage.path(), stage.fields(fields))?;
        let refused = load.append(&stage.rows(page, fields, &rows)?).map_err(|error| renumber(error, &rows))?;
        load.finish().map_err(|error| renumber(in_page(error, 0, rows.len() as u64), &rows))?;
        let mut refused: HashMap<u32, Error> = refused.into_iter().map(|error| (error.row, error.error)).collect();
        let mut staged = Vec::with_capacity(rows.len());
        for (place, row) in (0..).zip(rows) {
            match refused.remove(&place) {
                Some(error) => outcome.reject(row, error),
                None => staged.push(row),
            }
        }
        Ok((stage, staged))
    }

    /// The stage, made if there is none like it yet, and empty.
    fn make(&mut self, stage: Stage) -> Result<Stage> {
        let session = self.transaction.session();
        if let Some(made) = self.stages.iter().find(|made| made.is_like(&stage)) {
            session.script(&made.clear())?;
            return Ok(made.clone());
        }
        session.script(&stage.create(&self.target))?;
        self.stages.push(stage.clone());
        Ok(stage)
    }

    fn commit(&mut self) -> Result<Flushed> {
        self.transaction.commit()?;
        let counts = [&mut self.written, &mut self.unchanged, &mut self.deleted];
        let [written, unchanged, deleted] = counts.map(std::mem::take);
        Ok(Flushed::new(written, unchanged, deleted))
    }
}

/// Row numbers as the parameter of a statement.
fn numbers(rows: &[u32]) -> Arguments {
    let mut arguments = Arguments::new();
    arguments.push(LogicalType::Text, Value::Text(Json::from(rows).to_string()));
    arguments
}

fn without(rows: &[u32]) -> Result<Option<lockstep_plugin_sdk::capabilities::sql::Parameters>> {
    numbers(rows).finish()
}

/// Whether each record that was to be inserted is there, and its key is of the key's type.
fn check_all(wanted: usize, found: usize, problems: Vec<Error>) -> Result<()> {
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem);
    }
    if wanted == found {
        return Ok(());
    }
    let text =
        format!("SQLite keeps {found} of {wanted} records that were inserted; a trigger does away with the others");
    Err(Error::invalid_data(text).with_code("sqlite.left-out"))
}

fn empty() -> Error {
    Error::invalid_data("the record has no value at all").with_code("sqlite.no-values")
}

fn exists() -> Error {
    Error::conflict("there is a record with this key already").with_code("sqlite.exists")
}

fn missing() -> Error {
    Error::conflict("the record that was to be changed is not there").with_code("sqlite.missing")
}

fn changed(field: &str) -> Error {
    Error::conflict(format!("`{field}` does not have the value any more that it was expected to have"))
        .with_code("sqlite.changed")
        .with_field(field)
}

impl Writer for ChangeWriter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        self.guarded(|writer| writer.take(&changes)).map(Outcome::into_results)
    }

    fn flush(&mut self) -> Result<Flushed> {
        self.guarded(Self::commit)
    }
}
