//! Where plugins come from: the ones built into this binary, and files.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::binary::{BinaryFault, BinaryReport};
use super::limits::Limits;
use super::manifest::Manifest;
use crate::error::{Code, Explain, codes};
use crate::project::PluginDigest;

/// Plugins built into the host: names and components.
pub type Bundled = &'static [(&'static str, &'static [u8])];

/// Where a plugin's bytes came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginOrigin {
    Bundled,
    Path(PathBuf),
}

/// A plugin whose binary was read and found fit to be compiled.
#[derive(Clone, Debug)]
pub struct PluginBinary {
    pub manifest: Manifest,
    pub digest: PluginDigest,
    pub origin: PluginOrigin,
    pub report: BinaryReport,
    pub(super) bytes: Cow<'static, [u8]>,
}

impl PluginBinary {
    fn read(name: &str, origin: PluginOrigin, bytes: Cow<'static, [u8]>, limits: &Limits) -> Result<Self, PluginError> {
        let fault = |fault: BinaryFault| PluginError::from_fault(name, fault);
        let report = BinaryReport::read(&bytes, limits).map_err(fault)?;
        report.check_interfaces().map_err(fault)?;
        let manifest_error = |reason: String| PluginError::Manifest { plugin: name.to_owned(), reason };
        let missing = || PluginError::ManifestMissing { plugin: name.to_owned() };
        let text = report.manifest.as_deref().ok_or_else(missing)?;
        let manifest = Manifest::parse(text).map_err(manifest_error)?;
        for capability in report.authority().capabilities() {
            if !manifest.capabilities.iter().any(|asked| asked == capability) {
                return Err(PluginError::ImportUnasked { plugin: manifest.label(), capability });
            }
        }
        check_exports(&manifest, &report).map_err(manifest_error)?;
        Ok(Self { manifest, digest: PluginDigest::of(&bytes), origin, report, bytes })
    }

    /// `csv@0.1.0`.
    pub fn label(&self) -> String {
        self.manifest.label()
    }
}

/// A manifest that says what the plugin exports must be right.
fn check_exports(manifest: &Manifest, report: &BinaryReport) -> Result<(), String> {
    let Some(said) = &manifest.exports else { return Ok(()) };
    let known: Vec<&str> = report.sides().collect();
    match (
        said.iter().find(|side| !known.contains(&side.as_str())),
        known.iter().find(|side| !said.iter().any(|s| s == *side)),
    ) {
        (Some(side), _) => Err(format!("it says `exports = [\"{side}\"]`, but the component has no `{side}`")),
        (None, Some(side)) => Err(format!("the component exports `{side}`, which `exports` does not name")),
        (None, None) => Ok(()),
    }
}

/// All plugins that can be named.
#[derive(Clone, Debug)]
pub struct Catalog {
    bundled: Bundled,
}

impl Catalog {
    pub fn new(bundled: Bundled) -> Self {
        Self { bundled }
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.bundled.iter().map(|(name, _)| *name)
    }

    /// A bundled plugin by name.
    pub fn bundled(&self, name: &str, limits: &Limits) -> Result<PluginBinary, PluginError> {
        let plugin = self.bundled.iter().find(|(bundled, _)| *bundled == name).ok_or_else(|| PluginError::Unknown {
            name: name.to_owned(),
            known: self.names().map(str::to_owned).collect(),
        })?;
        PluginBinary::read(name, PluginOrigin::Bundled, Cow::Borrowed(plugin.1), limits)
    }

    /// A plugin in memory; `name` stands in error messages.
    pub(super) fn from_bytes(name: &str, bytes: Vec<u8>, limits: &Limits) -> Result<PluginBinary, PluginError> {
        PluginBinary::read(name, PluginOrigin::Path(name.into()), Cow::Owned(bytes), limits)
    }

    /// A plugin in a file.
    pub fn from_path(&self, path: &Path, limits: &Limits) -> Result<PluginBinary, PluginError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| PluginError::Unreadable { path: name.clone(), error })?;
        PluginBinary::read(&name, PluginOrigin::Path(path.to_owned()), Cow::Owned(bytes), limits)
    }
}

