//! `doctor`: whether this machine has what Lockstep needs.

use clap::Args;

use super::{CliError, Context, Reply};
use crate::error::Result;

/// Find out what is wrong with this machine, this folder or this project
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep doctor\n  lockstep --project shop doctor")]
pub struct DoctorArgs {}

pub async fn run(_args: &DoctorArgs, _context: &Context) -> Result<Reply> {
    Err(CliError::NotBuilt("doctor").into())
}
