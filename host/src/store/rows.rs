//! What is stored, as its users see it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::KeyDigest;

macro_rules! ids {
    ($($(#[$doc:meta])* $type:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $type(pub i64);

            impl std::fmt::Display for $type {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    std::fmt::Display::fmt(&self.0, f)
                }
            }
        )*
    };
}

ids! {
    /// A run. Ids grow with time and are never used again.
    RunId;
    /// A dead letter. Ids grow with time and are never used again.
    DeadLetterId;
    /// Deletes held for approval. Ids grow with time and are never used again.
    HoldId;
}

named! {
    /// How far a sync has come.
    Phase {
        /// No page has been committed.
        New = "new",
        /// Some pages of the first full reading have been.
        InitialLoad = "initial-load",
        /// The first full reading is done.
        Steady = "steady",
    }
}

named! {
    RunKind {
        Full = "full",
        Incremental = "incremental",
        Compare = "compare",
        Retry = "retry",
        /// A person decided something; nothing was read or written.
        Decision = "decision",
        /// Another run was taken back.
        Rollback = "rollback",
    }
}

named! {
    RunStatus {
        Running = "running",
        Succeeded = "succeeded",
        Failed = "failed",
        /// By a person, or because its process died.
        Interrupted = "interrupted",
    }
}

named! {
    /// How a run ended.
    Outcome { Succeeded = "succeeded", Failed = "failed", Interrupted = "interrupted" }
}

named! {
    /// Where a record failed.
    Stage { Source = "source", Transform = "transform", Map = "map", Write = "write" }
}

named! {
    DeadLetterState {
        /// Waits for a person.
        Open = "open",
        /// A retry went through.
        Resolved = "resolved",
        /// A later record of the same key went through; this one must never be written again.
        Superseded = "superseded",
        /// Somebody decided that the record is not needed.
        Discarded = "discarded",
    }
}

named! {
    /// How a dead letter stops being open.
    Closing { Resolved = "resolved", Superseded = "superseded", Discarded = "discarded" }
}

named! {
    HoldState {
        /// Waits for a person.
        Open = "open",
        Approved = "approved",
        Refused = "refused",
        /// Approved and done.
        Applied = "applied",
        /// Later, other deletes were found, or none.
        Outdated = "outdated",
    }
}

named! {
    Decision { Approve = "approve", Refuse = "refuse" }
}

/// The schemas a sync was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaPin {
    /// JSON text.
    pub source: String,
    /// JSON text.
    pub target: String,
    pub mapping_digest: String,
}

/// Where a sync stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncState {
    pub cursor: Option<Vec<u8>>,
    pub phase: Phase,
    pub pin: Option<SchemaPin>,
    pub last_compare_at: Option<DateTime<Utc>>,
    pub last_success_at: Option<DateTime<Utc>>,
    /// Whether the target was empty, or made by us, when the sync first looked at it.
    pub target_was_empty: bool,
    /// The keys whose newest record is in an open dead letter; tell [`PageCommit::written_keys`] when one goes through.
    pub open_dead_letter_keys: HashSet<KeyDigest>,
    /// Grows with every change to what is stored about this sync.
    pub generation: u64,
}

impl Default for SyncState {
    fn default() -> Self {
        Self {
            cursor: None,
            phase: Phase::New,
            pin: None,
            last_compare_at: None,
            last_success_at: None,
            target_was_empty: false,
            open_dead_letter_keys: HashSet::new(),
            generation: 0,
        }
    }
}

/// A sync at a glance.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncSummary {
    pub sync: String,
    pub phase: Phase,
    pub last_compare_at: Option<DateTime<Utc>>,
    pub last_success_at: Option<DateTime<Utc>>,
    pub open_dead_letters: u64,
    pub open_holds: u64,
    pub last_run: Option<Run>,
}

/// A plugin that takes part in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginUse {
    /// `source`, `transform`, `sink`.
    pub role: String,
    /// `csv@0.1.0`.
    pub label: String,
    /// SHA-256, hexadecimal.
    pub digest: String,
}

#[derive(Clone, Debug)]
pub struct NewRun {
    pub sync: String,
    pub kind: RunKind,
    pub started_at: DateTime<Utc>,
    pub plugins: Vec<PluginUse>,
}

/// What a run did so far: records, pages, and bytes of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    pub read: u64,
    pub written: u64,
    pub unchanged: u64,
    pub deleted: u64,
    pub rejected: u64,
    pub duplicates: u64,
    pub pages: u64,
    pub bytes: u64,
}

/// What becomes of the cursor with a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CursorUpdate {
    #[default]
    Keep,
    Set(Vec<u8>),
    /// Back to the beginning.
    Clear,
}

