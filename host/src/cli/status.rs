//! `status`: how every sync stands.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};

use self::hubs::HubStatus;
use super::output::{Align, Block, Table, count, elapsed, shortened, shown_key, shown_record};
use super::{Context, Reply};
use crate::error::Result;
use crate::project::{Project, SyncDef};
use crate::store::{Hold, HoldFilter, HoldState, Phase, RunStatus, Store as _, SyncSummary};

mod hubs;

/// Show how every sync stands: last run, progress, what waits for a person
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep status\n  lockstep status --json")]
pub struct StatusArgs {}

pub async fn run(_args: &StatusArgs, context: &Context) -> Result<Reply> {
    let project = context.project()?;
    let store = context.store_to_read()?;
    let summaries = store.syncs()?;
    let open = HoldFilter { state: Some(HoldState::Open), ..HoldFilter::default() };
    let holds = store.holds(&open)?;
    let now = context.world.clock.now();
    let hubs = hubs::look(&project, &store)?;
    let result = json!({
        "syncs": project.syncs_in_order().map(|sync| to_json(sync, find(&summaries, sync), &hubs)).collect::<Vec<_>>(),
        "holds": holds.iter().map(hold_json).collect::<Vec<_>>(),
    });
    let mut blocks = vec![Block::Table(table(&project, &summaries, now))];
    blocks.extend(hubs::table(&hubs, now).map(Block::Table));
    blocks.extend((!holds.is_empty()).then(|| Block::Table(holds_table(&holds))));
    blocks.extend(next_steps(context, &summaries, &holds, &hubs).map(Block::Text));
    Ok(Reply::done(blocks, result))
}

fn find<'a>(summaries: &'a [SyncSummary], sync: &SyncDef) -> Option<&'a SyncSummary> {
    summaries.iter().find(|summary| summary.sync == sync.name().as_str())
}

fn table(project: &Project, summaries: &[SyncSummary], now: DateTime<Utc>) -> Table {
    let mut table = Table::new(&[
        ("sync", Align::Left),
        ("state", Align::Left),
        ("last run", Align::Left),
        ("last success", Align::Left),
        ("written", Align::Right),
        ("dead letters", Align::Right),
        ("held", Align::Right),
    ]);
    for sync in project.syncs_in_order() {
        let Some(summary) = find(summaries, sync) else {
            table.row([
                sync.name().to_string(),
                "never ran".into(),
                "-".into(),
                "-".into(),
                "-".into(),
                "-".into(),
                "-".into(),
            ]);
            continue;
        };
        let run = summary.last_run.as_ref();
        table.row([
            summary.sync.clone(),
            phase(summary.phase).to_owned(),
            run.map_or("-".into(), |run| format!("{}, {}", run.status.name(), ago(now, run.started_at))),
            summary.last_success_at.map_or("never".into(), |at| ago(now, at)),
            run.map_or("-".into(), |run| count(run.counters.written)),
            count(summary.open_dead_letters),
            count(summary.open_holds),
        ]);
    }
    table
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::New => "new",
        Phase::InitialLoad => "initial load",
        Phase::Steady => "in agreement",
    }
}

/// `3 min ago`.
pub(super) fn ago(now: DateTime<Utc>, then: DateTime<Utc>) -> String {
    let passed = now.signed_duration_since(then).to_std().unwrap_or_default();
    match passed.as_secs() {
        0..10 => "just now".to_owned(),
        10..60 => format!("{} s ago", passed.as_secs()),
        60..3600 => format!("{} min ago", passed.as_secs() / 60),
        3600..172_800 => format!("{} ago", elapsed(passed)),
        _ => then.format("%Y-%m-%d").to_string(),
    }
}

fn holds_table(holds: &[Hold]) -> Table {
    let mut table = Table::new(&[
        ("hold", Align::Right),
        ("sync", Align::Left),
        ("deletes", Align::Right),
        ("of", Align::Right),
        ("for example", Align::Left),
    ]);
    for hold in holds {
        table.row([hold.id.to_string(), hold.sync.clone(), count(hold.deletes), count(hold.total), keys(hold)]);
    }
    table
}

/// Some of the keys: as many as stand in a line.
fn keys(hold: &Hold) -> String {
    let keys: Value = serde_json::from_str(&hold.keys).unwrap_or_default();
    let shown = keys.as_array().into_iter().flatten().map(|key| match key {
        Value::String(text) => shown_record(text),
        other => shown_key(&other.to_string()),
    });
    shortened(&shown.collect::<Vec<_>>().join(", "), 48)
}

fn next_steps(context: &Context, summaries: &[SyncSummary], holds: &[Hold], hubs: &[HubStatus]) -> Option<String> {
    let letters = summaries.iter().any(|summary| summary.open_dead_letters > 0);
    let failed = summaries.iter().find_map(|summary| {
        let run = summary.last_run.as_ref()?;
        let error = run.error.as_ref().filter(|_| run.status == RunStatus::Failed)?;
        Some(format!("{}: error[{}]: {}", summary.sync, error.code, error.message))
    });
    let mut steps: Vec<String> = failed.into_iter().collect();
    let conflicts = hubs.iter().any(|hub| hub.conflicts > 0);
    steps.extend(
        conflicts.then(|| format!("`{}` shows what systems disagree about", context.command("conflicts list"))),
    );
    steps.extend(letters.then(|| format!("`{}` shows the records that wait", context.command("dead-letters list"))));
    steps.extend(
        holds
            .first()
            .map(|hold| format!("`{}` lets the held deletes go", context.command(&format!("approve {}", hold.id)))),
    );
    (!steps.is_empty()).then(|| steps.join("\n"))
}

fn to_json(sync: &SyncDef, summary: Option<&SyncSummary>, hubs: &[HubStatus]) -> Value {
    let hub = hubs.iter().find(|hub| hub.name == sync.name().as_str());
    json!({
        "sync": sync.name(),
        "phase": summary.map_or("new", |summary| summary.phase.name()),
        "last_success_at": summary.and_then(|summary| summary.last_success_at),
        "last_compare_at": summary.and_then(|summary| summary.last_compare_at),
        "open_dead_letters": summary.map_or(0, |summary| summary.open_dead_letters),
        "open_holds": summary.map_or(0, |summary| summary.open_holds),
        "open_conflicts": hub.map_or(0, |hub| hub.conflicts),
        "endpoints": hub.map(|hub| hub.endpoints.iter().map(hubs::EndpointStatus::to_json).collect::<Vec<_>>()),
        "last_run": summary.and_then(|summary| summary.last_run.as_ref()).map(super::history::run_json),
    })
}

fn hold_json(hold: &Hold) -> Value {
    let keys: Value = serde_json::from_str(&hold.keys).unwrap_or(Value::Null);
    json!({"id": hold.id, "sync": hold.sync, "deletes": hold.deletes, "total": hold.total, "keys": keys, "since": hold.created_at})
}
