//! What can be decided about a hub's records without its plugins: what a conflict is to end with, what a run is taken back to.
//! Whatever is decided here becomes an agreed value like any other; what endpoints are owed of it, the next run writes under the
//! same rules as ever.

mod merging;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

pub use self::merging::{Leftovers, Merged};
use super::book::{Book, normaliser};
use super::questions::outdated;
use crate::error::Explain as _;
use crate::lineage::{Entry, EntryKind, Item};
use crate::project::HubDef;
use crate::record::Value;
use crate::resolve::{
    FieldChange, Life, Link, RecordState, Source, encode, forgive, match_digest, revive, set_by_person,
};
use crate::store::{
    Conflict, ConflictChange, ConflictId, ConflictKind, ConflictState, Counters, EndpointId, EventChange, HubCommit,
    HubStore, IntentRow, IntentState, LineageEntry, LineageId, MatchKey, MatchKeyChange, NewLineage, NewRun, Outcome,
    Presence, RecordId, RunEnd, RunError, RunId, RunKind,
};
use crate::sync::error::SyncError;

/// Entries of a run read together.
const CHUNK: u32 = 5_000;

/// How a conflict is to end.
#[derive(Clone, Debug)]
pub enum Resolution {
    /// Everything stays as it is agreed.
    Current,
    /// What came in counts.
    Incoming,
    /// Neither: these values, by the names of the fields.
    Values(BTreeMap<String, serde_json::Value>),
    /// The record stays, or comes back.
    Keep,
    /// The record goes.
    Delete,
    /// The remote record is this one.
    Link(RecordId),
    /// The remote record is one of its own.
    New,
}

/// What a rollback did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// The run that did it.
    pub run: RunId,
    /// Fields and records that are as they were before the run.
    pub fields: u64,
    pub records: u64,
    /// Fields that somebody has changed since, and that stay: record, field.
    pub kept: Vec<(RecordId, String)>,
    /// Runs that have changed them since.
    pub since: Vec<RunId>,
}

/// A hub's records, open for a decision.
pub struct Decision<'a> {
    book: Book<'a>,
    run: RunId,
    now: DateTime<Utc>,
    commit: HubCommit,
    next_lineage: i64,
}

impl<'a> Decision<'a> {
    /// Begins a decision: a run of its own, in which nothing is read or written.
    pub fn begin(
        store: &'a dyn HubStore,
        def: &'a HubDef,
        kind: RunKind,
        now: DateTime<Utc>,
    ) -> Result<Self, SyncError> {
        let names: Vec<String> = def.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
        let new = NewRun { sync: def.name.to_string(), kind, started_at: now, plugins: Vec::new() };
        let run = store.begin_run(&new)?;
        let state = store.open_hub(def.name.as_str(), &names)?;
        let (epoch, next) = (state.epoch, state.next_lineage.0);
        let book = Book::open(store, def)?;
        let commit = HubCommit::new(run, now, epoch, Counters::default());
        Ok(Self { book: Book { state, ..book }, run, now, commit, next_lineage: next })
    }

    /// The run it is.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Ends a conflict. Answers the record it was about.
    pub fn resolve(mut self, id: ConflictId, resolution: &Resolution) -> Result<RecordId, SyncError> {
        let outcome = self.resolved(id, resolution);
        self.end(outcome)
    }

    fn resolved(&mut self, id: ConflictId, resolution: &Resolution) -> Result<RecordId, SyncError> {
        let conflict = self.book.store.conflict(id)?;
        if conflict.conflict.state != ConflictState::Open || conflict.conflict.sync != self.book.def.name.as_str() {
            return Err(SyncError::ConflictClosed { conflict: id.0, state: conflict.conflict.state.name().to_owned() });
        }
        let record = conflict.conflict.record;
        let told = match conflict.conflict.kind {
            ConflictKind::Field | ConflictKind::Oscillation => self.resolve_fields(&conflict, resolution)?,
            ConflictKind::Delete => self.resolve_delete(&conflict, resolution)?,
            ConflictKind::Match | ConflictKind::Duplicate => self.resolve_match(&conflict, resolution)?,
        };
        let resolution = serde_json::json!({"by": "a person", "decision": told}).to_string();
        self.commit.conflicts.push(ConflictChange::Close { id, state: ConflictState::Resolved, resolution });
        Ok(record)
    }

