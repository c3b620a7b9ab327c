//! Change Data Capture: what changed is told, and where something may have been missed everything is read again.

use lockstep::connector::{FailureKind, PageStatus, Source as _, WriteMode};
use lockstep::plugin::PluginConnector;
use lockstep::record::{ChangeKind, Properties};
use lockstep_test_servers::{Postgres, Salesforce};
use serde_json::{Value, json};

use super::{account, accounts, calls, connect};
use crate::hub::systems::figures;
use crate::mirror::project::Project;
use crate::plugins::{Reading, apply, complaints, ids, page, records, run};

const CONFIG: &str = "changes = \"events\", events_wait_ms = 20";

fn start(text: &str) -> (Salesforce, PluginConnector) {
    let server = Salesforce::start();
    server.run(text);
    let connector = connect(&server.url(), CONFIG);
    (server, connector)
}

async fn reading(plugin: &PluginConnector) -> Reading<'_> {
    let mut reading = Reading::incremental(plugin, "Account", "").discovered().await;
    reading.request.options = Properties::default();
    reading
}

/// Names of what is shown, with a sign before what is gone or back, sorted.
async fn changes(
    reading: &mut Reading<'_>,
    plugin: &PluginConnector,
) -> Result<Vec<String>, lockstep::connector::Failure> {
    let mut reader = plugin.open(reading.request.clone()).await?;
    let mut found = Vec::new();
    loop {
        let page = reader.next(reading.limits).await?;
        for (row, record) in records(&page.changes.data).iter().enumerate() {
            let text = |name: &str| record.get(name).and_then(|value| value.as_str()).unwrap_or("?").to_owned();
            found.push(match page.changes.kind(row) {
                ChangeKind::Delete => format!("-{}", text("Id")),
                ChangeKind::Undelete => format!("+{}", text("Name")),
                ChangeKind::Upsert => text("Name"),
            });
        }
        reading.request.cursor = Some(page.next_cursor.clone());
        if page.status != PageStatus::More {
            found.sort();
            return Ok(found);
        }
    }
}

