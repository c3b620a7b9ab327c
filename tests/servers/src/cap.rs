//! SAP's Cloud Application Programming Model (CAP) from npm, with an SQLite database in memory: OData V4, and V2 through SAP's adapter.
//!
//! The model is in `cap/model.cds`; pages have 1,000 records at most.

use std::path::Path;

use crate::account::Account;
use crate::guardian::Guardian;
use crate::{ask, npm};

const PACKAGES: &[(&str, &str)] = &[
    ("package.json", include_str!("cap/package.json")),
    ("package-lock.json", include_str!("cap/package-lock.json")),
    ("server.mjs", include_str!("cap/server.mjs")),
    ("model.cds", include_str!("cap/model.cds")),
];

/// A running server; stopped and removed when dropped.
#[derive(Debug)]
pub struct Cap {
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

impl Cap {
    /// # Panics
    /// If node or npm is not installed, or the packages cannot be.
    pub fn start() -> Self {
        let modules = npm::install("cap", PACKAGES);
        let account = Account::for_server();
        let folder = account.create_folder("cap");
        let guardian = Guardian::watch(&account, &folder, Path::new("kill"), npm::STOP);
        let port = npm::start(&account, &modules, &folder);
        Self { port, _guardian: guardian }
    }

    /// `http://127.0.0.1:54321`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The path of the service in version 4.
    pub fn version_4() -> &'static str {
        "/odata/v4/sales"
    }

    /// The path of the same service in version 2.
    pub fn version_2() -> &'static str {
        "/odata/v2/sales"
    }

    /// Runs statements behind the service's back, each on lines of its own; answers the rows of the last one as JSON.
    ///
    /// # Panics
    /// If one of them fails.
    pub fn sql(&self, statements: &str) -> String {
        self.ask("POST", "/-/sql", statements)
    }

    /// How often the service was called since this was last asked, as JSON: `{"POST /odata/v4/sales/$batch": 2}`.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn calls(&self) -> String {
        self.ask("GET", "/-/calls", "")
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        ask::send(self.port, method, path, "text/plain", body)
    }
}
