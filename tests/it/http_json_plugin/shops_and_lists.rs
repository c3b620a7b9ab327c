//! Stripe as localstripe serves it; WooCommerce, Shopify, Mailchimp and Odoo as their documentation describes them.

use std::time::Duration;

use lockstep::connector::{FailureKind, PageStatus, ReadMode, Source as _, WriteMode, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::record::ChangeKind;
use lockstep_test_servers::{Api, Stripe};
use serde_json::{Value, json};

use super::lives::Life;
use super::{connect_api, state, told};
use crate::plugins::{Reading, apply, changes, complaints, ids, page, run};

const MAILS: [&str; 3] = ["one@example.com", "two@example.com", "three@example.com"];

fn start(name: &str, config: &str, auth: &str, secret: &str) -> (Api, PluginConnector) {
    let server = Api::start(name);
    let plugin = connect_api(&server.url(), config, auth, secret);
    (server, plugin)
}

fn woocommerce() -> (Api, PluginConnector) {
    let auth = "auth = { basic = { user = \"ck_0123456789abcdef\", password = \"file:secret\" } }";
    start("woocommerce", "api = \"woocommerce\"", auth, "cs_0123456789abcdef")
}

fn shopify() -> (Api, PluginConnector) {
    let auth = "auth = { header = { X-Shopify-Access-Token = \"file:secret\" } }";
    start("shopify", "api = \"shopify\"", auth, "shpat_0123456789abcdef")
}

fn mailchimp() -> (Api, PluginConnector) {
    let auth = "auth = { basic = { user = \"lockstep\", password = \"file:secret\" } }";
    let config = "api = \"mailchimp\", parameters = { list = \"a1b2c3d4e5\" }";
    start("mailchimp", config, auth, "0123456789abcdef0123456789abcdef-us6")
}

const ODOO_KEY: &str = "3f1c6a0b9d2e4f7a8b5c1d0e9f8a7b6c5d4e3f2a";
const ODOO: &str = "api = \"odoo\", parameters = { database = \"acme\", login = \"sync@example.com\" }";

fn odoo() -> (Api, PluginConnector) {
    start("odoo", ODOO, "auth = { body = { api_key = \"file:secret\" } }", ODOO_KEY)
}

fn stripe() -> (Stripe, PluginConnector) {
    let server = Stripe::start();
    let plugin =
        connect_api(&server.url(), "api = \"stripe\"", "auth = { basic = { user = \"file:secret\" } }", Stripe::key());
    (server, plugin)
}

/// What changed since a reading of everything, when `change` was made.
async fn changed(plugin: &PluginConnector, stream: &str, name: &str, change: impl FnOnce()) -> Vec<Value> {
    let mut reading = Reading::full(plugin, stream).discovered().await;
    reading.request.mode = ReadMode::Incremental;
    let first = reading.read().await;
    assert_eq!(first.status, Some(PageStatus::EnumerationComplete), "{stream}");
    change();
    let shown = reading.read().await;
    assert_eq!(shown.status, Some(PageStatus::CaughtUp), "{stream}");
    shown.records.iter().map(|record| record[name].clone()).collect()
}

#[test]
fn stripe_takes_forms_and_pages_behind_the_last_record() {
    run(async {
        let (server, plugin) = stripe();
        let life = Life {
            plugin: &plugin,
            stream: "customers",
            name: "name",
            unique: "email",
            values: MAILS,
            bad: json!({"tax_exempt": "perhaps"}),
            is_strict: false,
        };
        let target = plugin.discover(&["customers".to_owned()]).await.unwrap().remove(0);
        assert_eq!(target.properties.get("tracks-changes"), None);
        life.live().await;
        for n in 0..250 {
            server.ask(
                "POST",
                "/v1/customers",
                &format!("email=m{n}@example.com&metadata[n]={n}&address[city]=Bonn%20{n}"),
            );
        }
        let shown = Reading::full(&plugin, "customers").discovered().await.read().await;
        assert_eq!((shown.records.len(), shown.status), (252, Some(PageStatus::EnumerationComplete)));
        let seven = shown.records.iter().find(|record| record["email"] == "m7@example.com").unwrap();
        assert_eq!((&seven["address.city"], &seven["metadata"]), (&json!("Bonn 7"), &json!({"n": "7"})));
        assert!(seven["created"].as_str().unwrap().starts_with("20"), "{seven:?}");
        // What is nested is written in brackets.
        let row = json!({"id": seven["id"], "address.city": "Köln & Umland", "expected:address.city": "Bonn 7"});
        let (counts, results) =
            apply(&plugin, &target, WriteMode::Update, changes(&target, &[(ChangeKind::Upsert, row)])).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![]));
        let shown: Value =
            serde_json::from_str(&server.ask("GET", &format!("/v1/customers/{}", seven["id"].as_str().unwrap()), ""))
                .unwrap();
        assert_eq!(shown["address"]["city"], "Köln & Umland");
    });
}

