//! Records that are inserted as new ones, and records that are changed only if they are still as expected.

use lockstep::connector::{FailureKind, Sink as _, WriteMode, WriteRequest, WriteStatus};
use lockstep::plugin::capability::sql::Database;
use lockstep::record::{ChangeKind, Field, Properties, Stream};
use serde_json::{Value, json};

use super::{AFRESH, start};
use crate::plugins::{apply, changes, complaints, counts, ids, page, run, stream, updates, write};

const CONFLICT: WriteStatus = WriteStatus::Conflict;
const REJECTED: WriteStatus = WriteStatus::Rejected;
const UPDATE: ChangeKind = ChangeKind::Upsert;
const DELETE: ChangeKind = ChangeKind::Delete;
const TABLE: &str = "CREATE TABLE t (id serial PRIMARY KEY, name text, n int)";
const ALL: &str =
    "SELECT string_agg(concat_ws('/', id, coalesce(name, '-'), coalesce(n::text, '-')), ' ' ORDER BY id) FROM t";

fn target() -> Stream {
    stream("t", &["id"], &[("id", "int64"), ("name", "text"), ("n", "int64")])
}

#[test]
fn keys_are_filled_in_and_told_in_the_order_of_the_rows() {
    run(async {
        let (server, plugin) = start("");
        for id in ["serial", "int GENERATED ALWAYS AS IDENTITY", "uuid DEFAULT gen_random_uuid()"] {
            server.psql(AFRESH);
            server.psql(&format!("CREATE TABLE t (id {id} PRIMARY KEY, name text)"));
            let target = stream("t", &["id"], &[("name", "text")]);
            let rows: Vec<Value> = (0..10_000).rev().map(|i| json!({"name": format!("n{i}")})).collect();
            let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
            assert_eq!((counts, complaints(&results)), ((10_000, 0, 0), vec![]));
            let mut told: Vec<String> = ids(&results)
                .iter()
                .zip(&rows)
                .map(|(id, row)| format!("{id} {}", row["name"].as_str().unwrap()))
                .collect();
            told.sort();
            assert_eq!(
                server.psql("SELECT '[\"' || id || '\"] ' || name COLLATE \"C\" FROM t ORDER BY 1"),
                told.join("\n"),
                "{id}"
            );
        }
        // A key that a trigger fills in, in a schema of its own and a table of parts.
        server.psql(
            "CREATE SCHEMA \"S s\"; CREATE TABLE \"S s\".\"T.t\" (id text, day date, name text, PRIMARY KEY (id, day)) PARTITION BY LIST (day); \
             CREATE TABLE \"S s\".one PARTITION OF \"S s\".\"T.t\" FOR VALUES IN ('2026-11-21'); \
             CREATE TABLE \"S s\".two PARTITION OF \"S s\".\"T.t\" DEFAULT; \
             CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := 'k' || NEW.name; RETURN NEW; END $$; \
             CREATE TRIGGER fill BEFORE INSERT ON \"S s\".\"T.t\" FOR EACH ROW EXECUTE FUNCTION fill()",
        );
        let target = stream("S s.T.t", &["id", "day"], &[("day", "date"), ("name", "text")]);
        let rows = [json!({"day": "2026-11-22", "name": "b"}), json!({"day": "2026-11-21", "name": "a"})];
        let (_, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(ids(&results), [r#"["kb","2026-11-22"]"#, r#"["ka","2026-11-21"]"#]);
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
            json!({"id": 99_999_999_999i64, "name": "y"}),
        ];
        let (counts, results) = apply(&plugin, &target(), WriteMode::Insert, page(&target(), &rows)).await;
        assert_eq!(counts, (2, 0, 0));
        let told: Vec<(u32, WriteStatus)> =
            complaints(&results).iter().map(|(row, status, _)| (*row, *status)).collect();
        assert_eq!(told, [(1, CONFLICT), (2, REJECTED), (4, REJECTED)]);
        assert_eq!(complaints(&results)[0].2, "postgres.exists");
        assert_eq!(ids(&results), ["[\"3\"]", "", "", "[\"1\"]", ""]);
        assert_eq!(server.psql(ALL), "1/a/- 2/theirs/2 3/c/-");
        let (counts, results) = apply(&plugin, &target(), WriteMode::Insert, page(&target(), &rows[..2])).await;
        assert_eq!((counts, complaints(&results).len(), ids(&results)), ((0, 0, 0), 2, vec![]));
    });
}

#[test]
fn keys_of_many_fields_are_told_as_the_host_writes_them() {
    run(async {
        let (server, plugin) = start(
            "CREATE EXTENSION citext; CREATE TABLE t (\"a b\" timestamptz, price numeric(9,2), flag bool, code citext, free numeric, u uuid, v int, \
             PRIMARY KEY (code, flag, \"a b\", price, free, u))",
        );
        let target = stream(
            "public.t",
            &["price", "a b", "code", "flag", "free", "u"],
            &[
                ("a b", "timestamp"),
                ("price", "decimal(9,2)"),
                ("flag", "bool"),
                ("code", "text"),
                ("free", "decimal"),
                ("u", "uuid"),
                ("v", "int64"),
            ],
        );
        let row = |code: &str, price: &str| {
            json!({"a b": "2026-11-21T12:00:00Z", "price": price, "flag": true, "code": code, "free": "1.500",
                "u": "01234567-89ab-cdef-0123-456789abcdef", "v": 1})
        };
        let rows = [row("it's \"x\"", "1.50"), row("y", "-2.25")];
        let (_, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        let tail = r#""true","1.500","01234567-89ab-cdef-0123-456789abcdef"]"#;
        assert_eq!(
            ids(&results),
            [
                format!(r#"["1.50","2026-11-21T12:00:00Z","it's \"x\"",{tail}"#),
                format!(r#"["-2.25","2026-11-21T12:00:00Z","y",{tail}"#)
            ]
        );
        let rows = [row("Y", "-2.25"), row("z", "0.00")];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![(0, CONFLICT, "postgres.exists")]));
        let mut changed = row("Y", "-2.25");
        changed["v"] = json!(2);
        let deleted = (DELETE, row("IT'S \"X\"", "1.50"));
        let (counts, results) =
            apply(&plugin, &target, WriteMode::Update, changes(&target, &[(UPDATE, changed), deleted])).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 1), vec![]));
        assert_eq!(server.psql("SELECT code, v FROM t ORDER BY code"), "y|2\nz|1");
    });
}

