//! One process per project: the operating system's lock on a file decides, and the file says who holds it.
//!
//! The lock goes with the process, however it ends; what a dead process left in the file means nothing.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::error::StoreErrorKind;

/// Who works on a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// `lockstep run customers`.
    pub command: String,
    /// As RFC 3339 writes it.
    pub since: String,
    pub host: String,
}

impl Holder {
    /// This process.
    pub fn current(command: &str, now: DateTime<Utc>) -> Self {
        let since = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        Self { pid: std::process::id(), command: command.to_owned(), since, host: host_name() }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {} on `{}`, since {})", self.command, self.pid, self.host, self.since)
    }
}

fn host_name() -> String {
    let names = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let name = names.iter().find_map(|path| std::fs::read_to_string(path).ok());
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "this machine".into())
}

/// Held for as long as it lives.
#[derive(Debug)]
pub struct ProjectLock(File);

impl ProjectLock {
    pub fn acquire(path: &Path, holder: &Holder) -> Result<Self, StoreErrorKind> {
        let io = |action| move |error| StoreErrorKind::io(action, path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io("open the lock file"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreErrorKind::Locked { holder: read_holder(&mut file) }),
            Err(TryLockError::Error(error)) => return Err(io("lock")(error)),
        }
        let lock = Self(file);
        lock.announce(holder).map_err(io("write the lock file"))?;
        Ok(lock)
    }

    fn announce(&self, holder: &Holder) -> std::io::Result<()> {
        let mut file = &self.0;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(serde_json::to_string(holder)?.as_bytes())
    }
}

impl Drop for ProjectLock {
    fn drop(&mut self) {
        // The next holder writes its own name; until then nobody should read ours. Failing to say so harms nothing.
        let _ = self.0.set_len(0);
    }
}

/// None if the holder has not yet said who it is, or the system does not let others read a locked file.
fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether nobody holds the lock, as far as can be told without trying: a look that took the lock for a moment could make a
/// writer fail. The file of a process that was killed still names it; only where processes can be looked up is it known to be gone.
pub fn is_abandoned(path: &Path) -> bool {
    match File::open(path).map(|mut file| read_holder(&mut file)) {
        Ok(Some(holder)) => holder.host == host_name() && is_gone(holder.pid),
        Ok(None) => true,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Whether it is known that no process of this machine has this number.
pub fn is_gone(pid: u32) -> bool {
    let processes = Path::new("/proc");
    processes.join("self").exists() && !processes.join(pid.to_string()).exists()
}

/// The lock file of a state folder.
pub fn lock_path(folder: &Path) -> PathBuf {
    folder.join("lock")
}
