//! Rows come into the table, once, and those that are equal are left alone.

use lockstep::connector::{FailureKind, Sink as _, WriteMode, WriteRequest};
use lockstep::record::{ChangeKind, Changes, Properties, Stream};
use lockstep_test_servers::Postgres;
use serde_json::{Value, json};

use super::start;
use crate::plugins::{EVOLVE, counts, page, page_with_deletes, postgres, run, stream, write};

fn rows(range: std::ops::Range<i64>, word: &str) -> Vec<Value> {
    range.map(|id| json!({"id": id, "v": format!("{word}{id}")})).collect()
}

fn target() -> Stream {
    stream("t", &["id"], &[("id", "int64"), ("v", "text"), ("n", "int64")])
}

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text, n int)";
/// Which versions of the rows there are: what is rewritten moves.
const VERSIONS: &str = "SELECT string_agg(id || ':' || xmin || ctid, ' ' ORDER BY id) FROM t";
const CONTENTS: &str =
    "SELECT string_agg(concat_ws('/', id, coalesce(v, '-'), coalesce(n::text, '-')), ' ' ORDER BY id) FROM t";

fn contents(server: &Postgres) -> String {
    server.psql(CONTENTS)
}

#[test]
fn a_load_fills_an_empty_table() {
    run(async {
        let (server, plugin) = start(TABLE);
        let pages: Vec<Changes> = (0..3).map(|n| page(&target(), &rows(n * 1000..n * 1000 + 1000, "v"))).collect();
        let (flushed, results) = write(&plugin, &target(), WriteMode::Load, &pages).await.unwrap();
        assert_eq!(counts(&flushed), (3000, 0, 0));
        assert!(results.iter().all(|result| result.statuses.is_none()));
        assert_eq!(server.psql("SELECT count(*), sum(id), min(v), count(n) FROM t"), "3000|4498500|v0|0");
    });
}

#[test]
fn a_load_into_rows_that_are_there_is_a_conflict_and_changes_nothing() {
    run(async {
        let (server, plugin) = start(&format!("{TABLE}; INSERT INTO t VALUES (5, 'old', 1)"));
        let failure =
            write(&plugin, &target(), WriteMode::Load, &[page(&target(), &rows(0..10, "v"))]).await.unwrap_err();
        // The host falls back to merging by key on this kind alone.
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Conflict, "23505"));
        assert_eq!(contents(&server), "5/old/1");
        let (flushed, _) =
            write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &rows(0..10, "v"))]).await.unwrap();
        assert_eq!(counts(&flushed), (10, 0, 0));
        assert_eq!(server.psql("SELECT count(*), max(n) FROM t WHERE v = 'v' || id"), "10|1");
    });
}

#[test]
fn equal_rows_are_neither_written_nor_locked() {
    run(async {
        let (server, plugin) = start(TABLE);
        let first = [page(&target(), &rows(0..100, "v"))];
        write(&plugin, &target(), WriteMode::Upsert, &first).await.unwrap();
        let before = server.psql(VERSIONS);
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &first).await.unwrap();
        assert_eq!(counts(&flushed), (0, 100, 0));
        assert_eq!(server.psql(VERSIONS), before);
        assert_eq!(server.psql("SELECT count(*) FROM t WHERE xmax <> 0"), "0");
        let mut second = rows(0..110, "v");
        second[7]["v"] = json!("other");
        second[8]["v"] = Value::Null;
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &second)]).await.unwrap();
        assert_eq!(counts(&flushed), (12, 98, 0));
        assert_eq!(server.psql("SELECT string_agg(concat_ws('/', id, coalesce(v, 'NULL')), ' ' ORDER BY id) FROM t WHERE id IN (6, 7, 8, 109)"),
            "6/v6 7/other 8/NULL 109/v109");
    });
}

#[test]
fn rows_out_of_order_and_tables_of_any_size_are_merged_alike() {
    run(async {
        let (server, plugin) =
            start(&format!("{TABLE}; INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(0, 4999) i; ANALYZE t"));
        let mut values = rows(4000..6000, "v");
        values.reverse();
        values[1500]["v"] = json!("changed");
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &values)]).await.unwrap();
        assert_eq!(counts(&flushed), (1001, 999, 0));
        // Half of the table and more is left to the planner.
        let (flushed, _) =
            write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &rows(0..6000, "w"))]).await.unwrap();
        assert_eq!(counts(&flushed), (6000, 0, 0));
        assert_eq!(server.psql("SELECT count(*), count(n) FROM t WHERE v = 'w' || id"), "6000|5000");
    });
}

