//! What sessions are made of: statements prepared, run, and taken back together.

use super::super::native::Definition;
use super::super::packet::Reader;
use super::super::wire::{Kind, Wire, command};
use super::{Prepared, misuse};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::pool::Wire as _;

/// Statements the server keeps ready for a connection.
const PREPARED_MAX: usize = 16;
const SCRIPTS_ON: &[u8] = &[0, 0];
const SCRIPTS_OFF: &[u8] = &[1, 0];

impl Wire {
    /// Has the server prepare a statement, unless it is ready still.
    pub async fn prepare(&mut self, statement: &str) -> Result<Prepared, Failure> {
        if let Some(place) = self.prepared.iter().position(|(text, _)| text == statement) {
            let found = self.prepared.remove(place);
            let prepared = found.1.clone();
            self.prepared.push(found);
            return Ok(prepared);
        }
        self.send_prepare(statement);
        let mut prepared = Prepared { id: 0, parameters: 0, columns: Vec::new() };
        let mut definitions = Vec::new();
        while !self.is_ready() {
            match self.arrive().await? {
                Kind::Error => return Err(self.take_failure(None)),
                Kind::Statement { id, parameters, .. } => {
                    prepared.id = id;
                    prepared.parameters = usize::from(parameters);
                }
                Kind::Definition => definitions.push(self.definition()?),
                _ => {}
            }
            self.consume();
        }
        prepared.columns = definitions.split_off(prepared.parameters.min(definitions.len()));
        self.keep(statement, &prepared);
        Ok(prepared)
    }

    fn keep(&mut self, statement: &str, prepared: &Prepared) {
        if self.prepared.len() >= PREPARED_MAX {
            let (_, oldest) = self.prepared.remove(0);
            self.send_unanswered(command::CLOSE, &oldest.id.to_le_bytes());
        }
        self.prepared.push((statement.to_owned(), prepared.clone()));
    }

    /// Has the server forget a statement, once it is ready for that.
    pub fn forget(&mut self, statement: &str) {
        if !self.is_ready() {
            return;
        }
        if let Some(place) = self.prepared.iter().position(|(text, _)| text == statement) {
            let (_, prepared) = self.prepared.remove(place);
            self.send_unanswered(command::CLOSE, &prepared.id.to_le_bytes());
        }
    }

    /// The column that has arrived.
    pub fn definition(&mut self) -> Result<Definition, Failure> {
        Definition::read(self.body()).ok_or_else(|| {
            self.broken = true;
            self.failure(FailureKind::Transient, &codes::SQL_LOST, "the server describes a column in an unknown way")
        })
    }

    /// Runs one statement, throws its rows away and answers how many it affected. `first_row`: the number of its first row.
    pub async fn run(&mut self, statement: &str, first_row: Option<u64>) -> Result<u64, Failure> {
        self.take_scripts(false).await?;
        self.send(command::QUERY, statement.as_bytes());
        self.count_affected(first_row).await
    }

    /// Runs several statements and throws their rows away.
    pub async fn run_script(&mut self, statements: &str) -> Result<(), Failure> {
        let has_several = statements.trim_end().trim_end_matches(';').contains(';');
        self.take_scripts(has_several).await?;
        self.send(command::QUERY, statements.as_bytes());
        self.count_affected(None).await.map(|_| ())
    }

    /// Tells the server whether one message may hold several statements: only a script may.
    async fn take_scripts(&mut self, takes: bool) -> Result<(), Failure> {
        if takes == self.takes_scripts {
            return Ok(());
        }
        self.send(command::SET_OPTION, if takes { SCRIPTS_ON } else { SCRIPTS_OFF });
        self.count_affected(None).await?;
        self.takes_scripts = takes;
        Ok(())
    }

    /// Reads what a statement answers, to its end.
    pub async fn count_affected(&mut self, first_row: Option<u64>) -> Result<u64, Failure> {
        let mut affected = 0;
        while !self.is_ready() {
            match self.arrive().await? {
                Kind::Done(rows) => affected += rows,
                Kind::Error => return Err(self.take_failure(first_row)),
                _ => {}
            }
            self.consume();
        }
        Ok(affected)
    }

    /// The few rows of a statement of our own, as text.
    pub async fn fetch_text(&mut self, statement: &str) -> Result<Vec<Vec<Option<String>>>, Failure> {
        self.take_scripts(false).await?;
        self.send(command::QUERY, statement.as_bytes());
        let mut rows = Vec::new();
        while !self.is_ready() {
            match self.arrive().await? {
                Kind::Row => rows.push(text_row(self.body())),
                Kind::Error => return Err(self.take_failure(None)),
                _ => {}
            }
            self.consume();
        }
        Ok(rows)
    }

    /// After a failure in a transaction: a deadlock, and with some settings a lock wait, takes the whole transaction with it, and
    /// only the next answer tells.
    pub async fn note_survival(&mut self) -> Result<(), Failure> {
        self.settle().await?;
        if self.broken {
            return Ok(());
        }
        self.send(command::PING, &[]);
        self.count_affected(None).await?;
        self.is_aborted |= !self.in_transaction();
        Ok(())
    }

    /// Forgets everything the session did and begins a new one, without its settings.
    pub async fn start_over(&mut self) -> Result<(), Failure> {
        self.send(command::RESET, &[]);
        self.count_affected(None).await?;
        self.prepared.clear();
        self.takes_scripts = false;
        self.is_aborted = false;
        if self.in_transaction() { Err(misuse(self, "the server keeps a transaction open")) } else { Ok(()) }
    }
}

fn text_row(body: &[u8]) -> Vec<Option<String>> {
    let mut row = Reader(body);
    let mut values = Vec::new();
    while let Some(first) = row.0.first() {
        if *first == NULL {
            let _ = row.u8();
            values.push(None);
            continue;
        }
        let Some(value) = row.counted_text() else { break };
        values.push(Some(value));
    }
    values
}

/// In the place of a count, in rows of text.
const NULL: u8 = 0xfb;

/// What is taken back as a whole if a part of it fails: inside of a transaction that one goes on as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Savepoint,
    Transaction,
}

impl Scope {
    pub async fn begin(wire: &mut Wire) -> Result<Self, Failure> {
        let scope = if wire.in_transaction() { Self::Savepoint } else { Self::Transaction };
        let statement = match scope {
            Self::Savepoint => "SAVEPOINT lockstep",
            Self::Transaction => "START TRANSACTION",
        };
        wire.run(statement, None).await.map(|_| scope)
    }

    pub async fn keep(self, wire: &mut Wire) -> Result<(), Failure> {
        let statement = match self {
            Self::Savepoint => "RELEASE SAVEPOINT lockstep",
            Self::Transaction => "COMMIT",
        };
        wire.run(statement, None).await.map(|_| ())
    }

    /// Takes everything back, after a failure, which is what it answers. If the server has done so already, and with the whole
    /// transaction, that shows later.
    pub async fn undo(self, wire: &mut Wire, failure: Failure) -> Failure {
        if wire.settle().await.is_err() || wire.broken {
            return failure;
        }
        let undone = match self {
            Self::Savepoint => {
                let _survival = wire.note_survival().await;
                if wire.is_aborted { Ok(0) } else { wire.run("ROLLBACK TO SAVEPOINT lockstep", None).await }
            }
            Self::Transaction => wire.run("ROLLBACK", None).await,
        };
        wire.broken |= undone.is_err();
        failure
    }
}