/// Everything that becomes durable with one page.
#[derive(Clone, Debug)]
pub struct PageCommit {
    pub run: RunId,
    pub at: DateTime<Utc>,
    pub cursor: CursorUpdate,
    pub phase: Phase,
    /// Of the whole run so far, this page included.
    pub counters: Counters,
    /// Records that failed. A letter that is open already for the same key gets this record and cause and one attempt more.
    pub dead_letters: Vec<NewDeadLetter>,
    /// Keys that went through; their open dead letters are superseded. Only those in [`SyncState::open_dead_letter_keys`] or in
    /// letters of this run are needed. A key that is here and in `dead_letters` ends with an open letter.
    pub written_keys: Vec<KeyDigest>,
    /// Letters whose retry went through.
    pub resolved: Vec<DeadLetterId>,
    pub pin: Option<SchemaPin>,
    /// Deletes that were approved and are now done.
    pub hold_applied: Option<HoldId>,
}

impl PageCommit {
    /// A page that changes nothing but the run's counters.
    pub fn new(run: RunId, at: DateTime<Utc>, phase: Phase, counters: Counters) -> Self {
        Self {
            run,
            at,
            cursor: CursorUpdate::Keep,
            phase,
            counters,
            dead_letters: Vec::new(),
            written_keys: Vec::new(),
            resolved: Vec::new(),
            pin: None,
            hold_applied: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    /// `LS0508`.
    pub code: String,
    pub message: String,
}

#[derive(Clone, Debug)]
pub struct RunEnd {
    pub outcome: Outcome,
    pub ended_at: DateTime<Utc>,
    pub counters: Counters,
    pub error: Option<RunError>,
    /// Whether this run has compared source and target completely.
    pub compared: bool,
}

#[derive(Clone, Debug)]
pub struct PinUpdate {
    pub pin: SchemaPin,
    /// Known at the first run only.
    pub target_was_empty: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub sync: String,
    pub kind: RunKind,
    pub status: RunStatus,
    pub started_at: DateTime<Utc>,
    /// The last sign of life of a run that was killed.
    pub ended_at: Option<DateTime<Utc>>,
    pub counters: Counters,
    pub error: Option<RunError>,
    pub plugins: Vec<PluginUse>,
    /// When it last committed something.
    pub seen_at: DateTime<Utc>,
}

/// Why a record could not go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// `LS0605`.
    pub code: String,
    /// `invalid-data`.
    pub kind: String,
    pub message: String,
    /// The plugin's or the system's own code; may be empty.
    pub detail_code: String,
    pub field: Option<String>,
    pub hint: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeadLetter {
    pub stage: Stage,
    pub key: KeyDigest,
    /// For people: the key as JSON; empty if the record has none.
    pub key_text: String,
    /// Where the record stands in the source: `line 12`.
    pub position: Option<String>,
    /// The complete record with its field types as JSON, so that it can be tried again.
    pub record: Option<String>,
    /// A record that could not be read, as it was found.
    pub raw: Option<Vec<u8>>,
    pub cause: Cause,
    /// Who refused it.
    pub plugin: Option<PluginUse>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    pub id: DeadLetterId,
    pub sync: String,
    /// The run of the newest attempt.
    pub run: RunId,
    pub state: DeadLetterState,
    pub attempts: u64,
    pub first_at: DateTime<Utc>,
    /// Of the newest attempt, or of the closing.
    pub last_at: DateTime<Utc>,
    pub letter: NewDeadLetter,
}

/// Deletes to be held for approval.
#[derive(Clone, Debug)]
pub struct NewHold {
    pub sync: String,
    pub run: RunId,
    /// Equal for equal sets of keys: [`KeyDigest::of_set`].
    pub content: KeyDigest,
    /// Records to be deleted.
    pub deletes: u64,
    /// Records in the target.
    pub total: u64,
    /// For people: JSON of the keys, or of some of them.
    pub keys: String,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    pub id: HoldId,
    pub sync: String,
    /// The run that found these deletes last.
    pub run: RunId,
    pub state: HoldState,
    pub content: KeyDigest,
    pub deletes: u64,
    pub total: u64,
    pub keys: String,
    pub created_at: DateTime<Utc>,
    pub decided_at: Option<DateTime<Utc>>,
}

/// Everything that is not none must hold.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub sync: Option<String>,
    pub limit: Option<u32>,
}

/// Everything that is not none must hold.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterFilter {
    pub sync: Option<String>,
    pub state: Option<DeadLetterState>,
    pub run: Option<RunId>,
    /// To go on behind the last letter of the list before.
    pub after: Option<DeadLetterId>,
    pub limit: Option<u32>,
}

/// Everything that is not none must hold.
#[derive(Clone, Debug, Default)]
pub struct HoldFilter {
    pub sync: Option<String>,
    pub state: Option<HoldState>,
    pub limit: Option<u32>,
}
