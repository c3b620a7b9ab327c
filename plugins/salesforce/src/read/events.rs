//! Reading what events tell.
//!
//! An event only says that something happened to a record: what the record is, is looked up, exactly and all of it. So an event that
//! says nothing more than that (a gap) is as good as any other, and one that comes twice does no harm. Where an event cannot say which
//! records it is about, or where to go on is not known any more, everything is read again.

use std::collections::{BTreeMap, VecDeque};

use lockstep_plugin_sdk::batch::BatchBuilder;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::source::Reader;
use lockstep_plugin_sdk::types::{Changes, Limits, Page, ReadRequest, Rejection, Status};
use lockstep_plugin_sdk::values::MICROS_PER_DAY;

use super::gone;
use super::plan::Plan;
use crate::collect::Collected;
use crate::cursor::{Boundary, Position, encode};
use crate::events::{EVERYTHING, Listener, channel_of};
use crate::lookup::collect;
use crate::object::ID;

/// Events are kept for 72 hours.
const KEPT_HOURS: i64 = 70;
/// Records looked up together: what one request is good for.
const RECORDS_MAX: usize = 1000;

/// A reading under way.
pub struct EventReader {
    plan: Plan,
    key: Vec<String>,
    listener: Listener,
    /// The last event of which everything was shown.
    replay: String,
    since: Boundary,
    /// Pages of the events that were taken last, and the last of those events: behind it is gone once all of them were shown.
    ready: VecDeque<Shown>,
    taken: String,
}

/// Rows, and what could not become one.
type Shown = (Changes, Vec<Rejection>);
/// The records of some events, and what was said of each last.
type Told = BTreeMap<String, String>;

impl EventReader {
    pub fn new(plan: Plan, request: &ReadRequest, replay: &str, since: Boundary) -> Result<Self> {
        let key = if request.key.is_empty() { vec![ID.to_owned()] } else { request.key.clone() };
        let channel = channel_of(&plan.object.name);
        Ok(Self {
            plan,
            key,
            listener: Listener::new(channel),
            replay: replay.to_owned(),
            since,
            ready: VecDeque::new(),
            taken: replay.to_owned(),
        })
    }

    /// The records of as many events as fit into a page.
    fn take(&mut self, rows_max: usize) -> Result<Told> {
        let mut told = Told::new();
        while let Some(event) = self.listener.waiting.front() {
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
            self.listener.waiting.pop_front();
        }
        Ok(told)
    }

    /// What the records are now.
    fn show(&self, told: &Told) -> Result<VecDeque<Shown>> {
        let (connection, object, wanted) = (&self.plan.connection, &self.plan.object, &self.plan.wanted);
        let id = object.property(ID)?;
        let ids: Vec<Vec<String>> = told.keys().map(|id| vec![id.clone()]).collect();
        let Collected { mut changes, beside, rejected } = collect(connection, object, &[id], wanted, &ids)?;
        let there: Vec<String> = beside.into_iter().filter_map(|beside| beside.into_iter().next()?).collect();
        let was_undeleted = |id: &String| told.get(id).is_some_and(|kind| kind.ends_with("UNDELETE"));
        if there.iter().any(was_undeleted) {
            changes.kinds = Some(there.iter().map(|id| if was_undeleted(id) { UNDELETE } else { UPSERT }).collect());
        }
        // One that is not shown is only gone if that was said: others may not be ours to see, or cannot be read.
        let is_unreadable = |id: &String| rejected.iter().any(|rejection| rejection.position.contains(id.as_str()));
        let is_gone = |(id, kind): &(&String, &String)| {
            kind.ends_with("DELETE") && !kind.ends_with("UNDELETE") && !there.contains(id) && !is_unreadable(id)
        };
        let gone: Vec<String> = told.iter().filter(is_gone).map(|(id, _)| id.clone()).collect();
        let mut all = VecDeque::from([(changes, rejected)]);
        if !gone.is_empty() {
            all.push_back((gone::rows(&self.plan, &self.key, &gone)?, Vec::new()));
        }
        Ok(all)
    }
}

const UPSERT: u8 = 0;
const UNDELETE: u8 = 2;

/// Before the first event everything that is kept is asked for: as long as that reaches back to when everything was read.
fn check_age(now: Option<i64>, since: Boundary, object: &str) -> Result<()> {
    let age = now.zip(since).map(|(now, since)| now.saturating_sub(since));
    if age.is_some_and(|age| age <= KEPT_HOURS * (MICROS_PER_DAY / 24)) {
        return Ok(());
    }
    Err(lost(format!("nobody listened to those of `{object}` for {KEPT_HOURS} hours")).with_code("salesforce.replay"))
}

fn lost(reason: String) -> Error {
    Error::stale_cursor(format!("events may have been missed: {reason}"))
}

impl Reader for EventReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        if self.ready.is_empty() {
            let (is_from_beginning, since, name) = (self.replay == EVERYTHING, self.since, &self.plan.object.name);
            let check = |now: Option<i64>| if is_from_beginning { check_age(now, since, name) } else { Ok(()) };
            self.listener.listen(&self.plan.connection, &self.replay, check)?;
            let told = self.take(RECORDS_MAX.min(limits.rows as usize).max(1))?;
            self.ready = self.show(&told)?;
        }
        let (changes, rejected) = match self.ready.pop_front() {
            Some(shown) => shown,
            None => (Changes::upserts(BatchBuilder::for_fields(&self.plan.wanted)?.finish()?), Vec::new()),
        };
        if self.ready.is_empty() {
            self.replay.clone_from(&self.taken);
        }
        let is_over = self.ready.is_empty() && self.listener.is_over(&self.plan.connection);
        let position = Position::Events { replay: self.replay.clone(), since: self.since };
        let status = if is_over { Status::CaughtUp } else { Status::More };
        let mut page = Page::new(changes.data, encode(&self.plan.scope, &position), status);
        page.changes.kinds = changes.kinds;
        page.rejected = rejected;
        Ok(page)
    }
}
