//! How many changed records a hub takes in and decides about, store included, between systems that cost nothing: pages that were
//! made before, and a sink that takes whatever comes.
//!
//! What is measured ends where delivery begins: each change is decided, its lineage written, and what the other system is owed
//! queued, durably.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lockstep::connector::{
    Cursor, Flushed, Page, PageLimits, PageStatus, PrepareOptions, Prepared, ReadRequest, Reader, Result, Sink, Source,
    WriteMode, WriteRequest, WriteResults, Writer,
};
use lockstep::project::{HubDef, Project};
use lockstep::record::{Changes, Field, LogicalType, Properties, Stream, Value, batch_of_values};
use lockstep::store::{PluginUse, SqliteStore};
use lockstep::sync::{Hub, HubEnd, HubOptions, HubRun, Interrupt, Observer, run_hub};
use lockstep::world::World;
use lockstep_test_servers::Folder;

use super::hub::systems::FIELDS;
use crate::lab::Bench;
use crate::measure::{cpu_of_this_process, median};
use crate::report::{Goal, Report};

const GROUP: &str = "Deciding about changed records, in one process";
/// As pages come from a plugin.
const PAGE_ROWS: u64 = 10_000;
const FILE: &str = "customers";

pub fn measure(bench: &Bench, report: &mut Report) {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let rows = bench.rows / 5;
    let folder = Folder::new("deciding");
    let def = definition(folder.path());
    let take_in = |edition: u64| tokio.block_on(run(folder.path(), &def, pages(rows, edition)));
    let new = take_in(0);
    report.records(GROUP, "new records, per second", rows, new.time, Goal::Shown);
    report.records(GROUP, "new records, per second that is computed", rows, new.cpu, Goal::Shown);
    let changed: Vec<Spent> = (1..=bench.times as u64).map(take_in).collect();
    let times: Vec<Duration> = changed.iter().map(|spent| spent.time).collect();
    let cpus: Vec<Duration> = changed.iter().map(|spent| spent.cpu).collect();
    let what = "records with two of twelve fields changed, per second";
    report.records(GROUP, what, rows, median(&times), Goal::Shown);
    let what = "the same, per second that is computed (one core)";
    report.records(GROUP, what, rows, median(&cpus), Goal::ThousandRecords(50.0));
}

fn definition(folder: &Path) -> HubDef {
    let mut text = "[project]\nname = \"bench\"\n".to_owned();
    for name in ["east", "west"] {
        text.push_str(&format!("[connection.{name}]\nplugin = \"sqlite\"\nsql.main = {{ path = \"{name}.db\" }}\n"));
    }
    text.push_str("[sync.customer]\nmode = \"hub\"\nmatch = [\"email\"]\nconflict = \"newest\"\n");
    for name in ["east", "west"] {
        text.push_str(&format!("endpoints.{name} = {{ stream = \"{FILE}\", modified = \"updated_at\" }}\n"));
    }
    text.push_str("[sync.customer.fields]\n");
    for field in FIELDS {
        text.push_str(&format!("{field} = {{ east = \"{field}\", west = \"{field}\" }}\n"));
    }
    let project = Project::parse(&text, folder, "lockstep.toml").unwrap_or_else(|error| panic!("{error:?}"));
    project.syncs.values().next().and_then(|sync| sync.as_hub()).unwrap().clone()
}

fn stream() -> Stream {
    let logical = |name: &str| match name {
        "id" | "quantity" => LogicalType::Int64,
        "active" => LogicalType::Bool,
        "birthday" => LogicalType::Date,
        "updated_at" => LogicalType::Timestamp,
        _ => LogicalType::Text,
    };
    let fields = ["id"].into_iter().chain(FIELDS).map(|name| Field::new(name, logical(name))).collect();
    let properties = Properties::default().with("reports-deletes", "true").with("write", "insert,update");
    Stream { name: FILE.into(), key: vec!["id".into()], fields, properties }
}

/// Customers; in another edition each has another city and a later `updated_at`.
fn pages(rows: u64, edition: u64) -> Vec<Changes> {
    let fields: Arc<[Field]> = stream().fields.into();
    let row = |id: u64| -> Vec<Option<Value>> {
        let text = |text: String| Some(Value::Text(text.into()));
        let number = |number: u64| Some(Value::Int(number as i64));
        vec![
            number(id),
            text(format!("Customer Number {id}")),
            text(format!("customer.{id}@mail.example.com")),
            text(format!("+49 30 {}", 1_000_000 + id)),
            text(format!("{} Station Road", id % 200)),
            text(format!("City {}", (id + edition * 7) % 1000)),
            text(["DE", "GB", "FR", "ES"][(id % 4) as usize].to_owned()),
            number(id % 1000),
            text(format!("{}.{:02}", id * 7919 % 1_000_000, id % 100)),
            Some(Value::Bool(id.is_multiple_of(2))),
            number(id % 20_000),
            Some(Value::Int(1_700_000_000_000_000 + (edition as i64 * 1_000_000_000) + id as i64)),
            text(format!("a note, as people write them; {}", id * 104_729 % 1_000_000)),
        ]
    };
    let page = |from: u64| {
        let rows: Vec<Vec<Option<Value>>> = (from..rows.min(from + PAGE_ROWS)).map(row).collect();
        let slices: Vec<&[Option<Value>]> = rows.iter().map(Vec::as_slice).collect();
        Changes::upserts(batch_of_values(&fields, &slices).unwrap())
    };
    (0..rows).step_by(PAGE_ROWS as usize).map(page).collect()
}

