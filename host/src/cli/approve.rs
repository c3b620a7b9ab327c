//! `approve`: lets go what is held for a person.

use clap::Args;

use super::{CliError, Context, Reply};
use crate::error::Result;

/// Let deletes go that the guard holds
///
/// If what would be deleted is no longer what was held, nothing is deleted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep status         shows what is held, and its number\n  lockstep approve 3")]
pub struct ApproveArgs {
    /// The number of the hold
    #[arg(value_name = "HOLD")]
    pub hold: String,
}

pub async fn run(_args: &ApproveArgs, _context: &Context) -> Result<Reply> {
    Err(CliError::NotBuilt("approve").into())
}
