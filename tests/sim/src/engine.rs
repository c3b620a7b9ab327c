//! What is under test: the production engine over the production store, or a simple one that stands in for it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use lockstep::connector::{PageLimits, Sink, Source};
use lockstep::error::{Explain as _, codes};
use lockstep::store::{HubStore, PluginUse, SqliteStore};
use lockstep::sync::{Hub, HubEnd, HubOptions, HubRun, Interrupt, Parent, Silent, SyncError, run_hub};

use crate::connect::Conn;
use crate::desk;
use crate::field::Kind;
use crate::plan::Plan;
use crate::process::Power;
use crate::store::SimStore;
use crate::view::{self, View};
use crate::world::{Sim, host_time};

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The code and the words of the error it ended with.
    pub error: Option<String>,
    /// A fault of the engine's own.
    pub is_our_fault: bool,
    pub conflicts: u64,
    pub waiting: u64,
    pub written: u64,
    pub read: u64,
}

pub type Running = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// Something that keeps systems in agreement, and remembers what it has to between processes.
pub trait Engine: Send + Sync {
    /// One run, by a process of its own.
    fn run(&self, sim: &Sim, power: &Power) -> Running;

    fn view(&self, plan: &Plan) -> View;

    /// A person looks at what waits and decides it.
    fn decide(&self, sim: &Sim, desk: &mut desk::Desk);
}

/// The production store, in memory.
pub fn memory() -> Arc<dyn HubStore> {
    Arc::new(SqliteStore::in_memory().expect("memory"))
}

/// The real one.
pub struct Production {
    store: Arc<dyn HubStore>,
}

impl Production {
    pub fn new(store: Arc<dyn HubStore>) -> Self {
        Self { store }
    }
}

fn plugin(role: &str) -> PluginUse {
    PluginUse { role: role.into(), label: "sim@1".into(), digest: "00".into() }
}

/// The hub as one process sees it.
pub fn hub(sim: &Sim, power: &Power) -> Hub {
    let plan = sim.core().plan.clone();
    let end = |(system, profile): (usize, &crate::plan::Profile)| {
        let conn = Arc::new(Conn { sim: sim.clone(), system, power: power.clone() });
        HubEnd {
            source: Some(conn.clone() as Arc<dyn Source>),
            sink: profile.writes.then_some(conn as Arc<dyn Sink>),
            plugin: plugin(profile.name),
            reports_times: true,
        }
    };
    let names = plan.systems.iter().map(|system| Some(system.name.to_owned())).collect();
    let to_each_other = Parent { sync: view::SYNC.to_owned(), endpoints: names };
    let parents = plan.field(Kind::Boss).map(|_| (Kind::Boss.name().to_owned(), to_each_other)).into_iter().collect();
    Hub {
        def: plan.def.clone(),
        ends: plan.systems.iter().enumerate().map(end).collect(),
        parents,
        resolvers: HashMap::new(),
        page: PageLimits { rows: plan.page_rows, bytes: 1 << 20 },
    }
}

impl Engine for Production {
    fn run(&self, sim: &Sim, power: &Power) -> Running {
        let hub = hub(sim, power);
        let store: Arc<dyn HubStore> = Arc::new(SimStore::new(self.store.clone(), sim, power));
        let run = HubRun {
            store,
            world: sim.world(),
            observer: Arc::new(Silent),
            interrupt: Interrupt::default(),
            options: HubOptions { safety: sim.core().plan.options.safety, ..HubOptions::default() },
        };
        Box::pin(async move { ended(run_hub(&hub, &run).await) })
    }

    fn view(&self, plan: &Plan) -> View {
        View::of(self.store.as_ref(), plan).expect("the store can be read")
    }

    fn decide(&self, sim: &Sim, desk: &mut desk::Desk) {
        let (now, plan) = {
            let core = sim.core();
            (host_time(&core), core.plan.clone())
        };
        desk.work(self.store.as_ref(), &plan.def, now);
    }
}

fn ended(report: Result<lockstep::sync::HubReport, SyncError>) -> Ended {
    // A system may fail and another process may take over: whatever else ends a run is our doing.
    let is_fair = |error: &SyncError| {
        matches!(error, SyncError::Connector { .. } | SyncError::Exhausted { .. })
            || error.code().id == codes::STATE_FENCED.id
    };
    let error = |error: &SyncError| (format!("{}: {error}", error.code().id), !is_fair(error));
    match report {
        Ok(report) => {
            let error = report.error.as_ref().map(error);
            Ended {
                is_our_fault: error.as_ref().is_some_and(|(_, ours)| *ours),
                error: error.map(|(text, _)| text),
                conflicts: report.conflicts,
                waiting: report.waiting,
                written: report.counters.written,
                read: report.counters.read,
            }
        }
        Err(cause) => {
            let (text, ours) = error(&cause);
            Ended { error: Some(text), is_our_fault: ours, ..Ended::default() }
        }
    }
}
