//! One hub between a SQLite file, two PostgreSQL databases and a MariaDB server, each with types of its own.

use lockstep_test_servers::{Mariadb, Postgres};
use serde_json::Value;

use super::systems::figures;
use crate::mirror::project::Project;

const HUB: &str = r#"
[connection.desk]
plugin = "sqlite"
sql.main = { path = "desk.db" }

[connection.east]
plugin = "postgres"
sql.main = { url = "file:east.url" }

[connection.west]
plugin = "postgres"
sql.main = { url = "file:west.url" }

[connection.shop]
plugin = "mysql"
sql.main = { url = "file:shop.url" }

[sync.person]
mode = "hub"
match = ["email"]
conflict = "newest"
endpoints.desk = { stream = "person", modified = "changed" }
endpoints.east = { stream = "public.person", modified = "changed" }
endpoints.west = { stream = "public.person", modified = "changed" }
endpoints.shop = { stream = "person", modified = "changed" }

[sync.person.fields]
email = { desk = "email", east = "email", west = "mail", shop = "email" }
name = { desk = "name", east = "name", west = "name", shop = "name" }
phone = { desk = "phone", east = "phone", west = "phone", shop = "phone", conflict = "manual" }
active = { desk = "active", east = "active", west = "active", shop = "active", type = "bool" }
balance = { desk = "balance", east = "balance", west = "balance", shop = "balance", type = "decimal(12,2)" }
seen = { desk = "seen", east = "seen", west = "seen", shop = "seen", type = "timestamp" }
"#;

const DESK: &str = "create table person (id integer primary key, email text, name text, phone text, active boolean, \
    balance decimal_text(12,2), seen timestamptz, changed timestamptz); \
    create trigger made after insert on person begin \
    update person set changed = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') where id = new.id; end; \
    create trigger changed after update of email, name, phone, active, balance, seen on person begin \
    update person set changed = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') where id = new.id; end;";
const STAMP: &str = "create function stamp() returns trigger language plpgsql as \
    $$ begin new.changed := clock_timestamp(); return new; end $$; \
    create trigger stamp before update on person for each row execute function stamp();";
/// More digits than are agreed, and a bounded text.
const EAST: &str = "create table person (id bigint generated always as identity primary key, email varchar(190) unique, \
    name varchar(80), phone text, active boolean, balance numeric(14,4), seen timestamptz, \
    changed timestamptz not null default clock_timestamp());";
/// Everything in texts.
const WEST: &str = "create table person (code uuid primary key default gen_random_uuid(), mail text, name text, phone text, \
    active text, balance text, seen timestamptz(3), changed timestamptz not null default clock_timestamp());";
const SHOP: &str = "create table person (id bigint auto_increment primary key, email varchar(190) unique, name varchar(80), \
    phone varchar(40), active tinyint(1), balance decimal(12,2), seen timestamp(3) null default null, \
    changed timestamp(6) not null default current_timestamp(6) on update current_timestamp(6))";

struct Four {
    project: Project,
    postgres: Postgres,
    mariadb: Mariadb,
}

impl Four {
    fn start() -> Self {
        let (postgres, mariadb) = (Postgres::start(), Mariadb::start());
        let project = Project::new(HUB);
        for (name, tables) in [("east", EAST), ("west", WEST)] {
            postgres.psql(&format!("create database {name}"));
            postgres.psql_in(name, &format!("{tables} {STAMP}"));
            project.write(&format!("{name}.url"), postgres.url_of(name));
        }
        mariadb.sql(SHOP);
        project.write("shop.url", mariadb.url());
        let four = Self { project, postgres, mariadb };
        four.desk().execute_batch(DESK).unwrap();
        four
    }

    fn desk(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.project.path("desk.db")).unwrap()
    }

    fn change(&self, system: &str, statements: &str) {
        match system {
            "desk" => self.desk().execute_batch(statements).unwrap(),
            "shop" => drop(self.mariadb.sql(statements)),
            _ => drop(self.postgres.psql_in(system, statements)),
        }
    }

    /// What a system has, written alike everywhere.
    fn rows(&self, system: &str) -> String {
        let query = |mail: &str, values: &str| {
            let fields = ["name", "phone"].map(|field| format!("coalesce({field}, '-')")).join(", ");
            format!("select {mail}, {fields}, {values} from person order by 1")
        };
        match system {
            "desk" => {
                let values = "active || '', balance, strftime('%Y-%m-%d %H:%M:%f', seen)";
                let desk = self.desk();
                let mut statement = desk.prepare(&query("email", values)).unwrap();
                let columns = statement.column_count();
                let text = |row: &rusqlite::Row<'_>| {
                    let values = (0..columns).map(|at| row.get::<_, Option<String>>(at).unwrap().unwrap_or("-".into()));
                    Ok(values.collect::<Vec<String>>().join("|"))
                };
                statement.query_map([], text).unwrap().map(Result::unwrap).collect::<Vec<_>>().join("\n")
            }
            "shop" => {
                let values = "coalesce(active, '-'), coalesce(balance, '-'), \
                    coalesce(left(date_format(seen, '%Y-%m-%d %H:%i:%s.%f'), 23), '-')";
                self.mariadb.sql(&query("email", values)).replace('\t', "|")
            }
            _ => {
                let values = "coalesce(active::text::bool::int::text, '-'), coalesce(balance::numeric(12,2)::text, '-'), \
                    coalesce(to_char(seen at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS.MS'), '-')";
                self.postgres.psql_in(system, &query(if system == "west" { "mail" } else { "email" }, values))
            }
        }
    }

    /// A run that ends like this; its figures.
    #[track_caller]
    fn run(&self, code: i32) -> Value {
        self.project.run(&["run", "--json"]).ends(code).json()["result"]["syncs"][0].clone()
    }

    #[track_caller]
    fn agree_on(&self, rows: &[&str]) {
        for system in ["desk", "east", "west", "shop"] {
            assert_eq!(self.rows(system), rows.join("\n"), "{system}");
        }
        let sync = self.run(0);
        assert_eq!(figures(&sync, ["written", "deleted", "waiting"]), [0, 0, 0], "{sync}");
        self.project.run(&["verify"]).ends(0);
    }
}

