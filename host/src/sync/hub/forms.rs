//! Endpoints that keep values in a form of their own: found out by looking at what was written and by writing it once more, and
//! remembered, so that nobody takes the form for a change.

use super::decide::Incoming;
use super::deliver::{Action, Job, back_off};
use super::setup::micros;
use super::work::{Unit, Work};
use super::write::{Outcome, write_jobs};
use crate::lineage::{Entry, EntryKind, Item};
use crate::record::{Field, Purpose, Row, Value};
use crate::resolve::{Mechanism, Sent, SentKind, Shadow, Verdict};
use crate::store::{IntentState, RecordId};
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
        let (differing, unseen) = self.differing(endpoint, &written).await?;
        self.look_later(endpoint, unseen)?;
        self.ask(endpoint, differing, 0).await
    }

    /// Of records that were just written, the fields an endpoint shows otherwise than they were written. What it shows in other fields
    /// is somebody's change and none of our business here: the next reading takes it in.
    /// What may be from before the write comes second.
    async fn differing(
        &mut self,
        endpoint: usize,
        written: &[Written],
    ) -> Result<(Vec<Differing>, Vec<Differing>), SyncError> {
        let unit = self.load_unit(written.iter().map(|written| written.record))?;
        let remote = |record: &RecordId| Some(unit.peek(*record)?.state.side(endpoint)?.link.remote()?.to_vec());
        let remotes: Vec<Vec<u8>> = written.iter().filter_map(|written| remote(&written.record)).collect();
        let (mut found, _) = self.look_up_remotes(endpoint, &remotes).await?;
        let (mut differing, mut unseen) = (Vec::new(), Vec::new());
        for Written { record, fields: written } in written {
            let Some(side) = unit.peek(*record).and_then(|touched| touched.state.side(endpoint)) else { continue };
            let Some(row) = side.link.remote().and_then(|remote| found.remove(remote)) else { continue };
            let now = self.now();
            let fields = row.values.iter().enumerate().filter_map(|(field, shown)| {
                let (shown, sent) = (shown.as_ref()?, side.shadow(field).shown()?);
                (shown != sent && written.contains(&field)).then(|| (field, sent.clone(), shown.clone()))
            });
            let (old, fields): (Vec<_>, Vec<_>) =
                fields.partition(|(field, _, shown)| side.fenced(*field, shown, now).is_some());
            match (fields.is_empty(), old.is_empty()) {
                (false, _) => differing.push(Differing { record: *record, row, fields }),
                (true, false) => unseen.push(Differing { record: *record, row, fields: old }),
                (true, true) => {}
            }
        }
        Ok((differing, unseen))
    }

    /// Records that still show what was there before: they are looked at once more when the endpoint's lag is over.
    fn look_later(&mut self, endpoint: usize, unseen: Vec<Differing>) -> Result<(), SyncError> {
        let due = self.now().saturating_add(self.settled.rules.lag(endpoint));
        let mut unit = self.load_unit(unseen.iter().map(|found| found.record))?;
        for found in unseen {
            let is_free = unit
                .peek(found.record)
                .and_then(|touched| touched.state.side(endpoint))
                .is_some_and(|side| side.sent.is_none());
            if is_free {
                self.mark_asked(endpoint, SentKind::Unseen, (IntentState::Unknown, due, 0), &found, &mut unit);
            }
        }
        self.commit(unit)
    }

    /// Writes the same values once more, if the record still shows the others: an endpoint that shows them again has a form of its
    /// own, which is remembered; one that does not was changed by somebody, whose change is taken in. The question is durable before
    /// it leaves, and is answered when the endpoint's lag is over.
    pub async fn ask(&mut self, endpoint: usize, differing: Vec<Differing>, attempts: u32) -> Result<(), SyncError> {
        if differing.is_empty() {
            return Ok(());
        }
        let mut unit = self.load_unit(differing.iter().map(|found| found.record))?;
        let (mut jobs, mut plain) = (Vec::new(), Vec::new());
        for found in differing {
            match self.question(endpoint, &found, attempts) {
                Some(job) => {
                    let row = (IntentState::Sent, self.now(), attempts);
                    self.mark_asked(endpoint, SentKind::Question, row, &found, &mut unit);
                    jobs.push((job, found.row));
                }
                None => plain.push(found.row),
            }
        }
        self.commit(unit)?;
        let (jobs, rows): (Vec<Job>, Vec<Incoming>) = jobs.into_iter().unzip();
        let outcomes = write_jobs(self.end(endpoint)?, &jobs, self.run.options.safety, &|| self.holds_lease()).await;
        let lag = self.settled.rules.lag(endpoint);
        let mut unit = self.load_unit(jobs.iter().map(|job| job.record))?;
        let mut answered = Vec::new();
        for ((job, row), outcome) in jobs.iter().zip(rows).zip(outcomes) {
            let Some(side) = unit.get(job.record).and_then(|touched| touched.state.sides.get_mut(endpoint)) else {
                continue;
            };
            let wait = match outcome {
                Outcome::Ok { .. } => {
                    side.sent.iter_mut().for_each(|sent| sent.kind = SentKind::Asked);
                    answered.push((job.record, attempts));
                    lag
                }
                Outcome::Unknown(_) | Outcome::Retry(_) => micros(back_off(attempts)).max(lag),
                // What was shown is there no more, if it ever was: whatever is there instead will be read.
                Outcome::Conflict(_) => {
                    self.plan_again(endpoint, job.record, &mut unit);
                    continue;
                }
                Outcome::Rejected(_) => {
                    self.plan_again(endpoint, job.record, &mut unit);
                    plain.push(row);
                    continue;
                }
            };
            let due = self.now().saturating_add(wait);
            let row = self.intent(IntentState::Unknown, due, attempts + 1, Action::Update);
            unit.intents.insert((job.record, endpoint), row);
            unit.get(job.record).into_iter().for_each(|touched| touched.is_dirty = true);
        }
        self.commit(unit)?;
        self.take_rows(endpoint, &plain, Vec::new(), None).await?;
        if lag == 0 { Box::pin(self.hear_answers(endpoint, answered)).await } else { Ok(()) }
    }

    fn mark_asked(
        &self,
        endpoint: usize,
        kind: SentKind,
        (state, due, attempts): (IntentState, i64, u32),
        found: &Differing,
        unit: &mut Unit,
    ) {
        let now = self.now();
        let row = self.intent(state, due, attempts, Action::Update);
        let Some(touched) = unit.get(found.record) else { return };
        let Some(side) = touched.state.sides.get_mut(endpoint) else { return };
        side.sent = Some(Box::new(Sent {
            kind,
            patch: found.fields.iter().map(|(field, sent, _)| (*field, sent.clone())).collect(),
            at: now,
            shown: found.fields.iter().map(|(field, _, shown)| (*field, shown.clone())).collect(),
            shown_at: found.row.at,
        }));
        touched.is_dirty = true;
        unit.intents.insert((found.record, endpoint), row);
    }

    /// Looks at records whose form was asked for.
    pub async fn hear_answers(&mut self, endpoint: usize, asked: Vec<(RecordId, u32)>) -> Result<(), SyncError> {
        if asked.is_empty() {
            return Ok(());
        }
        let mut unit = self.load_unit(asked.iter().map(|(record, _)| *record))?;
        let remote = |record: &RecordId| Some(unit.peek(*record)?.state.side(endpoint)?.link.remote()?.to_vec());
        let remotes: Vec<Vec<u8>> = asked.iter().filter_map(|(record, _)| remote(record)).collect();
        let (mut found, letters) = self.look_up_remotes(endpoint, &remotes).await?;
        let mut heard = Heard::default();
        for (record, attempts) in asked {
            let Some(side) = unit.peek(record).and_then(|touched| touched.state.side(endpoint)) else { continue };
            let (Some(sent), Some(remote)) = (side.sent.as_deref().cloned(), side.link.remote()) else { continue };
            let remote = remote.to_vec();
            self.plan_again(endpoint, record, &mut unit);
            match found.remove(&remote) {
                Some(row) => self.hear(endpoint, (record, attempts), &sent, row, &mut heard, &mut unit),
                None if self.is_among(endpoint, &remote, &letters) => {}
                None => heard.gone.push(remote),
            }
        }
        self.commit(unit)?;
        self.take_rows(endpoint, &heard.overwritten, letters, None).await?;
        self.note_overwritten(endpoint, &heard.replaced)?;
        self.take_rows(endpoint, &heard.later, Vec::new(), None).await?;
        self.look_again(endpoint, &heard.gone).await?;
        for (attempts, again) in heard.again {
            self.ask(endpoint, vec![again], attempts).await?;
        }
        Ok(())
    }

    /// One answer. What is shown still is the endpoint's form of what was written, if it was written; what is not was somebody's.
    fn hear(
        &self,
        endpoint: usize,
        (record, attempts): (RecordId, u32),
        sent: &Sent,
        row: Incoming,
        heard: &mut Heard,
        unit: &mut Unit,
    ) {
        let now = |field: usize| row.values.get(field).and_then(Option::as_ref);
        let asked: Vec<(usize, Value, Value)> = sent
            .patch
            .iter()
            .zip(&sent.shown)
            .map(|((field, sent), (_, shown))| (*field, sent.clone(), shown.clone()))
            .collect();
        let (same, other): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|(field, _, shown)| now(*field).is_none_or(|now| now == shown));
        if sent.kind != SentKind::Question && !same.is_empty() {
            self.remember_form(endpoint, record, &same, unit);
        } else if !same.is_empty() {
            heard.again.push((attempts, Differing { record, row: row.clone(), fields: same }));
        }
        if sent.kind == SentKind::Unseen {
            heard.later.push(row);
            return;
        }
        let (ours, theirs): (Vec<_>, Vec<_>) =
            other.into_iter().partition(|(field, sent, _)| now(*field) == Some(sent));
        if let Some(side) = unit.get(record).and_then(|touched| touched.state.sides.get_mut(endpoint)) {
            side.unsure_until = 0;
            // Who has changed it since then has seen what was written.
            for (field, written, _) in theirs.iter().filter(|_| sent.kind == SentKind::Asked) {
                side.set_shadow(*field, Shadow::Value(written.clone()));
            }
        }
        if !ours.is_empty() {
            let mut values: Row = vec![None; self.settled.entity.len()].into();
            for (field, _, shown) in &ours {
                values.get_mut(*field).into_iter().for_each(|place| *place = Some(shown.clone()));
            }
            heard.overwritten.push(Incoming { values, at: sent.shown_at, ..row.clone() });
            heard.replaced.push((record, ours.into_iter().map(|(field, sent, _)| (field, sent)).collect()));
        }
        heard.later.push(row);
    }

    /// Somebody's values that asking for the endpoint's form has overwritten: it shows ours, and is given back what is agreed.
    fn note_overwritten(
        &mut self,
        endpoint: usize,
        replaced: &[(RecordId, Vec<(usize, Value)>)],
    ) -> Result<(), SyncError> {
        let mut unit = self.load_unit(replaced.iter().map(|(record, _)| *record))?;
        for (record, fields) in replaced {
            let Some(touched) = unit.get(*record) else { continue };
            let Some(side) = touched.state.sides.get_mut(endpoint) else { continue };
            for (field, sent) in fields {
                side.set_shadow(*field, Shadow::Value(sent.clone()));
            }
            touched.is_dirty = true;
            touched.is_changed = true;
        }
        self.commit(unit)
    }

    fn question(&self, endpoint: usize, found: &Differing, attempts: u32) -> Option<Job> {
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
            attempts,
        })
    }

    fn remember_form(&self, endpoint: usize, record: RecordId, forms: &[(usize, Value, Value)], unit: &mut Unit) {
        let (now, lag) = (self.now(), self.settled.rules.lag(endpoint));
        if let Some(touched) = unit.get(record)
            && let Some(side) = touched.state.sides.get_mut(endpoint)
        {
            for (field, sent, shown) in forms {
                super::confirm::fence(side, *field, shown, now, lag);
                side.set_shadow(*field, Shadow::Form { shows: shown.clone(), of: sent.clone() });
            }
            touched.is_dirty = true;
            touched.is_changed = true;
        }
        let entry = form_entry(self.ids.get(endpoint).copied().unwrap_or_default(), forms);
        self.tell(unit, record, entry);
    }
}

/// What records show that were asked about.
#[derive(Default)]
struct Heard {
    /// Somebody's values as they were before the question overwrote them.
    overwritten: Vec<Incoming>,
    /// Fields that show what the question wrote.
    replaced: Vec<(RecordId, Vec<(usize, Value)>)>,
    /// The same records as they are now.
    later: Vec<Incoming>,
    gone: Vec<Vec<u8>>,
    /// To be asked once more, after so many attempts.
    again: Vec<(u32, Differing)>,
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
