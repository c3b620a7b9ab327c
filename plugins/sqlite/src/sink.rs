//! Writing to a table.

mod definition;
mod fault;
mod merge;
mod prepare;
mod target;
mod writer;

use lockstep_plugin_sdk::capabilities::sql;
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::sink::WriteRequest;
use lockstep_plugin_sdk::types::Stream;
use lockstep_sql_dialect::{Arguments, read_all};

use crate::ALIAS;
use crate::catalog;

pub use prepare::prepare;
pub use writer::TableWriter;

/// The table as it is, and whether it holds a row.
pub fn describe(name: &str) -> Result<Option<Stream>> {
    let session = sql::open(ALIAS)?;
    let Some(table) = catalog::find_table(&session, name)? else { return Ok(None) };
    let statement = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", table.quoted());
    let is_empty = read_all(&session, &statement, Arguments::new(), 1)?.is_true(0, 0);
    Ok(Some(table.stream(name).property("empty", is_empty.to_string())))
}

/// Begins to write. Nothing is done to the database before the first page.
pub fn open(request: &WriteRequest) -> Result<TableWriter> {
    let session = sql::open(ALIAS)?;
    let table = catalog::require_table(&session, &request.stream.name)?;
    let target = target::Target::new(table, &request.stream)?;
    Ok(TableWriter::new(session, target, request.write_mode()))
}
