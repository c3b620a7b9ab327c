//! SOAP services and others that speak XML, as streams, each described by a manifest.
//!
//! What all plugins share whose services are described by a manifest stands in `lockstep-described`; what is this one's own is XML:
//! how documents become elements and elements documents, what a WSDL says about that, envelopes and faults. The README says what it
//! promises.

mod documents;
mod elements;
mod envelope;
mod options;
mod protocol;
mod schema;
mod value;
mod wsdl;
mod xml;

use std::cell::RefCell;
use std::rc::Rc;

use lockstep_described::manifest::{Manifest, given, settings};
use lockstep_described::{Connection, Described, Plugin, Protocol, Result, Say as _, failure};
use lockstep_plugin_sdk::config::RawConfig;
use lockstep_plugin_sdk::error::ErrorKind;
use lockstep_plugin_sdk::prelude::export;

/// The plugin.
pub struct Soap;

thread_local! {
    /// The settings that were read last, and what came of them: a WSDL takes long to read and is never given back.
    static KNOWN: RefCell<Option<(String, Rc<Manifest>)>> = const { RefCell::new(None) };
}

impl Described for Soap {
    fn connect(config: &RawConfig) -> Result<Connection> {
        let known = KNOWN.with_borrow(|known| match known {
            Some((settings, manifest)) if *settings == config.0 => Some(manifest.clone()),
            _ => None,
        });
        let manifest = match known {
            Some(manifest) => manifest,
            None => Rc::new(read_config(&config.0)?),
        };
        KNOWN.with_borrow_mut(|known| *known = Some((config.0.clone(), manifest.clone())));
        Connection::new(manifest)
    }
}

/// A connection's `config`, with the manifest and the WSDL it names.
fn read_config(json: &str) -> Result<Manifest> {
    let config = settings(json)?;
    let Some(manifest) = config.get("manifest") else {
        return Err(failure(ErrorKind::Config, "config", "the connection does not say what the service is like")
            .field("manifest")
            .hint("write `config = { manifest = \"erp.toml\", wsdl = \"erp.wsdl\" }`"));
    };
    let wsdl = documents::load(&config)?;
    let protocol: Rc<dyn Protocol> = Rc::new(protocol::Soap::new(wsdl, manifest)?);
    Manifest::read(manifest, given(&config), &protocol)
}

export!(Plugin<Soap>: source, lookup, sink);
