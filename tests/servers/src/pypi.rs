//! Packages from PyPI, in the versions a text pins: installed once for all tests of this machine.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use crate::process::{run, write};

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
