//! The `soap` plugin against a SOAP service by others, against an emulator of Tally, and against services that misbehave.

mod bad_answers;
mod customers;
mod hub;
mod imports;
mod plain_xml;
mod security;
mod spyne;
mod tally;

use lockstep::plugin::PluginConnector;
use lockstep::world::World;
use lockstep_test_servers::{SOAP_WSDL, Soap};
use serde_json::{Value, json};

use crate::http::lab::Lab;

const CRM: &str = include_str!("../../examples/soap-to-sqlite/crm.toml");
const TALLY: &str = include_str!("../../plugins/soap/apis/tally/manifest.toml");

/// The plugin with a manifest and a WSDL in files beside the project; `keys` are further ones of its config.
fn connect(url: &str, manifest: &str, keys: &str, auth: &str) -> PluginConnector {
    connect_in(url, manifest, keys, auth, World::real()).unwrap_or_else(|error| panic!("{error}"))
}

fn connect_in(
    url: &str,
    manifest: &str,
    keys: &str,
    auth: &str,
    world: World,
) -> Result<PluginConnector, lockstep::Error> {
    let lab = Lab::new("s3cr&t<\"pass word");
    std::fs::write(lab.path().join("manifest.toml"), manifest).unwrap();
    std::fs::write(lab.path().join("crm.wsdl"), SOAP_WSDL).unwrap();
    let text = format!(
        "http.api = {{ origin = \"{url}\", allow_private = true, {auth} }}\nconfig = {{ manifest = \"manifest.toml\", {keys} }}"
    );
    lab.connect_plugin("soap", &text, world)
}

/// A fresh service with these customers, and the plugin on it, which asks the service for its WSDL.
fn start(customers: &[Value]) -> (Soap, PluginConnector) {
    let server = Soap::start();
    seed(&server, customers);
    let connector = connect(&server.url(), CRM, "wsdl_path = \"/crm?wsdl\"", "");
    (server, connector)
}

pub fn seed(server: &Soap, customers: &[Value]) {
    for customers in customers.chunks(1000) {
        server.ask("/-/seed", &Value::from(customers.to_vec()).to_string());
    }
}

pub fn customer(n: u32) -> Value {
    json!({"Number": format!("N{n}"), "Name": format!("Name {n}"), "Credit": format!("{n}.25"), "Blocked": false, "Since": null})
}

pub fn state(server: &Soap) -> Vec<Value> {
    serde_json::from_str::<Value>(&server.ask("/-/state", "")).unwrap().as_array().unwrap().clone()
}

/// What was called since this was last asked, and how often.
fn calls(server: &Soap) -> Vec<(String, u64)> {
    let calls: Value = serde_json::from_str(&server.ask("/-/calls", "")).unwrap();
    calls.as_object().unwrap().iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
}
