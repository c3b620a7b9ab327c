//! Digests: equal for equal records wherever they stand and whatever holds them, different for every difference.

use std::collections::BTreeSet;

use lockstep::connector::{BucketDigests, CompareRequest, FailureKind, PageLimits, Source as _};
use lockstep::plugin::PluginConnector;
use lockstep::record::{Field, Properties};
use serde_json::json;

use super::start;
use crate::plugins::{Record, field, records, run};

const BUCKETS: u32 = 64;

struct Side<'a> {
    plugin: &'a PluginConnector,
    request: CompareRequest,
}

impl<'a> Side<'a> {
    fn new(plugin: &'a PluginConnector, table: &str, key: &[&str], fields: &[(&str, &str)]) -> Self {
        let fields: Vec<Field> = fields.iter().map(|(name, logical)| field(name, logical)).collect();
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        let request =
            CompareRequest { stream: table.into(), key, fields, method: String::new(), options: Properties::default() };
        Self { plugin, request }
    }

    async fn method(&self) -> String {
        let methods = self.plugin.compare().unwrap().methods(&self.request).await.unwrap();
        assert_eq!(methods.len(), 1);
        methods[0].clone()
    }

    async fn digest(&self) -> BucketDigests {
        let request = CompareRequest { method: self.method().await, ..self.request.clone() };
        let digests = self.plugin.compare().unwrap().digest(&request, BUCKETS).await.unwrap();
        assert_eq!((digests.rows.len(), digests.sums.len()), (BUCKETS as usize, BUCKETS as usize));
        digests
    }

    async fn entries(&self, wanted: &[u32]) -> BTreeSet<(String, u64)> {
        let request = CompareRequest { method: self.method().await, ..self.request.clone() };
        let mut reader = self.plugin.compare().unwrap().entries(&request, BUCKETS, wanted).await.unwrap();
        let mut entries = BTreeSet::new();
        while let Some(page) = reader.next(PageLimits { rows: 100, bytes: 1 << 20 }).await.unwrap() {
            assert_eq!(page.keys.rows(), page.digests.len());
            let keys: Vec<Record> = records(&page.keys);
            entries.extend(keys.into_iter().map(|key| json!(key).to_string()).zip(page.digests));
        }
        entries
    }
}

fn differing(left: &BucketDigests, right: &BucketDigests) -> Vec<u32> {
    let differs = |bucket: &u32| {
        let bucket = *bucket as usize;
        (left.rows[bucket], left.sums[bucket]) != (right.rows[bucket], right.sums[bucket])
    };
    (0..BUCKETS).filter(differs).collect()
}

async fn check_equal(left: &Side<'_>, right: &Side<'_>) {
    assert_eq!(left.method().await, right.method().await);
    assert_eq!(left.digest().await, right.digest().await);
    let all: Vec<u32> = (0..BUCKETS).collect();
    assert_eq!(left.entries(&all).await, right.entries(&all).await);
}

#[test]
fn a_hundred_thousand_rows_in_another_order_are_equal_and_differences_are_found_exactly() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE a (id bigint PRIMARY KEY, name text, price numeric(12,2), at timestamptz);
             INSERT INTO a SELECT i, 'n' || i, i / 8.0, timestamptz '2026-01-01' + i * interval '1 minute' FROM generate_series(1, 100000) i;
             CREATE TABLE b (LIKE a INCLUDING ALL); INSERT INTO b SELECT * FROM a ORDER BY md5(id::text)",
        );
        let fields = [("id", "int64"), ("name", "text"), ("price", "decimal(12,2)"), ("at", "timestamp")];
        let side = |table: &str| Side::new(&plugin, table, &["id"], &fields);
        let (a, b) = (side("a"), side("b"));
        let left = a.digest().await;
        assert_eq!(left, b.digest().await);
        assert_eq!(left.rows.iter().sum::<u64>(), 100_000);
        // Buckets are filled evenly.
        assert!(left.rows.iter().all(|rows| (1200..2000).contains(rows)), "{:?}", left.rows);

        server.psql(
            "UPDATE b SET price = price + 0.01 WHERE id = 77; UPDATE b SET name = NULL WHERE id = 78; DELETE FROM b WHERE id = 79; \
             INSERT INTO b VALUES (100001, '', NULL, NULL); \
             UPDATE b SET name = 'n' || CASE id WHEN 500 THEN 501 ELSE 500 END WHERE id IN (500, 501)",
        );
        let right = b.digest().await;
        let wanted = differing(&left, &right);
        assert!((1..=6).contains(&wanted.len()), "{wanted:?}");
        let (left, right) = (a.entries(&wanted).await, b.entries(&wanted).await);
        assert!(left.len() < 20_000);
        let keys: BTreeSet<i64> = left
            .symmetric_difference(&right)
            .map(|(key, _)| serde_json::from_str::<Record>(key).unwrap()["id"].as_i64().unwrap())
            .collect();
        assert_eq!(keys.into_iter().collect::<Vec<_>>(), [77, 78, 79, 500, 501, 100_001]);
    });
}

