//! Values of SQLite on their way into columns. SQLite keeps whatever was put into a column; what does not fit is reported, never
//! bent.

use rusqlite::types::ValueRef;

use super::super::columns::ColumnBuilder;
use super::super::value::{Fit, Misfit, format_float, push_decimal, push_parsed, push_uuid};
use crate::record::LogicalType;

/// Whole numbers beyond this are not exact as floats, nor can a float beyond it be told from its neighbours.
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The type of a column without a declared one, by the value in its first row.
pub(super) fn natural_of_value(value: ValueRef<'_>) -> LogicalType {
    match value {
        ValueRef::Integer(_) => LogicalType::Int64,
        ValueRef::Real(_) => LogicalType::Float64,
        ValueRef::Blob(_) => LogicalType::Binary,
        ValueRef::Text(_) | ValueRef::Null => LogicalType::Text,
    }
}

/// Appends one value. After a misfit nothing has been appended.
#[inline]
pub(super) fn push(builder: &mut ColumnBuilder, logical: LogicalType, value: ValueRef<'_>) -> Fit {
    match (value, logical) {
        (ValueRef::Null, _) => builder.push_null(),
        (ValueRef::Integer(value), LogicalType::Int64) => builder.push_i64(value),
        (ValueRef::Text(text), LogicalType::Text) => builder.push_bytes(text),
        (ValueRef::Real(value), LogicalType::Float64) => builder.push_f64(value),
        (ValueRef::Blob(bytes), LogicalType::Binary) => builder.push_bytes(bytes),
        (ValueRef::Text(text), logical) => return push_text(builder, logical, text),
        (ValueRef::Integer(value), logical) => return push_integer(builder, logical, value),
        (ValueRef::Real(value), logical) => return push_real(builder, logical, value),
        (ValueRef::Blob(bytes), LogicalType::Uuid) => match bytes.try_into() {
            Ok(uuid) => push_uuid(builder, &uuid),
            Err(_) => return Err(misfit("a blob", logical)),
        },
        (ValueRef::Blob(_), logical) => return Err(misfit("a blob", logical)),
    }
    Ok(())
}

fn misfit(what: &str, logical: LogicalType) -> Box<Misfit> {
    Misfit::malformed(format!("SQLite holds {what} here, which is no `{logical}`"))
}

fn push_text(builder: &mut ColumnBuilder, logical: LogicalType, text: &[u8]) -> Fit {
    match logical {
        LogicalType::Binary => Err(misfit("a text", logical)),
        _ => push_parsed(builder, logical, text),
    }
}

fn push_integer(builder: &mut ColumnBuilder, logical: LogicalType, value: i64) -> Fit {
    match (logical, value) {
        (LogicalType::Bool, 0 | 1) => builder.push_bool(value == 1),
        (LogicalType::Float64, _) if value.unsigned_abs() <= FLOAT_EXACT_MAX as u64 => builder.push_f64(value as f64),
        (LogicalType::Decimal(shape), _) => return push_decimal(builder, shape, &value.to_string()),
        (LogicalType::Text | LogicalType::Json, _) => builder.push_bytes(value.to_string().as_bytes()),
        _ => return Err(misfit(&format!("the integer {value}"), logical)),
    }
    Ok(())
}

fn push_real(builder: &mut ColumnBuilder, logical: LogicalType, value: f64) -> Fit {
    match logical {
        LogicalType::Int64 if value.fract() == 0.0 && value.abs() <= FLOAT_EXACT_MAX => builder.push_i64(value as i64),
        LogicalType::Decimal(shape) => return push_decimal(builder, shape, &format_float(value)),
        LogicalType::Text => builder.push_bytes(format_float(value).as_bytes()),
        LogicalType::Json if value.is_finite() => builder.push_bytes(format_float(value).as_bytes()),
        _ => return Err(misfit(&format!("the floating point number {value}"), logical)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array as _;

    fn check(logical: &str, value: ValueRef<'_>, fits: bool) {
        let logical = logical.parse().unwrap();
        let mut builder = ColumnBuilder::new(logical);
        assert_eq!(push(&mut builder, logical, value).is_ok(), fits, "{logical} {value:?}");
        assert_eq!(builder.finish().unwrap().0.array.len(), usize::from(fits), "{logical} {value:?}");
    }

    #[test]
    fn what_fits_is_taken() {
        check("bool", ValueRef::Integer(1), true);
        check("int64", ValueRef::Real(3.0), true);
        check("float64", ValueRef::Integer(3), true);
        check("decimal(5,2)", ValueRef::Text(b"12.50"), true);
        check("decimal(5,2)", ValueRef::Real(12.5), true);
        check("decimal(5,2)", ValueRef::Integer(12), true);
        check("timestamp", ValueRef::Text(b"2026-11-21T12:00:00Z"), true);
        check("date", ValueRef::Text(b"2026-11-21"), true);
        check("uuid", ValueRef::Blob(&[7; 16]), true);
        check("json", ValueRef::Text(b"{}"), true);
        check("json", ValueRef::Real(1.5), true);
        check("text", ValueRef::Integer(7), true);
        check("text", ValueRef::Real(0.5), true);
        check("binary", ValueRef::Blob(b"\xff"), true);
    }

    #[test]
    fn what_does_not_fit_is_not_bent() {
        check("bool", ValueRef::Integer(2), false);
        check("int64", ValueRef::Real(1.5), false);
        check("int64", ValueRef::Real(1e300), false);
        check("int64", ValueRef::Text(b"x"), false);
        check("float64", ValueRef::Integer(i64::MAX), false);
        check("decimal(5,2)", ValueRef::Real(0.125), false);
        check("decimal(5,2)", ValueRef::Text(b"1000"), false);
        check("date", ValueRef::Integer(20_000), false);
        check("timestamp", ValueRef::Text(b"2026-11-21 12:00:00"), false);
        check("uuid", ValueRef::Blob(&[7; 15]), false);
        check("json", ValueRef::Text(b"{"), false);
        check("text", ValueRef::Blob(b"x"), false);
        check("binary", ValueRef::Text(b"x"), false);
    }
}