    fn unfit(&self, conflict: &Conflict, possible: &str) -> SyncError {
        SyncError::Unresolvable {
            conflict: conflict.id.0,
            kind: conflict.conflict.kind.name().to_owned(),
            possible: possible.to_owned(),
        }
    }

    pub(super) fn state(&self, record: RecordId) -> Result<RecordState, SyncError> {
        self.book.record(record)?.ok_or_else(|| self.book.fault(format_args!("record {} is not there", record.0)))
    }

    fn resolve_fields(&mut self, conflict: &Conflict, resolution: &Resolution) -> Result<String, SyncError> {
        let body: serde_json::Value = serde_json::from_str(&conflict.conflict.body).unwrap_or_default();
        let side = |name: &str| -> BTreeMap<String, serde_json::Value> {
            body.get(name).and_then(|values| serde_json::from_value(values.clone()).ok()).unwrap_or_default()
        };
        let (told, chosen) = match resolution {
            Resolution::Current => ("current", BTreeMap::new()),
            Resolution::Incoming => ("incoming", side("incoming")),
            Resolution::Values(values) => ("values", values.clone()),
            _ => return Err(self.unfit(conflict, "`--take current`, `--take incoming`, `--set FIELD=VALUE`")),
        };
        let mut disputed = side("incoming");
        disputed.extend(side("current"));
        if let Some(stranger) = chosen.keys().find(|name| !disputed.contains_key(*name)) {
            let names: Vec<String> = disputed.keys().map(|name| format!("`{name}`")).collect();
            let reason = format!("conflict {} is about {}", conflict.id.0, names.join(", "));
            return Err(SyncError::Unsettable { field: stranger.clone(), reason });
        }
        let record = conflict.conflict.record;
        let mut state = self.state(record)?;
        // What is agreed may have changed since the conflict came up: where nothing else is chosen, it stays as it is today.
        let mut values = self.values(&chosen)?;
        let today = disputed.keys().filter(|name| !chosen.contains_key(*name)).filter_map(|name| self.book.place(name));
        values.extend(today.filter_map(|field| Some((field, state.value(field)?.clone()))));
        self.set(record, &mut state, &values, EntryKind::Person, told);
        Ok(told.to_owned())
    }

    /// Values by the names of their fields, in the entity's terms.
    pub(super) fn values(&self, named: &BTreeMap<String, serde_json::Value>) -> Result<Vec<(usize, Value)>, SyncError> {
        let mut values = Vec::with_capacity(named.len());
        for (name, json) in named {
            let unsettable = |reason| SyncError::Unsettable { field: name.clone(), reason };
            let at = self.book.place(name).and_then(|at| Some((at, self.book.entity.get(at)?)));
            let Some((at, field)) = at else { return Err(unsettable("the entity has no such field".to_owned())) };
            values.push((at, Value::from_json(json, field.logical).map_err(unsettable)?));
        }
        Ok(values)
    }

    /// Sets agreed values, tells of it and queues what follows.
    pub(super) fn set(
        &mut self,
        record: RecordId,
        state: &mut RecordState,
        values: &[(usize, Value)],
        kind: EntryKind,
        note: &str,
    ) {
        let before = state.clone();
        let changes = set_by_person(state, values, self.now.timestamp_micros(), self.next_lineage);
        let fields: Vec<usize> = values.iter().map(|(field, _)| *field).collect();
        forgive(state, &self.book.with_groups(&fields));
        let items = changes.into_iter().map(item).collect();
        self.keep(record, &before, state, kind, items, note);
    }

