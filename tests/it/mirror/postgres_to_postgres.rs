//! A table kept equal to another one: all types, late commits, deletes found by digests.

use std::process::{Command, Stdio};

use lockstep_test_servers::Postgres;

use super::project::{DATABASE, Project, counts};

const SYNC: &str = "[sync.items]\nmode = \"mirror\"\n\
    source = { connection = \"db\", stream = \"public.items\" }\n\
    target = { connection = \"db\", stream = \"copy.items\" }\n";

/// The same, reading only what changed.
fn incremental() -> String {
    SYNC.replace("\"public.items\"", "\"public.items\", modified = \"updated_at\"")
}

fn start(sync: &str, statements: &str) -> (Postgres, Project) {
    let server = Postgres::start();
    server.psql("create schema copy");
    server.psql(statements);
    let project = Project::new(&format!("{DATABASE}{sync}"));
    project.write("url", server.url());
    (server, project)
}

/// Rows that are in one of the tables and not, or not like this, in the other.
fn differences(server: &Postgres) -> String {
    server.psql(
        "with a as (select t::text from public.items t), b as (select t::text from copy.items t) \
         select count(*) from ((table a except all table b) union all (table b except all table a)) d",
    )
}

const ALL_TYPES: &str = "create type mood as enum ('sad', 'ok'); create table items (
    id int primary key, small smallint, big bigint, real real, double double precision, money numeric(18,4), exact numeric,
    flag bool, letters text, short varchar(7), fixed char(3), bytes bytea, day date, clock time, wall timestamp,
    moment timestamptz, span interval, tag uuid, doc json, tree jsonb, list int[], mood mood, address inet, bits bit(3));
    insert into items (id) values (1);
    insert into items values (2, -32768, 9223372036854775807, 1.1, 'NaN', 12345678901234.5678, 1.50, true, '', 'a', 'b',
        '\\x00ff', '0001-01-01', '23:59:59.999999', 'infinity', '-infinity', '1 mon -3 days', gen_random_uuid(),
        '{\"b\":1,  \"a\":null}', '{\"b\":1}', '{1,NULL}', 'ok', '10.0.0.1/8', '101');
    insert into items values (3, 0, 0, '-Infinity', 5e-324, -0.0001, 1e40, false, E'tab\\tline\\n\\u00e9', 'ééééééé', 'xyz',
        '', '2026-02-28', '00:00', '2026-11-21 12:00', '2026-11-21 12:00:00.000001+02', '00:00:00.000001', null,
        '[]', '\"\"', '{}', 'sad', '::1', '000');";

#[test]
fn the_copy_has_the_same_columns_and_values() {
    let (server, project) = start(SYNC, ALL_TYPES);
    assert_eq!(counts(&project.sync(0)), [3, 3, 0, 0, 0, 0, 0]);
    let columns = |table: &str| {
        server.psql(&format!(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute \
             where attrelid = '{table}'::regclass and attnum > 0 order by attnum"
        ))
    };
    assert_eq!(columns("copy.items"), columns("public.items"));
    assert_eq!(differences(&server), "0");
    let sync = project.sync(0);
    assert_eq!(sync["written"], 0, "{sync}");
}

const MANY: &str = "create table items (id int primary key, name text, price numeric(12,2), updated_at timestamptz);
    insert into items select i, 'name ' || i, i / 7.0, now() - interval '1 hour' from generate_series(1, 5000) i;
    create index on items (updated_at);";

