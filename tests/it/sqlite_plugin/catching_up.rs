//! Incremental reading: what changed, all of it; what changed lately, again.

use lockstep::connector::{FailureKind, PageStatus, Source as _};

use super::{numbers, start};
use crate::plugins::{Reading, run};

fn table(declared: &str) -> String {
    format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT NOT NULL DEFAULT 0, seen {declared}); CREATE INDEX by_time ON t (seen); \
         {} INSERT INTO t SELECT i, 0, datetime('2026-01-01', '+' || i || ' seconds') FROM n",
        numbers(1, 3000)
    )
}

#[test]
fn the_first_reading_shows_everything_and_the_next_only_what_changed() {
    run(async {
        for declared in ["DATETIME", "TEXT", "TIMESTAMP"] {
            let (file, plugin) = start(&table(declared)).await;
            file.run("INSERT INTO t VALUES (0, 7, NULL)").await;
            let mut reading = Reading::incremental(&plugin, "t", "seen").discovered().await;
            let first = reading.read().await;
            assert_eq!((first.records.len(), first.status), (3001, Some(PageStatus::EnumerationComplete)));
            // Within the lookback of ten minutes.
            let again = reading.read().await;
            assert_eq!((again.sorted("id"), again.status), ((2400..=3000).collect(), Some(PageStatus::CaughtUp)));
            let cursor = reading.cursor().clone();
            reading.read().await;
            // Nothing happened: not even the position is new.
            assert_eq!(*reading.cursor(), cursor);
            file.run("UPDATE t SET v = 1, seen = '2026-02-01 00:00:00' WHERE id % 1000 = 0; INSERT INTO t VALUES (4000, 1, '2026-02-01 00:00:00')")
                .await;
            let changed = reading.read().await;
            let new: Vec<i64> = changed
                .records
                .iter()
                .filter(|record| record["v"] == 1)
                .map(|record| record["id"].as_i64().unwrap())
                .collect();
            assert_eq!(new, [0, 1000, 2000, 3000, 4000]);
            assert_eq!(reading.read().await.ints("id"), [0, 1000, 2000, 3000, 4000]);
        }
    });
}

#[test]
fn a_reading_without_lookback_begins_at_the_last_time() {
    run(async {
        let (file, plugin) = start(&table("DATETIME")).await;
        let mut reading = Reading::incremental(&plugin, "t", "seen").discovered().await;
        reading.request.options.set("lookback-ms", "0");
        reading.read().await;
        assert_eq!(reading.read().await.ints("id"), [3000]);
        // Another row in the very same second, and one a second late.
        file.run("INSERT INTO t SELECT 5000, 1, max(seen) FROM t; INSERT INTO t SELECT 5001, 1, datetime(max(seen), '-1 second') FROM t").await;
        assert_eq!(reading.read().await.ints("id"), [3000, 5000]);
        reading.request.options.set("lookback-ms", "1000");
        assert_eq!(reading.read().await.ints("id"), [2999, 5001, 3000, 5000]);
    });
}

#[test]
fn late_rows_are_found_within_the_lookback() {
    run(async {
        for (declared, now, late) in [
            ("DATETIME", "datetime('now')", "datetime('now', '-9 minutes')"),
            (
                "TIMESTAMPTZ",
                "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
                "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-9 minutes')",
            ),
            ("INTEGER", "unixepoch()", "unixepoch() - 540"),
            ("INTEGER", "unixepoch() * 1000", "(unixepoch() - 540) * 1000"),
            ("INTEGER", "50000", "45000"),
        ] {
            let (file, plugin) = start(&format!(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, seen {declared}); INSERT INTO t VALUES (1, {now})"
            ))
            .await;
            let mut reading = Reading::incremental(&plugin, "t", "seen").discovered().await;
            assert_eq!(reading.read().await.ints("id"), [1]);
            file.run(&format!("INSERT INTO t VALUES (2, {late})")).await;
            assert_eq!(reading.read().await.ints("id"), [2, 1], "{declared} {now}");
        }
    });
}

