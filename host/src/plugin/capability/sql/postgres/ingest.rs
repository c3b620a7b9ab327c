//! Bulk loading through COPY.
//!
//! A task owns the connection and writes what it is handed, so that the server works while the next rows are prepared; about
//! a mebibyte may be under way. Binary where every column has a binary form, else text. Inside a transaction everything
//! stands behind a savepoint: whatever is taken back, the transaction goes on as it was before.

mod target;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::encode::{ColumnEncoder, check_batch};
use super::messages::{self, Format};
use super::session::affected_rows;
use super::wire::{Status, Wire};
use super::{Home, Lease};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::ended_load;
use crate::plugin::capability::sql::view::View;
use crate::record::{Batch, Field};

/// A message of COPY data.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks that wait, beside the one being written and the one being filled.
const CHUNKS_WAITING: usize = 2;
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const BINARY_TRAILER: &[u8] = &[0xff, 0xff];

const BEGIN_SAVEPOINT: &str = "SAVEPOINT lockstep_ingest";
const KEEP_SAVEPOINT: &str = "RELEASE SAVEPOINT lockstep_ingest";
const UNDO_SAVEPOINT: &str = "ROLLBACK TO SAVEPOINT lockstep_ingest; RELEASE SAVEPOINT lockstep_ingest";

enum Order {
    /// A whole message of COPY data.
    Write(Vec<u8>),
    Finish,
}

/// A load under way; dropped before its end, it takes back what was appended.
pub(in super::super) struct Ingest {
    home: Arc<Home>,
    lease: u64,
    orders: mpsc::Sender<Order>,
    /// None once its answer has been taken.
    task: Option<JoinHandle<Result<u64, Failure>>>,
    failure: Option<Failure>,
    encoders: Vec<ColumnEncoder>,
    format: Format,
    chunk: Vec<u8>,
    rows: u64,
    origin: Arc<str>,
}

/// Begins to load into columns of a table.
pub(super) async fn begin(mut lease: Lease, table: &[String], columns: &[Field]) -> Result<Ingest, Failure> {
    match start(lease.wire()?, table, columns).await {
        Ok((encoders, format)) => Ok(Ingest::new(lease, encoders, format)),
        Err(failure) => Err(lease.fail(failure).await),
    }
}

async fn start(wire: &mut Wire, table: &[String], columns: &[Field]) -> Result<(Vec<ColumnEncoder>, Format), Failure> {
    let in_transaction = wire.status == Status::InTransaction;
    if in_transaction {
        wire.run_script(BEGIN_SAVEPOINT).await?;
    }
    match open_target(wire, table, columns).await {
        Ok(target) => Ok(target),
        Err(failure) => {
            wire.settle().await?;
            if in_transaction {
                wire.run_script(UNDO_SAVEPOINT).await?;
            }
            Err(failure)
        }
    }
}

async fn open_target(
    wire: &mut Wire,
    table: &[String],
    columns: &[Field],
) -> Result<(Vec<ColumnEncoder>, Format), Failure> {
    let encoders = target::encoders(wire, table, columns).await?;
    let is_binary = encoders.iter().all(|encoder| encoder.format() == Format::Binary);
    let format = if is_binary { Format::Binary } else { Format::Text };
    open_copy(wire, &target::copy_statement(table, columns, format)).await?;
    Ok((encoders, format))
}

async fn open_copy(wire: &mut Wire, statement: &str) -> Result<(), Failure> {
    wire.send_query(statement);
    loop {
        match wire.arrive().await? {
            b'G' => {
                wire.consume();
                return Ok(());
            }
            b'E' => return Err(wire.take_failure()),
            b'Z' => {
                return Err(wire.failure(FailureKind::Permanent, &codes::SQL_STATEMENT, "the server does not copy"));
            }
            _ => wire.consume(),
        }
    }
}

impl Ingest {
    fn new(lease: Lease, encoders: Vec<ColumnEncoder>, format: Format) -> Self {
        let (orders, inbox) = mpsc::channel(CHUNKS_WAITING);
        let (home, number) = (lease.home.clone(), lease.number);
        let origin = home.pool.connector.origin.clone();
        let task = tokio::spawn(feed(lease, inbox));
        let mut chunk = new_chunk();
        if format == Format::Binary {
            chunk.extend_from_slice(BINARY_HEADER);
        }
        Self { home, lease: number, orders, task: Some(task), failure: None, encoders, format, chunk, rows: 0, origin }
    }

