//! Records into columns.

use std::marker::PhantomData;

use super::field::{FieldSpec, FieldValue};
use super::{Record, position};
use crate::batch::BatchBuilder;
use crate::error::{Error, Result};
use crate::types::{Batch, Field};

/// Takes records and makes batches of the columns that are wanted.
#[derive(Debug)]
pub struct Records<T> {
    batch: BatchBuilder,
    /// For each of the record's fields its column, if it is wanted.
    slots: Vec<Option<usize>>,
    record: PhantomData<fn(&T)>,
}

impl<T: Record> Default for Records<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Record> Records<T> {
    /// All columns of the record.
    pub fn new() -> Self {
        let batch = BatchBuilder::new(T::FIELDS.iter().map(|spec| (spec.name, spec.logical)));
        Self { batch, slots: (0..T::FIELDS.len()).map(Some).collect(), record: PhantomData }
    }

    /// Only these columns, in this order: what [`crate::types::ReadRequest::fields`] asks for. An error of kind `config` if the
    /// record has no such field, or has it with another type.
    pub fn for_fields(fields: &[Field]) -> Result<Self> {
        let mut slots = vec![None; T::FIELDS.len()];
        let mut columns = Vec::with_capacity(fields.len());
        for (column, field) in fields.iter().enumerate() {
            let position = position(T::FIELDS, field)?;
            if let (Some(spec), Some(slot)) = (T::FIELDS.get(position), slots.get_mut(position)) {
                *slot = Some(column);
                columns.push((spec.name, spec.logical));
            }
        }
        Ok(Self { batch: BatchBuilder::new(columns), slots, record: PhantomData })
    }

    /// Adds a record. One that does not fit (a decimal with too many digits) leaves no trace and is an error of kind
    /// `invalid-data` with the property `field`.
    #[inline]
    pub fn push(&mut self, record: &T) -> Result<()> {
        let mut row = RowWriter { batch: &mut self.batch, slots: &self.slots, specs: T::FIELDS };
        let outcome = record.write(&mut row);
        match &outcome {
            Ok(()) => self.batch.end_row(),
            Err(_) => self.batch.abandon_row(),
        }
        outcome
    }

    /// Records added since the last [`Records::finish`].
    pub fn rows(&self) -> usize {
        self.batch.rows()
    }

    /// Whether none was added.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// The bytes the values take, roughly: what [`crate::types::Limits::bytes`] counts.
    pub fn bytes(&self) -> u64 {
        self.batch.bytes()
    }

    /// The batch; the builder is empty afterwards.
    pub fn finish(&mut self) -> Result<Batch> {
        self.batch.finish()
    }
}

/// One record on its way into columns.
#[derive(Debug)]
pub struct RowWriter<'a> {
    batch: &'a mut BatchBuilder,
    slots: &'a [Option<usize>],
    specs: &'static [FieldSpec],
}

impl RowWriter<'_> {
    /// Writes the value of a field, by its position in the record, if its column is wanted.
    #[inline]
    pub fn write<V: FieldValue>(&mut self, field: usize, value: &V) -> Result<()> {
        let Some(column) = self.slots.get(field).copied().flatten() else { return Ok(()) };
        let Some(column) = self.batch.columns().get_mut(column) else { return Ok(()) };
        value.write(column).map_err(|reason| misfit(self.specs, field, &reason))
    }
}

/// The error for a value that does not fit its field.
#[cold]
pub(super) fn misfit(specs: &[FieldSpec], field: usize, reason: &super::ValueError) -> Error {
    let name = specs.get(field).map_or("?", |spec| spec.name);
    Error::invalid_data(format!("field `{name}`: {reason}")).with_code("record.value").with_field(name)
}
