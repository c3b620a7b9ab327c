//! Values as literals of a statement that loads rows.

use std::borrow::Cow;

use arrow_array::ArrayRef;

use super::super::native::{BytesLimit, Native};
use super::super::wire::Server;
use super::{check, spell};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::check_present;
use crate::plugin::capability::sql::columns::ColumnBuilder;
use crate::plugin::capability::sql::value::{Misfit, hex_digit, parse_uuid, push_parsed};
use crate::plugin::capability::sql::view::View;
use crate::record::{Batch, Column, Decimal, Field, Layout, LogicalType, format_date, format_datetime, format_time};

/// How the values of one column are written.
#[derive(Clone, Debug)]
pub struct ColumnEncoder {
    pub name: String,
    native: Native,
    /// The type the values come in.
    logical: LogicalType,
    /// The type they are written as: text that stands for a number or a time is read first, for the server would read more into it
    /// than it says.
    written: LogicalType,
    form: Form,
    timestamp_seconds_max: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bool,
    Int,
    Float,
    /// Digits with a point.
    Decimal,
    Date,
    Time,
    Moment,
    /// In quotes, in our own spelling.
    Quoted,
    Bytes,
    /// The sixteen bytes of a UUID.
    UuidBytes,
}

/// A column in the type it is written as.
pub type Converted<'b> = Cow<'b, ArrayRef>;

impl ColumnEncoder {
    /// How to write `logical` values into a column of this type; None if that would lose or invent something.
    pub fn new(name: &str, native: Native, logical: LogicalType, server: &Server) -> Option<Self> {
        let written = match logical {
            LogicalType::Text if !holds_text(&native) => native.natural(),
            other => other,
        };
        let form = plan(&native, written)?;
        let timestamp_seconds_max = server.timestamp_seconds_max();
        Some(Self { name: name.to_owned(), native, logical, written, form, timestamp_seconds_max })
    }

    /// The column as it is written, checked value by value. `first_row` is the number of the batch's first row.
    pub fn convert<'b>(
        &self,
        field: &Field,
        column: &'b Column,
        origin: &str,
        first_row: u64,
    ) -> Result<Converted<'b>, Failure> {
        if field.logical != self.logical {
            let (name, wanted, found) = (&self.name, self.logical, field.logical);
            let text = format!("column `{name}` was announced as `{wanted}` and came as `{found}`");
            return Err(Failure::new(FailureKind::Permanent, &codes::SQL_STATEMENT, origin, text));
        }
        check_present(&self.name, column, origin, first_row)?;
        let explain = |(row, misfit): (usize, Box<Misfit>)| misfit.failure(origin, first_row + row as u64, &self.name);
        let array = if self.written == self.logical {
            Cow::Borrowed(&column.array)
        } else {
            Cow::Owned(read_text(&column.array, self.written).map_err(explain)?)
        };
        check::column(&self.native, self.written, &array, self.timestamp_seconds_max).map_err(explain)?;
        Ok(array)
    }

    /// Appends a value that has been checked. `has_plain_backslashes`: whether a backslash in quotes stands for itself.
    #[inline]
    pub fn write(&self, view: &View<'_>, row: usize, has_plain_backslashes: bool, out: &mut Vec<u8>) {
        if !view.is_valid(row) {
            return out.extend_from_slice(b"NULL");
        }
        match self.form {
            Form::Quoted if view.is_text() => quote(view.bytes(row), has_plain_backslashes, out),
            Form::Int => put(out, &view.int(row).to_string()),
            Form::Bool => out.push(b'0' + u8::from(view.bool(row))),
            // With an exponent it is a float from the beginning, and not a decimal that becomes one.
            Form::Float if self.written == LogicalType::Int64 => put(out, &format!("{:e}", view.int(row) as f64)),
            Form::Float => put(out, &format!("{:e}", view.float(row))),
            Form::Decimal => write_decimal(self.written, view, row, out),
            Form::Date => put(out, &format!("'{}'", format_date(view.int(row)))),
            Form::Time => put(out, &format!("'{}'", format_time(view.int(row)))),
            Form::Moment => put(out, &format!("'{}'", format_datetime(view.int(row)))),
            Form::Bytes if has_plain_backslashes => put_hex(out, view.bytes(row)),
            Form::Bytes => {
                out.extend_from_slice(b"_binary");
                quote(view.bytes(row), has_plain_backslashes, out);
            }
            Form::UuidBytes => put_hex(out, &parse_uuid(view.text(row)).unwrap_or_default()),
            Form::Quoted => {
                let mut text = Vec::new();
                spell(self.written, view, row, &mut text);
                quote(&text, has_plain_backslashes, out);
            }
        }
    }
}

