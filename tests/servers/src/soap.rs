//! A SOAP service with customers, as `soap` from npm serves it after its WSDL: document and literal, faults, UsernameTokens.

use std::path::Path;

use crate::account::Account;
use crate::guardian::Guardian;
use crate::{ask, npm};

/// What the service is described by.
pub const WSDL: &str = include_str!("soap/crm.wsdl");

const PACKAGES: &[(&str, &str)] = &[
    ("package.json", include_str!("soap/package.json")),
    ("package-lock.json", include_str!("soap/package-lock.json")),
    ("crm.wsdl", WSDL),
    ("server.mjs", include_str!("soap/server.mjs")),
];

/// A running service without any customer; stopped and removed when dropped.
#[derive(Debug)]
pub struct Soap {
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

impl Soap {
    /// # Panics
    /// If node or npm is not installed, or the packages cannot be.
    pub fn start() -> Self {
        let modules = npm::install("soap", PACKAGES);
        let account = Account::for_server();
        let folder = account.create_folder("soap");
        let guardian = Guardian::watch(&account, &folder, Path::new("kill"), npm::STOP);
        let port = npm::start(&account, &modules, &folder);
        let server = Self { port, _guardian: guardian };
        assert!(server.ask("/crm?wsdl", "").contains("ListCustomers"), "the server is not well");
        server
    }

    /// `http://127.0.0.1:54321`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks behind everybody's back: `/-/state`, `/-/calls`, `/-/writes`, `/-/seen`, or tells: `/-/seed`, `/-/guard`. Answers the body.
    ///
    /// # Panics
    /// If the server refuses it.
    pub fn ask(&self, path: &str, body: &str) -> String {
        ask::ask(self.port, if body.is_empty() { "GET" } else { "POST" }, path, body)
    }
}
