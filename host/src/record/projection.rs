//! Translates the records of one endpoint to those of an entity and back: types, names of values, expressions, defaults.
//!
//! A value of a column is read in this order: cast to the type the endpoint's field has, looked up in the list of values or
//! put through the expression, cast to the entity's type, and replaced by the default if it is null. Writing goes the other
//! way: list of values reversed or expression, then cast to the type of the endpoint's field. Whatever cannot be translated
//! without loss is reported and never guessed, and what a record says nothing about stays that way.
//!
//! Expressions see one variable, [`VALUE_VARIABLE`]: when reading, the value as the endpoint's field has it, when writing, as
//! the entity has it.
//!
//! What was written is read again as the same value wherever the endpoint's type has but one form for it. Text is the
//! exception: ` 7` written to an `int64` is read as `7`.

mod error;
mod plan;

use std::sync::Arc;

use super::{Batch, Expression, Field, RejectedValue, Value};
pub use error::ProjectionError;
use plan::{Conversion, Direction};

/// What the expressions of a column call the value.
pub const VALUE_VARIABLE: &str = "value";

/// One column of an endpoint's records.
///
/// A column is read and written, through an expression or as it is; one with a `constant` is only written, and only when a record
/// is made.
#[derive(Clone, Debug)]
pub struct ColumnRule {
    /// The endpoint's field.
    pub remote: Field,
    /// Which of the entity's fields; of no meaning for a constant.
    pub entity: usize,
    pub read: Option<Expression>,
    pub write: Option<Expression>,
    /// Pairs of the endpoint's and the entity's value, as text. A value that is not listed is rejected; null stays null. Of
    /// several of the endpoint's values with the same meaning, the one listed first is written.
    pub values: Vec<(String, String)>,
    /// Of the entity's type; what is read instead of null.
    pub default: Option<Value>,
    /// Of the type of the endpoint's field.
    pub constant: Option<Value>,
    pub flow: Flow,
}

/// Which ways a column's values go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    #[default]
    Both,
    /// Nothing is ever written there, so nothing need be writable.
    Read,
    /// Another column is where the field is read.
    Write,
}

impl ColumnRule {
    /// A column that is read and written without further ado.
    pub fn plain(remote: Field, entity: usize) -> Self {
        Self {
            remote,
            entity,
            read: None,
            write: None,
            values: Vec::new(),
            default: None,
            constant: None,
            flow: Flow::Both,
        }
    }

    fn is_read(&self) -> bool {
        self.constant.is_none() && self.flow != Flow::Write
    }

    fn is_written(&self) -> bool {
        self.constant.is_some() || self.flow != Flow::Read
    }
}

/// Rows whose values are taken from columns to rows at once: few enough to stay in the processor's cache meanwhile.
const ROWS_AT_ONCE: usize = 512;

/// What records are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Constants are written too.
    Create,
    Update,
}

/// Values in the order of a list of fields; none where the record says nothing.
pub type Row = Box<[Option<Value>]>;

/// A translated page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadRows {
    /// One entry per row of the page; none if a value of the row was rejected.
    pub rows: Vec<Option<Row>>,
    /// Ascending by row; a row may have several. The field is the endpoint's.
    pub rejected: Vec<RejectedValue>,
}

/// How one endpoint's records are translated. Cheap to share, does no work that a column does not ask for.
#[derive(Debug)]
pub struct Projection {
    entity: Arc<[Field]>,
    remote: Arc<[Field]>,
    /// The same fields, one by one.
    columns: Vec<Arc<Field>>,
    /// By the entity's field.
    reads: Vec<Option<Conversion>>,
    /// By the endpoint's field.
    writes: Vec<Write>,
}

#[derive(Debug)]
enum Write {
    Nothing,
    Constant(Value),
    Converted(Conversion),
}

impl Projection {
    /// Checks the rules. Types that can never be cast, values of another type than their field's and expressions over other
    /// variables are errors, as are two rules for one of the endpoint's fields, or two that read the same of the entity's.
    pub fn new(entity: Arc<[Field]>, rules: Vec<ColumnRule>) -> Result<Self, ProjectionError> {
        let remote: Arc<[Field]> = rules.iter().map(|rule| rule.remote.clone()).collect();
        check_names(&remote)?;
        let mut reads: Vec<Option<Conversion>> = entity.iter().map(|_| None).collect();
        let mut writes = Vec::with_capacity(rules.len());
        for rule in rules {
            writes.push(add_rule(&entity, &mut reads, rule)?);
        }
        let columns = remote.iter().cloned().map(Arc::new).collect();
        Ok(Self { entity, remote, columns, reads, writes })
    }

    /// The endpoint's fields, in the order of the rules: those that are read, and those that are only written.
    pub fn remote_fields(&self) -> &Arc<[Field]> {
        &self.remote
    }

    /// The same, to be named beside values without copying them for each.
    pub fn columns(&self) -> &[Arc<Field>] {
        &self.columns
    }

    pub fn entity_fields(&self) -> &Arc<[Field]> {
        &self.entity
    }

