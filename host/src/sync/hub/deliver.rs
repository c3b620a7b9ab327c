//! Giving an endpoint what it is owed: intents that are due become rows, are durable as sent before the first byte leaves, and are
//! confirmed row by row.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::setup::End;
use super::unit::Unit;
use super::work::{Work, remote_values};
use super::write::Outcome;
use super::writing::{Batch, Writing, Written};
use crate::connector::{Failure, FailureKind};
use crate::record::{Field, Purpose, Value};
use crate::resolve::{Mechanism, Owed, RecordState, Sent, SentKind};
use crate::store::{Intent, IntentRow, IntentState, RecordId};
use crate::sync::error::SyncError;

/// Intents handled together.
const BATCH: u32 = 10_000;

/// What is done to one remote record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Create,
    Update,
    Archive,
    Delete,
}

/// A value of one of an endpoint's fields, which all writes share.
pub(super) type Cell = (Arc<Field>, Value);

/// One write.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub record: RecordId,
    pub action: Action,
    pub remote: Option<Vec<u8>>,
    /// The entity's fields and values that are written.
    pub patch: Vec<(usize, Value)>,
    /// The endpoint's: without the key, unless it is a create.
    pub columns: Vec<Cell>,
    /// What the endpoint's fields must still be.
    pub expected: Vec<Cell>,
    pub attempts: u32,
}

/// What an intent leads to.
pub(super) enum Planned {
    Job(Job),
    Nothing,
    /// Another record has to be there first.
    Parked,
}

/// What delivering to one endpoint came to.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// Writes that were answered, and copies that were looked at: they may be owed something now.
    pub done: u64,
    /// Why the endpoint gets nothing more in this pass.
    pub failure: Option<Failure>,
}

/// Where delivering to one endpoint stands in a pass.
pub(super) struct Turn {
    pub endpoint: usize,
    /// Behind which record it goes on.
    after: Option<RecordId>,
    pub delivered: Delivered,
}

impl Turn {
    pub fn new(endpoint: usize) -> Self {
        Self { endpoint, after: None, delivered: Delivered::default() }
    }
}

