//! The state in SQLite.
//!
//! One connection behind a mutex; write-ahead log with `synchronous = FULL`, so that a transaction is durable when it returns
//! and costs one flush of the disk (the first one of a process also flushes the folder). The log is not folded into the file
//! when the store is closed, which would cost two more. The beginning of a run is flushed with what follows it.

mod changes;
mod hub;
mod migrate;
mod open;
mod queries;
mod scratch;
mod stored;
mod tables;
#[cfg(test)]
pub mod testing;
mod transaction;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::lock::{ProjectLock, is_abandoned, lock_path};
use super::witness::Witness;
use super::{
    Closing, DeadLetter, DeadLetterFilter, DeadLetterId, Decision, Hold, HoldFilter, HoldId, KeyDigest, NewHold,
    NewRun, PageCommit, PinUpdate, Result, Run, RunEnd, RunFilter, RunId, RunStatus, Store, StoreErrorKind, SyncState,
    SyncSummary,
};
use stored::Stored;
use transaction::Transaction;

/// How durable changes are where nobody reads them after a crash.
const NEVER: &str = "OFF";

/// [`Store`] in a file, or in memory.
#[derive(Debug)]
pub struct SqliteStore {
    /// Closed before the lock is given back.
    inner: Mutex<Inner>,
    folder: PathBuf,
    access: Access,
    _lock: Option<ProjectLock>,
    /// The file of a copy, removed when the copy is closed.
    _scratch: Option<tempfile::TempPath>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    witness: Option<Witness>,
    /// What `synchronous` is when a change is to be durable.
    synchronous: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    ReadWrite,
    ReadOnly,
}

impl SqliteStore {
    /// Opens the project's state for a command that changes it, and makes it if there is none. Only one process at a time
    /// can. `command` is what others are told: `lockstep run customers`. Runs that a dead process left are marked interrupted.
    pub fn open(project: &Path, command: &str, now: DateTime<Utc>) -> Result<Self> {
        open::for_writing(project, command, now)
    }

    /// Opens the project's state for a command that only looks, also while another process works on it. A project that was
    /// never run has an empty state; nothing is made.
    pub fn open_read_only(project: &Path) -> Result<Self> {
        open::for_reading(project)
    }

    /// A state that nobody else sees and that ends with the store.
    pub fn in_memory() -> Result<Self> {
        open::in_memory()
    }

    /// A copy of the whole state for trying things: nobody else sees it, what happens there never touches this one, and it ends with
    /// its store. A small state is copied into memory, a big one into a file beside it. Works also where this store only looks.
    pub fn scratch_copy(&self) -> Result<Self> {
        scratch::copy(self)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A thread that panicked has rolled its transaction back: the connection is as good as before.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Several queries that see one state.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> Stored<T>) -> Result<T> {
        let inner = self.inner();
        let seen = Transaction::for_reading(&inner.connection).and_then(|transaction| query(&transaction));
        seen.map_err(|error| error.at(&self.folder))
    }

    /// One transaction: all of it or nothing.
    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Stored<T>) -> Result<T> {
        self.check_writable()?;
        self.inner().write(change).map_err(|error| error.at(&self.folder))
    }

    /// Like `write`, but durable only with the next change.
    fn write_ahead<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Stored<T>) -> Result<T> {
        self.check_writable()?;
        self.inner().write_ahead(change).map_err(|error| error.at(&self.folder))
    }

    /// Whether this store only looks, and nobody works on the project.
    fn is_abandoned(&self) -> bool {
        self.access == Access::ReadOnly && is_abandoned(&lock_path(&self.folder))
    }

    /// Who only looks cannot mark the runs of a dead process, and shows them as the next writer will mark them. Asked before and
    /// after the runs were read: a process may come or go meanwhile.
    fn show_interrupted<'a>(&self, was_abandoned: bool, runs: impl Iterator<Item = &'a mut Run>) {
        let mut running = runs.filter(|run| run.status == RunStatus::Running).peekable();
        if was_abandoned && running.peek().is_some() && self.is_abandoned() {
            running.for_each(|run| run.status = RunStatus::Interrupted);
        }
    }

    fn check_writable(&self) -> Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(StoreErrorKind::ReadOnly.at(&self.folder)),
        }
    }
}

