//! `demo`: a sync at work without any setup.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, Context, Reply};
use crate::error::Result;

/// Show a sync at work, without any setup
///
/// Writes a small project with sample data into DIR, or into a temporary folder, and runs it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep demo\n  lockstep demo shop      keep the files to look at")]
pub struct DemoArgs {
    /// The folder for the demo's files [default: a temporary one]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

pub async fn run(_args: &DemoArgs, _context: &Context) -> Result<Reply> {
    Err(CliError::NotBuilt("demo").into())
}
