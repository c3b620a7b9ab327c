//! What goes wrong while writing: which row is at fault, what the host is told, and that nothing is half written.

use lockstep::connector::{
    Failure, FailureKind, Sink, Source as _, WriteMode, WriteRequest, WriteResults, WriteStatus,
};
use lockstep::plugin::PluginConnector;
use lockstep::record::{Batch, ChangeKind, Changes, Field, Properties, Stream};
use lockstep_test_servers::Postgres;
use serde_json::{Value, json};

use super::{AFRESH, start};
use crate::plugins::{counts, page, page_with_deletes, postgres, run, stream, write};

fn target() -> Stream {
    stream("t", &["id"], &[("id", "int64"), ("v", "text"), ("n", "int64")])
}

fn row(id: i64, v: Value, n: i64) -> Value {
    json!({"id": id, "v": v, "n": n})
}

/// Rows that were refused, with the words for it.
fn refused(results: &WriteResults) -> Vec<(u32, String)> {
    let statuses = results.statuses.as_ref().unwrap();
    for error in &results.errors {
        assert_eq!(statuses[error.row as usize], WriteStatus::Rejected);
        assert_eq!(error.error.kind, FailureKind::InvalidData);
        assert_eq!(error.error.properties.get("row"), Some(error.row.to_string().as_str()));
    }
    assert_eq!(statuses.iter().filter(|status| **status != WriteStatus::Ok).count(), results.errors.len());
    let mut refused: Vec<_> = results.errors.iter().map(|error| (error.row, error.error.message.clone())).collect();
    refused.sort();
    refused
}

#[test]
fn values_the_column_cannot_keep_are_refused_row_by_row() {
    run(async {
        for mode in [WriteMode::Load, WriteMode::Upsert] {
            let (server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, v varchar(5), n smallint)");
            let values = [
                row(1, json!("ok"), 1),
                row(2, json!("nul\u{0}"), 1),
                row(3, json!("ok"), 40_000),
                row(4, json!("too long"), 1),
                row(5, json!("fünfé"), -32_768),
                row(3_000_000_000, json!("ok"), 1),
            ];
            let (flushed, results) = write(&plugin, &target(), mode, &[page(&target(), &values)]).await.unwrap();
            let refused = refused(&results[0]);
            assert_eq!(refused.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 2, 3, 5]);
            for (row, words) in [(1, "NUL"), (2, "40000"), (3, "characters"), (5, "3000000000")] {
                let (_, message) = refused.iter().find(|(refused, _)| *refused == row).unwrap();
                assert!(message.contains(words), "{message}");
            }
            assert_eq!(counts(&flushed), (2, 0, 0));
            assert_eq!(server.psql("SELECT id, v, n FROM t ORDER BY id"), "1|ok|1\n5|fünfé|-32768");
        }
    });
}

#[test]
fn rows_keep_their_numbers_beside_deletes_and_in_later_pages() {
    run(async {
        let (server, plugin) =
            start("CREATE TABLE t (id int PRIMARY KEY, v text, n smallint); INSERT INTO t VALUES (2, 'x', 2)");
        let changes = page_with_deletes(
            &target(),
            &[
                (ChangeKind::Upsert, row(1, json!("a"), 1)),
                (ChangeKind::Delete, row(2, Value::Null, 0)),
                (ChangeKind::Upsert, row(3, json!("b"), 99_999)),
                (ChangeKind::Upsert, row(4, json!("c"), 1)),
                (ChangeKind::Upsert, row(5, json!("d\u{0}"), 1)),
            ],
        );
        let first = page(&target(), &[row(10, json!("a"), 1), row(11, json!("a"), 1)]);
        let (flushed, results) = write(&plugin, &target(), WriteMode::Upsert, &[first, changes]).await.unwrap();
        assert!(results[0].statuses.is_none());
        assert_eq!(refused(&results[1]).iter().map(|(row, _)| *row).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(counts(&flushed), (4, 0, 1));
        assert_eq!(server.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"), "1 4 10 11");
    });
}

#[test]
fn a_page_of_nothing_but_bad_rows_is_about_its_rows() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, v text, n smallint)");
        let values: Vec<Value> = (0..300).map(|id| row(id, json!("x"), 70_000)).collect();
        let failure = write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &values)]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidData, "{failure}");
        assert_eq!(server.psql("SELECT count(*) FROM t"), "0");
    });
}

/// Rows only the server finds fault with fail the page, with a kind on which the host looks for them one by one.
async fn check_page(
    (server, plugin): &(Postgres, PluginConnector),
    table: &str,
    values: &[Value],
    detail_code: &str,
) -> Failure {
    server.psql(&format!("{AFRESH}; {table}"));
    let before = server.psql("SELECT count(*) FROM t");
    let mut last = None;
    for mode in [WriteMode::Load, WriteMode::Upsert] {
        let failure = write(plugin, &target(), mode, &[page(&target(), values)]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidData, "{mode:?}: {failure:?}");
        assert_eq!(failure.detail_code, detail_code, "{failure:?}");
        assert_eq!(server.psql("SELECT count(*) FROM t"), before);
        last = Some(failure);
    }
    // Those that are good go through alone.
    let (flushed, _) = write(plugin, &target(), WriteMode::Upsert, &[page(&target(), &values[..1])]).await.unwrap();
    assert_eq!(counts(&flushed), (1, 0, 0));
    last.unwrap()
}

