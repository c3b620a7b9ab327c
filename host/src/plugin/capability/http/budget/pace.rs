//! When the next request may go, and how many may be repeats. Pure: it is told the time, as time since some fixed point.

use std::time::Duration;

/// Requests evenly apart: however many want to go, no second sees more of them than the pace says.
#[derive(Debug)]
pub struct Pace {
    /// None = as fast as they come.
    interval: Option<Duration>,
    next: Duration,
    /// Nothing goes before that: the upstream said so.
    parked_until: Duration,
}

impl Pace {
    pub fn new(per_second: Option<f64>) -> Self {
        let interval = per_second.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok());
        Self { interval, next: Duration::ZERO, parked_until: Duration::ZERO }
    }

    /// How long the next request has to wait; its turn is taken only if that is at most `patience`.
    pub fn take(&mut self, now: Duration, patience: Duration) -> Result<Duration, Duration> {
        let turn = now.max(self.next).max(self.parked_until);
        let wait = turn - now;
        if wait > patience {
            return Err(wait);
        }
        if let Some(interval) = self.interval {
            self.next = turn + interval;
        }
        Ok(wait)
    }

    /// How long somebody whose turn has come still has to wait, because the upstream has meanwhile said so.
    pub fn parked(&self, now: Duration) -> Duration {
        self.parked_until.saturating_sub(now)
    }

    pub fn park(&mut self, until: Duration) {
        self.parked_until = self.parked_until.max(until);
    }
}

/// What a repeat costs, in parts of what a request brings in: at most every tenth request is a repeat.
const REPEAT_COST: u32 = 10;
/// Repeats a quiet connection may make before it has earned any.
const REPEATS_SAVED_MAX: u32 = 10;

/// Keeps repeats below a share of the requests, so that an upstream in trouble does not get more of them than one that is well.
#[derive(Debug)]
pub struct RepeatBudget {
    parts: u32,
}

impl Default for RepeatBudget {
    fn default() -> Self {
        Self { parts: REPEATS_SAVED_MAX * REPEAT_COST }
    }
}

impl RepeatBudget {
    /// A request that is no repeat.
    pub fn earn(&mut self) {
        self.parts = (self.parts + 1).min(REPEATS_SAVED_MAX * REPEAT_COST);
    }

    /// Whether a request may be repeated.
    pub fn spend(&mut self) -> bool {
        let left = self.parts.checked_sub(REPEAT_COST);
        self.parts = left.unwrap_or(self.parts);
        left.is_some()
    }
}

const BACK_OFF_FIRST: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_secs(20);
/// Chance may say nothing at all, which would be no pause.
const BACK_OFF_MIN: Duration = Duration::from_millis(50);

/// How long to wait before a repeat: anything up to a bound that doubles, so that many who failed together do not come back
/// together ("full jitter").
pub fn back_off(repeats: u32, chance: u64) -> Duration {
    let bound = BACK_OFF_FIRST.saturating_mul(1 << repeats.min(16)).min(BACK_OFF_MAX);
    let span = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(chance % span).max(BACK_OFF_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Invariant 11: calls ≤ budget in every window.
        #[test]
        fn no_second_sees_more_requests_than_the_pace(
            per_second in 1u32..50,
            arrivals in prop::collection::vec(0u64..400, 1..200),
        ) {
            let mut pace = Pace::new(Some(f64::from(per_second)));
            let (mut now, mut sent) = (Duration::ZERO, Vec::new());
            for gap in arrivals {
                now += Duration::from_millis(gap);
                sent.push(now + pace.take(now, Duration::MAX).unwrap());
            }
            for (index, start) in sent.iter().enumerate() {
                let within = sent[index..].iter().take_while(|at| **at < *start + Duration::from_secs(1)).count();
                // An interval is rounded to a nanosecond.
                prop_assert!(within <= per_second as usize + 1, "{within} requests in a second");
            }
        }

        #[test]
        fn repeats_stay_below_their_share(requests in prop::collection::vec(any::<bool>(), 0..3000)) {
            let (mut budget, mut first, mut repeats) = (RepeatBudget::default(), 0u32, 0u32);
            for wants_repeat in requests {
                if wants_repeat {
                    repeats += u32::from(budget.spend());
                } else {
                    budget.earn();
                    first += 1;
                }
                prop_assert!(repeats <= REPEATS_SAVED_MAX + first / REPEAT_COST);
            }
        }

        #[test]
        fn back_off_is_bounded(repeats in any::<u32>(), chance in any::<u64>()) {
            let wait = back_off(repeats, chance);
            prop_assert!(wait >= BACK_OFF_MIN && wait <= BACK_OFF_MAX);
        }
    }

    #[test]
    fn a_turn_that_comes_too_late_is_not_taken() {
        let mut pace = Pace::new(Some(1.0));
        let (now, second) = (Duration::ZERO, Duration::from_secs(1));
        assert_eq!(pace.take(now, second), Ok(Duration::ZERO));
        assert_eq!(pace.take(now, second), Ok(second));
        assert_eq!(pace.take(now, second), Err(2 * second));
        assert_eq!(pace.take(now, 2 * second), Ok(2 * second));
    }

    #[test]
    fn who_is_parked_waits_to_the_end() {
        let mut pace = Pace::new(None);
        let second = Duration::from_secs(1);
        pace.park(30 * second);
        pace.park(10 * second);
        assert_eq!(pace.take(20 * second, second), Err(10 * second));
        assert_eq!(pace.take(20 * second, 10 * second), Ok(10 * second));
        assert_eq!(pace.parked(25 * second), 5 * second);
        assert_eq!(pace.parked(35 * second), Duration::ZERO);
    }

    #[test]
    fn back_off_uses_its_whole_range() {
        assert_eq!(back_off(0, 0), BACK_OFF_MIN);
        assert_eq!(back_off(0, 499_999), Duration::from_micros(499_999));
        assert_eq!(back_off(20, 19_999_999), Duration::from_micros(19_999_999));
    }
}
