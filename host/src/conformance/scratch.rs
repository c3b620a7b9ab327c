//! The stream that may be written: what is put there, and taken away again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use super::lab::Lab;
use super::reading::{Reading, Request, see};
use super::{Stop, fails, sample, skips, told};
use crate::connector::{
    Effect, Evolve, Failure, FailureKind, Flushed, PrepareOptions, Sink as _, WriteMode, WriteRequest, WriteResults,
    WriteStatus, expected_name,
};
use crate::record::{ChangeKind, Changes, Field, LogicalType, Properties, Stream, batch_from_json, row_to_json};

pub(super) type Record = Map<String, Value>;

/// Keys that have to be free.
const ROOM: u32 = 200;
const ROOMS_TRIED: usize = 20;
/// Other records that are looked at for other values.
const CHANGES_TRIED: u32 = 3;
/// Fields that are written besides the key and those that must be.
const FIELDS: usize = 3;
pub(super) const REAL: PrepareOptions = PrepareOptions { evolve: Evolve::LeaveFields, effect: Effect::Real };
/// What a stream is made of that is not there yet.
const MADE: &[(&str, &str)] =
    &[("id", "int64"), ("name", "text"), ("amount", "decimal(18,2)"), ("changed", "timestamp"), ("note", "text")];

/// The stream that may be written.
pub(super) struct Scratch {
    /// With the fields that are written.
    pub stream: Stream,
    /// What it says it takes: `upsert`, `delete`, `insert`, `update`.
    modes: Vec<String>,
    /// Whether the system makes the key itself.
    pub makes_key: bool,
    /// Records made so far, by number.
    made: AtomicU32,
    /// Keys of what is to be taken away again.
    left: Mutex<Vec<Record>>,
    /// Sample records, if there are any.
    sample: Vec<Record>,
}

/// What was answered for one page that was written and made durable.
pub(super) struct Written {
    pub statuses: Vec<WriteStatus>,
    pub results: WriteResults,
    pub flushed: Flushed,
}

impl Lab {
    /// The stream that may be written.
    pub(super) async fn scratch(&self) -> Result<&Scratch, Stop> {
        self.scratch.get_or_init(|| Scratch::make(self)).await.as_ref().map_err(Clone::clone)
    }

    /// The name of the stream that may be written.
    pub(super) fn write_stream(&self) -> Result<&str, Stop> {
        self.exports("sink")?;
        self.wishes
            .write_stream
            .as_deref()
            .map_or_else(|| skips("nothing is written without a stream for it: `--write-stream NAME`"), Ok)
    }
}

impl Scratch {
    async fn make(lab: &Lab) -> Result<Self, Stop> {
        let name = lab.write_stream()?;
        let connector = lab.connector().await?;
        let described = connector.describe(name).await;
        let found = described.or_else(|_| skips("`write.describes` failed"))?;
        let found = match found {
            Some(stream) => stream,
            None => prepare_new(lab, name).await?,
        };
        let said = found.properties.get("write").unwrap_or("upsert,delete");
        let modes: Vec<String> = said.split(',').map(|mode| mode.trim().to_owned()).collect();
        let key = if lab.wishes.write_key.is_empty() { found.key.clone() } else { lab.wishes.write_key.clone() };
        if let Some(unknown) = key.iter().find(|name| found.field(name).is_none()) {
            return skips(format!("`{name}` has no field `{unknown}`"));
        }
        let found = Stream { key, ..found };
        // Who says what a record looks like and leaves the key out has a system that makes it.
        let left_out = |key: &String| lab.wishes.sample.first().is_some_and(|record| !record.contains_key(key));
        let makes_key =
            found.key.iter().filter_map(|key| found.field(key)).any(is_computed) || found.key.iter().any(left_out);
        let fields = chosen_fields(lab, &found);
        if found.key.is_empty() {
            return skips(format!("`{name}` has no key"));
        }
        let stream = Stream { fields, ..found };
        let (made, left, sample) = (AtomicU32::new(1), Mutex::default(), lab.wishes.sample.clone());
        let scratch = Self { stream, modes, makes_key, made, left, sample };
        scratch.find_room(lab).await?;
        Ok(scratch)
    }

