//! Files into tables: exact types and values, only what changed, deletes under guard.

use lockstep_test_servers::Postgres;
use std::fmt::Write as _;

use super::project::{Project, counts};

const SYNC: &str = "[sync.customers]\nmode = \"mirror\"\n\
    source = { connection = \"files\", stream = \"customers.csv\", key = [\"id\"], types = { credit = \"decimal(12,2)\" } }\n\
    target = { connection = \"db\", stream = \"customers\" }\n";

const CUSTOMERS: &str = "\
id,name,phone,zip,credit,born,seen,note\n\
1,Ada,+49 0123,007,12.50,1815-12-10,2026-11-21T12:00:00+01:00,\"two\nlines, one \"\"quoted\"\"\"\n\
2,Grace,+1 5550100,01234,-0.07,1906-12-09,2026-11-21T12:00:00.000001Z,\"\"\n\
3,Zoë,+49 0124,00000,9999999999.99,1999-02-28,1969-12-31T23:59:59Z,\n";

#[test]
fn the_first_load_makes_the_table_and_keeps_every_value() {
    let server = Postgres::start();
    let project = Project::with_database(&server, SYNC);
    project.write("data/customers.csv", CUSTOMERS);
    assert_eq!(counts(&project.sync(0)), [3, 3, 0, 0, 0, 0, 0]);
    let columns = server.psql(
        "select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by attnum) \
         from pg_attribute a where attrelid = 'public.customers'::regclass and attnum > 0",
    );
    assert_eq!(
        columns,
        "id bigint, name text, phone text, zip text, credit numeric(12,2), born date, \
         seen timestamp with time zone, note text"
    );
    let key = server
        .psql("select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'public.customers'::regclass");
    assert_eq!(key, "PRIMARY KEY (id)");
    let rows = server.psql(
        "set timezone = 'UTC'; select id, name, phone, zip, credit, born, seen, quote_nullable(note) \
         from customers order by id",
    );
    assert_eq!(
        rows,
        "1|Ada|+49 0123|007|12.50|1815-12-10|2026-11-21 11:00:00+00|'two\nlines, one \"quoted\"'\n\
         2|Grace|+1 5550100|01234|-0.07|1906-12-09|2026-11-21 12:00:00.000001+00|''\n\
         3|Zoë|+49 0124|00000|9999999999.99|1999-02-28|1969-12-31 23:59:59+00|NULL"
    );
}

#[test]
fn only_what_changed_is_written() {
    let server = Postgres::start();
    let project = Project::with_database(&server, SYNC);
    project.write("data/customers.csv", CUSTOMERS);
    project.sync(0);
    let versions = || server.psql("select id, xmin from customers where id <> 2 order by id");
    let before = versions();

    assert_eq!(counts(&project.sync(0))[1], 0, "the same file writes nothing");
    project.write("data/customers.csv", CUSTOMERS.replace("\n", "\r\n").replace("two\r\n", "two\n"));
    assert_eq!(counts(&project.sync(0)), [3, 0, 3, 0, 0, 0, 0], "other line ends are no change");

    project.write("data/customers.csv", CUSTOMERS.replace("Grace", "Hopper") + "4,New,,,,,,\n");
    assert_eq!(counts(&project.sync(0)), [4, 2, 2, 0, 0, 0, 0]);
    assert_eq!(server.psql("select name from customers where id = 2"), "Hopper");
    assert_eq!(server.psql("select num_nulls(phone, zip, credit, born, seen, note) from customers where id = 4"), "6");
    assert_eq!(versions().replace(&server.psql("select id, xmin from customers where id = 4"), "").trim(), before);
}

/// A file of the first so many numbers.
fn numbers(count: u32) -> String {
    let mut text = "id,name\n".to_owned();
    (0..count).for_each(|id| writeln!(text, "{id},name {id}").unwrap());
    text
}

fn compared(server: &Postgres) -> Project {
    let sync = SYNC.replace(", types = { credit = \"decimal(12,2)\" }", "") + "deletes = \"compare\"\n";
    let project = Project::with_database(server, &sync);
    project.write("data/customers.csv", numbers(1000));
    assert_eq!(counts(&project.sync(0))[1], 1000);
    project
}

#[test]
fn few_deletes_follow_and_many_wait_for_a_person() {
    let server = Postgres::start();
    let project = compared(&server);
    project.write("data/customers.csv", numbers(990));
    let sync = project.sync(0);
    assert_eq!((sync["written"].as_u64(), sync["deleted"].as_u64()), (Some(0), Some(10)));
    let rows = || server.psql("select count(*) from customers");
    assert_eq!(rows(), "990");

    project.write("data/customers.csv", numbers(500));
    let held = project.run(&["run"]).ends(1).says(&["490 deletes held", "approve 1"]);
    assert!(held.stdout.contains("0 deleted"), "{held}");
    assert_eq!(rows(), "990");
    let status = project.run(&["status", "--json"]).ends(0).json();
    let hold = &status["result"]["holds"][0];
    assert_eq!((hold["deletes"].as_u64(), hold["total"].as_u64()), (Some(490), Some(990)));
    // Running again holds the same deletes, not more of them.
    project.run(&["run"]).ends(1).says(&["approve 1"]);
    project.run(&["approve", "7"]).ends(2);
    project.run(&["approve", "1"]).ends(0).says(&["approved: 490 of 990"]);
    assert_eq!(rows(), "990", "an approval by itself deletes nothing");
    assert_eq!(project.sync(0)["deleted"], 490);
    assert_eq!(rows(), "500");
    let status = project.run(&["status", "--json"]).ends(0).json();
    assert_eq!(status["result"]["holds"].as_array().unwrap().len(), 0);
    project.run(&["approve", "1"]).ends(1);
    assert_eq!(counts(&project.sync(0))[3], 0);
}

#[test]
fn an_approval_counts_only_for_what_was_shown() {
    let server = Postgres::start();
    let project = compared(&server);
    project.write("data/customers.csv", numbers(500));
    project.run(&["run"]).ends(1);
    project.run(&["approve", "1"]).ends(0);
    // Before the next run still more records are gone: nobody has agreed to that.
    project.write("data/customers.csv", numbers(10));
    project.run(&["run"]).ends(1).says(&["990 deletes held", "approve 2"]);
    assert_eq!(server.psql("select count(*) from customers"), "1000");
}

#[test]
fn a_file_that_vanished_deletes_nothing() {
    let server = Postgres::start();
    let project = compared(&server);
    std::fs::remove_file(project.path("data/customers.csv")).unwrap();
    project.run(&["run"]).ends(2).says(&["LS0701", "customers.csv"]);
    project.write("data/customers.csv", "");
    assert_ne!(project.run(&["run"]).code, Some(0));
    project.write("data/customers.csv", "id,name\n");
    project.run(&["run"]).ends(1).says(&["1 000 deletes held"]);
    assert_eq!(server.psql("select count(*) from customers"), "1000");
}
