//! Why a run ends.

use crate::connector::{Failure, FailureKind};
use crate::error::{Code, Explain, codes};
use crate::project::Place;
use crate::record::{BatchError, ExpressionError, KeyError, MappingError, ProjectionError};
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error("sync `{sync}`: {failure}")]
    Connector { sync: String, failure: Failure },
    #[error("sync `{sync}`: gave up after repeated failures: {failure}")]
    Exhausted { sync: String, failure: Failure },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("sync `{sync}`: {error}")]
    Mapping { sync: String, error: MappingError },
    #[error("sync `{sync}`: connection `{connection}` has no stream `{stream}`")]
    StreamMissing {
        sync: String,
        connection: String,
        stream: String,
        nearest: Option<String>,
        /// The key with which the stream would be made, if it can be.
        key: Option<String>,
    },
    #[error("{}sync `{sync}`: {what} names the field `{field}`, which the stream `{stream}` does not have", line(.place))]
    FieldMissing {
        sync: String,
        what: &'static str,
        field: String,
        stream: String,
        nearest: Option<String>,
        /// Where the project file names it, if that is known.
        place: Option<Place>,
    },
    #[error("sync `{sync}`: the stream `{stream}` has no key")]
    KeyMissing { sync: String, stream: String, example: String },
    #[error("sync `{sync}`: the target `{stream}` cannot take these records: {reason}")]
    TargetUnfit { sync: String, stream: String, reason: String, hint: String },
    #[error("sync `{sync}`: the schema of `{stream}` changed: {changes}")]
    Drift { sync: String, stream: String, changes: String },
    #[error("sync `{sync}`: the field `{field}` was {from} and would become {to}")]
    Retyped { sync: String, field: String, from: String, to: String },
    #[error("sync `{sync}`: endpoint `{endpoint}`: {error}")]
    Projection { sync: String, endpoint: String, error: ProjectionError },
    #[error("{place}: sync `{sync}`: {error}")]
    Expression { sync: String, place: String, error: ExpressionError },
    #[error("{place}: sync `{sync}`: `{field}` is decided by `newest`, but {}", silence(.endpoint, .modified))]
    NoTimes {
        place: Place,
        sync: String,
        field: String,
        endpoint: String,
        /// The field that should say when a record was changed, and its type.
        modified: Option<(String, String)>,
    },
    #[error("sync `{sync}`: the fixed value of `{field}` does not fit: {reason}")]
    FixedValue { sync: String, field: String, reason: String },
    #[error("conflict {conflict} is {state}")]
    ConflictClosed { conflict: i64, state: String },
    #[error("`{field}` cannot be set: {reason}")]
    Unsettable { field: String, reason: String },
    #[error("conflict {conflict} ({kind}) cannot end like that")]
    Unresolvable { conflict: i64, kind: String, possible: String },
    #[error("{reason}")]
    Unmergeable { reason: String },
    #[error("record {record} cannot be merged: {referring} refer to it, and its copy in `{endpoint}` would be {how}")]
    StillReferred { record: i64, referring: String, endpoint: String, how: String },
    #[error("sync `{sync}`: more than {max} records of this run were rejected; the last one: {last}")]
    DeadLettersFull { sync: String, max: u64, last: String },
    #[error("sync `{sync}`: what was approved as {hold} is no longer what would be deleted")]
    PlanMoved { sync: String, hold: String },
    #[error("sync `{sync}`: what would be written is no longer what plan `{plan}` has shown")]
    WritesMoved { sync: String, plan: String },
    /// Not an error of a run, whose report says that it was interrupted.
    #[error("sync `{sync}` was stopped while it waited to try again")]
    Interrupted { sync: String },
    #[error("sync `{sync}`: a fault of Lockstep itself: {0}", sync = .1)]
    Internal(String, String),
}

impl SyncError {
    /// A failure that was tried again until patience ran out, or that is not worth trying again.
    pub(super) fn after_retries(sync: &str, failure: Failure) -> Self {
        let sync = sync.to_owned();
        match failure.kind {
            FailureKind::Transient | FailureKind::RateLimited | FailureKind::Fault => Self::Exhausted { sync, failure },
            _ => Self::Connector { sync, failure },
        }
    }

    pub(super) fn mapping(sync: &str, error: MappingError) -> Self {
        Self::Mapping { sync: sync.to_owned(), error }
    }

    pub(super) fn internal(sync: &str, what: impl std::fmt::Display) -> Self {
        Self::Internal(what.to_string(), sync.to_owned())
    }

    pub(super) fn batch(sync: &str, error: BatchError) -> Self {
        Self::internal(sync, error)
    }

    pub(super) fn key(sync: &str, error: KeyError) -> Self {
        Self::internal(sync, error)
    }
}

