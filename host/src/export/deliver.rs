//! Takes events out of the outbox and to the consumer, one after the other.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::ExportError;
use super::file;
use super::http::HttpSender;
use super::outbox::{Outbox, Waiting};
use crate::error::Error;
use crate::project::{OpenLineage, Transport};
use crate::world::World;

/// Pauses before an event is tried again. Only until a consumer is known to be down: then it is asked once per event of a run.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(200)];

/// What those who run syncs and the one who delivers have in common.
pub(super) struct Desk {
    pub settings: OpenLineage,
    pub world: World,
    pub outbox: Mutex<Outbox>,
    warnings: Mutex<Warnings>,
}

#[derive(Default)]
struct Warnings {
    waiting: Vec<Error>,
    /// Whether people know that the consumer is down.
    is_down: bool,
}

enum Way {
    File(std::path::PathBuf),
    Http(Box<HttpSender>),
}

impl Desk {
    pub fn new(settings: OpenLineage, world: World, outbox: Outbox) -> Self {
        Self { settings, world, outbox: Mutex::new(outbox), warnings: Mutex::default() }
    }

    pub fn with_outbox<T>(&self, work: impl FnOnce(&Outbox) -> T) -> T {
        work(&self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with_warnings<T>(&self, work: impl FnOnce(&mut Warnings) -> T) -> T {
        work(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn warn(&self, error: ExportError) {
        self.with_warnings(|warnings| warnings.waiting.push(Error::from(error)));
    }

    pub fn take_warnings(&self) -> Vec<Error> {
        self.with_warnings(|warnings| std::mem::take(&mut warnings.waiting))
    }

    fn is_down(&self) -> bool {
        self.with_warnings(|warnings| warnings.is_down)
    }

    /// An outage is told once, however long it lasts.
    pub fn goes_down(&self, error: ExportError) {
        self.with_warnings(|warnings| {
            if !std::mem::replace(&mut warnings.is_down, true) {
                warnings.waiting.push(Error::from(error));
            }
        });
    }

    /// Delivers what waits, until nothing does or the consumer takes nothing more.
    pub async fn deliver(&self) {
        if let Err(error) = self.try_deliver().await {
            self.goes_down(error);
        }
    }

    async fn try_deliver(&self) -> Result<(), ExportError> {
        if self.with_outbox(Outbox::next)?.is_none() {
            return Ok(());
        }
        let way = self.way()?;
        while let Some(next) = self.with_outbox(Outbox::next)? {
            match self.send_patiently(&way, &next).await {
                Ok(()) => self.with_outbox(|outbox| outbox.delivered(next.id))?,
                Err(error @ ExportError::Refused { .. }) => {
                    self.with_outbox(|outbox| outbox.set_aside(next.id, &error.to_string()))?;
                    self.warn(error);
                }
                Err(error) => return Err(error),
            }
            self.with_warnings(|warnings| warnings.is_down = false);
        }
        Ok(())
    }

    /// Made anew each time: a key that was missing may be there by now.
    fn way(&self) -> Result<Way, ExportError> {
        Ok(match &self.settings.transport {
            Transport::File(path) => Way::File(path.clone()),
            Transport::Http(transport) => Way::Http(Box::new(HttpSender::new(&self.settings, transport)?)),
        })
    }

    async fn send_patiently(&self, way: &Way, event: &Waiting) -> Result<(), ExportError> {
        for pause in PAUSES {
            match send(way, event).await {
                Err(ExportError::Down { .. }) if !self.is_down() => self.world.clock.sleep(pause).await,
                outcome => return outcome,
            }
        }
        send(way, event).await
    }
}

async fn send(way: &Way, event: &Waiting) -> Result<(), ExportError> {
    match way {
        Way::Http(sender) => sender.send(&event.body).await,
        Way::File(path) => {
            file::append(path, &event.body).map_err(|source| ExportError::File { path: path.clone(), source })
        }
    }
}
