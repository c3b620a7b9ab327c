//! Turns a project into syncs that can run: plugins loaded and checked against the lock, grants and secrets resolved, connectors
//! made. Only what a command needs is loaded.
//!
//! It knows everything below the command line and nothing of it.

mod config_files;
mod datasets;
mod grants;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::datasets::job;
use self::grants::Grantor;
use crate::connector::PageLimits;
use crate::error::{Error, Result};
use crate::plugin::{
    Access, Bundled, Catalog, Grants, LimitWish, Limits, PluginBinary, PluginConnector, PluginError, Runtime,
};
use crate::project::{
    ConflictPolicy, Connection, ConnectionName, HubDef, LimitOverrides, Lock, LockCheck, MirrorDef, Pin, PluginRef,
    Project, TransformRef,
};
use crate::store::PluginUse;
use crate::sync::{Hub, HubEnd, Mirror, Parent, SourceEnd, TargetEnd, TransformEnd};
use crate::world::World;

/// A project with its plugins.
pub struct Assembly {
    project: Arc<Project>,
    runtime: Runtime,
    catalog: Catalog,
    world: World,
    grantor: Grantor,
    lock: Lock,
    binaries: HashMap<PluginRef, PluginBinary>,
    connectors: HashMap<ConnectionName, PluginConnector>,
    notes: Vec<String>,
}

/// What a connection's plugin is called with.
pub struct Parts {
    pub binary: PluginBinary,
    pub config: serde_json::Value,
    pub grants: Grants,
    pub limits: Limits,
}

/// What a connection's plugin may reach, and within which limits.
pub struct Reach {
    pub binary: PluginBinary,
    /// Without credentials.
    pub grants: Grants,
    pub limits: Limits,
}

impl Assembly {
    /// Compiled plugins are kept in `cache_dir`; `access` is to everything the project grants that lies in files.
    pub fn new(
        project: Arc<Project>,
        bundled: Bundled,
        cache_dir: PathBuf,
        world: World,
        access: Access,
    ) -> Result<Self> {
        let lock = Lock::load(&project.dir)?;
        Ok(Self {
            runtime: Runtime::new(cache_dir, Limits::default())?,
            catalog: Catalog::new(bundled),
            grantor: Grantor::new(&project.dir, access, world.clone()),
            project,
            world,
            lock,
            binaries: HashMap::new(),
            connectors: HashMap::new(),
            notes: Vec::new(),
        })
    }

    pub fn project(&self) -> &Arc<Project> {
        &self.project
    }

    /// What a person may want to know about the plugins, once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// A mirror with everything it runs on.
    pub fn mirror(&mut self, sync: &MirrorDef) -> Result<Mirror> {
        let source = self.connector(&sync.source.connection)?;
        source.require_source()?;
        let target = self.connector(&sync.target.connection)?;
        target.require_sink()?;
        let mut transforms = Vec::with_capacity(sync.transforms.len());
        for transform in &sync.transforms {
            let connector = self.transform(transform)?;
            let plugin = plugin_use("transform", &connector);
            transforms.push(TransformEnd { connector: Arc::new(connector), plugin });
        }
        let page = self.page_limits(&sync.source.connection);
        let source_plugin = plugin_use("source", &source);
        let target_plugin = plugin_use("sink", &target);
        let readable = target.require_source().is_ok();
        let target = Arc::new(target);
        Ok(Mirror {
            def: sync.clone(),
            source: SourceEnd { connector: Arc::new(source), plugin: source_plugin },
            transforms,
            target: TargetEnd {
                source: readable.then(|| target.clone() as Arc<dyn crate::connector::Source>),
                sink: target,
                plugin: target_plugin,
            },
            page,
        })
    }

