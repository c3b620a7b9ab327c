//! What goes wrong, and what is said about it.

use super::*;
use lockstep::connector::{Failure, FailureKind};

const CANARY: &str = "c4n4ry-p4ssw0rd";

async fn refusal(url: &str) -> Failure {
    let failure = Database::at(url, "shop.main").unwrap().open().await.err().expect("is refused");
    for text in [failure.to_string(), format!("{failure:?}"), failure.message.clone()] {
        assert!(!text.contains(CANARY), "{text}");
    }
    failure
}

#[test]
fn a_wrong_password_is_an_auth_failure_without_the_password() {
    run(async {
        let server = Mariadb::start();
        server.create_user("me", "right", "ALL");
        assert_eq!(value(&open(&server.url_for("me", "right")).await, "SELECT user()").await, "me@127.0.0.1");
        let failure = refusal(&server.url_for("me", CANARY)).await;
        assert_eq!(
            (failure.kind, failure.code.id, failure.detail_code.as_str()),
            (FailureKind::Auth, "LS0509", "1045")
        );
        assert_eq!(failure.origin, "shop.main");
        assert_eq!(refusal(&server.url_for("me", "x").replace(":x@", "@")).await.kind, FailureKind::Auth);
        assert_eq!(refusal(&server.url_for("nobody", CANARY)).await.kind, FailureKind::Auth);
        let database = Database::at(&server.url_for("me", CANARY), "shop.main").unwrap();
        assert!(!format!("{database:?}").contains(CANARY));
    });
}

/// A server that greets, reads the answer and then says one thing. Answers everything the client said.
fn impostor(says: &'static [u8]) -> (String, std::thread::JoinHandle<Vec<u8>>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://me:{CANARY}@127.0.0.1:{}/d", listener.local_addr().unwrap().port());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut greeting = b"\x0a8.4.0\0\x01\0\0\x0012345678\0\x00\xa2\x2d\x02\0\x08\0\x15".to_vec();
        greeting.extend_from_slice(&[0; 10]);
        greeting.extend_from_slice(b"abcdefghijkl\0caching_sha2_password\0");
        let packet = |number: u8, body: &[u8]| [&[body.len() as u8, 0, 0, number], body].concat();
        stream.write_all(&packet(0, &greeting)).unwrap();
        let mut heard = vec![0; 1000];
        let length = stream.read(&mut heard).unwrap();
        heard.truncate(length);
        stream.write_all(&packet(2, says)).unwrap();
        let _ = stream.read_to_end(&mut heard);
        heard
    });
    (url, server)
}

#[test]
fn kinds_of_authentication_that_are_not_known_are_named() {
    run(async {
        let (url, server) = impostor(b"\xfeclient_ed25519\0abcdefghijklmnopqrst\0");
        let failure = refusal(&url).await;
        assert_eq!(failure.kind, FailureKind::Auth);
        assert!(failure.message.contains("`client_ed25519`"), "{failure}");
        server.join().unwrap();
    });
}

#[test]
fn the_password_itself_does_not_go_where_somebody_may_read_along() {
    run(async {
        for says in [&b"\x01\x04"[..], b"\xfemysql_clear_password\0"] {
            let (url, server) = impostor(says);
            let failure = refusal(&url).await;
            assert_eq!(failure.kind, FailureKind::Auth, "{failure}");
            assert!(failure.properties.get("hint").unwrap().contains("sslmode=require"));
            let heard = server.join().unwrap();
            assert!(!heard.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
        }
    });
}

#[test]
fn what_cannot_be_reached_may_be_reached_later() {
    run(async {
        let server = Mariadb::start();
        let failure = refusal(&server.url().replace("/test", "/nowhere")).await;
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::NotFound, "1049"));
        let url = server.url_for("me", CANARY);
        drop(server);
        let failure = refusal(&url).await;
        assert_eq!((failure.kind, failure.code.id), (FailureKind::Transient, "LS0508"));
        let failure = refusal(&format!("mysql://me:{CANARY}@no-such-host.invalid/d")).await;
        assert_eq!((failure.kind, failure.code.id), (FailureKind::Transient, "LS0508"));
    });
}

