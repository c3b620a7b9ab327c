//! What can be wrong with the state.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::{ConflictId, ConflictState, EndpointId, Epoch, HoldId, HoldState, Holder, RecordId, RunId};
use crate::error::{Code, Explain, codes};

/// Why the state could not be read or changed. Nothing was changed.
#[derive(Debug)]
pub struct StoreError {
    /// The folder of the state; empty if it is only in memory.
    pub folder: PathBuf,
    pub kind: StoreErrorKind,
}

#[derive(Debug)]
pub enum StoreErrorKind {
    /// Another process holds the project; which one, if it has said so.
    Locked {
        holder: Option<Holder>,
    },
    /// Something is not what was written.
    Corrupt {
        what: String,
    },
    /// Written by a newer Lockstep.
    Version {
        found: i64,
        known: i64,
    },
    DiskFull,
    Io {
        action: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    Database(rusqlite::Error),
    /// There is no such thing: `dead letter 12`.
    NotFound {
        what: String,
    },
    /// Somebody goes on with a run that has ended.
    RunEnded {
        run: RunId,
    },
    /// Held deletes that are done, outdated, or not approved cannot be approved or done.
    HoldState {
        hold: HoldId,
        state: HoldState,
    },
    /// Somebody took a hub over and the one who had it goes on.
    Fenced {
        sync: String,
        held: Epoch,
        newest: Epoch,
    },
    /// A remote id would belong to two records.
    LinkTaken {
        endpoint: EndpointId,
        remote: Vec<u8>,
        record: RecordId,
        /// To which it belongs.
        owner: RecordId,
    },
    /// A conflict that is no longer open cannot be closed.
    ConflictState {
        conflict: ConflictId,
        state: ConflictState,
    },
    /// Somebody wants to store what makes no sense: `record 5 does not exist`.
    Senseless {
        what: String,
    },
    /// Somebody writes through a store that was opened for reading.
    ReadOnly,
}

impl StoreErrorKind {
    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    pub(super) fn senseless(what: impl Into<String>) -> Self {
        Self::Senseless { what: what.into() }
    }

    pub(super) fn io(action: &'static str, path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io { action, path: path.to_owned(), error },
        }
    }

    pub(super) fn at(self, folder: &Path) -> StoreError {
        StoreError { folder: folder.to_owned(), kind: self }
    }
}

