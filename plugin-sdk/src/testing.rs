//! For a plugin's own tests, which run natively: batches from JSON and back, readers driven to their end, transforms on rows.
//!
//! JSON is what the host shows people: decimals, times and UUIDs are strings as people write them, `binary` is base64, `json` is
//! embedded as it is; null is `null` and absent fields are left out. Nothing here is compiled for WebAssembly.
//!
//! ```
//! use lockstep_plugin_sdk::prelude::*;
//! use lockstep_plugin_sdk::testing;
//! use serde_json::json;
//!
//! # #[derive(Record)]
//! # struct Greeting { #[record(key)] id: i64, text: String }
//! # struct Hello;
//! # impl Source for Hello {
//! #     type Config = NoConfig;
//! #     type Reader = RecordReader<Greeting>;
//! #     fn discover(_config: NoConfig, names: Vec<String>) -> Result<Vec<Stream>> {
//! #         Ok(lockstep_plugin_sdk::source::only(&names, [Greeting::stream("greetings")]))
//! #     }
//! #     fn open(_config: NoConfig, request: ReadRequest) -> Result<Self::Reader> {
//! #         RecordReader::new(&request, [Ok(Greeting { id: 1, text: "hello".to_owned() })])
//! #     }
//! # }
//! let read = testing::read::<Hello>(json!({}), "greetings").unwrap();
//! assert_eq!(read.rows, [json!({"id": 1, "text": "hello"})]);
//! ```
//!
//! Requests that go through [`crate::http`] are answered by [`serve`]. The other capabilities (`files`, `sql`) exist only inside the
//! host: a plugin that wants to be tested natively keeps what it computes apart from what it asks for.

mod json;
mod serving;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use json::{batch, rows};
pub(crate) use serving::answer;
pub use serving::{Served, reply, serve};

use crate::error::{Error, Result};
use crate::source::{Reader, Source};
use crate::transform::{Transform, Transformer};
use crate::types::{Changes, Field, Limits, Page, ReadRequest, Rejection, RowError, Stream};

/// Pages a reader may give before it counts as one that never ends.
const PAGES_MAX: usize = 100_000;

/// Everything a reading gave.
#[derive(Debug)]
pub struct Reading {
    /// The records as JSON objects, in order.
    pub rows: Vec<Value>,
    /// Records that could not become rows.
    pub rejected: Vec<Rejection>,
    /// The pages as they came.
    pub pages: Vec<Page>,
}

impl Reading {
    /// The position behind the last page.
    pub fn cursor(&self) -> &[u8] {
        self.pages.last().map_or(&[], |page| &page.next_cursor)
    }

    /// The status of the last page: `caught-up`, `enumeration-complete`.
    pub fn status(&self) -> &str {
        self.pages.last().map_or("", |page| &page.status)
    }
}

/// Limits as the host sets them by default.
pub fn limits() -> Limits {
    Limits { rows: 10_000, bytes: 4 << 20 }
}

/// A request for a whole stream from its beginning.
pub fn full_read(stream: &Stream) -> ReadRequest {
    ReadRequest {
        stream: stream.name.clone(),
        key: stream.key.clone(),
        fields: stream.fields.clone(),
        mode: "full".to_owned(),
        cursor: None,
        options: Vec::new(),
    }
}

/// Discovers a stream and reads all of it. A stream that is not discovered is an error of kind `not-found`.
pub fn read<S: Source>(config: Value, stream: &str) -> Result<Reading>
where
    S::Config: 'static,
{
    let found = S::discover(parse(&config)?, vec![stream.to_owned()])?;
    let found = found.into_iter().find(|found| found.name == stream);
    let found = found.ok_or_else(|| Error::not_found(format!("there is no stream `{stream}`")))?;
    let mut reader = S::open(parse(&config)?, full_read(&found))?;
    drain(&mut reader, &found.fields, limits())
}

/// Reads until the status is no longer `more`, with these limits for every page.
///
/// Fails as the host would: on a page without end, on more records than were asked for, on a status that does not exist.
pub fn drain(reader: &mut impl Reader, fields: &[Field], limits: Limits) -> Result<Reading> {
    let mut reading = Reading { rows: Vec::new(), rejected: Vec::new(), pages: Vec::new() };
    while reading.pages.len() < PAGES_MAX {
        let page = reader.next(limits)?;
        check_page(&page, limits)?;
        reading.rows.extend(rows(fields, &page.changes.data)?);
        reading.rejected.extend(page.rejected.iter().cloned());
        let more = page.status == "more";
        reading.pages.push(page);
        if !more {
            return Ok(reading);
        }
    }
    Err(Error::permanent(format!("the reader gave {PAGES_MAX} pages and still has more")))
}

fn check_page(page: &Page, limits: Limits) -> Result<()> {
    if page.changes.data.rows > limits.rows {
        let message = format!("{} records where {} were asked for", page.changes.data.rows, limits.rows);
        return Err(Error::permanent(message));
    }
    match page.status.as_str() {
        "more" | "caught-up" | "enumeration-complete" => Ok(()),
        other => Err(Error::permanent(format!("the page status `{other}` does not exist"))),
    }
}

/// What a transform made of rows.
#[derive(Debug)]
pub struct Outcome {
    /// What comes out, as [`Transform::describe`] says.
    pub stream: Stream,
    /// The records that came out, as JSON objects.
    pub rows: Vec<Value>,
    /// For each of them the row of the input it came from.
    pub origins: Vec<u32>,
    /// Rows of the input that cannot go on.
    pub rejected: Vec<RowError>,
}

impl Outcome {
    /// The rows that were rejected, with the codes and the fields of their errors.
    pub fn rejections(&self) -> Vec<(u32, &str, &str)> {
        fn parts(rejected: &RowError) -> (u32, &str, &str) {
            let error = &rejected.error;
            (rejected.row, &error.code, error.property("field").unwrap_or(""))
        }
        self.rejected.iter().map(parts).collect()
    }
}

/// Runs a transform on rows of a stream, all of them upserts of one page.
///
/// Fails as the host would if the origins do not fit the rows.
pub fn transform<T: Transform>(config: Value, input: &Stream, rows_in: &[Value]) -> Result<Outcome>
where
    T::Config: 'static,
{
    let stream = T::describe(parse(&config)?, input.clone())?;
    let mut transformer = T::open(parse(&config)?, input.clone())?;
    let output = transformer.apply(Changes::upserts(batch(&input.fields, rows_in)?))?;
    let count = output.changes.data.rows;
    let origins = output.origins.unwrap_or_else(|| (0..count).collect());
    let in_range = origins
        .iter()
        .chain(output.rejected.iter().map(|rejected| &rejected.row))
        .all(|row| usize::try_from(*row).is_ok_and(|row| row < rows_in.len()));
    if origins.len() != count as usize || !in_range {
        return Err(Error::permanent("origins that do not fit the rows"));
    }
    let rows = rows(&stream.fields, &output.changes.data)?;
    Ok(Outcome { stream, rows, origins, rejected: output.rejected })
}

fn parse<C: DeserializeOwned + 'static>(config: &Value) -> Result<C> {
    let text = if config.is_null() { "{}".to_owned() } else { config.to_string() };
    crate::config::parse(&text)
}