impl Explain for SyncError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Connector { failure, .. } => failure.code,
            Self::Exhausted { failure, .. } if failure.kind == FailureKind::Fault => &codes::PLUGIN_RESTARTS,
            Self::Exhausted { .. } | Self::Interrupted { .. } => &codes::RETRIES_EXHAUSTED,
            Self::Store(error) => error.code(),
            Self::Mapping { error, .. } => error.code(),
            Self::StreamMissing { .. } => &codes::STREAM_MISSING,
            Self::FieldMissing { .. } => &codes::FIELD_MISSING,
            Self::KeyMissing { .. } => &codes::KEY_MISSING,
            Self::TargetUnfit { .. } => &codes::TARGET_UNFIT,
            Self::Drift { .. } | Self::Retyped { .. } => &codes::SCHEMA_DRIFT,
            Self::Projection { error, .. } => error.code(),
            Self::Expression { error, .. } => error.code(),
            Self::FixedValue { .. } | Self::NoTimes { .. } => &codes::PROJECT_VALUE,
            Self::ConflictClosed { .. } => &codes::NOT_FOUND,
            Self::Unresolvable { .. }
            | Self::Unsettable { .. }
            | Self::Unmergeable { .. }
            | Self::StillReferred { .. } => &codes::USAGE,
            Self::DeadLettersFull { .. } => &codes::DEAD_LETTERS_FULL,
            Self::PlanMoved { .. } | Self::WritesMoved { .. } => &codes::PLAN_MOVED,
            Self::Internal(..) => &codes::INTERNAL,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Connector { failure, .. } | Self::Exhausted { failure, .. } => failure.hints(),
            Self::Store(error) => error.hints(),
            Self::Mapping { error, .. } => error.hints(),
            Self::StreamMissing { nearest, connection, key, .. } => {
                let mut hints: Vec<String> = nearest.iter().map(|name| format!("did you mean `{name}`?")).collect();
                hints.push(format!("`lockstep check --online` lists the streams of `{connection}`"));
                let made = |key| format!("a stream whose key is known is made: `key = [\"{key}\"]` beside the stream");
                hints.extend(key.as_ref().map(made));
                hints
            }
            Self::FieldMissing { nearest, .. } => {
                nearest.iter().map(|name| format!("did you mean `{name}`?")).collect()
            }
            Self::KeyMissing { example, .. } => {
                vec![format!("say what identifies a record: `key = [\"{example}\"]` beside the stream")]
            }
            Self::TargetUnfit { hint, .. } => vec![hint.clone()],
            Self::Drift { sync, .. } => vec![
                format!("`lockstep run {sync} --accept-schema` goes on with the schema as it is now"),
                "nothing was written; fields that are gone keep their values in the target".into(),
            ],
            Self::Retyped { field, from, .. } => {
                vec![
                    format!("keep its type: `type = \"{from}\"` beside `{field}`"),
                    "a field of another type needs another name".into(),
                ]
            }
            Self::Projection { error, .. } => error.hints(),
            Self::Expression { error, .. } => error.hints(),
            Self::FixedValue { .. } | Self::Unsettable { .. } => Vec::new(),
            Self::NoTimes { endpoint, modified, .. } => vec![
                match modified {
                    Some((modified, _)) => {
                        format!(
                            "if it holds times: `types = {{ {modified} = \"timestamp\" }}` in `endpoints.{endpoint}`"
                        )
                    }
                    None => format!(
                        "name the field that holds the time of the last change: `modified = \"updated_at\"` in `endpoints.{endpoint}`"
                    ),
                },
                "or decide the field otherwise: `conflict = \"manual\"`, or a list of endpoints".into(),
            ],
            Self::ConflictClosed { .. } => vec!["`lockstep conflicts list` shows those that are open".into()],
            Self::StillReferred { .. } => {
                vec![
                    "with `--leave` that copy stays, and what refers to it refers to the survivor after the next run"
                        .into(),
                ]
            }
            Self::Unmergeable { .. } => vec![
                "`lockstep run` ends what is on its way; `lockstep why ENTITY '#NUMBER'` shows a record as it is"
                    .into(),
            ],
            Self::Unresolvable { possible, .. } => vec![format!("possible are {possible}")],
            Self::DeadLettersFull { sync, .. } => vec![
                "`lockstep dead-letters list` shows them with their causes".into(),
                format!("if so many are expected, raise it: `dead_letters = {{ max = 100000 }}` in [sync.{sync}]"),
            ],
            Self::PlanMoved { sync, .. } => vec![format!("`lockstep run {sync}` holds the new deletes for approval")],
            Self::WritesMoved { sync, .. } => vec![
                format!("`lockstep plan {sync}` shows what would be written now, with its hash"),
                "nothing was written".into(),
            ],
            Self::Interrupted { .. } | Self::Internal(..) => Vec::new(),
        }
    }
}

fn silence(endpoint: &str, modified: &Option<(String, String)>) -> String {
    match modified {
        Some((modified, logical)) => format!("`{modified}`, the `modified` of `{endpoint}`, is {logical} and no time"),
        None => format!("`{endpoint}` does not say when its records were changed"),
    }
}

/// `lockstep.toml:12: `, or nothing.
fn line(place: &Option<Place>) -> String {
    place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default()
}
