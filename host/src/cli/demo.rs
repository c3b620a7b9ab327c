//! `demo`: a sync at work without any setup.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::dead_letters::{DeadLettersArgs, DeadLettersVerb};
use super::run::{self as runs, RunArgs};
use super::{CliError, Context, Reply, dead_letters};
use crate::error::Result;
use crate::project::{PROJECT_FILE, shell_word};

mod data;

const PROJECT: &str = include_str!("demo/lockstep.toml");
/// Enough to show a progress bar, few enough not to wait.
const CUSTOMERS: u32 = 250_000;

/// Show a sync at work, without any setup
///
/// Writes a project with sample data into DIR, or into a temporary folder, runs it a few times, and leaves it for you to play with.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep demo\n  lockstep demo shop      keep the files to look at")]
pub struct DemoArgs {
    /// The folder for the demo's files [default: a temporary one]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

pub async fn run(args: &DemoArgs, context: &Context) -> Result<Reply> {
    let dir =
        args.dir.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("lockstep-demo-{}", std::process::id())));
    let file = dir.join("data/customers.csv");
    begin(&dir)?;
    let demo = Context { project_dir: dir.clone(), ..context.clone() };
    let say = |text: &str| context.output.line(text);

    say(&format!("a shop's customers: {CUSTOMERS} lines of CSV in {}", file.display()));
    write(&file, &data::customers(CUSTOMERS, data::Edition::First))?;
    say("\n1. `lockstep run` copies them into a database through three sandboxed plugins: csv, clean, sqlite");
    sync(&demo).await?;

    say("\n2. what cannot be right waits for a person, complete and with its cause; everything else went on");
    let list = DeadLettersVerb::List { sync: None, limit: 10 };
    let letters = dead_letters::run(&DeadLettersArgs { verb: list }, &demo).await?;
    letters.blocks.iter().for_each(|block| context.output.show(block));

    say("\n3. the same file again: nothing to do");
    sync(&demo).await?;

    say("\n4. the shop mends its bad lines, changes 1 000 customers and deletes 40: only that is written");
    write(&file, &data::customers(CUSTOMERS, data::Edition::Second))?;
    sync(&demo).await?;

    let option = format!("--project {}", shell_word(&dir));
    let next = ["status", "history", "plan", "plugin inspect csv"].map(|verb| format!("  lockstep {option} {verb}"));
    let text = format!("the project is yours to play with:\n{}", next.join("\n"));
    Ok(Reply::done(vec![text.into()], json!({"project": dir.display().to_string()})))
}

/// Runs the demo's sync. Dead letters are part of the story, an error is not.
async fn sync(demo: &Context) -> Result<()> {
    let args = RunArgs { syncs: Vec::new(), once: true, watch: false, full: false, accept_schema: false, plan: None };
    let reply = runs::run(&args, demo).await?;
    reply.errors.into_iter().next().map_or(Ok(()), Err)
}

fn begin(dir: &Path) -> Result<(), CliError> {
    let project = dir.join(PROJECT_FILE);
    if project.symlink_metadata().is_ok() {
        return Err(CliError::AlreadyExists { path: project });
    }
    let data = dir.join("data");
    std::fs::create_dir_all(&data).map_err(|source| CliError::Write { path: data, source })?;
    write(&project, PROJECT)
}

fn write(path: &Path, content: &str) -> Result<(), CliError> {
    std::fs::write(path, content).map_err(|source| CliError::Write { path: path.to_owned(), source })
}