    /// Skips unless the stream takes this mode.
    pub fn takes(&self, mode: &str) -> Result<(), Stop> {
        if self.modes.iter().any(|taken| taken == mode) {
            Ok(())
        } else {
            skips(format!("`{}` does not list `{mode}` in its property `write`", self.stream.name))
        }
    }

    /// So many records that are not there. Without keys where the system makes them.
    pub fn records(&self, count: u32) -> Vec<Record> {
        let first = self.made.fetch_add(count, Ordering::Relaxed);
        (first..first + count).map(|number| self.record(number)).collect()
    }

    fn record(&self, number: u32) -> Record {
        let sample = self.sample.get(number as usize % self.sample.len().max(1));
        let made = |field: &Field| {
            let is_key = self.stream.key.contains(&field.name);
            let given = sample.and_then(|record| record.get(&field.name)).map(|value| sample::numbered(value, number));
            // A key that is the same for every number identifies nothing.
            let fits = |value: &Value| !is_key || sample.and_then(|record| record.get(&field.name)) != Some(value);
            given.filter(fits).unwrap_or_else(|| sample::value(field, number))
        };
        self.written_fields().map(|field| (field.name.clone(), made(field))).collect()
    }

    /// Fields whose values are given.
    fn written_fields(&self) -> impl Iterator<Item = &Field> {
        self.stream.fields.iter().filter(|field| !(self.makes_key && self.stream.key.contains(&field.name)))
    }

    /// A field that can be changed: not of the key.
    pub fn changeable(&self) -> Result<Vec<&Field>, Stop> {
        let fields: Vec<&Field> = super::lab::without_key(&self.stream).collect();
        if fields.is_empty() { skips(format!("`{}` has only its key", self.stream.name)) } else { Ok(fields) }
    }

    /// The record with other values, which another record of the same make would have.
    pub fn changed(&self, record: &Record) -> Record {
        let mut changed = record.clone();
        // A sample may repeat itself.
        for other in self.records(CHANGES_TRIED) {
            let other = other.into_iter().filter(|(name, _)| !self.stream.key.contains(name));
            let other: Record = other.filter(|(name, value)| record.get(name) != Some(value)).collect();
            changed.extend(
                other.into_iter().filter(|(name, _)| changed.get(name) == record.get(name)).collect::<Vec<_>>(),
            );
        }
        changed
    }

    /// The key of a record.
    pub fn key(&self, record: &Record) -> Record {
        self.stream.key.iter().filter_map(|name| Some((name.clone(), record.get(name)?.clone()))).collect()
    }

    /// A page of these rows, which have the same fields.
    pub fn page(&self, rows: &[(ChangeKind, Record)]) -> Result<Changes, Stop> {
        page_of(&self.stream, rows)
    }

    /// Writes one page and makes it durable.
    pub async fn write(&self, lab: &Lab, mode: WriteMode, rows: &[(ChangeKind, Record)]) -> Result<Written, Stop> {
        let page = self.page(rows)?;
        self.remember(rows);
        let written = self.write_page(lab, mode, &page).await;
        lab.answered(written)
    }

    /// As [`Scratch::write`], for whoever expects a failure.
    pub async fn write_page(&self, lab: &Lab, mode: WriteMode, page: &Changes) -> Result<Written, Failure> {
        self.write_as(lab, &self.stream, mode, page).await
    }

    /// With other fields than those that are usually written.
    pub async fn write_as(
        &self,
        lab: &Lab,
        stream: &Stream,
        mode: WriteMode,
        page: &Changes,
    ) -> Result<Written, Failure> {
        let Ok(connector) = lab.fresh() else { return Err(unusable()) };
        let mut writer = connector.open(WriteRequest { stream: stream.clone(), ..self.request(mode) }).await?;
        let results = writer.write(page).await?;
        let flushed = writer.flush().await?;
        let statuses = results.statuses.clone().unwrap_or_else(|| vec![WriteStatus::Ok; page.rows()]);
        if let Some(ids) = &results.ids {
            let keys = ids.iter().filter_map(|id| self.key_of(id)).map(|key| (ChangeKind::Upsert, key));
            self.remember(&keys.collect::<Vec<_>>());
        }
        Ok(Written { statuses, results, flushed })
    }

