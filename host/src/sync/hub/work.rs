//! A run in progress: who we are to the store, what is touched, and how it becomes durable.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::ahead::{Fetching, Listing};
use super::deliver::Action;
use super::seen::Digester;
use super::setup::{End, Settled};
use super::unit::{Touched, Unit};
use super::warm::Warm;
use super::writing::Lease;
use super::{Hub, HubRun};
use crate::lineage::{EndRows, Entry, EntryKind};
use crate::record::{Field, Value, read_value, write_value};
use crate::resolve::{Link, Mechanism, Owed, RecordState, Segment, Sent, Shadow, Side, decode, encode, owed};
use crate::store::{
    Conflict, Counters, EndpointId, EndpointState, EndpointUpdate, Epoch, HubCommit, HubState, IntentRow, IntentState,
    KeyDigest, NewLineage, RecordId, RecordQuery, RunId,
};
use crate::sync::error::SyncError;
use crate::sync::retry::Caution;

/// Pages without news that are read at most before how far they go is durable, and for how long.
const UNSAVED_PAGES: usize = 16;
const UNSAVED_TIME: TimeDelta = TimeDelta::seconds(5);

pub(super) struct Work<'a> {
    pub hub: &'a Hub,
    pub run: &'a HubRun,
    pub id: RunId,
    pub settled: Settled,
    pub epoch: Epoch,
    pub endpoints: Vec<EndpointState>,
    /// The endpoints' ids, as bodies know them.
    pub ids: Vec<i64>,
    pub next_record: i64,
    pub next_lineage: i64,
    pub counters: Counters,
    /// By endpoint.
    pub rows: Vec<EndRows>,
    pub caution: Caution,
    /// Whether the entity's fields are pinned as they are now.
    pub is_pinned: bool,
    /// How far endpoints have come without anything else to make durable, and when anything was last.
    unsaved: Vec<EndpointUpdate>,
    saved_at: DateTime<Utc>,
    /// Keys of this run's dead letters.
    pub letters: HashSet<KeyDigest>,
    /// Deletes this run has let pass, by endpoint.
    pub deleted: HashMap<usize, u64>,
    /// Deletes that wait for approval.
    pub held: Vec<crate::sync::report::HeldDeletes>,
    /// Keys with an open dead letter.
    pub open_letters: HashSet<KeyDigest>,
    /// What a person was asked about remote records that may be several of ours, by its subject.
    pub questions: HashMap<String, Conflict>,
    /// Records about which a person was asked something.
    pub disputed: HashSet<RecordId>,
    /// Endpoints that could not be asked or written in this run.
    pub failed: std::collections::BTreeSet<usize>,
    /// Endpoints of which this run has seen every record.
    pub enumerated: HashSet<usize>,
    /// Records whose deletion was approved in this run, wherever it is carried out.
    pub approved: HashSet<RecordId>,
    /// Records as they were last made durable.
    pub warm: Warm,
    /// Readings that have begun before their turn.
    pub ahead: HashMap<usize, Fetching>,
    pub listings: HashMap<usize, Listing>,
    /// Until when it cannot be decided about what an endpoint says of a record.
    pub undecided: HashMap<(usize, RecordId), i64>,
    pub digester: Digester,
}

impl<'a> Work<'a> {
    pub fn new(hub: &'a Hub, run: &'a HubRun, id: RunId, settled: Settled, state: HubState) -> Self {
        let is_pinned = state.pin.as_deref() == Some(settled.pin.as_str());
        let failed = settled.absent.keys().copied().collect();
        Self {
            hub,
            run,
            id,
            settled,
            epoch: state.epoch,
            ids: state.endpoints.iter().map(|endpoint| endpoint.id.0).collect(),
            endpoints: state.endpoints,
            next_record: state.next_record.0,
            next_lineage: state.next_lineage.0,
            counters: Counters::default(),
            rows: vec![EndRows::default(); hub.ends.len()],
            caution: Caution::of(hub.def.name.as_str(), &run.world, &run.observer, &run.interrupt),
            is_pinned,
            unsaved: Vec::new(),
            saved_at: run.world.clock.now(),
            letters: HashSet::new(),
            deleted: HashMap::new(),
            held: Vec::new(),
            open_letters: HashSet::new(),
            questions: HashMap::new(),
            disputed: HashSet::new(),
            failed,
            enumerated: HashSet::new(),
            approved: HashSet::new(),
            warm: Warm::default(),
            ahead: HashMap::new(),
            listings: HashMap::new(),
            undecided: HashMap::new(),
            digester: Digester::new(&*run.world.random),
        }
    }

