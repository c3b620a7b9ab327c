//! `plugin record`: what a plugin asks its system and what it answers is written down, to be replayed without the system.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{check, replay};
use crate::cli::output::{Block, noun};
use crate::cli::{CliError, Context, Reply};
use crate::conformance::{self, After, CheckResult, Lab, Setup, Subject, Wishes};
use crate::connector::PageLimits;
use crate::error::Result;
use crate::plugin::{Access, Catalog, Grants, Head, PluginBinary, PluginConnector, Recording, SECRET_BYTES_MIN, Tape};

/// Record what a plugin asks its system and what it is answered
///
/// Asks for the streams and reads them to their end, through a connection of the project, and writes every request and every answer
/// into one file. With `--write-stream` it then writes new records there, the same again, a change and deletes, and records that, too.
/// Credentials and tokens are not in it; records are, as the system gave them. `plugin replay` runs a plugin on it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin record --connection crm --stream contacts --out contacts.jsonl
  lockstep plugin record ./mine.wasm --connection crm --out crm.jsonl
  lockstep plugin record --connection scratch --write-stream contacts --sample contacts.json --out crm.jsonl
  lockstep plugin record --connection scratch --stream contacts --check --out crm.jsonl")]
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

    /// Record what `plugin check` asks, too, for `plugin check --replay`
    #[arg(long)]
    pub check: bool,

    /// Where the recording goes; a file that is there is replaced
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
}

pub(super) async fn run(args: &RecordArgs, context: &Context, catalog: &Catalog) -> Result<Reply> {
    let plugin = args.plugin.as_deref();
    let access = if args.write_stream.is_some() { Access::ReadWrite } else { Access::ReadOnly };
    let (subject, setup) = check::connected(&args.connection, plugin, None, context, catalog, access)?;
    let Subject { name, binary, pinned } = subject;
    let binary = binary?;
    check_credentials(&args.connection, &setup.grants)?;
    let tape = Tape::record(head(args, &binary, &setup, context), setup.clock.clone());
    let lab = Lab::new(Subject { name, binary: Ok(binary.clone()), pinned }, setup, wishes(args)?);
    let mut recording = perform(args, &binary, &lab, &tape).await?;
    let mut results = None;
    if args.check {
        results = Some(run_battery(&lab, &binary, &tape).await);
        recording.head.checked = Some(serde_json::to_value(&lab.wishes).unwrap_or_default());
        recording.exchanges = tape.exchanges();
    }
    // With the tokens that were handed out meanwhile.
    let text = recording.to_text(&lab.setup.grants.secrets());
    std::fs::write(&args.out, text).map_err(|source| CliError::Write { path: args.out.clone(), source })?;
    Ok(reply(&recording, results.as_deref(), args))
}

/// What is too short to be told from other words cannot be kept out of a recording.
fn check_credentials(connection: &str, grants: &Grants) -> Result<()> {
    if grants.secrets().iter().all(|secret| secret.is_empty() || secret.len() >= SECRET_BYTES_MIN) {
        return Ok(());
    }
    let message = format!(
        "a credential of `{connection}` is shorter than {SECRET_BYTES_MIN} characters: where its system sends it back it could not be told \
         from other words, and would be in the recording"
    );
    let hints = vec!["give the connection a longer password or token for recording".to_owned()];
    Err(CliError::Usage { message, hints }.into())
}

fn wishes(args: &RecordArgs) -> Result<Wishes> {
    Ok(Wishes {
        stream: args.streams.first().cloned(),
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
        checked: None,
    }
}

/// Asks for everything the battery asks for, so that it can be asked again without the system.
async fn run_battery(lab: &Lab, binary: &PluginBinary, tape: &Tape) -> Vec<CheckResult> {
    let setup = Setup { grants: lab.setup.grants.clone().recorded(tape), ..lab.setup.clone() };
    let subject = Subject { name: lab.subject.name.clone(), binary: Ok(binary.clone()), pinned: None };
    let lab = Lab::new(subject, setup, lab.wishes.clone());
    conformance::run(&lab, &[], |_| {}).await
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

fn reply(recording: &Recording, results: Option<&[CheckResult]>, args: &RecordArgs) -> Reply {
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
    let broken: Vec<&str> =
        results.into_iter().flatten().filter(|result| result.is_failure()).map(|result| result.check.id).collect();
    let result = json!({
        "file": path, "plugin": recording.head.plugin, "digest": recording.head.digest,
        "streams": streams, "pages": pages, "records": records,
        "writes": conformance::written(&recording.gave), "exchanges": exchanges, "failed": failed,
        "checks": results.map(<[CheckResult]>::len), "checks_failed": broken,
    });
    let mut blocks: Vec<Block> =
        failed.iter().map(|failed| Block::Text(format!("recorded as an error: {failed}"))).collect();
    if !broken.is_empty() {
        let text = format!("recorded, though it does not pass: {}; `plugin check` says why", broken.join(", "));
        blocks.push(Block::Text(text));
    }
    blocks.push(told.into());
    if failed.is_empty() && broken.is_empty() {
        Reply::done(blocks, result)
    } else {
        Reply::attention(blocks, result, Vec::new())
    }
}
