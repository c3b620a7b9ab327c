//! What tests of plugins that read files need: a file in memory, read as the host reads it.
#![allow(clippy::unwrap_used, missing_docs, reason = "this is for tests, where a panic says where it went wrong")]

use std::marker::PhantomData;

use lockstep_plugin_sdk::prelude::*;

use crate::memory::MemoryStore;

/// A plugin, as far as it depends on files.
pub trait TestedPlugin {
    type Reader: Reader;

    /// The name of a file that is a stream of this plugin.
    const PATH: &'static str;

    fn discover(store: &MemoryStore, config: &str, names: &[String]) -> Result<Vec<Stream>>;
    fn open(store: &MemoryStore, config: &str, request: &ReadRequest) -> Result<Self::Reader>;
}

/// A file and how it is to be read.
pub struct Reading<P> {
    plugin: PhantomData<P>,
    pub store: MemoryStore,
    path: String,
    config: String,
    fields: Vec<(String, String)>,
    limits: Limits,
    mode: &'static str,
    pub cursor: Option<Vec<u8>>,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// `NULL` for null, `ABSENT` for absent; everything else as people write it.
    pub rows: Vec<Vec<String>>,
    pub rejected: Vec<Rejected>,
    pub status: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    pub position: String,
    pub raw: String,
    pub code: String,
    pub message: String,
}

impl<P> Clone for Reading<P> {
    fn clone(&self) -> Self {
        Self {
            plugin: PhantomData,
            store: self.store.clone(),
            path: self.path.clone(),
            config: self.config.clone(),
            fields: self.fields.clone(),
            limits: self.limits,
            mode: self.mode,
            cursor: self.cursor.clone(),
        }
    }
}

impl<P: TestedPlugin> Reading<P> {
    /// Fields are given as `id int64, name text`.
    pub fn of(content: impl Into<Vec<u8>>, fields: &str) -> Self {
        Self::at(P::PATH, content, fields)
    }

    pub fn at(path: &str, content: impl Into<Vec<u8>>, fields: &str) -> Self {
        let fields = fields.split(", ").filter_map(|field| field.rsplit_once(' '));
        Self {
            plugin: PhantomData,
            store: MemoryStore::with(path, content),
            path: path.to_owned(),
            config: String::new(),
            fields: fields.map(|(name, logical)| (name.to_owned(), logical.to_owned())).collect(),
            limits: Limits { rows: 1000, bytes: 1 << 20 },
            mode: "full",
            cursor: None,
        }
    }

    pub fn config(mut self, json: &str) -> Self {
        self.config = json.to_owned();
        self
    }

    pub fn limits(mut self, rows: u32, bytes: u64) -> Self {
        self.limits = Limits { rows, bytes };
        self
    }

    pub fn short_reads(mut self, bytes: u64) -> Self {
        self.store = self.store.with_short_reads(bytes);
        self
    }

    pub fn incremental(mut self) -> Self {
        self.mode = "incremental";
        self
    }

    pub fn after(mut self, cursor: &[u8]) -> Self {
        self.cursor = Some(cursor.to_vec());
        self
    }

    pub fn request(&self) -> ReadRequest {
        let field = |(name, logical): &(String, String)| Field {
            name: name.clone(),
            logical_type: logical.clone(),
            nullable: true,
            properties: Vec::new(),
        };
        ReadRequest {
            stream: self.path.clone(),
            key: Vec::new(),
            fields: self.fields.iter().map(field).collect(),
            mode: self.mode.to_owned(),
            cursor: self.cursor.clone(),
            options: Vec::new(),
        }
    }

    pub fn open(&self) -> Result<P::Reader> {
        P::open(&self.store, &self.config, &self.request())
    }

    pub fn pages(&self) -> Result<Vec<Page>> {
        let mut reader = self.open()?;
        let mut pages = Vec::new();
        loop {
            let page = reader.next(self.limits)?;
            let is_last = page.status != "more";
            pages.push(page);
            if is_last {
                return Ok(pages);
            }
        }
    }

    pub fn try_read(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.pages()?.iter().for_each(|page| outcome.take(page));
        Ok(outcome)
    }

    pub fn read(&self) -> Outcome {
        self.try_read().unwrap()
    }

    /// Reads page by page, each with a new reader that goes on where the last one stopped.
    pub fn read_resuming(&self) -> Outcome {
        let mut outcome = Outcome::default();
        let mut next = self.clone();
        loop {
            let page = next.open().unwrap().next(self.limits).unwrap();
            outcome.take(&page);
            if page.status != "more" {
                return outcome;
            }
            next.cursor = Some(page.next_cursor);
        }
    }

    pub fn discover(&self, names: &[&str]) -> Result<Vec<Stream>> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        P::discover(&self.store, &self.config, &names)
    }
}

impl Outcome {
    fn take(&mut self, page: &Page) {
        let batch = BatchView::new(&page.changes.data);
        self.rows.extend((0..batch.rows()).map(|row| batch.columns().map(|column| value(column, row)).collect()));
        let rejected = page.rejected.iter().map(|rejection| Rejected {
            position: rejection.position.clone(),
            raw: String::from_utf8_lossy(&rejection.raw).into_owned(),
            code: rejection.error.code.clone(),
            message: rejection.error.message.clone(),
        });
        self.rejected.extend(rejected);
        self.status = page.status.clone();
    }

    /// The rows with `|` between the fields.
    pub fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.join("|")).collect()
    }
}

fn value(column: ColumnView<'_>, row: usize) -> String {
    if !column.is_present(row) {
        return "ABSENT".to_owned();
    }
    let values = [
        column.bool(row).map(|value| value.to_string()),
        column.int64(row).map(|value| value.to_string()),
        column.float64(row).map(|value| value.to_string()),
        column.text(row).map(str::to_owned),
    ];
    values.into_iter().flatten().next().unwrap_or_else(|| "NULL".to_owned())
}

/// The packed form of a file.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
