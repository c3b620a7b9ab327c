//! The command line: what can be asked, and in which words.
//!
//! One file per verb; a verb gets its arguments and a [`Context`] and answers with a [`Reply`]. It prints nothing: only `output`
//! does. Verbs must not decide what a sync does; they read, ask the layers below, and tell.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::error::Result;
use crate::world::World;

mod approve;
mod assignment;
#[cfg(test)]
mod bad_projects;
mod check;
mod completions;
mod conflicts;
mod context;
mod dead_letters;
mod demo;
mod doctor;
mod error;
mod explain;
mod history;
mod init;
mod lineage;
mod merge;
pub mod output;
mod plan;
mod plugin;
mod rollback;
mod run;
mod status;
mod telling;
mod usage;
mod verify;
mod why;

pub use context::Context;
pub use error::CliError;
use output::{Exit, Output, Reply};
pub use usage::Refusal;

/// Keeps the records of business systems in agreement, through sandboxed plugins.
#[derive(Debug, Parser)]
#[command(name = "lockstep", version, max_term_width = 100, disable_help_subcommand = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  lockstep demo                     see a sync at work, without any setup
  lockstep init shop                begin a project in the folder `shop`
  lockstep --project shop check     look for mistakes before anything runs
  lockstep --project shop run       bring every target up to date once
  lockstep explain LS0203           read about an error

Exit codes:
  0 done   1 something failed or waits for a person   2 usage or configuration
  3 environment: network, credentials, disk, lock     130 interrupted twice";

/// What every verb understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options for every command")]
pub struct GlobalArgs {
    /// The folder of `lockstep.toml`
    #[arg(long, global = true, env = "LOCKSTEP_PROJECT", value_name = "DIR", default_value = ".")]
    pub project: PathBuf,

    /// Answer with JSON: one document, or one line per event where a command streams
    #[arg(long, global = true)]
    pub json: bool,

    /// Log more to standard error: -v what happens, -vv why, -vvv everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    /// Say nothing on standard error but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// When to use colour; `auto` also heeds NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto)]
    pub color: ColorWhen,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Check(check::CheckArgs),
    Plan(plan::PlanArgs),
    Run(run::RunArgs),
    Status(status::StatusArgs),
    History(history::HistoryArgs),
    Why(why::WhyArgs),
    Conflicts(conflicts::ConflictsArgs),
    DeadLetters(dead_letters::DeadLettersArgs),
    Approve(approve::ApproveArgs),
    Merge(merge::MergeArgs),
    Rollback(rollback::RollbackArgs),
    Verify(verify::VerifyArgs),
    Lineage(lineage::LineageArgs),
    Plugin(plugin::PluginArgs),
    Doctor(doctor::DoctorArgs),
    Explain(explain::ExplainArgs),
    Completions(completions::CompletionsArgs),
}

impl Verb {
    /// As it is typed: `dead-letters list`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Demo(_) => "demo",
            Self::Init(_) => "init",
            Self::Check(_) => "check",
            Self::Plan(_) => "plan",
            Self::Run(_) => "run",
            Self::Status(_) => "status",
            Self::History(_) => "history",
            Self::Why(_) => "why",
            Self::Conflicts(args) => args.verb.name(),
            Self::DeadLetters(args) => args.verb.name(),
            Self::Approve(_) => "approve",
            Self::Merge(_) => "merge",
            Self::Rollback(_) => "rollback",
            Self::Verify(_) => "verify",
            Self::Lineage(args) => args.verb.name(),
            Self::Plugin(args) => args.verb.name(),
            Self::Doctor(_) => "doctor",
            Self::Explain(_) => "explain",
            Self::Completions(_) => "completions",
        }
    }

    async fn run(&self, context: &Context) -> Result<Reply> {
        match self {
            Self::Demo(args) => demo::run(args, context).await,
            Self::Init(args) => init::run(args, context),
            Self::Check(args) => check::run(args, context).await,
            Self::Plan(args) => plan::run(args, context).await,
            Self::Run(args) => run::run(args, context).await,
            Self::Status(args) => status::run(args, context).await,
            Self::History(args) => history::run(args, context).await,
            Self::Why(args) => why::run(args, context).await,
            Self::Conflicts(args) => conflicts::run(args, context).await,
            Self::DeadLetters(args) => dead_letters::run(args, context).await,
            Self::Approve(args) => approve::run(args, context).await,
            Self::Merge(args) => merge::run(args, context).await,
            Self::Rollback(args) => rollback::run(args, context).await,
            Self::Verify(args) => verify::run(args, context).await,
            Self::Lineage(args) => lineage::run(args, context).await,
            Self::Plugin(args) => plugin::run(args, context).await,
            Self::Doctor(args) => doctor::run(args, context).await,
            Self::Explain(args) => explain::run(args),
            Self::Completions(args) => completions::run(args),
        }
    }
}

