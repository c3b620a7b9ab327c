//! `plugin record`: what a plugin asks its system and what it answers is written down, to be replayed without the system.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{check, replay};
use crate::cli::output::{Block, noun};
use crate::cli::{CliError, Context, Reply};
use crate::conformance::{self, After, Lab, Setup, Subject, Wishes};
use crate::connector::PageLimits;
use crate::error::Result;
use crate::plugin::{Access, Catalog, Head, PluginBinary, PluginConnector, Recording, Tape};

/// Record what a plugin asks its system and what it is answered
///
/// Asks for the streams and reads them to their end, through a connection of the project, and writes every request and every answer
/// into one file. With `--write-stream` it then writes new records there, the same again, a change and deletes, and records that, too.
/// Credentials and tokens are not in it; records are, as the system gave them. `plugin replay` runs a plugin on it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin record --connection crm --stream contacts --out contacts.jsonl
  lockstep plugin record ./mine.wasm --connection crm --out crm.jsonl
  lockstep plugin record --connection scratch --write-stream contacts --sample contacts.json --out crm.jsonl")]
pub struct RecordArgs {
    /// A bundled plugin, or the path of a file [default: the connection's]
    #[arg(value_name = "NAME|PATH")]
    pub plugin: Option<String>,

    /// The connection of the project to go through
    #[arg(long, value_name = "NAME")]
    pub connection: String,

    /// A stream to read; may be repeated [default: all]
    #[arg(long = "stream", value_name = "NAME")]
    pub streams: Vec<String>,

    /// Records to ask for per page [default: as a sync does]
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub page_rows: Option<u32>,

    /// The stream that may be written: new records are put there, changed and deleted again
    #[arg(long, value_name = "NAME")]
    pub write_stream: Option<String>,

    /// The fields that identify a record of it [default: the stream's own key]
    #[arg(long, value_name = "FIELD", value_delimiter = ',', requires = "write_stream")]
    pub write_key: Vec<String>,

    /// A JSON file with a list of records: what is written; `{n}` in a text becomes a number [default: made up]
    #[arg(long, value_name = "FILE", requires = "write_stream")]
    pub sample: Option<PathBuf>,

    /// Where the recording goes; a file that is there is replaced
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
}

pub(super) async fn run(args: &RecordArgs, context: &Context, catalog: &Catalog) -> Result<Reply> {
    let plugin = args.plugin.as_deref();
    let access = if args.write_stream.is_some() { Access::ReadWrite } else { Access::ReadOnly };
    let (subject, setup) = check::connected(&args.connection, plugin, None, context, catalog, access)?;
    let Subject { name, binary, pinned } = subject;
    let (binary, secrets) = (binary?, setup.grants.secrets());
    let tape = Tape::record(head(args, &binary, &setup, context), setup.clock.clone());
    let lab = Lab::new(Subject { name, binary: Ok(binary.clone()), pinned }, setup, wishes(args)?);
    let recording = perform(args, &binary, &lab, &tape).await?;
    let text = recording.to_text(&secrets);
    std::fs::write(&args.out, text).map_err(|source| CliError::Write { path: args.out.clone(), source })?;
    Ok(reply(&recording, args))
}

fn wishes(args: &RecordArgs) -> Result<Wishes> {
    Ok(Wishes {
        write_stream: args.write_stream.clone(),
        write_key: args.write_key.clone(),
        sample: args.sample.as_deref().map(check::read_sample).transpose()?.unwrap_or_default(),
        ..Wishes::default()
    })
}

fn head(args: &RecordArgs, binary: &PluginBinary, setup: &Setup, context: &Context) -> Head {
    Head {
        plugin: binary.label(),
        digest: binary.digest.to_string(),
        connection: args.connection.clone(),
        config: setup.config.clone(),
        grants: setup.grants.places(),
        streams: args.streams.clone(),
        page_rows: args.page_rows.unwrap_or(u32::MAX).min(setup.limits.page_rows),
        page_bytes: setup.limits.page_bytes,
        began: context.world.clock.now(),
        chance: context.world.random.next_u64(),
        writes: None,
    }
}

/// Reads, and writes if there is a stream for it, with a recorder beside each capability.
async fn perform(args: &RecordArgs, binary: &PluginBinary, lab: &Lab, tape: &Tape) -> Result<Recording> {
    let (setup, mut head) = (&lab.setup, tape.head());
    let grants = setup.grants.clone().recorded(tape);
    let (limits, clock) = (setup.limits.clone(), setup.clock.clone());
    let connector = PluginConnector::system(&setup.runtime, binary, &setup.config, grants, limits, clock)?;
    let mut gave = Vec::new();
    if replay::reads(args.write_stream.is_some(), &connector)? {
        let limits = PageLimits { rows: head.page_rows, bytes: head.page_bytes };
        gave = conformance::perform(&connector, &args.streams, limits, After::Stop).await;
    }
    if args.write_stream.is_some() {
        connector.require_sink()?;
        let (writes, wrote) = conformance::record_writes(lab, &connector).await.map_err(check::unwritten)?;
        head.writes = Some(writes);
        gave.extend(wrote.gave);
    }
    // What is still under way ends with it, and belongs to the recording.
    drop(connector);
    Ok(Recording { head, exchanges: tape.exchanges(), gave })
}

fn reply(recording: &Recording, args: &RecordArgs) -> Reply {
    let (streams, pages, records) = conformance::counts(&recording.gave);
    let (path, exchanges) = (args.out.display().to_string(), recording.exchanges.len());
    let failed: Vec<String> = recording
        .gave
        .iter()
        .filter_map(|given| Some((given.get("stream"), given.get("error")?.get("message")?.as_str()?)))
        .map(|(stream, message)| {
            let stream = stream.and_then(|stream| stream.as_str()).unwrap_or("its streams");
            format!("{stream}: {message}")
        })
        .collect();
    let told = format!(
        "{}: {}, {} in {path}\nread it before you pass it on: credentials and tokens are not in it, records are",
        recording.head.plugin,
        replay::told(&recording.gave),
        noun(exchanges as u64, "exchange", "exchanges"),
    );
    let result = json!({
        "file": path, "plugin": recording.head.plugin, "digest": recording.head.digest,
        "streams": streams, "pages": pages, "records": records,
        "writes": conformance::written(&recording.gave), "exchanges": exchanges, "failed": failed,
    });
    let mut blocks: Vec<Block> =
        failed.iter().map(|failed| Block::Text(format!("recorded as an error: {failed}"))).collect();
    blocks.push(told.into());
    if failed.is_empty() { Reply::done(blocks, result) } else { Reply::attention(blocks, result, Vec::new()) }
}
