//! Databases for plugins: sessions, statements with parameters, rows in columns, bulk loading.
//!
//! The driver layer behind the interface `sql` of the plugin contract, on the host's own batches. It holds addresses and
//! passwords, which never show in an error. It must not know WIT or wasmtime, nor any dialect: statements are the plugin's.
//!
//! What it promises: a value arrives exactly as it was sent or is reported, in either direction; absent is never null; a failed
//! `append` has sent nothing; whatever is dropped in the middle is taken back.

mod columns;
mod lease;
mod mysql;

mod pool;
mod postgres;
mod reach;
mod sqlite;
mod stream;
mod taped;
mod tls;
mod url;
mod value;
mod view;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::connector::{Failure, FailureKind, RowError};
use crate::error::codes;
use crate::plugin::grants::Access;
use crate::plugin::tape::{Track, Way};
use crate::record::{Batch, Column, Field, LogicalType};

/// A granted database. Clones share their idle sessions.
#[derive(Clone)]
pub struct Database(DatabaseKind);

#[derive(Clone)]
enum DatabaseKind {
    Mysql(mysql::Database),
    Postgres(postgres::Database),
    Sqlite(sqlite::Database),
    Taped(taped::Database),
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            DatabaseKind::Mysql(database) => write!(f, "mysql ({})", database.origin()),
            DatabaseKind::Postgres(database) => write!(f, "postgres ({})", database.origin()),
            DatabaseKind::Sqlite(database) => write!(f, "sqlite ({})", database.origin()),
            DatabaseKind::Taped(_) => f.write_str("a recording"),
        }
    }
}

impl Database {
    /// The database behind a URL, by the scheme it begins with.
    pub fn at(url: &str, origin: &str) -> Result<Self, Failure> {
        match url.split_once("://") {
            Some(("mysql" | "mariadb", _)) => Self::mysql(url, origin),
            Some(("postgres" | "postgresql", _)) => Self::postgres(url, origin),
            // It may be a password and nothing else: it is not repeated.
            _ => {
                let text = "the database URL begins neither with `postgres://` nor with `mysql://`";
                Err(Failure::new(FailureKind::Config, &codes::PROJECT_VALUE, origin, text).with(
                    "hint",
                    "a database URL looks like `postgres://user:password@host:5432/database` or \
                     `mysql://user:password@host:3306/database`",
                ))
            }
        }
    }

    /// A MariaDB or MySQL database. `origin` is what failures and the server's list of sessions call it: `shop.main`.
    ///
    /// Fails with kind `config` if the URL makes no sense; nothing is connected yet.
    pub fn mysql(url: &str, origin: &str) -> Result<Self, Failure> {
        mysql::Database::new(url, origin).map(DatabaseKind::Mysql).map(Self)
    }

    /// A PostgreSQL database. `origin` is what failures and the server's list of sessions call it: `erp.main`.
    ///
    /// Fails with kind `config` if the URL makes no sense; nothing is connected yet.
    pub fn postgres(url: &str, origin: &str) -> Result<Self, Failure> {
        postgres::Database::new(url, origin).map(DatabaseKind::Postgres).map(Self)
    }

    /// A SQLite database file. One that is missing is made, or is as empty as a new one if it may only be read. `origin` is
    /// what failures call it.
    pub fn sqlite(path: &Path, origin: &str, access: Access) -> Result<Self, Failure> {
        sqlite::Database::new(path, origin, access).map(DatabaseKind::Sqlite).map(Self)
    }

    /// One that answers from a recording.
    pub fn replayed(track: Track) -> Self {
        Self(DatabaseKind::Taped(taped::Database(Way::Replayed(track))))
    }

    /// The same, with a recorder beside it.
    pub fn recorded(self, track: Track) -> Self {
        match self.0 {
            DatabaseKind::Taped(_) => self,
            _ => Self(DatabaseKind::Taped(taped::Database(Way::Recorded(Arc::new(self), track)))),
        }
    }

    /// What may not be seen by anybody, for finding it.
    pub fn secrets(&self) -> Vec<String> {
        match &self.0 {
            DatabaseKind::Mysql(database) => database.password().into_iter().collect(),
            DatabaseKind::Postgres(database) => database.password().into_iter().collect(),
            DatabaseKind::Sqlite(_) => Vec::new(),
            DatabaseKind::Taped(database) => database.0.live().map(|real| real.secrets()).unwrap_or_default(),
        }
    }

    /// Where it is, without a word about who we are there.
    pub fn place(&self) -> DatabasePlace {
        match &self.0 {
            DatabaseKind::Mysql(database) => database.place(),
            DatabaseKind::Postgres(database) => database.place(),
            DatabaseKind::Sqlite(database) => DatabasePlace::File(database.path().to_owned()),
            DatabaseKind::Taped(database) => database.place(),
        }
    }

