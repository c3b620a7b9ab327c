//! Which server it is, and what follows from that.

use std::fmt;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Product {
    #[default]
    Mysql,
    Mariadb,
}

/// What a session knows of its server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    pub product: Product,
    version: String,
    /// The longest packet it takes, in bytes.
    pub packet_bytes_max: usize,
}

impl Server {
    /// `version` as the server says it: `10.11.19-MariaDB-0+deb12u1`, `8.0.36`.
    pub fn new(version: &str, packet_bytes_max: usize) -> Self {
        let product = if version.contains("MariaDB") { Product::Mariadb } else { Product::Mysql };
        // In front of its own version, MariaDB shows another one to old clients.
        let own = version.strip_prefix("5.5.5-").filter(|_| product == Product::Mariadb).unwrap_or(version);
        let end = own.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(own.len());
        Self { product, version: own.get(..end).unwrap_or_default().to_owned(), packet_bytes_max }
    }

    /// The last second a `TIMESTAMP` holds: MariaDB has widened it.
    pub fn timestamp_seconds_max(&self) -> i64 {
        const SIGNED: i64 = i32::MAX as i64;
        const UNSIGNED: i64 = u32::MAX as i64;
        let is_wide = self.product == Product::Mariadb && self.numbers() >= (11, 5);
        if is_wide { UNSIGNED } else { SIGNED }
    }

    fn numbers(&self) -> (u32, u32) {
        let mut parts = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.product {
            Product::Mysql => "mysql",
            Product::Mariadb => "mariadb",
        };
        write!(f, "{name} {}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_apart() {
        for (version, shown, seconds_max) in [
            ("10.11.19-MariaDB-0+deb12u1", "mariadb 10.11.19", i64::from(i32::MAX)),
            ("5.5.5-11.8.2-MariaDB", "mariadb 11.8.2", i64::from(u32::MAX)),
            ("8.0.36", "mysql 8.0.36", i64::from(i32::MAX)),
            ("8.4.0-commercial", "mysql 8.4.0", i64::from(i32::MAX)),
            ("", "mysql ", i64::from(i32::MAX)),
        ] {
            let server = Server::new(version, 0);
            assert_eq!((server.to_string().as_str(), server.timestamp_seconds_max()), (shown, seconds_max));
        }
    }
}
