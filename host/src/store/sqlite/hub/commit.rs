//! One commit of a hub: everything in it, or nothing.

use rusqlite::CachedStatement;

use super::chain::{self, Origin};
use super::load::{Finder, TABLE, record_numbers};
use super::queries::state_number;
use super::sealed::{link_mark, seal};
use super::tables::{EndpointRow, HubRow, NextIds};
use super::{conflicts, events, forget, state};
use crate::store::sqlite::changes::{self, Aftermath, take_cursor};
use crate::store::sqlite::stored::{Stored, update};
use crate::store::sqlite::tables::SyncRow;
use crate::store::sqlite::transaction::Transaction;
use crate::store::{
    ConflictChange, ConflictId, EndpointId, EndpointUpdate, EventChange, HubCommit, IntentRow, Phase, Presence,
    RecordId, StoreErrorKind, WaitingEvent,
};

pub fn commit(transaction: &Transaction<'_>, commit: &HubCommit) -> Stored<()> {
    let run = changes::GoingRun::get(transaction, commit.run)?;
    let mut sync = changes::known_sync(transaction, run.sync()?)?;
    let hub = state::leased(transaction, &sync, commit.epoch)?;
    aftermath(commit).store(transaction, &mut sync)?;
    let endpoints = state::endpoints(transaction, sync.id)?;
    let change = Change { transaction, commit, sync: &sync, endpoints: &endpoints, new: new_ids(commit) };
    let next = change.store(hub.next)?;
    if next != hub.next || commit.pin.is_some() {
        let pin = commit.pin.clone().or(hub.pin);
        update(transaction, &HubRow { next, pin, ..hub })?;
    }
    sync.phase = update_endpoints(transaction, endpoints, &commit.endpoints)?;
    run.progress(transaction, &commit.counters, commit.at)?;
    changes::save(transaction, &mut sync)
}

fn aftermath(commit: &HubCommit) -> Aftermath<'_> {
    Aftermath {
        run: commit.run,
        at: commit.at,
        resolved: &commit.resolved,
        written_keys: &commit.written_keys,
        dead_letters: &commit.dead_letters,
        hold_applied: commit.hold_applied,
    }
}

/// The records of a commit, in order.
fn new_ids(commit: &HubCommit) -> Vec<RecordId> {
    let mut ids: Vec<RecordId> = commit.records.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids
}

/// Answers how far the sync has come: it is steady once all of its endpoints have been read completely.
fn update_endpoints(
    transaction: &Transaction<'_>,
    mut rows: Vec<EndpointRow>,
    updates: &[EndpointUpdate],
) -> Stored<Phase> {
    for change in updates {
        let row = rows.iter_mut().find(|row| row.state.id == change.id).ok_or_else(|| strange_endpoint(change.id))?;
        let state = &mut row.state;
        take_cursor(&mut state.cursor, &change.cursor);
        state.enumerated_at = change.enumerated_at.or(state.enumerated_at);
        state.scanned_at = change.scanned_at.or(state.scanned_at);
        state.progress_at = change.progress_at.or(state.progress_at);
        state.baselined = change.baselined.unwrap_or(state.baselined);
        update(transaction, row)?;
    }
    let is_steady = rows.iter().all(|row| row.state.baselined);
    Ok(if is_steady { Phase::Steady } else { Phase::InitialLoad })
}

fn strange_endpoint(endpoint: EndpointId) -> StoreErrorKind {
    StoreErrorKind::senseless(format!("endpoint {} is not one of the sync", endpoint.0))
}

/// A commit on its way into the tables.
struct Change<'a> {
    transaction: &'a Transaction<'a>,
    commit: &'a HubCommit,
    sync: &'a SyncRow,
    endpoints: &'a [EndpointRow],
    /// The records of this commit, in order.
    new: Vec<RecordId>,
}

