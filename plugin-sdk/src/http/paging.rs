//! Lists that come page by page: what follows a page, and when there is no more.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::ask::{Ask, Reply};
use super::client::Client;
use super::service::encode;
use crate::error::{Error, Result};
use crate::json::Raw;
use crate::record::Timestamp;

/// How often the records of one time are gone through until a pass shows nothing new.
const PASSES_MAX: u8 = 5;

/// How a service tells what follows a page. Where pages are counted, the list ends with an empty one, for a short one may only mean
/// that the service gives less than it was asked for.
#[derive(Clone, Copy, Debug)]
pub enum Paging {
    /// Everything is in one answer.
    Single,
    /// `?offset=200`: the parameter counts records.
    Offset(&'static str),
    /// `?page=3`: the parameter counts pages, beginning with the number.
    Number(&'static str, u64),
    /// `?after=x7`: each page names the mark of the next ([`Listed::then`]), to be sent back in the parameter.
    Mark(&'static str),
    /// Each page has the URL of the next ([`Listed::then`]).
    Link,
    /// `Link: <…>; rel="next"`, a header.
    LinkHeader,
    /// `?since=…&page=1`: records in the order in which they were changed, from a time on, that time included.
    ///
    /// Numbered pages move while records are edited, and what moves across their border is never shown. So each request begins at the
    /// last time seen; only where a page does not get beyond one time are pages counted, and gone through again until nothing new turns
    /// up. Nothing is shown twice. The service must sort by that time: if it does not, the reading ends with an error.
    Time {
        /// The parameter that says from when on.
        since: &'static str,
        /// The parameter that counts pages from 1.
        number: &'static str,
        /// How the service writes times; to the second for most.
        form: fn(Timestamp) -> String,
    },
}

/// The records of one page, and what it says about the next.
///
/// ```
/// use lockstep_plugin_sdk::http::{Listed, Reply};
/// use lockstep_plugin_sdk::json::Raw;
/// use lockstep_plugin_sdk::prelude::*;
/// use lockstep_plugin_sdk::testing::reply;
/// use serde::Deserialize;
///
/// /// `{"results": [{…}, {…}], "paging": {"after": "x7"}}`
/// #[derive(Deserialize)]
/// struct ContactPage {
///     results: Vec<Raw>,
///     paging: Option<After>,
/// }
///
/// #[derive(Deserialize)]
/// struct After {
///     after: String,
/// }
///
/// fn page(reply: &Reply) -> Result<Listed> {
///     let page: ContactPage = reply.json()?;
///     Ok(Listed::new(page.results).then(page.paging.map(|paging| paging.after)))
/// }
///
/// let listed = page(&reply(200, r#"{"results": [{"id": 1}], "paging": {"after": "x7"}}"#))?;
/// assert_eq!(listed.records[0].get(), r#"{"id": 1}"#);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Listed {
    /// The records as they came.
    pub records: Vec<Raw>,
    next: Option<String>,
    is_last: bool,
}

impl Listed {
    /// These records; whether there are more, the [`Paging`] knows.
    pub fn new(records: Vec<Raw>) -> Self {
        Self { records, next: None, is_last: false }
    }

    /// What the page says of the next: its mark or its URL. None = it is the last.
    pub fn then(self, next: Option<String>) -> Self {
        Self { next: next.filter(|next| !next.is_empty()), ..self }
    }

    /// Says whether there are more, for services that count pages and tell (`has_more`, `total`).
    pub fn more(self, has_more: bool) -> Self {
        Self { is_last: !has_more, ..self }
    }

    /// An answer that is nothing but a list.
    pub fn array(reply: &Reply) -> Result<Self> {
        reply.json().map(Self::new)
    }
}

/// The pages of a list, one after the other. [`crate::list::ListReader`] makes a reader of them; by hand:
///
/// ```
/// use lockstep_plugin_sdk::http::{Client, Listed, Paging};
/// use lockstep_plugin_sdk::testing;
///
/// let _served = testing::serve(|ask| {
///     Ok(testing::reply(200, if ask.target.ends_with("=0") { "[1, 2]" } else { "[]" }))
/// });
/// let client = Client::new("api");
/// let mut pages = client.pages(client.get("numbers"), Paging::Offset("skip"));
/// let mut numbers = Vec::new();
/// while let Some(reply) = pages.fetch()? {
///     let listed = Listed::array(&reply)?;
///     pages.advance(&reply, &listed, &[])?;
///     numbers.extend(listed.records.iter().map(|raw| raw.get().to_owned()));
/// }
/// assert_eq!(numbers, ["1", "2"]);
/// # Ok::<(), lockstep_plugin_sdk::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pages {
    client: Client,
    first: Ask,
    paging: Paging,
    /// None = there are no more.
    next: Option<String>,
    /// Where a reading begins again that breaks off within the page that was fetched last.
    start: String,
    /// Records before the next page, or its number.
    count: u64,
    /// Digests of the targets that were asked for.
    asked: BTreeSet<u64>,
    /// A digest of the last page that held anything.
    shown: Option<u64>,
    times: Times,
}

/// Where a list by time stands.
#[derive(Clone, Debug, Default)]
struct Times {
    /// The last time, as it is asked for.
    from: Option<String>,
    /// The same as it is; a service that goes back behind it does not begin a circle.
    reached: Option<i64>,
    /// Digests of the records that were shown since that time.
    crowd: BTreeSet<u64>,
    has_news: bool,
    passes: u8,
    /// A pass that was begun by another reading says nothing about what moved.
    is_resumed: bool,
}

impl Pages {
    pub(super) fn new(client: Client, first: Ask, paging: Paging) -> Self {
        let (parameter, count) = match paging {
            Paging::Offset(parameter) => (parameter, 0),
            Paging::Number(parameter, first) => (parameter, first),
            Paging::Time { number, .. } => (number, 1),
            Paging::Single | Paging::Mark(_) | Paging::Link | Paging::LinkHeader => ("", 0),
        };
        let target = if parameter.is_empty() { first.target.clone() } else { with(&first.target, parameter, count) };
        let (next, start) = (Some(target.clone()), target);
        let (asked, times) = (BTreeSet::new(), Times::default());
        Self { client, first, paging, next, start, count, asked, shown: None, times }
    }