#[test]
fn woocommerce_answers_each_row_of_a_batch_and_pages_by_an_offset_that_proves_itself() {
    run(async {
        let (server, plugin) = woocommerce();
        let life = Life {
            plugin: &plugin,
            stream: "products",
            name: "name",
            unique: "sku",
            values: ["A-1", "A-2", "A-3"],
            bad: json!({"sku": "A-2"}),
            is_strict: false,
        };
        // A SKU that is there already is a conflict, whatever else the row says.
        let target = plugin.discover(&["products".to_owned()]).await.unwrap().remove(0);
        server.change(&json!({"add": [{"sku": "A-0", "name": "There"}]}).to_string());
        let given = page(
            &target,
            &[
                json!({"sku": "A-0", "name": "Again", "regular_price": "1.50"}),
                json!({"sku": "B", "name": "New", "regular_price": "2.50"}),
            ],
        );
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, given).await;
        assert_eq!(
            (counts, complaints(&results)),
            ((1, 0, 0), vec![(0, WriteStatus::Conflict, "product_invalid_sku")])
        );
        assert_eq!(ids(&results), ["", "[\"2\"]"]);
        let all = state(&server.ask("GET", "/-/state", ""), "products");
        assert_eq!((&all[0]["name"], &all[1]["regular_price"]), (&json!("There"), &json!("2.50")));
        server.change(&json!({"remove": [1, 2]}).to_string());
        let customers = Life {
            stream: "customers",
            name: "first_name",
            unique: "email",
            values: MAILS,
            bad: json!({"email": null}),
            ..life
        };
        customers.live().await;
        let many: Vec<Value> = (0..250).map(|n| json!({"sku": format!("S{n}"), "name": format!("P{n}")})).collect();
        server.change(&json!({"time": "2026-01-01T00:00:00Z", "add": many}).to_string());
        let mut reading = Reading::full(&plugin, "products").discovered().await;
        server.calls();
        let shown = reading.read().await;
        assert_eq!((shown.records.len(), shown.status), (250, Some(PageStatus::EnumerationComplete)));
        assert_eq!(told(&server.calls()), [("GET products".to_owned(), 3)]);
        let names = changed(&plugin, "products", "name", || {
            server.change(&json!({"time": "2099-01-01T00:00:00Z", "edit": {"10": {"name": "edited"}}}).to_string());
        });
        assert_eq!(names.await, ["edited"]);
    });
}

#[test]
fn records_that_move_between_pages_begin_the_reading_anew() {
    run(async {
        let (server, plugin) = woocommerce();
        let many: Vec<Value> = (0..250).map(|n| json!({"sku": format!("S{n}"), "name": format!("P{n}")})).collect();
        server.change(&json!({ "add": many }).to_string());
        let reading = Reading::full(&plugin, "products").discovered().await;
        let mut reader = plugin.open(reading.request.clone()).await.unwrap();
        let mut shown = reader.next(reading.limits).await.unwrap().changes.rows();
        server.change(&json!({"remove": [1, 2, 3]}).to_string());
        let status = loop {
            let page = reader.next(reading.limits).await.unwrap();
            shown += page.changes.rows();
            if page.status != PageStatus::More {
                break page.status;
            }
        };
        assert_eq!((shown, status), (100 + 247, PageStatus::EnumerationComplete));
        // Again and again: it ends, and proves nothing.
        let mut reader = plugin.open(reading.request.clone()).await.unwrap();
        let mut next = 4;
        let status = loop {
            let page = reader.next(reading.limits).await.unwrap();
            if page.status != PageStatus::More {
                break page.status;
            }
            server.change(&json!({ "remove": [next] }).to_string());
            next += 1;
        };
        assert_eq!(status, PageStatus::CaughtUp);
    });
}

