//! Records that are inserted as new ones, and records that are changed only if they are still as expected.

use lockstep::connector::{FailureKind, Sink as _, WriteMode, WriteRequest, WriteStatus};
use lockstep::record::{ChangeKind, Properties, Stream};
use serde_json::{Value, json};

use super::{numbers, start};
use crate::plugins::{apply, changes, complaints, counts, ids, page, run, stream, updates, write};

const CONFLICT: WriteStatus = WriteStatus::Conflict;
const REJECTED: WriteStatus = WriteStatus::Rejected;
const UPDATE: ChangeKind = ChangeKind::Upsert;
const DELETE: ChangeKind = ChangeKind::Delete;
const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INT)";
const ALL: &str = "SELECT id || ' ' || coalesce(name, '-') || ' ' || coalesce(n, '-') FROM t ORDER BY id";

fn target() -> Stream {
    stream("t", &["id"], &[("id", "int64"), ("name", "text"), ("n", "int64")])
}

#[test]
fn keys_are_filled_in_and_told_in_the_order_of_the_rows() {
    run(async {
        for key in ["INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT"] {
            let (file, plugin) =
                start(&format!("CREATE TABLE t (id {key}, name TEXT); INSERT INTO t VALUES (41, 'old')")).await;
            // The key need not be among the fields at all.
            for fields in [&[("name", "text")][..], &[("id", "int64"), ("name", "text")]] {
                file.run("DELETE FROM t WHERE id <> 41").await;
                let target = stream("t", &["id"], fields);
                let rows: Vec<Value> = (0..10_000).rev().map(|i| json!({"name": format!("n{i}")})).collect();
                let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
                assert_eq!((counts, complaints(&results)), ((10_000, 0, 0), vec![]));
                let told: Vec<String> = ids(&results)
                    .iter()
                    .zip(&rows)
                    .map(|(id, row)| format!("{id} {}", row["name"].as_str().unwrap()))
                    .collect();
                assert_eq!(
                    file.ask("SELECT '[\"' || id || '\"] ' || name FROM t WHERE id <> 41 ORDER BY id").await,
                    told.join("\n")
                );
            }
        }
        let (file, plugin) =
            start("CREATE TABLE t (id TEXT PRIMARY KEY DEFAULT (lower(hex(randomblob(8)))), name TEXT) WITHOUT ROWID")
                .await;
        let target = stream("t", &["id"], &[("name", "text")]);
        let rows: Vec<Value> = (0..100).map(|i| json!({"name": format!("n{i:03}")})).collect();
        let (_, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(file.ask("SELECT '[\"' || id || '\"]' FROM t ORDER BY name").await, ids(&results).join("\n"));
    });
}

#[test]
fn records_that_are_there_are_not_inserted_again() {
    run(async {
        let (file, plugin) = start(&format!("{TABLE}; INSERT INTO t VALUES (2, 'theirs', 2)")).await;
        let rows = [
            json!({"id": 3, "name": "c"}),
            json!({"id": 2, "name": "b"}),
            json!({"id": null, "name": "x"}),
            json!({"id": 1, "name": "a"}),
        ];
        let (counts, results) = apply(&plugin, &target(), WriteMode::Insert, page(&target(), &rows)).await;
        assert_eq!(counts, (2, 0, 0));
        assert_eq!(complaints(&results), [(1, CONFLICT, "sqlite.exists"), (2, REJECTED, "sqlite.null-key")]);
        assert_eq!(ids(&results), ["[\"3\"]", "", "", "[\"1\"]"]);
        assert_eq!(file.ask(ALL).await, "1 a -\n2 theirs 2\n3 c -");
        let (counts, results) = apply(&plugin, &target(), WriteMode::Insert, page(&target(), &rows[..2])).await;
        assert_eq!((counts, complaints(&results).len(), ids(&results)), ((0, 0, 0), 2, vec![]));
    });
}

#[test]
fn keys_of_many_fields_are_told_as_the_host_writes_them() {
    run(async {
        let (_file, plugin) = start(
            "CREATE TABLE t (\"a b\" TIMESTAMPTZ, price DECIMAL(9,2), flag BOOLEAN, code TEXT COLLATE NOCASE, v INT, \
             PRIMARY KEY (code, flag, \"a b\", price)) WITHOUT ROWID",
        )
        .await;
        let target = stream(
            "main.t",
            &["price", "a b", "code", "flag"],
            &[("a b", "timestamp"), ("price", "decimal(9,2)"), ("flag", "bool"), ("code", "text"), ("v", "int64")],
        );
        let row = |code: &str, price: &str| json!({"a b": "2026-11-21T12:00:00Z", "price": price, "flag": true, "code": code, "v": 1});
        let rows = [row("it's \"x\"", "1.50"), row("y", "-2.25")];
        let (_, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(
            ids(&results),
            [
                r#"["1.50","2026-11-21T12:00:00Z","it's \"x\"","true"]"#,
                r#"["-2.25","2026-11-21T12:00:00Z","y","true"]"#
            ]
        );
        // The index takes `Y` for `y`.
        let (counts, results) =
            apply(&plugin, &target, WriteMode::Insert, page(&target, &[row("Y", "-2.25"), row("z", "0.00")])).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![(0, CONFLICT, "sqlite.exists")]));
        let mut changed = row("Y", "-2.25");
        changed["v"] = json!(2);
        let deleted = (DELETE, row("IT'S \"X\"", "1.50"));
        let (counts, results) =
            apply(&plugin, &target, WriteMode::Update, changes(&target, &[(UPDATE, changed), deleted])).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 1), vec![]));
    });
}

