//! One run of a hub: what every endpoint has to say is taken in and decided about; then every endpoint is given what it is owed.
//!
//! Reading and deciding is one transaction per page, cursor included (Invariant 9). What an endpoint is owed is computed from the
//! state whenever it is asked for, never remembered. A write is durable as an intent before its first byte leaves, and confirmed
//! from what the endpoint answers or shows afterwards.

mod absent;
mod ahead;
mod book;
mod by_record;
mod confirm;
mod decide;
mod decision;
mod deliver;
mod disputes;
mod enumerate;
mod flow;
mod forget;
mod forms;
mod guard;
mod identify;
mod ingest;
mod letters;
mod look_up;
mod passes;
mod plan;
mod questions;
mod recover;
mod references;
mod resolver;
mod reuse;
mod rules;
mod seen;
mod setup;
mod times;
mod unit;
mod verify;
mod waiting;
mod warm;
mod work;
mod write;
mod writing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use self::absent::Absence;
pub use self::book::{Book, Step};
pub use self::decision::{Decision, Leftovers, Merged, Resolution, RolledBack};
pub use self::plan::{Collisions, HubPlan, PlanCounts, PlannedWrite, plan_hub};
pub use self::references::Parent;
use self::setup::Settled;
pub use self::verify::{Drift, Repair, verify_hub};
use self::work::Work;
use super::error::SyncError;
use super::observe::Observer;
use super::read::Interrupt;
use super::report::HeldDeletes;
use crate::connector::{Effect, PageLimits, Sink, Source, Transform};
use crate::error::Explain as _;
use crate::lineage::EndRows;
use crate::project::{HubDef, Place};
use crate::resolve::Safety;
use crate::store::{
    Conflict, ConflictFilter, ConflictState, Counters, DeadLetter, HubState, HubStore, NewRun, Outcome, PluginUse,
    RunEnd, RunError, RunId, RunKind,
};
use crate::world::World;

/// A hub with everything it runs on.
pub struct Hub {
    pub def: HubDef,
    /// In the order of the definition's endpoints.
    pub ends: Vec<HubEnd>,
    /// By the fields they decide about.
    pub resolvers: HashMap<String, Arc<dyn Transform>>,
    /// Where references lead, by the fields that hold them.
    pub parents: HashMap<String, Parent>,
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
    /// Whether its pages say when each record was changed, whatever its fields are.
    pub reports_times: bool,
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
    /// In the order of the definition's endpoints.
    pub rows: Vec<EndRows>,
    /// Conflicts that wait for a person.
    pub conflicts: u64,
    /// Writes that wait: for an answer, for another record, for approval.
    pub waiting: u64,
    pub held: Vec<HeldDeletes>,
    pub elapsed: Duration,
    /// Every record of every endpoint that is read was seen.
    pub compared: bool,
    pub interrupted: bool,
    /// Endpoints that took no part, or only in part, by their names; the others were served.
    pub failed: Vec<String>,
    pub error: Option<SyncError>,
}

impl HubReport {
    /// Whether everything is done and nothing waits for a person.
    pub fn is_clean(&self) -> bool {
        self.error.is_none()
            && self.held.is_empty()
            && !self.interrupted
            && self.counters.rejected == 0
            && self.conflicts == 0
    }
}

/// What a run is for.
enum Task<'a> {
    /// Everything there is to do.
    All,
    /// These dead letters are tried again.
    Letters(&'a [DeadLetter]),
}

/// Runs a hub once. What goes wrong stands in the report; only a state that cannot be reached is an error.
pub async fn run_hub(hub: &Hub, run: &HubRun) -> Result<HubReport, SyncError> {
    perform(hub, run, Task::All).await
}

/// Tries dead letters again: what could not be taken in is looked at once more, what was refused is written once more.
pub async fn retry_hub_letters(hub: &Hub, run: &HubRun, letters: &[DeadLetter]) -> Result<HubReport, SyncError> {
    perform(hub, run, Task::Letters(letters)).await
}

/// Whether everything is there that a hub needs: streams, fields, keys, expressions that make sense. Answers what a run would do to
/// endpoints before it writes; nothing is done.
pub async fn check_hub(hub: &Hub, run: &HubRun) -> Result<Vec<String>, SyncError> {
    let state = run.store.hub_state(hub.def.name.as_str(), &[])?;
    Ok(settle(hub, run, state.pin.as_deref(), Effect::DryRun, Absence::Refused).await?.actions)
}

