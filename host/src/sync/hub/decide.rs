//! What an endpoint says becomes what is agreed: records are found or made, changes merged, conflicts and lineage noted.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::disputes::deletion_text;
use super::identify::Identity;
use super::unit::Unit;
use super::work::Work;
use crate::connector::Failure;
use crate::lineage::{Entry, EntryKind, Item};
use crate::record::{Row, Value};
use crate::resolve::{
    Dispute, Event, EventKind, Facts, Link, Mechanism, RecordState, Ruling, Segment, Side, Verdict, Why, apply,
};
use crate::store::{EventChange, MatchKey, RecordId, RecordQuery};
use crate::sync::error::SyncError;

/// How long an event waits for the record it refers to before it is looked at again.
const WAIT_FOR_PARENT: i64 = 1_000_000;

/// One record of a page, in the entity's terms.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub remote: Vec<u8>,
    pub kind: EventKind,
    pub values: Row,
    /// By the endpoint's clock.
    pub at: Option<i64>,
    /// The record it is known to be.
    pub adopt: Option<RecordId>,
    /// It was put off before.
    pub has_waited: bool,
    /// It refers to a record nobody knows yet: it is looked at again.
    pub points_nowhere: bool,
}

/// What the resolver said about disputes.
pub(super) type Answers = HashMap<Dispute, Ruling>;

/// A page that is decided about and not yet durable.
pub(super) struct Decided {
    pub unit: Unit,
    /// The resolver has to be asked about these, and then everything again.
    pub asked: Vec<Dispute>,
    /// Conflicts that now wait for a person.
    pub held: u64,
}

