//! Reading a stream, in full or what changed.
//!
//! A page of the API is a page of ours. Where the order of the records is not one that nothing can disturb, each page begins with the
//! last record of the one before: if it does not, records have moved, and the reading begins anew. What changes while a reading is under
//! way is left to the next one: where that begins was settled before the first record was read.

mod clock;
mod family;
mod marks;
mod plan;

use lockstep_json::{Document, Fault, Node};
use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::source::Reader;
use lockstep_plugin_sdk::types::{Limits, Page, ReadRequest, Status};

use crate::Result;
use crate::answer::Answer;
use crate::connection::{Connection, Job, unanswered};
use crate::cursor::{Spot, Way, encode};
use crate::failure::failure;
use crate::manifest::reading::{By, Listing, Where};
use crate::manifest::rules::Meaning;
use crate::manifest::stream::StreamSpec;
use crate::manifest::template::Scope;
use crate::page::{no_list, walk};
use crate::record::{Collected, Collector, find};
use crate::trouble::{Failed, disguised, open as open_answer};
use family::Family;
use marks::{called, header, remembered};
use plan::{Goal, Plan};

/// So often a reading begins anew because records have moved; then it goes on and proves nothing.
const RESTARTS_MAX: u32 = 3;

/// A reading under way.
pub struct StreamReader {
    plan: Plan,
    collector: Collector,
    goal: Goal,
    way: Way,
    family: Option<Family>,
    /// The page that is being gone through, with where it was asked for.
    held: Option<Held>,
    /// Digests of the pages that were read: an API that leads in a circle would keep us for ever.
    seen: Vec<u64>,
    /// What the last record of the last page is called.
    last: Option<String>,
    restarts: u32,
    has_begun: bool,
    is_over: bool,
}

struct Held {
    text: String,
    target: String,
    headers: Vec<(String, String)>,
    /// Whether its first record was shown already, on the page before.
    overlaps: bool,
}

/// What a page was made of.
struct Taken {
    envelope: Node,
    elements: usize,
    is_cut: bool,
    /// The value of the last element that leads on, and what the last element is called.
    last: Option<String>,
    anchor: Option<String>,
    has_moved: bool,
    /// Whether its first record is the last one of the page before.
    was_shown: bool,
}

impl Taken {
    /// Nothing follows the last record of the page before.
    fn was_only_shown(&self) -> bool {
        self.was_shown && self.elements == 1
    }
}

/// Begins to read.
pub fn open(connection: Connection, request: &ReadRequest) -> Result<StreamReader> {
    let plan = Plan::new(connection, request)?;
    let (mut goal, mut way) = plan.begin(request)?;
    if plan.listing(&goal).is_partial {
        goal.is_doubtful();
    }
    let collector = Collector::new(&plan.spec, &plan.fields, &plan.wanted)?;
    let family = Family::new(&plan, &way)?;
    // What was shown of a page says nothing about which of its records it was, once they may have moved.
    if !plan.listing(&goal).paging.is_stable {
        way.at.skip = 0;
    }
    Ok(StreamReader {
        plan,
        collector,
        goal,
        way,
        family,
        held: None,
        seen: Vec::new(),
        last: None,
        restarts: 0,
        has_begun: false,
        is_over: false,
    })
}

/// The text of a stream's first page.
pub fn ask_first_page(connection: &Connection, spec: &StreamSpec) -> Result<String> {
    let mut scope = connection.scope();
    scope.set("page_size", Node::Number(spec.read.page_size.to_string()));
    begin_paging(&mut scope, &spec.read, None);
    let what = format!("read `{}`", spec.name);
    let reply = connection.send(&spec.read.request, scope)?;
    open_answer(&connection.manifest, &reply, &what).map_err(|failed| failed.error)?;
    reply.text().map(str::to_owned).map_err(Box::new)
}

/// What a page is called in a request.
fn begin_paging(scope: &mut Scope<'_>, listing: &Listing, page: Option<&str>) {
    let number = |text: String| Node::Number(text);
    match (&listing.paging.by, page) {
        (By::Offset, page) => {
            // With the last record that was shown, if order can be disturbed.
            let shown = page.map_or(0, count);
            let back = i64::from(!listing.paging.is_stable);
            scope.set("offset", number((shown - back).max(0).to_string()));
        }
        (By::Page { first }, page) => {
            scope.set("page", number(page.map_or_else(|| first.to_string(), str::to_owned)));
        }
        (By::Cursor(_), Some(page)) => {
            scope.set("cursor", Node::text(page));
        }
        (By::Last { .. }, Some(page)) => {
            scope.set("after", as_written(page));
        }
        _ => {}
    }
}

