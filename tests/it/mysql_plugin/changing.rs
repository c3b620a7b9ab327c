//! Records that are inserted as new ones, and records that are changed only if they are still as expected.

use std::time::Duration;

use lockstep::connector::{FailureKind, Sink as _, WriteMode, WriteRequest, WriteStatus};
use lockstep::plugin::Database;
use lockstep::record::{ChangeKind, Properties, Stream};
use serde_json::{Value, json};

use super::start;
use crate::plugins::{apply, changes, complaints, counts, ids, page, run, stream, updates, write};

const CONFLICT: WriteStatus = WriteStatus::Conflict;
const REJECTED: WriteStatus = WriteStatus::Rejected;
const UPDATE: ChangeKind = ChangeKind::Upsert;
const DELETE: ChangeKind = ChangeKind::Delete;
const TABLE: &str =
    "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, name varchar(50) COLLATE utf8mb4_general_ci, n int)";
const ALL: &str =
    "SELECT group_concat(concat_ws('/', id, ifnull(name, '-'), ifnull(n, '-')) ORDER BY id SEPARATOR ' ') FROM t";

fn target() -> Stream {
    stream("t", &["id"], &[("id", "int64"), ("name", "text"), ("n", "int64")])
}

#[test]
fn keys_are_filled_in_and_told_in_the_order_of_the_rows() {
    run(async {
        let (server, plugin) = start(&format!("{TABLE}; INSERT INTO t VALUES (41, 'old', 1)"));
        // The key need not be among the fields at all.
        for fields in [&[("name", "text")][..], &[("id", "int64"), ("name", "text")]] {
            server.sql("DELETE FROM t WHERE id <> 41");
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
                server.sql("SELECT concat('[\"', id, '\"] ', name) FROM t WHERE id <> 41 ORDER BY id"),
                told.join("\n")
            );
        }
        let (server, plugin) = start("CREATE TABLE t (id uuid DEFAULT uuid() PRIMARY KEY, name varchar(9))");
        let target = stream("t", &["id"], &[("name", "text")]);
        let rows: Vec<Value> = (0..100).map(|i| json!({"name": format!("n{i:03}")})).collect();
        let (_, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(server.sql("SELECT concat('[\"', id, '\"]') FROM t ORDER BY name"), ids(&results).join("\n"));
    });
}

#[test]
fn records_that_are_there_are_not_inserted_again() {
    run(async {
        let (server, plugin) = start(&format!("{TABLE}; INSERT INTO t VALUES (2, 'theirs', 2)"));
        let rows = [
            json!({"id": 3, "name": "c"}),
            json!({"id": 2, "name": "b"}),
            json!({"id": null, "name": "x"}),
            json!({"id": 1, "name": "a"}),
        ];
        let (counts, results) = apply(&plugin, &target(), WriteMode::Insert, page(&target(), &rows)).await;
        assert_eq!(counts, (2, 0, 0));
        assert_eq!(complaints(&results), [(1, CONFLICT, "mysql.exists"), (2, REJECTED, "mysql.null-key")]);
        assert_eq!(ids(&results), ["[\"3\"]", "", "", "[\"1\"]"]);
        assert_eq!(server.sql(ALL), "1/a/- 2/theirs/2 3/c/-");
        let (counts, results) = apply(&plugin, &target(), WriteMode::Insert, page(&target(), &rows[..2])).await;
        assert_eq!((counts, complaints(&results).len(), ids(&results)), ((0, 0, 0), 2, vec![]));
    });
}

#[test]
fn keys_of_many_fields_are_told_as_the_host_writes_them() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (`a b` timestamp(6) DEFAULT '2000-01-01', price decimal(9,2), flag tinyint(1), \
             code varchar(20) COLLATE utf8mb4_general_ci, v int, PRIMARY KEY (code, flag, `a b`, price))",
        );
        let target = stream(
            "test.t",
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
        let more = page(&target, &[row("Y", "-2.25"), row("z", "0.00")]);
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, more).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![(0, CONFLICT, "mysql.exists")]));
        let mut changed = row("Y", "-2.25");
        changed["v"] = json!(2);
        let deleted = (DELETE, row("IT'S \"X\"", "1.50"));
        let both = changes(&target, &[(UPDATE, changed), deleted]);
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, both).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 1), vec![]));
    });
}

