//! `plugin inspect`: what a plugin can and cannot do, read from the file without running it.

use super::to_json;
use crate::cli::Reply;
use crate::cli::output::{Align, Block, Table, bytes};
use crate::error::Result;
use crate::plugin::{Catalog, Limits, PluginBinary, PluginOrigin};

pub(super) fn run(catalog: &Catalog, plugin: &str) -> Result<Reply> {
    let limits = Limits::default();
    let binary = super::binary(catalog, plugin, &limits)?;
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
