//! What a hub keeps: records with what every endpoint last said about them, the links between remote ids and records, work that
//! is owed or has to wait, conflicts, and lineage.
//!
//! Bodies are opaque here: what is in them is known by whoever decides about records. Everything that belongs together becomes
//! durable in one [`HubCommit`] or not at all (Invariant 9), and only for the holder of the newest lease (Invariant 10).

pub mod chain;

use chrono::{DateTime, Utc};

use super::rows::{Counters, CursorUpdate, DeadLetterId, HoldId, NewDeadLetter, RunId};
use super::{KeyDigest, Result, Store};

/// Durable state of hubs. Each method is one transaction.
pub trait HubStore: Store {
    /// Takes the lease of a hub from whoever had it, and answers where it stands. Endpoints are known by their names; unknown ones
    /// are made.
    fn open_hub(&self, sync: &str, endpoints: &[String]) -> Result<HubState>;

    /// The same without taking or making anything; endpoints nobody has heard of have the id 0.
    fn hub_state(&self, sync: &str, endpoints: &[String]) -> Result<HubState>;

    /// What is known about some remote ids and records.
    fn load_records(&self, query: &RecordQuery) -> Result<LoadedRecords>;

    /// Makes everything durable, or nothing if the lease has gone to somebody else.
    fn commit_hub(&self, commit: &HubCommit) -> Result<()>;

    /// The links of an endpoint in the order of their remote ids, behind `after`.
    fn links(&self, endpoint: EndpointId, after: Option<&[u8]>, limit: u32) -> Result<Vec<Link>>;

    /// How many links an endpoint has.
    fn count_links(&self, endpoint: EndpointId) -> Result<u64>;

    /// Intents that are due, whatever their state, in the order of their records, behind `after`.
    fn due_intents(
        &self,
        endpoint: EndpointId,
        due: DateTime<Utc>,
        after: Option<RecordId>,
        limit: u32,
    ) -> Result<Vec<Intent>>;

    /// How many intents an endpoint has in each state, and when the next one is due.
    fn count_intents(&self, endpoint: EndpointId) -> Result<IntentCounts>;

    /// Events that wait and are due, those that are due for longest first.
    fn due_events(&self, endpoint: EndpointId, due: DateTime<Utc>, limit: u32) -> Result<Vec<WaitingEvent>>;

    /// When the next event of an endpoint that waits is due; none if none waits.
    fn next_event(&self, endpoint: EndpointId) -> Result<Option<DateTime<Utc>>>;

    /// The records of a hub in the order of their ids, behind `after`.
    fn records(&self, sync: &str, after: Option<RecordId>, limit: u32) -> Result<Vec<(RecordId, Vec<u8>)>>;

    /// The records of a hub whose match keys include this one.
    fn matching(&self, sync: &str, key: MatchKey) -> Result<Vec<RecordId>>;

    /// Oldest first.
    fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<Conflict>>;

    fn conflict(&self, id: ConflictId) -> Result<Conflict>;

    /// Entries of the lineage by their ids; one that does not exist is left out.
    fn lineage(&self, ids: &[LineageId]) -> Result<Vec<LineageEntry>>;

    /// Entries behind `after`, oldest first.
    fn lineage_after(&self, after: Option<LineageId>, limit: u32) -> Result<Vec<LineageEntry>>;

    /// Entries of a run, oldest first.
    fn lineage_of_run(&self, run: RunId, after: Option<LineageId>, limit: u32) -> Result<Vec<LineageEntry>>;
}

/// A record of a hub. Ids grow with time and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub i64);

/// An endpoint of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub i64);

/// A conflict. Ids grow with time and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConflictId(pub i64);

/// An entry of the lineage. Ids are consecutive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineageId(pub i64);

/// A digest of the fields by which records are matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatchKey(pub [u8; 16]);

