//! What a person is asked: once, and no longer than it matters.

use serde_json::json;

use super::decide::{Decided, Incoming};
use super::unit::Unit;
use super::work::{Work, remote_text};
use crate::record::Row;
use crate::resolve::{Deletion, Dispute, EventKind, Facts, Group, Source, Verdict, Why};
use crate::store::{
    Conflict, ConflictChange, ConflictFilter, ConflictId, ConflictKind, ConflictState, NewConflict, RecordId,
};
use crate::sync::error::SyncError;

/// How long an event waits for a person before it is looked at again.
const WAIT_FOR_PERSON: i64 = 3_600_000_000;

impl Work<'_> {
    /// What waits for a person.
    pub fn note_open(&mut self, open: Vec<Conflict>) {
        for open in open {
            self.disputed.insert(open.conflict.record);
            if is_question(open.conflict.kind) {
                self.questions.insert(open.conflict.subject.clone(), open);
            }
        }
    }

    /// What a unit that is durable now has asked and answered.
    pub fn note_asked(&mut self, changes: &[ConflictChange]) -> Result<(), SyncError> {
        for change in changes {
            match change {
                ConflictChange::Put(new) if new.state == ConflictState::Open => {
                    self.disputed.insert(new.record);
                    if is_question(new.kind) {
                        self.note_open(self.open_conflicts(new.record)?);
                    }
                }
                ConflictChange::Put(_) => {}
                ConflictChange::Close { id, .. } => self.questions.retain(|_, known| known.id != *id),
            }
        }
        Ok(())
    }

    /// Nobody has to decide about fields of a record that is gone everywhere, nor about a delete once the record is back, or gone
    /// where it was edited as well.
    pub fn close_moot(
        &self,
        endpoint: usize,
        record: RecordId,
        kind: EventKind,
        facts: &Facts,
        unit: &mut Unit,
    ) -> Result<(), SyncError> {
        if !self.disputed.contains(&record) && !unit.asked.contains(&record) {
            return Ok(());
        }
        let state = unit.peek(record).map(|touched| &touched.state);
        let is_dead = state.is_some_and(|state| !state.is_live());
        let is_linked = unit.has_linked(self.endpoint_id(endpoint), record);
        let name = &self.end(endpoint)?.name;
        let holds = |group: &&Group| {
            let sides = state.map(|state| state.sides.as_slice()).unwrap_or_default();
            sides.iter().any(|side| group.fields.iter().any(|field| side.is_held(*field)))
        };
        let groups = &self.settled.rules.groups;
        let held: Vec<&str> = groups.iter().filter(holds).map(|group| group.name.as_str()).collect();
        let is_forgotten = |open: &NewConflict| {
            // Who was to be decided about is gone: whatever it showed, it does not show any more.
            let is_group = groups.iter().any(|group| group.name == open.subject);
            open.kind == ConflictKind::Field && is_group && !held.contains(&open.subject.as_str())
        };
        let is_moot = |open: &NewConflict| match facts.deleted {
            Some(_) if is_forgotten(open) => true,
            Some(Deletion::Everywhere | Deletion::DeleteWins) => !is_question(open.kind),
            Some(Deletion::Held | Deletion::Here) => false,
            Some(Deletion::EditWins) => open.kind == ConflictKind::Delete,
            None if is_dead => kind == EventKind::Delete && open.kind == ConflictKind::Delete && open.subject == *name,
            None => (facts.revived || (is_linked && open.subject == *name)) && open.kind == ConflictKind::Delete,
        };
        self.end_open(record, unit, is_moot)
    }

    /// Ends what a person was to decide about a record, also what they were to be asked by this very unit.
    fn end_open(
        &self,
        record: RecordId,
        unit: &mut Unit,
        is_over: impl Fn(&NewConflict) -> bool,
    ) -> Result<(), SyncError> {
        if unit.asked.contains(&record) {
            unit.drop_asked(|new| new.record == record && is_over(new));
        }
        for open in self.open_conflicts(record)? {
            if is_over(&open.conflict) && !closed(unit).any(|id| id == open.id) {
                unit.conflicts.push(outdated(open.id));
            }
        }
        Ok(())
    }

    /// The event waits, and a person is asked once.
    pub fn ask_person(
        &self,
        endpoint: usize,
        row: &Incoming,
        kind: ConflictKind,
        candidates: &[(RecordId, f64)],
        decided: &mut Decided,
    ) {
        let Some(end) = self.settled.ends.get(endpoint) else { return };
        let shown = |(record, score): &(RecordId, f64)| {
            let values = decided.unit.peek(*record).map(|touched| touched.state.values());
            json!({"record": record.0, "score": score, "values": self.shown(&values.unwrap_or_default())})
        };
        let body = json!({
            "endpoint": end.name,
            "key": remote_text(&row.remote, &end.key),
            "remote": super::decision::to_hex(&row.remote),
            "values": self.shown(&row.values),
            "candidates": candidates.iter().map(shown).collect::<Vec<_>>(),
        });
        let (body, subject) = (body.to_string(), self.letter_text(endpoint, &row.remote));
        let record = candidates.first().map_or(RecordId(0), |(record, _)| *record);
        self.wait(endpoint, row, self.now() + WAIT_FOR_PERSON, kind.name(), &mut decided.unit);
        // Who has waited may have waited for something else than an answer.
        let asked = self.questions.get(&subject).map(|asked| &asked.conflict.body);
        if asked.is_some_and(|asked| row.has_waited || *asked == body) {
            return;
        }
        self.close_question(endpoint, &row.remote, &mut decided.unit);
        decided.held += 1;
        decided.unit.put_conflict(NewConflict {
            sync: self.name().to_owned(),
            record,
            kind,
            state: ConflictState::Open,
            subject,
            body,
            resolution: None,
        });
    }

    /// A conflict somebody has to decide about is told anew when what is agreed changes: nobody decides about what they have not seen.
    pub fn renew_conflicts(&self, endpoint: usize, record: RecordId, facts: &Facts, decided: &mut Decided) {
        let Decided { unit, .. } = decided;
        let Some(state) = unit.peek(record).map(|touched| &touched.state) else { return };
        if state.sides.iter().all(|side| side.held.is_empty()) {
            return;
        }
        let mut renewed = Vec::new();
        for why in facts.verdicts.iter().filter(|why| !why.changes.is_empty()) {
            let Some(fields) = self.settled.rules.groups.get(why.dispute.group).map(|group| &group.fields) else {
                continue;
            };
            let sides = state.sides.iter().enumerate().filter(|(other, _)| *other != endpoint);
            for (other, side) in sides.filter(|(_, side)| fields.iter().any(|field| side.is_held(*field))) {
                let newest =
                    fields.iter().filter_map(|field| state.canon.get(*field)).max_by_key(|canon| canon.lineage);
                let dispute = Dispute {
                    group: why.dispute.group,
                    base: vec![None; fields.len()],
                    current: fields.iter().map(|field| state.value(*field).cloned()).collect(),
                    incoming: fields.iter().map(|field| side.shadow(*field).shown().cloned()).collect(),
                    current_source: newest.map_or(Source::Person, |canon| canon.source),
                    incoming_source: Source::Endpoint(other),
                    current_at: newest.and_then(|canon| canon.at),
                    incoming_at: None,
                };
                let row = Incoming {
                    remote: side.link.remote().unwrap_or_default().to_vec(),
                    kind: EventKind::Upsert,
                    values: Row::default(),
                    at: None,
                    adopt: None,
                    has_waited: false,
                    points_nowhere: false,
                };
                let held = Why::new(Verdict::Held, dispute);
                let conflict =
                    self.field_conflict(other, &row, record, &held, ConflictKind::Field, ConflictState::Open);
                renewed.push(conflict);
            }
        }
        renewed.into_iter().for_each(|conflict| unit.put_conflict(conflict));
    }

    /// The same for a delete somebody has to decide about.
    pub fn renew_deletes(&self, record: RecordId, facts: &Facts, decided: &mut Decided) -> Result<(), SyncError> {
        let has_changed = facts.verdicts.iter().any(|why| !why.changes.is_empty());
        if !has_changed || !self.disputed.contains(&record) {
            return Ok(());
        }
        let Some(values) = decided.unit.peek(record).map(|touched| self.shown(&touched.state.values())) else {
            return Ok(());
        };
        for open in self.open_conflicts(record)? {
            if open.conflict.kind != ConflictKind::Delete || closed(&decided.unit).any(|id| id == open.id) {
                continue;
            }
            let mut body: serde_json::Value =
                serde_json::from_str(&open.conflict.body).map_err(|error| self.fault(error))?;
            if let Some(body) = body.as_object_mut() {
                body.insert("values".to_owned(), values.clone());
            }
            let renewed = NewConflict { body: body.to_string(), ..open.conflict };
            decided.unit.put_conflict(renewed);
        }
        Ok(())
    }

    /// What an endpoint shows of a record when it says something of it: also what it does not say again.
    pub fn whole(&self, endpoint: usize, row: &Incoming, record: RecordId, unit: &Unit) -> Row {
        let side = unit.peek(record).and_then(|touched| touched.state.side(endpoint));
        let Some(side) = side.filter(|_| row.kind != EventKind::Delete) else { return row.values.clone() };
        let values = row.values.iter().enumerate();
        values.map(|(field, value)| value.clone().or_else(|| side.shadow(field).shown().cloned())).collect()
    }

    fn open_conflicts(&self, record: RecordId) -> Result<Vec<Conflict>, SyncError> {
        let filter = ConflictFilter {
            sync: Some(self.name().to_owned()),
            state: Some(ConflictState::Open),
            record: Some(record),
            ..ConflictFilter::default()
        };
        Ok(self.run.store.conflicts(&filter)?)
    }

    /// Ends the open conflicts about a group of a record.
    pub fn close_open(&self, record: RecordId, group: usize, unit: &mut Unit) -> Result<(), SyncError> {
        let Some(group) = self.settled.rules.groups.get(group) else { return Ok(()) };
        let is_about = |open: &NewConflict| matches!(open.kind, ConflictKind::Field | ConflictKind::Oscillation);
        self.end_open(record, unit, |open| is_about(open) && open.subject == group.name)
    }

    /// What a person was asked about a remote record.
    fn asked_about(&self, endpoint: usize, remote: &[u8]) -> Option<&Conflict> {
        // Mostly there is none, and the text costs more than that.
        (!self.questions.is_empty()).then(|| self.questions.get(&self.letter_text(endpoint, remote)))?
    }

    /// Whether a remote record was a second copy of one, and nobody has said anything else.
    pub fn is_spare(&self, endpoint: usize, row: &Incoming) -> bool {
        self.asked_about(endpoint, &row.remote).is_some_and(|asked| asked.conflict.kind == ConflictKind::Duplicate)
    }

    /// Whether an endpoint has a second copy of a record, and nobody has said anything else.
    pub fn has_spare(&self, endpoint: usize, record: RecordId) -> bool {
        let Some(end) = self.settled.ends.get(endpoint) else { return false };
        let is_its = |subject: &str| subject.split_once(' ').is_some_and(|(name, _)| name == end.name);
        self.disputed.contains(&record)
            && self.questions.iter().any(|(subject, Conflict { conflict, .. })| {
                conflict.record == record && conflict.kind == ConflictKind::Duplicate && is_its(subject)
            })
    }

    /// The remote record is known, gone or another: nobody has to answer any more what was asked about it.
    pub fn close_question(&self, endpoint: usize, remote: &[u8], unit: &mut Unit) {
        if !unit.questions.is_empty() {
            let subject = self.letter_text(endpoint, remote);
            if unit.questions.remove(&subject) {
                unit.drop_asked(|new| is_question(new.kind) && new.subject == subject);
            }
        }
        let Some(Conflict { id, .. }) = self.asked_about(endpoint, remote) else { return };
        if !closed(unit).any(|closed| closed == *id) {
            unit.conflicts.push(outdated(*id));
        }
    }
}

/// Whether it is about which record a remote one is.
pub(super) fn is_question(kind: ConflictKind) -> bool {
    matches!(kind, ConflictKind::Match | ConflictKind::Duplicate)
}

/// The end of a conflict that nobody had to decide.
pub(super) fn outdated(id: ConflictId) -> ConflictChange {
    let resolution = json!({"by": "agreement"}).to_string();
    ConflictChange::Close { id, state: ConflictState::Outdated, resolution }
}

/// Conflicts that a unit ends.
pub(super) fn closed(unit: &Unit) -> impl Iterator<Item = ConflictId> {
    unit.conflicts.iter().filter_map(|change| match change {
        ConflictChange::Close { id, .. } => Some(*id),
        ConflictChange::Put(_) => None,
    })
}