    /// Counts rows of an endpoint.
    pub fn count(&mut self, endpoint: usize, count: impl FnOnce(&mut EndRows)) {
        self.rows.get_mut(endpoint).map(count);
    }

    pub fn name(&self) -> &str {
        self.hub.def.name.as_str()
    }

    pub fn has(&self, mechanism: Mechanism) -> bool {
        self.run.options.safety.has(mechanism)
    }

    /// Whether nobody has taken over meanwhile.
    pub fn holds_lease(&self) -> bool {
        self.lease().is_held()
    }

    pub fn lease(&self) -> Lease {
        let (store, sync) = (self.run.store.clone(), self.name().to_owned());
        Lease { store, sync, epoch: self.epoch, is_checked: self.has(Mechanism::Fencing) }
    }

    /// Microseconds since 1970.
    pub fn now(&self) -> i64 {
        self.run.world.clock.now().timestamp_micros()
    }

    pub fn end(&self, endpoint: usize) -> Result<&End, SyncError> {
        self.settled.ends.get(endpoint).map(Arc::as_ref).ok_or_else(|| self.fault("an endpoint is missing"))
    }

    pub fn endpoint_id(&self, endpoint: usize) -> EndpointId {
        EndpointId(self.ids.get(endpoint).copied().unwrap_or_default())
    }

    pub fn fault(&self, what: impl std::fmt::Display) -> SyncError {
        SyncError::internal(self.name(), what)
    }

    /// Reads a record's body.
    pub fn decode(&self, id: RecordId, body: &[u8]) -> Result<RecordState, SyncError> {
        decode(body, &self.ids, self.settled.entity.len())
            .ok_or_else(|| self.fault(format_args!("record {} makes no sense", id.0)))
    }

    /// Puts records into a unit that are not there yet.
    pub fn take_bodies(&self, unit: &mut Unit, bodies: BTreeMap<RecordId, Vec<u8>>) -> Result<(), SyncError> {
        unit.reserve(bodies.len());
        for (id, body) in bodies {
            if unit.peek(id).is_none() {
                let state = self.warm.take(id).map_or_else(|| self.decode(id, &body), Ok)?;
                // Unless another has taken over: then the next commit fails.
                debug_assert!(
                    self.decode(id, &body).is_ok_and(|stored| stored == state) || !self.holds_lease(),
                    "what is warm is what is stored"
                );
                self.take_state(unit, id, state);
            }
        }
        Ok(())
    }

    fn take_state(&self, unit: &mut Unit, id: RecordId, state: RecordState) {
        let matched = self.matched(&state);
        unit.put(id, state, Some(matched));
    }

    /// A unit with these records in it.
    pub fn load_unit(&self, records: impl Iterator<Item = RecordId>) -> Result<Unit, SyncError> {
        let mut unit = Unit::default();
        let mut cold = Vec::new();
        for id in records {
            // In tests all are read, and what is warm is compared with what is stored.
            let warm = if cfg!(debug_assertions) { None } else { self.warm.take(id) };
            match warm {
                Some(state) => self.take_state(&mut unit, id, state),
                None => cold.push(id),
            }
        }
        if !cold.is_empty() {
            let query = RecordQuery { sync: self.name().to_owned(), records: cold, ..RecordQuery::default() };
            self.take_bodies(&mut unit, self.run.store.load_records(&query)?.bodies)?;
        }
        Ok(unit)
    }

    /// Gives back a unit that was only looked at.
    pub fn put_back(&self, unit: Unit) {
        let untouched = unit.records.into_iter().filter(|(_, touched)| touched.is_untouched);
        self.warm.keep(untouched.map(|(id, touched)| (id, touched.state)).collect());
    }

    /// Adds an entry to the lineage and makes it the newest of its record.
    pub fn tell(&self, unit: &mut Unit, record: RecordId, mut entry: Entry) {
        let id = self.next_lineage + unit.lineage.len() as i64;
        if let Some(touched) = unit.get(record) {
            entry.previous = touched.state.lineage;
            touched.state.lineage = id;
            touched.is_dirty = true;
        }
        unit.lineage.push(NewLineage { record, body: entry.encode() });
    }

    /// Whether an endpoint is to have a record.
    pub fn segment(&self, endpoint: usize, values: &dyn Fn(usize) -> Option<Value>) -> Result<Segment, String> {
        segment_of(&self.settled, endpoint, values)
    }

    pub fn owed(&self, state: &RecordState, endpoint: usize) -> Owed {
        owed_of(&self.settled, state, endpoint)
    }

