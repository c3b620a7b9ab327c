//! The database goes away while a run is under way, and comes back: the same run goes on and finishes.

use std::fmt::Write as _;
use std::process::Child;
use std::time::{Duration, Instant};

use lockstep_test_servers::{Options, Postgres, Shutdown};

use super::project::{Outcome, Project, counts};

const ROWS: u32 = 150_000;

/// A server that keeps what it has committed.
fn durable() -> Postgres {
    Postgres::start_with(Options { durable: true, ..Options::default() })
}

/// Waits until something is on its way or has arrived, and not yet everything; fails if the run ends before.
fn wait_for_the_middle(server: &Postgres, run: &mut Child, table: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let there = server.psql(&format!("select to_regclass('{table}') is not null"));
        let arriving = format!(
            "select exists (select from {table}) or exists (select from pg_stat_progress_copy where tuples_processed > 0)"
        );
        if there == "t" && server.psql(&arriving) == "t" {
            break;
        }
        assert!(Instant::now() < deadline, "nothing arrives");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(run.try_wait().unwrap().is_none(), "the run is over before the server could go away");
}

/// Immediately, as in a crash; then away for a while; then stopped in order.
fn trouble(server: &Postgres, run: &mut Child, table: &str) {
    wait_for_the_middle(server, run, table);
    server.restart(Shutdown::Immediate);
    std::thread::sleep(Duration::from_millis(300));
    if run.try_wait().unwrap().is_none() {
        server.stop(Shutdown::Fast);
        std::thread::sleep(Duration::from_millis(1500));
        server.start_again();
    }
}

#[test]
fn a_target_that_goes_away_gets_everything_once() {
    let server = durable();
    let sync = "[sync.items]\nmode = \"mirror\"\nsource = { connection = \"files\", stream = \"items.csv\", key = [\"id\"] }\n\
        target = { connection = \"db\", stream = \"items\" }\n";
    let project = Project::with_database(&server, sync);
    let mut file = "id,name,amount\n".to_owned();
    (0..ROWS).for_each(|id| writeln!(file, "{id},name {id},{}.{:02}", id % 991, id % 100).unwrap());
    project.write("data/items.csv", &file);
    let mut run = project.spawn(&["run"]);
    trouble(&server, &mut run, "items");
    Outcome::of(run).ends(0).says(&["trying again in", " 0 dead letters"]);
    let arrived = server.psql("copy (select * from items order by id) to stdout with csv");
    assert!(file.trim_end().ends_with(&arrived), "the table is not what the file is");
    assert_eq!(arrived.lines().count(), ROWS as usize);
    assert_eq!(counts(&project.sync(0))[1], 0);
}

#[test]
fn a_source_and_target_that_go_away_agree_in_the_end() {
    let server = durable();
    server.psql(&format!(
        "create schema copy; create table items (id int primary key, name text); \
         insert into items select i, 'name ' || i from generate_series(1, {ROWS}) i"
    ));
    let sync = "[sync.items]\nmode = \"mirror\"\nsource = { connection = \"db\", stream = \"public.items\" }\n\
        target = { connection = \"db\", stream = \"copy.items\" }\n";
    let project = Project::with_database(&server, sync);
    let mut run = project.spawn(&["run"]);
    trouble(&server, &mut run, "copy.items");
    Outcome::of(run).ends(0).says(&["trying again in", " 0 dead letters"]);
    let differences = "select count(*) from ((table public.items except table copy.items) union all \
        (table copy.items except table public.items)) d";
    assert_eq!(server.psql(differences), "0");
    assert_eq!(server.psql("select count(*) from copy.items"), ROWS.to_string());
}

#[test]
fn a_database_that_stays_away_is_named() {
    let server = Postgres::start();
    let project = Project::with_database(&server, "");
    server.stop(Shutdown::Fast);
    let port = server.port().to_string();
    project.run(&["check", "--online"]).ends(1).says(&["LS0508", &port]);
    server.start_again();
    project.run(&["check", "--online"]).ends(0);
}
