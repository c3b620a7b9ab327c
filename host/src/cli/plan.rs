//! `plan`: what a run would do.

use clap::Args;

use super::context::select_syncs;
use super::{CliError, Context, Reply};
use crate::error::Result;

/// Show what a run would do, without doing it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep plan\n  lockstep plan customers orders")]
pub struct PlanArgs {
    /// The syncs to look at [default: all]
    #[arg(value_name = "SYNC")]
    pub syncs: Vec<String>,
}

pub async fn run(args: &PlanArgs, context: &Context) -> Result<Reply> {
    let project = context.project()?;
    let _syncs = select_syncs(&project, &args.syncs)?;
    Err(CliError::NotBuilt("plan").into())
}
