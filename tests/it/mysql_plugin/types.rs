//! Every type comes back as it went in.

use lockstep::connector::{Sink as _, Source as _, WriteMode};
use lockstep::record::{Changes, batch_from_json};
use serde_json::{Value, json};

use super::start;
use crate::plugins::{REAL, Reading, copy, counts, mysql, page, records, run, stream, write};

const FIELDS: [(&str, &str); 14] = [
    ("id", "int64"),
    ("flag", "bool"),
    ("whole", "int64"),
    ("real", "float64"),
    ("money", "decimal(12,2)"),
    ("big", "decimal(38,10)"),
    ("instant", "timestamp"),
    ("wall", "datetime"),
    ("day", "date"),
    ("clock", "time"),
    ("uid", "uuid"),
    ("words", "text"),
    ("raw", "binary"),
    ("doc", "json"),
];

fn values() -> Vec<Value> {
    let row = |id: i64, rest: [Value; 13]| {
        let names = FIELDS.iter().map(|(name, _)| (*name).to_owned());
        Value::Object(names.zip(std::iter::once(json!(id)).chain(rest)).collect())
    };
    let uid = "01234567-89ab-4def-8123-456789abcdef";
    vec![
        row(
            1,
            [
                json!(true),
                json!(i64::MAX),
                json!(0.1),
                json!("9999999999.99"),
                json!("1234567890123456789012345678.0123456789"),
                json!("2026-11-21T12:00:00.123456Z"),
                json!("2026-11-21T12:00:00"),
                json!("2026-11-21"),
                json!("23:59:59.999999"),
                json!(uid),
                json!("line\nline\r\n\"quotes\" 'n\\t\t\u{0}👍"),
                json!("AP8="),
                json!({"a": [1, null]}),
            ],
        ),
        row(
            2,
            [
                json!(false),
                json!(i64::MIN),
                json!(1e300),
                json!("-0.01"),
                json!("-0.0000000001"),
                json!("1970-01-01T00:00:01Z"),
                json!("0001-01-01T00:00:00"),
                json!("9999-12-31"),
                json!("00:00:00"),
                json!(uid),
                json!(""),
                json!(""),
                json!("{ \"b\": 1.10, \"a\": 2 }"),
            ],
        ),
        row(3, std::array::from_fn(|_| json!(null))),
    ]
}

#[test]
fn every_type_comes_back_as_it_went_in() {
    run(async {
        let (_first, plugin) = start("");
        let stream = stream("t", &["id"], &FIELDS);
        plugin.prepare(&stream, REAL).await.unwrap();
        let found = plugin.discover(&["t".to_owned()]).await.unwrap().remove(0);
        let types: Vec<(String, String)> =
            found.fields.iter().map(|field| (field.name.clone(), field.logical.to_string())).collect();
        assert_eq!(types, FIELDS.map(|(name, logical)| (name.to_owned(), logical.to_owned())));
        let batch = batch_from_json(&stream.fields.clone().into(), &values()).unwrap();
        let written = records(&batch);
        let pages = [Changes::upserts(batch)];
        for (round, expected) in [(0, (3, 0, 0)), (1, (0, 3, 0))] {
            let (flushed, results) = write(&plugin, &stream, WriteMode::Upsert, &pages).await.unwrap();
            assert!(results[0].errors.is_empty(), "{:?}", results[0].errors);
            assert_eq!(counts(&flushed), expected, "round {round}");
        }
        let shown = Reading::full(&plugin, "t").discovered().await.read().await;
        assert_eq!((json!(shown.records), shown.rejected.len()), (json!(written), 0));
        // Into another server, with the same columns again.
        let (second, other) = start("");
        copy(&plugin, "t", &other, "u").await;
        let again = Reading::full(&other, "u").discovered().await.read().await;
        assert_eq!(json!(again.records), json!(written));
        assert_eq!(other.discover(&["u".to_owned()]).await.unwrap()[0].fields, found.fields);
        assert_eq!(second.sql("SELECT doc FROM u WHERE id = 2"), "{ \"b\": 1.10, \"a\": 2 }");
    });
}

