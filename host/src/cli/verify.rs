//! `verify`: compares every system with what is agreed.

use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::context::select_syncs;
use super::output::{Align, Block, Table, count, noun, shown_json, shown_key};
use super::run::{Watching, stop_on_ctrl_c};
use super::telling::Telling;
use super::{Context, Reply};
use crate::assembly::Assembly;
use crate::error::{Error, Result};
use crate::project::{HubDef, SyncDef};
use crate::store::{ConflictFilter, ConflictState, HubStore, SqliteStore};
use crate::sync::{Drift, HubOptions, HubRun, Interrupt, Observer, Repair, verify_hub};

/// Compare every system of a hub with what is agreed
///
/// Reads every system from beginning to end. Without `--repair` nothing is changed, and it works beside a run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep verify
  lockstep verify customer --repair     take in what differs; the next run writes what follows")]
pub struct VerifyArgs {
    /// The hubs to look at [default: all]
    #[arg(value_name = "SYNC")]
    pub syncs: Vec<String>,

    /// Take in what differs like any other change; the next run writes what follows
    #[arg(long)]
    pub repair: bool,
}

pub async fn run(args: &VerifyArgs, context: &Context) -> Result<Reply> {
    let repair = if args.repair { Repair::Everything } else { Repair::Nothing };
    let mut assembly = context.assembly_to_read()?;
    let project = assembly.project().clone();
    let source = Source::open(context, repair)?;
    let interrupt = stop_on_ctrl_c(&context.output);
    // A comparison of copies of the state is no run that anybody could ask for again.
    let telling = (repair == Repair::Everything).then(|| Telling::open(context, project.clone()));
    let (mut blocks, mut results, mut errors, mut drifted) = (Vec::new(), Vec::new(), Vec::new(), false);
    for sync in select_syncs(&project, &args.syncs)? {
        let def = match sync {
            SyncDef::Hub(def) => def,
            SyncDef::Mirror(mirror) => {
                context.output.note(&format!(
                    "{}: a mirror is compared by its own runs, where it says `deletes = \"compare\"`",
                    mirror.name
                ));
                continue;
            }
        };
        let verifying =
            Verifying { context, telling: telling.as_ref(), source: &source, repair, interrupt: &interrupt };
        match verifying.verify(&mut assembly, def).await {
            Ok(drifts) => {
                drifted |= drifts.iter().any(|drift| !drift.is_none());
                blocks.extend(describe(context, def, &drifts, repair));
                blocks.extend(waiting(context, def, &source)?);
                results.push(to_json(def, &drifts));
            }
            Err(error) => errors.push(error),
        }
    }
    if let Some(telling) = telling {
        telling.close().await;
    }
    let result = json!({"syncs": results, "repaired": repair == Repair::Everything});
    match (errors.is_empty() && !drifted, results.is_empty() && !errors.is_empty()) {
        (_, true) => Ok(Reply::refused(errors)),
        (true, false) => Ok(Reply::done(blocks, result)),
        (false, false) => Ok(Reply::attention(blocks, result, errors)),
    }
}

/// The state that is compared with: itself where it is repaired, else copies of it.
enum Source {
    State(Arc<SqliteStore>),
    Copies(Arc<SqliteStore>),
}

impl Source {
    fn open(context: &Context, repair: Repair) -> Result<Self> {
        Ok(match repair {
            Repair::Everything => Self::State(Arc::new(context.store("lockstep verify --repair")?)),
            Repair::Nothing => Self::Copies(Arc::new(context.store_to_read()?)),
        })
    }

    fn state(&self) -> &SqliteStore {
        let (Self::State(store) | Self::Copies(store)) = self;
        store
    }

    fn store(&self) -> Result<Arc<dyn HubStore>> {
        Ok(match self {
            Self::State(store) => store.clone(),
            Self::Copies(store) => Arc::new(store.scratch_copy()?),
        })
    }
}

/// What a comparison needs besides the hub itself.
struct Verifying<'a> {
    context: &'a Context,
    /// None if nothing is repaired.
    telling: Option<&'a Telling<'a>>,
    source: &'a Source,
    repair: Repair,
    interrupt: &'a Interrupt,
}

