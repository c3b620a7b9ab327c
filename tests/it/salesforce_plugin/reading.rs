//! Records as they are, all of them or what changed.

use lockstep::connector::{FailureKind, PageStatus, Source as _};
use lockstep::plugin::PluginConnector;
use lockstep::record::{ChangeKind, Properties};
use serde_json::json;

use super::{account, accounts, calls, connect, id, start};
use crate::plugins::{Reading, Shown, records, run};

/// Numbers of the accounts that were shown, in order.
fn numbers(shown: &Shown) -> Vec<i64> {
    shown.sorted("NumberOfEmployees")
}

/// What changed since the last time, as a sync asks for it.
async fn incremental(plugin: &PluginConnector) -> Reading<'_> {
    let mut reading = Reading::incremental(plugin, "Account", "").discovered().await;
    reading.request.options = Properties::default();
    reading
}

/// Numbers of the records of a reading, with a minus before those that are gone.
async fn changes(reading: &mut Reading<'_>, plugin: &PluginConnector) -> Vec<i64> {
    let mut reader = plugin.open(reading.request.clone()).await.unwrap();
    let mut found = Vec::new();
    loop {
        let page = reader.next(reading.limits).await.unwrap();
        let rows = records(&page.changes.data);
        found.extend(rows.iter().enumerate().map(|(row, record)| {
            let number = record["NumberOfEmployees"].as_i64().unwrap();
            if page.changes.kind(row) == ChangeKind::Delete { -number } else { number }
        }));
        reading.request.cursor = Some(page.next_cursor.clone());
        if page.status != PageStatus::More {
            found.sort_unstable();
            return found;
        }
    }
}

#[test]
fn values_of_every_type_are_exact() {
    run(async {
        let (server, plugin) = start(
            "const parent = org.create('Account', { Name: 'Ä \"x\"' }).id; org.advance(60);
             org.create('Account', { Name: 'b', Credit__c: 12345678901234.12, Rate__c: 0.1, Score__c: 1e-7, NumberOfEmployees: 7, Active__c: true,
               Since__c: '2024-02-29', Opens__c: '23:59:59.5Z', Seen__c: '2026-01-01T10:00:00+01:00', Interests__c: 'Cars;Art',
               ParentId: parent.slice(0, 15), BillingCity: 'Ulm', Description: 'one\\ntwo' })",
        );
        let shown = Reading::full(&plugin, "Account").read().await;
        assert_eq!(shown.status, Some(PageStatus::EnumerationComplete));
        let parent: String = serde_json::from_str(&server.run("return [...org.of('Account')][0].Id")).unwrap();
        let mut second = json!(shown.records[1]);
        let own = second["Id"].as_str().unwrap().to_owned();
        assert!(own.len() == 18 && own != parent);
        second.as_object_mut().unwrap().remove("Id");
        let expected = json!({
            "CreatedDate": "2026-01-01T00:01:00Z", "LastModifiedDate": "2026-01-01T00:01:00Z", "SystemModstamp": "2026-01-01T00:01:00Z",
            "IsDeleted": false, "Name": "b", "No__c": null, "Ref__c": null, "Credit__c": "12345678901234.12", "Rate__c": "0.1",
            "Score__c": "0.0000001", "NumberOfEmployees": 7, "Active__c": true, "Since__c": "2024-02-29", "Opens__c": "23:59:59.5",
            "Seen__c": "2026-01-01T09:00:00Z", "Interests__c": "Art;Cars", "ParentId": parent, "BillingCity": "Ulm",
            "BillingAddress": {"city": "Ulm", "country": null}, "Description": "one\ntwo"
        });
        assert_eq!(second, expected);
        assert_eq!(shown.records[0]["Name"], "Ä \"x\"");
    });
}

