//! What a plugin may not do with a database: leave it, or make it unsafe for others.
//!
//! SQLite asks before it compiles a statement. Denied are other files (`ATTACH`, and with it every form of `VACUUM`), extensions,
//! and all pragmas but those that only look, or that belong to the data.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

/// A text or a blob at most, as in PostgreSQL's rows.
const VALUE_BYTES_MAX: i32 = 256 * 1024 * 1024;

/// Pragmas that look at the schema or the data.
const PRAGMAS_TO_READ: &[&str] = &[
    "application_id",
    "collation_list",
    "data_version",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "freelist_count",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "journal_mode",
    "page_count",
    "page_size",
    "quick_check",
    "schema_version",
    "synchronous",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// Those whose argument is a table or an index rather than a new value.
const PRAGMAS_WITH_ARGUMENT: &[&str] = &[
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Pragmas that may be set: numbers in the file's header that belong to whoever owns the data, and how this session treats
/// foreign keys.
const PRAGMAS_TO_WRITE: &[&str] = &["application_id", "defer_foreign_keys", "foreign_keys", "user_version"];

/// What was denied last, for the error message: SQLite itself only says `not authorized`.
#[derive(Clone, Default)]
pub(super) struct Denials(Arc<Mutex<Option<String>>>);

impl Denials {
    fn note(&self, what: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    pub fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Puts a connection under guard.
pub(super) fn put_under_guard(connection: &mut Connection) -> rusqlite::Result<Denials> {
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A misspelt column in double quotes is an error, not a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    let denials = Denials::default();
    let noted = denials.clone();
    connection.authorizer(Some(move |context: AuthContext<'_>| match refuse(&context.action) {
        Some(what) => {
            noted.note(what);
            Authorization::Deny
        }
        None => Authorization::Allow,
    }))?;
    Ok(denials)
}

/// What is denied, if it is.
fn refuse(action: &AuthAction<'_>) -> Option<String> {
    match action {
        AuthAction::Attach { .. } => Some("`ATTACH` and `VACUUM`, which open other files".to_owned()),
        AuthAction::Detach { .. } => Some("`DETACH`".to_owned()),
        AuthAction::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
            Some("`load_extension`".to_owned())
        }
        AuthAction::Pragma { pragma_name, pragma_value } => {
            (!is_allowed(pragma_name, *pragma_value)).then(|| match pragma_value {
                Some(_) => format!("setting `PRAGMA {pragma_name}`"),
                None => format!("`PRAGMA {pragma_name}`"),
            })
        }
        AuthAction::Unknown { code, .. } => Some(format!("action {code}, which is unknown here")),
        _ => None,
    }
}

fn is_allowed(pragma: &str, value: Option<&str>) -> bool {
    let is_one_of = |list: &[&str]| list.iter().any(|name| name.eq_ignore_ascii_case(pragma));
    match value {
        None => is_one_of(PRAGMAS_TO_READ) || is_one_of(PRAGMAS_TO_WRITE),
        Some(_) => is_one_of(PRAGMAS_WITH_ARGUMENT) || is_one_of(PRAGMAS_TO_WRITE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(statement: &str, is_allowed: bool) {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE INDEX i ON t (a)").unwrap();
        let denials = put_under_guard(&mut connection).unwrap();
        let result = connection.execute_batch(statement);
        let denied = denials.take();
        assert_eq!(denied.is_none(), is_allowed, "{statement}: {result:?} {denied:?}");
        assert_eq!(result.is_ok(), is_allowed, "{statement}: {result:?}");
    }

    #[test]
    fn a_plugin_stays_in_its_database() {
        for statement in [
            "ATTACH '/tmp/lockstep-other.db' AS other",
            "ATTACH '' AS other",
            "VACUUM INTO '/tmp/lockstep-copy.db'",
            "VACUUM",
            "DETACH main",
            "SELECT load_extension('x')",
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA writable_schema = ON",
            "PRAGMA temp_store_directory = '/tmp'",
            "PRAGMA locking_mode = EXCLUSIVE",
            "PRAGMA trusted_schema = ON",
            "PRAGMA database_list",
            "PRAGMA schema_version = 7",
            "PRAGMA mmap_size = 0",
            "PRAGMA key = 'x'",
            "SELECT * FROM pragma_database_list",
        ] {
            check(statement, false);
        }
    }

    #[test]
    fn looking_around_is_allowed() {
        for statement in [
            "SELECT * FROM sqlite_schema",
            "PRAGMA table_info(t)",
            "PRAGMA table_xinfo(t)",
            "SELECT * FROM pragma_table_info('t')",
            "PRAGMA index_list(t)",
            "PRAGMA index_info(i)",
            "PRAGMA foreign_key_list(t)",
            "PRAGMA user_version = 3",
            "PRAGMA user_version",
            "PRAGMA foreign_keys = OFF",
            "PRAGMA integrity_check",
            "PRAGMA schema_version",
            "CREATE TEMP TABLE s AS SELECT * FROM t",
            "BEGIN; INSERT INTO t VALUES (1); COMMIT",
            "SAVEPOINT s; RELEASE s",
            "CREATE VIRTUAL TABLE words USING fts5 (word)",
            "ANALYZE",
            "REINDEX",
        ] {
            check(statement, true);
        }
    }

    #[test]
    fn a_misspelt_column_is_an_error() {
        let mut connection = Connection::open_in_memory().unwrap();
        put_under_guard(&mut connection).unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(connection.execute_batch(r#"UPDATE t SET a = 1 WHERE "b" = 'b'"#).is_err());
    }

    /// The authorizer lets it pass, and SQLite itself refuses.
    #[test]
    fn the_schema_cannot_be_written() {
        let mut connection = Connection::open_in_memory().unwrap();
        put_under_guard(&mut connection).unwrap();
        assert!(connection.execute_batch("DELETE FROM sqlite_schema").is_err());
    }
}
