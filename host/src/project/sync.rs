//! Syncs: what is kept in agreement with what, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::connection::PluginRef;
use super::name::{ConnectionName, SyncName};
use super::place::Place;
use crate::record::LogicalType;

mod between;
mod cycle;
mod hub;
mod read;

pub(super) use between::check_between;
pub use hub::{
    Archive, CLOCK_DOUBT_DEFAULT, ConflictPolicy, DeleteConflict, Direction, Expression, ExpressionUse, HubColumn,
    HubDef, HubDeletes, HubEndpoint, HubField, MatchField, MatchRule, Matching, Normaliser, OnExit, Others, Owner,
    Purpose, ScoredRule, TOMBSTONES_DEFAULT,
};
pub(super) use read::{Known, read_sync, split_by_mode};

/// Rejected records one run may collect before it stops, unless the project says otherwise: enough to see what is wrong, too few
/// to fill a disk.
pub const DEAD_LETTERS_MAX_DEFAULT: u64 = 10_000;

/// One sync: `[sync.NAME]`.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a project has few syncs, and each is read once")]
pub enum SyncDef {
    Mirror(MirrorDef),
    Hub(HubDef),
}

/// One-way: the target becomes what the source is.
#[derive(Clone, Debug)]
pub struct MirrorDef {
    pub name: SyncName,
    pub source: Endpoint,
    pub target: Endpoint,
    /// In the order of the file; empty = every field under its own name.
    pub fields: Vec<FieldLine>,
    /// In the order in which they are applied.
    pub transforms: Vec<TransformRef>,
    pub deletes: Deletes,
    /// How often the whole is compared; only with [`Deletes::Compare`]. None = in every run.
    pub compare_every: Option<Duration>,
    pub guard: Guard,
    pub schema: SchemaPolicy,
    /// How often `run --watch` runs it; none = as often as that command's own default.
    pub trigger_every: Option<Duration>,
    /// Per run.
    pub dead_letters_max: u64,
    /// Where the sync begins in the file.
    pub place: Place,
}

/// A stream of a connection, with what discovery cannot know.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub connection: ConnectionName,
    pub stream: String,
    /// The fields that identify a record; empty = those discovery finds.
    pub key: Vec<String>,
    /// The field for incremental reading; only in a source. None = full reads.
    pub modified: Option<String>,
    /// How far before the last position an incremental reading begins; only with `modified`.
    pub lookback: Option<Duration>,
    /// Types that are to be used instead of those discovery finds, by field.
    pub types: BTreeMap<String, LogicalType>,
    pub place: Place,
}

/// One field of the target.
#[derive(Clone, Debug)]
pub struct FieldLine {
    /// The field's name in the target.
    pub target: String,
    pub value: FieldValue,
    /// The type in the target; none = that of the source, or of the constant.
    pub logical: Option<LogicalType>,
    pub place: Place,
}

/// Where a field's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// A field of the source, after the transforms.
    Source {
        field: String,
        /// Used where the source has null or says nothing.
        default: Option<Value>,
    },
    /// The same in every record; never null.
    Constant(Value),
}

#[derive(Clone, Debug)]
pub struct TransformRef {
    pub plugin: PluginRef,
    /// An object; empty if the project says nothing.
    pub config: Value,
    pub place: Place,
}

/// How records that are gone from the source leave the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    /// Where the source says so, record by record.
    #[default]
    Tombstones,
    /// Also where a complete enumeration of the source does not show them.
    Compare,
    /// Not at all.
    Ignore,
}

/// Inferred deletes are held for approval if they are more than `rows` and more than `share` of the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    pub rows: u64,
    /// 0.05 = five in a hundred.
    pub share: f64,
}

/// What happens if the source's schema is no longer the one pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaPolicy {
    /// The sync waits for a person.
    #[default]
    Pause,
    /// New fields are left out; removed or retyped ones pause all the same.
    Ignore,
    /// New fields are added to the target; removed or retyped ones pause all the same.
    Evolve,
}

impl SyncDef {
    pub fn name(&self) -> &SyncName {
        match self {
            Self::Mirror(mirror) => &mirror.name,
            Self::Hub(hub) => &hub.name,
        }
    }

    /// Where the sync begins in the file.
    pub fn place(&self) -> &Place {
        match self {
            Self::Mirror(mirror) => &mirror.place,
            Self::Hub(hub) => &hub.place,
        }
    }

    /// How often `run --watch` runs it; none = as often as that command's own default.
    pub fn trigger_every(&self) -> Option<Duration> {
        match self {
            Self::Mirror(mirror) => mirror.trigger_every,
            Self::Hub(hub) => hub.trigger_every,
        }
    }

    pub fn as_mirror(&self) -> Option<&MirrorDef> {
        match self {
            Self::Mirror(mirror) => Some(mirror),
            Self::Hub(_) => None,
        }
    }

    pub fn as_hub(&self) -> Option<&HubDef> {
        match self {
            Self::Hub(hub) => Some(hub),
            Self::Mirror(_) => None,
        }
    }

    /// The streams it reads or writes, by connection, in the order of the file; a stream of both ends stands there twice.
    pub fn streams(&self) -> Vec<(&ConnectionName, &str)> {
        match self {
            Self::Mirror(mirror) => {
                [&mirror.source, &mirror.target].map(|end| (&end.connection, end.stream.as_str())).to_vec()
            }
            Self::Hub(hub) => hub.endpoints.iter().map(|end| (&end.connection, end.stream.as_str())).collect(),
        }
    }

    /// The connections it uses, each once, in the order of the file.
    pub fn connections(&self) -> Vec<&ConnectionName> {
        let mut connections: Vec<&ConnectionName> = Vec::new();
        for (connection, _) in self.streams() {
            if !connections.contains(&connection) {
                connections.push(connection);
            }
        }
        connections
    }

    /// The transform plugins it uses: a mirror's transforms, a hub's resolvers.
    pub fn transforms(&self) -> Vec<&TransformRef> {
        match self {
            Self::Mirror(mirror) => mirror.transforms.iter().collect(),
            Self::Hub(hub) => hub.resolvers().collect(),
        }
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self { rows: 20, share: 0.05 }
    }
}

impl Guard {
    /// The most inferred deletes that pass without approval where the target holds `target_rows`.
    pub fn deletes_max(&self, target_rows: u64) -> u64 {
        // A share of a count needs no more than the 53 bits a float has; rounding down is the careful side.
        let by_share = (target_rows as f64 * self.share).floor() as u64;
        self.rows.max(by_share)
    }
}

impl FieldLine {
    /// The source's field; none for a constant.
    pub fn source(&self) -> Option<&str> {
        match &self.value {
            FieldValue::Source { field, .. } => Some(field),
            FieldValue::Constant(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_lets_the_greater_of_both_pass() {
        let guard = Guard::default();
        assert_eq!(guard.deletes_max(0), 20);
        assert_eq!(guard.deletes_max(400), 20);
        assert_eq!(guard.deletes_max(1_000), 50);
        assert_eq!(guard.deletes_max(1_019), 50);
        assert_eq!(Guard { rows: 0, share: 0.0 }.deletes_max(1_000_000), 0);
        assert_eq!(Guard { rows: 0, share: 1.0 }.deletes_max(7), 7);
    }
}