#[test]
fn a_full_reading_takes_as_few_requests_as_there_are_pages() {
    run(async {
        let (server, plugin) = start(&accounts(5000));
        server.run(&account(7, "org.delete(record.Id)"));
        let mut reading = Reading::full(&plugin, "Account").discovered().await.page_rows(10_000);
        calls(&server);
        let shown = reading.read().await;
        let expected: Vec<i64> = (1..=5000).filter(|n| *n != 7).collect();
        assert!(numbers(&shown) == expected, "{}", shown.records.len());
        assert_eq!(shown.status, Some(PageStatus::EnumerationComplete));
        assert_eq!(calls(&server), [("GET queryAll".to_owned(), 1), ("GET query/…".to_owned(), 2)]);
        // Smaller pages than the server's cost nothing more than smaller pages.
        let mut reading = Reading::full(&plugin, "Account").discovered().await.page_rows(150);
        calls(&server);
        assert!(numbers(&reading.read().await) == expected);
        let told: u64 = calls(&server).iter().map(|(_, count)| count).sum();
        assert_eq!(told, 25);
    });
}

#[test]
fn only_what_is_asked_for_is_read() {
    run(async {
        let (server, plugin) = start("site.seen = []; site.routes.push((request) => void site.seen.push(request.url))");
        let mut reading = Reading::full(&plugin, "Account").discovered().await;
        reading.request.fields.retain(|field| field.name == "Name");
        reading.read().await;
        let seen = server.run("return site.seen.at(-1)");
        assert!(seen.ends_with("?q=SELECT%20Name%2CIsDeleted%2CId%20FROM%20Account%20WHERE%20IsDeleted%20%3D%20false%20ORDER%20BY%20Id\""), "{seen}");
    });
}

#[test]
fn a_reading_goes_on_where_it_broke_off() {
    run(async {
        let (_server, plugin) = start(&format!("org.page = 7; {}", accounts(30)));
        let mut reading = Reading::full(&plugin, "Account").discovered().await.page_rows(5);
        let mut found = Vec::new();
        for _ in 0..3 {
            let shown = reading.read_pages(1).await.unwrap();
            assert_eq!((shown.records.len(), shown.status), (5, Some(PageStatus::More)));
            found.extend(numbers(&shown));
        }
        let rest = reading.read().await;
        // It did not begin at the beginning, and so proves nothing about what is missing.
        assert_eq!(rest.status, Some(PageStatus::CaughtUp));
        found.extend(numbers(&rest));
        assert_eq!(found, (1..=30).collect::<Vec<_>>());
    });
}

#[test]
fn a_list_the_server_has_forgotten_is_gone_on_with_behind_the_last_record() {
    run(async {
        let (server, plugin) = start(&format!("org.page = 10; {}", accounts(35)));
        for mode in ["full", "incremental"] {
            let mut reading = match mode {
                "full" => Reading::full(&plugin, "Account").discovered().await,
                _ => incremental(&plugin).await,
            };
            let limits = lockstep::connector::PageLimits { rows: 100, bytes: 1 << 20 };
            if mode == "incremental" {
                reading.read().await;
                server.run("org.advance(3600); for (const record of org.of('Account')) org.update('Account', record.Id, { Name: 'new' })");
            }
            let mut reader = plugin.open(reading.request.clone()).await.unwrap();
            let (mut found, mut status) = (Vec::new(), PageStatus::More);
            while status == PageStatus::More {
                let page = reader.next(limits).await.unwrap();
                found.extend(
                    records(&page.changes.data).iter().map(|record| record["NumberOfEmployees"].as_i64().unwrap()),
                );
                status = page.status;
                server.run("org.locators.clear()");
            }
            assert_eq!(found, (1..=35).collect::<Vec<_>>(), "{mode}");
            let expected = if mode == "full" { PageStatus::EnumerationComplete } else { PageStatus::CaughtUp };
            assert_eq!(status, expected);
        }
    });
}

