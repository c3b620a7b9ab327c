//! Every type comes back as it went in.

use lockstep::connector::{Sink as _, Source as _, WriteMode};
use lockstep::record::{Changes, batch_from_json};
use serde_json::json;

use super::{File, start};
use crate::plugins::{REAL, Reading, copy, counts, page, run, sqlite, stream, write};

const FIELDS: [(&str, &str); 15] = [
    ("id", "int64"),
    ("flag", "bool"),
    ("whole", "int64"),
    ("real", "float64"),
    ("money", "decimal(12,2)"),
    ("big", "decimal(38,10)"),
    ("any", "decimal"),
    ("instant", "timestamp"),
    ("wall", "datetime"),
    ("day", "date"),
    ("clock", "time"),
    ("uid", "uuid"),
    ("words", "text"),
    ("raw", "binary"),
    ("doc", "json"),
];

fn values() -> Vec<serde_json::Value> {
    let row = |id: i64, rest: [serde_json::Value; 14]| {
        let names = FIELDS.iter().map(|(name, _)| (*name).to_owned());
        serde_json::Value::Object(names.zip(std::iter::once(json!(id)).chain(rest)).collect())
    };
    let uid = "01234567-89ab-cdef-0123-456789abcdef";
    vec![
        row(
            1,
            [
                json!(true),
                json!(i64::MAX),
                json!(0.1),
                json!("9999999999.99"),
                json!("1234567890123456789012345678.0123456789"),
                json!("0.00000000000000000000000001"),
                json!("2026-11-21T12:00:00.123456Z"),
                json!("2026-11-21T12:00:00"),
                json!("2026-11-21"),
                json!("23:59:59.999999"),
                json!(uid),
                json!("line\nline\r\n\"quotes\" 'n\t👍"),
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
                json!("-12.50"),
                json!("1970-01-01T00:00:00Z"),
                json!("0001-01-01T00:00:00"),
                json!("9999-12-31"),
                json!("00:00:00"),
                json!(uid),
                json!(""),
                json!(""),
                json!(1.5),
            ],
        ),
        row(
            3,
            [
                json!(true),
                json!(0),
                json!(-1.5),
                json!("12.50"),
                json!("10.0000000000"),
                json!("100"),
                json!("infinity"),
                json!("-infinity"),
                json!("infinity"),
                json!("12:00:00"),
                json!(uid),
                json!("00123"),
                json!("MDA="),
                json!("1.0"),
            ],
        ),
        row(4, std::array::from_fn(|_| json!(null))),
    ]
}

#[test]
fn every_type_comes_back_as_it_went_in() {
    run(async {
        let (first, plugin) = start("").await;
        let stream = stream("t", &["id"], &FIELDS);
        plugin.prepare(&stream, REAL).await.unwrap();
        let found = plugin.discover(&["t".to_owned()]).await.unwrap().remove(0);
        let types: Vec<(String, String)> =
            found.fields.iter().map(|field| (field.name.clone(), field.logical.to_string())).collect();
        assert_eq!(types, FIELDS.map(|(name, logical)| (name.to_owned(), logical.to_owned())));
        let batch = batch_from_json(&stream.fields.clone().into(), &values()).unwrap();
        let written = crate::plugins::records(&batch);
        let pages = [Changes::upserts(batch)];
        for (round, expected) in [(0, (4, 0, 0)), (1, (0, 4, 0))] {
            let (flushed, results) = write(&plugin, &stream, WriteMode::Upsert, &pages).await.unwrap();
            assert!(results[0].errors.is_empty(), "{:?}", results[0].errors);
            assert_eq!(counts(&flushed), expected, "round {round}");
        }
        let shown = Reading::full(&plugin, "t").discovered().await.read().await;
        assert_eq!(shown.rejected, []);
        assert_eq!(json!(shown.records), json!(written));
        let storage = "SELECT group_concat(typeof(money) || typeof(big) || typeof(instant)) FROM t WHERE id < 4";
        assert_eq!(first.ask(storage).await, ["texttexttext"; 3].join(","));
        let second = File(lockstep_test_servers::Folder::new("sqlite-plugin"));
        let other = sqlite(&second.path());
        copy(&plugin, "t", &other, "u").await;
        let again = Reading::full(&other, "u").discovered().await.read().await;
        assert_eq!(json!(again.records), json!(written));
        assert_eq!(other.discover(&["u".to_owned()]).await.unwrap()[0].fields, found.fields);
    });
}

#[test]
fn values_sqlite_cannot_hold_are_refused_and_the_others_written() {
    run(async {
        let (file, plugin) =
            start("CREATE TABLE t (id INTEGER PRIMARY KEY, n DECIMAL(30,10), code STRING, f REAL)").await;
        let stream =
            stream("t", &["id"], &[("id", "int64"), ("n", "decimal(30,10)"), ("code", "text"), ("f", "float64")]);
        let rows = page(
            &stream,
            &[
                json!({"id": 1, "n": "1.5000000000", "code": "abc", "f": 1.5}),
                json!({"id": 2, "n": "12345678901234567890.1234567890", "code": "x", "f": 0.0}),
                json!({"id": 3, "n": "0.0000000000", "code": "007", "f": 0.0}),
                json!({"id": 4, "n": null, "code": "7", "f": null}),
                json!({"id": 5, "n": null, "code": "7", "f": "NaN"}),
            ],
        );
        for mode in [WriteMode::Load, WriteMode::Upsert] {
            file.run("DELETE FROM t").await;
            let (flushed, results) = write(&plugin, &stream, mode, std::slice::from_ref(&rows)).await.unwrap();
            let refused: Vec<(u32, &str)> = results[0]
                .errors
                .iter()
                .map(|error| (error.row, error.error.properties.get("field").unwrap_or_default()))
                .collect();
            let mut sorted = refused.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [(1, "n"), (2, "code"), (4, "f")], "{mode:?}");
            assert_eq!(counts(&flushed), (2, 0, 0), "{mode:?}");
            assert_eq!(file.ask("SELECT id FROM t ORDER BY id").await, "1\n4");
        }
    });
}
