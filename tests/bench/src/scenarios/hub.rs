//! Two PostgreSQL databases that are edited on both sides, against Bucardo. What comes out is compared as well: quick and wrong is
//! no floor to be proud of.

mod bucardo;
pub mod systems;

use std::time::Duration;

use lockstep::store::{ConflictFilter, ConflictState, HubStore as _, SqliteStore};
use lockstep_test_servers::Folder;

use self::bucardo::Bucardo;
use self::systems::{Pair, project_file};
use crate::lab::{Bench, checkpoint, forget, project, psql, server};
use crate::measure::{Cost, in_turns, median};
use crate::report::{Goal, Report};

const GROUP: &str = "Two PostgreSQL databases, both edited";

pub fn measure(bench: &Bench, report: &mut Report) {
    let server = server();
    // A fifth of the records in each turn: 5,000 updates of 100,000 records.
    let (rows, turns) = (bench.rows / 10, bench.times.max(5) as u64);
    let ours = Pair { server: &server, databases: ["ours_east", "ours_west"], rows, turns };
    let theirs = Pair { server: &server, databases: ["theirs_east", "theirs_west"], rows, turns };
    ours.fill();
    theirs.fill();
    let folder = project("hub", &project_file([ours.url(0), ours.url(1)], ""));
    // The plugins are compiled before anything is measured.
    bench.run(folder.path());

    let links: Vec<Cost> = (0..bench.times)
        .map(|_| {
            forget(&folder);
            bench.run(folder.path())
        })
        .collect();
    let times: Vec<Duration> = links.iter().map(|cost| cost.time).collect();
    let what = format!("first link of two databases with the same {rows} records");
    report.time(GROUP, &what, (None, median(&times)), Goal::Shown);
    report.records(GROUP, "the same, linked records", rows, median(&times), Goal::Shown);
    bench.run(folder.path());

    let amounts = ours.amounts();
    let bucardo = Bucardo::start(&theirs);
    let turn = std::cell::Cell::new(0);
    let (mut right, mut others_right) = (u64::MAX, u64::MAX);
    let (mut costs, mut echoes, mut losers) = (Vec::new(), Vec::new(), u64::MAX);
    let floor = || {
        theirs.change(turn.get());
        checkpoint(&server);
        let time = bucardo.run();
        theirs.agree();
        others_right = others_right.min(theirs.won_by_later(turn.get()));
        time
    };
    let product = || {
        ours.change(turn.get());
        checkpoint(&server);
        let cost = bench.run(folder.path());
        ours.agree();
        right = right.min(ours.won_by_later(turn.get()));
        losers = losers.min(readable(&folder, &ours.losers(turn.get())));
        costs.push(cost);
        echoes.push(bench.run(folder.path()));
        turn.set(turn.get() + 1);
        cost.time
    };
    let (floor, product) = in_turns(bench.times, floor, product);
    drop(bucardo);
    let what = format!(
        "{} updates on each side, {} of them of the same field of the same record, {} inserts, {} deletes, against Bucardo",
        amounts.updates, amounts.conflicts, amounts.inserts, amounts.deletes
    );
    report.time(GROUP, &what, (Some(floor), product), Goal::Ratio(1.0));
    let cpu: Vec<Duration> = costs.iter().map(|cost| cost.cpu).collect();
    report.time(GROUP, "the same, what the host computes", (None, median(&cpu)), Goal::Shown);
    let echoes: Vec<Duration> = echoes.iter().map(|cost| cost.time).collect();
    report.time(GROUP, "the run after it, which reads back what was written", (None, median(&echoes)), Goal::Shown);
    let what = "conflicts in which the later change stands on both sides (`newest`, `bucardo_latest`)";
    report.share(GROUP, what, (Some(others_right), right), amounts.conflicts);
    report.share(GROUP, "values that lost and can be read", (None, losers), amounts.conflicts);
    same_address(bench, &ours, &folder, report);
}

/// How many of these values stand in a conflict that was decided.
fn readable(folder: &Folder, losers: &[String]) -> u64 {
    let store = SqliteStore::open_read_only(folder.path()).unwrap();
    let filter = ConflictFilter { state: Some(ConflictState::Decided), ..ConflictFilter::default() };
    let conflicts = store.conflicts(&filter).unwrap();
    let told: std::collections::HashSet<String> = conflicts
        .iter()
        .filter(|conflict| conflict.conflict.subject == "note")
        .flat_map(|conflict| {
            let body: serde_json::Value = serde_json::from_str(&conflict.conflict.body).unwrap();
            ["current", "incoming"].map(|side| body[side]["note"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    losers.iter().filter(|loser| told.contains(*loser)).count() as u64
}

/// Both sides make a record with the same address, which is unique, amid other work: nothing else is held up, and the two end as
/// one.
fn same_address(bench: &Bench, pair: &Pair<'_>, folder: &Folder, report: &mut Report) {
    const OTHERS: u64 = 1_000;
    for side in [0, 1] {
        let sql = format!(
            "INSERT INTO customers (name, email, updated_at) SELECT 'Made on side {side}', \
             CASE WHEN i = {OTHERS} / 2 THEN 'same@mail.example.com' ELSE 'other.{side}.' || i || '@mail.example.com' END, \
             now() - i * interval '1 millisecond' FROM generate_series(1, {OTHERS}) i"
        );
        psql(&pair.url(side), &sql);
    }
    let cost = bench.run(folder.path());
    pair.agree();
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM customers WHERE email {condition}");
        pair.databases.map(|database| pair.server.psql_in(database, &sql).parse::<u64>().unwrap())
    };
    assert_eq!(count("= 'same@mail.example.com'"), [1, 1], "the two records are one");
    let through = count("LIKE 'other.%'").into_iter().min().unwrap_or_default();
    let what =
        "two new records with the same unique address, one on each side, amid others: others that arrive in this run";
    report.share(GROUP, what, (None, through), 2 * (OTHERS - 1));
    report.time(GROUP, "the same, that run", (None, cost.time), Goal::Shown);
}