#[test]
fn another_kind_of_server_is_told_apart() {
    run(async {
        let postgres = Postgres::start();
        // PostgreSQL waits for the client to speak first: nobody answers.
        let url = format!("mysql://me:{CANARY}@127.0.0.1:{}/d", postgres.port());
        assert_eq!(refusal(&url).await.kind, FailureKind::Transient);
        let server = Mariadb::start();
        let url = format!("postgres://me:{CANARY}@127.0.0.1:{}/d?sslmode=disable", server.port());
        refusal(&url).await;
        assert_eq!(Database::at("sqlite://x", "a").unwrap_err().kind, FailureKind::Config);
    });
}

#[test]
fn too_many_sessions_are_too_many_for_now() {
    run(async {
        let server = Mariadb::start();
        server.create_user("me", "pw", "ALL");
        server.sql("ALTER USER me WITH MAX_USER_CONNECTIONS 1");
        let url = server.url_for("me", "pw");
        let _first = open(&url).await;
        assert_eq!((refusal(&url).await.kind, refusal(&url).await.code.id), (FailureKind::Transient, "LS0508"));
    });
}

#[test]
fn statements_fail_in_their_own_ways() {
    run(async {
        let (_server, session) = start().await;
        session
            .script(
                "CREATE TABLE parent (id bigint PRIMARY KEY);
                 CREATE TABLE t (a tinyint PRIMARY KEY, b varchar(3) NOT NULL, c bigint, d int CHECK (d > 0), e enum('x', 'y'), f datetime,
                     FOREIGN KEY (c) REFERENCES parent (id))",
            )
            .await
            .unwrap();
        session.script("CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW SIGNAL SQLSTATE '45000' SET message_text = 'not today'").await.unwrap();
        session.execute("INSERT INTO t (a, b) VALUES (1, 'x')", None).await.unwrap();
        use FailureKind::{Conflict, InvalidData, NotFound, Permanent};
        for (statement, kind, number) in [
            ("INSERT INTO t (a, b) VALUES (1, 'x')", Conflict, "1062"),
            ("INSERT INTO t (a, b) VALUES (2, NULL)", InvalidData, "1048"),
            ("INSERT INTO t (a) VALUES (2)", InvalidData, "1364"),
            ("INSERT INTO t (a, b, c) VALUES (2, 'x', 7)", InvalidData, "1452"),
            ("INSERT INTO t (a, b, d) VALUES (2, 'x', 0)", InvalidData, "4025"),
            ("INSERT INTO t (a, b) VALUES (200, 'x')", InvalidData, "1264"),
            ("INSERT INTO t (a, b) VALUES (2, 'abcd')", InvalidData, "1406"),
            ("INSERT INTO t (a, b) VALUES ('x', 'x')", InvalidData, "1366"),
            ("INSERT INTO t (a, b, e) VALUES (2, 'x', 'z')", InvalidData, "1265"),
            ("INSERT INTO t (a, b, f) VALUES (2, 'x', '2026-02-30')", InvalidData, "1292"),
            ("INSERT INTO t (a, b, f) VALUES (2, 'x', '0000-00-00')", InvalidData, "1292"),
            ("UPDATE t SET b = 'y'", InvalidData, "1644"),
            ("SELECT * FROM missing", NotFound, "1146"),
            ("SELECT nothing FROM t", Permanent, "1054"),
            ("SELEC 1", Permanent, "1064"),
        ] {
            let failure = session.execute(statement, None).await.unwrap_err();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (kind, number), "{statement}: {failure}");
            let failure = session.query(statement, None, &[]).await.err().expect("fails before the first row");
            assert_eq!((failure.kind, failure.detail_code.as_str()), (kind, number), "{statement}");
        }
        assert_eq!(session.execute("INSERT INTO t (a, b) VALUES (2, 'x')", None).await.unwrap(), 1);
    });
}

