//! What SQLite's errors mean for the host.

use rusqlite::ffi;

use super::guard::Denials;
use crate::connector::{Failure, FailureKind};
use crate::error::{Code, codes};

/// The failure an error stands for.
pub(super) fn failure(origin: &str, error: &rusqlite::Error, denials: &Denials) -> Failure {
    let denied = denials.take();
    let (code, message) = parts(error);
    // SQLite has several ways of saying that something is not authorised.
    if denied.is_some() || code & 0xff == ffi::SQLITE_AUTH {
        let what = denied.unwrap_or_else(|| "this statement".to_owned());
        let mut failure =
            Failure::new(FailureKind::Permanent, &codes::SQL_DENIED, origin, format!("a plugin may not use {what}"));
        failure.detail_code = "SQLITE_AUTH".to_owned();
        return failure;
    }
    let (kind, own_code) = classify(code, &message);
    let mut failure = Failure::new(kind, own_code, origin, explain(code, message));
    failure.detail_code = name(code);
    failure
}

/// Extended result code and message; never the statement.
fn parts(error: &rusqlite::Error) -> (i32, String) {
    match error {
        rusqlite::Error::SqliteFailure(error, Some(message)) => (error.extended_code, message.clone()),
        rusqlite::Error::SqliteFailure(error, None) => (error.extended_code, error.to_string()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, msg.clone()),
        rusqlite::Error::MultipleStatement => {
            (ffi::SQLITE_ERROR, "several statements came where one is expected".to_owned())
        }
        other => (ffi::SQLITE_ERROR, other.to_string()),
    }
}

fn classify(code: i32, message: &str) -> (FailureKind, &'static Code) {
    use FailureKind::{Config, Conflict, InvalidData, NotFound, Permanent, Transient};
    match code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            return (Conflict, &codes::DATA_REJECTED);
        }
        _ => {}
    }
    match code & 0xff {
        ffi::SQLITE_CONSTRAINT | ffi::SQLITE_MISMATCH | ffi::SQLITE_TOOBIG => (InvalidData, &codes::DATA_REJECTED),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_INTERRUPT | ffi::SQLITE_NOMEM => {
            (Transient, &codes::SQL_STATEMENT)
        }
        ffi::SQLITE_FULL => (Transient, &codes::DISK_FULL),
        ffi::SQLITE_IOERR => (Transient, &codes::SQL_LOST),
        ffi::SQLITE_CANTOPEN => (Config, &codes::SQL_CONNECT),
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => (Permanent, &codes::SQL_CONNECT),
        ffi::SQLITE_ERROR if message.starts_with("no such table") => (NotFound, &codes::SQL_STATEMENT),
        _ => (Permanent, &codes::SQL_STATEMENT),
    }
}

fn explain(code: i32, message: String) -> String {
    match code & 0xff {
        ffi::SQLITE_NOTADB => "the file is not a SQLite database".to_owned(),
        ffi::SQLITE_CORRUPT => format!("the database file is damaged: {message}"),
        ffi::SQLITE_BUSY => "another process holds the database; it did not let go within 10 s".to_owned(),
        ffi::SQLITE_INTERRUPT => "the statement was interrupted".to_owned(),
        _ => message,
    }
}

/// Names of the codes that people look up; the others are numbers.
const NAMES: &[(i32, &str)] = &[
    (ffi::SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE"),
    (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY"),
    (ffi::SQLITE_CONSTRAINT_ROWID, "SQLITE_CONSTRAINT_ROWID"),
    (ffi::SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL"),
    (ffi::SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK"),
    (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY"),
    (ffi::SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER"),
    (ffi::SQLITE_CONSTRAINT_DATATYPE, "SQLITE_CONSTRAINT_DATATYPE"),
    (ffi::SQLITE_ERROR, "SQLITE_ERROR"),
    (ffi::SQLITE_BUSY, "SQLITE_BUSY"),
    (ffi::SQLITE_LOCKED, "SQLITE_LOCKED"),
    (ffi::SQLITE_READONLY, "SQLITE_READONLY"),
    (ffi::SQLITE_INTERRUPT, "SQLITE_INTERRUPT"),
    (ffi::SQLITE_IOERR, "SQLITE_IOERR"),
    (ffi::SQLITE_CORRUPT, "SQLITE_CORRUPT"),
    (ffi::SQLITE_FULL, "SQLITE_FULL"),
    (ffi::SQLITE_CANTOPEN, "SQLITE_CANTOPEN"),
    (ffi::SQLITE_TOOBIG, "SQLITE_TOOBIG"),
    (ffi::SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT"),
    (ffi::SQLITE_MISMATCH, "SQLITE_MISMATCH"),
    (ffi::SQLITE_NOTADB, "SQLITE_NOTADB"),
];

fn name(code: i32) -> String {
    let known = |code: i32| NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| (*name).to_owned());
    known(code).or_else(|| known(code & 0xff)).unwrap_or_else(|| format!("SQLite error {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(statement: &str, kind: FailureKind, code: &'static Code, detail: &str) {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL, c CHECK (c > 0), d REFERENCES t (a)); \
                 INSERT INTO t VALUES (1, 'x', 1, 1)",
            )
            .unwrap();
        let error = connection.execute_batch(statement).unwrap_err();
        let failure = failure("sql.main", &error, &Denials::default());
        assert_eq!(
            (failure.kind, failure.code.id, failure.detail_code.as_str()),
            (kind, code.id, detail),
            "{statement}"
        );
    }

    #[test]
    fn codes_become_kinds() {
        use FailureKind::{Conflict, InvalidData, NotFound, Permanent};
        let rejected = &codes::DATA_REJECTED;
        check("INSERT INTO t VALUES (1, 'x', 1, 1)", Conflict, rejected, "SQLITE_CONSTRAINT_PRIMARYKEY");
        check("INSERT INTO t VALUES (2, NULL, 1, 1)", InvalidData, rejected, "SQLITE_CONSTRAINT_NOTNULL");
        check("INSERT INTO t VALUES (2, 'x', 0, 1)", InvalidData, rejected, "SQLITE_CONSTRAINT_CHECK");
        check("INSERT INTO t VALUES (2, 'x', 1, 7)", InvalidData, rejected, "SQLITE_CONSTRAINT_FOREIGNKEY");
        check("INSERT INTO t VALUES ('x', 'x', 1, 1)", InvalidData, rejected, "SQLITE_MISMATCH");
        check("SELECT * FROM u", NotFound, &codes::SQL_STATEMENT, "SQLITE_ERROR");
        check("SELECT nonsense", Permanent, &codes::SQL_STATEMENT, "SQLITE_ERROR");
    }

    #[test]
    fn a_full_disk_is_told_apart() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a); PRAGMA max_page_count = 3").unwrap();
        let error = connection.execute("INSERT INTO t VALUES (zeroblob(100000))", []).unwrap_err();
        let failure = failure("sql.main", &error, &Denials::default());
        assert_eq!((failure.kind, failure.code.id), (FailureKind::Transient, codes::DISK_FULL.id));
    }

    #[test]
    fn the_statement_is_not_repeated() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let error = connection.prepare("SELECT 'canary' FROM WHERE").unwrap_err();
        assert!(!failure("sql.main", &error, &Denials::default()).to_string().contains("canary"));
    }
}
