//! Durable state: where every sync stands, what its runs did, and what waits for a person.
//!
//! One trait whose unit is the page: cursor, counters and dead letters of a page become durable together or not at all. The
//! embedded implementation is SQLite in `.lockstep/state.db` beside the project file; a folder without it means a first run.
//!
//! This module must not know plugins, projects or how a sync goes. It does not ask for the time: callers bring it.
//!
//! Invariants: a cursor is never ahead of the dead letters of the records before it (Invariant 9); a record that failed is
//! open at most once per key, and no longer open once a later page wrote its key; what is read back is what was written, or
//! an error says that it is not.

mod digest;
mod error;
#[macro_use]
mod named;
mod hub;
mod lock;
mod private;
mod rows;
mod sqlite;
mod witness;

pub use digest::KeyDigest;
pub use error::{StoreError, StoreErrorKind};
pub use hub::chain::{BrokenChain, verify_chain};
pub use hub::{
    Conflict, ConflictChange, ConflictFilter, ConflictId, ConflictKind, ConflictState, EndpointId, EndpointState,
    EndpointUpdate, Epoch, EventChange, HubCommit, HubState, HubStore, Intent, IntentCounts, IntentRow, IntentState,
    LineageEntry, LineageId, Link, LoadedRecords, MatchKey, MatchKeyChange, NewConflict, NewLineage, Presence,
    RecordId, RecordQuery, WaitingEvent,
};
pub use lock::Holder;
pub use private::{PrivateFiles, PrivateLock};
pub use rows::{
    Cause, Closing, Counters, CursorUpdate, DeadLetter, DeadLetterFilter, DeadLetterId, DeadLetterState, Decision,
    Hold, HoldFilter, HoldId, HoldState, NewDeadLetter, NewHold, NewRun, Outcome, PageCommit, Phase, PinUpdate,
    PluginUse, Run, RunEnd, RunError, RunFilter, RunId, RunKind, RunStatus, SchemaPin, Stage, SyncState, SyncSummary,
};
pub use sqlite::SqliteStore;

use chrono::{DateTime, Utc};

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The folder of the state, beside the project file.
pub const STATE_FOLDER: &str = ".lockstep";

/// Durable state. Methods block for milliseconds; each that changes something is one transaction, and durable when it returns
/// unless it says otherwise. Times are kept in microseconds.
pub trait Store: Send + Sync {
    /// Everything a run needs to begin. A sync nobody has run yet is [`Phase::New`].
    fn sync_state(&self, sync: &str) -> Result<SyncState>;

    /// All syncs that ever ran, by name.
    fn syncs(&self) -> Result<Vec<SyncSummary>>;

    /// Durable with the first page or the end of the run: a run that did neither may be forgotten by a power failure.
    fn begin_run(&self, run: &NewRun) -> Result<RunId>;

    /// Makes a page durable: call it after the target has acknowledged the page. Fails if the run has ended.
    fn commit_page(&self, page: &PageCommit) -> Result<()>;

    /// Ends a run, with or without pages before. Fails if it has ended already.
    fn finish_run(&self, run: RunId, end: &RunEnd) -> Result<()>;

    /// Remembers the schemas a sync was agreed on.
    fn pin_schema(&self, sync: &str, update: &PinUpdate) -> Result<()>;

    /// Newest first.
    fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>>;

    /// Oldest first.
    fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>>;

    fn dead_letter(&self, id: DeadLetterId) -> Result<DeadLetter>;

    /// Closes those of the letters that are open and says how many; an unknown id is an error and closes none.
    fn close_dead_letters(&self, ids: &[DeadLetterId], closing: Closing, at: DateTime<Utc>) -> Result<u64>;

    /// Holds deletes for approval. Deletes of the same content are not held twice; other deletes that this sync held or that
    /// were approved and not done are outdated, by these or by the next comparison that does not find them again.
    fn hold(&self, hold: &NewHold) -> Result<HoldId>;

    /// Newest first.
    fn holds(&self, filter: &HoldFilter) -> Result<Vec<Hold>>;

    /// The newest hold of this content that is neither outdated nor applied.
    fn hold_by_content(&self, sync: &str, content: KeyDigest) -> Result<Option<Hold>>;

    /// Decides a hold, or decides it anew; one that is applied or outdated is an error.
    fn decide_hold(&self, id: HoldId, decision: Decision, at: DateTime<Utc>) -> Result<()>;
}
