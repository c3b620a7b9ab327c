//! How far back an incremental reading looks for rows that became visible after rows with a later time.

use lockstep_values::{LogicalType, MICROS_PER_DAY};

/// Unless the project says otherwise.
const LOOKBACK_MS_DEFAULT: i64 = 10 * 60 * 1000;
/// Where `modified` counts instead of telling a time.
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

/// Where the lookback counts from: a value far in the future must not hide everything that is written until then. `clock`: the
/// server's, in microseconds; `oldest`: when the oldest transaction began that is still writing, if that is known.
///
/// Nobody knows the zone of a wall clock. One a day ahead of ours is in no zone: then it counts from the earliest there could be.
pub fn lookback_from(logical: LogicalType, modified: i64, clock: i64, oldest: Option<i64>) -> i64 {
    let today = clock.div_euclid(MICROS_PER_DAY);
    let (ahead, behind) = match logical {
        LogicalType::Timestamp => return modified.min(oldest.unwrap_or(clock).min(clock)),
        LogicalType::Datetime => (clock.saturating_add(MICROS_PER_DAY), clock.saturating_sub(MICROS_PER_DAY)),
        LogicalType::Date => (today + 1, today - 1),
        _ => return modified,
    };
    if modified > ahead { behind } else { modified }
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
        assert_eq!(lookback_from(LogicalType::Datetime, 1000 * HOUR, clock, None), 76 * HOUR);
        assert_eq!(lookback_from(LogicalType::Datetime, 120 * HOUR, clock, None), 120 * HOUR);
        assert_eq!(lookback_from(LogicalType::Date, 1000, clock, None), 3);
        assert_eq!(lookback_from(LogicalType::Date, 5, clock, None), 5);
        assert_eq!(lookback_from(LogicalType::Int64, 1000, clock, None), 1000);
    }
}
