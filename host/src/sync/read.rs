//! The reading stage: pages from the source, with the failures that may pass already dealt with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;

use super::error::SyncError;
use super::retry::{Caution, Patience};
use crate::connector::{Failure, FailureKind, Page, PageLimits, PageStatus, ReadRequest, Reader, Source};
use crate::record::{ChangeKind, row_to_json};

/// Asked between pages and while waiting; set by a person who wants to stop.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Signal>);

#[derive(Default)]
struct Signal {
    is_set: AtomicBool,
    waiting: Notify,
}

impl Interrupt {
    pub fn set(&self) {
        self.0.is_set.store(true, Ordering::SeqCst);
        self.0.waiting.notify_waiters();
    }

    pub fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::SeqCst)
    }

    /// Returns once somebody wants to stop.
    pub(super) async fn wait(&self) {
        loop {
            // Made before the look: a signal in between wakes it.
            let woken = self.0.waiting.notified();
            if self.is_set() {
                return;
            }
            woken.await;
        }
    }
}

/// Positions a source may lose in one reading before it is left alone.
const STALE_MAX: u32 = 3;

/// What a reading began with when it was last opened. A source may be unable to go on in the middle: a reading that fails now and then,
/// and begins at the same place each time, gets nowhere and has to end.
#[derive(Default)]
struct Start {
    first: Option<(ChangeKind, Map<String, Value>)>,
    /// The time before it began with the same.
    is_old: bool,
}

impl Start {
    fn note(&mut self, page: &Page) {
        let rows = page.changes.rows();
        let first = (rows > 0).then(|| (page.changes.kind(0), row_to_json(&page.changes.data, 0)));
        self.is_old = first.is_some() && first == self.first;
        self.first = first;
    }
}

/// Reads a stream to the end of what there is.
pub(super) struct Reading {
    caution: Caution,
    source: Arc<dyn Source>,
    request: ReadRequest,
    limits: PageLimits,
    has_lost_place: Arc<AtomicBool>,
}

impl Reading {
    pub fn new(caution: Caution, source: Arc<dyn Source>, request: ReadRequest, limits: PageLimits) -> Self {
        Self { caution, source, request, limits, has_lost_place: Arc::default() }
    }

    /// Becomes true once the source no longer knows the place that was asked for: what comes then begins at the beginning.
    pub fn has_lost_place(&self) -> Arc<AtomicBool> {
        self.has_lost_place.clone()
    }

    /// Sends every page; ends with the last one, when interrupted, or when nobody listens any more.
    pub async fn run(mut self, pages: Sender<Page>) -> Result<(), SyncError> {
        let (mut patience, mut stale, mut start) = (Patience::default(), 0, Start::default());
        let mut reader: Option<Box<dyn Reader>> = None;
        while !self.caution.interrupt.is_set() {
            let is_first = reader.is_none();
            let page = match self.next(&mut reader).await {
                Ok(page) => page,
                Err(failure) => {
                    reader = None;
                    self.after_failure(failure, &mut patience, &mut stale).await?;
                    continue;
                }
            };
            if is_first {
                start.note(&page);
            }
            if !start.is_old {
                patience.progress();
            }
            self.request.cursor = Some(page.next_cursor.clone());
            self.caution.observer.read(page.changes.rows() as u64, page.changes.data.bytes() as u64);
            let status = page.status;
            if pages.send(page).await.is_err() || status != PageStatus::More {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn next(&self, reader: &mut Option<Box<dyn Reader>>) -> Result<Page, Failure> {
        if let Some(reader) = reader {
            return reader.next(self.limits).await;
        }
        reader.insert(self.source.open(self.request.clone()).await?).next(self.limits).await
    }

    /// Waits if it is worth it. A position that is gone means reading everything again, never going on from "latest"; a source
    /// that loses one after the other would be read for ever.
    async fn after_failure(
        &mut self,
        failure: Failure,
        patience: &mut Patience,
        stale: &mut u32,
    ) -> Result<(), SyncError> {
        if failure.kind == FailureKind::StaleCursor && *stale < STALE_MAX && self.request.cursor.take().is_some() {
            *stale += 1;
            self.has_lost_place.store(true, Ordering::SeqCst);
            self.caution.observer.note(&format!("the source's position is gone, everything is read again: {failure}"));
            return Ok(());
        }
        self.caution.wait(patience, failure).await
    }
}
