//! Things that stop in the middle: the server, the network, whoever was waiting.

use super::*;
use lockstep::connector::FailureKind;
use lockstep_test_servers::Shutdown;
use std::time::{Duration, Instant};

#[test]
fn a_restart_in_the_middle_of_rows_is_transient() {
    run(async {
        for how in [Shutdown::Fast, Shutdown::Immediate] {
            let server = Postgres::start();
            let database = Database::postgres(&server.url(), "test").unwrap();
            let session = database.open().await.unwrap();
            let statement = "select repeat('x', 1000) from generate_series(1, 1000) a, generate_series(1, 1000) b";
            let mut rows = session.query(statement, None, &[]).await.unwrap();
            rows.next(10, 1 << 20).await.unwrap().unwrap();
            server.restart(how);
            let failure = loop {
                match rows.next(1000, 1 << 20).await {
                    Ok(page) => assert!(page.is_some(), "the rows end as if they were all"),
                    Err(failure) => break failure,
                }
            };
            assert_eq!((failure.kind, failure.code.id), (FailureKind::Transient, "LS0510"), "{failure}");
            assert_eq!(rows.next(1, 1).await.unwrap_err().kind, FailureKind::Transient);
            assert_eq!(session.execute("select 1", None).await.unwrap_err().kind, FailureKind::Transient);
            drop((rows, session));
            assert_eq!(value(&database.open().await.unwrap(), "select 'back'").await, "back");
        }
    });
}

#[test]
fn a_restart_in_the_middle_of_a_load_is_transient_and_keeps_nothing() {
    run(async {
        let server = Postgres::start();
        let database = Database::postgres(&server.url(), "test").unwrap();
        let session = database.open().await.unwrap();
        session.script("create table t (a int8)").await.unwrap();
        let mut ingest = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        ingest.append(&numbers(0..100_000)).await.unwrap();
        server.restart(Shutdown::Fast);
        let failure = loop {
            if let Err(failure) = ingest.append(&numbers(0..100_000)).await {
                break failure;
            }
        };
        assert_eq!((failure.kind, failure.code.id), (FailureKind::Transient, "LS0510"), "{failure}");
        assert_eq!(ingest.finish().await.unwrap_err().kind, FailureKind::Transient);
        let again = database.open().await.unwrap();
        assert_eq!(value(&again, "select count(*) from t").await, "0");
    });
}

#[test]
fn connections_that_died_while_idle_are_not_handed_out() {
    run(async {
        let server = Postgres::start();
        let database = Database::postgres(&server.url(), "test").unwrap();
        let sessions = [database.open().await.unwrap(), database.open().await.unwrap()];
        drop(sessions);
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.restart(Shutdown::Fast);
        assert_eq!(value(&database.open().await.unwrap(), "select 'fresh'").await, "fresh");
    });
}

#[test]
fn a_stopped_server_refuses_new_sessions_for_now() {
    run(async {
        let server = Postgres::start();
        let database = Database::postgres(&server.url(), "test").unwrap();
        server.stop(Shutdown::Fast);
        assert_eq!(database.open().await.err().unwrap().kind, FailureKind::Transient);
        server.start_again();
        assert_eq!(value(&database.open().await.unwrap(), "select 'up'").await, "up");
    });
}

#[test]
fn a_statement_that_nobody_waits_for_is_cancelled() {
    run(async {
        let (server, session) = start().await;
        let begun = Instant::now();
        for _ in 0..5 {
            let waiting = session.execute("select pg_sleep(60)", None);
            assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
            // The cancelled statement does not take the next one with it.
            assert_eq!(value(&session, "select 'next'").await, "next");
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert_eq!(server.psql("select count(*) from pg_stat_activity where query like '%pg_sleep(60)' and state = 'active' and pid <> pg_backend_pid()"), "0");
    });
}

#[test]
fn a_page_that_nobody_waits_for_does_not_break_the_session() {
    run(async {
        let (_server, session) = start().await;
        let statement =
            "select case when g = 3 then pg_sleep(60)::text else repeat('x', 100000) end from generate_series(1, 5) g";
        let mut rows = session.query(statement, None, &[]).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(100), rows.next(10, 1 << 20)).await.is_err());
        drop(rows);
        assert_eq!(value(&session, "select 'fine'").await, "fine");
    });
}

#[test]
fn a_session_dropped_with_its_rows_frees_the_server() {
    run(async {
        let (server, session) = start().await;
        let rows = session.query(ENDLESS, None, &[]).await.unwrap();
        drop(session);
        drop(rows);
        let deadline = Instant::now() + Duration::from_secs(10);
        while server
            .psql("select count(*) from pg_stat_activity where state = 'active' and application_name = 'lockstep/test'")
            != "0"
        {
            assert!(Instant::now() < deadline, "the statement goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
