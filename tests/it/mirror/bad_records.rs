//! Records that cannot go on: they wait, complete and with their cause; the others go on; mending them settles it.

use lockstep_test_servers::Postgres;
use serde_json::Value;

use super::project::{Project, counts};

const SYNC: &str = "[sync.items]\nmode = \"mirror\"\n\
    source = { connection = \"files\", stream = \"items.csv\", key = [\"id\"], \
    types = { id = \"int64\", amount = \"decimal(6,2)\", day = \"date\" } }\n\
    target = { connection = \"db\", stream = \"items\" }\n";

/// The fifth line holds a byte that is not UTF-8.
const BAD: &[u8] = b"id,name,amount,day\n\
    1,fine,1.00,2026-01-01\n\
    2,too few,1.00\n\
    3,too,many,1.00,2026-01-01\n\
    4,latin \xe9,1.00,2026-01-01\n\
    5,no such day,1.00,2026-02-30\n\
    6,too much,99999.99,2026-01-01\n\
    99999999999999999999,no such id,1.00,2026-01-01\n\
    8,\"never closed,1.00,2026-01-01\n\
    9,fine too,2.00,2026-01-02\n\
    ,no key,2.00,2026-01-02\n";

const MENDED: &str = "id,name,amount,day\n\
    1,fine,1.00,2026-01-01\n\
    2,too few,1.00,2026-01-01\n\
    3,\"too,many\",1.00,2026-01-01\n\
    4,latin é,1.00,2026-01-01\n\
    5,no such day,1.00,2026-02-28\n\
    6,too much,9999.99,2026-01-01\n\
    7,no such id,1.00,2026-01-01\n\
    8,never closed,1.00,2026-01-01\n\
    9,fine too,2.00,2026-01-02\n\
    10,no key,2.00,2026-01-02\n";

fn letters(project: &Project) -> Vec<Value> {
    let list = project.run(&["dead-letters", "list", "--json"]).ends(0).json();
    list["result"]["dead_letters"].as_array().unwrap().clone()
}

#[test]
fn bad_lines_wait_and_the_rest_flows() {
    let server = Postgres::start();
    let project = Project::with_database(&server, SYNC);
    project.write("data/items.csv", BAD);
    assert_eq!(counts(&project.sync(1))[6], 8);
    assert_eq!(server.psql("select string_agg(id::text, ',' order by id) from items"), "1,9");
    let letters = letters(&project);
    assert_eq!(letters.len(), 8);
    let raw: Vec<&str> = BAD
        .split(|byte| *byte == b'\n')
        .map(|line| std::str::from_utf8(line).unwrap_or("4,latin \u{fffd},1.00,2026-01-01"))
        .collect();
    for (line, what) in [
        (3, "3 fields"),
        (4, "5 fields"),
        (5, "not UTF-8"),
        (6, "2026-02-30"),
        (7, "99999.99"),
        (8, "99999999999999999999"),
        (9, "never closed"),
        (11, "key"),
    ] {
        let letter = letters.iter().find(|letter| {
            letter["position"] == format!("line {line}") || letter["record"]["values"]["name"] == "no key" && line == 11
        });
        let letter = letter.unwrap_or_else(|| panic!("nothing about line {line}: {letters:#?}"));
        assert!(letter["cause"]["message"].as_str().unwrap().contains(what), "{letter:#}");
        if line != 11 {
            let text = letter["raw"].as_str().unwrap().trim_end();
            assert_eq!(text, raw[line - 1], "the record is complete");
        }
        let id = letter["id"].to_string();
        project.run(&["dead-letters", "show", &id]).ends(0).says(&["cause: ", "items"]);
    }
    project.run(&["status"]).ends(0).says(&["dead-letters list"]);
}

