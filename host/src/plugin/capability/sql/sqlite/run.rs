//! Statements with parameters, on the session's thread.

use std::sync::Arc;

use rusqlite::CachedStatement;

use super::affinity::Affinity;
use super::session::Worker;
use super::write;
use crate::connector::Failure;
use crate::plugin::capability::sql::check_present;
use crate::plugin::capability::sql::view::View;
use crate::record::{Batch, LogicalType};

/// A query to be run.
pub(super) struct Query {
    pub statement: String,
    pub parameters: Option<Batch>,
    pub types: Vec<LogicalType>,
}

/// Runs a statement once per row, all or nothing, or once without parameters.
pub(super) fn execute(worker: &Worker, statement: &str, parameters: Option<&Batch>) -> Result<u64, Failure> {
    match parameters {
        Some(batch) if batch.rows() > 1 => in_savepoint(worker, || execute_rows(worker, statement, Some(batch))),
        _ => execute_rows(worker, statement, parameters),
    }
}

fn execute_rows(worker: &Worker, text: &str, parameters: Option<&Batch>) -> Result<u64, Failure> {
    let mut statement = prepare(worker, text, parameters)?;
    let rows = parameters.map_or(1, Batch::rows);
    let views = views(parameters);
    let logicals = logicals(parameters);
    let mut affected = 0;
    let mut scratch = Vec::new();
    for row in 0..rows {
        let result = bind_row(&mut statement, &logicals, &views, row, &mut scratch)
            .and_then(|()| step_through(worker, &mut statement));
        affected += result.map_err(|error| {
            let failure = worker.failure(&error);
            if parameters.is_some() { failure.with("row", row.to_string()) } else { failure }
        })?;
    }
    Ok(affected)
}

/// Runs the statement to its end, rows or not, and answers the number of rows it changed.
fn step_through(worker: &Worker, statement: &mut CachedStatement<'_>) -> rusqlite::Result<u64> {
    let before = worker.connection.total_changes();
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    drop(rows);
    // SQLite goes on telling the number of the last statement that could change anything.
    let is_change = worker.connection.total_changes() != before;
    Ok(if is_change { worker.connection.changes() } else { 0 })
}

pub(super) fn prepare<'w>(
    worker: &'w Worker,
    text: &str,
    parameters: Option<&Batch>,
) -> Result<CachedStatement<'w>, Failure> {
    let statement = worker.connection.prepare_cached(text).map_err(|error| worker.failure(&error))?;
    let given = parameters.map_or(0, |batch| batch.columns().len());
    let wanted = statement.parameter_count();
    if given != wanted {
        return Err(worker.misuse(format!("the statement takes {wanted} parameters, and {given} are given")));
    }
    if let Some(batch) = parameters {
        check_parameters(batch, &worker.origin)?;
    }
    Ok(statement)
}

fn check_parameters(batch: &Batch, origin: &Arc<str>) -> Result<(), Failure> {
    for (number, (field, column)) in (1..).zip(batch.iter()) {
        let name = format!("?{number}");
        check_present(&name, column, origin, 0)?;
        write::check(field.logical, Affinity::None, column)
            .map_err(|(row, misfit)| misfit.failure(origin, row as u64, &name))?;
    }
    Ok(())
}

pub(super) fn views(parameters: Option<&Batch>) -> Vec<View<'_>> {
    parameters.iter().flat_map(|batch| batch.columns()).map(|column| View::new(&column.array)).collect()
}

pub(super) fn logicals(parameters: Option<&Batch>) -> Vec<LogicalType> {
    parameters.iter().flat_map(|batch| batch.fields().iter()).map(|field| field.logical).collect()
}

/// Binds a row of parameters. Where a value goes is not known here: it has the form it has everywhere.
pub(super) fn bind_row(
    statement: &mut CachedStatement<'_>,
    logicals: &[LogicalType],
    views: &[View<'_>],
    row: usize,
    scratch: &mut Vec<u8>,
) -> rusqlite::Result<()> {
    for (number, (logical, view)) in (1..).zip(logicals.iter().zip(views)) {
        write::bind(statement, number, *logical, Affinity::None, view, row, scratch)?;
    }
    Ok(())
}

/// Does something that is taken back as a whole if it fails.
fn in_savepoint<T>(worker: &Worker, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    begin_savepoint(worker)?;
    match work() {
        Ok(result) => keep_savepoint(worker).map(|()| result),
        Err(failure) => {
            undo_savepoint(worker);
            Err(failure)
        }
    }
}

pub(super) fn begin_savepoint(worker: &Worker) -> Result<(), Failure> {
    worker.connection.execute_batch("SAVEPOINT lockstep").map_err(|error| worker.failure(&error))
}

/// Outside of a transaction this commits, which may fail.
pub(super) fn keep_savepoint(worker: &Worker) -> Result<(), Failure> {
    worker.connection.execute_batch("RELEASE SAVEPOINT lockstep").map_err(|error| {
        let failure = worker.failure(&error);
        undo_savepoint(worker);
        failure
    })
}

/// An error may have rolled everything back already; then there is no savepoint.
pub(super) fn undo_savepoint(worker: &Worker) {
    let _ = worker.connection.execute_batch("ROLLBACK TO SAVEPOINT lockstep; RELEASE SAVEPOINT lockstep");
}
