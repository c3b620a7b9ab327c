//! `plugin`: what plugins there are and what they can do.

use clap::{Args, Subcommand};

use super::{CliError, Context, Reply};
use crate::error::Result;

/// Look at plugins
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin list
  lockstep plugin inspect csv
  lockstep plugin inspect ./mine.wasm")]
pub struct PluginArgs {
    #[command(subcommand)]
    pub verb: PluginVerb,
}

#[derive(Debug, Subcommand)]
pub enum PluginVerb {
    /// List the bundled plugins and those the project uses
    List,
    /// Show what a plugin can and cannot do, read from the file without running it
    Inspect {
        /// A bundled plugin, or the path of a file
        #[arg(value_name = "NAME|PATH")]
        plugin: String,
    },
}

impl PluginVerb {
    /// As it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List => "plugin list",
            Self::Inspect { .. } => "plugin inspect",
        }
    }
}

pub async fn run(args: &PluginArgs, _context: &Context) -> Result<Reply> {
    Err(CliError::NotBuilt(args.verb.name()).into())
}
