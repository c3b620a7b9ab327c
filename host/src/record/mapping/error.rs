//! What can be wrong with a mapping.

use crate::error::{Code, Explain, codes};
use crate::record::{BatchError, LogicalType};

/// Why a mapping cannot be made or a page cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    #[error("the field `{target}` is mapped from `{field}`, which the source does not have")]
    Missing { target: String, field: String, nearest: Option<String> },
    #[error("the field `{target}` is mapped twice")]
    Twice { target: String },
    #[error("the field `{target}` needs either a source field or a constant")]
    NoValue { target: String },
    #[error("the field `{target}` has both a source field and a constant")]
    TwoValues { target: String },
    #[error("the field `{target}` cannot be filled from `{field}`: {reason}")]
    Never { target: String, field: String, from: LogicalType, to: LogicalType, reason: String },
    #[error("the field `{target}` cannot have this {what}: {reason}")]
    Value { target: String, what: &'static str, reason: String },
    #[error("the key field `{field}` is not mapped")]
    KeyUnmapped { field: String },
    #[error("a page lacks the field `{field}`")]
    NotInPage { field: String },
    #[error("a page brought the field `{field}` as {found} instead of {expected}")]
    TypeInPage { field: String, expected: LogicalType, found: LogicalType },
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Cast(#[from] crate::record::CastError),
}

impl Explain for MappingError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Missing { .. } => &codes::FIELD_MISSING,
            Self::Twice { .. } | Self::NoValue { .. } | Self::TwoValues { .. } | Self::Value { .. } => {
                &codes::PROJECT_VALUE
            }
            Self::Never { .. } => &codes::TARGET_UNFIT,
            Self::KeyUnmapped { .. } => &codes::KEY_MISSING,
            Self::NotInPage { .. } | Self::TypeInPage { .. } => &codes::PLUGIN_NONSENSE,
            Self::Batch(_) | Self::Cast(_) => &codes::INTERNAL,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing { nearest: Some(nearest), .. } => vec![format!("did you mean `{nearest}`?")],
            Self::Never { from, to, .. } => {
                vec![format!("give the target's field the type `{from}`, or convert to `{to}` in a transform")]
            }
            Self::KeyUnmapped { field } => {
                vec![format!("add a line for `{field}` to the mapping: records are found again by their key")]
            }
            _ => Vec::new(),
        }
    }
}
