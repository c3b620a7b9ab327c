//! The `odata` plugin against SAP's CAP, and against services that misbehave in the ways real ones do.

mod bad_answers;
mod bad_input;
mod changing;
mod delta;
mod discovery;
mod emulator;
mod hub;
mod keys_and_versions;
mod looking_up;
mod reading;
mod readme;
mod version_2;

use lockstep::plugin::PluginConnector;
use lockstep::world::World;
use lockstep_test_servers::{Cap, Postgres};
use serde_json::Value;

use crate::http::lab::Lab;
use crate::mirror::project::Project;

/// A fresh server with these rows, and the plugin on its service in version 4.
fn start(statements: &str) -> (Cap, PluginConnector) {
    let server = Cap::start();
    if !statements.is_empty() {
        server.sql(statements);
    }
    let connector = connect(&server.url(), Cap::version_4(), "");
    (server, connector)
}

/// `keys`: further keys of the plugin's config.
fn connect(url: &str, service: &str, keys: &str) -> PluginConnector {
    let connector = Lab::new("").connect_plugin("odata", &settings(url, service, keys), World::real());
    connector.unwrap_or_else(|error| panic!("{error}"))
}

/// The same, on a clock that jumps over all pauses.
fn connect_at_once(url: &str, service: &str, keys: &str) -> PluginConnector {
    let lab = Lab::new("");
    let connector = lab.connect_plugin("odata", &settings(url, service, keys), lab.world());
    connector.unwrap_or_else(|error| panic!("{error}"))
}

/// The keys of a connection.
fn settings(url: &str, service: &str, keys: &str) -> String {
    format!("http.api = {{ origin = \"{url}\", allow_private = true }}\nconfig = {{ service = \"{service}\", {keys} }}")
}

/// A project with the service as `crm` and the database as whatever `hub` says.
fn project(url: &str, service: &str, database: &Postgres, hub: &str) -> Project {
    let project = Project::new(&format!("[connection.crm]\nplugin = \"odata\"\n{}\n{hub}", settings(url, service, "")));
    project.write("url", database.url());
    project
}

/// What the server was asked since this was last called: method, path below the service, how often.
fn calls(server: &Cap) -> Vec<(String, u64)> {
    let calls: Value = serde_json::from_str(&server.calls()).unwrap();
    let named = |(name, count): (&String, &Value)| {
        let name = name.replace("/odata/v4/sales/", "").replace("/odata/v2/sales/", "");
        (name, count.as_u64().unwrap())
    };
    calls.as_object().unwrap().iter().map(named).collect()
}

/// So many customers, with numbers for their keys: the first one is 1.
pub fn customers(count: u32, modified: &str) -> String {
    let rows: Vec<String> =
        (1..=count).map(|n| format!("('{}','N{n}','Name {n}',{n}.25,{n},'{modified}')", id(n))).collect();
    let insert = "insert into Sales_Customers (ID, number, name, credit, points, modifiedAt) values ";
    rows.chunks(500).map(|rows| format!("{insert}{}", rows.join(","))).collect::<Vec<_>>().join(";\n")
}

fn id(n: u32) -> String {
    format!("{n:08x}-0000-4000-8000-000000000000")
}