    /// A record that was decided about: what every endpoint is owed is looked at by the next run.
    fn keep(
        &mut self,
        record: RecordId,
        before: &RecordState,
        state: &mut RecordState,
        kind: EntryKind,
        items: Vec<Item>,
        note: &str,
    ) {
        let mut entry = Entry::new(kind, 0, state.lineage);
        entry.items = items;
        entry.note = note.to_owned();
        state.lineage = self.next_lineage;
        self.next_lineage += 1;
        self.commit.lineage.push(NewLineage { record, body: entry.encode() });
        for (side, id) in state.sides.iter_mut().zip(&self.book.ids) {
            if side.sent.is_none() {
                side.is_queued = true;
                let row = IntentRow { state: IntentState::Planned, due: self.now, attempts: 0, deletes: false };
                self.commit.intents.push((EndpointId(*id), record, Some(row)));
            }
        }
        let keys = |state: &RecordState| self.keys(state);
        for (old, new) in keys(before).into_iter().zip(keys(state)).filter(|(old, new)| old != new) {
            let change = |key, presence| MatchKeyChange { key, record, presence };
            self.commit.match_keys.extend(old.map(|key| change(key, Presence::Absent)));
            self.commit.match_keys.extend(new.map(|key| change(key, Presence::Present)));
        }
        self.commit.records.push((record, encode(state, &self.book.ids)));
    }

