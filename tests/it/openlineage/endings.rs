//! Runs that do not come to a good end.

use std::fmt::Write as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::events::{kinds, of_file};
use crate::mirror::project::{FILES, Outcome, Project};

const TO_FILE: &str = "[lineage]\nopenlineage = { file = \"lineage.ndjson\", namespace = \"warehouse\" }\n";

#[test]
fn a_run_that_fails_says_why_and_no_secret() {
    let project = Project::new(&format!(
        "{FILES}{TO_FILE}[connection.db]\nplugin = \"postgres\"\nsql.main = {{ url = \"file:url\" }}\n\
         [sync.items]\nmode = \"mirror\"\nsource = {{ connection = \"files\", stream = \"itmes.csv\", key = [\"id\"] }}\n\
         target = {{ connection = \"db\", stream = \"items\" }}\n"
    ));
    project.write("data/items.csv", "id\n1\n");
    project.write("url", "postgres://canary-user:canary-word@127.0.0.1:1/shop?sslmode=disable");
    project.run(&["run"]).ends(2).says(&["LS0701"]).keeps_quiet_about(&["LS0808"]);
    let events = of_file(&project);
    assert_eq!(kinds(&events), ["START items", "FAIL items"]);
    let message = events[1]["run"]["facets"]["errorMessage"]["message"].as_str().unwrap();
    assert!(message.starts_with("LS0701: sync `items`: connection `files` has no stream `itmes.csv`"), "{message}");
    assert_eq!(events[1]["job"]["namespace"], "warehouse");
    let target = &events[1]["outputs"][0];
    assert_eq!(
        (target["namespace"].as_str(), target["name"].as_str()),
        (Some("postgres://127.0.0.1:1"), Some("shop.public.items"))
    );
    assert!(!project.read("lineage.ndjson").contains("canary"));
}

/// A mirror that takes a while.
fn long() -> Project {
    let project = Project::new(&format!(
        "{FILES}{TO_FILE}[sync.items]\nmode = \"mirror\"\n\
         source = {{ connection = \"files\", stream = \"items.csv\", key = [\"id\"] }}\n\
         target = {{ connection = \"copy\", stream = \"items\" }}\n"
    ));
    let mut file = "id,name\n".to_owned();
    (0..150_000).for_each(|id| writeln!(file, "{id},name {id}").unwrap());
    project.write("data/items.csv", file);
    project
}

/// Starts a run and waits until others know of it.
fn begin(project: &Project, lines: usize) -> Child {
    let mut child = project.spawn(&["run"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let told = || std::fs::read_to_string(project.path("lineage.ndjson")).unwrap_or_default().lines().count();
    while told() < lines {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "nobody was told");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

#[test]
fn runs_that_are_stopped_or_killed_are_aborted() {
    let project = long();
    let child = begin(&project, 1);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    Outcome::of(child).ends(1);
    assert_eq!(kinds(&of_file(&project)), ["START items", "ABORT items"]);
    let mut child = begin(&project, 3);
    child.kill().unwrap();
    child.wait().unwrap();
    project.run(&["run"]).ends(0);
    let events = of_file(&project);
    let expected = ["START", "ABORT", "START", "ABORT", "START", "COMPLETE"].map(|kind| format!("{kind} items"));
    assert_eq!(kinds(&events), expected);
    for pair in events.chunks(2) {
        assert_eq!(pair[0]["run"]["runId"], pair[1]["run"]["runId"]);
    }
    assert_ne!(events[1]["run"]["runId"], events[2]["run"]["runId"]);
    assert_ne!(events[3]["run"]["runId"], events[4]["run"]["runId"]);
}

#[test]
fn letters_that_are_tried_again_are_a_run_too() {
    let project = Project::new(&format!(
        "{FILES}{TO_FILE}[sync.items]\nmode = \"mirror\"\n\
         source = {{ connection = \"files\", stream = \"items.csv\", key = [\"id\"] }}\n\
         target = {{ connection = \"copy\", stream = \"items\" }}\n"
    ));
    project.write("data/items.csv", "id,name\n1,a\n2,b\n");
    let database = rusqlite::Connection::open(project.path("copy.db")).unwrap();
    database.execute_batch("create table items (id integer primary key, name text check (name <> 'b'))").unwrap();
    project.run(&["run"]).ends(1);
    project.run(&["dead-letters", "retry", "--all"]).ends(1);
    let expected = ["START", "COMPLETE", "START", "COMPLETE"].map(|kind| format!("{kind} items"));
    assert_eq!(kinds(&of_file(&project)), expected);
}

#[test]
fn what_people_do_to_a_hub_is_told_too() {
    use crate::hub::systems::{Customer, Lab};
    let lab = Lab::customers(Customer::default(), &["1, 'ann@x', 'Ann', '1'"], &[]);
    let text = lab.read("lockstep.toml");
    lab.write("lockstep.toml", format!("{text}{TO_FILE}"));
    let first = lab.sync(0);
    lab.sql("erp", "update customer set name = 'Anna'");
    lab.run(&["verify"]).ends(1);
    lab.run(&["verify", "--repair"]).ends(1);
    lab.run(&["rollback", &first["run"].to_string(), "--yes"]).ends(0);
    let events = of_file(&lab);
    let both = ["START customer", "COMPLETE customer"];
    assert_eq!(kinds(&events), [both, both, both].concat(), "a comparison that repairs nothing is no run");
    let ids: std::collections::BTreeSet<&str> =
        events.iter().map(|event| event["run"]["runId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    let repaired = &events[3];
    assert_eq!(repaired["inputs"][1]["inputFacets"]["inputStatistics"]["rowCount"], 1, "{repaired:#}");
    assert!(repaired["outputs"][0]["facets"]["columnLineage"].is_object(), "{repaired:#}");
    // Taking back touches no system: the next run does.
    assert_eq!([&events[5]["inputs"], &events[5]["outputs"]], [&serde_json::json!([]); 2]);
}
