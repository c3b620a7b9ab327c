//! `plugin diff`: what another version of a plugin asks for that the one before did not.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde_json::{Value, json};

use super::to_json;
use crate::cli::Reply;
use crate::cli::output::{Align, Block, Table, bytes};
use crate::error::Result;
use crate::plugin::{Catalog, ConfigKey, Limits, Manifest, PluginBinary};

/// Show what an update of a plugin changes, and whether it asks for more
///
/// Both are read from their files without running them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin diff crm-1.2.wasm crm-1.3.wasm
  lockstep plugin diff ./csv-before.wasm csv --json

Exit code: 0 it asks for nothing more and breaks nothing, 1 it does")]
pub struct DiffArgs {
    /// The plugin as it was: a bundled one, or the path of a file
    #[arg(value_name = "OLD")]
    pub old: String,

    /// The plugin as it will be: a bundled one, or the path of a file
    #[arg(value_name = "NEW")]
    pub new: String,
}

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
struct Change {
    weight: Weight,
    what: String,
    old: String,
    new: String,
}

/// What a change means for who has approved the plugin as it was, and for who uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum Weight {
    /// It can do something it could not do, or wants a grant it did not want.
    AsksForMore,
    /// A project that was fine may no longer be.
    Breaks,
    Fine,
}

impl Weight {
    fn shown(self) -> &'static str {
        match self {
            Self::AsksForMore => "asks for more",
            Self::Breaks => "breaks",
            Self::Fine => "",
        }
    }
}

pub(super) fn run(args: &DiffArgs, catalog: &Catalog) -> Result<Reply> {
    let limits = Limits::default();
    let old = super::binary(catalog, &args.old, &limits)?;
    let new = super::binary(catalog, &args.new, &limits)?;
    let changes = changes(&old, &new);
    let has = |weight| changes.iter().any(|change| change.weight == weight);
    let (more, breaks) = (has(Weight::AsksForMore), has(Weight::Breaks));
    let result = json!({
        "old": to_json(&old), "new": to_json(&new), "changes": changes, "asks_for_more": more, "breaks": breaks,
    });
    let mut blocks = Vec::new();
    if !changes.is_empty() {
        blocks.push(Block::Table(table(&changes)));
    }
    blocks.push(verdict(&old, &new, &changes).into());
    if more || breaks { Ok(Reply::attention(blocks, result, Vec::new())) } else { Ok(Reply::done(blocks, result)) }
}

fn verdict(old: &PluginBinary, new: &PluginBinary, changes: &[Change]) -> String {
    let named = |weight| -> Vec<&str> {
        changes.iter().filter(|change| change.weight == weight).map(|change| change.what.as_str()).collect()
    };
    let told = |verb: &str, names: Vec<&str>| match names.as_slice() {
        [] => format!("{verb} nothing"),
        names => format!("{verb}: {}", names.join(", ")),
    };
    let (more, breaks) = (told("asks besides for", named(Weight::AsksForMore)), told("breaks", named(Weight::Breaks)));
    format!("{} in place of {} {more}; it {breaks}", new.label(), old.label())
}

fn table(changes: &[Change]) -> Table {
    let mut table = Table::new(&[("what", Align::Left), ("old", Align::Left), ("new", Align::Left), ("", Align::Left)]);
    for change in changes {
        table.row([change.what.clone(), change.old.clone(), change.new.clone(), change.weight.shown().to_owned()]);
    }
    table
}

const NOTHING: &str = "-";

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn value(&mut self, weight: Weight, what: impl Into<String>, old: impl Into<String>, new: impl Into<String>) {
        let (what, old, new) = (what.into(), old.into(), new.into());
        if old != new {
            self.0.push(Change { weight, what, old, new });
        }
    }

    /// Names that are only on one side.
    fn names(&mut self, what: &str, old: &BTreeSet<String>, new: &BTreeSet<String>, gone: Weight, come: Weight) {
        for name in old.difference(new) {
            self.value(gone, format!("{what} `{name}`"), "yes", NOTHING);
        }
        for name in new.difference(old) {
            self.value(come, format!("{what} `{name}`"), NOTHING, "yes");
        }
    }
}

