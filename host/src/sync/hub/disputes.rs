//! What is noted of a dispute, for people to read and to decide.

use serde_json::{Map, Value as Json, json};

use super::decide::{Decided, Incoming};
use super::unit::Unit;
use super::work::{Work, remote_text};
use crate::record::Value;
use crate::resolve::{Deletion, EventKind, Facts, Mechanism, Source, Verdict, Why};
use crate::store::{ConflictKind, ConflictState, NewConflict, RecordId};
use crate::sync::error::SyncError;

impl Work<'_> {
    pub fn note_conflicts(
        &self,
        endpoint: usize,
        row: &Incoming,
        record: RecordId,
        facts: &Facts,
        decided: &mut Decided,
    ) -> Result<(), SyncError> {
        for why in &facts.verdicts {
            let (kind, state) = match why.verdict {
                Verdict::Held => (ConflictKind::Field, ConflictState::Open),
                Verdict::Quarantined if why.is_over => (ConflictKind::Oscillation, ConflictState::Open),
                Verdict::Won
                | Verdict::Lost
                | Verdict::Merged
                | Verdict::Restored
                | Verdict::Ignored
                | Verdict::Spare
                    if self.has(Mechanism::LoserKept) =>
                {
                    (ConflictKind::Field, ConflictState::Decided)
                }
                _ => continue,
            };
            decided.held += u64::from(state == ConflictState::Open);
            decided.unit.put_conflict(self.field_conflict(endpoint, row, record, why, kind, state));
        }
        self.renew_conflicts(endpoint, record, facts, decided);
        self.renew_deletes(record, facts, decided)?;
        if let Some(deletion @ (Deletion::Held | Deletion::EditWins | Deletion::DeleteWins)) = facts.deleted {
            let state = if deletion == Deletion::Held { ConflictState::Open } else { ConflictState::Decided };
            decided.held += u64::from(state == ConflictState::Open);
            let conflict = self.delete_conflict(endpoint, row, record, deletion, state, &decided.unit);
            decided.unit.put_conflict(conflict);
        }
        for group in &facts.settled {
            self.close_open(record, *group, &mut decided.unit)?;
        }
        Ok(())
    }

    pub fn field_conflict(
        &self,
        endpoint: usize,
        row: &Incoming,
        record: RecordId,
        why: &Why,
        kind: ConflictKind,
        state: ConflictState,
    ) -> NewConflict {
        let dispute = &why.dispute;
        let group = self.settled.rules.groups.get(dispute.group);
        let fields: Vec<usize> = group.map(|group| group.fields.clone()).unwrap_or_default();
        let named = |values: &[Option<Value>]| self.named(&fields, values);
        let after: Vec<Option<Value>> = fields
            .iter()
            .zip(&dispute.current)
            .map(|(field, current)| {
                let change = why.changes.iter().find(|change| change.field == *field);
                change.map_or_else(|| current.clone(), |change| change.after.clone())
            })
            .collect();
        let end = self.settled.ends.get(endpoint);
        let policy = match why.verdict {
            Verdict::Restored if group.is_some_and(|group| group.owner.is_none()) => "lost",
            Verdict::Restored | Verdict::Ignored => "owner",
            Verdict::Spare => "second copy",
            _ => group.map_or("manual", |group| group.policy.name()),
        };
        let body = json!({
            "endpoint": end.map(|end| end.name.as_str()),
            "key": end.map(|end| remote_text(&row.remote, &end.key)),
            "base": named(&dispute.base),
            "current": named(&dispute.current),
            "current_source": self.source_name(dispute.current_source),
            "current_at": dispute.current_at,
            "incoming": named(&dispute.incoming),
            "incoming_at": dispute.incoming_at,
            "policy": policy,
        });
        let resolution = (state == ConflictState::Decided)
            .then(|| json!({"by": policy, "verdict": why.verdict.name(), "values": named(&after)}).to_string());
        NewConflict {
            sync: self.name().to_owned(),
            record,
            kind,
            state,
            subject: group.map(|group| group.name.clone()).unwrap_or_default(),
            body: body.to_string(),
            resolution,
        }
    }

    fn named(&self, fields: &[usize], values: &[Option<Value>]) -> Json {
        let pairs = fields.iter().zip(values).filter_map(|(field, value)| {
            let field = self.settled.entity.get(*field)?;
            Some((field.name.clone(), value.as_ref()?.to_json(field.logical)))
        });
        Json::Object(pairs.collect::<Map<String, Json>>())
    }

    pub fn source_name(&self, source: Source) -> String {
        match source {
            Source::Person => "a person".to_owned(),
            Source::Endpoint(endpoint) => {
                self.settled.ends.get(endpoint).map(|end| end.name.clone()).unwrap_or_default()
            }
        }
    }

    fn delete_conflict(
        &self,
        endpoint: usize,
        row: &Incoming,
        record: RecordId,
        deletion: Deletion,
        state: ConflictState,
        unit: &Unit,
    ) -> NewConflict {
        let end = self.settled.ends.get(endpoint);
        let values = unit.peek(record).map(|touched| touched.state.values()).unwrap_or_default();
        let body = json!({
            "endpoint": end.map(|end| end.name.as_str()),
            "key": end.map(|end| remote_text(&row.remote, &end.key)),
            "event": if row.kind == EventKind::Delete { "delete" } else { "edit" },
            "incoming": self.shown(&self.whole(endpoint, row, record, unit)),
            "values": self.shown(&values),
        });
        let resolution = (state == ConflictState::Decided)
            .then(|| json!({"by": "delete_conflict", "verdict": deletion_text(deletion)}).to_string());
        NewConflict {
            sync: self.name().to_owned(),
            record,
            kind: ConflictKind::Delete,
            state,
            subject: end.map(|end| end.name.clone()).unwrap_or_default(),
            body: body.to_string(),
            resolution,
        }
    }
}

pub(super) fn deletion_text(deletion: Deletion) -> &'static str {
    match deletion {
        Deletion::Everywhere => "everywhere",
        Deletion::Here => "here only",
        Deletion::Held => "waits for a person",
        Deletion::EditWins => "the edit counts",
        Deletion::DeleteWins => "the delete counts",
    }
}
