//! Where an incremental reading ends, and the next one begins: taken before the first row is read, in the same transaction.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::lookback::lookback_from;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_sql_dialect::{Arguments, Value, read_all, read_row};

use super::plan::Plan;
use crate::cursor::Boundary;
use crate::snapshot::{SEEN_MAX, Snapshot};
use crate::statement;

/// The moment a transaction sees.
pub struct Moment {
    /// None if rows do not tell who wrote them.
    pub snapshot: Option<Snapshot>,
    /// The server's clock, in microseconds.
    clock: i64,
}

/// Which server this is; empty where it does not say.
pub fn read_server(session: &Session) -> String {
    let answer = read_all(session, statement::SERVER, Arguments::new(), 1);
    answer.ok().and_then(|answer| answer.get(0, 0).map(str::to_owned)).unwrap_or_default()
}

pub fn read_moment(session: &Session, plan: &Plan, server: &str) -> Result<Moment> {
    let row = read_row(session, statement::MOMENT, Arguments::new(), &[LogicalType::Text, LogicalType::Timestamp])?;
    let (text, clock) = match row.as_slice() {
        [Value::Text(text), Value::Int64(clock)] => (text.as_str(), *clock),
        _ => ("", 0),
    };
    let snapshot = Snapshot::parse(text, server).filter(|_| plan.table.is_versioned());
    Ok(Moment { snapshot, clock })
}

/// The boundary at this moment. `looking_since` is where the reading that is about to begin looks from, if it is not the first.
pub fn read(session: &Session, plan: &Plan, moment: Moment, looking_since: Option<Option<i64>>) -> Result<Boundary> {
    let Some((name, logical)) = &plan.scope.modified else {
        return Ok(Boundary { snapshot: None, modified: None, lookback_from: None });
    };
    let statement = statement::greatest(&plan.table.quoted(), name);
    let modified = match read_row(session, &statement, Arguments::new(), &[*logical])?.first() {
        Some(Value::Int64(modified)) => Some(*modified),
        _ => None,
    };
    let Moment { snapshot, clock } = moment;
    let is_busy = snapshot.as_ref().is_some_and(Snapshot::is_busy);
    let oldest = if is_busy && *logical == LogicalType::Timestamp { read_oldest_writer(session)? } else { None };
    let lookback_from = modified.map(|modified| lookback_from(*logical, modified, clock, oldest));
    let mut boundary = Boundary { snapshot, modified, lookback_from };
    if is_busy {
        let since = plan.lookback.since(boundary.lookback_from);
        remember_seen(session, plan, &mut boundary, earliest(since, looking_since))?;
    }
    Ok(boundary)
}

/// Both ranges have to be covered; none is without a beginning.
fn earliest(next: Option<i64>, looking: Option<Option<i64>>) -> Option<i64> {
    match looking {
        Some(looking) => next.zip(looking).map(|(next, looking)| next.min(looking)),
        None => next,
    }
}

fn read_oldest_writer(session: &Session) -> Result<Option<i64>> {
    let row = read_row(session, statement::OLDEST_WRITER, Arguments::new(), &[LogicalType::Timestamp])?;
    Ok(match row.first() {
        Some(Value::Int64(began)) => Some(*began),
        _ => None,
    })
}

/// Everything in range that this snapshot sees will have been shown when the reading is over.
fn remember_seen(session: &Session, plan: &Plan, boundary: &mut Boundary, since: Option<i64>) -> Result<()> {
    if let (Some(snapshot), Some(modified)) = (&mut boundary.snapshot, &plan.scope.modified) {
        let statement = statement::uncertain(&plan.table.quoted(), modified, since, snapshot, SEEN_MAX);
        let answer = read_all(session, &statement.text, statement.arguments, 1)?;
        let transactions: Vec<u32> = (0..answer.rows()).map(|row| answer.number(row, 0)).collect::<Result<_>>()?;
        snapshot.remember(&transactions);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ranges_are_covered() {
        assert_eq!(earliest(Some(5), None), Some(5));
        assert_eq!(earliest(Some(5), Some(Some(3))), Some(3));
        assert_eq!(earliest(Some(5), Some(None)), None);
        assert_eq!(earliest(None, Some(Some(3))), None);
    }
}
