//! `approve`: lets go what is held for a person.

use clap::Args;
use serde_json::json;

use super::{CliError, Context, Reply};
use crate::error::Result;
use crate::store::{Decision, HoldFilter, HoldId, Store as _};

/// Let deletes go that the guard holds
///
/// If what would be deleted is no longer what was held, nothing is deleted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep status         shows what is held, and its number\n  lockstep approve 3")]
pub struct ApproveArgs {
    /// The number of the hold
    #[arg(value_name = "HOLD")]
    pub hold: i64,
}

pub async fn run(args: &ApproveArgs, context: &Context) -> Result<Reply> {
    context.project()?;
    let store = context.store(&format!("lockstep approve {}", args.hold))?;
    let id = HoldId(args.hold);
    let holds = store.holds(&HoldFilter::default())?;
    let Some(hold) = holds.iter().find(|hold| hold.id == id) else {
        let known = holds.iter().map(|hold| hold.id.to_string()).collect();
        return Err(CliError::UnknownName { kind: "hold", name: args.hold.to_string(), nearest: None, known }.into());
    };
    store.decide_hold(id, Decision::Approve, context.world.clock.now())?;
    let next = context.command(&format!("run {}", hold.sync));
    let text = format!("approved: {} of {} records of `{}`\nnext: `{next}`", hold.deletes, hold.total, hold.sync);
    let result = json!({"hold": id, "sync": hold.sync, "deletes": hold.deletes, "next": next});
    Ok(Reply::done(vec![text.into()], result))
}
