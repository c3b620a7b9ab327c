//! Full reading: in order, resumable at every page, exact about what it showed.

use lockstep::connector::{FailureKind, PageStatus, Source as _};
use lockstep::record::batch_from_json;
use serde_json::json;

use super::{numbers, start};
use crate::plugins::{Reading, field, records, run};

/// Reads so many pages at a time, each time with a reading of its own.
async fn in_pieces(reading: &mut Reading<'_>, pages: usize, name: &str) -> Vec<i64> {
    let (mut seen, mut last) = (Vec::new(), None);
    while last.is_none_or(|status| status == PageStatus::More) {
        let shown = reading.read_pages(pages).await.unwrap();
        seen.extend(shown.ints(name));
        last = shown.status;
    }
    // It did not begin at the beginning.
    assert_eq!(last, Some(PageStatus::CaughtUp));
    seen
}

#[test]
fn a_full_reading_is_complete_and_in_the_order_of_the_key() {
    run(async {
        let table = format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); {} INSERT INTO t SELECT 2501 - i, 'v' || (2501 - i) FROM n",
            numbers(1, 2500)
        );
        for journal in ["", "wal"] {
            let (file, plugin) = start(&table).await;
            if journal == "wal" {
                set_wal(&file.path());
            }
            let mut reading = Reading::full(&plugin, "t").discovered().await;
            let shown = reading.read().await;
            assert_eq!(shown.ints("id"), (1..=2500).collect::<Vec<_>>());
            assert_eq!((shown.pages, shown.status), (3, Some(PageStatus::EnumerationComplete)));
            assert_eq!(shown.records[7]["v"], json!("v8"));
            // The next one begins at the beginning.
            let again = reading.read().await;
            assert_eq!((again.records.len(), again.status), (2500, Some(PageStatus::EnumerationComplete)));
        }
    });
}

/// Bytes 18 and 19 of a file say whether it has a write-ahead log; no session of ours may say so.
fn set_wal(path: &std::path::Path) {
    use std::io::{Seek as _, SeekFrom, Write as _};
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(18)).unwrap();
    file.write_all(&[2, 2]).unwrap();
}

