//! `conflicts`: what systems disagree about, and what becomes of it.

use std::collections::BTreeMap;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::assignment::Assignment;
use super::context::select_hub;
use super::output::{Align, Table, shown_key, time};
use super::{Context, Reply};
use crate::error::Result;
use crate::record::LogicalType;
use crate::store::{
    Conflict, ConflictFilter, ConflictId, ConflictKind, ConflictState, HubStore as _, RecordId, RunKind,
};
use crate::sync::{Book, Decision, Resolution, SyncError};

mod show;

/// Decide what systems disagree about
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep conflicts list
  lockstep conflicts show 3
  lockstep conflicts resolve 3 --take incoming
  lockstep conflicts resolve 3 --set name=Ann
  lockstep conflicts resolve 4 --link 17")]
pub struct ConflictsArgs {
    #[command(subcommand)]
    pub verb: ConflictsVerb,
}

#[derive(Debug, Subcommand)]
pub enum ConflictsVerb {
    /// List those that wait for a person
    List {
        /// Only those of this sync
        #[arg(value_name = "SYNC")]
        sync: Option<String>,
        /// Also those that are decided, with the values that lost
        #[arg(long)]
        all: bool,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show one: the values, who says so since when, and how it can end
    Show {
        /// As `conflicts list` shows it
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Decide one; the next run writes what follows
    Resolve(ResolveArgs),
}

#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// As `conflicts list` shows it
    #[arg(value_name = "ID")]
    pub id: i64,

    #[command(flatten)]
    pub end: End,
}

/// How a conflict is to end.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct End {
    /// Which of the two values counts
    #[arg(long, value_name = "WHICH", value_enum)]
    pub take: Option<Take>,

    /// Neither: this value; once for each field that is to change
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<Assignment>,

    /// The record stays, or comes back
    #[arg(long)]
    pub keep: bool,

    /// The record goes
    #[arg(long)]
    pub delete: bool,

    /// It is this record, by its number
    #[arg(long, value_name = "RECORD", value_parser = record_number)]
    pub link: Option<i64>,

    /// It is a record of its own
    #[arg(long)]
    pub new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Take {
    /// What is agreed stays
    Current,
    /// What came in counts
    Incoming,
}

/// `17` or `#17`.
fn record_number(text: &str) -> Result<i64, String> {
    text.trim_start_matches('#').parse().map_err(|_| "it is the number of a record".to_owned())
}

impl ConflictsVerb {
    /// As it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "conflicts list",
            Self::Show { .. } => "conflicts show",
            Self::Resolve(_) => "conflicts resolve",
        }
    }
}

pub async fn run(args: &ConflictsArgs, context: &Context) -> Result<Reply> {
    match &args.verb {
        ConflictsVerb::List { sync, all, limit } => {
            let state = (!all).then_some(ConflictState::Open);
            list(context, sync.clone(), state, *limit)
        }
        ConflictsVerb::Show { id } => show::run(context, ConflictId(*id)),
        ConflictsVerb::Resolve(args) => resolve(context, args),
    }
}

fn list(context: &Context, sync: Option<String>, state: Option<ConflictState>, limit: u32) -> Result<Reply> {
    let store = context.store_to_read()?;
    let filter = ConflictFilter { sync, state, limit: Some(limit), ..ConflictFilter::default() };
    let conflicts = store.conflicts(&filter)?;
    let result = json!({"conflicts": conflicts.iter().map(to_json).collect::<Vec<_>>()});
    if conflicts.is_empty() {
        let text = if state.is_some() { "no conflict waits for a person" } else { "there was no conflict yet" };
        return Ok(Reply::done(vec![text.to_owned().into()], result));
    }
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("sync", Align::Left),
        ("kind", Align::Left),
        ("record", Align::Left),
        ("what", Align::Left),
        ("since", Align::Left),
        ("state", Align::Left),
    ]);
    for conflict in &conflicts {
        let (record, what) = summary(conflict);
        table.row([
            conflict.id.0.to_string(),
            conflict.conflict.sync.clone(),
            conflict.conflict.kind.name().to_owned(),
            record,
            what,
            time(conflict.at),
            conflict.conflict.state.name().to_owned(),
        ]);
    }
    Ok(Reply::done(vec![table.into()], result))
}

