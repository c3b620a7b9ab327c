//! `merge`: two records that are one.

use clap::Args;
use serde_json::{Value, json};

use super::context::select_hub;
use super::output::{Align, Answer, Block, Consent, Table, noun, shown};
use super::why::{nobody, several_records};
use super::{Context, Reply};
use crate::error::Result;
use crate::project::{HubDef, Project, SyncDef};
use crate::store::{HubStore, RecordId, RunKind};
use crate::sync::{Book, Decision, Leftovers, Merged, SyncError};

/// Say that two records are one
///
/// The loser's copies become the survivor's in systems where that has none. Where both have one, the loser's goes the way of deleted
/// records. What the survivor says counts; where it says nothing, the loser's value does. The next run writes what follows.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep merge customer ann@example.com crm:17       the second becomes a part of the first
  lockstep merge customer '#3' '#7' --leave            copies that are one too many stay, and are no longer kept in agreement
  lockstep rollback 12                                 takes the merge back that was run 12")]
pub struct MergeArgs {
    /// The hub
    #[arg(value_name = "ENTITY")]
    pub entity: String,

    /// The record that stays: by what records are matched by, by its key in a system (`crm:17`), or by its number (`#3`)
    #[arg(value_name = "SURVIVOR")]
    pub survivor: String,

    /// The record that becomes a part of it
    #[arg(value_name = "LOSER")]
    pub loser: String,

    /// Leave the loser's copies alone in systems where both have one, whatever the hub says about deletes
    #[arg(long)]
    pub leave: bool,

    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

pub async fn run(args: &MergeArgs, context: &Context) -> Result<Reply> {
    let project = context.project()?;
    let def = select_hub(&project, &args.entity, "merge")?;
    let leave = if args.leave { " --leave" } else { "" };
    let command = format!("merge {} '{}' '{}'{leave}", def.name, args.survivor, args.loser);
    let store = context.store(&format!("lockstep {command}"))?;
    let pair = Pair {
        context,
        project: &project,
        def,
        survivor: find(context, &store, def, &args.survivor)?,
        loser: find(context, &store, def, &args.loser)?,
        leftovers: if args.leave { Leftovers::Leave } else { Leftovers::AsDeletes },
    };
    // What it comes to is found out by doing it, to a copy of the state.
    let scratch = store.scratch_copy()?;
    let names = pair.names(&scratch)?;
    let (preview, referring) = pair.merge(&scratch)?;
    let consent = Consent::from_flag(args.yes);
    if consent == Consent::Ask {
        context.output.show(&pair.table(&scratch, &preview, referring)?);
        context.output.line("");
    }
    let question = format!("merge {} into {}", names.1, names.0);
    if context.output.confirm(consent, &question, &context.command(&command))? == Answer::No {
        return Ok(Reply::done(vec!["nothing was merged".to_owned().into()], json!({"merged": false})));
    }
    let (merged, referring) = pair.merge(&store)?;
    let mut blocks = Vec::new();
    if consent == Consent::Given {
        blocks.push(pair.table(&store, &merged, referring)?);
    }
    blocks.push(Block::Text(format!(
        "{} is merged into {} by run {}; nothing is written yet\nnext: `{}`, then `{}`",
        names.1,
        names.0,
        merged.run,
        context.command(&format!("plan {}", def.name)),
        context.command(&format!("run {}", def.name))
    )));
    Ok(Reply::done(blocks, pair.to_json(&store, &merged, referring)?))
}

fn find(context: &Context, store: &dyn HubStore, def: &HubDef, key: &str) -> Result<RecordId> {
    let book = Book::open(store, def)?;
    match book.find(key)?.as_slice() {
        [record] if book.record(*record)?.is_some() => Ok(*record),
        [] | [_] => Err(nobody(context, def, key, &book)),
        several => Err(several_records(context, def, key, several)),
    }
}

/// Who is merged into whom.
struct Pair<'a> {
    context: &'a Context,
    project: &'a Project,
    def: &'a HubDef,
    survivor: RecordId,
    loser: RecordId,
    leftovers: Leftovers,
}

