//! Events that wait until they can be decided.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _};

use super::tables::EventRow;
use crate::store::sqlite::stored::{Stored, insert, list, next_id, update};
use crate::store::sqlite::transaction::Transaction;
use crate::store::{EndpointId, WaitingEvent};

pub fn wait(transaction: &Transaction<'_>, endpoint: EndpointId, event: WaitingEvent) -> Stored<()> {
    match waiting(transaction, endpoint, &event.remote)? {
        Some(id) => update(transaction, &EventRow { id, endpoint, event }),
        None => insert(transaction, &EventRow { id: next_id::<EventRow>(transaction)?, endpoint, event }),
    }
}

pub fn done(transaction: &Transaction<'_>, endpoint: EndpointId, remote: &[u8]) -> Stored<()> {
    let sql = "DELETE FROM event WHERE endpoint = ? AND remote = ?";
    transaction.prepare_cached(sql)?.execute((endpoint.0, remote))?;
    Ok(())
}

fn waiting(connection: &Connection, endpoint: EndpointId, remote: &[u8]) -> Stored<Option<i64>> {
    let sql = "SELECT id FROM event WHERE endpoint = ? AND remote = ?";
    Ok(connection.prepare_cached(sql)?.query_row((endpoint.0, remote), |row| row.get(0)).optional()?)
}

/// Reads all events and so checks them. Done once per run: a damaged one could hide among those that are not due.
pub fn check(connection: &Connection) -> Stored<()> {
    list::<EventRow>(connection, "", &[]).map(drop)
}

/// Not by an index, which could be damaged as well: few wait.
pub fn due(connection: &Connection, endpoint: EndpointId, due: DateTime<Utc>, limit: u32) -> Stored<Vec<WaitingEvent>> {
    let condition = "WHERE endpoint = ? AND due <= ? ORDER BY due, id LIMIT ?";
    let rows = list::<EventRow>(connection, condition, &[&endpoint.0, &due.timestamp_micros(), &limit])?;
    Ok(rows.into_iter().map(|row| row.event).collect())
}

pub fn next(connection: &Connection, endpoint: EndpointId) -> Stored<Option<DateTime<Utc>>> {
    let sql = "SELECT min(due) FROM event NOT INDEXED WHERE endpoint = ?";
    let due: Option<i64> = connection.prepare_cached(sql)?.query_row([endpoint.0], |row| row.get(0))?;
    Ok(due.and_then(DateTime::from_timestamp_micros))
}
