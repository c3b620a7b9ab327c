//! Messages to and from the server: framing, buffering, and what has to be answered before the next statement.
//!
//! All state stands in [`Wire`], none in a future: whoever stops waiting in the middle of a call can go on or clean up later.
//! It knows the framing of protocol 3.0 and nothing of statements or values.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::fault::{self, Notice};
use super::messages;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::stream::Stream;

/// Read from the socket in pieces of this many bytes; more shows no gain.
const READ_BYTES: usize = 256 * 1024;
/// One message at most: a row of a result arrives in one. PostgreSQL's own limit is 1 GiB.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Tag and length.
const HEADER_BYTES: usize = 5;

/// Where the session stands, as the server last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Idle,
    InTransaction,
    /// A statement failed; only a rollback helps.
    Failed,
}

/// The two ways of sending a statement. They differ in what makes the server ready again after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    /// One message that holds everything.
    Simple,
    /// A series of messages up to a sync.
    Extended,
}

/// What it takes to cancel a running statement.
#[derive(Clone, Copy, Default)]
pub(super) struct CancelKey {
    pub process: i32,
    pub secret: i32,
}

/// One connection.
pub(super) struct Wire {
    pub origin: Arc<str>,
    pub status: Status,
    pub cancel_key: CancelKey,
    /// `server_version`.
    pub version: String,
    pub server_encoding: String,
    /// `ReadyForQuery` messages that are still to come.
    pub owed: u32,
    /// Which protocol the statement under way came by.
    exchange: Exchange,
    /// Whether the connection is beyond repair.
    pub broken: bool,
    stream: Stream,
    incoming: Vec<u8>,
    /// What of `incoming` has arrived and has not been consumed.
    start: usize,
    end: usize,
    /// The message that stands at `start`: its length with the header; 0 = none yet.
    message: usize,
    outgoing: Vec<u8>,
    written: usize,
}

impl Wire {
    pub fn new(stream: Stream, origin: Arc<str>) -> Self {
        Self {
            origin,
            status: Status::Idle,
            cancel_key: CancelKey::default(),
            version: String::new(),
            server_encoding: String::new(),
            owed: 0,
            exchange: Exchange::Simple,
            broken: false,
            stream,
            incoming: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            message: 0,
            outgoing: Vec::new(),
            written: 0,
        }
    }

    pub fn failure(&self, kind: FailureKind, code: &'static crate::error::Code, message: impl Into<String>) -> Failure {
        Failure::new(kind, code, &self.origin, message)
    }

    /// The buffer for messages to be sent, to append to.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// Takes over a buffer that is already in the form of messages; copies only if something else waits before it.
    pub fn send_buffer(&mut self, buffer: Vec<u8>) {
        if self.is_flushed() {
            self.outgoing = buffer;
            self.written = 0;
        } else {
            self.outgoing.extend_from_slice(&buffer);
        }
    }

    pub fn is_flushed(&self) -> bool {
        self.written == self.outgoing.len()
    }

    /// The tag of the next message, once it has arrived whole. Notices and parameters are dealt with here.
    pub async fn arrive(&mut self) -> Result<u8, Failure> {
        loop {
            if let Some(tag) = self.arrived()? {
                return Ok(tag);
            }
            poll_fn(|cx| self.poll_both(cx)).await.map_err(|error| self.lost(&error))?;
        }
    }

    /// As [`Wire::arrive`], of what the buffer holds.
    pub fn arrived(&mut self) -> Result<Option<u8>, Failure> {
        loop {
            let Some(tag) = self.frame()? else { return Ok(None) };
            match tag {
                b'N' => self.log_notice(),
                b'S' => self.note_parameter(),
                b'A' => {}
                b'Z' => {
                    self.note_ready();
                    return Ok(Some(tag));
                }
                _ => return Ok(Some(tag)),
            }
            self.consume();
        }
    }

    /// The body of the message that has arrived.
    pub fn body(&self) -> &[u8] {
        self.incoming.get(self.start + HEADER_BYTES..self.start + self.message).unwrap_or_default()
    }

    pub fn consume(&mut self) {
        if self.message > 0 && self.body_tag() == b'Z' {
            self.owed = self.owed.saturating_sub(1);
        }
        self.start += self.message;
        self.message = 0;
    }

    /// Sends everything; reads what arrives meanwhile, so that neither side waits for the other.
    ///
    /// Returns early if a whole message has arrived: call again after having dealt with it.
    pub async fn flush_or_arrive(&mut self) -> Result<Option<u8>, Failure> {
        loop {
            if let Some(tag) = self.arrived()? {
                return Ok(Some(tag));
            }
            if self.is_flushed() {
                return Ok(None);
            }
            poll_fn(|cx| self.poll_both(cx)).await.map_err(|error| self.lost(&error))?;
        }
    }

    /// The failure in the error message that has arrived, which is consumed. The session ends if the server says so.
    pub fn take_failure(&mut self) -> Failure {
        let failure = fault::failure(&self.origin, self.body());
        self.broken |= Notice::new(self.body()).is_fatal();
        self.consume();
        failure
    }

    /// Reads on until the server is ready for the next statement; what arrives is thrown away.
    pub async fn settle(&mut self) -> Result<(), Failure> {
        while self.owed > 0 && !self.broken {
            match self.arrive().await? {
                b'G' | b'W' => self.refuse_copy(),
                b'E' => drop(self.take_failure()),
                _ => self.consume(),
            }
        }
        Ok(())
    }

