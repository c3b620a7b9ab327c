//! Connections: a plugin, its configuration, and what it may reach.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::name::{ConnectionName, PluginName};
use super::paste::below;
use super::place::Place;
use super::secret::SecretRef;

mod http;
mod read;

pub use self::http::{
    Auth, AuthScheme, ClientAuth, Given, HttpGrant, JwtAlgorithm, JwtBearer, OAuth2, RESERVE_DEFAULT, RateHeaders,
    Reference, RequestBudget, TRANSPORT_HEADERS,
};
pub(super) use read::{path_of, read_config, read_connection, read_plugin, read_reference};

/// One configured instance of a plugin: `[connection.NAME]`.
#[derive(Clone, Debug)]
pub struct Connection {
    pub name: ConnectionName,
    pub plugin: PluginRef,
    /// An object; empty if the project says nothing.
    pub config: serde_json::Value,
    /// By alias.
    pub files: BTreeMap<String, FilesGrant>,
    /// By alias.
    pub sql: BTreeMap<String, SqlGrant>,
    /// By alias.
    pub http: BTreeMap<String, HttpGrant>,
    /// Of all requests by HTTP together.
    pub budget: RequestBudget,
    pub limits: LimitOverrides,
    /// Where the connection begins in the file.
    pub place: Place,
    /// Where `plugin` stands.
    pub plugin_place: Place,
    pub(super) config_places: BTreeMap<String, Place>,
}

/// Which plugin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PluginRef {
    /// One that comes with Lockstep.
    Bundled(PluginName),
    /// A file, as written; relative paths are relative to the project's folder.
    Path(PathBuf),
}

/// A folder a connection may read and write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesGrant {
    /// Absolute, or relative to the working directory like the project's folder itself.
    pub path: PathBuf,
    pub place: Place,
}

/// A database a connection may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlGrant {
    pub database: Database,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A URL, which holds a password more often than not and is therefore always a reference.
    Url(SecretRef),
    /// A database file. Absolute, or relative to the working directory like the project's folder itself.
    Path(PathBuf),
}

/// Scheme, host and port, in the one way they are compared: lower case, the port always there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    pub scheme: Scheme,
    /// A host name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Http,
    Https,
}

/// Limits a project sets for a connection; none = as the host has them. Whether they only go down is checked by the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    pub memory_bytes: Option<u64>,
    /// Processor time per call.
    pub cpu: Option<Duration>,
    /// Wall time per call.
    pub wall: Option<Duration>,
    pub page_rows: Option<u32>,
    pub page_bytes: Option<u64>,
}

impl Connection {
    /// Where a part of `config` stands, by JSON pointer (`/page_size`); the nearest part around it if that is unknown.
    pub fn config_place(&self, pointer: &str) -> &Place {
        let mut pointer = pointer;
        loop {
            match (self.config_places.get(pointer), pointer.rsplit_once('/')) {
                (Some(place), _) => return place,
                (None, Some((around, _))) => pointer = around,
                (None, None) => return &self.place,
            }
        }
    }
}

impl PluginRef {
    /// Where the plugin's file is; none for a bundled one.
    pub fn file(&self, project_dir: &Path) -> Option<PathBuf> {
        match self {
            Self::Bundled(_) => None,
            Self::Path(path) => Some(below(project_dir, path)),
        }
    }
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled(name) => name.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Without the port where it is the scheme's own.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Why a text is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    #[error("an origin begins with `https://` or `http://`")]
    Scheme,
    #[error("an origin ends behind the host and the port; paths belong to the plugin's config")]
    Path,
    #[error("an origin holds no user name and no password")]
    Credentials,
    #[error("the host is empty or holds a character no host has")]
    Host,
    #[error("the port is not a number between 1 and 65535")]
    Port,
}

impl std::str::FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = split_scheme(text).ok_or(OriginError::Scheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // Looked for first: a password may hold a slash.
        if rest.contains('@') {
            return Err(OriginError::Credentials);
        }
        if rest.contains(['/', '?', '#', '\\']) {
            return Err(OriginError::Path);
        }
        let (host, port) = split_port(rest);
        let port = match port {
            None => scheme.default_port(),
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(OriginError::Port)?,
        };
        let host = host.to_ascii_lowercase();
        if is_host(&host) { Ok(Self { scheme, host, port }) } else { Err(OriginError::Host) }
    }
}

fn split_scheme(text: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Some((Scheme::Http, rest)),
        "https" => Some((Scheme::Https, rest)),
        _ => None,
    }
}

/// The colons inside the brackets of an IPv6 address separate no port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, OriginError>) {
        assert_eq!(text.parse::<Origin>().map(|origin| origin.to_string()), expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn origins() {
        check("https://crm.example.com", Ok("https://crm.example.com"));
        check("HTTPS://CRM.Example.com:443/", Ok("https://crm.example.com"));
        check("http://localhost:8080", Ok("http://localhost:8080"));
        check("http://[::1]:8080", Ok("http://[::1]:8080"));
        check("http://[::1]", Ok("http://[::1]"));
        check("crm.example.com", Err(OriginError::Scheme));
        check("ftp://a", Err(OriginError::Scheme));
        check("https://a/b", Err(OriginError::Path));
        check("https://a?b", Err(OriginError::Path));
        check("https://u:p@a", Err(OriginError::Credentials));
        check("https://u:p/w@a", Err(OriginError::Credentials));
        check("https://", Err(OriginError::Host));
        check("https://a b", Err(OriginError::Host));
        check("https://[::1", Err(OriginError::Host));
        check("https://*.example.com", Err(OriginError::Host));
        check("https://a:0", Err(OriginError::Port));
        check("https://a:x", Err(OriginError::Port));
        check("https://a:65536", Err(OriginError::Port));
    }
}
