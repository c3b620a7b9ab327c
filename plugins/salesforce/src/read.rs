//! Reading an object, in full or what changed.
//!
//! The first request of a reading is a query, and the server's links lead on from there. A link that is not known any more, as after a
//! quarter of an hour, is replaced by a query behind the last record: records are read in an order in which nobody can slip behind us.
//! Changes are those since a boundary, the server's clock before the first record was read, less the lookback.

mod events;
mod goal;
mod gone;
mod job;
mod plan;
mod platform;

use std::collections::BTreeSet;

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::answer::json;
use lockstep_plugin_sdk::http::{Ask, Reply, clock};
use lockstep_plugin_sdk::source::Reader;
use lockstep_plugin_sdk::types::{Changes, Limits, Page, ReadRequest, Status};

use crate::collect::{Collected, Collector, Taken};
use crate::config::Config;
use crate::connection::Connection;
use crate::cursor::{Last, Position, encode};
use crate::object::{ID, is_event};
use crate::trouble::{Words, refused};
use goal::Goal;
use plan::Plan;

/// The server sends so many records at once, at most and unless told otherwise; fewer where they are wide.
const PAGE_ROWS_MAX: u32 = 2000;
const PAGE_ROWS_MIN: u32 = 200;
const DELETE: u8 = 1;

/// A reading under way.
pub struct ObjectReader {
    plan: Plan,
    collector: Collector,
    goal: Goal,
    /// Behind this record the next query goes on.
    last: Option<Last>,
    /// Where the server's own list goes on.
    link: Option<String>,
    /// An answer of which not everything fitted into a page.
    pending: Option<Pending>,
    /// Links that were followed: a server that leads in a circle would keep us for ever.
    followed: BTreeSet<String>,
    /// The server's clock when the first answer came.
    began_at: Option<i64>,
    /// The key by which the project knows records.
    key: Vec<String>,
    /// Records that were shown as deleted.
    shown_gone: Vec<String>,
    log: Log,
    is_over: bool,
}

/// How far the log of deletes is read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Log {
    /// It is not asked for, or everything in it was shown.
    Done,
    /// From this time on it is to be asked for, once all records were shown.
    From(i64),
    /// What of it is still to be shown.
    Left(Vec<String>),
}

struct Pending {
    text: String,
    taken: Taken,
}

/// A reading by pages, by a job or by events.
pub enum AnyReader {
    Pages(Box<ObjectReader>),
    Job(Box<job::JobReader>),
    Events(Box<events::EventReader>),
    Platform(Box<platform::PlatformReader>),
}

impl Reader for AnyReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        match self {
            Self::Pages(reader) => reader.next(limits),
            Self::Job(reader) => reader.next(limits),
            Self::Events(reader) => reader.next(limits),
            Self::Platform(reader) => reader.next(limits),
        }
    }
}

/// Begins to read.
pub fn open(config: Config, request: &ReadRequest) -> Result<AnyReader> {
    if is_event(&request.stream) {
        let reader = platform::PlatformReader::new(Connection::new(config), request)?;
        return Ok(AnyReader::Platform(Box::new(reader)));
    }
    let plan = Plan::new(Connection::new(config), request)?;
    let collector = Collector::new(&plan.object, &plan.wanted, &plan.beside())?;
    let position = plan.position(request)?;
    if let (Position::Events { replay, since }, true) = (&position, plan.has_events) {
        return Ok(AnyReader::Events(Box::new(events::EventReader::new(plan, request, replay, *since)?)));
    }
    let is_job = matches!(&position, Position::Job { for_good, .. } if *for_good == request.is_incremental());
    let (goal, last) = plan.begin(request, position.clone());
    let is_everything = last.is_none() && !matches!(goal, Goal::Since { .. });
    if is_job || (is_everything && plan.suits_jobs()) {
        return Ok(AnyReader::Job(Box::new(job::JobReader::new(plan, collector, goal, position))));
    }
    let log = plan.log_from(&goal).map_or(Log::Done, Log::From);
    let key = if request.key.is_empty() { vec![ID.to_owned()] } else { request.key.clone() };
    Ok(AnyReader::Pages(Box::new(ObjectReader {
        plan,
        collector,
        goal,
        last,
        link: None,
        pending: None,
        followed: BTreeSet::new(),
        began_at: None,
        key,
        shown_gone: Vec::new(),
        log,
        is_over: false,
    })))
}

impl ObjectReader {
    fn what(&self) -> String {
        format!("read `{}`", self.plan.object.name)
    }

    /// The answer to the next request.
    fn ask(&mut self, limits: Limits) -> Result<Pending> {
        loop {
            let link = self.link.take();
            let is_link = link.is_some();
            let target = match link {
                Some(link) => link,
                None => self.plan.query(&self.collector, &self.goal, self.last.as_ref())?,
            };
            let rows = limits.rows.clamp(PAGE_ROWS_MIN, PAGE_ROWS_MAX);
            let ask = Ask::get(target.clone()).header("Sforce-Query-Options", format!("batchSize={rows}"));
            let reply = self.plan.connection.send(ask)?;
            if reply.is_success() {
                self.note_time(&reply)?;
                let text = json(&reply)?.to_owned();
                if !is_link {
                    self.followed.clear();
                }
                return Ok(Pending { text, taken: Taken::default() });
            }
            if !(is_link && is_forgotten(&reply)) {
                return Err(refused(&reply, &self.what()));
            }
            // The next turn asks behind the last record.
        }
    }

