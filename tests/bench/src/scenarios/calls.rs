//! What a single call into a plugin costs: pages of one row, which hold next to nothing.

use std::time::{Duration, Instant};

use lockstep::connector::{PageLimits, PageStatus, Source};
use lockstep::plugin::{Catalog, Grants, Limits, PluginConnector, Runtime};
use lockstep::world::World;
use lockstep_plugin_sdk::prelude::{BatchBuilder, LogicalType, Page, Status};
use serde_json::json;

use super::whole;
use crate::lab::{Bench, cache};
use crate::measure::median;
use crate::report::{Goal, Report};

const GROUP: &str = "A call into a plugin, in one process";
const PAGES: u32 = 20_000;

pub fn measure(bench: &Bench, report: &mut Report) {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut floors, mut products) = (Vec::new(), Vec::new());
    for _ in 0..bench.times {
        floors.push(natively() / PAGES);
        products.push(tokio.block_on(through_the_sandbox()) / PAGES);
    }
    let what =
        "a page of one row × 12 columns, asked for, checked and taken over, against building its columns natively";
    report.time(GROUP, what, (Some(median(&floors)), median(&products)), Goal::Shown);
    let what = "the same, for itself";
    report.time(GROUP, what, (None, median(&products)), Goal::Seconds(20e-6));
}

/// The columns of `tests/guests/numbers`.
fn natively() -> Duration {
    let columns = |logical: LogicalType, count: usize| (0..count).map(move |n| (format!("{logical}{n}"), logical));
    let columns = columns(LogicalType::Int64, 5).chain(columns(LogicalType::Text, 5));
    let mut batch = BatchBuilder::new(
        columns.chain([("float".to_owned(), LogicalType::Float64), ("flag".to_owned(), LogicalType::Bool)]),
    );
    let began = Instant::now();
    for row in 0..i64::from(PAGES) {
        for column in batch.columns() {
            match column.logical() {
                LogicalType::Int64 => column.push_int64(row),
                LogicalType::Text => column.push_text("a text of some length"),
                LogicalType::Float64 => column.push_float64(0.5),
                _ => column.push_bool(true),
            }
        }
        batch.end_row();
        let page = Page::new(batch.finish().unwrap(), row.to_le_bytes().to_vec(), Status::More);
        assert_eq!(std::hint::black_box(page).changes.data.rows, 1);
    }
    began.elapsed()
}

async fn through_the_sandbox() -> Duration {
    let runtime = Runtime::new(cache(), Limits::default()).unwrap();
    let binary = Catalog::new(&[]).from_path(&lockstep_tests::guest("numbers"), runtime.limits()).unwrap();
    let (config, clock) = (json!({ "rows": PAGES }), World::real().clock);
    let numbers =
        PluginConnector::system(&runtime, &binary, &config, Grants::none("bench"), Limits::default(), clock).unwrap();
    let stream = numbers.discover(&[]).await.unwrap().remove(0);
    let mut reader = Source::open(&numbers, whole(&stream)).await.unwrap();
    let began = Instant::now();
    let mut rows = 0;
    loop {
        let page = reader.next(PageLimits { rows: 1, bytes: 4 << 20 }).await.unwrap();
        rows += page.changes.rows();
        if page.status != PageStatus::More {
            break;
        }
    }
    assert_eq!(rows, PAGES as usize);
    began.elapsed()
}
