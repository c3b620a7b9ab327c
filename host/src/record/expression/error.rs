//! What can be wrong with an expression, and with a value it is given.

use super::function;
use crate::error::{Code, Explain, codes};

/// Why an expression cannot be compiled, or failed on a record. Columns count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("the expression is wrong at column {column}: {reason}")]
    Syntax { column: usize, reason: String },
    #[error("the expression is too {how}: at most {max} are allowed")]
    TooBig { how: &'static str, max: String },
    #[error("the expression names `{name}` at column {column}, which is no variable")]
    UnknownVariable { name: String, column: usize, nearest: Option<String>, known: Vec<String> },
    #[error("the expression calls `{name}` at column {column}, which is no function")]
    UnknownFunction { name: String, column: usize, nearest: Option<String> },
    #[error("the expression calls `{name}` with {found} arguments instead of {expected}")]
    ArgumentCount { name: String, found: usize, expected: String },
    #[error("{name} does not take {found}")]
    ArgumentTypes { name: String, found: String },
    #[error("expressions have no {what}")]
    Unsupported { what: &'static str },
    #[error("`{expression}` gives {found}, which can never become `{wanted}`")]
    Result { expression: String, found: String, wanted: String },
    /// Of a record, not of the expression.
    #[error("`{expression}`: {reason}")]
    Failed { expression: String, reason: String },
}

impl ExpressionError {
    /// Whether another type of a variable could make it right.
    pub fn needs_types(&self) -> bool {
        matches!(self, Self::ArgumentTypes { .. } | Self::Result { .. } | Self::Failed { .. })
    }
}

impl Explain for ExpressionError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Failed { .. } => &codes::DATA_EXPRESSION,
            _ => &codes::EXPRESSION,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::UnknownVariable { nearest: Some(nearest), .. }
            | Self::UnknownFunction { nearest: Some(nearest), .. } => {
                vec![format!("did you mean `{nearest}`?")]
            }
            Self::UnknownVariable { known, .. } => vec![format!("the variables are: {}", known.join(", "))],
            Self::UnknownFunction { .. } => vec![format!("the functions are: {}", function::names().join(", "))],
            Self::Unsupported { .. } | Self::TooBig { .. } => {
                vec!["what is too much for an expression is the work of a transform plugin, see docs/guides/write-a-plugin.md".into()]
            }
            Self::ArgumentTypes { .. } => {
                vec!["convert first, by the name of the type: `string(value)`, `int(value)`, `decimal(value)`".into()]
            }
            _ => Vec::new(),
        }
    }
}