    /// What changes from here on is left to the readings that follow.
    fn note_time(&mut self, reply: &Reply) -> Result<()> {
        if self.began_at.is_none()
            && let Some(now) = clock(reply)
        {
            self.began_at = Some(now);
            self.plan.check_age(&self.goal, now)?;
            self.goal.begin_at(self.plan.count(now));
        }
        Ok(())
    }

    /// Reads until there are records, or there is nothing more.
    fn fetch(&mut self, limits: Limits) -> Result<Collected> {
        let what = self.what();
        while !self.is_over {
            let mut pending = match self.pending.take() {
                Some(pending) => pending,
                None => self.ask(limits)?,
            };
            let before = self.last.clone();
            pending.taken = self.collector.take(&pending.text, pending.taken.elements, limits, &what)?;
            if let Some(last) = self.collector.last() {
                self.last = Some(last.clone());
            }
            if pending.taken.is_cut {
                self.pending = Some(pending);
                break;
            }
            self.advance(&pending.taken, before.as_ref())?;
            if pending.taken.elements > 0 {
                break;
            }
        }
        self.collector.finish()
    }

    /// Goes behind an answer.
    fn advance(&mut self, taken: &Taken, before: Option<&Last>) -> Result<()> {
        let Some(next) = &taken.next else {
            self.is_over = taken.is_done;
            // Not done and no way on: a query behind the last record, if there is a later one.
            if !taken.is_done && (taken.elements == 0 || self.last.as_ref() == before) {
                return Err(Error::permanent("Salesforce says there are more records and not where")
                    .with_code("salesforce.no-next"));
            }
            return Ok(());
        };
        let next = self.plan.connection.service.follow(&self.plan.connection.service.target("query/"), next)?;
        if !self.followed.insert(next.clone()) {
            return Err(Error::permanent(
                "Salesforce leads in a circle: it sends a link to a page that was read already",
            )
            .with_code("salesforce.cycle"));
        }
        self.link = Some(next);
        Ok(())
    }
}

/// Whether a link is not known any more.
fn is_forgotten(reply: &Reply) -> bool {
    let words = Words::of(reply);
    words.is_some_and(|words| matches!(words.code.as_str(), "INVALID_QUERY_LOCATOR" | "NOT_FOUND" | "INVALID_LOCATOR"))
}

impl ObjectReader {
    fn note_gone(&mut self, collected: &Collected) {
        let Some(kinds) = &collected.changes.kinds else { return };
        let gone = kinds.iter().zip(&collected.beside).filter(|(kind, _)| **kind == DELETE);
        self.shown_gone.extend(gone.filter_map(|(_, beside)| beside.last().cloned().flatten()));
    }

    /// What the log knows to be gone and no page has shown: as many as fit into one.
    fn show_log(&mut self, limits: Limits) -> Result<Changes> {
        if let Log::From(from) = self.log {
            let until = self.began_at.unwrap_or(from);
            let logged = gone::log(&self.plan, from, until)?;
            logged.covered.into_iter().for_each(|covered| self.goal.end_before(covered));
            let mut ids: Vec<String> = logged.ids.into_iter().filter(|id| !self.shown_gone.contains(id)).collect();
            ids.sort_unstable();
            ids.dedup();
            self.log = Log::Left(gone::really(&self.plan, ids)?);
        }
        let Log::Left(left) = &mut self.log else { return gone::rows(&self.plan, &self.key, &[]) };
        let next = left.split_off(left.len().saturating_sub(limits.rows.max(1) as usize));
        if left.is_empty() {
            self.log = Log::Done;
        }
        gone::rows(&self.plan, &self.key, &next)
    }

    fn page(&self, changes: Changes) -> Page {
        let (position, status) = match self.is_over && self.log == Log::Done {
            true => self.goal.end(),
            false => (self.goal.position(self.last.clone().unwrap_or_default()), Status::More),
        };
        let mut page = Page::new(changes.data, encode(&self.plan.scope, &position), status);
        page.changes.kinds = changes.kinds;
        page
    }
}

impl Reader for ObjectReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        if !self.is_over || self.log == Log::Done {
            let collected = self.fetch(limits)?;
            self.note_gone(&collected);
            let is_empty = collected.changes.data.rows == 0 && collected.rejected.is_empty();
            if !(is_empty && self.is_over && self.log != Log::Done) {
                let mut page = self.page(collected.changes);
                page.rejected = collected.rejected;
                return Ok(page);
            }
        }
        let changes = self.show_log(limits)?;
        Ok(self.page(changes))
    }
}
