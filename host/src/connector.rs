//! What a sync sees of a connector: three small traits with owned data, so that everything above runs on plain Rust fakes as
//! well as on sandboxed plugins.
//!
//! This module must not know wasmtime, projects or stores.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Code, Explain, codes};
use crate::record::{Batch, Changes, Field, Properties, Stream};

pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// A system to read from.
#[async_trait]
pub trait Source: Send + Sync {
    /// The streams; only those named unless `names` is empty. A name that does not exist is left out.
    async fn discover(&self, names: &[String]) -> Result<Vec<Stream>>;

    /// Begins to read at the request's cursor.
    async fn open(&self, request: ReadRequest) -> Result<Box<dyn Reader>>;

    /// The comparing side of this source, if it has one.
    fn compare(&self) -> Option<&dyn Compare> {
        None
    }

    /// The look-up by key of this source, if it has one.
    fn lookup(&self) -> Option<&dyn Lookup> {
        None
    }
}

#[async_trait]
pub trait Reader: Send {
    /// The next page; not to be called after a page whose status is not [`PageStatus::More`], nor after an error.
    async fn next(&mut self, limits: PageLimits) -> Result<Page>;
}

/// Records by their keys.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// The records whose key fields equal a row of `keys`, in any order; those that do not exist are left out.
    async fn lookup(&self, request: &ReadRequest, keys: &Batch) -> Result<Changes>;
}

/// Digests computed where the records are.
#[async_trait]
pub trait Compare: Send + Sync {
    /// Two sides that name the same method compute equal digests for equal records and equal buckets for equal keys.
    async fn methods(&self, request: &CompareRequest) -> Result<Vec<String>>;

    /// One digest per bucket; `buckets` is a power of two.
    async fn digest(&self, request: &CompareRequest, buckets: u32) -> Result<BucketDigests>;

    /// The single records of some buckets.
    async fn entries(&self, request: &CompareRequest, buckets: u32, wanted: &[u32]) -> Result<Box<dyn EntryReader>>;
}

#[async_trait]
pub trait EntryReader: Send {
    /// None at the end.
    async fn next(&mut self, limits: PageLimits) -> Result<Option<EntryPage>>;
}

/// A system to write to.
#[async_trait]
pub trait Sink: Send + Sync {
    /// The stream as it is; none if it does not exist.
    async fn describe(&self, name: &str) -> Result<Option<Stream>>;

    /// Makes the stream able to take the wanted fields, or only says how.
    async fn prepare(&self, wanted: &Stream, options: PrepareOptions) -> Result<Prepared>;

    async fn open(&self, request: WriteRequest) -> Result<Box<dyn Writer>>;
}

/// Dropping a writer undoes whatever has not been flushed, where the system can.
#[async_trait]
pub trait Writer: Send {
    /// Takes a page: no key twice between two flushes, a value for every column. Results hold once `flush` has succeeded.
    async fn write(&mut self, changes: &Changes) -> Result<WriteResults>;

    /// Makes everything written so far durable. After an error nothing since the last flush counts as written.
    async fn flush(&mut self) -> Result<Flushed>;
}

/// A pure function on records.
#[async_trait]
pub trait Transform: Send + Sync {
    /// What comes out if `input` goes in.
    async fn describe(&self, input: &Stream) -> Result<Stream>;

    async fn open(&self, input: &Stream) -> Result<Box<dyn Transformer>>;
}

#[async_trait]
pub trait Transformer: Send {
    async fn apply(&mut self, changes: &Changes) -> Result<Transformed>;
}

/// How a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// Every record.
    Full,
    /// What changed since the cursor.
    Incremental,
}

impl ReadMode {
    /// What changed, where a field of the stream tells it or the system itself does: `tracks-changes`.
    pub fn of(stream: &Stream, has_modified: bool) -> Self {
        if has_modified || stream.properties.get("tracks-changes") == Some("true") {
            Self::Incremental
        } else {
            Self::Full
        }
    }
}

/// An endpoint's position: opaque to the host, which stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

#[derive(Clone, Debug)]
pub struct ReadRequest {
    pub stream: String,
    pub key: Vec<String>,
    /// The fields wanted, with the types in which they are wanted.
    pub fields: Vec<Field>,
    pub mode: ReadMode,
    /// None = from the beginning.
    pub cursor: Option<Cursor>,
    /// `modified`, `lookback-ms`.
    pub options: Properties,
}

/// How much one page may hold; at least one record, whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    pub rows: u32,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStatus {
    /// Call again.
    More,
    /// Nothing more for now.
    CaughtUp,
    /// The last page of a reading, begun at the beginning, that showed every record there is.
    EnumerationComplete,
}

#[derive(Clone, Debug)]
pub struct Page {
    pub changes: Changes,
    pub rejected: Vec<Rejection>,
    /// The position behind this page.
    pub next_cursor: Cursor,
    pub status: PageStatus,
}

/// A record that could not even be turned into a row.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Where it stands in the source, for a person.
    pub position: String,
    pub raw: Vec<u8>,
    pub error: Failure,
}

/// A row that could not be processed; the others were.
#[derive(Clone, Debug)]
pub struct RowError {
    pub row: u32,
    pub error: Failure,
}

#[derive(Clone, Debug)]
pub struct CompareRequest {
    pub stream: String,
    pub key: Vec<String>,
    pub fields: Vec<Field>,
    pub method: String,
    pub options: Properties,
}