/// Whether text is what such a column holds or is at least handed over as.
fn holds_text(native: &Native) -> bool {
    matches!(
        native,
        Native::Text(_)
            | Native::Enum(_)
            | Native::Set(_)
            | Native::OtherText
            | Native::Json
            | Native::Uuid
            | Native::Bytes(_)
            | Native::Geometry
    )
}

fn plan(native: &Native, logical: LogicalType) -> Option<Form> {
    use LogicalType as L;
    use Native as N;
    Some(match (native, logical) {
        (N::Bytes(_), L::Binary) => Form::Bytes,
        (N::Bytes(BytesLimit::Exactly(16)), L::Uuid) => Form::UuidBytes,
        (N::Bytes(_) | N::Geometry, _) | (_, L::Binary) => return None,
        (N::Text(_) | N::Enum(_) | N::Set(_) | N::OtherText, _) => Form::Quoted,
        (N::Uuid, L::Uuid | L::Text) | (N::Json, L::Json | L::Text) => Form::Quoted,
        (N::Bool | N::Int(_) | N::Bit(_), L::Bool) => Form::Bool,
        (N::Bool | N::Int(_) | N::Bit(_) | N::Year | N::Decimal(_), L::Int64) => Form::Int,
        (N::Bool | N::Int(_) | N::Bit(_) | N::Decimal(_), L::Decimal(_)) => Form::Decimal,
        (N::Decimal(_), L::Float64) => Form::Decimal,
        (N::Float4(_) | N::Float8(_), L::Float64 | L::Int64) => Form::Float,
        (N::Date, L::Date) => Form::Date,
        (N::Time(_), L::Time) => Form::Time,
        (N::Datetime(_), L::Datetime) | (N::Timestamp(_), L::Timestamp) => Form::Moment,
        _ => return None,
    })
}

fn read_text(array: &ArrayRef, written: LogicalType) -> Result<ArrayRef, (usize, Box<Misfit>)> {
    let view = View::new(array);
    let mut builder = ColumnBuilder::new(written);
    for row in 0..array.len() {
        if view.is_valid(row) {
            push_parsed(&mut builder, written, view.bytes(row)).map_err(|misfit| (row, misfit))?;
        } else {
            builder.push_null();
        }
    }
    builder.finish().map(|(column, _)| column.array).map_err(|error| (0, Misfit::malformed(error.to_string())))
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"X'");
    out.extend(bytes.iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]));
    out.push(b'\'');
}

fn write_decimal(logical: LogicalType, view: &View<'_>, row: usize, out: &mut Vec<u8>) {
    match logical {
        LogicalType::Decimal(Some(shape)) if logical.layout() == Layout::Int64 => {
            write_scaled(view.int(row), usize::from(shape.scale), out);
        }
        // Plain digits, whatever it was written as.
        _ => {
            let mut text = Vec::new();
            spell(logical, view, row, &mut text);
            let decimal = std::str::from_utf8(&text).ok().and_then(|text| Decimal::parse(text).ok());
            put(out, &decimal.map(|decimal| decimal.to_string()).unwrap_or_default());
        }
    }
}

fn write_scaled(value: i64, scale: usize, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    put(out, whole);
    if !fraction.is_empty() {
        out.push(b'.');
        put(out, fraction);
    }
}

/// Text or bytes in quotes.
fn quote(bytes: &[u8], has_plain_backslashes: bool, out: &mut Vec<u8>) {
    out.push(b'\'');
    let mut rest = bytes;
    let is_special = |byte: &u8| *byte == b'\'' || *byte == b'\\' && !has_plain_backslashes;
    while let Some(at) = rest.iter().position(is_special) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, behind)) = special.split_first() else { break };
        out.extend_from_slice(&[*byte, *byte]);
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'\'');
}