    pub fn request(&self, mode: WriteMode) -> WriteRequest {
        WriteRequest { stream: self.stream.clone(), mode, options: Properties::default() }
    }

    /// The key that a list of texts stands for: `["17"]`.
    pub fn key_of(&self, id: &[u8]) -> Option<Record> {
        let texts: Vec<String> = serde_json::from_slice(id).ok()?;
        if texts.len() != self.stream.key.len() {
            return None;
        }
        let value = |(name, text): (&String, String)| {
            let field = self.stream.field(name)?;
            let value = match field.logical {
                LogicalType::Int64 | LogicalType::Bool | LogicalType::Float64 => serde_json::from_str(&text).ok()?,
                _ => Value::String(text),
            };
            Some((name.clone(), value))
        };
        self.stream.key.iter().zip(texts).map(value).collect()
    }

    /// Puts so many new records there, whatever way there is; answers them with their keys.
    pub async fn create(&self, lab: &Lab, count: u32) -> Result<Vec<Record>, Stop> {
        let mut records = self.records(count);
        self.put(lab, &mut records).await?;
        Ok(records)
    }

    /// Puts records there that are new.
    pub async fn put(&self, lab: &Lab, records: &mut [Record]) -> Result<(), Stop> {
        let by_key = self.takes("upsert").is_ok() && !self.makes_key;
        let mode = if by_key { WriteMode::Upsert } else { WriteMode::Insert };
        self.takes(mode.name())?;
        let written = self.write(lab, mode, &upserts(records)).await;
        let written = written.or_else(|_| skips(format!("`{}` failed", owner(mode))))?;
        if written.statuses.iter().any(|status| *status != WriteStatus::Ok) {
            return skips(format!("`{}` failed", owner(mode)));
        }
        for (record, id) in records.iter_mut().zip(written.results.ids.iter().flatten()) {
            record.extend(self.key_of(id).unwrap_or_default());
        }
        let lacks = |record: &Record| self.stream.key.iter().any(|name| !record.contains_key(name));
        if records.iter().any(lacks) { skips("`insert.ids` failed") } else { Ok(()) }
    }

    /// The records of these keys as they are now, with the fields that are written.
    pub async fn see(&self, lab: &Lab, records: &[Record]) -> Result<Vec<Option<Record>>, Stop> {
        let mut seen = Vec::new();
        for (record, mut found) in records.iter().zip(self.find(lab, records).await?) {
            if found.len() > 1 {
                return fails(format!("the record {} is there twice", shown(&self.key(record))));
            }
            seen.push(found.pop());
        }
        Ok(seen)
    }

    /// Every copy there is of each of these records: by its key, or by its values where the system has made a key that nobody knows.
    pub async fn find(&self, lab: &Lab, records: &[Record]) -> Result<Vec<Vec<Record>>, Stop> {
        let lacks_key = |record: &Record| self.stream.key.iter().any(|name| !record.contains_key(name));
        if records.iter().any(lacks_key) {
            return self.find_by_values(lab, records).await;
        }
        let keys: Vec<(ChangeKind, Record)> =
            records.iter().map(|record| (ChangeKind::Upsert, self.key(record))).collect();
        let page = self.page(&keys)?;
        let found = if lab.exports("lookup").is_ok() {
            let changes = super::lookup::look_up(lab, &Request::full(&self.stream), &page.data).await?;
            self.rows(std::iter::once(&changes))
        } else {
            self.rows(self.read_back(lab, usize::MAX).await?.pages.iter().map(|page| &page.changes))
        };
        let copies = |row| {
            let key = see(&page, row, &self.stream.key).key;
            found.iter().filter(|(other, _)| *other == key).map(|(_, record)| record.clone()).collect()
        };
        Ok((0..page.rows()).map(copies).collect())
    }