impl Change<'_> {
    /// `next` are the first free ids as this hub knows them; answers those afterwards.
    fn store(&self, next: NextIds) -> Stored<NextIds> {
        let newest = state::next_ids(self.transaction)?;
        let record = self.new.last().map_or(next.record, |last| next.record.max(last.0.saturating_add(1)));
        let puts = |change: &&ConflictChange| matches!(change, ConflictChange::Put(_));
        let takes_ids = record > next.record
            || !self.commit.lineage.is_empty()
            || self.commit.conflicts.iter().any(|change| puts(&change));
        if takes_ids && next != newest {
            return Err(StoreErrorKind::senseless("another hub took new ids meanwhile, open this one again"));
        }
        self.put_records(next.record)?;
        self.put_links()?;
        self.put_match_keys()?;
        self.put_intents()?;
        self.put_events()?;
        let conflict = self.put_conflicts(next.conflict)?;
        let origin = Origin { sync: self.sync, run: self.commit.run, at: self.commit.at };
        forget::forget(self.transaction, self.sync.id, self.endpoints, &self.commit.forgotten)?;
        let lineage = chain::append(self.transaction, &origin, next.lineage, &self.commit.lineage)?;
        Ok(NextIds { record, lineage, conflict })
    }

    /// Records before `first_new` are mostly there: then it is quicker not to ask first.
    fn put_records(&self, first_new: i64) -> Stored<()> {
        let sql = "INSERT INTO record (id, sync, body) VALUES (?1, ?2, ?3)
                   ON CONFLICT (id) DO UPDATE SET body = excluded.body WHERE sync = excluded.sync";
        let mut put = self.transaction.prepare_cached(sql)?;
        let mut change = self.transaction.prepare_cached("UPDATE record SET body = ?3 WHERE id = ?1 AND sync = ?2")?;
        let mut records: Vec<_> = self.commit.records.iter().collect();
        records.sort_by_key(|(id, _)| *id);
        let mut sealed = Vec::new();
        for (RecordId(id), body) in records {
            sealed.clear();
            sealed.extend_from_slice(body);
            seal(TABLE, &record_numbers(*id, self.sync.id), &mut sealed);
            let row = (id, self.sync.id, sealed.as_slice());
            let is_changed = *id < first_new && change.execute(row)? == 1;
            if *id < 1 || !(is_changed || put.execute(row)? == 1) {
                let name = &self.sync.name;
                return Err(StoreErrorKind::senseless(format!("record {id} is not one of sync `{name}`")));
            }
        }
        Ok(())
    }

    fn put_links(&self) -> Stored<()> {
        if self.commit.links.is_empty() {
            return Ok(());
        }
        let mut finder = Finder::links(self.transaction)?;
        let sql = "INSERT INTO link (endpoint, remote, record, mark) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let mut insert = self.transaction.prepare_cached(sql)?;
        let mut delete = self.transaction.prepare_cached("DELETE FROM link WHERE endpoint = ? AND remote = ?")?;
        let mut links: Vec<_> = self.commit.links.iter().collect();
        // Stable: what is said twice about a remote id keeps its order.
        links.sort_by_key(|(endpoint, remote, _)| (*endpoint, remote));
        for (endpoint, remote, record) in links {
            self.check_endpoint(*endpoint)?;
            let Some(record) = *record else {
                delete.execute((endpoint.0, remote))?;
                continue;
            };
            self.check_record(record)?;
            let mark = link_mark(endpoint.0, remote, record.0);
            if insert.execute((endpoint.0, remote, record.0, mark))? == 1 {
                continue;
            }
            let owner = finder.owner(*endpoint, remote)?.filter(|owner| *owner != record);
            if let Some(owner) = owner {
                return Err(StoreErrorKind::LinkTaken { endpoint: *endpoint, remote: remote.clone(), record, owner });
            }
        }
        Ok(())
    }

    fn put_match_keys(&self) -> Stored<()> {
        if self.commit.match_keys.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO match_key (sync, key, record) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
        let mut insert = self.transaction.prepare_cached(sql)?;
        let sql = "DELETE FROM match_key WHERE sync = ? AND key = ? AND record = ?";
        let mut delete = self.transaction.prepare_cached(sql)?;
        let mut keys: Vec<_> = self.commit.match_keys.iter().collect();
        keys.sort_by_key(|change| (change.key, change.record));
        for change in keys {
            let row = (self.sync.id, change.key.0, change.record.0);
            match change.presence {
                Presence::Present => {
                    self.check_record(change.record)?;
                    insert.execute(row)?;
                }
                Presence::Absent => {
                    delete.execute(row)?;
                }
            }
        }
        Ok(())
    }

    fn put_intents(&self) -> Stored<()> {
        if self.commit.intents.is_empty() {
            return Ok(());
        }
        let mut put = IntentStatements::prepare(self.transaction)?;
        let mut intents: Vec<_> = self.commit.intents.iter().collect();
        intents.sort_by_key(|(endpoint, record, _)| (*endpoint, *record));
        for (endpoint, record, row) in intents {
            self.check_endpoint(*endpoint)?;
            match row {
                None => put.delete(*endpoint, *record)?,
                Some(row) if self.is_new(*record) => put.insert(*endpoint, *record, row)?,
                // An intent that was there already leads to a record that is there.
                Some(row) if put.update(*endpoint, *record, row)? => {}
                Some(row) => {
                    self.check_record(*record)?;
                    put.insert(*endpoint, *record, row)?;
                }
            }
        }
        Ok(())
    }

    fn put_events(&self) -> Stored<()> {
        for change in &self.commit.events {
            match change {
                EventChange::Wait { endpoint, remote, due, reason, body } => {
                    self.check_endpoint(*endpoint)?;
                    let event =
                        WaitingEvent { remote: remote.clone(), due: *due, reason: reason.clone(), body: body.clone() };
                    events::wait(self.transaction, *endpoint, event)?;
                }
                EventChange::Done { endpoint, remote } => {
                    self.check_endpoint(*endpoint)?;
                    events::done(self.transaction, *endpoint, remote)?;
                }
            }
        }
        Ok(())
    }

    /// Answers the next free id.
    fn put_conflicts(&self, mut next: i64) -> Stored<i64> {
        let HubCommit { run, at, .. } = *self.commit;
        for change in &self.commit.conflicts {
            match change {
                ConflictChange::Put(conflict) => {
                    self.check_record(conflict.record)?;
                    if conflict.sync != self.sync.name {
                        let what =
                            format!("a conflict of sync `{}` in a commit of `{}`", conflict.sync, self.sync.name);
                        return Err(StoreErrorKind::senseless(what));
                    }
                    conflicts::put(self.transaction, ConflictId(next), run, at, conflict)?;
                    next += 1;
                }
                ConflictChange::Close { id, state, resolution } => {
                    conflicts::close(self.transaction, *id, *state, resolution, at)?;
                }
            }
        }
        Ok(next)
    }

    fn check_endpoint(&self, endpoint: EndpointId) -> Stored<()> {
        let is_known = self.endpoints.iter().any(|row| row.state.id == endpoint);
        if is_known { Ok(()) } else { Err(strange_endpoint(endpoint)) }
    }

    fn is_new(&self, record: RecordId) -> bool {
        self.new.binary_search(&record).is_ok()
    }

    /// Fails unless there is such a record: what leads to none could not be told from damage later.
    fn check_record(&self, record: RecordId) -> Stored<()> {
        if self.is_new(record) {
            return Ok(());
        }
        let sql = "SELECT 1 FROM record WHERE id = ? AND sync = ?";
        let is_known = self.transaction.prepare_cached(sql)?.exists((record.0, self.sync.id))?;
        let unknown = || StoreErrorKind::senseless(format!("sync `{}` has no record {}", self.sync.name, record.0));
        if is_known { Ok(()) } else { Err(unknown()) }
    }
}