#[test]
fn rows_that_break_the_tables_rules_fail_the_page_as_invalid_data() {
    run(async {
        let own = start("");
        let rows = [row(1, json!("a"), 1), row(2, Value::Null, -5)];
        let check = check_page(
            &own,
            "CREATE TABLE t (id int PRIMARY KEY, v text, n int CONSTRAINT plus CHECK (n > 0))",
            &rows,
            "23514",
        )
        .await;
        assert_eq!(check.properties.get("constraint"), Some("plus"));
        check_page(&own, "CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL, n int)", &rows, "23502").await;
        check_page(&own, "CREATE TABLE p (n int PRIMARY KEY); INSERT INTO p VALUES (1); CREATE TABLE t (id int PRIMARY KEY, v text, n int REFERENCES p)", &rows, "23503").await;
        check_page(
            &own,
            "CREATE TABLE p (n int PRIMARY KEY); INSERT INTO p VALUES (1); \
             CREATE TABLE t (id int PRIMARY KEY, v text, n int REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
            &rows,
            "23503",
        )
        .await;
        check_page(
            &own,
            "CREATE DOMAIN plus AS int CHECK (value > 0); CREATE TABLE t (id int PRIMARY KEY, v text, n plus)",
            &rows,
            "23514",
        )
        .await;
        check_page(&own, "CREATE TABLE t (id int PRIMARY KEY, v text, n int); \
             CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n < 0 THEN RAISE 'not with me'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no()",
            &rows,
            "P0001",
        )
        .await;
        let moods = [row(1, json!("ok"), 1), row(2, json!("so-so"), 1)];
        check_page(
            &own,
            "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (id int PRIMARY KEY, v mood, n int)",
            &moods,
            "22P02",
        )
        .await;
        let parts = [row(1, json!("x"), 1), row(200, json!("x"), 1)];
        check_page(&own, "CREATE TABLE t (id int PRIMARY KEY, v text, n int) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100)",
            &parts,
            "23514",
        )
        .await;
    });
}

#[test]
fn a_value_another_row_has_is_the_rows_own_fault() {
    run(async {
        let (server, plugin) =
            start("CREATE TABLE t (id int PRIMARY KEY, v text UNIQUE, n int); INSERT INTO t VALUES (1, 'taken', 1)");
        let changes = [page(&target(), &[row(2, json!("taken"), 1)])];
        let failure = write(&plugin, &target(), WriteMode::Upsert, &changes).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::InvalidData, "23505"));
        assert!(failure.properties.get("detail").unwrap().contains("taken"));
        assert_eq!(server.psql("SELECT * FROM t"), "1|taken|1");
    });
}

#[test]
fn an_error_takes_back_everything_since_the_last_flush() {
    run(async {
        let (server, plugin) =
            start("CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL, n int); INSERT INTO t VALUES (50, 'x', 1)");
        let request = WriteRequest { stream: target(), mode: WriteMode::Upsert, options: Properties::default() };
        let mut writer = Sink::open(&plugin, request).await.unwrap();
        writer.write(&page(&target(), &[row(1, json!("a"), 1)])).await.unwrap();
        writer.flush().await.unwrap();
        writer.write(&page(&target(), &[row(2, json!("b"), 1)])).await.unwrap();
        writer.write(&page_with_deletes(&target(), &[(ChangeKind::Delete, json!({"id": 50}))])).await.unwrap();
        // Another set of columns: what came before is merged already when this fails.
        writer.write(&page(&target(), &[json!({"id": 3, "n": 1})])).await.unwrap();
        let failure = writer.flush().await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::InvalidData, "23502"));
        assert_eq!(server.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"), "1 50");
        assert!(writer.write(&page(&target(), &[row(4, json!("d"), 1)])).await.is_err());
        assert!(writer.flush().await.is_err());
        drop(writer);
        write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &[row(2, json!("b"), 1)])]).await.unwrap();
        assert_eq!(server.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"), "1 2 50");
    });
}

const KILL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

