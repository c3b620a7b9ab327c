//! Copies of the state for trying things out: a plan is made by really deciding, on a copy that is thrown away.

use std::path::Path;
use std::sync::Mutex;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;

use super::open::configure;
use super::stored::Stored;
use super::{Access, Inner, SqliteStore};
use crate::store::{Result, StoreErrorKind};

/// States up to this size are copied into memory: so much is there wherever syncs run.
const IN_MEMORY_BYTES_MAX: i64 = 256 << 20;
/// Begins the name of a copy's file; the number of its process follows.
const PREFIX: &str = "scratch-";

pub fn copy(store: &SqliteStore) -> Result<SqliteStore> {
    copy_up_to(store, IN_MEMORY_BYTES_MAX)
}

/// The same with another limit.
pub(super) fn copy_up_to(store: &SqliteStore, in_memory_bytes_max: i64) -> Result<SqliteStore> {
    let inner = store.inner();
    match copied(&inner.connection, &store.folder, in_memory_bytes_max) {
        Ok((inner, scratch)) => Ok(SqliteStore {
            inner: Mutex::new(inner),
            folder: store.folder.clone(),
            access: Access::ReadWrite,
            _lock: None,
            _scratch: scratch,
        }),
        Err(error) => Err(error.at(&store.folder)),
    }
}

fn copied(source: &Connection, folder: &Path, in_memory_bytes_max: i64) -> Stored<(Inner, Option<TempPath>)> {
    let (mut connection, file) = if bytes(source)? <= in_memory_bytes_max {
        (Connection::open_in_memory()?, None)
    } else {
        let file = new_file(folder)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        (Connection::open_with_flags(&file, flags)?, Some(file))
    };
    configure(&connection)?;
    // In one go: in parts, the copy would begin anew whenever another process commits.
    match Backup::new(source, &mut connection)?.step(-1)? {
        StepResult::Done => {}
        _ => return Err(StoreErrorKind::Locked { holder: None }),
    }
    connection.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
    Ok((Inner::passing(connection)?, file))
}

fn bytes(connection: &Connection) -> Stored<i64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(pragma("page_count")?.saturating_mul(pragma("page_size")?))
}

/// Beside the state, where there is room for it; elsewhere only if this process may not write there.
fn new_file(folder: &Path) -> Stored<TempPath> {
    let name = format!("{PREFIX}{}-", std::process::id());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&name).suffix(".db");
    let file = builder.tempfile_in(folder).or_else(|_| builder.tempfile());
    let file = file.map_err(|error| StoreErrorKind::io("make a copy of the state in", folder, error))?;
    Ok(file.into_temp_path())
}

/// Removes the copies of processes that died. One that cannot be removed only takes room.
pub fn remove_abandoned(folder: &Path, is_gone: impl Fn(u32) -> bool) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
        if process.is_some_and(&is_gone) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