async fn perform(hub: &Hub, run: &HubRun, task: Task<'_>) -> Result<HubReport, SyncError> {
    let started = run.world.clock.elapsed();
    let sync = hub.def.name.to_string();
    let kind = match task {
        Task::Letters(_) => RunKind::Retry,
        Task::All if run.options.full => RunKind::Full,
        Task::All => RunKind::Incremental,
    };
    let (id, state) = begin(hub, run, kind)?;
    let mut report = HubReport {
        sync: sync.clone(),
        run: id,
        counters: Counters::default(),
        rows: vec![EndRows::default(); hub.ends.len()],
        conflicts: 0,
        waiting: 0,
        held: Vec::new(),
        elapsed: Duration::ZERO,
        compared: false,
        interrupted: false,
        failed: Vec::new(),
        error: None,
    };
    let absence = Absence::in_run(&state, &run.options);
    let outcome = match settle(hub, run, state.pin.as_deref(), Effect::Real, absence).await {
        Ok(settled) => {
            run.observer.settled(&settled.flow);
            settled.actions.iter().for_each(|action| run.observer.note(action));
            let mut work = Work::new(hub, run, id, settled, state);
            work.open_letters = run.store.sync_state(&sync)?.open_dead_letter_keys;
            work.note_open(open_conflicts(hub, run)?);
            let outcome = match task {
                Task::All => work.run(&mut report.held).await,
                Task::Letters(letters) => work.retry(letters, &mut report.held).await,
            };
            let saved = work.save_progress();
            let outcome = outcome.and(saved);
            report.compared = outcome.is_ok() && work.has_seen_everything();
            report.counters = work.counters;
            report.rows.clone_from(&work.rows);
            report.waiting = work.count_waiting()?;
            report.failed = work.failed_names();
            outcome
        }
        Err(error) => Err(error),
    };
    finish(hub, run, outcome, report, started)
}

/// Settles everything; what is wrong with the mapping is told with its line.
async fn settle(
    hub: &Hub,
    run: &HubRun,
    pin: Option<&str>,
    effect: Effect,
    absence: Absence,
) -> Result<Settled, SyncError> {
    setup::settle(hub, run, pin, effect, absence).await.map_err(|error| match error {
        SyncError::FieldMissing { sync, what, field, stream, nearest, place: None } => {
            let place = mapping_place(&hub.def, &stream, &field);
            SyncError::FieldMissing { sync, what, field, stream, nearest, place }
        }
        other => other,
    })
}

/// Where a field of an endpoint's stream is named: beside the field that is mapped to it, or somewhere in the endpoint.
fn mapping_place(def: &HubDef, stream: &str, field: &str) -> Option<Place> {
    let endpoint = def.endpoints.iter().find(|endpoint| endpoint.stream == stream)?;
    let columns = def.fields.iter().filter_map(|known| known.columns.get(&endpoint.name));
    let mapped = columns.into_iter().find(|column| column.field == field);
    Some(mapped.map_or_else(|| endpoint.place.clone(), |column| column.place.clone()))
}

/// Begins a run and takes the hub's lease.
fn begin(hub: &Hub, run: &HubRun, kind: RunKind) -> Result<(RunId, HubState), SyncError> {
    let names: Vec<String> = hub.def.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
    let sync = hub.def.name.as_str();
    let started_at = run.world.clock.now();
    let id = run.store.begin_run(&NewRun {
        sync: sync.to_owned(),
        kind,
        started_at,
        plugins: hub.ends.iter().map(|end| end.plugin.clone()).collect(),
    })?;
    run.observer.began(id, started_at);
    Ok((id, run.store.open_hub(sync, &names)?))
}

/// Conflicts that wait for a person.
fn open_conflicts(hub: &Hub, run: &HubRun) -> Result<Vec<Conflict>, SyncError> {
    Ok(run.store.conflicts(&ConflictFilter {
        sync: Some(hub.def.name.to_string()),
        state: Some(ConflictState::Open),
        ..ConflictFilter::default()
    })?)
}

