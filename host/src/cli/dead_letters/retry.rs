//! `dead-letters retry`: letters go through their syncs again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Which, select};
use crate::assembly::Assembly;
use crate::cli::context::select_syncs;
use crate::cli::output::{SyncSummary, noun};
use crate::cli::run::{Watching, hub_summary, stop_on_ctrl_c, summary};
use crate::cli::telling::Telling;
use crate::cli::{Context, Reply};
use crate::error::{Error, Result};
use crate::project::SyncDef;
use crate::store::{DeadLetter, HubStore, SqliteStore, Stage, Store};
use crate::sync::{HubOptions, HubRun, Interrupt, MirrorRun, RunOptions, retry_hub_letters, retry_letters};

pub async fn run(context: &Context, which: &Which) -> Result<Reply> {
    let assembly = context.assembly()?;
    let store = Arc::new(context.store("lockstep dead-letters retry")?);
    let letters = select(&store, which)?;
    send(context, assembly, store, letters).await
}

/// Sends letters through their syncs.
pub async fn send(
    context: &Context,
    assembly: Assembly,
    store: Arc<SqliteStore>,
    letters: Vec<DeadLetter>,
) -> Result<Reply> {
    let (letters, unreadable): (Vec<_>, Vec<_>) = letters.into_iter().partition(can_be_sent);
    if !unreadable.is_empty() {
        let records = noun(unreadable.len() as u64, "record", "records");
        context.output.note(&format!(
            "of {records} nothing could be read: mend the source; the next run that reads it again settles them"
        ));
    }
    let mut by_sync: BTreeMap<String, Vec<DeadLetter>> = BTreeMap::new();
    for row in letters {
        by_sync.entry(row.sync.clone()).or_default().push(row);
    }
    let telling = Telling::open(context, assembly.project().clone());
    let mut retrying = Retrying { context, telling, assembly, store, interrupt: stop_on_ctrl_c(&context.output) };
    let (mut results, mut errors, mut failed) = (Vec::new(), Vec::new(), 0);
    for (sync, letters) in by_sync {
        match retrying.sync(&sync, &letters).await {
            Ok((summary, error)) => {
                context.output.finished(&summary);
                failed += summary.dead_letters;
                results.push(summary.to_event());
                errors.extend(error);
            }
            // What keeps one sync's records waiting is no reason to let others wait, too.
            Err(error) => errors.push(error),
        }
    }
    retrying.telling.close().await;
    let result = json!({"syncs": results, "unreadable": unreadable.len()});
    if errors.is_empty() && failed == 0 && unreadable.is_empty() {
        return Ok(Reply::done(Vec::new(), result));
    }
    Ok(Reply::attention(Vec::new(), result, errors))
}

/// Whether anything is known that could be sent: a record, or where one can be looked up.
fn can_be_sent(row: &DeadLetter) -> bool {
    row.letter.stage != Stage::Source && row.letter.record.is_some()
}

struct Retrying<'a> {
    context: &'a Context,
    telling: Telling<'a>,
    assembly: Assembly,
    store: Arc<SqliteStore>,
    interrupt: Interrupt,
}

impl Retrying<'_> {
    /// The sync of a letter, which the project may have lost since.
    async fn sync(&mut self, name: &str, letters: &[DeadLetter]) -> Result<(SyncSummary, Option<Error>)> {
        let project = self.assembly.project().clone();
        let def = select_syncs(&project, &[name.to_owned()])?.remove(0).clone();
        let progress = self.context.output.progress(name);
        let observer = Arc::new(Watching {
            progress: progress.clone(),
            output: self.context.output.clone(),
            sync: name.to_owned(),
        });
        let audience = self.telling.audience(name, observer);
        match &def {
            SyncDef::Mirror(def) => {
                let mirror = self.assembly.mirror(def)?;
                let run = MirrorRun {
                    store: self.store.clone() as Arc<dyn Store>,
                    world: self.context.world.clone(),
                    observer: audience.observer.clone(),
                    interrupt: self.interrupt.clone(),
                    options: RunOptions::default(),
                };
                let report = retry_letters(&mirror, &run, letters).await;
                audience.mirror_ended(&report);
                progress.end();
                let report = report?;
                Ok((summary(&report), report.error.map(Error::from)))
            }
            SyncDef::Hub(def) => {
                let hub = self.assembly.hub(def)?;
                let run = HubRun {
                    store: self.store.clone() as Arc<dyn HubStore>,
                    world: self.context.world.clone(),
                    observer: audience.observer.clone(),
                    interrupt: self.interrupt.clone(),
                    options: HubOptions::default(),
                };
                let report = retry_hub_letters(&hub, &run, letters).await;
                audience.hub_ended(&report);
                progress.end();
                let report = report?;
                Ok((hub_summary(&report), report.error.map(Error::from)))
            }
        }
    }
}

/// The record of a letter as it is stored.
pub fn record(row: &DeadLetter) -> Option<Value> {
    serde_json::from_str(row.letter.record.as_deref()?).ok()
}
