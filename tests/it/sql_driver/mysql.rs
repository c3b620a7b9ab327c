//! The driver for MariaDB and MySQL.

mod failures;
mod interruptions;
mod tls;
mod transactions;
mod values;

use super::*;
use lockstep_test_servers::Mariadb;

async fn open(url: &str) -> Session {
    Database::at(url, "test").unwrap().open().await.unwrap()
}

/// A fresh server and a session on it.
async fn start() -> (Mariadb, Session) {
    let server = Mariadb::start();
    let session = open(&server.url()).await;
    (server, session)
}

#[test]
fn sessions_are_strict_and_live_in_utc_whatever_the_server_does() {
    run(async {
        let (server, session) = start().await;
        assert!(session.server().starts_with("mariadb 1"), "{}", session.server());
        assert_eq!(value(&session, "SELECT @@time_zone").await, "+00:00");
        assert_eq!(value(&session, "SELECT @@character_set_client").await, "utf8mb4");
        assert!(value(&session, "SELECT @@sql_mode").await.contains("STRICT_ALL_TABLES"));
        session
            .script("SET sql_mode = ''; SET time_zone = '+01:00'; CREATE TEMPORARY TABLE t (a int); BEGIN")
            .await
            .unwrap();
        let database = Database::at(&server.url(), "test").unwrap();
        drop(session);
        // The next session on the same connection knows nothing of that.
        let first = database.open().await.unwrap();
        let number = value(&first, "SELECT connection_id()").await;
        first.script("SET sql_mode = ''; SET @a = 1; CREATE TEMPORARY TABLE t (a int); BEGIN").await.unwrap();
        drop(first);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let second = database.open().await.unwrap();
        assert_eq!(value(&second, "SELECT connection_id()").await, number);
        assert_eq!(value(&second, "SELECT @a IS NULL").await, "1");
        assert!(value(&second, "SELECT @@sql_mode").await.contains("STRICT_ALL_TABLES"));
        assert!(second.execute("SELECT * FROM t", None).await.is_err());
    });
}

#[test]
fn a_socket_is_as_good_as_a_port() {
    run(async {
        let server = Mariadb::start();
        assert_eq!(value(&open(&server.socket_url()).await, "SELECT 'socket'").await, "socket");
    });
}

#[test]
fn one_statement_is_one_statement() {
    run(async {
        let (server, session) = start().await;
        session.script("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2); SELECT * FROM t").await.unwrap();
        for statement in ["SELECT 1; SELECT 2", "INSERT INTO t VALUES (3); INSERT INTO t VALUES (4)"] {
            assert!(session.execute(statement, None).await.is_err(), "{statement}");
            assert!(session.query(statement, None, &[]).await.is_err(), "{statement}");
        }
        assert_eq!(server.sql("SELECT count(*) FROM t"), "2");
        assert_eq!(session.execute("UPDATE t SET a = 2", None).await.unwrap(), 1);
        let mut none = session.query("INSERT INTO t VALUES (9)", None, &[]).await.unwrap();
        assert!(none.next(1, 1).await.unwrap().is_none());
    });
}

#[test]
fn pages_hold_as_many_rows_as_asked_for() {
    run(async {
        let (_server, session) = start().await;
        let mut rows = session.query("SELECT seq FROM seq_1_to_2500", None, &logicals(&["int64"])).await.unwrap();
        let mut lengths = Vec::new();
        while let Some(page) = rows.next(1000, 1 << 20).await.unwrap() {
            lengths.push(page.data.rows());
        }
        assert_eq!(lengths, [1000, 1000, 500]);
        assert!(rows.next(1, 1).await.unwrap().is_none());
        assert_eq!(value(&session, "SELECT 'next'").await, "next");
    });
}

#[test]
fn many_statements_do_not_use_up_the_server() {
    run(async {
        let (_server, session) = start().await;
        for number in 0..60 {
            let parameters = batch([("1", "int64", ints([Some(number)]))]);
            let statement = format!("SELECT ? + {number}");
            let mut rows = session.query(&statement, Some(&parameters), &logicals(&["int64"])).await.unwrap();
            let page = rows.next(1, 1).await.unwrap().unwrap();
            assert_same(&page.data, &batch([("a", "int64", ints([Some(number * 2)]))]));
        }
        let open: i64 = value(
            &session,
            "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Com_stmt_close'",
        )
        .await
        .parse()
        .unwrap();
        assert!(open >= 40, "{open}");
    });
}
