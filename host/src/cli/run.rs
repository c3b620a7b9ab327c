//! `run`: brings targets up to date.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::context::select_syncs;
use super::output::{Exit, Output, SyncProgress, SyncSummary};
use super::telling::Telling;
use super::{Context, Reply};
use crate::assembly::Assembly;
use crate::error::{Error, Result};
use crate::project::SyncDef;
use crate::schedule::Schedule;
use crate::store::{HubStore, RunId, Store};
use crate::sync::{
    HeldDeletes, Hub, HubOptions, HubReport, HubRun, Interrupt, Mirror, MirrorRun, Observer, RunOptions, RunReport,
    run_hub, run_mirror,
};

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

    /// Write only if what would be written is exactly what `plan` has shown under this hash; for one hub
    #[arg(long, value_name = "HASH", requires = "syncs", conflicts_with = "watch")]
    pub plan: Option<String>,
}

pub async fn run(args: &RunArgs, context: &Context) -> Result<Reply> {
    let mut assembly = context.assembly()?;
    let project = assembly.project().clone();
    let syncs: Vec<SyncDef> = select_syncs(&project, &args.syncs)?.into_iter().cloned().collect();
    let store: Arc<dyn HubStore> = Arc::new(context.store(&command_line(args))?);
    let mut runner = Runner {
        context,
        telling: Telling::open(context, project),
        store,
        options: RunOptions { full: args.full, accept_schema: args.accept_schema },
        plan: args.plan.clone(),
        interrupt: stop_on_ctrl_c(&context.output),
        outcomes: Vec::new(),
    };
    let jobs = runner.assemble(&mut assembly, &syncs)?;
    let outcome = if args.watch { runner.watch(&jobs).await } else { runner.once(&jobs).await };
    let (telling, reply) = runner.end();
    telling.close().await;
    outcome.map(|()| reply)
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

/// A sync that is ready to run.
enum Job {
    Mirror(Box<Mirror>),
    Hub(Box<Hub>),
}

impl Job {
    fn name(&self) -> &str {
        match self {
            Self::Mirror(mirror) => mirror.name(),
            Self::Hub(hub) => hub.def.name.as_str(),
        }
    }

    fn every(&self) -> Duration {
        let every = match self {
            Self::Mirror(mirror) => mirror.def.trigger_every,
            Self::Hub(hub) => hub.def.trigger_every,
        };
        every.unwrap_or(WATCH_EVERY)
    }
}

/// Runs syncs and remembers what became of them.
struct Runner<'a> {
    context: &'a Context,
    telling: Telling<'a>,
    store: Arc<dyn HubStore>,
    options: RunOptions,
    plan: Option<String>,
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

impl<'a> Runner<'a> {
    /// Syncs whose plugins cannot be loaded are reported; the others run.
    fn assemble(&mut self, assembly: &mut Assembly, syncs: &[SyncDef]) -> Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for sync in syncs {
            let job = match sync {
                SyncDef::Mirror(mirror) => assembly.mirror(mirror).map(|mirror| Job::Mirror(Box::new(mirror))),
                SyncDef::Hub(hub) => assembly.hub(hub).map(|hub| Job::Hub(Box::new(hub))),
            };
            match job {
                Ok(job) => jobs.push(job),
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
        Ok(jobs)
    }

    async fn once(&mut self, jobs: &[Job]) -> Result<()> {
        for job in jobs {
            self.run(job).await?;
        }
        Ok(())
    }

    async fn run(&mut self, job: &Job) -> Result<()> {
        if self.interrupt.is_set() {
            return Ok(());
        }
        let progress = self.context.output.progress(job.name());
        let observer = Arc::new(Watching {
            progress: progress.clone(),
            output: self.context.output.clone(),
            sync: job.name().to_owned(),
        });
        let audience = self.telling.audience(job.name(), observer);
        match job {
            Job::Mirror(mirror) => {
                let run = MirrorRun {
                    store: self.store.clone() as Arc<dyn Store>,
                    world: self.context.world.clone(),
                    observer: audience.observer.clone(),
                    interrupt: self.interrupt.clone(),
                    options: self.options,
                };
                let report = run_mirror(mirror, &run).await;
                audience.mirror_ended(&report);
                progress.end();
                self.note(report?);
            }
            Job::Hub(hub) => {
                let run = HubRun {
                    store: self.store.clone(),
                    world: self.context.world.clone(),
                    observer: audience.observer.clone(),
                    interrupt: self.interrupt.clone(),
                    options: HubOptions { full: self.options.full, plan: self.plan.clone(), ..HubOptions::default() },
                };
                let report = run_hub(hub, &run).await;
                audience.hub_ended(&report);
                progress.end();
                self.note_hub(report?);
            }
        }
        self.telling.show_warnings();
        Ok(())
    }

    fn note(&mut self, report: RunReport) {
        let (summary, is_clean) = (summary(&report), report.is_clean());
        self.show_held(&report.sync, report.held.as_slice());
        self.tell(summary, report.run, is_clean, report.error.map(Error::from));
    }

    fn note_hub(&mut self, report: HubReport) {
        let (summary, is_clean) = (hub_summary(&report), report.is_clean());
        self.show_held(&report.sync, &report.held);
        self.tell(summary, report.run, is_clean, report.error.map(Error::from));
    }

    fn show_held(&self, sync: &str, held: &[HeldDeletes]) {
        for held in held {
            let approve = self.context.command(&format!("approve {}", held.hold));
            self.context.output.note(&format!("{sync}: {}; `{approve}` lets them go", held.reason));
        }
    }

    fn tell(&mut self, summary: SyncSummary, run: RunId, is_clean: bool, error: Option<Error>) {
        self.context.output.finished(&summary);
        let mut event = summary.to_event();
        if let Some(object) = event.as_object_mut() {
            object.insert("ok".to_owned(), json!(is_clean));
            object.insert("run".to_owned(), json!(run));
        }
        self.remember(Outcome { sync: summary.sync, event, error, needs_attention: !is_clean });
    }

    /// In place of the sync's outcome before: only the last one counts, however often others ran meanwhile.
    fn remember(&mut self, outcome: Outcome) {
        match self.outcomes.iter_mut().find(|known| known.sync == outcome.sync) {
            Some(known) => *known = outcome,
            None => self.outcomes.push(outcome),
        }
    }

    /// Goes on until interrupted. What fails is tried again at its next beat; only the last outcome of each sync counts.
    async fn watch(&mut self, jobs: &[Job]) -> Result<()> {
        let clock = self.context.world.clock.clone();
        let mut schedule = Schedule::new(jobs.iter().map(Job::every), clock.elapsed());
        while let Some((index, wait)) = schedule.next(clock.elapsed())
            && !self.interrupt.is_set()
        {
            if !wait.is_zero() {
                clock.sleep(wait.min(WATCH_STEP)).await;
                continue;
            }
            schedule.began(index, clock.elapsed());
            if let Some(job) = jobs.get(index) {
                self.run(job).await?;
                self.warn(job.name());
            }
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

    fn end(self) -> (Telling<'a>, Reply) {
        (self.telling, reply(self.outcomes))
    }
}

/// What the command comes to.
fn reply(outcomes: Vec<Outcome>) -> Reply {
    let result = json!({"syncs": outcomes.iter().map(|outcome| outcome.event.clone()).collect::<Vec<_>>()});
    let all_failed = outcomes.iter().all(|outcome| outcome.error.is_some());
    let needs_attention = outcomes.iter().any(|outcome| outcome.needs_attention);
    let errors: Vec<Error> = outcomes.into_iter().filter_map(|outcome| outcome.error).collect();
    match (needs_attention, all_failed && !errors.is_empty()) {
        (_, true) => Reply { result, ..Reply::refused(errors) },
        (true, false) => Reply::attention(Vec::new(), result, errors),
        (false, false) => Reply::done(Vec::new(), result),
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
        ..SyncSummary::default()
    }
}

pub(super) fn hub_summary(report: &HubReport) -> SyncSummary {
    let counters = &report.counters;
    SyncSummary {
        sync: report.sync.clone(),
        read: counters.read,
        written: counters.written,
        unchanged: counters.unchanged,
        deleted: counters.deleted,
        held: report.held.iter().map(|held| held.deletes).sum(),
        dead_letters: counters.rejected,
        conflicts: report.conflicts,
        waiting: report.waiting,
        failed: report.failed.clone(),
        elapsed: report.elapsed,
        ..SyncSummary::default()
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
