//! SQLite: what its loose types hold, and what a plugin may not do.

use super::*;
use lockstep::connector::FailureKind;
use lockstep_test_servers::Folder;
use std::time::{Duration, Instant};

async fn fresh() -> (Folder, Session) {
    let folder = Folder::new("sqlite");
    let session =
        Database::sqlite(&folder.path().join("t.db"), "test", Access::ReadWrite).unwrap().open().await.unwrap();
    (folder, session)
}

#[test]
fn declared_types_are_natural() {
    run(async {
        let (_folder, session) = fresh().await;
        assert!(session.server().starts_with("sqlite 3."), "{}", session.server());
        session
            .script(
                "create table t (i integer, r real, b boolean, n decimal(12,2), d date, z timestamptz, dt datetime, t time, u uuid, j json, x blob, s text);
                 insert into t values (1, 0.5, 1, '12.50', '2026-11-21', '2026-11-21T12:00:00Z', 'today', '12:30', '01234567-89ab-cdef-0123-456789abcdef', '[1]', x'00ff', '')",
            )
            .await
            .unwrap();
        let found = read(&session, "select *, count(*) as c, 1.5 as f from t", &[]).await;
        let expected = batch([
            ("i", "int64", ints([Some(1)])),
            ("r", "float64", floats([Some(0.5)])),
            ("b", "bool", bools([Some(true)])),
            ("n", "decimal(12,2)", ints([Some(1250)])),
            ("d", "date", ints([Some(20_778)])),
            ("z", "timestamp", ints([Some(1_795_262_400_000_000)])),
            ("dt", "text", texts([Some("today")])),
            ("t", "time", ints([Some(45_000_000_000)])),
            ("u", "uuid", texts([Some("01234567-89ab-cdef-0123-456789abcdef")])),
            ("j", "json", texts([Some("[1]")])),
            ("x", "binary", blobs([Some(&b"\x00\xff"[..])])),
            ("s", "text", texts([Some("")])),
            ("c", "int64", ints([Some(1)])),
            ("f", "float64", floats([Some(1.5)])),
        ]);
        assert_same(&found, &expected);
        assert_eq!(found.fields()[3].properties.get("native-type"), Some("decimal(12,2)"));
        let wanted = read(&session, "select i, n, d from t", &["decimal(5,1)", "text", "text"]).await;
        let expected = batch([
            ("i", "decimal(5,1)", ints([Some(10)])),
            ("n", "text", texts([Some("12.5")])),
            ("d", "text", texts([Some("2026-11-21")])),
        ]);
        assert_same(&wanted, &expected);
    });
}

#[test]
fn what_does_not_fit_is_null_and_reported() {
    run(async {
        let (_folder, session) = fresh().await;
        session
            .script("create table t (i integer, b boolean, d date, s text); insert into t values (1, 1, '2026-01-01', 'x'), ('one', 2, '2026-02-30', cast(x'ff' as text)), (2.5, 0, 20000, x'00')")
            .await
            .unwrap();
        let page = read_page(&session, "select * from t", &[]).await;
        let expected = batch([
            ("i", "int64", ints([Some(1), None, None])),
            ("b", "bool", bools([Some(true), None, Some(false)])),
            ("d", "date", ints([Some(20_454), None, None])),
            ("s", "text", texts([Some("x"), None, None])),
        ]);
        assert_same(&page.data, &expected);
        let mut places: Vec<(u32, &str)> =
            page.problems.iter().map(|problem| (problem.row, problem.error.properties.get("field").unwrap())).collect();
        places.sort_unstable();
        assert_eq!(places, [(1, "b"), (1, "d"), (1, "i"), (1, "s"), (2, "d"), (2, "i"), (2, "s")]);
    });
}

#[test]
fn pages_read_ahead_keep_their_limits() {
    run(async {
        let (_folder, session) = fresh().await;
        session.script("create table t (a integer)").await.unwrap();
        assert_eq!(load(&session, "t", &numbers(0..10_000)).await, 10_000);
        let mut rows = session.query("select a from t order by a", None, &[]).await.unwrap();
        let mut next = 0;
        for limit in [1000, 3, 1, 500, 7].into_iter().cycle() {
            let Some(page) = rows.next(limit, u64::MAX).await.unwrap() else { break };
            assert!(page.data.rows() <= limit as usize);
            assert_same(&page.data, &numbers(next..next + page.data.rows() as i64));
            next += page.data.rows() as i64;
        }
        assert_eq!(next, 10_000);
        assert!(rows.next(1, 1).await.unwrap().is_none());
        assert_eq!(value(&session, "select 'free'").await, "free");
    });
}

