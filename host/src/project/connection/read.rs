//! Reads `[connection.NAME]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Connection, Database, FilesGrant, LimitOverrides, PluginRef, SqlGrant};
use crate::project::name::ConnectionName;
use crate::project::paste::below;
use crate::project::place::Place;
use crate::project::reader::{Entry, Read, Section};
use crate::project::secret::{NotAReference, SecretRef};

mod http;

use http::{BUDGET_EXAMPLE, read_budget, read_http};

const EXAMPLE: &str = "plugin = \"csv\"";

const FILES_EXAMPLE: &str = "files.data = { path = \"data\" }";
const SQL_EXAMPLE: &str = "sql.main = { url = \"env:DATABASE_URL\" }";
const HTTP_EXAMPLE: &str = "http.api = { origin = \"https://crm.example.com\" }";
const LIMITS_EXAMPLE: &str = "limits = { memory = \"64MiB\", cpu = \"5s\" }";

/// Configuration keys nobody uses for anything but a secret.
const SECRET_KEYS: [&str; 10] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "client_secret",
    "api_key",
    "apikey",
    "access_token",
    "auth_token",
    "private_key",
];

pub(in crate::project) fn read_connection(entry: &Entry<'_>, dir: &Path) -> Read<Connection> {
    let section = entry.section()?;
    let name = entry.name();
    let plugin_entry = section.required("plugin", EXAMPLE);
    let plugin_place = plugin_entry.as_ref().map_or_else(|_| entry.place.clone(), |plugin| plugin.place.clone());
    let plugin = plugin_entry.and_then(|plugin| read_plugin(&plugin));
    let config = section.optional("config", "config = { delimiter = \";\" }");
    let mut config_places = BTreeMap::new();
    let config = read_config(config.as_ref(), &mut config_places);
    let files = read_aliases(&section, "files", FILES_EXAMPLE, |entry| read_files(entry, dir));
    let sql = read_aliases(&section, "sql", SQL_EXAMPLE, |entry| read_sql(entry, dir));
    let http = read_aliases(&section, "http", HTTP_EXAMPLE, |entry| read_http(entry, dir));
    let budget = section.optional("budget", BUDGET_EXAMPLE).map(|budget| read_budget(&budget)).transpose();
    let limits = section.optional("limits", LIMITS_EXAMPLE).map(|limits| read_limits(&limits)).transpose();
    section.close(&[]);
    Ok(Connection {
        name: name?,
        plugin: plugin?,
        config: config?,
        files: files?,
        sql: sql?,
        http: http?,
        budget: budget?.unwrap_or_default(),
        limits: limits?.unwrap_or_default(),
        place: entry.place.clone(),
        plugin_place,
        config_places,
    })
}

/// A name, or a path: what holds a `/` or ends in `.wasm`.
pub(in crate::project) fn read_plugin(entry: &Entry<'_>) -> Read<PluginRef> {
    let text = entry.filled_text()?;
    if is_registry_reference(text) {
        return Err(entry.not_yet("names a plugin in a registry"));
    }
    if text.contains('/') || text.ends_with(".wasm") {
        return path_of(entry).map(PluginRef::Path);
    }
    entry.parsed().map(PluginRef::Bundled)
}

/// `oci://…`, `ghcr.io/acme/crm:1.2`, `ghcr.io/acme/crm@sha256:…`.
fn is_registry_reference(text: &str) -> bool {
    let tagged = text.rsplit_once('/').is_some_and(|(_, name)| name.contains(':') || name.contains('@'));
    text.starts_with("oci:") || (tagged && !text.ends_with(".wasm"))
}

/// Notes down where every part stands, by JSON pointer, and refuses what is plainly a secret.
pub(in crate::project) fn read_config(
    entry: Option<&Entry<'_>>,
    places: &mut BTreeMap<String, Place>,
) -> Read<serde_json::Value> {
    let Some(entry) = entry else {
        return Ok(serde_json::Value::Object(serde_json::Map::new()));
    };
    entry.section()?;
    let clean = read_config_part(entry, String::new(), places);
    let value = entry.json();
    clean.and(value)
}

fn read_config_part(entry: &Entry<'_>, pointer: String, places: &mut BTreeMap<String, Place>) -> Read<()> {
    let mut clean = refuse_secret(entry);
    let is_table = entry.as_section().is_some();
    for (number, child) in entry.children().iter().enumerate() {
        let step = if is_table { child.key.replace('~', "~0").replace('/', "~1") } else { number.to_string() };
        clean = read_config_part(child, format!("{pointer}/{step}"), places).and(clean);
    }
    places.insert(pointer, entry.place.clone());
    clean
}

fn refuse_secret(entry: &Entry<'_>) -> Read<()> {
    let Some(text) = entry.as_text() else { return Ok(()) };
    let key = entry.key.to_ascii_lowercase().replace('-', "_");
    if !SECRET_KEYS.contains(&key.as_str()) && !holds_password(text) {
        return Ok(());
    }
    Err(entry.secret_value(vec![
        "a plugin never sees a credential: give it to a grant, which the host uses for the plugin".to_owned(),
        format!("for example `{SQL_EXAMPLE}`"),
    ]))
}

