//! One PostgreSQL database into another: first, some rows changed, none changed, compared.

use std::process::Command;
use std::time::Duration;

use lockstep_test_servers::{Folder, Postgres};

use super::files::secret;
use crate::data::{COLUMNS, TABLE, write_csv};
use crate::lab::{Bench, checkpoint, forget, project, psql, server};
use crate::measure::{in_turns, median, run};
use crate::report::{Goal, Report};

const GROUP: &str = "One PostgreSQL database into another";

fn project_file(server: &Postgres, source: &str, more: &str) -> String {
    let url = |database: &str| secret(&server.url_of(database)).display().to_string();
    format!(
        r#"[project]
name = "bench"
[connection.shop]
plugin = "postgres"
sql.main = {{ url = "file:{}" }}
[connection.warehouse]
plugin = "postgres"
sql.main = {{ url = "file:{}" }}
[sync.customers]
mode = "mirror"
source = {{ connection = "shop", stream = "customers"{source} }}
target = {{ connection = "warehouse", stream = "customers" }}
{more}
"#,
        url("source"),
        url("target")
    )
}

pub fn measure(bench: &Bench, report: &mut Report) {
    let server = server();
    fill(bench, &server);
    let modified = ", modified = \"updated_at\"";
    let full = project("tables", &project_file(&server, "", ""));
    let incremental = project("tables", &project_file(&server, modified, ""));
    let comparing = project("tables", &project_file(&server, "", "deletes = \"compare\""));

    let load = first_load(bench, &server, &full);
    report.time(GROUP, "first load, against `COPY … TO STDOUT \\| COPY … FROM STDIN` (text)", load, Goal::Ratio(1.2));
    compare(bench, &server, &comparing, report);
    changes(bench, &server, &incremental, report);
}

fn fill(bench: &Bench, server: &Postgres) {
    server.psql("CREATE DATABASE source");
    server.psql("CREATE DATABASE target");
    for database in ["source", "target"] {
        psql(&server.url_of(database), TABLE);
    }
    let folder = Folder::new("rows");
    let file = folder.path().join("rows.csv");
    write_csv(&file, bench.rows, 0);
    psql(&server.url_of("source"), &format!("\\copy customers ({COLUMNS}) FROM '{}' CSV HEADER", file.display()));
    psql(&server.url_of("source"), "CREATE INDEX ON customers (updated_at)");
    psql(&server.url_of("source"), "VACUUM ANALYZE customers");
}

fn first_load(bench: &Bench, server: &Postgres, folder: &Folder) -> (Option<Duration>, Duration) {
    let empty = || {
        psql(&server.url_of("target"), "TRUNCATE customers");
        checkpoint(server);
    };
    let pipe = format!(
        "psql -X -q '{}' -c 'COPY customers TO STDOUT' | psql -X -q '{}' -c 'COPY customers FROM STDIN'",
        server.url_of("source"),
        server.url_of("target")
    );
    let floor = || {
        empty();
        run(Command::new("sh").arg("-c").arg(&pipe)).time
    };
    let product = || {
        empty();
        forget(folder);
        bench.run(folder.path()).time
    };
    let (floor, product) = in_turns(bench.times, floor, product);
    (Some(floor), product)
}

fn compare(bench: &Bench, server: &Postgres, folder: &Folder, report: &mut Report) {
    psql(&server.url_of("target"), "VACUUM ANALYZE customers");
    forget(folder);
    bench.run(folder.path());
    let copy = "\\copy customers TO '/dev/null'";
    let floor = || psql(&server.url_of("source"), copy);
    let (floor, product) = in_turns(bench.times, floor, || bench.run(folder.path()).time);
    let what = "comparing two equal tables row by row, by digests, against one `\\copy` of the table to nowhere";
    report.time(GROUP, what, (Some(floor), product), Goal::Ratio(1.5));
}

fn changes(bench: &Bench, server: &Postgres, folder: &Folder, report: &mut Report) {
    forget(folder);
    bench.run(folder.path());
    bench.run(folder.path());
    let nothing: Vec<Duration> = (0..bench.times).map(|_| bench.run(folder.path()).time).collect();
    report.time(GROUP, "a run in which nothing changed", (None, median(&nothing)), Goal::Seconds(0.15));

    psql(
        &server.url_of("target"),
        &format!("{}; INSERT INTO floor SELECT * FROM customers", TABLE.replace("customers", "floor")),
    );
    psql(&server.url_of("target"), "VACUUM ANALYZE floor");
    let turn = std::cell::Cell::new(0);
    let assignments: Vec<String> =
        COLUMNS.split(", ").skip(1).map(|column| format!("{column} = excluded.{column}")).collect();
    let by_hand = |since: &str| {
        format!(
            "psql -X -q '{}' -c \"COPY (SELECT * FROM customers WHERE updated_at >= '{since}') TO STDOUT\" | psql -X -q '{}' \
             -c 'BEGIN' -c 'CREATE TEMPORARY TABLE stage (LIKE floor) ON COMMIT DROP' -c 'COPY stage FROM STDIN' \
             -c 'INSERT INTO floor SELECT * FROM stage ON CONFLICT (id) DO UPDATE SET {}' -c 'COMMIT'",
            server.url_of("source"),
            server.url_of("target"),
            assignments.join(", ")
        )
    };
    let change = || {
        turn.set(turn.get() + 1);
        // Spread over the table, an hour apart from each other.
        let since = format!("2026-07-{:02} 00:00:00+00", turn.get());
        let step = (bench.rows / 10_000).max(1);
        let sql = format!(
            "UPDATE customers SET note = 'changed {0}', updated_at = timestamptz '{since}' WHERE id % {step} = {0} % {step}",
            turn.get()
        );
        psql(&server.url_of("source"), &sql);
        psql(&server.url_of("source"), "VACUUM customers");
        checkpoint(server);
        since
    };
    let floor = || {
        let since = change();
        run(Command::new("sh").arg("-c").arg(by_hand(&since))).time
    };
    let (floor, product) = in_turns(bench.times, floor, || bench.run(folder.path()).time);
    report.time(
        GROUP,
        "10,000 changed rows, incremental, against the same by hand in SQL",
        (Some(floor), product),
        Goal::Ratio(3.0),
    );
    let differing =
        |url: &str| psql_value(url, "SELECT count(*) FROM (SELECT * FROM customers EXCEPT SELECT * FROM floor) AS d");
    assert_eq!(differing(&server.url_of("target")), "0", "both tables hold the same");
}

fn psql_value(url: &str, query: &str) -> String {
    let output = Command::new("psql").arg(url).args(["-X", "-q", "-A", "-t", "-c", query]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
