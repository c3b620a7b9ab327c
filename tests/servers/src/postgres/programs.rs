//! Where PostgreSQL's programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder that holds `initdb`, `postgres`, `pg_ctl` and `psql`.
#[derive(Clone, Debug)]
pub struct Programs(PathBuf);

impl Programs {
    /// Looks in the search path, asks `pg_config`, then looks where Debian installs them; the newest version wins.
    pub fn find() -> Result<Self, &'static str> {
        let in_path: Vec<PathBuf> =
            std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
        in_path
            .into_iter()
            .chain(pg_config())
            .chain(debian())
            .find(|folder| is_complete(folder))
            .map(Self)
            .ok_or("PostgreSQL is not installed: `cargo xtask test` installs it")
    }

    pub fn path(&self, program: &str) -> PathBuf {
        self.0.join(program)
    }
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl", "psql"].iter().all(|program| folder.join(program).is_file())
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

fn debian() -> Vec<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut versions: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    versions.sort_by_key(version);
    versions.into_iter().rev().map(|path| path.join("bin")).collect()
}
