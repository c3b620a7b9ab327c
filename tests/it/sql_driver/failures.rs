//! What goes wrong, and what is said about it.

use super::*;
use lockstep::connector::{Failure, FailureKind};

const CANARY: &str = "c4n4ry-p4ssw0rd";

async fn refusal(url: &str) -> Failure {
    let failure = Database::postgres(url, "erp.main").unwrap().open().await.err().expect("is refused");
    for text in [failure.to_string(), format!("{failure:?}"), failure.message.clone()] {
        assert!(!text.contains(CANARY), "{text}");
    }
    failure
}

#[test]
fn passwords_work_in_every_encryption() {
    run(async {
        let server = Postgres::start();
        server.create_user("scram", CANARY, "scram-sha-256");
        server.create_user("digest", CANARY, "md5");
        server.psql("grant password_md5 to digest");
        server.create_user("clear", CANARY, "scram-sha-256");
        server.psql("grant password_clear to clear");
        for user in ["scram", "digest", "clear"] {
            let session = open(&server.url_for(user, CANARY)).await;
            assert_eq!(value(&session, "select current_user").await, user);
        }
    });
}

#[test]
fn a_wrong_password_is_an_auth_failure_without_the_password() {
    run(async {
        let server = Postgres::start();
        server.create_user("scram", "right", "scram-sha-256");
        let failure = refusal(&server.url_for("scram", CANARY)).await;
        assert_eq!(
            (failure.kind, failure.code.id, failure.detail_code.as_str()),
            (FailureKind::Auth, "LS0509", "28P01")
        );
        assert_eq!(failure.origin, "erp.main");
        let without = server.url_for("scram", "x").replace(":x@", "@");
        assert_eq!(refusal(&without).await.kind, FailureKind::Auth);
        let database = Database::postgres(&server.url_for("scram", CANARY), "erp.main").unwrap();
        assert!(!format!("{database:?}").contains(CANARY));
    });
}

#[test]
fn what_cannot_be_reached_may_be_reached_later() {
    run(async {
        let server = Postgres::start();
        let missing = server.url_of("nowhere");
        let failure = refusal(&missing).await;
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::NotFound, "3D000"));
        let url = server.url_for("scram", CANARY);
        drop(server);
        let failure = refusal(&url).await;
        assert_eq!((failure.kind, failure.code.id), (FailureKind::Transient, "LS0508"));
        let failure = refusal(&format!("postgres://me:{CANARY}@no-such-host.invalid/d")).await;
        assert_eq!((failure.kind, failure.code.id), (FailureKind::Transient, "LS0508"));
    });
}

#[test]
fn the_next_host_is_tried() {
    run(async {
        let server = Postgres::start();
        let url = format!("postgres://postgres@127.0.0.1:1,127.0.0.1:{}/postgres", server.port());
        assert_eq!(value(&open(&url).await, "select 'here'").await, "here");
    });
}

#[test]
fn statements_fail_in_their_own_ways() {
    run(async {
        let (_server, session) = start().await;
        session
            .script(
                "create table parent (id int8 primary key);
                 create table t (a int8 primary key, b text not null, c int8 references parent, d int8 check (d > 0));
                 create function refuse() returns trigger language plpgsql as $$ begin raise 'not today'; end $$;
                 create table guarded (a int8); create trigger g before insert on guarded for each row execute function refuse()",
            )
            .await
            .unwrap();
        use FailureKind::{InvalidData, NotFound, Permanent};
        for (statement, kind, state) in [
            ("insert into t values (1, null)", InvalidData, "23502"),
            ("insert into t values (1, 'x', 7)", InvalidData, "23503"),
            ("insert into t values (1, 'x', null, 0)", InvalidData, "23514"),
            ("insert into guarded values (1)", InvalidData, "P0001"),
            ("select 'x'::int8", InvalidData, "22P02"),
            ("select 1/0", InvalidData, "22012"),
            ("select * from missing", NotFound, "42P01"),
            ("selec 1", Permanent, "42601"),
            ("select 1; select 2", Permanent, "42601"),
        ] {
            let failure = session.execute(statement, None).await.unwrap_err();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (kind, state), "{statement}");
            let failure = session.query(statement, None, &[]).await.err().expect("fails before the first row");
            assert_eq!((failure.kind, failure.detail_code.as_str()), (kind, state), "{statement}");
        }
        assert_eq!(session.execute("insert into t values (1, 'x')", None).await.unwrap(), 1);
    });
}

