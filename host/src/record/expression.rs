//! Small expressions over values, written in CEL (the Common Expression Language).
//!
//! The crate `cel` reads the text; what it read is checked and evaluated here, because records are hostile, many and exact.
//! An expression never panics, does a bounded amount of work per record, and loses nothing: what would overflow, round or
//! guess is an error. It must not know where its values come from.
//!
//! **Types.** `int64` is an int, `float64` a double, `text`, `uuid` and `json` are strings, `binary` is bytes; timestamps,
//! datetimes, dates and times are types of their own that compare with their like. A decimal is exact and stays exact: it
//! may be added, subtracted, multiplied and compared with decimals, with ints and with doubles, where a double stands for the
//! shortest decimal that names it (`value * 1.19` means 1.19). Decimals never become doubles by themselves, and their
//! division is an error, since somebody must say how to round: that is a transform's work. Unlike in CEL, `int(3.5)` is an
//! error and nothing is cut off.
//!
//! **Null.** An operator or function that is given null returns null, apart from `==`, `!=` and `default(value, other)`; a
//! condition that is null counts as false.
//!
//! **Functions**, each also as a method (`lower(x)` is `x.lower()`): `size`, `startsWith`, `endsWith`, `contains`, `lower`,
//! `upper`, `trim`, `replace`, `substring`, `split`, `join`, `digits`, `default`, `abs`, and by the name of a type, a lossless
//! conversion to it. On lists also `all`, `exists`, `exists_one`, `filter` and `map`. There are no regular expressions, maps,
//! durations, or unsigned numbers.

mod error;
mod evaluate;
mod function;
mod lower;
mod operand;
mod operator;
mod scaled;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Castable, LogicalType, Value, castable};
pub use error::ExpressionError;
use evaluate::{Evaluation, Node};
use operand::{Kind, Operand};

/// Bytes an expression may have; long enough for a screen full, short enough for every reader of text that recurses.
const TEXT_BYTES_MAX: usize = 4096;

/// A compiled expression. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    text: String,
    variables: Vec<(String, LogicalType)>,
    root: Node,
    kind: Kind,
    /// Places of the variables it looks at.
    used: BTreeSet<usize>,
    /// Variables of `map` and its like that exist at once.
    locals: usize,
}

impl Expression {
    /// Reads an expression over these variables; a name may have dots. Whatever can be known to be wrong before there is a
    /// value is an error: syntax, unknown names, wrong arguments, types that never go together.
    pub fn compile(text: &str, variables: &[(&str, LogicalType)]) -> Result<Self, ExpressionError> {
        let lowered = lower::lower(text, variables)?;
        let variables = variables.iter().map(|(name, logical)| ((*name).to_owned(), *logical)).collect();
        let text = text.to_owned();
        let lower::Lowered { root, kind, locals, used } = lowered;
        Ok(Self(Arc::new(Compiled { text, variables, root, kind, used, locals })))
    }

    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// As given to [`Self::compile`].
    pub fn variables(&self) -> &[(String, LogicalType)] {
        &self.0.variables
    }

    /// The names of those variables the expression looks at, in the order of the variables.
    pub fn variables_used(&self) -> impl Iterator<Item = &str> {
        let is_used = |at: &usize| self.0.used.contains(at);
        self.0.variables.iter().enumerate().filter(move |(at, _)| is_used(at)).map(|(_, (name, _))| name.as_str())
    }

    /// Whether a result could ever be a value of this type.
    pub fn check_result(&self, wanted: LogicalType) -> Result<(), ExpressionError> {
        let is_possible = match self.0.kind {
            Kind::Any | Kind::Null => true,
            kind => kind.natural_type().is_some_and(|natural| castable(natural, wanted) != Castable::Never),
        };
        if is_possible { Ok(()) } else { Err(self.result_error(&wanted.to_string())) }
    }

    /// Whether this can be a condition.
    pub fn check_condition(&self) -> Result<(), ExpressionError> {
        match self.0.kind {
            Kind::Any | Kind::Null | Kind::Bool => Ok(()),
            _ => Err(self.result_error("bool")),
        }
    }

    /// The expression's value as this type has it. One binding per variable, in their order; what would be lost by the
    /// conversion to the wanted type is an error.
    pub fn evaluate(&self, bindings: &[Value], wanted: LogicalType) -> Result<Value, ExpressionError> {
        let result = self.run(bindings).and_then(|operand| operand.into_value(wanted));
        result.map_err(|reason| self.failed(reason))
    }

    /// Whether the condition holds; null counts as false.
    pub fn evaluate_bool(&self, bindings: &[Value]) -> Result<bool, ExpressionError> {
        match self.run(bindings) {
            Ok(Operand::Bool(holds)) => Ok(holds),
            Ok(Operand::Null) => Ok(false),
            Ok(other) => Err(self.failed(format!("it gives {} instead of true or false", other.kind()))),
            Err(reason) => Err(self.failed(reason)),
        }
    }

    fn run(&self, bindings: &[Value]) -> Result<Operand, String> {
        let compiled = &*self.0;
        if bindings.len() != compiled.variables.len() {
            return Err(format!("{} values came for {} variables", bindings.len(), compiled.variables.len()));
        }
        Evaluation::new(&compiled.variables, bindings, compiled.locals).node(&compiled.root)
    }

    fn failed(&self, reason: String) -> ExpressionError {
        ExpressionError::Failed { expression: self.0.text.clone(), reason }
    }

    fn result_error(&self, wanted: &str) -> ExpressionError {
        ExpressionError::Result {
            expression: self.0.text.clone(),
            found: self.0.kind.to_string(),
            wanted: wanted.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
