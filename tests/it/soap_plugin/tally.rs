//! XML without an envelope: Tally's, in UTF-16, with characters that XML does not have, and counters for what was done.

use lockstep::connector::{PageStatus, Source as _, WriteMode, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::record::ChangeKind;
use lockstep_test_servers::Api;
use serde_json::{Value, json};

use super::{TALLY, connect};
use crate::plugins::{Reading, apply, changes, complaints, page, run};

fn start(ledgers: &[Value]) -> (Api, PluginConnector) {
    let server = Api::start("tally");
    server.change(&json!({ "ledgers": ledgers }).to_string());
    let plugin = connect(&server.url(), TALLY, "", "");
    (server, plugin)
}

fn state(server: &Api) -> Value {
    serde_json::from_str(&server.ask("GET", "/-/state", "")).unwrap()
}

#[test]
fn ledgers_are_read_whatever_characters_stand_in_them() {
    run(async {
        let debtor = json!({"name": "Ann", "parent": "Sundry Debtors", "opening": "-1250.50"});
        let (_server, plugin) = start(&[json!({"name": "Cash & \"Bank\" ₹"}), debtor]);
        let shown = Reading::full(&plugin, "ledgers").discovered().await.read().await;
        assert_eq!(shown.status, Some(PageStatus::EnumerationComplete));
        let cash = &shown.records[0];
        assert_eq!((&cash["name"], &cash["parent"]), (&json!("Cash & \"Bank\" ₹"), &json!(" Primary")));
        assert_eq!(
            (&cash["opening_balance"], &shown.records[1]["opening_balance"]),
            (&Value::Null, &json!("-1250.50"))
        );
        // No ledger is a list as well.
        let (_server, plugin) = start(&[]);
        let shown = Reading::full(&plugin, "ledgers").discovered().await.read().await;
        assert_eq!((shown.records.len(), shown.status), (0, Some(PageStatus::EnumerationComplete)));
    });
}

#[test]
fn ledgers_are_written_and_every_row_knows_what_became_of_it() {
    run(async {
        let old = json!({"name": "Old", "parent": "Sundry Debtors", "opening": "1.00"});
        let (server, plugin) = start(&[old, json!({"name": "Gone"})]);
        let target = plugin.discover(&[]).await.unwrap().remove(0);
        let row = |name: &str, parent: &str| json!({"name": name, "parent": parent, "opening_balance": "2.50"});
        let rows = [row("New <&>", "Sundry Debtors"), row("Bad", "Nowhere"), row("Old", "Sundry Debtors")];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        let told: Vec<(u32, WriteStatus)> =
            complaints(&results).iter().map(|(row, status, _)| (*row, *status)).collect();
        let refused = vec![(1, WriteStatus::Rejected), (2, WriteStatus::Conflict)];
        assert_eq!((counts, told), ((1, 0, 0), refused), "{results:?}");
        let update =
            |name: &str, balance: Value| (ChangeKind::Upsert, json!({"name": name, "opening_balance": balance}));
        let rows = [
            update("Old", json!("9.75")),
            update("New <&>", json!("2.50")),
            (ChangeKind::Delete, json!({"name": "Gone", "opening_balance": null})),
            update("Nobody", json!("1.00")),
        ];
        let (counts, results) = apply(&plugin, &target, WriteMode::Update, changes(&target, &rows)).await;
        let told = vec![(3, WriteStatus::Conflict, "api.missing")];
        assert_eq!((counts, complaints(&results)), ((1, 1, 1), told), "{results:?}");
        let rows = [update("Old", Value::Null)];
        let (counts, _) = apply(&plugin, &target, WriteMode::Update, changes(&target, &rows)).await;
        assert_eq!(counts, (1, 0, 0));
        let shown = state(&server);
        let text =
            |ledger: &Value| format!("{}={}", ledger["name"].as_str().unwrap(), ledger["opening"].as_str().unwrap());
        let ledgers: Vec<String> = shown["ledgers"].as_array().unwrap().iter().map(text).collect();
        assert_eq!((ledgers, &shown["writes"]), (vec!["Old=".to_owned(), "New <&>=2.50".to_owned()], &json!(4)));
    });
}
