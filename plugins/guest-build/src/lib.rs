//! Builds guest crates of this workspace from a build script: nested cargo runs for `wasm32-wasip2`.
//!
//! The nested build has a target folder of its own beside the outer one, shared by all profiles of the host, because guests are
//! always built the same way. Nothing of the outer build's flags or wrappers reaches it, and nothing of this machine's folders
//! reaches the components: the same sources and compiler give the same bytes, and with them the same digest, anywhere.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "guest";
/// For plugins that mostly wait for a network.
const SMALL_PROFILE: &str = "guest-small";
const SMALL_PACKAGES: &[&str] = &["lockstep-plugin-http-json", "lockstep-plugin-odata", "lockstep-plugin-salesforce"];
/// The same, without an exception for what touches every value.
const SMALLEST_PROFILE: &str = "guest-smallest";
const SMALLEST_PACKAGES: &[&str] = &["lockstep-plugin-soap"];
/// For plugins that mostly wait for a database.
const SQL_PROFILE: &str = "guest-sql";
const SQL_PACKAGES: &[&str] = &["lockstep-plugin-mysql", "lockstep-plugin-postgres", "lockstep-plugin-sqlite"];

/// What the outer cargo sets for itself and the nested one must not see.
const SCRUBBED: &[&str] = &[
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CLIPPY_ARGS",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];

/// Why guests could not be built; the message is for the person who runs cargo.
#[derive(Debug)]
pub struct GuestBuildError(String);

impl fmt::Display for GuestBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GuestBuildError {}

fn error(message: impl Into<String>) -> GuestBuildError {
    GuestBuildError(message.into())
}

/// Builds the packages and returns their components, in order. Tells cargo when to run the build script again.
pub fn build(packages: &[&str]) -> Result<Vec<PathBuf>, GuestBuildError> {
    // Without a package cargo would build the default members: the host, and with it this very script.
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    check_target()?;
    let target_dir = target_dir()?;
    let flags = flags();
    for package in packages {
        let status = run(package, &target_dir, &flags).map_err(|cause| error(format!("cannot run cargo: {cause}")))?;
        if !status.success() {
            return Err(error(format!("building the guest {package} failed: {status}")));
        }
    }
    packages.iter().map(|package| artifact(&target_dir, package)).collect()
}

/// Builds one package as nothing but a component: beside the `rlib` that native tests and benchmarks want, cargo would leave the
/// optimisation across crates out without a word.
fn run(package: &str, target_dir: &Path, flags: &str) -> std::io::Result<ExitStatus> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["rustc", "--quiet", "--lib", "--crate-type", "cdylib", "--package", package]);
    command.args(["--target", TARGET, "--profile", profile(package), "--target-dir"]).arg(target_dir);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if SCRUBBED.contains(&&*text) || text.starts_with("CARGO_PROFILE_") || text.starts_with("CARGO_FEATURE_") {
            command.env_remove(&name);
        }
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags).status()
}

/// Vector instructions, which the host's engine always offers; the same as in the workspace's cargo configuration. And panics
/// name their source files: those of dependencies shall not begin with where cargo keeps them on this machine.
fn flags() -> String {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    let sources = fs::read_dir(home.join("registry").join("src")).into_iter().flatten().flatten();
    let mut flags: Vec<String> =
        sources.map(|source| format!("--remap-path-prefix={}=", source.path().join("").display())).collect();
    flags.sort();
    flags.push("-Ctarget-feature=+simd128".to_owned());
    flags.join("\u{1f}")
}

fn check_target() -> Result<(), GuestBuildError> {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let installed = output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).exists());
    if installed {
        Ok(())
    } else {
        Err(error(format!("the target {TARGET} is missing; run: rustup target add {TARGET}")))
    }
}

/// `target/guests`, found from `OUT_DIR`, which is `target/<profile>/build/<package>/out`.
fn target_dir() -> Result<PathBuf, GuestBuildError> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| error("OUT_DIR is not set: not a build script"))?);
    out.ancestors()
        .nth(4)
        .map(|target| target.join("guests"))
        .ok_or_else(|| error("OUT_DIR is not where cargo puts it"))
}

fn profile(package: &str) -> &'static str {
    match package {
        _ if SMALL_PACKAGES.contains(&package) => SMALL_PROFILE,
        _ if SMALLEST_PACKAGES.contains(&package) => SMALLEST_PROFILE,
        _ if SQL_PACKAGES.contains(&package) => SQL_PROFILE,
        _ => PROFILE,
    }
}

fn artifact(target_dir: &Path, package: &str) -> Result<PathBuf, GuestBuildError> {
    let stem = package.replace('-', "_");
    let folder = target_dir.join(TARGET).join(profile(package));
    let dependencies = fs::read_to_string(folder.join(format!("{stem}.d")))
        .map_err(|cause| error(format!("{package} left no dependency list: {cause}")))?;
    for path in dependencies.split_once(": ").map(|(_, paths)| paths).unwrap_or_default().split_whitespace() {
        tell_cargo(path);
    }
    Ok(folder.join(format!("{stem}.wasm")))
}

#[allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn tell_cargo(path: &str) {
    println!("cargo::rerun-if-changed={path}");
}
