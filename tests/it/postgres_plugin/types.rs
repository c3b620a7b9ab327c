//! Every value comes out as it went in, or is refused with a reason; never almost.

use lockstep::connector::{FailureKind, WriteMode};
use lockstep_test_servers::Postgres;
use serde_json::{Value, json};

use super::start;
use crate::plugins::{Reading, copy, counts, field, page, run, stream, write};

/// What stands in one table and not in the other, with all types.
fn check_same(server: &Postgres, one: &str, other: &str) {
    let shape = |table: &str| {
        server.psql(&format!(
            "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute \
             WHERE attrelid = '{table}'::regclass AND attnum > 0"
        ))
    };
    assert_eq!(shape(one), shape(other));
    // As text, where equality would overlook zeros at the end or the sign of nothing.
    let rows = |table: &str| server.psql(&format!("SELECT t::text FROM {table} t ORDER BY id"));
    assert_eq!(rows(one), rows(other));
    let all = |table: &str| format!("SELECT (t.*)::text COLLATE \"C\" FROM {table} t");
    for (left, right) in [(one, other), (other, one)] {
        assert_eq!(server.psql(&format!("SELECT count(*) FROM ({} EXCEPT ALL {}) x", all(left), all(right))), "0");
    }
}

/// Copies a column of this type with these values from one table to another, and through a second to the same again.
async fn check_column(native: &str, values: &[&str]) {
    let rows: Vec<String> = values.iter().enumerate().map(|(id, value)| format!("({id}, {value})")).collect();
    let (server, plugin) = start(&format!(
        "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('sad', 'it''s \"ok\"'); CREATE TYPE pair AS (a int, b text); \
         CREATE DOMAIN cents AS numeric(12,2) CHECK (value > -100); CREATE DOMAIN words AS text[]; \
         CREATE TABLE a (id int PRIMARY KEY, v {native}); INSERT INTO a VALUES {}, (-1, NULL)",
        rows.join(", ")
    ));
    let target = copy(&plugin, "a", &plugin, "b").await;
    assert_eq!(server.psql("SELECT count(*) FROM b"), (values.len() + 1).to_string());
    // The table made for it may have wider integers and floats, but holds the same.
    let own = server.psql("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'b'::regclass AND attname = 'v'");
    let expected = server.psql("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'v'");
    let is_numeric = expected.starts_with("numeric") || expected == "cents";
    assert!(own == expected || is_numeric, "{own} for {expected}");
    if own == expected {
        check_same(&server, "a", "b");
    }
    // Merged once more there is nothing to change: every value is equal to itself.
    let mut reading = Reading::full(&plugin, "a");
    let shown = reading.read().await;
    let records: Vec<Value> = shown.records.into_iter().map(Value::Object).collect();
    let (flushed, _) = write(&plugin, &target, WriteMode::Upsert, &[page(&target, &records)]).await.unwrap();
    assert_eq!(counts(&flushed), (0, values.len() as u64 + 1, 0), "{native}");
}

#[test]
fn numbers_are_exact() {
    run(async {
        check_column("smallint", &["-32768", "0", "32767"]).await;
        check_column("int", &["-2147483648", "2147483647"]).await;
        check_column("bigint", &["-9223372036854775808", "9007199254740993", "9223372036854775807"]).await;
        check_column("numeric(38,10)", &["9999999999999999999999999999.9999999999", "-0.0000000001", "0", "12345678901234567890.1234567890"]).await;
        check_column("numeric(18,4)", &["99999999999999.9999", "-99999999999999.9999", "0.0001"]).await;
        check_column("numeric", &["1.10", "1.1", "0.000", "-1e-50", "1e200", "123456789012345678901234567890123456789012345678901234567890.123"]).await;
        check_column("numeric(3,5)", &["0.00999", "-0.00001"]).await;
        check_column("real", &["0.1", "'NaN'", "'-Infinity'", "3.4028235e38", "1e-45", "'-0'"]).await;
        check_column("double precision", &["0.1", "'NaN'", "'Infinity'", "1.7976931348623157e308", "5e-324", "'-0'"]).await;
        check_column("money", &["'92233720368547758.07'", "'-0.01'"]).await;
        check_column("oid", &["0", "4294967295"]).await;
        check_column("cents", &["-99.99", "9999999999.99"]).await;
    });
}