/// `scheme://user:password@host`.
fn holds_password(text: &str) -> bool {
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

/// A table of grants by alias. Every grant is read, whatever is wrong with the others.
fn read_aliases<T>(
    section: &Section<'_>,
    key: &'static str,
    example: &'static str,
    read: impl Fn(&Entry<'_>) -> Read<T>,
) -> Read<BTreeMap<String, T>> {
    let Some(entry) = section.optional(key, example) else {
        return Ok(BTreeMap::new());
    };
    let grants: Vec<Read<(String, T)>> =
        entry.section()?.entries(example).iter().map(|grant| read_alias(grant, &read)).collect();
    grants.into_iter().collect()
}

fn read_alias<T>(entry: &Entry<'_>, read: impl Fn(&Entry<'_>) -> Read<T>) -> Read<(String, T)> {
    // An alias follows the rule of names, but is no more than a text to those who use it.
    let name = entry.name::<ConnectionName>();
    let value = read(entry);
    Ok((name?.to_string(), value?))
}

fn read_files(entry: &Entry<'_>, dir: &Path) -> Read<FilesGrant> {
    let section = entry.section()?;
    let path = section.required("path", FILES_EXAMPLE).and_then(|path| path_of(&path));
    section.close(&[]);
    Ok(FilesGrant { path: below(dir, &path?), place: entry.place.clone() })
}

fn read_sql(entry: &Entry<'_>, dir: &Path) -> Read<SqlGrant> {
    if entry.as_text().is_some() {
        return Err(entry.secret_value(url_hints()));
    }
    let section = entry.section()?;
    let url = section.optional("url", SQL_EXAMPLE);
    let path = section.optional("path", "sql.main = { path = \"copy.db\" }");
    section.close(&[]);
    let database = match (url, path) {
        (Some(url), None) => read_url(&url, dir).map(Database::Url),
        (None, Some(path)) => path_of(&path).map(|path| Database::Path(below(dir, &path))),
        (Some(_), Some(_)) => Err(entry.invalid("must have either `url` or `path`, found both")),
        (None, None) => Err(entry.invalid("must have either `url` or `path`, found neither")),
    };
    Ok(SqlGrant { database: database?, place: entry.place.clone() })
}

/// Even a URL without a password is a reference: one rule is kept more easily than one with exceptions.
fn read_url(entry: &Entry<'_>, dir: &Path) -> Read<SecretRef> {
    read_reference(entry, dir, url_hints)
}

/// A reference to a secret; `hints` are for those who write the secret itself.
pub(in crate::project) fn read_reference(
    entry: &Entry<'_>,
    dir: &Path,
    hints: impl FnOnce() -> Vec<String>,
) -> Read<SecretRef> {
    SecretRef::parse(entry.filled_text()?, dir).map_err(|error| match error {
        NotAReference::Literal => entry.secret_value(hints()),
        NotAReference::VariableName => entry.invalid("must name an environment variable behind `env:`"),
        NotAReference::EmptyPath => entry.invalid("must name a file behind `file:`"),
        NotAReference::CommandLine => entry.invalid("must name a program behind `command:`, with every quote closed"),
    })
}

fn url_hints() -> Vec<String> {
    vec![
        "put the URL into an environment variable and write `url = \"env:DATABASE_URL\"`".to_owned(),
        "or into a file only you can read and write `url = \"file:secrets/database-url\"`".to_owned(),
    ]
}

fn read_limits(entry: &Entry<'_>) -> Read<LimitOverrides> {
    let section = entry.section()?;
    let size = |key, example| section.optional(key, example).map(|size| at_least_one(&size, size.size())).transpose();
    let time = |key, example| section.optional(key, example).map(|time| time_limit(&time)).transpose();
    let memory_bytes = size("memory", "memory = \"64MiB\"");
    let page_bytes = size("page_bytes", "page_bytes = \"4MiB\"");
    let cpu = time("cpu", "cpu = \"5s\"");
    let wall = time("wall", "wall = \"30s\"");
    let rows = section.optional("page_rows", "page_rows = 5000");
    let page_rows = rows.map(|rows| rows.whole_number(1..=u64::from(u32::MAX))).transpose();
    section.close(&[]);
    Ok(LimitOverrides {
        memory_bytes: memory_bytes?,
        cpu: cpu?,
        wall: wall?,
        page_rows: page_rows?.and_then(|rows| u32::try_from(rows).ok()),
        page_bytes: page_bytes?,
    })
}

fn at_least_one(entry: &Entry<'_>, size: Read<u64>) -> Read<u64> {
    match size? {
        0 => Err(entry.invalid("must be more than nothing")),
        bytes => Ok(bytes),
    }
}

fn time_limit(entry: &Entry<'_>) -> Read<std::time::Duration> {
    let limit = entry.duration()?;
    if limit.is_zero() { Err(entry.invalid("must be more than nothing")) } else { Ok(limit) }
}

/// A path that can exist; relative to what is for the caller to say.
pub(in crate::project) fn path_of(entry: &Entry<'_>) -> Read<PathBuf> {
    let text = entry.filled_text()?;
    if text.contains('\0') { Err(entry.invalid("holds a zero byte")) } else { Ok(PathBuf::from(text)) }
}
