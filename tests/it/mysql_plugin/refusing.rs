//! What goes wrong while writing: what the host is told, and that nothing is half written.

use lockstep::connector::{FailureKind, Sink, Source as _, WriteMode, WriteRequest};
use lockstep::plugin::Database;
use lockstep::record::{ChangeKind, Properties, Stream};
use serde_json::{Value, json};

use super::start;
use crate::plugins::{connect, counts, mysql, page, page_with_deletes, run, stream, write};

fn target() -> Stream {
    stream("t", &["id"], &[("id", "int64"), ("v", "text"), ("n", "int64")])
}

fn row(id: i64, v: Value, n: i64) -> Value {
    json!({"id": id, "v": v, "n": n})
}

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v varchar(600), n int)";

#[test]
fn rows_keep_their_numbers_beside_deletes_and_in_later_pages() {
    run(async {
        let (server, plugin) =
            start("CREATE TABLE t (id int PRIMARY KEY, v varchar(3), n smallint); INSERT INTO t VALUES (2, 'x', 2)");
        let changes = page_with_deletes(
            &target(),
            &[
                (ChangeKind::Upsert, row(1, json!("a"), 1)),
                (ChangeKind::Delete, row(2, Value::Null, 0)),
                (ChangeKind::Upsert, row(3, json!("b"), 99_999)),
                (ChangeKind::Upsert, row(4, json!("c"), 1)),
                (ChangeKind::Upsert, row(5, json!("dddd"), 1)),
            ],
        );
        let first = page(&target(), &[row(10, json!("a"), 1), row(11, json!("a"), 1)]);
        let (flushed, results) = write(&plugin, &target(), WriteMode::Upsert, &[first, changes]).await.unwrap();
        assert!(results[0].statuses.is_none());
        let mut refused: Vec<u32> = results[1].errors.iter().map(|error| error.row).collect();
        refused.sort_unstable();
        assert_eq!((refused, counts(&flushed)), (vec![2, 4], (4, 0, 1)));
        assert_eq!(server.sql("SELECT group_concat(id ORDER BY id) FROM t"), "1,4,10,11");
    });
}

/// Rows only the server finds fault with fail the page, with a kind on which the host looks for them one by one.
#[test]
fn rows_that_break_the_tables_rules_fail_the_page_as_invalid_data() {
    run(async {
        let (server, plugin) = start("");
        let rows = [row(1, json!("a"), 1), row(2, Value::Null, -5)];
        for (table, number) in [
            ("CREATE TABLE t (id int PRIMARY KEY, v text, n int, CONSTRAINT plus CHECK (n > 0))", "4025"),
            ("CREATE TABLE t (id int PRIMARY KEY, v varchar(9) NOT NULL, n int)", "1048"),
            (
                "CREATE TABLE p (n int PRIMARY KEY); INSERT INTO p VALUES (1); \
                 CREATE TABLE t (id int PRIMARY KEY, v text, n int, FOREIGN KEY (n) REFERENCES p (n))",
                "1452",
            ),
            (
                "CREATE TABLE t (id int PRIMARY KEY, v text, n int);\nDELIMITER //\nCREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW \
                 BEGIN IF NEW.n < 0 THEN SIGNAL SQLSTATE '45000' SET message_text = 'not with me'; END IF; END//\nDELIMITER ;",
                "1644",
            ),
            (
                "CREATE TABLE t (id int, v text, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (2))",
                "1526",
            ),
        ] {
            server.sql(&format!("DROP TABLE IF EXISTS t, p; {table}"));
            for mode in [WriteMode::Load, WriteMode::Upsert] {
                let failure = write(&plugin, &target(), mode, &[page(&target(), &rows)]).await.unwrap_err();
                assert_eq!(
                    (failure.kind, failure.detail_code.as_str()),
                    (FailureKind::InvalidData, number),
                    "{mode:?} {failure}"
                );
                assert_eq!(server.sql("SELECT count(*) FROM t"), "0");
            }
            // Those that are good go through alone.
            let (flushed, _) =
                write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &rows[..1])]).await.unwrap();
            assert_eq!(counts(&flushed), (1, 0, 0), "{number}");
        }
    });
}

#[test]
fn a_value_another_row_has_is_the_rows_own_fault_and_no_other_row_is_changed() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(9) UNIQUE, n int); INSERT INTO t VALUES (1, 'taken', 1)",
        );
        let changes = [page(&target(), &[row(2, json!("taken"), 2)])];
        let failure = write(&plugin, &target(), WriteMode::Upsert, &changes).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::InvalidData, "1062"));
        assert_eq!(failure.properties.get("constraint"), Some("v"));
        assert_eq!(server.sql("SELECT * FROM t"), "1\ttaken\t1");
    });
}

#[test]
fn an_error_takes_back_everything_since_the_last_flush() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(9) NOT NULL, n int); INSERT INTO t VALUES (50, 'x', 1)",
        );
        let request = WriteRequest { stream: target(), mode: WriteMode::Upsert, options: Properties::default() };
        let mut writer = Sink::open(&plugin, request).await.unwrap();
        writer.write(&page(&target(), &[row(1, json!("a"), 1)])).await.unwrap();
        writer.flush().await.unwrap();
        writer.write(&page(&target(), &[row(2, json!("b"), 1)])).await.unwrap();
        writer.write(&page_with_deletes(&target(), &[(ChangeKind::Delete, json!({"id": 50}))])).await.unwrap();
        // Another set of columns: what came before is merged already when this fails.
        writer.write(&page(&target(), &[json!({"id": 3, "n": 1})])).await.unwrap();
        let failure = writer.flush().await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::InvalidData, "1364"));
        assert_eq!(server.sql("SELECT group_concat(id ORDER BY id) FROM t"), "1,50");
        assert!(writer.write(&page(&target(), &[row(4, json!("d"), 1)])).await.is_err());
        assert!(writer.flush().await.is_err());
        drop(writer);
        write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &[row(2, json!("b"), 1)])]).await.unwrap();
        assert_eq!(server.sql("SELECT group_concat(id ORDER BY id) FROM t"), "1,2,50");
    });
}