async fn stale(reading: &Reading<'_>, plugin: &PluginConnector) -> String {
    let mut reader = plugin.open(reading.request.clone()).await.unwrap();
    let failure = loop {
        match reader.next(reading.limits).await {
            Ok(page) => assert_eq!(page.status, PageStatus::More),
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.kind, FailureKind::StaleCursor, "{failure}");
    failure.detail_code
}

#[test]
fn what_happens_is_told_and_shown_as_it_is_now() {
    run(async {
        let (server, plugin) = start(&format!("{} org.advance(600)", accounts(5)));
        let stream = plugin.discover(&["Account".into()]).await.unwrap().remove(0);
        assert_eq!(stream.properties.get("reports-deletes"), Some("true"));
        let mut reading = reading(&plugin).await;
        let first = reading.read().await;
        assert_eq!((first.records.len(), first.status), (5, Some(PageStatus::EnumerationComplete)));
        // What was told before is told again, once.
        assert_eq!(changes(&mut reading, &plugin).await.unwrap().len(), 5);
        assert_eq!(changes(&mut reading, &plugin).await.unwrap(), [""; 0]);
        let four = super::id(&server, 4);
        server.run(&account(
            1,
            "org.update('Account', record.Id, { Name: 'one' }); org.update('Account', record.Id, { Credit__c: 7.125 })",
        ));
        server.run(&account(4, "org.delete(record.Id); org.create('Account', { Name: 'new' })"));
        assert_eq!(changes(&mut reading, &plugin).await.unwrap(), [format!("-{four}"), "new".into(), "one".into()]);
        server.run(&format!("org.undelete('{four}')"));
        assert_eq!(changes(&mut reading, &plugin).await.unwrap(), ["+Name 4"]);
        assert_eq!(changes(&mut reading, &plugin).await.unwrap(), [""; 0]);
        // Nobody is kept waiting for somebody who does not listen any more.
        assert_eq!(server.run("return site.events.sessions.size"), "0");
    });
}

#[test]
fn what_is_purged_is_told_as_well() {
    run(async {
        let (server, plugin) = start(&accounts(2));
        let mut reading = reading(&plugin).await;
        reading.read().await;
        changes(&mut reading, &plugin).await.unwrap();
        let one = super::id(&server, 1);
        server.run(&account(1, "org.purge(record.Id)"));
        assert_eq!(changes(&mut reading, &plugin).await.unwrap(), [format!("-{one}")]);
        // What is not shown and was not said to be gone is not taken for gone.
        server.run("site.events.tell('Account', 'UPDATE', ['001Ab0000099999'])");
        assert_eq!(changes(&mut reading, &plugin).await.unwrap(), [""; 0]);
    });
}

#[test]
fn gaps_are_filled_by_reading_the_records_or_everything() {
    run(async {
        let (server, plugin) = start(&accounts(3));
        let mut reading = reading(&plugin).await;
        reading.read().await;
        changes(&mut reading, &plugin).await.unwrap();
        let (one, two) = (super::id(&server, 1), super::id(&server, 2));
        server.run(&format!("site.events.objects.clear(); org.update('Account', '{one}', {{ Name: 'quiet' }}); org.delete('{two}'); site.events.objects.add('Account')"));
        assert_eq!(changes(&mut reading, &plugin).await.unwrap(), [""; 0]);
        server.run(&format!(
            "site.events.tell('Account', 'GAP_UPDATE', ['{one}']); site.events.tell('Account', 'GAP_DELETE', ['{two}'])"
        ));
        assert_eq!(changes(&mut reading, &plugin).await.unwrap(), [format!("-{two}"), "quiet".into()]);
        server.run(&format!("site.events.tell('Account', 'UPDATE', ['{one}']); site.events.tell('Account', 'GAP_OVERFLOW', ['000000000000000AAA'])"));
        assert_eq!(stale(&reading, &plugin).await, "salesforce.gap");
    });
}

#[test]
fn an_event_that_is_not_kept_any_more_means_reading_everything() {
    run(async {
        let (server, plugin) = start(&accounts(3));
        let mut reading = reading(&plugin).await;
        reading.read().await;
        // Everything that was told is asked for at first: as long as it is kept.
        let first = reading.request.cursor.clone();
        server.run("org.advance(71 * 3600)");
        assert_eq!(stale(&reading, &plugin).await, "salesforce.replay");
        server.run(&account(1, "org.update('Account', record.Id, { Name: 'one' })"));
        reading.request.cursor = None;
        reading.read().await;
        assert_ne!(reading.request.cursor, first);
        assert_eq!(changes(&mut reading, &plugin).await.unwrap(), ["Name 2", "Name 3", "one"]);
        server.run("org.advance(73 * 3600)");
        server.run(&account(2, "org.update('Account', record.Id, { Name: 'two' })"));
        assert_eq!(stale(&reading, &plugin).await, "salesforce.replay");
    });
}

#[test]
fn many_events_are_taken_page_by_page_and_gone_on_with_where_it_broke_off() {
    run(async {
        let (server, plugin) = start(&accounts(500));
        let mut reading = reading(&plugin).await;
        reading.read().await;
        server.run("org.advance(60); for (const record of org.of('Account')) org.update('Account', record.Id, { Name: 'new' })");
        reading.limits.rows = 70;
        // What is told of one record several times is shown once a page.
        let mut found = reading.read_pages(3).await.unwrap().records.len();
        assert_eq!(found, 200);
        calls(&server);
        found += reading.read().await.records.len();
        assert!((1000..=1010).contains(&found), "{found}");
        assert!(changes(&mut reading, &plugin).await.unwrap().is_empty());
    });
}

#[test]
fn sessions_end_and_are_begun_anew() {
    run(async {
        let (server, plugin) = start(&accounts(3));
        let mut reading = reading(&plugin).await.page_rows(1);
        reading.read().await;
        let mut reader = plugin.open(reading.request.clone()).await.unwrap();
        let mut shown = 0;
        loop {
            let page = reader.next(reading.limits).await.unwrap();
            shown += page.changes.rows();
            reading.request.cursor = Some(page.next_cursor.clone());
            if page.status != PageStatus::More {
                break;
            }
            server.run("site.events.sessions.clear()");
        }
        assert_eq!(shown, 3);
        // A session of the org's that is over is told within a success.
        server.run("site.events.isDenied = true; site.routes.push((request, response, parts) => { if (parts.length === 3) { site.events.isDenied = false; site.renewed = true } })");
        server.run(&account(1, "org.update('Account', record.Id, { Name: 'one' })"));
        assert_eq!(changes(&mut reading, &plugin).await.unwrap(), ["one"]);
        assert_eq!(server.run("return site.renewed"), "true");
    });
}

#[test]
fn an_object_of_which_nothing_is_told_says_what_to_do() {
    run(async {
        let (server, plugin) = start("site.events.objects.clear()");
        let mut reading = reading(&plugin).await;
        reading.read().await;
        let failure = changes(&mut reading, &plugin).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "salesforce.events"));
        assert!(failure.properties.get("hint").unwrap().contains("Change Data Capture"));
        drop(server);
    });
}

#[test]
fn with_another_key_deletes_tell_it() {
    run(async {
        let (server, plugin) = start(&accounts(3));
        let mut reading = reading(&plugin).await;
        reading.request.key = vec!["No__c".into()];
        reading.read().await;
        changes(&mut reading, &plugin).await.unwrap();
        server.run(&account(1, "org.delete(record.Id)"));
        let mut reader = plugin.open(reading.request.clone()).await.unwrap();
        let mut found = Vec::new();
        loop {
            let page = reader.next(reading.limits).await.unwrap();
            found.extend(records(&page.changes.data).iter().map(|record| record["No__c"].clone()));
            reading.request.cursor = Some(page.next_cursor);
            if page.status != PageStatus::More {
                break;
            }
        }
        assert_eq!(found, ["N1"]);
        server.run(&account(2, "org.purge(record.Id)"));
        assert_eq!(stale(&reading, &plugin).await, "salesforce.gap");
    });
}

