//! A target: records by key, written in transactions, with rules of its own. It can be read back as a source.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use serde_json::Value;

use super::compare::{METHOD, digests, entries};
use super::{Power, Record, Script, failure, key_text};
use crate::connector::{
    BucketDigests, Compare, CompareRequest, Cursor, Effect, EntryReader, Evolve, Failure, FailureKind, Flushed, Page,
    PageLimits, PageStatus, PrepareOptions, Prepared, ReadRequest, Reader, Result, RowError, Sink, Source, WriteMode,
    WriteRequest, WriteResults, WriteStatus, Writer,
};
use crate::record::{ChangeKind, Changes, Field, Properties, Stream, batch_from_json, row_to_json};

/// What a rule says about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Take,
    /// The whole page is refused because of this record, when it comes or not before the flush.
    RefusePage,
    RefuseFlush,
    /// The record alone gets this status. One of unknown outcome is taken all the same.
    Status(WriteStatus),
    /// The plugin breaks.
    Break,
}

type Rule = Arc<dyn Fn(&Record) -> Verdict + Send + Sync>;

pub struct SinkState {
    pub stream: Option<Stream>,
    pub rows: BTreeMap<String, Record>,
    rule: Rule,
    /// The mode of every writer that was opened.
    pub opened: Vec<WriteMode>,
    /// Names of columns that were written, ever.
    pub columns: HashSet<String>,
}

impl SinkState {
    pub fn records(&self) -> Vec<Record> {
        self.rows.values().cloned().collect()
    }
}

#[derive(Clone)]
pub struct FakeSink {
    state: Arc<Mutex<SinkState>>,
    pub script: Script,
    pub power: Power,
    pub is_comparable: bool,
}

impl FakeSink {
    pub fn new(power: &Power) -> Self {
        let state = SinkState {
            stream: None,
            rows: BTreeMap::new(),
            rule: Arc::new(|_| Verdict::Take),
            opened: Vec::new(),
            columns: HashSet::new(),
        };
        let state = Arc::new(Mutex::new(state));
        Self { state, script: Script::default(), power: power.clone(), is_comparable: false }
    }

    pub fn state(&self) -> MutexGuard<'_, SinkState> {
        self.state.lock().unwrap()
    }

    pub fn rule(&self, rule: impl Fn(&Record) -> Verdict + Send + Sync + 'static) {
        self.state().rule = Arc::new(rule);
    }

    /// Calls that write.
    pub fn writes(&self) -> u64 {
        ["open", "write", "flush"].iter().map(|call| self.script.count(call)).sum()
    }

    fn meet(&self, call: &'static str) -> Result<()> {
        self.power.check()?;
        self.script.meet(call)
    }
}

#[async_trait]
impl Sink for FakeSink {
    async fn describe(&self, _: &str) -> Result<Option<Stream>> {
        self.meet("describe")?;
        let state = self.state();
        Ok(state.stream.clone().map(|stream| {
            let properties = Properties::default().with("empty", state.rows.is_empty().to_string());
            Stream { properties, ..stream }
        }))
    }

    async fn prepare(&self, wanted: &Stream, options: PrepareOptions) -> Result<Prepared> {
        self.meet("prepare")?;
        assert!(!wanted.key.is_empty());
        let mut state = self.state();
        let mut stream = state.stream.clone().unwrap_or_else(|| wanted.clone());
        if options.evolve == Evolve::AddFields {
            let missing: Vec<Field> =
                wanted.fields.iter().filter(|field| stream.field(&field.name).is_none()).cloned().collect();
            stream.fields.extend(missing);
        }
        if options.effect == Effect::Real {
            state.stream = Some(stream.clone());
        }
        Ok(Prepared { stream, actions: Vec::new() })
    }

    async fn open(&self, request: WriteRequest) -> Result<Box<dyn Writer>> {
        self.meet("open")?;
        self.state().opened.push(request.mode);
        Ok(Box::new(FakeWriter {
            sink: self.clone(),
            request,
            pending: Vec::new(),
            keys: HashSet::new(),
            late: None,
            is_broken: false,
        }))
    }
}

