//! An OAuth 2.0 server: `oidc-provider` from npm, in the version its lock file pins, with an API behind it that takes its tokens.
//!
//! Access tokens live for a minute, refresh tokens are good once, and using one again revokes all that came from it. Its clients are
//! `machine` (client credentials, its secret in the header), `poster` (the same, in the body) and `person` (refresh tokens).

use std::path::Path;

use crate::account::Account;
use crate::guardian::Guardian;
use crate::npm;
use crate::process::write;

const PACKAGES: &[(&str, &str)] = &[
    ("package.json", include_str!("oidc/package.json")),
    ("package-lock.json", include_str!("oidc/package-lock.json")),
    ("server.mjs", include_str!("oidc/server.mjs")),
];

/// A running server; stopped and removed when dropped.
#[derive(Debug)]
pub struct Oidc {
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

impl Oidc {
    /// # Panics
    /// If node or npm is not installed, or the packages cannot be.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// A server that takes statements signed with the key of which this is the public half, in PEM.
    ///
    /// # Panics
    /// As [`Oidc::start`].
    pub fn start_with(public_key: Option<&str>) -> Self {
        let modules = npm::install("oidc", PACKAGES);
        let account = Account::for_server();
        let folder = account.create_folder("oidc");
        let guardian = Guardian::watch(&account, &folder, Path::new("kill"), npm::STOP);
        write(&folder.join("public.pem"), public_key.unwrap_or_default());
        let port = npm::start(&account, &modules, &folder);
        Self { port, _guardian: guardian }
    }

    /// `http://127.0.0.1:54321`: tokens at `/token` and `/statement`, the API below `/api/`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every client's secret, which is not fit for a URL.
    pub fn secret(client: &str) -> String {
        format!("{client}-secret/with+odd:characters")
    }
}
