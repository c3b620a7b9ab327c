//! Records as they are, all of them or what changed.

use lockstep::connector::{PageStatus, Source as _};
use serde_json::json;

use super::{calls, connect, customers, id, start};
use crate::http::server::{Answer, Server};
use crate::plugins::{Reading, Shown, field, run};
use lockstep_test_servers::Cap;

/// Numbers of the customers that were shown, in order.
fn numbers(shown: &Shown) -> Vec<i64> {
    shown.sorted("points")
}

#[test]
fn values_of_every_type_are_exact() {
    run(async {
        let (_server, plugin) = start(
            "insert into Sales_Customers (ID, name, credit, rate, points, visits, active, since, opens, score, modifiedAt) values \
             ('11111111-1111-4111-8111-111111111111', 'Ä \"x\"', 99999999999.99, '0.10', 9007199254740993, -5, 1, '2024-02-29', '23:59:59', 0.1, '2026-01-01T10:00:00.123Z'), \
             ('22222222-2222-4222-8222-222222222222', null, null, null, null, null, null, null, null, null, null)",
        );
        let shown = Reading::full(&plugin, "Customers").read().await;
        assert_eq!(shown.status, Some(PageStatus::EnumerationComplete));
        let first = json!({
            "ID": "11111111-1111-4111-8111-111111111111", "number": null, "name": "Ä \"x\"", "credit": "99999999999.99",
            "rate": "0.1", "points": 9_007_199_254_740_993_i64, "visits": -5, "active": true, "since": "2024-02-29",
            "opens": "23:59:59", "score": 0.1, "photo": null, "modifiedAt": "2026-01-01T10:00:00.123Z"
        });
        assert_eq!(json!(shown.records[0]), first);
        assert!(shown.records[1].iter().all(|(name, value)| value.is_null() || name == "ID"));
    });
}

#[test]
fn a_full_reading_takes_as_few_requests_as_there_are_pages() {
    run(async {
        let (server, plugin) = start(&customers(2500, "2026-01-01T00:00:00.000Z"));
        let mut reading = Reading::full(&plugin, "Customers").discovered().await;
        calls(&server);
        let shown = reading.read().await;
        assert_eq!((numbers(&shown), shown.status), ((1..=2500).collect(), Some(PageStatus::EnumerationComplete)));
        assert_eq!(calls(&server), [("GET Customers".to_owned(), 3)]);
        // Links do as well, and are counted before and behind.
        let linked = connect(&server.url(), Cap::version_4(), "paging = \"links\"");
        let mut reading = Reading::full(&linked, "Customers").discovered().await;
        calls(&server);
        let shown = reading.read().await;
        assert_eq!((numbers(&shown), shown.status), ((1..=2500).collect(), Some(PageStatus::EnumerationComplete)));
        assert_eq!(calls(&server), [("GET Customers/$count".to_owned(), 2), ("GET Customers".to_owned(), 3)]);
    });
}

