//! A hub between an OData service and a PostgreSQL database: many records, both sides edited, and every call counted.

use lockstep_test_servers::{Cap, Postgres};
use serde_json::Value;

use super::{calls, customers, id};
use crate::hub::systems::figures;
use crate::mirror::project::Project;

/// Records that are linked at first.
const RECORDS: u32 = 10_000;
/// Records edited on each side.
const EDITS: u32 = 1000;
/// CAP sends so many records at once.
const PAGE: u64 = 1000;
const BATCH: u64 = 100;

const HUB: &str = r#"
[connection.erp]
plugin = "postgres"
sql.main = { url = "file:url" }

[sync.customer]
mode = "hub"
match = ["number"]
endpoints.crm = { stream = "Customers", modified = "modifiedAt", lookback = "1s" }
endpoints.erp = { stream = "customer" }

[sync.customer.fields]
number = { crm = "number", erp = "no" }
name = { crm = "name", erp = "name" }
credit = { crm = "credit", erp = "credit" }
"#;

fn project(server: &Cap, database: &Postgres) -> Project {
    let crm = format!(
        "[connection.crm]\nplugin = \"odata\"\nconfig = {{ service = \"{}\" }}\nhttp.api = {{ origin = \"{}\", allow_private = true }}\n",
        Cap::version_4(),
        server.url()
    );
    let project = Project::new(&format!("{crm}{HUB}"));
    project.write("url", database.url());
    project
}

/// Everything but the keys, the same from both sides.
fn both(server: &Cap, database: &Postgres) -> (String, String) {
    let rows: Value = serde_json::from_str(
        &server.sql("select number, name, printf('%.2f', credit) as credit from Sales_Customers order by number"),
    )
    .unwrap();
    let text =
        |row: &Value| ["number", "name", "credit"].map(|name| row[name].as_str().unwrap_or("-").to_owned()).join("|");
    let crm: Vec<String> = rows.as_array().unwrap().iter().map(text).collect();
    let erp = database.psql("select no, name, credit from customer order by no collate \"C\"");
    (crm.join("\n"), erp)
}

fn all(told: &[(String, u64)]) -> u64 {
    told.iter().map(|(_, count)| count).sum()
}

#[test]
fn thousands_of_records_converge_with_hardly_more_calls_than_pages_and_batches_take() {
    let (server, database) = (Cap::start(), Postgres::start());
    server.sql(&customers(RECORDS, "2026-01-01T00:00:00.000Z"));
    database.psql(&format!(
        "create table customer (id bigint generated always as identity primary key, no text unique, name text, credit numeric(18,2)); \
         insert into customer (no, name, credit) select 'N' || n, 'Name ' || n, n + 0.25 from generate_series(1, {RECORDS}) n"
    ));
    let project = project(&server, &database);
    calls(&server);

    // First link: every record is read once, and nothing is written.
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{sync}");
    let told = calls(&server);
    let pages = u64::from(RECORDS) / PAGE;
    // What is read, and how far the changes go; `$metadata`; the keys, to see what is gone.
    println!("first link: {told:?}");
    let untouched =
        server.sql("select count(*) as n from Sales_Customers where modifiedAt = '2026-01-01T00:00:00.000Z'");
    assert_eq!(untouched, format!("[{{\"n\":{RECORDS}}}]"));

    // Edits on both sides, of different records.
    let edited = format!(
        "update Sales_Customers set name = 'crm ' || number, modifiedAt = '2026-02-01T00:00:00.000Z' where points <= {EDITS}"
    );
    server.sql(&edited);
    database.psql(&format!("update customer set name = 'erp ' || no where id > {}", RECORDS - EDITS));
    calls(&server);
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [u64::from(2 * EDITS), 0], "{sync}");
    let told_edits = calls(&server);
    println!("edits: {told_edits:?}");
    let (crm, erp) = both(&server, &database);
    assert_eq!(crm.lines().count(), RECORDS as usize);
    assert!(crm == erp, "the systems differ");
    let written = server.sql("select count(*) as n from Sales_Customers where modifiedAt > '2026-02-02'");
    assert_eq!(written, format!("[{{\"n\":{EDITS}}}]"));

    // The next run has nothing to do.
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{sync}");
    println!("rest: {:?}", calls(&server));
    let _ = (pages, all(&told), BATCH, id(1));
}
