//! How each kind of row lies in its table.

use chrono::{DateTime, Utc};
use rusqlite::types::Value;

use super::stored::{Table, Values, count, json, or_null, statements, text, time};
use crate::store::{
    Cause, Counters, DeadLetter, DeadLetterId, DeadLetterState, Hold, HoldId, HoldState, KeyDigest, NewDeadLetter,
    Phase, Run, RunError, RunId, RunKind, RunStatus, SchemaPin, Stage,
};

/// What is stored about a sync itself.
#[derive(Clone, Debug)]
pub struct SyncRow {
    pub id: i64,
    pub name: String,
    pub generation: u64,
    pub phase: Phase,
    pub cursor: Option<Vec<u8>>,
    pub pin: Option<SchemaPin>,
    pub target_was_empty: Option<bool>,
    pub last_compare_at: Option<DateTime<Utc>>,
    pub last_success_at: Option<DateTime<Utc>>,
    pub open_letters: u64,
    /// The exclusive or of their keys: together with the number it tells whether one went missing.
    pub open_keys: KeyDigest,
}

impl SyncRow {
    pub fn new(id: i64, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            generation: 0,
            phase: Phase::New,
            cursor: None,
            pin: None,
            target_was_empty: None,
            last_compare_at: None,
            last_success_at: None,
            open_letters: 0,
            open_keys: KeyDigest([0; 16]),
        }
    }
}

impl Table for SyncRow {
    const NAME: &'static str = "sync";
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "generation",
        "phase",
        "cursor",
        "pin_source",
        "pin_target",
        "pin_mapping",
        "target_was_empty",
        "last_compare_at",
        "last_success_at",
        "open_letters",
        "open_keys",
    ];
    const FIXED: usize = 1;

    statements!(SyncRow);

    fn id(&self) -> i64 {
        self.id
    }

    fn values(&self) -> Vec<Value> {
        let pin = self.pin.as_ref();
        vec![
            text(&self.name),
            count(self.generation),
            text(self.phase.name()),
            or_null(self.cursor.clone(), Value::Blob),
            or_null(pin, |pin| text(&pin.source)),
            or_null(pin, |pin| text(&pin.target)),
            or_null(pin, |pin| text(&pin.mapping_digest)),
            or_null(self.target_was_empty, |was| Value::Integer(i64::from(was))),
            or_null(self.last_compare_at, time),
            or_null(self.last_success_at, time),
            count(self.open_letters),
            Value::Blob(self.open_keys.0.to_vec()),
        ]
    }

    fn from_values(id: i64, mut values: Values) -> Option<Self> {
        Some(Self {
            id,
            name: values.text()?,
            generation: values.count()?,
            phase: values.named(Phase::from_name)?,
            cursor: values.blob_or_null()?,
            pin: pin(values.text_or_null()?, values.text_or_null()?, values.text_or_null()?),
            target_was_empty: values.int_or_null()?.map(|was| was != 0),
            last_compare_at: values.time_or_null()?,
            last_success_at: values.time_or_null()?,
            open_letters: values.count()?,
            open_keys: values.digest()?,
        })
    }
}

fn pin(source: Option<String>, target: Option<String>, mapping_digest: Option<String>) -> Option<SchemaPin> {
    Some(SchemaPin { source: source?, target: target?, mapping_digest: mapping_digest? })
}

impl Table for Run {
    const NAME: &'static str = "run";
    const COLUMNS: &'static [&'static str] = &[
        "sync",
        "kind",
        "status",
        "started_at",
        "seen_at",
        "ended_at",
        "read",
        "written",
        "unchanged",
        "deleted",
        "rejected",
        "duplicates",
        "pages",
        "bytes",
        "error_code",
        "error_message",
        "plugins",
    ];

    statements!(Run);

    fn id(&self) -> i64 {
        self.id.0
    }

    fn values(&self) -> Vec<Value> {
        let mut values = vec![
            text(&self.sync),
            text(self.kind.name()),
            text(self.status.name()),
            time(self.started_at),
            time(self.seen_at),
            or_null(self.ended_at, time),
        ];
        values.extend(counts(&self.counters).map(|(_, value)| value));
        values.push(or_null(self.error.as_ref(), |error| text(&error.code)));
        values.push(or_null(self.error.as_ref(), |error| text(&error.message)));
        values.push(json(&self.plugins));
        values
    }

    fn from_values(id: i64, mut values: Values) -> Option<Self> {
        Some(Self {
            id: RunId(id),
            sync: values.text()?,
            kind: values.named(RunKind::from_name)?,
            status: values.named(RunStatus::from_name)?,
            started_at: values.time()?,
            seen_at: values.time()?,
            ended_at: values.time_or_null()?,
            counters: counters(&mut values)?,
            error: match (values.text_or_null()?, values.text_or_null()?) {
                (Some(code), Some(message)) => Some(RunError { code, message }),
                _ => None,
            },
            plugins: values.json()?,
        })
    }
}

