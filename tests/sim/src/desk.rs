//! The person who decides what the hub may not decide by itself. Uses only what the product offers to people.

use chrono::{DateTime, Utc};
use lockstep::store::{Decision, HoldFilter, HoldState, Store};

use crate::view::SYNC;

/// What the person knows and has done.
#[derive(Debug, Default)]
pub struct Desk {
    /// How many deletes of one system were asked for by its users.
    pub wanted_deletes: usize,
    pub decided: usize,
}

impl Desk {
    /// Holds are approved if anybody asked for deletes at all.
    pub fn work(&mut self, store: &dyn Store, now: DateTime<Utc>) -> usize {
        let before = self.decided;
        let filter = HoldFilter { sync: Some(SYNC.into()), state: Some(HoldState::Open), limit: None };
        for hold in store.holds(&filter).unwrap_or_default() {
            let decision = if self.wanted_deletes > 0 { Decision::Approve } else { Decision::Refuse };
            if store.decide_hold(hold.id, decision, now).is_ok() {
                self.decided += 1;
            }
        }
        self.decided - before
    }
}