#[test]
fn a_key_that_nobody_fills_in_is_refused() {
    run(async {
        let (file, plugin) = start("CREATE TABLE t (id TEXT PRIMARY KEY, name TEXT, n INT)").await;
        let target = stream("t", &["id"], &[("id", "text"), ("name", "text"), ("n", "int64")]);
        let (counts, results) =
            apply(&plugin, &target, WriteMode::Insert, page(&target, &[json!({"name": "a"})])).await;
        assert_eq!((counts, complaints(&results)), ((0, 0, 0), vec![(0, REJECTED, "sqlite.null-key")]));
        assert_eq!(file.ask("SELECT count(*) FROM t").await, "0");
    });
}

#[test]
fn another_unique_index_fails_the_page_and_is_named() {
    run(async {
        let (file, plugin) =
            start("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INT); INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)").await;
        let inserted = page(&target(), &[json!({"name": "c"}), json!({"name": "a"})]);
        let given = page(&target(), &[json!({"id": 8, "name": "c"}), json!({"id": 9, "name": "a"})]);
        let changed = updates(&target(), &[json!({"id": 2, "name": "a"})]);
        for (mode, page) in [(WriteMode::Insert, inserted), (WriteMode::Insert, given), (WriteMode::Update, changed)] {
            let failure = write(&plugin, &target(), mode, &[page]).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::InvalidData);
            assert!(failure.message.contains("t.name"), "{failure}");
        }
        assert_eq!(file.ask(ALL).await, "1 a 1\n2 b 2");
    });
}

#[test]
fn records_are_changed_only_if_they_are_as_expected() {
    run(async {
        let (file, plugin) = start(&format!(
            "{TABLE}; INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, NULL, 3), (4, 'd', NULL), (5, 'e', 5), (6, 'f', 6)"
        ))
        .await;
        let row = |id: i64, n: i64, name: Value, old: Value| json!({"id": id, "n": n, "expected:name": name, "expected:n": old});
        let rows = [
            row(1, 10, json!("a"), json!(1)),
            row(2, 20, json!("B"), json!(2)),
            row(3, 30, json!(null), json!(3)),
            row(99, 9, json!("x"), json!(9)),
            row(4, 40, json!("d"), json!(null)),
            row(5, 5, json!("e"), json!(5)),
            row(6, 60, json!("f"), json!(null)),
        ];
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, updates(&target(), &rows)).await;
        assert_eq!(counts, (3, 1, 0));
        assert_eq!(
            complaints(&results),
            [(1, CONFLICT, "sqlite.changed"), (3, CONFLICT, "sqlite.missing"), (6, CONFLICT, "sqlite.changed")]
        );
        let fields: Vec<Option<&str>> =
            results.errors.iter().map(|error| error.error.properties.get("field")).collect();
        assert!(fields.contains(&Some("name")) && fields.contains(&Some("n")));
        assert_eq!(file.ask(ALL).await, "1 a 10\n2 b 2\n3 - 30\n4 d 40\n5 e 5\n6 f 6");
        // Nothing but expectations, and no expectations at all.
        let only = updates(&target(), &[json!({"id": 1, "expected:n": 10}), json!({"id": 2, "expected:n": 3})]);
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, only).await;
        assert_eq!((counts, complaints(&results)), ((0, 1, 0), vec![(1, CONFLICT, "sqlite.changed")]));
        let blind = updates(&target(), &[json!({"id": 1, "name": "A"}), json!({"id": 98, "name": "B"})]);
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, blind).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![(1, CONFLICT, "sqlite.missing")]));
    });
}