/// Why a plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("there is no plugin `{name}`")]
    Unknown { name: String, known: Vec<String> },
    #[error("cannot read the plugin `{path}`")]
    Unreadable {
        path: String,
        #[source]
        error: std::io::Error,
    },
    #[error("`{plugin}` is not a plugin: {reason}")]
    NotComponent { plugin: String, reason: String },
    #[error("`{plugin}` has no section `lockstep:manifest`")]
    ManifestMissing { plugin: String },
    #[error("the manifest of `{plugin}` makes no sense: {reason}")]
    Manifest { plugin: String, reason: String },
    #[error("`{plugin}` imports `{import}`, which the host does not offer")]
    ImportDenied { plugin: String, import: String },
    #[error("`{plugin}` imports `{capability}`, which its manifest does not ask for")]
    ImportUnasked { plugin: String, capability: &'static str },
    #[error("`{plugin}` imports `{capability}`, which a transform must not")]
    ImpureTransform { plugin: String, capability: &'static str },
    #[error("`{plugin}` was built against another version of the contract: {reason}")]
    Abi { plugin: String, reason: String },
    #[error("`{plugin}` is too much to compile: {reason}")]
    TooBig { plugin: String, reason: String },
    #[error("`{plugin}` could not be compiled: {reason}")]
    Compile { plugin: String, reason: String },
    #[error("`{plugin}` does not export `{interface}`")]
    Export { plugin: String, interface: &'static str },
    #[error("{}the configuration of connection `{connection}` does not fit `{plugin}`: {reason}", at(.place))]
    Config {
        connection: String,
        plugin: String,
        /// JSON pointer into the configuration.
        pointer: String,
        reason: String,
        /// File and line, where known.
        place: Option<String>,
    },
    #[error("{}connection `{connection}` grants `{plugin}` no `{capability}` under the alias `{alias}`", at(.place))]
    Grant { connection: String, plugin: String, capability: String, alias: String, place: Option<String> },
    #[error("`{plugin}` is {found}, but {pinned} is pinned in `lockstep.lock`")]
    Digest { plugin: String, found: PluginDigest, pinned: PluginDigest },
    #[error("the plugin engine cannot be started: {0}")]
    Engine(String),
}

fn at(place: &Option<String>) -> String {
    place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default()
}

impl PluginError {
    pub(super) fn from_fault(name: &str, fault: BinaryFault) -> Self {
        let plugin = name.to_owned();
        match fault {
            BinaryFault::NotComponent(reason) => Self::NotComponent { plugin, reason },
            BinaryFault::TooBig(reason) => Self::TooBig { plugin, reason },
            BinaryFault::ImportDenied(import) => Self::ImportDenied { plugin, import },
            BinaryFault::Abi(interface) => Self::Abi { plugin, reason: format!("it speaks `{interface}`") },
        }
    }
}

impl Explain for PluginError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Unknown { .. } | Self::Unreadable { .. } => &codes::PLUGIN_UNKNOWN,
            Self::NotComponent { .. } => &codes::PLUGIN_NOT_COMPONENT,
            Self::Manifest { .. } | Self::ManifestMissing { .. } => &codes::PLUGIN_MANIFEST,
            Self::ImportDenied { .. } | Self::ImportUnasked { .. } | Self::ImpureTransform { .. } => {
                &codes::PLUGIN_IMPORT_DENIED
            }
            Self::Abi { .. } => &codes::PLUGIN_ABI,
            Self::TooBig { .. } => &codes::PLUGIN_TOO_BIG,
            Self::Compile { .. } => &codes::PLUGIN_COMPILE,
            Self::Export { .. } => &codes::PLUGIN_EXPORT,
            Self::Config { .. } => &codes::PLUGIN_CONFIG,
            Self::Grant { .. } => &codes::PLUGIN_GRANT,
            Self::Digest { .. } => &codes::PLUGIN_DIGEST,
            Self::Engine(_) => &codes::ENVIRONMENT,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unknown { known, .. } => vec![
                format!("the bundled plugins are {}", known.join(", ")),
                "a plugin of your own is named by its path, with a slash: `plugin = \"./my.wasm\"`".into(),
            ],
            Self::ManifestMissing { plugin } => vec![
                "the Rust SDK's `export!` embeds `plugin.toml`".into(),
                format!(
                    "a component of another tool: `lockstep plugin pack {plugin} --manifest plugin.toml -o packed.wasm`"
                ),
            ],
            Self::ImportUnasked { capability, .. } => {
                vec![format!("its author must add `{capability}` to `capabilities` in plugin.toml")]
            }
            Self::ImportDenied { .. } | Self::Abi { .. } => {
                vec!["its author must build it with the SDK of this version and the capabilities it offers".into()]
            }
            Self::NotComponent { plugin, .. } => {
                vec![
                    format!(
                        "build it anew for `wasm32-wasip2`; `lockstep explain LS0302` says how, `od -An -tx1 -N8 {plugin}` how it begins"
                    ),
                    "a file that came by a network may be damaged: get it again".into(),
                ]
            }
            Self::Manifest { plugin, reason } if reason.contains("no section") => {
                vec![format!("if it is yours: `lockstep plugin pack {plugin} --manifest plugin.toml -o packed.wasm`")]
            }
            Self::Config { plugin, .. } => {
                let name = plugin.split('@').next().unwrap_or(plugin);
                vec![format!("`lockstep plugin inspect {name}` prints what it takes")]
            }
            Self::Grant { connection, capability, alias, .. } => {
                let example = match capability.as_str() {
                    "files" => "{ path = \"data\" }",
                    "sql" => "{ url = \"env:DATABASE_URL\" }",
                    _ => "{ origin = \"https://api.example.com\" }",
                };
                vec![format!("add under [connection.{connection}]: `{capability}.{alias} = {example}`")]
            }
            Self::Digest { .. } => {
                vec![
                    "if the change is meant, remove the plugin's entry from lockstep.lock; the next run pins it anew"
                        .into(),
                ]
            }
            _ => Vec::new(),
        }
    }
}
