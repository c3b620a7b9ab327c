//! How soon there is something to see.

use std::time::{Duration, Instant};

use lockstep::connector::{PageLimits, ReadMode, ReadRequest, Source};
use lockstep::plugin::{Access, Catalog, FilesRoot, Grants, Limits, PluginConnector, Runtime};
use lockstep::record::Properties;
use lockstep::world::World;
use lockstep_test_servers::Folder;
use serde_json::json;

use crate::data::write_csv;
use crate::lab::Bench;
use crate::measure::{median, run};
use crate::report::{Goal, Report};

const GROUP: &str = "Start";

pub fn measure(bench: &Bench, report: &mut Report) {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (folder, cache) = (Folder::new("start"), Folder::new("cache"));
    write_csv(&folder.path().join("customers.csv"), 100_000, 0);
    tokio.block_on(first_page(&folder, &cache));
    let process: Vec<Duration> =
        (0..bench.times).map(|_| run(std::process::Command::new(&bench.binary).arg("--version")).time).collect();
    let page: Vec<Duration> = (0..bench.times).map(|_| tokio.block_on(first_page(&folder, &cache))).collect();
    let sum = median(&process) + median(&page);
    let what = "from the start of the process to the first page of a CSV file, compiled plugins in the cache";
    report.time(GROUP, what, (None, sum), Goal::Seconds(0.06));
    for (name, _) in lockstep_bundle::PLUGINS {
        let cold: Vec<Duration> = (0..bench.times)
            .map(|_| {
                let cache = Folder::new("cold");
                compile(name, &cache)
            })
            .collect();
        report.time(
            GROUP,
            &format!("compiling the plugin `{name}` for the first time"),
            (None, median(&cold)),
            Goal::Seconds(2.0),
        );
    }
}

/// Everything after the start of the process: the engine, the plugin out of the cache, discovery, the first page.
async fn first_page(folder: &Folder, cache: &Folder) -> Duration {
    let started = Instant::now();
    let runtime = Runtime::new(cache.path().to_owned(), Limits::default()).unwrap();
    let binary = Catalog::new(lockstep_bundle::PLUGINS).bundled("csv", runtime.limits()).unwrap();
    let mut grants = Grants::none("bench");
    grants.files.insert("data".into(), FilesRoot::new(folder.path().to_owned(), Access::ReadOnly));
    let clock = World::real().clock;
    let csv = PluginConnector::system(&runtime, &binary, &json!({}), grants, Limits::default(), clock).unwrap();
    let stream = csv.discover(&["customers.csv".to_owned()]).await.unwrap().remove(0);
    let request = ReadRequest {
        stream: stream.name,
        key: vec!["id".into()],
        fields: stream.fields,
        mode: ReadMode::Full,
        cursor: None,
        options: Properties::default(),
    };
    let mut reader = Source::open(&csv, request).await.unwrap();
    let page = reader.next(PageLimits { rows: 10_000, bytes: 4 << 20 }).await.unwrap();
    let time = started.elapsed();
    assert_eq!(page.changes.rows(), 10_000);
    time
}

fn compile(name: &str, cache: &Folder) -> Duration {
    let runtime = Runtime::new(cache.path().to_owned(), Limits::default()).unwrap();
    let started = Instant::now();
    let binary = Catalog::new(lockstep_bundle::PLUGINS).bundled(name, runtime.limits()).unwrap();
    let clock = World::real().clock;
    if name == "clean" {
        PluginConnector::transform(&runtime, &binary, &json!({}), Limits::default()).unwrap();
    } else {
        PluginConnector::system(&runtime, &binary, &json!({}), Grants::none("bench"), Limits::default(), clock)
            .unwrap();
    }
    started.elapsed()
}
