//! `plugin check`: whether a plugin keeps the rules of the contract.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::fault::{self, During, FaultArgs, Played, Struck, Wish};
use super::replay;
use crate::cli::output::{Align, Block, Exit, Table, elapsed};
use crate::cli::{CliError, Context, Reply};
use crate::conformance::{self, After, Attempt, CheckResult, FaultKind, Lab, Outcome, Pinned, Setup, Subject, Wishes};
use crate::error::{Error, Result, nearest};
use crate::plugin::{Access, Catalog, Grants, PluginBinary, PluginError, Recording, Tape};
use crate::project::{Connection, PluginRef};

/// Calls of a real system that are struck one after the other.
const CALLS_MAX: u64 = 30;

/// Check whether a plugin keeps the rules of the contract
///
/// Runs the conformance battery: the plugin is called as a sync would call it, and every rule has its check. Without a connection
/// it is granted nothing. Nothing is written unless a stream is named for it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin check ./mine.wasm
  lockstep plugin check ./clean.wasm --config '{\"all_text\": [\"trim\"]}'
  lockstep plugin check --connection erp --stream orders --write-stream scratch
  lockstep plugin check --connection crm --stream contacts --only read --fault all
  lockstep plugin check ./mine.wasm --replay contacts.jsonl
  lockstep plugin check ./mine.wasm --connection erp --certificate mine.json --junit mine.xml")]
pub struct PluginCheckArgs {
    /// A bundled plugin, or the path of a file [default: the connection's]
    #[arg(value_name = "NAME|PATH", required_unless_present = "connection")]
    pub plugin: Option<String>,

    /// The plugin's settings: JSON, or the path of a TOML or JSON file [default: the connection's]
    #[arg(long, value_name = "JSON|FILE")]
    pub config: Option<String>,

    /// The connection of the project whose settings and grants the plugin gets
    #[arg(long, value_name = "NAME", group = "system")]
    pub connection: Option<String>,

    /// A recording in the place of the plugin's system: what was not recorded is skipped
    #[arg(long, value_name = "FILE", requires = "plugin", group = "system", conflicts_with = "faults")]
    pub replay: Option<PathBuf>,

    /// The stream that is read [default: the first with a key and records]
    #[arg(long, value_name = "NAME")]
    pub stream: Option<String>,

    /// The field of it that tells what changed [default: what the stream itself says]
    #[arg(long, value_name = "FIELD")]
    pub modified: Option<String>,

    /// The stream that may be written: new records are put there and deleted again
    #[arg(long, value_name = "NAME", requires = "system")]
    pub write_stream: Option<String>,

    /// The fields that identify a record of it [default: the stream's own key]
    #[arg(long, value_name = "FIELD", value_delimiter = ',', requires = "write_stream")]
    pub write_key: Vec<String>,

    /// A JSON file with a list of records: what is written, or what a transform is given; `{n}` in a text becomes a number [default: made up]
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,

    /// Only these checks or groups of checks
    #[arg(long, value_name = "CHECK|GROUP", value_delimiter = ',')]
    pub only: Vec<String>,

    #[command(flatten)]
    pub faults: FaultArgs,

    /// Write the certificate, JSON, to this file
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,

