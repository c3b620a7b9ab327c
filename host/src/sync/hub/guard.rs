//! Many deletes at once wait for approval, whoever asked for them.

use super::deliver::{Action, Job};
use super::unit::Unit;
use super::work::{Work, remote_text};
use crate::resolve::Mechanism;
use crate::store::{HoldState, IntentState, KeyDigest, NewHold};
use crate::sync::error::SyncError;
use crate::sync::report::HeldDeletes;

/// Keys shown to whoever has to approve.
const KEYS_SHOWN: usize = 20;

impl Work<'_> {
    /// Leaves out deletes that are too many to pass without approval (Invariant 5). What is left may be written.
    pub fn guard_deletes(&mut self, endpoint: usize, jobs: Vec<Job>, unit: &mut Unit) -> Result<Vec<Job>, SyncError> {
        // What was approved where it was noticed needs no second approval where it is carried out.
        let is_open = |job: &Job| job.action == Action::Delete && !self.approved.contains(&job.record);
        let (deletes, others): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(is_open);
        if deletes.is_empty() || !self.has(Mechanism::Guard) {
            return Ok(others.into_iter().chain(deletes).collect());
        }
        let id = self.endpoint_id(endpoint);
        let total = self.run.store.count_links(id)?;
        let planned = self.run.store.count_intents(id)?.deletes;
        let count = planned.max(deletes.len() as u64) + self.deleted.get(&endpoint).copied().unwrap_or(0);
        if count <= self.hub.def.guard.deletes_max(total) {
            *self.deleted.entry(endpoint).or_default() += deletes.len() as u64;
            return Ok(others.into_iter().chain(deletes).collect());
        }
        let end = self.end(endpoint)?;
        let texts: Vec<String> = deletes
            .iter()
            .map(|job| format!("{} {}", end.name, remote_text(job.remote.as_deref().unwrap_or_default(), &end.key)))
            .collect();
        let name = end.name.clone();
        let content = KeyDigest::of_set(texts.iter().map(|text| KeyDigest::of_key(text)));
        let known = self.run.store.hold_by_content(self.name(), content)?;
        if let Some(hold) = known.filter(|hold| hold.state == HoldState::Approved) {
            unit.hold_applied = Some(hold.id);
            return Ok(others.into_iter().chain(deletes).collect());
        }
        let shown: Vec<&String> = texts.iter().take(KEYS_SHOWN).collect();
        let hold = self.run.store.hold(&NewHold {
            sync: self.name().to_owned(),
            run: self.id,
            content,
            deletes: deletes.len() as u64,
            total,
            keys: serde_json::json!(shown).to_string(),
            at: self.run.world.clock.now(),
        })?;
        let now = self.now();
        for job in &deletes {
            // Looked at again in the next run, when somebody may have approved.
            let row = self.intent(IntentState::Held, now.saturating_add(1), job.attempts, Action::Delete);
            unit.intents.insert((job.record, endpoint), row);
        }
        let count = deletes.len() as u64;
        let reason = format!("`{name}` would lose {count} of {total} records, which is more than the guard lets pass");
        self.held.retain(|held| held.hold != hold);
        self.held.push(HeldDeletes { hold, deletes: count, total, reason });
        Ok(others)
    }
}
