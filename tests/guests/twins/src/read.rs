//! Reading, in full by id, and what changed by time and id.

use lockstep_plugin_sdk::capabilities::files;
use lockstep_plugin_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::store::Row;
use crate::{Config, ITEMS, LEAK_BYTES, noted};

const LOOKBACK_MICROS: i64 = 600_000_000;
/// The record whose key a variant hides.
const WITHOUT_KEY: i64 = 41;
/// What the battery asks for when nothing else is said.
const USUAL_ROWS: u32 = 10_000;

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    /// Changes: not before this time.
    since: Option<i64>,
    /// The time and the id of the last row on a page that is followed by more.
    time: Option<i64>,
    id: Option<i64>,
    /// Where the reading that is over got to.
    reached: Option<i64>,
}

pub struct Rows {
    config: Config,
    request: ReadRequest,
    rows: std::vec::IntoIter<Row>,
    position: Position,
    /// Of an incremental reading: what the next one begins at.
    reached: Option<i64>,
    pages: usize,
    /// Whether rows are still to be left out that a variant leaves out.
    whole: bool,
    cursor_at_open: Option<Vec<u8>>,
}

impl Rows {
    pub fn open(config: Config, request: &ReadRequest, mut rows: Vec<Row>) -> Result<Self> {
        let position = position(&config, request)?;
        let reached = boundary(&config, &rows);
        if request.is_incremental() {
            changes(&config, request, &position, &mut rows);
        } else {
            rows.sort_by_key(|row| row.id);
            rows.retain(|row| position.id.is_none_or(|id| row.id > id));
        }
        let cursor_at_open = request.cursor.clone().filter(|cursor| !cursor.is_empty());
        let request = request.clone();
        Ok(Self { config, request, rows: rows.into_iter(), position, reached, pages: 0, whole: true, cursor_at_open })
    }

    fn is_items(&self) -> bool {
        self.request.stream == ITEMS
    }

    /// Whether this is a full reading of the items in the variant that breaks this rule.
    fn breaks(&self, rule: &str) -> bool {
        self.config.breaks(rule) && self.is_items() && !self.request.is_incremental()
    }

    /// What a variant does to the rows, once it is known how they are asked for.
    fn spoil(&mut self, limits: Limits) -> Result<()> {
        let is_small = limits.rows < USUAL_ROWS;
        let resumed = self.cursor_at_open.is_some();
        let is_usual = limits.rows == USUAL_ROWS && limits.bytes > 1 && !resumed && self.request.options.is_empty();
        let natural = self.request.fields.len() == 5 && self.request.fields[0].name == "id";
        if self.breaks("read.answers") && is_usual && natural {
            return Err(Error::permanent("the table cannot be read"));
        }
        if self.breaks("read.large-limits") && limits.rows == u32::MAX {
            return Err(Error::permanent("so many rows do not fit"));
        }
        let skips = match self.config.breach.as_str() {
            "read.same-twice" if self.breaks("read.same-twice") && is_usual && natural => noted("readings")? > 2,
            "read.paging" => self.breaks("read.paging") && [7, 100].contains(&limits.rows),
            "read.interleaved" => self.breaks("read.interleaved") && limits.rows == 11 && noted("under-way")? > 1,
            "resume.every-page" => self.breaks("resume.every-page") && resumed && is_small,
            "resume.page-size" => self.breaks("resume.page-size") && resumed && !is_small,
            "resume.again" if self.breaks("resume.again") && resumed && is_small => {
                let id = self.position.id.unwrap_or_default();
                noted(&format!("cursor-{id}"))? % 2 == 0
            }
            _ => false,
        };
        if skips {
            self.rows.next();
        }
        if self.config.breaks("incremental.first") && self.is_items() && self.request.is_incremental() && !resumed {
            self.rows.next();
        }
        Ok(())
    }

    fn next_position(&self, last: &Row) -> Position {
        match self.request.is_incremental() {
            false => Position { id: Some(last.id), ..Position::default() },
            true => Position { since: self.position.since, time: last.changed, id: Some(last.id), reached: None },
        }
    }

    fn last_page(&self, data: Batch) -> Result<Page> {
        if self.request.is_incremental() {
            let over = Position { reached: self.reached, ..Position::default() };
            let claims = self.config.breaks("incremental.claim") && self.is_items();
            let status = if claims { Status::EnumerationComplete } else { Status::CaughtUp };
            return Ok(Page::new(data, encode(&over)?, status));
        }
        if self.breaks("pages.progress") {
            return Ok(Page::new(data, b"{\"id\":999999999}".to_vec(), Status::More));
        }
        Ok(Page::new(data, Vec::new(), Status::EnumerationComplete))
    }