#[test]
fn null_and_the_empty_text_are_different() {
    run(async {
        let (server, plugin) = start(TABLE);
        let both = |a: Value, b: Value| [page(&target(), &[json!({"id": 1, "v": a}), json!({"id": 2, "v": b})])];
        write(&plugin, &target(), WriteMode::Upsert, &both(json!(""), Value::Null)).await.unwrap();
        assert_eq!(server.psql("SELECT id, v IS NULL FROM t ORDER BY id"), "1|f\n2|t");
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &both(Value::Null, json!(""))).await.unwrap();
        assert_eq!(counts(&flushed), (2, 0, 0));
        assert_eq!(server.psql("SELECT id, v IS NULL FROM t ORDER BY id"), "1|t\n2|f");
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
        let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &pages).await.unwrap();
        assert_eq!(counts(&flushed), (6, 0, 0));
        assert_eq!(contents(&server), "1/A/10 2/b/21 3/C/- 4/D/- 5/E/50 6/-/60");
        let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &pages).await.unwrap();
        assert_eq!(counts(&flushed), (0, 6, 0));
    });
}

#[test]
fn deletes_and_upserts_share_a_page() {
    run(async {
        let (server, plugin) =
            start(&format!("{TABLE}; INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, 6) i"));
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
        assert_eq!(counts(&flushed), (0, 0, 2));
        assert_eq!(contents(&server), "2/new/2 4/v4/4 7/v7/-");
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
            assert_eq!(contents(&server), "");
            // Nothing is held on to either.
            server.psql("SET lock_timeout = '5s'; ALTER TABLE t ADD COLUMN x int; ALTER TABLE t DROP COLUMN x");
        }
    });
}

#[test]
fn compound_keys_of_any_type_are_merged() {
    run(async {
        let (server, plugin) = start(
            "CREATE TYPE size AS ENUM ('s', 'l'); CREATE TABLE t (\"Day\" date, who text, size size, n numeric(9,2), v json, \
             PRIMARY KEY (\"Day\", who, size, n))",
        );
        let target = stream(
            "t",
            &["n", "Day", "size", "who"],
            &[("Day", "date"), ("who", "text"), ("size", "text"), ("n", "decimal(9,2)"), ("v", "json")],
        );
        let row = |who: &str, v: &str| json!({"Day": "2026-11-21", "who": who, "size": "l", "n": "1.50", "v": v});
        let first = [page(&target, &[row("a", "{\"x\": 1}"), row("b ", "[1]"), row("b", "null")])];
        write(&plugin, &target, WriteMode::Upsert, &first).await.unwrap();
        let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &first).await.unwrap();
        assert_eq!(counts(&flushed), (0, 3, 0));
        let (flushed, _) =
            write(&plugin, &target, WriteMode::Upsert, &[page(&target, &[row("a", "{\"x\":1}")])]).await.unwrap();
        assert_eq!(counts(&flushed), (1, 0, 0));
        assert_eq!(server.psql("SELECT who || '|', v FROM t ORDER BY who"), "a||{\"x\":1}\nb||null\nb ||[1]");
    });
}

#[test]
fn every_type_is_compared() {
    run(async {
        let (_server, plugin) = start(
            "CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (id int PRIMARY KEY, one \"char\", fixed char(5), name name, \
             ci citext, mood mood, list int[], addr inet, iv interval, doc jsonb, xml xml, spot point, cash money, bits bit(3))",
        );
        let fields = ["one", "fixed", "name", "ci", "mood", "list", "addr", "iv", "doc", "xml", "spot", "cash", "bits"];
        let mut all: Vec<(&str, &str)> = fields.iter().map(|name| (*name, "text")).collect();
        all.push(("id", "int64"));
        let target = stream("t", &["id"], &all);
        let row = json!({"id": 1, "one": "x", "fixed": "ab", "name": "n", "ci": "Case", "mood": "ok", "list": "{1,2}", "addr": "10.0.0.1",
            "iv": "1 day", "doc": "{\"a\": 1}", "xml": "<a/>", "spot": "(1,2)", "cash": "$1.00", "bits": "101"});
        let (flushed, _) =
            write(&plugin, &target, WriteMode::Upsert, &[page(&target, std::slice::from_ref(&row))]).await.unwrap();
        assert_eq!(counts(&flushed), (1, 0, 0));
        let (flushed, _) =
            write(&plugin, &target, WriteMode::Upsert, &[page(&target, std::slice::from_ref(&row))]).await.unwrap();
        assert_eq!(counts(&flushed), (0, 1, 0));
        for (name, other) in
            [("one", "y"), ("ci", "case"), ("iv", "24:00:00"), ("spot", "(1,3)"), ("xml", "<b/>"), ("fixed", "abc")]
        {
            let mut changed = row.clone();
            changed[name] = json!(other);
            let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &[page(&target, &[changed])]).await.unwrap();
            assert_eq!(counts(&flushed), (1, 0, 0), "{name}");
            write(&plugin, &target, WriteMode::Upsert, &[page(&target, std::slice::from_ref(&row))]).await.unwrap();
        }
    });
}

