//! `why`: where a record's values come from.

use clap::Args;
use serde_json::{Value, json};

use super::context::select_hub;
use super::output::shown;
use super::{CliError, Context, Reply};
use crate::error::Result;
use crate::project::{ConflictPolicy, HubDef, HubField, Others};
use crate::record::{Field, Value as FieldValue};
use crate::resolve::{RecordState, Verdict};
use crate::store::{HubStore, RecordId};
use crate::sync::{Book, Step};

mod chain;
mod record;

/// Show where a record's values come from
///
/// Without a field: every field with who set it, and every system's copy. With a field: everything that happened to it, the newest
/// first, with the values that lost.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep why customer ann@example.com            by what records are matched by
  lockstep why customer ann@example.com.name       one field
  lockstep why customer crm:17.name                by its key in a system
  lockstep why customer '#7'                       by its number")]
pub struct WhyArgs {
    /// The hub
    #[arg(value_name = "ENTITY")]
    pub entity: String,

    /// The record, and a field of it behind a dot
    #[arg(value_name = "KEY[.FIELD]")]
    pub key: String,
}

pub async fn run(args: &WhyArgs, context: &Context) -> Result<Reply> {
    let project = context.project()?;
    let def = select_hub(&project, &args.entity, "why")?;
    let store = context.store_to_read()?;
    let book = Book::open(&store, def)?;
    let (key, field) = find(&book, &args.key)?;
    let (records, key) = key;
    let record = match records.as_slice() {
        [record] => *record,
        [] => return Err(nobody(context, def, key, &book)),
        several => return Err(several_records(context, def, key, several)),
    };
    let Some(state) = book.record(record)? else { return Err(nobody(context, def, key, &book)) };
    let view = View { context, store: &store, book: &book, def, record, state: &state };
    match field {
        None => record::reply(&view),
        Some(field) => chain::reply(&view, field),
    }
}

/// What is looked at.
struct View<'a> {
    context: &'a Context,
    store: &'a dyn HubStore,
    book: &'a Book<'a>,
    def: &'a HubDef,
    record: RecordId,
    state: &'a RecordState,
}

type Found<'a> = ((Vec<RecordId>, &'a str), Option<usize>);

/// The records somebody means, by which part of the text, and the field. A key may have dots of its own: the field is what stands
/// behind the last one only if there is such a field, and a record of such a key.
fn find<'a>(book: &Book<'_>, text: &'a str) -> Result<Found<'a>> {
    if let Some((key, field)) = split(book, text) {
        let records = book.find(key)?;
        if !records.is_empty() {
            return Ok(((records, key), Some(field)));
        }
    }
    Ok(((book.find(text)?, text), None))
}

fn split<'a>(book: &Book<'_>, text: &'a str) -> Option<(&'a str, usize)> {
    let (key, field) = text.rsplit_once('.')?;
    Some((key, book.place(field)?))
}

pub(super) fn nobody(context: &Context, def: &HubDef, key: &str, book: &Book<'_>) -> crate::error::Error {
    let endpoint = def.endpoints.first().map_or("crm", |endpoint| endpoint.name.as_str());
    let mut hints = vec![format!(
        "a key is what records are matched by, or an id with its system: `{}`",
        context.command(&format!("why {} {endpoint}:17", def.name))
    )];
    if book.entity.is_empty() {
        hints.insert(
            0,
            format!("`{}` has not been run yet: `{}`", def.name, context.command(&format!("run {}", def.name))),
        );
    }
    CliError::NotThere { what: format!("`{}` has no record `{key}`", def.name), hints }.into()
}

pub(super) fn several_records(context: &Context, def: &HubDef, key: &str, records: &[RecordId]) -> crate::error::Error {
    let known: Vec<String> = records.iter().map(|record| format!("#{}", record.0)).collect();
    let hints = known.iter().map(|number| format!("`{}`", context.command(&format!("why {} '{number}'", def.name))));
    CliError::Ambiguous { kind: "record", name: key.to_owned(), hints: hints.collect(), known }.into()
}

