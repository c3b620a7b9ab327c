//! A run that is told to others: hears it begin, hears what it moves, and is told how it ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::exporter::Teller;
use super::outbox::Edge;
use crate::error::Explain;
use crate::lineage::openlineage::{self, Begun, Ended, Ending, Job, RunUuid};
use crate::lineage::{EndRows, Flow};
use crate::store::RunId;
use crate::sync::{Drift, HubReport, Observer, RunReport, SyncError};
use crate::world::Clock;

/// One run of one job.
pub struct Told {
    teller: Teller,
    clock: Arc<dyn Clock>,
    job: Job,
    observer: Arc<dyn Observer>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    begun: Option<Begun>,
    flow: Option<Flow>,
}

impl Told {
    pub(super) fn new(teller: Teller, clock: Arc<dyn Clock>, job: Job, observer: Arc<dyn Observer>) -> Self {
        Self { teller, clock, job, observer, known: Mutex::default() }
    }

    /// How a mirror's run ended.
    pub fn mirror_ended(&self, outcome: &Result<RunReport, SyncError>) {
        match outcome {
            Ok(report) => {
                let source = EndRows { read: report.counters.read, written: 0 };
                let target = EndRows { read: 0, written: report.counters.written };
                self.ended(ending(report.interrupted, report.error.as_ref()), vec![source, target]);
            }
            Err(error) => self.ended(ending(false, Some(error)), Vec::new()),
        }
    }

    /// How a hub's run ended.
    pub fn hub_ended(&self, outcome: &Result<HubReport, SyncError>) {
        match outcome {
            Ok(report) => self.ended(ending(report.interrupted, report.error.as_ref()), report.rows.clone()),
            Err(error) => self.ended(ending(false, Some(error)), Vec::new()),
        }
    }

    /// How a comparison ended that has repaired what it found.
    pub fn verify_ended(&self, outcome: &Result<Vec<Drift>, SyncError>) {
        match outcome {
            Ok(drifts) => {
                let rows = drifts.iter().map(|drift| EndRows { read: drift.read, written: 0 });
                let unread = drifts.iter().find_map(|drift| Some((&drift.endpoint, drift.failure.as_ref()?)));
                let how = unread.map_or(Ending::Complete, |(name, failure)| Ending::Fail(format!("{name}: {failure}")));
                self.ended(how, rows.collect());
            }
            Err(error) => self.ended(ending(false, Some(error)), Vec::new()),
        }
    }

    /// How a decision ended, which reads and writes nothing but the state.
    pub fn decision_ended(&self, error: Option<&SyncError>) {
        self.ended(ending(false, error), Vec::new());
    }

    /// A run that never began has no end.
    fn ended(&self, how: Ending, rows: Vec<EndRows>) {
        let known = self.known();
        let Some(begun) = known.begun else { return };
        let end = Ended { at: self.clock.now(), how, rows };
        let event = openlineage::end(&self.job, begun, known.flow.as_ref(), &end);
        self.teller.put(begun.id, Edge::End, &event);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ending(interrupted: bool, error: Option<&SyncError>) -> Ending {
    match error {
        Some(error) => Ending::Fail(format!("{}: {error}", error.code().id)),
        None if interrupted => Ending::Abort,
        None => Ending::Complete,
    }
}

impl Observer for Told {
    fn began(&self, run: RunId, at: DateTime<Utc>) {
        let begun = Begun { id: RunUuid::of(&self.job.namespace, &self.job.name, run.0, at), at };
        self.known().begun = Some(begun);
        self.teller.put(begun.id, Edge::Begin, &openlineage::start(&self.job, begun));
        self.observer.began(run, at);
    }

    fn settled(&self, flow: &Flow) {
        self.known().flow = Some(flow.clone());
        self.observer.settled(flow);
    }

    fn phase(&self, phase: &'static str) {
        self.observer.phase(phase);
    }

    fn read(&self, rows: u64, bytes: u64) {
        self.observer.read(rows, bytes);
    }

    fn written(&self, rows: u64) {
        self.observer.written(rows);
    }

    fn note(&self, text: &str) {
        self.observer.note(text);
    }
}
