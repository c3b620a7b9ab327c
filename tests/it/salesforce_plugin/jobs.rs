//! Volume, by jobs of Bulk API 2.0.

use lockstep::connector::{FailureKind, PageStatus, Source as _, WriteMode, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::record::{ChangeKind, Properties, Stream};
use lockstep_test_servers::Salesforce;
use serde_json::{Value, json};

use super::{account, accounts, calls, connect};
use crate::plugins::{Reading, apply, complaints, ids, page, page_with_deletes, run};

fn start(text: &str) -> (Salesforce, PluginConnector) {
    let server = Salesforce::start();
    server.run(text);
    let connector = connect(&server.url(), "read = \"jobs\", write = \"jobs\"");
    (server, connector)
}

async fn target(plugin: &PluginConnector, key: &str) -> Stream {
    let mut target = plugin.discover(&["Account".to_owned()]).await.unwrap().remove(0);
    target.key = vec![key.to_owned()];
    target
}

/// A reading without what jobs cannot read.
async fn reading<'a>(plugin: &'a PluginConnector, is_incremental: bool) -> Reading<'a> {
    let reading = if is_incremental {
        Reading::incremental(plugin, "Account", "").discovered().await
    } else {
        Reading::full(plugin, "Account").discovered().await
    };
    let mut reading = reading.page_rows(400);
    reading.request.fields.retain(|field| field.name != "BillingAddress");
    reading.request.options = Properties::default();
    reading
}

fn count(server: &Salesforce, name: &str) -> u64 {
    calls(server).into_iter().filter(|(called, _)| called == name).map(|(_, count)| count).sum()
}

#[test]
fn everything_is_read_by_one_job_and_then_what_changed() {
    run(async {
        let (server, plugin) = start(&format!("{} org.advance(3600); site.bulk.part = 300", accounts(1000)));
        server.run(&account(7, "org.delete(record.Id); org.update('Account', org.unique('Account', 'No__c', 'N8').Id, { Name: 'a,\"b\"\\nc', Seen__c: '2026-01-01T10:00:00Z', Opens__c: '10:30:00Z' }); org.advance(3600)"));
        let mut reading = reading(&plugin, true).await;
        let shown = reading.read().await;
        assert_eq!((shown.records.len(), shown.status), (999, Some(PageStatus::EnumerationComplete)));
        let eight = shown.records.iter().find(|record| record["No__c"] == "N8").unwrap();
        assert_eq!(
            (&eight["Name"], &eight["Seen__c"], &eight["Opens__c"]),
            (&json!("a,\"b\"\nc"), &json!("2026-01-01T10:00:00Z"), &json!("10:30:00"))
        );
        assert_eq!(
            (&eight["Credit__c"], &eight["Active__c"], &eight["ParentId"]),
            (&json!("8.25"), &json!(false), &Value::Null)
        );
        let told = calls(&server);
        assert!(
            told.contains(&("POST jobs/query".to_owned(), 1))
                && told.contains(&("GET jobs/query/…/results".to_owned(), 4)),
            "{told:?}"
        );
        server
            .run(&account(9, "org.advance(3600); org.update('Account', record.Id, { Name: 'new' }); org.advance(60)"));
        assert_eq!(reading.read().await.ints("NumberOfEmployees"), [9]);
        assert_eq!(count(&server, "POST jobs/query"), 0);
    });
}

#[test]
fn a_reading_that_broke_off_goes_on_with_the_same_job() {
    run(async {
        let (server, plugin) = start(&format!("{} site.bulk.part = 150; site.bulk.polls = 2", accounts(1000)));
        let mut reading = reading(&plugin, false).await.page_rows(100);
        let mut found = Vec::new();
        // The first page holds nothing but the job.
        for rows in [0, 100, 100] {
            let shown = reading.read_pages(1).await.unwrap();
            assert_eq!((shown.records.len(), shown.status), (rows, Some(PageStatus::More)));
            found.extend(shown.ints("NumberOfEmployees"));
        }
        // Also in the middle of a part, where pages are full before it is over.
        reading.limits.bytes = 4000;
        let shown = reading.read_pages(2).await.unwrap();
        assert!(shown.records.len() < 100 && shown.status == Some(PageStatus::More), "{}", shown.records.len());
        found.extend(shown.ints("NumberOfEmployees"));
        let rest = reading.read().await;
        assert_eq!(rest.status, Some(PageStatus::CaughtUp));
        found.extend(rest.ints("NumberOfEmployees"));
        found.sort_unstable();
        assert!(found == (1..=1000).collect::<Vec<_>>(), "{}", found.len());
        assert_eq!(count(&server, "POST jobs/query"), 1);
        // One that is gone is begun anew.
        reading.request.cursor = None;
        reading.read_pages(1).await.unwrap();
        server.run("site.bulk.jobs.clear()");
        assert_eq!(reading.read_pages(9).await.unwrap_err().kind, FailureKind::StaleCursor);
    });
}

