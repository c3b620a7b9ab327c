//! Keeps requests away from an origin that fails time after time, and lets one through now and then to see.
//!
//! Pure: it is told the time, as time since some fixed point.

use std::time::Duration;

/// Failures in a row that suspend an origin: more than one request tries by itself.
const FAILURES_MAX: u32 = 8;
const SUSPENDED_FIRST: Duration = Duration::from_secs(5);
const SUSPENDED_MAX: Duration = Duration::from_secs(60);
/// A probe nobody has heard of for this long is lost, and another may go. A request ends sooner.
const PROBE_MAX: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
pub struct Breaker {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everything goes; this many have failed in a row.
    Closed { failures: u32 },
    /// Nothing goes until then.
    Open { until: Duration, length: Duration },
    /// One is on its way to see; nothing else goes until then.
    Probing { until: Duration, length: Duration },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a request may go; else how long it should wait.
    pub fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        match self.state {
            State::Closed { .. } => Ok(()),
            State::Open { until, length } | State::Probing { until, length } if now >= until => {
                self.state = State::Probing { until: now + PROBE_MAX, length };
                Ok(())
            }
            State::Open { until, .. } => Err(until - now),
            // The answer may come at any time.
            State::Probing { .. } => Err(SUSPENDED_FIRST),
        }
    }

    /// The origin answered something that makes sense.
    pub fn succeeded(&mut self) {
        self.state = State::default();
    }

    /// The origin did not answer, or only to say that it cannot. Requests that were under way when it was suspended say nothing new.
    pub fn failed(&mut self, now: Duration) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < FAILURES_MAX => State::Closed { failures: failures + 1 },
            State::Closed { .. } => State::Open { until: now + SUSPENDED_FIRST, length: SUSPENDED_FIRST },
            State::Probing { length, .. } => {
                let length = (length * 2).min(SUSPENDED_MAX);
                State::Open { until: now + length, length }
            }
            open @ State::Open { .. } => open,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn suspended() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_MAX {
            assert_eq!(breaker.admit(seconds(0)), Ok(()));
            breaker.failed(seconds(0));
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_suspend_and_a_success_between_them_does_not() {
        assert_eq!(suspended().admit(seconds(1)), Err(seconds(4)));
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            for _ in 1..FAILURES_MAX {
                breaker.failed(seconds(0));
            }
            breaker.succeeded();
        }
        assert_eq!(breaker.admit(seconds(0)), Ok(()));
    }

    #[test]
    fn one_goes_to_see_and_its_success_opens_the_way() {
        let mut breaker = suspended();
        assert_eq!(breaker.admit(seconds(5)), Ok(()));
        assert!(breaker.admit(seconds(5)).is_err());
        breaker.succeeded();
        assert_eq!(breaker.admit(seconds(5)), Ok(()));
        assert_eq!(breaker.admit(seconds(5)), Ok(()));
    }

    #[test]
    fn suspensions_grow_to_a_limit() {
        let mut breaker = suspended();
        let mut now = seconds(0);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let wait = breaker.admit(now).unwrap_err();
            waits.push(wait.as_secs());
            now += wait;
            breaker.admit(now).unwrap();
            breaker.failed(now);
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn a_lost_probe_does_not_suspend_for_ever() {
        let mut breaker = suspended();
        breaker.admit(seconds(5)).unwrap();
        assert!(breaker.admit(seconds(124)).is_err());
        assert_eq!(breaker.admit(seconds(125)), Ok(()));
    }

    proptest! {
        /// Whatever happens, a request is let through at the latest after the longest suspension and a lost probe.
        #[test]
        fn nothing_is_suspended_for_ever(steps in prop::collection::vec((0u8..3, 0u64..100), 0..200)) {
            let (mut breaker, mut now) = (Breaker::default(), Duration::ZERO);
            for (step, wait) in steps {
                now += seconds(wait);
                match step {
                    0 => breaker.succeeded(),
                    1 => breaker.failed(now),
                    _ => drop(breaker.admit(now)),
                }
            }
            prop_assert_eq!(breaker.admit(now + SUSPENDED_MAX + PROBE_MAX), Ok(()));
        }
    }
}