/// Values of the server's own types, as the other server has them.
const NATIVE: &str = "
    CREATE TABLE t (id int(11) PRIMARY KEY, tiny tinyint unsigned, small smallint(6), medium mediumint, huge bigint unsigned, amount decimal(65,30),
        half float, padded char(5), code varchar(20) CHARACTER SET latin1, note tinytext, fixed binary(4), bits bit(12), big_bits bit(64),
        mood enum('sad', 'it''s ok', 'A'), tags set('x', 'y', 'z'), born year, at timestamp, at3 datetime(3), clock time(1), uid uuid, addr inet6);
    INSERT INTO t VALUES (1, 255, -32768, 8388607, 18446744073709551615, 12345678901234567890123456789012345.123456789012345678901234567890,
        0.1, 'ab', 'größe', 'n', 'abcd', b'101010101010', 18446744073709551615, 'it''s ok', 'x,z', 2026, '2026-11-21 12:00:00', '2026-11-21 12:00:00.123',
        '12:00:00.5', '01234567-89ab-4def-8123-456789abcdef', '::1');
    INSERT INTO t (id) VALUES (2)";

#[test]
fn the_servers_own_types_are_copied_as_they_are() {
    run(async {
        let (first, plugin) = start(NATIVE);
        let (second, other) = start("");
        copy(&plugin, "t", &other, "t").await;
        assert_eq!(second.sql("SELECT * FROM t ORDER BY id"), first.sql("SELECT * FROM t ORDER BY id"));
        let columns = "SELECT group_concat(column_name, ' ', column_type ORDER BY ordinal_position) FROM information_schema.columns \
             WHERE table_name = 't' AND table_schema = 'test'";
        assert_eq!(second.sql(columns), first.sql(columns));
        // Once more, and nothing is different.
        let target = other.discover(&["t".to_owned()]).await.unwrap().remove(0);
        let shown = Reading::full(&plugin, "t").discovered().await.read().await;
        let rows: Vec<Value> = shown.records.into_iter().map(Value::Object).collect();
        let (flushed, results) = write(&other, &target, WriteMode::Upsert, &[page(&target, &rows)]).await.unwrap();
        assert_eq!((counts(&flushed), results[0].errors.len()), ((0, 2, 0), 0));
    });
}

#[test]
fn values_the_server_would_change_without_a_word_are_refused_one_by_one() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, n decimal(5,2), c char(3), b binary(2), d datetime, e enum('a', '2'), f float, y year)",
        );
        let fields = [
            ("id", "int64"),
            ("n", "decimal(9,4)"),
            ("c", "text"),
            ("b", "binary"),
            ("d", "datetime"),
            ("e", "text"),
            ("f", "float64"),
            ("y", "int64"),
        ];
        let target = stream("t", &["id"], &fields);
        let good = json!({"id": 0, "n": "1.2500", "c": "abc", "b": "AAA=", "d": "2026-01-01T00:00:00", "e": "2", "f": 0.5, "y": 2026});
        let bad = [
            ("n", json!("1.2345")),
            ("c", json!("a ")),
            ("b", json!("AA==")),
            ("d", json!("2026-01-01T00:00:00.5")),
            ("e", json!("A")),
            ("f", json!(0.1)),
            ("y", json!(70)),
        ];
        let mut rows = vec![good.clone()];
        for (number, (name, value)) in (1..).zip(&bad) {
            let mut row = good.clone();
            row["id"] = json!(number);
            row[name] = value.clone();
            rows.push(row);
        }
        for mode in [WriteMode::Load, WriteMode::Upsert] {
            server.sql("DELETE FROM t");
            let (flushed, results) = write(&plugin, &target, mode, &[page(&target, &rows)]).await.unwrap();
            let mut refused: Vec<(u32, &str)> = results[0]
                .errors
                .iter()
                .map(|error| (error.row, error.error.properties.get("field").unwrap()))
                .collect();
            refused.sort_unstable();
            let expected: Vec<(u32, &str)> = (1..).zip(bad.iter().map(|(name, _)| *name)).collect();
            assert_eq!((refused, counts(&flushed)), (expected, (1, 0, 0)), "{mode:?}");
        }
        assert_eq!(mysql(&server.url()).describe("t").await.unwrap().unwrap().properties.get("empty"), Some("false"));
    });
}