fn count(page: &str) -> i64 {
    page.parse().unwrap_or_default()
}

/// Numbers were remembered with a mark.
fn as_written(remembered: &str) -> Node {
    match remembered.strip_prefix('#') {
        Some(number) => Node::Number(number.to_owned()),
        None => Node::text(remembered.strip_prefix('$').unwrap_or(remembered)),
    }
}

impl StreamReader {
    fn listing(&self) -> &Listing {
        self.plan.listing(&self.goal)
    }

    fn scope(&self) -> Scope<'_> {
        let listing = self.listing();
        let mut scope = self.plan.connection.scope();
        scope.set("page_size", Node::Number(listing.page_size.to_string()));
        let paths: Vec<Node> = self.collector.paths().into_iter().map(Node::Text).collect();
        scope.set("fields", Node::List(paths.clone())).set("field_list", Node::List(paths));
        self.plan.say_since(&self.goal, &mut scope);
        for (name, value) in self.family.as_ref().map(Family::values).unwrap_or_default() {
            scope.set(format!("parent.{name}"), Node::Text(value));
        }
        if self.goal.is_feed() {
            scope.set("token", Node::text(self.plan.feed_token(self.way.at.page.as_deref())));
        } else {
            begin_paging(&mut scope, listing, self.way.at.page.as_deref());
        }
        scope
    }

    /// Whether each page begins with the last record of the one before.
    fn is_anchored(&self) -> bool {
        match &self.listing().paging {
            paging if paging.by == By::Offset => !paging.is_stable,
            paging => matches!(paging.by, By::Last { is_inclusive: true, .. }),
        }
    }

    fn what(&self) -> String {
        format!("read `{}`", self.plan.spec.name)
    }

    fn ask(&mut self) -> Result<Held> {
        let listing = self.listing();
        let scope = self.scope();
        let (connection, request) = (&self.plan.connection, &listing.request);
        let began = clock::now();
        // Only links need to know where they come from.
        let target = match (&listing.paging.by, &self.way.at.page) {
            (By::Link(_), Some(link)) => link.clone(),
            (By::Link(_), None) => connection.target(request, &scope)?,
            _ => String::new(),
        };
        let job = Job { request, scope, target: Some(target.as_str()).filter(|target| !target.is_empty()) };
        let reply = connection.send_all(&[job]).pop().unwrap_or_else(|| Err(unanswered()))?;
        let took = clock::now().saturating_sub(began).max(0);
        if !reply.reply.is_success() {
            return Err(self.refused(&reply).into());
        }
        let text = reply.text()?.to_owned();
        let reply = reply.reply;
        // Taken from the first answer of a reading: what changes from there on is left to the next.
        self.goal.settle(lockstep_plugin_sdk::http::clock(&reply).unwrap_or(began).saturating_sub(took));
        let overlaps = self.is_anchored() && self.way.at.page.is_some();
        Ok(Held { text, target, headers: reply.headers, overlaps })
    }

    fn refused(&self, reply: &Answer) -> Error {
        let manifest = &self.plan.connection.manifest;
        match open_answer(manifest, reply, &self.what()) {
            Err(failed) => self.stale(failed),
            Ok(_) => Error::permanent("the API answered what it should not"),
        }
    }

    /// A position that the API does not know any more begins anew.
    fn stale(&self, failed: Failed) -> Error {
        let is_final = matches!(failed.status, 400 | 404 | 410 | 422);
        let is_old = !self.has_begun && self.way.at.page.is_some();
        if failed.meaning == Some(Meaning::Stale) || (is_final && is_old && failed.meaning.is_none()) {
            let message = format!("the API does not know any more where the reading stood: {}", failed.error.message);
            return Error::stale_cursor(message).with_code(failed.error.code);
        }
        failed.error
    }

    /// Reads until there are records, or there is nothing more.
    fn fetch(&mut self, limits: Limits) -> Result<()> {
        while !self.is_over && self.collector.is_empty() {
            if let Some(family) = &mut self.family {
                if !family.arrive(&mut self.way)? {
                    self.is_over = true;
                    if !family.is_whole {
                        self.goal.is_doubtful();
                    }
                    break;
                }
                self.collector.set_parent(family.values());
            }
            let held = match self.held.take() {
                Some(held) => held,
                None => self.ask()?,
            };
            let taken = self.take(&held, limits)?;
            self.has_begun = true;
            if taken.has_moved {
                self.begin_anew();
                continue;
            }
            self.advance(held, taken)?;
        }
        Ok(())
    }

    /// Takes the records of a page, from where the last one ended.
    fn take(&mut self, held: &Held, limits: Limits) -> Result<Taken> {
        let spec = self.plan.spec.clone();
        let listing = self.goal.listing(&spec);
        let skip = self.way.at.skip;
        let mut taken = Taken {
            envelope: Node::Null,
            elements: 0,
            is_cut: false,
            last: None,
            anchor: None,
            has_moved: false,
            was_shown: false,
        };
        let (collector, anchor, mut members) = (&mut self.collector, self.way.anchor.clone(), Vec::new());
        let (key, must_stay) = (self.plan.key_paths(listing), listing.paging.by == By::Offset);
        let around = walk(&held.text, &listing.records, |document: &mut Document<'_>| {
            members.clear();
            let element = document.element(&mut members)?;
            let text = document.text();
            if taken.is_cut || (taken.elements >= skip && collector.is_full(limits)) {
                taken.is_cut = true;
                return Ok::<(), Fault>(());
            }
            taken.elements += 1;
            taken.anchor = called(text, &members, &key);
            if let By::Last { path, .. } = &listing.paging.by
                && let Ok(Some((text, value))) = find(text, &members, path)
            {
                taken.last = remembered(value, text).or(taken.last.take());
            }
            let is_first = held.overlaps && taken.elements == 1;
            let was_shown = is_first && (must_stay || anchor == taken.anchor);
            taken.has_moved |= was_shown && anchor.is_some() && anchor != taken.anchor;
            taken.was_shown |= was_shown;
            if taken.elements > skip && !was_shown {
                let position = format!("{}[{}]", listing.records.join("."), taken.elements - 1);
                collector.take(text, &element, &members, &listing.record, &position);
            }
            Ok(())
        })?;
        let failed = disguised(&self.plan.connection.manifest, 200, &around.envelope, &self.what());
        if let Some(failed) = failed {
            return Err(self.stale(failed).into());
        }
        if !around.is_list {
            return Err(no_list(&held.text, &listing.records, &self.what()));
        }
        taken.has_moved |= held.overlaps && must_stay && taken.elements == 0;
        taken.envelope = around.envelope;
        Ok(taken)
    }

    /// Records have moved between pages: some may not have been shown.
    fn begin_anew(&mut self) {
        self.restarts += 1;
        drop(self.collector.finish());
        if self.restarts > RESTARTS_MAX {
            // It goes on where it was, and proves nothing.
            self.goal.is_doubtful();
            self.way.anchor = None;
            return;
        }
        self.way.at = Spot::default();
        self.way.anchor = None;
        self.last = None;
        self.seen.clear();
    }

    /// Goes behind what was taken.
    fn advance(&mut self, held: Held, taken: Taken) -> Result<()> {
        if taken.is_cut {
            self.way.at.skip = taken.elements;
            self.held = Some(held);
            return Ok(());
        }
        // Whoever counts and is shown the same again is not heard.
        let counts = matches!(self.listing().paging.by, By::Offset | By::Page { .. });
        if counts && taken.anchor.is_some() && taken.anchor == self.last && !taken.was_only_shown() {
            return Err(circle());
        }
        self.last.clone_from(&taken.anchor);
        let next = match self.goal.is_feed() {
            true => self.next_of_feed(&taken)?,
            false => self.next_page(&held, &taken)?,
        };
        // An offset proves itself by where it goes on; nothing else that can be disturbed in between proves anything.
        let is_proof =
            next.is_none() || self.listing().paging.is_stable || (self.is_anchored() && taken.anchor.is_some());
        if !is_proof {
            self.goal.is_doubtful();
        }
        self.way.anchor = if self.is_anchored() { taken.anchor } else { None };
        match next {
            Some(page) => self.way.at = Spot { page: Some(page), skip: 0 },
            None if self.family.is_some() => {
                self.last = None;
                self.seen.clear();
                Family::leave(&mut self.way);
            }
            None => self.is_over = true,
        }
        Ok(())
    }

    /// Where the feed goes on; it does so also when there is nothing more.
    fn next_of_feed(&mut self, taken: &Taken) -> Result<Option<String>> {
        let listing = self.listing();
        let is_over = taken.elements == 0
            || listing
                .paging
                .more
                .as_ref()
                .is_some_and(|more| taken.envelope.at(more).is_some_and(|node| !node.is_something()))
            || (listing.paging.is_short_last && taken.elements < listing.page_size as usize);
        let token = self.plan.next_token(&taken.envelope)?;
        if is_over {
            self.way.at = Spot { page: Some(token), skip: 0 };
            return Ok(None);
        }
        self.check_circle(&token)?;
        Ok(Some(token))
    }

    fn next_page(&mut self, held: &Held, taken: &Taken) -> Result<Option<String>> {
        let listing = self.listing();
        let (paging, elements) = (&listing.paging, taken.elements);
        let is_short = elements < listing.page_size as usize;
        let says_over =
            paging.more.as_ref().is_some_and(|more| !taken.envelope.at(more).is_some_and(Node::is_something));
        let fresh = elements.saturating_sub(usize::from(taken.was_shown));
        let counts = matches!(paging.by, By::Offset | By::Page { .. } | By::Last { .. });
        if says_over || (counts && (fresh == 0 || (paging.more.is_none() && paging.is_short_last && is_short))) {
            return Ok(None);
        }
        let found = |place: &Where| match place {
            Where::Body(path) => taken.envelope.at(path).and_then(Node::said),
            Where::Header(name) => header(&held.headers, name),
        };
        let page = self.way.at.page.as_deref();
        let total = paging.total.as_ref().and_then(found).and_then(|total| total.parse::<i64>().ok());
        let next = match &paging.by {
            By::None => None,
            By::Offset => {
                let behind = page.map_or(0, count) + i64::try_from(fresh).unwrap_or_default();
                total.is_none_or(|total| behind < total).then(|| behind.to_string())
            }
            By::Page { first } => {
                let page = page.map_or(*first, count);
                let pages = total.map(|total| total.saturating_add(*first));
                pages.is_none_or(|pages| page + 1 < pages).then(|| (page + 1).to_string())
            }
            By::Cursor(place) => found(place).filter(|cursor| !cursor.is_empty()),
            By::Last { .. } => Some(taken.last.clone().ok_or_else(|| nothing_leads_on(&self.plan.spec.name))?),
            By::Link(place) => match found(place).filter(|link| !link.is_empty()) {
                Some(link) => Some(self.plan.connection.service.follow(&held.target, &link)?),
                None => None,
            },
        };
        if let Some(next) = &next {
            self.check_circle(next)?;
        }
        Ok(next)
    }

    fn check_circle(&mut self, page: &str) -> Result<()> {
        let digest = plan::digest(page);
        if self.seen.contains(&digest) || self.way.at.page.as_deref() == Some(page) {
            return Err(circle());
        }
        self.seen.push(digest);
        Ok(())
    }
}

