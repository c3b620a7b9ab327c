//! When a sync runs: after its interval, counted from the start of its last run, and never twice at once.
//!
//! Pure: it is told the time.

use std::time::Duration;

/// What is due when, for a few syncs.
#[derive(Debug)]
pub struct Schedule {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    every: Duration,
    /// Time since some fixed point.
    due: Duration,
}

impl Schedule {
    /// Everything is due at once; `every` in the order in which the syncs will be named.
    pub fn new(every: impl IntoIterator<Item = Duration>, now: Duration) -> Self {
        Self { entries: every.into_iter().map(|every| Entry { every, due: now }).collect() }
    }

    /// The sync that is due first, and how long that still takes.
    pub fn next(&self, now: Duration) -> Option<(usize, Duration)> {
        let (index, entry) = self.entries.iter().enumerate().min_by_key(|(index, entry)| (entry.due, *index))?;
        Some((index, entry.due.saturating_sub(now)))
    }

    /// A sync was begun. Beats that were missed meanwhile are not made up for.
    pub fn began(&mut self, index: usize, now: Duration) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.due = now.saturating_add(entry.every);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_due_first_runs_first() {
        let mut schedule = Schedule::new([seconds(60), seconds(10)], seconds(0));
        assert_eq!(schedule.next(seconds(0)), Some((0, seconds(0))));
        schedule.began(0, seconds(0));
        assert_eq!(schedule.next(seconds(1)), Some((1, seconds(0))));
        schedule.began(1, seconds(1));
        assert_eq!(schedule.next(seconds(2)), Some((1, seconds(9))));
    }

    #[test]
    fn missed_beats_are_not_made_up_for() {
        let mut schedule = Schedule::new([seconds(10)], seconds(0));
        schedule.began(0, seconds(100));
        assert_eq!(schedule.next(seconds(100)), Some((0, seconds(10))));
    }

    #[test]
    fn nothing_is_never_due() {
        assert_eq!(Schedule::new([], seconds(0)).next(seconds(0)), None);
    }
}
