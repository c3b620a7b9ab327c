//! Records by any of their fields.

use lockstep::connector::Source as _;
use lockstep::plugin::PluginConnector;
use lockstep::record::{Field, batch_from_json};
use lockstep_test_servers::Cap;
use serde_json::{Value, json};

use super::{calls, connect, customers, id, start};
use crate::plugins::{Reading, field, records, run};

/// The points of the customers that are found, in order.
async fn look_up(plugin: &PluginConnector, keys: &[(&str, &str)], values: &[Value]) -> Vec<i64> {
    let mut request = Reading::full(plugin, "Customers").discovered().await.request;
    let fields: Vec<Field> = keys.iter().map(|(name, logical)| field(name, logical)).collect();
    request.key = keys.iter().map(|(name, _)| (*name).to_owned()).collect();
    let batch = batch_from_json(&fields.into(), values).unwrap();
    let found = plugin.lookup().unwrap().lookup(&request, &batch).await.unwrap();
    let mut points: Vec<i64> = records(&found.data).iter().map(|record| record["points"].as_i64().unwrap()).collect();
    points.sort_unstable();
    points
}

#[test]
fn any_fields_may_be_looked_up_by() {
    run(async {
        let (server, plugin) = start(&customers(20, "2026-01-01T00:00:00.000Z"));
        server.sql("update Sales_Customers set name = 'O''Neil & Söhne/100%?#+' where points > 18");
        let key = [("ID", "uuid")];
        assert_eq!(
            look_up(&plugin, &key, &[json!({"ID": id(3)}), json!({"ID": id(99)}), json!({"ID": id(1)})]).await,
            [1, 3]
        );
        let name = [("name", "text")];
        assert_eq!(
            look_up(&plugin, &name, &[json!({"name": "O'Neil & Söhne/100%?#+"}), json!({"name": null})]).await,
            [19, 20]
        );
        assert_eq!(look_up(&plugin, &name, &[json!({"name": "name 1"})]).await, [0i64; 0]);
        let both = [("credit", "decimal(18,2)"), ("number", "text")];
        assert_eq!(
            look_up(
                &plugin,
                &both,
                &[json!({"credit": "7.25", "number": "N7"}), json!({"credit": "7.25", "number": "N8"})]
            )
            .await,
            [7]
        );
        assert_eq!(look_up(&plugin, &both, &[]).await, [0i64; 0]);
    });
}

#[test]
fn many_keys_take_few_requests_in_any_form_of_batch() {
    run(async {
        let (server, _) = start(&customers(5000, "2026-01-01T00:00:00.000Z"));
        let keys: Vec<Value> = (1..=2000).map(|n| json!({"ID": id(n * 2)})).collect();
        for (form, calls_expected) in [("auto", 1), ("json", 1), ("multipart", 1), ("none", 0)] {
            let plugin = connect(&server.url(), Cap::version_4(), &format!("batch = \"{form}\""));
            calls(&server);
            let found = look_up(&plugin, &[("ID", "uuid")], &keys).await;
            assert_eq!(found, (1..=2000).map(|n| n * 2).collect::<Vec<_>>(), "{form}");
            let batches =
                calls(&server).iter().filter(|(name, _)| name == "POST $batch").map(|(_, count)| *count).sum::<u64>();
            assert_eq!(batches, calls_expected, "{form}");
        }
    });
}
