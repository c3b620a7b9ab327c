//! Projects: files become typed, validated values, without any I/O beyond reading them; and the lock file.
//!
//! This module must not know plugins, stores or the command line: whether a plugin exists, a stream has that field or a limit is
//! too high is for others to say, with the [`Place`]s kept here. It keeps two promises: whoever holds a [`Project`] need not check
//! again what a project file can get wrong by itself, and no error and no value shows a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

mod connection;
mod error;
mod lineage;
mod lock;
mod name;
mod paste;
mod place;
mod reader;
mod secret;
mod sync;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod units;

pub use connection::{
    Auth, AuthScheme, ClientAuth, Connection, Database, FilesGrant, Given, HttpGrant, JwtAlgorithm, JwtBearer,
    LimitOverrides, OAuth2, Origin, OriginError, PluginRef, RESERVE_DEFAULT, RateHeaders, Reference, RequestBudget,
    Scheme, SqlGrant, TRANSPORT_HEADERS,
};
pub use error::{PROBLEMS_MAX, ProjectError, ProjectErrors};
pub use lineage::{EXPORT_TIMEOUT_DEFAULT, HttpTransport, OpenLineage, Transport};
pub use lock::{DigestError, LOCK_FILE, Lock, LockCheck, Pin, PluginDigest};
pub use name::{ConnectionName, NAME_BYTES_MAX, NameError, PluginName, SyncName, check_name};
pub use paste::shell_word;
pub use place::Place;
pub use secret::{NotAReference, SECRET_BYTES_MAX, Secret, SecretError, SecretRef};
pub use sync::{
    Archive, CLOCK_DOUBT_DEFAULT, ConflictPolicy, DEAD_LETTERS_MAX_DEFAULT, DeleteConflict, Deletes, Direction,
    Endpoint, Expression, ExpressionUse, FieldLine, FieldValue, Guard, HubColumn, HubDef, HubDeletes, HubEndpoint,
    HubField, MatchField, MatchRule, Matching, MirrorDef, Normaliser, OnExit, Others, Owner, Purpose, SchemaPolicy,
    ScoredRule, SyncDef, TOMBSTONES_DEFAULT, TransformRef,
};
pub use units::{UnitError, parse_duration, parse_size, write_duration, write_size};

use connection::read_connection;
use lineage::read_lineage;
use reader::{Entry, File, Read, Section};
use sync::{Known, check_between, read_sync, split_by_mode};

/// The project file's name.
pub const PROJECT_FILE: &str = "lockstep.toml";

/// The biggest project file: a thousand syncs with a hundred fields each fit easily.
const PROJECT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A project: what `lockstep.toml` says.
#[derive(Clone, Debug)]
pub struct Project {
    pub name: String,
    /// The folder of the project file, as it was named.
    pub dir: PathBuf,
    pub connections: BTreeMap<ConnectionName, Connection>,
    pub syncs: BTreeMap<SyncName, SyncDef>,
    /// To whom runs are told; none = to nobody.
    pub openlineage: Option<OpenLineage>,
    /// The syncs in the order of the file, for display.
    pub sync_order: Vec<SyncName>,
    /// The connections in the order of the file, for display.
    pub connection_order: Vec<ConnectionName>,
}

/// A secret the project refers to.
#[derive(Clone, Debug)]
pub struct SecretUse<'a> {
    pub reference: &'a SecretRef,
    /// The key that holds the reference: `connection.db.sql.main.url`.
    pub path: String,
    pub place: &'a Place,
}

impl Project {
    /// Reads `lockstep.toml` in a folder.
    pub fn load(dir: &Path) -> Result<Self, ProjectErrors> {
        let path = dir.join(PROJECT_FILE);
        let bytes = read_limited(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => missing(dir),
            _ => ProjectError::Unreadable { path: path.clone(), source },
        })?;
        let file = shown(&path);
        let text = std::str::from_utf8(&bytes).map_err(|error| not_utf8(&file, &bytes, error.valid_up_to()))?;
        Self::parse(text, dir, &file)
    }

    /// Reads a project from a text. Relative paths in it are relative to `dir`; `file` stands in error messages.
    pub fn parse(text: &str, dir: &Path, file: &str) -> Result<Self, ProjectErrors> {
        File::new(file, text).read(text, |top| read_project(top, dir))
    }

    pub fn syncs_in_order(&self) -> impl Iterator<Item = &SyncDef> {
        self.sync_order.iter().filter_map(|name| self.syncs.get(name))
    }

    pub fn connections_in_order(&self) -> impl Iterator<Item = &Connection> {
        self.connection_order.iter().filter_map(|name| self.connections.get(name))
    }

    /// Every plugin the project uses, once each, with a place where it is used.
    pub fn plugins(&self) -> Vec<(&PluginRef, &Place)> {
        let connections = self.connections_in_order().map(|connection| (&connection.plugin, &connection.plugin_place));
        let transforms = self.syncs_in_order().flat_map(SyncDef::transforms);
        let mut seen = BTreeSet::new();
        connections
            .chain(transforms.map(|transform| (&transform.plugin, &transform.place)))
            .filter(|(plugin, _)| seen.insert(*plugin))
            .collect()
    }

    /// Every reference to a secret.
    pub fn secrets(&self) -> impl Iterator<Item = SecretUse<'_>> {
        let databases = self.connections_in_order().flat_map(|connection| {
            connection.sql.iter().filter_map(|(alias, grant)| match &grant.database {
                Database::Url(reference) => {
                    Some(SecretUse::of_database(reference, &connection.name, alias, &grant.place))
                }
                Database::Path(_) => None,
            })
        });
        let requests = self.connections_in_order().flat_map(|connection| {
            let auths = connection.http.values().filter_map(|grant| grant.auth.as_ref());
            auths.flat_map(Auth::references).map(SecretUse::of_request)
        });
        databases.chain(requests).chain(self.openlineage.iter().filter_map(OpenLineage::secret))
    }
}

