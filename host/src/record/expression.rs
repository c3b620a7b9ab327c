//! Small expressions over values, in CEL.

use super::{LogicalType, Value};
use crate::error::{Code, Explain, codes};

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    variables: Vec<(String, LogicalType)>,
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("expressions cannot be compiled yet: `{0}`")]
    NotYet(String),
}

impl ExpressionError {
    /// Whether another type of a variable could make it right.
    pub fn needs_types(&self) -> bool {
        match self {
            Self::NotYet(_) => false,
        }
    }
}

impl Explain for ExpressionError {
    fn code(&self) -> &'static Code {
        &codes::NOT_YET
    }
}

impl Expression {
    pub fn compile(text: &str, _variables: &[(&str, LogicalType)]) -> Result<Self, ExpressionError> {
        Err(ExpressionError::NotYet(text.to_owned()))
    }

    pub fn variables(&self) -> &[(String, LogicalType)] {
        &self.variables
    }

    pub fn evaluate(&self, _bindings: &[Value], _result: LogicalType) -> Result<Value, ExpressionError> {
        Err(ExpressionError::NotYet(String::new()))
    }

    pub fn evaluate_bool(&self, _bindings: &[Value]) -> Result<bool, ExpressionError> {
        Err(ExpressionError::NotYet(String::new()))
    }
}