/// Whom a conflict is about, and what about them, in a few words.
pub(super) fn summary(conflict: &Conflict) -> (String, String) {
    let body = body(conflict);
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let record = match text("key") {
        key if key.is_empty() => format!("#{}", conflict.conflict.record.0),
        key => format!("{} {}", text("endpoint"), shown_key(&key)),
    };
    (record, show::what(conflict, &body))
}

fn body(conflict: &Conflict) -> Value {
    serde_json::from_str(&conflict.conflict.body).unwrap_or_default()
}

/// With everything that is known about it.
pub(super) fn to_json(conflict: &Conflict) -> Value {
    let resolution: Value =
        conflict.conflict.resolution.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    json!({
        "id": conflict.id.0,
        "sync": conflict.conflict.sync,
        "record": conflict.conflict.record.0,
        "kind": conflict.conflict.kind.name(),
        "state": conflict.conflict.state.name(),
        "subject": conflict.conflict.subject,
        "run": conflict.run,
        "since": conflict.at,
        "closed_at": conflict.closed_at,
        "details": body(conflict),
        "resolution": resolution,
    })
}

fn resolve(context: &Context, args: &ResolveArgs) -> Result<Reply> {
    let project = context.project()?;
    let store = context.store(&format!("lockstep conflicts resolve {}", args.id))?;
    let conflict = store.conflict(ConflictId(args.id))?;
    let def = select_hub(&project, &conflict.conflict.sync, "conflicts resolve")?;
    if conflict.conflict.state != ConflictState::Open {
        return Err(
            SyncError::ConflictClosed { conflict: args.id, state: conflict.conflict.state.name().to_owned() }.into()
        );
    }
    let book = Book::open(&store, def)?;
    let resolution = resolution(&args.end, &book);
    let decision = Decision::begin(&store, def, RunKind::Decision, context.world.clock.now())?;
    let record = decision.resolve(conflict.id, &resolution)?;
    let next = context.command(&format!("run {}", def.name));
    let (name, what) = summary(&conflict);
    let text = format!("decided: {name}: {what}\nnext: `{next}`");
    let result = json!({
        "conflict": args.id, "sync": def.name, "record": record.0, "kind": conflict.conflict.kind.name(), "next": next,
    });
    Ok(Reply::done(vec![text.into()], result))
}

fn resolution(end: &End, book: &Book<'_>) -> Resolution {
    let logical = |field: &str| {
        book.entity.iter().find(|known| known.name == field).map_or(LogicalType::Text, |known| known.logical)
    };
    match end {
        End { take: Some(Take::Current), .. } => Resolution::Current,
        End { take: Some(Take::Incoming), .. } => Resolution::Incoming,
        End { keep: true, .. } => Resolution::Keep,
        End { delete: true, .. } => Resolution::Delete,
        End { link: Some(record), .. } => Resolution::Link(RecordId(*record)),
        End { new: true, .. } => Resolution::New,
        End { set, .. } => {
            let values = set.iter().map(|set| (set.field.clone(), set.json(logical(&set.field))));
            Resolution::Values(values.collect::<BTreeMap<_, _>>())
        }
    }
}

/// The ways a conflict can end, as they are typed.
fn ways(conflict: &Conflict, body: &Value) -> Vec<String> {
    let values = |name: &str| body.get(name).and_then(Value::as_object).into_iter().flatten();
    match conflict.conflict.kind {
        ConflictKind::Field | ConflictKind::Oscillation => {
            let field = values("incoming").chain(values("current")).next().map_or("FIELD", |(name, _)| name);
            vec!["--take current".into(), "--take incoming".into(), format!("--set {field}=VALUE")]
        }
        ConflictKind::Delete => vec!["--keep".into(), "--delete".into()],
        // The record it equals has its copy there already.
        ConflictKind::Duplicate => vec!["--new".into()],
        ConflictKind::Match => {
            let candidates = body.get("candidates").and_then(Value::as_array).into_iter().flatten();
            let records = candidates.filter_map(|candidate| candidate.get("record")?.as_i64());
            records.map(|record| format!("--link {record}")).chain(["--new".to_owned()]).collect()
        }
    }
}
