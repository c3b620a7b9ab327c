//! Lines become rows.

use std::collections::BTreeMap;

use lockstep_plugin_sdk::batch::{BatchBuilder, ColumnBuilder};
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::{Field, LogicalType};
use lockstep_plugin_sdk::values::{Decimal, DecimalShape};
use lockstep_text_files::value::{BoolWords, ValueError, fixed_bits, int64, push_value};
use lockstep_text_files::{Format, RECORD_BYTES_MAX, Reason, Refusal, Step, Tail, Text};

use crate::json::{Fault, Kind, Member, Value, find_duplicate, read_object};
use crate::refusals;

/// The records of one file.
pub struct Rows {
    path: String,
    /// The columns of the batch by their names.
    columns: BTreeMap<String, usize>,
    fixed_bytes: u64,
    /// What the keys of the last line meant: those of the next line are nearly always the same, in the same order.
    shape: Vec<Slot>,
    members: Vec<Member>,
    /// For each column of the batch, its value in the line at hand.
    values: Vec<Option<Value>>,
    /// The beginning of a line that is too long, while its end is looked for.
    swallowed: Option<Box<Refusal>>,
}

/// A key as it is written, and the column of the batch it belongs to.
struct Slot {
    key: Vec<u8>,
    column: Option<usize>,
}

/// Why a line is not a row.
enum LineError {
    Fault(Fault),
    Value { column: usize, value: Value, error: ValueError },
}

impl From<Fault> for LineError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Rows {
    /// Rows of the wanted fields. A field that no line has is absent in every row.
    pub fn new(path: &str, fields: &[Field]) -> Result<Self> {
        let bits = fields.iter().map(|field| Ok(fixed_bits(field.logical()?))).sum::<Result<u64>>()?;
        Ok(Self {
            path: path.to_owned(),
            columns: fields.iter().enumerate().map(|(index, field)| (field.name.clone(), index)).collect(),
            fixed_bytes: bits.div_ceil(8),
            shape: Vec::new(),
            members: Vec::new(),
            values: vec![None; fields.len()],
            swallowed: None,
        })
    }

    fn line(&mut self, text: &Text, start: usize, end: usize, next: usize, batch: &mut BatchBuilder) -> Step {
        if end - start > RECORD_BYTES_MAX {
            return refused(next, Refusal::too_long(&self.path, text, start, refusals::LENGTH));
        }
        let line = text.slice(start..end);
        let reason = if !text.is_utf8(start..end) {
            refusals::not_utf8()
        } else {
            match self.row(line, batch) {
                Ok(bytes) => return Step::Rows { rows: 1, next, bytes },
                Err(error) => self.reason(line, error, batch),
            }
        };
        batch.abandon_row();
        let end = start + line.trim_ascii_end().len();
        refused(next, Refusal::new(&self.path, text, start..end, reason))
    }

    #[cold]
    fn reason(&self, line: &[u8], error: LineError, batch: &mut BatchBuilder) -> Reason {
        match error {
            LineError::Fault(fault) => refusals::fault(line, fault),
            LineError::Value { column, value, error } => refusals::value(batch.column(column), line, value, &error),
        }
    }

    fn row(&mut self, line: &[u8], batch: &mut BatchBuilder) -> Result<u64, LineError> {
        self.members.clear();
        read_object(line, &mut self.members)?;
        if !self.has_known_shape(line) {
            self.learn_shape(line)?;
        }
        self.values.fill(None);
        for (slot, member) in self.shape.iter().zip(&self.members) {
            if let Some(value) = slot.column.and_then(|column| self.values.get_mut(column)) {
                *value = Some(member.value);
            }
        }
        let mut bytes = self.fixed_bytes;
        for (index, (column, value)) in batch.columns().iter_mut().zip(&self.values).enumerate() {
            match value {
                None => column.push_absent(),
                Some(value) => {
                    let pushed = push(column, line, *value);
                    let fail = |error| LineError::Value { column: index, value: *value, error };
                    bytes += pushed.map_err(fail)? as u64;
                }
            }
        }
        Ok(bytes)
    }

    /// Whether the keys are those of the last line, of which is known that none occurs twice.
    fn has_known_shape(&self, line: &[u8]) -> bool {
        self.shape.len() == self.members.len()
            && self.shape.iter().zip(&self.members).all(|(slot, member)| slot.key == member.key.raw(line))
    }

