//! Reading everything by a job of Bulk API 2.0.
//!
//! The position holds the job from the moment it is made: a reading that broke off goes on with the same one, and none is made twice.

use lockstep_plugin_sdk::error::{Error, ErrorKind, Result};
use lockstep_plugin_sdk::http::{Reply, clock, encode as encoded};
use lockstep_plugin_sdk::source::Reader;
use lockstep_plugin_sdk::types::{Batch, Limits, Page, Status};

use super::goal::Goal;
use super::plan::Plan;
use crate::collect::{Collector, Taken};
use crate::csv::Rows;
use crate::cursor::{Position, encode};
use crate::job::{Job, Progress, Resource, text};

/// A reading under way.
pub struct JobReader {
    plan: Plan,
    collector: Collector,
    goal: Goal,
    job: Option<Job>,
    /// Whether there is something to be read.
    is_done: bool,
    /// Which part of what the job has found is next, and how many of its rows were shown.
    locator: String,
    skip: usize,
    /// That part, if not everything of it fitted into a page, and the part behind it.
    pending: Option<(String, Option<String>)>,
    is_over: bool,
}

impl JobReader {
    pub fn new(plan: Plan, collector: Collector, goal: Goal, position: Position) -> Self {
        let mut reader = Self {
            plan,
            collector,
            goal,
            job: None,
            is_done: false,
            locator: String::new(),
            skip: 0,
            pending: None,
            is_over: false,
        };
        if let Position::Job { for_good, boundary, id, locator, skip } = position {
            reader.goal = match for_good {
                true => reader.plan.first(false, boundary),
                false => Goal::Full { is_whole: false },
            };
            reader.job = Some(Job { resource: Resource::Query, id });
            (reader.locator, reader.skip) = (locator, skip);
        }
        reader
    }

    fn create(&mut self) -> Result<Job> {
        let query = self.plan.job_query(&self.collector);
        let settings = [("operation", "queryAll"), ("query", query.as_str())];
        let (job, reply) = Job::create(&self.plan.connection, Resource::Query, &settings)?;
        // What changes from here on is left to the readings that follow.
        if let Some(now) = clock(&reply) {
            self.goal.begin_at(self.plan.count(now));
        }
        Ok(job)
    }

    fn position(&self, job: &Job) -> Position {
        let (for_good, boundary) = match self.goal {
            Goal::First { boundary, .. } => (true, boundary),
            _ => (false, None),
        };
        Position::Job { for_good, boundary, id: job.id.clone(), locator: self.locator.clone(), skip: self.skip }
    }

    fn page(&mut self, job: &Job, data: Batch) -> Page {
        let (position, status) = match self.is_over {
            true => self.goal.end(),
            false => (self.position(job), Status::More),
        };
        Page::new(data, encode(&self.plan.scope, &position), status)
    }

    /// The next part of what the job has found.
    fn part(&mut self, job: &Job, limits: Limits) -> Result<(String, Option<String>)> {
        if let Some(pending) = self.pending.take() {
            return Ok(pending);
        }
        let mut rest = format!("/results?maxRecords={}", limits.rows.max(1));
        if !self.locator.is_empty() {
            rest.push_str(&format!("&locator={}", encoded(&self.locator)));
        }
        let reply = job.table(&self.plan.connection, &rest).map_err(as_stale)?;
        let next = reply.header("sforce-locator").filter(|next| !next.is_empty() && *next != "null");
        if next == Some(self.locator.as_str()) {
            return Err(Error::permanent("Salesforce leads in a circle: a part of a job leads to itself")
                .with_code("salesforce.cycle"));
        }
        let next = next.map(str::to_owned);
        let text = text(&reply)?;
        check_count(&reply, text)?;
        Ok((text.to_owned(), next))
    }

    fn read(&mut self, job: &Job, limits: Limits) -> Result<Page> {
        let (text, next) = self.part(job, limits)?;
        let Taken { elements, is_cut, .. } = self.collector.take_table(&text, self.skip, limits)?;
        if is_cut {
            self.skip = elements;
            self.pending = Some((text, next));
        } else {
            self.skip = 0;
            self.is_over = next.is_none();
            self.locator = next.unwrap_or_default();
        }
        let collected = self.collector.finish()?;
        let mut page = self.page(job, collected.changes.data);
        page.rejected = collected.rejected;
        Ok(page)
    }
}

impl Reader for JobReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        let Some(job) = self.job.clone() else {
            let job = self.create()?;
            self.job = Some(job.clone());
            let nothing = self.collector.finish()?.changes.data;
            return Ok(self.page(&job, nothing));
        };
        if !self.is_done {
            match job.watch(&self.plan.connection).map_err(as_stale)? {
                Progress::Done => self.is_done = true,
                Progress::Open | Progress::UnderWay => {
                    let nothing = self.collector.finish()?.changes.data;
                    return Ok(self.page(&job, nothing));
                }
                Progress::Ended(reason) => {
                    let message = format!("the job that reads `{}` has failed: {reason}", self.plan.object.name);
                    return Err(Error::stale_cursor(message).with_code("salesforce.job-failed"));
                }
            }
        }
        self.read(&job, limits)
    }
}

/// Jobs are kept for a week.
fn as_stale(error: Error) -> Error {
    if !error.is(ErrorKind::NotFound) {
        return error;
    }
    Error::stale_cursor(format!("the job that was read is not there any more: {}", error.message)).with_code(error.code)
}

/// A table that breaks off looks like a shorter one.
fn check_count(reply: &Reply, text: &str) -> Result<()> {
    let Some(said) = reply.header("sforce-numberofrecords").and_then(|said| said.parse::<usize>().ok()) else {
        return Ok(());
    };
    let (mut rows, mut count) = (Rows::new(text, ','), 0);
    while rows.next()?.is_some() {
        count += 1;
    }
    if count == said + 1 || (said == 0 && count == 0) {
        return Ok(());
    }
    Err(Error::transient(format!("Salesforce says {said} records and sends {}", count.max(1) - 1))
        .with_code("salesforce.csv"))
}
