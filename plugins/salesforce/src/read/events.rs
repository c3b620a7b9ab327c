//! Reading what events tell.
//!
//! An event only says that something happened to a record: what the record is, is looked up, exactly and all of it. So an event that
//! says nothing more than that (a gap) is as good as any other, and one that comes twice does no harm. Where an event cannot say which
//! records it is about, or where to go on is not known any more, everything is read again.

use std::collections::{BTreeMap, VecDeque};

use lockstep_plugin_sdk::batch::BatchBuilder;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::source::Reader;
use lockstep_plugin_sdk::types::{Changes, Field, Limits, Page, ReadRequest, Status};
use lockstep_plugin_sdk::values::MICROS_PER_DAY;

use super::plan::Plan;
use crate::collect::Collected;
use crate::cursor::{Boundary, Position, encode};
use crate::events::{Event, Heard, Subscription, channel_of};
use crate::lookup::{find, find_deleted};
use crate::object::ID;

/// Everything that is kept.
pub const EVERYTHING: &str = "-2";
/// Events are kept for 72 hours.
const KEPT_HOURS: i64 = 70;
/// Records looked up together: what one request is good for.
const RECORDS_MAX: usize = 1000;

/// A reading under way.
pub struct EventReader {
    plan: Plan,
    key: Vec<String>,
    channel: String,
    /// The last event of which everything was shown.
    replay: String,
    since: Boundary,
    subscription: Option<Subscription>,
    /// What was told and not shown yet.
    waiting: VecDeque<Event>,
    /// Pages of the events that were taken last, and the last of those events: behind it is gone once all of them were shown.
    ready: VecDeque<Changes>,
    taken: String,
    is_silent: bool,
}

/// The records of some events, and what was said of each last.
type Told = BTreeMap<String, String>;

impl EventReader {
    pub fn new(plan: Plan, request: &ReadRequest, replay: &str, since: Boundary) -> Result<Self> {
        let key = if request.key.is_empty() { vec![ID.to_owned()] } else { request.key.clone() };
        let channel = channel_of(&plan.object.name);
        Ok(Self {
            plan,
            key,
            channel,
            replay: replay.to_owned(),
            since,
            subscription: None,
            waiting: VecDeque::new(),
            ready: VecDeque::new(),
            taken: replay.to_owned(),
            is_silent: false,
        })
    }

    /// Listens until something is told, or nothing for a while.
    fn listen(&mut self) -> Result<()> {
        let mut attempts = 0;
        while self.waiting.is_empty() && !self.is_silent {
            let subscription = match self.subscription.take() {
                Some(subscription) => subscription,
                None => self.subscribe()?,
            };
            match subscription.hear(&self.plan.connection, self.plan.connection.config.events_wait_ms)? {
                Heard::Events(events) => {
                    self.is_silent = events.is_empty();
                    self.waiting.extend(events);
                    self.subscription = Some(subscription);
                }
                Heard::Forgotten if attempts < 2 => attempts += 1,
                Heard::Forgotten => {
                    let message = "Salesforce forgets who listens to events as soon as it was told";
                    return Err(Error::transient(message).with_code("salesforce.events"));
                }
            }
        }
        Ok(())
    }

    fn subscribe(&self) -> Result<Subscription> {
        let subscription = Subscription::begin(&self.plan.connection, &self.channel, &self.replay)?;
        if self.replay == EVERYTHING {
            let age = subscription.began_at.zip(self.since).map(|(now, since)| now.saturating_sub(since));
            if age.is_none_or(|age| age > KEPT_HOURS * (MICROS_PER_DAY / 24)) {
                subscription.end(&self.plan.connection);
                return Err(lost(format!("`{}` was not listened to for {KEPT_HOURS} hours", self.channel))
                    .with_code("salesforce.replay"));
            }
        }
        Ok(subscription)
    }

    /// The records of as many events as fit into a page.
    fn take(&mut self, rows_max: usize) -> Result<Told> {
        let mut told = Told::new();
        while let Some(event) = self.waiting.front() {
            let Some(records) = &event.records else {
                return Err(lost(format!("an event `{}` does not say which records it is about", event.kind))
                    .with_code("salesforce.gap"));
            };
            let more = records.iter().filter(|id| !told.contains_key(*id)).count();
            if told.len() + more > rows_max {
                if !told.is_empty() {
                    break;
                }
                return Err(lost(format!("an event tells of {more} records")).with_code("salesforce.gap"));
            }
            told.extend(records.iter().map(|id| (id.clone(), event.kind.clone())));
            self.taken.clone_from(&event.replay);
            self.waiting.pop_front();
        }
        Ok(told)
    }

