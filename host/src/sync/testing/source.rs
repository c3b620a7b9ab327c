//! A source: lines in places, read in full or by the time of their last change.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::compare::{METHOD, digests, entries};
use super::{Power, Record, Script, SeededRandom, failure, key_text};
use crate::connector::{
    BucketDigests, Compare, CompareRequest, Cursor, EntryReader, Failure, FailureKind, Lookup, Page, PageLimits,
    PageStatus, ReadMode, ReadRequest, Reader, Rejection, Result, Source,
};
use crate::record::{Batch, ChangeKind, Changes, Field, Properties, Stream, batch_from_json, row_to_json};

/// What stands in a place of a source.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Record(Record),
    /// The key of a record that is gone.
    Tombstone(Record),
    Unreadable(String),
}

#[derive(Clone, Debug)]
struct Line {
    body: Body,
    /// When it was last changed; the stream's own clock.
    at: u64,
}

/// How a full reading goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// One version is read to its end; if it is not the one of the cursor, everything is read again.
    File,
    /// Goes on behind the last key, whatever happened before it.
    Table,
    /// Cannot go on: a reading that was broken off begins at the beginning.
    Scan,
}

type Edit = Box<dyn FnOnce(&mut SourceState) + Send>;

pub struct SourceState {
    pub stream: Stream,
    pub flavour: Flavour,
    /// Whether a full reading can promise that it showed everything.
    pub is_complete: bool,
    /// Whether removed records leave a tombstone for incremental readings.
    pub leaves_tombstones: bool,
    pub is_comparable: bool,
    /// Pages of any size up to the limit.
    pub page_sizes: Option<SeededRandom>,
    /// Everything shown since the last reading began at the beginning, or since this was cleared, page by page.
    pub shown: Vec<(Vec<u8>, Vec<Body>)>,
    /// Records shown by reading, ever.
    pub records_read: u64,
    lines: BTreeMap<i64, Line>,
    now: u64,
    epoch: u32,
    pages: u64,
    edits: VecDeque<(u64, Edit)>,
    before_lookup: Option<Edit>,
}

impl SourceState {
    fn touch(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    pub fn put(&mut self, place: i64, record: Record) {
        let at = self.touch();
        self.lines.insert(place, Line { body: Body::Record(record), at });
    }

    /// With a time of its own, as if it had been committed late.
    pub fn put_at(&mut self, place: i64, record: Record, at: u64) {
        self.touch();
        self.lines.insert(place, Line { body: Body::Record(record), at });
    }

    pub fn spoil(&mut self, place: i64) {
        let at = self.touch();
        self.lines.insert(place, Line { body: Body::Unreadable(format!("garbage {at}")), at });
    }

    pub fn remove(&mut self, place: i64) {
        let at = self.touch();
        let key = self.stream.key.clone();
        match self.lines.remove(&place) {
            Some(Line { body: Body::Record(record), .. }) if self.leaves_tombstones => {
                let key = record.into_iter().filter(|(name, _)| key.contains(name)).collect();
                self.lines.insert(place, Line { body: Body::Tombstone(key), at });
            }
            // What is gone cannot go again; its tombstone stays where it is.
            Some(line @ Line { body: Body::Tombstone(_), .. }) => drop(self.lines.insert(place, line)),
            _ => {}
        }
    }

    pub fn clear(&mut self) {
        let places: Vec<i64> = self.lines.keys().copied().collect();
        places.into_iter().for_each(|place| self.remove(place));
    }

    /// Every cursor given out so far is worth nothing any more.
    pub fn forget_positions(&mut self) {
        self.epoch += 1;
    }

    pub fn places(&self) -> Vec<i64> {
        self.lines.keys().copied().collect()
    }

    pub fn body(&self, place: i64) -> Option<&Body> {
        self.lines.get(&place).map(|line| &line.body)
    }

    pub fn now(&self) -> u64 {
        self.now
    }

    /// Done before the page that follows so many more.
    pub fn edit_after_pages(&mut self, pages: u64, edit: impl FnOnce(&mut SourceState) + Send + 'static) {
        self.edits.push_back((self.pages + pages, Box::new(edit)));
    }

    /// What a mirror should hold: of each key the last record.
    pub fn current(&self) -> BTreeMap<String, Record> {
        let mut current = BTreeMap::new();
        for line in self.lines.values() {
            if let Body::Record(record) = &line.body
                && self.stream.key.iter().all(|name| record.get(name).is_some_and(|value| !value.is_null()))
            {
                current.insert(key_text(record, &self.stream.key), record.clone());
            }
        }
        current
    }

    fn records(&self) -> Vec<Record> {
        self.current().into_values().collect()
    }
}

/// Shared by everybody who holds it.
#[derive(Clone)]
pub struct FakeSource {
    state: Arc<Mutex<SourceState>>,
    pub script: Script,
    pub power: Power,
}

impl FakeSource {
    pub fn new(fields: &[(&str, &str)], power: &Power) -> Self {
        let fields: Vec<Field> =
            fields.iter().map(|(name, logical)| Field::new(*name, logical.parse().unwrap())).collect();
        let stream =
            Stream { name: "people".into(), key: vec!["id".into()], fields, properties: Properties::default() };
        let state = SourceState {
            stream,
            flavour: Flavour::File,
            is_complete: true,
            leaves_tombstones: true,
            is_comparable: false,
            page_sizes: None,
            shown: Vec::new(),
            records_read: 0,
            lines: BTreeMap::new(),
            now: 0,
            epoch: 0,
            pages: 0,
            edits: VecDeque::new(),
            before_lookup: None,
        };
        Self { state: Arc::new(Mutex::new(state)), script: Script::default(), power: power.clone() }
    }

