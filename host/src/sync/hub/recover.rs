//! Looking at remote records by their ids: before a write is repeated whose outcome nobody knows, after one that collided, after one
//! that arrived, and when an event that had to wait is due.

use std::collections::{HashMap, HashSet};

use super::decide::Incoming;
use super::deliver::{Action, Job, back_off};
use super::forms::Differing;
use super::identify::spellings;
use super::look_up::LookUp;
use super::unit::Unit;
use super::work::{Work, remote_text, remote_values};
use crate::connector::Failure;
use crate::record::{Field, Purpose, Value};
use crate::resolve::{EventKind, Life, Link, Mechanism, Normaliser, Sent, SentKind, Shadow};
use crate::store::{
    ConflictKind, ConflictState, Intent, IntentState, NewConflict, NewDeadLetter, RecordId, RecordQuery,
};
use crate::sync::error::SyncError;

impl Work<'_> {
    /// Records as an endpoint shows them now, and dead letters of those that are there and cannot be understood. Those it does not
    /// show are left out.
    async fn look_up(
        &self,
        endpoint: usize,
        key: &[Field],
        keys: &[Vec<Value>],
    ) -> Result<(Vec<Incoming>, Vec<NewDeadLetter>), SyncError> {
        let look_up = LookUp { sync: self.name(), end: self.end(endpoint)?, caution: &self.caution };
        match look_up.ask(key, keys).await? {
            Some(changes) => self.incoming(endpoint, &changes),
            None => Ok((Vec::new(), Vec::new())),
        }
    }

    /// Whether an endpoint's records can be looked up.
    pub fn can_look(&self, endpoint: usize) -> Result<bool, SyncError> {
        Ok(self.end(endpoint)?.source.as_ref().is_some_and(|source| source.lookup().is_some()))
    }

    pub async fn look_up_remotes(
        &self,
        endpoint: usize,
        remotes: &[Vec<u8>],
    ) -> Result<(HashMap<Vec<u8>, Incoming>, Vec<NewDeadLetter>), SyncError> {
        let key = self.end(endpoint)?.key.clone();
        let keys: Vec<Vec<Value>> = remotes.iter().filter_map(|remote| remote_values(remote)).collect();
        let (rows, letters) = self.look_up(endpoint, &key, &keys).await?;
        Ok((rows.into_iter().map(|row| (row.remote.clone(), row)).collect(), letters))
    }

    /// Looks at remote records and takes in what they show; one that is not shown is gone. Answers how many are.
    pub async fn look_again(&mut self, endpoint: usize, remotes: &[Vec<u8>]) -> Result<usize, SyncError> {
        let (mut found, letters) = self.look_up_remotes(endpoint, remotes).await?;
        let mut gone = 0;
        let mut rows = Vec::with_capacity(remotes.len());
        for remote in remotes {
            if self.is_among(endpoint, remote, &letters) {
                // It is there, whatever it is like.
                continue;
            }
            rows.push(found.remove(remote).unwrap_or_else(|| {
                gone += 1;
                self.missing(remote.clone())
            }));
        }
        self.take_rows(endpoint, &rows, letters, None).await?;
        Ok(gone)
    }

    /// A record that was looked for and is not there.
    pub fn missing(&self, remote: Vec<u8>) -> Incoming {
        Incoming {
            remote,
            kind: EventKind::Delete,
            values: vec![None; self.settled.entity.len()].into(),
            at: None,
            adopt: None,
            has_waited: false,
            points_nowhere: false,
        }
    }

    /// Whether a record is there and cannot be understood.
    pub fn is_among(&self, endpoint: usize, remote: &[u8], letters: &[NewDeadLetter]) -> bool {
        !letters.is_empty() && letters.iter().any(|letter| letter.key == self.letter_key(endpoint, remote))
    }

    /// Writes whose outcome is not known, because nobody answered or because the process died meanwhile. Answers how many of them were no
    /// writes, but copies to be looked at.
    pub async fn recover(&mut self, endpoint: usize, open: &[Intent]) -> Result<u64, SyncError> {
        let mut unit = self.load_unit(open.iter().map(|intent| intent.record))?;
        let can_look = self.can_look(endpoint)?;
        let (mut remotes, mut creates, mut questions) = (Vec::new(), Vec::new(), Vec::new());
        let mut looks = 0;
        for intent in open {
            let Some(side) = unit.peek(intent.record).and_then(|touched| touched.state.side(endpoint)) else {
                continue;
            };
            match (&side.sent, &side.link) {
                // What was made has been seen meanwhile, and taken for what it is.
                (Some(sent), Link::Linked(_)) if sent.kind == SentKind::Create => {
                    self.plan_again(endpoint, intent.record, &mut unit);
                }
                (Some(sent), Link::Linked(_) | Link::Left(_)) if sent.kind.is_question() => {
                    looks += u64::from(sent.is_look());
                    questions.push((intent.record, intent.row.attempts));
                }
                (Some(sent), _) if sent.kind == SentKind::Create => creates.push((intent.record, intent.row.attempts)),
                (Some(_), Link::Linked(remote)) => remotes.push((intent.record, remote.to_vec(), intent.row.attempts)),
                _ => self.plan_again(endpoint, intent.record, &mut unit),
            }
        }
        if !can_look {
            return self.recover_blindly(endpoint, open, unit).map(|()| 0);
        }
        self.commit(unit)?;
        self.hear_answers(endpoint, questions).await?;
        self.recover_known(endpoint, remotes).await?;
        self.recover_creates(endpoint, creates).await?;
        Ok(looks)
    }

    /// What was sent did not arrive, or nobody will ever know and repeating it does no harm.
    pub fn plan_again(&self, endpoint: usize, record: RecordId, unit: &mut Unit) {
        if let Some(touched) = unit.get(record)
            && let Some(side) = touched.state.sides.get_mut(endpoint)
        {
            // The guard counts what is going to be deleted.
            let action = if touched.state.life == Life::Live { Action::Update } else { Action::Delete };
            let row = self.intent(IntentState::Planned, self.now(), 0, action);
            side.late = side.sent.take().filter(|sent| sent.kind.is_write());
            touched.is_dirty = true;
            unit.intents.insert((record, endpoint), row);
        }
    }

    /// An endpoint that cannot be asked: updates and deletes are repeated, as is a create under a key of our own; any other create
    /// could make a second record, so a person is asked.
    fn recover_blindly(&mut self, endpoint: usize, open: &[Intent], mut unit: Unit) -> Result<(), SyncError> {
        let end = self.end(endpoint)?;
        let own_key =
            end.key.iter().all(|key| end.projection.remote_fields().iter().any(|field| field.name == key.name));
        for intent in open {
            let side = unit.peek(intent.record).and_then(|touched| touched.state.side(endpoint));
            let is_create = side.and_then(|side| side.sent.as_ref()).is_some_and(|sent| sent.kind == SentKind::Create);
            if is_create && !own_key && self.has(Mechanism::CreateLadder) {
                self.ask_about_create(endpoint, intent.record, &[], &mut unit);
            } else {
                self.plan_again(endpoint, intent.record, &mut unit);
            }
        }
        self.commit(unit)
    }

    /// Looks at the records that were written: what they show is taken in, and says whether the write arrived.
    async fn recover_known(&mut self, endpoint: usize, sent: Vec<(RecordId, Vec<u8>, u32)>) -> Result<(), SyncError> {
        if sent.is_empty() {
            return Ok(());
        }
        let remotes: Vec<Vec<u8>> = sent.iter().map(|(_, remote, _)| remote.clone()).collect();
        let (mut found, letters) = self.look_up_remotes(endpoint, &remotes).await?;
        self.take_rows(endpoint, &[], letters, None).await?;
        let mut unit = self.load_unit(sent.iter().map(|(record, ..)| *record))?;
        let (mut differing, mut again, mut later) = (Vec::new(), Vec::new(), Vec::new());
        for (record, remote, attempts) in sent {
            let Some(side) = unit.peek(record).and_then(|touched| touched.state.side(endpoint)) else { continue };
            let row = found.remove(&remote);
            match (side.sent.as_deref().cloned(), row) {
                (Some(sent), Some(row)) if matches!(sent.kind, SentKind::Update | SentKind::Shown) => {
                    let known = Known { record, remote: remote.clone(), attempts };
                    let judged = self.judge_update(endpoint, known, &sent, row, &mut unit);
                    later.extend(judged.foreign);
                    differing.extend(judged.differing);
                }
                (Some(sent), row) => {
                    let due = sent.at.saturating_add(self.settled.rules.lag(endpoint));
                    let is_delete = sent.kind == SentKind::Delete;
                    if row.is_none() && is_delete || self.now() < due {
                        let action = if is_delete { Action::Delete } else { Action::Update };
                        let row = self.intent(IntentState::Unknown, due, attempts, action);
                        unit.intents.insert((record, endpoint), row);
                    } else {
                        self.plan_again(endpoint, record, &mut unit);
                    }
                    again.push(remote);
                }
                (None, _) => self.plan_again(endpoint, record, &mut unit),
            }
        }
        self.commit(unit)?;
        self.take_rows(endpoint, &later, Vec::new(), None).await?;
        self.ask(endpoint, differing, 0).await?;
        self.look_again(endpoint, &again).await.map(|_| ())
    }

    /// What a record shows after an update whose outcome is not known. Fields that show what was sent have arrived; those that show
    /// what was there before have not; anything else is the endpoint's form of it, or somebody's change, which a second write tells.
    fn judge_update(&mut self, endpoint: usize, known: Known, sent: &Sent, row: Incoming, unit: &mut Unit) -> Judged {
        let now = self.now();
        let mut judged = Judged::default();
        let side = unit.peek(known.record).and_then(|touched| touched.state.side(endpoint));
        let Some(side) = side else { return judged };
        let shown = |field: usize| row.values.get(field).and_then(Option::as_ref);
        // What it was never given is empty there.
        let was_there = |field: usize, value: &Value| side.shadow(field).shown().unwrap_or(&Value::Null) == value;
        let is_old = |field: usize| {
            shown(field).is_none_or(|value| was_there(field, value) || side.fenced(field, value, now).is_some())
        };
        // What was there before, and was written with the rest of its group, says nothing.
        let changes = sent.patch.iter().filter(|(field, value)| !was_there(*field, value));
        let (old, new): (Vec<_>, Vec<_>) =
            changes.cloned().partition(|(field, value)| shown(*field) != Some(value) && is_old(*field));
        // Somebody may have set one field to the same: then others are as they were.
        let was_shown = sent.kind == SentKind::Shown && old.is_empty();
        let due = sent.at.saturating_add(self.settled.rules.lag(endpoint));
        if now < due && sent.patch.iter().any(|(field, value)| shown(*field) != Some(value)) {
            // Whatever else is shown may be from before.
            let row = self.intent(IntentState::Unknown, due, known.attempts, Action::Update);
            unit.intents.insert((known.record, endpoint), row);
            return judged;
        }
        if new.is_empty() && !old.is_empty() {
            self.plan_again(endpoint, known.record, unit);
            return judged;
        }
        let (arrived, open): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|(field, value)| shown(*field) == Some(value));
        let open = open.into_iter().filter_map(|(field, sent)| Some((field, sent, shown(field)?.clone())));
        // What is nothing like it somebody else has written.
        let (forms, foreign): (Vec<_>, Vec<_>) =
            open.partition(|(field, sent, shown)| self.settled.rules.is_form(*field, shown, sent));
        if arrived.is_empty() && !was_shown {
            // Whether what is shown is a form of what was sent, or somebody's who has never seen that, is asked next.
            self.plan_again(endpoint, known.record, unit);
        } else {
            // A record is written as a whole: who has changed a part of it since has seen what was written.
            let seen = foreign.iter().map(|(field, sent, _)| (*field, sent.clone()));
            let job = Job {
                record: known.record,
                action: Action::Update,
                remote: Some(known.remote),
                patch: arrived.into_iter().chain(seen).collect(),
                columns: Vec::new(),
                expected: Vec::new(),
                attempts: known.attempts,
            };
            self.confirm(endpoint, &job, None, unit);
        }
        judged.foreign = (was_shown || !foreign.is_empty()).then(|| {
            let mut row = row.clone();
            // What may be a form is asked about first.
            for (field, ..) in &forms {
                row.values.get_mut(*field).into_iter().for_each(|value| *value = None);
            }
            row
        });
        judged.differing = (!forms.is_empty()).then_some(Differing::new(known.record, row, forms));
        judged
    }

    /// The create ladder (Invariant 6): what was made is searched for by its key or its match fields; one is adopted, several are for
    /// a person, and only if there is none after the endpoint's lag is it made again.
    async fn recover_creates(&mut self, endpoint: usize, creates: Vec<(RecordId, u32)>) -> Result<(), SyncError> {
        for (record, attempts) in creates {
            let mut unit = self.load_unit(std::iter::once(record))?;
            let Some(side) = unit.peek(record).and_then(|touched| touched.state.side(endpoint)) else { continue };
            let Some(sent) = side.sent.clone() else { continue };
            if !self.has(Mechanism::CreateLadder) {
                self.plan_again(endpoint, record, &mut unit);
                self.commit(unit)?;
                continue;
            }
            let found = self.find_created(endpoint, &sent.patch).await?;
            let due = sent.at.saturating_add(self.settled.rules.lag(endpoint));
            match found {
                Search::Impossible => self.ask_about_create(endpoint, record, &[], &mut unit),
                Search::Found(rows) => match rows.as_slice() {
                    [] if self.now() >= due => self.plan_again(endpoint, record, &mut unit),
                    [] => {
                        let wait = super::setup::micros(back_off(attempts));
                        let row =
                            self.intent(IntentState::Unknown, due.max(self.now() + wait), attempts + 1, Action::Create);
                        unit.intents.insert((record, endpoint), row);
                    }
                    [one] => {
                        self.commit(unit)?;
                        let adopted = Incoming { adopt: Some(record), ..one.clone() };
                        self.take_rows(endpoint, &[adopted], Vec::new(), None).await?;
                        continue;
                    }
                    several => self.ask_about_create(endpoint, record, several, &mut unit),
                },
            }
            self.commit(unit)?;
        }
        Ok(())
    }

    /// Remote records that may be the one that was made, and belong to nobody else.
    async fn find_created(&self, endpoint: usize, patch: &[(usize, Value)]) -> Result<Search, SyncError> {
        let end = self.end(endpoint)?;
        let mut row: Vec<Option<Value>> = vec![None; self.settled.entity.len()];
        for (field, value) in patch {
            if let Some(place) = row.get_mut(*field) {
                *place = Some(value.clone());
            }
        }
        let Ok(written) = end.projection.write(&row, Purpose::Create) else { return Ok(Search::Impossible) };
        let remote_value = |name: &str| {
            let at = end.projection.remote_fields().iter().position(|field| field.name == name)?;
            let value = written.get(at)?.clone().filter(|value| !value.is_null())?;
            Some((end.projection.remote_fields().get(at)?.clone(), value))
        };
        let own_key: Option<Vec<(Field, Value)>> = end.key.iter().map(|key| remote_value(&key.name)).collect();
        let exact = |(field, value): (Field, Value)| (field, (value, Normaliser::Exact));
        let own_key = own_key.map(|key| key.into_iter().map(exact).collect::<Vec<_>>());
        let by_match = || {
            let rules = self.settled.matching.exact.iter();
            let value = |(field, normaliser): &(usize, Normaliser)| {
                let (column, value) = remote_value(self.column_of(endpoint, *field)?)?;
                Some((column, (value, *normaliser)))
            };
            rules.filter_map(|rule| rule.iter().map(value).collect::<Option<Vec<_>>>()).next()
        };
        let Some(key) = own_key.or_else(by_match) else { return Ok(Search::Impossible) };
        let (fields, values): (Vec<Field>, Vec<(Value, Normaliser)>) = key.into_iter().unzip();
        let (rows, letters) = self.look_up(endpoint, &fields, &spellings(&values)).await?;
        if !letters.is_empty() {
            // What cannot be understood may be the one.
            return Ok(Search::Impossible);
        }
        Ok(Search::Found(self.unlinked(endpoint, rows)?))
    }

    /// Before records are made it is asked whether somebody has made them meanwhile: what is found by its match fields and belongs to
    /// nobody is taken in, and matching finds the record it belongs to, or asks somebody.
    pub async fn look_before_create(&mut self, endpoint: usize, jobs: &[Job]) -> Result<usize, SyncError> {
        let can_look = self.can_look(endpoint)?;
        let is_read = self.settled.rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_read);
        let columns = self.match_columns(endpoint);
        if !can_look || !is_read || columns.is_empty() || !self.has(Mechanism::CreateLadder) {
            return Ok(0);
        }
        let value = |job: &Job, (name, normaliser): &(String, Normaliser)| {
            let (field, value) = job.columns.iter().find(|(field, _)| field.name == *name)?;
            (!value.is_null()).then(|| (Field::clone(field), (value.clone(), *normaliser)))
        };
        let key_of = |job: &Job| columns.iter().map(|column| value(job, column)).collect::<Option<Vec<_>>>();
        let creates = jobs.iter().filter(|job| job.action == Action::Create);
        let (mut fields, mut keys) = (Vec::new(), Vec::new());
        for key in creates.filter_map(key_of) {
            let (columns, values): (Vec<Field>, Vec<(Value, Normaliser)>) = key.into_iter().unzip();
            keys.extend(spellings(&values));
            fields = columns;
        }
        let (rows, letters) = self.look_up(endpoint, &fields, &keys).await?;
        let found = rows.len();
        if found > 0 {
            let free = self.unlinked(endpoint, rows)?;
            self.take_rows(endpoint, &free, letters, None).await?;
        }
        Ok(found)
    }

    /// Of the records that were found those that belong to nobody, each once. They were looked up just now: there is no more to be had
    /// of them.
    fn unlinked(&self, endpoint: usize, rows: Vec<Incoming>) -> Result<Vec<Incoming>, SyncError> {
        let id = self.endpoint_id(endpoint);
        let query = RecordQuery {
            sync: self.name().to_owned(),
            links: rows.iter().map(|row| (id, row.remote.clone())).collect(),
            ..RecordQuery::default()
        };
        let loaded = self.run.store.load_records(&query)?;
        let mut unit = Unit::default();
        self.take_bodies(&mut unit, loaded.bodies)?;
        // What was deleted, and is there again without anybody having said so, is nobody's either.
        let is_held = |record: &RecordId| {
            let side = unit.peek(*record).and_then(|touched| touched.state.side(endpoint));
            side.is_none_or(|side| matches!(side.link, Link::Linked(_) | Link::Left(_)))
        };
        let mut known = HashSet::new();
        let links = loaded.links.into_iter().map(|link| link.filter(is_held));
        let free = rows.into_iter().zip(links).filter(|(_, link)| link.is_none()).map(|(row, _)| row);
        let free = free.filter(|row| known.insert(row.remote.clone()));
        let free = free.map(|row| Incoming { has_waited: true, ..row }).collect();
        self.put_back(unit);
        Ok(free)
    }

    /// The endpoint's columns of the first rule by which its records can be matched.
    fn match_columns(&self, endpoint: usize) -> Vec<(String, Normaliser)> {
        let column = |(field, normaliser): &(usize, Normaliser)| {
            Some((self.column_of(endpoint, *field)?.to_owned(), *normaliser))
        };
        let rules = self.settled.matching.exact.iter();
        rules.filter_map(|rule| rule.iter().map(column).collect::<Option<Vec<_>>>()).next().unwrap_or_default()
    }

    /// The endpoint's column for a field of the entity.
    fn column_of(&self, endpoint: usize, field: usize) -> Option<&str> {
        let (name, endpoint) = (&self.settled.entity.get(field)?.name, &self.settled.ends.get(endpoint)?.name);
        let defined = self.hub.def.fields.iter().find(|known| known.name == *name)?;
        defined.columns.get(endpoint).map(|column| column.field.as_str())
    }

    fn ask_about_create(&self, endpoint: usize, record: RecordId, found: &[Incoming], unit: &mut Unit) {
        let Some(end) = self.settled.ends.get(endpoint) else { return };
        let row = self.intent(IntentState::Held, i64::MAX, 0, Action::Create);
        let values = unit.peek(record).map(|touched| touched.state.values()).unwrap_or_default();
        let candidates: Vec<String> = found.iter().map(|row| remote_text(&row.remote, &end.key)).collect();
        let body = serde_json::json!({
            "endpoint": end.name,
            "values": self.shown(&values),
            "found": candidates,
            "reason": "nobody answered whether this record was made there",
        });
        unit.intents.insert((record, endpoint), row);
        unit.put_conflict(NewConflict {
            sync: self.name().to_owned(),
            record,
            kind: ConflictKind::Match,
            state: ConflictState::Open,
            subject: end.name.clone(),
            body: body.to_string(),
            resolution: None,
        });
    }

    /// Writes that were refused because the record is no longer as it was, or is there already.
    pub async fn after_collisions(&mut self, endpoint: usize, collided: Vec<(Job, Failure)>) -> Result<(), SyncError> {
        let can_look = self.can_look(endpoint)?;
        let (creates, others): (Vec<_>, Vec<_>) =
            collided.into_iter().partition(|(job, _)| job.action == Action::Create);
        let remotes: Vec<Vec<u8>> = others.iter().filter_map(|(job, _)| job.remote.clone()).collect();
        if !self.settled.rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_read) {
            self.forget_lost(endpoint, &others)?;
        } else if can_look && !remotes.is_empty() {
            self.look_again(endpoint, &remotes).await?;
        }
        for (job, failure) in creates {
            let found = if can_look { self.find_created(endpoint, &job.patch).await? } else { Search::Impossible };
            match found {
                Search::Found(rows) if rows.len() == 1 => {
                    let adopted: Vec<Incoming> =
                        rows.into_iter().map(|row| Incoming { adopt: Some(job.record), ..row }).collect();
                    self.take_rows(endpoint, &adopted, Vec::new(), None).await?;
                }
                _ => {
                    let mut unit = self.load_unit(std::iter::once(job.record))?;
                    self.refuse(endpoint, job.record, &job.patch, &failure, &mut unit);
                    self.commit(unit)?;
                }
            }
        }
        Ok(())
    }

    /// Records that an endpoint which is only written has lost: whoever deleted them there has no say, and they are made anew.
    fn forget_lost(&mut self, endpoint: usize, lost: &[(Job, Failure)]) -> Result<(), SyncError> {
        let mut unit = self.load_unit(lost.iter().map(|(job, _)| job.record))?;
        for (job, _) in lost {
            let Some(touched) = unit.get(job.record) else { continue };
            let fields = touched.state.canon.len();
            let Some(side) = touched.state.sides.get_mut(endpoint) else { continue };
            let Some(remote) = side.link.remote().map(<[u8]>::to_vec) else { continue };
            side.link = Link::None;
            side.shadow = vec![Shadow::Absent; fields];
            touched.is_dirty = true;
            touched.is_changed = true;
            unit.link(self.endpoint_id(endpoint), remote, None);
        }
        self.commit(unit)
    }
}

/// What an update of unknown outcome came to.
#[derive(Default)]
struct Judged {
    /// What may be the endpoint's form of what was sent.
    differing: Option<Differing>,
    /// The record, if it shows somebody's change.
    foreign: Option<Incoming>,
}

/// A record with a write under way.
struct Known {
    record: RecordId,
    remote: Vec<u8>,
    attempts: u32,
}

/// What a search for a record that may have been made came to.
enum Search {
    /// There is nothing to search by.
    Impossible,
    Found(Vec<Incoming>),
}
