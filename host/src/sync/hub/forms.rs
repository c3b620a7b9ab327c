//! Endpoints that keep values in a form of their own: found out by looking at what was written and by writing it once more, and
//! remembered, so that nobody takes the form for a change.

use std::collections::{BTreeMap, HashMap};

use super::decide::Incoming;
use super::deliver::{Action, Job, back_off};
use super::setup::micros;
use super::unit::Unit;
use super::work::Work;
use super::write::{Outcome, write_jobs};
use crate::lineage::{Entry, EntryKind, Item};
use crate::record::{Changes, Field, Purpose, Row, Value};
use crate::resolve::{Answer, Mechanism, Sent, SentKind, Shadow, Shows, Verdict};
use crate::store::{IntentState, RecordId};
use crate::sync::error::SyncError;

/// What records show, by their remote ids.
type Shown = HashMap<Vec<u8>, Incoming>;

impl Work<'_> {
    /// What is to be asked about of what was written and is shown otherwise. Until that is known it is on record that it is not
    /// (ADR 8): the form must not be taken for a change if the process dies before it has asked. An endpoint that cannot be looked at
    /// says so after all is noted.
    pub fn compare_shown(
        &self,
        endpoint: usize,
        written: &[&Job],
        shown: Result<Option<Changes>, SyncError>,
        unit: &mut Unit,
    ) -> (Vec<Differing>, Result<(), SyncError>) {
        if !self.is_read_back(endpoint) {
            return (Vec::new(), Ok(()));
        }
        let understood = |changes: Option<Changes>| match changes {
            Some(changes) => Ok(self.incoming(endpoint, &changes)?.0),
            None => Ok(Vec::new()),
        };
        let (rows, looked) = match shown.and_then(understood) {
            Ok(rows) => (rows, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        let mut shown: Shown = rows.into_iter().map(|row| (row.remote.clone(), row)).collect();
        let is_compared = |job: &&&Job| matches!(job.action, Action::Create | Action::Update);
        let compare = |job: &&Job| self.compare(endpoint, job, &mut shown, unit);
        (written.iter().filter(is_compared).filter_map(compare).collect(), looked)
    }

    pub fn is_read_back(&self, endpoint: usize) -> bool {
        let is_read = self.settled.rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_read);
        is_read && self.can_look(endpoint).unwrap_or(false) && self.has(Mechanism::CanonicalForms)
    }

    /// The written fields a record shows in what may be a form of the endpoint's own. What it shows in other fields is somebody's change
    /// and none of our business here: the next reading takes it in. What may be from before the write, what is nothing like it and a
    /// record that is not shown at all are looked at once more when the endpoint's lag is over.
    fn compare(&self, endpoint: usize, job: &Job, found: &mut Shown, unit: &mut Unit) -> Option<Differing> {
        let now = self.now();
        let side = unit.peek(job.record)?.state.side(endpoint)?;
        let row = found.remove(side.link.remote()?);
        let shown = |field: usize| row.as_ref()?.values.get(field)?.as_ref();
        let is_as_sent = |field: &usize| {
            row.is_some() && shown(*field).is_none_or(|shown| Some(shown) == side.shadow(*field).shown())
        };
        let open: Vec<(usize, Value)> = job.patch.iter().filter(|(field, _)| !is_as_sent(field)).cloned().collect();
        if open.is_empty() {
            return None;
        }
        let fields = open.iter().filter_map(|(field, sent)| Some((*field, sent.clone(), shown(*field)?.clone())));
        let is_form = |field, shown: &Value, sent: &Value| self.settled.rules.is_form(field, shown, sent);
        // Where readings lag behind, whatever it shows may be from before.
        let lag = self.settled.rules.lag(endpoint);
        let fields: Vec<_> = fields.filter(|(field, sent, shown)| lag == 0 && is_form(*field, shown, sent)).collect();
        let due = now.saturating_add(lag);
        let intent = self.intent(IntentState::Unknown, due, 0, Action::Update);
        if let Some(touched) = unit.get(job.record)
            && let Some(side) = touched.state.sides.get_mut(endpoint)
        {
            let sent = Sent { kind: SentKind::Unseen, patch: open, at: now, shown: Vec::new(), shown_at: None };
            side.sent = Some(Box::new(sent));
            unit.intents.insert((job.record, endpoint), intent);
        }
        let row = row.filter(|_| !fields.is_empty())?;
        Some(Differing::new(job.record, row, fields))
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
                    self.mark_asked(endpoint, row, &found, &mut unit);
                    jobs.push((job, found.row));
                }
                // Who cannot be asked is believed: it is like what was written.
                None => {
                    self.plan_again(endpoint, found.record, &mut unit);
                    self.remember_form(endpoint, found.record, &found.fields, &mut unit);
                    plain.push(found.row);
                }
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
                // What was shown is there no more: whatever is there instead will be read, and whoever wrote it has seen what was
                // written, in that form.
                Outcome::Conflict(_) => {
                    let asked = side.sent.take().map(|sent| sent.patch.into_iter().zip(sent.shown));
                    for ((field, of), (_, shows)) in asked.into_iter().flatten() {
                        side.set_shadow(field, Shadow::Form { shows, of });
                    }
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
        (state, due, attempts): (IntentState, i64, u32),
        found: &Differing,
        unit: &mut Unit,
    ) {
        let now = self.now();
        let row = self.intent(state, due, attempts, Action::Update);
        let Some(touched) = unit.get(found.record) else { return };
        let Some(side) = touched.state.sides.get_mut(endpoint) else { return };
        let shown = found.fields.iter().map(|(field, _, shown)| (*field, shown.clone()));
        side.sent = Some(Box::new(Sent {
            kind: SentKind::Question,
            patch: found.fields.iter().map(|(field, sent, _)| (*field, sent.clone())).collect(),
            at: now,
            shown: shown.chain(found.earlier.iter().cloned()).collect(),
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
            let Some(touched) = unit.get(record) else { continue };
            let was_left = touched.state.come_back(endpoint);
            let Some(side) = touched.state.side(endpoint) else { continue };
            let (Some(sent), Some(remote)) = (side.sent.as_deref().cloned(), side.link.remote()) else { continue };
            let remote = remote.to_vec();
            match found.remove(&remote) {
                Some(row) => self.hear(endpoint, (record, attempts), &sent, row, &mut heard, &mut unit),
                None => {
                    self.plan_again(endpoint, record, &mut unit);
                    match self.is_among(endpoint, &remote, &letters) {
                        true => {}
                        // What was deleted there while it was none of ours is made anew.
                        false if was_left => self.drop_copy(endpoint, record, remote, &mut unit),
                        false => heard.later.push(self.missing(remote)),
                    }
                }
            }
        }
        self.commit(unit)?;
        self.take_rows(endpoint, &heard.overwritten, letters, None).await?;
        self.note_overwritten(endpoint, &heard.replaced)?;
        self.take_rows(endpoint, &heard.later, Vec::new(), None).await?;
        for (attempts, again) in heard.again {
            self.ask(endpoint, again, attempts).await?;
        }
        Ok(())
    }

    /// The copy is no longer the record's.
    pub fn drop_copy(&self, endpoint: usize, record: RecordId, remote: Vec<u8>, unit: &mut Unit) {
        if let Some(touched) = unit.get(record)
            && let Some(side) = touched.state.sides.get_mut(endpoint)
        {
            side.forget_copy();
            touched.is_dirty = true;
        }
        unit.link(self.endpoint_id(endpoint), remote, None);
    }

    /// One answer. What is shown still is the endpoint's form of what was written, if it was written; what is not was somebody's. What
    /// is shown in yet another form leaves it open which of the two is somebody's: it is asked about once more.
    fn hear(
        &self,
        endpoint: usize,
        (record, attempts): (RecordId, u32),
        sent: &Sent,
        row: Incoming,
        heard: &mut Heard,
        unit: &mut Unit,
    ) {
        let mut answer = Answer::of(sent, &row.values, &self.settled.rules);
        // A record is written as a whole: one field that shows what was asked tells that all of it arrived.
        let has_arrived = sent.kind == SentKind::Asked || !answer.ours.is_empty();
        if !has_arrived {
            answer.doubt_same(sent);
            if !answer.doubtful.is_empty() {
                return heard.ask_again(attempts, record, row, answer);
            }
        }
        match answer.doubtful.is_empty() {
            true => self.plan_again(endpoint, record, unit),
            false => self.keep_asked(endpoint, record, &answer.doubtful, unit),
        }
        if !answer.same.is_empty() {
            self.remember_form(endpoint, record, &answer.same, unit);
        }
        if let Some(side) = unit.get(record).and_then(|touched| touched.state.sides.get_mut(endpoint)) {
            if !answer.ours.is_empty() {
                side.unsure_until = 0;
            }
            // Who has changed it since then has seen what was written.
            for (field, written, _) in answer.theirs.iter().filter(|_| has_arrived) {
                side.set_shadow(*field, Shadow::Value(written.clone()));
            }
        }
        let lost = answer.lost(sent);
        if !lost.is_empty() {
            let mut values: Row = vec![None; self.settled.entity.len()].into();
            for (field, _, somebodys) in &lost {
                values.get_mut(*field).into_iter().for_each(|place| *place = Some(somebodys.clone()));
            }
            heard.overwritten.push(Incoming { values, at: sent.shown_at, ..row.clone() });
            let now = |field: usize| row.values.get(field).and_then(Option::as_ref);
            let shadow = |(field, sent, _): Shows| match now(field) {
                Some(now) if *now != sent => (field, Shadow::Form { shows: now.clone(), of: sent }),
                _ => (field, Shadow::Value(sent)),
            };
            heard.replaced.push((record, lost.into_iter().map(shadow).collect()));
        }
        if answer.doubtful.is_empty() {
            return heard.later.push(row);
        }
        let mut later = row.clone();
        for (field, ..) in &answer.doubtful {
            later.values.get_mut(*field).into_iter().for_each(|place| *place = None);
        }
        heard.later.push(later);
        heard.ask_again(attempts, record, row, answer);
    }

    /// Somebody's values that asking for the endpoint's form has overwritten: it shows ours, and is given back what is agreed.
    fn note_overwritten(
        &mut self,
        endpoint: usize,
        replaced: &[(RecordId, Vec<(usize, Shadow)>)],
    ) -> Result<(), SyncError> {
        let mut unit = self.load_unit(replaced.iter().map(|(record, _)| *record))?;
        for (record, fields) in replaced {
            let Some(touched) = unit.get(*record) else { continue };
            let Some(side) = touched.state.sides.get_mut(endpoint) else { continue };
            for (field, shadow) in fields {
                side.set_shadow(*field, shadow.clone());
            }
            touched.is_dirty = true;
            touched.is_changed = true;
        }
        self.commit(unit)
    }

    /// What is not answered stays asked until it is asked once more.
    fn keep_asked(&self, endpoint: usize, record: RecordId, fields: &[Shows], unit: &mut Unit) {
        let Some(touched) = unit.get(record) else { return };
        let side = touched.state.sides.get_mut(endpoint);
        if let Some(sent) = side.and_then(|side| side.sent.as_mut()) {
            sent.narrow(|field| fields.iter().any(|(open, ..)| *open == field));
        }
        touched.is_dirty = true;
    }

    fn question(&self, endpoint: usize, found: &Differing, attempts: u32) -> Option<Job> {
        let end = self.settled.ends.get(endpoint)?;
        let columns = |values: &dyn Fn(&Shows) -> Value| {
            let mut row: Vec<Option<Value>> = vec![None; self.settled.entity.len()];
            for entry in &found.fields {
                *row.get_mut(entry.0)? = Some(values(entry));
            }
            let written = end.projection.write(&row, Purpose::Update).ok()?;
            let is_key = |field: &Field| end.key.iter().any(|key| key.name == field.name);
            let pairs = end.projection.columns().iter().zip(written).zip(&end.expectable);
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

    fn remember_form(&self, endpoint: usize, record: RecordId, forms: &[Shows], unit: &mut Unit) {
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
    /// Fields that show what the question wrote, and how.
    replaced: Vec<(RecordId, Vec<(usize, Shadow)>)>,
    /// The same records as they are now, or gone.
    later: Vec<Incoming>,
    /// To be asked once more, by the number of attempts.
    again: BTreeMap<u32, Vec<Differing>>,
}

impl Heard {
    fn ask_again(&mut self, attempts: u32, record: RecordId, row: Incoming, answer: Answer) {
        let differing = Differing { record, row, fields: answer.doubtful, earlier: answer.earlier };
        self.again.entry(attempts).or_default().push(differing);
    }
}

/// Fields of a record that an endpoint shows otherwise than they were sent.
pub(super) struct Differing {
    pub record: RecordId,
    pub row: Incoming,
    pub fields: Vec<Shows>,
    /// What was shown before the last question, where its answer left that open.
    pub earlier: Vec<(usize, Value)>,
}

impl Differing {
    pub fn new(record: RecordId, row: Incoming, fields: Vec<Shows>) -> Self {
        Self { record, row, fields, earlier: Vec::new() }
    }
}

/// A form of a value: told like a change, decided by nobody.
fn form_entry(endpoint: i64, fields: &[Shows]) -> Entry {
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