#[test]
fn changes_are_found_also_where_thousands_share_one_second() {
    run(async {
        let (server, plugin) = start(&format!("{} org.advance(3600)", accounts(3000)));
        let mut reading = incremental(&plugin).await.page_rows(2000);
        let first = reading.read().await;
        assert_eq!((first.records.len(), first.status), (3000, Some(PageStatus::EnumerationComplete)));
        server.run("org.advance(3600); for (const record of org.of('Account')) if (record.NumberOfEmployees <= 2500) org.update('Account', record.Id, { Name: 'new' }); org.advance(2)");
        calls(&server);
        let changed = reading.read().await;
        assert!(numbers(&changed) == (1..=2500).collect::<Vec<_>>(), "{}", changed.records.len());
        assert_eq!(changed.status, Some(PageStatus::CaughtUp));
        assert_eq!(calls(&server), [("GET queryAll".to_owned(), 1), ("GET query/…".to_owned(), 1)]);
        // Three readings break off and go on, though all have one time.
        reading.request.options.set("lookback-ms", "0");
        server.run("org.advance(3600); for (const record of org.of('Account')) if (record.NumberOfEmployees <= 2500) org.update('Account', record.Id, { Name: 'newer' })");
        reading.limits.rows = 1000;
        let mut found = numbers(&reading.read_pages(1).await.unwrap());
        found.extend(numbers(&reading.read_pages(1).await.unwrap()));
        found.extend(numbers(&reading.read().await));
        found.sort_unstable();
        assert!(found == (1..=2500).collect::<Vec<_>>(), "{}", found.len());
    });
}

#[test]
fn what_becomes_visible_late_is_found_within_the_lookback() {
    run(async {
        let (server, plugin) = start(&format!("{} org.advance(7200); org.lag = 300", accounts(5)));
        let mut reading = incremental(&plugin).await;
        reading.read().await;
        server.run(&account(2, "org.update('Account', record.Id, { Name: 'late' }); org.advance(60)"));
        assert_eq!(changes(&mut reading, &plugin).await, [0i64; 0]);
        // It is shown with the time at which it was made.
        server.run("org.advance(300)");
        assert_eq!(changes(&mut reading, &plugin).await, [2]);
        // With less of it, it is lost: what the lookback is for.
        reading.request.options.set("lookback-ms", "10000");
        server.run("org.advance(3600)");
        changes(&mut reading, &plugin).await;
        server.run(&account(3, "org.update('Account', record.Id, { Name: 'late' }); org.advance(60)"));
        changes(&mut reading, &plugin).await;
        server.run("org.advance(300)");
        assert_eq!(changes(&mut reading, &plugin).await, [0i64; 0]);
    });
}

#[test]
fn what_changes_while_everything_is_read_is_shown_the_next_time() {
    run(async {
        let (server, plugin) = start(&format!("org.page = 10; {} org.advance(3600)", accounts(30)));
        let mut reading = incremental(&plugin).await.page_rows(10);
        reading.request.options.set("lookback-ms", "0");
        assert_eq!(numbers(&reading.read_pages(1).await.unwrap()).len(), 10);
        server
            .run(&account(1, "org.advance(60); org.update('Account', record.Id, { Name: 'later' }); org.advance(60)"));
        reading.read().await;
        assert!(changes(&mut reading, &plugin).await.contains(&1));
        server.run("org.advance(60)");
        changes(&mut reading, &plugin).await;
        assert_eq!(changes(&mut reading, &plugin).await, [0i64; 0]);
    });
}

#[test]
fn deletes_and_undeletes_are_told_as_long_as_the_bin_keeps_them() {
    run(async {
        let (server, plugin) = start(&format!("{} org.advance(3600)", accounts(5)));
        let mut reading = incremental(&plugin).await;
        reading.request.options.set("lookback-ms", "0");
        assert_eq!(changes(&mut reading, &plugin).await, [1, 2, 3, 4, 5]);
        server.run(&account(2, "org.advance(60); org.delete(record.Id); org.advance(60)"));
        assert_eq!(changes(&mut reading, &plugin).await, [-2]);
        server.run(
            "for (const record of org.of('Account')) if (record.IsDeleted) org.undelete(record.Id); org.advance(60)",
        );
        assert_eq!(changes(&mut reading, &plugin).await, [2]);
        let gone = id(&server, 3);
        server.run(&account(3, "org.purge(record.Id); org.advance(60)"));
        assert_eq!(changes(&mut reading, &plugin).await, [0i64; 0]);
        // That only a full reading tells.
        let all = Reading::full(&plugin, "Account").read().await;
        assert!(all.records.iter().all(|record| record["Id"] != gone.as_str()) && all.records.len() == 4);
    });
}

