//! `lineage`: the record of who set what, as a whole.

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::noun;
use super::{CliError, Context, Reply};
use crate::error::Result;
use crate::store::{HubStore as _, LineageId, verify_chain};

/// Entries read together.
const CHUNK: u32 = 10_000;

/// Look after the lineage: who set which field to what, when and why
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep lineage verify")]
pub struct LineageArgs {
    #[command(subcommand)]
    pub verb: LineageVerb,
}

#[derive(Debug, Subcommand)]
pub enum LineageVerb {
    /// Compute the hashes of all entries again: none was changed, taken out, put in or moved
    Verify,
}

impl LineageVerb {
    /// As it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Verify => "lineage verify",
        }
    }
}

pub async fn run(args: &LineageArgs, context: &Context) -> Result<Reply> {
    match args.verb {
        LineageVerb::Verify => verify(context),
    }
}

fn verify(context: &Context) -> Result<Reply> {
    let project = context.project()?;
    let store = context.store_to_read()?;
    let (mut head, mut entries, mut last) = ([0; 32], 0_u64, None);
    loop {
        let chunk = store.lineage_after(last, CHUNK)?;
        let Some(entry) = chunk.last() else { break };
        last = Some(entry.id);
        entries += chunk.len() as u64;
        head = verify_chain(chunk.into_iter(), head).map_err(CliError::LineageBroken)?;
    }
    // A chain proves nothing about what was cut off behind its end; every hub remembers how far it got.
    let last = last.unwrap_or(LineageId(0)).0;
    let mut expected = 0;
    for sync in project.syncs_in_order() {
        expected = expected.max(store.hub_state(sync.name().as_str(), &[])?.next_lineage.0 - 1);
    }
    if last < expected {
        return Err(CliError::LineageCut { last, expected }.into());
    }
    let head: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(
        "{} in one unbroken chain\nhead: {head}\nwhoever keeps the head can prove later that nothing before it was changed",
        noun(entries, "entry", "entries")
    );
    Ok(Reply::done(vec![text.into()], json!({"entries": entries, "head": head})))
}
