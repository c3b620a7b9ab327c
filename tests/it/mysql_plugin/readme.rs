//! What the plugin's README shows works as it stands there.

use std::path::Path;

use lockstep::connector::{ReadMode, Sink as _, WriteMode};
use lockstep::project::Project;
use serde_json::{Value, json};

use super::start;
use crate::plugins::{REAL, Reading, counts, page, run, write};

const README: &str = include_str!("../../../plugins/mysql/README.md");

fn project() -> Project {
    let (_, rest) = README.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    Project::parse(text, Path::new("shop"), "README.md").unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn the_project_moves_changed_rows() {
    run(async {
        let project = project();
        let sync = project.syncs_in_order().next().unwrap().as_mirror().unwrap();
        let (_shop, shop) = start(
            "CREATE TABLE customers (id int PRIMARY KEY, name text, updated_at datetime, KEY (updated_at)); \
             INSERT INTO customers VALUES (1, 'a', now()), (2, 'b', now())",
        );
        let (warehouse, target) = start("");
        let mut reading = Reading::full(&shop, &sync.source.stream).discovered().await;
        reading.request.mode = ReadMode::Incremental;
        reading.request.options.set("modified", sync.source.modified.as_deref().unwrap());
        reading.request.options.set("lookback-ms", sync.source.lookback.unwrap().as_millis().to_string());
        let mut stream = lockstep::connector::Source::discover(&shop, std::slice::from_ref(&sync.source.stream))
            .await
            .unwrap()
            .remove(0);
        stream.name.clone_from(&sync.target.stream);
        target.prepare(&stream, REAL).await.unwrap();
        // Within the lookback everything comes again, and nothing of it is written.
        for expected in [(2, 0, 0), (0, 2, 0)] {
            let records: Vec<Value> = reading.read().await.records.into_iter().map(Value::Object).collect();
            let (flushed, _) = write(&target, &stream, WriteMode::Upsert, &[page(&stream, &records)]).await.unwrap();
            assert_eq!(counts(&flushed), expected);
        }
        assert_eq!(json!(warehouse.sql("SELECT id, name FROM customers ORDER BY id")), json!("1\ta\n2\tb"));
    });
}