    async fn find_by_values(&self, lab: &Lab, records: &[Record]) -> Result<Vec<Vec<Record>>, Stop> {
        let reading = self.read_back(lab, super::lab::RECORDS_MAX).await?;
        if !reading.is_whole() {
            return skips(format!("`{}` has too many records to look for one by its values", self.stream.name));
        }
        let found = self.rows(reading.pages.iter().map(|page| &page.changes));
        let mut copies = Vec::new();
        for record in records {
            let expected = self.expected(record)?;
            let is_it = |other: &Record| expected.iter().all(|(name, value)| other.get(name) == Some(value));
            copies.push(found.iter().map(|(_, other)| other).filter(|other| is_it(other)).cloned().collect());
        }
        Ok(copies)
    }

    /// Records with their keys.
    fn rows<'a>(&self, pages: impl Iterator<Item = &'a Changes>) -> Vec<(Option<String>, Record)> {
        let mut found = Vec::new();
        for changes in pages {
            let row = |row| (see(changes, row, &self.stream.key).key, row_to_json(&changes.data, row));
            found.extend((0..changes.rows()).map(row));
        }
        found
    }

    /// What the source shows of the stream.
    async fn read_back(&self, lab: &Lab, records_max: usize) -> Result<Reading, Stop> {
        if lab.exports("source").is_err() {
            return skips("what was written cannot be read: it exports neither `source` nor `lookup`");
        }
        match lab.read(&Request::full(&self.stream), None, lab.page_limits(), records_max).await {
            Err(_) if !lab.shows(&self.stream.name).await => {
                let name = &self.stream.name;
                skips(format!("what was written cannot be read: the source shows no stream `{name}`"))
            }
            reading => Ok(reading?),
        }
    }

    /// The record as a reading would show it.
    pub fn expected(&self, record: &Record) -> Result<Record, Stop> {
        Ok(row_to_json(&self.page(&[(ChangeKind::Upsert, record.clone())])?.data, 0))
    }

    /// Fails unless these records are there with these values.
    pub async fn holds(&self, lab: &Lab, records: &[Record]) -> Result<(), Stop> {
        for (record, found) in records.iter().zip(self.see(lab, records).await?) {
            let Some(found) = found else { return fails(format!("{} is not there", shown(record))) };
            for (name, value) in self.expected(record)? {
                if found.get(&name) != Some(&value) {
                    let is = found.get(&name).cloned().unwrap_or_default();
                    return fails(format!("`{name}` was written as {value} and is {is}"));
                }
            }
        }
        Ok(())
    }

    /// Will be taken away again.
    pub fn remember(&self, rows: &[(ChangeKind, Record)]) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, record) in rows {
            let key = self.key(record);
            if key.len() == self.stream.key.len() && !left.contains(&key) {
                left.push(key);
            }
        }
    }

    /// Begins with a number from which on no record is there: nothing that is not ours is ever written over.
    async fn find_room(&self, lab: &Lab) -> Result<(), Stop> {
        if self.makes_key {
            return Ok(());
        }
        for first in (1..).step_by(ROOM as usize).take(ROOMS_TRIED) {
            let keys: Vec<Record> = (first..first + ROOM).map(|number| self.key(&self.record(number))).collect();
            let seen = match self.see(lab, &keys).await {
                Ok(seen) => seen,
                Err(_) if self.stream.properties.get("empty") == Some("true") => return Ok(()),
                Err(stop) => return skips(format!("whether `{}` has room cannot be told: {stop:?}", self.stream.name)),
            };
            if seen.iter().all(Option::is_none) {
                self.made.store(first, Ordering::Relaxed);
                return Ok(());
            }
        }
        skips(format!("`{}` already has records with the keys that would be written", self.stream.name))
    }

    /// Deletes what was written; what cannot be deleted stays.
    pub async fn clean_up(&self, lab: &Lab) {
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        let keys: Vec<(ChangeKind, Record)> = left.into_iter().map(|key| (ChangeKind::Delete, key)).collect();
        self.delete(lab, &keys).await;
    }

    async fn delete(&self, lab: &Lab, keys: &[(ChangeKind, Record)]) {
        let mode = if self.takes("upsert").is_ok() { WriteMode::Upsert } else { WriteMode::Update };
        if keys.is_empty() || self.takes("delete").is_err() {
            return;
        }
        if let Ok(page) = self.page(keys)
            && let Err(failure) = self.write_page(lab, mode, &page).await
        {
            tracing::warn!(
                stream = self.stream.name,
                failure = told(&failure),
                "what was written for a check stays there"
            );
        }
    }
}