#[test]
fn another_unique_index_fails_the_page_and_is_named() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE t (id serial PRIMARY KEY, name text UNIQUE, n int CHECK (n > 0)); INSERT INTO t (name, n) VALUES ('a', 1), ('b', 2)",
        );
        let pages = [
            (WriteMode::Insert, page(&target(), &[json!({"name": "c"}), json!({"name": "a"})]), "t_name_key"),
            (
                WriteMode::Insert,
                page(&target(), &[json!({"id": 8, "name": "c"}), json!({"id": 9, "name": "a"})]),
                "t_name_key",
            ),
            (WriteMode::Update, updates(&target(), &[json!({"id": 2, "name": "a"})]), "t_name_key"),
            (WriteMode::Update, updates(&target(), &[json!({"id": 2, "n": 0})]), "t_n_check"),
            (WriteMode::Insert, page(&target(), &[json!({"n": 0})]), "t_n_check"),
        ];
        for (mode, page, constraint) in pages {
            let failure = write(&plugin, &target(), mode, &[page]).await.unwrap_err();
            assert_eq!(
                (failure.kind, failure.properties.get("constraint")),
                (FailureKind::InvalidData, Some(constraint))
            );
            assert!(failure.message.contains(constraint), "{failure}");
        }
        // A key that is filled in and taken already is another one the next time.
        server.psql("SELECT setval('t_id_seq', 1)");
        let row = [page(&target(), &[json!({"name": "d"})])];
        let failure = write(&plugin, &target(), WriteMode::Insert, &row).await.unwrap_err();
        assert_eq!((failure.kind, failure.properties.get("constraint")), (FailureKind::Conflict, Some("t_pkey")));
        write(&plugin, &target(), WriteMode::Insert, &row).await.unwrap();
        assert_eq!(server.psql(ALL), "1/a/1 2/b/2 3/d/-");
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
            row(2, 20, json!("B"), json!(2)),
            row(3, 30, json!(null), json!(3)),
            row(99_999_999_999, 9, json!("x"), json!(9)),
            row(4, 40, json!("d"), json!(null)),
            row(5, 5, json!("e"), json!(5)),
            row(6, 60, json!("f"), json!(null)),
            row(7, 70, json!("g"), json!(99_999_999_999i64)),
        ];
        let before = server.psql("SELECT xmin, xmax, ctid FROM t WHERE id = 5");
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, updates(&target(), &rows)).await;
        assert_eq!(counts, (3, 1, 0));
        let (changed, missing) = ("postgres.changed", "postgres.missing");
        assert_eq!(
            complaints(&results),
            [(1, CONFLICT, changed), (3, CONFLICT, missing), (6, CONFLICT, changed), (7, CONFLICT, changed)]
        );
        let field = |row: u32| {
            let error = results.errors.iter().find(|error| error.row == row).unwrap();
            error.error.properties.get("field").map(str::to_owned)
        };
        assert_eq!([field(1), field(3), field(6)], [Some("name".to_owned()), None, Some("n".to_owned())]);
        assert_eq!(server.psql(ALL), "1/a/10 2/b/2 3/-/30 4/d/40 5/e/5 6/f/6 7/g/7");
        // Equal records are neither written nor locked.
        assert_eq!(server.psql("SELECT xmin, xmax, ctid FROM t WHERE id = 5"), before);
        // Nothing but expectations, and no expectations at all.
        let only = updates(&target(), &[json!({"id": 1, "expected:n": 10}), json!({"id": 2, "expected:n": 3})]);
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, only).await;
        assert_eq!((counts, complaints(&results)), ((0, 1, 0), vec![(1, CONFLICT, changed)]));
        let blind = updates(&target(), &[json!({"id": 1, "name": "A"}), json!({"id": 98, "name": "B"})]);
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, blind).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![(1, CONFLICT, missing)]));
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
        assert_eq!(complaints(&results), [(2, CONFLICT, "postgres.changed"), (4, CONFLICT, "postgres.changed")]);
        assert_eq!(server.psql(ALL), "2/B/2 3/c/3 4/d/4");
        let only = changes(&target(), &[(DELETE, json!({"id": 2})), (DELETE, json!({"id": 7}))]);
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, only).await;
        assert_eq!((counts, complaints(&results)), ((0, 1, 1), vec![]));
    });
}