    pub fn state(&self) -> MutexGuard<'_, SourceState> {
        self.state.lock().unwrap()
    }

    fn meet(&self, call: &'static str) -> Result<()> {
        self.power.check()?;
        self.script.meet(call)
    }

    /// Somebody does this while source and target are being compared.
    pub fn put_before_lookup(&self, place: i64, record: Record) {
        self.state().before_lookup = Some(Box::new(move |source| source.put(place, record)));
    }
}

#[async_trait]
impl Source for FakeSource {
    async fn discover(&self, names: &[String]) -> Result<Vec<Stream>> {
        self.meet("discover")?;
        let stream = self.state().stream.clone();
        Ok(if names.is_empty() || names.contains(&stream.name) { vec![stream] } else { Vec::new() })
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn Reader>> {
        self.meet("read")?;
        let mut state = self.state();
        let position = Position::begin(&request, &state)?;
        if position.from_the_beginning {
            state.shown.clear();
        }
        let version = state.now;
        Ok(Box::new(FakeReader { source: self.clone(), request, position, version, has_ended: false }))
    }

    fn compare(&self) -> Option<&dyn Compare> {
        self.state().is_comparable.then_some(self)
    }

    fn lookup(&self) -> Option<&dyn Lookup> {
        self.state().is_comparable.then_some(self)
    }
}

#[async_trait]
impl Lookup for FakeSource {
    async fn lookup(&self, request: &ReadRequest, keys: &Batch) -> Result<Changes> {
        self.meet("lookup")?;
        let mut state = self.state();
        if let Some(edit) = state.before_lookup.take() {
            edit(&mut state);
        }
        let current = state.current();
        let wanted = (0..keys.rows()).map(|row| key_text(&row_to_json(keys, row), &request.key));
        let found: Vec<Value> =
            wanted.filter_map(|key| current.get(&key)).map(|record| pick(record, request)).collect();
        Ok(Changes::upserts(batch_from_json(&request.fields.clone().into(), &found).unwrap()))
    }
}

#[async_trait]
impl Compare for FakeSource {
    async fn methods(&self, _: &CompareRequest) -> Result<Vec<String>> {
        self.meet("methods")?;
        Ok(vec!["fake-2".into(), METHOD.into()])
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

/// The fields that are wanted of a record.
fn pick(record: &Record, request: &ReadRequest) -> Value {
    let is_wanted = |name: &String| request.fields.iter().any(|field| field.name == *name);
    Value::Object(record.iter().filter(|(name, _)| is_wanted(name)).map(|(n, v)| (n.clone(), v.clone())).collect())
}

/// Behind a line.
struct Position {
    mode: ReadMode,
    at: u64,
    place: i64,
    from_the_beginning: bool,
    /// The cursor was that of a finished reading of the same version.
    is_done: bool,
}

impl Position {
    fn begin(request: &ReadRequest, state: &SourceState) -> Result<Self> {
        let mode = request.mode;
        let start = Self { mode, at: 0, place: i64::MIN, from_the_beginning: true, is_done: false };
        let Some(cursor) = &request.cursor else { return Ok(start) };
        let cursor: Value = serde_json::from_slice(&cursor.0).unwrap();
        if cursor["epoch"] != json!(state.epoch) {
            return Err(failure(FailureKind::StaleCursor));
        }
        let place = cursor["place"].as_i64().unwrap();
        let is_done = cursor["done"] == json!(true);
        let is_same = cursor["version"] == json!(state.now);
        let lookback: u64 = request.options.get("lookback-ms").map_or(0, |text| text.parse().unwrap());
        Ok(match (mode, state.flavour) {
            _ if cursor["mode"] != json!(mode == ReadMode::Full) => start,
            (ReadMode::Incremental, _) if lookback > 0 => {
                let at = cursor["at"].as_u64().unwrap().saturating_sub(lookback);
                Self { at, place: i64::MIN, from_the_beginning: false, ..start }
            }
            (ReadMode::Incremental, _) => {
                Self { at: cursor["at"].as_u64().unwrap(), place, from_the_beginning: false, ..start }
            }
            (ReadMode::Full, Flavour::File) if is_same => Self { place, from_the_beginning: false, is_done, ..start },
            (ReadMode::Full, Flavour::Table) if !is_done => Self { place, from_the_beginning: false, ..start },
            (ReadMode::Full, _) => start,
        })
    }

    fn rest(&self, state: &SourceState) -> Vec<(u64, i64, Body)> {
        let lines = state.lines.iter().map(|(place, line)| (line.at, *place, line.body.clone()));
        match self.mode {
            _ if self.is_done => Vec::new(),
            ReadMode::Full => {
                lines.filter(|(_, place, body)| *place > self.place && !matches!(body, Body::Tombstone(_))).collect()
            }
            ReadMode::Incremental => {
                let mut rest: Vec<_> = lines.filter(|(at, place, _)| (*at, *place) > (self.at, self.place)).collect();
                rest.sort_by_key(|(at, place, _)| (*at, *place));
                rest
            }
        }
    }

    fn cursor(&self, state: &SourceState, is_done: bool) -> Cursor {
        let cursor = json!({
            "epoch": state.epoch, "mode": self.mode == ReadMode::Full, "at": self.at, "place": self.place,
            "done": is_done, "version": state.now,
        });
        Cursor(cursor.to_string().into_bytes())
    }
}

struct FakeReader {
    source: FakeSource,
    request: ReadRequest,
    position: Position,
    version: u64,
    has_ended: bool,
}

#[async_trait]
impl Reader for FakeReader {
    async fn next(&mut self, limits: PageLimits) -> Result<Page> {
        assert!(!self.has_ended, "a reader was used behind its end");
        let page = self.page(limits);
        self.has_ended = page.as_ref().map_or(true, |page| page.status != PageStatus::More);
        page
    }
}

impl FakeReader {
    fn page(&mut self, limits: PageLimits) -> Result<Page> {
        self.source.meet("next")?;
        let source = self.source.clone();
        let mut state = source.state();
        let pages = state.pages;
        while let Some((_, edit)) = state.edits.pop_front_if(|(page, _)| *page <= pages) {
            edit(&mut state);
        }
        state.pages += 1;
        if self.position.mode == ReadMode::Full && state.flavour == Flavour::File && state.now != self.version {
            return Err(failure(FailureKind::Transient));
        }
        let rest = self.position.rest(&state);
        let rows = u64::from(limits.rows.max(1));
        let rows = state.page_sizes.as_ref().map_or(rows, |sizes| 1 + sizes.below(rows)) as usize;
        let is_last = rest.len() <= rows;
        let lines: Vec<_> = rest.into_iter().take(rows).collect();
        if let Some((at, place, _)) = lines.last() {
            (self.position.at, self.position.place) = (*at, *place);
        }
        let next_cursor = self.position.cursor(&state, is_last);
        let (changes, rejected, shown) = self.changes(lines);
        state.records_read += shown.len() as u64;
        state.shown.push((next_cursor.0.clone(), shown));
        let is_enumeration = self.position.from_the_beginning && self.position.mode == ReadMode::Full;
        let status = match is_last {
            false => PageStatus::More,
            true if is_enumeration && state.is_complete => PageStatus::EnumerationComplete,
            true => PageStatus::CaughtUp,
        };
        Ok(Page { changes, rejected, next_cursor, status })
    }

    fn changes(&self, lines: Vec<(u64, i64, Body)>) -> (Changes, Vec<Rejection>, Vec<Body>) {
        let fields: Arc<[Field]> = self.request.fields.clone().into();
        let (mut records, mut kinds, mut rejected, mut shown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (_, place, body) in lines {
            let (record, kind) = match &body {
                Body::Record(record) => (pick(record, &self.request), ChangeKind::Upsert),
                Body::Tombstone(key) => (pick(key, &self.request), ChangeKind::Delete),
                Body::Unreadable(raw) => {
                    rejected.push(rejection(place, raw, failure(FailureKind::InvalidData)));
                    shown.push(body);
                    continue;
                }
            };
            if batch_from_json(&fields, std::slice::from_ref(&record)).is_ok() {
                records.push(record);
                kinds.push(kind as u8);
                shown.push(body);
            } else {
                rejected.push(rejection(place, &record.to_string(), failure(FailureKind::InvalidData)));
                shown.push(Body::Unreadable(record.to_string()));
            }
        }
        let mut changes = Changes::upserts(batch_from_json(&fields, &records).unwrap());
        changes.kinds = kinds.contains(&(ChangeKind::Delete as u8)).then(|| kinds.into());
        (changes, rejected, shown)
    }
}

fn rejection(place: i64, raw: &str, error: Failure) -> Rejection {
    Rejection { position: format!("line {place}"), raw: raw.as_bytes().to_vec(), error }
}