#[test]
fn a_failing_load_names_the_row_and_keeps_nothing() {
    run(async {
        let (_folder, session) = fresh().await;
        session
            .script("create table t (a integer primary key, b text not null); begin; insert into t values (-1, 'kept')")
            .await
            .unwrap();
        let rows = |numbers: ArrayRef| {
            let count = numbers.len();
            batch([("a", "int64", numbers), ("b", "text", texts((0..count).map(|row| (row != 77).then_some("x"))))])
        };
        let mut ingest = session.ingest(&["t".into()], rows(ints([])).fields()).await.unwrap();
        ingest.append(&rows(ints((0..50).map(Some)))).await.unwrap();
        ingest.append(&rows(ints((50..200).map(Some)))).await.unwrap();
        let failure = ingest.finish().await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.properties.get("row")),
            (FailureKind::InvalidData, Some("127")),
            "{failure:?}"
        );
        assert_eq!(failure.detail_code, "SQLITE_CONSTRAINT_NOTNULL");
        let mut ingest = session.ingest(&["t".into()], rows(ints([])).fields()).await.unwrap();
        ingest.append(&rows(ints((-1..3).map(Some)))).await.unwrap();
        let failure = ingest.finish().await.unwrap_err();
        assert_eq!((failure.kind, failure.properties.get("row")), (FailureKind::Conflict, Some("0")));
        let mut dropped = session.ingest(&["t".into()], rows(ints([])).fields()).await.unwrap();
        dropped.append(&rows(ints((0..70).map(Some)))).await.unwrap();
        drop(dropped);
        session.script("commit").await.unwrap();
        assert_eq!(value(&session, "select group_concat(b) from t").await, "kept");
    });
}

#[test]
fn what_sqlite_would_turn_into_something_else_is_refused() {
    run(async {
        let (_folder, session) = fresh().await;
        session.script("create table t (s string, n decimal(38,2), f real, x text)").await.unwrap();
        let refused = async |name: &str, logical: &str, array: ArrayRef| {
            let rows = batch([(name, logical, array)]);
            let mut ingest = session.ingest(&["t".into()], rows.fields()).await.unwrap();
            let failure = ingest.append(&rows).await.expect_err("is refused");
            assert_eq!(
                (failure.kind, failure.properties.get("row")),
                (FailureKind::InvalidData, Some("1")),
                "{failure:?}"
            );
        };
        refused("s", "text", texts([Some("abc"), Some("00123")])).await;
        refused("n", "decimal(38,2)", texts([Some("1.50"), Some("12345678901234567890.12")])).await;
        refused("f", "float64", floats([Some(0.1), Some(f64::NAN)])).await;
        refused("f", "int64", ints([Some(1), Some(i64::MAX)])).await;
        let rows = batch([("x", "float64", floats([Some(0.1 + 0.2)]))]);
        load(&session, "t", &rows).await;
        assert_same(&read(&session, "select x from t", &["float64"]).await, &rows);
        let failure = session
            .execute("insert into t (f) values (?1)", Some(&batch([("f", "float64", floats([Some(f64::NAN)]))])))
            .await;
        assert_eq!(failure.unwrap_err().kind, FailureKind::InvalidData);
    });
}

#[test]
fn a_statement_runs_once_per_row_all_or_nothing() {
    run(async {
        let (_folder, session) = fresh().await;
        session.script("create table t (a integer primary key)").await.unwrap();
        assert_eq!(session.execute("insert into t values (?1)", Some(&numbers(0..5000))).await.unwrap(), 5000);
        let twice = batch([("a", "int64", ints([Some(6000), Some(7000), Some(6000)]))]);
        let failure = session.execute("insert into t values (?1)", Some(&twice)).await.unwrap_err();
        assert_eq!((failure.kind, failure.properties.get("row")), (FailureKind::Conflict, Some("2")));
        assert_eq!(value(&session, "select count(*) from t").await, "5000");
        assert_eq!(session.execute("delete from t where a < 10", None).await.unwrap(), 10);
        assert_eq!(session.execute("create table u (a)", None).await.unwrap(), 0);
        assert_eq!(session.execute("insert into u values (?1) returning a", Some(&numbers(0..3))).await.unwrap(), 3);
        let failure = session.execute("delete from t where a = ?1", None).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Permanent);
        let failure = session.query("select * from missing", None, &[]).await.err().unwrap();
        assert_eq!(failure.kind, FailureKind::NotFound);
    });
}

