//! What happens to the values of one column in one direction, worked out once.

use std::collections::HashMap;
use std::sync::Arc;

use super::{ColumnRule, ProjectionError, VALUE_VARIABLE};
use crate::record::{
    CastError, Castable, Column, Expression, Field, LogicalType, RejectedValue, Value, batch_of_values, cast, castable,
    values_of,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
}

/// The way of a column's values from the one side to the other.
#[derive(Debug)]
pub struct Conversion {
    /// The endpoint's field.
    pub remote: Field,
    entity: Field,
    entity_index: usize,
    step: Step,
    /// For null, when reading.
    default: Option<Value>,
}

#[derive(Debug)]
enum Step {
    /// Cast, or nothing at all if the types are the same.
    Plain,
    /// By the values of the side they come from.
    Values(HashMap<Value, Value>),
    Expression(Box<Expression>),
}

type Rejected = Vec<RejectedValue>;

impl Conversion {
    pub fn new(rule: &ColumnRule, entity: &Field, direction: Direction) -> Result<Self, ProjectionError> {
        if let Some(default) = &rule.default {
            check_value(rule, "default", default, entity.logical)?;
        }
        Ok(Self {
            remote: rule.remote.clone(),
            entity: entity.clone(),
            entity_index: rule.entity,
            step: step(rule, entity, direction)?,
            default: rule.default.clone().filter(|default| !default.is_null()),
        })
    }

    /// The values of a column that came as `logical`.
    pub fn read(&self, column: &Column, logical: LogicalType, rejected: &mut Rejected) -> Vec<Option<Value>> {
        let Some(column) = self.cast_column(column, logical, self.remote.logical, rejected) else {
            return vec![None; column.array.len()];
        };
        let mut values = match &self.step {
            Step::Plain => match self.cast_column(&column, self.remote.logical, self.entity.logical, rejected) {
                Some(column) => values_of(&self.entity, &column),
                None => vec![None; column.array.len()],
            },
            step => {
                let values = values_of(&self.remote, &column);
                self.translate(step, values, self.entity.logical, rejected)
            }
        };
        if let Some(default) = &self.default {
            values.iter_mut().flatten().filter(|value| value.is_null()).for_each(|value| *value = default.clone());
        }
        values
    }

    /// The endpoint's values of records of the entity.
    pub fn write(&self, rows: &[&[Option<Value>]], rejected: &mut Rejected) -> Vec<Option<Value>> {
        let values = rows.iter().map(|row| row.get(self.entity_index).cloned().flatten()).collect();
        match &self.step {
            Step::Plain if self.entity.logical == self.remote.logical => values,
            Step::Plain => self.cast_values(values, rejected),
            step => self.translate(step, values, self.remote.logical, rejected),
        }
    }

    /// The endpoint's value of one record: mostly the very same.
    pub fn write_one(&self, row: &[Option<Value>], rejected: &mut Rejected) -> Option<Value> {
        let value = row.get(self.entity_index)?.as_ref()?;
        match &self.step {
            Step::Plain if self.entity.logical == self.remote.logical => Some(value.clone()),
            _ => self.write(&[row], rejected).pop().flatten(),
        }
    }

    fn cast_values(&self, mut values: Vec<Option<Value>>, rejected: &mut Rejected) -> Vec<Option<Value>> {
        if values.iter().flatten().all(Value::is_null) {
            return values;
        }
        for (row, value) in values.iter_mut().enumerate() {
            if let Some(wrong) = value.take_if(|value| !value.fits_layout(self.entity.logical)) {
                rejected.push(self.reject(row, format!("a value of type `{}` came as {wrong:?}", self.entity.logical)));
            }
        }
        let rows: Vec<&[Option<Value>]> = values.iter().map(std::slice::from_ref).collect();
        let fields: Arc<[Field]> = [self.entity.clone()].into();
        let batch = match batch_of_values(&fields, &rows) {
            Ok(batch) => batch,
            Err(error) => return self.reject_all(values.len(), &error.to_string(), rejected),
        };
        let column = batch.columns().first();
        let column =
            column.and_then(|column| self.cast_column(column, self.entity.logical, self.remote.logical, rejected));
        column.map_or_else(|| vec![None; values.len()], |column| values_of(&self.remote, &column))
    }

    /// The column, cast; rows that do not fit are rejected. None if nothing can be cast: then all rows are rejected.
    fn cast_column(
        &self,
        column: &Column,
        from: LogicalType,
        to: LogicalType,
        rejected: &mut Rejected,
    ) -> Option<Column> {
        match cast(column, from, to) {
            Ok(cast) => {
                rejected.extend(cast.rejected.into_iter().map(|(row, reason)| self.reject(row as usize, reason)));
                Some(cast.column)
            }
            Err(error) => {
                self.reject_all(column.array.len(), &error.to_string(), rejected);
                None
            }
        }
    }

    fn translate(
        &self,
        step: &Step,
        mut values: Vec<Option<Value>>,
        to: LogicalType,
        rejected: &mut Rejected,
    ) -> Vec<Option<Value>> {
        for (row, slot) in values.iter_mut().enumerate() {
            let Some(value) = slot else { continue };
            *slot = match step.translate(value, to) {
                Ok(value) => Some(value),
                Err(reason) => {
                    rejected.push(self.reject(row, reason));
                    None
                }
            };
        }
        values
    }

    fn reject(&self, row: usize, reason: String) -> RejectedValue {
        RejectedValue { row: row as u32, field: self.remote.name.clone(), reason }
    }