#[test]
fn rows_with_the_same_time_are_not_lost_over_pages() {
    run(async {
        for index in ["CREATE INDEX by_time ON t (seen)", "SELECT 1"] {
            let (file, plugin) =
                start(&format!("CREATE TABLE t (id TEXT PRIMARY KEY, n INT, seen DATETIME NOT NULL); {index}")).await;
            let mut reading = Reading::incremental(&plugin, "t", "seen").discovered().await.page_rows(100);
            reading.request.options.set("lookback-ms", "0");
            assert_eq!(reading.read().await.status, Some(PageStatus::EnumerationComplete));
            for round in 1..4 {
                let (from, to) = (round * 1000 + 1, round * 1000 + 1000);
                file.run(&format!(
                    "{} INSERT INTO t SELECT printf('%06d', i), i, '2026-01-0{round}' FROM n ORDER BY i DESC",
                    numbers(from, to)
                ))
                .await;
                let mut seen = Vec::new();
                // One page at a time, each with a reading of its own.
                loop {
                    let shown = reading.read_pages(1).await.unwrap();
                    seen.extend(shown.ints("n").into_iter().filter(|id| *id >= from));
                    if shown.status == Some(PageStatus::CaughtUp) {
                        break;
                    }
                }
                assert_eq!(seen, (from..=to).collect::<Vec<_>>(), "{index}, round {round}");
            }
        }
    });
}

#[test]
fn changes_during_readings_that_break_off_are_caught() {
    run(async {
        let (file, plugin) = start(&table("DATETIME")).await;
        let mut reading = Reading::incremental(&plugin, "t", "seen").discovered().await.page_rows(500);
        let mut values = std::collections::BTreeMap::new();
        let mut note = |shown: crate::plugins::Shown| {
            for record in shown.records {
                values.insert(record["id"].as_i64().unwrap(), record["v"].as_i64().unwrap());
            }
            shown.status
        };
        note(reading.read_pages(2).await.unwrap());
        // Behind and ahead of where the reading stands; and with a time before the greatest.
        file.run("UPDATE t SET v = 1, seen = '2026-01-01 00:45:00' WHERE id IN (5, 900, 1500)").await;
        note(reading.read_pages(2).await.unwrap());
        file.run("UPDATE t SET v = 2, seen = '2026-01-01 00:45:01' WHERE id IN (6, 1500, 2600)").await;
        assert_eq!(note(reading.read().await), Some(PageStatus::CaughtUp));
        // A later reading that breaks off, too.
        let mut reading = reading.page_rows(100);
        note(reading.read_pages(2).await.unwrap());
        file.run("UPDATE t SET v = 3, seen = '2026-01-01 00:45:02' WHERE id IN (7, 2990)").await;
        note(reading.read().await);
        note(reading.read().await);
        let expected = |id: i64| match id {
            7 | 2990 => 3,
            6 | 1500 | 2600 => 2,
            5 | 900 => 1,
            _ => 0,
        };
        assert_eq!(values.len(), 3000);
        let wrong: Vec<_> = values.iter().filter(|(id, v)| **v != expected(**id)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    });
}

#[test]
fn times_in_the_future_hide_nothing() {
    run(async {
        let (file, plugin) = start(&table("TIMESTAMPTZ")).await;
        file.run("UPDATE t SET seen = strftime('%Y-%m-%dT%H:%M:%SZ', seen); INSERT INTO t VALUES (9001, 0, 'infinity'), (9002, 0, '2999-01-01T00:00:00Z'), (9003, 0, strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+5 hours'))")
            .await;
        let mut reading = Reading::incremental(&plugin, "t", "seen").discovered().await;
        assert_eq!(reading.read().await.records.len(), 3003);
        for id in [5, 6] {
            file.run(&format!("UPDATE t SET v = 1, seen = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE id = {id}"))
                .await;
            let shown = reading.read().await;
            assert!(shown.ints("id").contains(&id), "{:?}", shown.ints("id"));
        }
    });
}

#[test]
fn texts_that_are_no_times_are_refused() {
    run(async {
        let (_file, plugin) =
            start("CREATE TABLE t (id INTEGER PRIMARY KEY, seen TEXT, raw BLOB); INSERT INTO t (id, seen) VALUES (1, '21.11.2026')").await;
        for (column, code) in [("seen", "sqlite.modified-form"), ("raw", "sqlite.modified-type")] {
            let reading = Reading::incremental(&plugin, "t", column).discovered().await;
            let failure = plugin.open(reading.request.clone()).await.err().unwrap();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, code));
        }
    });
}