/// A page of these rows, which have the same fields; a field may stand under the name of what it is expected to be.
pub(super) fn page_of(stream: &Stream, rows: &[(ChangeKind, Record)]) -> Result<Changes, Stop> {
    let names = rows.first().map(|(_, record)| record.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let named = |name: &String| {
        let field = stream.field(name.strip_prefix(crate::connector::EXPECTED_PREFIX).unwrap_or(name))?;
        Some(Field { name: name.clone(), ..field.clone() })
    };
    let fields: Vec<Field> = names.iter().filter_map(named).collect();
    let values: Vec<Value> = rows.iter().map(|(_, record)| Value::Object(record.clone())).collect();
    let batch = batch_from_json(&fields.into(), &values)
        .map_err(|error| Stop::Skips(format!("the records cannot be written: {error}")))?;
    let mut changes = Changes::upserts(batch);
    if rows.iter().any(|(kind, _)| *kind != ChangeKind::Upsert) {
        changes.kinds = Some(rows.iter().map(|(kind, _)| *kind as u8).collect::<Vec<_>>().into());
    }
    Ok(changes)
}

fn unusable() -> Failure {
    let code = &crate::error::codes::INTERNAL;
    Failure::new(FailureKind::Other, code, "check", "the plugin cannot be called any more")
}

/// The check that tells whether this mode works at all.
fn owner(mode: WriteMode) -> &'static str {
    if mode == WriteMode::Upsert { "write.upsert" } else { "insert.creates" }
}

pub(super) fn upserts(records: &[Record]) -> Vec<(ChangeKind, Record)> {
    records.iter().map(|record| (ChangeKind::Upsert, record.clone())).collect()
}

pub(super) fn deletes(keys: &[Record]) -> Vec<(ChangeKind, Record)> {
    keys.iter().map(|record| (ChangeKind::Delete, record.clone())).collect()
}

/// The record with what a field must still be.
pub(super) fn expecting(mut record: Record, field: &str, value: Value) -> Record {
    record.insert(expected_name(field), value);
    record
}

pub(super) fn shown(record: &Record) -> String {
    Value::Object(record.clone()).to_string().chars().take(120).collect()
}

async fn prepare_new(lab: &Lab, name: &str) -> Result<Stream, Stop> {
    let fields = MADE.iter().filter_map(|(name, logical)| Some(Field::new(*name, logical.parse().ok()?))).collect();
    let wanted =
        Stream { name: name.to_owned(), key: vec!["id".to_owned()], fields, properties: Properties::default() };
    let connector = lab.connector().await?;
    let prepared = connector.prepare(&wanted, REAL).await;
    prepared.or_else(|failure| skips(format!("`{name}` is not there and cannot be made: {}", told(&failure))))?;
    match connector.describe(name).await {
        Ok(Some(stream)) => Ok(stream),
        _ => skips(format!("`{name}` was made and is not there")),
    }
}

/// Whether the system itself fills it in.
fn is_computed(field: &Field) -> bool {
    field.properties.get("computed") == Some("true") || field.properties.get("generated").is_some()
}

/// The key, what must have a value, and a few more: those that the sample has, else those of plain types.
fn chosen_fields(lab: &Lab, stream: &Stream) -> Vec<Field> {
    let sample = lab.wishes.sample.first();
    let modified = lab.wishes.modified.as_deref().or(stream.properties.get("modified"));
    let is_plain = |field: &&Field| {
        !is_computed(field)
            && field.nullable
            && Some(field.name.as_str()) != modified
            && matches!(field.logical, LogicalType::Text | LogicalType::Int64 | LogicalType::Decimal(_))
    };
    let plain: Vec<&String> = stream.fields.iter().filter(is_plain).map(|field| &field.name).take(FIELDS).collect();
    let is_wanted = |field: &&Field| {
        let is_key = stream.key.contains(&field.name);
        match sample {
            _ if is_key => true,
            Some(sample) => sample.contains_key(&field.name),
            None => plain.contains(&&field.name) || (!field.nullable && !is_computed(field)),
        }
    };
    let fields = stream.fields.iter().filter(is_wanted).cloned();
    fields.collect()
}
