//! Every value comes out as it went in, or is refused with a reason; never almost.

use lockstep::connector::{FailureKind, PageLimits, Sink as _, Source, WriteMode};
use lockstep::plugin::PluginConnector;
use lockstep::record::{Changes, Stream};
use lockstep_test_servers::Postgres;
use serde_json::json;

use super::start;
use crate::plugins::{Reading, copy, counts, field, page, relabel, run, stream, write};

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

const TYPES: &str = "
    CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('sad', 'it''s \"ok\"');
    CREATE TYPE pair AS (a int, b text); CREATE DOMAIN cents AS numeric(12,2) CHECK (value > -100); CREATE DOMAIN words AS text[]";

/// Copies a column of this type with these values from one table to another.
async fn check((server, plugin): &(Postgres, PluginConnector), native: &str, values: &[&str]) {
    let rows: Vec<String> = values.iter().enumerate().map(|(id, value)| format!("({id}, {value})")).collect();
    server.psql(&format!(
        "SET client_min_messages = error; DROP TABLE IF EXISTS a, b; CREATE TABLE a (id int PRIMARY KEY, v {native}); \
         INSERT INTO a VALUES {}, (-1, NULL)",
        rows.join(", ")
    ));
    let target = copy(plugin, "a", plugin, "b").await;
    if native == "cents" || native == "numeric(3,5)" {
        // Numbers are made of the digits they need, not of the domain or the odd scale they had.
        assert_eq!(
            server.psql("SELECT string_agg(v::text, ' ' ORDER BY id) FROM a"),
            server.psql("SELECT string_agg(v::text, ' ' ORDER BY id) FROM b")
        );
    } else {
        check_same(server, "a", "b");
    }
    // Merged once more there is nothing to change: every value is equal to itself.
    assert_eq!(merge_again(plugin, &target).await, (0, values.len() as u64 + 1, 0), "{native}");
}

async fn merge_again(plugin: &PluginConnector, target: &Stream) -> (u64, u64, u64) {
    let request = Reading::full(plugin, "a").discovered().await.request;
    let mut reader = Source::open(plugin, request).await.unwrap();
    let read = reader.next(PageLimits { rows: 1000, bytes: 1 << 20 }).await.unwrap();
    let changes = Changes { data: relabel(&read.changes.data, target), ..read.changes };
    counts(&write(plugin, target, WriteMode::Upsert, &[changes]).await.unwrap().0)
}

#[test]
fn numbers_are_exact() {
    run(async {
        let own = start(TYPES);
        check(&own, "smallint", &["-32768", "0", "32767"]).await;
        check(&own, "int", &["-2147483648", "2147483647"]).await;
        check(&own, "bigint", &["-9223372036854775808", "9007199254740993", "9223372036854775807"]).await;
        check(
            &own,
            "numeric(38,10)",
            &["9999999999999999999999999999.9999999999", "-0.0000000001", "0", "12345678901234567890.1234567890"],
        )
        .await;
        check(&own, "numeric(18,4)", &["99999999999999.9999", "-99999999999999.9999", "0.0001"]).await;
        check(
            &own,
            "numeric",
            &[
                "1.10",
                "1.1",
                "0.000",
                "'NaN'",
                "'Infinity'",
                "'-Infinity'",
                "-1e-50",
                "1e200",
                "123456789012345678901234567890123456789012345678901234567890.123",
            ],
        )
        .await;
        check(&own, "numeric(3,5)", &["0.00999", "-0.00001"]).await;
        check(&own, "real", &["0.1", "'NaN'", "'-Infinity'", "3.4028235e38", "1e-45", "'-0'"]).await;
        check(&own, "double precision", &["0.1", "'NaN'", "'Infinity'", "1.7976931348623157e308", "5e-324", "'-0'"])
            .await;
        check(&own, "money", &["'92233720368547758.07'", "'-0.01'"]).await;
        check(&own, "oid", &["0", "4294967295"]).await;
        check(&own, "cents", &["-99.99", "9999999999.99"]).await;
    });
}

#[test]
fn texts_and_bytes_are_exact() {
    run(async {
        let own = start(TYPES);
        let texts =
            ["''", "' '", "E'\\t\\r\\n\\\\N \\\\.'", "'NULL'", "'häßlich \u{1F600} e\u{301}'", "repeat('x', 100000)"];
        check(&own, "text", &texts).await;
        check(&own, "varchar", &texts[..5]).await;
        check(&own, "varchar(30)", &texts[..5]).await;
        check(&own, "char(8)", &["''", "'ab'", "' ab'", "'äöüäöüäö'"]).await;
        check(&own, "bpchar", &["''", "'ab'", "'ab '"]).await;
        check(&own, "name", &["'n'", "repeat('n', 63)"]).await;
        check(&own, "\"char\"", &["'x'", "''"]).await;
        check(&own, "citext", &["'MiXed'", "''"]).await;
        check(&own, "bytea", &["''", "'\\x00ff5c'", "decode(repeat('00ff', 50000), 'hex')"]).await;
        check(&own, "json", &["'{\"b\": 1,  \"b\":2, \"a\":1.10}'", "'null'", "'\"\\u0041\"'"]).await;
        check(&own, "jsonb", &["'{\"b\": 1e400, \"a\": [1.10, null]}'", "'null'", "'\"\"'"]).await;
        check(&own, "xml", &["'<a>b</a>'"]).await;
    });
}

