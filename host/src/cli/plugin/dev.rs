//! `plugin dev`: builds a plugin at each change of its sources, and shows at once what it does.
//!
//! It reads through the connection of the project beside the plugin, with that connection's grants. It writes only rows that are
//! given expressly, into a stream that is named expressly.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::rounds::Round;
use crate::cli::{Context, Reply};
use crate::error::Result;
use crate::kit::{self, Wish};

/// How often the sources are looked at: an edit is noticed before its author has looked up.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin dev
  lockstep plugin dev crm --stream contacts --limit 5
  lockstep plugin dev crm --replay contacts.jsonl
  lockstep plugin dev crm --stream people --write rows.jsonl --once")]
pub struct DevArgs {
    /// The plugin's folder, with a lockstep.toml that uses it [default: that of --project]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// The connection to go through [default: the first that uses the plugin]
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,

    /// Show only this stream
    #[arg(long, value_name = "NAME")]
    pub stream: Option<String>,

    /// Records to show of each stream
    #[arg(long, value_name = "ROWS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,

    /// Write these rows, one JSON object a line, into the stream, and show what becomes of them
    #[arg(long, value_name = "FILE", requires = "stream")]
    pub write: Option<PathBuf>,

    /// Answer it from this recording, made by `plugin record`, instead of its system
    #[arg(long, value_name = "FILE", conflicts_with_all = ["write", "connection"])]
    pub replay: Option<PathBuf>,

    /// Build and show once, instead of at each change
    #[arg(long)]
    pub once: bool,
}

pub(super) async fn run(args: &DevArgs, context: &Context) -> Result<Reply> {
    let dir = args.dir.clone().unwrap_or_else(|| context.folder().to_owned());
    let nothing = || Reply::done(Vec::new(), Value::Null);
    if args.once {
        round(args, &dir, context).await?;
        return Ok(nothing());
    }
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        let seen = kit::sources(&dir);
        let outcome = tokio::select! {
            _ = &mut stop => return Ok(nothing()),
            outcome = round(args, &dir, context) => outcome,
        };
        // Whatever is wrong now, the next change may mend it.
        if let Err(error) = outcome {
            context.output.warn(&error);
        }
        context.output.note("waiting for a change; Ctrl-C stops");
        while kit::sources(&dir) == seen {
            tokio::select! {
                _ = &mut stop => return Ok(nothing()),
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            if context.output.is_abandoned() {
                return Ok(nothing());
            }
        }
    }
}

async fn round(args: &DevArgs, dir: &Path, context: &Context) -> Result<()> {
    let wish = Wish { dir: dir.to_owned(), out: None, install: false };
    let before = context.world.clock.elapsed();
    // A build blocks for seconds, and Ctrl-C shall not wait for it.
    let built = tokio::task::spawn_blocking(move || kit::build(&wish)).await;
    let built = built.map_err(|error| crate::cli::CliError::Runtime(std::io::Error::other(error)))??;
    let took = context.world.clock.elapsed().saturating_sub(before);
    let size = crate::cli::output::bytes(built.binary.report.bytes as u64);
    let took_shown = crate::cli::output::elapsed(took);
    context.output.line(&format!("built {}, {size}, in {took_shown}", built.binary.label()));
    let event = json!({"event": "built", "plugin": built.binary.label(), "bytes": built.binary.report.bytes, "seconds": took.as_secs_f64()});
    context.output.event(&event);
    let project = Arc::new(crate::project::Project::load(dir)?);
    Round { args, context, project, built: &built }.show().await
}
