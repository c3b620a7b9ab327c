//! The same service in version 2 of the protocol.

use lockstep::connector::{PageStatus, Source as _, WriteMode};
use lockstep_test_servers::Cap;
use serde_json::json;

use super::{connect, customers, id, start};
use crate::plugins::{Reading, apply, changes, complaints, ids, page, run};
use lockstep::record::ChangeKind;

#[test]
fn records_are_read_in_version_2() {
    run(async {
        let (server, _) = start(&customers(2500, "2026-01-01T00:00:00.000Z"));
        server.sql("update Sales_Customers set since = '2024-02-29', opens = '23:59:59', score = 0.5, rate = '0.25', active = 1, points = 9007199254740993, photo = x'fbff' where number = 'N1'");
        let plugin = connect(&server.url(), Cap::version_2(), "");
        let shown = Reading::full(&plugin, "Customers").read().await;
        assert_eq!((shown.records.len(), shown.status), (2500, Some(PageStatus::EnumerationComplete)));
        let first = shown.records.iter().find(|record| record["number"] == "N1").unwrap();
        let expected = json!({
            "ID": id(1), "number": "N1", "name": "Name 1", "credit": "1.25", "rate": "0.25", "points": 9_007_199_254_740_993_i64,
            "visits": null, "active": true, "since": "2024-02-29", "opens": "23:59:59", "score": 0.5, "photo": first["photo"],
            "modifiedAt": "2026-01-01T00:00:00Z"
        });
        assert_eq!(json!(first), expected);
        let mut reading = Reading::incremental(&plugin, "Customers", "modifiedAt").discovered().await;
        assert_eq!(reading.read().await.records.len(), 2500);
        server.sql("update Sales_Customers set modifiedAt = '2026-01-02T00:00:00.000Z' where points < 11");
        assert_eq!(reading.read().await.records.len(), 2500);
        assert_eq!(reading.read().await.sorted("points"), (2..=10).collect::<Vec<_>>());
    });
}

#[test]
fn records_are_written_in_version_2() {
    run(async {
        let (server, _) = start("");
        let plugin = connect(&server.url(), Cap::version_2(), "");
        let target = plugin.discover(&["Customers".into()]).await.unwrap().remove(0);
        let row = |n: u32| {
            json!({
                "ID": id(n), "number": format!("N{n}"), "name": "a", "credit": "12.50", "rate": "1.5", "points": 9_007_199_254_740_993_i64,
                "visits": 3, "active": true, "since": "2024-02-29", "opens": "13:05:00", "score": 2.5
            })
        };
        let rows = [row(1), row(2), row(3)];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((3, 0, 0), vec![]));
        assert_eq!(ids(&results)[2], format!("[\"{}\"]", id(3)));
        let (counts, _) = apply(&plugin, &target, WriteMode::Upsert, page(&target, &rows)).await;
        assert_eq!(counts, (0, 3, 0));
        let changed = [
            (ChangeKind::Upsert, json!({"ID": id(1), "name": "b", "expected:name": "a"})),
            (ChangeKind::Upsert, json!({"ID": id(2), "name": "b", "expected:name": "x"})),
            (ChangeKind::Delete, json!({"ID": id(3), "name": null, "expected:name": "a"})),
        ];
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &changed)).await;
        assert_eq!((counts, complaints(&results).len()), ((1, 0, 1), 1));
        assert_eq!(
            server.sql("select name, opens from Sales_Customers order by number"),
            r#"[{"name":"b","opens":"13:05:00"},{"name":"a","opens":"13:05:00"}]"#
        );
    });
}