/// A sync's stages, and one more for what blocks for a moment: a commit waits for the disk.
const WORKERS: usize = 4;

/// A command line that makes sense.
#[derive(Debug)]
pub struct Invocation {
    cli: Cli,
}

/// Understands a command line, program name first. Help, the version and nonsense are a [`Refusal`] to run anything.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Refusal> {
    let args: Vec<OsString> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(cli) => Ok(Invocation { cli }),
        Err(error) => Err(Refusal::new(error, &args)),
    }
}

/// Runs the verb and prints its answer.
pub fn run(invocation: Invocation) -> Exit {
    let Cli { global, verb } = invocation.cli;
    let world = World::real();
    let output = Output::standard(&global, &world);
    output.start_logging(&global);
    let context = Context { project_dir: global.project, output: output.clone(), world };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(verb.run(&context)),
        Err(error) => Err(CliError::Runtime(error).into()),
    };
    output.reply(verb.name(), outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn check(line: &str, expected: &str) {
        let args = std::iter::once("lockstep").chain(line.split_whitespace()).map(OsString::from);
        assert_eq!(parse(args).unwrap().cli.verb.name(), expected);
    }

    #[test]
    fn the_definitions_agree_with_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_is_understood() {
        check("demo", "demo");
        check("demo shop", "demo");
        check("init", "init");
        check("check --online --json", "check");
        check("plan customers orders", "plan");
        check("run customers --full --once", "run");
        check("run --watch -vv", "run");
        check("--project shop status", "status");
        check("status --project shop", "status");
        check("history customers --limit 5", "history");
        check("dead-letters list", "dead-letters list");
        check("dead-letters show 7", "dead-letters show");
        check("dead-letters retry 7 8", "dead-letters retry");
        check("dead-letters retry --all", "dead-letters retry");
        check("dead-letters discard --all --yes", "dead-letters discard");
        check("dead-letters edit 7 --set phone=12 --set name=Ann", "dead-letters edit");
        check("approve 3", "approve");
        check("plan customer --all", "plan");
        check("run customer --plan 0123456789abcdef", "run");
        check("why customer ann@example.com.name", "why");
        check("conflicts list customer --all", "conflicts list");
        check("conflicts show 3", "conflicts show");
        check("conflicts resolve 3 --take incoming", "conflicts resolve");
        check("conflicts resolve 3 --set name=Ann --set phone=12", "conflicts resolve");
        check("conflicts resolve 3 --keep", "conflicts resolve");
        check("conflicts resolve 3 --delete", "conflicts resolve");
        check("conflicts resolve 3 --link #7", "conflicts resolve");
        check("conflicts resolve 3 --new", "conflicts resolve");
        check("rollback 12 --yes", "rollback");
        check("verify customer --repair", "verify");
        check("lineage verify", "lineage verify");
        check("plugin list", "plugin list");
        check("plugin inspect csv", "plugin inspect");
        check("plugin check ./mine.wasm --junit out.xml", "plugin check");
        check("plugin check --connection erp --stream orders", "plugin check");
        check("plugin new crm --lang python --kind both", "plugin new");
        check("plugin build crm --install", "plugin build");
        check("plugin pack a.wasm --manifest plugin.toml -o b.wasm", "plugin pack");
        check("plugin dev crm --stream people --write rows.jsonl --once", "plugin dev");
        check("doctor", "doctor");
        check("explain", "explain");
        check("explain LS0203", "explain");
        check("completions bash", "completions");
    }

    #[test]
    fn what_excludes_itself_is_refused() {
        for line in [
            "run --once --watch",
            "check -v -q",
            "dead-letters retry",
            "dead-letters retry 7 --all",
            "history --limit 0",
            "run --plan 0123456789abcdef",
            "dead-letters edit 7",
            "dead-letters edit 7 --set phone",
            "conflicts resolve 3",
            "conflicts resolve 3 --keep --delete",
            "conflicts resolve 3 --take current --set name=Ann",
            "conflicts resolve 3 --link Ann",
            "why customer",
            "plugin check",
            "lineage",
            "plugin new crm",
            "plugin new crm --lang cobol",
            "plugin pack a.wasm",
            "plugin dev --write rows.jsonl",
            "plugin dev --limit 0",
        ] {
            let args = std::iter::once("lockstep").chain(line.split_whitespace()).map(OsString::from);
            assert!(parse(args).is_err(), "{line}");
        }
    }
}
