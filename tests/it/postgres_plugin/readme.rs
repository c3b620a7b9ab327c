//! What the plugin's README shows works as it stands there.

use std::path::Path;

use lockstep::connector::{ReadMode, Sink as _, WriteMode};
use lockstep::project::Project;
use serde_json::{Value, json};

use super::start;
use crate::plugins::{REAL, Reading, counts, page, run, write};

const README: &str = include_str!("../../../plugins/postgres/README.md");

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
            "CREATE TABLE customers (id int PRIMARY KEY, name text, updated_at timestamptz); \
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
        for expected in [2, 0] {
            let records: Vec<Value> = reading.read().await.records.into_iter().map(Value::Object).collect();
            assert_eq!(records.len(), expected);
            if expected > 0 {
                let (flushed, _) = write(&target, &stream, WriteMode::Load, &[page(&stream, &records)]).await.unwrap();
                assert_eq!(counts(&flushed), (2, 0, 0));
            }
        }
        assert_eq!(json!(warehouse.psql("SELECT id, name FROM customers ORDER BY id")), json!("1|a\n2|b"));
    });
}
