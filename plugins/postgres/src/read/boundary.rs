//! Where an incremental reading ends, and the next one begins: taken before the first row is read, in the same transaction.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::MICROS_PER_DAY;
use lockstep_sql_dialect::{Arguments, Value, read_all, read_row};

use super::plan::Plan;
use crate::cursor::Boundary;
use crate::snapshot::{SEEN_MAX, Snapshot};
use crate::statement;

/// Rows that become visible after rows with a later time are looked for so far back, unless the project says otherwise.
const LOOKBACK_MS_DEFAULT: i64 = 10 * 60 * 1000;
/// As [`LOOKBACK_MS_DEFAULT`], where `modified` counts instead of telling a time.
const LOOKBACK_STEPS: i64 = 10_000;

/// How far back a reading looks, in the unit of `modified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookback(i64);

impl Lookback {
    pub fn new(modified: Option<LogicalType>, milliseconds: Option<i64>) -> Self {
        let milliseconds = milliseconds.unwrap_or(LOOKBACK_MS_DEFAULT);
        Self(match modified {
            Some(LogicalType::Date) => milliseconds.div_ceil_by(MICROS_PER_DAY / 1000),
            Some(LogicalType::Int64) => LOOKBACK_STEPS,
            _ => milliseconds.saturating_mul(1000),
        })
    }

    /// The first value that is looked at. Infinite times stay what they are.
    pub fn since(self, from: Option<i64>) -> Option<i64> {
        match from? {
            infinite @ (i64::MIN | i64::MAX) => Some(infinite),
            from => Some(from.saturating_sub(self.0)),
        }
    }
}

trait DivCeilBy {
    fn div_ceil_by(self, unit: i64) -> i64;
}

impl DivCeilBy for i64 {
    fn div_ceil_by(self, unit: i64) -> i64 {
        self.saturating_add(unit - 1) / unit
    }
}

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

/// A value far in the future must not hide everything that is written until then.
fn lookback_from(logical: LogicalType, modified: i64, clock: i64, oldest: Option<i64>) -> i64 {
    let ceiling = match logical {
        LogicalType::Timestamp => oldest.unwrap_or(clock).min(clock),
        // A wall clock somewhere on the earth is less than a day ahead of ours.
        LogicalType::Datetime => clock.saturating_add(MICROS_PER_DAY),
        LogicalType::Date => clock / MICROS_PER_DAY + 1,
        _ => i64::MAX,
    };
    modified.min(ceiling)
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

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn the_lookback_is_counted_in_the_columns_unit() {
        let lookback = |logical, milliseconds| Lookback::new(Some(logical), milliseconds).0;
        assert_eq!(lookback(LogicalType::Timestamp, None), HOUR / 6);
        assert_eq!(lookback(LogicalType::Datetime, Some(1)), 1000);
        assert_eq!(lookback(LogicalType::Date, Some(0)), 0);
        assert_eq!(lookback(LogicalType::Date, Some(1)), 1);
        assert_eq!(lookback(LogicalType::Date, Some(86_400_001)), 2);
        assert_eq!(lookback(LogicalType::Int64, Some(1)), LOOKBACK_STEPS);
    }

    #[test]
    fn infinite_times_have_no_lookback() {
        let lookback = Lookback::new(Some(LogicalType::Timestamp), None);
        assert_eq!(lookback.since(Some(i64::MAX)), Some(i64::MAX));
        assert_eq!(lookback.since(Some(i64::MIN + 1)), Some(i64::MIN));
        assert_eq!(lookback.since(None), None);
    }

    #[test]
    fn times_in_the_future_hide_nothing() {
        let clock = 100 * HOUR;
        assert_eq!(lookback_from(LogicalType::Timestamp, 90 * HOUR, clock, None), 90 * HOUR);
        assert_eq!(lookback_from(LogicalType::Timestamp, i64::MAX, clock, None), clock);
        assert_eq!(lookback_from(LogicalType::Timestamp, 99 * HOUR, clock, Some(98 * HOUR)), 98 * HOUR);
        assert_eq!(lookback_from(LogicalType::Datetime, 1000 * HOUR, clock, None), 124 * HOUR);
        assert_eq!(lookback_from(LogicalType::Date, 1000, clock, None), 5);
        assert_eq!(lookback_from(LogicalType::Int64, 1000, clock, None), 1000);
    }

    #[test]
    fn both_ranges_are_covered() {
        assert_eq!(earliest(Some(5), None), Some(5));
        assert_eq!(earliest(Some(5), Some(Some(3))), Some(3));
        assert_eq!(earliest(Some(5), Some(None)), None);
        assert_eq!(earliest(None, Some(Some(3))), None);
    }
}