impl From<rusqlite::Error> for StoreErrorKind {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Kind;
        use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
        let message = error.to_string();
        match error.sqlite_error() {
            Some(code) => match code.code {
                // The statements and the schema are ours: if they do not fit each other or the rows, the file is damaged.
                Kind::DatabaseCorrupt
                | Kind::NotADatabase
                | Kind::ConstraintViolation
                | Kind::TypeMismatch
                | Kind::Unknown => Self::corrupt(message),
                Kind::DiskFull => Self::DiskFull,
                Kind::SystemIoFailure if code.extended_code == SQLITE_IOERR_SHMSIZE => Self::DiskFull,
                Kind::DatabaseBusy | Kind::DatabaseLocked => Self::Locked { holder: None },
                _ => Self::Database(error),
            },
            None => match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..) => Self::corrupt(message),
                other => Self::Database(other),
            },
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        match &self.kind {
            StoreErrorKind::Locked { holder: Some(holder) } => {
                write!(f, "another process works on this project: {holder}")
            }
            StoreErrorKind::Locked { holder: None } => write!(f, "another process uses the state in `{folder}`"),
            StoreErrorKind::Corrupt { what } => write!(f, "the state in `{folder}` is damaged: {what}"),
            StoreErrorKind::Version { found, known } => {
                write!(f, "the state in `{folder}` has version {found}, this Lockstep knows version {known} and older")
            }
            StoreErrorKind::DiskFull => write!(f, "the disk with the state in `{folder}` is full"),
            StoreErrorKind::Io { action, path, .. } => write!(f, "cannot {action} `{}`", path.display()),
            StoreErrorKind::Database(_) => write!(f, "the state in `{folder}` could not be used"),
            StoreErrorKind::NotFound { what } => write!(f, "there is no {what}"),
            StoreErrorKind::RunEnded { run } => write!(f, "run {run} has ended"),
            StoreErrorKind::HoldState { hold, state } => write!(f, "the deletes of hold {hold} are {}", state.name()),
            StoreErrorKind::Fenced { sync, held, newest } => write!(
                f,
                "sync `{sync}` was taken over: this run has lease {}, the newest is lease {}",
                held.0, newest.0
            ),
            StoreErrorKind::LinkTaken { endpoint, remote, record, owner } => write!(
                f,
                "`{}` of endpoint {} belongs to record {}, not to record {}",
                String::from_utf8_lossy(remote),
                endpoint.0,
                owner.0,
                record.0
            ),
            StoreErrorKind::ConflictState { conflict, state } => {
                write!(f, "conflict {} is {}", conflict.0, state.name())
            }
            StoreErrorKind::Senseless { what } => write!(f, "the state cannot be changed so: {what}"),
            StoreErrorKind::ReadOnly => f.write_str("the state was opened for reading only"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            StoreErrorKind::Io { error, .. } => Some(error),
            StoreErrorKind::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl Explain for StoreError {
    fn code(&self) -> &'static Code {
        match &self.kind {
            StoreErrorKind::Locked { .. } => &codes::STATE_LOCKED,
            StoreErrorKind::Corrupt { .. } => &codes::STATE_CORRUPT,
            StoreErrorKind::Version { .. } => &codes::STATE_VERSION,
            StoreErrorKind::DiskFull => &codes::DISK_FULL,
            StoreErrorKind::Io { .. } | StoreErrorKind::Database(_) => &codes::STATE_IO,
            StoreErrorKind::NotFound { .. } => &codes::NOT_FOUND,
            StoreErrorKind::HoldState { .. } | StoreErrorKind::ConflictState { .. } => &codes::PLAN_MOVED,
            StoreErrorKind::Fenced { .. } => &codes::STATE_FENCED,
            StoreErrorKind::RunEnded { .. }
            | StoreErrorKind::LinkTaken { .. }
            | StoreErrorKind::Senseless { .. }
            | StoreErrorKind::ReadOnly => &codes::INTERNAL,
        }
    }

    fn hints(&self) -> Vec<String> {
        match &self.kind {
            StoreErrorKind::Locked { holder: Some(holder) } => {
                vec![format!("wait until it is done, or stop it on `{}` with `kill {}`", holder.host, holder.pid)]
            }
            StoreErrorKind::Locked { holder: None } => vec!["wait until it is done".into()],
            StoreErrorKind::Corrupt { .. } => vec![
                format!("`{}` puts the state aside", self.put_aside()),
                "the next `lockstep run` then reads everything again and writes by key: nothing is lost or doubled; history \
                 and dead letters stay in the folder set aside"
                    .into(),
            ],
            StoreErrorKind::Version { .. } => vec![
                "use the Lockstep that wrote it, or a newer one".into(),
                format!("or put the state aside with `{}`: the next run reads everything again", self.put_aside()),
            ],
            StoreErrorKind::DiskFull => vec![
                format!("`df -h {}` shows the disk; free some space and run again", quoted(&self.folder)),
                "nothing is lost: what was not stored is read again".into(),
            ],
            StoreErrorKind::Fenced { sync, .. } => vec![
                format!("`lockstep history {}` shows who goes on with it", quoted(Path::new(sync))),
                "nothing is lost: what this run has not stored, the other one does".into(),
            ],
            _ => Vec::new(),
        }
    }
}

impl StoreError {
    /// The file and what SQLite keeps beside it.
    fn put_aside(&self) -> String {
        let aside = quoted(&self.folder.join("damaged"));
        format!("mkdir -p {aside} && mv {}/state.db* {aside}/", quoted(&self.folder))
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@%:,".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_the_shell() {
        assert_eq!(quoted(Path::new("/a/.lockstep")), "/a/.lockstep");
        assert_eq!(quoted(Path::new("my project/it's")), "'my project/it'\\''s'");
    }
}