#[test]
fn a_record_that_cannot_be_read_holds_up_no_other() {
    run(async {
        let (server, plugin) = start(&accounts(3));
        let mut reading = reading(&plugin).await;
        reading.read().await;
        changes(&mut reading, &plugin).await.unwrap();
        server.run("for (const record of org.of('Account')) { org.update('Account', record.Id, { Name: 'new' }); if (record.No__c === 'N2') record.NumberOfEmployees = 'many' }");
        let mut reader = plugin.open(reading.request.clone()).await.unwrap();
        let page = reader.next(reading.limits).await.unwrap();
        assert_eq!((page.changes.rows(), page.rejected.len()), (2, 1));
        assert_eq!(page.rejected[0].error.detail_code, "web.value");
    });
}

#[test]
fn platform_events_are_told_and_published() {
    run(async {
        let (server, plugin) = start("");
        let stream = plugin.discover(&["Shipped__e".into()]).await.unwrap().remove(0);
        assert_eq!(
            (stream.key.as_slice(), stream.properties.get("write")),
            (&["EventUuid".to_owned()][..], Some("insert"))
        );
        let mut reading = Reading::incremental(&plugin, "Shipped__e", "").discovered().await.page_rows(2);
        reading.request.options = Properties::default();
        assert!(reading.read().await.records.is_empty());
        let rows: Vec<Value> =
            (1..=5).map(|n| json!({"Number__c": format!("S{n}"), "Amount__c": format!("{n}.125")})).collect();
        let (counts, results) = apply(&plugin, &stream, WriteMode::Insert, page(&stream, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((5, 0, 0), vec![]));
        let mut shown = reading.read_pages(1).await.unwrap();
        assert_eq!((shown.records.len(), shown.status), (2, Some(PageStatus::More)));
        shown.records.extend(reading.read().await.records);
        let told: Vec<String> = shown.records.iter().map(|record| format!("[{}]", record["EventUuid"])).collect();
        assert_eq!(told, ids(&results));
        assert_eq!((&shown.records[4]["Number__c"], &shown.records[4]["Amount__c"]), (&json!("S5"), &json!("5.125")));
        assert!(shown.records[0]["CreatedDate"].as_str().unwrap().starts_with("2026-01-01T"));
        let rest = reading.read().await;
        // Nothing is proved by what is not told.
        assert_eq!((rest.records.len(), rest.status), (0, Some(PageStatus::CaughtUp)));
        server.run("org.advance(80 * 3600)");
        assert_eq!(stale(&reading, &plugin).await, "salesforce.replay");
    });
}

const HUB: &str = r#"
[connection.erp]
plugin = "postgres"
sql.main = { url = "file:url" }
[sync.account]
mode = "hub"
match = ["number"]
endpoints.crm = { stream = "Account" }
endpoints.erp = { stream = "account" }
[sync.account.fields]
number = { crm = "No__c", erp = "no" }
name = { crm = "Name", erp = "name" }
"#;

#[test]
fn a_hub_lives_on_events() {
    let (server, database) = (Salesforce::start(), Postgres::start());
    server.run(&format!("{} org.advance(3600)", accounts(40)));
    database.psql("create table account (id bigint generated always as identity primary key, no text, name text)");
    let crm = format!(
        "[connection.crm]\nplugin = \"salesforce\"\nconfig = {{ {CONFIG} }}\nhttp.api = {{ origin = \"{}\", allow_private = true }}\n",
        server.url()
    );
    let project = Project::new(&format!("{crm}{HUB}"));
    project.write("url", database.url());
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [40, 0]);
    let erp = || {
        database.psql("select coalesce(string_agg(no || ' ' || name, ',' order by no), '') from account where name not like 'Name%'")
    };
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [0, 0]);
    // Edits of both sides, and deletes of both.
    server.run(&account(1, "org.update('Account', record.Id, { Name: 'crm' })"));
    server.run(&account(2, "org.delete(record.Id)"));
    database.psql("update account set name = 'erp' where no = 'N3'; delete from account where no = 'N4'; insert into account (no, name) values ('N41', 'new')");
    calls(&server);
    assert_eq!(figures(&project.sync(0), ["deleted"]), [2]);
    assert_eq!(erp(), "N1 crm,N3 erp,N41 new");
    let names = server.run("return [...org.of('Account')].filter(({ IsDeleted, Name }) => !IsDeleted && !Name.startsWith('Name')).map(({ Name }) => Name)");
    assert_eq!(names, r#"["crm","erp","new"]"#);
    // No list of all keys: the one query looks for what is about to be made.
    let told = calls(&server);
    assert!(told.iter().all(|(name, count)| !name.contains("query") || *count == 1), "{told:?}");
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [0, 0]);
    // Four days nobody listens: everything is read again, and a delete of that time is found.
    server.run(&account(5, "org.purge(record.Id)"));
    server.run(&account(6, "org.update('Account', record.Id, { Name: 'later' }); org.advance(96 * 3600)"));
    assert_eq!(figures(&project.sync(0), ["deleted"]), [1]);
    assert_eq!(erp(), "N1 crm,N3 erp,N41 new,N6 later");
    let left = database.psql("select count(*) from account");
    assert_eq!(left, "38");
}
