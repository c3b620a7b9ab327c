//! Records by their keys: all that exist and no others, whatever the key is made of.

use lockstep::connector::{Failure, FailureKind, Source as _};
use lockstep::plugin::PluginConnector;
use lockstep::record::{Batch, Field, batch_from_json};
use serde_json::{Value, json};

use super::start;
use crate::plugins::{Reading, Record, field, records, run};

/// Looks keys up; the fields are those of the table, the keys come in these types.
async fn look_up(plugin: &PluginConnector, keys: &[(&str, &str)], values: &[Value]) -> Result<Vec<Record>, Failure> {
    let mut request = Reading::full(plugin, "t").discovered().await.request;
    let fields: Vec<Field> = keys.iter().map(|(name, logical)| field(name, logical)).collect();
    for field in &fields {
        let place = request.fields.iter_mut().find(|other| other.name == field.name).unwrap();
        place.logical = field.logical;
    }
    request.key = keys.iter().map(|(name, _)| (*name).to_owned()).collect();
    let batch: Batch = batch_from_json(&fields.into(), values).unwrap();
    let found = plugin.lookup().unwrap().lookup(&request, &batch).await?;
    Ok(records(&found.data))
}

/// The values of `v` that are found, in order.
async fn check(plugin: &PluginConnector, keys: &[(&str, &str)], values: &[Value], expected: &[i64]) {
    let mut found: Vec<i64> =
        look_up(plugin, keys, values).await.unwrap().iter().map(|record| record["v"].as_i64().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{keys:?} {values:?}");
}

#[test]
fn keys_are_found_and_unknown_ones_left_out() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, v int, w text); INSERT INTO t SELECT i, i * 10, NULLIF('w' || i, 'w2') FROM generate_series(1, 20) i",
        );
        let key = [("id", "int64")];
        check(&plugin, &key, &[json!({"id": 3}), json!({"id": 99}), json!({"id": 1})], &[10, 30]).await;
        check(&plugin, &key, &[json!({"id": i64::MAX}), json!({"id": -5}), json!({"id": 20})], &[200]).await;
        check(&plugin, &key, &[json!({"id": 21})], &[]).await;
        check(&plugin, &key, &[], &[]).await;
        let found = look_up(&plugin, &key, &[json!({"id": 2})]).await.unwrap();
        assert_eq!(json!(found), json!([{"id": 2, "v": 20, "w": null}]));
        // Keys of another type than the column's, some of which it could never have.
        let text = [("id", "text")];
        check(&plugin, &text, &[json!({"id": "7"}), json!({"id": "8"})], &[70, 80]).await;
        check(&plugin, &text, &[json!({"id": "7"}), json!({"id": "seven"}), json!({"id": ""})], &[70]).await;
        // Any field may be looked up by, unique or not.
        check(&plugin, &[("w", "text")], &[json!({"w": "w5"}), json!({"w": "w5 "}), json!({"w": null})], &[50]).await;
    });
}

#[test]
fn every_type_may_be_a_key() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN fixed AS char(4); \
             CREATE TABLE t (v int, c char(3), d fixed, n numeric, m numeric(9,2), day date, at timestamptz, wall timestamp, clock time, raw bytea, \
                mood mood, id uuid, f float8, r real, flag bool, addr inet, one \"char\", name name, bits bit(3)); \
             INSERT INTO t VALUES (1, 'ab', 'x', 123456789012345678901234567890.5, 1.50, '0044-03-15 BC', '2026-11-21 12:00:00.000001+01', \
                'infinity', '24:00', '\\x00ff', 'ok', '01234567-89ab-cdef-0123-456789abcdef', 0.1, 0.5, true, '10.0.0.1', 'x', 'n', '101'), \
             (2, 'abc', 'wxyz', -1, -2.25, '12345-01-01', '-infinity', '12026-11-21 12:00:00', '00:00:00.000001', '', 'sad', \
                '11234567-89ab-cdef-0123-456789abcdef', 'NaN', -3, false, '10.0.0.0/8', 'y', 'o', '111')",
        );
        let whole = Reading::full(&plugin, "t").read().await;
        let fields = Reading::full(&plugin, "t").discovered().await.request.fields;
        assert_eq!(whole.records.len(), 2);
        for field in fields.iter().filter(|field| field.name != "v") {
            let key = [(field.name.as_str(), &*field.logical.to_string())];
            for (record, v) in whole.records.iter().zip([1, 2]) {
                check(&plugin, &key, &[json!({&field.name: record[&field.name]})], &[v]).await;
            }
        }
        for (name, unknown) in [
            ("mood", "furious"),
            ("addr", "nowhere"),
            ("c", "abcd"),
            ("d", "longer than it is"),
            ("bits", "10"),
            ("one", ""),
        ] {
            check(&plugin, &[(name, "text")], &[json!({ name: unknown })], &[]).await;
        }
        check(&plugin, &[("mood", "text")], &[json!({"mood": "furious"}), json!({"mood": "ok"})], &[1]).await;
    });
}

