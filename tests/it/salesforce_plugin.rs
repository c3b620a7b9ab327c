//! The `salesforce` plugin against an emulator of an org, and against servers that misbehave in the ways real ones do.

mod bad_answers;
mod bad_input;
mod changing;
mod discovery;
mod events;
mod hub;
mod jobs;
mod looking_up;
mod reading;
mod readme;
mod sessions;

use lockstep::plugin::PluginConnector;
use lockstep::world::World;
use lockstep_test_servers::Salesforce;
use serde_json::Value;

use crate::http::lab::Lab;

/// A fresh org in which this has run, and the plugin on it.
fn start(text: &str) -> (Salesforce, PluginConnector) {
    let server = Salesforce::start();
    server.run(text);
    let connector = connect(&server.url(), "");
    (server, connector)
}

/// `keys`: keys of the plugin's config.
fn connect(url: &str, keys: &str) -> PluginConnector {
    let text = format!("http.api = {{ origin = \"{url}\", allow_private = true }}\nconfig = {{ {keys} }}");
    let connector = Lab::new("").connect_plugin("salesforce", &text, World::real());
    connector.unwrap_or_else(|error| panic!("{error}"))
}

/// What the server was asked since this was last called: method, path below the version, how often.
fn calls(server: &Salesforce) -> Vec<(String, u64)> {
    let calls: Value = serde_json::from_str(&server.calls()).unwrap();
    calls.as_object().unwrap().iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
}

/// So many accounts, numbered from 1.
pub fn accounts(count: u32) -> String {
    format!(
        "for (let n = 1; n <= {count}; n++) org.create('Account', {{ Name: `Name ${{n}}`, No__c: `N${{n}}`, Credit__c: n + 0.25, NumberOfEmployees: n }});"
    )
}

/// A text that does something to the account with a number.
fn account(n: u32, text: &str) -> String {
    format!("const record = org.unique('Account', 'No__c', 'N{n}'); {text}")
}

/// The Id of the account with a number.
fn id(server: &Salesforce, n: u32) -> String {
    serde_json::from_str(&server.run(&account(n, "return record.Id"))).unwrap()
}
