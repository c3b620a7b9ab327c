//! A system somebody else runs: a small table with its own keys, its own clock and its own ideas about values. It knows nothing of
//! hubs. Whatever it accepts it tells to the [`crate::ledger`].

mod show;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep::record::Value;

use crate::plan::{Plan, Position, SECOND};

pub use show::{Cursor, Shown};
pub use store::{Patch, Refusal};

/// A record's values, by the entity's fields.
pub type Values = Arc<[Value]>;

/// A record from some time on.
#[derive(Clone, Debug)]
pub struct Version {
    /// True time.
    pub since: i64,
    /// By the system's position.
    pub position: i64,
    /// By the system's clock.
    pub updated: i64,
    /// None = deleted.
    pub values: Option<Values>,
}

pub struct System {
    pub plan: Arc<Plan>,
    pub number: usize,
    /// By key; the newest version is the last.
    pub records: BTreeMap<i64, Vec<Version>>,
    /// What was deleted and has left no trace, but that others may point to it: serials by key.
    purged: BTreeMap<i64, Value>,
    next_key: i64,
    log: i64,
    last_time: i64,
    pub skew: i64,
    /// Positions from before have another one.
    pub epoch: u32,
    /// Nobody reaches it until then.
    pub down_until: i64,
    /// The next full reading shows nothing.
    pub is_blank: bool,
}

impl System {
    pub fn new(plan: &Arc<Plan>, number: usize) -> Self {
        Self {
            plan: plan.clone(),
            number,
            records: BTreeMap::new(),
            purged: BTreeMap::new(),
            next_key: 100 * (number as i64 + 1),
            log: 0,
            last_time: 0,
            skew: plan.systems[number].skew,
            epoch: 0,
            down_until: 0,
            is_blank: false,
        }
    }

    pub fn profile(&self) -> &crate::plan::Profile {
        &self.plan.systems[self.number]
    }

    pub fn clock(&self, now: i64) -> i64 {
        now + self.skew
    }

    /// What is there, in the order of its keys.
    pub fn live(&self) -> impl Iterator<Item = (i64, &Values)> {
        self.records.iter().filter_map(|(key, versions)| Some((*key, versions.last()?.values.as_ref()?)))
    }

    pub fn get(&self, key: i64) -> Option<&Values> {
        self.records.get(&key)?.last()?.values.as_ref()
    }

    /// Deleted records that can still be brought back, with what they were.
    pub fn trash(&self) -> impl Iterator<Item = (i64, &Values)> {
        self.records.iter().filter_map(|(key, versions)| {
            let [.., before, last] = versions.as_slice() else { return None };
            last.values.is_none().then_some((*key, before.values.as_ref()?))
        })
    }

    fn stamp(&mut self, now: i64) -> (i64, i64) {
        self.log += 1;
        // A record is never older than the one before, unless the clock was set.
        let updated = self.clock(now);
        let position = match self.profile().position {
            Position::Log | Position::None => self.log,
            Position::Times => {
                self.last_time = (self.last_time + 1).max(updated);
                self.last_time
            }
            Position::Seconds => updated.div_euclid(SECOND) * SECOND,
        };
        let updated = if self.profile().position == Position::Seconds { position } else { updated };
        (position, updated)
    }

    /// The place before which everything is visible to everybody.
    pub fn horizon(&self, now: i64) -> i64 {
        let lag = self.profile().lag;
        match self.profile().position {
            Position::Seconds => self.clock(now - lag).div_euclid(SECOND) * SECOND - 1,
            Position::Times => self.clock(now - lag) - 1,
            Position::Log | Position::None => {
                let young = self.records.values().flatten().filter(|version| version.since + lag >= now && lag > 0);
                young.map(|version| version.position - 1).min().unwrap_or(self.log)
            }
        }
    }

    /// Positions mean nothing any more, and what is deleted leaves no trace.
    pub fn expire(&mut self) {
        self.epoch += 1;
        let serial = self.plan.serial();
        let gone: Vec<(i64, Value)> = self.trash().map(|(key, values)| (key, values[serial].clone())).collect();
        for (key, serial) in gone {
            self.records.remove(&key);
            self.purged.insert(key, serial);
        }
    }
}
