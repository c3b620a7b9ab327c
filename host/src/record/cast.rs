//! Converts columns from one logical type to another without loss.
//!
//! A value that the wanted type cannot hold exactly is never rounded, cut or guessed: its row is reported and the caller
//! rejects it. Times without a zone never become instants and instants never lose theirs, because nobody knows which zone
//! was meant.
//!
//! Text forms are those of `lockstep-values`; `binary` is base64, a float is the shortest text that names it, and a `NaN` or
//! an infinity is spelled `NaN`, `Infinity`, `-Infinity`. A float that is a whole number stands for exactly that number; any
//! other float stands for the shortest decimal that names it, so that `0.1` becomes the decimal `0.1`.

mod build;
mod number;
mod text;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::{Column, Layout, LogicalType, MICROS_PER_DAY, arrow_type};
use build::collect_ints;

/// What can be said about a conversion before seeing any value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Castable {
    /// Nothing is to be done.
    Same,
    /// Every value of the one type is a value of the other.
    Always,
    /// Some values may not fit.
    Checked,
    /// No value could be converted without inventing something.
    Never,
}

/// Why a whole column cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CastError {
    #[error("`{from}` cannot become `{to}`{}", why_never(*from, *to))]
    Never { from: LogicalType, to: LogicalType },
    #[error("a column of type {logical} came as {found}")]
    Layout { logical: LogicalType, found: String },
    #[error("a column cannot be built: {0}")]
    Build(String),
}

/// A converted column.
#[derive(Clone, Debug)]
pub struct Cast {
    /// As many rows as before; absent stays absent, null stays null.
    pub column: Column,
    /// Rows whose value does not fit, ascending, each with the reason. The value is null in `column`.
    pub rejected: Vec<(u32, String)>,
}

impl Cast {
    fn unchanged(column: &Column) -> Self {
        Self { column: column.clone(), rejected: Vec::new() }
    }
}

/// Whether values of one type can become values of another.
pub fn castable(from: LogicalType, to: LogicalType) -> Castable {
    use LogicalType as T;
    if from == to {
        return Castable::Same;
    }
    match (from, to) {
        (T::Int64 | T::Decimal(_), T::Int64 | T::Decimal(_)) if number::always_fits(from, to) => Castable::Always,
        (T::Float64, T::Decimal(None)) => Castable::Always,
        (T::Int64 | T::Decimal(_) | T::Float64, T::Int64 | T::Decimal(_) | T::Float64) => Castable::Checked,
        // Years beyond nine digits and times beyond midnight have no text form.
        (T::Date | T::Time, T::Text) => Castable::Checked,
        (_, T::Text) => Castable::Always,
        (T::Text, _) | (T::Date, T::Datetime) | (T::Datetime, T::Date) => Castable::Checked,
        _ => Castable::Never,
    }
}

fn why_never(from: LogicalType, to: LogicalType) -> &'static str {
    use LogicalType as T;
    match (from, to) {
        (T::Datetime | T::Date, T::Timestamp) | (T::Timestamp, T::Datetime | T::Date) => {
            ": nobody knows in which time zone it was meant"
        }
        _ => "",
    }
}

/// Converts a column. Fails if the conversion is [`Castable::Never`] or the column is not of the type it is said to be.
pub fn cast(column: &Column, from: LogicalType, to: LogicalType) -> Result<Cast, CastError> {
    if column.array.data_type() != &arrow_type(from) {
        return Err(CastError::Layout { logical: from, found: column.array.data_type().to_string() });
    }
    match castable(from, to) {
        Castable::Same => Ok(Cast::unchanged(column)),
        Castable::Never => Err(CastError::Never { from, to }),
        Castable::Always | Castable::Checked => convert(column, from, to),
    }
}

fn convert(column: &Column, from: LogicalType, to: LogicalType) -> Result<Cast, CastError> {
    use LogicalType as T;
    if is_relabelled(from, to) {
        return Ok(Cast::unchanged(column));
    }
    match (from, to) {
        (_, T::Text) => text::to_text(column, from),
        (T::Text, _) => text::from_text(column, to),
        (T::Float64, T::Int64) => number::floats_to_ints(column),
        (T::Float64, T::Decimal(shape)) => number::floats_to_decimals(column, shape),
        (_, T::Float64) => number::to_floats(column, from),
        (T::Date, T::Datetime) => Ok(dates_to_datetimes(column)),
        (T::Datetime, T::Date) => Ok(datetimes_to_dates(column)),
        _ if from.layout() == Layout::Int64 => number::from_scaled(column, from, to),
        _ => number::from_decimal_text(column, to),
    }
}

/// Whether the values lie in memory as the other type wants them already.
fn is_relabelled(from: LogicalType, to: LogicalType) -> bool {
    use LogicalType as T;
    match (from, to) {
        (T::Uuid | T::Json, T::Text) => true,
        (T::Decimal(_), T::Text | T::Decimal(None)) => from.layout() == Layout::Utf8,
        (T::Int64 | T::Decimal(_), T::Int64 | T::Decimal(_)) => {
            from.layout() == to.layout()
                && number::always_fits(from, to)
                && (from.layout() == Layout::Utf8 || number::scale(from) == number::scale(to))
        }
        _ => false,
    }
}

fn dates_to_datetimes(column: &Column) -> Cast {
    let days = column.array.as_primitive::<Int64Type>();
    collect_ints(column, |row| match days.value(row) {
        infinite @ (i64::MIN | i64::MAX) => Ok(infinite),
        days => days
            .checked_mul(MICROS_PER_DAY)
            .filter(|micros| !matches!(*micros, i64::MIN | i64::MAX))
            .ok_or_else(|| misfit(super::format_date(days), LogicalType::Datetime, "out of range")),
    })
}

fn datetimes_to_dates(column: &Column) -> Cast {
    let micros = column.array.as_primitive::<Int64Type>();
    collect_ints(column, |row| match micros.value(row) {
        infinite @ (i64::MIN | i64::MAX) => Ok(infinite),
        micros if micros.rem_euclid(MICROS_PER_DAY) == 0 => Ok(micros.div_euclid(MICROS_PER_DAY)),
        micros => Err(misfit(super::format_datetime(micros), LogicalType::Date, "the time of day would be lost")),
    })
}

/// Characters of a value that a reason quotes.
const QUOTE_CHARS_MAX: usize = 60;

fn misfit(value: impl std::fmt::Display, to: LogicalType, why: impl std::fmt::Display) -> String {
    let value = value.to_string();
    match value.char_indices().nth(QUOTE_CHARS_MAX).and_then(|(end, _)| value.get(..end)) {
        Some(head) => format!("`{head}…` does not fit `{to}`: {why}"),
        None => format!("`{value}` does not fit `{to}`: {why}"),
    }
}

#[cfg(test)]
mod tests;
