//! What hubs keep, in SQLite.
//!
//! Ten thousand records are one transaction, so every row counts: the tables that grow with the records have no index besides
//! their own order, are written by statements that are prepared once per commit, and in the order in which they lie on the pages.
//!
//! Whether a row is what was written: bodies of records, entries of the lineage and links carry a short checksum and everything else
//! that decides what is written a long one. Match keys and intents carry none, and a link or a conflict that is looked for by a value
//! that is damaged is not found. For those, and for rows that are gone without a trace, there is what SQLite finds wrong with its
//! pages.
//!
//! Invariant 10: a commit is refused unless its epoch is the newest. The ids a hub counts are of the whole file, so that of two hubs
//! that are open at once only one may take new ones; the other is refused before it can take the same.

mod chain;
mod commit;
mod conflicts;
mod events;
mod forget;
mod load;
mod queries;
mod sealed;
mod state;
mod tables;

use chrono::{DateTime, Utc};

use super::SqliteStore;
use crate::store::{
    Conflict, ConflictFilter, ConflictId, EndpointId, HubCommit, HubState, HubStore, Intent, IntentCounts,
    LineageEntry, LineageId, Link, LoadedRecords, MatchKey, RecordId, RecordQuery, Result, RunId, WaitingEvent,
};

impl HubStore for SqliteStore {
    fn open_hub(&self, sync: &str, endpoints: &[String]) -> Result<HubState> {
        self.write(|transaction| state::open(transaction, sync, endpoints))
    }

    fn hub_state(&self, sync: &str, endpoints: &[String]) -> Result<HubState> {
        self.read(|connection| state::look(connection, sync, endpoints))
    }

    fn load_records(&self, query: &RecordQuery) -> Result<LoadedRecords> {
        self.read(|connection| load::load(connection, query))
    }

    fn commit_hub(&self, commit: &HubCommit) -> Result<()> {
        self.write(|transaction| commit::commit(transaction, commit))
    }

    fn links(&self, endpoint: EndpointId, after: Option<&[u8]>, limit: u32) -> Result<Vec<Link>> {
        self.read(|connection| queries::links(connection, endpoint, after, limit))
    }

    fn count_links(&self, endpoint: EndpointId) -> Result<u64> {
        self.read(|connection| queries::count_links(connection, endpoint))
    }

    fn due_intents(
        &self,
        endpoint: EndpointId,
        due: DateTime<Utc>,
        after: Option<RecordId>,
        limit: u32,
    ) -> Result<Vec<Intent>> {
        self.read(|connection| queries::due_intents(connection, endpoint, due, after, limit))
    }

    fn count_intents(&self, endpoint: EndpointId) -> Result<IntentCounts> {
        self.read(|connection| queries::count_intents(connection, endpoint))
    }

    fn due_events(&self, endpoint: EndpointId, due: DateTime<Utc>, limit: u32) -> Result<Vec<WaitingEvent>> {
        self.read(|connection| events::due(connection, endpoint, due, limit))
    }

    fn next_event(&self, endpoint: EndpointId) -> Result<Option<DateTime<Utc>>> {
        self.read(|connection| events::next(connection, endpoint))
    }

    fn records(&self, sync: &str, after: Option<RecordId>, limit: u32) -> Result<Vec<(RecordId, Vec<u8>)>> {
        self.read(|connection| queries::records(connection, sync, after, limit))
    }

    fn matching(&self, sync: &str, key: MatchKey) -> Result<Vec<RecordId>> {
        self.read(|connection| load::matching(connection, sync, key))
    }

    fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<Conflict>> {
        self.read(|connection| conflicts::list(connection, filter))
    }

    fn conflict(&self, id: ConflictId) -> Result<Conflict> {
        self.read(|connection| conflicts::get(connection, id))
    }

    fn lineage(&self, ids: &[LineageId]) -> Result<Vec<LineageEntry>> {
        self.read(|connection| chain::entries(connection, ids))
    }

    fn lineage_after(&self, after: Option<LineageId>, limit: u32) -> Result<Vec<LineageEntry>> {
        self.read(|connection| chain::after(connection, after, limit))
    }

    fn lineage_of_run(&self, run: RunId, after: Option<LineageId>, limit: u32) -> Result<Vec<LineageEntry>> {
        self.read(|connection| chain::of_run(connection, run, after, limit))
    }
}
