//! What the URLs of databases have in common: a user, a password, hosts, a database, parameters.
//!
//! A URL holds a password. It is never repeated: errors name parameters only, and what stands where a port should be may be a part
//! of a password.

use std::fmt;
use std::path::PathBuf;

/// How much TLS is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsMode {
    Disable,
    /// If the server can.
    Prefer,
    /// Encrypted, with whomever: what `require` means everywhere.
    Require,
    /// The certificate is of a known authority.
    VerifyCa,
    /// And it is of this host.
    VerifyFull,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    /// The path of a Unix socket, or of its folder.
    Path(PathBuf),
}

impl Host {
    /// As it stands in front of a port: an address of IPv6 in brackets, and this machine where a socket's path would stand.
    pub fn in_url(&self) -> String {
        match self {
            Self::Name(name) if name.contains(':') => format!("[{name}]"),
            Self::Name(name) => name.to_lowercase(),
            Self::Path(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// How the URLs of one kind of database look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scheme {
    /// What they may begin with, the usual one first.
    pub names: &'static [&'static str],
    pub port: u16,
}

/// A URL, taken apart. What it leaves out is empty.
pub(super) struct DatabaseUrl {
    /// Tried in this order.
    pub hosts: Vec<(Host, u16)>,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
    pub parameters: Vec<(String, String)>,
}

impl Scheme {
    /// Reads `name://user:password@host:port/database?name=value&…`. Several hosts are separated by commas; a Unix socket stands
    /// percent-encoded in the place of a host.
    pub fn read(&self, url: &str) -> Result<DatabaseUrl, String> {
        let usual = self.names.first().copied().unwrap_or_default();
        let (_, rest) = url
            .split_once("://")
            .filter(|(name, _)| self.names.contains(name))
            .ok_or_else(|| format!("the database URL does not begin with `{usual}://`"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(decode(password)?)),
            None => (credentials, None),
        };
        let parameters = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').ok_or("a parameter of the database URL has no value")?;
            Ok((decode(name)?, decode(value)?))
        });
        Ok(DatabaseUrl {
            hosts: self.read_hosts(hosts)?,
            user: decode(user)?,
            password,
            database: decode(database)?,
            parameters: parameters.collect::<Result<_, String>>()?,
        })
    }

    fn read_hosts(&self, text: &str) -> Result<Vec<(Host, u16)>, String> {
        text.split(',').filter(|part| !part.is_empty()).map(|part| self.read_host(part)).collect()
    }

    /// `db.example.com`, `db.example.com:5433`, `[::1]:5433`, `%2Ftmp`.
    fn read_host(&self, text: &str) -> Result<(Host, u16), String> {
        let (name, rest) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or("the database URL has an address without its closing bracket")?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some("") | None => self.port,
            Some(port) => read_port(port)?,
        };
        Ok((host(decode(name)?), port))
    }
}

/// The value of `sslmode`.
pub(super) fn read_mode(value: &str) -> Result<TlsMode, String> {
    Ok(match value {
        "disable" => TlsMode::Disable,
        "allow" | "prefer" => TlsMode::Prefer,
        "require" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" => TlsMode::VerifyFull,
        _ => {
            return Err("the parameter `sslmode` is not one of disable, prefer, require, verify-ca, verify-full".into());
        }
    })
}

pub(super) fn host(name: String) -> Host {
    if name.starts_with('/') { Host::Path(PathBuf::from(name)) } else { Host::Name(name) }
}

pub(super) fn read_port(text: &str) -> Result<u16, String> {
    // What stands there may be a part of a password with a `/` or `@` in it: it is not repeated.
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        "the database URL has a port that is not a number up to 65535; characters such as `/` and `@` in a password are \
         written `%2F` and `%40`"
            .to_owned()
    })
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, String> {
    let broken = || "the database URL has a broken percent-encoding".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(broken);
        let (high, low) = (digit()?, digit()?);
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

/// Whether the way to this host leads through nobody else's hands.
pub(super) fn is_local(host: &Host) -> bool {
    match host {
        Host::Path(_) => true,
        Host::Name(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}
