//! Types that are asked for, types nobody knows, values that fit nowhere.

use super::*;
use lockstep::connector::FailureKind;

#[test]
fn types_nobody_knows_arrive_as_the_servers_text() {
    run(async {
        let (_server, session) = start().await;
        session
            .script("create type mood as enum ('sad', 'happy'); create domain price as numeric(10,2)")
            .await
            .unwrap();
        let statement = "select 'happy'::mood as m, array[1,null,3] as a, '10.1.2.3/8'::inet as i, interval '1 year 2 days' as v,
            int4range(1,5) as r, point(1,2) as p, 12.5::price as d, b'101'::bit(3) as bits, 12.5::money as y, row(1,'x') as w";
        let mut rows = session.query(statement, None, &[]).await.unwrap();
        let natives: Vec<String> = rows
            .fields()
            .iter()
            .map(|field| format!("{}:{}", field.properties.get("native-type").unwrap(), field.logical))
            .collect();
        assert_eq!(
            natives,
            [
                "mood:text",
                "integer[]:text",
                "inet:text",
                "interval:text",
                "int4range:text",
                "point:text",
                "numeric(10,2):decimal(10,2)",
                "bit(3):text",
                "money:text",
                "record:text"
            ]
        );
        let page = rows.next(10, 1000).await.unwrap().unwrap().data;
        let expected = batch([
            ("m", "text", texts([Some("happy")])),
            ("a", "text", texts([Some("{1,NULL,3}")])),
            ("i", "text", texts([Some("10.1.2.3/8")])),
            ("v", "text", texts([Some("1 year 2 days")])),
            ("r", "text", texts([Some("[1,5)")])),
            ("p", "text", texts([Some("(1,2)")])),
            ("d", "decimal(10,2)", ints([Some(1250)])),
            ("bits", "text", texts([Some("101")])),
            ("y", "text", texts([Some("$12.50")])),
            ("w", "text", texts([Some("(1,x)")])),
        ]);
        assert_same(&page, &expected);
    });
}

#[test]
fn types_nobody_knows_can_be_loaded() {
    run(async {
        let (server, session) = start().await;
        session
            .script(
                "create type mood as enum ('sad', 'happy'); create domain price as numeric(10,2) check (value > 0);
                 create table binary_form (m mood, d price); create table text_form (m mood, d price, a int[], v interval)",
            )
            .await
            .unwrap();
        let columns = [("m", "text", texts([Some("sad"), None])), ("d", "decimal(10,2)", ints([Some(150), None]))];
        let more = [("a", "text", texts([Some("{1,2}"), None])), ("v", "text", texts([Some("1 day"), None]))];
        load(&session, "binary_form", &batch(columns.clone())).await;
        load(&session, "text_form", &batch(columns.into_iter().chain(more))).await;
        assert_eq!(server.psql("table binary_form"), "sad|1.50\n|");
        assert_eq!(server.psql("table text_form"), "sad|1.50|{1,2}|1 day\n|||");
    });
}

#[test]
fn wanted_types_are_obeyed_where_nothing_is_lost() {
    run(async {
        let (_server, session) = start().await;
        let statement =
            "select 7::int8, 7::int8, 1.5::numeric, 12::numeric, timestamptz '2026-11-21 12:00:00+00', true,
            date '2026-11-21', '2026-11-21'::text, '{\"a\": 1}'::jsonb, 7::int4";
        let types =
            ["text", "decimal(18,2)", "decimal(5,2)", "int64", "text", "text", "text", "date", "text", "float64"];
        let expected = batch([
            ("0", "text", texts([Some("7")])),
            ("1", "decimal(18,2)", ints([Some(700)])),
            ("2", "decimal(5,2)", ints([Some(150)])),
            ("3", "int64", ints([Some(12)])),
            ("4", "text", texts([Some("2026-11-21T12:00:00Z")])),
            ("5", "text", texts([Some("true")])),
            ("6", "text", texts([Some("2026-11-21")])),
            ("7", "date", ints([Some(20_778)])),
            ("8", "text", texts([Some("{\"a\": 1}")])),
            ("9", "float64", floats([Some(7.0)])),
        ]);
        assert_same(&read(&session, statement, &types).await, &expected);
    });
}

#[test]
fn a_type_that_would_lose_something_is_refused_with_its_column() {
    run(async {
        let (_server, session) = start().await;
        for (statement, wanted) in [
            ("select 1.5::numeric(5,2) as price", "float64"),
            ("select now() as price", "date"),
            ("select 1::money as price", "decimal(12,2)"),
            ("select 0.1::float8 as price", "decimal(12,2)"),
            ("select now()::timestamp as price", "timestamp"),
        ] {
            let failure = session.query(statement, None, &logicals(&[wanted])).await.err().unwrap();
            assert_eq!(failure.kind, FailureKind::Config, "{statement}");
            assert!(failure.message.contains("`price`"), "{failure}");
            assert!(failure.properties.get("hint").unwrap().contains("cast"), "{failure:?}");
        }
        // The session is free again.
        assert_eq!(value(&session, "select 'x'").await, "x");
    });
}

#[test]
fn values_that_do_not_fit_are_null_and_reported() {
    run(async {
        let (_server, session) = start().await;
        let statement = "select n, n, n, n::text from (values (1, 1.5), (2, 'NaN'::numeric), (3, 1.005), (4, 1000), (5, null)) v (i, n) order by i";
        let page = read_page(&session, statement, &["decimal", "decimal(5,2)", "decimal(38,2)", "decimal(5,2)"]).await;
        let expected = batch([
            ("0", "decimal", texts([Some("1.5"), Some("NaN"), Some("1.005"), Some("1000"), None])),
            ("1", "decimal(5,2)", ints([Some(150), None, None, None, None])),
            ("2", "decimal(38,2)", texts([Some("1.5"), None, None, Some("1000"), None])),
            ("3", "decimal(5,2)", ints([Some(150), None, None, None, None])),
        ]);
        assert_same(&page.data, &expected);
        let mut found: Vec<(u32, &str)> = page
            .problems
            .iter()
            .map(|problem| {
                assert_eq!(problem.error.kind, FailureKind::InvalidData);
                (problem.row, problem.error.code.id)
            })
            .collect();
        found.sort_unstable();
        let expected = [
            (1, "LS0601"),
            (1, "LS0602"),
            (1, "LS0602"),
            (2, "LS0603"),
            (2, "LS0603"),
            (2, "LS0603"),
            (3, "LS0602"),
            (3, "LS0602"),
        ];
        assert_eq!(found, expected);
    });
}

#[test]
fn text_that_is_not_utf8_is_reported() {
    run(async {
        let (server, _) = start().await;
        server.psql("create database raw encoding 'SQL_ASCII' template template0");
        let session = open(&server.url_of("raw")).await;
        let page = read_page(
            &session,
            "select convert_from(x, 'SQL_ASCII') from (values ('\\x41'::bytea), ('\\xff')) v (x)",
            &[],
        )
        .await;
        assert_same(&page.data, &batch([("a", "text", texts([Some("A"), None]))]));
        assert_eq!(page.problems.len(), 1);
        assert_eq!(page.problems[0].row, 1);
    });
}

#[test]
fn as_many_types_as_columns_are_needed() {
    run(async {
        let (_server, session) = start().await;
        let failure = session.query("select 1, 2", None, &logicals(&["int64"])).await.err().unwrap();
        assert_eq!(failure.kind, FailureKind::Permanent);
        assert!(failure.message.contains("2 columns"), "{failure}");
    });
}
