//! Hubs: several systems that each keep their own copy of one kind of record.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{Guard, TransformRef};
use crate::project::name::{ConnectionName, SyncName};
use crate::project::place::Place;
use crate::record::LogicalType;

/// How far the clocks of two systems are believed to be apart at most, unless the project says otherwise.
pub const CLOCK_DOUBT_DEFAULT: Duration = Duration::from_secs(2);
/// How long deleted records are remembered, unless the project says otherwise.
pub const TOMBSTONES_DEFAULT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// One hub: `[sync.NAME]` with `mode = "hub"`.
#[derive(Clone, Debug)]
pub struct HubDef {
    pub name: SyncName,
    /// In the order of the file, which is their rank where nothing else decides.
    pub endpoints: Vec<HubEndpoint>,
    /// In the order of the file.
    pub fields: Vec<HubField>,
    pub matching: Matching,
    pub deletes: HubDeletes,
    pub delete_conflict: DeleteConflict,
    /// Of every endpoint's records.
    pub guard: Guard,
    /// Times of two systems that are no further apart than this say nothing about their order.
    pub clock_doubt: Duration,
    /// How long deleted records are remembered.
    pub tombstones: Duration,
    pub trigger_every: Option<Duration>,
    /// Per run.
    pub dead_letters_max: u64,
    /// Where the sync begins in the file.
    pub place: Place,
}

/// `endpoints.NAME`.
#[derive(Clone, Debug)]
pub struct HubEndpoint {
    /// The key in the file; also the connection's name unless that is said.
    pub name: String,
    pub connection: ConnectionName,
    pub stream: String,
    pub direction: Direction,
    /// The fields that identify a record; empty = those discovery finds.
    pub key: Vec<String>,
    /// The field for incremental reading. None = full reads.
    pub modified: Option<String>,
    pub lookback: Option<Duration>,
    pub types: BTreeMap<String, LogicalType>,
    /// CEL over the entity's fields: the records this endpoint is to have. None = all.
    pub filter: Option<Expression>,
    pub on_exit: OnExit,
    /// How long a write may stay invisible to readers; none = what the plugin says, or no time at all.
    pub visibility_lag: Option<Duration>,
    /// How often all its keys are enumerated to find what was deleted; none = in every run. Endpoints that report deletes, or are
    /// read in full anyway, need none.
    pub enumerate_every: Option<Duration>,
    pub place: Place,
}

impl HubDef {
    /// The plugins that decide about conflicts, in the order of the fields.
    pub fn resolvers(&self) -> impl Iterator<Item = &TransformRef> {
        self.fields.iter().filter_map(|field| match &field.conflict {
            ConflictPolicy::Resolver(resolver) => Some(resolver),
            _ => None,
        })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Its changes are taken; nothing is written to it.
    Read,
    /// It is written to; what it says changes nothing.
    Write,
    #[default]
    Both,
}

impl Direction {
    pub fn reads(self) -> bool {
        self != Self::Write
    }

    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

/// A CEL expression and where it stands.
#[derive(Clone, Debug)]
pub struct Expression {
    pub text: String,
    pub place: Place,
}

/// What becomes of an endpoint's record that no longer fits its filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OnExit {
    /// It stays as it is and is no longer kept in agreement.
    #[default]
    Unlink,
    Delete,
    /// A field of the endpoint is set, then it is unlinked.
    Archive(Archive),
}

/// `{ field = "Status", value = "archived" }`: a field of the endpoint's own stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    pub field: String,
    pub value: Value,
}

/// One field of the entity: `[sync.NAME.fields]`.
#[derive(Clone, Debug)]
pub struct HubField {
    pub name: String,
    /// By the names of endpoints; an endpoint that is missing knows nothing of this field.
    pub columns: BTreeMap<String, HubColumn>,
    /// None = that of the first endpoint that has it.
    pub logical: Option<LogicalType>,
    /// Who may set it; none = every endpoint that is read.
    pub owner: Option<Owner>,
    /// How two values are decided about; none = the hub's own, which is there unless there is only one reader.
    pub conflict: ConflictPolicy,
    /// Fields of one group are decided about together.
    pub group: Option<String>,
    /// The hub whose records this field points to by their remote ids.
    pub reference: Option<SyncName>,
    pub tags: Vec<String>,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    pub endpoint: String,
    pub others: Others,
}

/// What becomes of a change to a field by an endpoint that does not own it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Others {
    /// The owner's value is written back.
    #[default]
    Restore,
    /// It stays, until the owner's value changes.
    Ignore,
}

/// How an endpoint shows a field.
#[derive(Clone, Debug)]
pub struct HubColumn {
    /// The endpoint's field.
    pub field: String,
    /// CEL over `value`, from the endpoint's value to the entity's.
    pub read: Option<Expression>,
    /// CEL over `value`, from the entity's value to the endpoint's.
    pub write: Option<Expression>,
    /// Pairs of the endpoint's value and the entity's, both as text; empty = none. A value that is not listed is an error.
    pub values: Vec<(String, String)>,
    /// The entity's value where the endpoint has null.
    pub default: Option<Value>,
    /// Written whatever the entity says; never read.
    pub constant: Option<Value>,
    pub place: Place,
}

#[derive(Clone, Debug, Default)]
pub enum ConflictPolicy {
    /// Waits for a person; everything else goes on.
    #[default]
    Manual,
    /// Names of endpoints, the strongest first. Those that are not named come last, in the order of the file.
    Priority(Vec<String>),
    /// The later change, by the systems' own clocks, if they are further apart than the clock doubt; else the order of the file.
    Newest,
    /// A number: both changes are added.
    Counter,
    /// A text of items with this separator, or JSON lists where it is none: both changes' additions and removals.
    Set { separator: Option<String> },
    /// A transform plugin without any import decides.
    Resolver(TransformRef),
}

/// How records of several systems are found to be the same.
#[derive(Clone, Debug, Default)]
pub struct Matching {
    /// Any one of these links: all of its fields are equal after normalising.
    pub exact: Vec<MatchRule>,
    /// Where no exact rule fits.
    pub scored: Option<ScoredRule>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MatchRule {
    pub fields: Vec<MatchField>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MatchField {
    pub field: String,
    pub normalise: Normaliser,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normaliser {
    /// Trimmed, and without regard to case.
    #[default]
    Text,
    /// As it is.
    Exact,
    /// Only the digits, without leading zeros.
    Digits,
    /// Only letters and digits, without accents, without regard to case.
    Name,
}

/// Fields that speak for or against; compared only where `block` is equal.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredRule {
    pub block: Vec<MatchField>,
    /// Fields with their weights, of a sum of 1.
    pub fields: Vec<(MatchField, f64)>,
    /// From here on records are linked.
    pub link: f64,
    /// From here on a person is asked.
    pub review: f64,
}

/// How a record that is gone from one system leaves the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HubDeletes {
    /// It is deleted there too.
    #[default]
    Propagate,
    /// It stays, and is no longer kept in agreement with the system it is gone from.
    Ignore,
    /// It is archived as the endpoint's `archive` says, and unlinked.
    Archive,
}

/// What becomes of a record that one system deleted and another changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteConflict {
    #[default]
    Manual,
    EditWins,
    DeleteWins,
}