fn circle() -> Box<Error> {
    failure(ErrorKind::Permanent, "api.cycle", "the API leads in a circle: what follows a page was read already")
}

fn nothing_leads_on(stream: &str) -> Box<Error> {
    failure(
        ErrorKind::Permanent,
        "api.paging",
        &format!("no record of a page of `{stream}` has the value that leads to the next page"),
    )
}

impl StreamReader {
    /// With the records themselves.
    pub fn keep_raws(mut self) -> Self {
        self.collector = self.collector.keep_raws();
        self
    }

    /// A page as it was collected, and whether it was the last one.
    pub fn collected(&mut self, limits: Limits) -> Result<(Collected, bool)> {
        self.fetch(limits)?;
        Ok((self.collector.finish()?, self.is_over))
    }
}

impl Reader for StreamReader {
    fn next(&mut self, limits: Limits) -> Result<Page, Error> {
        let (collected, _) = self.collected(limits).map_err(|error| *error)?;
        let (position, status) = match self.is_over {
            true => self.goal.end(&self.way),
            false => (self.goal.position(&self.way), Status::More),
        };
        let mut page = Page::new(collected.changes.data, encode(&self.plan.scope, &position), status);
        page.changes.kinds = collected.changes.kinds;
        page.rejected = collected.rejected;
        Ok(page)
    }
}
