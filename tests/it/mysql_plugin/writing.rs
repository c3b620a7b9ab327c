//! Rows come into the table, once, and those that are equal are left alone.

use lockstep::connector::{FailureKind, Sink as _, WriteMode, WriteRequest};
use lockstep::record::{ChangeKind, Changes, Properties, Stream};
use lockstep_test_servers::Mariadb;
use serde_json::{Value, json};

use super::start;
use crate::plugins::{EVOLVE, counts, mysql, page, page_with_deletes, run, stream, write};

fn rows(range: std::ops::Range<i64>, word: &str) -> Vec<Value> {
    range.map(|id| json!({"id": id, "v": format!("{word}{id}")})).collect()
}

fn target() -> Stream {
    stream("t", &["id"], &[("id", "int64"), ("v", "text"), ("n", "int64")])
}

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v varchar(50), n int)";

fn contents(server: &Mariadb) -> String {
    server.sql("SELECT ifnull(group_concat(concat_ws('/', id, ifnull(v, '-'), ifnull(n, '-')) ORDER BY id SEPARATOR ' '), '') FROM t")
}

#[test]
fn a_load_fills_an_empty_table() {
    run(async {
        let (server, plugin) = start(TABLE);
        let pages: Vec<Changes> = (0..3).map(|n| page(&target(), &rows(n * 1000..n * 1000 + 1000, "v"))).collect();
        let (flushed, results) = write(&plugin, &target(), WriteMode::Load, &pages).await.unwrap();
        assert_eq!(counts(&flushed), (3000, 0, 0));
        assert!(results.iter().all(|result| result.statuses.is_none()));
        assert_eq!(server.sql("SELECT count(*), sum(id), min(v), count(n) FROM t"), "3000\t4498500\tv0\t0");
    });
}

#[test]
fn a_load_into_rows_that_are_there_is_a_conflict_and_changes_nothing() {
    run(async {
        let (server, plugin) = start(&format!("{TABLE}; INSERT INTO t VALUES (5, 'old', 1)"));
        let pages = [page(&target(), &rows(0..10, "v"))];
        let failure = write(&plugin, &target(), WriteMode::Load, &pages).await.unwrap_err();
        // The host falls back to merging by key on this kind alone.
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Conflict, "1062"));
        assert_eq!(contents(&server), "5/old/1");
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &pages).await.unwrap();
        assert_eq!(counts(&flushed), (10, 0, 0));
        assert_eq!(server.sql("SELECT count(*), max(n) FROM t WHERE v = concat('v', id)"), "10\t1");
    });
}

#[test]
fn equal_rows_are_not_written() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(50) COLLATE utf8mb4_general_ci, n int, \
             touched timestamp(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))",
        );
        let first = [page(&target(), &rows(0..100, "v"))];
        write(&plugin, &target(), WriteMode::Upsert, &first).await.unwrap();
        let before = server.sql("SELECT max(touched) FROM t");
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &first).await.unwrap();
        assert_eq!((counts(&flushed), server.sql("SELECT max(touched) FROM t")), ((0, 100, 0), before));
        let mut second = rows(0..110, "v");
        second[7]["v"] = json!("other");
        second[8]["v"] = Value::Null;
        // What the collation takes for equal is written all the same.
        second[9]["v"] = json!("V9");
        second[10]["v"] = json!("v10 ");
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &second)]).await.unwrap();
        assert_eq!(counts(&flushed), (14, 96, 0));
        assert_eq!(
            server.sql("SELECT group_concat(concat(ifnull(v, 'NULL'), '|')) FROM t WHERE id IN (6, 7, 8, 9, 10, 109)"),
            "v6|,other|,NULL|,V9|,v10 |,v109|"
        );
    });
}

#[test]
fn rows_out_of_order_are_merged_alike() {
    run(async {
        let (server, plugin) =
            start(&format!("{TABLE}; INSERT INTO t SELECT seq, concat('v', seq), seq FROM seq_0_to_4999"));
        let mut values = rows(4000..6000, "v");
        values.reverse();
        values[1500]["v"] = json!("changed");
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &values)]).await.unwrap();
        assert_eq!(counts(&flushed), (1001, 999, 0));
        let (flushed, _) =
            write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &rows(0..6000, "w"))]).await.unwrap();
        assert_eq!(counts(&flushed), (6000, 0, 0));
        assert_eq!(server.sql("SELECT count(*), count(n) FROM t WHERE v = concat('w', id)"), "6000\t5000");
    });
}

#[test]
fn null_zero_and_the_empty_text_are_different() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v varchar(9), n int)");
        let both = |a: Value, b: Value| [page(&target(), &[json!({"id": 0, "v": a}), json!({"id": 2, "v": b})])];
        write(&plugin, &target(), WriteMode::Upsert, &both(json!(""), Value::Null)).await.unwrap();
        // A key of zero is no wish for a number.
        assert_eq!(server.sql("SELECT id, v IS NULL FROM t ORDER BY id"), "0\t0\n2\t1");
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &both(Value::Null, json!(""))).await.unwrap();
        assert_eq!(counts(&flushed), (2, 0, 0));
        assert_eq!(server.sql("SELECT id, v IS NULL FROM t ORDER BY id"), "0\t1\n2\t0");
    });
}

