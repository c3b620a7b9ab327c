//! Writing: tables that are made, rows that are merged, counted and deleted.

use lockstep::connector::{FailureKind, Sink as _, WriteMode, WriteRequest};
use lockstep::record::{ChangeKind, Properties};
use serde_json::{Value, json};

use super::start;
use crate::plugins::{DRY_RUN, EVOLVE, REAL, counts, page, page_with_deletes, run, stream, write};

fn rows(range: std::ops::Range<i64>, name: &str) -> Vec<Value> {
    range.map(|id| json!({"id": id, "name": format!("{name} {id}")})).collect()
}

#[test]
fn a_table_is_made_and_grows() {
    run(async {
        let (file, plugin) = start("").await;
        let small = stream("main.t", &["id"], &[("id", "int64"), ("name", "text")]);
        let planned = plugin.prepare(&small, DRY_RUN).await.unwrap();
        assert_eq!(planned.actions.len(), 1);
        assert_eq!(file.ask("SELECT count(*) FROM sqlite_schema").await, "0");
        let made = plugin.prepare(&small, REAL).await.unwrap();
        assert_eq!((made.actions, made.stream.key.as_slice()), (planned.actions, &["id".to_owned()][..]));
        assert!(plugin.prepare(&small, REAL).await.unwrap().actions.is_empty());
        let large = stream("t", &["id"], &[("id", "int64"), ("NAME", "text"), ("credit", "decimal(9,2)")]);
        let failure = plugin.prepare(&large, REAL).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "sqlite.no-column"));
        assert_eq!(failure.properties.get("hint"), Some(r#"ALTER TABLE "t" ADD COLUMN "credit" DECIMAL_TEXT(9,2)"#));
        assert_eq!(plugin.prepare(&large, DRY_RUN).await.unwrap().actions.len(), 1);
        let grown = plugin.prepare(&large, EVOLVE).await.unwrap();
        assert_eq!(grown.stream.fields.last().unwrap().logical.to_string(), "decimal(9,2)");
        // The key is the number of the row: there is no index.
        assert_eq!(file.ask("SELECT count(*) FROM sqlite_schema WHERE type = 'index'").await, "0");
    });
}

#[test]
fn tables_that_cannot_be_written_to_are_refused() {
    run(async {
        let (_file, plugin) = start(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, shout TEXT AS (upper(name))); CREATE VIEW v AS SELECT * FROM t",
        )
        .await;
        let fields = [("id", "int64"), ("name", "text")];
        for (wanted, code) in [
            (stream("t", &[], &fields), "sqlite.no-key"),
            (stream("t", &["name"], &fields), "sqlite.no-unique-key"),
            (stream("t", &["id", "name"], &fields), "sqlite.no-unique-key"),
            (stream("v", &["id"], &fields), "sqlite.not-a-table"),
            (stream("t", &["id"], &[("id", "int64"), ("shout", "text")]), "sqlite.generated-column"),
            (stream("sqlite_t", &["id"], &fields), "sqlite.name"),
        ] {
            let failure = plugin.prepare(&wanted, REAL).await.unwrap_err();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, code));
        }
        let request = WriteRequest {
            stream: stream("nowhere", &["id"], &fields),
            mode: WriteMode::Upsert,
            options: Properties::default(),
        };
        let failure = plugin.open(request).await.err().unwrap();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::NotFound, "sqlite.no-table"));
    });
}

#[test]
fn equal_rows_are_left_alone() {
    run(async {
        let (file, plugin) = start(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE); CREATE TABLE log (id); \
             CREATE TRIGGER changed AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (new.id); END",
        )
        .await;
        let stream = stream("t", &["id"], &[("id", "int64"), ("name", "text")]);
        let first = [page(&stream, &rows(0..500, "a")), page(&stream, &rows(500..1000, "a"))];
        let (flushed, _) = write(&plugin, &stream, WriteMode::Load, &first).await.unwrap();
        assert_eq!(counts(&flushed), (1000, 0, 0));
        let (flushed, _) = write(&plugin, &stream, WriteMode::Upsert, &first).await.unwrap();
        assert_eq!(counts(&flushed), (0, 1000, 0));
        let mut changed = rows(990..1010, "a");
        changed.reverse();
        // Only its case is another.
        changed[19]["name"] = json!("A 990");
        changed[18]["name"] = json!(null);
        let (flushed, _) = write(&plugin, &stream, WriteMode::Upsert, &[page(&stream, &changed)]).await.unwrap();
        assert_eq!(counts(&flushed), (12, 8, 0));
        assert_eq!(file.ask("SELECT group_concat(id) FROM log").await, "990,991");
        assert_eq!(
            file.ask("SELECT name FROM t WHERE id IN (990, 991, 1009) ORDER BY id").await,
            "A 990\nnull\na 1009"
        );
    });
}

#[test]
fn rows_are_deleted_by_their_keys() {
    run(async {
        let (file, plugin) = start("CREATE TABLE t (a INT, b TEXT, v INT, PRIMARY KEY (a, b)) WITHOUT ROWID").await;
        let stream = stream("t", &["a", "b"], &[("a", "int64"), ("b", "text"), ("v", "int64")]);
        let row = |a: i64, v: i64| json!({"a": a, "b": format!("b{a}"), "v": v});
        let all: Vec<Value> = (0..100).map(|a| row(a, 0)).collect();
        write(&plugin, &stream, WriteMode::Upsert, &[page(&stream, &all)]).await.unwrap();
        let mixed: Vec<(ChangeKind, Value)> =
            (90..110).map(|a| (if a % 2 == 0 { ChangeKind::Delete } else { ChangeKind::Upsert }, row(a, 1))).collect();
        let changes = page_with_deletes(&stream, &mixed);
        let (flushed, _) = write(&plugin, &stream, WriteMode::Upsert, std::slice::from_ref(&changes)).await.unwrap();
        assert_eq!(counts(&flushed), (10, 0, 5));
        assert_eq!(
            file.ask("SELECT group_concat(a) FROM (SELECT a FROM t WHERE a >= 88 ORDER BY a)").await,
            "88,89,91,93,95,97,99,101,103,105,107,109"
        );
        let (flushed, _) = write(&plugin, &stream, WriteMode::Upsert, &[changes]).await.unwrap();
        assert_eq!(counts(&flushed), (0, 10, 0));
    });
}

