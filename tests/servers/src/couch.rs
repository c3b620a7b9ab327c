//! The CouchDB protocol, as PouchDB serves it from npm, with databases in memory: revisions, a feed of changes, real tombstones.

use std::path::Path;

use crate::account::Account;
use crate::guardian::Guardian;
use crate::{ask, npm};

const PACKAGES: &[(&str, &str)] = &[
    ("package.json", include_str!("couch/package.json")),
    ("package-lock.json", include_str!("couch/package-lock.json")),
    ("server.mjs", include_str!("couch/server.mjs")),
];

/// A running server with an empty database `shop`; stopped and removed when dropped.
#[derive(Debug)]
pub struct Couch {
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

impl Couch {
    /// # Panics
    /// If node or npm is not installed, or the packages cannot be.
    pub fn start() -> Self {
        let modules = npm::install("couch", PACKAGES);
        let account = Account::for_server();
        let folder = account.create_folder("couch");
        let guardian = Guardian::watch(&account, &folder, Path::new("kill"), npm::STOP);
        let port = npm::start(&account, &modules, &folder);
        let server = Self { port, _guardian: guardian };
        assert!(server.ask("GET", "/", "").contains("Welcome"), "the server is not well");
        server.ask("PUT", "/shop", "");
        server
    }

    /// `http://127.0.0.1:54321`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sends a request behind everybody's back: `("POST", "/shop/_bulk_docs", "{…}")`. Answers the body.
    ///
    /// # Panics
    /// If the server refuses it.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        ask::ask(self.port, method, path, body)
    }

    /// How often the server was called since this was last asked, as JSON: `{"POST /shop/_bulk_docs": 2}`.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn calls(&self) -> String {
        self.ask("GET", "/-/calls", "")
    }
}