fn changes(old: &PluginBinary, new: &PluginBinary) -> Vec<Change> {
    let mut changes = Changes::default();
    let (before, after) = (&old.manifest, &new.manifest);
    changes.value(Weight::AsksForMore, "name", before.name.as_str(), after.name.as_str());
    changes.value(Weight::Fine, "version", &before.version, &after.version);
    changes.value(Weight::Fine, "digest", old.digest.to_string(), new.digest.to_string());
    changes.value(Weight::Fine, "licence", &before.license, &after.license);
    changes.value(Weight::Fine, "size", bytes(old.report.bytes as u64), bytes(new.report.bytes as u64));
    let set = |names: &mut dyn Iterator<Item = &str>| -> BTreeSet<String> { names.map(str::to_owned).collect() };
    let can = |binary: &PluginBinary| set(&mut binary.report.authority().capabilities());
    changes.names("capability", &can(old), &can(new), Weight::Fine, Weight::AsksForMore);
    changes.names("alias", &aliases(before), &aliases(after), Weight::Fine, Weight::AsksForMore);
    let sides = |binary: &PluginBinary| set(&mut binary.report.sides());
    changes.names("export", &sides(old), &sides(new), Weight::Breaks, Weight::Fine);
    let others = |binary: &PluginBinary| {
        set(&mut binary.report.imports.iter().map(String::as_str).filter(|name| !name.starts_with("lockstep:")))
    };
    changes.names("import", &others(old), &others(new), Weight::Fine, Weight::Fine);
    changes.value(Weight::Fine, "contract", contract(old), contract(new));
    compare_config(&mut changes, before, after);
    for (side, old, new) in [
        ("source", &before.source, &after.source),
        ("sink", &before.sink, &after.sink),
        ("transform", &before.transform, &after.transform),
    ] {
        compare_properties(&mut changes, side, old, new);
    }
    changes.0.sort_by_key(|change| change.weight);
    changes.0
}

fn aliases(manifest: &Manifest) -> BTreeSet<String> {
    let named = manifest.aliases.iter();
    named.flat_map(|(capability, aliases)| aliases.iter().map(move |alias| format!("{capability}.{alias}"))).collect()
}

/// The versions of the contract it speaks: `0.1.0`.
fn contract(binary: &PluginBinary) -> String {
    let report = &binary.report;
    let ours = report.imports.iter().chain(&report.exports).filter(|name| name.starts_with("lockstep:"));
    let versions: BTreeSet<&str> = ours.filter_map(|name| Some(name.split_once('@')?.1)).collect();
    versions.into_iter().collect::<Vec<_>>().join(", ")
}

fn required(manifest: &Manifest) -> BTreeSet<&str> {
    let list = manifest.config.as_ref().and_then(|schema| schema.get("required")).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn compare_config(changes: &mut Changes, before: &Manifest, after: &Manifest) {
    let by_name = |keys: Vec<ConfigKey>| -> BTreeMap<String, ConfigKey> {
        keys.into_iter().map(|key| (key.name.clone(), key)).collect()
    };
    let (old, new) = (by_name(before.config_keys()), by_name(after.config_keys()));
    let (was, is) = (required(before), required(after));
    let told = |key: &ConfigKey, required: &BTreeSet<&str>| {
        let needed = if required.contains(key.name.as_str()) { ", required" } else { "" };
        format!("{}{needed}", key.kind)
    };
    for (name, key) in &old {
        let what = format!("config `{name}`");
        match new.get(name) {
            None => changes.value(Weight::Breaks, what, told(key, &was), NOTHING),
            Some(other) => {
                let newly_required = is.contains(name.as_str()) && !was.contains(name.as_str());
                let weight = if newly_required || other.kind != key.kind { Weight::Breaks } else { Weight::Fine };
                changes.value(weight, what, told(key, &was), told(other, &is));
                changes.value(Weight::Fine, format!("default of `{name}`"), &key.default, &other.default);
            }
        }
    }
    for (name, key) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let weight = if is.contains(name.as_str()) { Weight::Breaks } else { Weight::Fine };
        changes.value(weight, format!("config `{name}`"), NOTHING, told(key, &is));
    }
}

fn compare_properties(changes: &mut Changes, side: &str, old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) {
    let told = |value: Option<&Value>| value.map_or_else(|| NOTHING.to_owned(), Value::to_string);
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        changes.value(Weight::Fine, format!("{side} `{name}`"), told(old.get(name)), told(new.get(name)));
    }
}
