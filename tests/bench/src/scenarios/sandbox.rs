//! What the sandbox costs: the same transform inside and outside of it, and pages that only cross the border.

use std::time::{Duration, Instant};

use lockstep::connector::{PageLimits, ReadMode, ReadRequest, Source, Transform};
use lockstep::plugin::{Catalog, Grants, Limits, PluginConnector, Runtime};
use lockstep::record::{Changes, Field, Properties, Stream, batch_from_json};
use lockstep::world::World;
use lockstep_plugin_sdk::prelude::{
    BatchBuilder, Changes as GuestChanges, LogicalType, Stream as GuestStream, Transform as _, Transformer as _,
};
use serde_json::{Value, json};

use crate::lab::{Bench, cache};
use crate::measure::median;
use crate::report::{Goal, Report};

const GROUP: &str = "The sandbox, in one process";
const ROWS: usize = 10_000;
const PAGES: usize = 20;
const COLUMNS: [&str; 8] = ["email", "first", "last", "phone", "street", "city", "status", "note"];

fn runtime() -> Runtime {
    Runtime::new(cache(), Limits::default()).unwrap()
}

pub fn measure(bench: &Bench, report: &mut Report) {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    tokio.block_on(clean(bench, report));
    tokio.block_on(crossing(bench, report));
}

fn config() -> Value {
    json!({
        "fields": {
            "email": ["trim", "nfc", "email"],
            "phone": [{"phone": {"default": "DE", "invalid": "keep"}}],
            "status": ["trim", {"map": {"Mr.": "mr", "Mrs.": "mrs"}}],
        },
        "all_text": ["trim", "nfc", "empty_as_null"],
        "required": ["email"],
    })
}

/// One value in twenty needs cleaning.
fn value(column: usize, row: usize) -> String {
    let is_dirty = (row * 8 + column) % 20 == 7;
    let (clean, dirty) = match column {
        0 => (format!("user.{row}@mail.example.com"), format!(" User.{row}@Mail.Example.COM ")),
        3 => (format!("+4930{}", 1_000_000 + row), format!("030 / {}", 1_000_000 + row)),
        4 => (format!("{} Station Road", row % 200), format!("  {} Station Road", row % 200)),
        5 => ("München".to_owned(), "Mu\u{308}nchen ".to_owned()),
        6 => ("mr".to_owned(), "Mr.".to_owned()),
        7 => ("a note of some length, as people write them".to_owned(), " a note of some length ".to_owned()),
        _ => ("Müller".to_owned(), "Müller  ".to_owned()),
    };
    if is_dirty { dirty } else { clean }
}

fn native_page(page: usize) -> GuestChanges {
    let mut batch = BatchBuilder::new(COLUMNS.map(|name| (name, LogicalType::Text)));
    for row in 0..ROWS {
        for column in 0..COLUMNS.len() {
            batch.column(column).push_text(&value(column, page * ROWS + row));
        }
        batch.end_row();
    }
    GuestChanges::upserts(batch.finish().unwrap())
}

fn host_page(page: usize) -> Changes {
    let fields: Vec<Field> = COLUMNS.iter().map(|name| Field::new(*name, "text".parse().unwrap())).collect();
    let row = |row: usize| {
        let values = COLUMNS
            .iter()
            .enumerate()
            .map(|(column, name)| ((*name).to_owned(), json!(value(column, page * ROWS + row))));
        Value::Object(values.collect())
    };
    let rows: Vec<Value> = (0..ROWS).map(row).collect();
    Changes::upserts(batch_from_json(&fields.into(), &rows).unwrap())
}

async fn clean(bench: &Bench, report: &mut Report) {
    let runtime = runtime();
    let binary = Catalog::new(lockstep_bundle::PLUGINS).bundled("clean", runtime.limits()).unwrap();
    let plugin = PluginConnector::transform(&runtime, &binary, &config(), Limits::default()).unwrap();
    let fields: Vec<Field> = COLUMNS.iter().map(|name| Field::new(*name, "text".parse().unwrap())).collect();
    let stream =
        Stream { name: "contacts".into(), key: vec!["email".into()], fields, properties: Properties::default() };
    let guest_stream =
        COLUMNS.iter().fold(GuestStream::new("contacts"), |stream, name| stream.field(*name, LogicalType::Text));
    let native_config = serde_json::from_value(config()).unwrap();
    let mut native = lockstep_plugin_clean::Clean::open(native_config, guest_stream).unwrap();
    let mut component = Transform::open(&plugin, &stream).await.unwrap();
    let native_pages: Vec<GuestChanges> = (0..PAGES).map(native_page).collect();
    let host_pages: Vec<Changes> = (0..PAGES).map(host_page).collect();
    let (mut floors, mut products) = (Vec::new(), Vec::new());
    for _ in 0..bench.times * 2 + 1 {
        let copies = native_pages.clone();
        let started = Instant::now();
        for page in copies {
            assert_eq!(native.apply(page).unwrap().changes.data.rows as usize, ROWS);
        }
        floors.push(started.elapsed());
        let started = Instant::now();
        for page in &host_pages {
            assert_eq!(component.apply(page).await.unwrap().changes.rows(), ROWS);
        }
        products.push(started.elapsed());
    }
    let what = "`clean` as a component, against the same code natively";
    report.time(GROUP, what, (Some(median(&floors)), median(&products)), Goal::Ratio(1.25));
}

async fn crossing(bench: &Bench, report: &mut Report) {
    const ROWS: u64 = 5_000_000;
    let runtime = runtime();
    let binary = Catalog::new(&[]).from_path(&lockstep_tests::guest("numbers"), runtime.limits()).unwrap();
    let clock = World::real().clock;
    let config = json!({ "rows": ROWS });
    let numbers =
        PluginConnector::system(&runtime, &binary, &config, Grants::none("bench"), Limits::default(), clock).unwrap();
    let stream = numbers.discover(&[]).await.unwrap().remove(0);
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..bench.times {
        let request = ReadRequest {
            stream: stream.name.clone(),
            key: stream.key.clone(),
            fields: stream.fields.clone(),
            mode: ReadMode::Full,
            cursor: None,
            options: Properties::default(),
        };
        let started = Instant::now();
        let mut reader = Source::open(&numbers, request).await.unwrap();
        let mut rows = 0;
        while rows < ROWS {
            rows += reader.next(PageLimits { rows: 10_000, bytes: 4 << 20 }).await.unwrap().changes.rows() as u64;
        }
        times.push(started.elapsed());
    }
    let what = "pages of 10,000 rows × 12 columns, five of them text, checked on their way out of a plugin";
    report.rate(GROUP, what, ROWS, median(&times), Goal::MillionRows(5.0));
}