    /// Takes rows, all or none: after an error in the rows themselves nothing of them has been sent, and the load goes on.
    /// Rows are numbered from 0 over the whole load in every error. An error of the server may show with any later call.
    pub async fn append(&mut self, rows: &Batch) -> Result<(), Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        check_batch(&self.encoders, rows, &self.origin, self.rows)?;
        let views: Vec<View<'_>> = rows.columns().iter().map(|column| View::new(&column.array)).collect();
        let mut row = 0;
        while row < rows.rows() {
            row = match self.format {
                Format::Binary => fill_binary(&self.encoders, &views, row..rows.rows(), &mut self.chunk),
                Format::Text => fill_text(&self.encoders, &views, row..rows.rows(), &mut self.chunk),
            };
            if self.chunk.len() >= CHUNK_BYTES {
                self.send_chunk().await?;
            }
        }
        self.rows += rows.rows() as u64;
        Ok(())
    }

    /// Ends the load; answers the number of rows the table took. There is nothing to do with it afterwards.
    pub async fn finish(&mut self) -> Result<u64, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.format == Format::Binary {
            self.chunk.extend_from_slice(BINARY_TRAILER);
        }
        self.send_chunk().await?;
        if self.orders.send(Order::Finish).await.is_err() {
            return Err(self.outcome().await);
        }
        let result = match self.task.take() {
            Some(task) => task.await.unwrap_or_else(|_| Err(self.stopped())),
            None => Err(self.stopped()),
        };
        self.failure = Some(result.as_ref().err().cloned().unwrap_or_else(|| ended_load(&self.origin)));
        result
    }

    async fn send_chunk(&mut self) -> Result<(), Failure> {
        let mut chunk = std::mem::replace(&mut self.chunk, new_chunk());
        messages::copy_data_end(&mut chunk);
        match self.orders.send(Order::Write(chunk)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.outcome().await),
        }
    }

    /// Why the task has ended.
    async fn outcome(&mut self) -> Failure {
        let failure = match self.task.take() {
            Some(task) => match task.await {
                Ok(Err(failure)) => failure,
                _ => self.stopped(),
            },
            None => self.failure.clone().unwrap_or_else(|| self.stopped()),
        };
        self.failure = Some(failure.clone());
        failure
    }

    fn stopped(&self) -> Failure {
        Failure::new(FailureKind::Transient, &codes::SQL_LOST, &self.origin, "the load was stopped")
    }
}

impl Drop for Ingest {
    /// The task sees that no more orders come, and takes everything back.
    fn drop(&mut self) {
        self.home.let_go(self.lease);
    }
}

fn new_chunk() -> Vec<u8> {
    // A row more than the limit fits without growing, if it is not a big one.
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
    messages::copy_data_begin(&mut chunk);
    chunk
}

/// Fills the chunk and answers the row to go on with.
fn fill_binary(
    encoders: &[ColumnEncoder],
    views: &[View<'_>],
    rows: std::ops::Range<usize>,
    chunk: &mut Vec<u8>,
) -> usize {
    let count = (encoders.len() as u16).to_be_bytes();
    for row in rows.clone() {
        if chunk.len() >= CHUNK_BYTES {
            return row;
        }
        chunk.extend_from_slice(&count);
        for (encoder, view) in encoders.iter().zip(views) {
            encoder.write_binary(view, row, chunk);
        }
    }
    rows.end
}

fn fill_text(
    encoders: &[ColumnEncoder],
    views: &[View<'_>],
    rows: std::ops::Range<usize>,
    chunk: &mut Vec<u8>,
) -> usize {
    let mut scratch = Vec::new();
    for row in rows.clone() {
        if chunk.len() >= CHUNK_BYTES {
            return row;
        }
        for (index, (encoder, view)) in encoders.iter().zip(views).enumerate() {
            if index > 0 {
                chunk.push(b'\t');
            }
            encoder.write_copy_text(view, row, &mut scratch, chunk);
        }
        chunk.push(b'\n');
    }
    rows.end
}

/// Writes what it is handed until it is told to finish; told nothing more, it takes everything back.
async fn feed(mut lease: Lease, mut inbox: mpsc::Receiver<Order>) -> Result<u64, Failure> {
    let wire = lease.wire()?;
    let in_savepoint = wire.status == Status::InTransaction;
    match write_orders(wire, &mut inbox).await {
        Ok(rows) => {
            let kept = if in_savepoint { wire.run_script(KEEP_SAVEPOINT).await } else { Ok(()) };
            lease.finish().await?;
            kept.map(|()| rows)
        }
        Err(failure) => {
            let _ = wire.settle().await;
            if in_savepoint && !wire.broken && wire.run_script(UNDO_SAVEPOINT).await.is_err() {
                wire.broken = true;
            }
            Err(lease.fail(failure).await)
        }
    }
}

async fn write_orders(wire: &mut Wire, inbox: &mut mpsc::Receiver<Order>) -> Result<u64, Failure> {
    loop {
        let order = tokio::select! {
            order = inbox.recv() => order,
            // While the server takes data it says nothing, unless something is wrong.
            tag = wire.arrive() => { tag?; return Err(wire.refusal()) }
        };
        match order {
            Some(Order::Write(chunk)) => {
                wire.send_buffer(chunk);
                if wire.flush_or_arrive().await?.is_some() {
                    return Err(wire.refusal());
                }
            }
            Some(Order::Finish) => {
                messages::copy_done(wire.out());
                return wire.copy_result().await;
            }
            None => {
                messages::copy_fail(wire.out(), "the load was given up");
                return wire.copy_result().await;
            }
        }
    }
}

impl Wire {
    /// What the message says that has arrived in the middle of a load.
    fn refusal(&mut self) -> Failure {
        match self.arrived() {
            Ok(Some(b'E')) => self.take_failure(),
            Err(failure) => failure,
            Ok(_) => {
                self.broken = true;
                self.failure(FailureKind::Transient, &codes::SQL_LOST, "the server's answers are out of order")
            }
        }
    }

    async fn copy_result(&mut self) -> Result<u64, Failure> {
        let mut rows = 0;
        while self.owed > 0 {
            match self.arrive().await? {
                b'C' => rows = affected_rows(self.body()),
                b'E' => return Err(self.take_failure()),
                _ => {}
            }
            self.consume();
        }
        Ok(rows)
    }
}
