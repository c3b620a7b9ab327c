//! Reading a set, in full or what changed.
//!
//! A page is a request. By default each goes on behind the key of the last record, so that records that come, go or change
//! meanwhile move no other; where keys cannot be compared it goes where the service's links lead. Changes are those since a boundary,
//! which was taken before the first record was read, less the lookback; they are paged by key as well, since any number of records
//! may share one time.

mod boundary;
mod goal;
mod plan;

use std::collections::BTreeSet;

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::Reply;
use lockstep_plugin_sdk::http::answer::json;
use lockstep_plugin_sdk::source::Reader;
use lockstep_plugin_sdk::types::{Batch, Limits, Page, ReadRequest};

use crate::collect::{Collector, Taken};
use crate::config::{Config, Paging};
use crate::connection::Connection;
use crate::cursor::{Position, Way, encode};
use crate::lookup::find;
use crate::query;
use crate::trouble::refused;
use goal::Goal;
use plan::Plan;

/// What the host asks for at most is far below this; a page of very wide records is made smaller before it becomes a problem.
const PAGE_ROWS_MIN: u32 = 10;

/// A reading under way.
pub struct SetReader {
    plan: Plan,
    collector: Collector,
    goal: Goal,
    way: Way,
    /// A link of a page without records, which leads to the next one.
    hop: Option<String>,
    /// Records per request: less than the project says where they are wide.
    rows_max: u32,
    /// Links that were followed: a service that leads in a circle would keep us for ever.
    followed: BTreeSet<String>,
    /// Whether a page was read since the reading was opened.
    has_begun: bool,
    census: Option<boundary::Census>,
    is_over: bool,
}

/// Begins to read.
pub fn open(config: Config, request: &ReadRequest) -> Result<SetReader> {
    let plan = Plan::new(Connection::new(config), request)?;
    let collector = Collector::new(&plan.entity, &plan.wanted)?;
    let (goal, way) = plan.begin(request)?;
    let rows_max = plan.connection.config.page_size;
    let mut reader = SetReader {
        plan,
        collector,
        goal,
        way,
        hop: None,
        rows_max,
        followed: BTreeSet::new(),
        has_begun: false,
        census: None,
        is_over: false,
    };
    reader.count_before()?;
    Ok(reader)
}

impl SetReader {
    /// A reading that follows links can be shown a record twice, or miss one, when others move meanwhile. The service's own count
    /// tells, before and after.
    fn count_before(&mut self) -> Result<()> {
        let follows_links = matches!(self.way, Way::Links { link: None, .. });
        if follows_links && self.goal.is_whole() && !self.goal.is_delta() {
            self.census = Some(boundary::Census::begin(&self.plan)?);
        }
        Ok(())
    }

    /// Where the next page is, and how many of its records were shown already.
    fn target(&self, rows: u32) -> Result<(String, usize)> {
        if let Some(hop) = &self.hop {
            return Ok((hop.clone(), 0));
        }
        let skip = match &self.way {
            Way::Links { link: Some(link), skip } => return Ok((link.clone(), *skip)),
            Way::Links { link: None, skip } => *skip,
            Way::Keys { .. } => 0,
        };
        let mut options = vec![("$select", self.collector.selected().join(","))];
        let key = &self.plan.entity.key;
        let behind = match &self.way {
            Way::Keys { after: Some(after), .. } => Some(query::behind(self.plan.entity.version, key, after)?),
            _ => None,
        };
        if let Some(filter) = query::both(self.plan.filter(&self.goal)?, behind) {
            options.push(("$filter", filter));
        }
        if !self.goal.is_delta() && !key.is_empty() {
            options.push(("$orderby", key.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(",")));
        }
        if let Way::Keys { skip, .. } = &self.way {
            options.push(("$top", rows.to_string()));
            if *skip > 0 {
                options.push(("$skip", skip.to_string()));
            }
        }
        Ok((self.plan.connection.target(&self.plan.entity.set, &options), skip))
    }

    fn ask(&self, target: &str, rows: u32) -> Result<Reply> {
        let mut prefer = vec![format!("odata.maxpagesize={rows}")];
        if self.goal.is_delta() {
            prefer.insert(0, "odata.track-changes".to_owned());
        }
        self.plan.connection.get(self.plan.entity.version, target, &prefer)
    }

    /// What can be done about an answer that is none: begin anew in another way, or tell the host to.
    fn refused(&mut self, reply: &Reply) -> Result<()> {
        let is_final = matches!(reply.status, 400 | 404..=406 | 410 | 501);
        let is_continuing = matches!(&self.way, Way::Keys { after: Some(_), .. });
        if is_final && is_continuing && self.plan.connection.config.paging == Paging::Auto {
            return self.follow_links();
        }
        let is_old_link = !self.has_begun && matches!(&self.way, Way::Links { link: Some(_), .. });
        let error = refused(reply, &self.what());
        if is_final && is_old_link {
            let message = format!("the service does not know any more where the reading stood: {}", error.message);
            return Err(Error::stale_cursor(message).with_code(error.code));
        }
        Err(error)
    }

    /// From the beginning, by links: the service cannot go on behind a key. What was shown is shown again.
    fn follow_links(&mut self) -> Result<()> {
        self.way = Way::Links { link: None, skip: 0 };
        self.hop = None;
        self.goal.begin_anew();
        self.count_before()
    }

    fn what(&self) -> String {
        format!("read `{}`", self.plan.entity.set)
    }

