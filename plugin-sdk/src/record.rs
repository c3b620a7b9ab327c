//! Typed rows: structs that become columns and come back from them, so that nobody writes bitmaps.
//!
//! [`Record`] is derived. [`Records`] takes rows and makes a [`Batch`] of the columns the host asked for; [`Record::read`] gives
//! the rows of a batch back. Exactness is kept in both directions: an absent field is never null, a decimal never a float, and
//! whatever does not fit is an error that names its field.

mod field;
mod read;
mod scalar;
mod write;

pub use field::{FieldSpec, FieldValue, Maybe, holds};
pub use read::{Cell, RowReader, Rows};
pub use scalar::{Date, Datetime, Json, Scalar, Time, Timestamp, Uuid, ValueError};
pub use write::{Records, RowWriter};

pub use lockstep_values::Decimal;

use crate::error::{Error, Result};
use crate::types::{Batch, Field, Stream};

/// A struct whose fields are the columns of a stream. Derive it:
///
/// ```
/// use lockstep_plugin_sdk::prelude::*;
///
/// #[derive(Record)]
/// struct Contact {
///     #[record(key)]
///     id: i64,
///     email: Option<String>,
///     #[record(decimal(18, 2))]
///     credit: Decimal,
///     #[record(modified)]
///     changed: Timestamp,
///     active: bool,
///     #[record(json)]
///     extra: Option<String>,
///     #[record(rename = "e-mail")]
///     other: Maybe<String>,
/// }
///
/// let stream = Contact::stream("contacts");
/// assert_eq!(stream.key, ["id"]);
/// assert_eq!(stream.fields[2].logical_type, "decimal(18,2)");
/// assert!(stream.fields[1].nullable && !stream.fields[0].nullable);
///
/// let mut contacts = Contact::builder();
/// contacts.push(&Contact {
///     id: 1,
///     email: None,
///     credit: Decimal::parse("12.50").unwrap(),
///     changed: Timestamp(0),
///     active: true,
///     extra: Some("{}".to_owned()),
///     other: Maybe::Absent,
/// })?;
/// let batch = contacts.finish()?;
/// let back = Contact::read(&batch).next().unwrap()?;
/// assert_eq!(back.credit.to_string(), "12.50");
/// assert_eq!(back.other, Maybe::Absent);
/// # Ok::<(), Error>(())
/// ```
///
/// | field type | logical type | also by attribute |
/// |---|---|---|
/// | `bool` | `bool` | |
/// | `i32`, `i64` | `int64` | `i64`: `timestamp`, `datetime`, `date`, `time` |
/// | `f64` | `float64` | |
/// | [`Decimal`] | `decimal` | `decimal(p, s)` |
/// | `String` | `text` | `json`, `uuid` |
/// | `Vec<u8>` | `binary` | |
/// | [`Timestamp`], [`Datetime`], [`Date`], [`Time`] | the same | |
/// | [`Uuid`], [`Json`] | the same | |
/// | `Option<T>` | that of `T`, may be null | |
/// | [`Maybe<T>`] | that of `T`, may be null or absent | |
///
/// `key` marks the fields that identify a record, `modified` the one that tells what changed since, `rename = "…"` gives the
/// column another name. Another type is a field type once it implements [`Scalar`]:
///
/// ```compile_fail
/// # use lockstep_plugin_sdk::prelude::*;
/// #[derive(Record)]
/// struct Row {
///     #[record(key)]
///     id: u64, // `u64` cannot be a field of a record
/// }
/// ```
///
/// ```compile_fail
/// # use lockstep_plugin_sdk::prelude::*;
/// #[derive(Record)]
/// struct Row {
///     #[record(key)]
///     id: Option<i64>, // a key field is never null
/// }
/// let _ = Row::stream("rows");
/// ```
///
/// ```compile_fail
/// # use lockstep_plugin_sdk::prelude::*;
/// #[derive(Record)]
/// struct Row {
///     #[record(decimal(18, 2))]
///     price: f64, // `f64` cannot hold values of the logical type `decimal`
/// }
/// ```
pub trait Record: Sized {
    /// The columns, in the order of the struct's fields.
    const FIELDS: &'static [FieldSpec];

    /// The field that tells what changed since.
    const MODIFIED: Option<&'static str> = None;

    /// Writes every field into its column. For the derive.
    #[doc(hidden)]
    fn write(&self, row: &mut RowWriter<'_>) -> Result<()>;

    /// Reads every field from its column. For the derive.
    #[doc(hidden)]
    fn read_row(row: &RowReader<'_>) -> Result<Self>;

    /// The stream of these records: fields, types, nullability, key, and the property `modified`.
    fn stream(name: impl Into<String>) -> Stream {
        stream(name.into(), Self::FIELDS, Self::MODIFIED)
    }

    /// Takes records and makes batches of all their columns.
    fn builder() -> Records<Self> {
        Records::new()
    }

    /// The records of a batch, in order. A column the record has no field for is an error, for it would be lost; so is a field
    /// without a column, unless it is a [`Maybe`].
    fn read(batch: &Batch) -> Rows<'_, Self> {
        Rows::new(batch)
    }

    /// Checks that these fields (of a request, of a stream) are fields of this record, with the same types. An error of kind
    /// `config` names the first that is not.
    fn check_fields(fields: &[Field]) -> Result<()> {
        fields.iter().try_for_each(|field| position(Self::FIELDS, field).map(drop))
    }
}

fn stream(name: String, specs: &[FieldSpec], modified: Option<&str>) -> Stream {
    let mut stream = Stream::new(name).key(specs.iter().filter(|spec| spec.is_key).map(|spec| spec.name));
    stream.fields.extend(specs.iter().map(FieldSpec::field));
    match modified {
        Some(field) => stream.property("modified", field),
        None => stream,
    }
}

/// The position of the record's field that a wanted field is.
fn position(specs: &[FieldSpec], wanted: &Field) -> Result<usize> {
    let found = specs.iter().enumerate().find(|(_, spec)| spec.name == wanted.name);
    let (position, spec) = found.ok_or_else(|| unknown_field(&wanted.name))?;
    // Types are compared as text, for a parser of types would be a good part of a small plugin.
    if wanted.logical_type == spec.logical.to_string() {
        Ok(position)
    } else {
        Err(other_type(spec, &wanted.logical_type))
    }
}

fn unknown_field(name: &str) -> Error {
    Error::config(format!("there is no field `{name}`")).with_code("record.field").with_field(name)
}

fn other_type(spec: &FieldSpec, found: &str) -> Error {
    let message = format!("field `{}` is of type {}, not {found}", spec.name, spec.logical);
    Error::config(message).with_code("record.type").with_field(spec.name)
}

#[cfg(test)]
mod tests;
