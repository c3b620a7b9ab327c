//! The `http-json` plugin against real servers, against emulators of those that cannot be had, and against APIs that misbehave.

mod bad_answers;
mod couch_hub;
mod couchdb;
mod hubspot;
mod hubspot_objects;
mod limits;
mod lives;
mod shops_and_lists;

use lockstep::plugin::PluginConnector;
use lockstep::world::World;
use lockstep_test_servers::Couch;
use serde_json::{Value, json};

use crate::http::lab::Lab;

const COUCHDB: &str = include_str!("../../examples/couchdb-to-sqlite/couchdb.toml");

/// A fresh server with these documents, and the plugin on it.
fn start_couch(documents: &[Value]) -> (Couch, PluginConnector) {
    let server = Couch::start();
    put(&server, documents);
    let connector = connect(&server.url(), COUCHDB, "parameters = { database = \"shop\" }");
    (server, connector)
}

/// The plugin with a manifest in a file beside the project; `keys` are further ones of its config.
fn connect(url: &str, manifest: &str, keys: &str) -> PluginConnector {
    try_connect(url, manifest, keys, World::real()).unwrap_or_else(|error| panic!("{error}"))
}

fn try_connect(url: &str, manifest: &str, keys: &str, world: World) -> Result<PluginConnector, lockstep::Error> {
    let lab = Lab::new("");
    std::fs::write(lab.path().join("manifest.toml"), manifest).unwrap();
    let text = format!(
        "http.api = {{ origin = \"{url}\", allow_private = true }}\nconfig = {{ manifest = \"manifest.toml\", {keys} }}"
    );
    lab.connect_plugin("http-json", &text, world)
}

pub fn put(server: &Couch, documents: &[Value]) {
    for documents in documents.chunks(2000) {
        let answers = server.ask("POST", "/shop/_bulk_docs", &json!({ "docs": documents }).to_string());
        assert!(!answers.contains("error"), "{answers}");
    }
}

/// What the server was asked since this was last called: method and path below the database, how often.
fn calls(server: &Couch) -> Vec<(String, u64)> {
    let calls: Value = serde_json::from_str(&server.calls()).unwrap();
    let named = |(name, count): (&String, &Value)| (name.replace("/shop/", ""), count.as_u64().unwrap());
    calls.as_object().unwrap().iter().map(named).collect()
}

/// All documents, without their revisions.
pub fn documents(server: &Couch) -> Vec<Value> {
    let all: Value = serde_json::from_str(&server.ask("GET", "/shop/_all_docs?include_docs=true", "")).unwrap();
    let document = |row: &Value| {
        let mut document = row["doc"].clone();
        document.as_object_mut().unwrap().remove("_rev");
        document
    };
    all["rows"].as_array().unwrap().iter().map(document).collect()
}

/// The plugin on an API that comes with it; `auth` may refer to `file:secret`.
fn connect_api(url: &str, config: &str, auth: &str, secret: &str) -> PluginConnector {
    let text = format!("http.api = {{ origin = \"{url}\", allow_private = true, {auth} }}\nconfig = {{ {config} }}");
    Lab::new(secret).connect_plugin("http-json", &text, World::real()).unwrap_or_else(|error| panic!("{error}"))
}

/// What an emulator was asked: method and path, how often.
fn told(calls: &str) -> Vec<(String, u64)> {
    let calls: Value = serde_json::from_str(calls).unwrap();
    calls.as_object().unwrap().iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
}

/// Records of an emulator.
fn state(text: &str, name: &str) -> Vec<Value> {
    serde_json::from_str::<Value>(text).unwrap()[name].as_array().unwrap().clone()
}
