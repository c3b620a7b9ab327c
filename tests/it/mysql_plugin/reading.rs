//! Full reading: every row, once, from one moment, and on from where it broke off.

use lockstep::connector::PageStatus;
use serde_json::json;

use super::start;
use crate::plugins::{Reading, run};

const TABLE: &str =
    "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL DEFAULT 0); INSERT INTO t SELECT seq, 0 FROM seq_1_to_3500";

#[test]
fn a_full_reading_shows_every_row_in_pages() {
    run(async {
        let (_server, plugin) = start(TABLE);
        let shown = Reading::full(&plugin, "t").read().await;
        assert_eq!((shown.pages, shown.status), (4, Some(PageStatus::EnumerationComplete)));
        assert_eq!(shown.ints("id"), (1..=3500).collect::<Vec<_>>());
        let mut whole = Reading::full(&plugin, "t").page_rows(3500);
        assert_eq!((whole.read().await.records.len(), whole.read().await.records.len()), (3500, 3500));
    });
}

#[test]
fn a_reading_that_broke_off_goes_on_behind_the_last_row() {
    run(async {
        let (server, plugin) = start(TABLE);
        let mut reading = Reading::full(&plugin, "t");
        assert_eq!(reading.read_pages(2).await.unwrap().ints("id"), (1..=2000).collect::<Vec<_>>());
        server.sql("DELETE FROM t WHERE id <= 100; INSERT INTO t VALUES (9000, 1)");
        let rest = reading.read().await;
        assert_eq!(rest.ints("id"), (2001..=3500).chain([9000]).collect::<Vec<_>>());
        // It did not see every row from one beginning.
        assert_eq!(rest.status, Some(PageStatus::CaughtUp));
        assert_eq!(reading.read().await.status, Some(PageStatus::EnumerationComplete));
    });
}

#[test]
fn all_pages_see_one_moment() {
    run(async {
        let (server, plugin) = start(TABLE);
        let request = Reading::full(&plugin, "t").discovered().await.request;
        let mut reader = lockstep::connector::Source::open(&plugin, request).await.unwrap();
        let limits = lockstep::connector::PageLimits { rows: 1000, bytes: 1 << 20 };
        reader.next(limits).await.unwrap();
        server.sql("UPDATE t SET v = 1; DELETE FROM t WHERE id > 3000");
        let mut rows = 1000;
        loop {
            let page = reader.next(limits).await.unwrap();
            rows += page.changes.rows();
            assert!(crate::plugins::records(&page.changes.data).iter().all(|record| record["v"] == 0));
            if page.status != PageStatus::More {
                break;
            }
        }
        assert_eq!(rows, 3500);
    });
}

