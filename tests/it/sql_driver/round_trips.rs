//! Every type, with its extremes, written by a load and read back.

use super::*;

/// 4714-11-24 BC in microseconds and in days since 1970; the server's first instant.
const FIRST_MICROS: i64 = -210_866_803_200_000_000;
const FIRST_DAY: i64 = -2_440_588;

const TABLE: &str = "create table t (
    b boolean, i2 int2, i4 int4, i8 int8, o oid, f4 float4, f8 float8,
    n numeric, n2 numeric(12,2), n18 numeric(18,0), n38 numeric(38,10),
    t text, v varchar(5), c char(3), j json, jb jsonb, u uuid, by bytea,
    d date, ti time, ts timestamp, tz timestamptz)";

fn everything() -> Batch {
    let (max, min) = (Some(i64::MAX), Some(i64::MIN));
    batch([
        ("b", "bool", bools([Some(true), Some(false), None])),
        ("i2", "int64", ints([Some(32767), Some(-32768), None])),
        ("i4", "int64", ints([Some(i32::MAX.into()), Some(i32::MIN.into()), None])),
        ("i8", "int64", ints([max, min, None])),
        ("o", "int64", ints([Some(u32::MAX.into()), Some(0), None])),
        ("f4", "float64", floats([Some(f64::from(f32::MAX)), Some(f64::NAN), None])),
        ("f8", "float64", floats([Some(f64::MIN_POSITIVE), Some(f64::NEG_INFINITY), None])),
        ("n", "decimal", texts([Some("-123456789012345678901234567890.0100"), Some("NaN"), None])),
        ("n2", "decimal(12,2)", ints([Some(999_999_999_999), Some(-1), None])),
        ("n18", "decimal(18,0)", ints([Some(999_999_999_999_999_999), Some(0), None])),
        ("n38", "decimal(38,10)", texts([Some("1234567890123456789012345678.0123456789"), Some("0.0000000000"), None])),
        ("t", "text", texts([Some(""), Some("line\nline\r\n\ttab \\ \\N \"quoted\" 'too' é 🦀"), None])),
        ("v", "text", texts([Some("äöüßé"), Some(""), None])),
        ("c", "text", texts([Some("abc"), Some("   "), None])),
        ("j", "json", texts([Some("{\"b\": 1,  \"a\": [1.50]}"), Some("null"), None])),
        ("jb", "json", texts([Some("{\"a\": [1.50]}"), Some("\"\\\\N\""), None])),
        (
            "u",
            "uuid",
            texts([Some("01234567-89ab-cdef-0123-456789abcdef"), Some("ffffffff-ffff-ffff-ffff-ffffffffffff"), None]),
        ),
        ("by", "binary", blobs([Some(&b""[..]), Some(&b"\0\xff\\x\n"[..]), None])),
        ("d", "date", ints([max, Some(FIRST_DAY), None])),
        ("ti", "time", ints([Some(86_400_000_000), Some(0), None])),
        ("ts", "datetime", ints([min, Some(FIRST_MICROS), None])),
        ("tz", "timestamp", ints([Some(i64::MAX - 1), Some(-1), None])),
    ])
}

#[test]
fn every_type_survives_a_binary_load() {
    run(async {
        let (_server, session) = start().await;
        session.script(TABLE).await.unwrap();
        let everything = everything();
        assert_eq!(load(&session, "t", &everything).await, 3);
        assert_same(&read(&session, "select * from t", &[]).await, &everything);
    });
}

#[test]
fn every_type_survives_a_text_load() {
    run(async {
        let (_server, session) = start().await;
        session.script(&format!("{TABLE}; alter table t add ip inet")).await.unwrap();
        let addresses = texts([Some("10.0.0.0/8"), Some("::1"), None]);
        let columns = everything();
        let columns = columns
            .iter()
            .map(|(field, column)| (field.name.as_str(), field.logical.to_string(), column.array.clone()))
            .chain([("ip", "text".to_owned(), addresses)])
            .collect::<Vec<_>>();
        let everything = batch(columns.iter().map(|(name, logical, array)| (*name, logical.as_str(), array.clone())));
        assert_eq!(load(&session, "t", &everything).await, 3);
        assert_same(&read(&session, "select * from t", &[]).await, &everything);
    });
}

