//! `run --watch`: every sync by its own beat, and in the end an answer about all of them.

use std::process::Command;
use std::time::{Duration, Instant};

use super::project::{FILES, Outcome, Project};

fn sync(name: &str, every: &str) -> String {
    format!(
        "[sync.{name}]\nmode = \"mirror\"\nsource = {{ connection = \"files\", stream = \"{name}.csv\", key = [\"id\"] }}\n\
         target = {{ connection = \"copy\", stream = \"{name}\" }}\ntrigger = {{ every = \"{every}\" }}\n"
    )
}

#[test]
fn a_slow_sync_that_failed_is_not_forgotten() {
    let project = Project::new(&format!("{FILES}{}{}", sync("slow", "1h"), sync("quick", "1s")));
    // There is no `slow.csv`.
    project.write("data/quick.csv", "id\n1\n");
    let child = project.spawn(&["run", "--watch", "--json"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let history = project.run(&["history", "quick", "--json"]).json();
        if history["result"]["runs"].as_array().is_some_and(|runs| runs.len() >= 4) {
            break;
        }
        assert!(Instant::now() < deadline, "{history}");
        std::thread::sleep(Duration::from_millis(50));
    }
    project.write("data/quick.csv", "id\n1\n2\n");
    while project.sqlite("select count(*) from quick") != "2" {
        assert!(Instant::now() < deadline, "a change is not noticed");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let outcome = Outcome::of(child).ends(1);
    let event = outcome.stdout.lines().find(|line| line.contains("\"event\":\"error\"")).unwrap_or_default();
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["error"]["code"], "LS0701", "{outcome}");
    let document = outcome.json();
    let ends: Vec<_> = document["result"]["syncs"].as_array().unwrap().iter().map(|sync| &sync["sync"]).collect();
    assert_eq!(ends, ["slow", "quick"], "{outcome}");
    assert_eq!(document["error"]["code"], "LS0701", "{outcome}");
}
