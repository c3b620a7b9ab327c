//! `doctor`: whether this machine has what Lockstep needs.

use clap::Args;
use serde_json::json;

use super::output::{Align, Table};
use super::{Context, Reply};
use crate::error::{Error, Result};
use crate::plugin::{Catalog, Limits};
use crate::store::{SqliteStore, Store as _};

/// Find out what is wrong with this machine, this folder or this project
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep doctor\n  lockstep --project shop doctor")]
pub struct DoctorArgs {}

/// What was looked at, and what was found.
struct Finding {
    what: &'static str,
    found: std::result::Result<String, Error>,
}

pub async fn run(_args: &DoctorArgs, context: &Context) -> Result<Reply> {
    let mut findings = vec![
        Finding {
            what: "version",
            found: Ok(format!("lockstep {}, {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)),
        },
        Finding { what: "bundled plugins", found: bundled() },
        Finding { what: "project", found: context.project().map(|project| format!("`{}`", project.name)) },
    ];
    if context.project().is_ok() {
        findings.push(Finding { what: "plugins", found: plugins(context) });
        findings.push(Finding { what: "secrets", found: secrets(context) });
        findings.push(Finding { what: "state", found: state(context) });
    }
    let mut table = Table::new(&[("", Align::Left), ("", Align::Left), ("", Align::Left)]);
    for finding in &findings {
        let (mark, text) = match &finding.found {
            Ok(text) => ("ok", text.clone()),
            Err(error) => ("PROBLEM", format!("{}: {error}", error.code().id)),
        };
        table.row([mark.to_owned(), finding.what.to_owned(), text]);
    }
    let result = json!({"findings": findings.iter().map(|finding| json!({
        "what": finding.what,
        "ok": finding.found.is_ok(),
        "text": finding.found.as_ref().map_or_else(ToString::to_string, Clone::clone),
    })).collect::<Vec<_>>()});
    let errors: Vec<Error> = findings.into_iter().filter_map(|finding| finding.found.err()).collect();
    if errors.is_empty() {
        return Ok(Reply::done(vec![table.into()], result));
    }
    Ok(Reply::attention(vec![table.into()], result, errors))
}

fn bundled() -> Result<String> {
    let catalog = Catalog::new(lockstep_bundle::PLUGINS);
    let mut labels = Vec::new();
    for name in catalog.names() {
        labels.push(catalog.bundled(name, &Limits::default())?.label());
    }
    Ok(labels.join(", "))
}

/// Loading compiles what is not in the cache yet.
fn plugins(context: &Context) -> Result<String> {
    let mut assembly = context.assembly_to_read()?;
    let project = assembly.project().clone();
    let mut labels = Vec::new();
    for connection in project.connections_in_order() {
        labels.push(format!("{}: {}", connection.name, assembly.connector(&connection.name)?.label()));
    }
    Ok(labels.join("\n"))
}

fn secrets(context: &Context) -> Result<String> {
    let project = context.project()?;
    let mut count = 0;
    for secret in project.secrets() {
        secret.resolve()?;
        count += 1;
    }
    Ok(super::output::noun(count, "secret is there", "secrets are there"))
}

fn state(context: &Context) -> Result<String> {
    let store = SqliteStore::open_read_only(context.folder())?;
    let syncs = store.syncs()?;
    Ok(super::output::noun(syncs.len() as u64, "sync has run", "syncs have run"))
}