#[test]
fn times_are_exact() {
    run(async {
        let own = start(TYPES);
        check(
            &own,
            "date",
            &["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'0001-12-31 BC'", "'0001-01-01'", "'5874897-12-31'"],
        )
        .await;
        check(&own, "time", &["'00:00'", "'23:59:59.999999'", "'24:00'"]).await;
        check(&own, "time(3)", &["'23:59:59.999'"]).await;
        check(
            &own,
            "timestamptz",
            &[
                "'infinity'",
                "'-infinity'",
                "'4713-01-01 00:00:00+00 BC'",
                "'294246-12-31 23:59:59.999999+00'",
                "'1969-12-31 23:59:59.999999+00'",
            ],
        )
        .await;
        check(&own, "timestamptz(0)", &["'2026-11-21 12:00:00+01'"]).await;
        check(
            &own,
            "timestamp",
            &[
                "'infinity'",
                "'-infinity'",
                "'4713-01-01 00:00:00 BC'",
                "'294246-12-31 23:59:59.999999'",
                "'0001-01-01 00:00:00.000001 BC'",
            ],
        )
        .await;
        check(&own, "timetz", &["'12:00:00.5+05:30'"]).await;
        check(&own, "interval", &["'1 year -2 mons +3 days -04:05:06.789'", "'0'", "'1 day'", "'24:00:00'"]).await;
        check(&own, "interval(0)", &["'3 days 04:05:06'"]).await;
    });
}

#[test]
fn everything_else_is_exact_as_text() {
    run(async {
        let own = start(TYPES);
        check(&own, "bool", &["true", "false"]).await;
        check(&own, "uuid", &["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"])
            .await;
        check(&own, "mood", &["'sad'", "'it''s \"ok\"'"]).await;
        check(&own, "int[]", &["'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[5:6]={7,8}'"]).await;
        check(&own, "text[]", &["ARRAY['', 'NULL', NULL, 'a,b', '\"', E'\\\\', ' ']"]).await;
        check(&own, "words", &["ARRAY['a']"]).await;
        check(&own, "mood[]", &["ARRAY['sad']::mood[]"]).await;
        check(&own, "timestamptz[]", &["ARRAY[timestamptz '2026-11-21 12:00:00.000001+01']"]).await;
        check(&own, "float8[]", &["ARRAY[0.1::float8, 'NaN']"]).await;
        check(&own, "pair", &["(1, 'a\"b')"]).await;
        check(&own, "inet", &["'10.0.0.1'", "'10.0.0.1/8'", "'::1'"]).await;
        check(&own, "cidr", &["'10.0.0.0/8'"]).await;
        check(&own, "macaddr", &["'08:00:2b:01:02:03'"]).await;
        check(&own, "bit(3)", &["B'101'"]).await;
        check(&own, "varbit", &["B''", "B'1'"]).await;
        check(&own, "point", &["'(0.1,-2)'"]).await;
        check(&own, "int4range", &["'[1,5)'", "'empty'", "'(,)'"]).await;
        check(&own, "tsvector", &["'a:1 fat:2 cat:3'"]).await;
        check(&own, "hstore", &["'a=>1, b=>NULL'"]).await;
        check(&own, "pg_lsn", &["'16/B374D848'"]).await;
    });
}

#[test]
fn what_has_no_exact_value_is_put_aside_with_a_reason() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, big numeric, n numeric(9,2), at timestamptz, wall timestamp); \
             INSERT INTO t VALUES (1, 'NaN', 1.5, 'now', 'now'), (2, '-Infinity', 'NaN', NULL, NULL), \
                (4, NULL, NULL, '294276-12-31 23:59:59+00', NULL), (5, NULL, NULL, NULL, '294276-12-31 23:59:59')",
        );
        let shown = Reading::full(&plugin, "t").read().await;
        assert_eq!(shown.ints("id"), [1]);
        // Numbers without a shape travel as text, which has words for what is none.
        assert_eq!(shown.records[0]["big"], json!("NaN"));
        let positions: Vec<&str> = shown.rejected.iter().map(|(position, _, _)| position.as_str()).collect();
        assert_eq!(positions, ["id = 2", "id = 4", "id = 5"]);
        for ((_, _, message), words) in shown.rejected.iter().zip(["`n`", "`at`", "`wall`"]) {
            assert!(message.contains(words), "{message}");
        }
    });
}

#[test]
fn what_a_column_would_round_or_cut_is_refused() {
    run(async {
        let (server, plugin) = start("");
        for (native, logical, good, bad) in [
            ("numeric(5,2)", "decimal(9,4)", json!("123.4500"), json!("123.4567")),
            ("numeric(5,2)", "decimal(9,2)", json!("999.99"), json!("1000.00")),
            ("real", "float64", json!(0.5), json!(0.1)),
            ("double precision", "int64", json!(9_007_199_254_740_992i64), json!(9_007_199_254_740_993i64)),
            ("timestamp(3)", "datetime", json!("2026-11-21T12:00:00.123"), json!("2026-11-21T12:00:00.123456")),
            ("char(2)", "text", json!("ab"), json!("abc")),
            ("smallint", "int64", json!(-32768), json!(32768)),
            ("int", "decimal(12,0)", json!("7"), json!("3000000000")),
            ("bool", "text", json!("true"), json!("perhaps")),
            ("uuid", "text", json!("01234567-89ab-cdef-0123-456789abcdef"), json!("0123")),
            ("date", "text", json!("2026-11-21"), json!("2026-02-30")),
        ] {
            server.psql(&format!("SET client_min_messages = error; DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, v {native})"));
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
        plugin.prepare(&wanted, crate::plugins::REAL).await.unwrap();
        assert_eq!(
            server.psql("SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'made'::regclass AND attnum > 0"),
            "bigint text numeric"
        );
    });
}
