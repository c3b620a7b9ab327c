//! `plugin replay`: a plugin on a recording instead of its system, and whether it gives what was given then.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::fault::{self, During, FaultArgs, Played, Struck};
use super::listed;
use crate::cli::output::{Align, Block, Table, noun, shortened, shown};
use crate::cli::{CliError, Context, Reply};
use crate::conformance::{self, After, Difference, FaultKind, Lab, Wrote};
use crate::connector::PageLimits;
use crate::error::Result;
use crate::plugin::{Catalog, Fault, Grants, Hits, PluginBinary, PluginConnector, Recording, Runtime, Tape};
use crate::world::Clock;

/// Differences that are shown; `--json` has them all.
const SHOWN_MAX: usize = 40;
const CELL_CHARS: usize = 60;

/// Calls that are struck one after the other; a recording with more of them shows no more.
const CALLS_MAX: u64 = 300;

/// Run a plugin on a recording, and compare what it gives with what was given then
///
/// Nothing is reached: every request is answered with what the same request was answered when the recording was made. A request that
/// was not recorded is an error, and told. With `--fault` the system fails while it is read and written: the plugin has to get over
/// it, or end with an error that says rightly what happened, nothing may be lost or shown twice when it goes on, and what it says of
/// rows that were written must be true.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin replay ./mine.wasm contacts.jsonl
  lockstep plugin replay http-json crm.jsonl --json
  lockstep plugin replay ./mine.wasm contacts.jsonl --fault all
  lockstep plugin replay ./mine.wasm contacts.jsonl --fault 429@3 --fault truncated-body

Exit code: 0 the same as then, 1 something differs, is lost, doubled or told wrongly")]
pub struct ReplayArgs {
    /// A bundled plugin, or the path of a file
    #[arg(value_name = "NAME|PATH")]
    pub plugin: String,

    /// A recording, made by `plugin record`
    #[arg(value_name = "FILE")]
    pub recording: PathBuf,

    #[command(flatten)]
    pub faults: FaultArgs,
}

pub(super) async fn run(args: &ReplayArgs, context: &Context, catalog: &Catalog) -> Result<Reply> {
    let wishes = args.faults.parse()?;
    let recording = read(&args.recording)?;
    let runtime = context.plugin_runtime()?;
    let binary = super::binary(catalog, &args.plugin, runtime.limits())?;
    let stage = Stage { runtime, binary, recording, clock: context.world.clock.clone() };
    let whole = stage.play(None).await?;
    let strike = async |kind: &'static FaultKind, call| {
        let take = stage.play(Some((kind.fault(), call))).await?;
        let mut wrong = kind.judge(&whole.gave, &take.gave);
        if take.during == During::Writing {
            wrong.extend(kind.judge_writes(&whole.wrote, &take.wrote, take.hits));
        }
        let is_told = conformance::has_error(&take.gave) || take.wrote.is_told();
        let has_gaps = !take.tape.gaps().is_empty();
        Ok(Played { during: take.during, calls: take.calls, hits: take.hits.all, has_gaps, is_told, wrong })
    };
    let struck = fault::strike(&wishes, CALLS_MAX, strike).await?;
    Ok(reply(&stage, &whole, &struck))
}

/// A plugin on its recording once.
struct Take {
    gave: Vec<Value>,
    wrote: Wrote,
    tape: Tape,
    /// What was going on when something went wrong.
    during: During,
    calls: u64,
    hits: Hits,
}

/// A plugin and the recording it runs on.
struct Stage {
    runtime: Runtime,
    binary: PluginBinary,
    recording: Recording,
    clock: Arc<dyn Clock>,
}

impl Stage {
    async fn play(&self, fault: Option<(Fault, u64)>) -> Result<Take> {
        let head = &self.recording.head;
        let tape = Tape::play(&self.recording);
        let grants = Grants::replayed(&self.recording, &tape);
        let trouble = grants.trouble.clone();
        let after = if fault.is_some() { After::GoOn } else { After::Stop };
        let limits = self.runtime.limits().clone();
        let (runtime, binary, clock) = (&self.runtime, &self.binary, self.clock.clone());
        let connector = PluginConnector::system(runtime, binary, &head.config, grants, limits, clock)?;
        match fault {
            Some((fault, call)) => trouble.order_at(fault, call),
            None => trouble.count(),
        }
        let limits = PageLimits { rows: head.page_rows, bytes: head.page_bytes };
        let gave = match reads(head.writes.is_some(), &connector)? {
            true => conformance::perform(&connector, &head.streams, limits, after).await,
            false => Vec::new(),
        };
        let (mut during, mut wrote) = (During::Reading, Wrote::default());
        // What a reading has come upon is enough for one time.
        if let Some(writes) = head.writes.as_ref().filter(|_| trouble.hits().all == 0) {
            connector.require_sink()?;
            during = During::Writing;
            wrote = conformance::write_again(&connector, writes, &trouble).await;
        }
        let calls = trouble.calls();
        Ok(Take { gave, wrote, tape, during, calls, hits: trouble.end() })
    }
}

