//! A batch of records and what happened to each.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};
use arrow_select::concat::concat;
use arrow_select::take::take;

use super::{Field, arrow_type};

/// Why columns do not make a batch. Positions are column names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("there are {columns} columns for {fields} fields")]
    ColumnCount { fields: usize, columns: usize },
    #[error("column `{column}` has {found} values for {rows} rows")]
    Length { column: String, rows: usize, found: usize },
    #[error("column `{column}` of type {logical} came as {found}")]
    Type { column: String, logical: String, found: String },
    #[error("the list of {what} has {found} entries for {rows} rows")]
    ListLength { what: &'static str, rows: usize, found: usize },
    #[error("column `{column}`: {reason}")]
    Values { column: String, reason: String },
    #[error("change kind {0} is unknown")]
    Kind(u8),
}

/// The values of one field.
#[derive(Clone, Debug)]
pub struct Column {
    /// Of the type [`arrow_type`] names; null where the value is null or absent.
    pub array: ArrayRef,
    /// Where not set, the record says nothing about this field. None = it does everywhere. Absent is never null.
    pub present: Option<BooleanBuffer>,
}

impl Column {
    pub fn new(array: ArrayRef) -> Self {
        Self { array, present: None }
    }

    pub fn is_present(&self, row: usize) -> bool {
        self.present.as_ref().is_none_or(|present| row < present.len() && present.value(row))
    }
}

/// Records in columns. Every column has `rows` values of its field's type.
#[derive(Clone, Debug)]
pub struct Batch {
    fields: Arc<[Field]>,
    columns: Vec<Column>,
    rows: usize,
}

impl Batch {
    pub fn new(fields: Arc<[Field]>, columns: Vec<Column>, rows: usize) -> Result<Self, BatchError> {
        if fields.len() != columns.len() {
            return Err(BatchError::ColumnCount { fields: fields.len(), columns: columns.len() });
        }
        for (field, column) in fields.iter().zip(&columns) {
            check_column(field, column, rows)?;
        }
        Ok(Self { fields, columns, rows })
    }

    /// A batch of these fields without records.
    pub fn empty(fields: Arc<[Field]>) -> Self {
        let columns =
            fields.iter().map(|field| Column::new(arrow_array::new_empty_array(&arrow_type(field.logical)))).collect();
        Self { fields, columns, rows: 0 }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn fields(&self) -> &Arc<[Field]> {
        &self.fields
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Fields with their columns, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Field, &Column)> {
        self.fields.iter().zip(&self.columns)
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.iter().find(|(field, _)| field.name == name).map(|(_, column)| column)
    }

    /// The bytes all columns occupy, roughly; what limits on pages and queues are counted in.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.array.get_array_memory_size()).sum()
    }

    /// The given rows, in the given order. A row number outside the batch is an error.
    pub fn take(&self, rows: &UInt32Array) -> Result<Self, BatchError> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for (field, column) in self.iter() {
            let array = take_array(&column.array, rows, &field.name)?;
            let present = column.present.as_ref().map(|present| take_bits(present, rows));
            columns.push(Column { array, present });
        }
        Ok(Self { fields: self.fields.clone(), columns, rows: rows.len() })
    }

    /// `length` rows from `offset`, without copying; both are cut to what there is.
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        let offset = offset.min(self.rows);
        let length = length.min(self.rows - offset);
        let columns = self
            .columns
            .iter()
            .map(|column| Column {
                array: column.array.slice(offset, length),
                present: column.present.as_ref().map(|present| present.slice(offset, length)),
            })
            .collect();
        Self { fields: self.fields.clone(), columns, rows: length }
    }

    /// All rows of all batches; they must have the same fields.
    pub fn concat(batches: &[&Self]) -> Result<Self, BatchError> {
        let Some(first) = batches.first() else {
            return Ok(Self::empty(Arc::from([])));
        };
        let rows = batches.iter().map(|batch| batch.rows).sum();
        let mut columns = Vec::with_capacity(first.columns.len());
        for (index, field) in first.fields.iter().enumerate() {
            let parts: Vec<&Column> = batches.iter().filter_map(|batch| batch.columns.get(index)).collect();
            columns.push(concat_columns(field, &parts, rows)?);
        }
        Self::new(first.fields.clone(), columns, rows)
    }
}