#[test]
fn children_are_read_for_each_parent_whether_it_changed_or_not() {
    run(async {
        let (server, plugin) = woocommerce();
        let orders: Vec<Value> = (0..3).map(|_| json!({"status": "completed"})).collect();
        server.change(&json!({"type": "orders", "add": orders}).to_string());
        server.change(&json!({"refund": [{"order": 1, "amount": "1.50"}, {"order": 3, "amount": "2.50", "reason": "late"}, {"order": 3, "amount": "0.10"}]}).to_string());
        let stream = plugin.discover(&["refunds".to_owned()]).await.unwrap().remove(0);
        assert_eq!(
            (stream.key.join(","), stream.properties.get("write").unwrap_or_default().to_owned()),
            ("order_id,id".to_owned(), String::new())
        );
        let mut reading = Reading::full(&plugin, "refunds").discovered().await;
        let shown = reading.read().await;
        assert_eq!(shown.status, Some(PageStatus::EnumerationComplete));
        let amounts: Vec<String> = shown
            .records
            .iter()
            .map(|record| format!("{} {}", record["order_id"], record["amount"].as_str().unwrap()))
            .collect();
        assert_eq!(amounts, ["1 1.50", "3 2.50", "3 0.10"]);
        // It goes on where it broke off.
        let mut reading = Reading::full(&plugin, "refunds").discovered().await.page_rows(1);
        let mut found = reading.read_pages(1).await.unwrap().ints("id");
        found.extend(reading.read_pages(1).await.unwrap().ints("id"));
        let rest = reading.read().await;
        found.extend(rest.ints("id"));
        // A page that was broken off is shown again: its records may have moved.
        found.sort_unstable();
        found.dedup();
        assert_eq!((found.len(), rest.status), (3, Some(PageStatus::CaughtUp)));
    });
}

#[test]
fn shopify_fails_with_200_and_makes_those_wait_who_ask_too_much() {
    run(async {
        let (server, plugin) = shopify();
        let life = Life {
            plugin: &plugin,
            stream: "customers",
            name: "firstName",
            unique: "email",
            values: MAILS,
            bad: json!({"email": "broken"}),
            is_strict: true,
        };
        life.live().await;
        let many: Vec<Value> = (0..300)
            .map(|n| json!({"firstName": format!("C{n}"), "email": format!("c{n}@example.com"), "tags": ["a", "b"]}))
            .collect();
        server.change(&json!({"time": "2026-01-01T00:00:00Z", "add": many}).to_string());
        let mut reading = Reading::full(&plugin, "customers").discovered().await;
        server.calls();
        let shown = reading.read().await;
        assert_eq!((shown.records.len(), shown.status), (302, Some(PageStatus::EnumerationComplete)));
        assert_eq!(told(&server.calls()), [("POST customers".to_owned(), 2)]);
        assert_eq!((&shown.records[9]["tags"], &shown.records[9]["amountSpent"]), (&json!(["a", "b"]), &json!("0.0")));
        let names = changed(&plugin, "customers", "firstName", || {
            server.change(&json!({"time": "2099-01-01T00:00:00Z", "edit": {"gid://shopify/Customer/10": {"firstName": "edited"}}}).to_string());
        });
        let names = names.await;
        assert!(names.contains(&json!("edited")) && names.len() < 10, "{names:?}");
        server.change(&json!({"left": 4}).to_string());
        let mut reader = plugin.open(reading.request.clone()).await.unwrap();
        let failure = reader.next(reading.limits).await.err().unwrap();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::RateLimited, "THROTTLED"));
        assert_eq!(failure.retry_after, Some(Duration::from_millis(100)));
        // Nothing was written, and that is known.
        server.change(&json!({"left": 4}).to_string());
        let target = plugin.discover(&["customers".to_owned()]).await.unwrap().remove(0);
        let (_, results) =
            apply(&plugin, &target, WriteMode::Insert, page(&target, &[json!({"firstName": "late"})])).await;
        assert_eq!(complaints(&results), [(0, WriteStatus::Retry, "THROTTLED")]);
    });
}