    /// Begins at this time, where the service lists by time.
    pub(crate) fn begin_at(&mut self, time: Timestamp) {
        if let Paging::Time { since, form, .. } = self.paging {
            self.times = Times { from: Some(form(time)), reached: Some(time.0), ..Times::default() };
            self.next = self.next.take().map(|target| with(&target, since, form(time)));
            self.start = self.next.clone().unwrap_or_default();
        }
    }

    /// Goes on where another reading stood. None if that is no place of this list.
    pub(crate) fn go_on(mut self, target: &str) -> Option<Self> {
        let path = |target: &str| target.split('?').next().map(str::to_owned);
        let is_ours = match self.paging {
            Paging::Link | Paging::LinkHeader => self.client.follow(&self.first.target, target).is_ok(),
            _ => path(target) == path(&self.first.target),
        };
        let counted = |parameter| of(target, parameter)?.parse().ok();
        match self.paging {
            Paging::Offset(parameter) | Paging::Number(parameter, _) => self.count = counted(parameter)?,
            Paging::Time { since, number, .. } => {
                self.count = counted(number)?;
                self.times = Times { from: of(target, since).map(decoded), is_resumed: true, ..Times::default() };
            }
            Paging::Single | Paging::Mark(_) | Paging::Link | Paging::LinkHeader => {}
        }
        self.next = Some(target.to_owned());
        target.clone_into(&mut self.start);
        is_ours.then_some(self)
    }

    /// Begins the time anew that is gone through: what was there may be on an earlier page by now.
    pub(crate) fn begin_time_anew(&mut self) {
        if let Paging::Time { number, .. } = self.paging {
            self.next = Some(with(&self.start, number, 1));
            self.count = 1;
            self.times = Times::default();
        }
    }

    /// Whether records are listed by time.
    pub(crate) fn is_by_time(&self) -> bool {
        matches!(self.paging, Paging::Time { .. })
    }

    /// Whether there is a next page, for all that is known.
    pub(crate) fn has_more(&self) -> bool {
        self.next.is_some()
    }

    /// What was fetched last can be fetched again by this.
    pub(crate) fn start(&self) -> &str {
        &self.start
    }

    /// The next page; none behind the last. Call [`Pages::advance`] with what it holds before the next call.
    pub fn fetch(&mut self) -> Result<Option<Reply>> {
        let Some(target) = self.next.clone() else { return Ok(None) };
        self.start.clone_from(&target);
        self.client.send(Ask { target, ..self.first.clone() }).map(Some)
    }

    /// Finds what follows a page. `times`: when its records were changed, for [`Paging::Time`]. Answers for each record whether it was
    /// not shown before. A service that leads in a circle is an error.
    pub fn advance(&mut self, reply: &Reply, listed: &Listed, times: &[Option<i64>]) -> Result<Vec<bool>> {
        let target = self.next.take().unwrap_or_default();
        self.asked.insert(digest(&target));
        let is_over = listed.records.is_empty() || listed.is_last;
        let mut news = vec![true; listed.records.len()];
        self.next = match self.paging {
            Paging::Single => None,
            Paging::Offset(parameter) => {
                self.count += listed.records.len() as u64;
                (!is_over).then(|| with(&self.first.target, parameter, self.count))
            }
            Paging::Number(parameter, _) => {
                self.count += 1;
                (!is_over).then(|| with(&self.first.target, parameter, self.count))
            }
            Paging::Mark(parameter) => listed.next.as_ref().map(|mark| with(&self.first.target, parameter, mark)),
            Paging::Link => listed.next.as_ref().map(|link| self.client.follow(&target, link)).transpose()?,
            Paging::LinkHeader => next_link(reply).map(|link| self.client.follow(&target, link)).transpose()?,
            Paging::Time { since, number, form } => {
                news = self.times.take(listed);
                in_order(times)?;
                self.by_time(listed, times, (since, number, form))?
            }
        };
        if !self.is_by_time() {
            self.guard(listed)?;
        }
        Ok(news)
    }

