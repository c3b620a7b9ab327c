//! A source that changes its shape: nothing is guessed, nothing is emptied, a person decides.

use lockstep_test_servers::Postgres;

use super::project::{DATABASE, Project, counts};

const SYNC: &str = "[sync.items]\nmode = \"mirror\"\n\
    source = { connection = \"db\", stream = \"public.items\" }\n\
    target = { connection = \"db\", stream = \"copy.items\" }\n";

fn start(policy: &str) -> (Postgres, Project) {
    let server = Postgres::start();
    server.psql(
        "create schema copy; create table items (id int primary key, name text, city text); \
         insert into items select i, 'name ' || i, 'city ' || i from generate_series(1, 100) i",
    );
    let project = Project::new(&format!("{DATABASE}{SYNC}schema = \"{policy}\"\n"));
    project.write("url", server.url());
    assert_eq!(project.sync(0)["written"], 100);
    (server, project)
}

fn rows(server: &Postgres) -> String {
    server.psql("select md5(string_agg(c::text, '' order by id)) from copy.items c")
}

#[test]
fn a_column_that_is_gone_pauses_and_loses_nothing() {
    for policy in ["pause", "evolve", "ignore"] {
        let (server, project) = start(policy);
        let before = rows(&server);
        server.psql("alter table items drop column city");
        for _ in 0..2 {
            project.run(&["run"]).ends(1).says(&["LS0704", "`city` is gone", "--accept-schema"]);
        }
        project.run(&["plan"]).ends(1).says(&["LS0704"]);
        assert_eq!(rows(&server), before, "{policy}");
        project.run(&["run", "items", "--accept-schema"]).ends(0);
        assert_eq!(rows(&server), before, "{policy}: a field that is gone keeps its values");
        server.psql("update items set name = 'changed' where id = 1; insert into items values (101, 'new')");
        project.run(&["run"]).ends(0);
        assert_eq!(
            server.psql("select name, city from copy.items where id in (1, 101) order by id"),
            "changed|city 1\nnew|"
        );
    }
}

#[test]
fn a_column_of_another_type_pauses() {
    let (server, project) = start("evolve");
    server.psql("alter table items alter city type int using id");
    project.run(&["run"]).ends(1).says(&["LS0704", "`city` was text and is int64"]);
    assert_eq!(server.psql("select city from copy.items where id = 7"), "city 7");
    // A number fits into the text column that is there.
    project.run(&["run", "--accept-schema"]).ends(0);
    assert_eq!(server.psql("select city from copy.items where id = 7"), "7");
    project.run(&["run"]).ends(0);
}

#[test]
fn a_new_column_waits_or_is_left_out_or_is_added() {
    let (server, project) = start("pause");
    server.psql("alter table items add email text default 'a@b'");
    project.run(&["run"]).ends(1).says(&["LS0704", "`email` is new"]);

    let (server, project) = start("ignore");
    server.psql("alter table items add email text default 'a@b'; update items set name = 'changed' where id = 1");
    assert_eq!(counts(&project.sync(0))[1], 1);
    assert_eq!(server.psql("select name from copy.items where id = 1"), "changed");

    let (server, project) = start("evolve");
    server.psql("alter table items add email text default 'a@b'; update items set email = null where id = 2");
    project.run(&["run"]).ends(0).says(&["`email` is new"]);
    assert_eq!(server.psql("select count(email), min(email) from copy.items"), "99|a@b");
    assert_eq!(server.psql("select count(*) from (table items except table copy.items) d"), "0");
    assert_eq!(counts(&project.sync(0))[1], 0);
}

#[test]
fn a_plan_shows_the_column_that_would_be_added() {
    let (server, project) = start("evolve");
    server.psql("alter table items add email text default 'a@b'");
    let plan = project.run(&["plan"]).ends(0);
    assert!(plan.stdout.contains("email"), "{plan}");
    assert_eq!(server.psql("select count(*) from information_schema.columns where table_schema = 'copy'"), "3");
}

#[test]
fn a_target_column_that_is_gone_is_no_reason_to_guess() {
    let (server, project) = start("pause");
    server.psql("alter table copy.items drop column city; update items set name = 'changed' where id = 1");
    let outcome = project.run(&["run"]);
    assert!(matches!(outcome.code, Some(1 | 2)), "{outcome}");
    outcome.says(&["LS0703", "city"]);
    assert_eq!(server.psql("select name from copy.items where id = 1"), "name 1");
}