    /// A hub with everything it runs on.
    pub fn hub(&mut self, sync: &HubDef) -> Result<Hub> {
        let mut ends = Vec::with_capacity(sync.endpoints.len());
        let mut page = PageLimits { rows: u32::MAX, bytes: u64::MAX };
        for endpoint in &sync.endpoints {
            let connector = self.connector(&endpoint.connection)?;
            if endpoint.direction.reads() {
                connector.require_source()?;
            }
            if endpoint.direction.writes() {
                connector.require_sink()?;
            }
            let limits = self.page_limits(&endpoint.connection);
            page = PageLimits { rows: page.rows.min(limits.rows), bytes: page.bytes.min(limits.bytes) };
            let plugin = plugin_use(&endpoint.name, &connector);
            let (readable, writable) = (connector.require_source().is_ok(), endpoint.direction.writes());
            let reports_times = self.reports_times(&endpoint.connection)?;
            let connector = Arc::new(connector);
            ends.push(HubEnd {
                source: readable.then(|| connector.clone() as Arc<dyn crate::connector::Source>),
                sink: writable.then_some(connector as Arc<dyn crate::connector::Sink>),
                plugin,
                reports_times,
            });
        }
        let mut resolvers = HashMap::new();
        for field in &sync.fields {
            if let ConflictPolicy::Resolver(resolver) = &field.conflict {
                let connector: Arc<dyn crate::connector::Transform> = Arc::new(self.transform(resolver)?);
                resolvers.insert(field.name.clone(), connector);
            }
        }
        let parents = sync.fields.iter().filter_map(|field| {
            let parent = self.project.syncs.get(field.reference.as_ref()?)?.as_hub()?;
            let end = |endpoint| parent.referred_by(endpoint).map(|end| end.name.clone());
            let endpoints = sync.endpoints.iter().map(end).collect();
            Some((field.name.clone(), Parent { sync: parent.name.to_string(), endpoints }))
        });
        Ok(Hub { parents: parents.collect(), def: sync.clone(), ends, resolvers, page })
    }

    /// Whether a connection's plugin says of each record when it was changed, without being told where that stands.
    fn reports_times(&mut self, connection: &ConnectionName) -> Result<bool> {
        let plugin = self.project.connections.get(connection).map(|connection| connection.plugin.clone());
        let Some(plugin) = plugin else { return Ok(false) };
        let manifest = self.binary(&plugin)?.manifest;
        Ok(manifest.source.get("reports-times").and_then(serde_json::Value::as_bool).unwrap_or(false))
    }

    fn transform(&mut self, transform: &TransformRef) -> Result<PluginConnector> {
        let binary = self.binary(&transform.plugin)?;
        let limits = self.runtime.limits().clone();
        PluginConnector::transform(&self.runtime, &binary, &transform.config, limits)
            .map_err(|error| at(error, || transform.place.to_string()))
    }

    /// A connection's plugin, ready to be called.
    pub fn connector(&mut self, name: &ConnectionName) -> Result<PluginConnector> {
        if let Some(connector) = self.connectors.get(name) {
            return Ok(connector.clone());
        }
        let parts = self.parts(name, None)?;
        let clock = self.world.clock.clone();
        let Parts { binary, config, grants, limits } = parts;
        let connector = PluginConnector::system(&self.runtime, &binary, &config, grants, limits, clock)
            .map_err(|error| self.connections_place(name, error))?;
        self.connectors.insert(name.clone(), connector.clone());
        Ok(connector)
    }

    /// What a connection's plugin is called with. `binary` takes the place of the plugin that the project names, and need not be pinned.
    pub fn parts(&mut self, name: &ConnectionName, binary: Option<PluginBinary>) -> Result<Parts> {
        let project = self.project.clone();
        let Some(connection) = project.connections.get(name) else {
            return Err(PluginError::Unknown { name: name.to_string(), known: Vec::new() }.into());
        };
        let binary = match binary {
            Some(binary) => binary,
            None => self.binary(&connection.plugin)?,
        };
        check_grants(connection, &binary)?;
        let grants = self.grantor.grants(connection)?;
        let limits = self.runtime.limits().lowered(&wish(&connection.limits));
        let schema = binary.manifest.config.as_ref();
        let config =
            config_files::with_files(&connection.config, schema, &project.dir).map_err(|(pointer, reason)| {
                let (connection_name, plugin) = (connection.name.to_string(), binary.label());
                let error = PluginError::Config { connection: connection_name, plugin, pointer, reason, place: None };
                config_place(error, connection)
            })?;
        Ok(Parts { binary, config: config.into_owned(), grants, limits })
    }

    /// What a connection may reach, as a run would have it, for whoever has none of its credentials.
    pub fn reach(&mut self, connection: &Connection) -> Result<Reach> {
        let binary = self.binary(&connection.plugin)?;
        let grants = self.grantor.without_credentials(connection)?;
        let limits = self.runtime.limits().lowered(&wish(&connection.limits));
        Ok(Reach { binary, grants, limits })
    }

    fn connections_place(&self, name: &ConnectionName, error: PluginError) -> Error {
        match self.project.connections.get(name) {
            Some(connection) => config_place(error, connection),
            None => error.into(),
        }
    }

