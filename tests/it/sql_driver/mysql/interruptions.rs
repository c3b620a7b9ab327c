//! Things that stop in the middle: the server, the network, whoever was waiting.

use super::*;
use lockstep::connector::FailureKind;
use std::time::{Duration, Instant};

const ENDLESS: &str = "SELECT repeat('x', 1000) FROM seq_1_to_100000 a, seq_1_to_100000 b";

#[test]
fn a_kill_in_the_middle_of_rows_is_transient() {
    run(async {
        let server = Mariadb::start();
        let database = Database::at(&server.url(), "test").unwrap();
        let session = database.open().await.unwrap();
        let mut rows = session.query(ENDLESS, None, &[]).await.unwrap();
        rows.next(10, 1 << 20).await.unwrap().unwrap();
        server.stop();
        let failure = loop {
            match rows.next(1000, 1 << 20).await {
                Ok(page) => assert!(page.is_some(), "the rows end as if they were all"),
                Err(failure) => break failure,
            }
        };
        assert_eq!((failure.kind, failure.code.id), (FailureKind::Transient, "LS0510"), "{failure}");
        assert_eq!(rows.next(1, 1).await.unwrap_err().kind, FailureKind::Transient);
        assert_eq!(session.execute("SELECT 1", None).await.unwrap_err().kind, FailureKind::Transient);
        drop((rows, session));
        server.start_again();
        assert_eq!(value(&database.open().await.unwrap(), "SELECT 'back'").await, "back");
    });
}

#[test]
fn a_killed_connection_is_transient() {
    run(async {
        let (server, session) = start().await;
        let number = value(&session, "SELECT connection_id()").await;
        server.sql(&format!("KILL {number}"));
        let failure = session.execute("SELECT 1", None).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.id), (FailureKind::Transient, "LS0510"), "{failure}");
        assert_eq!(session.script("SELECT 1").await.unwrap_err().kind, FailureKind::Transient);
    });
}

#[test]
fn a_kill_in_the_middle_of_a_load_is_transient_and_keeps_nothing() {
    run(async {
        let (server, session) = start().await;
        session.script("CREATE TABLE t (a bigint)").await.unwrap();
        let number = value(&session, "SELECT connection_id()").await;
        let mut ingest = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        ingest.append(&numbers(0..300_000)).await.unwrap();
        server.sql(&format!("KILL {number}"));
        let failure = loop {
            if let Err(failure) = ingest.append(&numbers(0..100_000)).await {
                break failure;
            }
        };
        assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
        assert_eq!(ingest.finish().await.unwrap_err().kind, FailureKind::Transient);
        assert_eq!(server.sql("SELECT count(*) FROM t"), "0");
    });
}

#[test]
fn connections_that_died_while_idle_are_not_handed_out() {
    run(async {
        let server = Mariadb::start();
        let database = Database::at(&server.url(), "test").unwrap();
        let sessions = [database.open().await.unwrap(), database.open().await.unwrap()];
        drop(sessions);
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.stop();
        assert_eq!(database.open().await.err().unwrap().kind, FailureKind::Transient);
        server.start_again();
        assert_eq!(value(&database.open().await.unwrap(), "SELECT 'fresh'").await, "fresh");
    });
}

#[test]
fn a_statement_that_nobody_waits_for_is_stopped() {
    run(async {
        let (server, session) = start().await;
        let begun = Instant::now();
        for _ in 0..5 {
            let waiting = session.execute("SELECT sleep(60)", None);
            assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
            // The stopped statement does not take the next one with it.
            assert_eq!(value(&session, "SELECT 'next'").await, "next");
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert_eq!(
            server.sql("SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT sleep%'"),
            "0"
        );
    });
}

#[test]
fn rows_that_nobody_reads_are_stopped_and_a_transaction_goes_on() {
    run(async {
        let (server, session) = start().await;
        session.script("CREATE TABLE t (a int); BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
        for _ in 0..3 {
            let mut rows = session.query(ENDLESS, None, &[]).await.unwrap();
            rows.next(10, 1 << 20).await.unwrap().unwrap();
            drop(rows);
            assert_eq!(value(&session, "SELECT count(*) FROM t").await, "1");
        }
        // Types that cannot be: the rows are not waited for either.
        assert!(session.query(ENDLESS, None, &logicals(&["binary"])).await.is_err());
        session.script("COMMIT").await.unwrap();
        assert_eq!(server.sql("SELECT count(*) FROM t"), "1");
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
        while server.sql("SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT repeat%'") != "0"
        {
            assert!(Instant::now() < deadline, "the statement goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