    fn keys(&self, state: &RecordState) -> Vec<Option<MatchKey>> {
        let place = |name: &str| self.book.entity.iter().position(|field| field.name == name);
        let matching = &self.book.def.matching;
        let block = matching.scored.as_ref().map(|scored| &scored.block);
        let rules = matching.exact.iter().map(|rule| &rule.fields).chain(block);
        rules
            .enumerate()
            .map(|(number, fields)| {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|field| (place(&field.field).and_then(|at| state.value(at)), normaliser(field.normalise)))
                    .collect();
                match_digest(number, &fields).map(MatchKey)
            })
            .collect()
    }

    fn resolve_delete(&mut self, conflict: &Conflict, resolution: &Resolution) -> Result<String, SyncError> {
        let record = conflict.conflict.record;
        let mut state = self.state(record)?;
        let before = state.clone();
        let told = match resolution {
            Resolution::Keep => {
                revive(&mut state, self.next_lineage, |_| None);
                "kept"
            }
            Resolution::Delete => {
                state.life = Life::Deleted { at: self.now.timestamp_micros(), by: Source::Person };
                state.version += 1;
                for side in &mut state.sides {
                    side.delete_held = false;
                    side.held.clear();
                }
                "deleted"
            }
            _ => return Err(self.unfit(conflict, "`--keep`, `--delete`")),
        };
        // It is decided for all endpoints: whoever edited the record or missed it as well need not be asked.
        for other in self.book.conflicts_of(record)? {
            let is_about_it = other.conflict.kind == ConflictKind::Delete
                || (told == "deleted" && other.conflict.kind == ConflictKind::Field);
            if is_about_it && other.id != conflict.id && other.conflict.state == ConflictState::Open {
                self.commit.conflicts.push(outdated(other.id));
            }
        }
        let kind = if told == "kept" { EntryKind::Revived } else { EntryKind::Deleted };
        let items = changes(&before, &state).into_iter().map(item).collect();
        self.keep(record, &before, &mut state, kind, items, told);
        Ok(told.to_owned())
    }

    fn resolve_match(&mut self, conflict: &Conflict, resolution: &Resolution) -> Result<String, SyncError> {
        let body: serde_json::Value = serde_json::from_str(&conflict.conflict.body).unwrap_or_default();
        let name = body.get("endpoint").and_then(|name| name.as_str()).unwrap_or_default();
        let endpoint = self.book.def.endpoints.iter().position(|endpoint| endpoint.name == name);
        let remote = body.get("remote").and_then(|remote| remote.as_str()).and_then(from_hex);
        let (Some(endpoint), Some(remote)) = (endpoint, remote) else {
            return self.resolve_create(conflict, resolution);
        };
        let endpoint_id = EndpointId(self.book.ids.get(endpoint).copied().unwrap_or_default());
        let (record, told) = match resolution {
            Resolution::Link(record) => (*record, format!("linked to record {}", record.0)),
            Resolution::New => (self.book.state.next_record, "a record of its own".to_owned()),
            _ => return Err(self.unfit(conflict, "`--link RECORD`, `--new`")),
        };
        let fields = self.book.entity.len();
        let mut state = match resolution {
            Resolution::New => RecordState::new(fields, self.book.ids.len()),
            _ => self.state(record)?,
        };
        let before = state.clone();
        let Some(side) = state.sides.get_mut(endpoint) else { return Err(self.book.fault("an endpoint is missing")) };
        if side.link.is_linked() {
            return Err(SyncError::Unresolvable {
                conflict: conflict.id.0,
                kind: format!("record {} already has another record of `{name}`", record.0),
                possible: "`--new`".to_owned(),
            });
        }
        side.link = Link::Linked(remote.clone().into());
        self.keep(record, &before, &mut state, EntryKind::Linked, Vec::new(), &told);
        self.commit.links.push((endpoint_id, remote.clone(), Some(record)));
        // The event that waits is looked at again at once.
        let waiting = self.book.store.due_events(endpoint_id, DateTime::<Utc>::MAX_UTC, CHUNK)?;
        if let Some(event) = waiting.into_iter().find(|event| event.remote == remote) {
            self.commit.events.push(EventChange::Wait {
                endpoint: endpoint_id,
                remote,
                due: self.now,
                reason: event.reason,
                body: event.body,
            });
        }
        Ok(told)
    }

    /// A create nobody answered: it is made again, or it was made.
    fn resolve_create(&mut self, conflict: &Conflict, resolution: &Resolution) -> Result<String, SyncError> {
        if !matches!(resolution, Resolution::New) {
            return Err(self.unfit(conflict, "`--new`"));
        }
        let record = conflict.conflict.record;
        let mut state = self.state(record)?;
        let before = state.clone();
        state.sides.iter_mut().for_each(|side| side.sent = None);
        self.keep(record, &before, &mut state, EntryKind::Person, Vec::new(), "made anew");
        Ok("made anew".to_owned())
    }

    /// Takes back what a run agreed on: every field it set, unless somebody has set it since, every record it made or deleted.
    pub fn rollback(mut self, run: RunId) -> Result<RolledBack, SyncError> {
        let outcome = self.rolled_back(run);
        self.end(outcome)
    }

    fn rolled_back(&mut self, run: RunId) -> Result<RolledBack, SyncError> {
        let mut by_record: BTreeMap<RecordId, Vec<LineageEntry>> = BTreeMap::new();
        let mut after = None;
        loop {
            let found = self.book.store.lineage_of_run(run, after, CHUNK)?;
            let Some(last) = found.last() else { break };
            after = Some(last.id);
            for entry in found.into_iter().filter(|entry| entry.sync == self.book.def.name.as_str()) {
                by_record.entry(entry.record).or_default().push(entry);
            }
        }
        let mut done = RolledBack { run: self.run, fields: 0, records: 0, kept: Vec::new(), since: Vec::new() };
        if let Some(pair) = Self::pair(&by_record) {
            let (fields, kept) = self.unmerge(&pair)?;
            let kept = kept.into_iter().map(|field| (pair.into, field)).collect();
            return Ok(RolledBack { fields, records: 1, kept, ..done });
        }
        for (record, entries) in by_record {
            self.take_back(record, &entries, &mut done)?;
        }
        done.since.sort_unstable();
        done.since.dedup();
        Ok(done)
    }

    fn take_back(
        &mut self,
        record: RecordId,
        entries: &[LineageEntry],
        done: &mut RolledBack,
    ) -> Result<(), SyncError> {
        let Some(mut state) = self.book.record(record)? else {
            // Who was dead for long enough is forgotten, and stays dead.
            done.kept.push((record, "(the record is forgotten)".to_owned()));
            return Ok(());
        };
        let before = state.clone();
        let mut values: BTreeMap<usize, Option<Value>> = BTreeMap::new();
        let (mut was_created, mut was_deleted, mut was_revived) = (false, false, false);
        // The oldest entry of the run knows what was before it; the newest is what must still stand.
        for stored in entries {
            let Some(entry) = Entry::decode(&stored.body) else { continue };
            was_created |= entry.kind == EntryKind::Created;
            was_deleted |= entry.kind == EntryKind::Deleted;
            was_revived |= entry.kind == EntryKind::Revived;
            if !matches!(entry.kind, EntryKind::Wrote | EntryKind::WroteNew | EntryKind::WroteDelete | EntryKind::Form)
            {
                for item in entry.items.into_iter().filter(|item| item.before != item.after) {
                    values.entry(item.field).or_insert(item.before);
                }
            }
        }
        let last = entries.last().map_or(0, |entry| entry.id.0);
        let mut set = Vec::new();
        for (field, value) in values {
            let Some(canon) = state.canon.get(field) else { continue };
            if canon.lineage > last {
                let name = self.book.entity.get(field).map(|field| field.name.clone()).unwrap_or_default();
                done.kept.push((record, name));
                let entry = self.book.store.lineage(&[LineageId(canon.lineage)])?;
                done.since.extend(entry.first().map(|entry| entry.run));
                continue;
            }
            set.push((field, value.unwrap_or(Value::Null)));
        }
        if was_created && !was_deleted {
            state.life = Life::Deleted { at: self.now.timestamp_micros(), by: Source::Person };
            state.version += 1;
            done.records += 1;
            self.keep(record, &before, &mut state, EntryKind::Rollback, Vec::new(), "the record was new");
            return Ok(());
        }
        if was_deleted && !was_revived && !state.is_live() {
            revive(&mut state, self.next_lineage, |_| None);
            done.records += 1;
        }
        if set.is_empty() && state == before {
            return Ok(());
        }
        done.fields += set.len() as u64;
        self.set(record, &mut state, &set, EntryKind::Rollback, "taken back");
        Ok(())
    }

    /// Makes the decision durable, or ends its run as one that failed.
    pub(super) fn end<T>(self, outcome: Result<T, SyncError>) -> Result<T, SyncError> {
        let store = self.book.store;
        let outcome = outcome.and_then(|done| Ok(store.commit_hub(&self.commit).map(|()| done)?));
        let error = outcome.as_ref().err();
        let end = RunEnd {
            outcome: if error.is_none() { Outcome::Succeeded } else { Outcome::Failed },
            ended_at: self.now,
            counters: Counters::default(),
            error: error.map(|error| RunError { code: error.code().id.to_owned(), message: error.to_string() }),
            compared: false,
        };
        let finished = store.finish_run(self.run, &end);
        let done = outcome?;
        finished?;
        Ok(done)
    }
}

/// Bytes as hexadecimal digits, for bodies that are JSON.
/// Agreed values that differ.
fn changes(before: &RecordState, after: &RecordState) -> Vec<FieldChange> {
    let pairs = before.values().into_iter().zip(after.values()).enumerate();
    pairs
        .filter(|(_, (old, new))| old != new)
        .map(|(field, (before, after))| FieldChange { field, before, after })
        .collect()
}

fn item(change: FieldChange) -> Item {
    let FieldChange { field, before, after } = change;
    Item { field, verdict: None, base: None, before, incoming: None, after }
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