impl Work<'_> {
    /// Decides about a page of one endpoint. Nothing is durable yet, and nothing but ids that nobody has seen is used up.
    pub fn decide(&mut self, endpoint: usize, rows: &[Incoming], answers: &Answers) -> Result<Decided, SyncError> {
        let mut unit = Unit::default();
        let loaded = self.load(endpoint, rows, &mut unit)?;
        let mut decided = Decided { unit, asked: Vec::new(), held: 0 };
        for (row, (link, keys)) in rows.iter().zip(loaded) {
            self.decide_row(endpoint, row, link, &keys, answers, &mut decided)?;
        }
        Ok(decided)
    }

    /// Loads what is known about the rows: the record each is linked to, and the match keys of those that are linked to none.
    #[allow(clippy::type_complexity, reason = "one entry per row, used at once")]
    fn load(
        &self,
        endpoint: usize,
        rows: &[Incoming],
        unit: &mut Unit,
    ) -> Result<Vec<(Option<RecordId>, Vec<Option<MatchKey>>)>, SyncError> {
        let id = self.endpoint_id(endpoint);
        let query = RecordQuery {
            sync: self.name().to_owned(),
            links: rows.iter().map(|row| (id, row.remote.clone())).collect(),
            records: rows.iter().filter_map(|row| row.adopt).collect(),
            ..RecordQuery::default()
        };
        let loaded = self.run.store.load_records(&query)?;
        self.take_bodies(unit, loaded.bodies)?;
        let is_copy = |record: RecordId, row: &Incoming| {
            // A record whose copy was lost and made anew under another id is no longer what has the old one.
            let side = unit.peek(record).and_then(|touched| touched.state.side(endpoint));
            side.is_none_or(|side| !matches!(&side.link, Link::Linked(remote) if **remote != *row.remote))
        };
        let (mut links, mut outdated) = (Vec::with_capacity(rows.len()), Vec::new());
        for (link, row) in loaded.links.into_iter().zip(rows) {
            let is_outdated = link.is_some_and(|record| !is_copy(record, row));
            outdated.extend(is_outdated.then(|| row.remote.clone()));
            links.push(link.filter(|_| !is_outdated));
        }
        // It may become another record's.
        outdated.into_iter().for_each(|remote| unit.link(id, remote, None));
        let keys: Vec<Vec<Option<MatchKey>>> = rows
            .iter()
            .zip(&links)
            .map(|(row, link)| match (link.filter(|record| !is_nowhere(unit, *record)), row.adopt, row.kind) {
                (None, None, EventKind::Upsert | EventKind::Undelete) => {
                    self.keys_of(|field| row.values.get(field).and_then(Option::as_ref))
                }
                _ => Vec::new(),
            })
            .collect();
        let mut wanted: Vec<MatchKey> = keys.iter().flatten().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        if !wanted.is_empty() && self.has(Mechanism::MatchBeforeCreate) {
            let query =
                RecordQuery { sync: self.name().to_owned(), match_keys: wanted.clone(), ..RecordQuery::default() };
            let found = self.run.store.load_records(&query)?;
            self.take_bodies(unit, found.bodies)?;
            for (key, records) in wanted.into_iter().zip(found.match_keys) {
                unit.keys.entry(key).or_default().extend(records);
            }
        }
        Ok(links.into_iter().zip(keys).collect())
    }

    fn decide_row(
        &mut self,
        endpoint: usize,
        row: &Incoming,
        link: Option<RecordId>,
        keys: &[Option<MatchKey>],
        answers: &Answers,
        decided: &mut Decided,
    ) -> Result<(), SyncError> {
        // A row before this one in the same page may have made the link.
        let link = decided.unit.linked(self.endpoint_id(endpoint), &row.remote).unwrap_or(link);
        let link = match link.filter(|record| row.adopt.is_none() && is_nowhere(&decided.unit, *record)) {
            Some(dead) if row.kind != EventKind::Delete => self.successor(endpoint, row, dead, keys, decided),
            _ => link,
        };
        let known = row.adopt.or(link);
        let record = match known {
            Some(record) => record,
            None if row.kind == EventKind::Delete => {
                self.close_question(endpoint, &row.remote, &mut decided.unit);
                self.is_done(endpoint, row, &mut decided.unit);
                return Ok(());
            }
            None => match self.find_or_make(endpoint, row, keys, decided)? {
                Some(record) => record,
                None => return Ok(()),
            },
        };
        if link.is_none() && row.kind != EventKind::Delete {
            // A copy that was deleted there and is made again under another id.
            let side = decided.unit.peek(record).and_then(|touched| touched.state.side(endpoint));
            if let Some(Link::Gone(old)) = side.map(|side| side.link.clone()) {
                decided.unit.link(self.endpoint_id(endpoint), old.into(), None);
            }
            decided.unit.link(self.endpoint_id(endpoint), row.remote.clone(), Some(record));
            self.close_question(endpoint, &row.remote, &mut decided.unit);
        }
        self.apply_row(endpoint, row, record, known.is_none() || link.is_none(), answers, decided)
    }

    /// What was deleted everywhere and comes back may have been made anew meanwhile, as another record: then it is that one's copy, or
    /// nobody's before somebody has said whose it is. Answers the record it belongs to as far as that is known.
    fn successor(
        &self,
        endpoint: usize,
        row: &Incoming,
        dead: RecordId,
        keys: &[Option<MatchKey>],
        decided: &mut Decided,
    ) -> Option<RecordId> {
        if matches!(self.identify(endpoint, row, keys, &decided.unit), Identity::New) {
            return Some(dead);
        }
        self.drop_copy(endpoint, dead, row.remote.clone(), &mut decided.unit);
        None
    }

    /// The record a row that is linked to none belongs to; none if it has to wait, or is nobody's business.
    fn find_or_make(
        &mut self,
        endpoint: usize,
        row: &Incoming,
        keys: &[Option<MatchKey>],
        decided: &mut Decided,
    ) -> Result<Option<RecordId>, SyncError> {
        let segment = self.segment(endpoint, &|field| row.values.get(field).cloned().flatten());
        match segment {
            Ok(Segment::Inside) => {}
            // Whoever is to have the record would else be given a second one.
            Ok(Segment::Outside) if self.is_wanted(endpoint, row, keys, &decided.unit) => {}
            Ok(Segment::Outside) => {
                self.is_done(endpoint, row, &mut decided.unit);
                return Ok(None);
            }
            Err(reason) => {
                decided.unit.letters.push(self.filter_letter(endpoint, row, reason));
                return Ok(None);
            }
        }
        if self.is_part(endpoint, row)? {
            self.wait(endpoint, row, self.now(), "only a part of it is known", &mut decided.unit);
            return Ok(None);
        }
        match self.identify(endpoint, row, keys, &decided.unit) {
            Identity::Known(record) => Ok(Some(record)),
            Identity::New => Ok(Some(self.make(keys, &mut decided.unit))),
            Identity::Doubtful { kind, candidates } => {
                self.ask_person(endpoint, row, kind, &candidates, decided);
                Ok(None)
            }
        }
    }

    /// Whether a row that is outside the endpoint's segment is that of a record which is inside.
    fn is_wanted(&self, endpoint: usize, row: &Incoming, keys: &[Option<MatchKey>], unit: &Unit) -> bool {
        let Identity::Known(record) = self.identify(endpoint, row, keys, unit) else { return false };
        let state = unit.peek(record).map(|touched| &touched.state).filter(|state| state.is_live());
        state.is_some_and(|state| self.segment(endpoint, &|field| state.value(field).cloned()) == Ok(Segment::Inside))
    }

    /// Whether a row says nothing about some fields, and more can be had by looking the record up: who it is, and what else it is to
    /// begin with, is not decided by a part of it.
    fn is_part(&self, endpoint: usize, row: &Incoming) -> Result<bool, SyncError> {
        let is_part = !row.has_waited && !self.is_whole(endpoint, row);
        Ok(is_part && self.has(Mechanism::Inbox) && self.can_look(endpoint)?)
    }

    fn is_whole(&self, endpoint: usize, row: &Incoming) -> bool {
        let mut values = row.values.iter().enumerate();
        values.all(|(field, value)| value.is_some() || !self.settled.rules.reads(endpoint, field))
    }

    fn make(&mut self, keys: &[Option<MatchKey>], unit: &mut Unit) -> RecordId {
        let id = self.new_record();
        let state = RecordState::new(self.settled.entity.len(), self.ids.len());
        unit.put_new(id, state);
        for key in keys.iter().flatten() {
            unit.keys.entry(*key).or_default().push(id);
        }
        id
    }

    /// Values by the names of their fields, for people.
    pub fn shown(&self, values: &[Option<Value>]) -> Json {
        let fields = self.settled.entity.iter().zip(values);
        let shown =
            fields.filter_map(|(field, value)| Some((field.name.clone(), value.as_ref()?.to_json(field.logical))));
        Json::Object(shown.collect::<Map<String, Json>>())
    }

    fn apply_row(
        &mut self,
        endpoint: usize,
        row: &Incoming,
        record: RecordId,
        is_new_link: bool,
        answers: &Answers,
        decided: &mut Decided,
    ) -> Result<(), SyncError> {
        let now = self.now();
        let lineage = self.next_lineage + decided.unit.lineage.len() as i64;
        let rules = &self.settled.rules;
        let read_before = self.read_before(endpoint);
        let void = match row.kind {
            EventKind::Delete => self.void(endpoint, record, &decided.unit)?,
            EventKind::Upsert | EventKind::Undelete => Vec::new(),
        };
        let is_double = match row.kind {
            EventKind::Delete => self.has_spare(endpoint, record),
            EventKind::Upsert | EventKind::Undelete => is_new_link && self.is_spare(endpoint, row),
        };
        let Some(touched) = decided.unit.get(record) else {
            return Err(SyncError::internal(self.hub.def.name.as_str(), "a record was not loaded"));
        };
        let is_back = self.is_sent_back(endpoint, row, &touched.state);
        if is_back && !row.points_nowhere && !self.is_whole(endpoint, row) && self.is_read_back(endpoint) {
            return self.look_at_returned(endpoint, row, record, &mut decided.unit);
        }
        let is_new_link = is_new_link || is_back;
        touched.is_dirty |= is_back && touched.state.come_back(endpoint);
        let is_new = touched.state.version == 0 && touched.state.lineage == 0;
        // What is missing for a while was shown before that for the last time.
        let missing = touched.state.side(endpoint).and_then(|side| side.missing).map_or(i64::MAX, |known| known.before);
        let read_before = read_before.min(missing).saturating_sub(rules.lag(endpoint));
        let event = Event {
            endpoint,
            kind: row.kind,
            remote: &row.remote,
            values: &row.values,
            void: &void,
            at: row.at,
            now,
            read_before,
            lineage,
            is_double,
        };
        let facts = apply(&mut touched.state, &event, rules, &|dispute| answers.get(dispute).cloned());
        touched.is_dirty |= facts.is_touched;
        touched.is_changed |= facts.is_touched;
        decided.asked.extend(facts.asked.iter().cloned());
        if !self.undecided.is_empty() {
            self.undecided.remove(&(endpoint, record));
        }
        self.keep_or_drop(endpoint, row, record, facts.unsettled, &mut decided.unit);
        if facts.is_news() || is_new_link {
            let kind = entry_kind(&facts, is_new, is_new_link);
            let entry = self.entry(kind, endpoint, row, &facts);
            self.tell(&mut decided.unit, record, entry);
        }
        self.close_moot(endpoint, record, row.kind, &facts, &mut decided.unit)?;
        self.note_conflicts(endpoint, row, record, &facts, decided)
    }

    /// Whether the endpoint itself makes a copy that had left its segment one of it again.
    fn is_sent_back(&self, endpoint: usize, row: &Incoming, state: &RecordState) -> bool {
        let is_left = |side: &&Side| matches!(side.link, Link::Left(_)) && side.sent.is_none();
        let Some(side) = state.side(endpoint).filter(is_left) else { return false };
        if row.kind == EventKind::Delete || !state.is_live() {
            return false;
        }
        let shown = |field: usize| side.shadow(field).shown().cloned();
        let shows = |field: usize| row.values.get(field).cloned().flatten().or_else(|| shown(field));
        self.segment(endpoint, &shown) == Ok(Segment::Outside) && self.segment(endpoint, &shows) == Ok(Segment::Inside)
    }

    /// What else was changed there meanwhile was not taken in: the whole of it is.
    fn look_at_returned(
        &mut self,
        endpoint: usize,
        row: &Incoming,
        record: RecordId,
        unit: &mut Unit,
    ) -> Result<(), SyncError> {
        if let Some(touched) = unit.get(record)
            && let Some(side) = touched.state.sides.get_mut(endpoint)
        {
            let look = self.look_at(endpoint, side);
            touched.is_dirty = true;
            unit.intents.insert((record, endpoint), look);
        }
        self.is_done(endpoint, row, unit);
        self.tell(unit, record, Entry::new(EntryKind::Linked, self.ids.get(endpoint).copied().unwrap_or_default(), 0));
        Ok(())
    }

    /// When an endpoint was read before this run, in full if that is how its deletes are found.
    fn read_before(&self, endpoint: usize) -> i64 {
        let reports = self.settled.ends.get(endpoint).is_some_and(|end| end.reports_deletes);
        let read = self
            .endpoints
            .get(endpoint)
            .and_then(|state| if reports { state.progress_at } else { state.enumerated_at });
        read.map_or(i64::MAX, |at| at.timestamp_micros())
    }

    /// Keeps an event that is not decided about, or only in part; any other has had its effect.
    fn keep_or_drop(
        &mut self,
        endpoint: usize,
        row: &Incoming,
        record: RecordId,
        unsettled: Option<i64>,
        unit: &mut Unit,
    ) {
        match unsettled {
            Some(until) => {
                self.undecided.insert((endpoint, record), until);
                self.wait(endpoint, row, until, "unsettled", unit);
            }
            None if row.points_nowhere => {
                self.wait(endpoint, row, self.now() + WAIT_FOR_PARENT, "its parent is not known yet", unit);
            }
            None => self.is_done(endpoint, row, unit),
        }
    }

    /// Nothing waits any more, if anything did.
    fn is_done(&self, endpoint: usize, row: &Incoming, unit: &mut Unit) {
        if row.has_waited {
            let (endpoint, remote) = (self.endpoint_id(endpoint), row.remote.clone());
            unit.events.push(EventChange::Done { endpoint, remote });
        }
    }

    /// Keeps an event that cannot be decided yet.
    pub fn wait(&self, endpoint: usize, row: &Incoming, until: i64, reason: &str, unit: &mut Unit) {
        if !self.has(Mechanism::Inbox) {
            return;
        }
        unit.events.push(EventChange::Wait {
            endpoint: self.endpoint_id(endpoint),
            remote: row.remote.clone(),
            due: chrono::DateTime::from_timestamp_micros(until).unwrap_or_default(),
            reason: reason.to_owned(),
            body: super::waiting::encode(row),
        });
    }

    fn entry(&self, kind: EntryKind, endpoint: usize, row: &Incoming, facts: &Facts) -> Entry {
        let mut entry = Entry::new(kind, self.ids.get(endpoint).copied().unwrap_or_default(), 0);
        entry.at = row.at;
        if let Some(deletion) = facts.deleted {
            entry.note = deletion_text(deletion).to_owned();
        }
        entry.items = facts.verdicts.iter().flat_map(|why| self.items(why)).collect();
        entry
    }

    fn items(&self, why: &Why) -> Vec<Item> {
        let members = self.settled.rules.groups.get(why.dispute.group).map(|group| group.fields.as_slice());
        let dispute = &why.dispute;
        // What nobody argues about needs no more than the new value and the old.
        let is_plain = matches!(why.verdict, Verdict::First | Verdict::Taken);
        let item = |(at, field): (usize, &usize)| {
            let change = why.changes.iter().find(|change| change.field == *field);
            if is_plain && change.is_none() {
                return None;
            }
            let before = dispute.current.get(at).cloned().flatten();
            Some(Item {
                field: *field,
                verdict: Some(why.verdict),
                base: if is_plain { None } else { dispute.base.get(at).cloned().flatten() },
                after: change.map_or_else(|| before.clone(), |change| change.after.clone()),
                before,
                incoming: if is_plain { None } else { dispute.incoming.get(at).cloned().flatten() },
            })
        };
        members.unwrap_or_default().iter().enumerate().filter_map(item).collect()
    }
}

/// Whether a record was deleted and nobody has it any more.
fn is_nowhere(unit: &Unit, record: RecordId) -> bool {
    let is_dead = |state: &RecordState| !state.is_live() && !state.sides.iter().any(|side| side.link.is_linked());
    unit.peek(record).is_some_and(|touched| is_dead(&touched.state))
}

fn entry_kind(facts: &Facts, is_new: bool, is_new_link: bool) -> EntryKind {
    match facts {
        Facts { deleted: Some(_), revived: false, .. } => EntryKind::Deleted,
        Facts { revived: true, .. } => EntryKind::Revived,
        _ if is_new => EntryKind::Created,
        _ if is_new_link => EntryKind::Linked,
        _ => EntryKind::Changed,
    }
}

/// A failure that is our own doing.
pub(super) fn nothing_to_look_up(origin: &str) -> Failure {
    Failure::new(
        crate::connector::FailureKind::Config,
        &crate::error::codes::INTERNAL,
        origin,
        "it cannot look records up",
    )
}
