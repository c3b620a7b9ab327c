//! What the sandbox costs: the same transform inside and outside of it, and pages that only cross the border.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use lockstep::connector::{PageLimits, Source, Transform};
use lockstep::plugin::{Catalog, Grants, Limits, PluginConnector, Runtime};
use lockstep::record::{Batch, Changes, Column, Field, Properties, Stream, batch_from_json};
use lockstep::world::World;
use lockstep_plugin_sdk::prelude::{
    Changes as GuestChanges, LogicalType, Stream as GuestStream, Transform as _, Transformer as _,
};
use lockstep_plugin_sdk::types::{Batch as GuestBatch, BytesColumn, Column as GuestColumn, Values};
use serde_json::{Value, json};

use super::whole;
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

/// The host's page as the plugin's own columns: what a plugin without a sandbox would begin with.
fn copied_in(page: &Changes) -> GuestChanges {
    let column = |(field, column): (&Field, &Column)| {
        let array = column.array.as_string::<i32>();
        let offsets = array.value_offsets().iter().map(|offset| offset.cast_unsigned()).collect();
        GuestColumn {
            name: field.name.clone(),
            valid: array.nulls().map(|nulls| nulls.buffer().to_vec()),
            present: None,
            values: Values::Bytes(BytesColumn { offsets, data: array.value_data().to_vec() }),
        }
    };
    let columns = page.data.iter().map(column).collect();
    GuestChanges::upserts(GuestBatch { rows: ROWS as u32, columns })
}

/// And back, checked as any batch is.
fn checked_out(page: GuestChanges, fields: &Arc<[Field]>) -> Changes {
    let column = |column: GuestColumn| {
        let Values::Bytes(values) = column.values else { panic!("all columns are text") };
        let offsets = Buffer::from_vec(values.offsets);
        let offsets = OffsetBuffer::new(ScalarBuffer::<i32>::new(offsets, 0, ROWS + 1));
        let nulls = column.valid.map(|bits| NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(bits), 0, ROWS)));
        let array = StringArray::try_new(offsets, Buffer::from_vec(values.data), nulls).unwrap();
        Column { array: Arc::new(array), present: None }
    };
    let columns = page.data.columns.into_iter().map(column).collect();
    Changes::upserts(Batch::new(fields.clone(), columns, ROWS).unwrap())
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
    let pages: Vec<Changes> = (0..PAGES).map(host_page).collect();
    let fields: Arc<[Field]> = stream.fields.clone().into();
    let (mut bare, mut floors, mut products) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.times * 4 + 1 {
        let mut spent = Duration::ZERO;
        let started = Instant::now();
        for page in &pages {
            let page = copied_in(page);
            let began = Instant::now();
            let output = native.apply(page).unwrap().changes;
            spent += began.elapsed();
            assert_eq!(checked_out(output, &fields).rows(), ROWS);
        }
        floors.push(started.elapsed());
        bare.push(spent);
        let started = Instant::now();
        for page in &pages {
            assert_eq!(component.apply(page).await.unwrap().changes.rows(), ROWS);
        }
        products.push(started.elapsed());
    }
    let what = "`clean` as a component, against the same code natively, page for page of the host's batches";
    report.time(GROUP, what, (Some(median(&floors)), median(&products)), Goal::Ratio(1.25));
    let what = "the same, against the mere function on columns it owns already";
    report.time(GROUP, what, (Some(median(&bare)), median(&products)), Goal::Shown);
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
        let request = whole(&stream);
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
