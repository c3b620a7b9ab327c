//! Payloads to and from the socket, cut into packets and put together again.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{HEADER_BYTES, READ_BYTES, Wire};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;

/// One packet at most, put together: a row of a result arrives in one. The server's own limit is 1 GiB.
const PACKET_BYTES_MAX: usize = 256 * 1024 * 1024;
/// A payload of this length goes on in the next packet.
const PART_BYTES: usize = 0xff_ffff;

impl Wire {
    /// Appends a payload, cut into packets as long as they may be.
    pub(super) fn put_packet(&mut self, parts: &[&[u8]]) {
        let mut left: usize = parts.iter().map(|part| part.len()).sum();
        let mut bytes = parts.iter().flat_map(|part| part.chunks(PART_BYTES / 4));
        let mut rest: &[u8] = &[];
        loop {
            let length = left.min(PART_BYTES);
            self.outgoing.extend((length as u32).to_le_bytes().into_iter().take(3));
            self.outgoing.push(self.sequence);
            self.sequence = self.sequence.wrapping_add(1);
            let mut room = length;
            while room > 0 {
                if rest.is_empty() {
                    rest = bytes.next().unwrap_or_default();
                }
                let (now, later) = rest.split_at(room.min(rest.len()));
                self.outgoing.extend_from_slice(now);
                rest = later;
                room -= now.len();
            }
            left -= length;
            if length < PART_BYTES {
                return;
            }
        }
    }

    /// Reads once and writes once, as far as either is possible; ready as soon as something has happened.
    pub(super) fn poll_both(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let wrote = self.poll_write(cx)?;
        let read = self.poll_fill(cx)?;
        if wrote.is_ready() || read.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Hands everything over to the system; what arrives meanwhile is kept.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        while !self.is_flushed() {
            poll_fn(|cx| self.poll_both(cx)).await.map_err(|error| self.lost(&error))?;
        }
        Ok(())
    }

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

    /// Moves what is left to the front when the buffer has run out, and grows it for a packet that is bigger than it.
    fn make_room(&mut self) {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        let waiting = self.end - self.start;
        let wanted = (HEADER_BYTES + self.announced_length(self.start)).max(waiting + 1);
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

    /// The length of the payload behind the header at a place, as far as it can be known; 0 if it cannot.
    fn announced_length(&self, at: usize) -> usize {
        let header = self.incoming.get(at..self.end).and_then(|waiting| waiting.first_chunk::<HEADER_BYTES>());
        header.map_or(0, |[a, b, c, _]| u32::from_le_bytes([*a, *b, *c, 0]) as usize)
    }

    /// Finds the packet at `start`; the parts of a long one are put together in the buffer.
    pub(super) fn frame(&mut self) -> Result<bool, Failure> {
        if self.payload.is_some() {
            return Ok(true);
        }
        if self.end - self.start < HEADER_BYTES {
            return Ok(false);
        }
        let mut length = self.announced_length(self.start);
        let mut part = length;
        if self.end - self.start < HEADER_BYTES + length {
            return Ok(false);
        }
        let mut ends = Vec::new();
        while part == PART_BYTES {
            let next = self.start + HEADER_BYTES + length + ends.len() * HEADER_BYTES;
            part = self.announced_length(next);
            if self.end < next + HEADER_BYTES + part {
                return self.check_length(length + part).map(|()| false);
            }
            ends.push((next, part));
            length += part;
        }
        self.join(&ends);
        self.payload = Some(length);
        Ok(true)
    }

    /// Moves the further parts of a packet to the first one. The header that counts for the conversation is the last one's.
    fn join(&mut self, parts: &[(usize, usize)]) {
        let Some((last, _)) = parts.last().copied() else { return };
        let number = self.incoming.get(last + 3).copied().unwrap_or_default();
        let mut to = self.start + HEADER_BYTES + PART_BYTES;
        let mut behind = to;
        for (at, length) in parts {
            self.incoming.copy_within(at + HEADER_BYTES..at + HEADER_BYTES + length, to);
            to += length;
            behind = at + HEADER_BYTES + length;
        }
        self.incoming.copy_within(behind..self.end, to);
        self.end -= behind - to;
        if let Some(place) = self.incoming.get_mut(self.start + 3) {
            *place = number;
        }
    }

    fn check_length(&mut self, length: usize) -> Result<(), Failure> {
        if length <= PACKET_BYTES_MAX {
            return Ok(());
        }
        self.broken = true;
        let text = format!(
            "the server sends a packet of {length} bytes, but {PACKET_BYTES_MAX} are the most for a row of a result"
        );
        Err(self.failure(FailureKind::Permanent, &codes::SQL_STATEMENT, text))
    }
}
