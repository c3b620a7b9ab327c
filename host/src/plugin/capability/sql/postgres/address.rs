//! Where a database is and who we are there: a URL, taken apart.
//!
//! The URL holds a password. It is never repeated, neither in errors nor in `Debug`; errors name parameters only.

use std::fmt;
use std::path::PathBuf;

use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::url::{DatabaseUrl, Host, Scheme, TlsMode, host, read_mode, read_port};

const PORT: u16 = 5432;
const SCHEME: Scheme = Scheme { names: &["postgres", "postgresql"], port: PORT };

/// Everything a URL says.
#[derive(Clone)]
pub(super) struct Address {
    /// Tried in this order.
    pub hosts: Vec<(Host, u16)>,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
    pub tls: TlsMode,
    /// Certificates to trust instead of the system's.
    pub authority: Option<PathBuf>,
    /// Further settings for the session, as `options` spells them.
    pub options: Option<String>,
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
    /// Reads `postgres://user:password@host:5432/database?sslmode=verify-full`. Several hosts are separated by commas; a
    /// Unix socket's folder stands percent-encoded in the place of a host, or in the parameter `host`.
    pub fn parse(url: &str, origin: &str) -> Result<Self, Failure> {
        read(url).map_err(|reason| {
            Failure::new(FailureKind::Config, &codes::PROJECT_VALUE, origin, reason)
                .with("hint", "a database URL looks like `postgres://user:password@host:5432/database`")
        })
    }
}

fn read(url: &str) -> Result<Address, String> {
    let DatabaseUrl { hosts, user, password, database, parameters: pairs } = SCHEME.read(url)?;
    let mut address = Address { hosts, user, password, database, tls: TlsMode::Prefer, authority: None, options: None };
    let mut parameters = Parameters::default();
    for (name, value) in pairs {
        parameters.apply(&mut address, &name, value)?;
    }
    parameters.finish(&mut address)?;
    finish(address)
}

fn finish(mut address: Address) -> Result<Address, String> {
    if address.user.is_empty() {
        return Err("the database URL names no user".into());
    }
    if address.hosts.is_empty() {
        return Err("the database URL names no host".into());
    }
    if address.database.is_empty() {
        address.database.clone_from(&address.user);
    }
    let texts = [&address.user, &address.database];
    let secret = address.password.iter().chain(&address.options);
    if texts.into_iter().chain(secret).any(|text| text.contains('\0')) {
        return Err("the database URL contains a NUL byte".into());
    }
    // With a certificate at hand, `require` verifies it, as every other client of PostgreSQL does.
    if address.authority.is_some() && address.tls == TlsMode::Require {
        address.tls = TlsMode::VerifyCa;
    }
    Ok(address)
}

/// Parameters that only make sense together.
#[derive(Default)]
struct Parameters {
    host: Option<String>,
    port: Option<String>,
}

impl Parameters {
    fn apply(&mut self, address: &mut Address, name: &str, value: String) -> Result<(), String> {
        match name {
            "sslmode" => address.tls = read_mode(&value)?,
            "sslrootcert" if value == "system" => address.authority = None,
            "sslrootcert" => address.authority = Some(PathBuf::from(value)),
            "host" => self.host = Some(value),
            "port" => self.port = Some(value),
            "user" => address.user = value,
            "password" => address.password = Some(value),
            "dbname" => address.database = value,
            "options" => address.options = Some(value),
            // The host sets these itself, or has no use for them.
            "application_name" | "connect_timeout" | "client_encoding" | "channel_binding" | "gssencmode" => {}
            _ => return Err(format!("the database URL has a parameter `{name}`, which is not supported")),
        }
        Ok(())
    }

    fn finish(self, address: &mut Address) -> Result<(), String> {
        if let Some(hosts) = self.host {
            address.hosts = hosts.split(',').map(|name| (host(name.to_owned()), PORT)).collect();
        }
        if let Some(ports) = self.port {
            let ports: Vec<u16> = ports.split(',').map(read_port).collect::<Result<_, _>>()?;
            let last = ports.last().copied().unwrap_or(PORT);
            let every = ports.into_iter().chain(std::iter::repeat(last));
            address.hosts.iter_mut().zip(every).for_each(|(host, port)| host.1 = port);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(url: &str) -> Result<Address, String> {
        Address::parse(url, "sql.main").map_err(|failure| failure.message)
    }

    fn name(name: &str, port: u16) -> (Host, u16) {
        (Host::Name(name.into()), port)
    }

    #[test]
    fn a_full_url_is_taken_apart() {
        let address =
            parse("postgresql://me:s%40cret%2F@db.example.com:5433/sales?sslmode=verify-full&options=-c%20a%3Db")
                .unwrap();
        assert_eq!(address.hosts, [name("db.example.com", 5433)]);
        assert_eq!((address.user.as_str(), address.password.as_deref()), ("me", Some("s@cret/")));
        assert_eq!((address.database.as_str(), address.tls), ("sales", TlsMode::VerifyFull));
        assert_eq!(address.options.as_deref(), Some("-c a=b"));
    }

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let address = parse("postgres://me@localhost").unwrap();
        assert_eq!(address.hosts, [name("localhost", 5432)]);
        assert_eq!((address.database.as_str(), address.password, address.tls), ("me", None, TlsMode::Prefer));
    }

    #[test]
    fn hosts_come_in_many_forms() {
        let hosts = |url: &str| parse(url).unwrap().hosts;
        assert_eq!(hosts("postgres://me@a:1,b,[::1]:3/d"), [name("a", 1), name("b", 5432), name("::1", 3)]);
        assert_eq!(hosts("postgres://me@%2Frun%2Fpg:7/d"), [(Host::Path("/run/pg".into()), 7)]);
        assert_eq!(hosts("postgres:///d?host=/run/pg&user=me&port=7"), [(Host::Path("/run/pg".into()), 7)]);
        assert_eq!(hosts("postgres://me@x/d?host=a,b&port=1,2"), [name("a", 1), name("b", 2)]);
    }

    #[test]
    fn an_authority_makes_require_verify() {
        let mode = |url: &str| parse(url).unwrap().tls;
        assert_eq!(mode("postgres://me@a/d?sslmode=require"), TlsMode::Require);
        assert_eq!(mode("postgres://me@a/d?sslmode=require&sslrootcert=/ca.pem"), TlsMode::VerifyCa);
        assert_eq!(mode("postgres://me@a/d?sslmode=disable&sslrootcert=/ca.pem"), TlsMode::Disable);
    }

    #[test]
    fn errors_never_repeat_the_url() {
        for url in [
            "mysql://me:canary@a/d",
            "postgres://:canary@a/d",
            "postgres://me:canary@/d",
            "postgres://me:canary@a:99999/d",
            "postgres://me:5/canary@a/d",
            "postgres://me:canary%zz@a/d",
            "postgres://me:canary%00@a/d",
            "postgres://me:canary@a/d?sslmode=canary",
            "postgres://me:canary@a/d?nonsense=canary",
            "postgres://me:canary@a/d?canary",
        ] {
            let failure = Address::parse(url, "sql.main").unwrap_err();
            assert!(!format!("{failure} {failure:?}").contains("canary"), "{failure:?}");
            assert_eq!(failure.kind, FailureKind::Config);
        }
        let address = parse("postgres://me:canary@a/d").unwrap();
        assert!(!format!("{address:?}").contains("canary"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(url in "(postgres://)?[-%a-z0-9:/@?&=,\\[\\]é]{0,60}") {
            let _ = parse(&url);
        }
    }
}
