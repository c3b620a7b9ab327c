//! Incremental reading: what changed, all of it, once.

use lockstep::connector::PageStatus;
use serde_json::json;

use super::start;
use crate::plugins::{Reading, run};

const TABLE: &str = "
    CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL DEFAULT 0, seen timestamptz);
    CREATE INDEX ON t (seen);
    INSERT INTO t SELECT i, 0, timestamptz '2026-01-01' + i * interval '1 second' FROM generate_series(1, 3000) i;
";

#[test]
fn the_first_reading_shows_everything_and_the_next_only_what_changed() {
    run(async {
        let (server, plugin) = start(TABLE);
        server.psql("INSERT INTO t VALUES (0, 7, NULL)");
        let mut reading = Reading::incremental(&plugin, "t", "seen");
        let first = reading.read().await;
        assert_eq!((first.records.len(), first.status), (3001, Some(PageStatus::EnumerationComplete)));
        let cursor = reading.cursor().clone();
        let nothing = reading.read().await;
        assert_eq!((nothing.records.len(), nothing.pages, nothing.status), (0, 1, Some(PageStatus::CaughtUp)));
        // Nothing happened: not even the position is new.
        assert_eq!(*reading.cursor(), cursor);
        server.psql(
            "UPDATE t SET v = 1, seen = '2026-02-01' WHERE id % 1000 = 0; INSERT INTO t VALUES (4000, 1, '2026-02-02')",
        );
        let changed = reading.read().await;
        assert_eq!(changed.ints("id"), [0, 1000, 2000, 3000, 4000]);
        assert_eq!(changed.status, Some(PageStatus::CaughtUp));
        assert!(reading.read().await.records.is_empty());
    });
}

#[test]
fn other_writes_in_the_database_change_nothing() {
    run(async {
        let (server, plugin) = start(TABLE);
        server.psql("CREATE TABLE other (a int)");
        let mut reading = Reading::incremental(&plugin, "t", "seen");
        reading.read().await;
        for _ in 0..3 {
            server.psql("INSERT INTO other VALUES (1)");
            let shown = reading.read().await;
            assert_eq!((shown.records.len(), shown.pages), (0, 1));
        }
    });
}

#[test]
fn rows_with_the_same_time_are_neither_lost_nor_repeated() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, seen timestamptz NOT NULL)");
        let mut reading = Reading::incremental(&plugin, "t", "seen").page_rows(100);
        assert_eq!(reading.read().await.status, Some(PageStatus::EnumerationComplete));
        for round in 0..4 {
            let (from, to) = (round * 1000 + 1, round * 1000 + 1000);
            server.psql(&format!("INSERT INTO t SELECT i, '2026-01-01' FROM generate_series({to}, {from}, -1) i"));
            let mut seen = Vec::new();
            // One page at a time, each with a reading of its own.
            loop {
                let shown = reading.read_pages(1).await.unwrap();
                seen.extend(shown.ints("id"));
                if shown.status == Some(PageStatus::CaughtUp) {
                    break;
                }
            }
            assert_eq!(seen, (from..=to).map(i64::from).collect::<Vec<_>>(), "round {round}");
        }
    });
}

#[test]
fn changes_during_a_first_reading_that_breaks_off_are_caught() {
    run(async {
        let (server, plugin) = start(TABLE);
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
        server.psql("UPDATE t SET v = 1, seen = '2026-01-01 00:50:00' WHERE id IN (5, 900, 1500)");
        note(reading.read_pages(2).await.unwrap());
        server.psql("UPDATE t SET v = 2, seen = '2026-01-01 00:50:01' WHERE id IN (6, 1500, 2600)");
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
        let (server, plugin) = start(TABLE);
        server.psql("INSERT INTO t VALUES (9001, 0, 'infinity'), (9002, 0, '2999-01-01')");
        let mut reading = Reading::incremental(&plugin, "t", "seen");
        assert_eq!(reading.read().await.records.len(), 3002);
        server.psql("UPDATE t SET v = 1, seen = now() WHERE id = 5");
        assert_eq!(reading.read().await.ints("id"), [5]);
        server.psql("DELETE FROM t WHERE id > 9000; UPDATE t SET v = 2, seen = now() WHERE id = 6");
        assert_eq!(reading.read().await.ints("id"), [6]);
        server.psql("UPDATE t SET v = 3, seen = now() WHERE id = 7");
        assert_eq!(reading.read().await.ints("id"), [7]);
    });
}

