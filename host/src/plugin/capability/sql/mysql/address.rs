//! Where a database is and who we are there.

use std::fmt;
use std::path::PathBuf;

use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::url::{DatabaseUrl, Host, Scheme, TlsMode, host, read_mode};

const SCHEME: Scheme = Scheme { names: &["mysql", "mariadb"], port: 3306 };

/// Everything a URL says.
#[derive(Clone)]
pub(super) struct Address {
    /// Tried in this order.
    pub hosts: Vec<(Host, u16)>,
    pub user: String,
    pub password: Option<String>,
    /// Empty = none is chosen.
    pub database: String,
    pub tls: TlsMode,
    /// Certificates to trust instead of the system's.
    pub authority: Option<PathBuf>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("hosts", &self.hosts)
            .field("database", &self.database)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Address {
    /// Reads `mysql://user:password@host:3306/database?sslmode=verify-full`; `mariadb://` means the same. Several hosts are
    /// separated by commas; a Unix socket's path stands percent-encoded in the place of a host, or in the parameter `socket`.
    pub fn parse(url: &str, origin: &str) -> Result<Self, Failure> {
        read(url).map_err(|reason| {
            Failure::new(FailureKind::Config, &codes::PROJECT_VALUE, origin, reason)
                .with("hint", "a database URL looks like `mysql://user:password@host:3306/database`")
        })
    }
}

fn read(url: &str) -> Result<Address, String> {
    let DatabaseUrl { hosts, user, password, database, parameters } = SCHEME.read(url)?;
    let mut address = Address { hosts, user, password, database, tls: TlsMode::Prefer, authority: None };
    for (name, value) in parameters {
        apply(&mut address, &name, value)?;
    }
    finish(address)
}

/// The names of PostgreSQL's URLs, and those by which MySQL's and MariaDB's own clients call the same.
fn apply(address: &mut Address, name: &str, value: String) -> Result<(), String> {
    match name {
        "sslmode" | "ssl-mode" => address.tls = read_own_mode(&value)?,
        "sslrootcert" | "ssl-ca" if value == "system" => address.authority = None,
        "sslrootcert" | "ssl-ca" => address.authority = Some(PathBuf::from(value)),
        "socket" => address.hosts = vec![(host(value), SCHEME.port)],
        "user" => address.user = value,
        "password" => address.password = Some(value),
        // The host sets these itself.
        "charset" | "connect_timeout" => {}
        _ => return Err(format!("the database URL has a parameter `{name}`, which is not supported")),
    }
    Ok(())
}

/// `VERIFY_IDENTITY` is what MySQL's own client calls `verify-full`.
fn read_own_mode(value: &str) -> Result<TlsMode, String> {
    match value {
        "DISABLED" => Ok(TlsMode::Disable),
        "PREFERRED" => Ok(TlsMode::Prefer),
        "REQUIRED" => Ok(TlsMode::Require),
        "VERIFY_CA" => Ok(TlsMode::VerifyCa),
        "VERIFY_IDENTITY" => Ok(TlsMode::VerifyFull),
        other => read_mode(other),
    }
}

fn finish(mut address: Address) -> Result<Address, String> {
    if address.user.is_empty() {
        return Err("the database URL names no user".into());
    }
    if address.hosts.is_empty() {
        return Err("the database URL names no host".into());
    }
    let texts = [&address.user, &address.database].into_iter().chain(&address.password);
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err("the database URL contains a NUL byte".into());
    }
    // With a certificate at hand, `require` verifies it, as with PostgreSQL.
    if address.authority.is_some() && address.tls == TlsMode::Require {
        address.tls = TlsMode::VerifyCa;
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(url: &str) -> Result<Address, String> {
        Address::parse(url, "sql.main").map_err(|failure| failure.message)
    }

    #[test]
    fn a_full_url_is_taken_apart() {
        let address = parse("mariadb://me:s%40cret%2F@db.example.com:3307/sales?sslmode=verify-full&ssl-ca=/ca.pem");
        let address = address.unwrap();
        assert_eq!(address.hosts, [(Host::Name("db.example.com".into()), 3307)]);
        assert_eq!((address.user.as_str(), address.password.as_deref()), ("me", Some("s@cret/")));
        assert_eq!((address.database.as_str(), address.tls), ("sales", TlsMode::VerifyFull));
        assert_eq!(address.authority, Some("/ca.pem".into()));
    }

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let address = parse("mysql://me@localhost").unwrap();
        assert_eq!(address.hosts, [(Host::Name("localhost".into()), 3306)]);
        assert_eq!((address.database.as_str(), address.password, address.tls), ("", None, TlsMode::Prefer));
    }

    #[test]
    fn sockets_and_modes_have_two_spellings() {
        for url in ["mysql://me@%2Frun%2Fmysqld.sock/d", "mysql://me@/d?socket=/run/mysqld.sock"] {
            assert_eq!(parse(url).unwrap().hosts, [(Host::Path("/run/mysqld.sock".into()), 3306)]);
        }
        for (text, mode) in [("REQUIRED", TlsMode::Require), ("VERIFY_IDENTITY", TlsMode::VerifyFull)] {
            assert_eq!(parse(&format!("mysql://me@a/d?ssl-mode={text}")).unwrap().tls, mode);
        }
        assert_eq!(parse("mysql://me@a/d?sslmode=require&sslrootcert=/ca.pem").unwrap().tls, TlsMode::VerifyCa);
    }

    #[test]
    fn errors_never_repeat_the_url() {
        for url in [
            "postgres://me:canary@a/d",
            "mysql://:canary@a/d",
            "mysql://me:canary@/d",
            "mysql://me:canary@a:99999/d",
            "mysql://me:5/canary@a/d",
            "mysql://me:canary%zz@a/d",
            "mysql://me:canary%00@a/d",
            "mysql://me:canary@a/d?sslmode=canary",
            "mysql://me:canary@a/d?nonsense=canary",
            "mysql://me:canary@a/d?canary",
        ] {
            let failure = Address::parse(url, "sql.main").unwrap_err();
            assert!(!format!("{failure} {failure:?}").contains("canary"), "{failure:?}");
            assert_eq!(failure.kind, FailureKind::Config);
        }
        assert!(!format!("{:?}", parse("mysql://me:canary@a/d").unwrap()).contains("canary"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(url in "(mysql://)?[-%a-z0-9:/@?&=,\\[\\]é]{0,60}") {
            let _ = parse(&url);
        }
    }
}