fn finish(
    hub: &Hub,
    run: &HubRun,
    outcome: Result<(), SyncError>,
    mut report: HubReport,
    started: Duration,
) -> Result<HubReport, SyncError> {
    report.interrupted = match &outcome {
        Ok(()) => run.interrupt.is_set(),
        Err(error) => matches!(error, SyncError::Interrupted { .. }),
    };
    let error = outcome.err().filter(|_| !report.interrupted);
    let end = RunEnd {
        outcome: match (&error, report.interrupted) {
            (Some(_), _) => Outcome::Failed,
            (None, true) => Outcome::Interrupted,
            (None, false) => Outcome::Succeeded,
        },
        ended_at: run.world.clock.now(),
        counters: report.counters,
        error: error.as_ref().map(|error| RunError { code: error.code().id.to_owned(), message: error.to_string() }),
        compared: report.compared,
    };
    if let Some(SyncError::Store(_)) = &error {
        // A state that cannot be written cannot be told of it either.
        let _ = run.store.finish_run(report.run, &end);
        report.error = error;
        return Ok(report);
    }
    run.store.finish_run(report.run, &end)?;
    report.conflicts = open_conflicts(hub, run)?.len() as u64;
    report.elapsed = run.world.clock.elapsed().saturating_sub(started);
    report.error = error;
    Ok(report)
}

impl Work<'_> {
    /// Takes in what everybody has to say, then gives everybody what they are owed, until nobody is owed anything more that is due.
    /// An endpoint that fails holds up nobody else.
    async fn run(&mut self, held: &mut Vec<HeldDeletes>) -> Result<(), SyncError> {
        let mut first_error = self.first_absent();
        for endpoint in 0..self.settled.ends.len() {
            if self.run.interrupt.is_set() {
                return first_error.map_or(Ok(()), Err);
            }
            match self.take_in(endpoint).await {
                Ok(more) => held.extend(more),
                Err(error) => first_error = Some(self.endpoint_failed(endpoint, error, first_error)?),
            }
        }
        if let Some(plan) = self.run.options.plan.clone() {
            self.check_plan(&plan)?;
        }
        self.run.observer.phase("writing");
        let delivered = self.deliver_all(held).await;
        if delivered.is_ok() && !self.run.interrupt.is_set() {
            self.forget()?;
        }
        match (first_error, delivered) {
            (Some(error), _) | (None, Err(error)) => Err(error),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Whether deletes that are held and were not found again are outdated.
    fn has_seen_everything(&self) -> bool {
        let mut endpoints = self.settled.rules.endpoints.iter().enumerate();
        endpoints.all(|(endpoint, rule)| !rule.is_read || self.enumerated.contains(&endpoint))
    }

    /// An error that is about one endpoint is kept for later; any other ends the run.
    fn endpoint_failed(
        &mut self,
        endpoint: usize,
        error: SyncError,
        first: Option<SyncError>,
    ) -> Result<SyncError, SyncError> {
        match &error {
            SyncError::Connector { .. } | SyncError::Exhausted { .. } => {
                self.failed.insert(endpoint);
                Ok(first.unwrap_or(error))
            }
            _ => Err(error),
        }
    }

    async fn take_in(&mut self, endpoint: usize) -> Result<Option<HeldDeletes>, SyncError> {
        let Some(rule) = self.settled.rules.endpoints.get(endpoint) else { return Ok(None) };
        if !rule.is_read || self.is_absent(endpoint) {
            return Ok(None);
        }
        self.run.observer.phase("reading");
        self.take_waiting(endpoint).await?;
        let seen = self.ingest(endpoint).await?;
        if seen.is_whole() {
            self.close_outdated_letters(endpoint)?;
        }
        if self.run.interrupt.is_set() {
            return Ok(None);
        }
        // A first reading that showed everything needs no second one to tell what is gone.
        if self.needs_enumeration(endpoint) && !seen.is_proof() {
            self.run.observer.phase("looking for deletes");
            let seen = self.enumerate(endpoint).await?;
            return self.infer_deletes(endpoint, &seen).await;
        }
        if self.end(endpoint)?.mode == crate::connector::ReadMode::Full || self.needs_enumeration(endpoint) {
            return self.infer_deletes(endpoint, &seen).await;
        }
        Ok(None)
    }

    fn count_waiting(&self) -> Result<u64, SyncError> {
        let mut waiting = 0;
        for endpoint in 0..self.settled.ends.len() {
            let counts = self.run.store.count_intents(self.endpoint_id(endpoint))?;
            waiting += counts.planned + counts.sent + counts.unknown + counts.parked + counts.held;
        }
        Ok(waiting)
    }
}
