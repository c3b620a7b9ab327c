//! Bundled plugins as the host sees them: loaded, granted a database, called through its connector.

use std::sync::{Arc, LazyLock};

use lockstep::connector::{
    Cursor, Effect, Evolve, Failure, Flushed, Page, PageLimits, PageStatus, PrepareOptions, ReadMode, ReadRequest,
    Sink, Source, WriteMode, WriteRequest, WriteResults, WriteStatus, expected_name,
};
use lockstep::plugin::{Access, Catalog, Database, Grants, Limits, PluginConnector, Runtime};
use lockstep::record::{Batch, ChangeKind, Changes, Field, Properties, Stream, batch_from_json, row_to_json};
use lockstep::world::World;
use serde_json::{Map, Value, json};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let cache = std::env::temp_dir().join("lockstep-test-cache");
    Runtime::new(cache, Limits::default()).unwrap()
});

/// Runs a test's future.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// A bundled plugin on a database.
pub fn connect(plugin: &str, database: Database) -> PluginConnector {
    let binary = Catalog::new(lockstep_bundle::PLUGINS).bundled(plugin, RUNTIME.limits()).unwrap();
    let mut grants = Grants::none("test");
    grants.sql.insert("main".into(), database);
    let clock = World::real().clock;
    PluginConnector::system(&RUNTIME, &binary, &json!({}), grants, Limits::default(), clock).unwrap()
}

pub fn postgres(url: &str) -> PluginConnector {
    connect("postgres", Database::postgres(url, "test.main").unwrap())
}

pub fn mysql(url: &str) -> PluginConnector {
    connect("mysql", Database::mysql(url, "test.main").unwrap())
}

pub fn sqlite(path: &std::path::Path) -> PluginConnector {
    connect("sqlite", Database::sqlite(path, "test.main", Access::ReadWrite).unwrap())
}

pub type Record = Map<String, Value>;

/// The records of a batch, as JSON.
pub fn records(batch: &Batch) -> Vec<Record> {
    (0..batch.rows()).map(|row| row_to_json(batch, row)).collect()
}

pub fn field(name: &str, logical: &str) -> Field {
    Field::new(name, logical.parse().unwrap())
}

pub fn stream(name: &str, key: &[&str], fields: &[(&str, &str)]) -> Stream {
    Stream {
        name: name.into(),
        key: key.iter().map(|name| (*name).to_owned()).collect(),
        fields: fields.iter().map(|(name, logical)| field(name, logical)).collect(),
        properties: Properties::default(),
    }
}

/// Reads one stream, again and again, as a sync does: with a cursor that is kept.
pub struct Reading<'a> {
    connector: &'a PluginConnector,
    pub request: ReadRequest,
    pub limits: PageLimits,
}

/// What a reading showed.
#[derive(Debug, Default)]
pub struct Shown {
    pub records: Vec<Record>,
    /// Position, record and error of what could not be read.
    pub rejected: Vec<(String, Record, String)>,
    pub pages: usize,
    pub status: Option<PageStatus>,
}

impl Shown {
    /// The values of a field of whole numbers.
    pub fn ints(&self, name: &str) -> Vec<i64> {
        self.records.iter().map(|record| record[name].as_i64().unwrap()).collect()
    }

    pub fn sorted(&self, name: &str) -> Vec<i64> {
        let mut ints = self.ints(name);
        ints.sort_unstable();
        ints
    }

    fn take(&mut self, page: Page) {
        self.records.extend(records(&page.changes.data));
        for rejection in page.rejected {
            let record = serde_json::from_slice(&rejection.raw).unwrap();
            self.rejected.push((rejection.position, record, rejection.error.message));
        }
        self.pages += 1;
        self.status = Some(page.status);
    }
}

impl<'a> Reading<'a> {
    pub fn full(connector: &'a PluginConnector, name: &str) -> Self {
        let request = ReadRequest {
            stream: name.into(),
            key: Vec::new(),
            fields: Vec::new(),
            mode: ReadMode::Full,
            cursor: None,
            options: Properties::default(),
        };
        Self { connector, request, limits: PageLimits { rows: 1000, bytes: 1 << 20 } }
    }