const SPECIAL: &str = "
    CREATE DOMAIN cents AS numeric(9,2) CHECK (value >= 0);
    CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, day date, v text, price cents, shout text GENERATED ALWAYS AS (upper(v)) STORED,
        seen int DEFAULT 7, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE t_old PARTITION OF t FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
    CREATE TABLE t_new PARTITION OF t FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
    CREATE TABLE log (what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (TG_OP || NEW.id); RETURN NEW; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note()";

#[test]
fn partitions_triggers_defaults_and_computed_columns_do_their_work() {
    run(async {
        let (server, plugin) = start(SPECIAL);
        let target =
            stream("t", &["id", "day"], &[("id", "int64"), ("day", "date"), ("v", "text"), ("price", "decimal(9,2)")]);
        let row = |id: i64, day: &str, v: &str| json!({"id": id, "day": day, "v": v, "price": "1.25"});
        let first = [page(&target, &[row(1, "2025-05-05", "a"), row(2, "2026-05-05", "b")])];
        let (flushed, _) = write(&plugin, &target, WriteMode::Load, &first).await.unwrap();
        assert_eq!(counts(&flushed), (2, 0, 0));
        let second =
            [page(&target, &[row(1, "2025-05-05", "a"), row(2, "2026-05-05", "B"), row(3, "2026-05-05", "c")])];
        let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &second).await.unwrap();
        assert_eq!(counts(&flushed), (2, 1, 0));
        assert_eq!(server.psql("SELECT string_agg(what, ' ') FROM log"), "INSERT1 INSERT2 UPDATE2 INSERT3");
        assert_eq!(
            server.psql("SELECT tableoid::regclass, id, v, shout, price, seen FROM t ORDER BY id"),
            "t_old|1|a|A|1.25|7\nt_new|2|B|B|1.25|7\nt_new|3|c|C|1.25|7"
        );
        let delete = page_with_deletes(&target, &[(ChangeKind::Delete, json!({"id": 1, "day": "2025-05-05"}))]);
        assert_eq!(counts(&write(&plugin, &target, WriteMode::Upsert, &[delete]).await.unwrap().0), (0, 0, 1));
    });
}

#[test]
fn a_table_with_rules_is_merged_without_merge() {
    run(async {
        let (server, plugin) = start(&format!(
            "{TABLE}; CREATE TABLE log (id int); CREATE RULE r AS ON UPDATE TO t DO ALSO INSERT INTO log VALUES (NEW.id); \
             INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)"
        ));
        let values = [
            json!({"id": 1, "v": "a", "n": 1}),
            json!({"id": 2, "v": "B", "n": 2}),
            json!({"id": 3, "v": "c", "n": 3}),
        ];
        let (flushed, _) = write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &values)]).await.unwrap();
        assert_eq!(counts(&flushed), (2, 1, 0));
        assert_eq!(contents(&server), "1/a/1 2/B/2 3/c/3");
    });
}

#[test]
fn a_table_made_by_the_plugin_takes_what_it_was_made_for() {
    run(async {
        let (server, plugin) = start("CREATE SCHEMA \"Sales.EU\"");
        server.psql("CREATE TABLE \"Sales.EU\".\"t.\"\"x\" (\"a b\" int PRIMARY KEY)");
        let target = stream("Sales.EU.t.\"x", &["a b"], &[("a b", "int64"), ("C'd", "text")]);
        plugin.prepare(&target, EVOLVE).await.unwrap();
        let values = [json!({"a b": 1, "C'd": "x"})];
        for expected in [(1, 0, 0), (0, 1, 0)] {
            let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &[page(&target, &values)]).await.unwrap();
            assert_eq!(counts(&flushed), expected);
        }
        assert_eq!(server.psql("SELECT * FROM \"Sales.EU\".\"t.\"\"x\""), "1|x");
    });
}

#[test]
fn a_user_with_no_more_than_it_needs_can_write() {
    run(async {
        let (server, _) = start(TABLE);
        server.create_user("writer", "pw", "scram-sha-256");
        server.psql("GRANT SELECT, INSERT, UPDATE, DELETE ON t TO writer");
        let plugin = postgres(&server.url_for("writer", "pw"));
        let changes = page_with_deletes(
            &target(),
            &[(ChangeKind::Upsert, json!({"id": 1, "v": "a"})), (ChangeKind::Delete, json!({"id": 2, "v": null}))],
        );
        write(&plugin, &target(), WriteMode::Load, &[page(&target(), &rows(2..3, "v"))]).await.unwrap();
        assert_eq!(counts(&write(&plugin, &target(), WriteMode::Upsert, &[changes]).await.unwrap().0), (1, 0, 1));
        assert_eq!(contents(&server), "1/a/-");
    });
}