const TYPES: &str = "CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN cents AS numeric(9,2) CHECK (value >= 0); \
    CREATE TABLE t (id int PRIMARY KEY, n int, price numeric(9,2), free numeric, big numeric(3,-2), cents cents, at timestamptz, wall timestamp, day date, \
      clock time, ci citext, fixed char(5), short varchar(3), doc json, bin jsonb, xml xml, raw bytea, flag bool, f float8, r real, u uuid, mood mood, \
      list int[], addr inet, iv interval, spot point, cash money, bits bit(3), one \"char\", label name, small smallint, shout text GENERATED ALWAYS AS (upper(short)) STORED); \
    INSERT INTO t VALUES (1, 0, 1.5, 1.50, 1200, 1.25, '2026-11-21 12:00:00+01', '2026-11-21 12:00', '2026-11-21', '12:00', 'Case', 'ab', 'abc', \
      '{\"a\": 1}', '{\"a\":1}', '<a/>', '\\x00ff', true, 0.1, 0.1, '01234567-89ab-cdef-0123-456789abcdef', 'ok', '{1,2}', '10.0.0.1', '1 day', '(1,2)', \
      '$1.00', '101', 'x', 'n', 7)";

/// Whatever a field is: its value as it is read is as expected, another spelling of it too where the type knows one, and nothing else.
#[test]
fn expected_values_of_every_type_are_compared() {
    run(async {
        let (_server, plugin) = start(TYPES);
        let found = lockstep::connector::Source::discover(&plugin, &["t".to_owned()]).await.unwrap().remove(0);
        let record = crate::plugins::Reading::full(&plugin, "t").read().await.records.remove(0);
        let target = Stream { properties: Properties::default(), ..found };
        let others = [
            ("price", json!("1.51")),
            ("free", json!("1.501")),
            ("big", json!("1300")),
            ("cents", json!("-1.00")),
            ("at", json!("2026-11-21T12:00:00Z")),
            ("wall", json!("2026-11-21T12:00:01")),
            ("day", json!("2026-11-22")),
            ("clock", json!("12:00:00.000001")),
            ("ci", json!("case")),
            ("fixed", json!("abc")),
            ("short", json!("abcd")),
            ("doc", json!("{\"a\":1}")),
            ("bin", json!("{\"a\": 2}")),
            ("xml", json!("<b/>")),
            ("raw", json!("AP4=")),
            ("flag", json!(false)),
            ("f", json!(0.2)),
            ("r", json!(0.1)),
            ("u", json!("11234567-89ab-cdef-0123-456789abcdef")),
            ("mood", json!("sad")),
            ("list", json!("{2,1}")),
            ("addr", json!("10.0.0.2")),
            ("iv", json!("24:00:00")),
            ("spot", json!("(1,3)")),
            ("cash", json!("$1.01")),
            ("bits", json!("111")),
            ("one", json!("y")),
            ("label", json!("m")),
            ("small", json!(100_000)),
            ("shout", json!("x")),
        ];
        assert_eq!(others.len(), target.fields.len() - 2);
        let check = async |target: &Stream, n: i64, name: &str, value: &Value, is_same: bool| {
            let is_written = |field: &&Field| ["id", "n"].contains(&field.name.as_str());
            let fields = target.fields.iter().filter(is_written).cloned().collect();
            let written = Stream { fields, ..target.clone() };
            let page = updates(target, &[json!({"id": 1, "n": n, format!("expected:{name}"): value})]);
            let (counts, results) = apply(&plugin, &written, WriteMode::Update, page).await;
            let told = if is_same { vec![] } else { vec![(0, CONFLICT, "postgres.changed")] };
            assert_eq!((complaints(&results), counts.0), (told, u64::from(is_same)), "{name} {value}");
        };
        for (n, (name, other)) in (1..).zip(&others) {
            check(&target, n, name, other, false).await;
            check(&target, n, name, &Value::Null, false).await;
            check(&target, n, name, &record[*name], true).await;
        }
        let spellings = [
            ("free", json!("1.5")),
            ("fixed", json!("ab")),
            ("bin", json!("{ \"a\" : 1 }")),
            ("addr", json!("10.0.0.1/32")),
            ("cash", json!("1")),
        ];
        for (n, (name, value)) in (100..).zip(&spellings) {
            check(&target, n, name, value, true).await;
        }
    });
}