    /// As [`Wire::settle`], of what the buffer holds. Says whether the server is ready.
    pub fn settle_now(&mut self) -> bool {
        while self.owed > 0 && !self.broken && self.is_flushed() {
            match self.arrived() {
                Ok(Some(b'G' | b'W') | None) | Err(_) => return false,
                Ok(Some(b'E')) => drop(self.take_failure()),
                Ok(Some(_)) => self.consume(),
            }
        }
        self.owed == 0 && !self.broken
    }

    /// Sends statements without parameters; the server is ready after them.
    pub fn send_query(&mut self, statements: &str) {
        messages::query(&mut self.outgoing, statements);
        self.exchange = Exchange::Simple;
        self.owed += 1;
    }

    /// Ends a series of messages; the server is ready after them.
    pub fn send_sync(&mut self) {
        messages::sync(&mut self.outgoing);
        self.exchange = Exchange::Extended;
        self.owed += 1;
    }

    /// Ends a COPY that nobody feeds, whose message has arrived.
    pub fn refuse_copy(&mut self) {
        self.consume();
        messages::copy_fail(&mut self.outgoing, "no rows come with this statement");
        // While it waits for rows the server overlooks syncs: the one that has been sent has to be sent again.
        if self.exchange == Exchange::Extended && self.owed > 0 {
            messages::sync(&mut self.outgoing);
        }
    }

    /// Whether the connection still stands, as far as can be seen without asking the server. Between sessions the server has
    /// nothing to say but a farewell, or notices that are not worth telling apart from one.
    pub fn is_alive(&self) -> bool {
        !self.broken && self.owed == 0 && self.is_flushed() && self.start == self.end && self.stream.is_quiet()
    }

    /// Reads once and writes once, as far as either is possible; ready as soon as something has happened.
    fn poll_both(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let wrote = self.poll_write(cx)?;
        let read = self.poll_fill(cx)?;
        if wrote.is_ready() || read.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Writes as much as the socket takes. Pending if there is nothing to write.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let mut progress = Poll::Pending;
        while let Some(rest) = self.outgoing.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.written += written,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return progress,
            }
            progress = Poll::Ready(Ok(()));
        }
        self.outgoing.clear();
        self.written = 0;
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => progress,
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.make_room();
        let mut buffer = ReadBuf::new(self.incoming.get_mut(self.end..).unwrap_or_default());
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => {
                let read = buffer.filled().len();
                self.end += read;
                let end = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                Poll::Ready(if read == 0 { Err(end()) } else { Ok(()) })
            }
            other => other,
        }
    }

    /// Moves what is left to the front when the buffer has run out, and grows it for a message that is bigger than it.
    fn make_room(&mut self) {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        let waiting = self.end - self.start;
        let wanted = self.announced_length().max(waiting + 1);
        if self.start + wanted > self.incoming.len() || self.end == self.incoming.len() {
            self.incoming.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = waiting;
        }
        if wanted > self.incoming.len() {
            self.incoming.resize(wanted.next_power_of_two(), 0);
        } else if waiting == 0 && self.incoming.len() > READ_BYTES {
            self.incoming.truncate(READ_BYTES);
            self.incoming.shrink_to_fit();
        }
    }

    /// The length of the message at `start` with its header, as far as it can be known; 0 if it cannot.
    fn announced_length(&self) -> usize {
        let header = self.incoming.get(self.start..self.end).and_then(|waiting| waiting.first_chunk::<HEADER_BYTES>());
        header.map_or(0, |[_, length @ ..]| u32::from_be_bytes(*length) as usize + 1)
    }

    /// Finds the message at `start`.
    fn frame(&mut self) -> Result<Option<u8>, Failure> {
        if self.message == 0 {
            let length = self.announced_length();
            if length == 0 {
                return Ok(None);
            }
            if !(HEADER_BYTES..=MESSAGE_BYTES_MAX).contains(&length) {
                return Err(self.refuse_message(length));
            }
            if length > self.end - self.start {
                return Ok(None);
            }
            self.message = length;
        }
        Ok(Some(self.body_tag()))
    }

    fn body_tag(&self) -> u8 {
        self.incoming.get(self.start).copied().unwrap_or_default()
    }

    fn refuse_message(&mut self, length: usize) -> Failure {
        self.broken = true;
        let text = format!(
            "the server sends a message of {length} bytes, but {MESSAGE_BYTES_MAX} are the most for a row of a result"
        );
        self.failure(FailureKind::Permanent, &codes::SQL_STATEMENT, text)
    }

    fn note_ready(&mut self) {
        self.status = match self.body().first() {
            Some(b'T') => Status::InTransaction,
            Some(b'E') => Status::Failed,
            _ => Status::Idle,
        };
    }

    fn note_parameter(&mut self) {
        let mut parts = self.body().split(|byte| *byte == 0);
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let value = String::from_utf8_lossy(value).into_owned();
        match name {
            b"server_version" => self.version = value,
            b"server_encoding" => self.server_encoding = value,
            _ => {}
        }
    }

    fn log_notice(&self) {
        let notice = Notice::new(self.body());
        tracing::debug!(
            origin = %self.origin,
            code = notice.state(),
            "{}",
            notice.field(b'M').unwrap_or_default()
        );
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