    /// A session of its own.
    pub async fn open(&self) -> Result<Session, Failure> {
        match &self.0 {
            DatabaseKind::Mysql(database) => database.open().await.map(SessionKind::Mysql).map(Session),
            DatabaseKind::Postgres(database) => database.open().await.map(SessionKind::Postgres).map(Session),
            DatabaseKind::Sqlite(database) => database.open().await.map(SessionKind::Sqlite).map(Session),
            DatabaseKind::Taped(database) => database.open().await.map(SessionKind::Taped).map(Session),
        }
    }
}

/// Where a database is; holds no user and no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabasePlace {
    Server {
        /// `postgres` or `mysql`.
        scheme: &'static str,
        /// The first one of several, as URLs write it; `localhost` behind a Unix socket.
        host: String,
        port: u16,
        /// Empty = the URL names none.
        database: String,
    },
    File(PathBuf),
}

impl fmt::Display for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { scheme, host, port, database } => write!(f, "{scheme}://{host}:{port}/{database}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl DatabasePlace {
    fn server(scheme: &'static str, hosts: &[(url::Host, u16)], database: &str) -> Self {
        let (host, port) = hosts.first().map_or((String::new(), 0), |(host, port)| (host.in_url(), *port));
        Self::Server { scheme, host, port, database: database.to_owned() }
    }
}

/// A session on a database; dropped, it rolls back what was not committed.
pub struct Session(SessionKind);

enum SessionKind {
    Mysql(mysql::Session),
    Postgres(postgres::Session),
    Sqlite(sqlite::Session),
    Taped(taped::Session),
}

impl Session {
    /// `postgres 15.18`, `mariadb 10.11.19`, `mysql 8.4.0`, `sqlite 3.53.0`.
    pub fn server(&self) -> String {
        match &self.0 {
            SessionKind::Mysql(session) => session.server(),
            SessionKind::Postgres(session) => session.server(),
            SessionKind::Sqlite(session) => session.server(),
            SessionKind::Taped(session) => session.server(),
        }
    }

    /// Runs one statement with at most one row of parameters. `types` are the logical types wanted, one per column of the
    /// result; empty = those the driver finds natural. A type that would lose something fails with kind `config`.
    pub async fn query(
        &self,
        statement: &str,
        parameters: Option<&Batch>,
        types: &[LogicalType],
    ) -> Result<Rows, Failure> {
        match &self.0 {
            SessionKind::Mysql(session) => {
                session.query(statement, parameters, types).await.map(Box::new).map(RowsKind::Mysql).map(Rows)
            }
            SessionKind::Postgres(session) => {
                session.query(statement, parameters, types).await.map(Box::new).map(RowsKind::Postgres).map(Rows)
            }
            SessionKind::Sqlite(session) => {
                session.query(statement, parameters, types).await.map(RowsKind::Sqlite).map(Rows)
            }
            SessionKind::Taped(session) => {
                session.query(statement, parameters, types).await.map(Box::new).map(RowsKind::Taped).map(Rows)
            }
        }
    }

    /// Runs one statement once for each row of parameters, or once without; answers the rows affected in all. Outside of a
    /// transaction it is all or nothing. The property `row` of an error counts from 0.
    pub async fn execute(&self, statement: &str, parameters: Option<&Batch>) -> Result<u64, Failure> {
        match &self.0 {
            SessionKind::Mysql(session) => session.execute(statement, parameters).await,
            SessionKind::Postgres(session) => session.execute(statement, parameters).await,
            SessionKind::Sqlite(session) => session.execute(statement, parameters).await,
            SessionKind::Taped(session) => session.execute(statement, parameters).await,
        }
    }

    /// Runs several statements, separated by `;`, without parameters.
    pub async fn script(&self, statements: &str) -> Result<(), Failure> {
        match &self.0 {
            SessionKind::Mysql(session) => session.script(statements).await,
            SessionKind::Postgres(session) => session.script(statements).await,
            SessionKind::Sqlite(session) => session.script(statements).await,
            SessionKind::Taped(session) => session.script(statements).await,
        }
    }

    /// Begins to load rows into columns of a table. The fields name the columns and the logical types the values come in;
    /// what the columns themselves are, the database is asked.
    pub async fn ingest(&self, table: &[String], columns: &[Field]) -> Result<Ingest, Failure> {
        match &self.0 {
            SessionKind::Mysql(session) => {
                session.ingest(table, columns).await.map(Box::new).map(IngestKind::Mysql).map(Ingest)
            }
            SessionKind::Postgres(session) => {
                session.ingest(table, columns).await.map(IngestKind::Postgres).map(Ingest)
            }
            SessionKind::Sqlite(session) => session.ingest(table, columns).await.map(IngestKind::Sqlite).map(Ingest),
            SessionKind::Taped(session) => session.ingest(table, columns).await.map(IngestKind::Taped).map(Ingest),
        }
    }
}

