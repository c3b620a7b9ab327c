//! Bulk loading: inserts of many rows in one statement, which the server works on while the next rows are prepared.
//!
//! Not `LOAD DATA LOCAL INFILE`: with it the server turns errors into warnings. Whatever is taken back, a transaction around the
//! load goes on as it was before.

mod target;

use std::sync::Arc;

use super::Lease;
use super::encode::{ColumnEncoder, convert};
use super::session::{self, Scope};
use super::wire::{Wire, command};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::ended_load;
use crate::plugin::capability::sql::pool::{Connector as _, Wire as _};
use crate::plugin::capability::sql::view::View;
use crate::record::{Batch, Field};

/// A statement has about as many bytes: more shows no gain.
const STATEMENT_BYTES: usize = 1 << 20;

/// A statement with rows.
struct Chunk {
    statement: Vec<u8>,
    /// The number of its first row, and how many it has.
    first_row: u64,
    rows: u64,
}

impl Chunk {
    fn new() -> Self {
        // Small loads are many, and need little.
        Self { statement: Vec::new(), first_row: 0, rows: 0 }
    }
}

/// A load under way; dropped before its end, it takes back what was appended.
pub(in super::super) struct Ingest {
    /// None once it has ended.
    lease: Option<Lease>,
    scope: Scope,
    failure: Option<Failure>,
    encoders: Vec<ColumnEncoder>,
    /// The beginning of every statement.
    head: Vec<u8>,
    filling: Chunk,
    /// The first row of the statement the server works on.
    running: Option<u64>,
    rows: u64,
    taken: u64,
    /// The longest statement the server takes.
    statement_bytes_max: usize,
    has_plain_backslashes: bool,
    origin: Arc<str>,
}

/// Begins to load into columns of a table.
pub(super) async fn begin(mut lease: Lease, table: &[String], columns: &[Field]) -> Result<Ingest, Failure> {
    match open(lease.wire()?, table, columns).await {
        Ok((encoders, scope)) => Ok(Ingest::new(lease, encoders, scope, target::head(table, columns))),
        Err(failure) => Err(session::fail(lease, failure).await),
    }
}

async fn open(wire: &mut Wire, table: &[String], columns: &[Field]) -> Result<(Vec<ColumnEncoder>, Scope), Failure> {
    let encoders = target::encoders(wire, table, columns).await?;
    Ok((encoders, Scope::begin(wire).await?))
}

impl Ingest {
    fn new(mut lease: Lease, encoders: Vec<ColumnEncoder>, scope: Scope, head: Vec<u8>) -> Self {
        let origin = lease.home.pool.connector.origin().into();
        let (packet, has_plain_backslashes) = lease
            .wire()
            .map_or((STATEMENT_BYTES, false), |wire| (wire.server.packet_bytes_max, wire.has_plain_backslashes()));
        Self {
            lease: Some(lease),
            scope,
            failure: None,
            encoders,
            filling: Chunk::new(),
            head,
            running: None,
            rows: 0,
            taken: 0,
            // The command's own byte counts too.
            statement_bytes_max: packet.saturating_sub(1),
            has_plain_backslashes,
            origin,
        }
    }