    /// What the records are now.
    fn show(&self, told: &Told) -> Result<VecDeque<Changes>> {
        let (connection, object, wanted) = (&self.plan.connection, &self.plan.object, &self.plan.wanted);
        let id = object.property(ID)?;
        let ids: Vec<Vec<String>> = told.keys().map(|id| vec![id.clone()]).collect();
        let Collected { mut changes, beside, .. } = find(connection, object, &[id], wanted, &ids)?;
        let there: Vec<String> = beside.into_iter().filter_map(|beside| beside.into_iter().next()?).collect();
        let was_undeleted = |id: &String| told.get(id).is_some_and(|kind| kind.ends_with("UNDELETE"));
        if there.iter().any(was_undeleted) {
            changes.kinds = Some(there.iter().map(|id| if was_undeleted(id) { UNDELETE } else { UPSERT }).collect());
        }
        // One that is not shown is only gone if that was said: others may not be ours to see.
        let is_gone = |(id, kind): &(&String, &String)| {
            kind.ends_with("DELETE") && !kind.ends_with("UNDELETE") && !there.contains(id)
        };
        let gone: Vec<String> = told.iter().filter(is_gone).map(|(id, _)| id.clone()).collect();
        let mut all = VecDeque::from([changes]);
        if !gone.is_empty() {
            all.push_back(self.show_gone(&gone)?);
        }
        Ok(all)
    }

    fn show_gone(&self, gone: &[String]) -> Result<Changes> {
        if self.key == [ID] {
            return tombstones(&self.plan.wanted, gone);
        }
        let ids: Vec<Vec<String>> = gone.iter().map(|id| vec![id.clone()]).collect();
        let found = find_deleted(&self.plan.connection, &self.plan.object, &self.plan.wanted, &ids)?;
        let mut changes = found.changes;
        if (changes.data.rows as usize) < gone.len() {
            let message = format!("what was deleted is not there any more to tell its `{}`", self.key.join("`, `"));
            return Err(lost(message).with_code("salesforce.gap"));
        }
        changes.kinds = Some(vec![DELETE; changes.data.rows as usize]);
        Ok(changes)
    }
}

const UPSERT: u8 = 0;
const DELETE: u8 = 1;
const UNDELETE: u8 = 2;

fn lost(reason: String) -> Error {
    Error::stale_cursor(format!("events may have been missed: {reason}"))
}

/// Rows that say which records are gone, and nothing else.
fn tombstones(wanted: &[Field], ids: &[String]) -> Result<Changes> {
    let mut batch = BatchBuilder::for_fields(wanted)?;
    for id in ids {
        for column in batch.columns() {
            if column.name() == ID { column.push_text(id) } else { column.push_absent() }
        }
        batch.end_row();
    }
    let mut changes = Changes::upserts(batch.finish()?);
    changes.kinds = Some(vec![DELETE; ids.len()]);
    Ok(changes)
}

impl Reader for EventReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        if self.ready.is_empty() {
            self.listen()?;
            let told = self.take(RECORDS_MAX.min(limits.rows as usize).max(1))?;
            self.ready = self.show(&told)?;
        }
        let changes = match self.ready.pop_front() {
            Some(changes) => changes,
            None => Changes::upserts(BatchBuilder::for_fields(&self.plan.wanted)?.finish()?),
        };
        if self.ready.is_empty() {
            self.replay.clone_from(&self.taken);
        }
        let is_over = self.is_silent && self.waiting.is_empty() && self.ready.is_empty();
        if is_over && let Some(subscription) = self.subscription.take() {
            subscription.end(&self.plan.connection);
        }
        let position = Position::Events { replay: self.replay.clone(), since: self.since };
        let status = if is_over { Status::CaughtUp } else { Status::More };
        let mut page = Page::new(changes.data, encode(&self.plan.scope, &position), status);
        page.changes.kinds = changes.kinds;
        Ok(page)
    }
}
