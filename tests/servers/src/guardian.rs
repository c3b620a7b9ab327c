//! Cleans up after a server, however the test process ends: a small shell waits for the end of a pipe that only this process
//! holds open, then stops the server by its own pid and removes its folder.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::account::Account;

#[derive(Debug)]
pub struct Guardian(Child);

impl Guardian {
    /// `stop`: what the shell runs to end the server; `$0` is `program` and `$1` the folder, which is removed afterwards.
    pub fn watch(account: &Account, folder: &Path, program: &Path, stop: &str) -> Self {
        let child = account
            .command(Path::new("/bin/sh"))
            .args(["-c", &format!("read -r line; {stop}; rm -rf \"$1\"")])
            .arg(program)
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
