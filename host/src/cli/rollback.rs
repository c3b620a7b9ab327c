//! `rollback`: takes back what a run agreed on.

use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::context::select_hub;
use super::output::{Align, Answer, Block, Consent, Table, noun, shown};
use super::telling::Telling;
use super::{CliError, Context, Reply};
use crate::error::Result;
use crate::lineage::{Entry, EntryKind};
use crate::project::HubDef;
use crate::store::{HubStore, Run, RunFilter, RunId, RunKind, Store as _};
use crate::sync::{Book, Decision, RolledBack};

/// Changes that are shown.
const SHOWN: usize = 30;
/// Entries of the lineage read together.
const CHUNK: u32 = 5_000;

/// Take back what a run agreed on
///
/// Every field the run set is as it was before, unless somebody has set it since; records it made known are deleted, records it
/// deleted live again. The next run of the sync writes what follows, under the same rules as ever.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep history customer         shows the runs
  lockstep rollback 12
  lockstep rollback 12 --yes")]
pub struct RollbackArgs {
    /// The number of the run
    #[arg(value_name = "RUN")]
    pub run: i64,

    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

pub async fn run(args: &RollbackArgs, context: &Context) -> Result<Reply> {
    let project = context.project()?;
    let command = format!("rollback {}", args.run);
    let store = context.store(&format!("lockstep {command}"))?;
    let run = find(&store.runs(&RunFilter::default())?, RunId(args.run))?;
    let def = select_hub(&project, &run.sync, "rollback")?;
    // What it comes to is found out by doing it, to a copy of the state.
    let scratch = store.scratch_copy()?;
    let preview = Preview::of(&scratch, def, begin(context, &scratch, def)?.rollback(run.id)?)?;
    if preview.is_nothing() {
        let text = format!("run {} has left nothing that could be taken back", run.id);
        return Ok(Reply::done(vec![text.into()], preview.to_json(def, run.id)));
    }
    let consent = Consent::from_flag(args.yes);
    if consent == Consent::Ask {
        for block in preview.blocks(run.id, "would be") {
            context.output.show(&block);
            context.output.line("");
        }
    }
    let question = format!("take back run {} of `{}`", run.id, def.name);
    if context.output.confirm(consent, &question, &context.command(&command))? == Answer::No {
        return Ok(Reply::done(vec!["nothing was taken back".to_owned().into()], json!({"rolled_back": false})));
    }
    let telling = Telling::open(context, Arc::new(project.clone()));
    let outcome = told(context, &telling, &store, def, run.id);
    telling.close().await;
    let done = Preview { done: outcome?, ..preview };
    let next = context.command(&format!("plan {}", def.name));
    let mut blocks = if consent == Consent::Given { done.blocks(run.id, "are") } else { Vec::new() };
    blocks.push(Block::Text(format!(
        "run {} is taken back by run {}; nothing is written yet\nnext: `{next}`, then `{}`",
        run.id,
        done.done.run,
        context.command(&format!("run {}", def.name))
    )));
    Ok(Reply::done(blocks, done.to_json(def, run.id)))
}

fn find(runs: &[Run], id: RunId) -> Result<Run> {
    let found = runs.iter().find(|run| run.id == id).cloned();
    let hints = vec!["`lockstep history` shows the runs there have been".to_owned()];
    found.ok_or_else(|| CliError::NotThere { what: format!("there is no run {id}"), hints }.into())
}

fn begin<'a>(context: &Context, store: &'a dyn HubStore, def: &'a HubDef) -> Result<Decision<'a>> {
    Ok(Decision::begin(store, def, RunKind::Rollback, context.world.clock.now())?)
}

/// Takes a run back, and tells others of the run that did it.
fn told(
    context: &Context,
    telling: &Telling<'_>,
    store: &dyn HubStore,
    def: &HubDef,
    run: RunId,
) -> Result<RolledBack> {
    let decision = begin(context, store, def)?;
    let audience = telling.decision(def.name.as_str());
    audience.observer.began(decision.run(), context.world.clock.now());
    let outcome = decision.rollback(run);
    audience.decision_ended(outcome.as_ref().err());
    telling.show_warnings();
    Ok(outcome?)
}

/// What a rollback comes to.
struct Preview {
    done: RolledBack,
    changes: Vec<Change>,
    /// Changes there are, shown or not.
    total: usize,
    kept: Vec<(String, String)>,
}

/// One thing that is taken back.
struct Change {
    record: String,
    what: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Preview {
    fn of(store: &dyn HubStore, def: &HubDef, done: RolledBack) -> Result<Self> {
        let book = Book::open(store, def)?;
        let (mut changes, mut total, mut after) = (Vec::new(), 0, None);
        loop {
            let entries = store.lineage_of_run(done.run, after, CHUNK)?;
            let Some(last) = entries.last() else { break };
            after = Some(last.id);
            for stored in &entries {
                let Some(entry) = Entry::decode(&stored.body).filter(|entry| entry.kind == EntryKind::Rollback) else {
                    continue;
                };
                total += entry.items.len().max(1);
                if changes.len() < SHOWN {
                    changes.extend(changes_of(&book, &name(&book, stored.record)?, &entry));
                }
            }
        }
        changes.truncate(SHOWN);
        let mut kept = Vec::new();
        for (record, field) in &done.kept {
            kept.push((name(&book, *record)?, field.clone()));
        }
        Ok(Self { done, changes, total, kept })
    }

    fn is_nothing(&self) -> bool {
        self.done.fields == 0 && self.done.records == 0 && self.kept.is_empty()
    }

    fn blocks(&self, run: RunId, verb: &str) -> Vec<Block> {
        let fields = noun(self.done.fields, "field", "fields");
        let records = noun(self.done.records, "record", "records");
        let mut blocks =
            vec![Block::Text(format!("of run {run}, {fields} and {records} that came or went {verb} taken back"))];
        if !self.changes.is_empty() {
            let columns = ["record", "what", "now", "then"].map(|title| (title, Align::Left));
            let mut table = Table::new(&columns);
            for change in &self.changes {
                let (before, after) = (shown(change.before.as_ref()), shown(change.after.as_ref()));
                table.row([change.record.clone(), change.what.clone(), before, after]);
            }
            blocks.push(Block::Table(table));
        }
        let left = self.total.saturating_sub(self.changes.len());
        blocks.extend(
            (left > 0).then(|| Block::Text(format!("and {}", noun(left as u64, "more change", "more changes")))),
        );
        if !self.kept.is_empty() {
            let mut table = Table::new(&[("kept, changed since", Align::Left), ("field", Align::Left)]);
            for (record, field) in self.kept.iter().take(SHOWN) {
                table.row([record.clone(), field.clone()]);
            }
            blocks.push(Block::Table(table));
            let since: Vec<String> = self.done.since.iter().map(ToString::to_string).collect();
            let total = noun(self.kept.len() as u64, "field", "fields");
            blocks.push(Block::Text(format!("{total} changed since, by run {}", since.join(", "))));
        }
        blocks
    }

    fn to_json(&self, def: &HubDef, run: RunId) -> Value {
        let change = |change: &Change| json!({"record": change.record, "what": change.what, "before": change.before, "after": change.after});
        json!({
            "rolled_back": !self.is_nothing(),
            "sync": def.name,
            "run": run,
            "by_run": self.done.run,
            "fields": self.done.fields,
            "records": self.done.records,
            "changes": self.changes.iter().map(change).collect::<Vec<_>>(),
            "kept": self.kept.iter().map(|(record, field)| json!({"record": record, "field": field})).collect::<Vec<_>>(),
            "changed_since_by": self.done.since,
        })
    }
}

/// `#7 crm 17`.
fn name(book: &Book<'_>, record: crate::store::RecordId) -> Result<String> {
    let state = book.record(record)?;
    let sides = state.iter().flat_map(|state| book.def.endpoints.iter().zip(&state.sides));
    let key = sides
        .filter_map(|(endpoint, side)| Some(format!(" {} {}", endpoint.name, book.remote_text(side.link.remote()?))));
    Ok(format!("#{}{}", record.0, key.collect::<Vec<_>>().join(",")))
}

fn changes_of(book: &Book<'_>, record: &str, entry: &Entry) -> Vec<Change> {
    if entry.items.is_empty() {
        let what = if entry.note == "taken back" { "lives again" } else { "deleted everywhere: it was new" };
        return vec![Change { record: record.to_owned(), what: what.to_owned(), before: None, after: None }];
    }
    let change = |item: &crate::lineage::Item| {
        let field = book.entity.get(item.field)?;
        let json = |value: &Option<crate::record::Value>| Some(value.as_ref()?.to_json(field.logical));
        Some(Change {
            record: record.to_owned(),
            what: field.name.clone(),
            before: json(&item.before),
            after: json(&item.after),
        })
    };
    entry.items.iter().filter_map(change).collect()
}