impl OpenLineage {
    /// The key of an HTTP consumer.
    pub fn secret(&self) -> Option<SecretUse<'_>> {
        let Transport::Http(HttpTransport { api_key: Some(reference), .. }) = &self.transport else { return None };
        Some(SecretUse { reference, path: "lineage.openlineage.api_key".to_owned(), place: &self.place })
    }
}

impl<'a> SecretUse<'a> {
    /// The URL of a database.
    pub fn of_database(
        reference: &'a SecretRef,
        connection: &ConnectionName,
        alias: &str,
        place: &'a Place,
    ) -> SecretUse<'a> {
        SecretUse { reference, path: format!("connection.{connection}.sql.{alias}.url"), place }
    }

    /// What a request needs.
    pub fn of_request(reference: &'a Reference) -> SecretUse<'a> {
        SecretUse { reference: &reference.secret, path: reference.path.clone(), place: &reference.place }
    }

    /// Follows the reference; an error says where in the project it stands.
    pub fn resolve(&self) -> Result<Secret, ProjectErrors> {
        self.reference.resolve().map_err(|source| {
            ProjectError::SecretUnresolved { place: self.place.clone(), path: self.path.clone(), source }.into()
        })
    }
}

fn read_project(top: &Section<'_>, dir: &Path) -> Read<Project> {
    let name = top.required("project", "[project]").and_then(|project| read_header(&project));
    let connections = tables(top, "connection", "[connection.files]");
    let syncs = tables(top, "sync", "[sync.customers]");
    let lineage = top.optional("lineage", "[lineage]").map(|lineage| read_lineage(&lineage, dir)).transpose();
    top.close(&[]);
    let (connection_entries, sync_entries) = (connections?, syncs?);
    let names: Vec<String> = connection_entries.iter().map(|entry| entry.key.clone()).collect();
    let (hubs, mirrors) = split_by_mode(&sync_entries);
    let known = Known { connections: &names, hubs: &hubs, mirrors: &mirrors };
    let connections: Vec<Read<Connection>> =
        connection_entries.iter().map(|entry| read_connection(entry, dir)).collect();
    let syncs: Vec<Read<SyncDef>> = sync_entries.iter().map(|entry| read_sync(entry, &known)).collect();
    let connections: Vec<Connection> = connections.into_iter().collect::<Read<_>>()?;
    let syncs: Vec<SyncDef> = syncs.into_iter().collect::<Read<_>>()?;
    check_between(&syncs, &sync_entries)?;
    Ok(Project {
        name: name?,
        dir: dir.to_owned(),
        openlineage: lineage?.flatten(),
        connection_order: connections.iter().map(|connection| connection.name.clone()).collect(),
        sync_order: syncs.iter().map(|sync| sync.name().clone()).collect(),
        connections: connections.into_iter().map(|connection| (connection.name.clone(), connection)).collect(),
        syncs: syncs.into_iter().map(|sync| (sync.name().clone(), sync)).collect(),
    })
}

fn read_header(entry: &Entry<'_>) -> Read<String> {
    let section = entry.section()?;
    let name = section.required("name", "name = \"acme\"").and_then(|name| {
        let text = name.text()?;
        check_name(text).map_err(|error| name.invalid(error_clause(&error)))?;
        Ok(text.to_owned())
    });
    section.close(&[]);
    name
}

fn error_clause(error: &NameError) -> String {
    format!("is no valid name: {error}")
}

/// The tables below one top-level key; none if it is not there.
fn tables<'a>(top: &Section<'a>, key: &'static str, example: &'static str) -> Read<Vec<Entry<'a>>> {
    match top.optional(key, example) {
        Some(entry) => Ok(entry.section()?.entries(example)),
        None => Ok(Vec::new()),
    }
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(PROJECT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PROJECT_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {}", write_size(PROJECT_BYTES_MAX)),
        ));
    }
    Ok(bytes)
}

/// Looks at the folders above, where people stand in a subfolder of their project.
fn missing(dir: &Path) -> ProjectError {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let nearby = absolute.ancestors().skip(1).find(|above| above.join(PROJECT_FILE).is_file());
    ProjectError::Missing { dir: dir.to_owned(), nearby: nearby.map(Path::to_owned) }
}

/// `lockstep.toml` rather than `./lockstep.toml`.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn not_utf8(file: &str, bytes: &[u8], valid_bytes: usize) -> ProjectError {
    let breaks = bytes.iter().take(valid_bytes).filter(|byte| **byte == b'\n').count();
    let place = Place::new(&file.into(), u32::try_from(breaks + 1).unwrap_or(u32::MAX));
    ProjectError::Syntax { place, message: "not valid UTF-8: save the file with that encoding".to_owned() }
}
