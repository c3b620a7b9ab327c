//! A certificate authority and a certificate for `localhost`, made for one server with `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Folder;
use crate::account::Account;
use crate::process::run;

/// A certificate for `localhost` in a folder of its own, for a server that runs in the test itself.
#[derive(Debug)]
pub struct Certificate(Folder);

impl Certificate {
    /// # Panics
    /// If `openssl` is not installed.
    pub fn make() -> Self {
        let folder = Folder::new("certificate");
        make(&Account::ourselves(), folder.path());
        Self(folder)
    }

    /// The authority that signed it, in PEM.
    pub fn authority(&self) -> PathBuf {
        authority(self.0.path())
    }

    /// In PEM.
    pub fn certificate(&self) -> PathBuf {
        certificate(self.0.path())
    }

    /// In PEM.
    pub fn key(&self) -> PathBuf {
        key(self.0.path())
    }
}

pub fn authority(folder: &Path) -> PathBuf {
    folder.join("ca.crt")
}

/// The certificate and its key.
pub fn certificate(folder: &Path) -> PathBuf {
    folder.join("server.crt")
}

pub fn key(folder: &Path) -> PathBuf {
    folder.join("server.key")
}

pub fn make(account: &Account, folder: &Path) {
    run(openssl(account, folder).args(REQUEST_AUTHORITY));
    run(openssl(account, folder).args(REQUEST_SERVER));
    std::fs::write(folder.join("extensions"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
        .unwrap_or_else(|error| panic!("the certificate's extensions cannot be written: {error}"));
    run(openssl(account, folder).args(SIGN_SERVER));
}

fn openssl(account: &Account, folder: &Path) -> Command {
    let mut command = account.command(Path::new("openssl"));
    command.current_dir(folder);
    command
}

const REQUEST_AUTHORITY: &[&str] = &[
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-sha256",
    "-days",
    "2",
    "-subj",
    "/CN=lockstep test authority",
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
];

const REQUEST_SERVER: &[&str] = &[
    "req",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-sha256",
    "-subj",
    "/CN=localhost",
    "-keyout",
    "server.key",
    "-out",
    "server.csr",
];

const SIGN_SERVER: &[&str] = &[
    "x509",
    "-req",
    "-in",
    "server.csr",
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-sha256",
    "-days",
    "2",
    "-extfile",
    "extensions",
    "-out",
    "server.crt",
];