impl Pair<'_> {
    /// Merges, and has what refers to the loser refer to the survivor. Answers how many records did.
    fn merge(&self, store: &dyn HubStore) -> Result<(Merged, u64)> {
        let now = || self.context.world.clock.now();
        let hubs = || self.project.syncs_in_order().filter_map(SyncDef::as_hub);
        let name = self.def.name.as_str();
        let mut referring = Vec::new();
        for hub in hubs().filter(|_| self.survivor != self.loser) {
            let found = Book::open(store, hub)?.referring(name, self.loser)?.len() as u64;
            referring.extend((found > 0).then_some((hub, found)));
        }
        let merged = Decision::begin(store, self.def, RunKind::Decision, now())?.merge(
            self.survivor,
            self.loser,
            self.leftovers,
        )?;
        let goes = merged.left.iter().find(|(_, _, how)| *how != "left alone");
        if let (Some((endpoint, _, how)), Some((hub, found))) = (goes, referring.first()) {
            return Err(SyncError::StillReferred {
                record: self.loser.0,
                referring: format!("{} of `{}`", noun(*found, "record", "records"), hub.name),
                endpoint: endpoint.clone(),
                how: (*how).to_owned(),
            }
            .into());
        }
        let mut repointed = 0;
        for (hub, _) in referring {
            let decision = Decision::begin(store, hub, RunKind::Decision, now())?;
            repointed += decision.repoint(name, self.loser, self.survivor)?;
        }
        Ok((merged, repointed))
    }

    /// Both as people know them, before they are one.
    fn names(&self, store: &dyn HubStore) -> Result<(String, String)> {
        let book = Book::open(store, self.def)?;
        let name = |record: RecordId| -> Result<String> {
            let state = book.record(record)?;
            let sides = state.iter().flat_map(|state| self.def.endpoints.iter().zip(&state.sides));
            let keys: Vec<String> = sides
                .filter_map(|(end, side)| Some(format!("{} {}", end.name, book.remote_text(side.link.remote()?))))
                .collect();
            Ok(format!("#{} ({})", record.0, keys.join(", ")))
        };
        Ok((name(self.survivor)?, name(self.loser)?))
    }

    fn table(&self, store: &dyn HubStore, merged: &Merged, referring: u64) -> Result<Block> {
        let book = Book::open(store, self.def)?;
        let mut table = Table::new(&[("what", Align::Left), ("", Align::Left), ("becomes", Align::Left)]);
        for (endpoint, remote) in &merged.moved {
            let copy = format!("{endpoint} {}", book.remote_text(remote));
            table.row(["copy".to_owned(), copy, format!("the copy of #{}", self.survivor.0)]);
        }
        for (endpoint, remote, how) in &merged.left {
            table.row(["copy".to_owned(), format!("{endpoint} {}", book.remote_text(remote)), (*how).to_owned()]);
        }
        for (field, value) in &merged.filled {
            let Some(field) = book.entity.get(*field) else { continue };
            let value = shown(Some(&value.to_json(field.logical)));
            table.row(["field".to_owned(), field.name.clone(), format!("{value}, of #{}", self.loser.0)]);
        }
        if referring > 0 {
            let records = noun(referring, "record refers", "records refer");
            table.row([
                "references".to_owned(),
                format!("{records} to #{}", self.loser.0),
                format!("to #{}", self.survivor.0),
            ]);
        }
        Ok(table.into())
    }

    fn to_json(&self, store: &dyn HubStore, merged: &Merged, referring: u64) -> Result<Value> {
        let book = Book::open(store, self.def)?;
        let moved =
            |(endpoint, remote): &(String, Vec<u8>)| json!({"endpoint": endpoint, "key": book.remote_text(remote)});
        let left = |(endpoint, remote, how): &(String, Vec<u8>, &'static str)| json!({"endpoint": endpoint, "key": book.remote_text(remote), "becomes": how});
        let filled = |(field, value): &(usize, crate::record::Value)| {
            let field = book.entity.get(*field)?;
            Some(json!({"field": field.name, "value": value.to_json(field.logical)}))
        };
        Ok(json!({
            "merged": true,
            "sync": self.def.name,
            "run": merged.run,
            "survivor": self.survivor.0,
            "loser": self.loser.0,
            "moved": merged.moved.iter().map(moved).collect::<Vec<_>>(),
            "left": merged.left.iter().map(left).collect::<Vec<_>>(),
            "filled": merged.filled.iter().filter_map(filled).collect::<Vec<_>>(),
            "referring": referring,
        }))
    }
}