/// What was done before the battery was recorded, so that what changed meanwhile has changed here, too.
pub(super) async fn perform(lab: &Lab, recording: &Recording) -> Result<()> {
    let head = &recording.head;
    if lab.subject.binary.is_err() {
        return Ok(());
    }
    let connector = lab.fresh()?;
    if reads(true, &connector)? {
        let limits = PageLimits { rows: head.page_rows, bytes: head.page_bytes };
        conformance::perform(&connector, &head.streams, limits, After::Stop).await;
    }
    if let Some(writes) = &head.writes {
        conformance::write_again(&connector, writes, &lab.setup.grants.trouble).await;
    }
    Ok(())
}

/// Whether the plugin is read. Only one that is written needs no source.
pub(super) fn reads(is_written: bool, connector: &PluginConnector) -> Result<bool> {
    match connector.require_source() {
        Ok(()) => Ok(true),
        Err(_) if is_written => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A recording in a file.
pub(super) fn read(path: &Path) -> Result<Recording> {
    let text = std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.to_owned(), source })?;
    Ok(Recording::parse(&path.display().to_string(), &text)?)
}

fn reply(stage: &Stage, take: &Take, struck: &[Struck]) -> Reply {
    let (label, recording) = (stage.binary.label(), &stage.recording);
    let gave: Vec<Value> = take.gave.iter().chain(&take.wrote.gave).cloned().collect();
    let differences = conformance::differences(&recording.gave, &gave);
    let (streams, pages, records) = conformance::counts(&gave);
    let (gaps, unasked) = (take.tape.gaps(), take.tape.unasked());
    let result = json!({
        "plugin": label, "recorded_with": recording.head.plugin, "recorded_at": recording.head.began,
        "streams": streams, "pages": pages, "records": records, "writes": conformance::written(&gave),
        "differences": differences, "not_recorded": gaps, "not_asked": unasked, "faults": struck,
    });
    let mut blocks = Vec::new();
    if !differences.is_empty() {
        blocks.push(Block::Table(table(&differences)));
    }
    if let Some(more) = differences.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        blocks.push(
            format!("and {}; `--json` has them all", noun(more as u64, "more difference", "more differences")).into(),
        );
    }
    blocks.extend(listed("asks for what was not recorded (if it is meant to, record again)", &gaps));
    blocks.extend(listed("no longer asks for", &unasked));
    let then = format!("{} gave on {}", recording.head.plugin, recording.head.began.format("%Y-%m-%d"));
    let same = differences.is_empty() && gaps.is_empty();
    let verdict = if same {
        format!("{label}: {}, as {then}", told(&gave))
    } else {
        format!("{label}: {} from what {then}", noun(differences.len() as u64, "difference", "differences"))
    };
    blocks.push(verdict.into());
    blocks.extend(fault::told(struck));
    if same && fault::is_fine(struck) {
        Reply::done(blocks, result)
    } else {
        Reply::attention(blocks, result, Vec::new())
    }
}

/// `1 stream, 8 records in 4 pages, 3 writes`.
pub(super) fn told(gave: &[Value]) -> String {
    let (streams, pages, records) = conformance::counts(gave);
    let read = (streams > 0).then(|| {
        let (records, pages) = (noun(records as u64, "record", "records"), noun(pages as u64, "page", "pages"));
        format!("{}, {records} in {pages}", noun(streams as u64, "stream", "streams"))
    });
    let writes = conformance::written(gave);
    let written = (writes > 0).then(|| noun(writes as u64, "write", "writes"));
    let parts: Vec<String> = read.into_iter().chain(written).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn table(differences: &[Difference]) -> Table {
    let mut table =
        Table::new(&[("stream", Align::Left), ("what", Align::Left), ("then", Align::Left), ("now", Align::Left)]);
    for difference in differences.iter().take(SHOWN_MAX) {
        let cell = |value: &Value| shortened(&shown(Some(value)), CELL_CHARS);
        let what = shortened(&difference.what, CELL_CHARS);
        table.row([difference.stream.clone(), what, cell(&difference.then), cell(&difference.now)]);
    }
    table
}
