//! What a run would write, exactly, with a hash by which a run can be held to it.
//!
//! Made by the very code that runs, on a copy of the state that nobody keeps: everything is taken in and decided about, and what
//! everybody is then owed is told instead of written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::deliver::{Action, Job};
use super::work::{Work, remote_text};
use super::{Absence, Hub, HubRun, begin, open_conflicts, settle};
use crate::connector::Effect;
use crate::lineage::{Entry, EntryKind};
use crate::record::{Field, Value};
use crate::resolve::Verdict;
use crate::store::{
    Conflict, ConflictFilter, ConflictState, DeadLetter, DeadLetterFilter, Intent, IntentState, LineageId, RunKind,
};
use crate::sync::error::SyncError;
use crate::sync::report::HeldDeletes;

/// Intents looked at together.
const CHUNK: u32 = 5_000;

/// What a run of a hub would do.
#[derive(Debug)]
pub struct HubPlan {
    pub sync: String,
    /// Equal for equal writes.
    pub hash: String,
    pub writes: Vec<PlannedWrite>,
    /// Records that would be made known, found to be the same, changed and deleted.
    pub counts: PlanCounts,
    /// Fields about which endpoints differ, by their names.
    pub collisions: BTreeMap<String, Collisions>,
    /// Nothing is linked yet: this is how the systems would be brought together.
    pub is_first_link: bool,
    /// Conflicts that would wait for a person, or do.
    pub conflicts: Vec<Conflict>,
    pub letters: Vec<DeadLetter>,
    /// Deletes that would wait for approval.
    pub held: Vec<HeldDeletes>,
    /// What would be done to endpoints before anything is written.
    pub actions: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PlanCounts {
    pub read: u64,
    pub created: u64,
    pub linked: u64,
    pub changed: u64,
    pub deleted: u64,
}

/// How often two endpoints wanted different values of a field, and what would come of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Collisions {
    /// What is agreed stays.
    pub kept: u64,
    /// What comes in counts.
    pub taken: u64,
    /// Both changes are made.
    pub merged: u64,
    /// A person decides.
    pub open: u64,
    /// The field belongs to another endpoint.
    pub restored: u64,
}

impl Collisions {
    pub fn total(&self) -> u64 {
        self.kept + self.taken + self.merged + self.open + self.restored
    }

    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Lost | Verdict::Spare => self.kept += 1,
            Verdict::Won => self.taken += 1,
            Verdict::Merged => self.merged += 1,
            Verdict::Held | Verdict::Quarantined => self.open += 1,
            Verdict::Restored | Verdict::Ignored => self.restored += 1,
            Verdict::First | Verdict::Taken => {}
        }
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedWrite {
    pub endpoint: String,
    /// `create`, `update`, `archive`, `delete`.
    pub action: &'static str,
    /// The key there, or what a new record is known by.
    pub key: String,
    /// The endpoint's fields: name, value now, value then, as JSON texts.
    pub fields: Vec<(String, Option<String>, String)>,
}

impl PlannedWrite {
    pub fn to_json(&self) -> Json {
        let read = |text: &str| serde_json::from_str::<Json>(text).unwrap_or(Json::Null);
        let fields: Map<String, Json> = self
            .fields
            .iter()
            .map(|(name, before, after)| {
                (name.clone(), json!({"before": before.as_deref().map(read), "after": read(after)}))
            })
            .collect();
        json!({"endpoint": self.endpoint, "action": self.action, "key": self.key, "fields": fields})
    }
}

/// Looks ahead. `run.store` must be a copy that nobody keeps.
pub async fn plan_hub(hub: &Hub, run: &HubRun) -> Result<HubPlan, SyncError> {
    let (id, state) = begin(hub, run, RunKind::Incremental)?;
    let is_first_link = state.endpoints.iter().all(|endpoint| !endpoint.baselined);
    let settled = settle(hub, run, state.pin.as_deref(), Effect::DryRun, Absence::Refused).await?;
    let actions = settled.actions.clone();
    let mut work = Work::new(hub, run, id, settled, state);
    work.note_open(open_conflicts(hub, run)?);
    let mut held = Vec::new();
    for endpoint in 0..work.settled.ends.len() {
        held.extend(work.take_in(endpoint).await?);
    }
    let writes = work.planned()?;
    held.append(&mut work.held);
    let (counts, collisions) = work.plan_counts()?;
    let filter = ConflictFilter {
        sync: Some(work.name().to_owned()),
        state: Some(ConflictState::Open),
        ..ConflictFilter::default()
    };
    let letters = DeadLetterFilter { run: Some(id), ..DeadLetterFilter::default() };
    Ok(HubPlan {
        sync: work.name().to_owned(),
        hash: hash(&writes),
        conflicts: run.store.conflicts(&filter)?,
        letters: run.store.dead_letters(&letters)?,
        writes,
        counts,
        collisions,
        is_first_link,
        held,
        actions,
    })
}

