//! A hub between an org and a PostgreSQL database: many records, both sides edited, and every call counted.

use lockstep_test_servers::{Postgres, Salesforce};

use super::{account, accounts, calls};
use crate::hub::systems::figures;
use crate::mirror::project::Project;

/// Records that are linked at first.
const RECORDS: u64 = 10_000;
/// Records edited on each side.
const EDITS: u64 = 1000;
/// Salesforce sends so many records at once, and takes so many.
const PAGE: u64 = 2000;
const COLLECTION: u64 = 200;

const HUB: &str = r#"
[connection.erp]
plugin = "postgres"
sql.main = { url = "file:url" }

[sync.account]
mode = "hub"
match = ["number"]
endpoints.crm = { stream = "Account", modified = "SystemModstamp", lookback = "10s" }
endpoints.erp = { stream = "account" }

[sync.account.fields]
number = { crm = "No__c", erp = "no" }
name = { crm = "Name", erp = "name" }
credit = { crm = "Credit__c", erp = "credit" }
"#;

fn project(server: &Salesforce, database: &Postgres, keys: &str) -> Project {
    let crm = format!(
        "[connection.crm]\nplugin = \"salesforce\"\nconfig = {{ {keys} }}\nhttp.api = {{ origin = \"{}\", allow_private = true }}\n",
        server.url()
    );
    let project = Project::new(&format!("{crm}{HUB}"));
    project.write("url", database.url());
    project
}

fn database(records: u64) -> Postgres {
    let database = Postgres::start();
    database.psql(&format!(
        "create table account (id bigint generated always as identity primary key, no text unique, name text, credit numeric(18,2)); \
         insert into account (no, name, credit) select 'N' || n, 'Name ' || n, n + 0.25 from generate_series(1, {records}) n"
    ));
    database
}

/// Everything but the keys, the same from both sides.
fn both(server: &Salesforce, database: &Postgres) -> (String, String) {
    let crm = server.run(
        "return [...org.of('Account')].filter((record) => !record.IsDeleted)
           .map(({ No__c, Name, Credit__c }) => `${No__c}|${Name}|${Credit__c === null ? '' : Credit__c.toFixed(2)}`).sort().join('\\n')",
    );
    let crm: String = serde_json::from_str(&crm).unwrap();
    let erp = database
        .psql("select line from (select no || '|' || name || '|' || coalesce(credit::text, '') as line from account) shown order by line collate \"C\"");
    (crm, erp)
}

/// Records that were changed at this time or later.
fn changed(server: &Salesforce, since: &str) -> u64 {
    let text = format!("return [...org.of('Account')].filter((record) => record.SystemModstamp >= '{since}').length");
    server.run(&text).parse().unwrap()
}

/// Calls that a run cannot do without: what the object is.
const DESCRIBE: u64 = 1;
/// What is to be changed is looked at before and after.
const LOOK_UPS: u64 = 2;

fn pages(records: u64) -> u64 {
    records.div_ceil(PAGE).max(1)
}

/// At most a tenth more than it takes.
#[track_caller]
fn assert_at_most(told: &[(String, u64)], least: u64) {
    let calls: u64 = told.iter().map(|(_, count)| count).sum();
    assert!(calls * 10 <= least * 11, "{calls} calls where {least} do: {told:?}");
}

