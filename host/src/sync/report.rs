//! What a run did.

use std::time::Duration;

use super::SyncError;
use crate::store::{Counters, HoldId, RunId, RunKind};

/// What a run did, whether or not it came to its end.
#[derive(Debug)]
pub struct RunReport {
    pub sync: String,
    pub run: RunId,
    pub kind: RunKind,
    pub counters: Counters,
    pub elapsed: Duration,
    pub held: Option<HeldDeletes>,
    /// Whether a person stopped it.
    pub interrupted: bool,
    pub error: Option<SyncError>,
}

impl RunReport {
    /// Whether everything is done and nothing waits for a person.
    pub fn is_clean(&self) -> bool {
        self.error.is_none() && self.held.is_none() && !self.interrupted && self.counters.rejected == 0
    }
}

/// Deletes that wait for approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldDeletes {
    pub hold: HoldId,
    pub deletes: u64,
    /// Records in the target.
    pub total: u64,
    /// Why they are held.
    pub reason: String,
}