    fn learn_shape(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.shape.clear();
        if let Some(key) = find_duplicate(line, self.members.iter().map(|member| member.key)) {
            return Err(Fault::DuplicateKey { key });
        }
        self.shape.extend(self.members.iter().map(|member| {
            let name = member.key.of(line);
            let column = std::str::from_utf8(&name).ok().and_then(|name| self.columns.get(name));
            Slot { key: member.key.raw(line).to_vec(), column: column.copied() }
        }));
        Ok(())
    }

    /// Looks for the end of a line that is too long.
    fn swallow(&mut self, text: &Text, refusal: Box<Refusal>) -> Step {
        match find_line(text) {
            Some((_, next)) => Step::Discarded { next, refusal },
            None => {
                self.swallowed = Some(refusal);
                Step::Swallowed
            }
        }
    }

    fn without_end(&mut self, text: &Text, start: usize) -> Step {
        if text.bytes().len() - start <= RECORD_BYTES_MAX {
            return Step::Incomplete { from: start };
        }
        self.swallowed = Some(Box::new(Refusal::too_long(&self.path, text, start, refusals::LENGTH)));
        Step::Swallowed
    }
}

impl Format for Rows {
    fn read(&mut self, text: &Text, _rows_max: usize, batch: &mut BatchBuilder) -> Step {
        if let Some(refusal) = self.swallowed.take() {
            return self.swallow(text, refusal);
        }
        let start = text.at();
        match find_line(text) {
            None => self.without_end(text, start),
            // A line that ends where it begins and is followed by nothing is the end of the file.
            Some((_, next)) if next == start => Step::End,
            Some((end, next)) if text.slice(start..end).trim_ascii().is_empty() => Step::Nothing { next },
            Some((end, next)) => self.line(text, start, end, next, batch),
        }
    }
}

/// Where the line at hand ends and the next one begins; none if its end is not in the text.
fn find_line(text: &Text) -> Option<(usize, usize)> {
    let start = text.at();
    let rest = text.bytes().get(start..).unwrap_or_default();
    match memchr::memchr(b'\n', rest) {
        Some(index) => Some((start + index, start + index + 1)),
        None if text.tail() == Tail::End => Some((text.bytes().len(), text.bytes().len())),
        None => None,
    }
}

fn refused(next: usize, refusal: Refusal) -> Step {
    Step::Refused { next, refusal: Box::new(refusal) }
}

/// Pushes a value into a column; answers the bytes of its text.
fn push(column: &mut ColumnBuilder, line: &[u8], value: Value) -> Result<usize, ValueError> {
    let raw = value.of(line);
    match (column.logical(), value.kind) {
        (_, Kind::Null) => column.push_null(),
        (LogicalType::Bool, Kind::Bool(value)) => column.push_bool(value),
        (LogicalType::Text, Kind::Text(text)) => return push_bytes(column, &text.of(line)),
        // Whatever else it is, its text says everything.
        (LogicalType::Text | LogicalType::Json, _) => return push_bytes(column, raw),
        (LogicalType::Bool, kind) => return Err(not_a(kind)),
        // Numbers, times and identifiers are often written as strings, to be exact or because JSON has nothing better.
        (_, Kind::Text(text)) => return push_value(column, &text.of(line), &BoolWords::default()),
        (LogicalType::Int64, Kind::Integer | Kind::Number) => column.push_int64(whole(raw)?),
        (LogicalType::Decimal(_) | LogicalType::Float64, Kind::Integer | Kind::Number) => {
            return push_value(column, raw, &BoolWords::default());
        }
        (_, kind) => return Err(not_a(kind)),
    }
    Ok(0)
}

fn push_bytes(column: &mut ColumnBuilder, bytes: &[u8]) -> Result<usize, ValueError> {
    column.push_bytes(bytes);
    Ok(bytes.len())
}

#[cold]
fn not_a(kind: Kind) -> ValueError {
    ValueError::of(format_args!("it is {} in the file", kind.name()))
}

/// A whole number, however it is written: `5`, `5.0`, `5e0`.
fn whole(raw: &[u8]) -> Result<i64, ValueError> {
    let error = match int64(raw) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let shape = DecimalShape { precision: 19, scale: 0 };
    let decimal = std::str::from_utf8(raw).ok().and_then(|text| Decimal::parse(text).ok());
    decimal.and_then(|decimal| decimal.to_scaled(shape).ok()).ok_or(error)
}
