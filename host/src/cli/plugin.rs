//! `plugin`: what plugins there are and what they can do.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::Block;
use super::{Context, Reply};
use crate::error::Result;
use crate::plugin::{Catalog, Limits, PluginBinary, PluginError};

mod audit;
mod build;
mod check;
mod dev;
mod diff;
mod fault;
mod inspect;
mod list;
mod new;
mod record;
mod replay;
mod rounds;

/// Look at plugins, and make them
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin list
  lockstep plugin inspect csv
  lockstep plugin inspect ./mine.wasm
  lockstep plugin check ./mine.wasm
  lockstep plugin audit
  lockstep plugin diff crm-1.2.wasm crm-1.3.wasm
  lockstep plugin new crm --lang python
  lockstep plugin build crm")]
pub struct PluginArgs {
    #[command(subcommand)]
    pub verb: PluginVerb,
}

#[derive(Debug, Subcommand)]
pub enum PluginVerb {
    /// List the bundled plugins and those the project uses
    List,
    Check(Box<check::PluginCheckArgs>),
    /// Show what a plugin can and cannot do, read from the file without running it
    Inspect {
        /// A bundled plugin, or the path of a file
        #[arg(value_name = "NAME|PATH")]
        plugin: String,
    },
    /// Begin a plugin that builds and runs as it stands
    New(new::NewArgs),
    /// Build the plugin in a folder, with the tool of its language, and put its manifest in
    Build(build::BuildArgs),
    /// Build a plugin at each change of its sources, and show what it does
    Dev(dev::DevArgs),
    /// Put a manifest into a component, whatever tool made it
    Pack(build::PackArgs),
    Record(record::RecordArgs),
    Replay(replay::ReplayArgs),
    Diff(diff::DiffArgs),
    /// Show what the plugins of the project may reach, with which credentials, for which syncs
    ///
    /// With a sentence for each connection that can be pasted into an approval. Credentials are named and not followed, except for
    /// the URLs of databases, which say where these are.
    Audit,
}

impl PluginVerb {
    /// As it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List => "plugin list",
            Self::Check(_) => "plugin check",
            Self::Inspect { .. } => "plugin inspect",
            Self::New(_) => "plugin new",
            Self::Build(_) => "plugin build",
            Self::Dev(_) => "plugin dev",
            Self::Pack(_) => "plugin pack",
            Self::Record(_) => "plugin record",
            Self::Replay(_) => "plugin replay",
            Self::Diff(_) => "plugin diff",
            Self::Audit => "plugin audit",
        }
    }
}

pub async fn run(args: &PluginArgs, context: &Context) -> Result<Reply> {
    let catalog = Catalog::new(lockstep_bundle::PLUGINS);
    match &args.verb {
        PluginVerb::List => list::run(context, &catalog),
        PluginVerb::Check(args) => check::run(args, context, &catalog).await,
        PluginVerb::Inspect { plugin } => inspect::run(&catalog, plugin),
        PluginVerb::New(args) => new::run(args),
        PluginVerb::Build(args) => build::run(args, context),
        PluginVerb::Dev(args) => dev::run(args, context).await,
        PluginVerb::Pack(args) => build::pack(args),
        PluginVerb::Record(args) => record::run(args, context, &catalog).await,
        PluginVerb::Replay(args) => replay::run(args, context, &catalog).await,
        PluginVerb::Diff(args) => diff::run(args, &catalog),
        PluginVerb::Audit => audit::run(context),
    }
}

/// A bundled plugin by its name, any other by its path.
fn binary(catalog: &Catalog, plugin: &str, limits: &Limits) -> Result<PluginBinary, PluginError> {
    if plugin.contains('/') || plugin.ends_with(".wasm") {
        catalog.from_path(Path::new(plugin), limits)
    } else {
        catalog.bundled(plugin, limits)
    }
}

fn to_json(binary: &PluginBinary) -> Value {
    let manifest = &binary.manifest;
    let report = &binary.report;
    json!({
        "name": manifest.name.as_str(),
        "version": manifest.version,
        "license": manifest.license,
        "description": manifest.description,
        "digest": binary.digest.to_string(),
        "bytes": report.bytes,
        "functions": report.functions,
        "imports": report.imports,
        "exports": report.exports,
        "capabilities": report.authority().capabilities().collect::<Vec<_>>(),
        "authority": report.authority().sentence(),
        "aliases": manifest.aliases,
        "config": manifest.config,
    })
}

/// Lines that are listed at most; `--json` has them all.
const LISTED_MAX: usize = 40;

/// Lines below a title, if there are any.
fn listed(title: &str, lines: &[String]) -> Option<Block> {
    let shown: Vec<&str> = lines.iter().take(LISTED_MAX).map(String::as_str).collect();
    (!lines.is_empty()).then(|| format!("{title}:\n  {}", shown.join("\n  ")).into())
}