#[test]
fn a_key_that_nobody_fills_in_is_refused() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id varchar(9) PRIMARY KEY, name varchar(9), n int)");
        let target = stream("t", &["id"], &[("id", "text"), ("name", "text"), ("n", "int64")]);
        let (counts, results) =
            apply(&plugin, &target, WriteMode::Insert, page(&target, &[json!({"name": "a"})])).await;
        assert_eq!((counts, complaints(&results)), ((0, 0, 0), vec![(0, REJECTED, "mysql.null-key")]));
        assert_eq!(server.sql("SELECT count(*) FROM t"), "0");
    });
}

#[test]
fn another_unique_index_fails_the_page_and_is_named() {
    run(async {
        let (server, plugin) = start(&format!(
            "{TABLE}; ALTER TABLE t ADD UNIQUE by_name (name); INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)"
        ));
        let inserted = page(&target(), &[json!({"name": "c"}), json!({"name": "a"})]);
        let given = page(&target(), &[json!({"id": 8, "name": "c"}), json!({"id": 9, "name": "A"})]);
        let changed = updates(&target(), &[json!({"id": 2, "name": "a"})]);
        for (mode, page) in [(WriteMode::Insert, inserted), (WriteMode::Insert, given), (WriteMode::Update, changed)] {
            let failure = write(&plugin, &target(), mode, &[page]).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::InvalidData);
            assert_eq!(failure.properties.get("constraint"), Some("by_name"), "{failure}");
        }
        assert_eq!(server.sql(ALL), "1/a/1 2/b/2");
    });
}

#[test]
fn records_are_changed_only_if_they_are_as_expected() {
    run(async {
        let (server, plugin) = start(&format!(
            "{TABLE}; INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, NULL, 3), (4, 'd', NULL), (5, 'e', 5), (6, 'f', 6), (7, 'g', 7)"
        ));
        let row = |id: i64, n: i64, name: Value, old: Value| json!({"id": id, "n": n, "expected:name": name, "expected:n": old});
        let rows = [
            row(1, 10, json!("a"), json!(1)),
            // What the collation takes for equal is not.
            row(2, 20, json!("B"), json!(2)),
            row(3, 30, json!(null), json!(3)),
            row(99, 9, json!("x"), json!(9)),
            row(4, 40, json!("d"), json!(null)),
            row(5, 5, json!("e"), json!(5)),
            row(6, 60, json!("f"), json!(null)),
            row(7, 70, json!("g "), json!(7)),
        ];
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, updates(&target(), &rows)).await;
        assert_eq!(counts, (3, 1, 0));
        assert_eq!(
            complaints(&results),
            [
                (1, CONFLICT, "mysql.changed"),
                (3, CONFLICT, "mysql.missing"),
                (6, CONFLICT, "mysql.changed"),
                (7, CONFLICT, "mysql.changed")
            ]
        );
        let fields: Vec<Option<&str>> =
            results.errors.iter().map(|error| error.error.properties.get("field")).collect();
        assert!(fields.contains(&Some("name")) && fields.contains(&Some("n")));
        assert_eq!(server.sql(ALL), "1/a/10 2/b/2 3/-/30 4/d/40 5/e/5 6/f/6 7/g/7");
        // Nothing but expectations, and no expectations at all.
        let only = updates(&target(), &[json!({"id": 1, "expected:n": 10}), json!({"id": 2, "expected:n": 3})]);
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, only).await;
        assert_eq!((counts, complaints(&results)), ((0, 1, 0), vec![(1, CONFLICT, "mysql.changed")]));
        let blind = updates(&target(), &[json!({"id": 1, "name": "A"}), json!({"id": 98, "name": "B"})]);
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, blind).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![(1, CONFLICT, "mysql.missing")]));
        assert_eq!(server.sql("SELECT name FROM t WHERE id = 1"), "A");
    });
}

#[test]
fn records_are_deleted_only_if_they_are_as_expected() {
    run(async {
        let (server, plugin) =
            start(&format!("{TABLE}; INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4)"));
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
        assert_eq!(complaints(&results), [(2, CONFLICT, "mysql.changed"), (4, CONFLICT, "mysql.changed")]);
        assert_eq!(server.sql(ALL), "2/B/2 3/c/3 4/d/4");
        let only = changes(&target(), &[(DELETE, json!({"id": 2})), (DELETE, json!({"id": 7}))]);
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, only).await;
        assert_eq!((counts, complaints(&results)), ((0, 1, 1), vec![]));
    });
}

