//! `plugin list`: the bundled plugins and those the project uses.

use serde_json::{Value, json};

use super::to_json;
use crate::cli::output::{Align, Table, bytes};
use crate::cli::{Context, Reply};
use crate::error::Result;
use crate::plugin::{Catalog, Limits, PluginBinary};
use crate::project::{PluginRef, Project};

pub(super) fn run(context: &Context, catalog: &Catalog) -> Result<Reply> {
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