#[test]
fn columns_a_page_lacks_are_left_alone() {
    run(async {
        let (server, plugin) = start(&format!("{TABLE}; INSERT INTO t VALUES (1, 'a', 10), (2, 'b', 20)"));
        let target = target();
        let pages = [
            page(&target, &[json!({"id": 1, "v": "A"}), json!({"id": 3, "v": "C"})]),
            page(&target, &[json!({"id": 2, "n": 21})]),
            page(&target, &[json!({"id": 4, "v": "D"})]),
            page(&target, &[json!({"id": 5, "n": 50, "v": "E"})]),
            page(&target, &[json!({"id": 6, "n": 60})]),
        ];
        for expected in [(6, 0, 0), (0, 6, 0)] {
            let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &pages).await.unwrap();
            assert_eq!(counts(&flushed), expected);
            assert_eq!(contents(&server), "1/A/10 2/b/21 3/C/- 4/D/- 5/E/50 6/-/60");
        }
    });
}

#[test]
fn a_page_that_could_not_be_inserted_still_updates() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(9) NOT NULL, n int); INSERT INTO t VALUES (1, 'a', 1)",
        );
        let known = page(&target(), &[json!({"id": 1, "n": 2})]);
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &[known]).await.unwrap();
        assert_eq!((counts(&flushed), contents(&server).as_str()), ((1, 0, 0), "1/a/2"));
        let unknown = page(&target(), &[json!({"id": 1, "n": 3}), json!({"id": 2, "n": 3})]);
        let failure = write(&plugin, &target(), WriteMode::Upsert, &[unknown]).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::InvalidData, "1364"));
        assert_eq!(contents(&server), "1/a/2");
    });
}

#[test]
fn deletes_and_upserts_share_a_page() {
    run(async {
        let (server, plugin) =
            start(&format!("{TABLE}; INSERT INTO t SELECT seq, concat('v', seq), seq FROM seq_1_to_6"));
        let target = target();
        let (upsert, delete) = (ChangeKind::Upsert, ChangeKind::Delete);
        let changes = page_with_deletes(
            &target,
            &[
                (delete, json!({"id": 1, "v": null})),
                (upsert, json!({"id": 2, "v": "new"})),
                (delete, json!({"id": 99, "v": null})),
                (upsert, json!({"id": 7, "v": "v7"})),
                (delete, json!({"id": 3, "v": "whatever"})),
                (upsert, json!({"id": 4, "v": "v4"})),
            ],
        );
        let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &[changes]).await.unwrap();
        assert_eq!(counts(&flushed), (2, 1, 2));
        assert_eq!(contents(&server), "2/new/2 4/v4/4 5/v5/5 6/v6/6 7/v7/-");
        // A page of nothing but deletes, by the key alone.
        let changes = page_with_deletes(&target, &[(delete, json!({"id": 5})), (delete, json!({"id": 6}))]);
        let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &[changes]).await.unwrap();
        assert_eq!((counts(&flushed), contents(&server).as_str()), ((0, 0, 2), "2/new/2 4/v4/4 7/v7/-"));
    });
}

#[test]
fn a_key_may_come_again_after_every_flush() {
    run(async {
        let (server, plugin) = start(TABLE);
        let target = target();
        let request = WriteRequest { stream: target.clone(), mode: WriteMode::Upsert, options: Properties::default() };
        let mut writer = plugin.open(request).await.unwrap();
        for round in 0..3 {
            writer.write(&page(&target, &[json!({"id": 1, "v": format!("r{round}")})])).await.unwrap();
            writer.write(&page(&target, &[json!({"id": 2, "n": round})])).await.unwrap();
            assert_eq!(counts(&writer.flush().await.unwrap()), (2, 0, 0));
            assert_eq!(contents(&server), format!("1/r{round}/- 2/-/{round}"));
        }
        let delete = page_with_deletes(&target, &[(ChangeKind::Delete, json!({"id": 1}))]);
        writer.write(&delete).await.unwrap();
        assert_eq!(counts(&writer.flush().await.unwrap()), (0, 0, 1));
        writer.write(&page(&target, &[json!({"id": 1, "v": "back"})])).await.unwrap();
        assert_eq!(counts(&writer.flush().await.unwrap()), (1, 0, 0));
        writer.write(&delete).await.unwrap();
        writer.flush().await.unwrap();
        // A flush of nothing is nothing.
        assert_eq!(counts(&writer.flush().await.unwrap()), (0, 0, 0));
        assert_eq!(contents(&server), "2/-/2");
    });
}

