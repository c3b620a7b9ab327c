//! Bulk loading: inserts of many rows at once, behind a savepoint, on the session's thread, while the next rows are prepared.

mod insert;

use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, oneshot};

use super::affinity::Affinity;
use super::session::{Hold, Worker, stopped};
use super::{run, write};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::{check_present, ended_load};
use crate::record::{Batch, Field, LogicalType};

pub(super) enum Order {
    Insert(Batch),
    Finish(oneshot::Sender<Result<u64, Failure>>),
}

/// A column that is filled.
#[derive(Clone, Debug)]
pub(super) struct TargetColumn {
    pub name: String,
    pub logical: LogicalType,
    pub affinity: Affinity,
}

/// What is loaded, and what went wrong with it as soon as it has.
#[derive(Clone)]
pub(super) struct Target {
    columns: Arc<[TargetColumn]>,
    failure: Arc<OnceLock<Failure>>,
}

/// A load under way; dropped before its end, it takes back what was appended.
pub(in super::super) struct Ingest {
    target: Target,
    orders: mpsc::Sender<Order>,
    hold: Option<Hold>,
    rows: u64,
    origin: Arc<str>,
}

impl Ingest {
    pub(super) fn new(target: Target, orders: mpsc::Sender<Order>, hold: Hold, origin: Arc<str>) -> Self {
        Self { target, orders, hold: Some(hold), rows: 0, origin }
    }

    /// Takes rows, all or none: after an error in the rows themselves nothing of them has been inserted, and the load goes on.
    pub async fn append(&mut self, rows: &Batch) -> Result<(), Failure> {
        if let Some(failure) = self.target.failure.get() {
            return Err(failure.clone());
        }
        if self.hold.is_none() {
            return Err(ended_load(&self.origin));
        }
        check_batch(&self.target.columns, rows, &self.origin, self.rows)?;
        self.rows += rows.rows() as u64;
        self.orders.send(Order::Insert(rows.clone())).await.map_err(|_| stopped(&self.origin, "the session ended"))
    }

    pub async fn finish(&mut self) -> Result<u64, Failure> {
        let Some(hold) = self.hold.take() else { return Err(ended_load(&self.origin)) };
        let (answer, answered) = oneshot::channel();
        let lost = || stopped(&self.origin, "the session ended");
        let ending = async {
            self.orders.send(Order::Finish(answer)).await.map_err(|_| lost())?;
            answered.await.map_err(|_| lost())?
        };
        let result = ending.await;
        hold.finish();
        result
    }
}

impl Drop for Ingest {
    /// The thread takes back what it has inserted. It is not interrupted: that would roll back the transaction around the load.
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            hold.finish();
        }
    }
}

fn check_batch(columns: &[TargetColumn], batch: &Batch, origin: &str, first_row: u64) -> Result<(), Failure> {
    let misuse = |text: String| Failure::new(FailureKind::Permanent, &codes::SQL_STATEMENT, origin, text);
    if batch.columns().len() != columns.len() {
        return Err(misuse(format!("{} columns came for {} to fill", batch.columns().len(), columns.len())));
    }
    for (target, (field, column)) in columns.iter().zip(batch.iter()) {
        if field.logical != target.logical {
            let (name, wanted, found) = (&target.name, target.logical, field.logical);
            return Err(misuse(format!("column `{name}` was announced as `{wanted}` and came as `{found}`")));
        }
        check_present(&target.name, column, origin, first_row)?;
        write::check(target.logical, target.affinity, column)
            .map_err(|(row, misfit)| misfit.failure(origin, first_row + row as u64, &target.name))?;
    }
    Ok(())
}

/// Loads on the thread: answers the columns, then does what it is told until the end.
pub(super) fn serve(
    worker: &mut Worker,
    table: &[String],
    fields: &[Field],
    answer: oneshot::Sender<Result<Target, Failure>>,
    mut orders: mpsc::Receiver<Order>,
) {
    let worker = &*worker;
    let columns = insert::target_columns(worker, table, fields).and_then(|columns| {
        run::begin_savepoint(worker)?;
        Ok(columns)
    });
    let target = match columns {
        Ok(columns) => Target { columns: columns.into(), failure: Arc::default() },
        Err(failure) => return drop(answer.send(Err(failure))),
    };
    if answer.send(Ok(target.clone())).is_err() {
        return run::undo_savepoint(worker);
    }
    let mut load = insert::Load::new(worker, table, &target.columns);
    while let Some(order) = orders.blocking_recv().filter(|_| !orders.is_closed()) {
        match order {
            Order::Insert(batch) if target.failure.get().is_none() => {
                if let Err(failure) = load.insert(&batch) {
                    let _ = target.failure.set(failure);
                }
            }
            // Behind an error nothing is inserted.
            Order::Insert(_) => {}
            Order::Finish(answer) => {
                let result = finish(worker, target.failure.get().cloned(), load.rows());
                return drop(answer.send(result));
            }
        }
    }
    run::undo_savepoint(worker);
}

fn finish(worker: &Worker, failure: Option<Failure>, rows: u64) -> Result<u64, Failure> {
    match failure {
        Some(failure) => {
            run::undo_savepoint(worker);
            Err(failure)
        }
        None => run::keep_savepoint(worker).map(|()| rows),
    }
}