#[test]
fn expected_values_of_every_type_are_compared_as_they_are_read() {
    run(async {
        let (_server, plugin) = start(
            "SET sql_mode = ''; CREATE TABLE t (id int PRIMARY KEY, at timestamp(6) NULL, price decimal(9,2), flag tinyint(1), f float, raw blob, doc json, \
             mood enum('x', 'X2'), day date, n int); \
             INSERT INTO t VALUES (1, '2026-11-21 12:00:00', 1.5, 1, 0.1, X'00FF', '{\"a\": 1}', 'x', '2026-01-01', 0), \
             (2, NULL, NULL, 7, NULL, NULL, NULL, NULL, '0000-00-00', 0)",
        );
        let fields = [
            ("id", "int64"),
            ("at", "timestamp"),
            ("price", "decimal(9,2)"),
            ("flag", "bool"),
            ("f", "float64"),
            ("raw", "binary"),
            ("doc", "json"),
            ("mood", "text"),
            ("day", "date"),
            ("n", "int64"),
        ];
        let target = stream("t", &["id"], &fields);
        let good = [
            ("at", json!("2026-11-21T12:00:00Z")),
            ("price", json!("1.50")),
            ("flag", json!(true)),
            ("f", json!(f64::from(0.1f32))),
            ("raw", json!("AP8=")),
            ("doc", json!("{\"a\": 1}")),
            ("mood", json!("x")),
            ("day", json!("2026-01-01")),
        ];
        let bad = [
            ("at", json!("2026-11-21T12:00:00.1Z")),
            ("price", json!("1.51")),
            ("flag", json!(false)),
            ("f", json!(0.1)),
            ("raw", json!("AP4=")),
            ("doc", json!("{\"a\":1}")),
            ("mood", json!("X")),
            ("day", json!(null)),
        ];
        for (n, ((name, same), (_, other))) in (1..).zip(good.into_iter().zip(bad)) {
            let expected = format!("expected:{name}");
            let rows = [json!({"id": 1, "n": n, &expected: other})];
            let (counts, results) = apply(&plugin, &target, WriteMode::Update, updates(&target, &rows)).await;
            assert_eq!((counts, complaints(&results)), ((0, 0, 0), vec![(0, CONFLICT, "mysql.changed")]), "{name}");
            let rows = [json!({"id": 1, "n": n, &expected: same})];
            let (counts, results) = apply(&plugin, &target, WriteMode::Update, updates(&target, &rows)).await;
            assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![]), "{name}");
        }
        // What cannot be read is nothing that could have been expected, null included.
        for name in ["flag", "day"] {
            let rows = [json!({"id": 2, "n": 1, format!("expected:{name}"): null})];
            let (_, results) = apply(&plugin, &target, WriteMode::Update, updates(&target, &rows)).await;
            assert_eq!(complaints(&results), [(0, CONFLICT, "mysql.changed")], "{name}");
        }
    });
}

#[test]
fn ten_thousand_rows_are_one_page() {
    run(async {
        let (server, plugin) =
            start(&format!("{TABLE}; INSERT INTO t SELECT seq, concat('n', seq), seq FROM seq_1_to_20000"));
        server.sql("UPDATE t SET n = -1 WHERE id % 1000 = 0");
        let rows: Vec<Value> =
            (1..=10_000).rev().map(|i| json!({"id": i * 2, "name": "new", "expected:n": i * 2})).collect();
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, updates(&target(), &rows)).await;
        assert_eq!((counts, complaints(&results).len()), ((9980, 0, 0), 20));
        assert_eq!(server.sql("SELECT count(*) FROM t WHERE name = 'new' AND n = id"), "9980");
    });
}

#[test]
fn what_somebody_changes_in_between_is_refused() {
    run(async {
        let (server, plugin) = start(&format!("{TABLE}; INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)"));
        let request = WriteRequest { stream: target(), mode: WriteMode::Update, options: Properties::default() };
        let mut writer = plugin.open(request.clone()).await.unwrap();
        server.sql("UPDATE t SET n = 7 WHERE id = 2");
        let rows = [json!({"id": 1, "name": "A", "expected:n": 1}), json!({"id": 2, "name": "B", "expected:n": 2})];
        let results = writer.write(&updates(&target(), &rows)).await.unwrap();
        assert_eq!(complaints(&results), [(1, CONFLICT, "mysql.changed")]);
        // Nothing is seen before the flush, and then everything since the last one; a writer goes on after it.
        assert_eq!(server.sql(ALL), "1/a/1 2/b/7");
        let more = writer.write(&updates(&target(), &[json!({"id": 2, "n": 8, "expected:n": 7})])).await.unwrap();
        assert_eq!(complaints(&more), []);
        // What was looked at is held on to until then.
        let theirs = Database::mysql(&server.url(), "other").unwrap().open().await.unwrap();
        theirs.script("SET innodb_lock_wait_timeout = 1").await.unwrap();
        assert_eq!(
            theirs.execute("UPDATE t SET n = 0 WHERE id = 1", None).await.unwrap_err().kind,
            FailureKind::Transient
        );
        assert_eq!(counts(&writer.flush().await.unwrap()), (2, 0, 0));
        assert_eq!(server.sql(ALL), "1/A/1 2/b/8");
        server.sql("UPDATE t SET n = 9 WHERE id = 2");
        let again = writer.write(&updates(&target(), &[json!({"id": 2, "n": 10, "expected:n": 8})])).await.unwrap();
        assert_eq!(complaints(&again), [(0, CONFLICT, "mysql.changed")]);
        assert_eq!(counts(&writer.flush().await.unwrap()), (0, 0, 0));
        for mode in [WriteMode::Insert, WriteMode::Update] {
            let mut dropped = plugin.open(WriteRequest { mode, ..request.clone() }).await.unwrap();
            let id = if mode == WriteMode::Insert { 5 } else { 2 };
            dropped.write(&page(&target(), &[json!({"id": id, "name": "lost"})])).await.unwrap();
            drop(dropped);
        }
        server.sql("SET lock_wait_timeout = 5; ALTER TABLE t ADD COLUMN x int");
        assert_eq!(server.sql(ALL), "1/A/1 2/b/9");
    });
}