#[test]
fn a_mended_file_settles_its_letters() {
    let server = Postgres::start();
    let project = Project::with_database(&server, SYNC);
    project.write("data/items.csv", BAD);
    project.sync(1);
    // What is still as it was is not told twice, and still waits.
    project.run(&["run", "--full"]).ends(1);
    assert_eq!(letters(&project).len(), 8);
    project.write("data/items.csv", MENDED);
    assert_eq!(counts(&project.sync(0)), [10, 8, 2, 0, 0, 0, 0]);
    assert_eq!(letters(&project), Vec::<Value>::new());
    assert_eq!(server.psql("select count(*) from items"), "10");
    assert_eq!(server.psql("select name from items where id = 3"), "too,many");
}

#[test]
fn what_the_target_refuses_can_be_tried_again_or_given_up() {
    let server = Postgres::start();
    server.psql("create table items (id bigint primary key, name text not null check (name <> 'cursed'), amount numeric(6,2), day date)");
    let project = Project::with_database(&server, SYNC);
    project.write(
        "data/items.csv",
        "id,name,amount,day\n1,fine,1.00,\n2,cursed,2.00,2026-01-01\n3,,3.00,\n4,cursed,4.00,\n5,fine,5.00,\n",
    );
    let sync = project.sync(1);
    assert_eq!((sync["written"].as_u64(), sync["dead_letters"].as_u64()), (Some(2), Some(3)), "{sync}");
    let waiting = letters(&project);
    let keys: Vec<&str> = waiting.iter().map(|letter| letter["key"].as_str().unwrap()).collect();
    assert!(["[\"2\"]", "[\"3\"]", "[\"4\"]"].iter().all(|key| keys.contains(key)), "{keys:?}");
    let of = |key: &str| waiting.iter().find(|letter| letter["key"] == format!("[\"{key}\"]")).unwrap();
    assert_eq!(of("2")["record"]["values"]["amount"], "2.00", "{:#}", of("2"));
    assert!(of("2")["cause"]["message"].as_str().unwrap().contains("items_name_check"), "{:#}", of("2"));
    let id = |key: &str| of(key)["id"].to_string();

    // Nothing was mended: it fails again, and is counted.
    project.run(&["dead-letters", "retry", &id("2")]).ends(1);
    let shown = project.run(&["dead-letters", "show", &id("2"), "--json"]).ends(0).json();
    assert_eq!((shown["result"]["attempts"].as_u64(), &shown["result"]["state"]), (Some(2), &"open".into()), "{shown}");
    server.psql("alter table items drop constraint items_name_check");
    project.run(&["dead-letters", "retry", &id("2")]).ends(0);
    assert_eq!(server.psql("select name, amount, day from items where id = 2"), "cursed|2.00|2026-01-01");
    // Nobody can be asked here.
    project.run(&["dead-letters", "discard", &id("3")]).ends(2).says(&["LS0103", "--yes"]);
    project.run(&["dead-letters", "discard", &id("3"), "--yes"]).ends(0).says(&["discarded 1 record"]);
    assert_eq!(letters(&project).len(), 1);
    project.run(&["dead-letters", "retry", "--all"]).ends(0);
    assert_eq!(letters(&project).len(), 0);
    assert_eq!(server.psql("select string_agg(id::text, ',' order by id) from items"), "1,2,4,5");
    project.run(&["dead-letters", "show", "4711"]).ends(2).says(&["LS0102", "4711"]);
}

#[test]
fn a_record_mended_in_its_source_settles_its_letter() {
    let server = Postgres::start();
    server.psql(
        "create table items (id bigint primary key, name text check (name <> 'cursed'), amount numeric(6,2), day date)",
    );
    let project = Project::with_database(&server, SYNC);
    project.write("data/items.csv", "id,name,amount,day\n1,fine,,\n2,cursed,,\n");
    project.sync(1);
    assert_eq!(letters(&project).len(), 1);
    project.write("data/items.csv", "id,name,amount,day\n1,fine,,\n2,blessed,,\n");
    assert_eq!(counts(&project.sync(0)), [2, 1, 1, 0, 0, 0, 0]);
    assert_eq!(letters(&project).len(), 0);
}

