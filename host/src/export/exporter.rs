//! The one who delivers, beside the runs of this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::deliver::Desk;
use super::error::ExportError;
use super::outbox::{Edge, Outbox};
use super::told::Told;
use crate::error::Error;
use crate::lineage::openlineage::{self, Job, RunUuid};
use crate::project::OpenLineage;
use crate::sync::Observer;
use crate::world::World;

/// How long a process that is done waits for its events to be taken.
pub const GRACE: Duration = Duration::from_secs(2);

/// Delivers events while syncs run.
pub struct Exporter {
    desk: Arc<Desk>,
    /// Whoever has put something into the outbox says so.
    wake: mpsc::UnboundedSender<()>,
    worker: JoinHandle<()>,
}

/// Puts events into the outbox.
#[derive(Clone)]
pub(super) struct Teller {
    desk: Arc<Desk>,
    wake: mpsc::WeakUnboundedSender<()>,
}

impl Exporter {
    /// `folder` is the state's, and its lock is held by this process. What an earlier one left is on its way when this returns:
    /// events that were not taken, and the ends of runs it did not live to see.
    ///
    /// To be called within a runtime.
    pub fn open(settings: &OpenLineage, folder: &Path, world: World) -> Result<Self, ExportError> {
        let desk = Arc::new(Desk::new(settings.clone(), world, Outbox::open(folder)?));
        let (wake, mut woken) = mpsc::unbounded_channel();
        let delivering = desk.clone();
        let worker = tokio::spawn(async move {
            while woken.recv().await.is_some() {
                while woken.try_recv().is_ok() {}
                delivering.deliver().await;
            }
        });
        let exporter = Self { desk, wake, worker };
        exporter.end_abandoned()?;
        exporter.teller().wake();
        Ok(exporter)
    }

    fn end_abandoned(&self) -> Result<(), ExportError> {
        let now = self.desk.world.clock.now();
        for (run, begin) in self.desk.with_outbox(Outbox::begun)? {
            let end = openlineage::abandoned(&begin, now).map(|event| event.to_string());
            self.desk.with_outbox(|outbox| outbox.push(&run, Edge::End, end.as_deref().unwrap_or(&begin)))?;
        }
        Ok(())
    }

    fn teller(&self) -> Teller {
        Teller { desk: self.desk.clone(), wake: self.wake.downgrade() }
    }

    /// Tells of one run of a job; `observer` hears everything, too.
    pub fn tell(&self, job: Job, observer: Arc<dyn Observer>) -> Arc<Told> {
        Arc::new(Told::new(self.teller(), self.desk.world.clock.clone(), job, observer))
    }

    /// What people should know, each once.
    pub fn take_warnings(&self) -> Vec<Error> {
        self.desk.take_warnings()
    }

    /// Waits until everything is delivered, but no longer than [`GRACE`]; the rest is for the next process. Answers what people
    /// should know.
    pub async fn close(self) -> Vec<Error> {
        let Self { desk, wake, mut worker } = self;
        drop(wake);
        tokio::select! {
            _ = &mut worker => {}
            () = desk.world.clock.sleep(GRACE) => {
                worker.abort();
                let to = match &desk.settings.transport {
                    crate::project::Transport::Http(http) => http.url.to_string(),
                    crate::project::Transport::File(path) => path.display().to_string(),
                };
                desk.goes_down(ExportError::Down { to, reason: "it takes too long".to_owned() });
            }
        }
        desk.take_warnings()
    }
}

impl Teller {
    /// An event that cannot be kept is lost, and people are told so; the run goes on.
    pub fn put(&self, run: RunUuid, edge: Edge, event: &Value) {
        let pushed = self.desk.with_outbox(|outbox| {
            let dropped = outbox.push(&run.to_string(), edge, &event.to_string())?;
            Ok((dropped, outbox.limit()))
        });
        match pushed {
            Ok((0, _)) => {}
            Ok((count, max)) => self.desk.warn(ExportError::Dropped { count, max }),
            Err(error) => self.desk.warn(error),
        }
        self.wake();
    }

    fn wake(&self) {
        if let Some(wake) = self.wake.upgrade() {
            let _ = wake.send(());
        }
    }
}
