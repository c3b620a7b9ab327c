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

use super::work::Work;
use crate::connector::{Page, ReadMode, ReadRequest, Source};
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

/// What an endpoint is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    Changes,
    Keys,
}

impl Work<'_> {
    /// Begins to read, unless it has begun already. None if the endpoint is not read.
    pub fn fetch(&mut self, endpoint: usize, purpose: Purpose) -> Result<Option<Fetching>, SyncError> {
        match self.ahead.remove(&(endpoint, purpose)) {
            Some(begun) => Ok(Some(begun)),
            None => self.begin_fetching(endpoint, purpose),
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
        self.fetch_ahead(next, Purpose::Changes)
    }

    /// Begins to fetch the keys of an endpoint whose last page is about to be decided about.
    pub fn fetch_keys(&mut self, endpoint: usize) -> Result<(), SyncError> {
        if !self.needs_enumeration(endpoint) || !self.may_read_ahead(endpoint)? {
            return Ok(());
        }
        self.fetch_ahead(endpoint, Purpose::Keys)
    }

    fn may_read_ahead(&self, endpoint: usize) -> Result<bool, SyncError> {
        Ok(self.settled.rules.lag(endpoint) == 0
            && !self.run.interrupt.is_set()
            && self.run.store.next_event(self.endpoint_id(endpoint))?.is_none())
    }

    fn fetch_ahead(&mut self, endpoint: usize, purpose: Purpose) -> Result<(), SyncError> {
        if !self.ahead.contains_key(&(endpoint, purpose))
            && let Some(begun) = self.begin_fetching(endpoint, purpose)?
        {
            self.ahead.insert((endpoint, purpose), begun);
        }
        Ok(())
    }

    fn begin_fetching(&self, endpoint: usize, purpose: Purpose) -> Result<Option<Fetching>, SyncError> {
        let Some(source) = self.end(endpoint)?.source.clone() else { return Ok(None) };
        let request = match purpose {
            Purpose::Changes => self.changes_request(endpoint)?,
            Purpose::Keys => self.keys_request(endpoint)?,
        };
        Ok(Some(self.spawn_reading(source, request)))
    }

    fn spawn_reading(&self, source: Arc<dyn Source>, request: ReadRequest) -> Fetching {
        let (sender, pages) = mpsc::channel(1);
        let reading = Reading::new(self.caution.clone(), source, request, self.hub.page);
        let has_lost_place = reading.has_lost_place();
        Fetching { pages, reader: tokio::spawn(reading.run(sender)), has_lost_place }
    }
}