    /// How far an endpoint has come becomes durable with whatever is next: what it said since said nothing new, and says nothing new
    /// when it is read once more.
    pub fn progress(&mut self, update: EndpointUpdate) -> Result<(), SyncError> {
        self.unsaved.push(update);
        let is_recent = self.run.world.clock.now() - self.saved_at < UNSAVED_TIME;
        if self.is_pinned && is_recent && self.unsaved.len() < UNSAVED_PAGES { Ok(()) } else { self.save_progress() }
    }

    pub fn save_progress(&mut self) -> Result<(), SyncError> {
        let endpoints = std::mem::take(&mut self.unsaved);
        if endpoints.is_empty() { Ok(()) } else { self.commit(Unit { endpoints, ..Unit::default() }) }
    }

    /// Makes a unit durable: records, what everybody is owed, links, lineage and cursors together (Invariant 9).
    pub fn commit(&mut self, mut unit: Unit) -> Result<(), SyncError> {
        if unit.is_empty() && self.is_pinned {
            self.put_back(unit);
            return Ok(());
        }
        let at = self.run.world.clock.now();
        let mut commit = HubCommit::new(self.id, at, self.epoch, self.counters);
        if !self.is_pinned {
            commit.pin = Some(self.settled.pin.clone());
        }
        let mut durable = Vec::with_capacity(unit.order.len());
        for id in std::mem::take(&mut unit.order) {
            durable.extend(self.settle_record(&mut unit, id, &mut commit)?.map(|state| (id, state)));
        }
        commit.endpoints = std::mem::take(&mut self.unsaved);
        commit.endpoints.extend(unit.endpoints);
        commit.links = unit.freed.into_iter().map(|(endpoint, remote)| (endpoint, remote, None)).collect();
        let of_endpoint = |(endpoint, links): (EndpointId, BTreeMap<Vec<u8>, Option<RecordId>>)| {
            links.into_iter().map(move |(remote, record)| (endpoint, remote, record))
        };
        commit.links.extend(unit.links.into_iter().flat_map(of_endpoint));
        commit.events = unit.events;
        commit.conflicts = unit.conflicts;
        commit.dead_letters = unit.letters;
        commit.written_keys.extend(unit.written_keys);
        commit.hold_applied = unit.hold_applied;
        commit.resolved = unit.resolved;
        commit.lineage = unit.lineage;
        let told = commit.lineage.len() as i64;
        if !self.has(Mechanism::Fencing) {
            commit.epoch = self.run.store.hub_state(self.name(), &[])?.epoch;
        }
        self.run.store.commit_hub(&commit)?;
        self.warm.keep(durable);
        self.next_lineage += told;
        self.is_pinned = true;
        self.saved_at = at;
        Ok(())
    }

    /// Answers the record as it is going to be stored, or is.
    fn settle_record(
        &self,
        unit: &mut Unit,
        id: RecordId,
        commit: &mut HubCommit,
    ) -> Result<Option<RecordState>, SyncError> {
        let Some(mut touched) = unit.records.remove(&id) else { return Ok(None) };
        for endpoint in 0..self.ids.len() {
            let mut owed = self.owed(&touched.state, endpoint);
            if self.unlink_or_relink(unit, id, &mut touched, endpoint, &owed) {
                owed = self.owed(&touched.state, endpoint);
            }
            let fixed = unit.intents.remove(&(id, endpoint));
            self.queue(id, &mut touched, endpoint, &owed, fixed, commit);
        }
        if !touched.is_dirty {
            return Ok(Some(touched.state).filter(|_| touched.is_untouched));
        }
        self.settle_match_keys(id, &touched, commit);
        commit.records.push((id, encode(&touched.state, &self.ids)));
        Ok(Some(touched.state))
    }

    /// What needs no write is done at once. Answers whether there was anything.
    fn unlink_or_relink(
        &self,
        unit: &mut Unit,
        id: RecordId,
        touched: &mut Touched,
        endpoint: usize,
        owed: &Owed,
    ) -> bool {
        let fields = touched.state.canon.len();
        let previous = touched.state.lineage;
        let is_looked_at = *owed == Owed::Relink && self.is_read_back(endpoint);
        let Some(side) = touched.state.sides.get_mut(endpoint) else { return false };
        let kind = match (owed, side.link.remote().map(<[u8]>::to_vec)) {
            (Owed::Unlink, Some(remote)) => {
                side.link = Link::Left(remote.into());
                EntryKind::Unlinked
            }
            (Owed::Relink, Some(remote)) => {
                match is_looked_at {
                    // What was changed there meanwhile is an edit like any other: it is one of ours once it has been looked at.
                    true => drop(unit.intents.insert((id, endpoint), self.look_at(endpoint, side))),
                    false => {
                        side.link = Link::Linked(remote.into());
                        side.shadow = vec![Shadow::Absent; fields];
                    }
                }
                EntryKind::Linked
            }
            _ => return false,
        };
        let entry = Entry::new(kind, self.ids.get(endpoint).copied().unwrap_or_default(), previous);
        touched.state.lineage = self.next_lineage + unit.lineage.len() as i64;
        unit.lineage.push(NewLineage { record: id, body: entry.encode() });
        touched.is_dirty = true;
        true
    }