#[test]
fn of_records_with_the_same_key_the_last_one_wins() {
    let server = Postgres::start();
    let project = Project::with_database(&server, SYNC);
    project.write("data/items.csv", "id,name,amount,day\n1,first,,\n2,other,,\n1,second,,\n1,last,,\n");
    assert_eq!(counts(&project.sync(0)), [4, 2, 0, 0, 2, 0, 0]);
    assert_eq!(server.psql("select id, name from items order by id"), "1|last\n2|other");
    project.run(&["run", "--full"]).ends(0).says(&["2 duplicates"]);
    assert_eq!(server.psql("select id, name from items order by id"), "1|last\n2|other");
}

#[test]
fn too_many_bad_records_end_the_run() {
    let server = Postgres::start();
    let project = Project::with_database(&server, &format!("{SYNC}dead_letters = {{ max = 5 }}\n"));
    let mut file = "id,name,amount,day\n1,fine,,\n".to_owned();
    (2..50).for_each(|id| file.push_str(&format!("{id},bad,many,\n")));
    project.write("data/items.csv", file);
    project.run(&["run"]).ends(1).says(&["LS0709", "more than 5"]);
}

#[test]
fn values_the_target_cannot_hold_wait_one_by_one() {
    let server = Postgres::start();
    server.psql("create table items (id bigint primary key, name varchar(8), amount numeric(4,1), day date)");
    let project = Project::with_database(&server, SYNC);
    let file =
        "id,name,amount,day\n1,fine,1.5,\n2,nul \u{0} byte,,\n3,much too long,,\n4,,1.25,\n5,,9999.99,\n6,last,,\n";
    project.write("data/items.csv", file);
    let sync = project.sync(1);
    assert_eq!((sync["written"].as_u64(), sync["dead_letters"].as_u64()), (Some(2), Some(4)), "{sync}");
    let mut waiting: Vec<String> = letters(&project).iter().map(|letter| letter["key"].to_string()).collect();
    waiting.sort();
    assert_eq!(waiting, [r#""[\"2\"]""#, r#""[\"3\"]""#, r#""[\"4\"]""#, r#""[\"5\"]""#]);
    assert_eq!(server.psql("select string_agg(id::text, ',' order by id) from items"), "1,6");
}

#[test]
fn every_record_without_a_key_has_its_letter() {
    let server = Postgres::start();
    let project = Project::with_database(&server, SYNC);
    project.write("data/items.csv", "id,name,amount,day\n1,fine,,\n,one,,\n,two,,\n");
    project.sync(1);
    let names: Vec<String> =
        letters(&project).iter().map(|letter| letter["record"]["values"]["name"].to_string()).collect();
    assert!(names.len() == 2 && names.contains(&"\"one\"".into()) && names.contains(&"\"two\"".into()), "{names:?}");
}

#[test]
fn a_sync_that_is_gone_does_not_keep_others_waiting() {
    let server = Postgres::start();
    let sync = |name: &str| {
        SYNC.replace("[sync.items]", &format!("[sync.{name}]"))
            .replace("stream = \"items\"", &format!("stream = \"{name}\""))
    };
    let project = Project::with_database(&server, &(sync("alpha") + &sync("beta")));
    for table in ["alpha", "beta"] {
        server.psql(&format!(
            "create table {table} (id bigint primary key, name text check (name = 'b'), amount numeric(6,2), day date)"
        ));
    }
    project.write("data/items.csv", "id,name,amount,day\n1,a,,\n");
    project.run(&["run"]).ends(1);
    assert_eq!(letters(&project).len(), 2);
    server.psql("alter table alpha drop constraint alpha_name_check; alter table beta drop constraint beta_name_check");
    let text = project.read("lockstep.toml").replacen("[project]\nname = \"test\"\n", "", 1);
    project.define(&text.replace(&sync("alpha"), ""));
    project.run(&["dead-letters", "retry", "--all"]).ends(1).says(&["LS0102", "there is no sync `alpha`", "beta: "]);
    assert_eq!(server.psql("select name from beta"), "a");
    assert_eq!(letters(&project).len(), 1);
    project.run(&["dead-letters", "discard", "--all", "--yes"]).ends(0);
    assert_eq!(letters(&project).len(), 0);
}