/// A value by the field it is of.
fn json_of(field: Option<&Field>, value: Option<&FieldValue>) -> Option<Value> {
    Some(value?.to_json(field?.logical))
}

fn text_of(field: Option<&Field>, value: Option<&FieldValue>) -> String {
    shown(json_of(field, value).as_ref())
}

/// How a value came to be agreed, in plain words.
fn how(step: &Step, field: usize, policy: &str) -> String {
    let verdict = step.entry.items.iter().find(|item| item.field == field).and_then(|item| item.verdict);
    let note = &step.entry.note;
    match verdict {
        Some(Verdict::First) => "nobody had said anything before".to_owned(),
        Some(Verdict::Taken) => "changed there".to_owned(),
        Some(Verdict::Won) => format!("two changes; it won by {policy}"),
        Some(Verdict::Lost) => format!("two changes; it lost by {policy}"),
        Some(Verdict::Spare) => "it was a second copy; what was agreed stays".to_owned(),
        Some(Verdict::Merged) => format!("two changes; both were made ({policy})"),
        Some(Verdict::Held) => "two changes; a person decides".to_owned(),
        Some(Verdict::Restored) => format!("not its field ({policy}); it is undone"),
        Some(Verdict::Ignored) => "its own form of the value".to_owned(),
        Some(Verdict::Quarantined) => "it goes back and forth; a person decides".to_owned(),
        None => person(note, step),
    }
}

fn person(note: &str, step: &Step) -> String {
    match (step.entry.kind.name(), note) {
        ("person", "incoming") => "a conflict was decided: what came in".to_owned(),
        ("person", "current") => "a conflict was decided: as agreed".to_owned(),
        ("person", "values") => "a conflict was decided: other values".to_owned(),
        ("rollback", _) => "a run was taken back".to_owned(),
        ("merged", note) => merged(note).unwrap_or_else(|| "two records were merged".to_owned()),
        (kind, "") => kind.to_owned(),
        (_, note) => note.to_owned(),
    }
}

fn merged(note: &str) -> Option<String> {
    let note: Value = serde_json::from_str(note).ok()?;
    Some(note.get("text")?.as_str()?.to_owned())
}

/// Who may set a field, or how two changes are decided about.
fn policy(field: Option<&HubField>) -> String {
    let Some(field) = field else { return "no policy: the project no longer has this field".to_owned() };
    if let Some(owner) = &field.owner {
        let others = match owner.others {
            Others::Restore => "restored",
            Others::Ignore => "ignored",
        };
        return format!("owner {}, others are {others}", owner.endpoint);
    }
    match &field.conflict {
        ConflictPolicy::Manual => "manual".to_owned(),
        ConflictPolicy::Priority(names) => format!("priority {}", names.join(", ")),
        ConflictPolicy::Newest => "newest".to_owned(),
        ConflictPolicy::Counter => "counter".to_owned(),
        ConflictPolicy::Set { .. } => "set".to_owned(),
        ConflictPolicy::Resolver(resolver) => format!("resolver {}", resolver.plugin),
    }
}

/// What a record is known by in each system.
fn key_json(view: &View<'_>) -> Value {
    let sides = view.def.endpoints.iter().zip(&view.state.sides);
    let keys = sides.filter_map(|(endpoint, side)| {
        Some((endpoint.name.clone(), json!(view.book.remote_text(side.link.remote()?))))
    });
    Value::Object(keys.collect())
}

/// `#7 (crm 17, erp 4)`.
fn known_as(view: &View<'_>) -> String {
    let sides = view.def.endpoints.iter().zip(&view.state.sides);
    let keys: Vec<String> = sides
        .filter_map(|(endpoint, side)| {
            Some(format!("{} {}", endpoint.name, view.book.remote_text(side.link.remote()?)))
        })
        .collect();
    format!("#{} ({})", view.record.0, keys.join(", "))
}