    /// Write the results to this file as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

pub(super) async fn run(args: &PluginCheckArgs, context: &Context, catalog: &Catalog) -> Result<Reply> {
    check_names(&args.only)?;
    let faults = args.faults.parse()?;
    let recording = args.replay.as_deref().map(replay::read).transpose()?;
    let wishes = wishes(args, recording.as_ref())?;
    let (subject, setup) = prepare(args, recording.as_ref(), context, catalog)?;
    let lab = Lab::new(subject, setup, wishes);
    lab.check_config()?;
    if let Some(recording) = recording.as_ref().filter(|recording| recording.head.checked.is_some()) {
        // The battery was recorded behind that.
        replay::perform(&lab, recording).await?;
    }
    if let (Some(name), Some(known)) = (&args.stream, lab.missing_stream().await) {
        let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        return Err(CliError::UnknownName { kind: "stream", name: name.clone(), nearest, known }.into());
    }
    let began = context.world.clock.elapsed();
    let results = {
        let progress = context.output.steps(&lab.subject.name, conformance::checks().count());
        conformance::run(&lab, &args.only, |check| progress.step(check.id)).await
    };
    let struck = strike(&lab, &faults).await?;
    let seconds = elapsed(context.world.clock.elapsed().saturating_sub(began));
    let certificate = conformance::certificate(&lab, &results);
    if let Some(path) = &args.certificate {
        write(path, &format!("{certificate:#}\n"))?;
    }
    if let Some(path) = &args.junit {
        let label = lab.subject.binary.as_ref().map_or_else(|_| lab.subject.name.clone(), PluginBinary::label);
        write(path, &conformance::junit(&label, &results))?;
    }
    Ok(reply(lab, &results, &struck, certificate, &seconds))
}

/// What is looked at: what is said, else what the recording was made with.
fn wishes(args: &PluginCheckArgs, recording: Option<&Recording>) -> Result<Wishes> {
    let recorded = recording.and_then(|recording| recording.head.checked.clone());
    let recorded: Wishes = recorded.and_then(|wishes| serde_json::from_value(wishes).ok()).unwrap_or_default();
    let sample = args.sample.as_deref().map(read_sample).transpose()?;
    Ok(Wishes {
        stream: args.stream.clone().or(recorded.stream),
        modified: args.modified.clone().or(recorded.modified),
        write_stream: args.write_stream.clone().or(recorded.write_stream),
        write_key: if args.write_key.is_empty() { recorded.write_key } else { args.write_key.clone() },
        sample: sample.unwrap_or(recorded.sample),
    })
}

/// Reads the stream once for each call that can fail, and writes new records as often if there is a stream for it.
async fn strike(lab: &Lab, wishes: &[Wish]) -> Result<Vec<Struck>> {
    if wishes.is_empty() {
        return Ok(Vec::new());
    }
    let name = match &lab.wishes.stream {
        Some(name) => Some(name.clone()),
        None => lab.stream_name().await,
    };
    let writes = lab.wishes.write_stream.is_some();
    let mut struck = match &name {
        Some(name) => strike_reading(lab, wishes, std::slice::from_ref(name)).await?,
        None if writes => Vec::new(),
        None => {
            return Err(CliError::NotThere {
                what: "there is no stream that could be read while something goes wrong".to_owned(),
                hints: vec!["name one: `--stream NAME`, of a connection: `--connection NAME`".to_owned()],
            }
            .into());
        }
    };
    if writes {
        struck.extend(strike_writing(lab, wishes).await?);
    }
    Ok(struck)
}

async fn strike_reading(lab: &Lab, wishes: &[Wish], names: &[String]) -> Result<Vec<Struck>> {
    let whole = lab.perform(names, After::Stop).await?;
    let play = async |kind: &'static FaultKind, call| {
        let trouble = &lab.setup.grants.trouble;
        trouble.order_at(kind.fault(), call);
        let gave = lab.perform(names, After::GoOn).await;
        let (calls, hits, gave) = (trouble.calls(), trouble.end().all, gave?);
        let is_told = conformance::has_error(&gave);
        let wrong = kind.judge(&whole, &gave);
        Ok(Played { during: During::Reading, calls, hits, has_gaps: false, is_told, wrong })
    };
    fault::strike(wishes, CALLS_MAX, play).await
}

async fn strike_writing(lab: &Lab, wishes: &[Wish]) -> Result<Vec<Struck>> {
    let play = async |kind: &'static FaultKind, call| {
        let attempt = conformance::write_struck(lab, kind, call).await.map_err(unwritten)?;
        let Attempt { calls, hits, is_told, wrong } = attempt;
        Ok(Played { during: During::Writing, calls, hits, has_gaps: false, is_told, wrong })
    };
    let struck = fault::strike(wishes, CALLS_MAX, play).await;
    lab.clean_up().await;
    struck
}

/// Nothing can be written for a check or a recording.
pub(super) fn unwritten(reason: String) -> CliError {
    let hints = vec![
        "`--write-stream NAME` names a stream that takes new records, `--sample FILE` says what they look like"
            .to_owned(),
    ];
    CliError::NotThere { what: format!("nothing can be written: {reason}"), hints }
}

