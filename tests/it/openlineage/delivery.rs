//! Events on their way to a consumer.

use std::time::{Duration, Instant};

use super::events::{check, kinds};
use super::receiver::{Answer, Receiver};
use crate::mirror::project::{FILES, Outcome, Project};

/// A key no error, no log and no file of ours may show.
const KEY: &str = "canary-key";
/// What a run may take at most in these tests, with a machine that is busy: less than a consumer that is waited for would cost.
const PATIENCE: Duration = Duration::from_secs(20);

fn project(port: u16, more: &str) -> Project {
    let project = Project::new(&format!(
        "{FILES}[lineage]\nopenlineage = {{ url = \"http://127.0.0.1:{port}\", api_key = \"file:key\"{more} }}\n\
         [sync.items]\nmode = \"mirror\"\nsource = {{ connection = \"files\", stream = \"items.csv\", key = [\"id\"] }}\n\
         target = {{ connection = \"copy\", stream = \"items\" }}\n"
    ));
    project.write("key", KEY);
    project.write("data/items.csv", "id,name\n1,a\n2,b\n");
    project
}

fn run(project: &Project) -> Outcome {
    let begin = Instant::now();
    let outcome = project.run(&["run"]).ends(0).keeps_quiet_about(&[KEY]);
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    outcome
}

/// A port nobody listens on.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn both(times: usize) -> Vec<String> {
    let kinds = ["START items", "COMPLETE items"].map(str::to_owned);
    kinds.iter().cycle().take(2 * times).cloned().collect()
}

#[test]
fn a_consumer_gets_them_with_the_key() {
    let receiver = Receiver::start();
    let project = project(receiver.port(), "");
    run(&project).keeps_quiet_about(&["LS0808"]);
    let requests = receiver.requests();
    for request in &requests {
        assert_eq!(request.line, "POST /api/v1/lineage HTTP/1.1");
        assert_eq!(request.header("authorization"), Some("Bearer canary-key"));
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
    check(&receiver.events());
    assert_eq!(kinds(&receiver.events()), both(1));
    run(&project);
    assert_eq!(kinds(&receiver.events()), both(2));
}

#[test]
fn a_consumer_that_is_down_loses_nothing() {
    let port = free_port();
    let project = project(port, "");
    let said = run(&project).says(&["error[LS0808]", "hint: they wait and are sent by the next run; syncs go on"]);
    assert_eq!(said.stderr.matches("LS0808").count(), 1, "an outage is told once: {said}");
    run(&project).says(&["LS0808"]);
    assert_eq!(project.sqlite("select count(*) from items"), "2");
    let receiver = Receiver::start_at(port);
    run(&project).keeps_quiet_about(&["LS0808"]);
    let events = receiver.events();
    assert_eq!(kinds(&events), both(3));
    let times: Vec<&str> = events.iter().map(|event| event["eventTime"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    run(&project);
    assert_eq!(kinds(&receiver.events()), both(4), "none comes twice");
}

#[test]
fn a_consumer_that_stumbles_is_asked_again() {
    let receiver = Receiver::start();
    receiver.will_answer([503, 429].map(Answer::Status));
    let project = project(receiver.port(), "");
    run(&project).keeps_quiet_about(&["LS0808"]);
    assert_eq!(kinds(&receiver.events()), both(1));
    assert_eq!(receiver.requests().len(), 4);
}

#[test]
fn a_wrong_key_can_be_mended() {
    let receiver = Receiver::start();
    receiver.will_answer([Answer::Status(401); 9]);
    let project = project(receiver.port(), "");
    run(&project).says(&["LS0808", "it answered 401"]);
    assert!(receiver.events().is_empty());
    let asked = receiver.requests().len();
    project.run(&["status"]).ends(0);
    assert_eq!(receiver.requests().len(), asked, "a command that only looks tells nobody");
    let (old, mended) = (format!(":{}", receiver.port()), Receiver::start());
    let text = project.read("lockstep.toml").replace(&old, &format!(":{}", mended.port()));
    project.write("lockstep.toml", text);
    run(&project);
    assert_eq!(kinds(&mended.events()), both(2));
}

#[test]
fn what_will_never_be_taken_holds_up_nothing() {
    let receiver = Receiver::start();
    receiver.will_answer([Answer::Status(422)]);
    let project = project(receiver.port(), "");
    run(&project).says(&["LS0808", "a lineage event was refused", "answered 422"]);
    assert_eq!(kinds(&receiver.events()), ["COMPLETE items"]);
    run(&project).keeps_quiet_about(&["LS0808"]);
    assert_eq!(kinds(&receiver.events()), ["COMPLETE items", "START items", "COMPLETE items"]);
}

#[test]
fn a_consumer_that_never_answers_holds_up_nobody() {
    let receiver = Receiver::start();
    receiver.will_answer([Answer::Silence; 1]);
    let project = project(receiver.port(), ", timeout = \"1h\"");
    run(&project).says(&["LS0808", "it takes too long"]);
    run(&project).keeps_quiet_about(&["LS0808"]);
    assert_eq!(kinds(&receiver.events()), both(2));
}

#[test]
fn a_key_that_is_not_there_is_no_reason_to_stand_still() {
    let receiver = Receiver::start();
    let project = project(receiver.port(), "");
    std::fs::remove_file(project.path("key")).unwrap();
    project.run(&["check"]).ends(3).says(&["LS0207", "`lineage.openlineage.api_key`"]);
    run(&project).says(&["error[LS0207]", "`lineage.openlineage.api_key`"]);
    assert!(receiver.requests().is_empty(), "nothing is sent without the key");
    project.write("key", KEY);
    run(&project);
    assert_eq!(kinds(&receiver.events()), both(2));
}

#[test]
fn a_file_that_cannot_be_written_is_caught_up_with() {
    let project = project(1, "");
    let text = project.read("lockstep.toml");
    let line = text.lines().find(|line| line.starts_with("openlineage")).unwrap();
    project.write("lockstep.toml", text.replace(line, "openlineage = { file = \"out/lineage.ndjson\" }"));
    project.run(&["check"]).ends(3).says(&["LS0503", "`lineage.openlineage.file`"]);
    run(&project).says(&["LS0808", "out/lineage.ndjson"]);
    std::fs::create_dir(project.path("out")).unwrap();
    run(&project).keeps_quiet_about(&["LS0808"]);
    let events: Vec<_> =
        project.read("out/lineage.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    check(&events);
    assert_eq!(kinds(&events), both(2));
}

#[test]
fn a_damaged_outbox_is_told_and_syncs_go_on() {
    let receiver = Receiver::start();
    let project = project(receiver.port(), "");
    run(&project);
    project.write(".lockstep/openlineage.db", "no database ".repeat(1000));
    run(&project).says(&["error[LS0808]", "openlineage.db"]);
    std::fs::remove_file(project.path(".lockstep/openlineage.db")).unwrap();
    run(&project).keeps_quiet_about(&["LS0808"]);
    assert_eq!(kinds(&receiver.events()), both(2), "the run in between could tell nobody");
}
