//! What is read.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _};

use super::stored::{Stored, get, list};
use super::tables::SyncRow;
use crate::store::{
    DeadLetter, DeadLetterFilter, DeadLetterId, Hold, HoldFilter, HoldId, HoldState, KeyDigest, Run, RunFilter, RunId,
    StoreErrorKind, SyncState, SyncSummary,
};

/// All syncs. There are few, and finding one by looking at all of them needs no index that could be damaged.
pub fn sync_rows(connection: &Connection) -> Stored<Vec<SyncRow>> {
    list(connection, "ORDER BY id", &[])
}

pub fn sync_row(connection: &Connection, name: &str) -> Stored<Option<SyncRow>> {
    Ok(sync_rows(connection)?.into_iter().find(|row| row.name == name))
}

/// Grows with every transaction.
pub fn total_generation(connection: &Connection) -> Stored<u64> {
    let sql = "SELECT coalesce(sum(generation), 0) FROM sync NOT INDEXED";
    let total: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    u64::try_from(total).map_err(|_| StoreErrorKind::corrupt("generations do not add up"))
}

pub fn sync_state(connection: &Connection, name: &str) -> Stored<SyncState> {
    let Some(row) = sync_row(connection, name)? else {
        return Ok(SyncState::default());
    };
    Ok(SyncState {
        open_dead_letter_keys: open_keys(connection, &row)?,
        cursor: row.cursor,
        phase: row.phase,
        pin: row.pin,
        last_compare_at: row.last_compare_at,
        last_success_at: row.last_success_at,
        target_was_empty: row.target_was_empty.unwrap_or(false),
        generation: row.generation,
    })
}

/// The index alone answers this; the sync's own row tells whether it answers truly.
fn open_keys(connection: &Connection, sync: &SyncRow) -> Stored<HashSet<KeyDigest>> {
    let sql = "SELECT key_digest FROM dead_letter WHERE sync = ? AND state = 'open'";
    let mut statement = connection.prepare_cached(sql)?;
    let keys = statement.query_map([&sync.name], |row| Ok(KeyDigest(row.get(0)?)))?;
    let keys = keys.collect::<Result<HashSet<KeyDigest>, _>>()?;
    let sum = keys.iter().fold(KeyDigest([0; 16]), |sum, key| sum.toggled(*key));
    if keys.len() as u64 != sync.open_letters || sum != sync.open_keys {
        return Err(StoreErrorKind::corrupt(format!(
            "the open dead letters of `{}` are not those that were stored",
            sync.name
        )));
    }
    Ok(keys)
}

pub fn summaries(connection: &Connection) -> Stored<Vec<SyncSummary>> {
    let open = list::<Hold>(connection, "WHERE state = ?", &[&HoldState::Open.name()])?;
    let mut summaries = Vec::new();
    for row in sync_rows(connection)? {
        summaries.push(SyncSummary {
            last_run: last_run(connection, &row.name)?,
            open_holds: open.iter().filter(|hold| hold.sync == row.name).count() as u64,
            open_dead_letters: row.open_letters,
            sync: row.name,
            phase: row.phase,
            last_compare_at: row.last_compare_at,
            last_success_at: row.last_success_at,
        });
    }
    summaries.sort_by(|one, other| one.sync.cmp(&other.sync));
    Ok(summaries)
}

fn last_run(connection: &Connection, sync: &str) -> Stored<Option<Run>> {
    let sql = "SELECT id FROM run WHERE sync = ? ORDER BY id DESC LIMIT 1";
    let id: Option<i64> = connection.prepare_cached(sql)?.query_row([sync], |row| row.get(0)).optional()?;
    match id {
        Some(id) => get(connection, id),
        None => Ok(None),
    }
}

/// Runs that have not ended.
pub fn running(connection: &Connection) -> Stored<Vec<Run>> {
    let mut statement = connection.prepare_cached("SELECT id FROM run WHERE status = 'running'")?;
    let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    ids.into_iter().filter_map(|id| get(connection, id).transpose()).collect()
}

pub fn run(connection: &Connection, id: RunId) -> Stored<Run> {
    get(connection, id.0)?.ok_or_else(|| no_run(id))
}

pub fn no_run(id: RunId) -> StoreErrorKind {
    StoreErrorKind::NotFound { what: format!("run {id}") }
}

pub fn runs(connection: &Connection, filter: &RunFilter) -> Stored<Vec<Run>> {
    let condition = "WHERE (?1 IS NULL OR sync = ?1) ORDER BY id DESC LIMIT ?2";
    list(connection, condition, &[&filter.sync, &limit(filter.limit)])
}

/// What SQLite takes for no limit is negative.
fn limit(limit: Option<u32>) -> i64 {
    limit.map_or(-1, i64::from)
}

pub fn dead_letters(connection: &Connection, filter: &DeadLetterFilter) -> Stored<Vec<DeadLetter>> {
    let condition =
        "WHERE id > ?1 AND (?2 IS NULL OR sync = ?2) AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR run = ?4)
                     ORDER BY id LIMIT ?5";
    let after = filter.after.map_or(0, |id| id.0);
    let state = filter.state.map(|state| state.name());
    let run = filter.run.map(|run| run.0);
    list(connection, condition, &[&after, &filter.sync, &state, &run, &limit(filter.limit)])
}

pub fn dead_letter(connection: &Connection, id: DeadLetterId) -> Stored<DeadLetter> {
    get(connection, id.0)?.ok_or_else(|| StoreErrorKind::NotFound { what: format!("dead letter {id}") })
}

/// The open letter of a key.
pub fn open_letter(connection: &Connection, sync: &str, key: KeyDigest) -> Stored<Option<DeadLetter>> {
    let sql = "SELECT id FROM dead_letter WHERE sync = ? AND key_digest = ? AND state = 'open'";
    let mut statement = connection.prepare_cached(sql)?;
    let mut ids = statement.query_map((sync, key.0), |row| row.get::<_, i64>(0))?;
    match ids.next().transpose()? {
        Some(id) => dead_letter(connection, DeadLetterId(id)).map(Some),
        None => Ok(None),
    }
}

pub fn hold(connection: &Connection, id: HoldId) -> Stored<Hold> {
    get(connection, id.0)?.ok_or_else(|| StoreErrorKind::NotFound { what: format!("hold {id}") })
}

pub fn holds(connection: &Connection, filter: &HoldFilter) -> Stored<Vec<Hold>> {
    let condition = "WHERE (?1 IS NULL OR sync = ?1) AND (?2 IS NULL OR state = ?2) ORDER BY id DESC LIMIT ?3";
    let state = filter.state.map(|state| state.name());
    list(connection, condition, &[&filter.sync, &state, &limit(filter.limit)])
}

pub fn hold_by_content(connection: &Connection, sync: &str, content: KeyDigest) -> Stored<Option<Hold>> {
    let condition =
        "WHERE sync = ? AND content = ? AND state IN ('open', 'approved', 'refused') ORDER BY id DESC LIMIT 1";
    Ok(list(connection, condition, &[&sync, &content.0])?.into_iter().next())
}
