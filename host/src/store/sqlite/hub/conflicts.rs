//! What a person, or a policy, decides.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _};

use crate::store::sqlite::stored::{self, Stored, insert, update};
use crate::store::sqlite::transaction::Transaction;
use crate::store::{Conflict, ConflictFilter, ConflictId, ConflictState, NewConflict, RunId, StoreErrorKind};

/// Stores a conflict; one that is open for the same is outdated by it.
pub fn put(
    transaction: &Transaction<'_>,
    id: ConflictId,
    run: RunId,
    at: DateTime<Utc>,
    conflict: &NewConflict,
) -> Stored<()> {
    // A decision about one endpoint's value answers no question about another's.
    if conflict.state == ConflictState::Open
        && let Some(id) = open(transaction, conflict)?
    {
        let known = get(transaction, id)?;
        update(transaction, &closed(known, ConflictState::Outdated, at))?;
    }
    let closed_at = (conflict.state != ConflictState::Open).then_some(at);
    insert(transaction, &Conflict { id, run, at, closed_at, conflict: conflict.clone() })
}

fn closed(conflict: Conflict, state: ConflictState, at: DateTime<Utc>) -> Conflict {
    let Conflict { conflict: content, .. } = conflict;
    Conflict { closed_at: Some(at), conflict: NewConflict { state, ..content }, ..conflict }
}

/// The open conflict about the same.
fn open(connection: &Connection, conflict: &NewConflict) -> Stored<Option<ConflictId>> {
    let sql = "SELECT id FROM conflict WHERE record = ? AND kind = ? AND subject = ? AND state = 'open'";
    let same = (conflict.record.0, conflict.kind.name(), &conflict.subject);
    Ok(connection.prepare_cached(sql)?.query_row(same, |row| row.get(0).map(ConflictId)).optional()?)
}

pub fn close(
    transaction: &Transaction<'_>,
    id: ConflictId,
    state: ConflictState,
    resolution: &str,
    at: DateTime<Utc>,
) -> Stored<()> {
    let known = get(transaction, id)?;
    if known.conflict.state != ConflictState::Open {
        return Err(StoreErrorKind::ConflictState { conflict: id, state: known.conflict.state });
    }
    if state == ConflictState::Open {
        return Err(StoreErrorKind::senseless(format!("closing conflict {} does not leave it open", id.0)));
    }
    let mut row = closed(known, state, at);
    row.conflict.resolution = Some(resolution.to_owned());
    update(transaction, &row)
}

pub fn get(connection: &Connection, id: ConflictId) -> Stored<Conflict> {
    let row = stored::get(connection, id.0)?;
    row.ok_or_else(|| StoreErrorKind::NotFound { what: format!("conflict {}", id.0) })
}

pub fn list(connection: &Connection, filter: &ConflictFilter) -> Stored<Vec<Conflict>> {
    let condition = "WHERE id > ?1 AND (?2 IS NULL OR sync = ?2) AND (?3 IS NULL OR state = ?3)
                     AND (?4 IS NULL OR record = ?4) ORDER BY id LIMIT ?5";
    let after = filter.after.map_or(0, |id| id.0);
    let state = filter.state.map(ConflictState::name);
    let record = filter.record.map(|record| record.0);
    let limit = filter.limit.map_or(-1, i64::from);
    stored::list(connection, condition, &[&after, &filter.sync, &state, &record, &limit])
}
