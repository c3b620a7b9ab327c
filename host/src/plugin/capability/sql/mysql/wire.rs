//! Packets to and from the server: framing, buffering, and what is still to be answered before the next statement.
//!
//! All state stands in [`Wire`], none in a future: whoever stops waiting in the middle of a call can go on or clean up later. It
//! knows which packets follow each other and nothing of statements or values.

mod framing;
mod server;

use std::future::poll_fn;
use std::sync::Arc;

use super::fault::Notice;
use super::packet::Reader;
use super::session::Prepared;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::pool;
use crate::plugin::capability::sql::stream::Stream;

pub(super) use server::Server;

/// Read from the socket in pieces of this many bytes.
const READ_BYTES: usize = 256 * 1024;
const HEADER_BYTES: usize = 4;

const IN_TRANSACTION: u16 = 0x0001;
const MORE_RESULTS: u16 = 0x0008;
const NO_BACKSLASH_ESCAPES: u16 = 0x0200;

/// Which packet comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// None: the server waits for a command.
    Ready,
    Answer,
    /// What a statement to be prepared is answered with.
    Prepared,
    /// Columns, then a mark, then what is told here.
    Definitions {
        left: u64,
        then: Then,
    },
    Rows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Rows,
    /// The columns of a prepared statement's result, as many.
    Columns(u64),
    Ready,
}

/// What has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A statement is done. Its number of rows affected.
    Done(u64),
    Error,
    /// Rows with so many columns follow.
    Columns(u64),
    Definition,
    EndOfDefinitions,
    Row,
    EndOfRows,
    /// A statement has been prepared: its id, its parameters, its columns.
    Statement {
        id: u32,
        parameters: u16,
        columns: u16,
    },
}

/// One connection.
pub(super) struct Wire {
    pub origin: Arc<str>,
    pub server: Server,
    /// The server's number of this connection, by which it is told to stop a statement.
    pub thread: u32,
    /// Statements the server has ready.
    pub prepared: Vec<(String, Prepared)>,
    /// Whether several statements may come at once.
    pub takes_scripts: bool,
    /// The server has rolled a transaction back by itself; only a rollback of whoever began it lets the session go on.
    pub is_aborted: bool,
    /// Whether the connection is beyond repair.
    pub broken: bool,
    status: u16,
    phase: Phase,
    stream: Stream,
    /// The number of the next packet of the conversation.
    sequence: u8,
    incoming: Vec<u8>,
    /// What of `incoming` has arrived and has not been consumed.
    start: usize,
    end: usize,
    /// The payload that stands at `start` behind its header; none = not whole yet.
    payload: Option<usize>,
    outgoing: Vec<u8>,
    written: usize,
}

impl Wire {
    /// `sequence`: how many packets of the handshake have gone over the stream already.
    pub fn new(stream: Stream, origin: Arc<str>, sequence: u8) -> Self {
        Self {
            origin,
            server: Server::default(),
            thread: 0,
            prepared: Vec::new(),
            takes_scripts: false,
            is_aborted: false,
            broken: false,
            status: 0,
            phase: Phase::Ready,
            stream,
            sequence,
            incoming: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            payload: None,
            outgoing: Vec::new(),
            written: 0,
        }
    }

    pub fn failure(&self, kind: FailureKind, code: &'static crate::error::Code, message: impl Into<String>) -> Failure {
        Failure::new(kind, code, &self.origin, message)
    }

    pub fn is_private(&self) -> bool {
        self.stream.is_private()
    }

    pub fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    pub fn in_transaction(&self) -> bool {
        self.status & IN_TRANSACTION != 0
    }

    /// Whether a backslash in a literal is nothing but a backslash.
    pub fn has_plain_backslashes(&self) -> bool {
        self.status & NO_BACKSLASH_ESCAPES != 0
    }

    /// Whether the server waits for a command.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether rows are on their way.
    pub fn is_answering(&self) -> bool {
        !matches!(self.phase, Phase::Ready | Phase::Answer)
    }