#[test]
fn what_is_not_flushed_is_not_there() {
    run(async {
        let (server, plugin) = start(TABLE);
        for mode in [WriteMode::Upsert, WriteMode::Load] {
            let request = WriteRequest { stream: target(), mode, options: Properties::default() };
            let mut writer = plugin.open(request).await.unwrap();
            writer.write(&page(&target(), &rows(0..10, "v"))).await.unwrap();
            drop(writer);
            // Nothing is held on to either.
            server.sql("SET lock_wait_timeout = 5; ALTER TABLE t ADD COLUMN x int; ALTER TABLE t DROP COLUMN x");
            assert_eq!(contents(&server), "");
        }
    });
}

#[test]
fn compound_keys_of_any_type_are_merged() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE t (`Day` date, who varchar(9) COLLATE utf8mb4_nopad_bin, size enum('s', 'l'), n decimal(9,2), v json, \
             PRIMARY KEY (`Day`, who, size, n))",
        );
        let target = stream(
            "t",
            &["n", "Day", "size", "who"],
            &[("Day", "date"), ("who", "text"), ("size", "text"), ("n", "decimal(9,2)"), ("v", "json")],
        );
        let row = |who: &str, v: &str| json!({"Day": "2026-11-21", "who": who, "size": "l", "n": "1.50", "v": v});
        let first = [page(&target, &[row("a", "{\"x\": 1}"), row("b ", "[1]"), row("b", "null"), row("B", "1")])];
        for expected in [(4, 0, 0), (0, 4, 0)] {
            let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &first).await.unwrap();
            assert_eq!(counts(&flushed), expected);
        }
        let (flushed, _) =
            write(&plugin, &target, WriteMode::Upsert, &[page(&target, &[row("a", "{\"x\":1}")])]).await.unwrap();
        assert_eq!(counts(&flushed), (1, 0, 0));
        assert_eq!(
            server.sql("SELECT concat(who, '|'), v FROM t ORDER BY who"),
            "B|\t1\na|\t{\"x\":1}\nb|\tnull\nb |\t[1]"
        );
    });
}

#[test]
fn triggers_defaults_and_computed_columns_do_their_work() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(9), price decimal(9,2), shout varchar(9) AS (upper(v)) STORED, seen int DEFAULT 7); \
             CREATE TABLE log (what varchar(20)); \
             CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (concat('I', NEW.id)); \
             CREATE TRIGGER b AFTER UPDATE ON t FOR EACH ROW INSERT INTO log VALUES (concat('U', NEW.id))",
        );
        let target = stream("t", &["id"], &[("id", "int64"), ("v", "text"), ("price", "decimal(9,2)")]);
        let row = |id: i64, v: &str| json!({"id": id, "v": v, "price": "1.25"});
        write(&plugin, &target, WriteMode::Load, &[page(&target, &[row(1, "a"), row(2, "b")])]).await.unwrap();
        let second = [page(&target, &[row(1, "a"), row(2, "B"), row(3, "c")])];
        let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &second).await.unwrap();
        assert_eq!(counts(&flushed), (2, 1, 0));
        assert_eq!(server.sql("SELECT group_concat(what SEPARATOR ' ') FROM log"), "I1 I2 U2 I3");
        assert_eq!(server.sql("SELECT * FROM t ORDER BY id"), "1\ta\t1.25\tA\t7\n2\tB\t1.25\tB\t7\n3\tc\t1.25\tC\t7");
    });
}

#[test]
fn a_table_made_by_the_plugin_takes_what_it_was_made_for() {
    run(async {
        let (server, plugin) = start("CREATE DATABASE `Sales`; CREATE TABLE `Sales`.`t.``x` (`a b` int PRIMARY KEY)");
        let target = stream("Sales.t.`x", &["a b"], &[("a b", "int64"), ("C'd", "text")]);
        plugin.prepare(&target, EVOLVE).await.unwrap();
        let values = [json!({"a b": 1, "C'd": "x"})];
        for expected in [(1, 0, 0), (0, 1, 0)] {
            let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &[page(&target, &values)]).await.unwrap();
            assert_eq!(counts(&flushed), expected);
        }
        assert_eq!(server.sql("SELECT * FROM `Sales`.`t.``x`"), "1\tx");
    });
}

#[test]
fn a_user_with_no_more_than_it_needs_can_write() {
    run(async {
        let (server, _) = start(TABLE);
        server.create_user("writer", "pw", "SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES");
        let plugin = mysql(&server.url_for("writer", "pw"));
        let changes = page_with_deletes(
            &target(),
            &[(ChangeKind::Upsert, json!({"id": 1, "v": "a"})), (ChangeKind::Delete, json!({"id": 2, "v": null}))],
        );
        write(&plugin, &target(), WriteMode::Load, &[page(&target(), &rows(2..3, "v"))]).await.unwrap();
        assert_eq!(counts(&write(&plugin, &target(), WriteMode::Upsert, &[changes]).await.unwrap().0), (1, 0, 1));
        assert_eq!(contents(&server), "1/a/-");
    });
}
