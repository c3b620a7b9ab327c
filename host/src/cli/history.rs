//! `history`: the runs there have been.

use clap::Args;

use super::{CliError, Context, Reply};
use crate::error::Result;

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

pub async fn run(_args: &HistoryArgs, _context: &Context) -> Result<Reply> {
    Err(CliError::NotBuilt("history").into())
}