/// What is owed to endpoints, written row by row.
struct IntentStatements<'a> {
    insert: CachedStatement<'a>,
    update: CachedStatement<'a>,
    delete: CachedStatement<'a>,
}

impl<'a> IntentStatements<'a> {
    fn prepare(transaction: &'a Transaction<'_>) -> Stored<Self> {
        let insert = "INSERT INTO intent (endpoint, record, state, due, attempts, deletes) VALUES (?, ?, ?, ?, ?, ?)
                      ON CONFLICT DO UPDATE SET state = excluded.state, due = excluded.due,
                      attempts = excluded.attempts, deletes = excluded.deletes";
        let update = "UPDATE intent SET state = ?3, due = ?4, attempts = ?5, deletes = ?6
                      WHERE endpoint = ?1 AND record = ?2";
        Ok(Self {
            insert: transaction.prepare_cached(insert)?,
            update: transaction.prepare_cached(update)?,
            delete: transaction.prepare_cached("DELETE FROM intent WHERE endpoint = ? AND record = ?")?,
        })
    }

    /// Also in place of what is there.
    fn insert(&mut self, endpoint: EndpointId, record: RecordId, row: &IntentRow) -> Stored<()> {
        self.insert.execute(intent_values(endpoint, record, row))?;
        Ok(())
    }

    /// Says whether there was one.
    fn update(&mut self, endpoint: EndpointId, record: RecordId, row: &IntentRow) -> Stored<bool> {
        Ok(self.update.execute(intent_values(endpoint, record, row))? == 1)
    }

    fn delete(&mut self, endpoint: EndpointId, record: RecordId) -> Stored<()> {
        self.delete.execute((endpoint.0, record.0))?;
        Ok(())
    }
}

fn intent_values(endpoint: EndpointId, record: RecordId, row: &IntentRow) -> (i64, i64, i64, i64, u32, bool) {
    let IntentRow { state, due, attempts, deletes } = *row;
    (endpoint.0, record.0, state_number(state), due.timestamp_micros(), attempts, deletes)
}
