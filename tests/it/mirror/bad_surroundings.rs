//! What is wrong around the records: the project file, credentials, the state, the disk, another process. Each gets a clear error,
//! an exit code, and harms nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use lockstep_test_servers::Postgres;

use super::project::{DATABASE, FILES, Outcome, Project, counts};

const SYNC: &str = "[sync.items]\nmode = \"mirror\"\n\
    source = { connection = \"files\", stream = \"items.csv\", key = [\"id\"] }\n\
    target = { connection = \"copy\", stream = \"items\" }\n";

fn project() -> Project {
    let project = Project::new(&format!("{FILES}{SYNC}"));
    project.write("data/items.csv", "id,name\n1,one\n2,two\n");
    project
}

#[test]
fn a_slip_in_the_project_file_gets_its_line_and_a_suggestion() {
    let project = project();
    project.define(&format!("{FILES}{SYNC}delets = \"compare\"\n"));
    for verb in ["check", "run", "plan", "status"] {
        project.run(&[verb]).ends(2).says(&[
            "error[LS0203]",
            "lockstep.toml:13",
            "`delets`",
            "did you mean `deletes`?",
        ]);
    }
    project.define("[sync");
    project.run(&["run"]).ends(2).says(&["LS0202", "lockstep.toml:"]);
    std::fs::remove_file(project.path("lockstep.toml")).unwrap();
    project.run(&["run"]).ends(2).says(&["LS0201"]);
    assert!(!project.path(".lockstep").exists(), "a refused project leaves no state");
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let server = Postgres::start();
    server.psql("create table items (id int primary key)");
    let text = "[sync.items]\nmode = \"mirror\"\nsource = { connection = \"db\", stream = \"public.itms\" }\n\
        target = { connection = \"copy\", stream = \"items\" }\n";
    let project = Project::with_database(&server, text);
    project.run(&["run"]).ends(2).says(&["LS0701", "no stream `public.itms`", "did you mean `public.items`?"]);
    project.run(&["run", "itms"]).ends(2).says(&["LS0102", "did you mean `items`?"]);
    project.write("url", server.url_of("nowhere"));
    project.run(&["run"]).says(&["nowhere"]);
    std::fs::remove_file(project.path("url")).unwrap();
    project.run(&["run"]).ends(3).says(&["LS0207", "url"]);
    project.run(&["check"]).ends(3).says(&["LS0207", "lockstep.toml:"]);
}

#[test]
fn a_password_is_shown_nowhere() {
    let server = Postgres::start();
    server.create_user("erp", "right-Pa55word", "scram-sha-256");
    let text = "[sync.items]\nmode = \"mirror\"\nsource = { connection = \"files\", stream = \"items.csv\", key = [\"id\"] }\n\
        target = { connection = \"db\", stream = \"items\" }\n";
    let project = Project::new(&format!("{FILES}{}{text}", DATABASE.replace("file:url", "env:ERP_URL")));
    project.write("data/items.csv", "id\n1\n");
    let secrets = ["wrong-Pa55word", "right-Pa55word"];
    let run = |password: &str, args: &[&str]| {
        let url = server.url_for("erp", password);
        Outcome::of(project.command(args).env("ERP_URL", url).spawn().unwrap()).keeps_quiet_about(&secrets)
    };
    for args in [&["run"][..], &["run", "-vvv"], &["run", "--json"], &["plan"], &["check", "--online", "-vvv"]] {
        let outcome = run("wrong-Pa55word", args);
        assert!(matches!(outcome.code, Some(1 | 3)), "{outcome}");
        outcome.says(&["LS0509"]);
    }
    run("wrong-Pa55word", &["run"]).ends(3);
    for args in [&["run", "-vvv"][..], &["status", "--json"], &["history"], &["doctor", "-vvv"], &["plan", "-vvv"]] {
        run("right-Pa55word", args).ends(0);
    }
    let found = Command::new("grep").args(["-rl", "Pa55word"]).arg(project.path(".")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "a password was written down");
}

#[test]
fn a_secret_in_the_project_file_is_refused_and_not_repeated() {
    let url = "postgres://erp:Pa55word@localhost/erp";
    let project = Project::new(&format!("{FILES}{}{SYNC}", DATABASE.replace("file:url", url)));
    project.run(&["run", "-vvv"]).ends(2).says(&["LS0208"]).keeps_quiet_about(&["Pa55word"]);
}

/// Overwrites the middle of a file of the state, as a failing disk would.
fn damage(project: &Project, name: &str) {
    let path = project.path(".lockstep").join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 4..bytes.len() / 2;
    assert!(middle.len() > 1000, "{name} is too short to be damaged");
    bytes[middle].fill(0x5a);
    std::fs::write(path, bytes).unwrap();
}

fn state_in_one_file(project: &Project) {
    let state = rusqlite::Connection::open(project.path(".lockstep/state.db")).unwrap();
    state.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
}

#[test]
fn a_damaged_state_is_noticed_and_can_be_put_aside() {
    for file in ["state.db", "state.db-wal"] {
        let project = project();
        project.sync(0);
        if file == "state.db" {
            state_in_one_file(&project);
        }
        damage(&project, file);
        for verb in ["run", "status", "history"] {
            project.run(&[verb]).ends(3).says(&["LS0802", "damaged"]);
        }
        let said = project.run(&["run"]).stderr;
        let hint = said.split('`').find(|text| text.starts_with("mkdir")).unwrap_or_else(|| panic!("{said}"));
        let moved = Command::new("sh").args(["-c", hint]).current_dir(project.path("")).status().unwrap();
        assert!(moved.success(), "{hint}");
        assert_eq!(counts(&project.sync(0)), [2, 0, 2, 0, 0, 0, 0], "everything is read again, and nothing doubled");
    }
}