#[test]
fn records_are_deleted_only_if_they_are_as_expected() {
    run(async {
        let (file, plugin) =
            start(&format!("{TABLE}; INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4)")).await;
        let row = |id: i64, name: &str, n: i64| json!({"id": id, "name": name, "expected:n": n});
        let rows = [
            (DELETE, row(1, "-", 1)),
            (UPDATE, row(2, "B", 2)),
            (DELETE, row(3, "-", 33)),
            (DELETE, row(99, "-", 1)),
            (UPDATE, row(4, "D", 44)),
        ];
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, changes(&target(), &rows)).await;
        assert_eq!(counts, (1, 1, 1));
        assert_eq!(complaints(&results), [(2, CONFLICT, "sqlite.changed"), (4, CONFLICT, "sqlite.changed")]);
        assert_eq!(file.ask(ALL).await, "2 B 2\n3 c 3\n4 d 4");
        let only = changes(&target(), &[(DELETE, json!({"id": 2})), (DELETE, json!({"id": 7}))]);
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, only).await;
        assert_eq!((counts, complaints(&results)), ((0, 1, 1), vec![]));
    });
}

/// Whatever SQLite keeps a value as: it is what it is read as.
#[test]
fn expected_values_are_compared_as_they_are_read() {
    run(async {
        let (file, plugin) = start(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMPTZ, price DECIMAL(9,2), free DECIMAL_TEXT, flag BOOLEAN, f DOUBLE, raw BLOB, doc JSON_TEXT, n INT)",
        )
        .await;
        file.run(
            "INSERT INTO t VALUES (1, '2026-11-21 12:00:00+01:00', 1.5, '1.50', 1, 0.1, X'00FF', '{\"a\": 1}', 0)",
        )
        .await;
        file.run("INSERT INTO t SELECT 2, 'whenever', 'much', '1.50', 7, 0.1, X'00', 'x', 0").await;
        let target = stream(
            "t",
            &["id"],
            &[
                ("id", "int64"),
                ("at", "timestamp"),
                ("price", "decimal(9,2)"),
                ("free", "decimal"),
                ("flag", "bool"),
                ("f", "float64"),
                ("raw", "binary"),
                ("doc", "json"),
                ("n", "int64"),
            ],
        );
        let good = [
            ("at", json!("2026-11-21T11:00:00Z")),
            ("price", json!("1.50")),
            ("free", json!("1.5")),
            ("flag", json!(true)),
            ("f", json!(0.1)),
            ("raw", json!("AP8=")),
            ("doc", json!("{\"a\": 1}")),
        ];
        let bad = [
            ("at", json!("2026-11-21T12:00:00Z")),
            ("price", json!("1.51")),
            ("free", json!("1.51")),
            ("flag", json!(false)),
            ("f", json!(0.2)),
            ("raw", json!("AP4=")),
            ("doc", json!("{\"a\":1}")),
        ];
        for (n, ((name, same), (_, other))) in (1..).zip(good.into_iter().zip(bad)) {
            let expected = format!("expected:{name}");
            let rows = [json!({"id": 1, "n": n, &expected: other})];
            let (counts, results) = apply(&plugin, &target, WriteMode::Update, updates(&target, &rows)).await;
            assert_eq!((counts, complaints(&results)), ((0, 0, 0), vec![(0, CONFLICT, "sqlite.changed")]), "{name}");
            let rows = [json!({"id": 1, "n": n, &expected: same})];
            let (counts, results) = apply(&plugin, &target, WriteMode::Update, updates(&target, &rows)).await;
            assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![]), "{name}");
        }
        // What cannot be read is nothing that could have been expected, null included.
        for name in ["at", "price", "flag"] {
            let rows = [json!({"id": 2, "n": 1, format!("expected:{name}"): null})];
            let (_, results) = apply(&plugin, &target, WriteMode::Update, updates(&target, &rows)).await;
            assert_eq!(complaints(&results), [(0, CONFLICT, "sqlite.changed")], "{name}");
        }
    });
}

