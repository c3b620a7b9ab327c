//! The reading stage: pages from the source, with the failures that may pass already dealt with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::Sender;

use super::error::SyncError;
use super::observe::Observer;
use super::retry::{Patience, Verdict};
use crate::connector::{FailureKind, Page, PageLimits, PageStatus, ReadRequest, Reader, Source};
use crate::world::World;

/// Asked between pages; set by a person who wants to stop.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Reads a stream to the end of what there is.
pub(super) struct Reading {
    pub sync: String,
    pub source: Arc<dyn Source>,
    pub request: ReadRequest,
    pub limits: PageLimits,
    pub world: World,
    pub observer: Arc<dyn Observer>,
    pub interrupt: Interrupt,
}

impl Reading {
    /// Sends every page; ends with the last one, when interrupted, or when nobody listens any more.
    pub async fn run(mut self, pages: Sender<Page>) -> Result<(), SyncError> {
        let mut patience = Patience::default();
        let mut reader: Option<Box<dyn Reader>> = None;
        while !self.interrupt.is_set() {
            let page = match self.next(&mut reader).await {
                Ok(page) => page,
                Err(failure) => {
                    reader = None;
                    self.after_failure(failure, &mut patience).await?;
                    continue;
                }
            };
            patience.progress();
            self.request.cursor = Some(page.next_cursor.clone());
            self.observer.read(page.changes.rows() as u64, page.changes.data.bytes() as u64);
            let status = page.status;
            if pages.send(page).await.is_err() || status != PageStatus::More {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn next(&self, reader: &mut Option<Box<dyn Reader>>) -> Result<Page, crate::connector::Failure> {
        if let Some(reader) = reader {
            return reader.next(self.limits).await;
        }
        reader.insert(self.source.open(self.request.clone()).await?).next(self.limits).await
    }

    /// Waits if it is worth it. A position that is gone means reading everything again, never going on from "latest".
    async fn after_failure(
        &mut self,
        failure: crate::connector::Failure,
        patience: &mut Patience,
    ) -> Result<(), SyncError> {
        if failure.kind == FailureKind::StaleCursor && self.request.cursor.take().is_some() {
            self.observer.note(&format!("the source's position is gone, everything is read again: {failure}"));
            return Ok(());
        }
        match patience.judge(&failure, &self.world) {
            Verdict::GiveUp => Err(SyncError::after_retries(&self.sync, failure)),
            Verdict::Wait(wait) => {
                self.observer.note(&format!("trying again in {:.1} s: {failure}", wait.as_secs_f64()));
                self.world.clock.sleep(wait).await;
                Ok(())
            }
        }
    }
}