struct Pending {
    kind: ChangeKind,
    key: String,
    record: Record,
    status: WriteStatus,
}

struct FakeWriter {
    sink: FakeSink,
    request: WriteRequest,
    /// Since the last flush.
    pending: Vec<Pending>,
    keys: HashSet<String>,
    /// What the flush will say.
    late: Option<Failure>,
    is_broken: bool,
}

#[async_trait]
impl Writer for FakeWriter {
    async fn write(&mut self, changes: &Changes) -> Result<WriteResults> {
        assert!(!self.is_broken, "a writer was used after an error");
        let results = self.take(changes);
        self.is_broken = results.is_err();
        results
    }

    async fn flush(&mut self) -> Result<Flushed> {
        assert!(!self.is_broken, "a writer was used after an error");
        let flushed = self.commit();
        self.is_broken = flushed.is_err();
        flushed
    }
}

impl FakeWriter {
    fn take(&mut self, changes: &Changes) -> Result<WriteResults> {
        self.sink.meet("write")?;
        self.check_columns(changes);
        let rule = self.sink.state().rule.clone();
        let mut results = WriteResults::default();
        let mut statuses = Vec::with_capacity(changes.rows());
        for row in 0..changes.rows() {
            let record = row_to_json(&changes.data, row);
            let status = match rule(&record) {
                Verdict::Take => WriteStatus::Ok,
                Verdict::RefusePage => return Err(failure(FailureKind::InvalidData)),
                Verdict::RefuseFlush => {
                    self.late = Some(failure(FailureKind::InvalidData));
                    WriteStatus::Ok
                }
                Verdict::Status(status) => {
                    let error = failure(FailureKind::InvalidData);
                    results.errors.push(RowError { row: row as u32, error });
                    status
                }
                Verdict::Break => return Err(failure(FailureKind::Fault)),
            };
            statuses.push(status);
            let key = key_text(&record, &self.request.stream.key);
            assert!(self.keys.insert(key.clone()), "the key {key} was written twice between two flushes");
            self.pending.push(Pending { kind: changes.kind(row), key, record, status });
        }
        results.statuses = (!results.errors.is_empty()).then_some(statuses);
        Ok(results)
    }

    fn check_columns(&self, changes: &Changes) {
        let stream = &self.request.stream;
        for (field, column) in changes.data.iter() {
            assert!(column.present.is_none(), "the column `{}` has absent values", field.name);
            let known = stream.field(&field.name).unwrap_or_else(|| panic!("nobody announced `{}`", field.name));
            assert_eq!(known.logical, field.logical, "`{}` came as another type than announced", field.name);
            if stream.key.contains(&field.name) {
                assert_eq!(column.array.null_count(), 0, "the key field `{}` is null", field.name);
            }
            self.sink.state().columns.insert(field.name.clone());
        }
        for name in &stream.key {
            assert!(changes.data.column(name).is_some(), "the key field `{name}` is missing");
        }
    }

    fn commit(&mut self) -> Result<Flushed> {
        self.sink.meet("flush")?;
        if let Some(failure) = self.late.take() {
            return Err(failure);
        }
        let pending = std::mem::take(&mut self.pending);
        self.keys.clear();
        self.sink.power.step()?;
        let flushed = self.apply(pending)?;
        self.sink.power.step()?;
        // The outcome of a flush that fails after it was committed is unknown to whoever asked for it.
        self.sink.script.meet("flushed")?;
        Ok(flushed)
    }

