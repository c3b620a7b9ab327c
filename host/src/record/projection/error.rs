//! What can be wrong with the rules of a projection.

use super::VALUE_VARIABLE;
use crate::error::{Code, Explain, codes};
use crate::record::LogicalType;

/// Why a projection cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectionError {
    #[error("the field `{remote}` of the endpoint is mapped twice")]
    RemoteTwice { remote: String },
    #[error("the field `{entity}` is read from both `{}` and `{}`", remote[0], remote[1])]
    EntityTwice { entity: String, remote: [String; 2] },
    #[error("the field `{remote}` of the endpoint is mapped to field {index} of the entity, which has no such field")]
    EntityMissing { remote: String, index: usize },
    #[error("the field `{entity}` cannot be {verb} as `{remote}`: {reason}")]
    Never { entity: String, remote: String, verb: &'static str, from: LogicalType, to: LogicalType, reason: String },
    #[error("the field `{remote}` of the endpoint cannot have this {what}: {reason}")]
    Value { remote: String, what: &'static str, reason: String },
}

impl Explain for ProjectionError {
    fn code(&self) -> &'static Code {
        match self {
            Self::RemoteTwice { .. } | Self::EntityTwice { .. } | Self::Value { .. } => &codes::PROJECT_VALUE,
            Self::EntityMissing { .. } => &codes::FIELD_MISSING,
            Self::Never { .. } => &codes::TARGET_UNFIT,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Never { from, to, verb, .. } => vec![format!(
                "make both fields `{from}` or `{to}`, or say how a value is {verb} with an expression over `{VALUE_VARIABLE}`"
            )],
            Self::EntityTwice { remote: [_, second], .. } => {
                vec![format!("map the field to one of them, or make `{second}` a field of its own")]
            }
            _ => Vec::new(),
        }
    }
}
