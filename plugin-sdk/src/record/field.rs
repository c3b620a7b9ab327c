//! What stands between a struct's field and a column: nullability, absence and the choice of a logical type.

use lockstep_values::LogicalType;

use super::read::Cell;
use super::scalar::{Scalar, ValueError};
use crate::batch::ColumnBuilder;
use crate::types::Field;

/// What a record's field says about its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// The column's name.
    pub name: &'static str,
    /// What its values mean.
    pub logical: LogicalType,
    /// Whether it may be null (or absent).
    pub nullable: bool,
    /// Whether it is part of what identifies a record.
    pub is_key: bool,
}

impl FieldSpec {
    /// A field of the type's own logical type.
    pub const fn of<V: FieldValue>(name: &'static str) -> Self {
        Self { name, logical: <V::Scalar as Scalar>::LOGICAL, nullable: V::NULLABLE, is_key: false }
    }

    /// A field of another logical type that the type can hold as well.
    pub const fn with_type<V: FieldValue, H>(name: &'static str, logical: LogicalType) -> Self
    where
        V::Scalar: holds::Holds<H>,
    {
        Self { name, logical, nullable: V::NULLABLE, is_key: false }
    }

    /// The same field as a part of the key.
    ///
    /// # Panics
    /// If it may be null; the derive evaluates this while compiling.
    #[must_use]
    pub const fn key(mut self) -> Self {
        assert!(!self.nullable, "a key field is never null: neither `Option` nor `Maybe`");
        self.is_key = true;
        self
    }

    /// The field as the contract describes it.
    pub fn field(&self) -> Field {
        Field { nullable: self.nullable, ..Field::new(self.name, self.logical) }
    }
}

/// Which types can hold values of a logical type that is not their own.
pub mod holds {
    use super::super::scalar::{Date, Datetime, Json, Scalar, Time, Timestamp, Uuid};

    /// A type that can hold values of the kind `K`.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot hold values of the logical type that its attribute names",
        label = "cannot hold `{K}`"
    )]
    pub trait Holds<K>: Scalar {}

    macro_rules! kinds {
        ($($(#[$doc:meta])* $kind:ident: $($holder:ty),+;)+) => {
            $(
                $(#[$doc])*
                #[derive(Debug)]
                pub enum $kind {}
                $(impl Holds<$kind> for $holder {})+
            )+
        };
    }

    kinds! {
        /// `decimal(p,s)`.
        Digits: lockstep_values::Decimal;
        /// `timestamp` and `datetime`.
        Instants: i64, Timestamp, Datetime;
        /// `date`.
        Days: i64, Date;
        /// `time`.
        TimesOfDay: i64, Time;
        /// `json`.
        JsonTexts: String, Json;
        /// `uuid`.
        Uuids: String, Uuid;
    }
}

/// The type of a record's field: a [`Scalar`], an `Option` of one, or a [`Maybe`] of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a record",
    label = "not a field type",
    note = "field types are bool, i32, i64, f64, String, Vec<u8>, Decimal, Timestamp, Datetime, Date, Time, Uuid and Json, an \
            `Option` or a `Maybe` of one of them, and your own types that implement `Scalar`"
)]
pub trait FieldValue: Sized {
    /// The type of a value that is there.
    type Scalar: Scalar;

    /// Whether there may be none.
    const NULLABLE: bool;

    /// Adds exactly one value, null or absence to the column; nothing on an error.
    fn write(&self, column: &mut ColumnBuilder) -> Result<(), ValueError>;

    /// The value of a cell.
    fn read(cell: Cell<'_>) -> Result<Self, ValueError>;
}

impl<T: Scalar> FieldValue for T {
    type Scalar = T;
    const NULLABLE: bool = false;

    #[inline]
    fn write(&self, column: &mut ColumnBuilder) -> Result<(), ValueError> {
        self.push(column)
    }

    #[inline]
    fn read(cell: Cell<'_>) -> Result<Self, ValueError> {
        match <Option<T>>::read(cell)? {
            Some(value) => Ok(value),
            None => Err(ValueError::from("it is null")),
        }
    }
}

impl<T: Scalar> FieldValue for Option<T> {
    type Scalar = T;
    const NULLABLE: bool = true;

    #[inline]
    fn write(&self, column: &mut ColumnBuilder) -> Result<(), ValueError> {
        match self {
            Some(value) => value.push(column),
            None => {
                column.push_null();
                Ok(())
            }
        }
    }

    #[inline]
    fn read(cell: Cell<'_>) -> Result<Self, ValueError> {
        match Maybe::read(cell)? {
            Maybe::Value(value) => Ok(Some(value)),
            Maybe::Null => Ok(None),
            Maybe::Absent => {
                Err(ValueError::from("the record says nothing about it; a `Maybe` can tell that from null"))
            }
        }
    }
}

/// A value, null, or nothing said at all.
///
/// Absent is no statement: it leaves alone what another system holds, while null empties it.
///
/// ```
/// use lockstep_plugin_sdk::record::Maybe;
///
/// assert!(Maybe::Value(2).differs(Some(&1)) && Maybe::Null.differs(Some(&1)));
/// assert!(!Maybe::Absent.differs(Some(&1)) && !Maybe::<i64>::Null.differs(None));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Maybe<T> {
    /// The record says nothing about the field.
    #[default]
    Absent,
    /// The field is empty.
    Null,
    /// The field's value.
    Value(T),
}

impl<T> Maybe<T> {
    /// The value, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Null | Self::Absent => None,
        }
    }

    /// Whether the record says anything about the field.
    pub fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// Whether the record says nothing about the field.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether this says something else than what is there now (none is null); what says nothing does not.
    pub fn differs(&self, now: Option<&T>) -> bool
    where
        T: PartialEq,
    {
        match self {
            Self::Absent => false,
            Self::Null => now.is_some(),
            Self::Value(value) => now != Some(value),
        }
    }

    /// The same with a reference to the value.
    pub fn as_ref(&self) -> Maybe<&T> {
        match self {
            Self::Absent => Maybe::Absent,
            Self::Null => Maybe::Null,
            Self::Value(value) => Maybe::Value(value),
        }
    }
}

/// A statement: none is null.
impl<T> From<Option<T>> for Maybe<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}

impl<T: Scalar> FieldValue for Maybe<T> {
    type Scalar = T;
    const NULLABLE: bool = true;

    #[inline]
    fn write(&self, column: &mut ColumnBuilder) -> Result<(), ValueError> {
        match self {
            Self::Value(value) => return value.push(column),
            Self::Null => column.push_null(),
            Self::Absent => column.push_absent(),
        }
        Ok(())
    }

    #[inline]
    fn read(cell: Cell<'_>) -> Result<Self, ValueError> {
        match cell.column() {
            Some(column) if column.is_valid(cell.row()) => T::pull(cell).map(Self::Value),
            Some(column) if column.is_present(cell.row()) => Ok(Self::Null),
            _ => Ok(Self::Absent),
        }
    }
}