#[test]
fn what_jobs_cannot_read_is_read_by_pages() {
    run(async {
        let (server, plugin) = start(&accounts(10));
        let shown = Reading::full(&plugin, "Account").discovered().await.read().await;
        assert_eq!((shown.records.len(), count(&server, "POST jobs/query")), (10, 0));
    });
}

#[test]
fn new_records_are_answered_one_by_one_and_nothing_is_left_behind() {
    run(async {
        let (server, plugin) = start(&accounts(1));
        let target = target(&plugin, "Id").await;
        let mut rows: Vec<Value> = (2..=500).map(|n| json!({"No__c": format!("N{n}"), "Name": format!("^\"{n}\"\n"), "Since__c": null, "Active__c": n == 7})).collect();
        rows[10]["No__c"] = json!("N1");
        rows[11]["Name"] = json!("x".repeat(300));
        // What a table cannot say goes another way.
        rows[12]["Name"] = json!("#N/A");
        calls(&server);
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(counts, (497, 0, 0));
        let expected = [(10, WriteStatus::Conflict, "DUPLICATE_VALUE"), (11, WriteStatus::Rejected, "STRING_TOO_LONG")];
        assert_eq!(complaints(&results), expected);
        let told = calls(&server);
        assert!(
            told.contains(&("PUT jobs/ingest/…/batches".to_owned(), 1))
                && told.contains(&("POST composite/sobjects".to_owned(), 1)),
            "{told:?}"
        );
        assert_eq!(server.run("return site.bulk.jobs.size"), "0");
        let found = ids(&results);
        let id = server.run("return org.unique('Account', 'No__c', 'N7').Id");
        assert_eq!(found[5], format!("[{id}]"));
        let values = server.run("const { Name, Active__c, Since__c } = org.unique('Account', 'No__c', 'N7'); return [Name, Active__c, Since__c]");
        assert_eq!(values, r#"["^\"7\"",true,null]"#);
        assert_eq!(server.run("return org.unique('Account', 'No__c', 'N14').Name"), "\"#N/A\"");
    });
}

#[test]
fn changes_upserts_and_deletes_go_by_jobs_of_their_own() {
    run(async {
        let (server, plugin) = start(&format!("{} site.bulk.polls = 2", accounts(900)));
        let target = target(&plugin, "No__c").await;
        let rows: Vec<(ChangeKind, Value)> = (1..=1200)
            .map(|n| {
                let kind = if n <= 300 { ChangeKind::Delete } else { ChangeKind::Upsert };
                // Every second one is equal already.
                let name = if n % 2 == 0 { format!("Name {n}") } else { format!("new {n}") };
                let credit = if n == 501 { Value::Null } else { json!(format!("{n}.25")) };
                (kind, json!({"No__c": format!("N{n}"), "Name": name, "Credit__c": credit}))
            })
            .collect();
        calls(&server);
        let (counts, results) = apply(&plugin, &target, WriteMode::Upsert, page_with_deletes(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((600, 300, 300), vec![]));
        assert_eq!(count(&server, "POST jobs/ingest"), 3);
        assert_eq!(server.run("return [...org.of('Account')].filter((record) => !record.IsDeleted).length"), "900");
        assert_eq!(
            server.run("const { Name, Credit__c } = org.unique('Account', 'No__c', 'N501'); return [Name, Credit__c]"),
            r#"["new 501",null]"#
        );
        assert_eq!(
            server.run("const { Name, Credit__c } = org.unique('Account', 'No__c', 'N503'); return [Name, Credit__c]"),
            r#"["new 503",503.25]"#
        );
    });
}

#[test]
fn what_a_job_did_not_get_to_is_written_all_the_same() {
    run(async {
        for text in [
            "site.bulk.breaks = 100",
            "site.bulk.create = () => { throw Object.assign(new Error('no'), { code: 'INVALIDENTITY' }) }",
        ] {
            let (server, plugin) = start(text);
            let target = target(&plugin, "Id").await;
            let rows: Vec<Value> = (0..300).map(|n| json!({"Name": format!("{n}")})).collect();
            let outcome = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
            if text.contains("breaks") {
                assert_eq!((outcome.0, complaints(&outcome.1)), ((300, 0, 0), vec![]));
                assert_eq!(server.run("return [...org.of('Account')].length"), "300");
            } else {
                // A failure of the server's own says nothing: it is tried again.
                assert!(complaints(&outcome.1).iter().all(|(_, status, _)| *status == WriteStatus::Retry));
            }
        }
    });
}

#[test]
fn a_job_that_was_left_behind_is_read_and_not_made_again() {
    run(async {
        let (server, plugin) = start("");
        let target = target(&plugin, "Id").await;
        let rows: Vec<Value> = (0..300).map(|n| json!({"Name": format!("{}", n % 100)})).collect();
        // The answer to the question how far it is never comes, and neither does anything later: the run is over.
        server.run("site.routes.push((request, response, parts) => { if (parts[3] === 'jobs' && parts[5] && request.method === 'GET' && site.dead) { request.socket.destroy(); return true } })");
        server.run("site.dead = true");
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(counts, (0, 0, 0));
        assert!(
            complaints(&results).iter().all(|(_, status, _)| *status == WriteStatus::Unknown)
                && complaints(&results).len() == 300
        );
        server.run("site.dead = false; site.bulk.polls = 3");
        let again = connect(&server.url(), "write = \"jobs\"");
        calls(&server);
        let (counts, results) = apply(&again, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((300, 0, 0), vec![]));
        assert_eq!(server.run("return [...org.of('Account')].length"), "300");
        let mut found = ids(&results);
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 300);
        let told = calls(&server);
        assert!(!told.iter().any(|(name, _)| name.starts_with("PUT") || name == "POST jobs/ingest"), "{told:?}");
        assert_eq!(server.run("return site.bulk.jobs.size"), "0");
        // The next time they are new ones.
        let (counts, _) = apply(&again, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, server.run("return [...org.of('Account')].length")), ((300, 0, 0), "600".to_owned()));
        // Jobs of others are none of ours.
        server.run("site.user = '005Ab0000000002AAA'");
        server.run("const job = site.bulk.create('ingest', { object: 'Account', operation: 'insert', columnDelimiter: 'CARET' }); job.state = 'JobComplete'; job.rows = [['Name']]; job.done = [['001', 'true', '0']]; site.user = '005Ab0000000001AAB'");
        let (_, results) = apply(&again, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert!(!ids(&results).contains(&"[\"001\"]".to_owned()));
        assert_eq!(server.run("return site.bulk.jobs.size"), "1");
    });
}

#[test]
fn a_job_that_is_still_at_work_is_waited_for_before_anything_is_looked_at() {
    run(async {
        let (server, plugin) = start(&format!("{} site.bulk.polls = 4", accounts(300)));
        let target = target(&plugin, "No__c").await;
        server.run(
            "const rows = [...org.of('Account')].map(({ Id, No__c }) => [Id, `new ${No__c}`]);
             const job = site.bulk.create('ingest', { object: 'Account', operation: 'update', columnDelimiter: 'CARET' });
             job.rows = [['Id', 'Name'], ...rows]; job.state = 'UploadComplete'; job.left = 4; org.advance(3600)",
        );
        let rows: Vec<Value> =
            (1..=300).map(|n| json!({"No__c": format!("N{n}"), "Name": format!("new N{n}")})).collect();
        let (counts, results) = apply(&plugin, &target, WriteMode::Upsert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((0, 300, 0), vec![]));
    });
}

#[test]
fn a_table_that_breaks_off_is_not_taken_for_a_shorter_one() {
    run(async {
        let (server, plugin) = start(&accounts(50));
        server.run("const shown = site.bulk.results.bind(site.bulk); site.bulk.results = (job, url, send, refuse) => shown(job, url, (status, text, headers) => send(status, text.split('\\n').slice(0, 20).join('\\n') + '\\n', headers), refuse)");
        let failure = reading(&plugin, false).await.read_pages(9).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Transient, "salesforce.csv"));
    });
}
