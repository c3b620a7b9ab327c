//! `dead-letters`: records that cannot go on without a person.

use clap::{Args, Subcommand};

use super::{CliError, Context, Reply};
use crate::error::Result;

/// Look after records that cannot go on without a person
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep dead-letters list
  lockstep dead-letters show 7
  lockstep dead-letters retry --all
  lockstep dead-letters discard 7 8 --yes")]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    pub verb: DeadLettersVerb,
}

#[derive(Debug, Subcommand)]
pub enum DeadLettersVerb {
    /// List them: sync, key, cause, since when
    List {
        /// Only those of this sync
        #[arg(value_name = "SYNC")]
        sync: Option<String>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show one: the whole record, its cause, which plugin said so
    Show {
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Send them through the sync again
    Retry(Which),
    /// Give them up: the records stay as they are in both systems
    Discard {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Some or all.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// As `dead-letters list` shows them
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,

    /// All there are
    #[arg(long)]
    pub all: bool,
}

impl DeadLettersVerb {
    /// As it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "dead-letters list",
            Self::Show { .. } => "dead-letters show",
            Self::Retry(_) => "dead-letters retry",
            Self::Discard { .. } => "dead-letters discard",
        }
    }
}

pub async fn run(args: &DeadLettersArgs, _context: &Context) -> Result<Reply> {
    Err(CliError::NotBuilt(args.verb.name()).into())
}