    /// The names of the endpoint's fields that are read at all: what to ask the endpoint for.
    pub fn fields_read(&self) -> impl Iterator<Item = &str> {
        self.reads.iter().flatten().map(|read| read.remote.name.as_str())
    }

    /// Translates a page of the endpoint: one entry per field of the entity. A field that the page lacks is one it says
    /// nothing about.
    pub fn read(&self, batch: &Batch) -> ReadRows {
        let mut read = ReadRows::with_capacity(batch.rows());
        for offset in (0..batch.rows()).step_by(ROWS_AT_ONCE) {
            self.read_part(&batch.slice(offset, ROWS_AT_ONCE), &mut read);
        }
        read
    }

    fn read_part(&self, part: &Batch, read: &mut ReadRows) {
        let mut rejected = Vec::new();
        let mut column = |conversion: &Conversion| {
            let (field, column) = part.iter().find(|(field, _)| field.name == conversion.remote.name)?;
            Some(conversion.read(column, field.logical, &mut rejected))
        };
        let columns = self.reads.iter().map(|conversion| conversion.as_ref().and_then(&mut column)).collect();
        read.append(columns, part.rows(), rejected);
    }

    /// Translates one record of the entity into the endpoint's values, one entry per field of [`Self::remote_fields`].
    pub fn write(&self, row: &[Option<Value>], purpose: Purpose) -> Result<Vec<Option<Value>>, RejectedValue> {
        let mut rejected = Vec::new();
        let write = |write: &Write| match (write, purpose) {
            (Write::Nothing, _) | (Write::Constant(_), Purpose::Update) => None,
            (Write::Constant(value), Purpose::Create) => Some(value.clone()),
            (Write::Converted(conversion), _) => conversion.write_one(row, &mut rejected),
        };
        let written = self.writes.iter().map(write).collect();
        rejected.pop().map_or(Ok(written), Err)
    }

    /// Translates records of the entity, column by column: quicker than one by one.
    pub fn write_rows(&self, rows: &[&[Option<Value>]], purpose: Purpose) -> ReadRows {
        let mut written = ReadRows::with_capacity(rows.len());
        for part in rows.chunks(ROWS_AT_ONCE) {
            let mut rejected = Vec::new();
            let columns = self.writes.iter().map(|write| match (write, purpose) {
                (Write::Nothing, _) | (Write::Constant(_), Purpose::Update) => None,
                (Write::Constant(value), Purpose::Create) => Some(vec![Some(value.clone()); part.len()]),
                (Write::Converted(conversion), _) => Some(conversion.write(part, &mut rejected)),
            });
            let columns = columns.collect();
            written.append(columns, part.len(), rejected);
        }
        written
    }
}

impl ReadRows {
    fn with_capacity(rows: usize) -> Self {
        Self { rows: Vec::with_capacity(rows), rejected: Vec::new() }
    }

    /// Adds rows made of columns; a column that is none says nothing about any of them. The rejected rows are counted from
    /// the first of the new ones.
    fn append(&mut self, columns: Vec<Option<Vec<Option<Value>>>>, count: usize, mut rejected: Vec<RejectedValue>) {
        let start = self.rows.len();
        let mut columns: Vec<_> = columns.into_iter().map(|column| column.map(Vec::into_iter)).collect();
        let next = |column: &mut Option<std::vec::IntoIter<Option<Value>>>| column.as_mut()?.next()?;
        self.rows.extend((0..count).map(|_| Some(columns.iter_mut().map(next).collect())));
        rejected.sort_by_key(|value| value.row);
        for value in &mut rejected {
            value.row += start as u32;
            if let Some(row) = self.rows.get_mut(value.row as usize) {
                *row = None;
            }
        }
        self.rejected.append(&mut rejected);
    }
}

fn check_names(remote: &[Field]) -> Result<(), ProjectionError> {
    for (at, field) in remote.iter().enumerate() {
        if remote.iter().take(at).any(|other| other.name == field.name) {
            return Err(ProjectionError::RemoteTwice { remote: field.name.clone() });
        }
    }
    Ok(())
}

/// Adds what the rule reads and returns what it writes.
fn add_rule(entity: &[Field], reads: &mut [Option<Conversion>], rule: ColumnRule) -> Result<Write, ProjectionError> {
    if let Some(constant) = &rule.constant {
        plan::check_constant(&rule, constant)?;
        return Ok(Write::Constant(constant.clone()));
    }
    let (Some(field), Some(read)) = (entity.get(rule.entity), reads.get_mut(rule.entity)) else {
        return Err(ProjectionError::EntityMissing { remote: rule.remote.name, index: rule.entity });
    };
    if rule.is_read() {
        if let Some(other) = read {
            let remote = [other.remote.name.clone(), rule.remote.name];
            return Err(ProjectionError::EntityTwice { entity: field.name.clone(), remote });
        }
        *read = Some(Conversion::new(&rule, field, Direction::Read)?);
    }
    match rule.is_written() {
        true => Ok(Write::Converted(Conversion::new(&rule, field, Direction::Write)?)),
        false => Ok(Write::Nothing),
    }
}

#[cfg(test)]
mod tests;
