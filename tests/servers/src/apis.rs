//! APIs that cannot be had on one's own machine, emulated by node after their vendors' documentation: what a test of a manifest needs,
//! with the habits that hurt.

use std::path::Path;

use crate::account::Account;
use crate::guardian::Guardian;
use crate::{ask, npm};

const FILES: &[(&str, &str)] = &[
    ("package.json", include_str!("apis/package.json")),
    ("package-lock.json", include_str!("apis/package-lock.json")),
    ("server.mjs", include_str!("apis/server.mjs")),
    ("hubspot.mjs", include_str!("apis/hubspot.mjs")),
    ("issues.mjs", include_str!("apis/issues.mjs")),
    ("mailchimp.mjs", include_str!("apis/mailchimp.mjs")),
    ("odoo.mjs", include_str!("apis/odoo.mjs")),
    ("shopify.mjs", include_str!("apis/shopify.mjs")),
    ("tally.mjs", include_str!("apis/tally.mjs")),
    ("woocommerce.mjs", include_str!("apis/woocommerce.mjs")),
];

/// A running emulator; stopped and removed when dropped.
#[derive(Debug)]
pub struct Api {
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

impl Api {
    /// `name`: `hubspot`, `issues`, `mailchimp`, `odoo`, `shopify`, `tally` or `woocommerce`.
    ///
    /// # Panics
    /// If node or npm is not installed, the packages cannot be, or there is no such emulator.
    pub fn start(name: &str) -> Self {
        let modules = npm::install("apis", FILES);
        let account = Account::for_server();
        let folder = account.create_folder(name);
        let guardian = Guardian::watch(&account, &folder, Path::new("kill"), npm::STOP);
        let port = npm::start_with(&account, &modules, &folder, &[name]);
        let server = Self { port, _guardian: guardian };
        assert!(server.ask("GET", "/-/state", "").starts_with('{'), "the emulator is not well");
        server
    }

    /// `http://127.0.0.1:54321`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sends a request behind everybody's back; answers the body.
    ///
    /// # Panics
    /// If it is refused.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        ask::ask(self.port, method, path, body)
    }

    /// Changes the emulator's state, as it understands it, and answers with all of it.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn change(&self, change: &str) -> String {
        self.ask("POST", "/-/state", change)
    }

    /// Orders faults: a list of `{ at, count, status, body, kind, headers, cut, after }`.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn order_faults(&self, faults: &str) {
        self.ask("POST", "/-/faults", faults);
    }

    /// How often the API was called since this was last asked, as JSON.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn calls(&self) -> String {
        self.ask("GET", "/-/calls", "")
    }
}