#[test]
fn ten_thousand_rows_are_one_page() {
    run(async {
        let (server, plugin) =
            start(&format!("{TABLE}; INSERT INTO t SELECT i, 'n' || i, i FROM generate_series(1, 20000) i"));
        server.psql("UPDATE t SET n = -1 WHERE id % 1000 = 0");
        let rows: Vec<Value> =
            (1..=10_000).rev().map(|i| json!({"id": i * 2, "name": "new", "expected:n": i * 2})).collect();
        let (counts, results) = apply(&plugin, &target(), WriteMode::Update, updates(&target(), &rows)).await;
        assert_eq!((counts, complaints(&results).len()), ((9980, 0, 0), 20));
        assert_eq!(server.psql("SELECT count(*) FROM t WHERE name = 'new' AND n = id"), "9980");
    });
}

#[test]
fn what_somebody_changes_in_between_is_refused() {
    run(async {
        let (server, plugin) =
            start(&format!("{TABLE}; INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4)"));
        let request = WriteRequest { stream: target(), mode: WriteMode::Update, options: Properties::default() };
        let mut writer = plugin.open(request.clone()).await.unwrap();
        // Committed before, and committed while we wait for it.
        server.psql("UPDATE t SET n = 7 WHERE id = 2");
        let theirs = Database::postgres(&server.url(), "other").unwrap().open().await.unwrap();
        theirs.script("BEGIN; UPDATE t SET n = 8 WHERE id = 3; DELETE FROM t WHERE id = 4").await.unwrap();
        let row = |id: i64| json!({"id": id, "name": "mine", "expected:n": id});
        let page = updates(&target(), &[row(3), row(2), row(4), row(1)]);
        let commit = async {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            while server.psql(waiting) == "0" {
                tokio::task::yield_now().await;
            }
            theirs.script("COMMIT").await.unwrap();
        };
        let (results, ()) = tokio::join!(writer.write(&page), commit);
        let results = results.unwrap();
        let (changed, missing) = ("postgres.changed", "postgres.missing");
        assert_eq!(complaints(&results), [(0, CONFLICT, changed), (1, CONFLICT, changed), (2, CONFLICT, missing)]);
        // Nothing is seen before the flush, and then everything since the last one; a writer goes on after it.
        assert_eq!(server.psql(ALL), "1/a/1 2/b/7 3/c/8");
        let more = writer.write(&updates(&target(), &[json!({"id": 2, "n": 9, "expected:n": 7})])).await.unwrap();
        assert_eq!(complaints(&more), []);
        let more = writer.write(&updates(&target(), &[json!({"id": 3, "n": 9, "expected:n": 7})])).await.unwrap();
        assert_eq!(complaints(&more), [(0, CONFLICT, changed)]);
        assert_eq!(counts(&writer.flush().await.unwrap()), (2, 0, 0));
        assert_eq!(server.psql(ALL), "1/mine/1 2/b/9 3/c/8");
        let again = writer.write(&updates(&target(), &[json!({"id": 3, "n": 10, "expected:n": 8})])).await.unwrap();
        assert_eq!(complaints(&again), []);
        assert_eq!(counts(&writer.flush().await.unwrap()), (1, 0, 0));
        for mode in [WriteMode::Insert, WriteMode::Update] {
            let mut dropped = plugin.open(WriteRequest { mode, ..request.clone() }).await.unwrap();
            dropped
                .write(&updates(
                    &target(),
                    &[json!({"id": if mode == WriteMode::Insert { 77 } else { 1 }, "name": "lost"})],
                ))
                .await
                .unwrap();
            drop(dropped);
        }
        assert_eq!(
            server.psql(&format!("SET lock_timeout = '5s'; ALTER TABLE t ADD COLUMN x int; {ALL}")),
            "1/mine/1 2/b/9 3/c/10"
        );
    });
}