#[test]
fn four_systems_agree() {
    let four = Four::start();
    // The first link: some know each other, some do not.
    four.change(
        "desk",
        "insert into person (email, name, phone, active, balance, seen) values \
         ('ann@x', 'Ann', '1', 1, '10.50', '2026-01-02T03:04:05.678Z'), ('bob@x', 'Bob', '2', 0, '-0.05', null)",
    );
    four.change(
        "east",
        "insert into person (email, name, phone, active, balance, seen) values \
         ('ann@x', 'Ann', '1', true, 10.5, '2026-01-02 04:04:05.678+01'), ('cy@x', 'Cy', '3', true, 1234567890.12, null)",
    );
    four.change("west", "insert into person (mail, name, active, balance) values ('dee@x', 'Dée', 'true', '7')");
    four.change(
        "shop",
        "insert into person (email, name, phone, active, balance, seen) values \
         ('cy@x', 'Cy', '3', 1, 1234567890.12, null), ('eve@x', 'Eve', null, 0, 99.99, '2025-12-31 23:59:59.999')",
    );
    let sync = four.run(0);
    assert_eq!(figures(&sync, ["conflicts", "dead_letters"]), [0, 0], "{sync}");
    let dee = "dee@x|Dée|-|1|7.00|-";
    four.agree_on(&[
        "ann@x|Ann|1|1|10.50|2026-01-02 03:04:05.678",
        "bob@x|Bob|2|0|-0.05|-",
        "cy@x|Cy|3|1|1234567890.12|-",
        dee,
        "eve@x|Eve|-|0|99.99|2025-12-31 23:59:59.999",
    ]);

    // Each side edits, each deletes or inserts.
    four.change("desk", "update person set balance = '11.00', active = 0 where email = 'ann@x'");
    four.change("east", "update person set name = 'Robert', seen = '2026-03-04 05:06:07.008+00' where email = 'bob@x'");
    four.change(
        "west",
        "update person set active = 'false', phone = '33' where mail = 'cy@x'; delete from person where mail = 'eve@x'",
    );
    four.change("shop", "update person set balance = balance + 0.01 where email = 'dee@x'");
    four.change("shop", "insert into person (email, name, active, balance) values ('fay@x', 'Fay', true, 0)");
    let sync = four.run(0);
    assert_eq!(figures(&sync, ["deleted", "conflicts", "dead_letters"]), [3, 0, 0], "{sync}");
    let rest = ["bob@x|Robert|2|0|-0.05|2026-03-04 05:06:07.008", "cy@x|Cy|33|0|1234567890.12|-"];
    let (dee, fay) = ("dee@x|Dée|-|1|7.01|-", "fay@x|Fay|-|1|0.00|-");
    four.agree_on(&["ann@x|Ann|1|0|11.00|2026-01-02 03:04:05.678", rest[0], rest[1], dee, fay]);

    // One conflict is decided by time, one by a person.
    four.change("east", "update person set name = 'Anna E', phone = '11' where email = 'ann@x'");
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    four.change("shop", "update person set name = 'Anna S', phone = '12' where email = 'ann@x'");
    let sync = four.run(1);
    assert_eq!(figures(&sync, ["conflicts"]), [1], "{sync}");
    let conflicts = four.project.run(&["conflicts", "list", "--json"]).ends(0).json();
    let conflict = &conflicts["result"]["conflicts"][0];
    assert_eq!((&conflict["subject"], &conflict["details"]["incoming"]["phone"]), (&"phone".into(), &"12".into()));
    let id = conflict["id"].to_string();
    four.project.run(&["conflicts", "resolve", &id, "--take", "incoming"]).ends(0);
    four.run(0);
    four.agree_on(&["ann@x|Anna S|12|0|11.00|2026-01-02 03:04:05.678", rest[0], rest[1], dee, fay]);
}
