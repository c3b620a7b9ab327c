//! A hub between documents and a PostgreSQL database: many records, both sides edited, and every call counted.

use lockstep_test_servers::{Couch, Postgres};
use serde_json::{Value, json};

use super::{COUCHDB, calls, documents, put};
use crate::hub::systems::figures;
use crate::mirror::project::Project;

/// Records that are linked at first.
const RECORDS: u32 = 10_000;
/// Records edited on each side.
const EDITS: u32 = 1000;
/// What the manifest says a page and a batch are.
const PAGE: u64 = 1000;

const HUB: &str = r#"
[connection.erp]
plugin = "postgres"
sql.main = { url = "file:url" }

[sync.customer]
mode = "hub"
match = ["number"]
endpoints.shop = { stream = "documents" }
endpoints.erp = { stream = "customer" }

[sync.customer.fields]
number = { shop = "number", erp = "no" }
name = { shop = "name", erp = "name" }
credit = { shop = "credit", erp = "credit" }
"#;

fn project(server: &Couch, database: &Postgres) -> Project {
    let shop = format!(
        "[connection.shop]\nplugin = \"http-json\"\nconfig = {{ manifest = \"couchdb.toml\", parameters = {{ database = \"shop\" }} }}\n\
         http.api = {{ origin = \"{}\", allow_private = true }}\n",
        server.url()
    );
    let project = Project::new(&format!("{shop}{HUB}"));
    project.write("couchdb.toml", COUCHDB);
    project.write("url", database.url());
    project
}

/// Everything but the keys, the same from both sides.
fn both(server: &Couch, database: &Postgres) -> (String, String) {
    let mut rows: Vec<String> = documents(server)
        .iter()
        .map(|row| {
            format!(
                "{}|{}|{:.2}",
                row["number"].as_str().unwrap(),
                row["name"].as_str().unwrap(),
                row["credit"].as_f64().unwrap()
            )
        })
        .collect();
    rows.sort_by(|one, other| one.split('|').next().cmp(&other.split('|').next()));
    (rows.join("\n"), database.psql("select no, name, credit from customer order by no collate \"C\""))
}

/// How many documents were written at least once more than they were made.
fn rewritten(server: &Couch) -> usize {
    let all: Value = serde_json::from_str(&server.ask("GET", "/shop/_all_docs", "")).unwrap();
    let revision =
        |row: &Value| row["value"]["rev"].as_str().unwrap().split('-').next().unwrap().parse::<u32>().unwrap();
    all["rows"].as_array().unwrap().iter().filter(|row| revision(row) > 1).count()
}

#[test]
fn thousands_of_documents_converge_with_hardly_more_calls_than_pages_and_batches_take() {
    let (server, database) = (Couch::start(), Postgres::start());
    let document = |n: u32| json!({"_id": format!("{n:06}"), "number": format!("N{n}"), "name": format!("Name {n}"), "credit": f64::from(n) + 0.25, "kept": n});
    put(&server, &(1..=RECORDS).map(document).collect::<Vec<_>>());
    database.psql(&format!(
        "create table customer (id bigint generated always as identity primary key, no text unique, name text, credit numeric(18,2)); \
         insert into customer (no, name, credit) select 'N' || n, 'Name ' || n, n + 0.25 from generate_series(1, {RECORDS}) n"
    ));
    let project = project(&server, &database);
    calls(&server);

    // First link: every record is read once, and nothing is written.
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{sync}");
    assert_at_most(&calls(&server), GUESS + pages(RECORDS));
    assert_eq!(rewritten(&server), 0);

    // Edits on both sides, of different records.
    let edits: Vec<Value> = serde_json::from_str::<Value>(&server.ask(
        "GET",
        &format!("/shop/_all_docs?include_docs=true&limit={EDITS}"),
        "",
    ))
    .unwrap()["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let mut document = row["doc"].clone();
            document["name"] = json!(format!("shop {}", document["number"].as_str().unwrap()));
            document
        })
        .collect();
    put(&server, &edits);
    database.psql(&format!("update customer set name = 'erp ' || no where id > {}", RECORDS - EDITS));
    calls(&server);
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [u64::from(2 * EDITS), 0], "{sync}");
    // What is to be changed is looked at before and after, and written, each time in one request.
    assert_at_most(&calls(&server), GUESS + pages(EDITS) + 3);
    let (shop, erp) = both(&server, &database);
    assert_eq!(shop.lines().count(), RECORDS as usize);
    assert!(shop == erp, "the systems differ");
    assert_eq!(rewritten(&server), 2 * EDITS as usize);
    assert!(documents(&server).iter().all(|document| document["kept"].is_u64()));

    // Our own writes come back once, and are nothing to be done.
    calls(&server);
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 0], "{sync}");
    assert_at_most(&calls(&server), GUESS + pages(EDITS));
    assert_eq!(rewritten(&server), 2 * EDITS as usize);

    // Deletes are told by the feed, and take their records along.
    let gone: Value = serde_json::from_str(&server.ask("GET", "/shop/000001", "")).unwrap();
    server.ask("DELETE", &format!("/shop/000001?rev={}", gone["_rev"].as_str().unwrap()), "");
    database.psql("delete from customer where no = 'N2'");
    let sync = project.sync(0);
    assert_eq!(figures(&sync, ["written", "deleted"]), [0, 2], "{sync}");
    let (shop, erp) = both(&server, &database);
    assert!(shop == erp && shop.lines().count() == RECORDS as usize - 2, "the systems differ");
}

/// The page that fields are guessed from.
const GUESS: u64 = 1;

/// A feed shows that it is over by a page that is not full.
fn pages(records: u32) -> u64 {
    u64::from(records) / PAGE + 1
}

/// At most a tenth more than it takes.
#[track_caller]
fn assert_at_most(told: &[(String, u64)], least: u64) {
    let calls: u64 = told.iter().map(|(_, count)| count).sum();
    assert!(calls * 10 <= least * 11, "{calls} calls where {least} do: {told:?}");
}
