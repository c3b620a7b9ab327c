//! Peak memory of the host while it moves rows, for tables of different sizes.

use crate::data::{TABLE, write_csv};
use crate::lab::{Bench, forget, project, server};
use crate::report::{Goal, Report};

const GROUP: &str = "Peak memory of the host, a CSV file into PostgreSQL";

pub fn measure(bench: &Bench, report: &mut Report) {
    let server = server();
    let folder = project("memory", &super::files::project_file(&server, "postgres"));
    let file = folder.path().join("data/customers.csv");
    server.psql(TABLE);
    for rows in [bench.rows / 10, bench.rows, bench.rows * 5] {
        write_csv(&file, rows, 0);
        server.psql("TRUNCATE customers");
        forget(&folder);
        let load = bench.run(folder.path());
        report.memory(GROUP, &format!("first load of {rows} rows"), load.peak, Goal::Mebibytes(128));
        write_csv(&file, rows, 1);
        let merge = bench.run(folder.path());
        report.memory(GROUP, &format!("a changed file of {rows} rows"), merge.peak, Goal::Mebibytes(128));
    }
}
