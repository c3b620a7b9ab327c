//! Opens the state: whose turn it is, whether the file is sound, what a dead process left behind.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::migrate::{STEPS, check_version, migrate};
use super::stored::Stored;
use super::{Access, Inner, SqliteStore, changes, queries, scratch};
use crate::store::lock::{Holder, ProjectLock, is_gone, lock_path};
use crate::store::private::make_folder;
use crate::store::witness::Witness;
use crate::store::{Result, STATE_FOLDER, StoreErrorKind};

/// Above this, checking the whole file takes longer than a run in which nothing changed may; rows still carry their checksums.
const CHECKED_BYTES_MAX: u64 = 64 << 20;
/// Readers and the writer wait for each other only while the log is rebuilt after a crash.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What the log is cut to once its content is in the file.
const LOG_BYTES_MAX: i64 = 16 << 20;
const STATEMENTS_MAX: usize = 160;
/// A commit of ten thousand records of a hub changes some thousand pages: what does not fit here is written more than once.
const CACHE_KIB: i64 = 32 << 10;
/// Pages of the log above which it is folded into the file: 64 MiB. A page that is changed by several commits is then written once,
/// and most runs of a hub change the same records half a dozen times and come to an end before.
const LOG_PAGES: i64 = 16 << 10;
const PAGES_PER_STEP: i32 = 1000;

pub fn for_writing(project: &Path, command: &str, now: DateTime<Utc>) -> Result<SqliteStore> {
    let folder = project.join(STATE_FOLDER);
    let opened = make_folder(&folder)
        .map_err(|error| StoreErrorKind::io("make the folder", &folder, error))
        .and_then(|()| ProjectLock::acquire(&lock_path(&folder), &Holder::current(command, now)))
        .and_then(|lock| Ok((open_state(&folder)?, lock)));
    match opened {
        Ok((inner, lock)) => Ok(store(inner, folder, Access::ReadWrite, Some(lock))),
        Err(error) => Err(error.at(&folder)),
    }
}

pub fn for_reading(project: &Path) -> Result<SqliteStore> {
    let folder = project.join(STATE_FOLDER);
    match look_at_state(&folder) {
        Ok(connection) => Ok(store(Inner::new(connection, None), folder, Access::ReadOnly, None)),
        Err(error) => Err(error.at(&folder)),
    }
}

pub fn in_memory() -> Result<SqliteStore> {
    match new_in_memory().and_then(Inner::passing) {
        Ok(inner) => Ok(store(inner, PathBuf::new(), Access::ReadWrite, None)),
        Err(error) => Err(error.at(Path::new(""))),
    }
}

fn store(inner: Inner, folder: PathBuf, access: Access, lock: Option<ProjectLock>) -> SqliteStore {
    SqliteStore { inner: Mutex::new(inner), folder, access, _lock: lock, _scratch: None }
}

/// The file inside the folder.
pub fn state_path(folder: &Path) -> PathBuf {
    folder.join("state.db")
}

fn open_state(folder: &Path) -> Stored<Inner> {
    scratch::remove_abandoned(folder, is_gone);
    let path = state_path(folder);
    let mut witness = Witness::new(&path);
    if !has_content(&path)? {
        witness.forget().map_err(|error| StoreErrorKind::io("remove the old generation of", &path, error))?;
    }
    let noted = witness.noted();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags)?;
    configure(&connection)?;
    if check_version(&connection, STEPS)? > 0 {
        check_pages(&connection, &path)?;
    }
    use_log(&connection)?;
    migrate(&mut connection, STEPS, Some(folder))?;
    check_generation(&connection, noted)?;
    let mut inner = Inner::new(connection, Some(witness));
    mark_interrupted(&mut inner)?;
    Ok(inner)
}

fn look_at_state(folder: &Path) -> Stored<Connection> {
    let path = state_path(folder);
    if !has_content(&path)? {
        return new_in_memory();
    }
    // Noted before looking: the writer commits first and notes then, so what is seen is never behind it.
    let noted = Witness::new(&path).noted();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags)?;
    configure(&connection)?;
    let version = check_version(&connection, STEPS)?;
    check_pages(&connection, &path)?;
    let connection = if version == STEPS.len() as i64 { connection } else { migrated_copy(&connection)? };
    check_generation(&connection, noted)?;
    Ok(connection)
}

/// A state of an older version is looked at in memory: only a writer may change the file.
fn migrated_copy(connection: &Connection) -> Stored<Connection> {
    let mut copy = Connection::open_in_memory()?;
    configure(&copy)?;
    Backup::new(connection, &mut copy)?.run_to_completion(PAGES_PER_STEP, Duration::ZERO, None)?;
    migrate(&mut copy, STEPS, None)?;
    Ok(copy)
}

fn new_in_memory() -> Stored<Connection> {
    let mut connection = Connection::open_in_memory()?;
    configure(&connection)?;
    migrate(&mut connection, STEPS, None)?;
    Ok(connection)
}

fn has_content(path: &Path) -> Stored<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len() > 0),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreErrorKind::io("look at", path, error)),
    }
}

pub fn configure(connection: &Connection) -> Stored<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Plans do not depend on the values that are bound: else many statements are planned anew with every value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // On macOS a plain flush stops at the drive's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    Ok(())
}

fn use_log(connection: &Connection) -> Stored<()> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let error = std::io::Error::other(format!("the file system allows only the journal mode `{mode}`"));
        return Err(StoreErrorKind::Io { action: "keep a write-ahead log beside", path: "state.db".into(), error });
    }
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_MAX, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
    Ok(())
}

fn check_pages(connection: &Connection, path: &Path) -> Stored<()> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > CHECKED_BYTES_MAX) {
        return Ok(());
    }
    let finding: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if finding == "ok" { Ok(()) } else { Err(StoreErrorKind::corrupt(finding.replace('\n', ", "))) }
}

fn check_generation(connection: &Connection, noted: Option<u64>) -> Stored<()> {
    let found = queries::total_generation(connection)?;
    match noted {
        Some(noted) if noted > found => Err(StoreErrorKind::corrupt(format!(
            "it is older than the last run left it (generation {found} instead of {noted})"
        ))),
        _ => Ok(()),
    }
}

/// Only the holder of the lock may: a run that seems to go on belongs to a process that is dead.
fn mark_interrupted(inner: &mut Inner) -> Stored<()> {
    if queries::running(&inner.connection)?.is_empty() {
        return Ok(());
    }
    inner.write(changes::mark_interrupted)
}
