//! Records by any of their fields.

use lockstep::connector::Source as _;
use lockstep::plugin::PluginConnector;
use lockstep::record::{Field, batch_from_json};
use serde_json::{Value, json};

use super::start;
use crate::plugins::{Reading, field, records, run};

/// The ids of the records that are found, in order.
async fn look_up(plugin: &PluginConnector, keys: &[(&str, &str)], values: &[Value]) -> Vec<i64> {
    let mut request = Reading::full(plugin, "t").discovered().await.request;
    let fields: Vec<Field> = keys.iter().map(|(name, logical)| field(name, logical)).collect();
    request.key = keys.iter().map(|(name, _)| (*name).to_owned()).collect();
    let batch = batch_from_json(&fields.into(), values).unwrap();
    let found = plugin.lookup().unwrap().lookup(&request, &batch).await.unwrap();
    let mut ids: Vec<i64> = records(&found.data).iter().map(|record| record["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

const TABLE: &str =
    "CREATE TABLE t (id int PRIMARY KEY, email varchar(40) COLLATE utf8mb4_bin, town text, price decimal(9,2))";

#[test]
fn any_fields_may_be_looked_up_by() {
    run(async {
        let (_server, plugin) = start(&format!(
            "{TABLE}; INSERT INTO t VALUES (1, 'a@x', 'Ulm', 1.5), (2, 'b@x', 'ulm', 2), (3, 'a@x', 'Bonn', 1.5), (4, NULL, NULL, NULL)"
        ));
        let id = [("id", "int64")];
        assert_eq!(look_up(&plugin, &id, &[json!({"id": 3}), json!({"id": 9}), json!({"id": 1})]).await, [1, 3]);
        // Several records may have one value, and those without one are nobody's.
        let email = [("email", "text")];
        assert_eq!(look_up(&plugin, &email, &[json!({"email": "a@x"}), json!({"email": null})]).await, [1, 3]);
        assert_eq!(look_up(&plugin, &email, &[json!({"email": "A@x"}), json!({"email": "c@x"})]).await, [0i64; 0]);
        assert_eq!(look_up(&plugin, &[("town", "text")], &[json!({"town": "ULM"})]).await, [1, 2]);
        let both = [("price", "decimal(9,2)"), ("email", "text")];
        assert_eq!(look_up(&plugin, &both, &[json!({"price": "1.50", "email": "a@x"})]).await, [1, 3]);
        assert_eq!(look_up(&plugin, &both, &[]).await, [0i64; 0]);
    });
}

#[test]
fn a_field_without_an_index_is_looked_up_as_well() {
    run(async {
        let (_server, plugin) = start(&format!(
            "{TABLE}; INSERT INTO t SELECT seq, concat('m', seq % 20000, '@x'), NULL, NULL FROM seq_1_to_40000"
        ));
        let keys: Vec<Value> = (0..10_000).map(|i| json!({"email": format!("m{}@x", i * 3)})).collect();
        let found = look_up(&plugin, &[("email", "text")], &keys).await;
        assert_eq!(found.len(), 2 * keys.iter().take(6667).count());
    });
}