    fn reject_all(&self, rows: usize, reason: &str, rejected: &mut Rejected) -> Vec<Option<Value>> {
        rejected.extend((0..rows).map(|row| self.reject(row, reason.to_owned())));
        vec![None; rows]
    }
}

impl Step {
    fn translate(&self, value: &Value, to: LogicalType) -> Result<Value, String> {
        match self {
            Self::Values(_) if value.is_null() => Ok(Value::Null),
            Self::Values(listed) => {
                let unlisted = || format!("{} is not in the list of values", quote(value));
                listed.get(value).cloned().ok_or_else(unlisted)
            }
            Self::Expression(expression) => {
                expression.evaluate(std::slice::from_ref(value), to).map_err(|error| error.to_string())
            }
            Self::Plain => Ok(value.clone()),
        }
    }
}

/// Characters of a value that a reason quotes.
const QUOTE_CHARS_MAX: usize = 60;

fn quote(value: &Value) -> String {
    match value {
        Value::Text(text) if text.chars().count() <= QUOTE_CHARS_MAX => format!("`{text}`"),
        Value::Text(text) => format!("`{}…`", text.chars().take(QUOTE_CHARS_MAX).collect::<String>()),
        Value::Bool(value) => format!("`{value}`"),
        Value::Int(value) => format!("`{value}`"),
        Value::Float(bits) => format!("`{}`", f64::from_bits(*bits)),
        Value::Null | Value::Bytes(_) => "the value".to_owned(),
    }
}

fn step(rule: &ColumnRule, entity: &Field, direction: Direction) -> Result<Step, ProjectionError> {
    let (expression, from, to) = match direction {
        Direction::Read => (&rule.read, rule.remote.logical, entity.logical),
        Direction::Write => (&rule.write, entity.logical, rule.remote.logical),
    };
    match expression {
        Some(expression) => {
            check_expression(rule, expression, from, to)?;
            Ok(Step::Expression(Box::new(expression.clone())))
        }
        None if !rule.values.is_empty() => listed(rule, entity, direction).map(Step::Values),
        None => check_types(rule, entity, direction, from, to).map(|()| Step::Plain),
    }
}

fn check_expression(
    rule: &ColumnRule,
    expression: &Expression,
    from: LogicalType,
    to: LogicalType,
) -> Result<(), ProjectionError> {
    if !rule.values.is_empty() {
        return Err(unfit(rule, "expression", "a list of values leaves nothing for it to do".into()));
    }
    let variables = expression.variables();
    let is_right = |(name, logical): &(String, LogicalType)| name == VALUE_VARIABLE && *logical == from;
    if variables.len() != 1 || !variables.iter().all(is_right) {
        return Err(unfit(
            rule,
            "expression",
            format!("its one variable must be `{VALUE_VARIABLE}`, of type `{from}`"),
        ));
    }
    expression.check_result(to).map_err(|error| unfit(rule, "expression", error.to_string()))
}

fn check_types(
    rule: &ColumnRule,
    entity: &Field,
    direction: Direction,
    from: LogicalType,
    to: LogicalType,
) -> Result<(), ProjectionError> {
    if castable(from, to) != Castable::Never {
        return Ok(());
    }
    Err(ProjectionError::Never {
        entity: entity.name.clone(),
        remote: rule.remote.name.clone(),
        verb: match direction {
            Direction::Read => "read",
            Direction::Write => "written",
        },
        from,
        to,
        reason: CastError::Never { from, to }.to_string(),
    })
}

fn listed(rule: &ColumnRule, entity: &Field, direction: Direction) -> Result<HashMap<Value, Value>, ProjectionError> {
    let mut listed = HashMap::with_capacity(rule.values.len());
    for (remote_text, entity_text) in &rule.values {
        let read = |text: &str, logical| {
            Value::text(text).cast(LogicalType::Text, logical).map_err(|reason| unfit(rule, "list of values", reason))
        };
        let remote_value = read(remote_text, rule.remote.logical)?;
        let entity_value = read(entity_text, entity.logical)?;
        match direction {
            Direction::Read if listed.contains_key(&remote_value) => {
                return Err(unfit(rule, "list of values", format!("`{remote_text}` is listed twice")));
            }
            Direction::Read => drop(listed.insert(remote_value, entity_value)),
            Direction::Write => drop(listed.entry(entity_value).or_insert(remote_value)),
        }
    }
    Ok(listed)
}

pub fn check_constant(rule: &ColumnRule, constant: &Value) -> Result<(), ProjectionError> {
    let has_more = rule.read.is_some() || rule.write.is_some() || rule.default.is_some() || !rule.values.is_empty();
    if has_more {
        let reason = "a constant leaves nothing for an expression, a default or a list of values to do";
        return Err(unfit(rule, "constant", reason.into()));
    }
    check_value(rule, "constant", constant, rule.remote.logical)
}

fn check_value(
    rule: &ColumnRule,
    what: &'static str,
    value: &Value,
    logical: LogicalType,
) -> Result<(), ProjectionError> {
    match value.fits_layout(logical) {
        true => Ok(()),
        false => Err(unfit(rule, what, format!("{} is not a `{logical}`", quote(value)))),
    }
}

fn unfit(rule: &ColumnRule, what: &'static str, reason: String) -> ProjectionError {
    ProjectionError::Value { remote: rule.remote.name.clone(), what, reason }
}