#[test]
fn compound_keys_are_found() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (\"a \"\"b\" text, n int, v int, PRIMARY KEY (\"a \"\"b\", n)); \
             INSERT INTO t SELECT 'it''s ' || i % 3, i, i FROM generate_series(1, 9) i",
        );
        let key = [("n", "int64"), ("a \"b", "text")];
        let values = [
            json!({"a \"b": "it's 1", "n": 4}),
            json!({"a \"b": "it's 1", "n": 5}),
            json!({"a \"b": "it's 0", "n": 9}),
            json!({"a \"b": "a\u{0}b", "n": 9}),
        ];
        check(&plugin, &key, &values, &[4, 9]).await;
    });
}

/// A field that is no key may have its value in many records, and types without equality have a text.
#[test]
fn any_field_may_be_looked_up_by() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, email text, doc json, bin jsonb, spot point, v int); \
             INSERT INTO t SELECT i, 'm' || i % 3, json_build_object('a', i % 2), jsonb_build_object('a', i % 2), point(i % 2, 0), i \
             FROM generate_series(1, 6) i",
        );
        let keys = [json!({"email": "m1"}), json!({"email": "m0"}), json!({"email": "x"})];
        check(&plugin, &[("email", "text")], &keys, &[1, 3, 4, 6]).await;
        check(&plugin, &[("doc", "json")], &[json!({"doc": "{\"a\" : 1}"})], &[1, 3, 5]).await;
        check(&plugin, &[("bin", "json")], &[json!({"bin": "{\"a\": 1}"})], &[1, 3, 5]).await;
        check(&plugin, &[("spot", "text")], &[json!({"spot": "(1,0)"})], &[1, 3, 5]).await;
        let both = [("email", "text"), ("doc", "json")];
        check(&plugin, &both, &[json!({"email": "m1", "doc": "{\"a\" : 1}"})], &[1]).await;
    });
}

#[test]
fn ten_thousand_keys_are_one_question() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (id bigint PRIMARY KEY, v int, w text); INSERT INTO t SELECT i, i, repeat('w', 100) FROM generate_series(1, 50000) i; ANALYZE t",
        );
        let keys: Vec<Value> = (0..10_000).map(|i| json!({"id": i * 7})).collect();
        let expected: Vec<i64> = (1..10_000).map(|i| i * 7).filter(|id| *id <= 50_000).collect();
        check(&plugin, &[("id", "int64")], &keys, &expected).await;
    });
}

#[test]
fn what_cannot_be_looked_up_is_said() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, v int)");
        let mut request = Reading::full(&plugin, "t").discovered().await.request;
        request.key = vec!["other".into()];
        let keys = |name: &str| batch_from_json(&vec![field(name, "int64")].into(), &[json!({ name: 1 })]).unwrap();
        let failure = plugin.lookup().unwrap().lookup(&request, &keys("other")).await.unwrap_err();
        assert!(failure.message.contains("`other`"), "{failure}");
        server.psql("DROP TABLE t");
        let failure = plugin.lookup().unwrap().lookup(&request, &keys("id")).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound);
    });
}