/// Rows on their way. The session is busy until this is dropped or has said none.
pub struct Rows(RowsKind);

enum RowsKind {
    Mysql(Box<mysql::Rows>),
    Postgres(Box<postgres::Rows>),
    Sqlite(sqlite::Rows),
    Taped(Box<taped::Rows>),
}

impl Rows {
    /// The columns, with the property `native-type`.
    pub fn fields(&self) -> Arc<[Field]> {
        match &self.0 {
            RowsKind::Mysql(rows) => rows.fields(),
            RowsKind::Postgres(rows) => rows.fields(),
            RowsKind::Sqlite(rows) => rows.fields(),
            RowsKind::Taped(rows) => rows.fields(),
        }
    }

    /// At most as many rows and about as many bytes, at least one row; none at the end.
    pub async fn next(&mut self, rows_max: u32, bytes_max: u64) -> Result<Option<RowPage>, Failure> {
        match &mut self.0 {
            RowsKind::Mysql(rows) => rows.next(rows_max, bytes_max).await,
            RowsKind::Postgres(rows) => rows.next(rows_max, bytes_max).await,
            RowsKind::Sqlite(rows) => rows.next(rows_max, bytes_max).await,
            RowsKind::Taped(rows) => rows.next(rows_max, bytes_max).await,
        }
    }
}

/// Rows of a result.
#[derive(Clone, Debug)]
pub struct RowPage {
    pub data: Batch,
    /// Values that do not fit their column's type; in `data` they are null.
    pub problems: Vec<RowError>,
}

/// A load under way. Dropping it before `finish` takes back what was appended.
pub struct Ingest(IngestKind);

enum IngestKind {
    Mysql(Box<mysql::Ingest>),
    Postgres(postgres::Ingest),
    Sqlite(sqlite::Ingest),
    Taped(taped::Ingest),
}

impl Ingest {
    /// Hands rows over; they may still be on their way when this returns, so that an error may show with a later call. An error
    /// in the rows themselves shows at once: nothing of them has been sent, and the load may go on without them. The property
    /// `row` counts from 0 over everything appended.
    pub async fn append(&mut self, rows: &Batch) -> Result<(), Failure> {
        match &mut self.0 {
            IngestKind::Mysql(ingest) => ingest.append(rows).await,
            IngestKind::Postgres(ingest) => ingest.append(rows).await,
            IngestKind::Sqlite(ingest) => ingest.append(rows).await,
            IngestKind::Taped(ingest) => ingest.append(rows).await,
        }
    }

    /// Ends the load; answers the number of rows the table took.
    pub async fn finish(&mut self) -> Result<u64, Failure> {
        match &mut self.0 {
            IngestKind::Mysql(ingest) => ingest.finish().await,
            IngestKind::Postgres(ingest) => ingest.finish().await,
            IngestKind::Sqlite(ingest) => ingest.finish().await,
            IngestKind::Taped(ingest) => ingest.finish().await,
        }
    }
}

fn busy(origin: &str) -> Failure {
    Failure::new(FailureKind::Permanent, &codes::SQL_STATEMENT, origin, "the session is busy")
        .with("hint", "read the rows to their end or drop them, or open another session")
}

fn ended_load(origin: &str) -> Failure {
    Failure::new(FailureKind::Permanent, &codes::SQL_STATEMENT, origin, "the load has ended")
}

/// A column cannot be read or written as the wanted type.
fn unfit_type(origin: &str, column: &str, native: &str, wanted: LogicalType) -> Failure {
    let text = format!("column `{column}` is `{native}`, which is no `{wanted}` without loss");
    Failure::new(FailureKind::Config, &codes::SQL_STATEMENT, origin, text)
        .with("field", column)
        .with("hint", "cast it in the statement, or choose another type for the field")
}

/// Fails if the column says nothing about a record: absent is not null, and there is no third thing a database could be told.
fn check_present(name: &str, column: &Column, origin: &str, first_row: u64) -> Result<(), Failure> {
    let Some(present) = &column.present else { return Ok(()) };
    let Some(row) = present.iter().position(|is_present| !is_present) else { return Ok(()) };
    let row = first_row + row as u64;
    let text = format!("row {row}, column `{name}`: nothing is said about it, and a statement needs a value");
    Err(Failure::new(FailureKind::Permanent, &codes::SQL_STATEMENT, origin, text).with("row", row.to_string()))
}

/// A name of one or more parts as both databases quote it.
fn quote(parts: &[String]) -> String {
    let quoted: Vec<String> = parts.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    quoted.join(".")
}