    /// Sends a command that is answered as statements are.
    pub fn send(&mut self, command: u8, body: &[u8]) {
        self.sequence = 0;
        self.put_packet(&[&[command], body]);
        self.phase = Phase::Answer;
    }

    /// Sends a statement to be prepared.
    pub fn send_prepare(&mut self, statement: &str) {
        self.sequence = 0;
        self.put_packet(&[&[command::PREPARE], statement.as_bytes()]);
        self.phase = Phase::Prepared;
    }

    /// Sends a command that is not answered.
    pub fn send_unanswered(&mut self, command: u8, body: &[u8]) {
        self.sequence = 0;
        self.put_packet(&[&[command], body]);
    }

    /// Sends a packet of the handshake.
    pub fn send_handshake(&mut self, body: &[u8]) {
        self.put_packet(&[body]);
        self.phase = Phase::Answer;
    }

    fn is_flushed(&self) -> bool {
        self.written == self.outgoing.len()
    }

    /// What the next packet is, once it has arrived whole.
    pub async fn arrive(&mut self) -> Result<Kind, Failure> {
        loop {
            if let Some(kind) = self.arrived()? {
                return Ok(kind);
            }
            poll_fn(|cx| self.poll_both(cx)).await.map_err(|error| self.lost(&error))?;
        }
    }

    /// As [`Wire::arrive`], of what the buffer holds.
    pub fn arrived(&mut self) -> Result<Option<Kind>, Failure> {
        if !self.frame()? {
            return Ok(None);
        }
        let kind = self.classify();
        kind.map(Some).ok_or_else(|| self.out_of_order())
    }

    /// A packet of the handshake, whatever it is.
    pub async fn arrive_raw(&mut self) -> Result<(), Failure> {
        while !self.frame()? {
            poll_fn(|cx| self.poll_both(cx)).await.map_err(|error| self.lost(&error))?;
        }
        Ok(())
    }

    /// The payload of the packet that has arrived.
    pub fn body(&self) -> &[u8] {
        let length = self.payload.unwrap_or_default();
        self.incoming.get(self.start + HEADER_BYTES..self.start + HEADER_BYTES + length).unwrap_or_default()
    }

    /// Drops a packet of the handshake.
    pub fn consume_raw(&mut self) {
        let number = self.incoming.get(self.start + 3).copied().unwrap_or_default();
        self.sequence = number.wrapping_add(1);
        self.start += HEADER_BYTES + self.payload.take().unwrap_or_default();
    }

    /// Ends the handshake.
    pub fn begin_session(&mut self) {
        self.phase = Phase::Ready;
    }

    /// Drops the packet that has arrived; what follows it is known from then on.
    pub fn consume(&mut self) {
        if let Some(kind) = self.payload.and_then(|_| self.classify()) {
            self.advance(kind);
        }
        self.consume_raw();
    }

    fn advance(&mut self, kind: Kind) {
        self.phase = match (kind, self.phase) {
            (Kind::Done(_) | Kind::EndOfRows, _) => {
                self.note_status();
                if self.status & MORE_RESULTS != 0 { Phase::Answer } else { Phase::Ready }
            }
            (Kind::Error, _) => Phase::Ready,
            (Kind::Columns(left), _) => Phase::Definitions { left, then: Then::Rows },
            (Kind::Statement { parameters: 0, columns: 0, .. }, _) => Phase::Ready,
            (Kind::Statement { parameters: 0, columns, .. }, _) => {
                Phase::Definitions { left: u64::from(columns), then: Then::Ready }
            }
            (Kind::Statement { parameters, columns, .. }, _) => {
                Phase::Definitions { left: u64::from(parameters), then: Then::Columns(u64::from(columns)) }
            }
            (Kind::Definition, Phase::Definitions { left, then }) => Phase::Definitions { left: left - 1, then },
            (Kind::EndOfDefinitions, Phase::Definitions { then, .. }) => match then {
                Then::Rows => Phase::Rows,
                Then::Columns(0) | Then::Ready => Phase::Ready,
                Then::Columns(left) => Phase::Definitions { left, then: Then::Ready },
            },
            (_, phase) => phase,
        };
    }

