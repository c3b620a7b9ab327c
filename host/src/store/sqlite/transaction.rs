//! Transactions that are begun and ended by statements prepared once, like any other: understanding the words anew each time takes
//! longer than a small change.

use std::ops::Deref;

use rusqlite::Connection;

use super::stored::Stored;

/// Ends with nothing changed unless it is committed.
pub struct Transaction<'a> {
    connection: &'a Connection,
}

impl<'a> Transaction<'a> {
    /// One that only reads, and sees one state.
    pub fn for_reading(connection: &'a Connection) -> Stored<Self> {
        Self::begin(connection, "BEGIN")
    }

    /// One that will write: it waits for its turn at once, not halfway.
    pub fn for_writing(connection: &'a Connection) -> Stored<Self> {
        Self::begin(connection, "BEGIN IMMEDIATE")
    }

    fn begin(connection: &'a Connection, sql: &str) -> Stored<Self> {
        connection.prepare_cached(sql)?.execute([])?;
        Ok(Self { connection })
    }

    pub fn commit(self) -> Stored<()> {
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // After a commit there is nothing to take back; after a failure SQLite may have done it already.
        if !self.connection.is_autocommit() {
            let _ = self.connection.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a INTEGER)").unwrap();
        connection
    }

    fn rows(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_committed_stays() {
        let connection = connection();
        for round in 1..4 {
            let transaction = Transaction::for_writing(&connection).unwrap();
            transaction.execute("INSERT INTO t VALUES (1)", []).unwrap();
            transaction.commit().unwrap();
            assert!(connection.is_autocommit());
            assert_eq!(rows(&connection), round);
        }
    }

    #[test]
    fn what_is_not_committed_is_gone_and_the_next_begins_anew() {
        let connection = connection();
        for _ in 0..3 {
            let transaction = Transaction::for_writing(&connection).unwrap();
            transaction.execute("INSERT INTO t VALUES (1)", []).unwrap();
            drop(transaction);
            assert!(connection.is_autocommit());
            assert_eq!(rows(&connection), 0);
        }
    }

    #[test]
    fn a_transaction_that_reads_ends_too() {
        let connection = connection();
        assert_eq!(rows(&Transaction::for_reading(&connection).unwrap()), 0);
        assert!(connection.is_autocommit());
    }
}
