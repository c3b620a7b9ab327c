//! `dead-letters edit`: a letter's values are corrected.
//!
//! Of a mirror, what is sent again is the record as it was kept, with other values; the source keeps its own. Of a hub, what an
//! endpoint refused is an agreed value: another one is set, and goes to every system.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};

use super::retry;
use crate::cli::assignment::Assignment;
use crate::cli::context::select_syncs;
use crate::cli::{CliError, Context, Reply};
use crate::error::{Result, nearest};
use crate::project::{HubDef, SyncDef};
use crate::record::LogicalType;
use crate::store::{DeadLetter, DeadLetterId, DeadLetterState, RecordId, RunKind, SqliteStore, Stage, Store as _};
use crate::sync::{Book, Decision};

#[derive(Debug, Args)]
pub struct EditArgs {
    /// As `dead-letters list` shows it
    #[arg(value_name = "ID")]
    pub id: i64,

    /// A field and the value it is to have; once for each field
    #[arg(long, value_name = "FIELD=VALUE", required = true)]
    pub set: Vec<Assignment>,
}

pub async fn run(args: &EditArgs, context: &Context) -> Result<Reply> {
    let project = context.project()?;
    let store = context.store(&format!("lockstep dead-letters edit {}", args.id))?;
    let row = store.dead_letter(DeadLetterId(args.id))?;
    if row.state != DeadLetterState::Open {
        return Err(not_open(context, &row));
    }
    let def = select_syncs(&project, std::slice::from_ref(&row.sync))?.remove(0);
    match def {
        SyncDef::Mirror(_) => {
            let edited = edited(&row, &args.set)?;
            retry::send(context, context.assembly()?, Arc::new(store), vec![edited]).await
        }
        SyncDef::Hub(def) => edit_hub(args, context, &store, def, &row),
    }
}

fn not_open(context: &Context, row: &DeadLetter) -> crate::error::Error {
    let hints = vec![format!("`{}` shows those that are open", context.command("dead-letters list"))];
    CliError::NotThere { what: format!("dead letter {} is {}", row.id, row.state.name()), hints }.into()
}

/// A letter with other values in its record.
fn edited(row: &DeadLetter, set: &[Assignment]) -> Result<DeadLetter> {
    let record = retry::record(row).filter(|_| row.letter.stage != Stage::Source);
    let Some(Value::Object(mut record)) = record else { return Err(nothing_to_edit(row)) };
    let types: BTreeMap<String, LogicalType> = record
        .get("types")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, logical)| Some((name.clone(), logical.as_str()?.parse().ok()?)))
        .collect();
    let mut values: Map<String, Value> = record.get("values").and_then(Value::as_object).cloned().unwrap_or_default();
    for assignment in set {
        let Some(logical) = types.get(&assignment.field) else {
            return Err(unknown_field(&assignment.field, types.keys()));
        };
        values.insert(assignment.field.clone(), assignment.json(*logical));
    }
    record.insert("values".to_owned(), Value::Object(values));
    let mut row = row.clone();
    row.letter.record = Some(Value::Object(record).to_string());
    Ok(row)
}

fn unknown_field<'a>(field: &str, known: impl Iterator<Item = &'a String>) -> crate::error::Error {
    let known: Vec<String> = known.cloned().collect();
    let nearest = nearest(field, known.iter().map(String::as_str)).map(str::to_owned);
    CliError::UnknownName { kind: "field", name: field.to_owned(), nearest, known }.into()
}

fn nothing_to_edit(row: &DeadLetter) -> crate::error::Error {
    let hints = vec!["mend it where it comes from; the next run that reads it again settles it".to_owned()];
    let what = format!("dead letter {} has no record that could be edited", row.id);
    CliError::NotThere { what, hints }.into()
}

/// What a write of a hub was refused for is corrected in what is agreed.
fn edit_hub(args: &EditArgs, context: &Context, store: &SqliteStore, def: &HubDef, row: &DeadLetter) -> Result<Reply> {
    let body = retry::record(row).filter(|_| row.letter.stage == Stage::Write);
    let Some(record) = body.as_ref().and_then(|body| body.get("record")?.as_i64()) else {
        return Err(nothing_to_edit(row));
    };
    let book = Book::open(store, def)?;
    let mut values = BTreeMap::new();
    for assignment in &args.set {
        let Some(field) = book.entity.iter().find(|field| field.name == assignment.field) else {
            return Err(unknown_field(&assignment.field, book.entity.iter().map(|field| &field.name)));
        };
        values.insert(assignment.field.clone(), assignment.json(field.logical));
    }
    let decision = Decision::begin(store, def, RunKind::Decision, context.world.clock.now())?;
    decision.set_fields(RecordId(record), &values)?;
    let next = context.command(&format!("run {}", def.name));
    let text = format!("record #{record} of `{}` has other values now, for every system\nnext: `{next}`", def.name);
    let result = json!({"dead_letter": row.id, "sync": def.name, "record": record, "values": values, "next": next});
    Ok(Reply::done(vec![text.into()], result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Cause, KeyDigest, NewDeadLetter, RunId};
    use chrono::DateTime;

    fn letter(stage: Stage) -> DeadLetter {
        let record = json!({"kind": 0, "types": {"id": "int64", "phone": "text"}, "values": {"id": 7, "phone": "?"}});
        DeadLetter {
            id: DeadLetterId(1),
            sync: "customers".into(),
            run: RunId(1),
            state: DeadLetterState::Open,
            attempts: 1,
            first_at: DateTime::UNIX_EPOCH,
            last_at: DateTime::UNIX_EPOCH,
            letter: NewDeadLetter {
                stage,
                key: KeyDigest::of_key("7"),
                key_text: "[\"7\"]".into(),
                position: None,
                record: Some(record.to_string()),
                raw: None,
                cause: Cause::default(),
                plugin: None,
            },
        }
    }

    fn set(texts: &[&str]) -> Vec<Assignment> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn values_take_the_place_of_those_that_were_refused() {
        let row = edited(&letter(Stage::Write), &set(&["phone=12", "id=8"])).unwrap();
        let record: Value = serde_json::from_str(row.letter.record.as_deref().unwrap()).unwrap();
        assert_eq!(record["values"], json!({"id": 8, "phone": "12"}));
        assert_eq!(record["kind"], 0);
    }

    #[test]
    fn what_is_not_there_cannot_be_edited() {
        let error = edited(&letter(Stage::Write), &set(&["phon=12"])).unwrap_err();
        assert_eq!(error.to_string(), "there is no field `phon`");
        assert_eq!(error.hints(), ["did you mean `phone`?"]);
        assert!(edited(&letter(Stage::Source), &set(&["phone=12"])).is_err());
    }
}