/// The values of a page as they are written, column by column.
pub fn convert<'b>(
    encoders: &[ColumnEncoder],
    batch: &'b Batch,
    origin: &str,
    first_row: u64,
) -> Result<Vec<Converted<'b>>, Failure> {
    if batch.columns().len() != encoders.len() {
        let text = format!("{} columns came for {} to fill", batch.columns().len(), encoders.len());
        return Err(Failure::new(FailureKind::Permanent, &codes::SQL_STATEMENT, origin, text));
    }
    let columns = encoders.iter().zip(batch.iter());
    columns.map(|(encoder, (field, column))| encoder.convert(field, column, origin, first_row)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, Float64Array, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn encoder(declaration: &str, logical: &str) -> Option<ColumnEncoder> {
        let native = Native::declared(declaration, Some("utf8mb4_general_ci"));
        ColumnEncoder::new("a", native, logical.parse().unwrap(), &Server::default())
    }

    fn written(declaration: &str, logical: &str, array: ArrayRef) -> String {
        let encoder = encoder(declaration, logical).unwrap();
        let column = Column::new(array);
        let field = Field::new("a", logical.parse().unwrap());
        let converted = encoder.convert(&field, &column, "sql.main", 0).unwrap();
        let mut out = Vec::new();
        encoder.write(&View::new(&converted), 0, false, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn ints(value: i64) -> ArrayRef {
        Arc::new(Int64Array::from(vec![value]))
    }

    fn texts(value: &str) -> ArrayRef {
        Arc::new(StringArray::from(vec![value]))
    }

    #[test]
    fn values_become_literals_that_mean_them() {
        for (declaration, logical, array, expected) in [
            ("int", "int64", ints(-7), "-7"),
            ("double", "float64", Arc::new(Float64Array::from(vec![0.1])) as ArrayRef, "1e-1"),
            ("double", "int64", ints(3), "3e0"),
            ("decimal(9,2)", "decimal(9,2)", ints(-5), "-0.05"),
            ("decimal(9,2)", "decimal", texts("1e1"), "10"),
            ("decimal(9,2)", "float64", Arc::new(Float64Array::from(vec![1.25])), "1.25"),
            ("varchar(9)", "text", texts("it's a \\"), "'it''s a \\\\'"),
            ("varchar(40)", "int64", ints(12), "'12'"),
            ("datetime(6)", "datetime", ints(1), "'1970-01-01T00:00:00.000001'"),
            ("date", "date", ints(0), "'1970-01-01'"),
            ("blob", "binary", Arc::new(BinaryArray::from(vec![&b"\xff'\0"[..]])), "_binary'\u{fffd}''\0'"),
            (
                "binary(16)",
                "uuid",
                texts("00112233-4455-6677-8899-aabbccddeeff"),
                "X'00112233445566778899aabbccddeeff'",
            ),
            // Text is read before it is written as what the column holds.
            ("int", "text", texts("007"), "7"),
            ("tinyint(1)", "text", texts("true"), "1"),
            ("date", "text", texts("2026-11-21"), "'2026-11-21'"),
        ] {
            assert_eq!(written(declaration, logical, array), expected, "{declaration} {logical}");
        }
    }

    #[test]
    fn nulls_are_null() {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![None]));
        assert_eq!(written("int", "int64", array), "NULL");
    }

    #[test]
    fn what_means_nothing_cannot_be_written() {
        for (declaration, logical) in [
            ("blob", "text"),
            ("text", "binary"),
            ("datetime", "timestamp"),
            ("timestamp", "datetime"),
            ("double", "decimal(9,2)"),
            ("date", "datetime"),
            ("point", "binary"),
            ("json", "int64"),
        ] {
            assert!(encoder(declaration, logical).is_none(), "{declaration} {logical}");
        }
    }

    /// Reads a quoted literal back, as a server does.
    fn unquote(literal: &[u8]) -> Vec<u8> {
        let inner = &literal[1..literal.len() - 1];
        let mut bytes = Vec::new();
        let mut rest = inner.iter().copied();
        while let Some(byte) = rest.next() {
            bytes.push(if matches!(byte, b'\'' | b'\\') { rest.next().expect("is doubled") } else { byte });
        }
        bytes
    }

    proptest! {
        #[test]
        fn quoted_bytes_survive(bytes in any::<Vec<u8>>()) {
            let mut out = Vec::new();
            quote(&bytes, false, &mut out);
            prop_assert_eq!(unquote(&out), bytes);
        }

        #[test]
        fn scaled_numbers_are_written_as_decimals(value in any::<i64>(), scale in 0u16..=18) {
            let mut out = Vec::new();
            write_scaled(value, usize::from(scale), &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), Decimal::from_scaled(value, scale).to_string());
        }

        #[test]
        fn floats_survive_their_literal(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                prop_assert_eq!(format!("{value:e}").parse::<f64>().unwrap().to_bits(), bits);
            }
        }
    }
}
