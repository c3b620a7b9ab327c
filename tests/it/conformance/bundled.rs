//! Every bundled plugin passes the battery, by the command, in less than 30 seconds.

use std::time::{Duration, Instant};

use lockstep_test_servers::{Api, Cap, Couch, Mariadb, Postgres, Salesforce, Soap};
use serde_json::{Value, json};

use crate::mirror::project::Project;

const TIME_MAX: Duration = Duration::from_secs(30);

/// What `plugin check` says of the connection: nothing may fail, and these checks must have been asked.
fn check(project: &Project, args: &[&str], asked: &[&str]) {
    let began = Instant::now();
    let outcome = project.run(&[&["plugin", "check", "--json"], args].concat());
    let took = began.elapsed();
    let document = outcome.json();
    let results = document["result"]["results"].as_array().unwrap_or_else(|| panic!("{outcome}")).clone();
    let with = |name: &str| -> Vec<&Value> { results.iter().filter(|result| result["outcome"] == name).collect() };
    assert_eq!(with("failed"), Vec::<&Value>::new(), "{args:?}");
    let skipped: Vec<String> =
        with("skipped").iter().map(|result| format!("{}: {}", result["check"], result["reason"])).collect();
    for group in asked {
        let is_of = |result: &&&Value| result["check"].as_str().unwrap().starts_with(group);
        assert!(with("passed").iter().any(|result| is_of(&result)), "nothing of `{group}` was asked: {skipped:#?}");
    }
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let mut slow: Vec<(u64, &str)> =
        results.iter().map(|result| (result["took_ms"].as_u64().unwrap(), result["check"].as_str().unwrap())).collect();
    slow.sort_unstable();
    let slowest: Vec<_> = slow.iter().rev().take(5).collect();
    assert!(took < TIME_MAX, "{args:?} took {took:?}, most of it {slowest:?}");
}

const READS: &[&str] = &["discover.", "read.", "resume.", "pages."];
/// Where the system makes the keys.
const NEW_RECORDS: &[&str] = &["discover.", "read.", "resume.", "pages.", "insert.creates", "insert.ids", "update."];
const WRITES: &[&str] = &["discover.", "read.", "resume.", "pages.", "write.", "insert.", "update."];

#[test]
fn csv() {
    let project = Project::new("[connection.files]\nplugin = \"csv\"\nfiles.data = { path = \"data\" }\n");
    let rows: Vec<String> = (1..=500).map(|n| format!("{n},Name {n},{n}.25,2026-01-01T00:00:00Z\n")).collect();
    project.write("data/customers.csv", format!("id,name,credit,changed\n{}", rows.concat()));
    check(
        &project,
        &["--connection", "files", "--stream", "customers.csv"],
        &[READS, &["trouble.", "memory.read"]].concat(),
    );
}

#[test]
fn jsonl() {
    let project = Project::new("[connection.files]\nplugin = \"jsonl\"\nfiles.data = { path = \"data\" }\n");
    let rows = (1..=500).map(|n| json!({"id": n, "name": format!("Name {n}"), "tags": [n], "changed": null}));
    project.write("data/customers.jsonl", rows.map(|row| format!("{row}\n")).collect::<String>());
    check(
        &project,
        &["--connection", "files", "--stream", "customers.jsonl"],
        &[READS, &["trouble.", "memory.read"]].concat(),
    );
}

#[test]
fn sqlite() {
    let project = Project::new("[connection.db]\nplugin = \"sqlite\"\nsql.main = { path = \"copy.db\" }\n");
    project.sqlite("SELECT 1");
    rusqlite::Connection::open(project.path("copy.db"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, credit DECIMAL_TEXT(9,2), changed TIMESTAMPTZ);
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 500)
             INSERT INTO customers SELECT n, 'Name ' || n, n || '.25', strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + n / 4, 'unixepoch') FROM n",
        )
        .unwrap();
    let args = ["--connection", "db", "--stream", "customers", "--modified", "changed", "--write-stream", "scratch"];
    check(&project, &args, &[WRITES, &["incremental.late", "incremental.future", "lookup."]].concat());
    assert_eq!(project.sqlite("SELECT count(*) FROM scratch"), "0");
}