fn reply(lab: Lab, results: &[CheckResult], struck: &[Struck], certificate: Value, seconds: &str) -> Reply {
    let listed = results.iter().map(to_json).collect::<Vec<_>>();
    let result = json!({ "certificate": certificate, "results": listed, "faults": struck });
    let binary = match lab.subject.binary {
        Ok(binary) => binary,
        // The error says all there is to say: nothing of it could be run.
        Err(error) => {
            let error = Error::from(error);
            return Reply { blocks: Vec::new(), result, exit: Exit::of(&error), errors: vec![error] };
        }
    };
    let count = |name: &str| results.iter().filter(|result| result.outcome.name() == name).count();
    let (passed, failed, skipped) = (count("passed"), count("failed"), count("skipped"));
    let mut blocks = vec![Block::Text(format!("{}  {}", binary.label(), binary.digest)), Block::Table(table(results))];
    blocks.extend(results.iter().filter(|result| result.is_failure()).map(failure));
    blocks.push(Block::Text(format!(
        "{}: {} checks, {passed} passed, {failed} failed, {skipped} skipped in {seconds}",
        binary.label(),
        results.len()
    )));
    blocks.extend(fault::told(struck));
    if failed > 0 || !fault::is_fine(struck) {
        Reply::attention(blocks, result, Vec::new())
    } else {
        Reply::done(blocks, result)
    }
}

fn table(results: &[CheckResult]) -> Table {
    let mut table =
        Table::new(&[("group", Align::Left), ("check", Align::Left), ("result", Align::Left), ("", Align::Left)]);
    for group in results.chunk_by(|one, other| one.check.group() == other.check.group()) {
        let name = group.first().map_or("", |result| result.check.group());
        if let Some(reason) = skipped_together(group) {
            table.row([name.to_owned(), format!("all {}", group.len()), "skipped".to_owned(), reason.to_owned()]);
            continue;
        }
        for (at, result) in group.iter().enumerate() {
            let why = match &result.outcome {
                Outcome::Skipped(reason) => reason.clone(),
                Outcome::Passed | Outcome::Failed(_) => result.check.title.to_owned(),
            };
            let id = result.check.id;
            let check = id.split_once('.').map_or(id, |(_, check)| check);
            let shown = if at == 0 { name } else { "" };
            table.row([shown.to_owned(), check.to_owned(), result.outcome.name().to_owned(), why]);
        }
    }
    table
}

/// Why none of the checks was asked, if it is the same for all.
fn skipped_together(group: &[CheckResult]) -> Option<&str> {
    let mut reasons = group.iter().map(|result| match &result.outcome {
        Outcome::Skipped(reason) => Some(reason.as_str()),
        Outcome::Passed | Outcome::Failed(_) => None,
    });
    let first = reasons.next()??;
    (group.len() > 1 && reasons.all(|reason| reason == Some(first))).then_some(first)
}

fn failure(result: &CheckResult) -> Block {
    let mut facts = Table::new(&[("", Align::Left), ("", Align::Left)]);
    let check = result.check;
    for (name, text) in [
        ("failed", format!("{}: {}", check.id, check.title)),
        ("reason", result.outcome.reason().unwrap_or_default().to_owned()),
        ("fix", check.fix.to_owned()),
        ("rule", check.rule.to_owned()),
    ] {
        facts.row([name.to_owned(), text]);
    }
    Block::Table(facts)
}