    fn page(&mut self, limits: Limits) -> Result<Page> {
        let mut rows: Vec<Row> = Vec::new();
        let fits = |rows: &[Row]| rows.is_empty() || rows.len() < limits.rows as usize;
        let bytes = |rows: &[Row]| rows.len() as u64 * 32;
        let heeds_bytes = !self.breaks("read.bytes");
        let more = usize::from(self.breaks("pages.rows") && limits.rows == 7);
        while fits(&rows) && (rows.is_empty() || !heeds_bytes || bytes(&rows) < limits.bytes) {
            let Some(row) = self.rows.next() else { break };
            rows.push(row);
        }
        rows.extend(self.rows.by_ref().take(more));
        if self.breaks("read.one-row") && limits.rows == 1 {
            rows.iter_mut().for_each(|row| row.name = Some("alone".to_owned()));
        }
        if self.config.breaks("incremental.quiet") && self.is_items() && self.position.reached.is_some() {
            rows.iter_mut().for_each(|row| row.name = Some("again".to_owned()));
        }
        let batch = batch(&self.config, &self.request, &rows)?;
        match rows.last() {
            Some(last) if self.rows.len() > 0 => Ok(Page::new(batch, encode(&self.next_position(last))?, Status::More)),
            _ => self.last_page(batch),
        }
    }
}

impl Reader for Rows {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        self.pages += 1;
        // The system is asked for each page.
        if let Err(error) = files::list_files("data") {
            if self.config.breaks("trouble.half-way") {
                return Ok(Page::new(Batch::none(), Vec::new(), Status::EnumerationComplete));
            }
            return Err(error);
        }
        if std::mem::take(&mut self.whole) {
            self.spoil(limits)?;
        }
        let mut page = self.page(limits)?;
        match self.config.breach.as_str() {
            "memory.read" => std::mem::forget(std::hint::black_box(vec![1u8; LEAK_BYTES])),
            "pages.columns" if self.breaks("pages.columns") => {
                page.changes.data.columns.iter_mut().for_each(|column| column.name.push('x'))
            }
            "pages.cursor" if self.breaks("pages.cursor") => page.next_cursor = vec![b' '; 1 << 20],
            "pages.status" if self.breaks("pages.status") => page.status = "perhaps".to_owned(),
            _ => {}
        }
        Ok(page)
    }
}

fn position(config: &Config, request: &ReadRequest) -> Result<Position> {
    let Some(cursor) = request.cursor.as_deref().filter(|cursor| !cursor.is_empty()) else {
        return Ok(Position::default());
    };
    serde_json::from_slice(cursor).map_err(|_| match config.breaks("resume.nonsense") {
        true => Error::permanent("the cursor cannot be read"),
        false => Error::stale_cursor("the cursor is not one of this stream"),
    })
}

fn encode(position: &Position) -> Result<Vec<u8>> {
    serde_json::to_vec(position).map_err(|error| Error::permanent(error.to_string()))
}

/// Up to where everything has been seen: not behind the clock.
fn boundary(config: &Config, rows: &[Row]) -> Option<i64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_micros() as i64;
    let last = rows.iter().filter_map(|row| row.changed).max()?;
    Some(if config.breaks("incremental.future") { last } else { last.min(now) })
}

/// Leaves the rows that changed behind the position, in order.
fn changes(config: &Config, request: &ReadRequest, position: &Position, rows: &mut Vec<Row>) {
    let is_items = request.stream == ITEMS;
    rows.retain(|row| row.changed.is_some());
    rows.sort_by_key(|row| (row.changed, row.id));
    if let Some(reached) = position.reached {
        let since = if config.breaks("incremental.late") { reached - 5_000_000 } else { reached - LOOKBACK_MICROS };
        rows.retain(|row| row.changed >= Some(since));
        if config.breaks("incremental.boundary") {
            rows.retain(|row| row.changed != Some(reached));
        }
    } else if position.time.is_some() {
        let skips_time = config.breaks("incremental.resume") && is_items;
        rows.retain(|row| match skips_time {
            true => row.changed > position.time,
            false => (row.changed, Some(row.id)) > (position.time, position.id),
        });
    } else if config.breaks("incremental.change") && request.cursor.is_some() {
        rows.clear();
    }
}

/// Rows with the fields of the request.
pub fn batch(config: &Config, request: &ReadRequest, rows: &[Row]) -> Result<Batch> {
    let full_items = request.stream == ITEMS && !request.is_incremental();
    let mut names: Vec<&str> = request.fields.iter().map(|field| field.name.as_str()).collect();
    if config.breaks("read.projection") && full_items && (2..5).contains(&names.len()) {
        // As if all fields had been asked for: the second is the name.
        names[1] = "name";
    }
    if config.breaks("read.order") && full_items && names.first() == Some(&"note") && names.len() == 5 {
        names.swap(0, 3);
    }
    let mut batch = BatchBuilder::for_fields(&request.fields)?;
    for row in rows {
        for (column, name) in names.iter().enumerate() {
            let column = batch.column(column);
            let text = |column: &mut ColumnBuilder, text: &Option<String>| match text {
                Some(text) => column.push_text(text),
                None => column.push_null(),
            };
            let number = |column: &mut ColumnBuilder, number: Option<i64>| match number {
                Some(number) => column.push_int64(number),
                None => column.push_null(),
            };
            match *name {
                "id" if config.breaks("read.keys") && request.stream == ITEMS && row.id == WITHOUT_KEY => {
                    column.push_null()
                }
                "id" => number(column, Some(row.id)),
                "name" => text(column, &row.name),
                "amount" => number(column, row.amount),
                "changed" => number(column, row.changed),
                "note" => text(column, &row.note),
                _ => column.push_null(),
            }
        }
        batch.end_row();
    }
    batch.finish()
}
