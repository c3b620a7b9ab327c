//! Loads and statements with many rows are whole or not at all, and a transaction around them goes on.

use super::*;
use lockstep::connector::FailureKind;

#[test]
fn a_transaction_survives_what_fails_in_it() {
    run(async {
        let (server, session) = start().await;
        session.script("CREATE TABLE t (a bigint PRIMARY KEY); BEGIN; INSERT INTO t VALUES (1000)").await.unwrap();
        let mut ingest = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        ingest.append(&numbers(995..1005)).await.unwrap();
        assert_eq!(ingest.finish().await.unwrap_err().detail_code, "1062");
        let parameters = batch([("1", "int64", ints([Some(1), Some(2), Some(1000)]))]);
        let failure = session.execute("INSERT INTO t VALUES (?)", Some(&parameters)).await.unwrap_err();
        assert_eq!((failure.detail_code.as_str(), failure.properties.get("row")), ("1062", Some("2")));
        let mut dropped = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        dropped.append(&numbers(0..100_000)).await.unwrap();
        drop(dropped);
        assert_eq!(load(&session, "t", &numbers(0..10)).await, 10);
        session.script("COMMIT").await.unwrap();
        assert_eq!(server.sql("SELECT count(*), max(a) FROM t"), "11\t1000");
    });
}

#[test]
fn without_a_transaction_all_or_nothing_is_kept() {
    run(async {
        let (server, session) = start().await;
        session.script("CREATE TABLE t (a bigint PRIMARY KEY)").await.unwrap();
        let parameters = |values: [i64; 3]| batch([("1", "int64", ints(values.map(Some)))]);
        assert_eq!(session.execute("INSERT INTO t VALUES (?)", Some(&parameters([1, 2, 3]))).await.unwrap(), 3);
        assert!(session.execute("INSERT INTO t VALUES (?)", Some(&parameters([4, 5, 3]))).await.is_err());
        let mut dropped = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        dropped.append(&numbers(10..100_000)).await.unwrap();
        drop(dropped);
        assert_eq!(value(&session, "SELECT count(*) FROM t").await, "3");
        assert_eq!(server.sql("SELECT count(*) FROM t"), "3");
    });
}

/// In a deadlock the server takes the whole transaction back: what follows must not be committed by itself.
#[test]
fn a_transaction_the_server_took_back_is_over() {
    run(async {
        let (server, one) = start().await;
        let two = open(&server.url()).await;
        one.script("CREATE TABLE t (a int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0)").await.unwrap();
        one.script("BEGIN; UPDATE t SET v = 1 WHERE a = 1").await.unwrap();
        two.script("BEGIN; UPDATE t SET v = 2 WHERE a = 2; UPDATE t SET v = 2 WHERE a = 2").await.unwrap();
        let (first, second) = tokio::join!(
            one.execute("UPDATE t SET v = 1 WHERE a = 2", None),
            two.execute("UPDATE t SET v = 2 WHERE a = 1", None),
        );
        let (loser, failure) = if let Err(failure) = first { (&one, failure) } else { (&two, second.unwrap_err()) };
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Transient, "1213"));
        let after = loser.execute("INSERT INTO t VALUES (3, 3)", None).await.unwrap_err();
        assert_eq!(after.kind, FailureKind::Transient, "{after}");
        assert!(loser.query("SELECT 1", None, &[]).await.is_err());
        assert!(loser.script("COMMIT").await.is_err());
        loser.script("ROLLBACK").await.unwrap();
        assert_eq!(loser.execute("INSERT INTO t VALUES (4, 4)", None).await.unwrap(), 1);
        assert_eq!(server.sql("SELECT count(*) FROM t WHERE a = 3"), "0");
    });
}

#[test]
fn a_lock_nobody_lets_go_of_is_waited_for_and_then_passing() {
    run(async {
        let (server, one) = start().await;
        let two = open(&server.url()).await;
        one.script("CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1); BEGIN; SELECT * FROM t WHERE a = 1 FOR UPDATE").await.unwrap();
        two.script("SET innodb_lock_wait_timeout = 1; BEGIN; INSERT INTO t VALUES (2)").await.unwrap();
        let failure = two.execute("DELETE FROM t WHERE a = 1", None).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Transient, "1205"));
        // Only the statement was taken back.
        assert_eq!(value(&two, "SELECT count(*) FROM t WHERE a = 2").await, "1");
        one.script("ROLLBACK").await.unwrap();
        two.script("COMMIT").await.unwrap();
        assert_eq!(server.sql("SELECT group_concat(a) FROM t"), "1,2");
    });
}
