//! Reading that begins before its turn: while the pages of one endpoint are decided about, those of the next are fetched, and its
//! keys while its last page is.
//!
//! Only where it makes no difference. Whether a reading may be stale is judged by the time of the decision, so an endpoint with a lag
//! is read when it is its turn. An event that waits is looked at anew before the pages of its endpoint, and a page that was read
//! before that look must not come after it. A reading from the beginning takes long, and would keep its source waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::seen::{Digester, Seen};
use super::work::Work;
use crate::connector::{Page, PageStatus, ReadMode, ReadRequest, Source};
use crate::record::{Field, Value, values_of, write_value};
use crate::resolve::Mechanism;
use crate::sync::error::SyncError;
use crate::sync::read::Reading;

/// A reading that goes on by itself, one page ahead of whoever takes them. It ends with this value.
pub(super) struct Fetching {
    pages: mpsc::Receiver<Page>,
    reader: JoinHandle<Result<(), SyncError>>,
    has_lost_place: Arc<AtomicBool>,
}

impl Fetching {
    pub async fn next(&mut self) -> Option<Page> {
        self.pages.recv().await
    }

    /// Whether the source no longer knew the place, and the pages begin at the beginning.
    pub fn has_lost_place(&self) -> bool {
        self.has_lost_place.load(Ordering::SeqCst)
    }

    /// How the reading ended; asked once there are no more pages.
    pub async fn end(mut self) -> Result<Result<(), SyncError>, tokio::task::JoinError> {
        (&mut self.reader).await
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The keys of an endpoint on their way into a set, which goes on by itself: beside the deciding about its last page.
pub(super) struct Listing(JoinHandle<Result<Seen, SyncError>>);

impl Listing {
    /// What it has shown.
    pub async fn end(mut self) -> Result<Result<Seen, SyncError>, tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Keys that are read: how they are told apart, and when the reading has shown all of them.
struct Keys {
    key: Vec<Field>,
    digester: Digester,
    /// Whether only a source that says so has shown everything.
    needs_proof: bool,
}

impl Keys {
    async fn list(self, mut pages: mpsc::Receiver<Page>) -> Seen {
        let mut seen = Seen::from_beginning(self.digester);
        while let Some(page) = pages.recv().await {
            let ends = page.status != PageStatus::More;
            seen.is_complete |= page.status == PageStatus::EnumerationComplete || (ends && !self.needs_proof);
            seen.is_readable &= page.rejected.is_empty();
            self.note(&page, &mut seen);
        }
        seen
    }

    fn note(&self, page: &Page, seen: &mut Seen) {
        let columns: Vec<Vec<Option<Value>>> = self
            .key
            .iter()
            .filter_map(|field| page.changes.data.iter().find(|(known, _)| known.name == field.name))
            .map(|(field, column)| values_of(field, column))
            .collect();
        let mut remote = Vec::new();
        for row in 0..page.changes.rows() {
            remote.clear();
            columns
                .iter()
                .filter_map(|column| column.get(row)?.as_ref())
                .for_each(|value| write_value(&mut remote, value));
            seen.note(&remote);
        }
    }
}

impl Work<'_> {
    /// Begins to read, unless it has begun already. None if the endpoint is not read.
    pub fn fetch(&mut self, endpoint: usize) -> Result<Option<Fetching>, SyncError> {
        match self.ahead.remove(&endpoint) {
            Some(begun) => Ok(Some(begun)),
            None => self.begin_fetching(endpoint),
        }
    }

    /// Begins to read all keys, unless that has begun already. None if the endpoint is not read.
    pub fn list_keys(&mut self, endpoint: usize) -> Result<Option<Listing>, SyncError> {
        match self.listings.remove(&endpoint) {
            Some(begun) => Ok(Some(begun)),
            None => self.begin_listing(endpoint),
        }
    }

    /// Begins to fetch the changes of the first endpoint behind this one that is read at all.
    pub fn fetch_next(&mut self, endpoint: usize) -> Result<(), SyncError> {
        let is_read = |at: &usize| self.settled.rules.endpoints.get(*at).is_some_and(|rule| rule.is_read);
        let behind = endpoint.saturating_add(1)..self.settled.ends.len();
        let Some(next) = behind.filter(is_read).find(|at| !self.is_absent(*at)) else { return Ok(()) };
        let goes_on = self.endpoints.get(next).is_some_and(|state| state.cursor.is_some()) && !self.run.options.full;
        if !goes_on || self.end(next)?.mode != ReadMode::Incremental || !self.may_read_ahead(next)? {
            return Ok(());
        }
        if !self.ahead.contains_key(&next)
            && let Some(begun) = self.begin_fetching(next)?
        {
            self.ahead.insert(next, begun);
        }
        Ok(())
    }

    /// Begins to fetch the keys of an endpoint whose last page is about to be decided about.
    pub fn fetch_keys(&mut self, endpoint: usize) -> Result<(), SyncError> {
        if !self.needs_enumeration(endpoint) || !self.may_read_ahead(endpoint)? {
            return Ok(());
        }
        if !self.listings.contains_key(&endpoint)
            && let Some(begun) = self.begin_listing(endpoint)?
        {
            self.listings.insert(endpoint, begun);
        }
        Ok(())
    }

    fn may_read_ahead(&self, endpoint: usize) -> Result<bool, SyncError> {
        Ok(self.settled.rules.lag(endpoint) == 0
            && !self.run.interrupt.is_set()
            && self.run.store.next_event(self.endpoint_id(endpoint))?.is_none())
    }

    fn begin_fetching(&self, endpoint: usize) -> Result<Option<Fetching>, SyncError> {
        let Some(source) = self.end(endpoint)?.source.clone() else { return Ok(None) };
        let (sender, pages) = mpsc::channel(1);
        let reading = self.reading(source, self.changes_request(endpoint)?);
        let has_lost_place = reading.has_lost_place();
        Ok(Some(Fetching { pages, reader: tokio::spawn(reading.run(sender)), has_lost_place }))
    }

    fn begin_listing(&self, endpoint: usize) -> Result<Option<Listing>, SyncError> {
        let end = self.end(endpoint)?;
        let Some(source) = end.source.clone() else { return Ok(None) };
        let needs_proof = self.has(Mechanism::CompletenessProof);
        let keys = Keys { key: end.key.clone(), digester: self.digester, needs_proof };
        let reading = self.reading(source, self.keys_request(endpoint)?);
        Ok(Some(Listing(tokio::spawn(async move {
            let (sender, pages) = mpsc::channel(1);
            let (outcome, seen) = tokio::join!(reading.run(sender), keys.list(pages));
            outcome.map(|()| seen)
        }))))
    }

    fn reading(&self, source: Arc<dyn Source>, request: ReadRequest) -> Reading {
        Reading::new(self.caution.clone(), source, request, self.hub.page)
    }
}