    /// Reads until there are records, or there is nothing more.
    fn fetch(&mut self, limits: Limits) -> Result<()> {
        while !self.is_over {
            // One more than a page of the service: so the last page shows that it is the last one.
            let rows = self.rows_max.saturating_add(1).min(limits.rows).max(1);
            let (target, skip) = self.target(rows)?;
            let reply = self.ask(&target, rows)?;
            if !reply.is_success() {
                self.refused(&reply)?;
                continue;
            }
            let text = json(&reply)?;
            let what = self.what();
            let taken = self.collector.take(text, skip, limits, &what)?;
            self.suit_pages(text.len(), taken.elements, limits);
            self.has_begun = true;
            if self.advance(&target, rows, &taken)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Fewer records per request, where so many are more than a page may hold.
    fn suit_pages(&mut self, bytes: usize, elements: usize, limits: Limits) {
        let (bytes, elements) = (bytes as u64, elements.max(1) as u64);
        let fitting = u32::try_from(limits.bytes.saturating_mul(elements) / bytes.max(1)).unwrap_or(u32::MAX);
        self.rows_max = self.plan.connection.config.page_size.min(fitting.max(PAGE_ROWS_MIN));
    }

    /// Goes behind what was taken. Answers whether there is something to show.
    fn advance(&mut self, target: &str, rows: u32, taken: &Taken) -> Result<bool> {
        let next = match &taken.next {
            Some(link) => Some(self.plan.connection.service.follow(target, link)?),
            None => None,
        };
        if let Some(delta) = &taken.delta {
            self.goal.set_delta(self.plan.connection.service.follow(target, delta)?);
        }
        self.show_hidden()?;
        let has_rows = taken.elements > 0;
        match &mut self.way {
            Way::Keys { .. } => self.advance_by_keys(next, rows, taken),
            Way::Links { link, skip } => {
                if taken.is_cut {
                    (*link, *skip) = (Some(target.to_owned()), taken.elements);
                    return Ok(true);
                }
                (*link, *skip) = (next.clone(), 0);
                self.is_over = next.is_none();
                if let Some(next) = next
                    && !self.followed.insert(next)
                {
                    return Err(Error::permanent(
                        "the service leads in a circle: it sends a link to a page that was read already",
                    )
                    .with_code("odata.cycle"));
                }
                Ok(has_rows)
            }
        }
    }

    fn advance_by_keys(&mut self, next: Option<String>, rows: u32, taken: &Taken) -> Result<bool> {
        if taken.elements == 0 {
            // A page may be empty and not the last one.
            self.is_over = next.is_none();
            if let Some(next) = &next
                && !self.followed.insert(next.clone())
            {
                return Err(Error::permanent("the service leads in a circle of empty pages").with_code("odata.cycle"));
            }
            self.hop = next;
            return Ok(false);
        }
        self.hop = None;
        self.is_over = next.is_none() && !taken.is_cut && taken.elements < rows as usize;
        Ok(true)
    }

    /// Records of which a delta link says that they are not shown any more, without saying that they are gone.
    fn show_hidden(&mut self) -> Result<()> {
        let hidden = std::mem::take(&mut self.collector.hidden);
        if hidden.is_empty() {
            return Ok(());
        }
        let found = find(&self.plan.connection, &self.plan.entity, &self.plan.entity.key, &[], &hidden)?;
        for key in hidden.into_iter().filter(|key| !found.keys.contains(key)) {
            self.collector.gone(&key)?;
        }
        Ok(())
    }

    /// Moves the position behind the rows of a page.
    fn settle(&mut self, last: Option<Vec<String>>, trailing: usize) -> Result<bool> {
        let Way::Keys { after, skip } = &mut self.way else { return Ok(true) };
        match last {
            // The filter was ignored: the service shows what it has shown before.
            Some(last) if after.as_ref() == Some(&last) => {
                if self.plan.connection.config.paging == Paging::Auto {
                    self.follow_links()?;
                    return Ok(false);
                }
                let message = "the service ignores filters: it shows the same records again and again";
                return Err(Error::permanent(message)
                    .with_code("odata.paging")
                    .with_hint("write `paging = \"links\"` into the connection's config"));
            }
            Some(last) => (*after, *skip) = (Some(last), trailing),
            None => *skip += trailing,
        }
        Ok(true)
    }

    fn last_page(&mut self, data: Batch) -> Result<Page> {
        if let Some(census) = &self.census
            && !census.agrees(&self.plan)?
        {
            self.goal.is_doubtful();
        }
        let (position, status) = self.goal.end(&self.plan.entity.set)?;
        Ok(Page::new(data, encode(&self.plan.scope, &position), status))
    }

    fn position(&self) -> Position {
        self.goal.position(&self.way)
    }
}

impl Reader for SetReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        loop {
            self.fetch(limits)?;
            let behind = self.collector.trailing();
            let collected = self.collector.finish()?;
            if let Some(census) = &mut self.census {
                census.note(&collected.keys);
            }
            if !self.settle(collected.last, behind)? {
                self.is_over = false;
                continue;
            }
            let mut page = if self.is_over {
                self.last_page(collected.changes.data)?
            } else {
                Page::new(
                    collected.changes.data,
                    encode(&self.plan.scope, &self.position()),
                    lockstep_plugin_sdk::types::Status::More,
                )
            };
            page.changes.kinds = collected.changes.kinds;
            page.rejected = collected.rejected;
            return Ok(page);
        }
    }
}
