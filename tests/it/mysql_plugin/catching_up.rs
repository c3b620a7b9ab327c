//! Incremental reading: what changed, all of it; what changed lately, again.

use lockstep::connector::{FailureKind, PageStatus};

use super::start;
use crate::plugins::{Reading, run};

fn table(declared: &str) -> String {
    format!(
        "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL DEFAULT 0, seen {declared} NULL, KEY (seen));
         INSERT INTO t SELECT seq, 0, timestamp '2026-01-01 00:00:00' + interval seq second FROM seq_1_to_3000"
    )
}

#[test]
fn the_first_reading_shows_everything_and_the_next_only_what_changed() {
    run(async {
        for declared in ["datetime", "timestamp(6)"] {
            let (server, plugin) = start(&table(declared));
            server.sql("INSERT INTO t VALUES (0, 7, NULL)");
            let mut reading = Reading::incremental(&plugin, "t", "seen");
            let first = reading.read().await;
            assert_eq!((first.records.len(), first.status), (3001, Some(PageStatus::EnumerationComplete)));
            // Within the lookback of ten minutes.
            let again = reading.read().await;
            assert_eq!((again.sorted("id"), again.status), ((2400..=3000).collect(), Some(PageStatus::CaughtUp)));
            let cursor = reading.cursor().clone();
            reading.read().await;
            // Nothing happened: not even the position is new.
            assert_eq!(*reading.cursor(), cursor);
            server.sql(
                "UPDATE t SET v = 1, seen = '2026-02-01' WHERE id % 1000 = 0; INSERT INTO t VALUES (4000, 1, '2026-02-01')",
            );
            let changed = reading.read().await;
            assert!([0, 1000, 2000, 3000, 4000].iter().all(|id| changed.ints("id").contains(id)));
            assert_eq!(reading.read().await.ints("id"), [0, 1000, 2000, 3000, 4000]);
        }
    });
}

/// A column of whole seconds is shared by many rows, and some of them come while others are read.
#[test]
fn rows_of_the_very_same_second_are_never_lost() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, seen datetime NOT NULL, KEY (seen))");
        let mut reading = Reading::incremental(&plugin, "t", "seen").page_rows(100);
        reading.request.options.set("lookback-ms", "0");
        reading.read().await;
        let mut known = std::collections::BTreeSet::new();
        for round in 0..4 {
            let (from, to) = (round * 1000 + 1, round * 1000 + 1000);
            server.sql(&format!("INSERT INTO t SELECT seq, '2026-01-01 00:00:00' FROM seq_{to}_to_{from}"));
            // One page at a time, each with a reading of its own.
            loop {
                let shown = reading.read_pages(1).await.unwrap();
                known.extend(shown.ints("id"));
                if shown.status != Some(PageStatus::More) {
                    break;
                }
            }
            assert_eq!(known.len() as i64, to, "round {round}");
        }
        // The boundary is repeated, and nothing before it.
        server.sql("INSERT INTO t VALUES (9001, '2026-01-01 00:00:01'), (9002, '2026-01-01 00:00:01')");
        assert!(reading.read().await.records.len() > 4000);
        assert_eq!(reading.read().await.ints("id"), [9001, 9002]);
        server.sql("INSERT INTO t VALUES (9000, '2026-01-01 00:00:01')");
        assert_eq!(reading.read().await.ints("id"), [9000, 9001, 9002]);
    });
}

#[test]
fn late_rows_are_found_within_the_lookback() {
    run(async {
        for (declared, now, late) in [
            ("datetime", "now()", "now() - interval 9 minute"),
            ("timestamp", "now()", "now() - interval 9 minute"),
            ("date", "curdate()", "curdate() - interval 1 day"),
            ("bigint", "50000", "45000"),
        ] {
            let (server, plugin) = start(&format!(
                "CREATE TABLE t (id int PRIMARY KEY, seen {declared}, KEY (seen)); INSERT INTO t VALUES (1, {now})"
            ));
            let mut reading = Reading::incremental(&plugin, "t", "seen");
            reading.read().await;
            server.sql(&format!("INSERT INTO t VALUES (2, {late})"));
            assert_eq!(reading.read().await.sorted("id"), [1, 2], "{declared}");
        }
    });
}

#[test]
fn changes_during_a_first_reading_that_breaks_off_are_caught() {
    run(async {
        let (server, plugin) = start(&table("datetime"));
        let mut reading = Reading::incremental(&plugin, "t", "seen").page_rows(500);
        let mut values = std::collections::BTreeMap::new();
        let mut note = |shown: crate::plugins::Shown| {
            for record in shown.records {
                values.insert(record["id"].as_i64().unwrap(), record["v"].as_i64().unwrap());
            }
            shown.status
        };
        note(reading.read_pages(2).await.unwrap());
        // Behind and ahead of where the reading stands; and with a time before the greatest.
        server.sql("UPDATE t SET v = 1, seen = '2026-01-01 00:49:00' WHERE id IN (5, 900, 1500)");
        note(reading.read_pages(2).await.unwrap());
        server.sql("UPDATE t SET v = 2, seen = '2026-01-01 00:50:01' WHERE id IN (6, 1500, 2600)");
        assert_eq!(note(reading.read().await), Some(PageStatus::CaughtUp));
        note(reading.read().await);
        let expected = |id: i64| match id {
            6 | 1500 | 2600 => 2,
            5 | 900 => 1,
            _ => 0,
        };
        assert_eq!(values.len(), 3000);
        assert!(values.iter().all(|(id, v)| *v == expected(*id)));
    });
}

#[test]
fn times_in_the_future_hide_nothing() {
    run(async {
        for declared in ["datetime", "timestamp"] {
            let (server, plugin) = start(&table(declared));
            server.sql("INSERT INTO t VALUES (9001, 0, '2037-01-01')");
            let mut reading = Reading::incremental(&plugin, "t", "seen");
            assert_eq!(reading.read().await.records.len(), 3001);
            server.sql("UPDATE t SET v = 1, seen = now() WHERE id = 5");
            assert_eq!(reading.read().await.ints("id"), [5, 9001], "{declared}");
        }
    });
}

#[test]
fn without_an_index_and_in_views_nothing_is_lost_either() {
    run(async {
        let (server, plugin) = start(&table("datetime"));
        server.sql("ALTER TABLE t DROP KEY seen; CREATE VIEW v AS SELECT * FROM t");
        for name in ["t", "v"] {
            let mut reading = Reading::incremental(&plugin, name, "seen").page_rows(100);
            reading.request.options.set("lookback-ms", "300000");
            assert_eq!(reading.read().await.records.len(), 3000);
            assert_eq!(reading.read().await.sorted("id"), (2700..=3000).collect::<Vec<_>>(), "{name}");
        }
    });
}

#[test]
fn settings_that_cannot_work_are_said_and_other_cursors_are_stale() {
    run(async {
        let (_server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, name text, a datetime, b datetime)");
        for (modified, code) in [("name", "mysql.modified-type"), ("nowhere", "mysql.no-column")] {
            let failure = Reading::incremental(&plugin, "t", modified).read_pages(1).await.unwrap_err();
            assert_eq!(failure.detail_code, code);
        }
        let mut reading = Reading::incremental(&plugin, "t", "a");
        reading.read().await;
        reading.request.options.set("modified", "b");
        assert_eq!(reading.read_pages(1).await.unwrap_err().kind, FailureKind::StaleCursor);
    });
}
