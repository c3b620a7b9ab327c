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
    /// What is done with a record that is gone elsewhere; there in every endpoint that is written if the hub archives deletes.
    pub archive: Option<Archive>,
    /// How long a write may stay invisible to readers; none = what the plugin says, or no time at all.
    pub visibility_lag: Option<Duration>,
    /// How often all its keys are enumerated to find what was deleted; none = in every run. Endpoints that report deletes, or are
    /// read in full anyway, need none.
    pub enumerate_every: Option<Duration>,
    pub place: Place,
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
    /// How two values are decided about: the field's own policy, or the hub's.
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
    /// Names of endpoints, the strongest first. Those that are not named come last, in the order of the file. The hub's own list
    /// may name endpoints that do not have this field.
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
    /// Any one of these links: all of its fields are equal after normalising. Empty, and nothing scored either: every record is
    /// new to the other systems.
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

impl HubDef {
    pub fn endpoint(&self, name: &str) -> Option<&HubEndpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    pub fn field(&self, name: &str) -> Option<&HubField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Whether any change of the field can reach this endpoint. What only the endpoint itself may set is never written to it.
    pub fn is_written(&self, field: &HubField, endpoint: &HubEndpoint) -> bool {
        let is_given = |column: &HubColumn| {
            let others = self.endpoints.iter().filter(|other| other.name != endpoint.name);
            column.constant.is_some() || others.into_iter().any(|other| field.is_taken_from(other))
        };
        endpoint.direction.writes() && field.columns.get(&endpoint.name).is_some_and(is_given)
    }

    /// The endpoint among whose records another hub's references at `endpoint` are found: that of the same name, or else the only
    /// one of the same connection.
    pub fn referred_by(&self, endpoint: &HubEndpoint) -> Option<&HubEndpoint> {
        let of_connection = || self.endpoints.iter().filter(|own| own.connection == endpoint.connection);
        let only = || Some(of_connection().next()?).filter(|_| of_connection().count() == 1);
        of_connection().find(|own| own.name == endpoint.name).or_else(only)
    }

    /// The plugins that decide about conflicts, in the order of the fields.
    pub fn resolvers(&self) -> impl Iterator<Item = &TransformRef> {
        self.fields.iter().filter_map(|field| match &field.conflict {
            ConflictPolicy::Resolver(resolver) => Some(resolver),
            _ => None,
        })
    }

    /// Every expression with what it is for, filters first. One `transform` is there once per endpoint that uses it.
    pub fn expressions(&self) -> Vec<ExpressionUse<'_>> {
        let filters = self.endpoints.iter().filter_map(|endpoint| {
            let purpose = Purpose::Filter { endpoint: &endpoint.name };
            Some(ExpressionUse { expression: endpoint.filter.as_ref()?, purpose })
        });
        filters.chain(self.fields.iter().flat_map(HubField::expressions)).collect()
    }
}

/// An expression and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct ExpressionUse<'a> {
    pub expression: &'a Expression,
    pub purpose: Purpose<'a>,
}

/// What an expression is for, which says over what it is and what it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Over the entity's fields; gives whether the endpoint is to have the record.
    Filter { endpoint: &'a str },
    /// Over `value`, the endpoint's; gives the entity's value.
    Read { field: &'a str, endpoint: &'a str },
    /// Over `value`, the entity's; gives the endpoint's value.
    Write { field: &'a str, endpoint: &'a str },
}

impl HubField {
    /// Whether a change of the field at this endpoint is one of the entity, too.
    pub fn is_taken_from(&self, endpoint: &HubEndpoint) -> bool {
        self.is_read_from(endpoint) && self.owner.as_ref().is_none_or(|owner| owner.endpoint == endpoint.name)
    }

    /// Whether the endpoint's value is looked at; not whether it counts.
    pub fn is_read_from(&self, endpoint: &HubEndpoint) -> bool {
        let column = self.columns.get(&endpoint.name);
        endpoint.direction.reads() && column.is_some_and(|column| column.constant.is_none())
    }

    fn expressions(&self) -> impl Iterator<Item = ExpressionUse<'_>> {
        self.columns.iter().flat_map(|(endpoint, column)| {
            let field = self.name.as_str();
            let read = column.read.as_ref().map(|expression| (expression, Purpose::Read { field, endpoint }));
            let write = column.write.as_ref().map(|expression| (expression, Purpose::Write { field, endpoint }));
            [read, write].into_iter().flatten().map(|(expression, purpose)| ExpressionUse { expression, purpose })
        })
    }
}
