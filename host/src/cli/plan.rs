//! `plan`: what a run would do.

use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::context::{require_mirror, select_syncs};
use super::output::{Align, Block, Table, count, noun};
use super::run::{Watching, stop_on_ctrl_c};
use super::{Context, Reply};
use crate::error::{Error, Result};
use crate::sync::{MirrorPlan, MirrorRun, RunOptions, plan_mirror};

/// Show what a run would do, without doing it
///
/// Reads and prepares everything a run would read, and writes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep plan\n  lockstep plan customers orders")]
pub struct PlanArgs {
    /// The syncs to look at [default: all]
    #[arg(value_name = "SYNC")]
    pub syncs: Vec<String>,
}

pub async fn run(args: &PlanArgs, context: &Context) -> Result<Reply> {
    let mut assembly = context.assembly_to_read()?;
    let project = assembly.project().clone();
    let store = Arc::new(context.store_to_read()?);
    let interrupt = stop_on_ctrl_c(&context.output);
    let (mut blocks, mut results, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for sync in select_syncs(&project, &args.syncs)? {
        let mirror = match require_mirror(sync, "plan").and_then(|sync| assembly.mirror(sync)) {
            Ok(mirror) => mirror,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        let progress = context.output.progress(mirror.name());
        let output = context.output.clone();
        let run = MirrorRun {
            store: store.clone(),
            world: context.world.clone(),
            observer: Arc::new(Watching { progress: progress.clone(), output, sync: mirror.name().to_owned() }),
            interrupt: interrupt.clone(),
            options: RunOptions::default(),
        };
        let plan = plan_mirror(&mirror, &run).await;
        progress.end();
        match plan {
            Ok(plan) => {
                blocks.extend(describe(&plan));
                results.push(to_json(&plan));
            }
            Err(error) => errors.push(Error::from(error)),
        }
    }
    let result = json!({ "syncs": results });
    match (errors.is_empty(), results.is_empty()) {
        (true, _) => Ok(Reply::done(blocks, result)),
        (false, true) => Ok(Reply::refused(errors)),
        (false, false) => Ok(Reply::attention(blocks, result, errors)),
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