impl Work<'_> {
    /// What is due next at an endpoint, durable as sent; nothing if nothing more is.
    pub async fn next_batch(&mut self, turn: &mut Turn) -> Result<Vec<Job>, SyncError> {
        let endpoint = turn.endpoint;
        loop {
            let now = self.run.world.clock.now();
            let due = self.run.store.due_intents(self.endpoint_id(endpoint), now, turn.after, BATCH)?;
            let Some(last) = due.last() else { return Ok(Vec::new()) };
            turn.after = Some(last.record);
            let (open, new): (Vec<Intent>, Vec<Intent>) = due
                .into_iter()
                .partition(|intent| matches!(intent.row.state, IntentState::Sent | IntentState::Unknown));
            if !open.is_empty() {
                turn.delivered.done += self.recover(endpoint, &open).await?;
            }
            if self.run.interrupt.is_set() {
                return Ok(Vec::new());
            }
            let jobs = self.prepare_batch(endpoint, &new).await?;
            if !jobs.is_empty() {
                return Ok(jobs);
            }
        }
    }

    async fn prepare_batch(&mut self, endpoint: usize, intents: &[Intent]) -> Result<Vec<Job>, SyncError> {
        if intents.is_empty() {
            return Ok(Vec::new());
        }
        self.warm.make_room(intents.iter().map(|intent| intent.record));
        self.refresh_unguarded(endpoint, intents).await?;
        let (unit, jobs) = self.plan_jobs(endpoint, intents)?;
        let (mut unit, jobs) = if jobs.iter().any(|job| job.action == Action::Create) {
            self.commit(unit)?;
            self.plan_again_unless_missing(endpoint, intents, jobs).await?
        } else {
            (unit, jobs)
        };
        let jobs = self.refuse_taken(endpoint, jobs, &mut unit)?;
        let jobs = self.guard_deletes(endpoint, jobs, &mut unit)?;
        let now = self.now();
        for job in &jobs {
            self.mark_sent(endpoint, job, &mut unit, now);
        }
        // Invariant 4 of delivery: durable before the first byte leaves.
        if self.has(Mechanism::IntentBeforeSend) {
            self.commit(unit)?;
        }
        Ok(jobs)
    }

    /// Looks for the records that are to be made. If any are there, what was planned is planned anew; what was refused or parked is
    /// settled.
    async fn plan_again_unless_missing(
        &mut self,
        endpoint: usize,
        intents: &[Intent],
        jobs: Vec<Job>,
    ) -> Result<(Unit, Vec<Job>), SyncError> {
        if self.look_before_create(endpoint, &jobs).await? == 0 {
            return Ok((self.load_unit(jobs.iter().map(|job| job.record))?, jobs));
        }
        let planned: HashSet<RecordId> = jobs.iter().map(|job| job.record).collect();
        let is_planned = |intent: &&Intent| planned.contains(&intent.record);
        let intents: Vec<Intent> = intents.iter().filter(is_planned).copied().collect();
        let (mut unit, jobs) = self.plan_jobs(endpoint, &intents)?;
        let now = self.now();
        let mut left = Vec::with_capacity(jobs.len());
        for job in jobs {
            let side = unit.peek(job.record).and_then(|touched| touched.state.side(endpoint));
            match side.map(|side| side.fenced_until).filter(|until| job.action == Action::Create && *until > now) {
                // What was found may be its copy: nobody can tell before the endpoint shows for certain what is gone.
                Some(until) => {
                    let row = self.intent(IntentState::Planned, until, job.attempts, Action::Create);
                    unit.intents.insert((job.record, endpoint), row);
                }
                None => left.push(job),
            }
        }
        Ok((unit, left))
    }

    /// Whether all writes to an endpoint depend on what its records show, so that they may wait for a moment: whoever changes a
    /// record meanwhile is noticed.
    pub fn is_guarded(&self, endpoint: usize) -> bool {
        let is_read = self.settled.rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_read);
        let guards = |end: &End| {
            end.can_update && end.can_insert && end.references.is_empty() && end.expectable.iter().all(|can| *can)
        };
        is_read
            && self.has(Mechanism::ConditionalWrite)
            && self.settled.rules.lag(endpoint) == 0
            && self.settled.ends.get(endpoint).is_some_and(|end| guards(end))
    }

    /// Begins to make the writes, which are durable as sent.
    pub fn begin_writing(&self, endpoint: usize, jobs: Vec<Job>) -> Result<Writing, SyncError> {
        let end = self.settled.ends.get(endpoint).ok_or_else(|| self.fault("an endpoint is missing"))?;
        Ok(Writing::begin(Batch {
            end: end.clone(),
            jobs,
            safety: self.run.options.safety,
            lease: self.lease(),
            caution: self.caution.clone(),
            is_read_back: self.is_read_back(endpoint),
        }))
    }

    /// Notes what became of writes. Answers whether the endpoint gets more in this pass.
    pub async fn settle_batch(&mut self, turn: &mut Turn, written: Written) -> Result<bool, SyncError> {
        let outcomes = &written.outcomes;
        let done = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Ok { .. })).count() as u64;
        turn.delivered.done += done;
        turn.delivered.failure = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Unknown(failure) | Outcome::Retry(failure) if stops(failure) => Some(failure.clone()),
            _ => None,
        });
        self.settle_outcomes(turn.endpoint, written).await?;
        self.run.observer.written(done);
        Ok(turn.delivered.failure.is_none())
    }

    /// The records of intents, and what is to be written. Intents that owe nothing any more are done.
    pub fn plan_jobs(&mut self, endpoint: usize, intents: &[Intent]) -> Result<(Unit, Vec<Job>), SyncError> {
        let mut unit = self.load_unit(intents.iter().map(|intent| intent.record))?;
        let mut jobs = Vec::with_capacity(intents.len());
        for intent in intents {
            let Some(touched) = unit.peek(intent.record) else { continue };
            let owed = super::work::owed_of(&self.settled, &touched.state, endpoint);
            match self.job(endpoint, intent, &touched.state, owed) {
                Ok(Planned::Job(job)) => match self.undecided_until(endpoint, &job) {
                    // It would be written over what may be somebody's change.
                    Some(until) => {
                        let row = self.intent(IntentState::Planned, until, intent.row.attempts, job.action);
                        unit.intents.insert((intent.record, endpoint), row);
                    }
                    None => jobs.push(job),
                },
                // The commit finds that nothing is owed, and takes the intent away.
                Ok(Planned::Nothing) => unit.get(intent.record).into_iter().for_each(|touched| touched.is_dirty = true),
                Ok(Planned::Parked) => {
                    let due = self.now().saturating_add(1);
                    let row = self.intent(IntentState::Parked, due, intent.row.attempts, Action::Update);
                    unit.intents.insert((intent.record, endpoint), row);
                }
                Err(failure) => self.refuse(endpoint, intent.record, &[], &failure, &mut unit),
            }
        }
        Ok((unit, jobs))
    }

    fn undecided_until(&self, endpoint: usize, job: &Job) -> Option<i64> {
        let until = self.undecided.get(&(endpoint, job.record)).filter(|_| job.action != Action::Create)?;
        Some(*until).filter(|until| *until > self.now() && self.has(Mechanism::SettleFence))
    }

    fn job(&self, endpoint: usize, intent: &Intent, state: &RecordState, owed: Owed) -> Result<Planned, Failure> {
        let Some(end) = self.settled.ends.get(endpoint) else { return Ok(Planned::Nothing) };
        let remote = state.side(endpoint).and_then(|side| side.link.remote()).map(<[u8]>::to_vec);
        let (action, fields) = match owed {
            Owed::Create(fields) => (Action::Create, fields),
            Owed::Update(fields) => (Action::Update, fields),
            Owed::Delete => (Action::Delete, Vec::new()),
            Owed::Archive => (Action::Archive, Vec::new()),
            Owed::Nothing | Owed::Unlink | Owed::Relink => return Ok(Planned::Nothing),
        };
        let patch: Vec<(usize, Value)> =
            fields.iter().filter_map(|field| Some((*field, state.value(*field)?.clone()))).collect();
        let (patch, led) = self.follow_patch(endpoint, state, patch, action)?;
        if patch.is_empty() && matches!(action, Action::Create | Action::Update) {
            return Ok(Planned::Parked);
        }
        let mut columns = self.columns(endpoint, &patch, action)?;
        columns.extend(led);
        if action == Action::Archive {
            let archive = if state.is_live() { &end.archive_on_exit } else { &end.archive };
            columns.extend(archive.clone().map(|(field, value)| (Arc::new(field), value)));
        }
        let expected = self.expected(endpoint, state, action, &fields);
        Ok(Planned::Job(Job {
            record: intent.record,
            action,
            remote: remote.filter(|_| action != Action::Create),
            patch,
            columns,
            expected,
            attempts: intent.row.attempts,
        }))
    }

    /// What a patch points to, by the endpoint's ids. A reference to a record the endpoint does not have yet is left out, to be
    /// written once it is there; if its column must not be empty, the whole record waits. One to a record that is no more is emptied.
    #[allow(clippy::type_complexity, reason = "a patch and its columns")]
    fn follow_patch(
        &self,
        endpoint: usize,
        state: &RecordState,
        mut patch: Vec<(usize, Value)>,
        action: Action,
    ) -> Result<(Vec<(usize, Value)>, Vec<Cell>), Failure> {
        let Some(end) = self.settled.ends.get(endpoint).filter(|end| !end.references.is_empty()) else {
            return Ok((patch, Vec::new()));
        };
        let led = self.lead(end, &patch).map_err(|error| {
            Failure::new(FailureKind::Other, &crate::error::codes::INTERNAL, "lockstep", error.to_string())
        })?;
        let side = state.side(endpoint);
        let shown = |field: usize| side.and_then(|side| side.shadow(field).shown());
        let points = |field: usize| patch.iter().any(|(patched, value)| *patched == field && !value.is_null());
        let missing: Vec<&super::references::Reference> = end
            .references
            .iter()
            .filter(|reference| match led.get(&reference.field) {
                None => patch.iter().any(|(field, _)| *field == reference.field),
                // What has never pointed anywhere is not emptied.
                Some(value) => {
                    value.is_null() && points(reference.field) && shown(reference.field).is_none_or(Value::is_null)
                }
            })
            .collect();
        let must_wait = action == Action::Create
            && end.references.iter().any(|reference| {
                let is_left_out = missing.iter().any(|missing| missing.field == reference.field);
                !reference.remote.nullable && (is_left_out || state.value(reference.field).is_none())
            });
        if must_wait {
            return Ok((Vec::new(), Vec::new()));
        }
        patch.retain(|(field, _)| missing.iter().all(|missing| missing.field != *field));
        // What was emptied is owed still: the record it led to may come back.
        for (field, value) in &mut patch {
            if led.get(field).is_some_and(Value::is_null) {
                *value = Value::Null;
            }
        }
        let columns = end.references.iter().filter_map(|reference| {
            let is_left = patch.iter().any(|(field, _)| *field == reference.field);
            let value = led.get(&reference.field).filter(|_| is_left)?;
            Some((Arc::new(reference.remote.clone()), value.clone()))
        });
        let columns = columns.collect();
        Ok((patch, columns))
    }

    /// The endpoint's columns for a patch.
    fn columns(&self, endpoint: usize, patch: &[(usize, Value)], action: Action) -> Result<Vec<Cell>, Failure> {
        let Some(end) = self.settled.ends.get(endpoint) else { return Ok(Vec::new()) };
        let mut row: Vec<Option<Value>> = vec![None; self.settled.entity.len()];
        for (field, value) in patch {
            if let Some(place) = row.get_mut(*field) {
                *place = Some(value.clone());
            }
        }
        let purpose = if action == Action::Create { Purpose::Create } else { Purpose::Update };
        let written = end.projection.write(&row, purpose).map_err(|rejected| {
            let message = format!("field `{}`: {}", rejected.field, rejected.reason);
            Failure::new(FailureKind::InvalidData, &crate::error::codes::DATA_LOSSY, "lockstep", message)
                .with("field", rejected.field)
        })?;
        let pairs = end.projection.columns().iter().zip(written);
        let columns: Vec<Cell> = pairs.filter_map(|(field, value)| Some((field.clone(), value?))).collect();
        if action == Action::Update
            && let Some((key, _)) = columns.iter().find(|(field, _)| end.key.iter().any(|key| key.name == field.name))
        {
            let message = format!("the key `{}` of a record that is there already cannot be changed", key.name);
            return Err(Failure::new(FailureKind::InvalidData, &crate::error::codes::DATA_KEY, "lockstep", message)
                .with("field", key.name.clone()));
        }
        Ok(columns)
    }

    /// What the record must still show for the write to be made: of an update the fields it changes and those that move together with
    /// them, of a delete everything.
    fn expected(&self, endpoint: usize, state: &RecordState, action: Action, fields: &[usize]) -> Vec<Cell> {
        let mechanism =
            if action == Action::Update { Mechanism::ConditionalWrite } else { Mechanism::ConditionalDelete };
        let (Some(end), Some(side)) = (self.settled.ends.get(endpoint), state.side(endpoint)) else {
            return Vec::new();
        };
        // Of an endpoint that is only written nobody knows what it shows: what is agreed is written whatever it is.
        let is_read = self.settled.rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_read);
        if action == Action::Create || !is_read || !end.can_update || !self.has(mechanism) {
            return Vec::new();
        }
        let mut row: Vec<Option<Value>> = vec![None; self.settled.entity.len()];
        for (field, place) in row.iter_mut().enumerate() {
            if action != Action::Update || self.settled.rules.moves_with(field, fields) {
                *place = side.shadow(field).shown().cloned();
            }
        }
        let Ok(written) = end.projection.write(&row, Purpose::Update) else { return Vec::new() };
        let columns = end.projection.columns().iter().zip(written).zip(&end.expectable);
        let is_key = |field: &Field| end.key.iter().any(|key| key.name == field.name);
        columns
            .filter(|((field, _), expectable)| **expectable && !is_key(field))
            .filter_map(|((field, value), _)| Some((field.clone(), value?)))
            .collect()
    }

    fn mark_sent(&self, endpoint: usize, job: &Job, unit: &mut Unit, now: i64) {
        let kind = match job.action {
            Action::Create => SentKind::Create,
            Action::Update | Action::Archive => SentKind::Update,
            Action::Delete => SentKind::Delete,
        };
        if let Some(touched) = unit.get(job.record)
            && let Some(side) = touched.state.sides.get_mut(endpoint)
        {
            let patch = job.patch.clone();
            side.sent = Some(Box::new(Sent { kind, patch, at: now, shown: Vec::new(), shown_at: None }));
            touched.is_dirty = true;
            let row = self.intent(IntentState::Sent, now, job.attempts, job.action);
            unit.intents.insert((job.record, endpoint), row);
        }
    }

    pub fn intent(&self, state: IntentState, due: i64, attempts: u32, action: Action) -> IntentRow {
        let due = DateTime::<Utc>::from_timestamp_micros(due).unwrap_or(DateTime::<Utc>::MAX_UTC);
        IntentRow { state, due, attempts, deletes: matches!(action, Action::Delete | Action::Archive) }
    }

    /// Updates that cannot be made to depend on what the record shows: it is looked at first, so that what somebody has changed
    /// meanwhile is merged and not overwritten.
    async fn refresh_unguarded(&mut self, endpoint: usize, intents: &[Intent]) -> Result<(), SyncError> {
        let end = self.end(endpoint)?;
        let is_blind = !self.settled.rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_read);
        if is_blind || !self.can_look(endpoint)? || !self.has(Mechanism::ConditionalWrite) {
            return Ok(());
        }
        let unit = self.load_unit(intents.iter().map(|intent| intent.record))?;
        let unguarded = |record: &RecordId| {
            let state = &unit.peek(*record)?.state;
            let side = state.side(endpoint).filter(|side| side.link.is_linked())?;
            let is_unguarded = match super::work::owed_of(&self.settled, state, endpoint) {
                Owed::Update(fields) => {
                    let expected = self.expected(endpoint, state, Action::Update, &fields);
                    let points = |field: &usize| end.references.iter().any(|reference| reference.field == *field);
                    let is_meant = |field: &usize| self.settled.rules.moves_with(*field, &fields) && !points(field);
                    let all = 0..self.settled.entity.len();
                    // Of what it has never shown nobody can expect anything.
                    let is_shown = |field: &usize| {
                        side.shadow(*field).shown().is_some() || self.settled.rules.reads(endpoint, *field)
                    };
                    let shown = all.filter(|field| is_meant(field) && is_shown(field)).count();
                    !end.can_update || expected.len() < shown
                }
                Owed::Delete | Owed::Archive => !end.can_update || end.expectable.iter().any(|can| !can),
                _ => false,
            };
            is_unguarded.then(|| side.link.remote().map(<[u8]>::to_vec)).flatten()
        };
        let remotes: Vec<Vec<u8>> = intents.iter().filter_map(|intent| unguarded(&intent.record)).collect();
        self.put_back(unit);
        if remotes.is_empty() {
            return Ok(());
        }
        self.look_again(endpoint, &remotes).await.map(|_| ())
    }
}

/// Whether a failure is about the endpoint rather than about a record.
fn stops(failure: &Failure) -> bool {
    !matches!(failure.kind, FailureKind::InvalidData | FailureKind::Conflict | FailureKind::NotFound)
}

/// How long to wait before the next attempt: doubling from a second to five minutes.
pub(super) fn back_off(attempts: u32) -> Duration {
    Duration::from_secs(1u64 << attempts.min(8)).min(Duration::from_secs(300))
}

/// A remote id's values by the names of the key.
pub(super) fn key_columns(remote: &[u8], key: &[Field]) -> Option<Vec<(Field, Value)>> {
    let values = remote_values(remote)?;
    (values.len() == key.len()).then(|| key.iter().cloned().zip(values).collect())
}