#[test]
fn who_asks_for_the_log_is_told_when_it_has_forgotten() {
    run(async {
        let (server, _) = start(&format!("{} org.advance(3600)", accounts(3)));
        for (keys, expected) in [("deletes = \"log\"", Some("salesforce.log")), ("", None)] {
            let plugin = connect(&server.url(), keys);
            let stream = plugin.discover(&["Account".into()]).await.unwrap().remove(0);
            assert_eq!(stream.properties.get("reports-deletes").is_some(), expected.is_some());
            let mut reading = incremental(&plugin).await;
            reading.read().await;
            server.run("org.advance(13 * 86400)");
            changes(&mut reading, &plugin).await;
            server.run("org.advance(15 * 86400)");
            let mut reader = plugin.open(reading.request.clone()).await.unwrap();
            match (reader.next(reading.limits).await, expected) {
                (Err(failure), Some(code)) => {
                    assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::StaleCursor, code));
                }
                (outcome, expected) => assert!(outcome.is_ok() && expected.is_none(), "{outcome:?}"),
            }
        }
    });
}

#[test]
fn the_log_tells_what_the_bin_does_not() {
    run(async {
        let (server, _) = start(&format!("{} org.advance(3600)", accounts(6)));
        let plugin = connect(&server.url(), "deletes = \"log\"");
        let mut reading = incremental(&plugin).await.page_rows(1);
        reading.request.options.set("lookback-ms", "0");
        reading.read().await;
        let gone = [id(&server, 2), id(&server, 3)];
        server.run("for (const n of [1, 2, 3, 4]) { const { Id } = org.unique('Account', 'No__c', `N${n}`); org.delete(Id); if (n === 2 || n === 3) org.purge(Id); if (n === 4) org.undelete(Id) } org.advance(120)");
        let mut reader = plugin.open(reading.request.clone()).await.unwrap();
        let (mut shown, mut status) = (Vec::new(), PageStatus::More);
        while status == PageStatus::More {
            let page = reader.next(reading.limits).await.unwrap();
            for (row, record) in records(&page.changes.data).iter().enumerate() {
                let name =
                    record.get("Name").and_then(|name| name.as_str()).unwrap_or_else(|| record["Id"].as_str().unwrap());
                let sign = if page.changes.kind(row) == ChangeKind::Delete { "-" } else { "" };
                shown.push(format!("{sign}{name}"));
            }
            reading.request.cursor = Some(page.next_cursor);
            status = page.status;
        }
        shown.sort();
        // One in the bin, two that were purged, and one that is back.
        let mut expected = vec!["-Name 1".to_owned(), "Name 4".to_owned()];
        expected.extend(gone.iter().map(|id| format!("-{id}")));
        expected.sort();
        assert_eq!(shown, expected);
        server.run("org.advance(120)");
        assert!(reading.read().await.records.is_empty());
        // A log that was cut short may have lost something.
        server.run("org.logFrom = org.now; org.advance(60)");
        let failure = reading.read_pages(9).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::StaleCursor, "salesforce.log"));
    });
}

#[test]
fn what_cannot_tell_changes_is_said() {
    run(async {
        let (_server, plugin) = start("");
        for (stream, modified, code) in [
            ("Account", "Name", "salesforce.modified-type"),
            ("Account", "Nowhere__c", "salesforce.no-field"),
            ("Nothing", "Name", "salesforce.no-object"),
        ] {
            let mut request = Reading::incremental(&plugin, stream, modified).request;
            request.fields = vec![crate::plugins::field("Id", "text")];
            assert_eq!(plugin.open(request).await.err().unwrap().detail_code, code);
        }
    });
}

#[test]
fn objects_without_a_bin_are_read_as_well() {
    run(async {
        let (server, plugin) =
            start("org.create('User', { Name: 'Ann' }); org.create('User', { Name: 'Bob' }); org.advance(3600)");
        let mut reading = Reading::incremental(&plugin, "User", "").discovered().await;
        reading.request.options = Properties::default();
        let first = reading.read().await;
        assert_eq!((first.records.len(), first.status), (2, Some(PageStatus::EnumerationComplete)));
        server.run("const [ann] = org.of('User'); org.update('User', ann.Id, { Name: 'Anna' }); org.advance(60)");
        let changed = reading.read().await;
        assert_eq!((changed.records.len(), &changed.records[0]["Name"]), (1, &json!("Anna")));
    });
}
