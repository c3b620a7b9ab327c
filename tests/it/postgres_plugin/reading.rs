//! Full reading: in order, resumable at every page, exact about what it showed.

use lockstep::connector::{FailureKind, PageStatus};
use serde_json::json;

use super::start;
use crate::plugins::{Reading, field, run};

#[test]
fn a_full_reading_is_complete_and_in_the_order_of_the_key() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(2500, 1, -1) i",
        );
        let mut reading = Reading::full(&plugin, "t");
        let shown = reading.read().await;
        assert_eq!(shown.ints("id"), (1..=2500).collect::<Vec<_>>());
        assert_eq!((shown.pages, shown.status), (3, Some(PageStatus::EnumerationComplete)));
        assert_eq!(shown.records[7]["v"], json!("v8"));
        // The next one begins at the beginning.
        let again = reading.read().await;
        assert_eq!((again.records.len(), again.status), (2500, Some(PageStatus::EnumerationComplete)));
    });
}

#[test]
fn an_empty_table_is_shown_completely() {
    run(async {
        let (_server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY)");
        let shown = Reading::full(&plugin, "t").read().await;
        assert_eq!((shown.records.len(), shown.pages, shown.status), (0, 1, Some(PageStatus::EnumerationComplete)));
    });
}

const COMPOSITE: &str = "
    CREATE TYPE size AS ENUM ('xs', 'm', 'xl');
    CREATE TABLE t (at timestamptz, name text COLLATE \"C\", size size, raw bytea, n numeric, id uuid, v int,
        PRIMARY KEY (at, name, size, raw, n, id));
    INSERT INTO t SELECT
        CASE i % 5 WHEN 0 THEN '-infinity' WHEN 1 THEN 'infinity' ELSE timestamptz '2026-11-21 12:00:00.000001+01' END,
        CASE i % 3 WHEN 0 THEN '' ELSE 'it''s \"' || i % 2 || E'\\n' END,
        (ARRAY['xs', 'm', 'xl'])[i % 3 + 1]::size,
        decode(lpad(to_hex(i % 2 * 255), 2, '0'), 'hex'), i / 10.0, lpad(i::text, 32, '0')::uuid, i
    FROM generate_series(1, 100) i";

#[test]
fn a_reading_goes_on_behind_every_page_of_any_key() {
    run(async {
        let (_server, plugin) = start(COMPOSITE);
        let whole = Reading::full(&plugin, "t").read().await;
        for pages in [1, 2, 5] {
            let mut reading = Reading::full(&plugin, "t").page_rows(7);
            let (mut seen, mut last) = (Vec::new(), None);
            while last.is_none_or(|status| status == PageStatus::More) {
                let shown = reading.read_pages(pages).await.unwrap();
                seen.extend(shown.ints("v"));
                last = shown.status;
            }
            assert_eq!(seen, whole.ints("v"), "{pages} pages at a time");
            // It did not begin at the beginning.
            assert_eq!(last, Some(PageStatus::CaughtUp));
        }
    });
}

#[test]
fn without_a_key_a_reading_begins_anew() {
    run(async {
        let (_server, plugin) = start("CREATE TABLE t (v int); INSERT INTO t SELECT generate_series(1, 30)");
        let mut reading = Reading::full(&plugin, "t").page_rows(10);
        let shown = reading.read_pages(2).await.unwrap();
        assert_eq!(shown.records.len(), 20);
        let again = reading.read().await;
        assert_eq!(again.sorted("v"), (1..=30).collect::<Vec<_>>());
        assert_eq!(again.status, Some(PageStatus::EnumerationComplete));
    });
}

#[test]
fn a_key_that_is_not_unique_loses_nothing() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (k int, v int); INSERT INTO t SELECT i % 2, i FROM generate_series(1, 30) i; INSERT INTO t VALUES (NULL, 31)",
        );
        let mut reading = Reading::full(&plugin, "t").page_rows(10);
        reading.request.key = vec!["k".into()];
        reading.read_pages(1).await.unwrap();
        assert_eq!(reading.read().await.sorted("v"), (1..=31).collect::<Vec<_>>());
    });
}