#[test]
fn postgres() {
    let server = Postgres::start();
    server.psql(
        "CREATE TABLE customers (id bigint PRIMARY KEY, name text, credit numeric(9,2), changed timestamptz NOT NULL);
         INSERT INTO customers SELECT n, 'Name ' || n, n + 0.25, to_timestamp(1700000000 + n / 4) FROM generate_series(1, 500) n",
    );
    let project = Project::new("[connection.db]\nplugin = \"postgres\"\nsql.main = { url = \"file:url\" }\n");
    project.write("url", server.url());
    let args = ["--connection", "db", "--stream", "customers", "--modified", "changed", "--write-stream", "scratch"];
    check(&project, &args, &[WRITES, &["incremental.late", "incremental.future", "lookup.", "compare."]].concat());
    assert_eq!(server.psql("SELECT count(*) FROM scratch"), "0");
}

#[test]
fn mysql() {
    let server = Mariadb::start();
    server.sql(
        "CREATE TABLE customers (id BIGINT PRIMARY KEY, name VARCHAR(50), credit DECIMAL(9,2), changed TIMESTAMP(6) NOT NULL);
         INSERT INTO customers SELECT seq, concat('Name ', seq), seq + 0.25, from_unixtime(1700000000 + seq DIV 4) FROM seq_1_to_500",
    );
    let project = Project::new("[connection.db]\nplugin = \"mysql\"\nsql.main = { url = \"file:url\" }\n");
    project.write("url", server.url());
    let args = ["--connection", "db", "--stream", "customers", "--modified", "changed", "--write-stream", "scratch"];
    check(&project, &args, &[WRITES, &["incremental.late", "incremental.future", "lookup."]].concat());
    assert_eq!(server.sql("SELECT count(*) FROM scratch"), "0");
}

/// A connection `api` to a server on this machine.
fn api(plugin: &str, url: &str, keys: &str) -> Project {
    Project::new(&format!(
        "[connection.api]\nplugin = \"{plugin}\"\nhttp.api = {{ origin = \"{url}\", allow_private = true }}\n{keys}\n"
    ))
}

#[test]
fn odata() {
    for (version, service) in [(4, Cap::version_4()), (2, Cap::version_2())] {
        let server = Cap::start();
        server.sql(&crate::odata_plugin::customers(40, "2026-01-01T00:00:00.000Z"));
        let project = api("odata", &server.url(), &format!("config = {{ service = \"{service}\" }}"));
        let args = ["--connection", "api", "--stream", "Customers", "--write-stream", "Customers"];
        check(&project, &args, WRITES);
        let left: Value = serde_json::from_str(&server.sql("select count(*) as n from Sales_Customers")).unwrap();
        assert_eq!(left[0]["n"], 40, "version {version}");
    }
}

#[test]
fn salesforce() {
    let server = Salesforce::start();
    server.run(&crate::salesforce_plugin::accounts(40));
    let project = api("salesforce", &server.url(), "");
    let args = ["--connection", "api", "--stream", "Account", "--write-stream", "Account", "--sample", "sample.json"];
    let record = |n: u32| json!({"Name": format!("Check {n} {{n}}"), "NumberOfEmployees": n});
    project.write("sample.json", json!([record(1), record(2), record(3)]).to_string());
    check(&project, &args, NEW_RECORDS);
    let record = |n: u32| json!({"No__c": "C{n}", "Name": format!("Check {n} {{n}}"), "NumberOfEmployees": n});
    project.write("sample.json", json!([record(1), record(2), record(3)]).to_string());
    check(&project, &[&args[..], &["--write-key", "No__c"]].concat(), &["write.upsert", "write.idempotent"]);
    let left = server.run("return [...org.of('Account')].filter((record) => !record.IsDeleted).length");
    assert_eq!(left, "40");
}