#[test]
fn texts_and_bytes_are_exact() {
    run(async {
        let texts = ["''", "' '", "E'\\t\\r\\n\\\\N \\\\.'", "'NULL'", "'häßlich \u{1F600} e\u{301}'", "repeat('x', 100000)"];
        check_column("text", &texts).await;
        check_column("varchar", &texts[..5]).await;
        check_column("varchar(30)", &texts[..5]).await;
        check_column("char(8)", &["''", "'ab'", "' ab'", "'äöüäöüäö'"]).await;
        check_column("bpchar", &["''", "'ab'", "'ab '"]).await;
        check_column("name", &["'n'", "repeat('n', 63)"]).await;
        check_column("\"char\"", &["'x'", "''"]).await;
        check_column("citext", &["'MiXed'", "''"]).await;
        check_column("bytea", &["''", "'\\x00ff5c'", "decode(repeat('00ff', 50000), 'hex')"]).await;
        check_column("json", &["'{\"b\": 1,  \"b\":2, \"a\":1.10}'", "'null'", "'\"\\u0041\"'"]).await;
        check_column("jsonb", &["'{\"b\": 1e400, \"a\": [1.10, null]}'", "'null'", "'\"\"'"]).await;
        check_column("xml", &["'<a>b</a>'"]).await;
    });
}

#[test]
fn times_are_exact() {
    run(async {
        check_column("date", &["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'0001-12-31 BC'", "'0001-01-01'", "'5874897-12-31'"]).await;
        check_column("time", &["'00:00'", "'23:59:59.999999'", "'24:00'"]).await;
        check_column("time(3)", &["'23:59:59.999'"]).await;
        check_column("timestamptz", &["'infinity'", "'-infinity'", "'4713-01-01 00:00:00+00 BC'", "'294246-12-31 23:59:59.999999+00'", "'1969-12-31 23:59:59.999999+00'"]).await;
        check_column("timestamptz(0)", &["'2026-11-21 12:00:00+01'"]).await;
        check_column("timestamp", &["'infinity'", "'-infinity'", "'4713-01-01 00:00:00 BC'", "'294246-12-31 23:59:59.999999'", "'0001-01-01 00:00:00.000001 BC'"]).await;
        check_column("timetz", &["'12:00:00.5+05:30'"]).await;
        check_column("interval", &["'1 year -2 mons +3 days -04:05:06.789'", "'0'", "'1 day'", "'24:00:00'"]).await;
        check_column("interval(0)", &["'3 days 04:05:06'"]).await;
    });
}

#[test]
fn everything_else_is_exact_as_text() {
    run(async {
        check_column("bool", &["true", "false"]).await;
        check_column("uuid", &["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]).await;
        check_column("mood", &["'sad'", "'it''s \"ok\"'"]).await;
        check_column("int[]", &["'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[5:6]={7,8}'"]).await;
        check_column("text[]", &["ARRAY['', 'NULL', NULL, 'a,b', '\"', E'\\\\', ' ']"]).await;
        check_column("words", &["ARRAY['a']"]).await;
        check_column("mood[]", &["ARRAY['sad']::mood[]"]).await;
        check_column("timestamptz[]", &["ARRAY[timestamptz '2026-11-21 12:00:00.000001+01']"]).await;
        check_column("float8[]", &["ARRAY[0.1::float8, 'NaN']"]).await;
        check_column("pair", &["(1, 'a\"b')"]).await;
        check_column("inet", &["'10.0.0.1'", "'10.0.0.1/8'", "'::1'"]).await;
        check_column("cidr", &["'10.0.0.0/8'"]).await;
        check_column("macaddr", &["'08:00:2b:01:02:03'"]).await;
        check_column("bit(3)", &["B'101'"]).await;
        check_column("varbit", &["B''", "B'1'"]).await;
        check_column("point", &["'(0.1,-2)'"]).await;
        check_column("int4range", &["'[1,5)'", "'empty'", "'(,)'"]).await;
        check_column("tsvector", &["'a:1 fat:2 cat:3'"]).await;
        check_column("hstore", &["'a=>1, b=>NULL'"]).await;
        check_column("pg_lsn", &["'16/B374D848'"]).await;
    });
}

#[test]
fn what_has_no_exact_value_is_put_aside_with_a_reason() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, n numeric, at timestamptz, wall timestamp); \
             INSERT INTO t VALUES (1, 1.5, 'now', 'now'), (2, 'NaN', NULL, NULL), (3, 'Infinity', NULL, NULL), \
                (4, NULL, '294276-12-31 23:59:59+00', NULL), (5, NULL, NULL, '294276-12-31 23:59:59')",
        );
        let shown = Reading::full(&plugin, "t").read().await;
        assert_eq!(shown.ints("id"), [1]);
        let positions: Vec<&str> = shown.rejected.iter().map(|(position, _, _)| position.as_str()).collect();
        assert_eq!(positions, ["id = 2", "id = 3", "id = 4", "id = 5"]);
        for ((_, _, message), words) in shown.rejected.iter().zip(["`n`", "`n`", "`at`", "`wall`"]) {
            assert!(message.contains(words), "{message}");
        }
    });
}