#[test]
fn an_empty_table_is_shown_completely() {
    run(async {
        let (_file, plugin) = start("CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
        let shown = Reading::full(&plugin, "t").discovered().await.read().await;
        assert_eq!((shown.records.len(), shown.pages, shown.status), (0, 1, Some(PageStatus::EnumerationComplete)));
    });
}

#[test]
fn a_reading_goes_on_behind_every_page_of_any_key() {
    run(async {
        for key in [
            "at TIMESTAMPTZ, name TEXT, raw BLOB, n DECIMAL(9,1), id UUID, v INT, PRIMARY KEY (at, name, raw, n, id)",
            "at TIMESTAMPTZ, name TEXT, raw BLOB, n DECIMAL_TEXT(9,1), id UUID, v INT, PRIMARY KEY (n, at, raw, id)) WITHOUT ROWID; SELECT (1",
            "at, name, raw BLOB, n REAL, id TEXT COLLATE NOCASE, v INT, PRIMARY KEY (at, n, id)",
        ] {
            let table = format!(
                "CREATE TABLE t ({key}); {} INSERT INTO t SELECT \
                     CASE i % 4 WHEN 0 THEN '2026-11-21T12:00:00Z' WHEN 1 THEN '2026-11-21T13:00:00.5+01:00' WHEN 2 THEN '2026-11-21T12:00:00.000000Z' ELSE '-infinity' END, \
                     CASE i % 3 WHEN 0 THEN '' ELSE 'it''s \"' || (i % 2) || char(10) END, \
                     CASE i % 2 WHEN 0 THEN x'00ff' ELSE x'' END, i / 10.0, printf('%08d-0000-0000-0000-000000000000', i), i FROM n",
                numbers(1, 100)
            );
            let (_file, plugin) = start(&table).await;
            let whole = Reading::full(&plugin, "t").discovered().await.read().await;
            assert_eq!(whole.sorted("v"), (1..=100).collect::<Vec<_>>());
            for pages in [1, 2, 5] {
                let mut reading = Reading::full(&plugin, "t").discovered().await.page_rows(7);
                assert_eq!(
                    in_pieces(&mut reading, pages, "v").await,
                    whole.ints("v"),
                    "{key}: {pages} pages at a time"
                );
            }
        }
    });
}

#[test]
fn keys_of_several_kinds_are_read_in_the_order_sqlite_has() {
    run(async {
        let (_file, plugin) = start(
            "CREATE TABLE t (k UNIQUE, v INT NOT NULL UNIQUE, PRIMARY KEY (k)); \
             INSERT INTO t VALUES (1, 1), (2.5, 2), ('1', 3), ('b', 4), (x'00', 5), (x'', 6), (-7, 7), (9223372036854775807, 8), (9e99, 9)",
        )
        .await;
        let mut reading = Reading::full(&plugin, "t").page_rows(1);
        reading.request.fields = vec![field("v", "int64")];
        let seen = in_pieces(&mut reading, 1, "v").await;
        assert_eq!(seen, [7, 1, 2, 8, 9, 3, 4, 6, 5]);
    });
}

#[test]
fn rows_without_a_key_are_neither_lost_nor_in_the_way() {
    run(async {
        let table = format!(
            "CREATE TABLE t (k TEXT PRIMARY KEY, v INT); {} INSERT INTO t SELECT CASE WHEN i > 25 THEN 'k' || i END, i FROM n",
            numbers(1, 50)
        );
        let (_file, plugin) = start(&table).await;
        let mut reading = Reading::full(&plugin, "t").discovered().await.page_rows(10);
        let shown = reading.read().await;
        let mut seen = shown.sorted("v");
        seen.dedup();
        assert_eq!((seen, shown.status), ((1..=50).collect(), Some(PageStatus::EnumerationComplete)));
    });
}

#[test]
fn without_a_key_a_reading_begins_anew() {
    run(async {
        let table = format!("CREATE TABLE t (v INT); {} INSERT INTO t SELECT i FROM n", numbers(1, 30));
        let (_file, plugin) = start(&table).await;
        let mut reading = Reading::full(&plugin, "t").discovered().await.page_rows(10);
        assert_eq!(reading.read_pages(2).await.unwrap().records.len(), 20);
        let again = reading.read().await;
        assert_eq!(again.sorted("v"), (1..=30).collect::<Vec<_>>());
        assert_eq!(again.status, Some(PageStatus::EnumerationComplete));
    });
}

#[test]
fn a_reading_does_not_keep_others_from_writing() {
    run(async {
        let table =
            format!("CREATE TABLE t (id INTEGER PRIMARY KEY); {} INSERT INTO t SELECT i FROM n", numbers(1, 3000));
        let (file, plugin) = start(&table).await;
        let reading = Reading::full(&plugin, "t").discovered().await.page_rows(1000);
        let mut reader = plugin.open(reading.request.clone()).await.unwrap();
        reader.next(reading.limits).await.unwrap();
        let begun = std::time::Instant::now();
        file.run("INSERT INTO t VALUES (5000)").await;
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
        let mut rows = 0;
        loop {
            let page = reader.next(reading.limits).await.unwrap();
            rows += page.changes.rows();
            if page.status != PageStatus::More {
                break;
            }
        }
        assert_eq!(rows, 2001);
    });
}

#[test]
fn only_the_wanted_fields_are_read_in_the_wanted_types() {
    run(async {
        let (_file, plugin) = start(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, price TEXT, note TEXT); INSERT INTO t VALUES (1, '12.50', 'x'), (2, '7', NULL)",
        )
        .await;
        let mut reading = Reading::full(&plugin, "t").page_rows(1);
        reading.request.fields = vec![field("price", "decimal(9,2)"), field("id", "text")];
        let mut records = Vec::new();
        for _ in 0..2 {
            records.extend(reading.read_pages(1).await.unwrap().records);
        }
        assert_eq!(json!(records), json!([{"price": "12.50", "id": "1"}, {"price": "7.00", "id": "2"}]));
    });
}

