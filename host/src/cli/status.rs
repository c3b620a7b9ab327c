//! `status`: how every sync stands.

use clap::Args;

use super::{CliError, Context, Reply};
use crate::error::Result;

/// Show how every sync stands: last run, progress, what waits for a person
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep status\n  lockstep status --json")]
pub struct StatusArgs {}

pub async fn run(_args: &StatusArgs, _context: &Context) -> Result<Reply> {
    Err(CliError::NotBuilt("status").into())
}
