//! What becomes of a write once it was answered: confirmed, refused, to be tried again, or to be looked at.

use serde_json::json;

use super::decide::Incoming;
use super::deliver::{Action, Job, back_off};
use super::unit::Unit;
use super::work::{Work, remote_text};
use super::write::Outcome;
use super::writing::Written;
use crate::connector::Failure;
use crate::lineage::{Entry, EntryKind, Item};
use crate::record::Value;
use crate::resolve::{Fence, Link, Mechanism, Shadow, Side};
use crate::store::{IntentState, KeyDigest, NewDeadLetter, RecordId, Stage};
use crate::sync::error::SyncError;
use crate::sync::letters;

impl Work<'_> {
    /// Notes what became of each write, and looks at those that are unclear.
    pub async fn settle_outcomes(
        &mut self,
        endpoint: usize,
        Written { jobs, outcomes, shown }: Written,
    ) -> Result<(), SyncError> {
        self.free_ids(endpoint, &jobs, &outcomes).await?;
        let mut unit = self.load_unit(jobs.iter().map(|job| job.record))?;
        let (mut collided, mut written) = (Vec::new(), Vec::new());
        for (job, outcome) in jobs.iter().zip(outcomes) {
            match outcome {
                Outcome::Ok { remote } => {
                    self.confirm(endpoint, job, remote, &mut unit);
                    written.push(job);
                }
                Outcome::Conflict(failure) => {
                    self.take_back(endpoint, job, 0, &mut unit);
                    collided.push((job.clone(), failure));
                }
                Outcome::Rejected(failure) => self.refuse(endpoint, job.record, &job.patch, &failure, &mut unit),
                Outcome::Retry(failure) => {
                    let wait = failure.retry_after.unwrap_or_else(|| back_off(job.attempts));
                    self.take_back(endpoint, job, super::setup::micros(wait), &mut unit);
                }
                Outcome::Unknown(_) => self.leave_open(endpoint, job, &mut unit),
            }
        }
        let (differing, looked) = self.compare_shown(endpoint, &written, shown, &mut unit);
        self.commit(unit)?;
        looked?;
        if !collided.is_empty() {
            self.after_collisions(endpoint, collided).await?;
        }
        self.ask(endpoint, differing, 0).await
    }

    /// A write arrived: what was sent is what the endpoint shows, until it says otherwise.
    pub fn confirm(&mut self, endpoint: usize, job: &Job, remote: Option<Vec<u8>>, unit: &mut Unit) {
        let (now, lag) = (self.now(), self.settled.rules.lag(endpoint));
        let endpoint_id = self.endpoint_id(endpoint);
        let Some(touched) = unit.get(job.record) else { return };
        touched.is_dirty = true;
        touched.is_changed = true;
        let is_live = touched.state.is_live();
        let Some(side) = touched.state.sides.get_mut(endpoint) else { return };
        (side.sent, side.late) = (None, None);
        let items = show(side, &job.patch, now, lag);
        let kind = match job.action {
            Action::Create => {
                // What it was not given is empty there, and nobody has said so.
                let shows = |(field, shadow): &(usize, &mut Shadow)| {
                    **shadow == Shadow::Absent && self.settled.rules.reads(endpoint, *field)
                };
                for (_, shadow) in side.shadow.iter_mut().enumerate().filter(shows) {
                    *shadow = Shadow::Value(Value::Null);
                }
                if let Some(remote) = remote {
                    side.link = Link::Linked(remote.clone().into());
                    side.fenced_until = now.saturating_add(lag);
                    unit.link(endpoint_id, remote, Some(job.record));
                }
                EntryKind::WroteNew
            }
            Action::Update => EntryKind::Wrote,
            Action::Archive => {
                // It is still there and still shown: that must not bring back a record that was deleted (Invariant 4).
                if let Some(remote) = side.link.remote().map(<[u8]>::to_vec) {
                    side.link = Link::Left(remote.into());
                }
                EntryKind::Unlinked
            }
            Action::Delete => {
                let remote = side.link.remote().map(<[u8]>::to_vec);
                side.fenced_until = now.saturating_add(lag);
                if let Some(remote) = remote {
                    if is_live {
                        // It left the segment: should it come back, it is made anew.
                        side.forget_copy();
                        unit.link(endpoint_id, remote, None);
                    } else {
                        side.link = Link::Gone(remote.into());
                        side.held.clear();
                    }
                }
                EntryKind::WroteDelete
            }
        };
        match job.action {
            Action::Delete => self.counters.deleted += 1,
            _ => {
                self.counters.written += 1;
                self.count(endpoint, |rows| rows.written += 1);
            }
        }
        let mut entry = Entry::new(kind, self.ids.get(endpoint).copied().unwrap_or_default(), 0);
        entry.items = items;
        self.tell(unit, job.record, entry);
        unit.written_keys.extend(self.open_write_letter(endpoint, job.record));
    }

    /// Nothing was written: what is owed is computed anew, after a while.
    fn take_back(&self, endpoint: usize, job: &Job, wait: i64, unit: &mut Unit) {
        let row = self.intent(IntentState::Planned, self.now().saturating_add(wait), job.attempts + 1, job.action);
        if let Some(touched) = unit.get(job.record)
            && let Some(side) = touched.state.sides.get_mut(endpoint)
        {
            side.sent = None;
            touched.is_dirty = true;
            unit.intents.insert((job.record, endpoint), row);
        }
    }

    /// Nobody knows whether it arrived: it is looked at before anything else is done.
    fn leave_open(&self, endpoint: usize, job: &Job, unit: &mut Unit) {
        let lag = self.settled.rules.lag(endpoint);
        let wait = super::setup::micros(back_off(job.attempts)).max(lag);
        if !self.has(Mechanism::LookBeforeRetry) {
            return self.take_back(endpoint, job, wait, unit);
        }
        let row = self.intent(IntentState::Unknown, self.now().saturating_add(wait), job.attempts + 1, job.action);
        unit.intents.insert((job.record, endpoint), row);
    }

    /// The endpoint will not have it: a person has to help. Only this record waits.
    pub fn refuse(
        &mut self,
        endpoint: usize,
        record: RecordId,
        patch: &[(usize, Value)],
        failure: &Failure,
        unit: &mut Unit,
    ) {
        let row = self.intent(IntentState::Refused, i64::MAX, 0, Action::Update);
        let Some(end) = self.settled.ends.get(endpoint) else { return };
        let Some(touched) = unit.get(record) else { return };
        touched.is_dirty = true;
        let mut values = touched.state.values();
        let Some(side) = touched.state.sides.get_mut(endpoint) else { return };
        side.sent = None;
        let remote = side.link.remote().map(|remote| remote_text(remote, &end.key));
        for (field, value) in patch {
            if let Some(place) = values.get_mut(*field) {
                *place = Some(value.clone());
            }
        }
        let key_text = format!("{} {}", end.name, remote.unwrap_or_else(|| format!("[new record {}]", record.0)));
        let body = json!({"endpoint": end.name, "record": record.0, "values": self.shown(&values)});
        unit.intents.insert((record, endpoint), row);
        if !self.has(Mechanism::DeadLetters) {
            return;
        }
        let key = self.write_letter_key(endpoint, record);
        self.open_letters.insert(key);
        let letter = NewDeadLetter {
            stage: Stage::Write,
            key,
            key_text,
            position: None,
            record: Some(body.to_string()),
            raw: None,
            cause: letters::cause(failure),
            plugin: Some(end.plugin.clone()),
        };
        self.count_letters(std::slice::from_ref(&letter));
        unit.letters.push(letter);
    }

    /// Under which key a write that was refused is a dead letter.
    pub fn write_letter_key(&self, endpoint: usize, record: RecordId) -> KeyDigest {
        let name = self.settled.ends.get(endpoint).map(|end| end.name.as_str()).unwrap_or_default();
        super::letters::write_key(name, record)
    }

    /// The same, if there is such a dead letter and it is open: mostly there is none at all.
    pub fn open_write_letter(&self, endpoint: usize, record: RecordId) -> Option<KeyDigest> {
        let open = Some(&self.open_letters).filter(|open| !open.is_empty())?;
        Some(self.write_letter_key(endpoint, record)).filter(|key| open.contains(key))
    }

    /// A record that could not be taken in because a filter makes nothing of it.
    pub fn filter_letter(&self, endpoint: usize, row: &Incoming, reason: String) -> NewDeadLetter {
        let end = self.settled.ends.get(endpoint);
        let body = json!({
            "endpoint": end.map(|end| end.name.as_str()),
            "remote": super::decision::to_hex(&row.remote),
            "entity": true,
            "values": self.shown(&row.values),
        });
        NewDeadLetter {
            stage: Stage::Map,
            key: self.letter_key(endpoint, &row.remote),
            key_text: self.letter_text(endpoint, &row.remote),
            position: None,
            record: Some(body.to_string()),
            raw: None,
            cause: letters::own_cause(&crate::error::codes::DATA_LOSSY, None, format!("the filter: {reason}")),
            plugin: end.map(|end| end.plugin.clone()),
        }
    }
}

/// The endpoint shows these values now, or as soon as its lag is over.
fn show(side: &mut Side, patch: &[(usize, Value)], now: i64, lag: i64) -> Vec<Item> {
    let mut items = Vec::with_capacity(patch.len());
    for (field, value) in patch {
        let before = side.shadow(*field).shown().cloned();
        fence(side, *field, value, now, lag);
        side.set_shadow(*field, Shadow::Value(value.clone()));
        items.push(Item {
            field: *field,
            verdict: None,
            base: None,
            before,
            incoming: None,
            after: Some(value.clone()),
        });
    }
    items
}

/// What the endpoint showed before this value it may go on showing for a while.
pub(super) fn fence(side: &mut Side, field: usize, value: &Value, now: i64, lag: i64) {
    if let Some(before) = side.shadow(field).shown().filter(|before| lag > 0 && *before != value).cloned() {
        side.fences.push(Fence { field, before, until: now.saturating_add(lag) });
    }
}