/// What was refused, and what a person has to decide about, is not written. Deletes that are held may have been approved.
fn is_written(intent: &Intent) -> bool {
    match intent.row.state {
        IntentState::Refused => false,
        IntentState::Held => intent.row.deletes,
        _ => true,
    }
}

/// Enough to tell plans apart, few enough to be typed.
const HASH_CHARS: usize = 16;

fn hash(writes: &[PlannedWrite]) -> String {
    let mut hasher = blake3::Hasher::new();
    for write in writes {
        let text = write.to_json().to_string();
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(HASH_CHARS).collect()
}

impl Work<'_> {
    /// Everything that is owed and would be written, in one order. Deletes that would be held are left out.
    fn planned(&mut self) -> Result<Vec<PlannedWrite>, SyncError> {
        let mut writes = Vec::new();
        for endpoint in 0..self.settled.ends.len() {
            let mut after = None;
            loop {
                let due = DateTime::<Utc>::MAX_UTC;
                let intents = self.run.store.due_intents(self.endpoint_id(endpoint), due, after, CHUNK)?;
                let Some(last) = intents.last() else { break };
                after = Some(last.record);
                let intents: Vec<Intent> = intents.into_iter().filter(is_written).collect();
                let (mut unit, jobs) = self.plan_jobs(endpoint, &intents)?;
                let jobs = self.guard_deletes(endpoint, jobs, &mut unit)?;
                for job in &jobs {
                    let state = unit.peek(job.record).map(|touched| &touched.state);
                    writes.extend(state.and_then(|state| self.planned_write(endpoint, job, state)));
                }
            }
        }
        writes.sort();
        Ok(writes)
    }

    fn planned_write(&self, endpoint: usize, job: &Job, state: &crate::resolve::RecordState) -> Option<PlannedWrite> {
        let end = self.settled.ends.get(endpoint)?;
        let shown: Vec<Option<Value>> =
            state.side(endpoint)?.shadow.iter().map(|shadow| shadow.shown().cloned()).collect();
        let before = end.projection.write(&shown, crate::record::Purpose::Update).unwrap_or_default();
        let now = |field: &Field| {
            let at = end.projection.remote_fields().iter().position(|known| known.name == field.name)?;
            Some(before.get(at)?.as_ref()?.to_json(field.logical).to_string())
        };
        let key = match &job.remote {
            Some(remote) => remote_text(remote, &end.key),
            None => self.known_by(state),
        };
        let fields = job.columns.iter().map(|(field, value)| {
            let before = if job.action == Action::Create { None } else { now(field) };
            (field.name.clone(), before, value.to_json(field.logical).to_string())
        });
        Some(PlannedWrite {
            endpoint: end.name.clone(),
            action: match job.action {
                Action::Create => "create",
                Action::Update => "update",
                Action::Archive => "archive",
                Action::Delete => "delete",
            },
            key,
            fields: fields.collect(),
        })
    }

    /// What a record is known by to people: the fields it is matched by, or all of them.
    fn known_by(&self, state: &crate::resolve::RecordState) -> String {
        let matched: Vec<usize> = self.settled.matching.exact.iter().flatten().map(|(field, _)| *field).collect();
        let mut values = state.values();
        for (field, value) in values.iter_mut().enumerate() {
            if !matched.is_empty() && !matched.contains(&field) {
                *value = None;
            }
        }
        self.shown(&values).to_string()
    }

    fn plan_counts(&self) -> Result<(PlanCounts, BTreeMap<String, Collisions>), SyncError> {
        let mut counts = PlanCounts { read: self.counters.read, ..PlanCounts::default() };
        let mut collisions: BTreeMap<String, Collisions> = BTreeMap::new();
        let mut after: Option<LineageId> = None;
        loop {
            let entries = self.run.store.lineage_of_run(self.id, after, CHUNK)?;
            let Some(last) = entries.last() else { return Ok((counts, collisions)) };
            after = Some(last.id);
            for entry in &entries {
                let Some(entry) = Entry::decode(&entry.body) else { continue };
                match entry.kind {
                    EntryKind::Created => counts.created += 1,
                    EntryKind::Linked => counts.linked += 1,
                    EntryKind::Changed | EntryKind::Revived => counts.changed += 1,
                    EntryKind::Deleted => counts.deleted += 1,
                    _ => continue,
                }
                for item in entry.items {
                    if let (Some(field), Some(verdict)) = (self.settled.entity.get(item.field), item.verdict) {
                        collisions.entry(field.name.clone()).or_default().count(verdict);
                    }
                }
            }
        }
    }

    /// Nothing is written if what would be written is not what was planned.
    pub fn check_plan(&mut self, plan: &str) -> Result<(), SyncError> {
        let found = hash(&self.planned()?);
        self.held.clear();
        self.deleted.clear();
        if found == plan {
            return Ok(());
        }
        Err(SyncError::WritesMoved { sync: self.name().to_owned(), plan: plan.to_owned() })
    }
}
