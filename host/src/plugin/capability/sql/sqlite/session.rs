//! A session: the handle on its thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, OpenFlags};
use tokio::sync::{mpsc, oneshot};

use super::fault;
use super::guard::{self, Denials};
use super::ingest::{self, Ingest};
use super::rows::{self, Rows};
use super::run;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::busy;
use crate::plugin::grants::Access;
use crate::record::{Batch, Field, LogicalType};

/// As long as a statement waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Statements that stay compiled.
const STATEMENTS_CACHED: usize = 32;

/// What a thread works on.
pub(super) struct Worker {
    pub connection: Connection,
    pub denials: Denials,
    pub origin: Arc<str>,
}

impl Worker {
    pub fn failure(&self, error: &rusqlite::Error) -> Failure {
        fault::failure(&self.origin, error, &self.denials)
    }

    pub fn misuse(&self, text: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Permanent, &codes::SQL_STATEMENT, &self.origin, text)
    }
}

type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// A session; dropped, it rolls back what was not committed.
pub(in super::super) struct Session {
    jobs: mpsc::Sender<Job>,
    busy: Arc<AtomicBool>,
    interrupt: Arc<InterruptHandle>,
    origin: Arc<str>,
}

/// Holds the session for one thing that is under way. Dropped before its end, it stops what the thread is doing.
pub(super) struct Hold {
    busy: Arc<AtomicBool>,
    interrupt: Arc<InterruptHandle>,
    done: bool,
}

impl Hold {
    /// The thread has nothing to do any more for this.
    pub fn finish(mut self) {
        self.done = true;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.done {
            self.interrupt.interrupt();
        }
        self.busy.store(false, Ordering::Release);
    }
}

impl Session {
    pub async fn open(path: &Arc<PathBuf>, origin: &Arc<str>, access: Access) -> Result<Self, Failure> {
        let (jobs, inbox) = mpsc::channel::<Job>(1);
        let (answer, opened) = oneshot::channel();
        let (path, thread_origin) = (path.clone(), origin.clone());
        let thread = std::thread::Builder::new().name("sqlite".to_owned());
        thread
            .spawn(move || serve(&path, thread_origin, access, inbox, answer))
            .map_err(|error| stopped(origin, &format!("no thread can be started: {error}")))?;
        let interrupt = opened.await.unwrap_or_else(|_| Err(stopped(origin, "the session ended")))?;
        Ok(Self { jobs, busy: Arc::default(), interrupt: Arc::new(interrupt), origin: origin.clone() })
    }

    pub fn server(&self) -> String {
        format!("sqlite {}", rusqlite::version())
    }

    pub async fn query(
        &self,
        statement: &str,
        parameters: Option<&Batch>,
        types: &[LogicalType],
    ) -> Result<Rows, Failure> {
        let hold = self.hold()?;
        let query =
            run::Query { statement: statement.to_owned(), parameters: parameters.cloned(), types: types.to_vec() };
        let (requests, inbox) = mpsc::channel(1);
        let shape = self.run(move |worker, answer| rows::serve(worker, &query, answer, inbox)).await??;
        Ok(Rows::new(shape, requests, hold, self.origin.clone()))
    }

    pub async fn execute(&self, statement: &str, parameters: Option<&Batch>) -> Result<u64, Failure> {
        let hold = self.hold()?;
        let (statement, parameters) = (statement.to_owned(), parameters.cloned());
        let affected = self
            .run(move |worker, answer| {
                let _ = answer.send(run::execute(worker, &statement, parameters.as_ref()));
            })
            .await?;
        hold.finish();
        affected
    }

    pub async fn script(&self, statements: &str) -> Result<(), Failure> {
        let hold = self.hold()?;
        let statements = statements.to_owned();
        let done = self
            .run(move |worker, answer| {
                let result = worker.connection.execute_batch(&statements);
                let _ = answer.send(result.map_err(|error| worker.failure(&error)));
            })
            .await?;
        hold.finish();
        done
    }

    pub async fn ingest(&self, table: &[String], columns: &[Field]) -> Result<Ingest, Failure> {
        let hold = self.hold()?;
        let (table, columns) = (table.to_vec(), columns.to_vec());
        let (orders, inbox) = mpsc::channel(1);
        let target = self.run(move |worker, answer| ingest::serve(worker, &table, &columns, answer, inbox)).await??;
        Ok(Ingest::new(target, orders, hold, self.origin.clone()))
    }

    fn hold(&self) -> Result<Hold, Failure> {
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(busy(&self.origin));
        }
        Ok(Hold { busy: self.busy.clone(), interrupt: self.interrupt.clone(), done: false })
    }

    /// Has the thread do something, and waits for the first thing it answers.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Worker, oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |worker| job(worker, answer));
        self.jobs.send(job).await.map_err(|_| stopped(&self.origin, "the session ended"))?;
        answered.await.map_err(|_| stopped(&self.origin, "the session ended"))
    }
}

pub(super) fn stopped(origin: &str, text: &str) -> Failure {
    Failure::new(FailureKind::Transient, &codes::SQL_LOST, origin, text)
}

/// The thread: opens the file, then works until nobody holds the session any more.
fn serve(
    path: &Path,
    origin: Arc<str>,
    access: Access,
    mut inbox: mpsc::Receiver<Job>,
    answer: oneshot::Sender<Result<InterruptHandle, Failure>>,
) {
    let mut worker = match open(path, &origin, access) {
        Ok(worker) => worker,
        Err(failure) => return drop(answer.send(Err(failure))),
    };
    let interrupt = worker.connection.get_interrupt_handle();
    if answer.send(Ok(interrupt)).is_err() {
        return;
    }
    while let Some(job) = inbox.blocking_recv() {
        job(&mut worker);
    }
}

fn open(path: &Path, origin: &Arc<str>, access: Access) -> Result<Worker, Failure> {
    let none = Denials::default();
    let explain = |error: rusqlite::Error| {
        let mut failure = fault::failure(origin, &error, &none);
        failure.message = format!("`{}` cannot be opened: {}", path.display(), failure.message);
        failure
    };
    let mut connection = connect(path, access).map_err(explain)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(explain)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // The file is looked at for the first time.
    connection.query_row("PRAGMA schema_version", [], |_| Ok(())).map_err(explain)?;
    let denials = guard::put_under_guard(&mut connection).map_err(explain)?;
    Ok(Worker { connection, denials, origin: origin.clone() })
}

fn connect(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let make = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let could_be_made = || !path.exists() && path.parent().is_some_and(Path::is_dir);
    match access {
        Access::ReadWrite => Connection::open_with_flags(path, make),
        Access::ReadOnly if could_be_made() => {
            let connection = Connection::open_in_memory_with_flags(make)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        }
        Access::ReadOnly => {
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        }
    }
}