/// Which holder of a hub this is: the newest may commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// Where a hub stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubState {
    pub epoch: Epoch,
    /// The first id that no record has; likewise below.
    pub next_record: RecordId,
    pub next_lineage: LineageId,
    pub next_conflict: ConflictId,
    /// In the order they were asked for.
    pub endpoints: Vec<EndpointState>,
    /// JSON text: the entity's fields with their types, in the order of the bodies; none before the first commit that sets it.
    pub pin: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointState {
    pub id: EndpointId,
    pub name: String,
    pub cursor: Option<Vec<u8>>,
    /// When an enumeration was last complete.
    pub enumerated_at: Option<DateTime<Utc>>,
    /// The same, also if what it did not show waits for approval.
    pub scanned_at: Option<DateTime<Utc>>,
    /// When something was last read or written successfully.
    pub progress_at: Option<DateTime<Utc>>,
    /// Whether the first complete reading is done.
    pub baselined: bool,
}

/// What to load.
#[derive(Clone, Debug, Default)]
pub struct RecordQuery {
    pub sync: String,
    /// Remote ids.
    pub links: Vec<(EndpointId, Vec<u8>)>,
    pub match_keys: Vec<MatchKey>,
    pub records: Vec<RecordId>,
}

/// What was loaded, each list in the order of the query's.
#[derive(Clone, Debug, Default)]
pub struct LoadedRecords {
    pub links: Vec<Option<RecordId>>,
    pub match_keys: Vec<Vec<RecordId>>,
    /// The bodies of all records the query names or that are found by it.
    pub bodies: std::collections::BTreeMap<RecordId, Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub remote: Vec<u8>,
    pub record: RecordId,
}

/// Everything that becomes durable together.
#[derive(Clone, Debug)]
pub struct HubCommit {
    pub run: RunId,
    pub at: DateTime<Utc>,
    pub epoch: Epoch,
    /// Of the whole run so far.
    pub counters: Counters,
    pub endpoints: Vec<EndpointUpdate>,
    /// Records, new or in place of what was there.
    pub records: Vec<(RecordId, Vec<u8>)>,
    /// Remote ids and what they now belong to; none = nobody. A remote id that belongs to another record is an error.
    pub links: Vec<(EndpointId, Vec<u8>, Option<RecordId>)>,
    pub match_keys: Vec<MatchKeyChange>,
    /// At most one per endpoint and record; none = nothing is owed any more.
    pub intents: Vec<(EndpointId, RecordId, Option<IntentRow>)>,
    pub events: Vec<EventChange>,
    pub conflicts: Vec<ConflictChange>,
    /// Must begin with [`HubState::next_lineage`] of the moment.
    pub lineage: Vec<NewLineage>,
    pub dead_letters: Vec<NewDeadLetter>,
    /// Keys that went through: their open dead letters are superseded.
    pub written_keys: Vec<KeyDigest>,
    pub resolved: Vec<DeadLetterId>,
    pub hold_applied: Option<HoldId>,
    pub pin: Option<String>,
    /// Records that are no more, with everything that leads to them but lineage and conflicts. They must be in nothing else of the
    /// commit.
    pub forgotten: Vec<RecordId>,
}

