//! Records as they were last made durable, so that what is decided in one step need not be read and taken apart again in the next:
//! a record that is written is planned, sent, confirmed and looked at within moments.
//!
//! Only this run changes the hub's records while it holds the lease, and whoever took over meanwhile makes its next commit fail
//! (Invariant 10): what is here is what the store has. A state enters after its commit has succeeded, leaves when it is taken to be
//! worked on, and is not put back unless it was only looked at.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::by_record::ByRecord;
use crate::resolve::RecordState;
use crate::store::RecordId;

/// A page of changes and a batch of writes: some ten megabytes.
const RECORDS_MAX: usize = 16_384;

#[derive(Default)]
pub(super) struct Warm(Mutex<ByRecord<RecordState>>);

impl Warm {
    pub fn take(&self, id: RecordId) -> Option<RecordState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    /// Keeps states that are durable exactly as they are, as many as there is room for.
    pub fn keep(&self, states: Vec<(RecordId, RecordState)>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = RECORDS_MAX.saturating_sub(kept.len());
        kept.extend(states.into_iter().take(room));
    }

    /// Makes room for these, as far as they are not there yet: others have to go.
    pub fn make_room(&self, ids: impl Iterator<Item = RecordId>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: HashSet<RecordId> = ids.collect();
        let cold = ids.iter().filter(|id| !kept.contains_key(id)).count();
        if kept.len() + cold > RECORDS_MAX {
            kept.retain(|id, _| ids.contains(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(ids: std::ops::Range<i64>) -> Vec<(RecordId, RecordState)> {
        ids.map(|id| (RecordId(id), RecordState::new(0, 0))).collect()
    }

    #[test]
    fn a_state_is_given_away_once() {
        let warm = Warm::default();
        warm.keep(states(1..3));
        assert!(warm.take(RecordId(1)).is_some());
        assert!(warm.take(RecordId(1)).is_none());
        assert!(warm.take(RecordId(3)).is_none());
    }

    #[test]
    fn what_is_there_stays_until_room_is_made() {
        let warm = Warm::default();
        let max = RECORDS_MAX as i64;
        warm.keep(states(0..10));
        warm.keep(states(10..10 + max));
        assert!(warm.take(RecordId(0)).is_some());
        assert!(warm.take(RecordId(9 + max)).is_none());
        warm.make_room([1, 2].map(RecordId).into_iter());
        assert!(warm.take(RecordId(3)).is_some());
        warm.keep(states(0..1));
        warm.make_room([1, max + 20, max + 21].map(RecordId).into_iter());
        assert!(warm.take(RecordId(2)).is_none());
        assert!(warm.take(RecordId(1)).is_some());
    }
}
