//! Servers from npm, in the versions their lock files pin: packages installed once for all tests of this machine, started by node.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::account::Account;
use crate::process::{POLL_INTERVAL, START_TIMEOUT, run, write};

/// What the guardian runs.
pub const STOP: &str = "kill -KILL \"$(cat \"$1/pid\")\"";

/// Installs what the lock file among these files names. Answers with the folder, which holds the files.
pub fn install(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let digest = files
        .iter()
        .flat_map(|(_, text)| text.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let folder = std::env::temp_dir().join(format!("lockstep-test-{name}-{digest:016x}"));
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("`{}` cannot be made: {error}", folder.display()));
    let lock = File::create(folder.join("lock")).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.unwrap_or_else(|error| panic!("`{}` cannot be locked: {error}", folder.display()));
    if !folder.join("installed").exists() {
        for (name, text) in files {
            write(&folder.join(name), text);
        }
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

/// Runs `server.mjs` of the packages, which writes its process and its port into the folder it is given. Answers with the port.
pub fn start(account: &Account, modules: &Path, folder: &Path) -> u16 {
    start_with(account, modules, folder, &[])
}

/// The same with more arguments behind the folder.
pub fn start_with(account: &Account, modules: &Path, folder: &Path, arguments: &[&str]) -> u16 {
    let log = folder.join("log");
    let output = File::create(&log).unwrap_or_else(|error| panic!("the log cannot be written: {error}"));
    let mut server = account
        .command(&program("node"))
        .arg(modules.join("server.mjs"))
        .arg(folder)
        .args(arguments)
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
            panic!("`{}` does not start: {}", modules.display(), std::fs::read_to_string(&log).unwrap_or_default());
        }
        std::thread::sleep(POLL_INTERVAL);
    };
    // Waits for the process, so that it does not stay behind as a zombie.
    std::thread::spawn(move || server.wait());
    port
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is not installed: `cargo xtask test` installs it"))
}