    fn apply(&self, pending: Vec<Pending>) -> Result<Flushed> {
        let mut state = self.sink.state();
        let is_load = self.request.mode == WriteMode::Load;
        if is_load && pending.iter().any(|row| row.kind == ChangeKind::Upsert && state.rows.contains_key(&row.key)) {
            return Err(failure(FailureKind::Conflict));
        }
        let mut flushed = Flushed::default();
        for row in pending {
            match row.status {
                WriteStatus::Ok => apply(&mut state.rows, row, &mut flushed),
                WriteStatus::Unknown => apply(&mut state.rows, row, &mut Flushed::default()),
                WriteStatus::Conflict | WriteStatus::Rejected | WriteStatus::Retry => {}
            }
        }
        Ok(flushed)
    }
}

/// Columns that are left out are left untouched.
fn apply(rows: &mut BTreeMap<String, Record>, row: Pending, flushed: &mut Flushed) {
    if row.kind == ChangeKind::Delete {
        match rows.remove(&row.key) {
            Some(_) => flushed.deleted += 1,
            None => flushed.unchanged += 1,
        }
        return;
    }
    let before = rows.get(&row.key).cloned();
    let mut after = before.clone().unwrap_or_default();
    after.extend(row.record);
    if before.as_ref() == Some(&after) {
        flushed.unchanged += 1;
    } else {
        flushed.written += 1;
        rows.insert(row.key, after);
    }
}

#[async_trait]
impl Source for FakeSink {
    async fn discover(&self, _: &[String]) -> Result<Vec<Stream>> {
        Ok(self.state().stream.clone().into_iter().collect())
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn Reader>> {
        self.meet("read")?;
        let behind = request.cursor.as_ref().map(|cursor| String::from_utf8(cursor.0.clone()).unwrap());
        Ok(Box::new(RowReader { sink: self.clone(), is_resumed: behind.is_some(), request, behind }))
    }

    fn compare(&self) -> Option<&dyn Compare> {
        self.is_comparable.then_some(self)
    }
}

#[async_trait]
impl Compare for FakeSink {
    async fn methods(&self, _: &CompareRequest) -> Result<Vec<String>> {
        self.meet("methods")?;
        Ok(vec![METHOD.into(), "fake-3".into()])
    }

    async fn digest(&self, request: &CompareRequest, buckets: u32) -> Result<BucketDigests> {
        self.meet("digest")?;
        Ok(digests(&self.state().records(), request, buckets))
    }

    async fn entries(&self, request: &CompareRequest, buckets: u32, wanted: &[u32]) -> Result<Box<dyn EntryReader>> {
        self.meet("entries")?;
        Ok(entries(&self.state().records(), request, buckets, wanted))
    }
}

struct RowReader {
    sink: FakeSink,
    request: ReadRequest,
    is_resumed: bool,
    behind: Option<String>,
}

#[async_trait]
impl Reader for RowReader {
    async fn next(&mut self, limits: PageLimits) -> Result<Page> {
        self.sink.meet("next")?;
        let state = self.sink.state();
        let behind = self.behind.clone();
        let rest = state.rows.iter().filter(|(key, _)| behind.as_ref().is_none_or(|behind| *key > behind));
        let page: Vec<_> = rest.take(limits.rows.max(1) as usize).collect();
        self.behind = page.last().map(|(key, _)| (*key).clone()).or(behind);
        let fields: Arc<[Field]> = self.request.fields.clone().into();
        let pick = |record: &Record| {
            let value = |field: &Field| Some((field.name.clone(), record.get(&field.name)?.clone()));
            Value::Object(fields.iter().filter_map(value).collect())
        };
        let records: Vec<Value> = page.iter().map(|(_, record)| pick(record)).collect();
        let is_last = state.rows.keys().next_back() == self.behind.as_ref();
        Ok(Page {
            changes: Changes::upserts(batch_from_json(&fields, &records).unwrap()),
            rejected: Vec::new(),
            next_cursor: Cursor(self.behind.clone().unwrap_or_default().into_bytes()),
            status: match is_last {
                false => PageStatus::More,
                true if self.is_resumed => PageStatus::CaughtUp,
                true => PageStatus::EnumerationComplete,
            },
        })
    }
}
