//! `dead-letters`: records that cannot go on without a person.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::{Align, Answer, Block, Consent, Table, count, noun, shortened, shown_record};
use super::{Context, Reply};
use crate::error::Result;
use crate::store::{Closing, DeadLetter, DeadLetterFilter, DeadLetterId, DeadLetterState, SqliteStore, Store};

mod edit;
mod retry;

/// Look after records that cannot go on without a person
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep dead-letters list
  lockstep dead-letters show 7
  lockstep dead-letters retry --all
  lockstep dead-letters edit 7 --set phone='+49 30 1234'
  lockstep dead-letters discard 7 8 --yes")]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    pub verb: DeadLettersVerb,
}

#[derive(Debug, Subcommand)]
pub enum DeadLettersVerb {
    /// List them: sync, key, cause, since when
    List {
        /// Only those of this sync
        #[arg(value_name = "SYNC")]
        sync: Option<String>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show one: the whole record, its cause, which plugin said so
    Show {
        /// As `dead-letters list` shows it
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Send them through the sync again
    Retry(Which),
    /// Correct the values of one, and send it through the sync again
    Edit(edit::EditArgs),
    /// Give them up: the records stay as they are in both systems
    Discard {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Some or all.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// As `dead-letters list` shows them
    #[arg(value_name = "ID")]
    pub ids: Vec<i64>,

    /// All there are
    #[arg(long)]
    pub all: bool,
}

impl DeadLettersVerb {
    /// As it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "dead-letters list",
            Self::Show { .. } => "dead-letters show",
            Self::Retry(_) => "dead-letters retry",
            Self::Edit(_) => "dead-letters edit",
            Self::Discard { .. } => "dead-letters discard",
        }
    }
}

pub async fn run(args: &DeadLettersArgs, context: &Context) -> Result<Reply> {
    match &args.verb {
        DeadLettersVerb::List { sync, limit } => list(context, sync.as_deref(), *limit),
        DeadLettersVerb::Show { id } => show(context, DeadLetterId(*id)),
        DeadLettersVerb::Retry(which) => retry::run(context, which).await,
        DeadLettersVerb::Edit(args) => edit::run(args, context).await,
        DeadLettersVerb::Discard { which, yes } => discard(context, which, Consent::from_flag(*yes)),
    }
}

fn list(context: &Context, sync: Option<&str>, limit: u32) -> Result<Reply> {
    let store = context.store_to_read()?;
    let filter = DeadLetterFilter {
        sync: sync.map(str::to_owned),
        state: Some(DeadLetterState::Open),
        limit: Some(limit),
        ..DeadLetterFilter::default()
    };
    let letters = store.dead_letters(&filter)?;
    let result = json!({"dead_letters": letters.iter().map(to_json).collect::<Vec<_>>()});
    if letters.is_empty() {
        return Ok(Reply::done(vec!["no record waits for a person".to_owned().into()], result));
    }
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("sync", Align::Left),
        ("record", Align::Left),
        ("stage", Align::Left),
        ("tries", Align::Right),
        ("cause", Align::Left),
    ]);
    for row in &letters {
        let cause = format!("{}: {}", row.letter.cause.code, row.letter.cause.message);
        let record = name(row);
        table.row([
            row.id.to_string(),
            row.sync.clone(),
            record,
            row.letter.stage.name().to_owned(),
            count(row.attempts),
            shortened(&cause, 160),
        ]);
    }
    Ok(Reply::done(vec![table.into()], result))
}

/// Its key, behind the endpoint's name if it is a hub's, or where it stands.
fn name(row: &DeadLetter) -> String {
    let key = Some(&row.letter.key_text).filter(|key| !key.is_empty());
    key.map(|key| shown_record(key)).or_else(|| row.letter.position.clone()).unwrap_or_else(|| "?".to_owned())
}

fn show(context: &Context, id: DeadLetterId) -> Result<Reply> {
    let store = context.store_to_read()?;
    let row = store.dead_letter(id)?;
    let cause = &row.letter.cause;
    let mut lines = vec![
        format!("dead letter {id} of `{}`: {} ({})", row.sync, name(&row), row.state.name()),
        format!("cause: {}: {}", cause.code, cause.message),
    ];
    lines.extend(cause.hint.as_ref().map(|hint| format!("hint: {hint}")));
    lines.extend((!cause.detail_code.is_empty()).then(|| format!("detail: {}", cause.detail_code)));
    if let Some(plugin) = &row.letter.plugin {
        let digest: String = plugin.digest.chars().take(12).collect();
        lines.push(format!("said by: {} (sha256:{digest}…)", plugin.label));
    }
    lines.push(format!(
        "failed at: {}, run {}, {} since {}",
        row.letter.stage.name(),
        row.run,
        noun(row.attempts, "try", "tries"),
        row.first_at.format("%Y-%m-%d %H:%M:%S UTC")
    ));
    let mut blocks = vec![Block::Text(lines.join("\n"))];
    blocks.extend(record_text(&row).map(Block::Text));
    Ok(Reply::done(blocks, to_json(&row)))
}