    fn guard(&mut self, listed: &Listed) -> Result<()> {
        let shown =
            (!listed.records.is_empty()).then(|| digest(&listed.records.iter().map(Raw::get).collect::<Vec<_>>()));
        if shown.is_some() && shown == self.shown {
            return Err(circle("it shows the same page again"));
        }
        self.shown = shown.or(self.shown);
        match &self.next {
            Some(next) if self.asked.contains(&digest(next)) => Err(circle("what follows a page was read already")),
            _ => Ok(()),
        }
    }

    fn by_time(
        &mut self,
        listed: &Listed,
        times: &[Option<i64>],
        (since, number, form): (&str, &str, fn(Timestamp) -> String),
    ) -> Result<Option<String>> {
        let reached = times.iter().rev().find_map(|time| *time);
        let last = reached.map(|time| form(Timestamp(time)));
        let is_other = last.is_some() && last != self.times.from;
        if is_other && reached < self.times.reached {
            return Err(disordered("shows records from before the time that was asked for"));
        }
        let is_beyond = is_other && reached > self.times.reached;
        let is_crowd = self.count > 1;
        let is_through = is_crowd && (is_beyond || listed.records.is_empty());
        if is_through && std::mem::take(&mut self.times.has_news) && !self.times.is_resumed {
            self.times.passes += 1;
            if self.times.passes >= PASSES_MAX {
                return Err(Error::transient("the records of one time do not keep still").with_code("http.moving"));
            }
            self.count = 1;
        } else if listed.records.is_empty() {
            return Ok(None);
        } else if is_beyond {
            self.times = Times { from: last, reached, ..Times::default() };
            self.times.take(listed);
            self.times.has_news = false;
            self.count = 1;
        } else {
            self.count += 1;
        }
        let target = match &self.times.from {
            Some(from) => with(&self.first.target, since, from),
            None => self.first.target.clone(),
        };
        Ok(Some(with(&target, number, self.count)))
    }
}

impl Times {
    fn take(&mut self, listed: &Listed) -> Vec<bool> {
        let news: Vec<bool> = listed.records.iter().map(|raw| self.crowd.insert(digest(raw.get()))).collect();
        self.has_news |= news.contains(&true);
        news
    }
}

/// Whoever goes on from the last time of a page has to be sure that nothing earlier follows.
fn in_order(times: &[Option<i64>]) -> Result<()> {
    let known: Vec<i64> = times.iter().copied().flatten().collect();
    if known.is_sorted() {
        return Ok(());
    }
    Err(disordered("does not list its records in the order in which they were changed"))
}

fn disordered(how: &str) -> Error {
    Error::permanent(format!("the service {how}")).with_code("http.order")
}

fn circle(how: &str) -> Error {
    Error::permanent(format!("the service leads in a circle: {how}")).with_code("http.cycle")
}

pub(crate) fn digest(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The target with one parameter set, whatever it was before.
fn with(target: &str, name: &str, value: impl fmt::Display) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let name = encode(name);
    let others = query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(&name));
    let own = format!("{name}={}", encode(&value.to_string()));
    let pairs: Vec<&str> = others.chain([own.as_str()]).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// A parameter of the target as it is written.
fn of<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split_once('?')?;
    let name = encode(name);
    query.split('&').find_map(|pair| pair.strip_prefix(name.as_str())?.strip_prefix('='))
}

/// What was encoded: each `%xx` as the byte it stands for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |rest: &mut std::str::Bytes<'_>| rest.next().and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'%' => bytes.extend(digit(&mut rest).zip(digit(&mut rest)).map(|(high, low)| (high * 16 + low) as u8)),
            plain => bytes.push(plain),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The target of `Link: <…>; rel="next"` (RFC 8288), in one header or in several.
fn next_link(reply: &Reply) -> Option<&str> {
    let headers = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("link"));
    headers.flat_map(|(_, value)| links(value)).find(|(_, rest)| is_next(rest)).map(|(link, _)| link)
}

/// URLs and the parameters behind each; commas stand within URLs too.
fn links(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split('<').skip(1).filter_map(|part| part.split_once('>'))
}

fn is_next(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("rel")
            && value.split_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests;