#[test]
fn changes_and_deletes_are_found_by_digests() {
    let (server, project) = start(&format!("{SYNC}deletes = \"compare\"\n"), MANY);
    assert_eq!(project.sync(0)["written"], 5000);
    let written = || server.psql("select count(distinct xmin::text) from copy.items");
    let before = written();
    let sync = project.sync(0);
    assert_eq!((sync["written"].as_u64(), sync["deleted"].as_u64()), (Some(0), Some(0)));
    server.psql(
        "update items set name = 'changed' where id in (3, 4000); delete from items where id % 1000 = 0; \
         insert into items values (-5, 'new', null, now())",
    );
    let sync = project.sync(0);
    // 4000 was changed and then deleted.
    assert_eq!((sync["written"].as_u64(), sync["deleted"].as_u64()), (Some(2), Some(5)), "{sync}");
    assert_eq!(differences(&server), "0");
    // Somebody else's hands in the target are noticed, too.
    server.psql("update copy.items set price = 0 where id = 17; delete from copy.items where id = 18");
    let sync = project.sync(0);
    assert_eq!(sync["written"], 2, "{sync}");
    assert_eq!(differences(&server), "0");
    assert_ne!(before, "");
    server.psql("delete from items where id < 3000");
    project.run(&["run"]).ends(1).says(&["deletes held", "approve 1"]);
    assert_ne!(differences(&server), "0");
    project.run(&["approve", "1"]).ends(0);
    project.run(&["run"]).ends(0);
    assert_eq!(differences(&server), "0");
}

#[test]
fn only_what_changed_is_read() {
    let (server, project) = start(&incremental(), MANY);
    assert_eq!(project.sync(0)["written"], 5000);
    server.psql("update items set name = 'changed', updated_at = now() where id in (3, 4000)");
    let sync = project.sync(0);
    assert_eq!(sync["written"], 2, "{sync}");
    assert!(sync["read"].as_u64() < Some(100), "{sync}");
    assert_eq!(project.sync(0)["written"], 0);
    assert_eq!(differences(&server), "0");
}

/// A transaction that stays open until told to commit.
struct Open(std::process::Child);

impl Open {
    fn begin(server: &Postgres, statements: &str) -> Self {
        use std::io::Write as _;
        let mut child = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", &server.url()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "begin; {statements};").unwrap();
        Self(child)
    }

    fn commit(mut self) {
        use std::io::Write as _;
        writeln!(self.0.stdin.take().unwrap(), "commit;").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
fn rows_that_are_committed_late_are_not_missed() {
    let (server, project) = start(&incremental(), MANY);
    project.sync(0);
    let open: Vec<Open> = (0..4)
        .map(|number| {
            let first = 10_000 + number * 25;
            let age = number * 60 + 1;
            let rows = format!("generate_series({first}, {}) i", first + 24);
            Open::begin(
                &server,
                &format!("insert into items select i, 'late', 1, now() - interval '{age} s' from {rows}"),
            )
        })
        .collect();
    let waiting = "select count(*) from pg_stat_activity where state = 'idle in transaction'";
    while server.psql(waiting) != "4" {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    for (number, transaction) in open.into_iter().enumerate() {
        // Others go on meanwhile, and move the position past the rows nobody can see yet.
        server.psql(&format!("insert into items values ({}, 'early', 1, now())", 20_000 + number));
        let sync = project.sync(0);
        assert!(sync["written"].as_u64() > Some(0), "{sync}");
        transaction.commit();
    }
    project.sync(0);
    assert_eq!(server.psql("select count(*) from copy.items where name = 'late'"), "100");
    assert_eq!(differences(&server), "0");
    assert_eq!(project.sync(0)["written"], 0);
}

#[test]
fn deletes_are_found_beside_what_changed() {
    let (server, project) = start(&format!("{}deletes = \"compare\"\n", incremental()), MANY);
    project.sync(0);
    server.psql("delete from items where id in (7, 9); update items set name = 'x', updated_at = now() where id = 1");
    let sync = project.sync(0);
    assert_eq!((sync["written"].as_u64(), sync["deleted"].as_u64()), (Some(1), Some(2)), "{sync}");
    assert_eq!(differences(&server), "0");
    // What a program changed without touching the column that should say so is found by comparing.
    server.psql("update items set name = 'silent' where id = 2");
    project.sync(0);
    assert_eq!(differences(&server), "0");
}
