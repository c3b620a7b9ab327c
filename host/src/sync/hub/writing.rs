//! Writes that are under way while the run goes on: each begins when it is durable as sent.

use std::sync::Arc;

use tokio::task::{JoinError, JoinHandle};

use super::deliver::{Action, Job};
use super::look_up::LookUp;
use super::setup::End;
use super::work::remote_values;
use super::write::{Outcome, write_jobs};
use crate::record::{Changes, Value};
use crate::resolve::Safety;
use crate::store::{Epoch, HubState, HubStore};
use crate::sync::error::SyncError;
use crate::sync::retry::Caution;

/// The right to write, which somebody else may have got meanwhile.
pub(super) struct Lease {
    pub store: Arc<dyn HubStore>,
    pub sync: String,
    pub epoch: Epoch,
    pub is_checked: bool,
}

impl Lease {
    pub fn is_held(&self) -> bool {
        let is_ours = |state: HubState| state.epoch == self.epoch;
        !self.is_checked || self.store.hub_state(&self.sync, &[]).is_ok_and(is_ours)
    }
}

/// Writes that were made, and what their records show since.
pub(super) struct Written {
    pub jobs: Vec<Job>,
    /// One per job.
    pub outcomes: Vec<Outcome>,
    /// None where nothing was looked at.
    pub shown: Result<Option<Changes>, SyncError>,
}

/// Writes to one endpoint that are durable as sent.
pub(super) struct Batch {
    pub end: Arc<End>,
    pub jobs: Vec<Job>,
    pub safety: Safety,
    pub lease: Lease,
    pub caution: Caution,
    /// Whether the records are looked at once they are written: an endpoint that shows something else has a form of its own, or
    /// somebody was quick.
    pub is_read_back: bool,
}

impl Batch {
    /// Makes the writes, and looks at what came of them.
    async fn write(self) -> Written {
        let outcomes = write_jobs(&self.end, &self.jobs, self.safety, &|| self.lease.is_held()).await;
        let shown = if self.is_read_back { self.read_back(&outcomes).await } else { Ok(None) };
        Written { jobs: self.jobs, outcomes, shown }
    }

    async fn read_back(&self, outcomes: &[Outcome]) -> Result<Option<Changes>, SyncError> {
        let remote = |(job, outcome): (&Job, &Outcome)| match (job.action, outcome) {
            (Action::Create, Outcome::Ok { remote }) => remote.as_deref().and_then(remote_values),
            (Action::Update, Outcome::Ok { .. }) => job.remote.as_deref().and_then(remote_values),
            _ => None,
        };
        let keys: Vec<Vec<Value>> = self.jobs.iter().zip(outcomes).filter_map(remote).collect();
        LookUp { sync: &self.lease.sync, end: &self.end, caution: &self.caution }.ask(&self.end.key, &keys).await
    }
}

/// A batch on its way.
pub(super) struct Writing(JoinHandle<Written>);

impl Writing {
    pub fn begin(batch: Batch) -> Self {
        Self(tokio::spawn(batch.write()))
    }

    pub async fn end(mut self) -> Result<Written, JoinError> {
        (&mut self.0).await
    }
}

impl Drop for Writing {
    /// Nothing goes on behind a run that is no more.
    fn drop(&mut self) {
        self.0.abort();
    }
}
