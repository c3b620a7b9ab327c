//! How far back an incremental reading looks for rows that became visible after rows with a later time.
//!
//! [`crate::since::Since`] does all of this for times that a service tells.

use lockstep_values::{LogicalType, MICROS_PER_DAY};

use crate::error::{Error, Result};
use crate::types::ReadRequest;

/// Unless the project says otherwise.
const LOOKBACK_MS_DEFAULT: i64 = 10 * 60 * 1000;
/// Where `modified` counts instead of telling a time.
const LOOKBACK_STEPS: i64 = 10_000;

/// How far back a reading looks, in the unit of `modified`.
///
/// ```
/// use lockstep_plugin_sdk::lookback::Lookback;
/// use lockstep_plugin_sdk::types::LogicalType;
///
/// let lookback = Lookback::new(Some(LogicalType::Timestamp), Some(1_000));
/// assert_eq!(lookback.since(Some(5_000_000)), Some(4_000_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookback(i64);

impl ReadRequest {
    /// How far back the project wants an incremental reading to look (`lookback-ms`); what is no number of milliseconds is an error
    /// of kind `config`.
    pub fn lookback_ms(&self) -> Result<Option<i64>> {
        let Some(text) = self.option("lookback-ms") else { return Ok(None) };
        match text.parse() {
            Ok(milliseconds @ 0..) => Ok(Some(milliseconds)),
            _ => Err(Error::config("`lookback-ms` is no number of milliseconds").with_code("lookback")),
        }
    }
}

impl Lookback {
    /// In the unit of `modified`; ten minutes unless the project says otherwise ([`ReadRequest::lookback_ms`]).
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
    fn the_wish_is_a_number() {
        let wish = |value: &str| {
            let mut request = crate::testing::full_read(&crate::types::Stream::new("a"));
            request.options.push(("lookback-ms".into(), value.into()));
            request.lookback_ms().ok()
        };
        assert_eq!(
            (wish("0"), wish("60000"), wish("-1"), wish("10m")),
            (Some(Some(0)), Some(Some(60_000)), None, None)
        );
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
