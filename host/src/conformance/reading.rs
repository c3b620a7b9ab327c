//! Readings, as values that can be compared.

use super::{Stop, told};
use crate::connector::{Cursor, Failure, PageLimits, PageStatus, ReadMode, ReadRequest, Source as _};
use crate::plugin::PluginConnector;
use crate::record::{ChangeKind, Changes, Field, Properties, Stream, row_to_json};

/// Pages in a row that show nothing and stay where they are.
const IDLE_PAGES_MAX: usize = 3;
/// No reading of so few records has so many pages.
const PAGES_MAX: usize = 20_000;

/// What is read, without where it begins.
#[derive(Clone, Debug)]
pub(super) struct Request(pub ReadRequest);

impl Request {
    pub fn full(stream: &Stream) -> Self {
        Self(ReadRequest {
            stream: stream.name.clone(),
            key: stream.key.clone(),
            fields: stream.fields.clone(),
            mode: ReadMode::Full,
            cursor: None,
            options: Properties::default(),
        })
    }

    pub fn incremental(stream: &Stream, modified: Option<&str>) -> Self {
        let mut request = Self::full(stream);
        request.0.mode = ReadMode::Incremental;
        if let Some(modified) = modified {
            request.0.options.set("modified", modified);
        }
        request
    }

    pub fn with_fields(mut self, fields: Vec<Field>) -> Self {
        self.0.fields = fields;
        self
    }

    pub fn with_option(mut self, name: &str, value: &str) -> Self {
        self.0.options.set(name, value);
        self
    }

    pub fn at(&self, cursor: Option<Cursor>) -> ReadRequest {
        ReadRequest { cursor, ..self.0.clone() }
    }
}

/// One record as it was shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    /// The key's values as JSON; none where one of them is null or absent.
    pub key: Option<String>,
    /// Everything that was said of it, as JSON; of a record that was refused, as it was found.
    pub text: String,
    pub is_delete: bool,
    pub is_rejected: bool,
}

/// One page as it came.
#[derive(Debug)]
pub(super) struct Shown {
    pub records: Vec<Seen>,
    pub cursor: Cursor,
    pub status: PageStatus,
    pub changes: Changes,
}

/// Pages from some position on.
#[derive(Debug)]
pub(super) struct Reading {
    pub pages: Vec<Shown>,
}

/// Why there is no reading.
#[derive(Debug)]
pub(super) enum Broken {
    Failed(Failure),
    /// It does not get on.
    Stuck(String),
    /// It was not even begun, or what went wrong is for another check.
    Stopped(Stop),
}

impl Broken {
    /// For whoever is not asking about this.
    pub fn skips(self, why: &str) -> Stop {
        match self {
            Self::Stopped(stop) => stop,
            Self::Failed(_) | Self::Stuck(_) => Stop::Skips(why.to_owned()),
        }
    }
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Failed(failure) => Self::Fails(told(&failure)),
            Broken::Stuck(how) => Self::Fails(how),
            Broken::Stopped(stop) => stop,
        }
    }
}

impl Reading {
    pub fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.pages.iter().flat_map(|page| &page.records)
    }

    pub fn records(&self) -> usize {
        self.pages.iter().map(|page| page.records.len()).sum()
    }

    pub fn is_whole(&self) -> bool {
        self.status() != Some(PageStatus::More)
    }

    pub fn status(&self) -> Option<PageStatus> {
        self.pages.last().map(|page| page.status)
    }

    pub fn cursor(&self) -> Option<Cursor> {
        self.pages.last().map(|page| page.cursor.clone())
    }

    /// What was shown, however it was paged.
    pub fn sorted(&self) -> Vec<&Seen> {
        sorted(self.seen())
    }
}

pub(super) fn sorted<'a>(seen: impl Iterator<Item = &'a Seen>) -> Vec<&'a Seen> {
    let mut sorted: Vec<&Seen> = seen.collect();
    sorted.sort_unstable();
    sorted
}

/// A record that is in one of the sorted lists and not in the other, so many times: `first` or `second`.
pub(super) fn difference<'a>(first: &[&'a Seen], second: &[&'a Seen]) -> Option<(&'a Seen, Side)> {
    let (mut left, mut right) = (first.iter().peekable(), second.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (None, None) => return None,
            (Some(seen), None) => return Some((**seen, Side::First)),
            (None, Some(seen)) => return Some((**seen, Side::Second)),
            (Some(a), Some(b)) if a < b => return Some((**a, Side::First)),
            (Some(a), Some(b)) if b < a => return Some((**b, Side::Second)),
            _ => {
                left.next();
                right.next();
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    First,
    Second,
}

/// A record in a sentence.
pub(super) fn shown(seen: &Seen) -> String {
    let text: String = seen.text.chars().take(120).collect();
    if text.len() < seen.text.len() { format!("{text}…") } else { text }
}

/// Reads in an instance of its own, from a cursor to the end or until there are so many records.
pub(super) async fn read(
    connector: &PluginConnector,
    request: &Request,
    cursor: Option<Cursor>,
    limits: PageLimits,
    records_max: usize,
) -> Result<Reading, Broken> {
    let mut reader = connector.open(request.at(cursor)).await.map_err(Broken::Failed)?;
    let (mut reading, mut idle) = (Reading { pages: Vec::new() }, 0);
    loop {
        let page = reader.next(limits).await.map_err(Broken::Failed)?;
        let stays = page.changes.rows() + page.rejected.len() == 0
            && reading.cursor().is_some_and(|cursor| cursor == page.next_cursor);
        idle = if stays { idle + 1 } else { 0 };
        let status = page.status;
        reading.pages.push(show(page, &request.0.key));
        if status != PageStatus::More || reading.records() >= records_max {
            return Ok(reading);
        }
        if idle >= IDLE_PAGES_MAX || reading.pages.len() >= PAGES_MAX {
            let pages = reading.pages.len();
            return Err(Broken::Stuck(format!("it says `more` for ever: nothing new after {pages} pages")));
        }
    }
}

fn show(page: crate::connector::Page, key: &[String]) -> Shown {
    let changes = page.changes;
    let mut records: Vec<Seen> = (0..changes.rows()).map(|row| see(&changes, row, key)).collect();
    records.extend(page.rejected.into_iter().map(|rejection| Seen {
        key: None,
        text: String::from_utf8_lossy(&rejection.raw).into_owned(),
        is_delete: false,
        is_rejected: true,
    }));
    Shown { records, cursor: page.next_cursor, status: page.status, changes }
}

pub(super) fn see(changes: &Changes, row: usize, key: &[String]) -> Seen {
    let record = row_to_json(&changes.data, row);
    let values: Option<Vec<&serde_json::Value>> =
        key.iter().map(|name| record.get(name).filter(|value| !value.is_null())).collect();
    let key = values.filter(|values| !values.is_empty()).map(|values| serde_json::json!(values).to_string());
    let is_delete = changes.kind(row) == ChangeKind::Delete;
    Seen { key, text: serde_json::Value::Object(record).to_string(), is_delete, is_rejected: false }
}