#[test]
fn a_failing_load_names_the_row_and_keeps_nothing() {
    run(async {
        let (server, session) = start().await;
        session
            .script("create table t (a int8 primary key); create table x (a int8 primary key, b inet)")
            .await
            .unwrap();
        for table in ["t", "x"] {
            let mut ingest = session.ingest(&[table.into()], numbers(0..0).fields()).await.unwrap();
            ingest.append(&numbers(0..100)).await.unwrap();
            ingest.append(&numbers(50..60)).await.unwrap();
            let failure = ingest.finish().await.unwrap_err();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Conflict, "23505"));
            assert_eq!(failure.properties.get("row"), Some("100"), "{failure:?}");
            assert_eq!(server.psql(&format!("select count(*) from {table}")), "0");
        }
        // The same through the server's own reading of text.
        let rows =
            batch([("a", "int64", ints([Some(1), Some(2)])), ("b", "text", texts([Some("::1"), Some("no address")]))]);
        let mut ingest = session.ingest(&["x".into()], rows.fields()).await.unwrap();
        ingest.append(&rows).await.unwrap();
        let failure = ingest.finish().await.unwrap_err();
        assert_eq!((failure.kind, failure.properties.get("row")), (FailureKind::InvalidData, Some("1")), "{failure:?}");
    });
}

#[test]
fn an_error_shows_while_a_long_load_goes_on() {
    run(async {
        let (_server, session) = start().await;
        session.script("create table t (a int8 primary key)").await.unwrap();
        let mut ingest = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        let page = numbers(0..10_000);
        let mut appended = 0;
        let failure = loop {
            match ingest.append(&page).await {
                Ok(()) => appended += 1,
                Err(failure) => break failure,
            }
            assert!(appended < 10_000, "the error never shows");
        };
        assert_eq!(failure.detail_code, "23505");
        assert_eq!(ingest.append(&page).await.unwrap_err().detail_code, "23505");
        assert_eq!(ingest.finish().await.unwrap_err().detail_code, "23505");
        assert_eq!(value(&session, "select count(*) from t").await, "0");
    });
}

#[test]
fn rows_that_are_refused_at_once_leave_the_load_going() {
    run(async {
        let (server, session) = start().await;
        session.script("create table t (a int2, b varchar(3))").await.unwrap();
        let rows = |number: i64, text: &str| {
            batch([("a", "int64", ints([Some(1), Some(number)])), ("b", "text", texts([Some("x"), Some(text)]))])
        };
        let mut ingest = session.ingest(&["t".into()], rows(1, "x").fields()).await.unwrap();
        ingest.append(&rows(2, "abc")).await.unwrap();
        for bad in [rows(40_000, "abc"), rows(3, "abcd"), rows(3, "a\0")] {
            let failure = ingest.append(&bad).await.unwrap_err();
            assert_eq!((failure.kind, failure.properties.get("row")), (FailureKind::InvalidData, Some("3")));
            assert!(failure.properties.get("field").is_some());
        }
        ingest.append(&rows(4, "")).await.unwrap();
        assert_eq!(ingest.finish().await.unwrap(), 4);
        assert_eq!(server.psql("select * from t"), "1|x\n2|abc\n1|x\n4|");
    });
}

#[test]
fn a_load_into_what_is_not_there_is_refused() {
    run(async {
        let (_server, session) = start().await;
        session.script("create table t (a int8)").await.unwrap();
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

#[test]
fn copy_through_the_wrong_door_is_refused_and_does_not_hang() {
    run(async {
        let (_server, session) = start().await;
        session.script("create table t (a int8)").await.unwrap();
        for statement in ["copy t from stdin", "copy t to stdout"] {
            let queried = session.query(statement, None, &[]).await;
            let failed = match queried {
                Ok(mut rows) => rows.next(1, 1).await.err(),
                Err(failure) => Some(failure),
            };
            assert!(failed.is_some(), "{statement}");
        }
        assert!(session.execute("copy t from stdin", None).await.is_err());
        assert!(session.script("copy t from stdin").await.is_err());
        session.script("copy t to stdout").await.unwrap();
        assert_eq!(value(&session, "select 'alive'").await, "alive");
    });
}
