//! A hub between a SOAP service and a PostgreSQL database: many records, both sides edited, and every call counted.

use lockstep_test_servers::{Postgres, Soap};
use serde_json::{Value, json};

use super::{CRM, calls, customer, seed, state};
use crate::hub::systems::figures;
use crate::mirror::project::Project;

/// Records that are linked at first.
const RECORDS: u32 = 10_000;
/// Records edited on each side.
const EDITS: u32 = 1000;
/// What the manifest says a page and a look-up are.
const PAGE: u64 = 500;
const LOOK_UP: u64 = 100;

const HUB: &str = r#"
[connection.erp]
plugin = "postgres"
sql.main = { url = "file:url" }

[sync.customer]
mode = "hub"
match = ["number"]
endpoints.crm = { stream = "customers", modified = "Changed", lookback = "1s" }
endpoints.erp = { stream = "customer" }

[sync.customer.fields]
number = { crm = "Number", erp = "no" }
name = { crm = "Name", erp = "name" }
credit = { crm = "Credit", erp = "credit" }
"#;

fn project(server: &Soap, database: &Postgres) -> Project {
    let crm = format!(
        "[connection.crm]\nplugin = \"soap\"\nconfig = {{ manifest = \"crm.toml\", wsdl_path = \"/crm?wsdl\" }}\n\
         http.api = {{ origin = \"{}\", allow_private = true }}\n",
        server.url()
    );
    let project = Project::new(&format!("{crm}{HUB}"));
    project.write("crm.toml", CRM);
    project.write("url", database.url());
    project
}

/// Everything but the keys, the same from both sides.
fn both(server: &Soap, database: &Postgres) -> (String, String) {
    let text =
        |row: &Value| ["Number", "Name", "Credit"].map(|name| row[name].as_str().unwrap_or("-").to_owned()).join("|");
    let mut rows: Vec<String> = state(server).iter().map(text).collect();
    rows.sort_by(|one, other| one.split('|').next().cmp(&other.split('|').next()));
    (rows.join("\n"), database.psql("select no, name, credit from customer order by no collate \"C\""))
}

fn writes(server: &Soap) -> u32 {
    server.ask("/-/writes", "").parse().unwrap()
}

#[test]
fn thousands_of_records_converge_with_hardly_more_calls_than_pages_and_single_writes_take() {
    let (server, database) = (Soap::start(), Postgres::start());
    seed(&server, &(1..=RECORDS).map(customer).collect::<Vec<_>>());
    database.psql(&format!(
        "create table customer (id bigint generated always as identity primary key, no text unique, name text, credit numeric(18,2)); \
         insert into customer (no, name, credit) select 'N' || n, 'Name ' || n, n + 0.25 from generate_series(1, {RECORDS}) n"
    ));
    let project = project(&server, &database);

    // First link: every record is read once, and nothing is written.
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{sync}");
    assert_at_most(&calls(&server), pages(RECORDS));
    assert_eq!(writes(&server), 0);

    // Edits on both sides, of different records.
    let edit = |n: u32| json!({"Id": n, "Name": format!("crm N{n}"), "Changed": "2999-01-01T00:00:00Z"});
    seed(&server, &(1..=EDITS).map(edit).collect::<Vec<_>>());
    database.psql(&format!("update customer set name = 'erp ' || no where id > {}", RECORDS - EDITS));
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [u64::from(2 * EDITS), 0], "{sync}");
    // The service takes one record at a time. What is to be changed is looked at before and after.
    let looked = 2 * u64::from(EDITS).div_ceil(LOOK_UP);
    assert_at_most(&calls(&server), pages(EDITS) + looked + u64::from(EDITS));
    let (crm, erp) = both(&server, &database);
    assert_eq!(crm.lines().count(), RECORDS as usize);
    assert!(crm == erp, "the systems differ");
    assert_eq!(writes(&server), EDITS);

    // Nothing is left to be done.
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{sync}");
    assert_eq!(writes(&server), EDITS);
}

/// A page that is not full is the last one.
fn pages(records: u32) -> u64 {
    u64::from(records) / PAGE + 1
}

/// At most a tenth more than it takes.
#[track_caller]
fn assert_at_most(told: &[(String, u64)], least: u64) {
    let calls: u64 = told.iter().map(|(_, count)| count).sum();
    assert!(calls * 10 <= least * 11, "{calls} calls where {least} do: {told:?}");
}
