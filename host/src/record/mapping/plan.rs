//! One checked line of a mapping and what it does to a column.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use serde_json::Value;

use super::{FieldMap, MappingError};
use crate::error::nearest;
use crate::record::{Batch, Castable, Column, Field, LogicalType, batch_from_json, cast, castable};

/// What a line makes of a page: the column and the rows that do not fit.
type Mapped = (Column, Vec<(u32, String)>);

#[derive(Clone, Debug)]
pub struct Line {
    /// The field of the target.
    pub field: Field,
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Origin {
    /// One value.
    Constant(ArrayRef),
    Source {
        name: String,
        /// The type in the source, the type on the way, the type of the target; equal neighbours are listed once.
        types: Vec<LogicalType>,
        /// One value.
        default: Option<ArrayRef>,
    },
}

impl Line {
    /// The source's field if this line does nothing but give it another name.
    pub fn renamed(&self) -> Option<&str> {
        match &self.origin {
            Origin::Source { name, types, default: None } if types.len() <= 1 => Some(name),
            _ => None,
        }
    }

    pub fn new(
        line: &FieldMap,
        source: &[Field],
        target_types: &[(String, LogicalType)],
    ) -> Result<Self, MappingError> {
        let target = line.target.clone();
        let target_type = target_types.iter().find(|(name, _)| *name == target).map(|(_, logical)| *logical);
        match (&line.source, &line.constant) {
            (None, None) => Err(MappingError::NoValue { target }),
            (Some(_), Some(_)) => Err(MappingError::TwoValues { target }),
            (None, Some(constant)) => Self::constant(line, constant, target_type),
            (Some(name), None) => Self::source(line, find(name, source, &target)?, target_type),
        }
    }

    fn constant(line: &FieldMap, value: &Value, target_type: Option<LogicalType>) -> Result<Self, MappingError> {
        let unfit = |reason: String| MappingError::Value { target: line.target.clone(), what: "constant", reason };
        if line.default.is_some() {
            return Err(unfit("a constant leaves nothing for a default to do".into()));
        }
        let logical = line.logical.or(target_type).or_else(|| natural_type(value));
        let logical = logical.ok_or_else(|| unfit("`null` has no type; name one".into()))?;
        let types = steps(&[Some(logical), target_type]);
        check_steps(&types).map_err(|(_, _, reason)| unfit(reason))?;
        let field = Field::new(&line.target, types.last().copied().unwrap_or(logical));
        let value = one_value(value, &types).map_err(unfit)?;
        Ok(Self { field, origin: Origin::Constant(value) })
    }

    fn source(line: &FieldMap, source: &Field, target_type: Option<LogicalType>) -> Result<Self, MappingError> {
        let types = steps(&[Some(source.logical), line.logical, target_type]);
        check_steps(&types).map_err(|(from, to, reason)| MappingError::Never {
            target: line.target.clone(),
            field: source.name.clone(),
            from,
            to,
            reason,
        })?;
        let logical = types.last().copied().unwrap_or(source.logical);
        let unfit = |reason: String| MappingError::Value { target: line.target.clone(), what: "default", reason };
        let default = match &line.default {
            Some(value) => Some(
                one_value(value, types.get(1..).filter(|rest| !rest.is_empty()).unwrap_or(&types)).map_err(unfit)?,
            ),
            None => None,
        };
        let mut field = Field { name: line.target.clone(), logical, ..source.clone() };
        if logical != source.logical {
            field.properties.0.retain(|(name, _)| name != "native-type");
        }
        Ok(Self { field, origin: Origin::Source { name: source.name.clone(), types, default } })
    }

    pub fn source_name(&self) -> Option<&str> {
        match &self.origin {
            Origin::Constant(_) => None,
            Origin::Source { name, .. } => Some(name),
        }
    }

    pub fn apply(&self, batch: &Batch) -> Result<Mapped, MappingError> {
        match &self.origin {
            Origin::Constant(value) => Ok((Column::new(repeat(value, batch.rows())?), Vec::new())),
            Origin::Source { name, types, default } => {
                let (mut column, rejected) = convert(find_column(batch, name, types)?, types)?;
                if let Some(default) = default {
                    column = fill(&column, default)?;
                }
                Ok((column, rejected))
            }
        }
    }
}

fn find<'a>(name: &str, source: &'a [Field], target: &str) -> Result<&'a Field, MappingError> {
    source.iter().find(|field| field.name == name).ok_or_else(|| MappingError::Missing {
        target: target.to_owned(),
        field: name.to_owned(),
        nearest: nearest(name, source.iter().map(|field| field.name.as_str())).map(str::to_owned),
    })
}