#[test]
fn types_that_hold_the_same_values_compare() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN code AS varchar(20); CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE a (id int, part varchar(9), small smallint, price numeric(12,2), r real, mood mood, fixed char(4), doc jsonb, list int[], addr inet, iv interval,
                raw bytea, flag bool, day date, clock time, at timestamptz(3), wall timestamp, u uuid, PRIMARY KEY (id, part));
             CREATE TABLE b (id bigint, part text COLLATE nocase, small bigint, price numeric, r float8, mood text, fixed text, doc json, list text, addr code, iv text,
                raw bytea, flag bool, day date, clock time, at timestamptz, wall timestamp, u uuid, PRIMARY KEY (part, id));
             INSERT INTO a VALUES
                (1, 'x', -32768, 1.50, 0.1, 'ok', 'ab', '{\"b\":1,\"a\":[1, 2]}', '{1,NULL,3}', '10.0.0.1', '1 day 02:03:04.5', '\\x00ff', true, '0044-03-15 BC', '23:59:59.999999',
                    '2026-11-21 12:00:00.123+01', 'infinity', '01234567-89ab-cdef-0123-456789abcdef'),
                (2, '', 32767, 0, 'NaN', 'sad', '', 'null', '{}', '10.0.0.0/8', '-1 mon', '', false, 'infinity', '00:00', '-infinity', '1999-12-31', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
                (3, 'X', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
             INSERT INTO b SELECT id, part, small, price + 0.000, r, mood, format('%s', fixed), doc::text::json, list::text, abbrev(addr), iv::text, raw, flag, day, clock, at, wall, u
                FROM a WHERE id < 3 ORDER BY id DESC;
             INSERT INTO b SELECT id, part FROM a WHERE id = 3",
        );
        let names = [
            "id", "part", "small", "price", "r", "mood", "fixed", "doc", "list", "addr", "iv", "raw", "flag", "day",
            "clock", "at", "wall", "u",
        ];
        let logical = [
            "int64",
            "text",
            "int64",
            "decimal",
            "float64",
            "text",
            "text",
            "json",
            "text",
            "text",
            "text",
            "binary",
            "bool",
            "date",
            "time",
            "timestamp",
            "datetime",
            "uuid",
        ];
        let fields: Vec<(&str, &str)> = names.into_iter().zip(logical).collect();
        check_equal(
            &Side::new(&plugin, "a", &["id", "part"], &fields),
            &Side::new(&plugin, "b", &["id", "part"], &fields),
        )
        .await;
    });
}

#[test]
fn methods_tell_apart_what_cannot_be_compared() {
    run(async {
        let (_server, plugin) =
            start("CREATE TABLE a (id int PRIMARY KEY, v numeric); CREATE TABLE b (id int PRIMARY KEY, v text)");
        let fields = [("id", "int64"), ("v", "text")];
        let (a, b) = (Side::new(&plugin, "a", &["id"], &fields), Side::new(&plugin, "b", &["id"], &fields));
        assert_ne!(a.method().await, b.method().await);
        // An empty table has a digest as well.
        assert_eq!(a.digest().await.rows, [0; BUCKETS as usize]);
        assert!(a.entries(&[]).await.is_empty());
        let unkeyed = Side::new(&plugin, "a", &[], &fields);
        let failure = plugin.compare().unwrap().methods(&unkeyed.request).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "postgres.no-key"));
        let gone = Side::new(&plugin, "gone", &["id"], &fields);
        assert_eq!(plugin.compare().unwrap().methods(&gone.request).await.unwrap_err().kind, FailureKind::NotFound);
    });
}

#[test]
fn every_single_difference_shows() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE a (id int PRIMARY KEY, one text, two text, n int, pad char(4), day date, flag bool);
             INSERT INTO a SELECT i, 'a', 'b', 1, 'p', '2026-11-21', true FROM generate_series(1, 50) i",
        );
        let fields = [
            ("id", "int64"),
            ("one", "text"),
            ("two", "text"),
            ("n", "int64"),
            ("pad", "text"),
            ("day", "date"),
            ("flag", "bool"),
        ];
        let side = Side::new(&plugin, "a", &["id"], &fields);
        let before = side.digest().await;
        for change in [
            "one = 'b', two = 'a'",
            "one = NULL",
            "one = ''",
            "one = 'A'",
            "one = 'a '",
            "two = NULL",
            "n = NULL",
            "n = 0",
            "n = -1",
            "pad = 'q'",
            "pad = NULL",
            "day = 'infinity'",
            "day = NULL",
            "flag = false",
            "flag = NULL",
            "id = 51",
        ] {
            server.psql(&format!("CREATE TABLE kept AS TABLE a; UPDATE a SET {change} WHERE id = 7"));
            let after = side.digest().await;
            assert!(!differing(&before, &after).is_empty(), "{change}");
            server.psql("TRUNCATE a; INSERT INTO a TABLE kept; DROP TABLE kept");
            assert_eq!(side.digest().await, before);
        }
        // The same change in two records does not take itself back.
        server.psql("UPDATE a SET one = 'x', two = 'x' WHERE id IN (1, 2)");
        assert!(!differing(&before, &side.digest().await).is_empty());
    });
}