#[test]
fn only_the_wanted_fields_are_read_in_the_wanted_types() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, price text, note text); INSERT INTO t VALUES (1, '12.50', 'x'), (2, '7', NULL)",
        );
        let mut reading = Reading::full(&plugin, "t").page_rows(1);
        reading.request.fields = vec![field("price", "decimal(9,2)"), field("id", "text")];
        let mut records = Vec::new();
        for _ in 0..3 {
            records.extend(reading.read_pages(1).await.unwrap().records);
        }
        assert_eq!(json!(records), json!([{"price": "12.50", "id": "1"}, {"price": "7.00", "id": "2"}]));
    });
}

#[test]
fn records_that_do_not_fit_are_put_aside_and_the_rest_goes_on() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, price text, day text); \
             INSERT INTO t VALUES (1, '1.00', '2026-11-21'), (2, 'free', '2026-11-21'), (3, '3', '2026-02-30'), (4, '0.125', 'x'), (5, '5', NULL)",
        );
        let mut reading = Reading::full(&plugin, "t");
        reading.request.fields = vec![field("id", "int64"), field("price", "decimal(9,2)"), field("day", "date")];
        let shown = reading.read().await;
        assert_eq!(shown.ints("id"), [1, 5]);
        let positions: Vec<&str> = shown.rejected.iter().map(|(position, _, _)| position.as_str()).collect();
        assert_eq!(positions, ["id = 2", "id = 3", "id = 4"]);
        assert_eq!(json!(shown.rejected[0].1), json!({"id": 2, "day": "2026-11-21"}));
        assert_eq!(json!(shown.rejected[1].1), json!({"id": 3, "price": "3.00"}));
        assert_eq!(json!(shown.rejected[2].1), json!({"id": 4}));
        assert!(shown.rejected[0].2.contains("price"), "{}", shown.rejected[0].2);
        assert_eq!(shown.status, Some(PageStatus::EnumerationComplete));
    });
}

#[test]
fn pages_are_cut_at_their_bytes() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 100) i",
        );
        let mut reading = Reading::full(&plugin, "t");
        reading.limits.bytes = 10_000;
        let shown = reading.read().await;
        assert_eq!(shown.ints("id"), (1..=100).collect::<Vec<_>>());
        assert!(shown.pages >= 9, "{}", shown.pages);
        assert_eq!(shown.status, Some(PageStatus::EnumerationComplete));
    });
}

#[test]
fn a_table_made_again_makes_the_cursor_stale() {
    run(async {
        let (server, plugin) =
            start("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 30)");
        let mut reading = Reading::full(&plugin, "t").page_rows(10);
        reading.read_pages(1).await.unwrap();
        server.psql("TRUNCATE t; INSERT INTO t SELECT generate_series(11, 12)");
        assert_eq!(reading.read_pages(1).await.unwrap().ints("id"), [11, 12]);
        server.psql("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY)");
        assert_eq!(reading.read_pages(1).await.unwrap_err().kind, FailureKind::StaleCursor);
        server.psql("DROP TABLE t");
        let failure = reading.read_pages(1).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::NotFound, "postgres.no-table"));
    });
}

#[test]
fn a_server_that_goes_away_is_a_passing_failure_and_nothing_is_lost() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, repeat('x', 2000) FROM generate_series(1, 20000) i",
        );
        // The test server does not wait for its log to be written, and what is cut off would be lost.
        server.psql("CHECKPOINT");
        let mut reading = Reading::full(&plugin, "t").page_rows(500).discovered().await;
        let mut seen = Vec::new();
        {
            use lockstep::connector::Source as _;
            let mut reader = plugin.open(reading.request.clone()).await.unwrap();
            let failure = loop {
                match reader.next(reading.limits).await {
                    Ok(page) => {
                        reading.request.cursor = Some(page.next_cursor.clone());
                        seen.extend(
                            crate::plugins::records(&page.changes.data)
                                .iter()
                                .map(|record| record["id"].as_i64().unwrap()),
                        );
                        if seen.len() == 1000 {
                            server.restart(lockstep_test_servers::Shutdown::Immediate);
                        }
                    }
                    Err(failure) => break failure,
                }
            };
            assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
        }
        seen.extend(reading.read().await.ints("id"));
        assert_eq!(seen, (1..=20000).collect::<Vec<_>>());
    });
}