#[test]
fn records_that_do_not_fit_are_put_aside_and_the_rest_goes_on() {
    run(async {
        let (_file, plugin) = start(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, price TEXT, day DATE); \
             INSERT INTO t VALUES (1, '1.00', '2026-11-21'), (2, 'free', '2026-11-21'), (3, '3', '2026-02-30'), (4, x'00', 20000), (5, '5', NULL)",
        )
        .await;
        let mut reading = Reading::full(&plugin, "t").page_rows(2);
        reading.request.key = vec!["id".into()];
        reading.request.fields = vec![field("id", "int64"), field("price", "decimal(9,2)"), field("day", "date")];
        let shown = reading.read().await;
        assert_eq!(shown.ints("id"), [1, 5]);
        let positions: Vec<&str> = shown.rejected.iter().map(|(position, _, _)| position.as_str()).collect();
        assert_eq!(positions, ["id = 2", "id = 3", "id = 4"]);
        assert_eq!(json!(shown.rejected[0].1), json!({"id": 2, "day": "2026-11-21"}));
        assert!(shown.rejected[0].2.contains("price"), "{}", shown.rejected[0].2);
        assert_eq!(shown.status, Some(PageStatus::EnumerationComplete));
    });
}

#[test]
fn pages_are_cut_at_their_bytes() {
    run(async {
        let table = format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); {} INSERT INTO t SELECT i, printf('%.*c', 1000, 'x') FROM n",
            numbers(1, 100)
        );
        let (_file, plugin) = start(&table).await;
        let mut reading = Reading::full(&plugin, "t").discovered().await.page_rows(30);
        reading.limits.bytes = 10_000;
        let shown = reading.read().await;
        assert_eq!(shown.ints("id"), (1..=100).collect::<Vec<_>>());
        assert!(shown.pages >= 9, "{}", shown.pages);
        assert_eq!(shown.status, Some(PageStatus::EnumerationComplete));
    });
}

#[test]
fn what_is_not_there_is_an_error() {
    run(async {
        let (_file, plugin) = start("CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
        for (reading, kind, code) in [
            (Reading::full(&plugin, "nowhere"), FailureKind::NotFound, "sqlite.no-table"),
            (Reading::incremental(&plugin, "t", "seen"), FailureKind::Config, "sqlite.no-column"),
        ] {
            let failure = plugin.open(reading.request.clone()).await.err().unwrap();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (kind, code));
        }
        let mut reading = Reading::full(&plugin, "t");
        reading.request.cursor = Some(lockstep::connector::Cursor(b"nonsense".to_vec()));
        assert_eq!(plugin.open(reading.request.clone()).await.err().unwrap().kind, FailureKind::StaleCursor);
    });
}

#[test]
fn records_are_found_by_their_keys() {
    run(async {
        let (_file, plugin) = start(
            "CREATE TABLE t (id INTEGER, line TEXT COLLATE NOCASE, price DECIMAL(9,2), PRIMARY KEY (id, line)); \
             INSERT INTO t VALUES (1, 'a', 1.5), (1, 'b', NULL), (9223372036854775807, 'it''s', 0.25), (2, 'a', 3)",
        )
        .await;
        let mut reading = Reading::full(&plugin, "t").discovered().await;
        reading.request.fields.retain(|field| field.name != "nothing");
        let fields = vec![field("id", "int64"), field("line", "text")];
        let keys = [
            json!({"id": 1, "line": "b"}),
            json!({"id": i64::MAX, "line": "it's"}),
            json!({"id": 3, "line": "a"}),
            json!({"id": null, "line": "a"}),
        ];
        let keys = batch_from_json(&fields.into(), &keys).unwrap();
        let found = plugin.lookup().unwrap().lookup(&reading.request, &keys).await.unwrap();
        let mut found = records(&found.data);
        found.sort_by_key(|record| record["id"].as_i64());
        assert_eq!(
            json!(found),
            json!([{"id": 1, "line": "b", "price": null}, {"id": i64::MAX, "line": "it's", "price": "0.25"}])
        );
    });
}
