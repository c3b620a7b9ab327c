//! Between the contract's types and the host's.
//!
//! What comes from a plugin is checked here, once: lengths, offsets, UTF-8, bitmaps, types. Buffers change hands without being
//! copied where their layout allows it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::lockstep::plugin::types as wit;
use crate::connector::{Cursor, Failure, FailureKind, PageStatus, RowError};
use crate::error::{Code, codes};
use crate::record::{Batch, Changes, Column, Field, Layout, LogicalType, Properties, Stream, arrow_type};

/// What is wrong with a value a plugin passed; becomes part of a fault.
pub type Nonsense = String;

/// Carries a Lockstep code through a plugin that passes an error on.
const CODE_PROPERTY: &str = "lockstep-code";
/// A kind of error that the contract does not know, as the plugin named it.
const UNKNOWN_KIND_PROPERTY: &str = "unknown-kind";

pub fn failure(plugin: &str, error: wit::Error) -> Failure {
    let kind = FailureKind::from_plugin(&error.kind);
    let mut properties = Properties(error.properties);
    let passed_on = properties.get(CODE_PROPERTY).and_then(codes::find);
    properties.0.retain(|(name, _)| name != CODE_PROPERTY);
    if kind == FailureKind::Other && error.kind != kind.name() {
        properties.set(UNKNOWN_KIND_PROPERTY, error.kind);
    }
    Failure {
        kind,
        origin: plugin.to_owned(),
        code: passed_on.unwrap_or_else(|| default_code(kind)),
        detail_code: error.code,
        message: error.message,
        retry_after: error.retry_after_ms.map(Duration::from_millis),
        properties,
    }
}

fn default_code(kind: FailureKind) -> &'static Code {
    match kind {
        FailureKind::Config => &codes::PLUGIN_CONFIG,
        FailureKind::InvalidData => &codes::DATA_MALFORMED,
        FailureKind::NotFound => &codes::STREAM_MISSING,
        _ => &codes::PLUGIN_ERROR,
    }
}

/// For a plugin that used a capability wrongly or in vain.
pub fn error_for_plugin(failure: Failure) -> wit::Error {
    let properties = failure.properties.with(CODE_PROPERTY, failure.code.id);
    wit::Error {
        kind: failure.kind.name().to_owned(),
        code: failure.detail_code,
        message: failure.message,
        retry_after_ms: failure.retry_after.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        properties: properties.0,
    }
}

pub fn row_error(plugin: &str, error: wit::RowError) -> RowError {
    RowError { row: error.row, error: failure(plugin, error.error) }
}

pub fn row_error_for_plugin(error: RowError) -> wit::RowError {
    wit::RowError { row: error.row, error: error_for_plugin(error.error) }
}

pub fn stream(stream: wit::StreamResult) -> Result<Stream, Nonsense> {
    let fields = stream.fields.into_iter().map(field).collect::<Result<Vec<_>, _>>()?;
    if let Some(key) = stream.key.iter().find(|key| !fields.iter().any(|field| field.name == **key)) {
        return Err(format!("stream `{}` has the key field `{key}` but no such field", stream.name));
    }
    if let Some(double) =
        fields.iter().enumerate().find(|(at, field)| fields.iter().take(*at).any(|f| f.name == field.name))
    {
        return Err(format!("stream `{}` has two fields `{}`", stream.name, double.1.name));
    }
    Ok(Stream { name: stream.name, key: stream.key, fields, properties: Properties(stream.properties) })
}

pub fn field(field: wit::FieldResult) -> Result<Field, Nonsense> {
    let logical =
        field.logical_type.parse::<LogicalType>().map_err(|error| format!("field `{}`: {error}", field.name))?;
    Ok(Field { name: field.name, logical, nullable: field.nullable, properties: Properties(field.properties) })
}

pub fn field_for_plugin(field: &Field) -> wit::FieldResult {
    wit::FieldResult {
        name: field.name.clone(),
        logical_type: field.logical.to_string(),
        nullable: field.nullable,
        properties: field.properties.0.clone(),
    }
}

pub fn status(status: &str) -> Result<PageStatus, Nonsense> {
    match status {
        "more" => Ok(PageStatus::More),
        "caught-up" => Ok(PageStatus::CaughtUp),
        "enumeration-complete" => Ok(PageStatus::EnumerationComplete),
        other => Err(format!("the page status `{other}` does not exist")),
    }
}

pub fn cursor(bytes: Vec<u8>, limit: usize) -> Result<Cursor, Nonsense> {
    if bytes.len() > limit {
        return Err(format!("a cursor of {} bytes, more than {limit}", bytes.len()));
    }
    Ok(Cursor(bytes))
}

