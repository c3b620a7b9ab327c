//! The production store as one process sees it: it is gone when the process is, and a process may die before and after anything
//! becomes durable.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use lockstep::store::{
    Closing, Conflict, ConflictFilter, ConflictId, DeadLetter, DeadLetterFilter, DeadLetterId, Decision, EndpointId,
    Hold, HoldFilter, HoldId, HubCommit, HubState, HubStore, Intent, IntentCounts, IntentRow, IntentState, KeyDigest,
    LineageEntry, LineageId, Link, LoadedRecords, MatchKey, NewHold, NewRun, PageCommit, PinUpdate, RecordId,
    RecordQuery, Result, Run, RunEnd, RunFilter, RunId, Store, StoreError, StoreErrorKind, SyncState, SyncSummary,
    WaitingEvent,
};

use crate::cover::{Mark, Op};
use crate::process::{Moment, Power};
use crate::view::SYNC;
use crate::world::Sim;

pub struct SimStore {
    inner: Arc<dyn HubStore>,
    sim: Sim,
    power: Power,
    /// The lease this process took.
    epoch: AtomicI64,
    /// By system.
    endpoints: OnceLock<Vec<EndpointId>>,
}

fn gone() -> StoreError {
    StoreError { folder: "memory".into(), kind: StoreErrorKind::DiskFull }
}

impl SimStore {
    pub fn new(inner: Arc<dyn HubStore>, sim: &Sim, power: &Power) -> Self {
        Self { inner, sim: sim.clone(), power: power.clone(), epoch: AtomicI64::new(0), endpoints: OnceLock::new() }
    }

    fn change<T>(&self, op: Op, change: impl FnOnce(&dyn HubStore) -> Result<T>) -> Result<T> {
        if !self.power.lives(op, Moment::Before) {
            return Err(gone());
        }
        let changed = change(self.inner.as_ref())?;
        {
            let mut core = self.sim.core();
            core.hit(Mark::Fine, op);
            let now = core.now;
            core.trace.event(now, "store", &[op as i64, i64::from(self.power.number())], || {
                format!("process {}: {op:?}", self.power.number())
            });
        }
        if self.power.lives(op, Moment::After) { Ok(changed) } else { Err(gone()) }
    }

    /// The systems of which a commit says what became of writes.
    fn settled(&self, commit: &HubCommit) -> BTreeSet<usize> {
        let is_settled = |row: &Option<IntentRow>| row.is_none_or(|row| row.state != IntentState::Sent);
        let settled = commit.intents.iter().filter(|(.., row)| is_settled(row));
        let endpoints = self.endpoints.get().map(Vec::as_slice).unwrap_or_default();
        settled.filter_map(|(id, ..)| endpoints.iter().position(|endpoint| endpoint == id)).collect()
    }

    /// Records as they are from now on, where somebody looks on.
    fn tell(&self, commit: &HubCommit) -> Result<()> {
        let plan = self.sim.core().plan.clone();
        if !plan.options.trace {
            return Ok(());
        }
        let names: Vec<String> = plan.systems.iter().map(|system| system.name.to_owned()).collect();
        let endpoints = self.inner.hub_state(SYNC, &names)?.endpoints;
        let ids: Vec<i64> = endpoints.iter().map(|endpoint| endpoint.id.0).collect();
        for (id, body) in &commit.records {
            let words = lockstep::resolve::decode(body, &ids, plan.fields.len());
            let words = words.map_or_else(|| "nonsense".to_owned(), |state| crate::words::of_record(&plan, &state));
            let mut core = self.sim.core();
            let now = core.now;
            core.trace.note(now, "record", || format!("{}: {words}", id.0));
        }
        Ok(())
    }

    fn look<T>(&self, look: impl FnOnce(&dyn HubStore) -> Result<T>) -> Result<T> {
        if self.power.is_dead() { Err(gone()) } else { look(self.inner.as_ref()) }
    }
}

impl HubStore for SimStore {
    fn open_hub(&self, sync: &str, endpoints: &[String]) -> Result<HubState> {
        let state = self.change(Op::OpenHub, |store| store.open_hub(sync, endpoints))?;
        let mut core = self.sim.core();
        if state.epoch.0 <= core.epoch {
            let what = format!("the lease {} was given out after {}", state.epoch.0, core.epoch);
            core.fail("10 fencing", what);
        }
        core.epoch = state.epoch.0;
        self.epoch.store(state.epoch.0, Relaxed);
        self.endpoints.get_or_init(|| state.endpoints.iter().map(|endpoint| endpoint.id).collect());
        Ok(state)
    }

    fn hub_state(&self, sync: &str, endpoints: &[String]) -> Result<HubState> {
        self.look(|store| store.hub_state(sync, endpoints))
    }

    fn load_records(&self, query: &RecordQuery) -> Result<LoadedRecords> {
        self.look(|store| store.load_records(query))
    }