#[test]
fn only_what_is_asked_for_is_read() {
    run(async {
        let server = plain_service(r#"{"value":[]}"#);
        let plugin = connect(&server.url(), "/s", "");
        let mut reading = Reading::full(&plugin, "A").discovered().await;
        reading.request.fields.retain(|field| field.name == "name");
        reading.read().await;
        let targets: Vec<String> = server.requests().iter().map(|request| request.target.clone()).collect();
        assert_eq!(targets[1..], ["/s/A?$select=name,id&$orderby=id&$top=1000"]);
    });
}

#[test]
fn a_reading_goes_on_where_it_broke_off() {
    run(async {
        for keys in ["page_size = 7", "page_size = 7, paging = \"links\""] {
            let (server, _) = start(&customers(30, "2026-01-01T00:00:00.000Z"));
            let plugin = connect(&server.url(), Cap::version_4(), keys);
            let mut reading = Reading::full(&plugin, "Customers").discovered().await.page_rows(5);
            let mut found = Vec::new();
            for _ in 0..3 {
                let shown = reading.read_pages(1).await.unwrap();
                assert_eq!(shown.status, Some(PageStatus::More), "{keys}");
                found.extend(numbers(&shown));
            }
            let rest = reading.read().await;
            // It did not begin at the beginning, and so proves nothing about what is missing.
            assert_eq!(rest.status, Some(PageStatus::CaughtUp), "{keys}");
            found.extend(numbers(&rest));
            found.sort_unstable();
            assert_eq!(found, (1..=30).collect::<Vec<_>>(), "{keys}");
        }
    });
}

#[test]
fn records_that_move_while_they_are_read_hide_no_other() {
    run(async {
        let (server, _) = start(&customers(30, "2026-01-01T00:00:00.000Z"));
        let plugin = connect(&server.url(), Cap::version_4(), "page_size = 10");
        let mut reading = Reading::full(&plugin, "Customers").discovered().await.page_rows(10);
        let mut found = numbers(&reading.read_pages(1).await.unwrap());
        server.sql(&format!("delete from Sales_Customers where ID in ('{}', '{}')", id(1), id(2)));
        found.extend(numbers(&reading.read().await));
        assert_eq!(found, (1..=30).collect::<Vec<_>>());
        // By links it would miss two, and does not claim to have seen all.
        let (server, _) = start(&customers(30, "2026-01-01T00:00:00.000Z"));
        let plugin = connect(&server.url(), Cap::version_4(), "page_size = 10, paging = \"links\"");
        let reading = Reading::full(&plugin, "Customers").discovered().await;
        let mut reader = plugin.open(reading.request.clone()).await.unwrap();
        let limits = lockstep::connector::PageLimits { rows: 10, bytes: 1 << 20 };
        reader.next(limits).await.unwrap();
        server.sql(&format!("delete from Sales_Customers where ID = '{}'", id(1)));
        let mut status = PageStatus::More;
        while status == PageStatus::More {
            status = reader.next(limits).await.unwrap().status;
        }
        assert_eq!(status, PageStatus::CaughtUp);
    });
}

#[test]
fn changes_are_found_also_where_thousands_share_one_time() {
    run(async {
        let (server, plugin) = start(&customers(3000, "2026-01-01T00:00:00.000Z"));
        let mut reading = Reading::incremental(&plugin, "Customers", "modifiedAt").discovered().await;
        let first = reading.read().await;
        assert_eq!((first.records.len(), first.status), (3000, Some(PageStatus::EnumerationComplete)));
        server.sql(
            "update Sales_Customers set name = 'new', modifiedAt = '2026-01-02T00:00:00.000Z' where points <= 2500",
        );
        calls(&server);
        // What has the time of the boundary is shown again.
        let changed = reading.read().await;
        assert_eq!((changed.records.len(), changed.status), (3000, Some(PageStatus::CaughtUp)));
        let told = calls(&server);
        // The boundary, three pages, and CAP leads behind the last one if it is full.
        assert_eq!(told, [("GET Customers".to_owned(), 5)]);
        // Late ones are found within the lookback.
        server.sql(&format!(
            "update Sales_Customers set modifiedAt = '2026-01-01T23:55:00.000Z' where ID = '{}'",
            id(2999)
        ));
        let late = numbers(&reading.read().await);
        assert!(late.contains(&2999) && late.len() == 2501, "{}", late.len());
        // Three readings break off and go on.
        reading.request.options.set("lookback-ms", "0");
        server.sql("update Sales_Customers set modifiedAt = '2026-01-03T00:00:00.000Z' where points <= 2500");
        let mut found = numbers(&reading.read_pages(1).await.unwrap());
        found.extend(numbers(&reading.read_pages(1).await.unwrap()));
        found.extend(numbers(&reading.read().await));
        assert_eq!(found, (1..=2500).collect::<Vec<_>>());
    });
}

#[test]
fn what_changes_while_everything_is_read_is_shown_the_next_time() {
    run(async {
        let (server, _) = start(&customers(30, "2026-01-01T00:00:00.000Z"));
        let plugin = connect(&server.url(), Cap::version_4(), "page_size = 10");
        let mut reading = Reading::incremental(&plugin, "Customers", "modifiedAt").discovered().await.page_rows(10);
        reading.request.options.set("lookback-ms", "0");
        assert_eq!(numbers(&reading.read_pages(1).await.unwrap()).len(), 10);
        // One that was shown already, and a later one that was not.
        server.sql("update Sales_Customers set modifiedAt = '2026-03-01T00:00:00.000Z' where points = 1");
        server.sql("update Sales_Customers set modifiedAt = '2026-03-01T01:00:00.000Z' where points = 30");
        reading.read().await;
        assert!(numbers(&reading.read().await).contains(&1));
    });
}

#[test]
fn times_in_the_future_hide_nothing() {
    run(async {
        let (server, plugin) = start(&customers(2, "2999-01-01T00:00:00.000Z"));
        let mut reading = Reading::incremental(&plugin, "Customers", "modifiedAt").discovered().await;
        reading.read().await;
        server.sql(&customers(3, "2026-01-01T00:00:00.000Z").replace(&id(1), &id(11)).replace(&id(2), &id(12)));
        server.sql("update Sales_Customers set modifiedAt = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')");
        assert_eq!(reading.read().await.records.len(), 5);
    });
}

#[test]
fn counts_tell_changes_as_well() {
    run(async {
        let (server, plugin) =
            start("insert into Sales_Counted (id, text, version) values (1, 'a', 1), (2, 'b', 100000)");
        let mut reading = Reading::incremental(&plugin, "Counted", "version").discovered().await;
        assert_eq!(reading.read().await.records.len(), 2);
        server.sql("update Sales_Counted set text = 'c', version = 100001 where id = 1");
        assert_eq!(reading.read().await.sorted("id"), [1, 2]);
        server.sql("insert into Sales_Counted (id, text, version) values (3, 'c', 200000)");
        reading.read().await;
        assert_eq!(reading.read().await.sorted("id"), [3]);
    });
}

#[test]
fn what_cannot_tell_changes_is_said() {
    run(async {
        let (_server, plugin) = start("");
        for (stream, modified, code) in [
            ("Customers", Some("name"), "odata.modified-type"),
            ("Customers", Some("nowhere"), "odata.no-property"),
            ("Customers", None, "odata.no-modified"),
            ("Nowhere", Some("name"), "odata.no-set"),
        ] {
            let mut request = Reading::incremental(&plugin, stream, modified.unwrap_or_default()).request;
            if modified.is_none() {
                request.options = lockstep::record::Properties::default();
            }
            request.fields = vec![field("ID", "uuid")];
            let failure = plugin.open(request).await.err().unwrap();
            assert_eq!(failure.detail_code, code);
        }
    });
}

#[test]
fn a_changed_selection_begins_anew() {
    run(async {
        let (_server, plugin) = start(&customers(3, "2026-01-01T00:00:00.000Z"));
        let mut reading = Reading::incremental(&plugin, "Customers", "modifiedAt").discovered().await;
        reading.read().await;
        reading.request.fields.pop();
        let failure = plugin.open(reading.request.clone()).await.err().unwrap();
        assert_eq!(failure.kind, lockstep::connector::FailureKind::StaleCursor);
    });
}

/// A service with one set `A`, which always answers this.
pub fn plain_service(body: &'static str) -> Server {
    Server::start(move |_, request| Answer::body(if request.target.contains("metadata") { METADATA } else { body }))
}

pub const METADATA: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="x"><edmx:DataServices><Schema Namespace="s" xmlns="y">
    <EntityType Name="A"><Key><PropertyRef Name="id"/></Key><Property Name="id" Type="Edm.Int32" Nullable="false"/>
    <Property Name="name" Type="Edm.String"/><Property Name="more" Type="Edm.String"/></EntityType>
    <EntityContainer Name="C"><EntitySet Name="A" EntityType="s.A"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;