#[test]
fn two_who_insert_the_same_record_do_it_once() {
    run(async {
        let (server, plugin) = start(TABLE);
        let theirs = Database::postgres(&server.url(), "other").unwrap().open().await.unwrap();
        theirs.script("BEGIN; INSERT INTO t VALUES (2, 'theirs', 2)").await.unwrap();
        let request = WriteRequest { stream: target(), mode: WriteMode::Insert, options: Properties::default() };
        let mut writer = plugin.open(request).await.unwrap();
        let page = page(&target(), &[json!({"id": 1, "name": "a"}), json!({"id": 2, "name": "b"})]);
        let commit = async {
            while server.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "0" {
                tokio::task::yield_now().await;
            }
            theirs.script("COMMIT").await.unwrap();
        };
        let (results, ()) = tokio::join!(writer.write(&page), commit);
        assert_eq!(complaints(&results.unwrap()), [(1, CONFLICT, "postgres.exists")]);
        assert_eq!(counts(&writer.flush().await.unwrap()), (1, 0, 0));
        assert_eq!(server.psql(ALL), "1/a/- 2/theirs/2");
    });
}

/// Everybody changes the same records in an order of his own, again and again.
#[test]
fn writers_who_meet_do_not_wait_for_ever() {
    run(async {
        for rows in [40i64, 4000] {
            let (server, plugin) =
                start(&format!("{TABLE}; INSERT INTO t SELECT i, 'x', 0 FROM generate_series(1, {rows}) i; ANALYZE t"));
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
            assert_eq!(server.psql("SELECT count(DISTINCT n) FROM t"), "1");
        }
    });
}

