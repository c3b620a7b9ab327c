//! `run`: brings targets up to date.

use clap::Args;

use super::context::select_syncs;
use super::{CliError, Context, Reply};
use crate::error::Result;

/// Bring the targets up to date
///
/// The first Ctrl-C finishes the page in flight and stops; the second stops at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep run                      every sync, once
  lockstep run customers --full     read everything again
  lockstep run --watch              go on by each sync's `trigger`
  lockstep run --json               one JSON line per event")]
pub struct RunArgs {
    /// The syncs to run [default: all]
    #[arg(value_name = "SYNC")]
    pub syncs: Vec<String>,

    /// Run every sync once and stop; what happens if nothing is said
    #[arg(long, conflicts_with = "watch")]
    pub once: bool,

    /// Go on until interrupted, each sync by its `trigger`
    #[arg(long)]
    pub watch: bool,

    /// Read from the beginning, whatever was read before
    #[arg(long)]
    pub full: bool,
}

pub async fn run(args: &RunArgs, context: &Context) -> Result<Reply> {
    let project = context.project()?;
    let _syncs = select_syncs(&project, &args.syncs)?;
    Err(CliError::NotBuilt("run").into())
}
