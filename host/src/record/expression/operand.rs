//! The values expressions work on, and their way from and to the values of fields.

use std::fmt;
use std::sync::Arc;

use crate::record::{Decimal, LogicalType, Value};

/// A value inside an expression.
#[derive(Clone, Debug)]
pub enum Operand {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// In canonical form, so that equal ones have equal text.
    Decimal(Arc<str>),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    /// A timestamp, datetime, date or time.
    Moment(LogicalType, i64),
    List(Arc<Vec<Operand>>),
}

/// What is known about an operand before there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Any,
    Null,
    Bool,
    Int,
    Double,
    Decimal,
    Text,
    Bytes,
    Timestamp,
    Datetime,
    Date,
    Time,
    List,
}

impl Kind {
    /// What a field's values are in an expression.
    pub fn of(logical: LogicalType) -> Self {
        use LogicalType as T;
        match logical {
            T::Bool => Self::Bool,
            T::Int64 => Self::Int,
            T::Float64 => Self::Double,
            T::Decimal(_) => Self::Decimal,
            T::Timestamp => Self::Timestamp,
            T::Datetime => Self::Datetime,
            T::Date => Self::Date,
            T::Time => Self::Time,
            T::Uuid | T::Text | T::Json => Self::Text,
            T::Binary => Self::Bytes,
        }
    }

    /// The type of a field that holds all such values; lists have none.
    pub fn natural_type(self) -> Option<LogicalType> {
        use LogicalType as T;
        Some(match self {
            Self::Bool => T::Bool,
            Self::Int => T::Int64,
            Self::Double => T::Float64,
            Self::Decimal => T::Decimal(None),
            Self::Text => T::Text,
            Self::Bytes => T::Binary,
            Self::Timestamp => T::Timestamp,
            Self::Datetime => T::Datetime,
            Self::Date => T::Date,
            Self::Time => T::Time,
            Self::Any | Self::Null | Self::List => return None,
        })
    }

    pub fn is_known(self) -> bool {
        !matches!(self, Self::Any | Self::Null)
    }

    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Decimal)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "some value",
            Self::Null => "null",
            Self::Bool => "a bool",
            Self::Int => "an int",
            Self::Double => "a double",
            Self::Decimal => "a decimal",
            Self::Text => "a string",
            Self::Bytes => "bytes",
            Self::Timestamp => "a timestamp",
            Self::Datetime => "a datetime",
            Self::Date => "a date",
            Self::Time => "a time",
            Self::List => "a list",
        })
    }
}

impl Operand {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Double(_) => Kind::Double,
            Self::Decimal(_) => Kind::Decimal,
            Self::Text(_) => Kind::Text,
            Self::Bytes(_) => Kind::Bytes,
            Self::Moment(logical, _) => Kind::of(*logical),
            Self::List(_) => Kind::List,
        }
    }

    /// A field's value. The error says that it is not one of this type.
    pub fn of(value: &Value, logical: LogicalType) -> Result<Self, String> {
        use LogicalType as T;
        Ok(match (value, logical) {
            (Value::Null, _) => Self::Null,
            (Value::Bool(value), T::Bool) => Self::Bool(*value),
            (Value::Int(value), T::Int64) => Self::Int(*value),
            (Value::Int(value), T::Timestamp | T::Datetime | T::Date | T::Time) => Self::Moment(logical, *value),
            (Value::Int(value), T::Decimal(Some(shape))) => Self::decimal(&Decimal::from_scaled(*value, shape.scale)),
            (Value::Float(bits), T::Float64) => Self::Double(f64::from_bits(*bits)),
            (Value::Text(text), T::Decimal(_)) => match Decimal::parse(text) {
                Ok(decimal) => Self::decimal(&decimal),
                // Databases know values that are no numbers.
                Err(_) => Self::Decimal(text.clone()),
            },
            (Value::Text(text), T::Text | T::Uuid | T::Json) => Self::Text(text.clone()),
            (Value::Bytes(bytes), T::Binary) => Self::Bytes(bytes.clone()),
            (other, _) => return Err(format!("a value of type `{logical}` came as {other:?}")),
        })
    }

    pub fn decimal(decimal: &Decimal) -> Self {
        Self::Decimal(decimal.canonical().to_string().into())
    }

    /// The value as a field of this type has it; the error says what would be lost.
    pub fn into_value(self, wanted: LogicalType) -> Result<Value, String> {
        use LogicalType as T;
        match (self, wanted) {
            (Self::Null, _) => Ok(Value::Null),
            (Self::Decimal(text), T::Decimal(_)) => decimal_value(text, wanted),
            (Self::Int(value), T::Decimal(_)) => decimal_value(value.to_string().into(), wanted),
            (Self::List(_), _) => Err("a list is no value: `join(list, ', ')` makes it a text".to_owned()),
            (operand, wanted) => {
                let natural = operand.kind().natural_type().unwrap_or(wanted);
                let value = operand.into_natural();
                if natural == wanted { Ok(value) } else { value.cast(natural, wanted) }
            }
        }
    }

    /// As the natural type of its kind has it; a list has none.
    fn into_natural(self) -> Value {
        match self {
            Self::Null | Self::List(_) => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) | Self::Moment(_, value) => Value::Int(value),
            Self::Double(value) => Value::float(value),
            Self::Decimal(text) | Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

fn decimal_value(text: Arc<str>, wanted: LogicalType) -> Result<Value, String> {
    let LogicalType::Decimal(Some(shape)) = wanted else { return Ok(Value::Text(text)) };
    let unfit = |error: crate::record::DecimalError| format!("`{text}` does not fit `{wanted}`: {error}");
    let decimal = Decimal::parse(&text).map_err(unfit)?;
    match wanted.layout() {
        crate::record::Layout::Int64 => decimal.to_scaled(shape).map(Value::Int).map_err(unfit),
        _ => decimal.fits(shape).map(|()| Value::Text(text.clone())).map_err(unfit),
    }
}
