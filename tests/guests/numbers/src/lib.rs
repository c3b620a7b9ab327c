//! A source of any number of rows of twelve columns and a sink that only counts: what remains is the cost of the border.

use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};
use lockstep_plugin_sdk::types::{Batch, Column, Status, Values};
use serde::Deserialize;

struct Numbers;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    rows: u64,
}

const TEXTS: usize = 5;

fn columns() -> Vec<(String, LogicalType)> {
    let mut columns = vec![("id".to_owned(), LogicalType::Int64)];
    columns.extend((0..TEXTS).map(|n| (format!("text{n}"), LogicalType::Text)));
    columns.extend((0..4).map(|n| (format!("number{n}"), LogicalType::Int64)));
    columns.push(("float".to_owned(), LogicalType::Float64));
    columns.push(("flag".to_owned(), LogicalType::Bool));
    columns
}

fn stream() -> Stream {
    let stream = Stream::new("numbers").key(["id"]);
    columns().into_iter().fold(stream, |stream, (name, logical)| stream.field(name, logical))
}

impl Source for Numbers {
    type Config = Config;
    type Reader = NumbersReader;

    fn discover(_config: Config, _names: Vec<String>) -> Result<Vec<Stream>> {
        Ok(vec![stream()])
    }

    fn open(config: Config, request: ReadRequest) -> Result<NumbersReader> {
        let next = request.cursor.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        Ok(NumbersReader { next, rows: config.rows, template: None })
    }
}

struct NumbersReader {
    next: u64,
    rows: u64,
    /// The last page: only its ids are made anew, so that a benchmark measures the border.
    template: Option<Batch>,
}

impl Reader for NumbersReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        let rows = u64::from(limits.rows).min(self.rows.saturating_sub(self.next));
        let mut batch = match self.template.take() {
            Some(template) if u64::from(template.rows) == rows => template,
            _ => self.build(rows)?,
        };
        if let Some(Column { values: Values::Int64(ids), .. }) = batch.columns.first_mut() {
            ids.iter_mut().zip(self.next..).for_each(|(id, next)| *id = next as i64);
        }
        self.template = Some(batch.clone());
        self.next += rows;
        let status = if self.next < self.rows { Status::More } else { Status::EnumerationComplete };
        Ok(Page::new(batch, self.next.to_le_bytes().to_vec(), status))
    }
}

impl NumbersReader {
    fn build(&self, rows: u64) -> Result<Batch> {
        let mut builder = BatchBuilder::new(columns());
        for row in self.next..self.next + rows {
            builder.column(0).push_int64(row as i64);
            for text in 0..TEXTS {
                builder.column(1 + text).push_text("a text of twenty six bytes");
            }
            for number in 0..4 {
                builder.column(1 + TEXTS + number).push_int64(row as i64 * 31);
            }
            builder.column(5 + TEXTS).push_float64(row as f64 / 7.0);
            builder.column(6 + TEXTS).push_bool(row % 2 == 0);
            builder.end_row();
        }
        builder.finish()
    }
}

impl Sink for Numbers {
    type Config = Config;
    type Writer = Counter;

    fn describe(_config: Config, _name: String) -> Result<Option<Stream>> {
        Ok(Some(stream().property("empty", "true")))
    }

    fn prepare(_config: Config, wanted: Stream, _options: PrepareOptions) -> Result<Prepared> {
        Ok(Prepared { stream: wanted, actions: Vec::new() })
    }

    fn open(_config: Config, _request: WriteRequest) -> Result<Counter> {
        Ok(Counter { rows: 0 })
    }
}

struct Counter {
    rows: u64,
}

impl Writer for Counter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        self.rows += u64::from(changes.data.rows);
        Ok(WriteResults::all_ok())
    }

    fn flush(&mut self) -> Result<Flushed> {
        Ok(Flushed::new(std::mem::take(&mut self.rows), 0, 0))
    }
}

export!(Numbers: source, sink);
