//! `plugin replay`: a plugin on a recording instead of its system, and whether it gives what was given then.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::fault::{self, FaultArgs, Played, Struck};
use super::listed;
use crate::cli::output::{Align, Block, Table, noun, shortened, shown};
use crate::cli::{CliError, Context, Reply};
use crate::conformance::{self, After, Difference};
use crate::connector::PageLimits;
use crate::error::Result;
use crate::plugin::{Catalog, Fault, Grants, PluginBinary, PluginConnector, Recording, Runtime, Tape};
use crate::world::Clock;

/// Differences that are shown; `--json` has them all.
const SHOWN_MAX: usize = 40;
const CELL_CHARS: usize = 60;

/// Calls that are struck one after the other; a recording with more of them shows no more.
const CALLS_MAX: u64 = 300;

/// Run a plugin on a recording, and compare what it gives with what was given then
///
/// Nothing is reached: every request is answered with what the same request was answered when the recording was made. A request that
/// was not recorded is an error, and told. With `--fault` the system fails while it is read: the plugin has to get over it, or end
/// with an error that says rightly what happened, and nothing may be lost or shown twice when it goes on.
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
    let (played, tape) = stage.play(None).await?;
    let strike = async |fault, call| Ok(stage.play(Some((fault, call))).await?.0);
    let struck = fault::strike(&wishes, CALLS_MAX, &played.gave, strike).await?;
    Ok(reply(&stage, &played.gave, &tape, &struck))
}

/// A plugin and the recording it runs on.
struct Stage {
    runtime: Runtime,
    binary: PluginBinary,
    recording: Recording,
    clock: Arc<dyn Clock>,
}

impl Stage {
    async fn play(&self, fault: Option<(Fault, u64)>) -> Result<(Played, Tape)> {
        let head = &self.recording.head;
        let tape = Tape::play(&self.recording);
        let grants = Grants::replayed(&self.recording, &tape);
        let trouble = grants.trouble.clone();
        let after = if fault.is_some() { After::GoOn } else { After::Stop };
        let limits = self.runtime.limits().clone();
        let (runtime, binary, clock) = (&self.runtime, &self.binary, self.clock.clone());
        let connector = PluginConnector::system(runtime, binary, &head.config, grants, limits, clock)?;
        connector.require_source()?;
        if let Some((fault, call)) = fault {
            trouble.order_at(fault, call);
        }
        let limits = PageLimits { rows: head.page_rows, bytes: head.page_bytes };
        let gave = conformance::perform(&connector, &head.streams, limits, after).await;
        let (calls, hits, has_gaps) = (trouble.calls(), trouble.end(), !tape.gaps().is_empty());
        Ok((Played { gave, calls, hits, has_gaps }, tape))
    }
}

/// A recording in a file.
pub(super) fn read(path: &Path) -> Result<Recording> {
    let text = std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.to_owned(), source })?;
    Ok(Recording::parse(&path.display().to_string(), &text)?)
}

fn reply(stage: &Stage, gave: &[Value], tape: &Tape, struck: &[Struck]) -> Reply {
    let (label, recording) = (stage.binary.label(), &stage.recording);
    let differences = conformance::differences(&recording.gave, gave);
    let (streams, pages, records) = conformance::counts(gave);
    let (gaps, unasked) = (tape.gaps(), tape.unasked());
    let result = json!({
        "plugin": label, "recorded_with": recording.head.plugin, "recorded_at": recording.head.began,
        "streams": streams, "pages": pages, "records": records,
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
        let streams = noun(streams as u64, "stream", "streams");
        let (records, pages) = (noun(records as u64, "record", "records"), noun(pages as u64, "page", "pages"));
        format!("{label}: {streams}, {records} in {pages}, as {then}")
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