    /// Takes rows, all or none: after an error in the rows themselves nothing of them has been sent, and the load goes on. Rows
    /// are numbered from 0 over the whole load in every error. An error of the server may show with any later call.
    pub async fn append(&mut self, rows: &Batch) -> Result<(), Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let full = self.fill(rows)?;
        self.rows += rows.rows() as u64;
        for chunk in full {
            self.send(chunk).await?;
        }
        Ok(())
    }

    /// Writes rows behind those that wait; answers the statements that are full. Nothing has happened if it fails.
    fn fill(&mut self, batch: &Batch) -> Result<Vec<Chunk>, Failure> {
        let converted = convert(&self.encoders, batch, &self.origin, self.rows)?;
        let views: Vec<View<'_>> = converted.iter().map(|array| View::new(array)).collect();
        let waiting = std::mem::replace(&mut self.filling, Chunk::new());
        let (waiting_bytes, waiting_rows) = (waiting.statement.len(), waiting.rows);
        let mut chunks = vec![waiting];
        for row in 0..batch.rows() {
            if let Err(failure) = self.write_row(&views, row, &mut chunks) {
                let mut waiting = chunks.swap_remove(0);
                waiting.statement.truncate(waiting_bytes);
                waiting.rows = waiting_rows;
                self.filling = waiting;
                return Err(failure);
            }
        }
        self.filling = chunks.pop().unwrap_or_else(Chunk::new);
        Ok(chunks)
    }

    /// Writes a row behind the last one, or as the first of a new statement where the last one is full.
    fn write_row(&self, views: &[View<'_>], row: usize, chunks: &mut Vec<Chunk>) -> Result<(), Failure> {
        let number = self.rows + row as u64;
        let full = STATEMENT_BYTES.min(self.statement_bytes_max / 2);
        if chunks.last().is_none_or(|chunk| chunk.statement.len() >= full) {
            chunks.push(Chunk::new());
        }
        let Some(chunk) = chunks.last_mut() else { return Ok(()) };
        let before = chunk.statement.len();
        self.write_values(chunk, views, row, number);
        let length = chunk.statement.len();
        if length <= self.statement_bytes_max {
            return Ok(());
        }
        if chunk.rows == 1 {
            return Err(self.too_long(number, length));
        }
        chunk.statement.truncate(before);
        chunk.rows -= 1;
        let mut next = Chunk::new();
        self.write_values(&mut next, views, row, number);
        let length = next.statement.len();
        chunks.push(next);
        if length > self.statement_bytes_max { Err(self.too_long(number, length)) } else { Ok(()) }
    }

    fn write_values(&self, chunk: &mut Chunk, views: &[View<'_>], row: usize, number: u64) {
        if chunk.rows == 0 {
            chunk.statement.clear();
            chunk.statement.extend_from_slice(&self.head);
            chunk.first_row = number;
        } else {
            chunk.statement.push(b',');
        }
        chunk.rows += 1;
        for (index, (encoder, view)) in self.encoders.iter().zip(views).enumerate() {
            chunk.statement.push(if index == 0 { b'(' } else { b',' });
            encoder.write(view, row, self.has_plain_backslashes, &mut chunk.statement);
        }
        chunk.statement.push(b')');
    }

    fn too_long(&self, row: u64, length: usize) -> Failure {
        let max = self.statement_bytes_max;
        let text =
            format!("row {row}: a statement of {length} bytes, and the server takes {max} (`max_allowed_packet`)");
        Failure::new(FailureKind::InvalidData, &codes::DATA_RANGE, &self.origin, text).with("row", row.to_string())
    }

    /// Waits for the statement the server works on, and hands over the next one.
    async fn send(&mut self, chunk: Chunk) -> Result<(), Failure> {
        self.await_answer().await?;
        let Some(lease) = &mut self.lease else { return Err(ended_load(&self.origin)) };
        let wire = lease.wire()?;
        wire.send(command::QUERY, &chunk.statement);
        self.running = Some(chunk.first_row);
        match wire.flush().await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.give_up(failure).await),
        }
    }

    async fn await_answer(&mut self) -> Result<(), Failure> {
        let (Some(first_row), Some(lease)) = (self.running, &mut self.lease) else { return Ok(()) };
        match lease.wire()?.count_affected(Some(first_row)).await {
            Ok(rows) => {
                self.running = None;
                self.taken += rows;
                Ok(())
            }
            Err(failure) => Err(self.give_up(failure).await),
        }
    }

    async fn give_up(&mut self, failure: Failure) -> Failure {
        self.failure = Some(failure.clone());
        let Some(mut lease) = self.lease.take() else { return failure };
        let failure = match lease.wire() {
            Ok(wire) => self.scope.undo(wire, failure).await,
            Err(_) => failure,
        };
        lease.fail(failure).await
    }

    /// Ends the load; answers the number of rows the table took. There is nothing to do with it afterwards.
    pub async fn finish(&mut self) -> Result<u64, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.filling.rows > 0 {
            let last = std::mem::replace(&mut self.filling, Chunk::new());
            self.send(last).await?;
        }
        self.await_answer().await?;
        self.failure = Some(ended_load(&self.origin));
        let Some(mut lease) = self.lease.take() else { return Err(ended_load(&self.origin)) };
        match self.scope.keep(lease.wire()?).await {
            Ok(()) => lease.finish().await.map(|()| self.taken),
            Err(failure) => Err(session::fail(lease, failure).await),
        }
    }
}

impl Drop for Ingest {
    /// Takes everything back once the server is ready; whoever wants the connection waits for that.
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        lease.home.let_go(lease.number);
        // Without a runtime the connection closes, and the server rolls back.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return lease.wire().map_or((), |wire| wire.give_up());
        };
        let (scope, given_up) = (self.scope, ended_load(&self.origin));
        runtime.spawn(async move {
            if let Ok(wire) = lease.wire() {
                let _ = scope.undo(wire, given_up).await;
            }
        });
    }
}