fn kill_others(server: &lockstep_test_servers::Mariadb) {
    let others = server.sql(
        "SELECT group_concat(id) FROM information_schema.processlist WHERE id <> connection_id() AND user = 'root'",
    );
    for id in others.split(',') {
        server.sql(&format!("KILL {id}"));
    }
}

#[test]
fn a_connection_that_is_cut_leaves_nothing_half_written_and_may_be_tried_again() {
    run(async {
        let values: Vec<Value> = (0..2000).map(|id| row(id, json!("x".repeat(500)), 1)).collect();
        let changes = page(&target(), &values);
        for mode in [WriteMode::Load, WriteMode::Upsert] {
            let (server, plugin) = start(TABLE);
            let request = WriteRequest { stream: target(), mode, options: Properties::default() };
            let mut writer = Sink::open(&plugin, request.clone()).await.unwrap();
            writer.write(&changes).await.unwrap();
            kill_others(&server);
            let failure = writer.flush().await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Transient, "{mode:?}: {failure:?}");
            assert!(writer.flush().await.is_err());
            drop(writer);
            assert_eq!(server.sql("SELECT count(*) FROM t"), "0");
            let mut writer = Sink::open(&plugin, request).await.unwrap();
            writer.write(&changes).await.unwrap();
            assert_eq!(counts(&writer.flush().await.unwrap()), (2000, 0, 0));
        }
    });
}

#[test]
fn a_lock_that_is_never_let_go_of_is_passing() {
    run(async {
        let (server, plugin) = start(&format!("{TABLE}; INSERT INTO t VALUES (1, 'a', 1)"));
        server.sql("SET GLOBAL innodb_lock_wait_timeout = 1");
        let theirs = Database::mysql(&server.url(), "other").unwrap().open().await.unwrap();
        theirs.script("BEGIN; UPDATE t SET n = 2 WHERE id = 1").await.unwrap();
        let changes = [page(&target(), &[row(1, json!("b"), 1)])];
        let failure = write(&plugin, &target(), WriteMode::Upsert, &changes).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Transient, "1205"), "{failure:?}");
        theirs.script("COMMIT").await.unwrap();
        write(&plugin, &target(), WriteMode::Upsert, &changes).await.unwrap();
        assert_eq!(server.sql("SELECT * FROM t"), "1\tb\t1");
    });
}

#[test]
fn what_is_missing_or_locked_is_said_clearly_and_without_the_password() {
    run(async {
        let (server, plugin) = start(TABLE);
        server.create_user("reader", "right-word", "SELECT");
        let missing = Stream { name: "gone".into(), ..target() };
        let failure = write(&plugin, &missing, WriteMode::Upsert, &[]).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::NotFound, "mysql.no-table"));
        assert!(failure.message.contains("`gone`"), "{failure}");
        let wrong = mysql(&server.url_for("reader", "wr0ng-word"));
        let failure = wrong.discover(&[]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Auth, "{failure:?}");
        assert!(!format!("{failure:?} {failure}").contains("wr0ng-word"));
        let right = mysql(&server.url_for("reader", "right-word"));
        for mode in [WriteMode::Load, WriteMode::Upsert] {
            let failure =
                write(&right, &target(), mode, &[page(&target(), &[row(1, json!("a"), 1)])]).await.unwrap_err();
            assert!(matches!(failure.detail_code.as_str(), "1142" | "1044"), "{failure:?}");
            assert!(!format!("{failure:?}").contains("right-word"));
        }
        let nobody = mysql(&server.url_for("reader", "right-word").replace("/test", "/nowhere"));
        let failure = nobody.discover(&[]).await.unwrap_err();
        assert!(failure.message.contains("nowhere") && !format!("{failure:?}").contains("right-word"), "{failure:?}");
    });
}

#[test]
fn pages_that_were_not_announced_are_refused() {
    run(async {
        let (_server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, v text, n int, secret text)");
        let other = stream("t", &["id"], &[("id", "int64"), ("secret", "text")]);
        let page_of_other = page(&other, &[json!({"id": 1, "secret": "x"})]);
        let failure = write(&plugin, &target(), WriteMode::Upsert, &[page_of_other]).await.unwrap_err();
        assert!(failure.message.contains("`secret`"), "{failure}");
        let keyless = page(&target(), &[json!({"v": "x"})]);
        let failure = write(&plugin, &target(), WriteMode::Upsert, &[keyless]).await.unwrap_err();
        assert!(failure.message.contains("`id`"), "{failure}");
        let unknown = stream("t", &["id"], &[("id", "int64"), ("nowhere", "text")]);
        let failure = write(&plugin, &unknown, WriteMode::Upsert, &[]).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "mysql.no-column"));
    });
}

#[test]
fn another_kind_of_database_is_refused_before_anything_is_asked_of_it() {
    run(async {
        let (server, _) = start("");
        let failure =
            connect("postgres", Database::mysql(&server.url(), "test.main").unwrap()).discover(&[]).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "sql.other-server"));
        assert!(failure.message.contains("mariadb 1"), "{failure}");
    });
}
