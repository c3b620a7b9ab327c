//! `history`: the runs there have been.

use clap::Args;
use serde_json::{Value, json};

use super::output::{Align, Table, count, elapsed};
use super::{Context, Reply};
use crate::error::Result;
use crate::store::{Run, RunFilter, Store as _};

/// List the runs there have been, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep history\n  lockstep history customers --limit 5")]
pub struct HistoryArgs {
    /// Only runs of this sync
    #[arg(value_name = "SYNC")]
    pub sync: Option<String>,

    /// How many runs at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

pub async fn run(args: &HistoryArgs, context: &Context) -> Result<Reply> {
    let store = context.store_to_read()?;
    let runs = store.runs(&RunFilter { sync: args.sync.clone(), limit: Some(args.limit) })?;
    let result = json!({"runs": runs.iter().map(run_json).collect::<Vec<_>>()});
    if runs.is_empty() {
        return Ok(Reply::done(vec!["nothing ran yet".to_owned().into()], result));
    }
    Ok(Reply::done(vec![table(&runs).into()], result))
}

fn table(runs: &[Run]) -> Table {
    let mut table = Table::new(&[
        ("run", Align::Right),
        ("sync", Align::Left),
        ("started", Align::Left),
        ("kind", Align::Left),
        ("outcome", Align::Left),
        ("read", Align::Right),
        ("written", Align::Right),
        ("deleted", Align::Right),
        ("rejected", Align::Right),
        ("took", Align::Right),
    ]);
    for run in runs {
        let took = run.ended_at.and_then(|ended| (ended - run.started_at).to_std().ok());
        let outcome = match &run.error {
            Some(error) => format!("{} {}", run.status.name(), error.code),
            None => run.status.name().to_owned(),
        };
        table.row([
            run.id.to_string(),
            run.sync.clone(),
            run.started_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            run.kind.name().to_owned(),
            outcome,
            count(run.counters.read),
            count(run.counters.written),
            count(run.counters.deleted),
            count(run.counters.rejected),
            took.map_or_else(|| "-".to_owned(), elapsed),
        ]);
    }
    table
}

pub(super) fn run_json(run: &Run) -> Value {
    json!({
        "id": run.id,
        "sync": run.sync,
        "kind": run.kind.name(),
        "status": run.status.name(),
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "counters": run.counters,
        "error": run.error.as_ref().map(|error| json!({"code": error.code, "message": error.message})),
        "plugins": run.plugins,
    })
}