    /// Has a copy looked at as soon as that shows what is there now.
    pub fn look_at(&self, endpoint: usize, side: &mut Side) -> IntentRow {
        let now = self.now();
        side.sent = Some(Box::new(Sent::look(now)));
        let due = now.saturating_add(self.settled.rules.lag(endpoint));
        self.intent(IntentState::Unknown, due, 0, Action::Update)
    }

    /// At most one intent per record and endpoint, and only while something is owed.
    fn queue(
        &self,
        id: RecordId,
        touched: &mut Touched,
        endpoint: usize,
        owed: &Owed,
        fixed: Option<IntentRow>,
        commit: &mut HubCommit,
    ) {
        let endpoint_id = self.endpoint_id(endpoint);
        let is_changed = touched.is_changed;
        let Some(side) = touched.state.sides.get_mut(endpoint) else { return };
        let wants = !matches!(owed, Owed::Nothing | Owed::Unlink | Owed::Relink);
        if let Some(row) = fixed.filter(|row| wants || row.state != IntentState::Planned) {
            touched.is_dirty |= !side.is_queued;
            side.is_queued = true;
            return commit.intents.push((endpoint_id, id, Some(row)));
        }
        if side.sent.is_some() {
            return;
        }
        match (wants, side.is_queued) {
            (true, queued) if !queued || is_changed => {
                touched.is_dirty |= !queued;
                side.is_queued = true;
                let deletes = matches!(owed, Owed::Delete | Owed::Archive);
                let row = IntentRow { state: IntentState::Planned, due: commit.at, attempts: 0, deletes };
                commit.intents.push((endpoint_id, id, Some(row)));
            }
            (false, true) => {
                side.is_queued = false;
                touched.is_dirty = true;
                commit.intents.push((endpoint_id, id, None));
                // Nobody has to help with a write that is no longer needed.
                commit.written_keys.extend(self.open_write_letter(endpoint, id));
            }
            _ => {}
        }
    }

    pub fn new_record(&mut self) -> RecordId {
        let id = RecordId(self.next_record);
        self.next_record += 1;
        id
    }
}

fn segment_of(settled: &Settled, endpoint: usize, values: &dyn Fn(usize) -> Option<Value>) -> Result<Segment, String> {
    let Some(filter) = settled.ends.get(endpoint).and_then(|end| end.filter.as_ref()) else {
        return Ok(Segment::Inside);
    };
    let bindings: Vec<Value> = (0..settled.entity.len()).map(|field| values(field).unwrap_or(Value::Null)).collect();
    match filter.evaluate_bool(&bindings) {
        Ok(true) => Ok(Segment::Inside),
        Ok(false) => Ok(Segment::Outside),
        Err(error) => Err(error.to_string()),
    }
}

/// What an endpoint is owed of a record. A filter that fails owes nothing.
pub(super) fn owed_of(settled: &Settled, state: &RecordState, endpoint: usize) -> Owed {
    match segment_of(settled, endpoint, &|field| state.value(field).cloned()) {
        Ok(segment) => owed(state, endpoint, &settled.rules, segment),
        Err(_) => Owed::Nothing,
    }
}

/// A remote id: the values of the key in its order.
pub(super) fn remote_id(values: &[&Value]) -> Vec<u8> {
    let mut id = Vec::with_capacity(values.len() * 10);
    values.iter().for_each(|value| write_value(&mut id, value));
    id
}

/// The values of a remote id; none if it is none.
pub(super) fn remote_values(mut remote: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    while !remote.is_empty() {
        values.push(read_value(&mut remote)?);
    }
    Some(values)
}

/// A remote id for people: JSON of its values as texts.
pub(super) fn remote_text(remote: &[u8], key: &[Field]) -> String {
    let values = remote_values(remote).unwrap_or_default();
    let texts: Vec<serde_json::Value> = values
        .iter()
        .zip(key)
        .map(|(value, field)| match value.to_json(field.logical) {
            serde_json::Value::String(text) => text.into(),
            serde_json::Value::Null => serde_json::Value::Null,
            other => other.to_string().into(),
        })
        .collect();
    serde_json::Value::Array(texts).to_string()
}