/// One entry per bucket in both lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketDigests {
    pub rows: Vec<u64>,
    pub sums: Vec<u64>,
}

/// One digest per row of `keys`.
#[derive(Clone, Debug)]
pub struct EntryPage {
    pub keys: Batch,
    pub digests: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareOptions {
    pub evolve: Evolve,
    pub effect: Effect,
}

/// Whether missing fields may be added to a target that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evolve {
    AddFields,
    LeaveFields,
}

/// Whether something is done or only said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Real,
    DryRun,
}

#[derive(Clone, Debug)]
pub struct Prepared {
    pub stream: Stream,
    /// What was done, or would be: statements or sentences for a person.
    pub actions: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// Insert or update by key; equal records are not written again.
    Upsert,
    /// The target is empty; a record that is there already fails the flush with [`FailureKind::Conflict`].
    Load,
    /// Every row is a new record; key fields the system fills in itself may be missing. A record that is there already is left
    /// alone, its row answered with [`WriteStatus::Conflict`].
    Insert,
    /// Every row changes or deletes the record of its key, if the fields under [`expected_name`] still have the values given there;
    /// else the row is answered with [`WriteStatus::Conflict`]. So is an update of a record that is not there; a delete of one is fine.
    Update,
}

impl WriteMode {
    /// As plugins know it, and as the property `write` of a stream lists it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Load => "load",
            Self::Insert => "insert",
            Self::Update => "update",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Upsert, Self::Load, Self::Insert, Self::Update].into_iter().find(|mode| mode.name() == name)
    }
}

/// The column that holds what a field must still be for a row to be written: a value, or null for null.
pub fn expected_name(field: &str) -> String {
    format!("{EXPECTED_PREFIX}{field}")
}

pub const EXPECTED_PREFIX: &str = "expected:";

#[derive(Clone, Debug)]
pub struct WriteRequest {
    pub stream: Stream,
    pub mode: WriteMode,
    pub options: Properties,
}

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteStatus {
    Ok,
    Conflict,
    Rejected,
    Retry,
    Unknown,
}

impl WriteStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Retry => "retry",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct WriteResults {
    /// One per row; none = all ok.
    pub statuses: Option<Vec<WriteStatus>>,
    pub errors: Vec<RowError>,
    /// One per row: the keys of inserted records, each a JSON list of the key's values as texts in the order of the stream's key
    /// (`["17"]`); empty where there is none to tell.
    pub ids: Option<Vec<Vec<u8>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Records inserted or changed.
    pub written: u64,
    /// Records that were equal already.
    pub unchanged: u64,
    pub deleted: u64,
}

#[derive(Clone, Debug)]
pub struct Transformed {
    /// Without the rejected and the dropped rows.
    pub changes: Changes,
    /// For each row of `changes` the row of the input it came from; none = row by row.
    pub origins: Option<Vec<u32>>,
    pub rejected: Vec<RowError>,
}

/// What kind of failure it is; the host decides on this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    Auth,
    Config,
    NotFound,
    Conflict,
    InvalidData,
    RateLimited,
    Transient,
    Permanent,
    StaleCursor,
    Other,
    /// The plugin itself broke: panic, time-out, limit, nonsense. The instance is gone.
    Fault,
}

impl FailureKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Config => "config",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::InvalidData => "invalid-data",
            Self::RateLimited => "rate-limited",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::StaleCursor => "stale-cursor",
            Self::Other => "other",
            Self::Fault => "fault",
        }
    }

    /// The kind a plugin names; what nobody knows is `other`. A plugin cannot claim to be broken.
    pub fn from_plugin(name: &str) -> Self {
        [
            Self::Auth,
            Self::Config,
            Self::NotFound,
            Self::Conflict,
            Self::InvalidData,
            Self::RateLimited,
            Self::Transient,
            Self::Permanent,
            Self::StaleCursor,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
        .unwrap_or(Self::Other)
    }
}

/// What went wrong in a connector.
#[derive(Clone, Debug)]
pub struct Failure {
    pub kind: FailureKind,
    /// Who says so: `csv@0.1.0`, or the name of the capability.
    pub origin: String,
    pub code: &'static Code,
    /// The plugin's or the system's own code: `23505`, `csv.columns`.
    pub detail_code: String,
    pub message: String,
    pub retry_after: Option<Duration>,
    /// `field`, `row`, `hint`, `detail`.
    pub properties: Properties,
}

impl Failure {
    pub fn new(kind: FailureKind, code: &'static Code, origin: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            origin: origin.to_owned(),
            code,
            detail_code: String::new(),
            message: message.into(),
            retry_after: None,
            properties: Properties::default(),
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.properties.set(name, value);
        self
    }

    /// Whether the same call may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, FailureKind::Transient | FailureKind::RateLimited)
    }

    /// Whether some records of the call are at fault rather than the call.
    pub fn is_about_data(&self) -> bool {
        matches!(self.kind, FailureKind::InvalidData)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)?;
        if !self.detail_code.is_empty() {
            write!(f, " ({})", self.detail_code)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl Explain for Failure {
    fn code(&self) -> &'static Code {
        self.code
    }

    fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = self.properties.get("hint").map(str::to_owned).into_iter().collect();
        if std::ptr::eq(self.code, &codes::PLUGIN_RESTARTS) {
            hints.push("`lockstep plugin list` shows the plugin's version; an older one can be pinned by path".into());
        }
        hints
    }
}