#[test]
fn two_who_insert_the_same_record_do_it_once() {
    run(async {
        let (server, plugin) = start(TABLE);
        let theirs = Database::mysql(&server.url(), "other").unwrap().open().await.unwrap();
        theirs.script("BEGIN; INSERT INTO t VALUES (2, 'theirs', 2)").await.unwrap();
        let page = page(&target(), &[json!({"id": 1, "name": "a"}), json!({"id": 2, "name": "b"})]);
        let target = target();
        let commit = async {
            // The server gathers this table anew only if nobody looked at it for a tenth of a second.
            while server.sql("SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") == "0"
            {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            theirs.script("COMMIT").await.unwrap();
        };
        let pages = [page];
        let (result, ()) = tokio::join!(write(&plugin, &target, WriteMode::Insert, &pages), commit);
        // Tried again, it finds the record.
        let (flushed, results) = match result {
            Ok(done) => done,
            Err(failure) => {
                assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
                write(&plugin, &target, WriteMode::Insert, &pages).await.unwrap()
            }
        };
        assert_eq!((counts(&flushed), complaints(&results[0])), ((1, 0, 0), vec![(1, CONFLICT, "mysql.exists")]));
        assert_eq!(server.sql(ALL), "1/a/- 2/theirs/2");
    });
}

/// Everybody changes the same records in an order of his own, again and again.
#[test]
fn writers_who_meet_do_not_wait_for_ever() {
    run(async {
        let rows = 400i64;
        let (server, plugin) = start(&format!("{TABLE}; INSERT INTO t SELECT seq, 'x', 0 FROM seq_1_to_{rows}"));
        let write_all = async |seed: i64| {
            let page = |round: i64| {
                let mut all: Vec<i64> = (1..=rows).collect();
                all.sort_by_key(|id| (id * 7919 * (seed + 1)) % 4001);
                let all: Vec<Value> = all.iter().map(|id| json!({"id": id, "n": seed * 100 + round})).collect();
                updates(&target(), &all)
            };
            for round in 1..=5 {
                let ((written, unchanged, _), results) =
                    apply(&plugin, &target(), WriteMode::Update, page(round)).await;
                assert_eq!((written + unchanged, complaints(&results)), (rows as u64, vec![]));
            }
        };
        tokio::join!(write_all(1), write_all(2), write_all(3));
        assert_eq!(server.sql("SELECT count(DISTINCT n) FROM t"), "1");
    });
}

#[test]
fn values_the_column_would_turn_into_others_are_refused_one_by_one() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, name char(3), n int)");
        let rows = [json!({"name": "a"}), json!({"name": "a "}), json!({"name": "b"})];
        let (counts, results) = apply(&plugin, &target(), WriteMode::Insert, page(&target(), &rows)).await;
        assert_eq!(
            (counts, ids(&results)),
            ((2, 0, 0), vec!["[\"1\"]".to_owned(), String::new(), "[\"2\"]".to_owned()])
        );
        assert_eq!(complaints(&results)[0].1, REJECTED);
        let rows = [json!({"id": 1, "name": "long"}), json!({"id": 2, "name": "c"})];
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, updates(&target(), &rows)).await;
        assert_eq!((counts, complaints(&results).len()), ((1, 0, 0), 1));
        assert_eq!(server.sql(ALL), "1/a/- 2/c/-");
    });
}
