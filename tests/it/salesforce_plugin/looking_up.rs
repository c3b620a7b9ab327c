//! Records by any of their fields.

use lockstep::connector::Source as _;
use lockstep::plugin::PluginConnector;
use lockstep::record::{Field, batch_from_json};
use serde_json::{Value, json};

use super::{account, accounts, calls, id, start};
use crate::plugins::{Reading, field, records, run};

/// The numbers of the accounts that are found, in order.
async fn look_up(plugin: &PluginConnector, keys: &[(&str, &str)], values: &[Value]) -> Vec<i64> {
    let mut request = Reading::full(plugin, "Account").discovered().await.request;
    let fields: Vec<Field> = keys.iter().map(|(name, logical)| field(name, logical)).collect();
    request.key = keys.iter().map(|(name, _)| (*name).to_owned()).collect();
    let batch = batch_from_json(&fields.into(), values).unwrap();
    let found = plugin.lookup().unwrap().lookup(&request, &batch).await.unwrap();
    let mut numbers: Vec<i64> =
        records(&found.data).iter().map(|record| record["NumberOfEmployees"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn any_fields_may_be_looked_up_by() {
    run(async {
        let (server, plugin) = start(&accounts(20));
        server.run("for (const record of org.of('Account')) if (record.NumberOfEmployees > 18) org.update('Account', record.Id, { Name: `O'Neil \\\\ & Söhne/100%?#+` })");
        server.run(&account(4, "org.delete(record.Id)"));
        let key = [("Id", "text")];
        // Fifteen characters are as good as eighteen, in whichever case they are; what is no Id is nobody's.
        let values = [
            json!({"Id": id(&server, 3)}),
            json!({"Id": &id(&server, 1)[..15]}),
            json!({"Id": id(&server, 2).to_uppercase()}),
            json!({"Id": "001Ab0000999999AAA"}),
            json!({"Id": "no id"}),
        ];
        assert_eq!(look_up(&plugin, &key, &values).await, [1, 2, 3]);
        let name = [("Name", "text")];
        let values = [json!({"Name": "O'Neil \\ & Söhne/100%?#+"}), json!({"Name": null})];
        assert_eq!(look_up(&plugin, &name, &values).await, [19, 20]);
        // Queries do not see the case of letters; whoever looks up does.
        assert_eq!(look_up(&plugin, &name, &[json!({"Name": "name 1"})]).await, [0i64; 0]);
        assert_eq!(look_up(&plugin, &name, &[json!({"Name": "Name 4"})]).await, [0i64; 0]);
        let two = [("Credit__c", "decimal"), ("No__c", "text")];
        let values = [json!({"Credit__c": "7.25", "No__c": "N7"}), json!({"Credit__c": "7.25", "No__c": "N8"})];
        assert_eq!(look_up(&plugin, &two, &values).await, [7]);
        assert_eq!(look_up(&plugin, &two, &[]).await, [0i64; 0]);
    });
}

#[test]
fn many_keys_take_few_requests() {
    run(async {
        let (server, plugin) = start(&accounts(5000));
        let ids: Value =
            serde_json::from_str(&server.run("return [...org.of('Account')].map((record) => record.Id)")).unwrap();
        let keys: Vec<Value> = ids.as_array().unwrap().iter().step_by(2).map(|id| json!({"Id": id})).collect();
        calls(&server);
        assert_eq!(look_up(&plugin, &[("Id", "text")], &keys).await.len(), 2500);
        let told = calls(&server);
        assert!(told.contains(&("POST composite/sobjects/Account".to_owned(), 2)), "{told:?}");
        let keys: Vec<Value> = (1..=2000).map(|n| json!({"No__c": format!("N{n}")})).collect();
        assert_eq!(look_up(&plugin, &[("No__c", "text")], &keys).await, (1..=2000).collect::<Vec<_>>());
        let told = calls(&server);
        assert!(told.iter().any(|(name, count)| name == "GET queryAll" && *count <= 3), "{told:?}");
    });
}