#[test]
fn columns_that_are_not_given_are_left_alone() {
    run(async {
        let (file, plugin) = start(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INT NOT NULL); INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)",
        )
        .await;
        let stream = stream("t", &["id"], &[("id", "int64"), ("name", "text"), ("n", "int64")]);
        let pages = [
            page(&stream, &[json!({"id": 1, "name": "A"})]),
            page(&stream, &[json!({"id": 2, "n": 20}), json!({"id": 3, "n": 30})]),
        ];
        let (flushed, _) = write(&plugin, &stream, WriteMode::Upsert, &pages).await.unwrap();
        assert_eq!(counts(&flushed), (3, 0, 0));
        let all = "SELECT id || ' ' || coalesce(name, '-') || ' ' || n FROM t ORDER BY id";
        assert_eq!(file.ask(all).await, "1 A 1\n2 b 20\n3 - 30");
        let (flushed, _) = write(&plugin, &stream, WriteMode::Upsert, &pages).await.unwrap();
        assert_eq!(counts(&flushed), (0, 3, 0));
        // A row that is not there needs them.
        let missing = [page(&stream, &[json!({"id": 4, "name": "A"})])];
        let failure = write(&plugin, &stream, WriteMode::Upsert, &missing).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.detail_code.as_str()),
            (FailureKind::InvalidData, "SQLITE_CONSTRAINT_NOTNULL")
        );
    });
}

#[test]
fn rows_without_a_key_are_refused_one_by_one() {
    run(async {
        let (file, plugin) = start("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)").await;
        let stream = stream("t", &["id"], &[("id", "int64"), ("name", "text")]);
        let rows = [json!({"id": 1, "name": "a"}), json!({"id": null, "name": "b"}), json!({"id": 3, "name": "c"})];
        for mode in [WriteMode::Load, WriteMode::Upsert] {
            file.run("DELETE FROM t").await;
            let (flushed, results) = write(&plugin, &stream, mode, &[page(&stream, &rows)]).await.unwrap();
            assert_eq!(counts(&flushed), (2, 0, 0));
            let errors: Vec<(u32, &str)> =
                results[0].errors.iter().map(|error| (error.row, error.error.detail_code.as_str())).collect();
            assert_eq!(errors, [(1, "sqlite.null-key")]);
        }
    });
}

#[test]
fn a_load_into_a_table_with_rows_is_a_conflict_and_leaves_nothing() {
    run(async {
        let (file, plugin) =
            start("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (5, 'old')").await;
        let stream = stream("t", &["id"], &[("id", "int64"), ("name", "text")]);
        let failure =
            write(&plugin, &stream, WriteMode::Load, &[page(&stream, &rows(0..10, "new"))]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Conflict);
        assert_eq!(file.ask("SELECT group_concat(name) FROM t").await, "old");
    });
}

#[test]
fn a_row_that_breaks_another_index_is_at_fault_itself() {
    run(async {
        let (file, plugin) =
            start("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE); INSERT INTO t VALUES (5, 'a 1')").await;
        let stream = stream("t", &["id"], &[("id", "int64"), ("name", "text")]);
        let failure = write(&plugin, &stream, WriteMode::Upsert, &[page(&stream, &rows(0..3, "a"))]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidData);
        assert_eq!(file.ask("SELECT count(*) FROM t").await, "1");
    });
}

#[test]
fn nothing_is_seen_before_the_flush_and_nobody_waits_for_it() {
    run(async {
        let (file, plugin) = start("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)").await;
        let stream = stream("t", &["id"], &[("id", "int64"), ("name", "text")]);
        let request = WriteRequest { stream: stream.clone(), mode: WriteMode::Upsert, options: Properties::default() };
        let mut writer = plugin.open(request.clone()).await.unwrap();
        writer.write(&page(&stream, &rows(0..10, "a"))).await.unwrap();
        let begun = std::time::Instant::now();
        file.run("INSERT INTO t VALUES (3, 'theirs'), (77, 'theirs')").await;
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
        assert_eq!(counts(&writer.flush().await.unwrap()), (10, 0, 0));
        assert_eq!(file.ask("SELECT count(*) FROM t").await, "11");
        // And again, in the same writer.
        writer.write(&page(&stream, &rows(0..12, "a"))).await.unwrap();
        assert_eq!(counts(&writer.flush().await.unwrap()), (2, 10, 0));
        assert_eq!(counts(&writer.flush().await.unwrap()), (0, 0, 0));
        writer.write(&page(&stream, &rows(20..30, "a"))).await.unwrap();
        drop(writer);
        for mode in [WriteMode::Upsert, WriteMode::Load] {
            let mut dropped = plugin.open(WriteRequest { mode, ..request.clone() }).await.unwrap();
            dropped.write(&page(&stream, &rows(100..200, "lost"))).await.unwrap();
            drop(dropped);
        }
        assert_eq!(file.ask("SELECT count(*) FROM t").await, "13");
    });
}