    pub fn incremental(connector: &'a PluginConnector, name: &str, modified: &str) -> Self {
        let mut reading = Self::full(connector, name);
        reading.request.mode = ReadMode::Incremental;
        reading.request.options.set("modified", modified);
        reading
    }

    /// With the fields that discovery shows, as a sync asks for them.
    pub async fn discovered(mut self) -> Self {
        let streams = self.connector.discover(std::slice::from_ref(&self.request.stream)).await.unwrap();
        self.request.fields = streams[0].fields.clone();
        self.request.key = streams[0].key.clone();
        self
    }

    pub fn page_rows(mut self, rows: u32) -> Self {
        self.limits.rows = rows;
        self
    }

    /// Reads to the end.
    pub async fn read(&mut self) -> Shown {
        self.read_pages(usize::MAX).await.unwrap()
    }

    /// Reads so many pages at most, as if the process ended then, and keeps the cursor behind the last one.
    pub async fn read_pages(&mut self, pages_max: usize) -> Result<Shown, Failure> {
        self.want_everything().await;
        let mut shown = Shown::default();
        let mut reader = Source::open(self.connector, self.request.clone()).await?;
        while shown.pages < pages_max {
            let page = reader.next(self.limits).await?;
            self.request.cursor = Some(page.next_cursor.clone());
            shown.take(page);
            if shown.status != Some(PageStatus::More) {
                break;
            }
        }
        Ok(shown)
    }

    /// A host never asks for fields it does not know; a test that does not care gets those there are.
    async fn want_everything(&mut self) {
        if self.request.fields.is_empty() {
            let streams = self.connector.discover(std::slice::from_ref(&self.request.stream)).await.unwrap();
            self.request.fields = streams.into_iter().next().map(|stream| stream.fields).unwrap_or_default();
        }
    }

    pub fn cursor(&self) -> &Cursor {
        self.request.cursor.as_ref().unwrap()
    }
}

pub const REAL: PrepareOptions = PrepareOptions { evolve: Evolve::LeaveFields, effect: Effect::Real };
pub const EVOLVE: PrepareOptions = PrepareOptions { evolve: Evolve::AddFields, effect: Effect::Real };
pub const DRY_RUN: PrepareOptions = PrepareOptions { evolve: Evolve::AddFields, effect: Effect::DryRun };

/// A page of these records; all of them have the same fields.
pub fn page(stream: &Stream, values: &[Value]) -> Changes {
    let names: Vec<&String> = values[0].as_object().unwrap().keys().collect();
    let fields: Vec<Field> = stream.fields.iter().filter(|field| names.contains(&&field.name)).cloned().collect();
    Changes::upserts(batch_from_json(&fields.into(), values).unwrap())
}

/// A page that deletes the records with these keys and writes the others; all of them have the same fields.
pub fn page_with_deletes(stream: &Stream, values: &[(ChangeKind, Value)]) -> Changes {
    let rows: Vec<Value> = values.iter().map(|(_, value)| value.clone()).collect();
    let mut changes = page(stream, &rows);
    changes.kinds = Some(values.iter().map(|(kind, _)| *kind as u8).collect());
    changes
}

/// A page of changes: as [`page_with_deletes`], but fields may also be expected, under the names for that.
pub fn changes(stream: &Stream, values: &[(ChangeKind, Value)]) -> Changes {
    let mut wide = stream.clone();
    wide.fields.extend(stream.fields.iter().map(|field| Field { name: expected_name(&field.name), ..field.clone() }));
    page_with_deletes(&wide, values)
}

/// A page of changes without deletes.
pub fn updates(stream: &Stream, rows: &[Value]) -> Changes {
    let rows: Vec<(ChangeKind, Value)> = rows.iter().map(|row| (ChangeKind::Upsert, row.clone())).collect();
    changes(stream, &rows)
}