#[test]
fn ten_thousand_rows_are_one_page() {
    run(async {
        let (file, plugin) =
            start(&format!("{TABLE}; {} INSERT INTO t SELECT i, 'n' || i, i FROM n", numbers(1, 20_000))).await;
        file.run("UPDATE t SET n = -1 WHERE id % 1000 = 0").await;
        let rows: Vec<Value> =
            (1..=10_000).rev().map(|i| json!({"id": i * 2, "name": "new", "expected:n": i * 2})).collect();
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, updates(&target(), &rows)).await;
        assert_eq!((counts, complaints(&results).len()), ((9980, 0, 0), 20));
        assert_eq!(file.ask("SELECT count(*) FROM t WHERE name = 'new' AND n = id").await, "9980");
    });
}

#[test]
fn what_somebody_changes_in_between_is_refused() {
    run(async {
        let (file, plugin) = start(&format!("{TABLE}; INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")).await;
        let request = WriteRequest { stream: target(), mode: WriteMode::Update, options: Properties::default() };
        let mut writer = plugin.open(request.clone()).await.unwrap();
        file.run("UPDATE t SET n = 7 WHERE id = 2").await;
        let rows = [json!({"id": 1, "name": "A", "expected:n": 1}), json!({"id": 2, "name": "B", "expected:n": 2})];
        let results = writer.write(&updates(&target(), &rows)).await.unwrap();
        assert_eq!(complaints(&results), [(1, CONFLICT, "sqlite.changed")]);
        // Nothing is seen before the flush, and then everything since the last one; a writer goes on after it.
        assert_eq!(file.ask(ALL).await, "1 a 1\n2 b 7");
        let more = writer.write(&updates(&target(), &[json!({"id": 2, "n": 8, "expected:n": 7})])).await.unwrap();
        assert_eq!(complaints(&more), []);
        assert_eq!(counts(&writer.flush().await.unwrap()), (2, 0, 0));
        assert_eq!(file.ask(ALL).await, "1 A 1\n2 b 8");
        file.run("UPDATE t SET n = 9 WHERE id = 2").await;
        let again = writer.write(&updates(&target(), &[json!({"id": 2, "n": 10, "expected:n": 8})])).await.unwrap();
        assert_eq!(complaints(&again), [(0, CONFLICT, "sqlite.changed")]);
        assert_eq!(counts(&writer.flush().await.unwrap()), (0, 0, 0));
        for mode in [WriteMode::Insert, WriteMode::Update] {
            let mut dropped = plugin.open(WriteRequest { mode, ..request.clone() }).await.unwrap();
            dropped.write(&page(&target(), &[json!({"id": 2 + mode as i64, "name": "lost"})])).await.unwrap();
            drop(dropped);
        }
        assert_eq!(file.ask(ALL).await, "1 A 1\n2 b 9");
    });
}

#[test]
fn values_the_column_would_turn_into_others_are_refused_one_by_one() {
    run(async {
        let (file, plugin) = start("CREATE TABLE t (id INTEGER PRIMARY KEY, name STRING, n INT)").await;
        let rows = [json!({"name": "a"}), json!({"name": "007"}), json!({"name": "b"})];
        let (counts, results) = apply(&plugin, &target(), WriteMode::Insert, page(&target(), &rows)).await;
        assert_eq!(
            (counts, ids(&results)),
            ((2, 0, 0), vec!["[\"1\"]".to_owned(), String::new(), "[\"2\"]".to_owned()])
        );
        assert_eq!(complaints(&results)[0].1, REJECTED);
        let rows = [json!({"id": 1, "name": "8e1"}), json!({"id": 2, "name": "c"})];
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, updates(&target(), &rows)).await;
        assert_eq!((counts, complaints(&results).len()), ((1, 0, 0), 1));
        assert_eq!(file.ask(ALL).await, "1 a -\n2 c -");
    });
}

#[test]
fn a_trigger_that_does_away_with_records_is_told() {
    run(async {
        let (file, plugin) = start(&format!(
            "{TABLE}; CREATE TRIGGER away BEFORE INSERT ON t WHEN new.name = 'x' BEGIN SELECT raise(IGNORE); END"
        ))
        .await;
        for rows in [
            [json!({"name": "a"}), json!({"name": "x"})],
            [json!({"id": 1, "name": "a"}), json!({"id": 2, "name": "x"})],
        ] {
            let failure = write(&plugin, &target(), WriteMode::Insert, &[page(&target(), &rows)]).await.unwrap_err();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::InvalidData, "sqlite.left-out"));
        }
        assert_eq!(file.ask("SELECT count(*) FROM t").await, "0");
    });
}
