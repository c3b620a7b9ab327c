//! `plugin build` and `plugin pack`: components with their manifest.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::to_json;
use crate::cli::output::{Align, Block, Table, bytes, elapsed};
use crate::cli::{Context, Reply};
use crate::error::Result;
use crate::kit::{self, KitError, Wish};
use crate::plugin::{PluginBinary, pack as pack_component};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin build
  lockstep plugin build crm --install")]
pub struct BuildArgs {
    /// The plugin's folder [default: that of --project]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Where the component goes [default: NAME.wasm in the plugin's folder]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// First install the tools that the plugin's own files pin, inside of its folder
    #[arg(long)]
    pub install: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  lockstep plugin pack component.wasm --manifest plugin.toml -o crm.wasm")]
pub struct PackArgs {
    /// A component, from any tool
    pub component: PathBuf,

    /// The manifest it gets, in place of one it has
    #[arg(long, value_name = "FILE", default_value = kit::MANIFEST_FILE)]
    pub manifest: PathBuf,

    /// Where the plugin goes
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
}

impl BuildArgs {
    pub(super) fn wish(&self, context: &Context) -> Wish {
        let dir = self.dir.clone().unwrap_or_else(|| context.folder().to_owned());
        Wish { dir, out: self.out.clone(), install: self.install }
    }
}

pub(super) fn run(args: &BuildArgs, context: &Context) -> Result<Reply> {
    let wish = args.wish(context);
    let clock = &context.world.clock;
    let before = clock.elapsed();
    let built = kit::build(&wish)?;
    let took = clock.elapsed().saturating_sub(before);
    let mut facts = facts(&built.binary, &built.path.display().to_string());
    facts.row(["built in".to_owned(), format!("{} from {}", elapsed(took), built.language.name())]);
    if built.pinned {
        facts.row(["pinned".to_owned(), "in the lockstep.lock beside it".to_owned()]);
    }
    Ok(Reply::done(vec![head(&built.binary), Block::Table(facts)], result(&built.binary, &built.path, Some(took))))
}

pub(super) fn pack(args: &PackArgs) -> Result<Reply> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|source| KitError::Read { path: path.clone(), source });
    let component = read(&args.component)?;
    let manifest = String::from_utf8(read(&args.manifest)?).map_err(|_| KitError::Manifest {
        path: args.manifest.clone(),
        reason: "it is not UTF-8".to_owned(),
        hint: None,
    })?;
    let packed = pack_component(&args.component.display().to_string(), &component, &manifest)?;
    kit::put(&args.out, &packed)?;
    let facts = facts(&packed.binary, &args.out.display().to_string());
    Ok(Reply::done(vec![head(&packed.binary), Block::Table(facts)], result(&packed.binary, &args.out, None)))
}

fn head(binary: &PluginBinary) -> Block {
    Block::Text(format!(
        "{}: {}\n{}",
        binary.label(),
        binary.manifest.description,
        binary.report.authority().sentence()
    ))
}

pub(super) fn facts(binary: &PluginBinary, path: &str) -> Table {
    let report = &binary.report;
    let listed = |names: Vec<&str>| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    let mut facts = Table::new(&[("", Align::Left), ("", Align::Left)]);
    facts.row(["file".to_owned(), path.to_owned()]);
    facts.row(["size".to_owned(), format!("{}, {} functions", bytes(report.bytes as u64), report.functions)]);
    facts.row(["exports".to_owned(), listed(report.sides().collect())]);
    facts.row(["may use".to_owned(), listed(report.authority().capabilities().collect())]);
    facts
}

fn result(binary: &PluginBinary, path: &std::path::Path, took: Option<Duration>) -> Value {
    json!({
        "path": path.display().to_string(),
        "plugin": to_json(binary),
        "seconds": took.map(|took| took.as_secs_f64()),
    })
}
