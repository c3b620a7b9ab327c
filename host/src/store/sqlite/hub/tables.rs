//! How the rows of hubs lie in their tables, those with long checksums.

use chrono::{DateTime, Utc};
use rusqlite::types::Value;

use crate::store::sqlite::stored::{Table, Values, or_null, statements, text, time};
use crate::store::{
    Conflict, ConflictId, ConflictKind, ConflictState, EndpointId, EndpointState, NewConflict, RecordId, RunId,
    WaitingEvent,
};

/// A hub; its id is its sync's.
#[derive(Clone, Debug)]
pub struct HubRow {
    pub id: i64,
    pub epoch: i64,
    pub next: NextIds,
    pub pin: Option<String>,
}

/// The first ids that nothing has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextIds {
    pub record: i64,
    pub lineage: i64,
    pub conflict: i64,
}

impl NextIds {
    pub const FIRST: Self = Self { record: 1, lineage: 1, conflict: 1 };

    pub fn max(self, other: Self) -> Self {
        Self {
            record: self.record.max(other.record),
            lineage: self.lineage.max(other.lineage),
            conflict: self.conflict.max(other.conflict),
        }
    }
}

impl Table for HubRow {
    const NAME: &'static str = "hub";
    const COLUMNS: &'static [&'static str] = &["epoch", "next_record", "next_lineage", "next_conflict", "pin"];

    statements!(HubRow);

    fn id(&self) -> i64 {
        self.id
    }

    fn values(&self) -> Vec<Value> {
        let NextIds { record, lineage, conflict } = self.next;
        let numbers = [self.epoch, record, lineage, conflict].map(Value::Integer);
        numbers.into_iter().chain([or_null(self.pin.clone(), Value::Text)]).collect()
    }

    fn from_values(id: i64, mut values: Values) -> Option<Self> {
        Some(Self {
            id,
            epoch: values.int()?,
            next: NextIds { record: values.int()?, lineage: values.int()?, conflict: values.int()? },
            pin: values.text_or_null()?,
        })
    }
}

#[derive(Clone, Debug)]
pub struct EndpointRow {
    /// The id of its sync.
    pub sync: i64,
    pub state: EndpointState,
}

impl Table for EndpointRow {
    const NAME: &'static str = "endpoint";
    const COLUMNS: &'static [&'static str] =
        &["sync", "name", "cursor", "enumerated_at", "scanned_at", "progress_at", "baselined"];
    const FIXED: usize = 2;

    statements!(EndpointRow);

    fn id(&self) -> i64 {
        self.state.id.0
    }

    fn values(&self) -> Vec<Value> {
        let EndpointState { id: _, name, cursor, enumerated_at, scanned_at, progress_at, baselined } = &self.state;
        vec![
            Value::Integer(self.sync),
            text(name),
            or_null(cursor.clone(), Value::Blob),
            or_null(*enumerated_at, time),
            or_null(*scanned_at, time),
            or_null(*progress_at, time),
            Value::Integer(i64::from(*baselined)),
        ]
    }

    fn from_values(id: i64, mut values: Values) -> Option<Self> {
        let sync = values.int()?;
        let state = EndpointState {
            id: EndpointId(id),
            name: values.text()?,
            cursor: values.blob_or_null()?,
            enumerated_at: values.time_or_null()?,
            scanned_at: values.time_or_null()?,
            progress_at: values.time_or_null()?,
            baselined: values.int()? != 0,
        };
        Some(Self { sync, state })
    }
}

#[derive(Clone, Debug)]
pub struct EventRow {
    pub id: i64,
    pub endpoint: EndpointId,
    pub event: WaitingEvent,
}

impl Table for EventRow {
    const NAME: &'static str = "event";
    const COLUMNS: &'static [&'static str] = &["endpoint", "remote", "due", "reason", "body"];
    const FIXED: usize = 2;

    statements!(EventRow);

    fn id(&self) -> i64 {
        self.id
    }

    fn values(&self) -> Vec<Value> {
        let WaitingEvent { remote, due, reason, body } = &self.event;
        let endpoint = Value::Integer(self.endpoint.0);
        vec![endpoint, Value::Blob(remote.clone()), time(*due), text(reason), Value::Blob(body.clone())]
    }

    fn from_values(id: i64, mut values: Values) -> Option<Self> {
        let endpoint = EndpointId(values.int()?);
        let (remote, due) = (values.blob_or_null()??, values.time()?);
        let event = WaitingEvent { remote, due, reason: values.text()?, body: values.blob_or_null()?? };
        Some(Self { id, endpoint, event })
    }
}

impl Table for Conflict {
    const NAME: &'static str = "conflict";
    const COLUMNS: &'static [&'static str] =
        &["sync", "run", "record", "kind", "subject", "state", "at", "closed_at", "body", "resolution"];
    const FIXED: usize = 2;

    statements!(Conflict);

    fn id(&self) -> i64 {
        self.id.0
    }

    fn values(&self) -> Vec<Value> {
        let NewConflict { sync, record, kind, state, subject, body, resolution } = &self.conflict;
        vec![
            text(sync),
            Value::Integer(self.run.0),
            Value::Integer(record.0),
            text(kind.name()),
            text(subject),
            text(state.name()),
            time(self.at),
            or_null(self.closed_at, time),
            text(body),
            or_null(resolution.clone(), Value::Text),
        ]
    }

    fn from_values(id: i64, mut values: Values) -> Option<Self> {
        let (sync, run, record) = (values.text()?, RunId(values.int()?), RecordId(values.int()?));
        let (kind, subject) = (values.named(ConflictKind::from_name)?, values.text()?);
        let state = values.named(ConflictState::from_name)?;
        let (at, closed_at): (DateTime<Utc>, _) = (values.time()?, values.time_or_null()?);
        let (body, resolution) = (values.text()?, values.text_or_null()?);
        let conflict = NewConflict { sync, record, kind, state, subject, body, resolution };
        Some(Self { id: ConflictId(id), run, at, closed_at, conflict })
    }
}

/// Entries of the lineage that follow each other and come from one run.
#[derive(Clone, Debug)]
pub struct SpanRow {
    /// The first entry.
    pub first: i64,
    pub run: RunId,
    pub last: i64,
}

impl Table for SpanRow {
    const NAME: &'static str = "lineage_span";
    const COLUMNS: &'static [&'static str] = &["run", "last"];
    const FIXED: usize = 1;

    statements!(SpanRow);

    fn id(&self) -> i64 {
        self.first
    }

    fn values(&self) -> Vec<Value> {
        vec![Value::Integer(self.run.0), Value::Integer(self.last)]
    }

    fn from_values(first: i64, mut values: Values) -> Option<Self> {
        Some(Self { first, run: RunId(values.int()?), last: values.int()? })
    }
}
