//! A plugin as a connector: the traits of [`crate::connector`] on sandboxed instances.
//!
//! A call that ended regularly leaves its instance for the next one, unless it has grown too much; after a fault, or after nonsense,
//! the instance is dropped.
//! Readers, writers and transformers own theirs for as long as they live.

mod compare;
mod sink;
mod source;
mod transform;

use std::sync::{Arc, Mutex, PoisonError};

use super::bindings::exports;
use super::bindings::lockstep::plugin::types as wit;
use super::catalog::{PluginBinary, PluginError};
use super::engine::Runtime;
use super::grants::Grants;
use super::instance::{Blueprint, Guest, Surroundings};
use super::limits::Limits;
use crate::connector::Failure;
use crate::project::PluginDigest;
use crate::world::Clock;

/// One configured plugin.
#[derive(Clone)]
pub struct PluginConnector {
    inner: Arc<Inner>,
}

struct Inner {
    blueprint: Blueprint,
    digest: PluginDigest,
    /// The connection's `config` as JSON.
    config: String,
    interfaces: Interfaces,
    idle: Mutex<Vec<Guest>>,
}

/// What the plugin exports.
#[derive(Clone)]
struct Interfaces {
    source: Option<exports::source::GuestIndices>,
    lookup: Option<exports::lookup::GuestIndices>,
    compare: Option<exports::compare::GuestIndices>,
    sink: Option<exports::sink::GuestIndices>,
    transform: Option<exports::transform::GuestIndices>,
}

/// Instances kept for the next call of a connector.
const IDLE_MAX: usize = 2;

