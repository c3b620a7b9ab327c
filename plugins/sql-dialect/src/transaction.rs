//! A session whose writes hold or fall together, from flush to flush.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};

/// A session that writes in transactions. After an error it is not used again.
pub struct Transaction {
    session: Session,
    begin: &'static str,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    Broken,
}

impl Transaction {
    /// `begin`: the statement that begins a transaction.
    pub fn new(session: Session, begin: &'static str) -> Self {
        Self { session, begin, state: State::Idle }
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Fails if something has failed before.
    pub fn check(&self) -> Result<()> {
        if self.state == State::Broken { Err(broken()) } else { Ok(()) }
    }

    /// Begins unless it has begun.
    pub fn begin(&mut self) -> Result<()> {
        match self.state {
            State::Idle => self.session.script(self.begin)?,
            State::Open => return Ok(()),
            State::Broken => return Err(broken()),
        }
        self.state = State::Open;
        Ok(())
    }

    /// Makes what was done durable; nothing if nothing was.
    pub fn commit(&mut self) -> Result<()> {
        match self.state {
            State::Idle => return Ok(()),
            State::Open => self.session.script("COMMIT")?,
            State::Broken => return Err(broken()),
        }
        self.state = State::Idle;
        Ok(())
    }

    /// Takes everything since the last commit back.
    pub fn abort(&mut self) {
        if self.state == State::Open {
            // Whether it works or not, the session is not used again.
            let _ = self.session.script("ROLLBACK");
        }
        self.state = State::Broken;
    }
}

fn broken() -> Error {
    Error::permanent("the writer has failed before and cannot go on")
}