#[test]
fn a_plugin_cannot_leave_its_database() {
    run(async {
        let (folder, session) = fresh().await;
        session.script("create table t (a integer)").await.unwrap();
        let copy = folder.path().join("copy.db");
        for statement in [
            format!("vacuum into '{}'", copy.display()),
            format!("attach '{}' as other", copy.display()),
            format!("attach 'file:{}?mode=rwc' as other", copy.display()),
            "select load_extension('evil')".to_owned(),
            "pragma journal_mode = off".to_owned(),
            "pragma writable_schema = on".to_owned(),
        ] {
            for failure in [
                session.script(&statement).await.err(),
                session.execute(&statement, None).await.err(),
                session.query(&statement, None, &[]).await.err(),
            ] {
                let failure = failure.unwrap_or_else(|| panic!("`{statement}` is let through"));
                assert_eq!(
                    (failure.kind, failure.code.id),
                    (FailureKind::Permanent, "LS0512"),
                    "{statement}: {failure}"
                );
            }
        }
        assert!(!copy.exists());
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(files.iter().all(|name| name.to_string_lossy().starts_with("t.db")), "{files:?}");
    });
}

#[test]
fn sessions_are_busy_and_free_as_with_any_database() {
    run(async {
        let (_folder, session) = fresh().await;
        session.script("create table t (a integer)").await.unwrap();
        let endless = "with recursive n (a) as (select 1 union all select a + 1 from n) select a from n";
        let mut rows = session.query(endless, None, &[]).await.unwrap();
        assert_eq!(session.execute("select 1", None).await.unwrap_err().message, "the session is busy");
        rows.next(10, 1 << 20).await.unwrap().unwrap();
        drop(rows);
        assert_eq!(value(&session, "select 'free'").await, "free");
        let ingest = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        assert!(session.script("select 1").await.is_err());
        drop(ingest);
        let begun = Instant::now();
        let waiting = session
            .execute("with recursive n (a) as (select 1 union all select a + 1 from n) select count(*) from n", None);
        assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
        assert_eq!(value(&session, "select 'interrupted'").await, "interrupted");
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn a_dropped_session_rolls_back_and_leaves_nothing_to_the_next() {
    run(async {
        let folder = Folder::new("sqlite");
        let database = Database::sqlite(&folder.path().join("t.db"), "test", Access::ReadWrite).unwrap();
        let session = database.open().await.unwrap();
        session.script("create table t (a integer); create temp table secret (a); pragma foreign_keys = off; begin; insert into t values (1)").await.unwrap();
        drop(session);
        let session = database.open().await.unwrap();
        assert_eq!(value(&session, "select count(*) from t").await, "0");
        assert_eq!(value(&session, "select count(*) from sqlite_temp_schema").await, "0");
        session.script("insert into t values (2)").await.unwrap();
    });
}

#[test]
fn files_that_are_no_databases_are_told_apart() {
    run(async {
        let folder = Folder::new("sqlite");
        let path = folder.path().join("note.txt");
        std::fs::write(&path, "this is no database, and long enough to look like one".repeat(100)).unwrap();
        let failure = Database::sqlite(&path, "test", Access::ReadWrite).unwrap().open().await.err().unwrap();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Permanent, "SQLITE_NOTADB"));
        assert!(failure.message.contains("not a SQLite database"), "{failure}");
        let missing = folder.path().join("missing/t.db");
        let failure = Database::sqlite(&missing, "test", Access::ReadWrite).unwrap().open().await.err().unwrap();
        assert_eq!(failure.kind, FailureKind::Config, "{failure}");
    });
}

#[test]
fn a_database_that_is_only_looked_at_stays_as_it_is() {
    run(async {
        let folder = Folder::new("sqlite");
        let path = folder.path().join("t.db");
        let refused = async |statement: &str| {
            let session = Database::sqlite(&path, "test", Access::ReadOnly).unwrap().open().await.unwrap();
            session.script(statement).await.err().unwrap()
        };
        refused("create table t (a integer)").await;
        assert!(!path.exists());
        let writer = rusqlite::Connection::open(&path).unwrap();
        writer.execute_batch("pragma journal_mode = wal; create table t (a integer)").unwrap();
        drop(writer);
        refused("insert into t values (1)").await;
        let session = Database::sqlite(&path, "test", Access::ReadOnly).unwrap().open().await.unwrap();
        assert_eq!(value(&session, "select count(*) from t").await, "0");
        let missing = folder.path().join("missing/t.db");
        let failure = Database::sqlite(&missing, "test", Access::ReadOnly).unwrap().open().await.err().unwrap();
        assert_eq!(failure.kind, FailureKind::Config, "{failure}");
    });
}