#[test]
fn dates_and_numbers_tell_changes_too() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE d (id int PRIMARY KEY, day date NOT NULL); INSERT INTO d SELECT i, current_date FROM generate_series(1, 20) i; \
             CREATE TABLE n (id int PRIMARY KEY, version bigint NOT NULL); INSERT INTO n SELECT i, i FROM generate_series(1, 20) i; \
             CREATE TABLE w (id int PRIMARY KEY, wall timestamp NOT NULL); INSERT INTO w SELECT i, localtimestamp FROM generate_series(1, 20) i",
        );
        for (table, column, more) in [
            ("d", "day", "INSERT INTO d VALUES (21, current_date), (22, current_date - 1), (23, current_date + 1)"),
            ("n", "version", "INSERT INTO n VALUES (21, 20), (22, 3), (23, 21)"),
            (
                "w",
                "wall",
                "INSERT INTO w VALUES (21, localtimestamp - interval '5 min'), (22, localtimestamp), (23, localtimestamp + interval '1 day')",
            ),
        ] {
            let mut reading = Reading::incremental(&plugin, table, column);
            assert_eq!(reading.read().await.records.len(), 20, "{table}");
            server.psql(more);
            assert_eq!(reading.read().await.sorted("id"), [21, 22, 23], "{table}");
            assert!(reading.read().await.records.is_empty(), "{table}");
        }
    });
}

#[test]
fn partitions_are_read_through_their_parent() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE t (id int, at date, seen timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); \
             CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2026-07-01'); \
             CREATE TABLE t2 PARTITION OF t FOR VALUES FROM ('2026-07-01') TO ('2027-01-01'); \
             INSERT INTO t SELECT i, date '2026-01-01' + i, now() FROM generate_series(1, 300) i",
        );
        let mut reading = Reading::incremental(&plugin, "t", "seen").page_rows(50);
        assert_eq!(reading.read().await.sorted("id"), (1..=300).collect::<Vec<_>>());
        server.psql("UPDATE t SET seen = now() WHERE id IN (1, 299)");
        assert_eq!(reading.read().await.sorted("id"), [1, 299]);
        assert!(reading.read().await.records.is_empty());
    });
}

#[test]
fn a_view_shows_what_is_within_the_lookback_again() {
    run(async {
        let (server, plugin) = start(&format!("{TABLE} CREATE VIEW v AS SELECT * FROM t"));
        let mut reading = Reading::incremental(&plugin, "v", "seen");
        reading.request.key = vec!["id".into()];
        reading.request.options.set("lookback-ms", "5000");
        assert_eq!(reading.read().await.records.len(), 3000);
        assert_eq!(reading.read().await.ints("id"), (2995..=3000).collect::<Vec<_>>());
        server.psql("UPDATE t SET v = 1, seen = '2026-01-02' WHERE id = 1");
        assert_eq!(reading.read().await.ints("id"), [2995, 2996, 2997, 2998, 2999, 3000, 1]);
        assert_eq!(reading.read().await.ints("id"), [1]);
    });
}

#[test]
fn hidden_positions_stay_hidden() {
    run(async {
        let (server, plugin) = start(TABLE);
        let mut reading = Reading::incremental(&plugin, "t", "seen").page_rows(2);
        reading.request.fields = vec![crate::plugins::field("v", "int64")];
        reading.read().await;
        server.psql("UPDATE t SET v = id, seen = '2026-02-01' WHERE id <= 5");
        let mut records = Vec::new();
        for _ in 0..3 {
            records.extend(reading.read_pages(1).await.unwrap().records);
        }
        assert_eq!(json!(records), json!([{"v": 1}, {"v": 2}, {"v": 3}, {"v": 4}, {"v": 5}]));
    });
}

#[test]
fn settings_that_cannot_work_are_said() {
    run(async {
        let (_server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, name text)");
        for (modified, code) in [("name", "postgres.modified-type"), ("nowhere", "postgres.no-column")] {
            let failure = Reading::incremental(&plugin, "t", modified).read_pages(1).await.unwrap_err();
            assert_eq!(failure.detail_code, code);
        }
    });
}