fn to_json(result: &CheckResult) -> Value {
    let check = result.check;
    let fix = result.is_failure().then_some(check.fix);
    json!({
        "check": check.id,
        "title": check.title,
        "rule": check.rule,
        "outcome": result.outcome.name(),
        "reason": result.outcome.reason(),
        "fix": fix,
        "took_ms": u64::try_from(result.took.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Whether every name is that of a check or a group.
fn check_names(names: &[String]) -> Result<()> {
    let known = || conformance::checks().flat_map(|check| [check.id, check.group()]);
    for name in names {
        if !known().any(|known| known == name) {
            let mut groups: Vec<String> = conformance::checks().map(|check| check.group().to_owned()).collect();
            groups.dedup();
            let nearest = nearest(name, known()).map(str::to_owned);
            return Err(CliError::UnknownName { kind: "check", name: name.clone(), nearest, known: groups }.into());
        }
    }
    Ok(())
}

fn prepare(
    args: &PluginCheckArgs,
    recording: Option<&Recording>,
    context: &Context,
    catalog: &Catalog,
) -> Result<(Subject, Setup)> {
    let given = args.config.as_deref().map(read_config).transpose()?;
    match (&args.connection, &args.plugin) {
        (Some(connection), plugin) => {
            connected(connection, plugin.as_deref(), given, context, catalog, Access::ReadWrite)
        }
        (None, plugin) => {
            let name = plugin.clone().unwrap_or_default();
            let runtime = context.plugin_runtime()?;
            let limits = runtime.limits().clone();
            let binary = found(super::binary(catalog, &name, &limits))?;
            let recorded = recording.map_or(Value::Null, |recording| recording.head.config.clone());
            let config = given.unwrap_or(recorded);
            let mut setup = Setup::without_grants(runtime, config, limits, context.world.clock.clone());
            if let Some(recording) = recording {
                setup.grants = Grants::replayed(recording, &Tape::play(recording));
            }
            Ok((Subject { name, binary, pinned: None }, setup))
        }
    }
}

/// A file that is not there is no plugin that fails a check.
fn found(binary: Result<PluginBinary, PluginError>) -> Result<Result<PluginBinary, PluginError>> {
    match binary {
        Err(error @ (PluginError::Unknown { .. } | PluginError::Unreadable { .. })) => Err(error.into()),
        binary => Ok(binary),
    }
}

/// A connection's plugin, or another in its place, with everything it is called with.
pub(super) fn connected(
    connection: &str,
    plugin: Option<&str>,
    given: Option<Value>,
    context: &Context,
    catalog: &Catalog,
    access: Access,
) -> Result<(Subject, Setup)> {
    let mut assembly = context.assemble(context.project()?, access)?;
    let project = assembly.project().clone();
    let Some(connection) = project.connections.get(connection) else {
        let known: Vec<String> = project.connections_in_order().map(|known| known.name.to_string()).collect();
        let nearest = nearest(connection, known.iter().map(String::as_str)).map(str::to_owned);
        return Err(CliError::UnknownName { kind: "connection", name: connection.to_owned(), nearest, known }.into());
    };
    let limits = assembly.runtime().limits().clone();
    let (name, binary) = match (plugin, &connection.plugin) {
        (Some(plugin), _) => (plugin.to_owned(), super::binary(catalog, plugin, &limits)),
        (None, PluginRef::Bundled(name)) => (name.as_str().to_owned(), catalog.bundled(name.as_str(), &limits)),
        (None, PluginRef::Path(path)) => {
            (path.display().to_string(), catalog.from_path(&project.dir.join(path), &limits))
        }
    };
    let binary = found(binary)?;
    let pinned = pinned(&assembly, connection);
    let clock = context.world.clock.clone();
    let runtime = assembly.runtime().clone();
    let setup = match &binary {
        Err(_) => Setup::without_grants(runtime, Value::Null, limits, clock),
        Ok(found) => {
            let parts = assembly.parts(&connection.name, Some(found.clone()))?;
            let config = given.unwrap_or(parts.config);
            Setup { runtime, config, grants: parts.grants, limits: parts.limits, clock }
        }
    };
    Ok((Subject { name, binary, pinned }, setup))
}

fn pinned(assembly: &crate::assembly::Assembly, connection: &Connection) -> Option<Pinned> {
    // What comes with Lockstep is pinned anew with each update.
    let path = matches!(connection.plugin, PluginRef::Path(_)).then_some(&connection.plugin)?;
    let pin = assembly.pinned(path)?;
    Some(Pinned { name: pin.name.clone(), version: pin.version.clone(), digest: pin.digest })
}

/// JSON as it stands, or the content of a file.
fn read_config(text: &str) -> Result<Value> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| unfit("--config", &error, JSON_HINT));
    }
    let path = Path::new(text);
    let content = read(path)?;
    if path.extension().is_some_and(|extension| extension == "toml") {
        return toml_edit::de::from_str(&content).map_err(|error| unfit(text, &error, TOML_HINT));
    }
    serde_json::from_str(&content).map_err(|error| unfit(text, &error, JSON_HINT))
}

const JSON_HINT: &str = "`--config` takes JSON, `'{\"key\": \"value\"}'`, or the path of a `.json` or `.toml` file";
const TOML_HINT: &str =
    "the file holds the keys of `config` as they stand in a project file, without a table around them";

pub(super) fn read_sample(path: &Path) -> Result<Vec<Map<String, Value>>> {
    let hint = "a sample is a list of records: `[{\"id\": 1, \"name\": \"Ann\"}]`";
    serde_json::from_str(&read(path)?).map_err(|error| unfit(&path.display().to_string(), &error, hint))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.to_owned(), source }.into())
}

fn unfit(what: &str, error: &dyn std::fmt::Display, hint: &str) -> Error {
    CliError::Usage { message: format!("`{what}` cannot be read: {error}"), hints: vec![hint.to_owned()] }.into()
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|source| CliError::Write { path: path.to_owned(), source }.into())
}
