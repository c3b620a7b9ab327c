//! Columns on their way into parameters and COPY data.
//!
//! Everything is checked before anything is written, and writing cannot fail: what is refused has not been sent in part. What
//! the server would round, cut or reinterpret without a word is refused here.

mod check;
mod text;

use super::messages::{self, Format};
use super::native::{Native, TextLimit};
use super::numeric;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::check_present;
use crate::plugin::capability::sql::value::parse_uuid;
use crate::plugin::capability::sql::view::View;
use crate::record::{Batch, Column, LogicalType};

use super::decode::{EPOCH_DAYS, EPOCH_MICROS};

/// How the values of one column are written.
#[derive(Clone, Debug)]
pub(super) struct ColumnEncoder {
    pub name: String,
    native: Native,
    logical: LogicalType,
    binary: Option<Binary>,
}

/// Binary forms, of values that have been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    /// Whole numbers as floats.
    IntFloat4,
    IntFloat8,
    Scaled(u16),
    /// A whole number as a numeric.
    IntNumeric,
    TextNumeric,
    Timestamp,
    Date,
    Time,
    Uuid,
    /// The bytes as they are.
    Raw,
    Jsonb,
    /// Our own spelling, into a column of text.
    Spelled,
}

impl ColumnEncoder {
    /// How to write `logical` values into a column or parameter of this type; None if that would lose or invent something.
    pub fn new(name: &str, native: Native, logical: LogicalType) -> Option<Self> {
        let binary = plan(native, logical)?;
        Some(Self { name: name.to_owned(), native, logical, binary })
    }

    /// The format in which a value travels best.
    pub fn format(&self) -> Format {
        if self.binary.is_some() { Format::Binary } else { Format::Text }
    }

    /// Finds the first value that the server could not keep as it is. `first_row` is the number of the batch's first row.
    pub fn check(&self, column: &Column, origin: &str, first_row: u64) -> Result<(), Failure> {
        check::column(self.native, self.logical, column)
            .map_err(|(row, misfit)| misfit.failure(origin, first_row + row as u64, &self.name))
    }

    /// Appends a counted value in binary form.
    #[inline]
    pub fn write_binary(&self, view: &View<'_>, row: usize, out: &mut Vec<u8>) {
        let Some(binary) = self.binary.filter(|_| view.is_valid(row)) else { return messages::null(out) };
        match binary {
            Binary::Raw => messages::value(out, view.bytes(row)),
            Binary::Int8 => counted(out, view.int(row).to_be_bytes()),
            Binary::Scaled(scale) => messages::value_with(out, |out| numeric::write_scaled(view.int(row), scale, out)),
            Binary::Timestamp => counted(out, timestamp(view.int(row)).to_be_bytes()),
            Binary::Date => counted(out, date(view.int(row)).to_be_bytes()),
            Binary::Bool => counted(out, [u8::from(view.bool(row))]),
            Binary::Int4 => counted(out, (view.int(row) as i32).to_be_bytes()),
            Binary::Float8 => counted(out, view.float(row).to_be_bytes()),
            Binary::Uuid => counted(out, parse_uuid(view.text(row)).unwrap_or_default()),
            Binary::Int2 => counted(out, (view.int(row) as i16).to_be_bytes()),
            Binary::Oid => counted(out, (view.int(row) as u32).to_be_bytes()),
            Binary::Float4 => counted(out, (view.float(row) as f32).to_be_bytes()),
            Binary::IntFloat4 => counted(out, (view.int(row) as f32).to_be_bytes()),
            Binary::IntFloat8 => counted(out, (view.int(row) as f64).to_be_bytes()),
            Binary::Time => counted(out, view.int(row).to_be_bytes()),
            Binary::IntNumeric => messages::value_with(out, |out| numeric::write_scaled(view.int(row), 0, out)),
            Binary::TextNumeric => messages::value_with(out, |out| numeric::write_parsed(view.text(row), out)),
            Binary::Jsonb => messages::value_with(out, |out| {
                out.push(1);
                out.extend_from_slice(view.bytes(row));
            }),
            Binary::Spelled => messages::value_with(out, |out| text::write(self.logical, view, row, out)),
        }
    }

    /// Appends a counted value in the form of text.
    pub fn write_text(&self, view: &View<'_>, row: usize, out: &mut Vec<u8>) {
        if view.is_valid(row) {
            messages::value_with(out, |out| self.write_plain(view, row, out));
        } else {
            messages::null(out);
        }
    }

