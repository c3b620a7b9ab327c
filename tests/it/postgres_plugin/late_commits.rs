//! Rows that become visible later than rows with a later time: every one is caught, and none comes twice.

use std::collections::BTreeMap;

use lockstep::plugin::PluginConnector;
use lockstep::plugin::capability::sql::{Database, Session};
use lockstep_test_servers::Postgres;

use super::start;
use crate::plugins::{Reading, Shown, run};

const TABLE: &str = "
    CREATE TABLE t (id int PRIMARY KEY, seen timestamptz NOT NULL);
    CREATE INDEX ON t (seen);
    INSERT INTO t SELECT i, now() - interval '1 hour' FROM generate_series(1, 100) i;
";

async fn session(server: &Postgres) -> Session {
    Database::postgres(&server.url(), "writer").unwrap().open().await.unwrap()
}

/// How often each record was shown since the first reading.
#[derive(Default)]
struct Tally(BTreeMap<i64, u32>);

impl Tally {
    fn note(&mut self, shown: &Shown) {
        shown.ints("id").into_iter().for_each(|id| *self.0.entry(id).or_default() += 1);
    }

    fn check(&self, ids: impl IntoIterator<Item = i64>) {
        let expected: BTreeMap<i64, u32> = ids.into_iter().map(|id| (id, 1)).collect();
        assert_eq!(self.0, expected);
    }
}

async fn first(plugin: &PluginConnector) -> Reading<'_> {
    let mut reading = Reading::incremental(plugin, "t", "seen");
    assert_eq!(reading.read().await.records.len(), 100);
    reading
}

/// Ten sessions hold ten rows each with times of minutes ago, while others commit later times and are read; then they commit, one
/// after the other, with readings in between.
#[test]
fn a_hundred_late_rows_are_all_caught_and_none_comes_twice() {
    run(async {
        let (server, plugin) = start(TABLE);
        let mut reading = first(&plugin).await;
        let mut tally = Tally::default();
        let mut sessions = Vec::new();
        for number in 0..10 {
            let session = session(&server).await;
            let from = 1000 + number * 10;
            session
                .script(&format!(
                    "BEGIN; INSERT INTO t SELECT i, now() - interval '{number} minutes' FROM generate_series({from}, {}) i",
                    from + 9
                ))
                .await
                .unwrap();
            server.psql(&format!("INSERT INTO t VALUES ({}, clock_timestamp())", 2000 + number));
            tally.note(&reading.read().await);
            sessions.push(session);
        }
        for (number, session) in sessions.iter().enumerate().rev() {
            session.script("COMMIT").await.unwrap();
            server.psql(&format!("INSERT INTO t VALUES ({}, clock_timestamp())", 3000 + number));
            tally.note(&reading.read().await);
            tally.note(&reading.read().await);
        }
        tally.check((1000..1100).chain(2000..2010).chain(3000..3010));
    });
}

/// What subtransactions wrote is visible with the transaction around them, and their numbers stand in no snapshot.
#[test]
fn subtransactions_are_no_hiding_place() {
    run(async {
        let (server, plugin) = start(TABLE);
        let mut reading = first(&plugin).await;
        let mut tally = Tally::default();
        let holder = session(&server).await;
        holder.script("BEGIN; INSERT INTO t VALUES (1000, now())").await.unwrap();
        for number in 1..20 {
            // Between those of others, so that they are not the oldest.
            server.psql(&format!("INSERT INTO t VALUES ({}, clock_timestamp())", 2000 + number));
            let insert = format!("SAVEPOINT s; INSERT INTO t VALUES ({}, now())", 1000 + number);
            holder.script(&insert).await.unwrap();
            if number % 3 == 0 {
                holder.script("RELEASE SAVEPOINT s").await.unwrap();
            }
            tally.note(&reading.read().await);
        }
        holder.script("COMMIT").await.unwrap();
        tally.note(&reading.read().await);
        tally.note(&reading.read().await);
        tally.check((1000..1020).chain(2001..2020));
    });
}

/// Invariant of resuming: a reading that broke off at any page, with late rows before and behind where it stood.
#[test]
fn late_rows_are_caught_when_a_reading_breaks_off() {
    run(async {
        let (server, plugin) = start(TABLE);
        let mut reading = first(&plugin).await.page_rows(7);
        let mut tally = Tally::default();
        let insert = |from: i64, to: i64, minutes: i64| {
            format!(
                "INSERT INTO t SELECT i, now() - {minutes} * interval '1 minute' FROM generate_series({from}, {to}) i"
            )
        };
        let mut expected = 0;
        for round in 0..8 {
            let from = 1000 + round * 100;
            let late = session(&server).await;
            late.script(&format!("BEGIN; {}", insert(from + 50, from + 59, 5))).await.unwrap();
            server.psql(&insert(from, from + 19, round % 4));
            // Broken off after a page or two; the next reading goes on, with the late rows behind it.
            tally.note(&reading.read_pages(1 + round as usize % 3).await.unwrap());
            late.script("COMMIT").await.unwrap();
            expected += 30;
        }
        tally.note(&reading.read().await);
        tally.note(&reading.read().await);
        assert_eq!(tally.0.len(), expected, "some rows were missed");
        // Positions of readings that broke off are forgotten when there are too many: rows may come twice then, and only then.
        let twice = tally.0.values().filter(|count| **count > 1).count();
        assert!(twice <= 40, "{twice} rows came more than once: {:?}", tally.0);
    });
}

/// A transaction that began long before the lookback reaches back writes its own beginning as the time.
#[test]
fn a_long_transaction_is_waited_for() {
    run(async {
        let (server, plugin) = start(TABLE);
        let mut reading = first(&plugin).await;
        reading.request.options.set("lookback-ms", "1");
        let mut tally = Tally::default();
        let long = session(&server).await;
        long.script("BEGIN; INSERT INTO t VALUES (1000, now())").await.unwrap();
        for number in 0..3 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            server.psql(&format!("INSERT INTO t VALUES ({}, clock_timestamp())", 2000 + number));
            tally.note(&reading.read().await);
        }
        long.script("INSERT INTO t VALUES (1001, now()); COMMIT").await.unwrap();
        tally.note(&reading.read().await);
        tally.check([1000, 1001, 2000, 2001, 2002]);
    });
}

/// Updates, not only inserts; and rows that are only locked are no news.
#[test]
fn late_updates_are_caught_and_locks_are_no_changes() {
    run(async {
        let (server, plugin) = start(TABLE);
        let mut reading = first(&plugin).await;
        let mut tally = Tally::default();
        let late = session(&server).await;
        late.script("BEGIN; UPDATE t SET seen = now() WHERE id <= 10").await.unwrap();
        let locker = session(&server).await;
        locker.script("BEGIN; SELECT * FROM t WHERE id BETWEEN 50 AND 60 FOR UPDATE").await.unwrap();
        server.psql("UPDATE t SET seen = clock_timestamp() WHERE id = 20");
        tally.note(&reading.read().await);
        tally.check([20]);
        locker.script("COMMIT").await.unwrap();
        late.script("COMMIT").await.unwrap();
        server.psql("VACUUM FREEZE t");
        tally.note(&reading.read().await);
        tally.check((1..=10).chain([20]));
    });
}
