//! Versions of the schema: forward only, each a list of statements, all of them in one transaction.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, MAIN_DB, TransactionBehavior};

use super::stored::Stored;
use crate::store::StoreErrorKind;

/// The step at position n leads from version n to version n + 1. A step that was released is never changed.
pub const STEPS: &[&str] = &[include_str!("../migrations/0001-begin.sql"), include_str!("../migrations/0002-hub.sql")];

/// `LKSP`: tells our files from other people's.
const APPLICATION_ID: i64 = 0x4c4b_5350;

/// The version of the file, 0 if it is new. Refuses a file that is newer than `steps` or not ours.
pub fn check_version(connection: &Connection, steps: &[&str]) -> Stored<i64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, found) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let known = steps.len() as i64;
    match (application, found) {
        (0, 0) if tables == 0 => Ok(0),
        (APPLICATION_ID, version) if version > known => Err(StoreErrorKind::Version { found, known }),
        (APPLICATION_ID, version) if version > 0 && tables > 0 => Ok(version),
        _ => Err(StoreErrorKind::corrupt("`state.db` was not made by Lockstep")),
    }
}

/// Brings the file to the newest version. `backup` is where a file that has content is copied to before.
pub fn migrate(connection: &mut Connection, steps: &[&str], backup: Option<&Path>) -> Stored<()> {
    let version = check_version(connection, steps)?;
    let missing = usize::try_from(version).ok().and_then(|version| steps.get(version..)).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    if let Some(folder) = backup.filter(|_| version > 0) {
        back_up(connection, &folder.join(format!("state-version-{version}.backup.db")))?;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", steps.len() as i64)?;
    Ok(transaction.commit()?)
}

/// Copies under another name first: a backup is complete or not there.
fn back_up(connection: &Connection, path: &Path) -> Stored<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    let io = |error| StoreErrorKind::io("write the backup", path, error);
    if partial.exists() {
        std::fs::remove_file(&partial).map_err(io)?;
    }
    connection.backup(MAIN_DB, &partial, None::<fn(rusqlite::backup::Progress)>)?;
    std::fs::rename(&partial, path).map_err(io)
}
