//! Where things are measured: a durable server, project folders, the binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lockstep_test_servers::{Folder, Options, Postgres};

use crate::measure::{Cost, run};

/// What every scenario gets.
pub struct Bench {
    pub rows: u64,
    pub times: usize,
    pub binary: PathBuf,
}

impl Bench {
    pub fn lockstep(&self, project: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--project").arg(project).env("LOCKSTEP_CACHE_DIR", cache());
        command
    }

    pub fn run(&self, project: &Path) -> Cost {
        run(self.lockstep(project).arg("run"))
    }
}

/// Compiled plugins, kept from one run of the benchmark to the next.
pub fn cache() -> PathBuf {
    std::env::temp_dir().join("lockstep-bench-cache")
}

/// A server that keeps what it is given, as in production. Its own housekeeping is off, so that it does not fall into one
/// measurement and not into the other.
pub fn server() -> Postgres {
    let settings =
        [("autovacuum", "off"), ("max_wal_size", "8GB"), ("shared_buffers", "512MB"), ("checkpoint_timeout", "1h")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Postgres::start_with(Options { durable: true, settings, ..Options::default() })
}

/// A statement or a `psql` command, and what it took as a process.
pub fn psql(url: &str, command: &str) -> Duration {
    run(Command::new("psql").arg(url).args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", command])).time
}

/// Outside of what is measured: writes everything out, so that it does not have to be done later.
pub fn checkpoint(server: &Postgres) {
    server.psql("CHECKPOINT");
}

/// A project folder with this file.
pub fn project(name: &str, file: &str) -> Folder {
    let folder = Folder::new(name);
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("lockstep.toml"), file).unwrap();
    folder
}

/// Forgets what was synchronised.
pub fn forget(project: &Folder) {
    let _ = std::fs::remove_dir_all(project.path().join(".lockstep"));
}
