//! `run`: brings targets up to date.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::context::{require_mirror, select_syncs};
use super::output::{Exit, Output, SyncProgress, SyncSummary};
use super::{Context, Reply};
use crate::assembly::Assembly;
use crate::error::{Error, Result};
use crate::project::SyncDef;
use crate::schedule::Schedule;
use crate::store::Store;
use crate::sync::{Interrupt, Mirror, MirrorRun, Observer, RunOptions, RunReport, run_mirror};

/// How often `--watch` runs a sync that does not say.
const WATCH_EVERY: Duration = Duration::from_secs(60);
/// How long a waiting `--watch` may take to notice Ctrl-C.
const WATCH_STEP: Duration = Duration::from_millis(200);

/// Bring the targets up to date
///
/// The first Ctrl-C finishes the page in flight and stops; the second stops at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep run                      every sync, once
  lockstep run customers --full     read everything again
  lockstep run --watch              go on by each sync's `trigger`
  lockstep run --json               one JSON line per event")]
pub struct RunArgs {
    /// The syncs to run [default: all]
    #[arg(value_name = "SYNC")]
    pub syncs: Vec<String>,

    /// Run every sync once and stop; what happens if nothing is said
    #[arg(long, conflicts_with = "watch")]
    pub once: bool,

    /// Go on until interrupted, each sync by its `trigger`
    #[arg(long)]
    pub watch: bool,

    /// Read from the beginning, whatever was read before
    #[arg(long)]
    pub full: bool,

    /// Go on with the schemas as they are now, where a sync paused because one changed
    #[arg(long)]
    pub accept_schema: bool,
}

pub async fn run(args: &RunArgs, context: &Context) -> Result<Reply> {
    let mut assembly = context.assembly()?;
    let project = assembly.project().clone();
    let syncs: Vec<SyncDef> = select_syncs(&project, &args.syncs)?.into_iter().cloned().collect();
    let store: Arc<dyn Store> = Arc::new(context.store(&command_line(args))?);
    let mut runner = Runner {
        context,
        store,
        options: RunOptions { full: args.full, accept_schema: args.accept_schema },
        interrupt: stop_on_ctrl_c(&context.output),
        outcomes: Vec::new(),
    };
    let mirrors = runner.assemble(&mut assembly, &syncs)?;
    if args.watch {
        runner.watch(&mirrors).await?;
    } else {
        for mirror in &mirrors {
            runner.run(mirror).await?;
        }
    }
    Ok(runner.reply())
}

/// What others are told while this process holds the project.
fn command_line(args: &RunArgs) -> String {
    let watch = if args.watch { " --watch" } else { "" };
    format!("lockstep run {}{watch}", args.syncs.join(" ")).trim_end().replace("  ", " ")
}

/// The first Ctrl-C lets the page in flight come to its end; the second one does not wait.
pub(super) fn stop_on_ctrl_c(output: &Output) -> Interrupt {
    let interrupt = Interrupt::default();
    let (seen, output) = (interrupt.clone(), output.clone());
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if seen.is_set() {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            seen.set();
            output.note("stopping after the page in flight; Ctrl-C again stops at once");
        }
    });
    interrupt
}

/// Runs syncs and remembers what became of them.
struct Runner<'a> {
    context: &'a Context,
    store: Arc<dyn Store>,
    options: RunOptions,
    interrupt: Interrupt,
    outcomes: Vec<Outcome>,
}

/// The end of one sync's last run.
struct Outcome {
    sync: String,
    event: Value,
    error: Option<Error>,
    needs_attention: bool,
}