#[test]
fn thousands_of_records_converge_with_hardly_more_calls_than_pages_and_collections_take() {
    let (server, database) = (Salesforce::start(), database(RECORDS));
    server.run(&format!("{} org.advance(3600)", accounts(u32::try_from(RECORDS).unwrap())));
    let project = project(&server, &database, "");
    calls(&server);

    // First link: every record is read once, and nothing is written.
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{sync}");
    assert_at_most(&calls(&server), DESCRIBE + pages(RECORDS));
    assert_eq!(changed(&server, "2026-01-01T00:30"), 0);

    // Edits on both sides, of different records.
    server.run(&format!(
        "org.advance(3600); for (const record of org.of('Account')) if (record.NumberOfEmployees <= {EDITS}) org.update('Account', record.Id, {{ Name: `crm ${{record.No__c}}` }}); org.advance(3600)"
    ));
    database.psql(&format!("update account set name = 'erp ' || no where id > {}", RECORDS - EDITS));
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [2 * EDITS, 0], "{sync}");
    // What is gone shows in the list of all keys only.
    let reading = pages(EDITS) + pages(RECORDS);
    assert_at_most(&calls(&server), DESCRIBE + reading + LOOK_UPS + EDITS.div_ceil(COLLECTION));
    let (crm, erp) = both(&server, &database);
    assert_eq!(crm.lines().count() as u64, RECORDS);
    assert!(crm == erp, "the systems differ");
    assert_eq!(changed(&server, "2026-01-01T02:30"), EDITS);

    // The next run has nothing to do but to look.
    server.run("org.advance(3600)");
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{sync}");
    assert_at_most(&calls(&server), DESCRIBE + pages(EDITS) + pages(RECORDS));
    assert_eq!(changed(&server, "2026-01-01T02:30"), EDITS);
}

#[test]
fn who_asks_for_the_log_reads_no_keys_and_loses_no_delete() {
    let (server, database) = (Salesforce::start(), database(50));
    server.run(&format!("{} org.advance(3600)", accounts(50)));
    let project = project(&server, &database, "deletes = \"log\"");
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [0, 0]);
    calls(&server);
    server.run(&account(1, "org.delete(record.Id); org.advance(60)"));
    database.psql("delete from account where no = 'N2'; insert into account (no, name) values ('N51', 'new')");
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [1, 2]);
    let (crm, erp) = both(&server, &database);
    assert_eq!((crm.lines().count(), crm == erp), (49, true), "{crm}\n\n{erp}");
    // A describe, what changed, what is looked at before it is deleted or after it was made, and the two writes.
    let told = calls(&server);
    assert!(told.iter().all(|(name, count)| name != "GET query/…" && *count <= 3), "{told:?}");
    // Deleted by somebody else and taken out of the bin again.
    server.run("org.advance(3600); for (const record of org.of('Account')) if (record.No__c === 'N1') org.undelete(record.Id); org.advance(60)");
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [1, 0]);
    let (crm, erp) = both(&server, &database);
    assert_eq!((crm.lines().count(), crm == erp), (50, true), "{crm}\n\n{erp}");
    // For too long nobody looks: everything is read, and what the bin has forgotten is found.
    server.run(&account(5, "org.purge(record.Id); org.advance(20 * 86400)"));
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [0, 1]);
    let (crm, erp) = both(&server, &database);
    assert_eq!((crm.lines().count(), crm == erp), (49, true), "{crm}\n\n{erp}");
}

#[test]
fn by_jobs_both_agree_as_well() {
    let (server, database) = (Salesforce::start(), database(400));
    server.run(&format!("{} org.advance(3600)", accounts(700)));
    let project = project(&server, &database, "read = \"jobs\", write = \"jobs\"");
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [300, 0]);
    database.psql("update account set name = 'erp ' || no where id <= 250; insert into account (no, name) select 'M' || n, 'new' from generate_series(1, 250) n");
    calls(&server);
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [500, 0]);
    let (crm, erp) = both(&server, &database);
    assert_eq!((crm.lines().count(), crm == erp), (950, true));
    let told = calls(&server);
    assert!(
        told.contains(&("POST jobs/ingest".to_owned(), 2))
            && !told.iter().any(|(name, _)| name == "POST composite/sobjects"),
        "{told:?}"
    );
    assert_eq!(server.run("return [...site.bulk.jobs.values()].filter(({ kind }) => kind === 'ingest').length"), "0");
    server.run("org.advance(3600)");
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [0, 0]);
}