impl PluginConnector {
    /// A plugin that reads from or writes to a system within `grants`.
    pub fn system(
        runtime: &Runtime,
        binary: &PluginBinary,
        config: &serde_json::Value,
        grants: Grants,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PluginError> {
        let surroundings = grants.tape.clone().map_or(Surroundings::Real(clock), Surroundings::Taped);
        Self::new(runtime, binary, config, grants, limits, surroundings)
    }

    /// A plugin that transforms records. It gets no capability, no time and no chance; one that imports any is refused.
    pub fn transform(
        runtime: &Runtime,
        binary: &PluginBinary,
        config: &serde_json::Value,
        limits: Limits,
    ) -> Result<Self, PluginError> {
        if let Some(capability) = binary.report.authority().capabilities().find(|name| *name != "log") {
            return Err(PluginError::ImpureTransform { plugin: binary.label(), capability });
        }
        let connector = Self::new(runtime, binary, config, Grants::none("transform"), limits, Surroundings::Frozen)?;
        connector.require_transform()?;
        Ok(connector)
    }

    fn new(
        runtime: &Runtime,
        binary: &PluginBinary,
        config: &serde_json::Value,
        grants: Grants,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Result<Self, PluginError> {
        check_config(binary, config, &grants.connection)?;
        let blueprint = Blueprint::new(runtime, binary, grants, limits, surroundings)?;
        let interfaces = Interfaces::of(&blueprint, binary)?;
        let config = if config.is_null() { "{}".to_owned() } else { config.to_string() };
        let inner = Inner { blueprint, digest: binary.digest, config, interfaces, idle: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// `csv@0.1.0`.
    pub fn label(&self) -> &str {
        &self.inner.blueprint.plugin
    }

    /// Fails if a function it exports has other types than the contract's: that shows only in an instance.
    pub async fn check_exports(&self) -> Result<(), Failure> {
        let mut guest = self.checkout().await?;
        let interfaces = &self.inner.interfaces;
        guest
            .call("start", async |store, instance| {
                interfaces.source.as_ref().map(|found| found.load(&mut *store, instance)).transpose()?;
                interfaces.lookup.as_ref().map(|found| found.load(&mut *store, instance)).transpose()?;
                interfaces.compare.as_ref().map(|found| found.load(&mut *store, instance)).transpose()?;
                interfaces.sink.as_ref().map(|found| found.load(&mut *store, instance)).transpose()?;
                interfaces.transform.as_ref().map(|found| found.load(&mut *store, instance)).transpose()?;
                Ok(())
            })
            .await?;
        self.checkin(guest);
        Ok(())
    }

    /// The linear memory of the largest instance there has been, in bytes.
    pub fn memory_peak_bytes(&self) -> usize {
        self.inner.blueprint.memory_peak.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub fn digest(&self) -> PluginDigest {
        self.inner.digest
    }

    /// Fails if the plugin cannot be read from.
    pub fn require_source(&self) -> Result<(), PluginError> {
        self.require(self.inner.interfaces.source.is_some(), "source")
    }

    /// Fails if the plugin cannot be written to.
    pub fn require_sink(&self) -> Result<(), PluginError> {
        self.require(self.inner.interfaces.sink.is_some(), "sink")
    }

    fn require_transform(&self) -> Result<(), PluginError> {
        self.require(self.inner.interfaces.transform.is_some(), "transform")
    }

    fn require(&self, exported: bool, interface: &'static str) -> Result<(), PluginError> {
        if exported { Ok(()) } else { Err(PluginError::Export { plugin: self.label().to_owned(), interface }) }
    }

    async fn checkout(&self) -> Result<Guest, Failure> {
        let idle = self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(guest) => Ok(guest),
            None => self.inner.blueprint.instantiate().await,
        }
    }

    fn checkin(&self, guest: Guest) {
        if guest.is_worn() {
            return;
        }
        let mut idle = self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(guest);
        }
    }

    /// What the plugin answered: an error of its own is a regular answer.
    fn answer<T>(&self, answer: Result<T, wit::Error>) -> Result<T, Failure> {
        answer.map_err(|error| super::bindings::convert::failure(self.label(), error))
    }

    /// Calls that need an interface were checked when the sync was built; this is for those that were not.
    fn missing(&self, interface: &str) -> Failure {
        Failure::new(
            crate::connector::FailureKind::Config,
            &crate::error::codes::PLUGIN_EXPORT,
            self.label(),
            format!("the plugin does not export `{interface}`"),
        )
    }
}

impl Interfaces {
    fn of(blueprint: &Blueprint, binary: &PluginBinary) -> Result<Self, PluginError> {
        let pre = &blueprint.pre;
        let exports = |name| binary.report.exports_interface(name);
        let abi = |error: wasmtime::Error| PluginError::Abi { plugin: binary.label(), reason: format!("{error:#}") };
        Ok(Self {
            source: exports("source").then(|| exports::source::GuestIndices::new(pre)).transpose().map_err(abi)?,
            lookup: exports("lookup").then(|| exports::lookup::GuestIndices::new(pre)).transpose().map_err(abi)?,
            compare: exports("compare").then(|| exports::compare::GuestIndices::new(pre)).transpose().map_err(abi)?,
            sink: exports("sink").then(|| exports::sink::GuestIndices::new(pre)).transpose().map_err(abi)?,
            transform: exports("transform")
                .then(|| exports::transform::GuestIndices::new(pre))
                .transpose()
                .map_err(abi)?,
        })
    }
}

/// The manifest's schema is checked before any of the plugin's code runs.
fn check_config(binary: &PluginBinary, config: &serde_json::Value, connection: &str) -> Result<(), PluginError> {
    let Some(schema) = &binary.manifest.config else { return Ok(()) };
    let empty = serde_json::json!({});
    let config = if config.is_null() { &empty } else { config };
    let validator = jsonschema::validator_for(schema)
        .map_err(|error| PluginError::Manifest { plugin: binary.label(), reason: format!("[config]: {error}") })?;
    let Some(error) = validator.iter_errors(config).next() else { return Ok(()) };
    let pointer = error.instance_path().to_string();
    let shown = format!("config{}", pointer.replace('/', "."));
    Err(PluginError::Config {
        connection: connection.to_owned(),
        plugin: binary.label(),
        pointer,
        reason: format!("`{shown}`: {error}"),
        place: None,
    })
}
