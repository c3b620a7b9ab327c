//! Events that wait to be delivered, in their order, in a small database beside the state.
//!
//! It is not the state itself: whatever happens to it, no sync is held up. Only the process that holds the project's lock opens it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::ExportError;

/// Inside the folder of the state.
const FILE: &str = "openlineage.db";
/// Some months of a run every half an hour, if nobody takes them.
const EVENTS_MAX: i64 = 10_000;
/// What an unattended disk can spare.
const BYTES_MAX: i64 = 64 << 20;

/// `refused` is what a consumer said that will never take the event; such events are kept for people, within the same bounds.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, refused TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS begun (run TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;";

pub(super) struct Outbox {
    path: PathBuf,
    connection: Connection,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    events: i64,
    bytes: i64,
}

/// The event that is delivered next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub id: i64,
    pub body: String,
}

/// Which end of a run an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Begin,
    End,
}

impl Outbox {
    /// `folder` is there.
    pub fn open(folder: &Path) -> Result<Self, ExportError> {
        let path = folder.join(FILE);
        match open(&path) {
            Ok(connection) => Ok(Self { path, connection, limits: Limits { events: EVENTS_MAX, bytes: BYTES_MAX } }),
            Err(source) => Err(ExportError::Outbox { path, source }),
        }
    }

    /// Adds an event at the end. Answers how many of the oldest had to go for it.
    pub fn push(&self, run: &str, edge: Edge, body: &str) -> Result<usize, ExportError> {
        self.at(push(&self.connection, run, edge, body, self.limits))
    }

    /// Begins of runs that have no end yet. What another process began will never have one.
    pub fn begun(&self) -> Result<Vec<(String, String)>, ExportError> {
        self.at(begun(&self.connection))
    }

    pub fn next(&self) -> Result<Option<Waiting>, ExportError> {
        let query = "SELECT id, body FROM event WHERE refused IS NULL ORDER BY id LIMIT 1";
        let row = |row: &rusqlite::Row<'_>| Ok(Waiting { id: row.get(0)?, body: row.get(1)? });
        self.at(self.connection.query_row(query, [], row).optional())
    }

    pub fn delivered(&self, id: i64) -> Result<(), ExportError> {
        self.at(self.connection.execute("DELETE FROM event WHERE id = ?1", [id])).map(drop)
    }

    /// Takes an event out of the queue that nobody wants.
    pub fn set_aside(&self, id: i64, why: &str) -> Result<(), ExportError> {
        self.at(self.connection.execute("UPDATE event SET refused = ?2 WHERE id = ?1", params![id, why])).map(drop)
    }

    fn at<T>(&self, outcome: rusqlite::Result<T>) -> Result<T, ExportError> {
        outcome.map_err(|source| ExportError::Outbox { path: self.path.clone(), source })
    }

    /// What [`ExportError::Dropped`] says.
    pub fn limit(&self) -> String {
        format!("{} or {} MiB", self.limits.events, self.limits.bytes >> 20)
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

fn push(connection: &Connection, run: &str, edge: Edge, body: &str, limits: Limits) -> rusqlite::Result<usize> {
    let transaction = connection.unchecked_transaction()?;
    match edge {
        Edge::Begin => transaction.execute("INSERT OR REPLACE INTO begun VALUES (?1, ?2)", params![run, body])?,
        Edge::End => transaction.execute("DELETE FROM begun WHERE run = ?1", [run])?,
    };
    transaction.execute("INSERT INTO event (body) VALUES (?1)", [body])?;
    // The newest always stays, however long it is.
    let dropped = transaction.execute(
        "DELETE FROM event WHERE id IN (
             SELECT id FROM (
                 SELECT id, count(*) OVER newer AS events, sum(octet_length(body)) OVER newer AS bytes, max(id) OVER () AS last
                 FROM event WINDOW newer AS (ORDER BY id DESC)
             ) WHERE (events > ?1 OR bytes > ?2) AND id < last
         )",
        [limits.events, limits.bytes],
    )?;
    transaction.commit()?;
    Ok(dropped)
}

fn begun(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = connection.prepare("SELECT run, body FROM begun ORDER BY run")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(outbox: &Outbox) -> Vec<String> {
        let mut bodies = Vec::new();
        while let Some(next) = outbox.next().unwrap() {
            outbox.delivered(next.id).unwrap();
            bodies.push(next.body);
        }
        bodies
    }

    #[test]
    fn events_come_out_in_their_order_and_survive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path()).unwrap();
        outbox.push("1", Edge::Begin, "a").unwrap();
        outbox.push("1", Edge::End, "b").unwrap();
        outbox.push("2", Edge::Begin, "c").unwrap();
        drop(outbox);
        let outbox = Outbox::open(dir.path()).unwrap();
        assert_eq!(outbox.begun().unwrap(), [("2".to_owned(), "c".to_owned())]);
        assert_eq!(outbox.next().unwrap().unwrap().body, "a");
        assert_eq!(waiting(&outbox), ["a", "b", "c"]);
    }

    #[test]
    fn what_was_set_aside_is_not_next() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path()).unwrap();
        outbox.push("1", Edge::Begin, "a").unwrap();
        outbox.push("1", Edge::End, "b").unwrap();
        outbox.set_aside(outbox.next().unwrap().unwrap().id, "422").unwrap();
        assert_eq!(waiting(&outbox), ["b"]);
    }

    fn check(limits: Limits, bodies: &[&str], expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::open(dir.path()).unwrap();
        outbox.limits = limits;
        let dropped: usize = bodies.iter().map(|body| outbox.push("1", Edge::End, body).unwrap()).sum();
        assert_eq!(waiting(&outbox), expected);
        assert_eq!(dropped, bodies.len() - expected.len());
    }

    #[test]
    fn the_oldest_go_where_there_are_too_many() {
        check(Limits { events: 2, bytes: 100 }, &["a", "b", "c"], &["b", "c"]);
        check(Limits { events: 9, bytes: 4 }, &["aa", "bb", "cc"], &["bb", "cc"]);
        check(Limits { events: 9, bytes: 4 }, &["a", "bbbbbbb"], &["bbbbbbb"]);
    }

    #[test]
    fn a_damaged_file_is_named_with_the_way_out() {
        use crate::error::Explain as _;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "not a database, and longer than the header of one would be".repeat(20))
            .unwrap();
        let error = Outbox::open(dir.path()).err().unwrap();
        assert_eq!(error.code().id, "LS0808");
        assert!(error.hints()[0].starts_with("`rm -f ") && error.hints()[0].contains(FILE), "{error:?}");
    }
}
