//! Values for the parameters of statements.

use super::*;
use lockstep::connector::FailureKind;

#[test]
fn the_server_says_what_a_parameter_is() {
    run(async {
        let (_server, session) = start().await;
        session.script("create type mood as enum ('sad', 'happy')").await.unwrap();
        let parameters = batch([
            ("1", "text", texts([Some("happy")])),
            ("2", "text", texts([Some("10.0.0.1")])),
            ("3", "text", texts([Some("2026-11-21 12:00+01")])),
            ("4", "int64", ints([Some(5)])),
            ("5", "decimal(12,2)", ints([Some(1250)])),
            ("6", "timestamp", ints([Some(0)])),
            ("7", "bool", bools([None])),
            ("8", "text", texts([Some("{1,2}")])),
        ]);
        let statement = "select $1::mood::text || ' ' || host($2::inet) || ' ' || ($3::timestamptz)::text || ' ' || $4::numeric
            || ' ' || $5::numeric || ' ' || ($6::timestamptz)::text || ' ' || coalesce($7::bool::text, 'null') || ' ' || ($8::int[])[2]";
        let mut rows = session.query(statement, Some(&parameters), &[]).await.unwrap();
        let page = rows.next(1, 1000).await.unwrap().unwrap().data;
        let expected = "happy 10.0.0.1 2026-11-21 11:00:00+00 5 12.50 1970-01-01 00:00:00+00 null 2";
        assert_same(&page, &batch([("a", "text", texts([Some(expected)]))]));
    });
}

#[test]
fn a_statement_runs_once_per_row() {
    run(async {
        let (server, session) = start().await;
        session.script("create table t (a int8 primary key, b text)").await.unwrap();
        let count = 50_000;
        let rows = batch([
            ("a", "int64", ints((0..count).map(Some))),
            ("b", "text", texts((0..count).map(|row| if row % 2 == 0 { Some("a text of some length") } else { None }))),
        ]);
        assert_eq!(session.execute("insert into t values ($1, $2)", Some(&rows)).await.unwrap(), count as u64);
        assert_eq!(server.psql("select count(*), count(b), sum(a) from t"), "50000|25000|1249975000");
        assert_eq!(session.execute("delete from t where a < 10", None).await.unwrap(), 10);
        let none = rows.slice(0, 0);
        assert_eq!(session.execute("insert into t values ($1, $2)", Some(&none)).await.unwrap(), 0);
    });
}

#[test]
fn rows_that_a_statement_answers_are_no_obstacle() {
    run(async {
        let (_server, session) = start().await;
        session.script("create table t (a int8)").await.unwrap();
        let statement = "insert into t select $1 from generate_series(1, 100) returning repeat('x', 1000)";
        assert_eq!(session.execute(statement, Some(&numbers(0..500))).await.unwrap(), 50_000);
        assert_eq!(session.execute("select 1", None).await.unwrap(), 1);
    });
}

#[test]
fn the_failing_row_is_named_and_nothing_is_kept() {
    run(async {
        let (server, session) = start().await;
        session.script("create table t (a int8 primary key)").await.unwrap();
        let numbers = batch([("a", "int64", ints((0..20_000).map(|row| Some(if row == 13_000 { 5 } else { row }))))]);
        let failure = session.execute("insert into t values ($1)", Some(&numbers)).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Conflict, "23505"));
        assert_eq!(failure.properties.get("row"), Some("13000"));
        assert_eq!(failure.properties.get("constraint"), Some("t_pkey"));
        assert_eq!(failure.properties.get("table"), Some("t"));
        assert_eq!(server.psql("select count(*) from t"), "0");
        assert_eq!(session.execute("insert into t values ($1)", Some(&numbers.slice(0, 10))).await.unwrap(), 10);
    });
}

#[test]
fn parameters_have_to_fit_the_statement() {
    run(async {
        let (_server, session) = start().await;
        let one = numbers(1..2);
        let failure = session.execute("select $1::int8, $2::int8", Some(&one)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Permanent);
        assert!(failure.message.contains("2 parameters, and 1 are given"), "{failure}");
        let failure = session.query("select $1::int8", Some(&numbers(0..2)), &[]).await.err().unwrap();
        assert_eq!(failure.kind, FailureKind::Permanent);
        let failure = session.execute("select $1::int2", Some(&numbers(70_000..70_001))).await.unwrap_err();
        assert_eq!((failure.kind, failure.properties.get("row")), (FailureKind::InvalidData, Some("0")));
        let wrong = batch([("a", "timestamp", ints([Some(0)]))]);
        let failure = session.execute("select $1::timestamp", Some(&wrong)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Config);
        assert!(failure.message.contains("parameter $1"), "{failure}");
        assert_eq!(value(&session, "select 'still here'").await, "still here");
    });
}

#[test]
fn a_nul_byte_is_refused_before_anything_is_sent() {
    run(async {
        let (server, session) = start().await;
        session.script("create table t (a text)").await.unwrap();
        let rows = batch([("a", "text", texts([Some("good"), Some("b\0d")]))]);
        let failure = session.execute("insert into t values ($1)", Some(&rows)).await.unwrap_err();
        assert_eq!((failure.kind, failure.properties.get("row")), (FailureKind::InvalidData, Some("1")));
        let failure = session.script("select 1\0").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Permanent);
        assert_eq!(server.psql("select count(*) from t"), "0");
    });
}
