//! Where an incremental reading ends, and the next one begins: taken before the first row is read, in the same transaction.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::lookback::lookback_from;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_sql_dialect::{Arguments, Value, read_row};

use super::plan::Plan;
use crate::cursor::Boundary;
use crate::statement;

/// The greatest value of `modified`, or the clock if that is earlier.
pub fn read(session: &Session, plan: &Plan) -> Result<Boundary> {
    let Some((name, logical)) = &plan.scope.modified else { return Ok(None) };
    let clock = one(session, statement::CLOCK, LogicalType::Datetime)?
        .ok_or_else(|| Error::permanent("the server does not tell the time"))?;
    let greatest = one(session, &statement::greatest(&plan.table.quoted(), name), *logical)?;
    Ok(greatest.map(|greatest| lookback_from(*logical, greatest, clock, None)))
}

fn one(session: &Session, statement: &str, logical: LogicalType) -> Result<Option<i64>> {
    Ok(match read_row(session, statement, Arguments::new(), &[logical])?.first() {
        Some(Value::Int64(value)) => Some(*value),
        _ => None,
    })
}
