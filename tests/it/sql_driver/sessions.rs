//! Sessions: one thing at a time, nothing left behind, nothing lost.

use super::*;
use lockstep::connector::FailureKind;
use std::time::{Duration, Instant};

#[test]
fn a_session_says_who_it_talks_to_and_how() {
    run(async {
        let (server, session) = start().await;
        assert!(session.server().starts_with("postgres "), "{}", session.server());
        for (setting, expected) in [
            ("application_name", "lockstep/test"),
            ("client_encoding", "UTF8"),
            ("timezone", "UTC"),
            ("datestyle", "ISO, MDY"),
            ("intervalstyle", "postgres"),
        ] {
            assert_eq!(value(&session, &format!("show {setting}")).await, expected);
        }
        let through_socket = open(&server.socket_url()).await;
        assert_eq!(value(&through_socket, "select coalesce(inet_client_addr()::text, 'socket')").await, "socket");
    });
}

#[test]
fn a_session_does_one_thing_at_a_time() {
    run(async {
        let (_server, session) = start().await;
        session.script("create table t (a int8)").await.unwrap();
        let mut rows = session.query("select 1 from generate_series(1, 3)", None, &[]).await.unwrap();
        let failure = session.execute("select 1", None).await.unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Permanent, "the session is busy"));
        assert!(rows.next(1, 1).await.unwrap().is_some());
        assert!(session.script("select 1").await.is_err());
        assert!(rows.next(100, 1 << 20).await.unwrap().is_some());
        assert!(rows.next(100, 1 << 20).await.unwrap().is_none());
        // The rows have said none: the session is free although they are still there.
        let mut ingest = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        assert!(session.query("select 1", None, &[]).await.is_err());
        assert_eq!(ingest.finish().await.unwrap(), 0);
        assert_eq!(value(&session, "select 'free'").await, "free");
        drop(rows);
    });
}

#[test]
fn rows_may_outlive_their_session() {
    run(async {
        let (_server, session) = start().await;
        let mut rows = session.query("select generate_series(1, 50000)::int8 as a", None, &[]).await.unwrap();
        drop(session);
        let mut count = 0;
        while let Some(page) = rows.next(1000, 1 << 20).await.unwrap() {
            count += page.data.rows();
        }
        assert_eq!(count, 50_000);
    });
}

#[test]
fn dropped_rows_leave_the_session_usable() {
    run(async {
        let (_server, session) = start().await;
        for _ in 0..20 {
            let mut rows = session.query(ENDLESS, None, &[]).await.unwrap();
            rows.next(10, 1 << 20).await.unwrap();
            drop(rows);
            assert_eq!(value(&session, "select 'usable'").await, "usable");
        }
    });
}

#[test]
fn dropped_rows_of_a_small_result_leave_the_transaction_alone() {
    run(async {
        let (server, session) = start().await;
        session.script("create table t (a int8)").await.unwrap();
        session.script("begin; insert into t values (1)").await.unwrap();
        let mut rows = session.query("select generate_series(1, 1000)", None, &[]).await.unwrap();
        rows.next(1, 1).await.unwrap();
        drop(rows);
        session.script("commit").await.unwrap();
        assert_eq!(server.psql("select count(*) from t"), "1");
    });
}

#[test]
fn a_dropped_load_is_taken_back() {
    run(async {
        let (server, session) = start().await;
        session.script("create table t (a int8)").await.unwrap();
        let mut ingest = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        for _ in 0..20 {
            ingest.append(&numbers(0..10_000)).await.unwrap();
        }
        drop(ingest);
        assert_eq!(value(&session, "select count(*) from t").await, "0");
        assert_eq!(server.psql("select count(*) from t"), "0");
    });
}

#[test]
fn a_load_inside_a_transaction_is_taken_back_alone() {
    run(async {
        let (server, session) = start().await;
        session.script("create table t (a int8 primary key)").await.unwrap();
        session.script("begin; insert into t values (-1)").await.unwrap();
        let mut dropped = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        dropped.append(&numbers(0..1000)).await.unwrap();
        drop(dropped);
        let mut failing = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        failing.append(&numbers(-1..1000)).await.unwrap();
        assert_eq!(failing.finish().await.unwrap_err().kind, FailureKind::Conflict);
        assert!(session.ingest(&["missing".into()], numbers(0..0).fields()).await.is_err());
        session.script("commit").await.unwrap();
        assert_eq!(server.psql("select a from t"), "-1");
        session.script("begin").await.unwrap();
        assert_eq!(load(&session, "t", &numbers(0..10)).await, 10);
        session.script("commit").await.unwrap();
        assert_eq!(server.psql("select count(*) from t"), "11");
    });
}

#[test]
fn a_dropped_session_rolls_back() {
    run(async {
        let (server, session) = start().await;
        session.script("create table t (a int8)").await.unwrap();
        session.script("begin; insert into t values (1)").await.unwrap();
        drop(session);
        wait_until(&server, "select count(*) = 0 from pg_stat_activity where state like 'idle in%'").await;
        assert_eq!(server.psql("select count(*) from t"), "0");
    });
}

async fn wait_until(server: &Postgres, condition: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.psql(condition) != "t" {
        assert!(Instant::now() < deadline, "never true: {condition}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn the_next_session_finds_nothing_of_the_one_before() {
    run(async {
        let server = Postgres::start();
        let database = Database::postgres(&server.url(), "pooled").unwrap();
        let session = database.open().await.unwrap();
        let process = value(&session, "select pg_backend_pid()").await;
        session
            .script(
                "create temp table secret (a int8); set statement_timeout = '7s'; set timezone = 'Asia/Tokyo';
                 select pg_advisory_lock(1); prepare p as select 1; listen news; begin; create table t (a int8)",
            )
            .await
            .unwrap();
        drop(session);
        wait_until(&server, "select count(*) = 1 from pg_stat_activity where query = 'DISCARD ALL' and state = 'idle'")
            .await;
        let session = database.open().await.unwrap();
        assert_eq!(value(&session, "select pg_backend_pid()").await, process);
        assert_eq!(value(&session, "show timezone").await, "UTC");
        assert_eq!(value(&session, "show application_name").await, "lockstep/pooled");
        assert_eq!(value(&session, "show statement_timeout").await, "0");
        let left = "select (select count(*) from pg_locks where locktype = 'advisory') + (select count(*) from pg_prepared_statements)
            + (select count(*) from pg_listening_channels()) + (to_regclass('secret') is not null)::int + (to_regclass('t') is not null)::int";
        assert_eq!(value(&session, left).await, "0");
    });
}

#[test]
fn at_most_two_sessions_wait_for_others() {
    run(async {
        let server = Postgres::start();
        let database = Database::postgres(&server.url(), "pooled").unwrap();
        let mut sessions = Vec::new();
        for _ in 0..5 {
            sessions.push(database.open().await.unwrap());
        }
        drop(sessions);
        wait_until(&server, "select count(*) = 2 from pg_stat_activity where application_name = 'lockstep/pooled'")
            .await;
        drop(database);
        wait_until(&server, "select count(*) = 0 from pg_stat_activity where application_name = 'lockstep/pooled'")
            .await;
    });
}