#[test]
fn what_the_server_does_of_its_own_is_told() {
    run(async {
        let (server, plugin) = start(&format!(
            "{TABLE}; CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF NEW.name = 'gone' THEN RETURN NULL; END IF; IF NEW.name = 'other' THEN NEW.id := NEW.id + 1000; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER meddle BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION meddle(); INSERT INTO t (name, n) VALUES ('a', 1)"
        ));
        for (rows, code) in [
            ([json!({"name": "b"}), json!({"name": "gone"})], "postgres.left-out"),
            ([json!({"id": 7, "name": "b"}), json!({"id": 8, "name": "other"})], "postgres.other-key"),
        ] {
            let failure = write(&plugin, &target(), WriteMode::Insert, &[page(&target(), &rows)]).await.unwrap_err();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::InvalidData, code));
        }
        let (counts, results) = apply(
            &plugin,
            &target(),
            WriteMode::Update,
            updates(&target(), &[json!({"id": 1, "name": "gone", "expected:n": 1})]),
        )
        .await;
        assert_eq!((counts, complaints(&results)), ((0, 0, 0), vec![(0, CONFLICT, "postgres.changed")]));
        assert_eq!(server.psql(ALL), "1/a/1");
        // Under rules nobody can tell what became of a single record.
        server.psql("CREATE RULE r AS ON INSERT TO t DO ALSO NOTIFY t");
        for mode in [WriteMode::Insert, WriteMode::Update] {
            let request = WriteRequest { stream: target(), mode, options: Properties::default() };
            let failure = plugin.open(request).await.err().unwrap();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "postgres.rules"));
        }
    });
}

#[test]
fn names_may_be_as_long_as_the_server_knows_them() {
    run(async {
        let long = "n".repeat(63);
        let (server, plugin) = start(&format!(
            "CREATE TABLE t (id int PRIMARY KEY, {long} int, {0}_ int, lockstep_row text, \"lockstep_expected_1\" text); INSERT INTO t VALUES (1, 1, 2, 'r', 'e')",
            "n".repeat(62)
        ));
        let other = format!("{}_", "n".repeat(62));
        let target = stream(
            "t",
            &["id"],
            &[
                ("id", "int64"),
                (&long, "int64"),
                (&other, "int64"),
                ("lockstep_row", "text"),
                ("lockstep_expected_1", "text"),
            ],
        );
        let row = json!({"id": 1, &long: 10, &other: 20, "lockstep_row": "R", "lockstep_expected_1": "E",
            format!("expected:{long}"): 1, format!("expected:{other}"): 2, "expected:lockstep_row": "r", "expected:lockstep_expected_1": "e"});
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, updates(&target, &[row])).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![]));
        assert_eq!(server.psql("SELECT * FROM t"), "1|10|20|R|E");
    });
}
