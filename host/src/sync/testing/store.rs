//! The real store in memory, behind a power switch and planned failures. What every page commit promises is checked.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};

use super::{Power, Script};
use crate::store::{
    Closing, DeadLetter, DeadLetterFilter, DeadLetterId, Decision, Hold, HoldFilter, HoldId, KeyDigest, NewHold,
    NewRun, PageCommit, PinUpdate, Result, Run, RunEnd, RunFilter, RunId, SqliteStore, Store, StoreError,
    StoreErrorKind, SyncState, SyncSummary,
};

type Check = Box<dyn Fn(&PageCommit, &SqliteStore) + Send>;

pub struct FakeStore {
    pub inner: Arc<SqliteStore>,
    pub script: Script,
    pub power: Power,
    /// Called after each page commit.
    check: Mutex<Option<Check>>,
}

impl FakeStore {
    pub fn new(power: &Power) -> Self {
        Self {
            inner: Arc::new(SqliteStore::in_memory().unwrap()),
            script: Script::default(),
            power: power.clone(),
            check: Mutex::new(None),
        }
    }

    pub fn check_commits(&self, check: impl Fn(&PageCommit, &SqliteStore) + Send + 'static) {
        *self.check.lock().unwrap() = Some(Box::new(check));
    }

    fn change<T>(&self, call: &'static str, change: impl FnOnce(&SqliteStore) -> Result<T>) -> Result<T> {
        self.script.meet(call).map_err(|_| fault())?;
        self.power.step().map_err(|_| fault())?;
        let changed = change(&self.inner)?;
        self.power.step().map_err(|_| fault())?;
        Ok(changed)
    }

    fn look<T>(&self, call: &'static str, look: impl FnOnce(&SqliteStore) -> Result<T>) -> Result<T> {
        self.power.check().map_err(|_| fault())?;
        self.script.meet(call).map_err(|_| fault())?;
        look(&self.inner)
    }
}

fn fault() -> StoreError {
    StoreError { folder: "memory".into(), kind: StoreErrorKind::DiskFull }
}

impl Store for FakeStore {
    fn sync_state(&self, sync: &str) -> Result<SyncState> {
        self.look("sync_state", |store| store.sync_state(sync))
    }

    fn syncs(&self) -> Result<Vec<SyncSummary>> {
        self.look("syncs", Store::syncs)
    }

    fn begin_run(&self, run: &NewRun) -> Result<RunId> {
        self.change("begin_run", |store| store.begin_run(run))
    }

    fn commit_page(&self, page: &PageCommit) -> Result<()> {
        self.change("commit_page", |store| {
            store.commit_page(page)?;
            if let Some(check) = self.check.lock().unwrap().as_ref() {
                check(page, store);
            }
            Ok(())
        })
    }

    fn finish_run(&self, run: RunId, end: &RunEnd) -> Result<()> {
        self.change("finish_run", |store| store.finish_run(run, end))
    }

    fn pin_schema(&self, sync: &str, update: &PinUpdate) -> Result<()> {
        self.change("pin_schema", |store| store.pin_schema(sync, update))
    }

    fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>> {
        self.look("runs", |store| store.runs(filter))
    }

    fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        self.look("dead_letters", |store| store.dead_letters(filter))
    }

    fn dead_letter(&self, id: DeadLetterId) -> Result<DeadLetter> {
        self.look("dead_letter", |store| store.dead_letter(id))
    }

    fn close_dead_letters(&self, ids: &[DeadLetterId], closing: Closing, at: DateTime<Utc>) -> Result<u64> {
        self.change("close_dead_letters", |store| store.close_dead_letters(ids, closing, at))
    }

    fn hold(&self, hold: &NewHold) -> Result<HoldId> {
        self.change("hold", |store| store.hold(hold))
    }

    fn holds(&self, filter: &HoldFilter) -> Result<Vec<Hold>> {
        self.look("holds", |store| store.holds(filter))
    }

    fn hold_by_content(&self, sync: &str, content: KeyDigest) -> Result<Option<Hold>> {
        self.look("hold_by_content", |store| store.hold_by_content(sync, content))
    }

    fn decide_hold(&self, id: HoldId, decision: Decision, at: DateTime<Utc>) -> Result<()> {
        self.change("decide_hold", |store| store.decide_hold(id, decision, at))
    }
}
