//! Tells others what the runs of a command did, if the project says to whom.

use std::sync::Arc;

use super::Context;
use crate::assembly;
use crate::error::Error;
use crate::export::{Exporter, Told};
use crate::lineage::openlineage::Job;
use crate::project::{Project, SyncDef};
use crate::store::STATE_FOLDER;
use crate::sync::{Drift, HubReport, Observer, RunReport, Silent, SyncError};

/// Who is told; perhaps nobody.
pub struct Telling<'a> {
    context: &'a Context,
    project: Arc<Project>,
    exporter: Option<Exporter>,
}

/// One run, as those hear of it who watch it and those who are told.
pub struct Audience {
    pub observer: Arc<dyn Observer>,
    told: Option<Arc<Told>>,
}

impl<'a> Telling<'a> {
    /// The state is open for writing. That others cannot be told is no reason not to run.
    pub fn open(context: &'a Context, project: Arc<Project>) -> Self {
        let folder = context.folder().join(STATE_FOLDER);
        let open = |settings| Exporter::open(settings, &folder, context.world.clone());
        let exporter = match project.openlineage.as_ref().map(open).transpose() {
            Ok(exporter) => exporter,
            Err(error) => {
                context.output.warn(&Error::from(error));
                None
            }
        };
        Self { context, project, exporter }
    }

    /// Everybody who hears of the next run of a sync.
    pub fn audience(&self, sync: &str, observer: Arc<dyn Observer>) -> Audience {
        let told =
            self.exporter.as_ref().zip(self.project.syncs.get(sync)).map(|(exporter, sync): (_, &SyncDef)| {
                exporter.tell(assembly::job(&self.project, sync), observer.clone())
            });
        Audience { observer: told.clone().map_or(observer, |told| told as Arc<dyn Observer>), told }
    }

    /// Everybody who hears of a decision about a sync: a run that touches no system.
    pub fn decision(&self, sync: &str) -> Audience {
        let silent: Arc<dyn Observer> = Arc::new(Silent);
        let told = self.exporter.as_ref().zip(self.project.syncs.get(sync)).map(|(exporter, sync)| {
            let job = Job { ends: Vec::new(), ..assembly::job(&self.project, sync) };
            exporter.tell(job, silent.clone())
        });
        Audience { observer: told.clone().map_or(silent, |told| told as Arc<dyn Observer>), told }
    }

    /// Says what went wrong with the telling so far.
    pub fn show_warnings(&self) {
        let warnings = self.exporter.as_ref().map(Exporter::take_warnings).unwrap_or_default();
        warnings.iter().for_each(|warning| self.context.output.warn(warning));
    }

    /// Gives events that are on their way a little time.
    pub async fn close(self) {
        if let Some(exporter) = self.exporter {
            exporter.close().await.iter().for_each(|warning| self.context.output.warn(warning));
        }
    }
}

impl Audience {
    pub fn mirror_ended(&self, outcome: &Result<RunReport, SyncError>) {
        self.told.iter().for_each(|told| told.mirror_ended(outcome));
    }

    pub fn verify_ended(&self, outcome: &Result<Vec<Drift>, SyncError>) {
        self.told.iter().for_each(|told| told.verify_ended(outcome));
    }

    pub fn decision_ended(&self, error: Option<&SyncError>) {
        self.told.iter().for_each(|told| told.decision_ended(error));
    }

    pub fn hub_ended(&self, outcome: &Result<HubReport, SyncError>) {
        self.told.iter().for_each(|told| told.hub_ended(outcome));
    }
}
