//! Dead records are forgotten once the hub's horizon is over: who comes back after that is a new record.
//!
//! The work is bounded: records are looked at in one run of each period, so many at a time, and in turns. Nothing is forgotten about
//! which anybody could still have something to say.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::setup::micros;
use super::work::Work;
use crate::resolve::{Link, RecordState, is_forgettable};
use crate::store::{HubCommit, RecordId, Run, RunFilter, RunKind};
use crate::sync::error::SyncError;

/// How often is looked for what can be forgotten, at most; a shorter horizon is looked after as often as it lasts.
const PERIOD_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const PERIOD_MIN: Duration = Duration::from_secs(1);
/// Records looked at in a period.
const LOOKED_AT_MAX: usize = 100_000;
/// Records forgotten in a period.
const FORGOTTEN_MAX: usize = 10_000;
/// Records looked at together.
const CHUNK: u32 = 5_000;
/// Runs among which the one before is looked for; others than those that read everything do not count.
const RUNS_BACK: u32 = 20;
/// Events that wait, above which nothing is forgotten.
const WAITING_MAX: u32 = 10_000;

/// Remote records by their endpoints.
type Remotes = HashSet<(usize, Vec<u8>)>;

impl Work<'_> {
    /// Forgets what can be forgotten.
    pub fn forget(&mut self) -> Result<(), SyncError> {
        let Some(period) = self.new_period()? else { return Ok(()) };
        let Some(waiting) = self.waiting_remotes()? else { return Ok(()) };
        let mut forgotten = Vec::new();
        let first = self.turn(period);
        let (mut after, mut looked_at, mut has_wrapped) = (first, 0, false);
        while looked_at < LOOKED_AT_MAX && forgotten.len() < FORGOTTEN_MAX {
            let records = self.run.store.records(self.name(), Some(RecordId(after)), CHUNK)?;
            for (id, body) in &records {
                if self.can_forget(*id, &self.decode(*id, body)?, &waiting) {
                    forgotten.push(*id);
                }
            }
            looked_at += records.len();
            match records.last() {
                Some((last, _)) if !has_wrapped || last.0 <= first => after = last.0,
                None if !has_wrapped && first > 0 => (after, has_wrapped) = (0, true),
                _ => break,
            }
        }
        if forgotten.is_empty() {
            return Ok(());
        }
        forgotten.sort_unstable();
        forgotten.dedup();
        let mut commit = HubCommit::new(self.id, self.run.world.clock.now(), self.epoch, self.counters);
        commit.forgotten = forgotten;
        Ok(self.run.store.commit_hub(&commit)?)
    }

    /// The number of the period, if this is its first run.
    fn new_period(&self) -> Result<Option<i64>, SyncError> {
        let length = micros(self.hub.def.tombstones.clamp(PERIOD_MIN, PERIOD_MAX)).max(1);
        let period = |at: DateTime<Utc>| at.timestamp_micros().div_euclid(length);
        let runs = self.newest_runs(2)?;
        let own = runs.iter().find(|run| run.id == self.id).map(|run| period(run.started_at));
        let before = match self.run_before(&runs) {
            Some(before) => Some(before.started_at),
            None => self.run_before(&self.newest_runs(RUNS_BACK)?).map(|run| run.started_at),
        };
        Ok(own.filter(|own| before.map(period) != Some(*own)))
    }

    fn newest_runs(&self, count: u32) -> Result<Vec<Run>, SyncError> {
        Ok(self.run.store.runs(&RunFilter { sync: Some(self.name().to_owned()), limit: Some(count) })?)
    }

    /// The newest of these runs, newest first, that is not this one and might have forgotten something.
    fn run_before<'r>(&self, runs: &'r [Run]) -> Option<&'r Run> {
        let forgets = |run: &&Run| matches!(run.kind, RunKind::Full | RunKind::Incremental);
        runs.iter().filter(forgets).find(|run| run.id != self.id)
    }

    /// Behind which record this period's turn begins.
    fn turn(&self, period: i64) -> i64 {
        let window = i64::try_from(LOOKED_AT_MAX).unwrap_or(i64::MAX);
        let turns = (self.next_record / window).saturating_add(1);
        period.rem_euclid(turns).saturating_mul(window)
    }

    /// Remote records of which something waits, by their endpoints; none if there are too many to know.
    fn waiting_remotes(&self) -> Result<Option<Remotes>, SyncError> {
        let mut waiting = Remotes::new();
        for endpoint in 0..self.ids.len() {
            let found = self.run.store.due_events(self.endpoint_id(endpoint), DateTime::<Utc>::MAX_UTC, WAITING_MAX)?;
            if found.len() >= WAITING_MAX as usize {
                return Ok(None);
            }
            waiting.extend(found.into_iter().map(|event| (endpoint, event.remote)));
        }
        Ok(Some(waiting))
    }

    fn can_forget(&self, id: RecordId, state: &RecordState, waiting: &Remotes) -> bool {
        let horizon = micros(self.hub.def.tombstones);
        let read_at = |endpoint: usize| self.complete_at(endpoint).map(|at| at.timestamp_micros());
        if !is_forgettable(state, &self.settled.rules, self.now(), horizon, &read_at) || self.disputed.contains(&id) {
            return false;
        }
        let is_open = |endpoint: usize| {
            let side = state.side(endpoint);
            let remote = side.and_then(|side| match &side.link {
                Link::Gone(remote) => Some(remote.to_vec()),
                _ => None,
            });
            let is_refused = self.open_letters.contains(&self.write_letter_key(endpoint, id));
            is_refused
                || remote.is_some_and(|remote| {
                    self.open_letters.contains(&self.letter_key(endpoint, &remote))
                        || waiting.contains(&(endpoint, remote))
                })
        };
        !(0..self.ids.len()).any(is_open)
    }

    /// When an endpoint had last shown everything, before this run. One that reports deletes shows everything as it goes.
    fn complete_at(&self, endpoint: usize) -> Option<DateTime<Utc>> {
        let state = self.endpoints.get(endpoint)?;
        let reports = self.settled.ends.get(endpoint).is_some_and(|end| end.reports_deletes);
        let progress = state.progress_at.filter(|_| reports && state.baselined && !self.failed.contains(&endpoint));
        state.enumerated_at.max(progress)
    }
}
