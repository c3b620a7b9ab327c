//! Endpoints that keep values in a form of their own: found out by looking at what was written and by writing it once more, and
//! remembered, so that nobody takes the form for a change.

use std::collections::{HashMap, HashSet};

use super::decide::Incoming;
use super::deliver::{Action, Job};
use super::work::{Unit, Work};
use super::write::{Outcome, write_jobs};
use crate::lineage::{Entry, EntryKind, Item};
use crate::record::{Field, Purpose, Value};
use crate::resolve::{Mechanism, Shadow, Verdict};
use crate::store::RecordId;
use crate::sync::error::SyncError;

impl Work<'_> {
    /// Looks at what was written: an endpoint that shows something else has a form of its own, or somebody was quick.
    pub async fn read_back(&mut self, endpoint: usize, written: &[&Job]) -> Result<(), SyncError> {
        let is_read = self.settled.rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_read);
        let can_look = self.end(endpoint)?.source.as_ref().is_some_and(|source| source.lookup().is_some());
        if !is_read || !can_look || !self.has(Mechanism::CanonicalForms) {
            return Ok(());
        }
        let written: Vec<Written> = written
            .iter()
            .filter(|job| matches!(job.action, Action::Create | Action::Update))
            .map(|job| Written { record: job.record, fields: job.patch.iter().map(|(field, _)| *field).collect() })
            .collect();
        let differing = self.differing(endpoint, &written).await?;
        if differing.is_empty() {
            return Ok(());
        }
        self.probe(endpoint, differing).await
    }

    /// Of records that were just written, the fields an endpoint shows otherwise than they were written. What it shows in other fields
    /// is somebody's change and none of our business here: the next reading takes it in.
    async fn differing(&mut self, endpoint: usize, written: &[Written]) -> Result<Vec<Differing>, SyncError> {
        let unit = self.load_unit(written.iter().map(|written| written.record))?;
        let remote = |record: &RecordId| Some(unit.peek(*record)?.state.side(endpoint)?.link.remote()?.to_vec());
        let remotes: Vec<Vec<u8>> = written.iter().filter_map(|written| remote(&written.record)).collect();
        let (mut found, _) = self.look_up_remotes(endpoint, &remotes).await?;
        let mut differing = Vec::new();
        for Written { record, fields: written } in written {
            let Some(side) = unit.peek(*record).and_then(|touched| touched.state.side(endpoint)) else { continue };
            let Some(row) = side.link.remote().and_then(|remote| found.remove(remote)) else { continue };
            let now = self.now();
            let fields: Vec<(usize, Value, Value)> = row
                .values
                .iter()
                .enumerate()
                .filter_map(|(field, shown)| {
                    let (shown, sent) = (shown.as_ref()?, side.shadow(field).shown()?);
                    let may_be_old = side.fenced(field, shown, now).is_some();
                    (shown != sent && !may_be_old && written.contains(&field))
                        .then(|| (field, sent.clone(), shown.clone()))
                })
                .collect();
            if !fields.is_empty() {
                differing.push(Differing { record: *record, row, fields });
            }
        }
        Ok(differing)
    }

    /// Writes the same values once more, if the record still shows the others: an endpoint that shows them again has a form of its
    /// own, which is remembered; one that does not was changed by somebody, whose change is taken in.
    pub async fn probe(&mut self, endpoint: usize, differing: Vec<Differing>) -> Result<(), SyncError> {
        let end = self.end(endpoint)?;
        let jobs: Vec<Job> = differing.iter().filter_map(|found| self.probe_job(endpoint, found)).collect();
        let outcomes = write_jobs(end, &jobs, self.run.options.safety).await;
        let answered = jobs.iter().zip(&outcomes).filter(|(_, outcome)| matches!(outcome, Outcome::Ok { .. }));
        let written: HashSet<RecordId> = answered.map(|(job, _)| job.record).collect();
        let is_fine = |found: &&Differing| written.contains(&found.record);
        let fine: Vec<Written> = differing.iter().filter(is_fine).map(Differing::as_written).collect();
        let again = self.differing(endpoint, &fine).await?;
        let mut unit = self.load_unit(again.iter().map(|found| found.record))?;
        let mut foreign = Vec::new();
        let seconds: HashMap<RecordId, &Differing> = again.iter().map(|found| (found.record, found)).collect();
        for first in differing {
            match seconds.get(&first.record) {
                Some(second) if second.fields == first.fields => self.remember_form(endpoint, second, &mut unit),
                _ => foreign.push(first),
            }
        }
        self.commit(unit)?;
        if foreign.is_empty() {
            return Ok(());
        }
        let rows: Vec<Incoming> = foreign.iter().map(|first| first.row.clone()).collect();
        self.take_rows(endpoint, &rows, Vec::new(), None).await?;
        foreign.retain(|first| written.contains(&first.record));
        self.note_overwritten(endpoint, &foreign)
    }

    /// Somebody's values that asking for the endpoint's form has overwritten: it shows ours, and is given back what is agreed.
    fn note_overwritten(&mut self, endpoint: usize, overwritten: &[Differing]) -> Result<(), SyncError> {
        let mut unit = self.load_unit(overwritten.iter().map(|first| first.record))?;
        for first in overwritten {
            let Some(touched) = unit.get(first.record) else { continue };
            let Some(side) = touched.state.sides.get_mut(endpoint) else { continue };
            for (field, sent, _) in &first.fields {
                side.set_shadow(*field, Shadow::Value(sent.clone()));
            }
            touched.is_dirty = true;
            touched.is_changed = true;
        }
        self.commit(unit)
    }

    fn probe_job(&self, endpoint: usize, found: &Differing) -> Option<Job> {
        let end = self.settled.ends.get(endpoint)?;
        let columns = |values: &dyn Fn(&(usize, Value, Value)) -> Value| {
            let mut row: Vec<Option<Value>> = vec![None; self.settled.entity.len()];
            for entry in &found.fields {
                *row.get_mut(entry.0)? = Some(values(entry));
            }
            let written = end.projection.write(&row, Purpose::Update).ok()?;
            let is_key = |field: &Field| end.key.iter().any(|key| key.name == field.name);
            let pairs = end.projection.remote_fields().iter().zip(written).zip(&end.expectable);
            Some(
                pairs
                    .filter(|((field, _), expectable)| !is_key(field) && **expectable)
                    .filter_map(|((field, value), _)| Some((field.clone(), value?)))
                    .collect::<Vec<_>>(),
            )
        };
        let sent = columns(&|(_, sent, _)| sent.clone())?;
        let shown = columns(&|(.., shown)| shown.clone())?;
        (!sent.is_empty() && end.can_update).then(|| Job {
            record: found.record,
            action: Action::Update,
            remote: Some(found.row.remote.clone()),
            patch: Vec::new(),
            columns: sent,
            expected: shown,
            attempts: 0,
        })
    }

    fn remember_form(&self, endpoint: usize, found: &Differing, unit: &mut Unit) {
        if let Some(touched) = unit.get(found.record)
            && let Some(side) = touched.state.sides.get_mut(endpoint)
        {
            for (field, sent, shown) in &found.fields {
                side.set_shadow(*field, Shadow::Form { shows: shown.clone(), of: sent.clone() });
            }
            touched.is_dirty = true;
        }
        let entry = form_entry(self.ids.get(endpoint).copied().unwrap_or_default(), &found.fields);
        self.tell(unit, found.record, entry);
    }
}

/// Fields of a record that were just written.
pub(super) struct Written {
    pub record: RecordId,
    pub fields: Vec<usize>,
}

/// Fields of a record that an endpoint shows otherwise than they were sent: the field, what was sent, what is shown.
pub(super) struct Differing {
    pub record: RecordId,
    pub row: Incoming,
    pub fields: Vec<(usize, Value, Value)>,
}

impl Differing {
    fn as_written(&self) -> Written {
        Written { record: self.record, fields: self.fields.iter().map(|(field, ..)| *field).collect() }
    }
}

/// A form of a value: told like a change, decided by nobody.
fn form_entry(endpoint: i64, fields: &[(usize, Value, Value)]) -> Entry {
    let mut entry = Entry::new(EntryKind::Form, endpoint, 0);
    entry.items = fields
        .iter()
        .map(|(field, sent, shown)| Item {
            field: *field,
            verdict: Some(Verdict::Ignored),
            base: None,
            before: Some(sent.clone()),
            incoming: Some(shown.clone()),
            after: Some(sent.clone()),
        })
        .collect();
    entry
}
