//! One run of a hub: what every endpoint has to say is taken in and decided about; then every endpoint is given what it is owed.
//!
//! Reading and deciding is one transaction per page, cursor included (Invariant 9). What an endpoint is owed is computed from the
//! state whenever it is asked for, never remembered. A write is durable as an intent before its first byte leaves, and confirmed
//! from what the endpoint answers or shows afterwards.

use std::sync::Arc;
use std::time::Duration;

use super::error::SyncError;
use super::observe::Observer;
use super::read::Interrupt;
use crate::connector::{PageLimits, Sink, Source};
use crate::project::HubDef;
use crate::resolve::Safety;
use crate::store::{Counters, HubStore, PluginUse, RunId};
use crate::world::World;

/// A hub with everything it runs on.
pub struct Hub {
    pub def: HubDef,
    /// In the order of the definition's endpoints.
    pub ends: Vec<HubEnd>,
    /// What is asked of an endpoint per page.
    pub page: PageLimits,
}

/// One endpoint's connector.
pub struct HubEnd {
    /// None if it is only written.
    pub source: Option<Arc<dyn Source>>,
    /// None if it is only read.
    pub sink: Option<Arc<dyn Sink>>,
    pub plugin: PluginUse,
}

/// What a run needs besides the hub itself.
#[derive(Clone)]
pub struct HubRun {
    pub store: Arc<dyn HubStore>,
    pub world: World,
    pub observer: Arc<dyn Observer>,
    pub interrupt: Interrupt,
    pub options: HubOptions,
}

#[derive(Clone, Debug, Default)]
pub struct HubOptions {
    /// Read and enumerate everything, whatever was read before.
    pub full: bool,
    /// Write only if what would be written is exactly this plan.
    pub plan: Option<String>,
    pub safety: Safety,
}

/// What a run did, whether or not it came to its end.
#[derive(Debug)]
pub struct HubReport {
    pub sync: String,
    pub run: RunId,
    pub counters: Counters,
    /// Conflicts that wait for a person.
    pub conflicts: u64,
    /// Writes that wait: for an answer, for another record, for approval.
    pub waiting: u64,
    pub elapsed: Duration,
    pub interrupted: bool,
    pub error: Option<SyncError>,
}

/// Runs a hub once. What goes wrong stands in the report; only a state that cannot be reached is an error.
pub async fn run_hub(hub: &Hub, run: &HubRun) -> Result<HubReport, SyncError> {
    let _ = run;
    Err(SyncError::internal(hub.def.name.as_str(), "hubs do not run yet"))
}
