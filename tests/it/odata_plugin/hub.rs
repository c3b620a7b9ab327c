//! A hub between an OData service and a PostgreSQL database: many records, both sides edited, and every call counted.

use lockstep_test_servers::{Cap, Postgres};
use serde_json::Value;

use super::{calls, customers, project};
use crate::hub::systems::figures;

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

#[test]
fn thousands_of_records_converge_with_hardly_more_calls_than_pages_and_batches_take() {
    let (server, database) = (Cap::start(), Postgres::start());
    server.sql(&customers(RECORDS, "2026-01-01T00:00:00.000Z"));
    server.sql("update Sales_Customers set modifiedAt = strftime('%Y-%m-%dT%H:%M:%fZ', '2026-01-01', '+' || points || ' seconds')");
    database.psql(&format!(
        "create table customer (id bigint generated always as identity primary key, no text unique, name text, credit numeric(18,2)); \
         insert into customer (no, name, credit) select 'N' || n, 'Name ' || n, n + 0.25 from generate_series(1, {RECORDS}) n"
    ));
    let project = project(&server.url(), Cap::version_4(), &database, HUB);
    calls(&server);

    // First link: every record is read once, and nothing is written.
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{sync}");
    let told = calls(&server);
    assert_at_most(&told, METADATA + BOUNDARY + pages(RECORDS));
    assert_eq!(changed(&server, "2026-01-02"), 0);

    // Edits on both sides, of different records.
    server.sql(&format!(
        "update Sales_Customers set name = 'crm ' || number, modifiedAt = '2026-02-01T00:00:00.000Z' where points <= {EDITS}"
    ));
    database.psql(&format!("update customer set name = 'erp ' || no where id > {}", RECORDS - EDITS));
    calls(&server);
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [u64::from(2 * EDITS), 0], "{sync}");
    let told = calls(&server);
    let reading = BOUNDARY + pages(EDITS) + pages(RECORDS);
    // What is to be changed is looked at before and after, each time in one batch.
    let writing = LOOK_UPS + u64::from(EDITS).div_ceil(BATCH);
    assert_at_most(&told, METADATA + reading + writing);
    let (crm, erp) = both(&server, &database);
    assert_eq!(crm.lines().count(), RECORDS as usize);
    assert!(crm == erp, "the systems differ");
    assert_eq!(changed(&server, "2026-02-02"), EDITS);

    // The next run has nothing to do but to look.
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{sync}");
    assert_at_most(&calls(&server), METADATA + BOUNDARY + pages(EDITS) + pages(RECORDS));
    assert_eq!(changed(&server, "2026-02-02"), EDITS);
}

/// Calls that a run cannot do without: what the service is, how far its changes go.
const METADATA: u64 = 1;
const BOUNDARY: u64 = 1;
const LOOK_UPS: u64 = 2;

/// CAP leads behind every page that is full, also behind the last one.
fn pages(records: u32) -> u64 {
    u64::from(records) / PAGE + 1
}

/// At most a tenth more than it takes.
#[track_caller]
fn assert_at_most(told: &[(String, u64)], least: u64) {
    let calls: u64 = told.iter().map(|(_, count)| count).sum();
    assert!(calls * 10 <= least * 11, "{calls} calls where {least} do: {told:?}");
}

/// Records that were written behind this time.
fn changed(server: &Cap, time: &str) -> u32 {
    let rows = server.sql(&format!("select count(*) as n from Sales_Customers where modifiedAt > '{time}'"));
    let rows: Value = serde_json::from_str(&rows).unwrap();
    u32::try_from(rows[0]["n"].as_u64().unwrap()).unwrap()
}
