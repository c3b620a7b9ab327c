//! A person stops a run: once gently, twice at once; the next run goes on where it stopped.

use std::fmt::Write as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::project::{FILES, Outcome, Project};

/// Over a second of work for a quick machine.
const ROWS: u32 = 600_000;

fn project() -> Project {
    let project = Project::new(&format!(
        "{FILES}[sync.items]\nmode = \"mirror\"\nsource = {{ connection = \"files\", stream = \"items.csv\", key = [\"id\"] }}\n\
         target = {{ connection = \"copy\", stream = \"items\" }}\ndeletes = \"compare\"\n"
    ));
    let mut file = "id,name\n".to_owned();
    (0..ROWS).for_each(|id| writeln!(file, "{id},name {id}").unwrap());
    project.write("data/items.csv", file);
    project
}

/// Starts a run and waits until it reads.
fn begin(project: &Project) -> Child {
    let child = project.spawn(&["run", "--json"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while project.run(&["status", "--json"]).json()["result"]["syncs"][0]["last_run"]["status"] != "running" {
        assert!(Instant::now() < deadline, "nothing was begun");
    }
    std::thread::sleep(Duration::from_millis(300));
    child
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn one_interrupt_keeps_what_was_read() {
    let project = project();
    let child = begin(&project);
    interrupt(&child);
    let outcome = Outcome::of(child).ends(1);
    let document = outcome.json();
    let first = document["result"]["syncs"][0]["read"].as_u64().unwrap();
    assert!((1..u64::from(ROWS)).contains(&first), "{outcome}");
    let status = project.run(&["status", "--json"]).ends(0).json();
    assert_eq!(status["result"]["syncs"][0]["last_run"]["status"], "interrupted", "{status}");
    assert_eq!(project.sqlite("select count(*) from items"), first.to_string());
    let second = project.sync(0);
    assert_eq!(second["read"].as_u64(), Some(u64::from(ROWS) - first), "{second}");
    assert_eq!(project.sqlite("select count(*), min(id), max(id) from items"), format!("{ROWS}|0|{}", ROWS - 1));
}

#[test]
fn two_interrupts_stop_at_once() {
    let project = project();
    let mut child = begin(&project);
    let deadline = Instant::now() + Duration::from_secs(5);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not stop");
        interrupt(&child);
        std::thread::sleep(Duration::from_millis(1));
    }
    Outcome::of(child).ends(130);
    project.sync(0);
    assert_eq!(project.sqlite("select count(*), min(id), max(id) from items"), format!("{ROWS}|0|{}", ROWS - 1));
}