impl Runner<'_> {
    /// Syncs whose plugins cannot be loaded are reported; the others run.
    fn assemble(&mut self, assembly: &mut Assembly, syncs: &[SyncDef]) -> Result<Vec<Mirror>> {
        let mut mirrors = Vec::new();
        for sync in syncs {
            match require_mirror(sync, "run").and_then(|sync| assembly.mirror(sync)) {
                Ok(mirror) => mirrors.push(mirror),
                Err(error) => self.outcomes.push(Outcome {
                    sync: sync.name().to_string(),
                    event: json!({"sync": sync.name(), "ok": false}),
                    error: Some(error),
                    needs_attention: true,
                }),
            }
        }
        assembly.take_notes().iter().for_each(|note| self.context.output.note(note));
        assembly.save_lock()?;
        Ok(mirrors)
    }

    async fn run(&mut self, mirror: &Mirror) -> Result<()> {
        if self.interrupt.is_set() {
            return Ok(());
        }
        let progress = self.context.output.progress(mirror.name());
        let run = MirrorRun {
            store: self.store.clone(),
            world: self.context.world.clone(),
            observer: Arc::new(Watching {
                progress: progress.clone(),
                output: self.context.output.clone(),
                sync: mirror.name().to_owned(),
            }),
            interrupt: self.interrupt.clone(),
            options: self.options,
        };
        let report = run_mirror(mirror, &run).await;
        progress.end();
        self.note(report?);
        Ok(())
    }

    fn note(&mut self, report: RunReport) {
        let summary = summary(&report);
        self.context.output.finished(&summary);
        if let Some(held) = &report.held {
            let approve = self.context.command(&format!("approve {}", held.hold));
            self.context.output.note(&format!("{}: {}; `{approve}` lets them go", report.sync, held.reason));
        }
        let mut event = summary.to_event();
        if let Some(object) = event.as_object_mut() {
            object.insert("ok".to_owned(), json!(report.is_clean()));
            object.insert("run".to_owned(), json!(report.run));
        }
        let needs_attention = !report.is_clean();
        self.remember(Outcome { sync: report.sync, event, error: report.error.map(Error::from), needs_attention });
    }

    /// In place of the sync's outcome before: only the last one counts, however often others ran meanwhile.
    fn remember(&mut self, outcome: Outcome) {
        match self.outcomes.iter_mut().find(|known| known.sync == outcome.sync) {
            Some(known) => *known = outcome,
            None => self.outcomes.push(outcome),
        }
    }

    /// Goes on until interrupted. What fails is tried again at its next beat; only the last outcome of each sync counts.
    async fn watch(&mut self, mirrors: &[Mirror]) -> Result<()> {
        let clock = self.context.world.clock.clone();
        let every = mirrors.iter().map(|mirror| mirror.def.trigger_every.unwrap_or(WATCH_EVERY));
        let mut schedule = Schedule::new(every, clock.elapsed());
        while let Some((index, wait)) = schedule.next(clock.elapsed())
            && !self.interrupt.is_set()
        {
            if !wait.is_zero() {
                clock.sleep(wait.min(WATCH_STEP)).await;
                continue;
            }
            schedule.began(index, clock.elapsed());
            if let Some(mirror) = mirrors.get(index) {
                self.run(mirror).await?;
            }
            self.warn(mirrors.get(index).map_or("", |mirror| mirror.name()));
        }
        Ok(())
    }

    /// An error of a beat is told at once, not when the watching ends.
    fn warn(&self, sync: &str) {
        let outcome = self.outcomes.iter().find(|outcome| outcome.sync == sync);
        if let Some(error) = outcome.and_then(|outcome| outcome.error.as_ref()) {
            self.context.output.warn(error);
        }
    }

    fn reply(self) -> Reply {
        let result = json!({"syncs": self.outcomes.iter().map(|outcome| outcome.event.clone()).collect::<Vec<_>>()});
        let all_failed = self.outcomes.iter().all(|outcome| outcome.error.is_some());
        let needs_attention = self.outcomes.iter().any(|outcome| outcome.needs_attention);
        let errors: Vec<Error> = self.outcomes.into_iter().filter_map(|outcome| outcome.error).collect();
        match (needs_attention, all_failed && !errors.is_empty()) {
            (_, true) => Reply { result, ..Reply::refused(errors) },
            (true, false) => Reply::attention(Vec::new(), result, errors),
            (false, false) => Reply::done(Vec::new(), result),
        }
    }
}

pub(super) fn summary(report: &RunReport) -> SyncSummary {
    let counters = &report.counters;
    SyncSummary {
        sync: report.sync.clone(),
        read: counters.read,
        written: counters.written,
        unchanged: counters.unchanged,
        deleted: counters.deleted,
        duplicates: counters.duplicates,
        held: report.held.as_ref().map_or(0, |held| held.deletes),
        dead_letters: counters.rejected,
        elapsed: report.elapsed,
    }
}

/// Shows a run to whoever watches.
pub(super) struct Watching {
    pub progress: SyncProgress,
    pub output: Output,
    pub sync: String,
}

impl Observer for Watching {
    fn phase(&self, phase: &'static str) {
        self.progress.phase(phase);
    }

    fn read(&self, rows: u64, bytes: u64) {
        self.progress.rows_read(rows);
        self.progress.bytes_read(bytes);
    }

    fn written(&self, rows: u64) {
        self.progress.rows_written(rows);
    }

    fn note(&self, text: &str) {
        // Of a statement the first line says enough; `lockstep plan` shows it whole.
        let (first, more) = text.split_once('\n').map_or((text, ""), |(first, _)| (first, " …)"));
        self.output.note(&format!("{}: {first}{more}", self.sync));
    }
}
