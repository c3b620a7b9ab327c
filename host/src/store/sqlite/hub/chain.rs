//! The lineage: entries are only ever put behind the last.

use chrono::{DateTime, Utc};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::sealed::{damaged, seal, unseal};
use super::tables::SpanRow;
use crate::store::hub::chain::{Content, FIRST};
use crate::store::sqlite::queries::sync_rows;
use crate::store::sqlite::stored::{Stored, insert, list, update};
use crate::store::sqlite::tables::SyncRow;
use crate::store::sqlite::transaction::Transaction;
use crate::store::{LineageEntry, LineageId, NewLineage, RecordId, RunId, StoreErrorKind};

const TABLE: &str = "lineage";
const COLUMNS: &str = "id, sync, record, run, at, body";
const HASH_BYTES: usize = 32;

/// Whose entries, and when they were made.
pub struct Origin<'a> {
    pub sync: &'a SyncRow,
    pub run: RunId,
    pub at: DateTime<Utc>,
}

/// Puts entries behind the last; `next` is the id of the first of them. Answers the id behind.
pub fn append(transaction: &Transaction<'_>, origin: &Origin<'_>, next: i64, entries: &[NewLineage]) -> Stored<i64> {
    if entries.is_empty() {
        return Ok(next);
    }
    let mut hash = hash_before(transaction, next)?;
    let (sync, run, at) = (origin.sync.id, origin.run.0, origin.at.timestamp_micros());
    let mut statement =
        transaction.prepare_cached(&format!("INSERT INTO lineage ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"))?;
    let mut sealed = Vec::new();
    for (id, entry) in (next..).zip(entries) {
        let (name, record, body) = (&origin.sync.name, entry.record, &entry.body);
        hash = Content { id: LineageId(id), sync: name, record, run: origin.run, at, body }.hash_after(&hash);
        sealed.clear();
        sealed.extend_from_slice(body);
        sealed.extend_from_slice(&hash);
        seal(TABLE, &[id, sync, record.0, run, at], &mut sealed);
        statement.execute((id, sync, record.0, run, at, sealed.as_slice()))?;
    }
    let behind = next.saturating_add_unsigned(entries.len() as u64);
    extend_span(transaction, origin.run, next, behind - 1)?;
    Ok(behind)
}

/// The hash of the entry before the one with this id, which must be the last.
fn hash_before(connection: &Connection, next: i64) -> Stored<[u8; HASH_BYTES]> {
    let sql = format!("SELECT {COLUMNS} FROM lineage ORDER BY id DESC LIMIT 1");
    let mut statement = connection.prepare_cached(&sql)?;
    let last = statement.query_row([], |row| Ok(StoredEntry::read(row))).optional()?.transpose()?;
    let (id, hash) = last.map_or((0, FIRST), |last| (last.id, last.hash));
    if id + 1 == next {
        return Ok(hash);
    }
    Err(StoreErrorKind::corrupt(format!("the lineage ends with entry {id} instead of entry {}", next - 1)))
}

fn extend_span(transaction: &Transaction<'_>, run: RunId, first: i64, last: i64) -> Stored<()> {
    let newest: Option<SpanRow> = list(transaction, "ORDER BY id DESC LIMIT 1", &[])?.pop();
    match newest {
        Some(span) if span.run == run && span.last + 1 == first => update(transaction, &SpanRow { last, ..span }),
        _ => insert(transaction, &SpanRow { first, run, last }),
    }
}

/// An entry as it lies in its row.
struct StoredEntry {
    id: i64,
    sync: i64,
    record: i64,
    run: i64,
    at: i64,
    body: Vec<u8>,
    hash: [u8; HASH_BYTES],
}

impl StoredEntry {
    fn read(row: &Row<'_>) -> Stored<Self> {
        let (id, sync, record): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (run, at): (i64, i64) = (row.get(3)?, row.get(4)?);
        let value: ValueRef<'_> = row.get_ref(5)?;
        let content = unseal(TABLE, &[id, sync, record, run, at], value)?;
        let (body, hash) = content.split_last_chunk().ok_or_else(|| damaged(TABLE, id))?;
        Ok(Self { id, sync, record, run, at, body: body.to_vec(), hash: *hash })
    }

    fn named(self, syncs: &[SyncRow]) -> Stored<LineageEntry> {
        let Self { id, sync, record, run, at, body, hash } = self;
        let name = syncs.iter().find(|row| row.id == sync).map(|row| row.name.clone());
        let at = DateTime::from_timestamp_micros(at);
        let (Some(sync), Some(at)) = (name, at) else { return Err(damaged(TABLE, id)) };
        Ok(LineageEntry { id: LineageId(id), sync, record: RecordId(record), run: RunId(run), at, body, hash })
    }
}

/// Those of the entries that there are, in the order asked for.
pub fn entries(connection: &Connection, ids: &[LineageId]) -> Stored<Vec<LineageEntry>> {
    let syncs = sync_rows(connection)?;
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM lineage WHERE id = ?"))?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(entry) = statement.query_row([id.0], |row| Ok(StoredEntry::read(row))).optional()? {
            found.push(entry?.named(&syncs)?);
        }
    }
    Ok(found)
}

pub fn after(connection: &Connection, after: Option<LineageId>, limit: u32) -> Stored<Vec<LineageEntry>> {
    between(connection, after.map_or(0, |id| id.0), i64::MAX, limit)
}

/// Entries behind `after` up to `last`.
fn between(connection: &Connection, after: i64, last: i64, limit: u32) -> Stored<Vec<LineageEntry>> {
    let syncs = sync_rows(connection)?;
    let sql = format!("SELECT {COLUMNS} FROM lineage WHERE id > ? AND id <= ? ORDER BY id LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((after, last, limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(StoredEntry::read(row)?.named(&syncs)?);
    }
    Ok(found)
}

pub fn of_run(connection: &Connection, run: RunId, after: Option<LineageId>, limit: u32) -> Stored<Vec<LineageEntry>> {
    let after = after.map_or(0, |id| id.0);
    let mut found = Vec::new();
    for span in spans(connection, run)?.into_iter().filter(|span| span.last > after) {
        let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        if left == 0 {
            break;
        }
        found.extend(between(connection, after.max(span.first - 1), span.last, left)?);
    }
    Ok(found)
}

/// All are read and so checked: none may be missed because its run is damaged.
fn spans(connection: &Connection, run: RunId) -> Stored<Vec<SpanRow>> {
    let mut spans = list::<SpanRow>(connection, "ORDER BY id", &[])?;
    spans.retain(|span| span.run == run);
    Ok(spans)
}