/// Changes whose columns are these fields. A field without a column is absent in every row.
pub fn changes(changes: wit::ChangesResult, fields: &Arc<[Field]>) -> Result<Changes, Nonsense> {
    let rows = changes.data.rows as usize;
    let list = |name: &str, list: Option<wit::BytesColumnResult>| -> Result<Option<BinaryArray>, Nonsense> {
        list.map(|list| binary(list, rows, None)).transpose().map_err(|reason| format!("{name}: {reason}"))
    };
    Changes {
        kinds: changes.kinds.map(ScalarBuffer::from),
        ids: list("ids", changes.ids)?,
        versions: list("versions", changes.versions)?,
        changed_at: changes.changed_at.map(ScalarBuffer::from),
        origins: list("origins", changes.origins)?,
        data: batch(changes.data, fields)?,
    }
    .check()
    .map_err(|error| error.to_string())
}

/// A batch whose columns are these fields, in any order. A field without a column is absent in every row.
pub fn batch(batch: wit::BatchResult, fields: &Arc<[Field]>) -> Result<Batch, Nonsense> {
    let rows = batch.rows as usize;
    let mut given: Vec<Option<wit::ColumnResult>> = batch.columns.into_iter().map(Some).collect();
    let mut columns = Vec::with_capacity(fields.len());
    for field in fields.iter() {
        let found = given.iter_mut().find(|column| column.as_ref().is_some_and(|column| column.name == field.name));
        columns.push(match found.and_then(Option::take) {
            Some(given) => column(given, field, rows).map_err(|reason| format!("column `{}`: {reason}", field.name))?,
            None => absent_column(field, rows),
        });
    }
    if let Some(extra) = given.into_iter().flatten().next() {
        return Err(format!("column `{}` was not asked for", extra.name));
    }
    Batch::new(fields.clone(), columns, rows).map_err(|error| error.to_string())
}

fn absent_column(field: &Field, rows: usize) -> Column {
    let array = arrow_array::new_null_array(&arrow_type(field.logical), rows);
    Column { array, present: Some(BooleanBuffer::new_unset(rows)) }
}

fn column(column: wit::ColumnResult, field: &Field, rows: usize) -> Result<Column, Nonsense> {
    let valid = column.valid.map(|bits| bitmap(bits, rows)).transpose()?;
    let present = column.present.map(|bits| bitmap(bits, rows)).transpose()?;
    let nulls = match (valid, &present) {
        (Some(valid), Some(present)) => Some(NullBuffer::new(&valid & present)),
        (Some(valid), None) => Some(NullBuffer::new(valid)),
        (None, Some(present)) => Some(NullBuffer::new(present.clone())),
        (None, None) => None,
    };
    Ok(Column { array: array(column.values, field.logical, rows, nulls)?, present })
}

fn array(
    values: wit::ValuesResult,
    logical: LogicalType,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Nonsense> {
    let length = |found: usize| {
        if found == rows { Ok(()) } else { Err(format!("{found} values for {rows} rows")) }
    };
    Ok(match (values, logical.layout()) {
        (wit::ValuesResult::Bits(bits), Layout::Bits) => Arc::new(BooleanArray::new(bitmap(bits, rows)?, nulls)),
        (wit::ValuesResult::Int64(values), Layout::Int64) => {
            length(values.len())?;
            Arc::new(Int64Array::new(values.into(), nulls))
        }
        (wit::ValuesResult::Float64(values), Layout::Float64) => {
            length(values.len())?;
            Arc::new(Float64Array::new(values.into(), nulls))
        }
        (wit::ValuesResult::Bytes(column), Layout::Utf8) => {
            let (offsets, data) = offsets(column, rows)?;
            Arc::new(StringArray::try_new(offsets, data, nulls).map_err(|error| error.to_string())?)
        }
        (wit::ValuesResult::Bytes(column), Layout::Bytes) => Arc::new(binary(column, rows, nulls)?),
        (other, _) => return Err(format!("{} where {logical} was expected", layout_name(&other))),
    })
}

fn layout_name(values: &wit::ValuesResult) -> &'static str {
    match values {
        wit::ValuesResult::Bits(_) => "bits",
        wit::ValuesResult::Int64(_) => "int64",
        wit::ValuesResult::Float64(_) => "float64",
        wit::ValuesResult::Bytes(_) => "bytes",
        wit::ValuesResult::Other(_) => "an unknown layout",
    }
}

fn binary(column: wit::BytesColumnResult, rows: usize, nulls: Option<NullBuffer>) -> Result<BinaryArray, Nonsense> {
    let (offsets, data) = offsets(column, rows)?;
    BinaryArray::try_new(offsets, data, nulls).map_err(|error| error.to_string())
}

