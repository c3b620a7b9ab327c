//! The process is killed again and again, wherever it happens to be: in the end source and target are equal, nothing is
//! complained about that was not wrong, and the state says what happened.

use std::fmt::Write as _;
use std::process::Child;
use std::time::{Duration, Instant};

use lockstep_test_servers::Postgres;
use serde_json::Value;

use super::project::{Outcome, Project};

const KILLS: u32 = 15;
/// From the start of the process, which needs some of it before the first record moves.
const LIFE_MIN: Duration = Duration::from_millis(60);
const LIFE_MAX: Duration = Duration::from_millis(900);

/// Numbers that look like chance and are the same in every run of the test.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn life(&mut self) -> Duration {
        let span = u64::try_from((LIFE_MAX - LIFE_MIN).as_millis()).unwrap();
        LIFE_MIN + Duration::from_millis(self.next() % span)
    }
}

/// `kill -9` after a while. Answers with how the process ended if it was quicker.
pub fn kill_after(mut child: Child, life: Duration) -> Option<Outcome> {
    let until = Instant::now() + life;
    while Instant::now() < until {
        if child.try_wait().unwrap().is_some() {
            return Some(Outcome::of(child));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Kills so many runs. A run that came to its end meanwhile is a run, too; `change` gives the next one something to do. A process
/// that was killed before its run began is none, and on a machine that busy the next one lives longer.
fn kill_again_and_again(project: &Project, seed: u64, mut change: impl FnMut(u32)) {
    let mut chance = Chance(seed);
    let (mut kills, mut completed) = (0, 0);
    let (mut last_run, mut start) = (Value::Null, Duration::ZERO);
    while kills < KILLS {
        let mut was_killed = false;
        match kill_after(project.spawn(&["run", "--json"]), start + chance.life()) {
            None => was_killed = true,
            Some(outcome) => {
                let outcome = outcome.ends(0);
                completed += 1;
                assert!(completed < 20, "the load is too small to be killed in: {outcome}");
                change(completed);
            }
        }
        let status = project.run(&["status", "--json"]).ends(0).json();
        assert_sane(&status);
        let run = status["result"]["syncs"][0]["last_run"]["id"].clone();
        match was_killed {
            true if run == last_run => start += Duration::from_millis(100),
            true => kills += 1,
            false => {}
        }
        last_run = run;
    }
}

fn assert_sane(status: &Value) {
    let sync = &status["result"]["syncs"][0];
    assert!(["new", "initial-load", "steady"].contains(&sync["phase"].as_str().unwrap()), "{status}");
    assert_eq!(sync["open_dead_letters"], 0, "{status}");
    assert_eq!(sync["open_holds"], 0, "{status}");
    assert_ne!(sync["last_run"]["status"], "running", "{status}");
}

/// What must hold once nobody kills any more.
fn assert_settled(project: &Project) {
    let sync = project.sync(0);
    assert_eq!(sync["dead_letters"], 0, "{sync}");
    assert_eq!(project.sync(0)["written"], 0);
    let status = project.run(&["status", "--json"]).ends(0).json();
    assert_sane(&status);
    assert_eq!(status["result"]["syncs"][0]["phase"], "steady");
    assert_eq!(status["result"]["syncs"][0]["last_run"]["status"], "succeeded");
    let history = project.run(&["history", "--limit", "100", "--json"]).ends(0).json();
    let runs = history["result"]["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["status"] != "running"), "{history}");
    assert!(runs.iter().any(|run| run["status"] == "interrupted"), "{history}");
}

/// `changed` of the records have another name.
fn file(rows: u32, changed: u32) -> String {
    let mut text = "id,name,amount,day\n".to_owned();
    for id in 0..rows {
        let name = if id % 100 < changed { "changed" } else { "name" };
        writeln!(text, "{id},{name} {id},{}.{:02},2026-11-{:02}", id * 7 % 10_007, id % 100, id % 28 + 1).unwrap();
    }
    text
}

#[test]
fn a_file_arrives_whole() {
    let server = Postgres::start();
    let sync = "[sync.items]\nmode = \"mirror\"\nsource = { connection = \"files\", stream = \"items.csv\", key = [\"id\"] }\n\
        target = { connection = \"db\", stream = \"items\" }\ndeletes = \"compare\"\n";
    let project = Project::with_database(&server, sync);
    let mut newest = file(ROWS, 0);
    project.write("data/items.csv", &newest);
    kill_again_and_again(&project, 1, |number| {
        newest = file(ROWS, number);
        project.write("data/items.csv", &newest);
    });
    assert_settled(&project);
    let mut arrived = "id,name,amount,day\n".to_owned();
    arrived.push_str(&server.psql("copy (select * from items order by id) to stdout with csv"));
    assert!(arrived.trim_end() == newest.trim_end(), "the table is not what the file is");
}

#[test]
fn a_table_arrives_whole() {
    let server = Postgres::start();
    server.psql("create schema copy");
    server.psql(&format!(
        "create table items (id int primary key, name text, amount numeric(12,2), day date); insert into items select i, \
         'name ' || i, i % 10007 + 0.25, date '2026-11-01' + i % 28 from generate_series(1, {ROWS}) i"
    ));
    let sync = "[sync.items]\nmode = \"mirror\"\nsource = { connection = \"db\", stream = \"public.items\" }\n\
        target = { connection = \"db\", stream = \"copy.items\" }\ndeletes = \"compare\"\n";
    let project = Project::with_database(&server, sync);
    kill_again_and_again(&project, 2, |number| {
        server.psql(&format!(
            "update items set name = 'changed ' || {number} where id % 3 = {number} % 3; delete from items where id = {number}"
        ));
    });
    assert_settled(&project);
    let differences = server.psql(
        "select count(*) from ((table public.items except table copy.items) union all \
         (table copy.items except table public.items)) d",
    );
    assert_eq!(differences, "0");
    assert_eq!(server.psql("select count(*) from copy.items"), server.psql("select count(*) from public.items"));
}

const ROWS: u32 = 200_000;