#[test]
fn keys_of_many_kinds_are_gone_on_from() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE texts (k varchar(20) COLLATE utf8mb4_general_ci PRIMARY KEY);
             INSERT INTO texts SELECT concat(char(97 + seq % 26), if(seq % 2, 'X', 'x'), seq) FROM seq_1_to_250;
             CREATE TABLE bytes (k varbinary(9) PRIMARY KEY); INSERT INTO bytes SELECT unhex(hex(seq * 7919)) FROM seq_1_to_250;
             CREATE TABLE big (k bigint unsigned PRIMARY KEY); INSERT INTO big SELECT 18446744073709551615 - seq FROM seq_1_to_250;
             CREATE TABLE money (k decimal(30,10) PRIMARY KEY); INSERT INTO money SELECT 12345678901234567890 + seq / 3 FROM seq_1_to_250;
             CREATE TABLE days (k date PRIMARY KEY); INSERT INTO days SELECT date '2026-01-01' + interval seq day FROM seq_1_to_250;
             CREATE TABLE times (k timestamp(6) PRIMARY KEY); INSERT INTO times SELECT timestamp '2026-01-01 00:00:00.1' + interval seq * 1001 microsecond FROM seq_1_to_250;
             CREATE TABLE clocks (k time(3) PRIMARY KEY); INSERT INTO clocks SELECT sec_to_time(seq * 300.5) FROM seq_1_to_250;
             CREATE TABLE uuids (k uuid PRIMARY KEY); INSERT INTO uuids SELECT uuid() FROM seq_1_to_250;
             CREATE TABLE many (a int, b varchar(5), c datetime(6), PRIMARY KEY (a, b, c));
             INSERT INTO many SELECT seq % 5, seq % 7, '2026-01-01' + interval seq % 11 day FROM seq_1_to_385;
             CREATE TABLE moods (k enum('sad', 'ok', 'happy') PRIMARY KEY); INSERT INTO moods VALUES ('ok'), ('happy'), ('sad')",
        );
        for (table, rows) in [
            ("texts", 250),
            ("bytes", 250),
            ("big", 250),
            ("money", 250),
            ("days", 250),
            ("times", 250),
            ("clocks", 250),
            ("uuids", 250),
            ("many", 385),
            ("moods", 3),
        ] {
            let mut reading = Reading::full(&plugin, table).discovered().await.page_rows(7);
            let mut keys = Vec::new();
            // One page at a time, each with a reading of its own, where the key allows that.
            let pages = if table == "moods" { usize::MAX } else { 1 };
            loop {
                let shown = reading.read_pages(pages).await.unwrap();
                keys.extend(shown.records.iter().map(|record| json!(record).to_string()));
                if shown.status != Some(PageStatus::More) {
                    break;
                }
            }
            let count = keys.len();
            keys.sort();
            keys.dedup();
            assert_eq!((keys.len(), count), (rows, rows), "{table}");
        }
    });
}

#[test]
fn what_has_no_key_is_read_whole() {
    run(async {
        let (_server, plugin) = start(
            "CREATE TABLE t (a int); INSERT INTO t SELECT seq % 10 FROM seq_1_to_2500; CREATE VIEW v AS SELECT a FROM t WHERE a = 1",
        );
        let shown = Reading::full(&plugin, "t").read().await;
        assert_eq!((shown.records.len(), shown.status), (2500, Some(PageStatus::EnumerationComplete)));
        assert_eq!(Reading::full(&plugin, "v").read().await.records.len(), 250);
        let mut broken_off = Reading::full(&plugin, "t");
        broken_off.read_pages(1).await.unwrap();
        assert_eq!(broken_off.read().await.records.len(), 2500);
    });
}

#[test]
fn values_that_are_none_refuse_their_record_and_no_other() {
    run(async {
        let (_server, plugin) = start(
            "SET sql_mode = ''; CREATE TABLE t (id int PRIMARY KEY, day date, flag tinyint(1)); \
             INSERT INTO t VALUES (1, '2026-01-01', 1), (2, '0000-00-00', 0), (3, NULL, 7), (4, '2026-01-02', 0)",
        );
        let shown = Reading::full(&plugin, "t").read().await;
        assert_eq!(shown.ints("id"), [1, 4]);
        let rejected: Vec<(&str, bool)> = shown
            .rejected
            .iter()
            .map(|(position, _, error)| (position.as_str(), error.contains("0000-00-00")))
            .collect();
        assert_eq!(rejected, [("id = 2", true), ("id = 3", false)]);
        assert_eq!(shown.rejected[0].1["flag"], json!(false));
        // With a day that is none in the key, the rest comes from one statement.
        let (_server, plugin) = start(
            "SET sql_mode = ''; CREATE TABLE t (day date PRIMARY KEY, n int); INSERT INTO t VALUES ('0000-00-00', 1); \
             INSERT INTO t SELECT date '2026-01-01' + interval seq day, seq FROM seq_1_to_20",
        );
        let shown = Reading::full(&plugin, "t").page_rows(5).read().await;
        assert_eq!((shown.sorted("n"), shown.rejected.len()), ((1..=20).collect(), 1));
    });
}
