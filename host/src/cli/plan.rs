//! `plan`: what a run would do.

use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::context::select_syncs;
use super::output::{Align, Block, Table, count, noun};
use super::run::{Watching, stop_on_ctrl_c};
use super::{Context, Reply};
use crate::assembly::Assembly;
use crate::error::Result;
use crate::project::{HubDef, MirrorDef, SyncDef};
use crate::store::SqliteStore;
use crate::sync::{HubOptions, HubPlan, HubRun, Interrupt, MirrorPlan, MirrorRun, RunOptions, plan_hub, plan_mirror};

mod hub;

/// Show what a run would do, without doing it
///
/// Reads and prepares everything a run would read, and writes nothing. For a hub it shows every write with a hash by which a run
/// can be held to it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plan
  lockstep plan customers orders
  lockstep plan customer --all      every write, however many there are")]
pub struct PlanArgs {
    /// The syncs to look at [default: all]
    #[arg(value_name = "SYNC")]
    pub syncs: Vec<String>,

    /// Show every write of a hub, not only the first
    #[arg(long)]
    pub all: bool,
}

pub async fn run(args: &PlanArgs, context: &Context) -> Result<Reply> {
    let mut planner = Planner {
        context,
        assembly: context.assembly_to_read()?,
        store: Arc::new(context.store_to_read()?),
        interrupt: stop_on_ctrl_c(&context.output),
    };
    let shown = if args.all { hub::Shown::All } else { hub::Shown::Some };
    let project = planner.assembly.project().clone();
    let (mut blocks, mut results, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for sync in select_syncs(&project, &args.syncs)? {
        let planned = match sync {
            SyncDef::Mirror(mirror) => planner.mirror(mirror).await.map(|plan| (describe(&plan), to_json(&plan))),
            SyncDef::Hub(def) => {
                planner.hub(def).await.map(|plan| (hub::describe(&plan, context, shown), hub::to_json(&plan)))
            }
        };
        match planned {
            Ok((more, result)) => {
                blocks.extend(more);
                results.push(result);
            }
            Err(error) => errors.push(error),
        }
    }
    let result = json!({ "syncs": results });
    match (errors.is_empty(), results.is_empty()) {
        (true, _) => Ok(Reply::done(blocks, result)),
        (false, true) => Ok(Reply::refused(errors)),
        (false, false) => Ok(Reply::attention(blocks, result, errors)),
    }
}

/// Looks ahead, sync by sync.
struct Planner<'a> {
    context: &'a Context,
    assembly: Assembly,
    store: Arc<SqliteStore>,
    interrupt: Interrupt,
}

impl Planner<'_> {
    fn watching(&self, sync: &str) -> Arc<Watching> {
        let (output, progress) = (self.context.output.clone(), self.context.output.progress(sync));
        Arc::new(Watching { progress, output, sync: sync.to_owned() })
    }

    async fn mirror(&mut self, def: &MirrorDef) -> Result<MirrorPlan> {
        let mirror = self.assembly.mirror(def)?;
        let watching = self.watching(mirror.name());
        let run = MirrorRun {
            store: self.store.clone(),
            world: self.context.world.clone(),
            observer: watching.clone(),
            interrupt: self.interrupt.clone(),
            options: RunOptions::default(),
        };
        let plan = plan_mirror(&mirror, &run).await;
        watching.progress.end();
        Ok(plan?)
    }

    /// A hub decides on a copy of the state that nobody keeps.
    async fn hub(&mut self, def: &HubDef) -> Result<HubPlan> {
        let hub = self.assembly.hub(def)?;
        let watching = self.watching(def.name.as_str());
        let run = HubRun {
            store: Arc::new(self.store.scratch_copy()?),
            world: self.context.world.clone(),
            observer: watching.clone(),
            interrupt: self.interrupt.clone(),
            options: HubOptions::default(),
        };
        let plan = plan_hub(&hub, &run).await;
        watching.progress.end();
        Ok(plan?)
    }
}

fn describe(plan: &MirrorPlan) -> Vec<Block> {
    let counters = &plan.counters;
    let mut lines = vec![
        format!("{}: reads {}", plan.sync, plan.reading),
        format!(
            "{} read, {} to write or find equal, {}",
            count(counters.read),
            count(counters.read.saturating_sub(counters.rejected + counters.duplicates)),
            noun(counters.rejected, "dead letter", "dead letters"),
        ),
        format!("deletes: {}", plan.deletes),
    ];
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(plan.actions.iter().map(|action| format!("first: {action}")));
    let mut fields = Table::new(&[("target field", Align::Left), ("from", Align::Left), ("type", Align::Left)]);
    for (target, source, logical) in &plan.fields {
        fields.row([target.clone(), source.clone(), logical.clone()]);
    }
    let mut blocks = vec![Block::Text(lines.join("\n")), Block::Table(fields)];
    if !plan.letters.is_empty() {
        let mut letters = Table::new(&[("record", Align::Left), ("cause", Align::Left)]);
        for letter in &plan.letters {
            let record = letter.position.clone().unwrap_or_else(|| letter.key_text.clone());
            letters.row([record, format!("{}: {}", letter.cause.code, letter.cause.message)]);
        }
        blocks.push(Block::Table(letters));
    }
    blocks
}

fn to_json(plan: &MirrorPlan) -> Value {
    let field = |(target, source, logical): &(String, String, String)| json!({"target": target, "from": source, "type": logical});
    json!({
        "sync": plan.sync,
        "reading": plan.reading,
        "actions": plan.actions,
        "fields": plan.fields.iter().map(field).collect::<Vec<_>>(),
        "deletes": plan.deletes,
        "notes": plan.notes,
        "counters": plan.counters,
    })
}