    fn commit_hub(&self, commit: &HubCommit) -> Result<()> {
        self.change(Op::Commit, |store| {
            store.commit_hub(commit)?;
            let settled = self.settled(commit);
            self.sim.core().ledger.note(self.power.number(), &settled);
            Ok(())
        })?;
        let mut core = self.sim.core();
        // Invariant 10.
        let mine = self.epoch.load(Relaxed);
        if mine != core.epoch {
            let what = format!("a commit went through under lease {mine}, which had gone to {}", core.epoch);
            core.fail("10 fencing", what);
        }
        drop(core);
        self.tell(commit)
    }

    fn links(&self, endpoint: EndpointId, after: Option<&[u8]>, limit: u32) -> Result<Vec<Link>> {
        self.look(|store| store.links(endpoint, after, limit))
    }

    fn count_links(&self, endpoint: EndpointId) -> Result<u64> {
        self.look(|store| store.count_links(endpoint))
    }

    fn due_intents(
        &self,
        endpoint: EndpointId,
        due: DateTime<Utc>,
        after: Option<RecordId>,
        limit: u32,
    ) -> Result<Vec<Intent>> {
        self.look(|store| store.due_intents(endpoint, due, after, limit))
    }

    fn count_intents(&self, endpoint: EndpointId) -> Result<IntentCounts> {
        self.look(|store| store.count_intents(endpoint))
    }

    fn due_events(&self, endpoint: EndpointId, due: DateTime<Utc>, limit: u32) -> Result<Vec<WaitingEvent>> {
        self.look(|store| store.due_events(endpoint, due, limit))
    }

    fn next_event(&self, endpoint: EndpointId) -> Result<Option<DateTime<Utc>>> {
        self.look(|store| store.next_event(endpoint))
    }

    fn records(&self, sync: &str, after: Option<RecordId>, limit: u32) -> Result<Vec<(RecordId, Vec<u8>)>> {
        self.look(|store| store.records(sync, after, limit))
    }

    fn matching(&self, sync: &str, key: MatchKey) -> Result<Vec<RecordId>> {
        self.look(|store| store.matching(sync, key))
    }

    fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<Conflict>> {
        self.look(|store| store.conflicts(filter))
    }

    fn conflict(&self, id: ConflictId) -> Result<Conflict> {
        self.look(|store| store.conflict(id))
    }

    fn lineage(&self, ids: &[LineageId]) -> Result<Vec<LineageEntry>> {
        self.look(|store| store.lineage(ids))
    }

    fn lineage_after(&self, after: Option<LineageId>, limit: u32) -> Result<Vec<LineageEntry>> {
        self.look(|store| store.lineage_after(after, limit))
    }

    fn lineage_of_run(&self, run: RunId, after: Option<LineageId>, limit: u32) -> Result<Vec<LineageEntry>> {
        self.look(|store| store.lineage_of_run(run, after, limit))
    }
}

impl Store for SimStore {
    fn sync_state(&self, sync: &str) -> Result<SyncState> {
        self.look(|store| store.sync_state(sync))
    }

    fn syncs(&self) -> Result<Vec<SyncSummary>> {
        self.look(|store| store.syncs())
    }

    fn begin_run(&self, run: &NewRun) -> Result<RunId> {
        self.change(Op::BeginRun, |store| store.begin_run(run))
    }

    fn commit_page(&self, page: &PageCommit) -> Result<()> {
        self.change(Op::Commit, |store| store.commit_page(page))
    }

    fn finish_run(&self, run: RunId, end: &RunEnd) -> Result<()> {
        self.change(Op::FinishRun, |store| store.finish_run(run, end))
    }

    fn pin_schema(&self, sync: &str, update: &PinUpdate) -> Result<()> {
        self.change(Op::Commit, |store| store.pin_schema(sync, update))
    }

    fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>> {
        self.look(|store| store.runs(filter))
    }

    fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        self.look(|store| store.dead_letters(filter))
    }

    fn dead_letter(&self, id: DeadLetterId) -> Result<DeadLetter> {
        self.look(|store| store.dead_letter(id))
    }

    fn close_dead_letters(&self, ids: &[DeadLetterId], closing: Closing, at: DateTime<Utc>) -> Result<u64> {
        self.change(Op::Person, |store| store.close_dead_letters(ids, closing, at))
    }

    fn hold(&self, hold: &NewHold) -> Result<HoldId> {
        self.change(Op::Commit, |store| store.hold(hold))
    }

    fn holds(&self, filter: &HoldFilter) -> Result<Vec<Hold>> {
        self.look(|store| store.holds(filter))
    }

    fn hold_by_content(&self, sync: &str, content: KeyDigest) -> Result<Option<Hold>> {
        self.look(|store| store.hold_by_content(sync, content))
    }

    fn decide_hold(&self, id: HoldId, decision: Decision, at: DateTime<Utc>) -> Result<()> {
        self.change(Op::Person, |store| store.decide_hold(id, decision, at))
    }
}
