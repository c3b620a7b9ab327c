//! Records by their ids, by their links and by their match keys.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection};

use super::sealed::{damaged, damaged_link, link_mark, unseal};
use crate::store::sqlite::queries::sync_row;
use crate::store::sqlite::stored::Stored;
use crate::store::{EndpointId, LoadedRecords, MatchKey, RecordId, RecordQuery, StoreErrorKind};

pub const TABLE: &str = "record";

/// What a record's checksum covers besides its body.
pub fn record_numbers(id: i64, sync: i64) -> [i64; 2] {
    [id, sync]
}

pub fn load(connection: &Connection, query: &RecordQuery) -> Stored<LoadedRecords> {
    let RecordQuery { sync, links, match_keys, records } = query;
    let Some(sync) = sync_row(connection, sync)? else { return Ok(none_of(query)) };
    let links = in_order(links, &mut Finder::links(connection)?)?;
    let match_keys = in_order(match_keys, &mut Finder::keys(connection, sync.id)?)?;
    let found = links.iter().flatten().chain(match_keys.iter().flatten());
    let mut ids: Vec<_> = found.map(|id| (*id, Origin::Found)).collect();
    ids.extend(records.iter().map(|id| (*id, Origin::Asked)));
    ids.sort_unstable();
    ids.dedup_by_key(|(id, _)| *id);
    Ok(LoadedRecords { bodies: bodies(connection, sync.id, &ids)?, links, match_keys })
}

fn none_of(query: &RecordQuery) -> LoadedRecords {
    let (links, match_keys) = (vec![None; query.links.len()], vec![Vec::new(); query.match_keys.len()]);
    LoadedRecords { links, match_keys, bodies: BTreeMap::new() }
}

/// Why a record is loaded: one that a link or a key leads to must be there. It comes first in the order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Found,
    Asked,
}

/// Looks things up in the order in which they lie on the pages; answers in the order in which they were asked for.
fn in_order<Q: Ord, A: Default>(questions: &[Q], finder: &mut impl Find<Q, A>) -> Stored<Vec<A>> {
    let mut order: Vec<(usize, &Q)> = questions.iter().enumerate().collect();
    order.sort_by_key(|(_, question)| *question);
    let mut answers: Vec<A> = std::iter::repeat_with(A::default).take(questions.len()).collect();
    for (place, question) in order {
        if let Some(answer) = answers.get_mut(place) {
            *answer = finder.find(question)?;
        }
    }
    Ok(answers)
}

trait Find<Q, A> {
    fn find(&mut self, question: &Q) -> Stored<A>;
}

/// A statement that finds records.
pub struct Finder<'a> {
    statement: CachedStatement<'a>,
    sync: i64,
}

impl<'a> Finder<'a> {
    pub fn links(connection: &'a Connection) -> Stored<Self> {
        let sql = "SELECT record, mark FROM link WHERE endpoint = ? AND remote = ?";
        Ok(Self { statement: connection.prepare_cached(sql)?, sync: 0 })
    }

    fn keys(connection: &'a Connection, sync: i64) -> Stored<Self> {
        let sql = "SELECT record FROM match_key WHERE sync = ? AND key = ? ORDER BY record";
        Ok(Self { statement: connection.prepare_cached(sql)?, sync })
    }

    /// The record a remote id belongs to.
    pub fn owner(&mut self, endpoint: EndpointId, remote: &[u8]) -> Stored<Option<RecordId>> {
        let mut rows = self.statement.query((endpoint.0, remote))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (record, mark): (i64, i64) = (row.get(0)?, row.get(1)?);
        if mark != link_mark(endpoint.0, remote, record) {
            return Err(damaged_link(endpoint.0, remote));
        }
        Ok(Some(RecordId(record)))
    }
}

impl Find<(EndpointId, Vec<u8>), Option<RecordId>> for Finder<'_> {
    fn find(&mut self, (endpoint, remote): &(EndpointId, Vec<u8>)) -> Stored<Option<RecordId>> {
        self.owner(*endpoint, remote)
    }
}

impl Find<MatchKey, Vec<RecordId>> for Finder<'_> {
    fn find(&mut self, key: &MatchKey) -> Stored<Vec<RecordId>> {
        let records = self.statement.query_map((self.sync, key.0), |row| Ok(RecordId(row.get(0)?)))?;
        Ok(records.collect::<Result<_, _>>()?)
    }
}

pub fn matching(connection: &Connection, sync: &str, key: MatchKey) -> Stored<Vec<RecordId>> {
    match sync_row(connection, sync)? {
        Some(sync) => Finder::keys(connection, sync.id)?.find(&key),
        None => Ok(Vec::new()),
    }
}

/// `ids` are in order, each once. One that was asked for and does not exist in this sync is left out.
fn bodies(connection: &Connection, sync: i64, ids: &[(RecordId, Origin)]) -> Stored<BTreeMap<RecordId, Vec<u8>>> {
    let mut statement = connection.prepare_cached("SELECT sync, body FROM record WHERE id = ?")?;
    let mut bodies = BTreeMap::new();
    for (id, origin) in ids {
        let mut rows = statement.query([id.0])?;
        match (rows.next()?, origin) {
            (Some(row), origin) => {
                let owner: i64 = row.get(0)?;
                let body = unseal(TABLE, &record_numbers(id.0, owner), row.get_ref(1)?)?;
                if owner == sync {
                    bodies.insert(*id, body.to_vec());
                } else if *origin == Origin::Found {
                    return Err(damaged(TABLE, id.0));
                }
            }
            (None, Origin::Found) => {
                return Err(StoreErrorKind::corrupt(format!(
                    "record {} is missing, a link or a key leads to it",
                    id.0
                )));
            }
            (None, Origin::Asked) => {}
        }
    }
    Ok(bodies)
}
