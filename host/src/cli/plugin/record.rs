//! `plugin record`: what a plugin asks its system and what it gives is written down, to be replayed without the system.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::check;
use crate::cli::output::{Block, noun};
use crate::cli::{CliError, Context, Reply};
use crate::conformance::{self, After};
use crate::connector::PageLimits;
use crate::error::Result;
use crate::plugin::{Access, Catalog, Head, PluginConnector, Recording, Tape};

/// Record what a plugin asks its system and what it is answered
///
/// Asks for the streams and reads them to their end, through a connection of the project, and writes every request and every answer
/// into one file. Credentials and tokens are not in it; records are, as the system gave them. `plugin replay` runs a plugin on it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin record --connection crm --stream contacts --out contacts.jsonl
  lockstep plugin record ./mine.wasm --connection crm --out crm.jsonl")]
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

    /// Where the recording goes; a file that is there is replaced
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
}

pub(super) async fn run(args: &RecordArgs, context: &Context, catalog: &Catalog) -> Result<Reply> {
    let plugin = args.plugin.as_deref();
    let (subject, setup) = check::connected(&args.connection, plugin, None, context, catalog, Access::ReadOnly)?;
    let binary = subject.binary?;
    let rows = args.page_rows.unwrap_or(u32::MAX).min(setup.limits.page_rows);
    let limits = PageLimits { rows, bytes: setup.limits.page_bytes };
    let head = Head {
        plugin: binary.label(),
        digest: binary.digest.to_string(),
        connection: args.connection.clone(),
        config: setup.config.clone(),
        grants: setup.grants.places(),
        streams: args.streams.clone(),
        page_rows: limits.rows,
        page_bytes: limits.bytes,
        began: context.world.clock.now(),
        chance: context.world.random.next_u64(),
    };
    let tape = Tape::record(head.clone(), setup.clock.clone());
    let grants = setup.grants.clone().recorded(&tape);
    let connector = PluginConnector::system(&setup.runtime, &binary, &setup.config, grants, setup.limits, setup.clock)?;
    connector.require_source()?;
    let gave = conformance::perform(&connector, &args.streams, limits, After::Stop).await;
    // What is still under way ends with it, and belongs to the recording.
    drop(connector);
    let recording = Recording { head, exchanges: tape.exchanges(), gave };
    let text = recording.to_text(&setup.grants.secrets());
    std::fs::write(&args.out, text).map_err(|source| CliError::Write { path: args.out.clone(), source })?;
    Ok(reply(&recording, args))
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
        "{}: {}, {} in {}, {} in {path}\nread it before you pass it on: credentials and tokens are not in it, records are",
        recording.head.plugin,
        noun(streams as u64, "stream", "streams"),
        noun(records as u64, "record", "records"),
        noun(pages as u64, "page", "pages"),
        noun(exchanges as u64, "exchange", "exchanges"),
    );
    let result = json!({
        "file": path, "plugin": recording.head.plugin, "digest": recording.head.digest,
        "streams": streams, "pages": pages, "records": records, "exchanges": exchanges, "failed": failed,
    });
    let mut blocks: Vec<Block> =
        failed.iter().map(|failed| Block::Text(format!("recorded as an error: {failed}"))).collect();
    blocks.push(told.into());
    if failed.is_empty() { Reply::done(blocks, result) } else { Reply::attention(blocks, result, Vec::new()) }
}
