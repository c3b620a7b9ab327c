//! The person who decides what the hub may not decide by itself. Uses only what the product offers to people.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use lockstep::project::HubDef;
use lockstep::store::{
    Conflict, ConflictFilter, ConflictKind, ConflictState, Decision as Ruling, HoldFilter, HoldState, HubStore, RunKind,
};
use lockstep::sync::{Decision, Resolution};

use crate::chance::Chance;
use crate::view::SYNC;

/// What the person knows and has done.
#[derive(Debug)]
pub struct Desk {
    /// Copies of records that users have deleted somewhere, as holds name them.
    pub wanted_deletes: HashSet<String>,
    /// Conflicts of one kind the person has ended.
    pub decided: Vec<Decided>,
    /// What could not be done, though it was offered.
    pub complaints: Vec<String>,
    pub chance: Chance,
}

/// Something the person has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    Hold,
    /// What a conflict said, and the record it was about.
    Conflict {
        record: i64,
        body: String,
        words: String,
        /// A remote record stays one of its own, whatever it looks like.
        parts: bool,
    },
}

impl Desk {
    pub fn new(seed: u64) -> Self {
        Self {
            wanted_deletes: HashSet::new(),
            decided: Vec::new(),
            complaints: Vec::new(),
            chance: Chance::new(seed, "desk"),
        }
    }

    /// Decides everything that is open.
    pub fn work(&mut self, store: &dyn HubStore, def: &HubDef, now: DateTime<Utc>) {
        let filter = HoldFilter { sync: Some(SYNC.into()), state: Some(HoldState::Open), limit: None };
        for hold in store.holds(&filter).unwrap_or_default() {
            let keys: Vec<String> = serde_json::from_str(&hold.keys).unwrap_or_default();
            let is_wanted = !keys.is_empty() && keys.iter().all(|key| self.wanted_deletes.contains(key));
            let ruling = if is_wanted { Ruling::Approve } else { Ruling::Refuse };
            if store.decide_hold(hold.id, ruling, now).is_ok() {
                self.decided.push(Decided::Hold);
            }
        }
        let filter =
            ConflictFilter { sync: Some(SYNC.into()), state: Some(ConflictState::Open), ..ConflictFilter::default() };
        for conflict in store.conflicts(&filter).unwrap_or_default() {
            self.end(store, def, now, &conflict);
        }
    }

    fn end(&mut self, store: &dyn HubStore, def: &HubDef, now: DateTime<Utc>, conflict: &Conflict) {
        let resolution = self.resolution(conflict.conflict.kind);
        let words = format!("{} {}: {resolution:?}", conflict.conflict.kind.name(), conflict.conflict.subject);
        let done = Decision::begin(store, def, RunKind::Decision, now)
            .and_then(|decision| decision.resolve(conflict.id, &resolution));
        match done {
            Ok(_) => self.decided.push(Decided::Conflict {
                record: conflict.conflict.record.0,
                body: conflict.conflict.body.clone(),
                words,
                parts: matches!(resolution, Resolution::New),
            }),
            Err(error) => self.complaints.push(format!("{words}: {error}")),
        }
    }

    fn resolution(&mut self, kind: ConflictKind) -> Resolution {
        let coin = self.chance.coin();
        match kind {
            ConflictKind::Field | ConflictKind::Oscillation if coin => Resolution::Current,
            ConflictKind::Field | ConflictKind::Oscillation => Resolution::Incoming,
            ConflictKind::Delete if coin => Resolution::Keep,
            ConflictKind::Delete => Resolution::Delete,
            ConflictKind::Match | ConflictKind::Duplicate => Resolution::New,
        }
    }
}
