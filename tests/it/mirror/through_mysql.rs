//! Whole syncs, by the command: files into MariaDB, and from there into PostgreSQL.

use lockstep_test_servers::{Mariadb, Postgres};

use super::project::{FILES, Project, counts};

const SYNC: &str = "[connection.shop]\nplugin = \"mysql\"\nsql.main = { url = \"file:shop\" }\n\
    [connection.db]\nplugin = \"postgres\"\nsql.main = { url = \"file:url\" }\n\
    [sync.in]\nmode = \"mirror\"\n\
    source = { connection = \"files\", stream = \"customers.csv\", key = [\"id\"], types = { credit = \"decimal(12,2)\" } }\n\
    target = { connection = \"shop\", stream = \"customers\" }\n";

const OUT: &str = "[sync.out]\nmode = \"mirror\"\n\
    source = { connection = \"shop\", stream = \"customers\" }\ntarget = { connection = \"db\", stream = \"customers\" }\n";

const CUSTOMERS: &str = "\
id,name,phone,zip,credit,born,seen,note\n\
1,Ada,+49 0123,007,12.50,1815-12-10,2026-11-21T12:00:00+01:00,\"two\nlines, one \"\"quoted\"\"\"\n\
2,Grace,+1 5550100,01234,-0.07,1906-12-09,2026-11-21T12:00:00.000001Z,\"\"\n\
3,Zoë 😀,+49 0124,00000,9999999999.99,1999-02-28,1970-01-02T00:00:00Z,\n";

fn project(mariadb: &Mariadb, postgres: &Postgres) -> Project {
    let project = Project::new(&format!("{FILES}{SYNC}"));
    project.write("shop", mariadb.url());
    project.write("url", postgres.url());
    project.write("data/customers.csv", CUSTOMERS);
    project
}

#[test]
fn files_become_tables_and_tables_become_tables_elsewhere() {
    let (mariadb, postgres) = (Mariadb::start(), Postgres::start());
    let project = project(&mariadb, &postgres);
    assert_eq!(counts(&project.sync(0)), [3, 3, 0, 0, 0, 0, 0]);
    let columns = "SELECT group_concat(column_name, ' ', column_type ORDER BY ordinal_position) FROM information_schema.columns \
         WHERE table_schema = 'test' AND table_name = 'customers'";
    assert_eq!(
        mariadb.sql(columns),
        "id bigint(20),name longtext,phone longtext,zip longtext,credit decimal(12,2),born date,seen timestamp(6),note longtext"
    );
    assert_eq!(counts(&project.sync(0))[1], 0, "the same file writes nothing");
    project.write("data/customers.csv", CUSTOMERS.replace("Grace", "grace"));
    assert_eq!(counts(&project.sync(0))[..3], [3, 1, 2], "another case is a change");

    project.define(&format!("{FILES}{}{OUT}", SYNC.split("[sync.in]").next().unwrap()));
    assert_eq!(counts(&project.sync(0)), [3, 3, 0, 0, 0, 0, 0]);
    let rows = postgres.psql("set timezone = 'UTC'; select id, name, phone, zip, credit, born, seen, quote_nullable(note) from customers order by id");
    assert_eq!(
        rows,
        "1|Ada|+49 0123|007|12.50|1815-12-10|2026-11-21 11:00:00+00|'two\nlines, one \"quoted\"'\n\
         2|grace|+1 5550100|01234|-0.07|1906-12-09|2026-11-21 12:00:00.000001+00|''\n\
         3|Zoë 😀|+49 0124|00000|9999999999.99|1999-02-28|1970-01-02 00:00:00+00|NULL"
    );
    assert_eq!(counts(&project.sync(0))[1], 0, "the same table writes nothing");
}

#[test]
fn a_server_that_is_gone_is_named_without_its_password() {
    let (mariadb, postgres) = (Mariadb::start(), Postgres::start());
    let project = project(&mariadb, &postgres);
    mariadb.create_user("me", "right", "ALL");
    project.write("shop", mariadb.url_for("me", "c4n4ry"));
    let outcome = project.run(&["run"]).ends(3);
    outcome.says(&["LS0509", "Access denied for user 'me'"]).keeps_quiet_about(&["c4n4ry"]);
    project.write("shop", "nonsense-c4n4ry");
    project.run(&["check", "--online"]).says(&["mysql://"]).keeps_quiet_about(&["c4n4ry"]);
}