impl HubCommit {
    /// Changes nothing but the run's counters.
    pub fn new(run: RunId, at: DateTime<Utc>, epoch: Epoch, counters: Counters) -> Self {
        Self {
            run,
            at,
            epoch,
            counters,
            endpoints: Vec::new(),
            records: Vec::new(),
            links: Vec::new(),
            match_keys: Vec::new(),
            intents: Vec::new(),
            events: Vec::new(),
            conflicts: Vec::new(),
            lineage: Vec::new(),
            dead_letters: Vec::new(),
            written_keys: Vec::new(),
            resolved: Vec::new(),
            hold_applied: None,
            pin: None,
            forgotten: Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct EndpointUpdate {
    pub id: EndpointId,
    pub cursor: CursorUpdate,
    pub enumerated_at: Option<DateTime<Utc>>,
    pub scanned_at: Option<DateTime<Utc>>,
    pub progress_at: Option<DateTime<Utc>>,
    pub baselined: Option<bool>,
}

impl EndpointUpdate {
    pub fn new(id: EndpointId) -> Self {
        Self {
            id,
            cursor: CursorUpdate::Keep,
            enumerated_at: None,
            scanned_at: None,
            progress_at: None,
            baselined: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchKeyChange {
    pub key: MatchKey,
    pub record: RecordId,
    pub presence: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Present,
    Absent,
}

named! {
    IntentState {
        /// Nothing has left yet.
        Planned = "planned",
        /// It is on its way, or was when the process died.
        Sent = "sent",
        /// Nobody knows whether it arrived.
        Unknown = "unknown",
        /// Another record has to be there first.
        Parked = "parked",
        /// The endpoint refused it; a dead letter says why.
        Refused = "refused",
        /// Waits for a person: a held delete, a conflict, a quarantine.
        Held = "held",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntentRow {
    pub state: IntentState,
    /// Not before.
    pub due: DateTime<Utc>,
    pub attempts: u32,
    /// Whether it is a delete.
    pub deletes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    pub record: RecordId,
    pub row: IntentRow,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntentCounts {
    pub planned: u64,
    pub sent: u64,
    pub unknown: u64,
    pub parked: u64,
    pub refused: u64,
    pub held: u64,
    /// Of those that are planned, sent or unknown.
    pub deletes: u64,
    /// Of all but those that are refused or held, which do not wait for a time.
    pub next_due: Option<DateTime<Utc>>,
}

impl IntentCounts {
    /// How many are in this state.
    pub fn of(&mut self, state: IntentState) -> &mut u64 {
        match state {
            IntentState::Planned => &mut self.planned,
            IntentState::Sent => &mut self.sent,
            IntentState::Unknown => &mut self.unknown,
            IntentState::Parked => &mut self.parked,
            IntentState::Refused => &mut self.refused,
            IntentState::Held => &mut self.held,
        }
    }
}

#[derive(Clone, Debug)]
pub enum EventChange {
    /// One per endpoint and remote id: a later one takes its place.
    Wait { endpoint: EndpointId, remote: Vec<u8>, due: DateTime<Utc>, reason: String, body: Vec<u8> },
    /// No error if nothing waits.
    Done { endpoint: EndpointId, remote: Vec<u8> },
}

/// An event that could not be decided when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingEvent {
    pub remote: Vec<u8>,
    pub due: DateTime<Utc>,
    pub reason: String,
    pub body: Vec<u8>,
}

named! {
    ConflictKind {
        /// Two values of one field or group.
        Field = "field",
        /// Changed in one system, deleted in another.
        Delete = "delete",
        /// It is not certain whether a record is one that is known.
        Match = "match",
        /// One system has two records that are one.
        Duplicate = "duplicate",
        /// A field that goes back and forth.
        Oscillation = "oscillation",
    }
}

named! {
    ConflictState {
        /// Waits for a person.
        Open = "open",
        /// A policy decided it when it came up.
        Decided = "decided",
        /// A person decided it.
        Resolved = "resolved",
        /// It went away by itself.
        Outdated = "outdated",
    }
}

#[derive(Clone, Debug)]
pub enum ConflictChange {
    /// Its id is the next one. An open one outdates the one that is open for the same record, kind and subject; one that is decided
    /// already leaves it open.
    Put(NewConflict),
    /// An open one ends. `resolution` says how, as JSON text.
    Close { id: ConflictId, state: ConflictState, resolution: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConflict {
    pub sync: String,
    pub record: RecordId,
    pub kind: ConflictKind,
    pub state: ConflictState,
    /// The field, the group, or the endpoint.
    pub subject: String,
    /// For people: JSON text with the record's key, all values and where they came from.
    pub body: String,
    /// How it was decided, as JSON text, if it is.
    pub resolution: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub id: ConflictId,
    pub run: RunId,
    pub at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
    pub conflict: NewConflict,
}

/// Everything that is not none must hold.
#[derive(Clone, Debug, Default)]
pub struct ConflictFilter {
    pub sync: Option<String>,
    pub state: Option<ConflictState>,
    pub record: Option<RecordId>,
    pub after: Option<ConflictId>,
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLineage {
    pub record: RecordId,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageEntry {
    pub id: LineageId,
    pub sync: String,
    pub record: RecordId,
    pub run: RunId,
    pub at: DateTime<Utc>,
    pub body: Vec<u8>,
    /// Over the entry before and this one.
    pub hash: [u8; 32],
}