#[test]
fn what_a_column_would_round_or_cut_is_refused() {
    run(async {
        for (native, logical, good, bad) in [
            ("numeric(5,2)", "decimal(9,4)", json!("123.4500"), json!("123.4567")),
            ("numeric(5,2)", "decimal(9,2)", json!("999.99"), json!("1000.00")),
            ("real", "float64", json!(0.5), json!(0.1)),
            ("double precision", "int64", json!(9_007_199_254_740_992i64), json!(9_007_199_254_740_993i64)),
            ("timestamp(3)", "datetime", json!("2026-11-21T12:00:00.123"), json!("2026-11-21T12:00:00.123456")),
            ("char(2)", "text", json!("ab"), json!("abc")),
            ("smallint", "int64", json!(-32768), json!(32768)),
            ("int", "decimal(9,2)", json!("7.00"), json!("7.50")),
            ("bool", "text", json!("true"), json!("perhaps")),
            ("uuid", "text", json!("01234567-89ab-cdef-0123-456789abcdef"), json!("0123")),
            ("date", "text", json!("2026-11-21"), json!("2026-02-30")),
        ] {
            let (server, plugin) = start(&format!("CREATE TABLE t (id int PRIMARY KEY, v {native})"));
            let target = stream("t", &["id"], &[("id", "int64"), ("v", logical)]);
            let both = page(&target, &[json!({"id": 1, "v": good}), json!({"id": 2, "v": bad})]);
            match write(&plugin, &target, WriteMode::Upsert, &[both]).await {
                Ok((flushed, results)) => {
                    assert_eq!(counts(&flushed), (1, 0, 0), "{native}");
                    let errors = &results[0].errors;
                    assert_eq!(errors.iter().map(|error| error.row).collect::<Vec<_>>(), [1], "{native}");
                    assert_eq!(server.psql("SELECT id FROM t"), "1");
                }
                // Only the server can tell: the host takes the page apart.
                Err(failure) => {
                    assert_eq!(failure.kind, FailureKind::InvalidData, "{native}: {failure}");
                    assert_eq!(server.psql("SELECT count(*) FROM t"), "0");
                    let alone = [page(&target, &[json!({"id": 1, "v": good})])];
                    write(&plugin, &target, WriteMode::Upsert, &alone).await.unwrap();
                }
            }
        }
    });
}

#[test]
fn dialects_of_others_become_the_types_that_hold_them() {
    run(async {
        let (server, plugin) = start("");
        let mut wanted = stream("made", &["id"], &[("id", "int64"), ("v", "text")]);
        wanted.fields[0].properties.set("dialect", "sqlite");
        wanted.fields[0].properties.set("native-type", "INTEGER");
        wanted.fields.push(field("w", "decimal(2000,2)"));
        use lockstep::connector::Sink as _;
        plugin.prepare(&wanted, crate::plugins::REAL).await.unwrap();
        assert_eq!(
            server.psql("SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'made'::regclass AND attnum > 0"),
            "bigint text numeric"
        );
    });
}
