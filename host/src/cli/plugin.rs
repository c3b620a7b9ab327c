//! `plugin`: what plugins there are and what they can do.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::{Align, Block, Table, bytes};
use super::{Context, Reply};
use crate::error::Result;
use crate::plugin::{Catalog, Limits, PluginBinary, PluginOrigin};
use crate::project::{PluginRef, Project};

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

pub async fn run(args: &PluginArgs, context: &Context) -> Result<Reply> {
    let catalog = Catalog::new(lockstep_bundle::PLUGINS);
    match &args.verb {
        PluginVerb::List => list(context, &catalog),
        PluginVerb::Inspect { plugin } => inspect(&catalog, plugin),
    }
}

fn list(context: &Context, catalog: &Catalog) -> Result<Reply> {
    let limits = Limits::default();
    let mut plugins: Vec<(PluginBinary, Vec<String>)> = Vec::new();
    // Without a project the bundled ones are all there is.
    let project = context.project().ok();
    for name in catalog.names() {
        let users = project.as_ref().map(|project| {
            users(project, |plugin| matches!(plugin, PluginRef::Bundled(used) if used.as_str() == name))
        });
        plugins.push((catalog.bundled(name, &limits)?, users.unwrap_or_default()));
    }
    for (plugin, _) in project.iter().flat_map(Project::plugins) {
        if let (PluginRef::Path(path), Some(project)) = (plugin, &project) {
            let binary = catalog.from_path(&project.dir.join(path), &limits)?;
            plugins.push((binary, users(project, |used| used == plugin)));
        }
    }
    let mut table = Table::new(&[
        ("plugin", Align::Left),
        ("does", Align::Left),
        ("may use", Align::Left),
        ("size", Align::Right),
        ("used by", Align::Left),
    ]);
    for (binary, users) in &plugins {
        let capabilities: Vec<&str> = binary.report.authority().capabilities().collect();
        let capabilities = if capabilities.is_empty() { "nothing".to_owned() } else { capabilities.join(", ") };
        let size = bytes(binary.report.bytes as u64);
        table.row([binary.label(), roles(binary).join(", "), capabilities, size, users.join(", ")]);
    }
    let result: Vec<Value> =
        plugins.iter().map(|(binary, users)| json!({"plugin": to_json(binary), "used_by": users})).collect();
    Ok(Reply::done(vec![table.into()], json!({ "plugins": result })))
}

fn users(project: &Project, is: impl Fn(&PluginRef) -> bool) -> Vec<String> {
    let connections = project
        .connections_in_order()
        .filter(|connection| is(&connection.plugin))
        .map(|connection| connection.name.to_string());
    let syncs = project
        .syncs_in_order()
        .filter(|sync| sync.transforms().iter().any(|transform| is(&transform.plugin)))
        .map(|sync| sync.name().to_string());
    connections.chain(syncs).collect()
}

/// What it exports of what the host knows.
fn roles(binary: &PluginBinary) -> Vec<&'static str> {
    ["source", "lookup", "compare", "sink", "transform"]
        .into_iter()
        .filter(|interface| binary.report.exports_interface(interface))
        .collect()
}

fn inspect(catalog: &Catalog, plugin: &str) -> Result<Reply> {
    let limits = Limits::default();
    let binary = if plugin.contains('/') || plugin.ends_with(".wasm") {
        catalog.from_path(Path::new(plugin), &limits)?
    } else {
        catalog.bundled(plugin, &limits)?
    };
    let manifest = &binary.manifest;
    let origin = match &binary.origin {
        PluginOrigin::Bundled => "bundled".to_owned(),
        PluginOrigin::Path(path) => path.display().to_string(),
    };
    let head = [format!("{}: {}", binary.label(), manifest.description), binary.report.authority().sentence()];
    let mut facts = Table::new(&[("", Align::Left), ("", Align::Left)]);
    let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
    fact("from", origin);
    fact("digest", binary.digest.to_string());
    fact("size", format!("{}, {} functions", bytes(binary.report.bytes as u64), binary.report.functions));
    fact("licence", manifest.license.clone());
    fact("asks for", listed(manifest.capabilities.clone()));
    fact(
        "aliases",
        listed(manifest.aliases.iter().map(|(name, aliases)| format!("{name}: {}", aliases.join(", "))).collect()),
    );
    fact("exports", listed(binary.report.exports.clone()));
    fact("imports", listed(binary.report.imports.clone()));
    let mut blocks = vec![Block::Text(head.join("\n")), Block::Table(facts)];
    blocks.extend(config_table(&binary).map(Block::Table));
    Ok(Reply::done(blocks, to_json(&binary)))
}

fn listed(values: Vec<String>) -> String {
    if values.is_empty() { "nothing".to_owned() } else { values.join("\n") }
}

/// The keys of a connection's `config`.
fn config_table(binary: &PluginBinary) -> Option<Table> {
    let mut table = Table::new(&[
        ("config", Align::Left),
        ("type", Align::Left),
        ("default", Align::Left),
        ("meaning", Align::Left),
    ]);
    for key in binary.manifest.config_keys() {
        table.row([key.name, key.kind, key.default, key.meaning]);
    }
    (!table.is_empty()).then_some(table)
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