impl Verifying<'_> {
    async fn verify(&self, assembly: &mut Assembly, def: &HubDef) -> Result<Vec<Drift>, Error> {
        let hub = assembly.hub(def)?;
        let progress = self.context.output.progress(def.name.as_str());
        let watching: Arc<dyn Observer> = Arc::new(Watching {
            progress: progress.clone(),
            output: self.context.output.clone(),
            sync: def.name.to_string(),
        });
        let audience = self.telling.map(|telling| telling.audience(def.name.as_str(), watching.clone()));
        let run = HubRun {
            store: self.source.store()?,
            world: self.context.world.clone(),
            observer: audience.as_ref().map_or(watching, |audience| audience.observer.clone()),
            interrupt: self.interrupt.clone(),
            options: HubOptions::default(),
        };
        let drifts = verify_hub(&hub, &run, self.repair).await;
        audience.iter().for_each(|audience| audience.verify_ended(&drifts));
        progress.end();
        self.telling.iter().for_each(|telling| telling.show_warnings());
        Ok(drifts?)
    }
}

fn describe(context: &Context, def: &HubDef, drifts: &[Drift], repair: Repair) -> Vec<Block> {
    let mut table = Table::new(&[
        (def.name.as_str(), Align::Left),
        ("records", Align::Right),
        ("differing", Align::Right),
        ("missing", Align::Right),
        ("unknown", Align::Right),
        ("owed", Align::Right),
        ("", Align::Left),
    ]);
    for drift in drifts {
        let verdict = match &drift.failure {
            Some(failure) => failure.clone(),
            None if drift.is_none() => "as agreed".to_owned(),
            None => "drift".to_owned(),
        };
        let numbers = [drift.read, drift.differing, drift.missing, drift.unknown, drift.owed].map(count);
        table.row(std::iter::once(drift.endpoint.clone()).chain(numbers).chain([verdict]));
    }
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(examples(drifts).map(Block::Table));
    if drifts.iter().any(|drift| !drift.is_none()) {
        let next = match repair {
            Repair::Everything => format!("taken in; next: `{}`", context.command(&format!("run {}", def.name))),
            Repair::Nothing => {
                format!("`{}` takes it in", context.command(&format!("verify {} --repair", def.name)))
            }
        };
        blocks.push(Block::Text(next));
    }
    blocks
}

/// What differs because a person has not decided yet is drift like any other, but no repair ends it.
fn waiting(context: &Context, def: &HubDef, source: &Source) -> Result<Option<Block>> {
    let filter = ConflictFilter {
        sync: Some(def.name.to_string()),
        state: Some(ConflictState::Open),
        ..ConflictFilter::default()
    };
    let open = source.state().conflicts(&filter)?.len() as u64;
    let conflicts = noun(open, "conflict waits", "conflicts wait");
    let command = context.command(&format!("conflicts list {}", def.name));
    Ok((open > 0).then(|| {
        Block::Text(format!("{conflicts} for a person, and the records stay different until then: `{command}`"))
    }))
}

fn examples(drifts: &[Drift]) -> Option<Table> {
    let columns = ["system", "record", "field", "agreed", "shown"].map(|title| (title, Align::Left));
    let mut table = Table::new(&columns);
    for drift in drifts {
        for (key, field, agreed, shown) in &drift.examples {
            table.row([drift.endpoint.clone(), shown_key(key), field.clone(), shown_json(agreed), shown_json(shown)]);
        }
    }
    (!table.is_empty()).then_some(table)
}

fn to_json(def: &HubDef, drifts: &[Drift]) -> Value {
    let json_text = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| json!(text));
    let example = |(key, field, agreed, shown): &(String, String, String, String)| json!({"key": json_text(key), "field": field, "agreed": json_text(agreed), "shown": json_text(shown)});
    let drift = |drift: &Drift| {
        json!({
            "endpoint": drift.endpoint,
            "records": drift.read,
            "differing": drift.differing,
            "missing": drift.missing,
            "unknown": drift.unknown,
            "owed": drift.owed,
            "examples": drift.examples.iter().map(example).collect::<Vec<_>>(),
            "failure": drift.failure,
            "agrees": drift.is_none(),
        })
    };
    json!({"sync": def.name, "endpoints": drifts.iter().map(drift).collect::<Vec<_>>()})
}