    /// Appends a value as a field of COPY's text format.
    pub fn write_copy_text(&self, view: &View<'_>, row: usize, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        if !view.is_valid(row) {
            return out.extend_from_slice(b"\\N");
        }
        scratch.clear();
        self.write_plain(view, row, scratch);
        text::escape(scratch, out);
    }

    /// Into a column of text go our own spellings, into any other those the server reads.
    fn write_plain(&self, view: &View<'_>, row: usize, out: &mut Vec<u8>) {
        match self.native {
            Native::Text(_) => text::write(self.logical, view, row, out),
            _ => text::write_for_server(self.logical, view, row, out),
        }
    }
}

/// The outer None: impossible. The inner None: only as text.
fn plan(native: Native, logical: LogicalType) -> Option<Option<Binary>> {
    use LogicalType as L;
    use Native as N;
    Some(Some(match (native, logical) {
        (N::Bool, L::Bool) => Binary::Bool,
        (N::Int2, L::Int64) => Binary::Int2,
        (N::Int4, L::Int64) => Binary::Int4,
        (N::Int8, L::Int64) => Binary::Int8,
        (N::Oid, L::Int64) => Binary::Oid,
        (N::Float4, L::Float64) => Binary::Float4,
        (N::Float8, L::Float64) => Binary::Float8,
        (N::Float4, L::Int64) => Binary::IntFloat4,
        (N::Float8, L::Int64) => Binary::IntFloat8,
        (N::Numeric(_), L::Int64) => Binary::IntNumeric,
        (N::Numeric(_), L::Decimal(_)) => decimal(logical),
        (N::Timestamptz(_), L::Timestamp) | (N::Timestamp(_), L::Datetime) => Binary::Timestamp,
        (N::Date, L::Date) => Binary::Date,
        (N::Time(_), L::Time) => Binary::Time,
        (N::Uuid, L::Uuid | L::Text) => Binary::Uuid,
        (N::Bytea, L::Binary) | (N::Json, L::Json | L::Text) => Binary::Raw,
        (N::Jsonb, L::Json | L::Text) => Binary::Jsonb,
        (N::Text(TextLimit::Bytes(1)), L::Text) => return Some(None),
        (N::Text(_), L::Text | L::Json | L::Uuid) => Binary::Raw,
        (N::Bytea, _) | (_, L::Binary) => return None,
        (N::Text(_), _) => Binary::Spelled,
        // The server reads text as whatever it is to be, and says so if it cannot.
        (N::RoundedNumeric(_), _) => return None,
        (_, L::Text) => return Some(None),
        (N::Int2 | N::Int4 | N::Int8 | N::Oid | N::Money, L::Decimal(_) | L::Int64) => return Some(None),
        (N::Numeric(_), L::Float64) => return Some(None),
        (N::Other, _) => return Some(None),
        _ => return None,
    }))
}

fn decimal(logical: LogicalType) -> Binary {
    match logical {
        LogicalType::Decimal(Some(shape)) if shape.precision <= 18 => Binary::Scaled(shape.scale),
        _ => Binary::TextNumeric,
    }
}

/// One write for length and value.
#[inline]
fn counted<const N: usize>(out: &mut Vec<u8>, value: [u8; N]) {
    out.extend_from_slice(&(N as u32).to_be_bytes());
    out.extend_from_slice(&value);
}

fn timestamp(micros: i64) -> i64 {
    match micros {
        i64::MIN | i64::MAX => micros,
        micros => micros.saturating_sub(EPOCH_MICROS),
    }
}

fn date(days: i64) -> i32 {
    match days {
        i64::MIN => i32::MIN,
        i64::MAX => i32::MAX,
        days => (days - EPOCH_DAYS) as i32,
    }
}

/// Fails unless the batch has these columns' types and says something in every field: absent is not null, and there is no
/// third thing a database could be told.
pub(super) fn check_batch(
    encoders: &[ColumnEncoder],
    batch: &Batch,
    origin: &str,
    first_row: u64,
) -> Result<(), Failure> {
    let misuse = |text: String| Failure::new(FailureKind::Permanent, &codes::SQL_STATEMENT, origin, text);
    if batch.columns().len() != encoders.len() {
        return Err(misuse(format!("{} columns came for {} to fill", batch.columns().len(), encoders.len())));
    }
    for (encoder, (field, column)) in encoders.iter().zip(batch.iter()) {
        if field.logical != encoder.logical {
            let (name, wanted, found) = (&encoder.name, encoder.logical, field.logical);
            return Err(misuse(format!("column `{name}` was announced as `{wanted}` and came as `{found}`")));
        }
        check_present(&encoder.name, column, origin, first_row)?;
        encoder.check(column, origin, first_row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