/// Arrow's own constructor panics on offsets that fall; a plugin's are therefore checked first.
fn offsets(column: wit::BytesColumnResult, rows: usize) -> Result<(OffsetBuffer<i32>, Buffer), Nonsense> {
    let wit::BytesColumnResult { offsets, data } = column;
    if offsets.len() != rows + 1 {
        return Err(format!("{} offsets for {rows} rows", offsets.len()));
    }
    // Without leaving early: so it is done with vector instructions.
    let highs = offsets.get(1..).unwrap_or_default();
    let rises = offsets.iter().zip(highs).fold(true, |rises, (low, high)| rises & (low <= high));
    let last = offsets.last().copied().unwrap_or(0);
    if !rises || offsets.first() != Some(&0) || last as usize != data.len() || i32::try_from(last).is_err() {
        return Err("offsets that do not fit its data".to_owned());
    }
    let length = offsets.len();
    let offsets = ScalarBuffer::<i32>::new(Buffer::from_vec(offsets), 0, length);
    Ok((OffsetBuffer::new(offsets), Buffer::from_vec(data)))
}

fn bitmap(bits: Vec<u8>, rows: usize) -> Result<BooleanBuffer, Nonsense> {
    if bits.len() < rows.div_ceil(8) {
        return Err(format!("a bitmap of {} bytes for {rows} rows", bits.len()));
    }
    Ok(BooleanBuffer::new(Buffer::from_vec(bits), 0, rows))
}

/// The parts of a batch in the shape the contract wants, borrowed where they already have it.
pub struct BatchParts<'a> {
    rows: u32,
    columns: Vec<ColumnParts<'a>>,
}

struct ColumnParts<'a> {
    name: &'a str,
    valid: Option<Cow<'a, [u8]>>,
    present: Option<Cow<'a, [u8]>>,
    values: ValueParts<'a>,
}

enum ValueParts<'a> {
    Bits(Cow<'a, [u8]>),
    Int64(&'a [i64]),
    Float64(&'a [f64]),
    Bytes(BytesParts<'a>),
}

struct BytesParts<'a> {
    offsets: Cow<'a, [u32]>,
    data: &'a [u8],
}

impl<'a> BatchParts<'a> {
    pub fn new(batch: &'a Batch) -> Self {
        let columns = batch.iter().map(|(field, column)| ColumnParts::new(field, column)).collect();
        Self { rows: u32::try_from(batch.rows()).unwrap_or(u32::MAX), columns }
    }

    /// The columns; they borrow from these parts.
    pub fn columns(&self) -> Vec<wit::ColumnParam<'_>> {
        self.columns.iter().map(ColumnParts::param).collect()
    }

    pub fn batch<'b>(&self, columns: &'b [wit::ColumnParam<'b>]) -> wit::BatchParam<'b> {
        wit::BatchParam { rows: self.rows, columns }
    }
}

impl<'a> ColumnParts<'a> {
    fn new(field: &'a Field, column: &'a Column) -> Self {
        let array = &column.array;
        let values = match field.logical.layout() {
            Layout::Bits => ValueParts::Bits(aligned_bits(array.as_boolean().values())),
            Layout::Int64 => ValueParts::Int64(array.as_primitive::<Int64Type>().values()),
            Layout::Float64 => ValueParts::Float64(array.as_primitive::<Float64Type>().values()),
            Layout::Utf8 => {
                let array = array.as_string::<i32>();
                ValueParts::Bytes(BytesParts::new(array.offsets(), array.values()))
            }
            Layout::Bytes => {
                let array = array.as_binary::<i32>();
                ValueParts::Bytes(BytesParts::new(array.offsets(), array.values()))
            }
        };
        let valid = array.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| aligned_bits(nulls.inner()));
        Self { name: &field.name, valid, present: column.present.as_ref().map(aligned_bits), values }
    }

    fn param(&self) -> wit::ColumnParam<'_> {
        wit::ColumnParam {
            name: self.name,
            valid: self.valid.as_deref(),
            present: self.present.as_deref(),
            values: match &self.values {
                ValueParts::Bits(bits) => wit::ValuesParam::Bits(bits),
                ValueParts::Int64(values) => wit::ValuesParam::Int64(values),
                ValueParts::Float64(values) => wit::ValuesParam::Float64(values),
                ValueParts::Bytes(parts) => wit::ValuesParam::Bytes(parts.param()),
            },
        }
    }
}

impl<'a> BytesParts<'a> {
    fn new(offsets: &'a OffsetBuffer<i32>, data: &'a Buffer) -> Self {
        let first = offsets.inner().first().copied().unwrap_or(0);
        let last = offsets.inner().last().copied().unwrap_or(0);
        let range = usize::try_from(first).unwrap_or(0)..usize::try_from(last).unwrap_or(0);
        // The same 32 bits: Arrow's offsets are never negative.
        let raw: &[u32] = offsets.inner().inner().typed_data();
        let offsets = if first == 0 {
            Cow::Borrowed(raw)
        } else {
            Cow::Owned(raw.iter().map(|offset| offset.wrapping_sub(first.cast_unsigned())).collect())
        };
        Self { offsets, data: data.get(range).unwrap_or_default() }
    }