/// Writes one page and makes it durable: written, unchanged and deleted, and what was said about its rows.
pub async fn apply(
    connector: &PluginConnector,
    stream: &Stream,
    mode: WriteMode,
    page: Changes,
) -> ((u64, u64, u64), WriteResults) {
    let (flushed, mut results) = write(connector, stream, mode, &[page]).await.unwrap();
    (counts(&flushed), results.remove(0))
}

/// What was said about the rows that are not fine: row, status and code.
pub fn complaints(results: &WriteResults) -> Vec<(u32, WriteStatus, &str)> {
    let statuses = results.statuses.as_deref().unwrap_or_default();
    let is_fine = |row: u32| statuses.get(row as usize).is_none_or(|status| *status == WriteStatus::Ok);
    let told =
        results.errors.iter().map(|error| (error.row, statuses[error.row as usize], error.error.detail_code.as_str()));
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|(row, ..)| *row);
    assert!((0..statuses.len() as u32).all(|row| is_fine(row) != told.iter().any(|(other, ..)| *other == row)));
    told
}

/// The keys of inserted records; empty for those that were not inserted.
pub fn ids(results: &WriteResults) -> Vec<String> {
    results.ids.iter().flatten().map(|id| String::from_utf8(id.clone()).unwrap()).collect()
}

/// Writes pages and makes them durable at once.
pub async fn write(
    connector: &PluginConnector,
    stream: &Stream,
    mode: WriteMode,
    pages: &[Changes],
) -> Result<(Flushed, Vec<WriteResults>), Failure> {
    let request = WriteRequest { stream: stream.clone(), mode, options: Properties::default() };
    let mut writer = Sink::open(connector, request).await?;
    let mut results = Vec::new();
    for page in pages {
        results.push(writer.write(page).await?);
    }
    Ok((writer.flush().await?, results))
}

/// Written, unchanged, deleted.
pub fn counts(flushed: &Flushed) -> (u64, u64, u64) {
    (flushed.written, flushed.unchanged, flushed.deleted)
}

/// A copy of everything one stream holds into another, created for it.
pub async fn copy(from: &PluginConnector, source: &str, to: &PluginConnector, target: &str) -> Stream {
    let stream = from.discover(&[source.to_owned()]).await.unwrap().remove(0);
    let wanted = Stream { name: target.into(), properties: Properties::default(), ..stream.clone() };
    to.prepare(&wanted, REAL).await.unwrap();
    let mut request = Reading::full(from, source).request;
    request.fields = stream.fields.clone();
    let mut reader = Source::open(from, request).await.unwrap();
    let write = WriteRequest { stream: wanted.clone(), mode: WriteMode::Load, options: Properties::default() };
    let mut writer = Sink::open(to, write).await.unwrap();
    loop {
        let page = reader.next(PageLimits { rows: 1000, bytes: 1 << 20 }).await.unwrap();
        assert!(page.rejected.is_empty(), "{:?}", page.rejected);
        let changes = Changes { data: relabel(&page.changes.data, &wanted), ..page.changes };
        if changes.rows() > 0 {
            writer.write(&changes).await.unwrap();
        }
        if page.status != PageStatus::More {
            break;
        }
    }
    writer.flush().await.unwrap();
    wanted
}

/// The batch under the names and types of a stream with the same fields.
pub fn relabel(batch: &Batch, stream: &Stream) -> Batch {
    Batch::new(Arc::from(stream.fields.clone()), batch.columns().to_vec(), batch.rows()).unwrap()
}

#[test]
fn bundled_plugins_are_small() {
    let large: Vec<String> = lockstep_bundle::PLUGINS
        .iter()
        .filter(|(_, component)| component.len() >= 500_000)
        .map(|(name, component)| format!("{name}: {} bytes", component.len()))
        .collect();
    assert_eq!(large, Vec::<String>::new());
    assert!(!lockstep_bundle::PLUGINS.is_empty());
}
