//! Cleans up after a server, however the test process ends: a small shell waits for the end of a pipe that only this process
//! holds open, then stops the server by its own pid and removes its folder.

use std::path::Path;
use std::process::{Child, Stdio};

use super::account::Account;
use super::programs::Programs;

#[derive(Debug)]
pub struct Guardian(Child);

/// `$0` is `pg_ctl`, `$1` the folder.
const SCRIPT: &str = "read -r line; \
    \"$0\" stop --silent --mode immediate --pgdata \"$1/data\"; \
    rm -rf \"$1\"";

impl Guardian {
    pub fn watch(programs: &Programs, account: &Account, folder: &Path) -> Self {
        let child = account
            .command(Path::new("/bin/sh"))
            .args(["-c", SCRIPT])
            .arg(programs.path("pg_ctl"))
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("`/bin/sh` cannot be run: {error}"));
        Self(child)
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
