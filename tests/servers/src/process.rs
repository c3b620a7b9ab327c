//! Starting servers: ports, files, programs that have to succeed.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub const START_TIMEOUT: Duration = Duration::from_secs(60);
pub const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Another process may take the port between our looking and the server's binding.
pub const PORT_ATTEMPTS: u32 = 5;

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("there is no free port: {error}"))
        .port()
}

pub fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("`{}` cannot be written: {error}", path.display()));
}

pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    if !output.status.success() {
        panic!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
}