    /// What the packet at hand is; none if it has no place here.
    fn classify(&self) -> Option<Kind> {
        let body = self.body();
        let first = *body.first()?;
        let is_mark = first == 0xfe && body.len() < 9;
        Some(match (self.phase, first) {
            (Phase::Ready, _) => return None,
            (_, 0xff) => Kind::Error,
            (Phase::Answer, 0) => Kind::Done(Reader(body.get(1..)?).counted_int()?),
            (Phase::Answer, 0xfe) if is_mark => Kind::Done(0),
            // The server would like to read a file of ours.
            (Phase::Answer, 0xfb) => return None,
            (Phase::Answer, _) => Kind::Columns(Reader(body).counted_int()?),
            (Phase::Prepared, 0) => {
                let mut reader = Reader(body.get(1..)?);
                let (id, columns, parameters) = (reader.u32()?, reader.u16()?, reader.u16()?);
                Kind::Statement { id, parameters, columns }
            }
            (Phase::Prepared, _) => return None,
            (Phase::Definitions { left: 0, .. }, _) if is_mark => Kind::EndOfDefinitions,
            (Phase::Definitions { left: 0, .. }, _) => return None,
            (Phase::Definitions { .. }, _) => Kind::Definition,
            (Phase::Rows, _) if is_mark => Kind::EndOfRows,
            (Phase::Rows, _) => Kind::Row,
        })
    }

    /// The flags of the packet that ends an answer.
    fn note_status(&mut self) {
        let mut reader = Reader(self.body());
        let status = match reader.u8() {
            Some(0) => {
                let _ = (reader.counted_int(), reader.counted_int());
                reader.u16()
            }
            _ => {
                let _warnings = reader.u16();
                reader.u16()
            }
        };
        self.status = status.unwrap_or(self.status);
    }

    /// The failure in the error packet that has arrived, which is consumed. The session ends if the server says so.
    pub fn take_failure(&mut self, first_row: Option<u64>) -> Failure {
        let notice = Notice::new(self.body());
        self.broken |= notice.is_fatal();
        self.consume();
        notice.failure(&self.origin, first_row)
    }

    fn out_of_order(&mut self) -> Failure {
        self.broken = true;
        self.failure(FailureKind::Transient, &codes::SQL_LOST, "the server's answers are out of order")
    }

    fn lost(&mut self, error: &std::io::Error) -> Failure {
        self.broken = true;
        let reason = match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
            _ => error.to_string(),
        };
        self.failure(FailureKind::Transient, &codes::SQL_LOST, format!("the connection was lost: {reason}"))
    }
}

/// The first byte of what is asked of the server.
pub(super) mod command {
    pub const QUERY: u8 = 0x03;
    pub const PING: u8 = 0x0e;
    pub const PREPARE: u8 = 0x16;
    pub const EXECUTE: u8 = 0x17;
    pub const CLOSE: u8 = 0x19;
    pub const SET_OPTION: u8 = 0x1b;
    pub const RESET: u8 = 0x1f;
}

impl pool::Wire for Wire {
    fn is_broken(&self) -> bool {
        self.broken
    }

    fn give_up(&mut self) {
        self.broken = true;
    }

    fn is_alive(&self) -> bool {
        !self.broken && self.is_ready() && self.is_flushed() && self.start == self.end && self.stream.is_quiet()
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        while !self.is_ready() && !self.broken {
            match self.arrive().await? {
                Kind::Error => drop(self.take_failure(None)),
                _ => self.consume(),
            }
        }
        Ok(())
    }

    fn settle_now(&mut self) -> bool {
        while !self.is_ready() && !self.broken && self.is_flushed() {
            match self.arrived() {
                Ok(None) | Err(_) => return false,
                Ok(Some(Kind::Error)) => drop(self.take_failure(None)),
                Ok(Some(_)) => self.consume(),
            }
        }
        self.is_ready() && !self.broken
    }
}