/// The whole record, as people read it.
fn record_text(row: &DeadLetter) -> Option<String> {
    if let Some(record) = &row.letter.record {
        let record: Value = serde_json::from_str(record).ok()?;
        return serde_json::to_string_pretty(record.get("values")?).ok();
    }
    row.letter.raw.as_ref().map(|raw| String::from_utf8_lossy(raw).into_owned())
}

fn to_json(row: &DeadLetter) -> Value {
    let record: Value =
        row.letter.record.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let cause = &row.letter.cause;
    json!({
        "id": row.id,
        "sync": row.sync,
        "run": row.run,
        "state": row.state.name(),
        "stage": row.letter.stage.name(),
        "key": row.letter.key_text,
        "position": row.letter.position,
        "attempts": row.attempts,
        "first_at": row.first_at,
        "last_at": row.last_at,
        "record": record,
        "raw": row.letter.raw.as_ref().map(|raw| String::from_utf8_lossy(raw).into_owned()),
        "cause": {
            "code": cause.code, "kind": cause.kind, "message": cause.message,
            "detail_code": cause.detail_code, "field": cause.field, "hint": cause.hint,
        },
        "plugin": row.letter.plugin,
    })
}

/// The open letters somebody means.
fn select(store: &SqliteStore, which: &Which) -> Result<Vec<DeadLetter>> {
    if which.all {
        let filter = DeadLetterFilter { state: Some(DeadLetterState::Open), ..DeadLetterFilter::default() };
        return Ok(store.dead_letters(&filter)?);
    }
    let mut letters = Vec::with_capacity(which.ids.len());
    for id in &which.ids {
        letters.push(store.dead_letter(DeadLetterId(*id))?);
    }
    letters.retain(|row| row.state == DeadLetterState::Open);
    Ok(letters)
}

fn discard(context: &Context, which: &Which, consent: Consent) -> Result<Reply> {
    context.project()?;
    let store = context.store("lockstep dead-letters discard")?;
    let letters = select(&store, which)?;
    let records = noun(letters.len() as u64, "record", "records");
    let command = context.command("dead-letters discard --all");
    let question = format!("give up {records}? They stay as they are in both systems");
    if !letters.is_empty() && context.output.confirm(consent, &question, &command)? == Answer::No {
        return Ok(Reply::done(vec!["nothing was discarded".to_owned().into()], json!({"discarded": 0})));
    }
    let ids: Vec<DeadLetterId> = letters.iter().map(|row| row.id).collect();
    let closed = store.close_dead_letters(&ids, Closing::Discarded, context.world.clock.now())?;
    let text = format!("discarded {}", noun(closed, "record", "records"));
    Ok(Reply::done(vec![text.into()], json!({"discarded": closed})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Cause, KeyDigest, NewDeadLetter, RunId, Stage};
    use chrono::DateTime;

    fn check(key_text: &str, expected: &str) {
        let row = DeadLetter {
            id: DeadLetterId(1),
            sync: "customer".into(),
            run: RunId(1),
            state: DeadLetterState::Open,
            attempts: 1,
            first_at: DateTime::UNIX_EPOCH,
            last_at: DateTime::UNIX_EPOCH,
            letter: NewDeadLetter {
                stage: Stage::Write,
                key: KeyDigest::of_key("7"),
                key_text: key_text.into(),
                position: Some("line 7".into()),
                record: None,
                raw: None,
                cause: Cause::default(),
                plugin: None,
            },
        };
        assert_eq!(name(&row), expected);
    }

    #[test]
    fn a_letter_is_named_by_its_key() {
        check("[\"404\"]", "404");
        check("[\"a [b\"]", "a [b");
        check("erp [\"70404\"]", "erp 70404");
        check("erp [\"7\",\"a [b\"]", "erp 7, a [b");
        check("", "line 7");
    }
}