#[test]
fn shopify_carries_out_the_queries_for_products_and_refuses_what_its_schema_does_not_have() {
    run(async {
        let (server, plugin) = shopify();
        let life = Life {
            plugin: &plugin,
            stream: "products",
            name: "title",
            unique: "handle",
            values: ["one", "two", "three"],
            bad: json!({"status": "NO_SUCH_STATUS"}),
            is_strict: false,
        };
        // Which of the three got the number 1 is not known: they are made side by side.
        let [first, ..] = &life.live().await[..] else { panic!("nothing is left") };
        let edit = json!({ first.as_str().unwrap(): {"title": "edited"} });
        let names = changed(&plugin, "products", "title", || {
            server.change(&json!({"type": "Product", "time": "2099-01-01T00:00:00Z", "edit": edit}).to_string());
        });
        assert!(names.await.contains(&json!("edited")));
        // A field that there is not ends the reading with the API's own words.
        let auth = "auth = { header = { X-Shopify-Access-Token = \"file:secret\" } }";
        let config = "api = \"shopify\", parameters = { product_fields = \"id titel\" }";
        let wrong = connect_api(&server.url(), config, auth, "shpat_0123456789abcdef");
        let failure = Reading::full(&wrong, "products").discovered().await.read_pages(1).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Permanent, "undefinedField"));
        assert!(failure.message.contains("\"titel\""), "{failure}");
    });
}

#[test]
fn mailchimp_makes_members_in_batches_and_calls_them_by_their_digest() {
    run(async {
        let (server, plugin) = mailchimp();
        let life = Life {
            plugin: &plugin,
            stream: "members",
            name: "FNAME",
            unique: "email_address",
            values: ["One@Example.com", "two@example.com", "three@example.com"],
            bad: json!({"email_address": "broken"}),
            is_strict: true,
        };
        life.live().await;
        let target = plugin.discover(&["members".to_owned()]).await.unwrap().remove(0);
        let many: Vec<Value> = (0..700)
            .map(|n| json!({"email_address": format!("m{n}@example.com"), "POINTS": format!("{n}.5")}))
            .collect();
        server.calls();
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &many)).await;
        assert_eq!((counts, complaints(&results)), ((700, 0, 0), vec![]));
        assert_eq!(told(&server.calls()), [("POST /3.0/lists/a1b2c3d4e5".to_owned(), 2)]);
        let shown = Reading::full(&plugin, "members").discovered().await.read().await;
        assert_eq!((shown.records.len(), shown.status), (702, Some(PageStatus::EnumerationComplete)));
        // By upsert each is put under its own name, whatever case it is written in.
        let rows = [
            json!({"email_address": "M1@example.com", "POINTS": "9"}),
            json!({"email_address": "new@example.com", "POINTS": "9"}),
        ];
        let mut target = target;
        target.key = vec!["email_address".into()];
        let (counts, results) = apply(&plugin, &target, WriteMode::Upsert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((2, 0, 0), vec![]));
        assert_eq!(state(&server.ask("GET", "/-/state", ""), "members").len(), 703);
        let points = changed(&plugin, "members", "POINTS", || {
            server.change(
                &json!({"time": "2099-01-01T00:00:00Z", "edit": {"m2@example.com": {"merge_fields": {"POINTS": 77}}}})
                    .to_string(),
            );
        });
        assert!(points.await.contains(&json!("77")));
    });
}