impl Inner {
    fn new(connection: Connection, witness: Option<Witness>) -> Self {
        Self { connection, witness, synchronous: "FULL" }
    }

    /// One that ends with its process.
    fn passing(connection: Connection) -> Stored<Self> {
        connection.pragma_update(None, "synchronous", NEVER)?;
        Ok(Self { connection, witness: None, synchronous: NEVER })
    }

    fn write<T>(&mut self, change: impl FnOnce(&Transaction<'_>) -> Stored<T>) -> Stored<T> {
        let (changed, generation) = self.commit(change)?;
        if let Some(witness) = &mut self.witness {
            witness.note(generation);
        }
        Ok(changed)
    }

    /// The witness is not told: it must never know of more than is durable.
    fn write_ahead<T>(&mut self, change: impl FnOnce(&Transaction<'_>) -> Stored<T>) -> Stored<T> {
        if self.synchronous == NEVER {
            return self.write(change);
        }
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        let committed = self.commit(change);
        self.connection.pragma_update(None, "synchronous", self.synchronous)?;
        committed.map(|(changed, _)| changed)
    }

    fn commit<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Stored<T>) -> Stored<(T, u64)> {
        let transaction = Transaction::for_writing(&self.connection)?;
        let changed = change(&transaction)?;
        let generation = queries::total_generation(&transaction)?;
        transaction.commit()?;
        Ok((changed, generation))
    }
}

impl Store for SqliteStore {
    fn sync_state(&self, sync: &str) -> Result<SyncState> {
        self.read(|connection| queries::sync_state(connection, sync))
    }

    fn syncs(&self) -> Result<Vec<SyncSummary>> {
        let was_abandoned = self.is_abandoned();
        let mut summaries = self.read(queries::summaries)?;
        self.show_interrupted(was_abandoned, summaries.iter_mut().filter_map(|summary| summary.last_run.as_mut()));
        Ok(summaries)
    }

    fn begin_run(&self, run: &NewRun) -> Result<RunId> {
        self.write_ahead(|transaction| changes::begin_run(transaction, run))
    }

    fn commit_page(&self, page: &PageCommit) -> Result<()> {
        self.write(|transaction| changes::commit_page(transaction, page))
    }

    fn finish_run(&self, run: RunId, end: &RunEnd) -> Result<()> {
        self.write(|transaction| changes::finish_run(transaction, run, end))
    }

    fn pin_schema(&self, sync: &str, update: &PinUpdate) -> Result<()> {
        self.write(|transaction| changes::pin_schema(transaction, sync, update))
    }

    fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>> {
        let was_abandoned = self.is_abandoned();
        let mut runs = self.read(|connection| queries::runs(connection, filter))?;
        self.show_interrupted(was_abandoned, runs.iter_mut());
        Ok(runs)
    }

    fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        self.read(|connection| queries::dead_letters(connection, filter))
    }

    fn dead_letter(&self, id: DeadLetterId) -> Result<DeadLetter> {
        self.read(|connection| queries::dead_letter(connection, id))
    }

    fn close_dead_letters(&self, ids: &[DeadLetterId], closing: Closing, at: DateTime<Utc>) -> Result<u64> {
        self.write(|transaction| changes::close_dead_letters(transaction, ids, closing, at))
    }

    fn hold(&self, hold: &NewHold) -> Result<HoldId> {
        self.write(|transaction| changes::hold(transaction, hold))
    }

    fn holds(&self, filter: &HoldFilter) -> Result<Vec<Hold>> {
        self.read(|connection| queries::holds(connection, filter))
    }

    fn hold_by_content(&self, sync: &str, content: KeyDigest) -> Result<Option<Hold>> {
        self.read(|connection| queries::hold_by_content(connection, sync, content))
    }

    fn decide_hold(&self, id: HoldId, decision: Decision, at: DateTime<Utc>) -> Result<()> {
        self.write(|transaction| changes::decide_hold(transaction, id, decision, at))
    }
}

#[cfg(test)]
mod tests;
