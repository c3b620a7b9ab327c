//! Stripe's API, as `localstripe` from PyPI serves it: installed once for all tests of this machine into a virtual environment, in the
//! versions that are pinned.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use crate::account::Account;
use crate::ask;
use crate::guardian::Guardian;
use crate::npm::STOP;
use crate::process::{POLL_INTERVAL, PORT_ATTEMPTS, START_TIMEOUT, free_port, write};

const REQUIREMENTS: &str = include_str!("stripe/requirements.txt");
const SERVER: &str = include_str!("stripe/server.py");

/// A running server without any record; stopped and removed when dropped.
#[derive(Debug)]
pub struct Stripe {
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

impl Stripe {
    /// # Panics
    /// If Python is not installed, or the packages cannot be.
    pub fn start() -> Self {
        let program = install();
        // Whoever installed Python may be the only one who can run it.
        let account = Account::ourselves();
        let folder = account.create_folder("stripe");
        let guardian = Guardian::watch(&account, &folder, Path::new("kill"), STOP);
        write(&folder.join("server.py"), SERVER);
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port();
            if launch(&account, &program, &folder, port) {
                return Self { port, _guardian: guardian };
            }
        }
        panic!("localstripe does not start: {}", std::fs::read_to_string(folder.join("log")).unwrap_or_default());
    }

    /// `http://127.0.0.1:54321`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The key it wants for a user's name.
    pub fn key() -> &'static str {
        "sk_test_0123456789abcdef"
    }

    /// Sends a form behind everybody's back: `("POST", "/v1/customers", "email=a@example.com")`. Answers the body.
    ///
    /// # Panics
    /// If the server refuses it.
    pub fn ask(&self, method: &str, path: &str, form: &str) -> String {
        // The key is `sk_test_0123456789abcdef` with an empty password.
        let kind = "application/x-www-form-urlencoded\r\nAuthorization: Basic c2tfdGVzdF8wMTIzNDU2Nzg5YWJjZGVmOg==";
        ask::send(self.port, method, path, kind, form)
    }
}

/// Answers with the interpreter that has the packages.
fn install() -> PathBuf {
    crate::pypi::install("stripe", REQUIREMENTS).join("bin/python")
}

/// Whether it answers in the end.
fn launch(account: &Account, program: &Path, folder: &Path, port: u16) -> bool {
    let log = File::create(folder.join("log")).unwrap_or_else(|error| panic!("the log cannot be written: {error}"));
    let mut server = account
        .command(program)
        .args(["server.py", &port.to_string()])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("localstripe cannot be run: {error}"));
    write(&folder.join("pid"), &server.id().to_string());
    let deadline = Instant::now() + START_TIMEOUT;
    let is_up = loop {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break true;
        }
        if server.try_wait().is_ok_and(|status| status.is_some()) || Instant::now() > deadline {
            break false;
        }
        std::thread::sleep(POLL_INTERVAL);
    };
    // Waits for the process, so that it does not stay behind as a zombie.
    std::thread::spawn(move || server.wait());
    is_up
}