fn check_column(field: &Field, column: &Column, rows: usize) -> Result<(), BatchError> {
    let length = |found| BatchError::Length { column: field.name.clone(), rows, found };
    if column.array.len() != rows {
        return Err(length(column.array.len()));
    }
    if let Some(present) = &column.present
        && present.len() != rows
    {
        return Err(length(present.len()));
    }
    if column.array.data_type() != &arrow_type(field.logical) {
        return Err(BatchError::Type {
            column: field.name.clone(),
            logical: field.logical.to_string(),
            found: column.array.data_type().to_string(),
        });
    }
    Ok(())
}

fn take_array(array: &ArrayRef, rows: &UInt32Array, name: &str) -> Result<ArrayRef, BatchError> {
    if rows.values().iter().any(|row| *row as usize >= array.len()) {
        return Err(BatchError::Values { column: name.to_owned(), reason: "a row number is outside the batch".into() });
    }
    take(array.as_ref(), rows, None)
        .map_err(|error| BatchError::Values { column: name.to_owned(), reason: error.to_string() })
}

fn take_bits(bits: &BooleanBuffer, rows: &UInt32Array) -> BooleanBuffer {
    rows.values().iter().map(|row| bits.len() > *row as usize && bits.value(*row as usize)).collect()
}

fn concat_columns(field: &Field, parts: &[&Column], rows: usize) -> Result<Column, BatchError> {
    let arrays: Vec<&dyn Array> = parts.iter().map(|part| part.array.as_ref()).collect();
    let array = concat(&arrays)
        .map_err(|error| BatchError::Values { column: field.name.clone(), reason: error.to_string() })?;
    let present = parts.iter().any(|part| part.present.is_some()).then(|| {
        let mut bits = arrow_buffer::BooleanBufferBuilder::new(rows);
        for part in parts {
            match &part.present {
                Some(present) => bits.append_buffer(present),
                None => bits.append_n(part.array.len(), true),
            }
        }
        bits.finish()
    });
    Ok(Column { array, present })
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ChangeKind {
    Upsert = 0,
    Delete = 1,
    Undelete = 2,
}

impl TryFrom<u8> for ChangeKind {
    type Error = BatchError;

    fn try_from(code: u8) -> Result<Self, BatchError> {
        Ok(match code {
            0 => Self::Upsert,
            1 => Self::Delete,
            2 => Self::Undelete,
            other => return Err(BatchError::Kind(other)),
        })
    }
}

/// A batch with what happened to each record. Lists, where given, have one entry per row.
#[derive(Clone, Debug)]
pub struct Changes {
    /// [`ChangeKind`] codes; none = all upserts.
    pub kinds: Option<ScalarBuffer<u8>>,
    /// The system's own record ids.
    pub ids: Option<BinaryArray>,
    pub versions: Option<BinaryArray>,
    /// Microseconds since 1970 in UTC.
    pub changed_at: Option<ScalarBuffer<i64>>,
    pub origins: Option<BinaryArray>,
    pub data: Batch,
}

impl Changes {
    /// All upserts, with nothing else known.
    pub fn upserts(data: Batch) -> Self {
        Self { kinds: None, ids: None, versions: None, changed_at: None, origins: None, data }
    }

    /// Fails if a list does not have one entry per row or a kind is unknown.
    pub fn check(self) -> Result<Self, BatchError> {
        let rows = self.rows();
        let lists = [
            ("kinds", self.kinds.as_ref().map(|list| list.len())),
            ("ids", self.ids.as_ref().map(Array::len)),
            ("versions", self.versions.as_ref().map(Array::len)),
            ("times", self.changed_at.as_ref().map(|list| list.len())),
            ("origins", self.origins.as_ref().map(Array::len)),
        ];
        for (what, length) in lists {
            if let Some(found) = length
                && found != rows
            {
                return Err(BatchError::ListLength { what, rows, found });
            }
        }
        for kind in self.kinds.iter().flat_map(|kinds| kinds.iter()) {
            ChangeKind::try_from(*kind)?;
        }
        Ok(self)
    }

    pub fn rows(&self) -> usize {
        self.data.rows()
    }

    pub fn kind(&self, row: usize) -> ChangeKind {
        let code = self.kinds.as_ref().and_then(|kinds| kinds.get(row).copied()).unwrap_or(0);
        ChangeKind::try_from(code).unwrap_or(ChangeKind::Upsert)
    }

    /// The same changes with other data of as many rows.
    pub fn with_data(&self, data: Batch) -> Self {
        Self { data, ..self.clone() }
    }

    /// The given rows, in the given order.
    pub fn take(&self, rows: &UInt32Array) -> Result<Self, BatchError> {
        let bytes = |list: &Option<BinaryArray>| -> Result<Option<BinaryArray>, BatchError> {
            let Some(list) = list else { return Ok(None) };
            let array: ArrayRef = Arc::new(list.clone());
            let taken = take_array(&array, rows, "ids")?;
            Ok(taken.as_any().downcast_ref::<BinaryArray>().cloned())
        };
        Ok(Self {
            kinds: self.kinds.as_ref().map(|list| take_scalars(list, rows)),
            ids: bytes(&self.ids)?,
            versions: bytes(&self.versions)?,
            changed_at: self.changed_at.as_ref().map(|list| take_scalars(list, rows)),
            origins: bytes(&self.origins)?,
            data: self.data.take(rows)?,
        })
    }

    /// The rows `keep` says, in order.
    pub fn filter(&self, keep: impl Fn(usize) -> bool) -> Result<Self, BatchError> {
        let rows: UInt32Array =
            (0..self.rows()).filter(|row| keep(*row)).map(|row| row as u32).collect::<Vec<_>>().into();
        if rows.len() == self.rows() { Ok(self.clone()) } else { self.take(&rows) }
    }

    /// All rows of all pages; they must have the same fields. Lists that not every page has are dropped, but for the kinds.
    pub fn concat(pages: &[&Self]) -> Result<Self, BatchError> {
        let data: Vec<&Batch> = pages.iter().map(|page| &page.data).collect();
        let mut changes = Self::upserts(Batch::concat(&data)?);
        if pages.iter().any(|page| page.kinds.is_some()) {
            let kinds = pages.iter().flat_map(|page| (0..page.rows()).map(|row| page.kind(row) as u8));
            changes.kinds = Some(kinds.collect::<Vec<_>>().into());
        }
        Ok(changes)
    }

    /// `length` rows from `offset`, without copying the data.
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        let offset = offset.min(self.rows());
        let length = length.min(self.rows() - offset);
        Self {
            kinds: self.kinds.as_ref().map(|list| list.slice(offset, length)),
            ids: self.ids.as_ref().map(|list| list.slice(offset, length)),
            versions: self.versions.as_ref().map(|list| list.slice(offset, length)),
            changed_at: self.changed_at.as_ref().map(|list| list.slice(offset, length)),
            origins: self.origins.as_ref().map(|list| list.slice(offset, length)),
            data: self.data.slice(offset, length),
        }
    }
}

fn take_scalars<T: arrow_buffer::ArrowNativeType + Default>(
    list: &ScalarBuffer<T>,
    rows: &UInt32Array,
) -> ScalarBuffer<T> {
    rows.values().iter().map(|row| list.get(*row as usize).copied().unwrap_or_default()).collect()
}
