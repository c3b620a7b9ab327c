//! Where an incremental reading ends, and the next one begins: taken before the first row is read.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_sql_dialect::{Arguments, Value, read_row};

use super::plan::Plan;
use crate::cursor::Boundary;
use crate::moment::{Moment, text_ceiling};
use crate::position::Place;
use crate::statement::{self, Statement};
use crate::types::Affinity;

/// Every text a person writes sorts before this one.
const TEXT_MAX: &str = "\u{10ffff}";
/// What the host writes for a time that never comes.
const INFINITY: &str = "infinity";

/// The clock, in microseconds since 1970.
pub fn read_clock(session: &Session) -> Result<i64> {
    let seconds: i64 = match read_row(session, statement::CLOCK, Arguments::new(), &[LogicalType::Int64])?.first() {
        Some(Value::Int64(seconds)) => *seconds,
        _ => return Err(Error::permanent("the database does not tell the time")),
    };
    Ok(seconds.saturating_mul(1_000_000))
}

/// The greatest value of `modified` that is not in the future.
pub fn read(session: &Session, plan: &Plan, clock: i64) -> Result<Boundary> {
    let Some(modified) = &plan.scope.modified else { return Ok(None) };
    let table = plan.table.quoted();
    let is_number = plan.table.column(&modified.name).is_some_and(|column| column.affinity() == Affinity::Integer);
    let greatest = |ceiling: &str| one(session, statement::greatest_text(&table, modified, ceiling), LogicalType::Text);
    if !is_number {
        if let Some(Value::Text(text)) = greatest(&text_ceiling(clock))? {
            return time_of(Moment::Text(text), modified, clock).map(Some);
        }
        // All that is left sorts behind the present. Times in the future are read each time; anything else is no time.
        if let Some(Value::Text(text)) = greatest(TEXT_MAX)?.filter(|text| *text != Value::Text(INFINITY.to_owned())) {
            return time_of(Moment::Text(text), modified, clock).map(|_| None);
        }
    }
    let found = one(session, statement::greatest_number(&table, modified), LogicalType::Int64)?;
    Ok(match found {
        Some(Value::Int64(number)) => Moment::Int(number).not_after(clock),
        _ => None,
    })
}

fn one(session: &Session, statement: Statement, logical: LogicalType) -> Result<Option<Value>> {
    Ok(read_row(session, &statement.text, statement.arguments, &[logical])?.into_iter().next())
}

/// Texts that are no times do not sort by time either.
fn time_of(moment: Moment, modified: &Place, clock: i64) -> Result<Moment> {
    let shown = match &moment {
        Moment::Text(text) => text.clone(),
        Moment::Int(number) => number.to_string(),
    };
    moment.not_after(clock).ok_or_else(|| {
        Error::config(format!("the column `{}` holds `{shown}`, which is no time that sorts as text", modified.name))
            .with_code("sqlite.modified-form")
            .with_property("field", modified.name.as_str())
            .with_hint(
                "`modified` names a column of texts such as `2026-11-21 12:00:00`, or of whole numbers that grow",
            )
    })
}