/// A run's counters by their columns, in the order of these.
pub fn counts(counters: &Counters) -> [(&'static str, Value); 8] {
    [
        ("read", count(counters.read)),
        ("written", count(counters.written)),
        ("unchanged", count(counters.unchanged)),
        ("deleted", count(counters.deleted)),
        ("rejected", count(counters.rejected)),
        ("duplicates", count(counters.duplicates)),
        ("pages", count(counters.pages)),
        ("bytes", count(counters.bytes)),
    ]
}

fn counters(values: &mut Values) -> Option<Counters> {
    Some(Counters {
        read: values.count()?,
        written: values.count()?,
        unchanged: values.count()?,
        deleted: values.count()?,
        rejected: values.count()?,
        duplicates: values.count()?,
        pages: values.count()?,
        bytes: values.count()?,
    })
}

impl Table for DeadLetter {
    const NAME: &'static str = "dead_letter";
    const COLUMNS: &'static [&'static str] = &[
        "sync",
        "run",
        "state",
        "key_digest",
        "attempts",
        "first_at",
        "last_at",
        "stage",
        "key_text",
        "position",
        "code",
        "kind",
        "message",
        "detail_code",
        "field",
        "hint",
        "plugin",
        "record",
        "raw",
    ];

    statements!(DeadLetter);

    fn id(&self) -> i64 {
        self.id.0
    }

    fn values(&self) -> Vec<Value> {
        let NewDeadLetter { stage, key, key_text, position, record, raw, cause, plugin } = &self.letter;
        vec![
            text(&self.sync),
            Value::Integer(self.run.0),
            text(self.state.name()),
            Value::Blob(key.0.to_vec()),
            count(self.attempts),
            time(self.first_at),
            time(self.last_at),
            text(stage.name()),
            text(key_text),
            or_null(position.clone(), Value::Text),
            text(&cause.code),
            text(&cause.kind),
            text(&cause.message),
            text(&cause.detail_code),
            or_null(cause.field.clone(), Value::Text),
            or_null(cause.hint.clone(), Value::Text),
            or_null(plugin.as_ref(), json),
            or_null(record.clone(), Value::Text),
            or_null(raw.clone(), Value::Blob),
        ]
    }

    fn from_values(id: i64, mut values: Values) -> Option<Self> {
        let sync = values.text()?;
        let run = RunId(values.int()?);
        let state = values.named(DeadLetterState::from_name)?;
        let key = values.digest()?;
        let (attempts, first_at, last_at) = (values.count()?, values.time()?, values.time()?);
        let letter = NewDeadLetter {
            key,
            stage: values.named(Stage::from_name)?,
            key_text: values.text()?,
            position: values.text_or_null()?,
            cause: Cause {
                code: values.text()?,
                kind: values.text()?,
                message: values.text()?,
                detail_code: values.text()?,
                field: values.text_or_null()?,
                hint: values.text_or_null()?,
            },
            plugin: match values.text_or_null()? {
                Some(plugin) => Some(serde_json::from_str(&plugin).ok()?),
                None => None,
            },
            record: values.text_or_null()?,
            raw: values.blob_or_null()?,
        };
        Some(Self { id: DeadLetterId(id), sync, run, state, attempts, first_at, last_at, letter })
    }
}

impl Table for Hold {
    const NAME: &'static str = "hold";
    const COLUMNS: &'static [&'static str] =
        &["sync", "run", "state", "content", "deletes", "total", "keys", "created_at", "decided_at"];

    statements!(Hold);

    fn id(&self) -> i64 {
        self.id.0
    }

    fn values(&self) -> Vec<Value> {
        vec![
            text(&self.sync),
            Value::Integer(self.run.0),
            text(self.state.name()),
            Value::Blob(self.content.0.to_vec()),
            count(self.deletes),
            count(self.total),
            text(&self.keys),
            time(self.created_at),
            or_null(self.decided_at, time),
        ]
    }

    fn from_values(id: i64, mut values: Values) -> Option<Self> {
        Some(Self {
            id: HoldId(id),
            sync: values.text()?,
            run: RunId(values.int()?),
            state: values.named(HoldState::from_name)?,
            content: values.digest()?,
            deletes: values.count()?,
            total: values.count()?,
            keys: values.text()?,
            created_at: values.time()?,
            decided_at: values.time_or_null()?,
        })
    }
}
