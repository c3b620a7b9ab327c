//! HTTP APIs that speak JSON, as streams, each described by a manifest.
//!
//! What all plugins share whose services are described by a manifest stands in `lockstep-described`; what is this one's own are the
//! manifests that come with it. The README says what it promises.

mod bundled;

use std::rc::Rc;

use lockstep_described::manifest::{Manifest, given, settings};
use lockstep_described::{Connection, Described, Json, Plugin, Protocol, Result, Say as _, failure};
use lockstep_json::Node;
use lockstep_plugin_sdk::config::RawConfig;
use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::prelude::export;

/// The plugin.
pub struct HttpJson;

impl Described for HttpJson {
    fn connect(config: &RawConfig) -> Result<Connection> {
        Connection::new(Rc::new(read_config(&config.0)?))
    }
}

/// A connection's `config`, with the manifest it names.
fn read_config(json: &str) -> Result<Manifest> {
    let config = settings(json)?;
    let mut manifest = match config.get("api").and_then(Node::as_text) {
        Some(api) => named(api)?,
        None => Node::Object(Vec::new()),
    };
    match config.get("manifest") {
        Some(own) => manifest.merge(own.clone()),
        None if config.get("api").is_none() => return Err(nothing_said()),
        None => {}
    }
    let protocol: Rc<dyn Protocol> = Rc::new(Json);
    Manifest::read(&manifest, given(&config), &protocol)
}

fn named(api: &str) -> Result<Node> {
    let all = bundled::all();
    all.get(api).cloned().ok_or_else(|| {
        let names: Vec<&str> = all.members().iter().map(|(name, _)| name.as_str()).collect();
        failure(ErrorKind::Config, "api.name", &format!("there is no manifest `{api}` among `{}`", names.join("`, `")))
            .hint("write a manifest of your own and name its file: `manifest = \"crm.toml\"`")
    })
}

fn nothing_said() -> Box<Error> {
    failure(ErrorKind::Config, "api.name", "the connection does not say what the API is like").hint(
        "write `config = { api = \"hubspot\" }`, or `config = { manifest = \"crm.toml\" }` for an API of your own",
    )
}

export!(Plugin<HttpJson>: source, lookup, sink);

#[cfg(test)]
mod tests;