#[test]
fn http_json() {
    let server = Couch::start();
    let documents: Vec<Value> =
        (1..=40).map(|n| json!({"_id": format!("d{n:03}"), "name": format!("Name {n}"), "n": n})).collect();
    crate::http_json_plugin::put(&server, &documents);
    let project = api(
        "http-json",
        &server.url(),
        "config = { manifest = \"couchdb.toml\", parameters = { database = \"shop\" } }",
    );
    project.write("couchdb.toml", include_str!("../../../examples/couchdb-to-sqlite/couchdb.toml"));
    check(&project, &["--connection", "api", "--stream", "documents", "--write-stream", "documents"], WRITES);
    assert_eq!(crate::http_json_plugin::documents(&server).len(), 40);
}

#[test]
fn http_json_with_a_manifest_that_comes_with_it() {
    let server = Api::start("hubspot");
    let contacts: Vec<Value> =
        (1..=40).map(|n| json!({"email": format!("p{n}@example.com"), "firstname": format!("Name {n}")})).collect();
    server.change(&json!({ "add": contacts }).to_string());
    let project = Project::new(&format!(
        "[connection.api]\nplugin = \"http-json\"\nconfig = {{ api = \"hubspot\" }}\n\
         http.api = {{ origin = \"{}\", allow_private = true, auth = {{ bearer = \"file:secret\" }} }}\n",
        server.url()
    ));
    project.write("secret", "pat-na1-secret-of-hubspot");
    let args = ["--connection", "api", "--stream", "contacts", "--write-stream", "contacts", "--sample", "sample.json"];
    let record = |name: &str| json!({"firstname": format!("{name} {{n}}"), "lastname": "B{n}"});
    project.write("sample.json", json!([record("Ann"), record("Bob")]).to_string());
    check(&project, &args, NEW_RECORDS);
    let record = |name: &str| json!({"email": "c{n}@example.com", "firstname": name, "lastname": "B{n}"});
    project.write("sample.json", json!([record("Ann"), record("Bob"), record("Zoe")]).to_string());
    check(&project, &[&args[..], &["--write-key", "email"]].concat(), &["write.upsert", "write.idempotent"]);
}

#[test]
fn soap() {
    let server = Soap::start();
    let customers: Vec<Value> = (1..=40).map(crate::soap_plugin::customer).collect();
    crate::soap_plugin::seed(&server, &customers);
    let project = api("soap", &server.url(), "config = { manifest = \"crm.toml\", wsdl_path = \"/crm?wsdl\" }");
    project.write("crm.toml", include_str!("../../../examples/soap-to-sqlite/crm.toml"));
    let args =
        ["--connection", "api", "--stream", "customers", "--write-stream", "customers", "--sample", "sample.json"];
    let record = |name: &str| json!({"Number": "C{n}", "Name": format!("{name} {{n}}"), "Credit": "1.25"});
    project.write("sample.json", json!([record("Ann"), record("Bob")]).to_string());
    check(&project, &args, WRITES);
    assert_eq!(crate::soap_plugin::state(&server).len(), 40);
}

#[test]
fn clean() {
    let project = Project::new("");
    check(&project, &["clean"], &["transform.", "memory.transform"]);
    let config = "{\"all_text\": [\"trim\", \"nfc\", \"upper\", \"empty_as_null\"], \"required\": [\"name\"], \"absent\": \"pass\"}";
    check(&project, &["clean", "--config", config], &["transform.", "memory.transform"]);
}

#[test]
fn every_bundled_plugin_is_checked_here() {
    let names: Vec<&str> = lockstep_bundle::PLUGINS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), 10, "{names:?}: a new one needs a test in this file");
}
