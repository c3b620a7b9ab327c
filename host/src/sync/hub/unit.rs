//! What is decided about together, until it is durable.

use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::by_record::{ByCopy, ByRecord};
use super::identify::Matched;
use super::questions::is_question;
use crate::resolve::RecordState;
use crate::store::{
    ConflictChange, ConflictState, EndpointId, EndpointUpdate, EventChange, IntentRow, KeyDigest, MatchKey,
    NewConflict, NewDeadLetter, NewLineage, RecordId,
};

/// Records that are decided about together, and everything that becomes durable with them.
#[derive(Default)]
pub(super) struct Unit {
    pub order: Vec<RecordId>,
    pub records: ByRecord<Touched>,
    pub lineage: Vec<NewLineage>,
    pub links: BTreeMap<EndpointId, BTreeMap<Vec<u8>, Option<RecordId>>>,
    /// Remote records that go from one record to another.
    pub freed: Vec<(EndpointId, Vec<u8>)>,
    /// Match keys of records this unit made or changed.
    pub keys: HashMap<MatchKey, Vec<RecordId>>,
    pub events: Vec<EventChange>,
    pub conflicts: Vec<ConflictChange>,
    /// Records about which it asks a person.
    pub asked: HashSet<RecordId>,
    /// Remote records of which it asks which record they are, as conflicts name them.
    pub questions: HashSet<String>,
    pub endpoints: Vec<EndpointUpdate>,
    pub letters: Vec<NewDeadLetter>,
    pub written_keys: Vec<KeyDigest>,
    /// Intents that are what they are whatever the record says: sent, unknown, refused.
    pub intents: ByCopy<IntentRow>,
    pub hold_applied: Option<crate::store::HoldId>,
    pub resolved: Vec<crate::store::DeadLetterId>,
}

/// A record in memory.
pub(super) struct Touched {
    pub state: RecordState,
    /// The values of the match fields when it was loaded; none if it is new.
    pub matched: Option<Vec<Matched>>,
    pub is_dirty: bool,
    /// Something was agreed anew: whatever was refused or parked is tried again.
    pub is_changed: bool,
    /// Nobody could have changed it.
    pub is_untouched: bool,
}

impl Unit {
    pub fn get(&mut self, id: RecordId) -> Option<&mut Touched> {
        let touched = self.records.get_mut(&id)?;
        touched.is_untouched = false;
        Some(touched)
    }

    pub fn peek(&self, id: RecordId) -> Option<&Touched> {
        self.records.get(&id)
    }

    pub fn reserve(&mut self, records: usize) {
        self.order.reserve(records);
        self.records.reserve(records);
    }

    /// Puts in a record that is not there yet.
    pub fn put_new(&mut self, id: RecordId, state: RecordState) {
        self.put(id, state, None);
    }

    pub fn put(&mut self, id: RecordId, state: RecordState, matched: Option<Vec<Matched>>) {
        if let Place::Vacant(place) = self.records.entry(id) {
            self.order.push(id);
            place.insert(Touched { state, matched, is_dirty: false, is_changed: false, is_untouched: true });
        }
    }

    /// A remote record belongs to this record from now on, or to none.
    pub fn link(&mut self, endpoint: EndpointId, remote: Vec<u8>, record: Option<RecordId>) {
        let links = self.links.entry(endpoint).or_default();
        if record.is_some() && links.get(&remote) == Some(&None) {
            self.freed.push((endpoint, remote.clone()));
        }
        links.insert(remote, record);
    }

    /// What this unit has said about a remote record's link, if it has.
    pub fn linked(&self, endpoint: EndpointId, remote: &[u8]) -> Option<Option<RecordId>> {
        self.links.get(&endpoint)?.get(remote).copied()
    }

    /// Whether the record has a copy at this endpoint that it did not have before.
    pub fn has_linked(&self, endpoint: EndpointId, record: RecordId) -> bool {
        self.links.get(&endpoint).into_iter().flat_map(BTreeMap::values).any(|linked| *linked == Some(record))
    }

    /// Notes a conflict, which a person may be asked about.
    pub fn put_conflict(&mut self, conflict: NewConflict) {
        if conflict.state == ConflictState::Open {
            self.asked.insert(conflict.record);
            if is_question(conflict.kind) {
                self.questions.insert(conflict.subject.clone());
            }
        }
        self.conflicts.push(ConflictChange::Put(conflict));
    }

    /// Nobody is asked after all.
    pub fn drop_asked(&mut self, is_over: impl Fn(&NewConflict) -> bool) {
        let is_asked = |change: &ConflictChange| match change {
            ConflictChange::Put(new) => new.state == ConflictState::Open && is_over(new),
            ConflictChange::Close { .. } => false,
        };
        self.conflicts.retain(|change| !is_asked(change));
    }

    pub fn is_empty(&self) -> bool {
        self.lineage.is_empty()
            && self.links.is_empty()
            && self.events.is_empty()
            && self.conflicts.is_empty()
            && self.endpoints.is_empty()
            && self.letters.is_empty()
            && self.intents.is_empty()
            && self.resolved.is_empty()
            && self.written_keys.is_empty()
            && self.hold_applied.is_none()
            && self.records.values().all(|touched| !touched.is_dirty)
    }
}
