//! Writing to a table.

mod change;
mod definition;
mod fault;
mod merge;
mod prepare;
mod target;
mod transaction;
mod writer;

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::sink::{Flushed, WriteMode, WriteRequest, WriteResults, Writer};
use lockstep_plugin_sdk::types::{Changes, Stream};
use lockstep_sql_dialect::{Arguments, Transaction, read_all};

use crate::catalog;
use crate::open_session;

pub use prepare::prepare;

/// A writer of one table.
pub enum TableWriter {
    /// Of whole rows by their keys.
    Merge(Box<writer::MergeWriter>),
    /// Of single records, each with an answer of its own.
    Change(Box<change::ChangeWriter>),
}

/// The table as it is, and whether it holds a row.
pub fn describe(name: &str) -> Result<Option<Stream>> {
    let session = open_session()?;
    let Some(table) = catalog::find_table(&session, name)? else { return Ok(None) };
    let statement = format!("SELECT NOT EXISTS (SELECT 1 FROM {} LIMIT 1)", table.quoted());
    let is_empty = read_all(&session, &statement, Arguments::new(), 1)?.is_true(0, 0);
    Ok(Some(table.stream(name).property("empty", is_empty.to_string())))
}

/// Begins to write. Nothing is done to the database before the first page.
pub fn open(request: &WriteRequest) -> Result<TableWriter> {
    let session = open_session()?;
    let table = catalog::require_table(&session, &request.stream.name)?;
    let mode = request.write_mode();
    let begin = transaction::begin_statement(&session);
    if matches!(mode, WriteMode::Insert | WriteMode::Update) {
        let target = target::Target::of_changes(table, &request.stream)?;
        return Ok(TableWriter::Change(Box::new(change::ChangeWriter::new(
            Transaction::new(session, begin),
            target,
            mode,
        ))));
    }
    let target = target::Target::new(table, &request.stream)?;
    Ok(TableWriter::Merge(Box::new(writer::MergeWriter::new(Transaction::new(session, begin), target, mode))))
}

impl Writer for TableWriter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        match self {
            Self::Merge(writer) => writer.write(changes),
            Self::Change(writer) => writer.write(changes),
        }
    }

    fn flush(&mut self) -> Result<Flushed> {
        match self {
            Self::Merge(writer) => writer.flush(),
            Self::Change(writer) => writer.flush(),
        }
    }
}