/// The types a value passes through, without repetitions.
fn steps(types: &[Option<LogicalType>]) -> Vec<LogicalType> {
    let mut steps: Vec<LogicalType> = types.iter().flatten().copied().collect();
    steps.dedup();
    steps
}

fn check_steps(types: &[LogicalType]) -> Result<(), (LogicalType, LogicalType, String)> {
    for (from, to) in types.iter().zip(types.iter().skip(1)) {
        if castable(*from, *to) == Castable::Never {
            let reason = crate::record::CastError::Never { from: *from, to: *to }.to_string();
            return Err((*from, *to, reason));
        }
    }
    Ok(())
}

/// The type a JSON value has if nobody says otherwise.
fn natural_type(value: &Value) -> Option<LogicalType> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(LogicalType::Bool),
        Value::Number(number) if number.is_i64() => Some(LogicalType::Int64),
        Value::Number(_) => Some(LogicalType::Float64),
        Value::String(_) => Some(LogicalType::Text),
        Value::Array(_) | Value::Object(_) => Some(LogicalType::Json),
    }
}

/// An array of one value, read as the first of the types and taken through the others.
fn one_value(value: &Value, types: &[LogicalType]) -> Result<ArrayRef, String> {
    let first = types.first().copied().unwrap_or(LogicalType::Text);
    let fields: Arc<[Field]> = [Field::new("value", first)].into();
    let record = serde_json::json!({ "value": value });
    let batch = batch_from_json(&fields, &[record]).map_err(|error| error.to_string())?;
    let column = batch.columns().first().cloned().ok_or("there is no value")?;
    let (column, rejected) = convert(&column, types).map_err(|error| error.to_string())?;
    match rejected.into_iter().next() {
        Some((_, reason)) => Err(reason),
        None => Ok(column.array),
    }
}

fn find_column<'a>(batch: &'a Batch, name: &str, types: &[LogicalType]) -> Result<&'a Column, MappingError> {
    let (field, column) = batch
        .iter()
        .find(|(field, _)| field.name == name)
        .ok_or_else(|| MappingError::NotInPage { field: name.to_owned() })?;
    match types.first() {
        Some(expected) if *expected != field.logical => {
            Err(MappingError::TypeInPage { field: name.to_owned(), expected: *expected, found: field.logical })
        }
        _ => Ok(column),
    }
}

fn convert(column: &Column, types: &[LogicalType]) -> Result<Mapped, MappingError> {
    let mut column = column.clone();
    let mut rejected = Vec::new();
    for (from, to) in types.iter().zip(types.iter().skip(1)) {
        let step = cast(&column, *from, *to)?;
        column = step.column;
        rejected.extend(step.rejected);
    }
    Ok((column, rejected))
}

fn repeat(value: &ArrayRef, rows: usize) -> Result<ArrayRef, MappingError> {
    take(value, &UInt32Array::from(vec![0; rows]), None).map_err(|error| build_error(&error))
}

/// The column with the default wherever it is null or absent.
fn fill(column: &Column, default: &ArrayRef) -> Result<Column, MappingError> {
    let rows = column.array.len();
    let is_empty = |row: usize| column.array.is_null(row) || !column.is_present(row);
    let empty = BooleanBuffer::collect_bool(rows, is_empty);
    if empty.count_set_bits() == 0 {
        return Ok(Column::new(column.array.clone()));
    }
    let choice: Vec<(usize, usize)> = (0..rows).map(|row| if empty.value(row) { (1, 0) } else { (0, row) }).collect();
    let array = interleave(&[column.array.as_ref(), default.as_ref()], &choice).map_err(|error| build_error(&error))?;
    Ok(Column::new(array))
}

fn build_error(error: &arrow_schema::ArrowError) -> MappingError {
    crate::record::CastError::Build(error.to_string()).into()
}