    /// What the project has pinned of a plugin.
    pub fn pinned(&self, plugin: &PluginRef) -> Option<&Pin> {
        self.lock.pins().find(|pin| pin.plugin == *plugin)
    }

    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// A plugin's binary, read and found to be the one pinned.
    pub fn binary(&mut self, plugin: &PluginRef) -> Result<PluginBinary> {
        if let Some(binary) = self.binaries.get(plugin) {
            return Ok(binary.clone());
        }
        let limits = self.runtime.limits();
        let binary = match plugin {
            PluginRef::Bundled(name) => self.catalog.bundled(name.as_str(), limits)?,
            PluginRef::Path(path) => self.catalog.from_path(&self.project.dir.join(path), limits)?,
        };
        self.check_lock(plugin, &binary)?;
        self.binaries.insert(plugin.clone(), binary.clone());
        Ok(binary)
    }

    /// A plugin that is not the one pinned is refused, unless it came with Lockstep itself and was updated with it.
    fn check_lock(&mut self, plugin: &PluginRef, binary: &PluginBinary) -> Result<()> {
        let note = match (self.lock.check(plugin, &binary.digest), plugin) {
            (LockCheck::Same, _) => return Ok(()),
            (LockCheck::New, _) => None,
            (LockCheck::Differs { pinned }, PluginRef::Bundled(_)) => {
                Some(format!("the bundled plugin {} replaces {}@{}", binary.label(), pinned.name, pinned.version))
            }
            (LockCheck::Differs { pinned }, PluginRef::Path(_)) => {
                let pinned = pinned.digest;
                return Err(PluginError::Digest { plugin: binary.label(), found: binary.digest, pinned }.into());
            }
        };
        self.notes.extend(note);
        self.lock.pin(Pin {
            plugin: plugin.clone(),
            name: binary.manifest.name.to_string(),
            version: binary.manifest.version.clone(),
            digest: binary.digest,
        });
        Ok(())
    }

    /// Writes the lock file, without plugins the project no longer uses.
    pub fn save_lock(&mut self) -> Result<()> {
        let used = self.project.plugins();
        self.lock.retain(|plugin| used.iter().any(|(used, _)| *used == plugin));
        Ok(self.lock.save(&self.project.dir)?)
    }

    fn page_limits(&self, connection: &ConnectionName) -> PageLimits {
        let overrides = self.project.connections.get(connection).map(|connection| connection.limits);
        let limits = self.runtime.limits().lowered(&wish(&overrides.unwrap_or_default()));
        PageLimits { rows: limits.page_rows, bytes: limits.page_bytes }
    }
}

fn plugin_use(role: &str, connector: &PluginConnector) -> PluginUse {
    let digest = connector.digest().to_string();
    let digest = digest.strip_prefix("sha256:").unwrap_or(&digest).to_owned();
    PluginUse { role: role.to_owned(), label: connector.label().to_owned(), digest }
}

fn wish(overrides: &LimitOverrides) -> LimitWish {
    LimitWish {
        cpu_per_call: overrides.cpu,
        wall_per_call: overrides.wall,
        memory_bytes: overrides.memory_bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        page_rows: overrides.page_rows,
        page_bytes: overrides.page_bytes,
    }
}

/// Every alias the plugin says it uses must be granted: better now than in the middle of the night.
fn check_grants(connection: &Connection, binary: &PluginBinary) -> Result<(), PluginError> {
    for (capability, aliases) in &binary.manifest.aliases {
        let granted = |alias: &str| match capability.as_str() {
            "files" => connection.files.contains_key(alias),
            "sql" => connection.sql.contains_key(alias),
            "http" => connection.http.contains_key(alias),
            _ => true,
        };
        if let Some(alias) = aliases.iter().find(|alias| !granted(alias)) {
            return Err(PluginError::Grant {
                connection: connection.name.to_string(),
                plugin: binary.label(),
                capability: capability.clone(),
                alias: alias.clone(),
                place: Some(connection.place.to_string()),
            });
        }
    }
    Ok(())
}

/// Where in the project file a configuration is wrong.
fn config_place(error: PluginError, connection: &Connection) -> Error {
    let place = match &error {
        PluginError::Config { pointer, .. } => connection.config_place(pointer).to_string(),
        _ => connection.plugin_place.to_string(),
    };
    at(error, || place)
}

fn at(error: PluginError, place: impl FnOnce() -> String) -> Error {
    match error {
        PluginError::Config { connection, plugin, pointer, reason, .. } => {
            PluginError::Config { connection, plugin, pointer, reason, place: Some(place()) }.into()
        }
        other => other.into(),
    }
}