/// A system in memory.
#[derive(Clone)]
struct Memory {
    pages: Vec<Changes>,
}

#[async_trait::async_trait]
impl Source for Memory {
    async fn discover(&self, _names: &[String]) -> Result<Vec<Stream>> {
        Ok(vec![stream()])
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn Reader>> {
        let columns = |page: &Changes| {
            let column = |field: &Field| page.data.column(&field.name).unwrap().clone();
            let columns = request.fields.iter().map(column).collect();
            let data = lockstep::record::Batch::new(request.fields.clone().into(), columns, page.rows()).unwrap();
            Changes::upserts(data)
        };
        let mut pages: Vec<Changes> = self.pages.iter().map(columns).collect();
        pages.reverse();
        Ok(Box::new(Memory { pages }))
    }
}

#[async_trait::async_trait]
impl Reader for Memory {
    async fn next(&mut self, _limits: PageLimits) -> Result<Page> {
        let fields: Arc<[Field]> = stream().fields.into();
        let nothing = || Changes::upserts(lockstep::record::Batch::empty(fields));
        let changes = self.pages.pop().unwrap_or_else(nothing);
        let status = if self.pages.is_empty() { PageStatus::CaughtUp } else { PageStatus::More };
        Ok(Page { changes, rejected: Vec::new(), next_cursor: Cursor(vec![1]), status })
    }
}

#[async_trait::async_trait]
impl Sink for Memory {
    async fn describe(&self, _name: &str) -> Result<Option<Stream>> {
        Ok(Some(stream()))
    }

    async fn prepare(&self, wanted: &Stream, _options: PrepareOptions) -> Result<Prepared> {
        Ok(Prepared { stream: wanted.clone(), actions: Vec::new() })
    }

    async fn open(&self, request: WriteRequest) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Taker { inserts: request.mode == WriteMode::Insert }))
    }
}

struct Taker {
    inserts: bool,
}

/// The keys that new records get.
static NEXT_KEY: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1 << 40);

#[async_trait::async_trait]
impl Writer for Taker {
    async fn write(&mut self, changes: &Changes) -> Result<WriteResults> {
        let key = |_| NEXT_KEY.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let ids = self.inserts.then(|| (0..changes.rows()).map(key).map(|key| format!("[\"{key}\"]").into()).collect());
        Ok(WriteResults { ids, ..WriteResults::default() })
    }

    async fn flush(&mut self) -> Result<Flushed> {
        Ok(Flushed::default())
    }
}

/// What was spent.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    time: Duration,
    cpu: Duration,
}

/// Notes when everything is decided and delivery begins.
struct UntilDelivery {
    started: (Instant, Duration),
    spent: Mutex<Spent>,
}

impl Observer for UntilDelivery {
    fn phase(&self, phase: &'static str) {
        if phase == "writing" {
            let (started, cpu) = self.started;
            let spent = Spent { time: started.elapsed(), cpu: cpu_of_this_process() - cpu };
            *self.spent.lock().unwrap() = spent;
        }
    }

    fn read(&self, _: u64, _: u64) {}
    fn written(&self, _: u64) {}
    fn note(&self, _: &str) {}
}

async fn run(folder: &Path, def: &HubDef, pages: Vec<Changes>) -> Spent {
    let world = World::real();
    let store = SqliteStore::open(folder, "bench", world.clock.now()).unwrap();
    let rows: u64 = pages.iter().map(|page| page.rows() as u64).sum();
    let end = |pages: Vec<Changes>| {
        let memory = Arc::new(Memory { pages });
        let plugin = PluginUse { role: "memory".into(), label: "memory@1".into(), digest: "00".into() };
        HubEnd { source: Some(memory.clone()), sink: Some(memory), plugin, reports_times: true }
    };
    let hub = Hub {
        def: def.clone(),
        ends: vec![end(pages), end(Vec::new())],
        resolvers: HashMap::new(),
        parents: HashMap::new(),
        page: PageLimits { rows: PAGE_ROWS as u32, bytes: u64::MAX },
    };
    let observer =
        Arc::new(UntilDelivery { started: (Instant::now(), cpu_of_this_process()), spent: Mutex::default() });
    let run = HubRun {
        store: Arc::new(store),
        world,
        observer: observer.clone(),
        interrupt: Interrupt::default(),
        options: HubOptions::default(),
    };
    let report = run_hub(&hub, &run).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.counters.read, report.counters.written), (rows, rows));
    *observer.spent.lock().unwrap()
}
