//! Alternate keys, versions that have to be named, tokens that belong to a session.

use lockstep::connector::{Source as _, WriteMode, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::record::{ChangeKind, Stream};
use serde_json::json;

use super::connect;
use super::emulator::{Emulator, Habits};
use crate::plugins::{apply, changes, complaints, page, run};

async fn target(plugin: &PluginConnector, key: &str) -> Stream {
    let mut target = plugin.discover(&["Accounts".to_owned()]).await.unwrap().remove(0);
    target.key = vec![key.to_owned()];
    target
}

#[test]
fn a_record_made_by_an_alternate_key_is_there_once_however_often_it_is_made() {
    run(async {
        let service = Emulator::start(Habits::default());
        service.add("a", "Ann");
        let plugin = connect(&service.server.url(), "/e", "");
        let target = target(&plugin, "code").await;
        let rows = [json!({"code": "a", "name": "Anna"}), json!({"code": "b", "name": "Bob"})];
        service.cut_writes(1);
        let (_, results) = apply(&plugin, &target, WriteMode::Upsert, page(&target, &rows)).await;
        assert_eq!(
            complaints(&results).iter().map(|(_, status, _)| *status).collect::<Vec<_>>(),
            [WriteStatus::Unknown]
        );
        let (counts, results) = apply(&plugin, &target, WriteMode::Upsert, page(&target, &rows)).await;
        assert_eq!((counts.0 + counts.1, complaints(&results)), (2, vec![]));
        // The creation that was cut off is found, and not made again.
        service.cut_writes(1);
        let rows = [json!({"code": "c", "name": "Cy"})];
        apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        let (_, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!(complaints(&results)[0].1, WriteStatus::Conflict);
        assert_eq!(service.records(), ["1 a Anna 2", "2 b Bob 1", "3 c Cy 1"]);
    });
}

#[test]
fn a_version_that_is_asked_for_is_named() {
    run(async {
        for hides_versions in [false, true] {
            let service = Emulator::start(Habits { wants_version: true, hides_versions, ..Habits::default() });
            ["a", "b"].iter().for_each(|code| _ = service.add(code, "x"));
            let plugin = connect(&service.server.url(), "/e", "");
            let target = target(&plugin, "id").await;
            let rows = [
                (ChangeKind::Upsert, json!({"id": 1, "name": "y", "expected:name": "x"})),
                (ChangeKind::Delete, json!({"id": 2, "name": null, "expected:name": "x"})),
            ];
            let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &rows)).await;
            assert_eq!((counts, complaints(&results)), ((1, 0, 1), vec![]), "{hides_versions}");
            assert_eq!(service.records(), ["1 a y 2"]);
        }
    });
}

#[test]
fn tokens_and_sessions_are_got_and_kept_from_the_plugin() {
    run(async {
        let service = Emulator::start(Habits { wants_token: true, ..Habits::default() });
        let plugin = connect(&service.server.url(), "/e", "");
        let target = target(&plugin, "id").await;
        let rows = [json!({"code": "a", "name": "Ann"}), json!({"code": "b", "name": "Bob"})];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((2, 0, 0), vec![]));
        assert_eq!(service.records().len(), 2);
        let fetched = service
            .server
            .requests()
            .iter()
            .filter(|request| request.headers.get("x-csrf-token").is_some_and(|token| token == "Fetch"))
            .count();
        assert_eq!(fetched, 1);
    });
}
