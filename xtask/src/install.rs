//! Installs what the tests need, or says exactly what is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";

/// A program the tests start, and the Debian package that has it.
struct Need {
    program: &'static str,
    package: &'static str,
    /// Folders besides PATH in which it may be; `*` stands for a version.
    folders: &'static [&'static str],
}

const NEEDS: &[Need] = &[
    Need { program: "initdb", package: "postgresql", folders: &["/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin"] },
    Need {
        program: "psql",
        package: "postgresql-client",
        folders: &["/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin"],
    },
    // Only the server itself: the package around it would also start one.
    Need { program: "mariadbd", package: "mariadb-server-core", folders: &["/usr/sbin"] },
    Need { program: "mariadb", package: "mariadb-client-core", folders: &["/usr/bin"] },
    // What comes from npm is installed by the tests themselves, in the versions their lock files pin.
    Need { program: "node", package: "nodejs", folders: &[] },
    Need { program: "npm", package: "npm", folders: &[] },
    Need { program: "openssl", package: "openssl", folders: &[] },
];

/// What only the benchmark starts, besides what the tests need: what hubs are measured against.
const NEEDS_OF_BENCH: &[Need] = &[
    Need { program: "bucardo", package: "bucardo", folders: &[] },
    // Bucardo's own tables are kept by functions in Perl.
    Need { program: "plperl.so", package: "postgresql-plperl", folders: &["/usr/lib/postgresql/*/lib"] },
];

/// The wasm target and the servers.
pub fn for_tests() -> Result<(), String> {
    target()?;
    install(NEEDS.iter())
}

/// The same, and what only the benchmark needs.
pub fn for_bench() -> Result<(), String> {
    target()?;
    install(NEEDS.iter().chain(NEEDS_OF_BENCH))
}

fn install(needs: impl Iterator<Item = &'static Need>) -> Result<(), String> {
    let missing: Vec<&Need> = needs.filter(|need| find(need).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let programs: Vec<&str> = missing.iter().map(|need| need.program).collect();
    if !can_apt() {
        return Err(format!(
            "this needs {}, which cannot be installed from here; on Debian: sudo apt-get install --yes {}",
            programs.join(" and "),
            packages.join(" ")
        ));
    }
    eprintln!("xtask: installing {}", packages.join(", "));
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--quiet", "--no-install-recommends"][..], &packages].concat())
}

fn target() -> Result<(), String> {
    let libdir = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let installed = libdir.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).exists());
    if installed {
        return Ok(());
    }
    let added = Command::new("rustup").args(["target", "add", TARGET]).status().is_ok_and(|status| status.success());
    if added { Ok(()) } else { Err(format!("the target {TARGET} is missing; run: rustup target add {TARGET}")) }
}

fn find(need: &Need) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(need.folders.iter().flat_map(|folder| expand(folder)));
    folders.map(|folder| folder.join(need.program)).find(|program| program.is_file())
}

/// The folders a pattern with at most one `*` stands for.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![PathBuf::from(pattern)] };
    let entries = std::fs::read_dir(before).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join(after.trim_start_matches('/'))).collect()
}

/// Only root may install; anybody else is told what to type.
fn can_apt() -> bool {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    is_root && Command::new("apt-get").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn apt(args: &[&str]) -> Result<(), String> {
    let status = Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(args).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`apt-get {}` failed: {status}", args.join(" "))),
        Err(error) => Err(format!("cannot run apt-get: {error}")),
    }
}