#[test]
fn every_type_survives_as_a_parameter() {
    run(async {
        let (_server, session) = start().await;
        session.script(TABLE).await.unwrap();
        let everything = everything();
        let places: Vec<String> = (1..=everything.columns().len()).map(|number| format!("${number}")).collect();
        let statement = format!("insert into t values ({})", places.join(", "));
        assert_eq!(session.execute(&statement, Some(&everything)).await.unwrap(), 3);
        assert_same(&read(&session, "select * from t", &[]).await, &everything);
    });
}

#[test]
fn the_server_reads_what_was_meant() {
    run(async {
        let (server, session) = start().await;
        session.script(TABLE).await.unwrap();
        load(&session, "t", &everything()).await;
        let row = server.psql(
            "set timezone = 'UTC'; set extra_float_digits = 1; select i8, f8, n, n2, d, ti, ts, tz, by from t limit 2",
        );
        let rows: Vec<&str> = row.lines().collect();
        assert_eq!(
            rows[0],
            "9223372036854775807|2.2250738585072014e-308|-123456789012345678901234567890.0100|9999999999.99|infinity|\
             24:00:00|-infinity|294247-01-10 04:00:54.775806+00|\\x"
        );
        assert_eq!(
            rows[1],
            "-9223372036854775808|-Infinity|NaN|-0.01|4714-11-24 BC|00:00:00|4714-11-24 00:00:00 BC|\
             1969-12-31 23:59:59.999999+00|\\x00ff5c780a"
        );
    });
}

#[test]
fn null_and_the_empty_text_stay_apart_in_both_formats() {
    run(async {
        let (server, session) = start().await;
        let rows = batch([("a", "text", texts([None, Some(""), Some("\\N"), Some("NULL"), Some("\\."), Some("\n")]))]);
        for (table, column) in [("plain", ""), ("with_array", ", b int[]")] {
            session.script(&format!("create table {table} (a text{column})")).await.unwrap();
            load(&session, table, &rows).await;
            assert_same(&read(&session, &format!("select a from {table}"), &[]).await, &rows);
            let counts = server.psql(&format!(
                "select count(*) filter (where a is null), count(*) filter (where a = '') from {table}"
            ));
            assert_eq!(counts, "1|1");
        }
    });
}

#[test]
fn names_that_need_quoting_are_quoted() {
    run(async {
        let (_server, session) = start().await;
        session
            .script(r#"create schema "S x"; create table "S x"."select ""t""" ("Order" int8, "a;--" text)"#)
            .await
            .unwrap();
        let rows = batch([("Order", "int64", ints([Some(1)])), ("a;--", "text", texts([Some("x")]))]);
        let table = ["S x".to_owned(), "select \"t\"".to_owned()];
        let mut ingest = session.ingest(&table, rows.fields()).await.unwrap();
        ingest.append(&rows).await.unwrap();
        assert_eq!(ingest.finish().await.unwrap(), 1);
        assert_same(&read(&session, r#"table "S x"."select ""t""""#, &[]).await, &rows);
    });
}

#[test]
fn many_pages_arrive_whole_and_in_order() {
    run(async {
        let (_server, session) = start().await;
        session.script("create table t (a int8)").await.unwrap();
        let mut ingest = session.ingest(&["t".into()], numbers(0..0).fields()).await.unwrap();
        for page in 0..30 {
            ingest.append(&numbers(page * 10_000..(page + 1) * 10_000)).await.unwrap();
        }
        assert_eq!(ingest.finish().await.unwrap(), 300_000);
        let mut rows = session.query("select a from t order by a", None, &[]).await.unwrap();
        let mut next = 0;
        while let Some(page) = rows.next(7777, u64::MAX).await.unwrap() {
            assert!(page.data.rows() == 7777 || next + page.data.rows() as i64 == 300_000);
            let expected = numbers(next..next + page.data.rows() as i64);
            assert_same(&page.data, &expected);
            next += page.data.rows() as i64;
        }
        assert_eq!(next, 300_000);
        assert!(rows.next(1, 1).await.unwrap().is_none());
    });
}

#[test]
fn a_page_ends_at_its_bytes_but_holds_a_row() {
    run(async {
        let (_server, session) = start().await;
        let statement = "select repeat('x', 1000000) from generate_series(1, 3)";
        let mut rows = session.query(statement, None, &[]).await.unwrap();
        for _ in 0..3 {
            assert_eq!(rows.next(1000, 1).await.unwrap().unwrap().data.rows(), 1);
        }
        assert!(rows.next(1000, 1).await.unwrap().is_none());
    });
}
