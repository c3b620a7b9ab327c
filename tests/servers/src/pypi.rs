//! Packages from PyPI, in the versions a text pins, installed once for all tests of this machine; and servers made of them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::account::Account;
use crate::guardian::Guardian;
use crate::npm::STOP;
use crate::process::{POLL_INTERVAL, PORT_ATTEMPTS, START_TIMEOUT, free_port, run, write};

/// The tool that makes components of Python, as `lockstep plugin new` pins it.
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1\n";

/// An environment with nothing but these packages. Answers with its folder.
pub fn install(name: &str, requirements: &str) -> PathBuf {
    let digest = requirements
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let folder = std::env::temp_dir().join(format!("lockstep-test-{name}-{digest:016x}"));
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("`{}` cannot be made: {error}", folder.display()));
    let lock = File::create(folder.join("lock")).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.unwrap_or_else(|error| panic!("`{}` cannot be locked: {error}", folder.display()));
    if !folder.join("installed").exists() {
        write(&folder.join("requirements.txt"), requirements);
        run(Command::new("python3").current_dir(&folder).args(["-m", "venv", "--clear", "environment"]));
        let pip = folder.join("environment/bin/pip");
        run(Command::new(pip).current_dir(&folder).args(["install", "--quiet", "--no-deps", "-r", "requirements.txt"]));
        write(&folder.join("installed"), "");
    }
    folder.join("environment")
}

/// An environment with the tool that makes components of Python.
pub fn componentize_py() -> PathBuf {
    install("componentize-py", COMPONENTIZE_PY)
}

/// Starts a server, which is told its port. Answers with that port, and with what ends the server when it is dropped.
///
/// # Panics
/// If Python is not installed, or the packages cannot be.
pub fn start(name: &str, requirements: &str, server: &str) -> (u16, Guardian) {
    let program = install(name, requirements).join("bin/python");
    // Whoever installed Python may be the only one who can run it.
    let account = Account::ourselves();
    let folder = account.create_folder(name);
    let guardian = Guardian::watch(&account, &folder, Path::new("kill"), STOP);
    write(&folder.join("server.py"), server);
    for _ in 0..PORT_ATTEMPTS {
        let port = free_port();
        if launch(&account, &program, &folder, port) {
            return (port, guardian);
        }
    }
    panic!("{name} does not start: {}", std::fs::read_to_string(folder.join("log")).unwrap_or_default());
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
        .unwrap_or_else(|error| panic!("python cannot be run: {error}"));
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