#[test]
fn a_connection_that_is_cut_leaves_nothing_half_written_and_may_be_tried_again() {
    run(async {
        let values: Vec<Value> = (0..2000).map(|id| row(id, json!("x".repeat(500)), 1)).collect();
        let changes = page(&target(), &values);
        for mode in [WriteMode::Load, WriteMode::Upsert] {
            let (server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, v text, n int)");
            let request = WriteRequest { stream: target(), mode, options: Properties::default() };
            let mut writer = Sink::open(&plugin, request.clone()).await.unwrap();
            writer.write(&changes).await.unwrap();
            assert_ne!(server.psql(KILL), "0");
            let failure = writer.flush().await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Transient, "{mode:?}: {failure:?}");
            assert!(writer.flush().await.is_err());
            drop(writer);
            assert_eq!(server.psql("SELECT count(*) FROM t"), "0");
            let mut writer = Sink::open(&plugin, request).await.unwrap();
            writer.write(&changes).await.unwrap();
            assert_eq!(counts(&writer.flush().await.unwrap()), (2000, 0, 0));
            // Between two groups the writer's connection goes as well.
            assert_ne!(server.psql(KILL), "0");
            let failure = writer.write(&page(&target(), &values[..1])).await.err();
            let failure = match failure {
                Some(failure) => failure,
                None => writer.flush().await.unwrap_err(),
            };
            assert_eq!(failure.kind, FailureKind::Transient, "{mode:?}: {failure:?}");
        }
    });
}

#[test]
fn somebody_elses_lock_is_waited_for_and_a_deadline_is_passing() {
    run(async {
        let (server, plugin) =
            start("CREATE TABLE t (id int PRIMARY KEY, v text, n int); INSERT INTO t VALUES (1, 'a', 1)");
        server.psql("ALTER DATABASE postgres SET statement_timeout = '300ms'");
        let url = server.url();
        let holder = std::thread::spawn({
            let server = server.url();
            move || {
                std::process::Command::new("psql")
                    .arg(server)
                    .args([
                        "-c",
                        "SET statement_timeout = 0",
                        "-c",
                        "BEGIN; UPDATE t SET n = 2 WHERE id = 1; SELECT pg_sleep(2); COMMIT",
                    ])
                    .output()
                    .unwrap()
            }
        });
        while server.psql("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'RowExclusiveLock'")
            == "0"
        {
            tokio::task::yield_now().await;
        }
        let plugin_again = postgres(&url);
        let changes = [page(&target(), &[row(1, json!("b"), 1)])];
        let failure = write(&plugin_again, &target(), WriteMode::Upsert, &changes).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Transient, "57014"), "{failure:?}");
        assert!(holder.join().unwrap().status.success());
        drop(plugin);
        write(&plugin_again, &target(), WriteMode::Upsert, &changes).await.unwrap();
        assert_eq!(server.psql("SELECT * FROM t"), "1|b|1");
    });
}

#[test]
fn what_is_missing_or_locked_is_said_clearly_and_without_the_password() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, v text, n int)");
        server.create_user("writer", "right-word", "scram-sha-256");
        let missing = Stream { name: "gone".into(), ..target() };
        let failure = write(&plugin, &missing, WriteMode::Upsert, &[]).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::NotFound, "postgres.no-table"));
        assert!(failure.message.contains("`gone`"), "{failure}");

        let wrong = postgres(&server.url_for("writer", "wr0ng-word"));
        let failure = write(&wrong, &target(), WriteMode::Upsert, &[]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Auth, "{failure:?}");
        assert!(!format!("{failure:?} {failure}").contains("wr0ng-word"));
        assert_eq!(wrong.discover(&[]).await.unwrap_err().kind, FailureKind::Auth);

        // It may connect, and that is all.
        let right = postgres(&server.url_for("writer", "right-word"));
        let failure = write(&right, &target(), WriteMode::Upsert, &[page(&target(), &[row(1, json!("a"), 1)])])
            .await
            .unwrap_err();
        assert_eq!(failure.detail_code, "42501", "{failure:?}");
        assert!(!format!("{failure:?}").contains("right-word"));

        let nobody = postgres(&format!("postgres://postgres:s3cr3t@127.0.0.1:{}/nowhere", server.port()));
        let failure = nobody.discover(&[]).await.unwrap_err();
        assert!(failure.message.contains("nowhere") && !format!("{failure:?}").contains("s3cr3t"), "{failure:?}");
    });
}

#[test]
fn pages_that_were_not_announced_are_refused() {
    run(async {
        let (_server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, v text, n int, secret text)");
        let other = stream("t", &["id"], &[("id", "int64"), ("secret", "text")]);
        let failure = write(&plugin, &target(), WriteMode::Upsert, &[page(&other, &[json!({"id": 1, "secret": "x"})])])
            .await
            .unwrap_err();
        assert!(failure.message.contains("`secret`"), "{failure}");
        let failure =
            write(&plugin, &target(), WriteMode::Upsert, &[page(&target(), &[json!({"v": "x"})])]).await.unwrap_err();
        assert!(failure.message.contains("`id`"), "{failure}");
        let unknown = stream("t", &["id"], &[("id", "int64"), ("nowhere", "text")]);
        let failure = write(&plugin, &unknown, WriteMode::Upsert, &[]).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "postgres.no-column"));
        // An empty page is nothing.
        let fields: Vec<Field> = target().fields;
        let nothing = Changes::upserts(Batch::empty(fields.into()));
        assert_eq!(counts(&write(&plugin, &target(), WriteMode::Upsert, &[nothing]).await.unwrap().0), (0, 0, 0));
    });
}