#[test]
fn odoo_fails_with_200_and_says_false_for_null() {
    run(async {
        let (server, plugin) = odoo();
        let life = Life {
            plugin: &plugin,
            stream: "partners",
            name: "name",
            unique: "email",
            values: MAILS,
            bad: json!({"name": "forbidden"}),
            is_strict: false,
        };
        life.live().await;
        server.change(&json!({"add": [{"name": "Parent", "is_company": true}, {"name": "Child", "parent_id": 4, "credit_limit": 12.5}]}).to_string());
        let shown = Reading::full(&plugin, "partners").discovered().await.read().await;
        let child = shown.records.iter().find(|record| record["name"] == "Child").unwrap();
        assert_eq!(
            (&child["parent_id"], &child["email"], &child["is_company"]),
            (&json!(4), &Value::Null, &json!(false))
        );
        assert_eq!(child["credit_limit"], "12.5");
        let parent = shown.records.iter().find(|record| record["name"] == "Parent").unwrap();
        assert_eq!((&parent["parent_id"], &parent["is_company"]), (&Value::Null, &json!(true)));
        // Null is written as false, and the number of another record as such.
        let target = plugin.discover(&["partners".to_owned()]).await.unwrap().remove(0);
        let row = |id: i64, parent: Value, email: Value| {
            (ChangeKind::Upsert, json!({"id": id, "parent_id": parent, "email": email, "credit_limit": "12.3456"}))
        };
        let id = |record: &serde_json::Map<String, Value>| record["id"].as_i64().unwrap();
        let rows = [row(id(parent), Value::Null, json!("p@example.com")), row(id(child), json!(1), Value::Null)];
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((2, 0, 0), vec![]));
        let all = state(&server.ask("GET", "/-/state", ""), "res.partner");
        let stored = all.iter().find(|record| record["id"] == child["id"]).unwrap();
        assert_eq!(
            (&stored["parent_id"], &stored["email"], &stored["credit_limit"]),
            (&json!(1), &json!(false), &json!(12.35))
        );
        let names = changed(&plugin, "partners", "name", || {
            server.change(&json!({"time": "2099-01-01T00:00:00Z", "edit": {"1": {"name": "edited"}}}).to_string());
        });
        assert!(names.await.contains(&json!("edited")));
        // A login for many calls.
        let calls = told(&server.calls());
        let logins: u64 = calls.iter().filter(|(name, _)| name.ends_with("authenticate")).map(|(_, count)| count).sum();
        let all: u64 = calls.iter().map(|(_, count)| count).sum();
        assert!(logins * 3 <= all, "{calls:?}");
    });
}

#[test]
fn a_list_of_new_records_is_made_without_the_one_that_is_wrong() {
    run(async {
        let (server, plugin) = odoo();
        let target = plugin.discover(&["partners".to_owned()]).await.unwrap().remove(0);
        let rows: Vec<Value> =
            (0..10).map(|n| json!({"name": if n == 6 { "forbidden".to_owned() } else { format!("P{n}") }})).collect();
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(
            (counts, complaints(&results)),
            ((9, 0, 0), vec![(6, WriteStatus::Rejected, "odoo.exceptions.UserError")])
        );
        let all = state(&server.ask("GET", "/-/state", ""), "res.partner");
        assert_eq!(all.len(), 9);
        let told: Vec<String> = ids(&results);
        for record in &all {
            let n: usize = record["name"].as_str().unwrap()[1..].parse().unwrap();
            assert_eq!(told[n], format!("[\"{}\"]", record["id"]));
        }
    });
}

#[test]
fn secrets_in_bodies_are_put_there_by_the_host_and_by_no_record() {
    run(async {
        let (server, plugin) = odoo();
        let target = plugin.discover(&["partners".to_owned()]).await.unwrap().remove(0);
        // Whatever a record says, it cannot have the secret written into it.
        let row = json!({"name": "${secret.api_key}", "comment": "{{lockstep-secret:api_key}}"});
        let (counts, _) = apply(&plugin, &target, WriteMode::Insert, page(&target, &[row])).await;
        assert_eq!(counts, (1, 0, 0));
        let state = server.ask("GET", "/-/state", "");
        assert!(state.contains("${secret.api_key}") && !state.contains(ODOO_KEY), "{state}");
        // Without the grant, and with the wrong key.
        let denied = connect_api(&server.url(), ODOO, "auth = { body = { other = \"file:secret\" } }", ODOO_KEY);
        let failure = denied.discover(&[]).await.unwrap_err();
        assert!(failure.to_string().contains("api_key"), "{failure}");
        let wrong = connect_api(
            &server.url(),
            ODOO,
            "auth = { body = { api_key = \"file:secret\" } }",
            "another-key-of-some-length",
        );
        let failure = wrong.discover(&[]).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Auth, "api.login"));
    });
}
