//! What is read page by page.

use chrono::{DateTime, Utc};
use rusqlite::{CachedStatement, Connection, Params, Row};

use super::load::{TABLE, record_numbers};
use super::sealed::{damaged, damaged_link, link_mark, unseal};
use crate::store::sqlite::queries::sync_row;
use crate::store::sqlite::stored::Stored;
use crate::store::{EndpointId, Intent, IntentCounts, IntentRow, IntentState, Link, RecordId, StoreErrorKind};

pub fn links(connection: &Connection, endpoint: EndpointId, after: Option<&[u8]>, limit: u32) -> Stored<Vec<Link>> {
    let read = |row: &Row<'_>| link(row, endpoint);
    let columns = "SELECT remote, record, mark FROM link WHERE endpoint = ?1";
    match after {
        None => {
            let sql = format!("{columns} ORDER BY remote LIMIT ?2");
            collect(connection.prepare_cached(&sql)?, (endpoint.0, limit), read)
        }
        Some(after) => {
            let sql = format!("{columns} AND remote > ?3 ORDER BY remote LIMIT ?2");
            collect(connection.prepare_cached(&sql)?, (endpoint.0, limit, after), read)
        }
    }
}

fn link(row: &Row<'_>, endpoint: EndpointId) -> Stored<Link> {
    let (remote, record, mark): (Vec<u8>, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    if mark == link_mark(endpoint.0, &remote, record) {
        return Ok(Link { remote, record: RecordId(record) });
    }
    Err(damaged_link(endpoint.0, &remote))
}

fn collect<T>(
    mut statement: CachedStatement<'_>,
    parameters: impl Params,
    read: impl Fn(&Row<'_>) -> Stored<T>,
) -> Stored<Vec<T>> {
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

pub fn count_links(connection: &Connection, endpoint: EndpointId) -> Stored<u64> {
    let sql = "SELECT count(*) FROM link WHERE endpoint = ?";
    let count: i64 = connection.prepare_cached(sql)?.query_row([endpoint.0], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

pub fn due_intents(
    connection: &Connection,
    endpoint: EndpointId,
    due: DateTime<Utc>,
    after: Option<RecordId>,
    limit: u32,
) -> Stored<Vec<Intent>> {
    let sql = "SELECT record, state, due, attempts, deletes FROM intent
               WHERE endpoint = ? AND record > ? AND due <= ? ORDER BY record LIMIT ?";
    let after = after.map_or(0, |record| record.0);
    collect(connection.prepare_cached(sql)?, (endpoint.0, after, due.timestamp_micros(), limit), |row| {
        intent(row, endpoint)
    })
}

fn intent(row: &Row<'_>, endpoint: EndpointId) -> Stored<Intent> {
    let record: i64 = row.get(0)?;
    let (state, due): (i64, i64) = (row.get(1)?, row.get(2)?);
    let (attempts, deletes) = (row.get(3)?, row.get::<_, i64>(4)? != 0);
    match (state_of(state), DateTime::from_timestamp_micros(due)) {
        (Some(state), Some(due)) => {
            Ok(Intent { record: RecordId(record), row: IntentRow { state, due, attempts, deletes } })
        }
        _ => Err(damaged_intent(endpoint, record)),
    }
}

fn damaged_intent(endpoint: EndpointId, record: i64) -> StoreErrorKind {
    let endpoint = endpoint.0;
    StoreErrorKind::corrupt(format!("the intent for record {record} and endpoint {endpoint} is not what was written"))
}

/// How a state lies in its row. The numbers are stored in every project.
pub fn state_number(state: IntentState) -> i64 {
    match state {
        IntentState::Planned => 0,
        IntentState::Sent => 1,
        IntentState::Unknown => 2,
        IntentState::Parked => 3,
        IntentState::Refused => 4,
        IntentState::Held => 5,
    }
}

fn state_of(number: i64) -> Option<IntentState> {
    IntentState::ALL.iter().copied().find(|state| state_number(*state) == number)
}

pub fn count_intents(connection: &Connection, endpoint: EndpointId) -> Stored<IntentCounts> {
    let sql = "SELECT state, count(*), sum(deletes <> 0), min(due) FROM intent WHERE endpoint = ? GROUP BY state";
    let groups = collect(connection.prepare_cached(sql)?, [endpoint.0], |row| {
        let (state, due): (i64, i64) = (row.get(0)?, row.get(3)?);
        let (count, deletes): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok((state, count.unsigned_abs(), deletes.unsigned_abs(), due))
    })?;
    let mut counts = IntentCounts::default();
    for (state, count, deletes, due) in groups {
        let state = state_of(state).ok_or_else(|| damaged("intent", endpoint.0))?;
        *counts.of(state) = count;
        if matches!(state, IntentState::Planned | IntentState::Sent | IntentState::Unknown) {
            counts.deletes += deletes;
        }
        if !matches!(state, IntentState::Refused | IntentState::Held) {
            let due = DateTime::from_timestamp_micros(due);
            counts.next_due = [counts.next_due, due].into_iter().flatten().min();
        }
    }
    Ok(counts)
}

/// Those of other hubs are read, too, and so checked: none may be missed because its sync is damaged.
pub fn records(
    connection: &Connection,
    sync: &str,
    after: Option<RecordId>,
    limit: u32,
) -> Stored<Vec<(RecordId, Vec<u8>)>> {
    let Some(sync) = sync_row(connection, sync)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached("SELECT id, sync, body FROM record WHERE id > ? ORDER BY id")?;
    let mut rows = statement.query([after.map_or(0, |record| record.0)])?;
    let mut found = Vec::new();
    while found.len() < limit as usize {
        let Some(row) = rows.next()? else { break };
        let (id, owner) = (row.get(0)?, row.get(1)?);
        let body = unseal(TABLE, &record_numbers(id, owner), row.get_ref(2)?)?;
        if owner == sync.id {
            found.push((RecordId(id), body.to_vec()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_keep_their_numbers() {
        let numbers: Vec<i64> = IntentState::ALL.iter().map(|state| state_number(*state)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
        assert_eq!(state_of(5), Some(IntentState::Held));
        assert_eq!(state_of(6), None);
    }
}