    fn param(&self) -> wit::BytesColumnParam<'_> {
        wit::BytesColumnParam { offsets: &self.offsets, data: self.data }
    }
}

/// The bytes of a bitmap that begins at its first bit.
fn aligned_bits(bits: &BooleanBuffer) -> Cow<'_, [u8]> {
    let (offset, bytes) = (bits.offset(), bits.len().div_ceil(8));
    if offset.is_multiple_of(8) {
        Cow::Borrowed(bits.values().get(offset / 8..offset / 8 + bytes).unwrap_or_default())
    } else {
        Cow::Owned(bits.sliced().as_slice().get(..bytes).unwrap_or_default().to_vec())
    }
}

/// The lists of changes in the shape the contract wants.
pub struct ChangesParts<'a> {
    changes: &'a Changes,
    ids: Option<BytesParts<'a>>,
    versions: Option<BytesParts<'a>>,
    origins: Option<BytesParts<'a>>,
    pub data: BatchParts<'a>,
}

impl<'a> ChangesParts<'a> {
    pub fn new(changes: &'a Changes) -> Self {
        let list =
            |list: &'a Option<BinaryArray>| list.as_ref().map(|array| BytesParts::new(array.offsets(), array.values()));
        Self {
            changes,
            ids: list(&changes.ids),
            versions: list(&changes.versions),
            origins: list(&changes.origins),
            data: BatchParts::new(&changes.data),
        }
    }

    pub fn changes<'b>(&'b self, columns: &'b [wit::ColumnParam<'b>]) -> wit::ChangesParam<'b> {
        wit::ChangesParam {
            kinds: self.changes.kinds.as_deref(),
            ids: self.ids.as_ref().map(BytesParts::param),
            versions: self.versions.as_ref().map(BytesParts::param),
            changed_at: self.changes.changed_at.as_deref(),
            origins: self.origins.as_ref().map(BytesParts::param),
            data: self.data.batch(columns),
        }
    }
}

/// A batch for a plugin that asked for it; buffers are handed over where nobody else holds them.
pub fn batch_for_plugin(batch: &Batch) -> wit::BatchResult {
    let columns = batch.iter().map(|(field, column)| column_for_plugin(field, column)).collect();
    wit::BatchResult { rows: u32::try_from(batch.rows()).unwrap_or(u32::MAX), columns }
}

fn column_for_plugin(field: &Field, column: &Column) -> wit::ColumnResult {
    let parts = ColumnParts::new(field, column);
    wit::ColumnResult {
        name: field.name.clone(),
        valid: parts.valid.map(Cow::into_owned),
        present: parts.present.map(Cow::into_owned),
        values: match parts.values {
            ValueParts::Bits(bits) => wit::ValuesResult::Bits(bits.into_owned()),
            ValueParts::Int64(values) => wit::ValuesResult::Int64(values.to_vec()),
            ValueParts::Float64(values) => wit::ValuesResult::Float64(values.to_vec()),
            ValueParts::Bytes(parts) => wit::ValuesResult::Bytes(wit::BytesColumnResult {
                offsets: parts.offsets.into_owned(),
                data: parts.data.to_vec(),
            }),
        },
    }
}

/// A stream or its fields, borrowed: lists of pairs have to be gathered first.
pub struct FieldParts<'a> {
    fields: Vec<FieldPart<'a>>,
}

/// A field, its type's name and its properties.
type FieldPart<'a> = (&'a Field, String, Vec<(&'a str, &'a str)>);

impl<'a> FieldParts<'a> {
    pub fn new(fields: &'a [Field]) -> Self {
        let fields = fields.iter().map(|field| (field, field.logical.to_string(), pairs(&field.properties))).collect();
        Self { fields }
    }

    pub fn params(&self) -> Vec<wit::FieldParam<'_>> {
        self.fields
            .iter()
            .map(|(field, logical, properties)| wit::FieldParam {
                name: &field.name,
                logical_type: logical,
                nullable: field.nullable,
                properties,
            })
            .collect()
    }
}

pub fn pairs(properties: &Properties) -> Vec<(&str, &str)> {
    properties.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// One byte string per row.
pub fn byte_strings(column: wit::BytesColumnResult, rows: usize) -> Result<Vec<Vec<u8>>, Nonsense> {
    let list = binary(column, rows, None)?;
    Ok(list.iter().map(|value| value.unwrap_or_default().to_vec()).collect())
}

pub fn names(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests;
