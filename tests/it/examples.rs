//! The projects of `examples/`, as a person tries them: copied, checked, run with the command. What their READMEs promise is
//! what happens.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lockstep_test_servers::{Cap, Couch, Mariadb, Postgres, Salesforce, Soap};
use tempfile::TempDir;

/// A copy of an example.
struct Example {
    folder: TempDir,
    secrets: Vec<(&'static str, String)>,
}

impl Example {
    fn copy(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&examples().join(name), folder.path());
        Self { folder, secrets: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes a file of the copy: the text must be there.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(self.path(name), text.replace(from, to)).unwrap();
    }

    /// What the command says, on both streams; it must end with `code`.
    fn lockstep(&self, args: &str, code: i32) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_lockstep-under-test"))
            .args(args.split_whitespace())
            .current_dir(self.folder.path())
            .env("LOCKSTEP_CACHE_DIR", std::env::temp_dir().join("lockstep-test-cache"))
            .env_remove("LOCKSTEP_PROJECT")
            .envs(self.secrets.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "lockstep {args}\n{said}");
        said
    }

    /// The rows of a query on `copy.db`, one text each.
    fn sqlite(&self, query: &str) -> Vec<String> {
        let database = rusqlite::Connection::open(self.path("copy.db")).unwrap();
        let mut statement = database.prepare(query).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

fn examples() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"))
}

/// Without what running the original left there.
fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_name() == ".lockstep" || entry.file_name().to_string_lossy().starts_with("copy.db") {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

#[track_caller]
fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` is not in:\n{text}");
}

#[test]
fn csv_to_sqlite_keeps_its_promises() {
    let example = Example::copy("csv-to-sqlite");
    example.lockstep("check", 0);
    contains(&example.lockstep("run", 1), "7 read, 5 written, 0 unchanged, 0 deleted, 2 dead letters");
    let rows = "SELECT sku || '|' || name || '|' || ifnull(price, '-') || '|' || stock FROM products ORDER BY sku";
    assert_eq!(
        example.sqlite(rows),
        [
            "A-100|Kettle|39.90|12",
            "A-101|Teapot, enamel|24.50|7",
            "A-102|Tea strainer|4.95|130",
            "B-200|Cup \"Blue\"; 0,3 l|8.00|64",
            "C-300|Tray|-|0",
        ]
    );
    let letters = example.lockstep("dead-letters list", 0);
    contains(&letters, "`price` is `12,00`");
    contains(&letters, "field `name` is required");

    example.edit("data/products.csv", "12,00", "12.00");
    example.edit("data/products.csv", "B-201;;", "B-201;Saucer;");
    contains(&example.lockstep("run", 0), "7 read, 2 written, 5 unchanged, 0 deleted, 0 dead letters");
    contains(&example.lockstep("dead-letters list", 0), "no record waits");

    example.edit("data/products.csv", "C-300;Tray;;0;2026-02-11\n", "");
    contains(&example.lockstep("run", 0), "6 read, 0 written, 6 unchanged, 1 deleted");
    assert_eq!(example.sqlite("SELECT sku FROM products WHERE sku = 'C-300'"), [""; 0]);
}

#[test]
fn postgres_to_postgres_keeps_its_promises() {
    let (shop, warehouse) = (Postgres::start(), Postgres::start());
    let mut example = Example::copy("postgres-to-postgres");
    shop.psql(&std::fs::read_to_string(example.path("seed.sql")).unwrap());
    example.secrets = vec![("SHOP_URL", shop.url()), ("WAREHOUSE_URL", warehouse.url())];
    contains(&example.lockstep("check --online", 0), "public.customers");
    contains(&example.lockstep("run", 0), "3 written, 0 unchanged, 0 deleted, 0 dead letters");
    let of_customers = "SELECT id, name, email, credit, tags, updated_at FROM customers ORDER BY id";
    assert_eq!(warehouse.psql(of_customers), shop.psql(of_customers));
    assert_eq!(
        warehouse.psql("SELECT customer_id, total, currency, origin FROM shop_orders ORDER BY customer_id"),
        "1|99.90|GBP|shop\n2|10.00|EUR|shop"
    );

    let again = example.lockstep("run", 0);
    contains(&again, "customers: 0 read, 0 written");
    contains(&again, "orders: 2 read, 0 written, 2 unchanged");

    shop.psql("UPDATE customers SET credit = 1.50, updated_at = now() WHERE id = 1");
    contains(&example.lockstep("run customers", 0), "customers: 1 read, 1 written");
    assert_eq!(warehouse.psql("SELECT credit FROM customers WHERE id = 1"), "1.50");
}

#[test]
fn customer_hub_keeps_its_promises() {
    let (shop, crm) = (Mariadb::start(), Postgres::start());
    let mut example = Example::copy("customer-hub");
    shop.sql(&std::fs::read_to_string(example.path("shop.sql")).unwrap());
    crm.psql(&std::fs::read_to_string(example.path("crm.sql")).unwrap());
    example.secrets = vec![("SHOP_URL", shop.url()), ("CRM_URL", crm.url())];
    contains(&example.lockstep("check --online", 0), "signups.jsonl");
    let plan = example.lockstep("plan customer", 0);
    contains(&plan, "Ada Lovelace");
    contains(&example.lockstep("run", 0), "customer:");
    let in_shop = || shop.sql("SELECT concat_ws('|', email, name, credit) FROM customers ORDER BY email");
    let in_crm = || crm.psql("SELECT lower(email), full_name, credit_limit FROM contacts ORDER BY lower(email)");
    let all = "ada@example.com|Ada Lovelace|1500.00\ngrace@example.com|Grace Hopper\n\
        konrad@example.com|Konrad Zuse|250.00\nlinus@example.com|Linus";
    assert_eq!(in_shop().trim_end(), all);
    assert_eq!(in_crm().trim_end().replace("|\n", "\n").trim_end_matches('|'), all);
    contains(&example.lockstep("why customer ada@example.com.name", 0), "Ada King");
    contains(&example.lockstep("run", 0), "0 written");

    shop.sql("UPDATE customers SET phone = '+1 202 555' WHERE email = 'grace@example.com'");
    crm.psql("UPDATE contacts SET credit_limit = 900 WHERE lower(email) = 'ada@example.com'");
    example.lockstep("run", 0);
    assert_eq!(crm.psql("SELECT phone FROM contacts WHERE email = 'grace@example.com'"), "+1 202 555");
    assert_eq!(shop.sql("SELECT credit FROM customers WHERE email = 'ada@example.com'").trim(), "900.00");
}

#[test]
fn couchdb_to_sqlite_keeps_its_promises() {
    let server = Couch::start();
    let orders = r#"{"docs":[{"_id":"o1","customer":"Ann","total":12.5},{"_id":"o2","customer":"Bob","total":7}]}"#;
    server.ask("POST", "/shop/_bulk_docs", orders);
    let mut example = Example::copy("couchdb-to-sqlite");
    let here = format!("\"{}\", allow_private = true", server.url());
    example.edit("lockstep.toml", "\"https://couch.example.com\"", &here);
    example.secrets = vec![("COUCHDB_PASSWORD", "a-password-of-some-length".to_owned())];
    contains(&example.lockstep("check --online", 0), "documents");
    contains(&example.lockstep("run", 0), "2 read, 2 written, 0 unchanged, 0 deleted, 0 dead letters");
    let rows = "SELECT id || '|' || customer || '|' || total FROM orders ORDER BY id";
    assert_eq!(example.sqlite(rows), ["o1|Ann|12.5", "o2|Bob|7"]);
    contains(&example.lockstep("run", 0), "0 read, 0 written, 0 unchanged, 0 deleted");
    let revision = |id: &str| {
        let document: serde_json::Value = serde_json::from_str(&server.ask("GET", &format!("/shop/{id}"), "")).unwrap();
        document["_rev"].as_str().unwrap().to_owned()
    };
    let changed = format!(r#"{{"_rev":"{}","customer":"Anna","total":12.5}}"#, revision("o1"));
    server.ask("PUT", "/shop/o1", &changed);
    server.ask("DELETE", &format!("/shop/o2?rev={}", revision("o2")), "");
    contains(&example.lockstep("run", 0), "1 written, 0 unchanged, 1 deleted");
    assert_eq!(example.sqlite(rows), ["o1|Anna|12.5"]);
}

#[test]
fn odata_to_sqlite_keeps_its_promises() {
    let service = Cap::start();
    service.sql(
        "insert into Sales_Customers (ID, number, name, credit, modifiedAt) values \
         ('00000000-0000-4000-8000-000000000001', 'N1', 'Ann', 12.50, '2026-01-01T00:00:00.000Z'), \
         ('00000000-0000-4000-8000-000000000002', 'N2', 'Bob', null, '2026-01-02T00:00:00.000Z')",
    );
    let mut example = Example::copy("odata-to-sqlite");
    let here = format!("\"{}\", allow_private = true", service.url());
    example.edit("lockstep.toml", "\"https://crm.example.com\"", &here);
    example.secrets = vec![("CRM_TOKEN", "a-token-of-some-length".to_owned())];
    contains(&example.lockstep("check --online", 0), "Customers");
    contains(&example.lockstep("run", 0), "2 read, 2 written, 0 unchanged, 0 deleted, 0 dead letters");
    let rows = "SELECT number || '|' || name || '|' || ifnull(credit, '-') FROM customers ORDER BY number";
    assert_eq!(example.sqlite(rows), ["N1|Ann|12.50", "N2|Bob|-"]);
    contains(&example.lockstep("run", 0), "1 read, 0 written, 1 unchanged, 0 deleted");
    service.sql(
        "update Sales_Customers set name = 'Anna', modifiedAt = '2026-02-01T00:00:00.000Z' where number = 'N1';\n\
         delete from Sales_Customers where number = 'N2'",
    );
    contains(&example.lockstep("run", 0), "1 written, 0 unchanged, 1 deleted");
    assert_eq!(example.sqlite(rows), ["N1|Anna|12.50"]);
}

#[test]
fn soap_to_sqlite_keeps_its_promises() {
    let server = Soap::start();
    server.ask("/-/guard", "{\"password\":\"a password\"}");
    server.ask(
        "/-/seed",
        r#"[{"Number":"N1","Name":"Ann","Credit":"12.50"},{"Number":"N2","Name":"Bob","Credit":null}]"#,
    );
    let mut example = Example::copy("soap-to-sqlite");
    let here = format!("\"{}\"\nallow_private = true", server.url());
    example.edit("lockstep.toml", "\"https://crm.example.com\"", &here);
    example.secrets = vec![("CRM_PASSWORD", "a password".to_owned())];
    contains(&example.lockstep("check --online", 0), "customers");
    contains(&example.lockstep("run", 0), "2 read, 2 written, 0 unchanged, 0 deleted, 0 dead letters");
    let rows = "SELECT number || '|' || name || '|' || ifnull(credit, '-') FROM customers ORDER BY number";
    assert_eq!(example.sqlite(rows), ["N1|Ann|12.50", "N2|Bob|-"]);
    server.ask("/-/seed", r#"[{"Id":1,"Name":"Anna","Changed":"2999-01-01T00:00:00Z"}]"#);
    contains(&example.lockstep("run", 0), "1 read, 1 written, 0 unchanged, 0 deleted");
    assert_eq!(example.sqlite(rows), ["N1|Anna|12.50", "N2|Bob|-"]);
}

#[test]
fn salesforce_to_sqlite_keeps_its_promises() {
    let lab = crate::http::lab::Lab::new("");
    let key = crate::http::oauth::key(&lab, "-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    let server = Salesforce::start_with(Some(&key));
    server.run(
        "site.isLocked = true; for (const name of ['Ann', 'Bob']) org.create('Account', { Name: name, BillingCity: 'Ulm' }); org.advance(3600)",
    );
    let mut example = Example::copy("salesforce-to-sqlite");
    std::fs::copy(lab.path().join("key.pem"), example.path("salesforce.pem")).unwrap();
    let here = format!("\"{}\"\nallow_private = true", server.url());
    example.edit("lockstep.toml", "\"https://example.my.salesforce.com\"", &here);
    example.edit("lockstep.toml", "https://login.salesforce.com/services", &format!("{}/services", server.url()));
    example.secrets = Vec::new();
    contains(&example.lockstep("check --online", 0), "NumberOfEmployees");
    contains(&example.lockstep("run", 0), "2 read, 2 written, 0 unchanged, 0 deleted, 0 dead letters");
    let rows = "SELECT name || '|' || city FROM accounts ORDER BY name";
    assert_eq!(example.sqlite(rows), ["Ann|Ulm", "Bob|Ulm"]);
    contains(&example.lockstep("run", 0), "0 read, 0 written, 0 unchanged, 0 deleted");
    server.run(
        "const [ann, bob] = [...org.of('Account')]; org.update('Account', ann.Id, { BillingCity: 'Bonn' }); org.delete(bob.Id)",
    );
    contains(&example.lockstep("run", 0), "1 written, 0 unchanged, 1 deleted");
    assert_eq!(example.sqlite(rows), ["Ann|Bonn"]);
}