#[test]
fn a_state_that_lost_what_was_in_its_log_is_noticed() {
    let project = project();
    project.sync(0);
    state_in_one_file(&project);
    project.write("data/items.csv", "id,name\n1,one\n2,two\n3,three\n");
    project.sync(0);
    // Somebody restored `state.db` alone: its position is older than what the target has seen.
    std::fs::remove_file(project.path(".lockstep/state.db-wal")).unwrap();
    project.run(&["run"]).ends(3).says(&["LS0802"]);
}

#[test]
fn a_state_from_the_future_is_left_alone() {
    let project = project();
    project.sync(0);
    let state = rusqlite::Connection::open(project.path(".lockstep/state.db")).unwrap();
    state.pragma_update(None, "user_version", 1000).unwrap();
    drop(state);
    project.run(&["run"]).ends(2).says(&["LS0803", "version 1000"]);
}

#[test]
fn a_second_process_is_told_who_works_here() {
    let project = project();
    let mut first = project.spawn(&["run", "--watch"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while project.run(&["status", "--json"]).json()["result"]["syncs"][0]["last_run"]["status"] != "succeeded" {
        assert!(Instant::now() < deadline, "nothing was run");
    }
    let holder = format!("process {}", first.id());
    for args in [&["run"][..], &["approve", "1"], &["dead-letters", "discard", "--all", "--yes"]] {
        project.run(args).ends(3).says(&["LS0801", "lockstep run --watch", &holder, "kill"]);
    }
    // Looking is allowed.
    project.run(&["status"]).ends(0);
    project.run(&["plan"]).ends(0);
    let hint = format!("kill {}", first.id());
    assert!(Command::new("sh").args(["-c", &hint]).status().unwrap().success());
    first.wait().unwrap();
    assert_eq!(counts(&project.sync(0))[1], 0);
}

#[test]
fn the_first_interrupt_finishes_the_page_in_flight() {
    let project = project();
    let first = project.spawn(&["run", "--watch", "--json"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while project.run(&["status", "--json"]).json()["result"]["syncs"][0]["last_run"]["status"] != "succeeded" {
        assert!(Instant::now() < deadline, "nothing was run");
    }
    assert!(Command::new("kill").args(["-INT", &first.id().to_string()]).status().unwrap().success());
    let outcome = Outcome::of(first).ends(0);
    assert_eq!(outcome.json()["result"]["syncs"][0]["written"], 2);
}

/// A file system of its own size, unmounted with its value; none where mounting is not allowed.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(path: std::path::PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let option = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &option, "lockstep-test"]).arg(&path).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let project = project();
    let Some(disk) = SmallDisk::mount(project.path(".lockstep"), "256k") else {
        eprintln!("skipped: nothing may be mounted here");
        return;
    };
    // Records that are refused go into the state, which has no room for them.
    let mut file = "id,name\n1,one\n".to_owned();
    (2..3000).for_each(|id| file.push_str(&format!("{id},{},too many\n", "long ".repeat(100))));
    project.write("data/items.csv", file);
    project.run(&["run"]).ends(3).says(&["LS0804", "df -h"]);
    drop(disk);
    let outcome = project.run(&["run", "--json"]).ends(1).json();
    assert_eq!(outcome["result"]["syncs"][0]["dead_letters"], 2998);
    assert_eq!(project.sqlite("select * from items"), "1|one");
}

#[test]
fn a_full_disk_can_be_freed() {
    let project = project();
    let Some(_disk) = SmallDisk::mount(project.path(".lockstep"), "1m") else {
        eprintln!("skipped: nothing may be mounted here");
        return;
    };
    project.sync(0);
    let ballast = project.path(".lockstep/ballast");
    while std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&ballast)
        .is_ok_and(|mut file| std::io::Write::write_all(&mut file, &[0; 1024]).is_ok())
    {}
    project.write("data/items.csv", "id,name\n1,one\n2,two\n3,three\n");
    project.run(&["run"]).ends(3).says(&["LS0804"]);
    std::fs::remove_file(ballast).unwrap();
    project.sync(0);
    assert_eq!(project.sqlite("select count(*) from items"), "3");
    project.run(&["status"]).ends(0);
}

#[test]
fn a_database_url_without_sense_gets_its_line_and_is_not_repeated() {
    let text = "[sync.items]\nmode = \"mirror\"\nsource = { connection = \"files\", stream = \"items.csv\", key = [\"id\"] }\n\
        target = { connection = \"db\", stream = \"items\" }\n";
    let project = Project::new(&format!("{FILES}{DATABASE}{text}"));
    project.write("data/items.csv", "id\n1\n");
    project.write("url", "oracle://me:hunter2@host/db");
    for command in ["check", "plan", "run"] {
        project
            .run(&[command])
            .ends(2)
            .says(&["error[LS0204]: lockstep.toml:11: `connection.db.sql.main.url`: ", "a database URL looks like"])
            .keeps_quiet_about(&["hunter2"]);
    }
}
