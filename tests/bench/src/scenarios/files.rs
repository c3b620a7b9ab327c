//! A CSV file into PostgreSQL: first, changed, and the very same again.

use std::path::Path;

use lockstep_test_servers::Postgres;

use crate::data::{COLUMNS, TABLE, TYPES, write_csv};
use crate::lab::{Bench, checkpoint, forget, project, psql, server};
use crate::measure::{in_turns, median};
use crate::report::{Goal, Report};

const GROUP: &str = "A CSV file into PostgreSQL";

pub fn project_file(server: &Postgres, database: &str) -> String {
    format!(
        r#"[project]
name = "bench"
[connection.shop]
plugin = "csv"
files.data = {{ path = "data" }}
[connection.warehouse]
plugin = "postgres"
sql.main = {{ url = "file:url" }}
[sync.customers]
mode = "mirror"
source = {{ connection = "shop", stream = "customers.csv", key = ["id"], {TYPES} }}
target = {{ connection = "warehouse", stream = "customers" }}
"#
    )
    .replace("file:url", &format!("file:{}", secret(&server.url_of(database)).display()))
}

/// A file with an address, as secrets are given.
pub fn secret(url: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("lockstep-bench-{}-{}", std::process::id(), url.len()));
    let path = path.with_extension(url.rsplit('/').next().unwrap_or("url"));
    std::fs::write(&path, url).unwrap();
    path
}

pub fn measure(bench: &Bench, report: &mut Report) {
    let server = server();
    let folder = project("bench", &project_file(&server, "postgres"));
    let file = folder.path().join("data/customers.csv");
    write_csv(&file, bench.rows, 0);
    server.psql(TABLE);
    bench.run(folder.path());

    let load = first_load(bench, &server, &file, &folder);
    report.time(GROUP, "first load into an empty, keyed table, against `\\copy`", load, Goal::Ratio(1.2));

    let same: Vec<_> = (0..bench.times).map(|_| bench.run(folder.path()).time).collect();
    report.time(GROUP, "the very same file again", (None, median(&same)), Goal::Seconds(0.6));

    let changed = changed_file(bench, &server, &file, &folder);
    let what = "a changed file (1 % of the rows), against `\\copy` and `INSERT … ON CONFLICT DO UPDATE`";
    report.time(GROUP, what, changed, Goal::Ratio(1.2));
}

type Times = (Option<std::time::Duration>, std::time::Duration);

fn first_load(bench: &Bench, server: &Postgres, file: &Path, folder: &lockstep_test_servers::Folder) -> Times {
    let empty = || {
        server.psql("TRUNCATE customers");
        checkpoint(server);
    };
    let floor = || {
        empty();
        psql(&server.url(), &format!("\\copy customers ({COLUMNS}) FROM '{}' CSV HEADER", file.display()))
    };
    let product = || {
        empty();
        forget(folder);
        bench.run(folder.path()).time
    };
    let (floor, product) = in_turns(bench.times, floor, product);
    (Some(floor), product)
}

fn changed_file(bench: &Bench, server: &Postgres, file: &Path, folder: &lockstep_test_servers::Folder) -> Times {
    server.psql(&format!("{}; INSERT INTO floor SELECT * FROM customers", TABLE.replace("customers", "floor")));
    let edition = std::cell::Cell::new(0);
    let assignments: Vec<String> =
        COLUMNS.split(", ").skip(1).map(|column| format!("{column} = excluded.{column}")).collect();
    let merge = format!(
        "BEGIN;\nCREATE TEMPORARY TABLE stage (LIKE floor) ON COMMIT DROP;\n\\copy stage ({COLUMNS}) FROM '{}' CSV HEADER\n\
         INSERT INTO floor SELECT * FROM stage ON CONFLICT (id) DO UPDATE SET {};\nCOMMIT;\n",
        file.display(),
        assignments.join(", ")
    );
    let script = folder.path().join("merge.sql");
    std::fs::write(&script, merge).unwrap();
    let floor = || {
        edition.set(edition.get() + 1);
        write_csv(file, bench.rows, edition.get());
        server.psql("VACUUM floor");
        server.psql("VACUUM customers");
        checkpoint(server);
        psql_script(&server.url(), &script)
    };
    let product = || {
        checkpoint(server);
        bench.run(folder.path()).time
    };
    let (floor, product) = in_turns(bench.times, floor, product);
    let differing = server.psql("SELECT count(*) FROM (SELECT * FROM customers EXCEPT SELECT * FROM floor) AS d");
    assert_eq!(differing.trim(), "0", "both tables hold the same");
    (Some(floor), product)
}

fn psql_script(url: &str, script: &Path) -> std::time::Duration {
    let mut command = std::process::Command::new("psql");
    crate::measure::run(command.arg(url).args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(script)).time
}
