//! An OAuth 2.0 server: `oidc-provider` from npm, in the version its lock file pins, with an API behind it that takes its tokens.
//!
//! Access tokens live for a minute, refresh tokens are good once, and using one again revokes all that came from it. Its clients are
//! `machine` (client credentials, its secret in the header), `poster` (the same, in the body) and `person` (refresh tokens).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::account::Account;
use crate::guardian::Guardian;
use crate::process::{POLL_INTERVAL, START_TIMEOUT, run, write};

const PACKAGE: &str = include_str!("oidc/package.json");
const PACKAGE_LOCK: &str = include_str!("oidc/package-lock.json");
const SERVER: &str = include_str!("oidc/server.mjs");

/// What the guardian runs.
const STOP: &str = "kill -KILL \"$(cat \"$1/pid\")\"";

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
        let modules = install();
        let account = Account::for_server();
        let folder = account.create_folder("oidc");
        let guardian = Guardian::watch(&account, &folder, Path::new("kill"), STOP);
        write(&folder.join("public.pem"), public_key.unwrap_or_default());
        let log = folder.join("log");
        let output = File::create(&log).unwrap_or_else(|error| panic!("the log cannot be written: {error}"));
        let mut server = account
            .command(&program("node"))
            .arg(modules.join("server.mjs"))
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("node cannot be run: {error}"));
        let deadline = Instant::now() + START_TIMEOUT;
        let port = loop {
            if let Ok(port) = std::fs::read_to_string(folder.join("port")) {
                break port.parse().unwrap_or_else(|error| panic!("`{port}` is no port: {error}"));
            }
            let ended = server.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > deadline {
                panic!("oidc-provider does not start: {}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            std::thread::sleep(POLL_INTERVAL);
        };
        // Waits for the process, so that it does not stay behind as a zombie.
        std::thread::spawn(move || server.wait());
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

/// The packages, installed once for all tests of this machine. Answers with their folder.
fn install() -> PathBuf {
    let digest = PACKAGE_LOCK
        .bytes()
        .chain(SERVER.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let folder = std::env::temp_dir().join(format!("lockstep-test-oidc-{digest:016x}"));
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("`{}` cannot be made: {error}", folder.display()));
    let lock = File::create(folder.join("lock")).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.unwrap_or_else(|error| panic!("`{}` cannot be locked: {error}", folder.display()));
    if !folder.join("installed").exists() {
        write(&folder.join("package.json"), PACKAGE);
        write(&folder.join("package-lock.json"), PACKAGE_LOCK);
        write(&folder.join("server.mjs"), SERVER);
        run(Command::new(program("npm")).current_dir(&folder).args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]));
        write(&folder.join("installed"), "");
    }
    folder
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is not installed: `cargo xtask test` installs it"))
}
