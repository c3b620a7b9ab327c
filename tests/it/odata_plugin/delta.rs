//! Delta links: what changed and what is gone, told by the service.

use lockstep::connector::{FailureKind, PageStatus, Source as _};
use lockstep::record::ChangeKind;
use lockstep_test_servers::Postgres;

use super::emulator::{Emulator, Habits};
use super::{connect, project};
use crate::hub::systems::figures;
use crate::plugins::{Reading, run};

/// Ids with what happened to them, and how the reading ended.
async fn changes(reading: &mut Reading<'_>, plugin: &lockstep::plugin::PluginConnector) -> (Vec<String>, PageStatus) {
    let mut reader = plugin.open(reading.request.clone()).await.unwrap();
    let mut found = Vec::new();
    loop {
        let page = reader.next(reading.limits).await.unwrap();
        let rows = crate::plugins::records(&page.changes.data);
        found.extend(rows.iter().enumerate().map(|(row, record)| match page.changes.kind(row) {
            ChangeKind::Delete => format!("-{}", record["id"]),
            _ => format!("{} {}", record["id"], record["name"].as_str().unwrap()),
        }));
        reading.request.cursor = Some(page.next_cursor.clone());
        if page.status != PageStatus::More {
            return (found, page.status);
        }
    }
}

#[test]
fn changes_and_deletes_are_told() {
    run(async {
        for old_tombstones in [false, true] {
            let service = Emulator::start(Habits { old_tombstones, page: 2, ..Habits::default() });
            (1..=5).for_each(|n| _ = service.add(&format!("c{n}"), &format!("n{n}")));
            let plugin = connect(&service.server.url(), "/e", "");
            let mut reading = Reading::incremental(&plugin, "Accounts", "").discovered().await;
            reading.request.options = lockstep::record::Properties::default();
            let (found, status) = changes(&mut reading, &plugin).await;
            assert_eq!(found, ["1 n1", "2 n2", "3 n3", "4 n4", "5 n5"]);
            assert_eq!(status, PageStatus::EnumerationComplete);
            service.rename(2, "new");
            service.remove(4);
            service.add("c6", "n6");
            service.hide(3);
            let (mut found, status) = changes(&mut reading, &plugin).await;
            found.sort();
            // The third is there, whatever the delta says of it.
            assert_eq!(
                (found, status),
                (vec!["-4".to_owned(), "2 new".to_owned(), "6 n6".to_owned()], PageStatus::CaughtUp)
            );
            assert_eq!(changes(&mut reading, &plugin).await.0, [""; 0]);
            service.forget_deltas();
            service.rename(1, "late");
            let mut reader = plugin.open(reading.request.clone()).await.unwrap();
            assert_eq!(reader.next(reading.limits).await.unwrap_err().kind, FailureKind::StaleCursor);
        }
    });
}

#[test]
fn a_service_that_tracks_nothing_says_so() {
    run(async {
        let service = crate::odata_plugin::reading::plain_service("{\"value\":[]}");
        let plugin = connect(&service.url(), "/s", "changes = \"delta\"");
        let mut reading = Reading::incremental(&plugin, "A", "").discovered().await;
        reading.request.options = lockstep::record::Properties::default();
        let failure = reading.read_pages(9).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "odata.no-delta"));
    });
}

const HUB: &str = r#"
[connection.erp]
plugin = "postgres"
sql.main = { url = "file:url" }
[sync.account]
mode = "hub"
match = ["code"]
endpoints.crm = { stream = "Accounts" }
endpoints.erp = { stream = "account" }
[sync.account.fields]
code = { crm = "code", erp = "code" }
name = { crm = "name", erp = "name" }
"#;

#[test]
fn a_hub_lives_on_delta_links() {
    let service = Emulator::start(Habits { page: 10, ..Habits::default() });
    let database = Postgres::start();
    database.psql("create table account (id bigint generated always as identity primary key, code text, name text)");
    let project = project(&service.server.url(), "/e", &database, HUB);
    (1..=40).for_each(|n| _ = service.add(&format!("c{n:02}"), &format!("n{n}")));
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [40, 0]);
    let erp = || {
        database.psql(
            "select string_agg(code || ' ' || name, ',' order by code) from account where code < 'c04' or code > 'c40'",
        )
    };
    assert_eq!(erp(), "c01 n1,c02 n2,c03 n3");
    // Changes of both sides, and deletes of both.
    service.rename(1, "crm");
    service.remove(2);
    database.psql("update account set name = 'erp' where code = 'c03'; delete from account where code = 'c04'; insert into account (code, name) values ('c41', 'n41')");
    let before = service.asked().len();
    assert_eq!(figures(&project.sync(0), ["deleted"]), [2]);
    assert_eq!(erp(), "c01 crm,c03 erp,c41 n41");
    let records = service.records();
    assert_eq!(records.len(), 39, "{records:?}");
    assert!(records.contains(&"3 c03 erp 2".to_owned()) && records.contains(&"41 c41 n41 1".to_owned()), "{records:?}");
    // Only what changed is read: no key of the others.
    let lists = service.asked()[before..].iter().filter(|asked| *asked == "GET /e/Accounts").count();
    assert!(lists <= 5, "{:?}", &service.asked()[before..]);
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [0, 0]);
    // A delta link that is forgotten: everything is read again, and a delete in the gap is found.
    service.remove(5);
    service.forget_deltas();
    service.rename(6, "later");
    assert_eq!(figures(&project.sync(0), ["deleted"]), [1]);
    assert_eq!(
        database.psql("select string_agg(name, ',' order by code) from account where code in ('c05', 'c06', 'c07')"),
        "later,n7"
    );
}