#[test]
fn a_failing_load_keeps_nothing_and_names_the_row_if_the_server_does() {
    run(async {
        let (server, session) = start().await;
        session
            .script(
                "CREATE TABLE t (a bigint PRIMARY KEY); CREATE TABLE n (a bigint, b varchar(9) CHARACTER SET latin1)",
            )
            .await
            .unwrap();
        let mut ingest = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        ingest.append(&numbers(0..100)).await.unwrap();
        ingest.append(&numbers(50..60)).await.unwrap();
        let failure = ingest.finish().await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Conflict, "1062"));
        assert_eq!(failure.properties.get("constraint"), Some("PRIMARY"));
        assert_eq!(server.sql("SELECT count(*) FROM t"), "0");
        let rows = batch([("a", "int64", ints([Some(1), Some(2)])), ("b", "text", texts([Some("é"), Some("人")]))]);
        let mut ingest = session.ingest(&["n".into()], rows.fields()).await.unwrap();
        ingest.append(&rows).await.unwrap();
        ingest.append(&rows).await.unwrap();
        let failure = ingest.finish().await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::InvalidData, "1366"));
        assert_eq!(failure.properties.get("row"), Some("1"), "{failure:?}");
        assert_eq!(server.sql("SELECT count(*) FROM n"), "0");
    });
}

#[test]
fn an_error_shows_while_a_long_load_goes_on() {
    run(async {
        let (_server, session) = start().await;
        session.script("CREATE TABLE t (a bigint PRIMARY KEY)").await.unwrap();
        let mut ingest = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        let page = numbers(0..10_000);
        let mut appended = 0;
        let failure = loop {
            match ingest.append(&page).await {
                Ok(()) => appended += 1,
                Err(failure) => break failure,
            }
            assert!(appended < 1000, "the error never shows");
        };
        assert_eq!(failure.detail_code, "1062");
        assert_eq!(ingest.append(&page).await.unwrap_err().detail_code, "1062");
        assert_eq!(ingest.finish().await.unwrap_err().detail_code, "1062");
        assert_eq!(value(&session, "SELECT count(*) FROM t").await, "0");
    });
}

#[test]
fn rows_that_are_refused_at_once_leave_the_load_going() {
    run(async {
        let (server, session) = start().await;
        session.script("CREATE TABLE t (a smallint, b varchar(3))").await.unwrap();
        let rows = |number: i64, text: &str| {
            batch([("a", "int64", ints([Some(1), Some(number)])), ("b", "text", texts([Some("x"), Some(text)]))])
        };
        let mut ingest = session.ingest(&["t".into()], rows(1, "x").fields()).await.unwrap();
        ingest.append(&rows(2, "abc")).await.unwrap();
        for bad in [rows(40_000, "abc"), rows(3, "abcd")] {
            let failure = ingest.append(&bad).await.unwrap_err();
            assert_eq!((failure.kind, failure.properties.get("row")), (FailureKind::InvalidData, Some("3")));
            assert!(failure.properties.get("field").is_some());
        }
        ingest.append(&rows(4, "")).await.unwrap();
        assert_eq!(ingest.finish().await.unwrap(), 4);
        assert_eq!(server.sql("SELECT * FROM t"), "1\tx\n2\tabc\n1\tx\n4\t".trim_end());
    });
}

#[test]
fn a_load_into_what_is_not_there_is_refused() {
    run(async {
        let (_server, session) = start().await;
        session.script("CREATE TABLE t (a bigint)").await.unwrap();
        let begin = async |table: &[&str], batch: &Batch| {
            let table: Vec<String> = table.iter().map(|part| (*part).to_owned()).collect();
            session.ingest(&table, batch.fields()).await.err().expect("is refused").kind
        };
        assert_eq!(begin(&["missing"], &numbers(0..0)).await, FailureKind::NotFound);
        assert_eq!(begin(&["missing", "t"], &numbers(0..0)).await, FailureKind::NotFound);
        assert_eq!(begin(&[], &numbers(0..0)).await, FailureKind::Permanent);
        assert_eq!(begin(&["t"], &batch([("b", "int64", ints([]))])).await, FailureKind::NotFound);
        assert_eq!(begin(&["t"], &batch([("a", "date", ints([]))])).await, FailureKind::Config);
        assert_eq!(load(&session, "t", &numbers(0..3)).await, 3);
    });
}
