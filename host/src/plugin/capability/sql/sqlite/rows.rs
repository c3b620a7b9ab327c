//! Rows of a query: the thread reads a page ahead while the page before is being looked at.

use std::sync::Arc;

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;
use rusqlite::types::ValueRef;
use tokio::sync::{mpsc, oneshot};

use super::session::{Hold, Worker, stopped};
use super::{declared, read, run};
use crate::connector::{Failure, FailureKind, RowError};
use crate::error::codes;
use crate::plugin::capability::sql::RowPage;
use crate::plugin::capability::sql::columns::ColumnBuilder;
use crate::plugin::capability::sql::value::Misfit;
use crate::record::{Batch, Field, LogicalType};

/// As for PostgreSQL: offsets into a column's bytes have 31 bits.
const PAGE_BYTES_MAX: u64 = 1 << 30;

/// How much the next page may hold.
#[derive(Clone, Copy)]
struct Limits {
    rows: usize,
    bytes: u64,
}

type Answer = Result<Option<RowPage>, Failure>;

/// A page that is wanted.
pub(super) struct Request {
    limits: Limits,
    answer: oneshot::Sender<Answer>,
}

/// What a result looks like.
pub(super) struct Shape {
    fields: Arc<[Field]>,
    /// Whether the statement only reads.
    reads: bool,
}

/// A result that is being read.
pub(in super::super) struct Rows {
    shape: Shape,
    requests: mpsc::Sender<Request>,
    /// None at the end.
    hold: Option<Hold>,
    failure: Option<Failure>,
    origin: Arc<str>,
}

impl Rows {
    pub(super) fn new(shape: Shape, requests: mpsc::Sender<Request>, hold: Hold, origin: Arc<str>) -> Self {
        Self { shape, requests, hold: Some(hold), failure: None, origin }
    }

    pub fn fields(&self) -> Arc<[Field]> {
        self.shape.fields.clone()
    }

    /// The next page; none at the end.
    pub async fn next(&mut self, rows_max: u32, bytes_max: u64) -> Answer {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.hold.is_none() {
            return Ok(None);
        }
        let limits = Limits { rows: rows_max.max(1) as usize, bytes: bytes_max.clamp(1, PAGE_BYTES_MAX) };
        let page = self.request(limits).await;
        if matches!(page, Ok(None) | Err(_))
            && let Some(hold) = self.hold.take()
        {
            hold.finish();
        }
        self.failure = page.as_ref().err().cloned();
        page
    }

    async fn request(&self, limits: Limits) -> Answer {
        let (answer, answered) = oneshot::channel();
        let lost = || stopped(&self.origin, "the session ended");
        self.requests.send(Request { limits, answer }).await.map_err(|_| lost())?;
        answered.await.map_err(|_| lost())?
    }
}

impl Drop for Rows {
    /// A query that only reads is stopped. To stop one that writes would roll back the whole transaction around it; what it
    /// writes it has written before its first row.
    fn drop(&mut self) {
        if !self.shape.reads
            && let Some(hold) = self.hold.take()
        {
            hold.finish();
        }
    }
}

/// Runs a query on the thread: answers its fields, then page after page until nobody asks any more.
pub(super) fn serve(
    worker: &mut Worker,
    query: &run::Query,
    answer: oneshot::Sender<Result<Shape, Failure>>,
    mut requests: mpsc::Receiver<Request>,
) {
    let worker = &*worker;
    let mut statement = match prepare(worker, query) {
        Ok(statement) => statement,
        Err(failure) => return drop(answer.send(Err(failure))),
    };
    let columns: Vec<(String, Option<String>)> =
        statement.columns().map(|column| (column.name().to_owned(), column.decl_type().map(str::to_owned))).collect();
    let reads = statement.readonly();
    let mut rows = statement.raw_query();
    let fields = rows.advance().map_err(|error| worker.failure(&error)).and_then(|()| {
        let first = |index| rows.get().and_then(|row| row.get_ref(index).ok()).unwrap_or(ValueRef::Null);
        plan(worker, &columns, &query.types, first)
    });
    let fields = match fields {
        Ok(fields) => fields,
        Err(failure) => return drop(answer.send(Err(failure))),
    };
    let reader = Reader::new(worker, rows, fields.clone());
    if answer.send(Ok(Shape { fields, reads })).is_ok() {
        reader.answer_requests(&mut requests);
    }
}

fn prepare<'w>(worker: &'w Worker, query: &run::Query) -> Result<rusqlite::CachedStatement<'w>, Failure> {
    let parameters = query.parameters.as_ref();
    if let Some(rows) = parameters.map(Batch::rows).filter(|rows| *rows != 1) {
        return Err(worker.misuse(format!("a query takes one row of parameters, not {rows}")));
    }
    let mut statement = run::prepare(worker, &query.statement, parameters)?;
    let (logicals, views) = (run::logicals(parameters), run::views(parameters));
    run::bind_row(&mut statement, &logicals, &views, 0, &mut Vec::new()).map_err(|error| worker.failure(&error))?;
    Ok(statement)
}

/// The fields: as wanted, else as declared, else by the first row.
fn plan<'r>(
    worker: &Worker,
    columns: &[(String, Option<String>)],
    types: &[LogicalType],
    first: impl Fn(usize) -> ValueRef<'r>,
) -> Result<Arc<[Field]>, Failure> {
    if !types.is_empty() && types.len() != columns.len() {
        let text = format!("the statement answers {} columns, and {} types are wanted", columns.len(), types.len());
        return Err(worker.misuse(text));
    }
    let field = |(index, (name, declared)): (usize, &(String, Option<String>))| {
        let natural = || match declared {
            Some(declared) => declared::natural(declared),
            None => read::natural_of_value(first(index)),
        };
        let mut field = Field::new(name.clone(), types.get(index).copied().unwrap_or_else(natural));
        field.properties.set("native-type", declared.clone().unwrap_or_default());
        field
    };
    Ok(columns.iter().enumerate().map(field).collect())
}

/// Turns rows into pages.
struct Reader<'w, 's> {
    worker: &'w Worker,
    rows: rusqlite::Rows<'s>,
    fields: Arc<[Field]>,
    builders: Vec<ColumnBuilder>,
}

impl<'w, 's> Reader<'w, 's> {
    fn new(worker: &'w Worker, rows: rusqlite::Rows<'s>, fields: Arc<[Field]>) -> Self {
        let builders = fields.iter().map(|field| ColumnBuilder::new(field.logical)).collect();
        Self { worker, rows, fields, builders }
    }

    fn answer_requests(mut self, requests: &mut mpsc::Receiver<Request>) {
        let mut ahead: Option<Answer> = None;
        while let Some(request) = requests.blocking_recv() {
            let page = ahead.take().unwrap_or_else(|| self.read_page(request.limits));
            let (page, rest) = cut(page, request.limits.rows);
            let is_last = !matches!(page, Ok(Some(_)));
            if request.answer.send(page).is_err() || is_last {
                return;
            }
            ahead = Some(rest.unwrap_or_else(|| self.read_page(request.limits)));
        }
    }

    /// The first row has been fetched already when this is first called.
    fn read_page(&mut self, limits: Limits) -> Answer {
        let (mut count, mut bytes) = (0, 0);
        let mut problems = Vec::new();
        while count < limits.rows && bytes < limits.bytes {
            let Some(row) = self.rows.get() else { break };
            for (index, (field, builder)) in self.fields.iter().zip(&mut self.builders).enumerate() {
                let value = row.get_ref(index).map_err(|error| self.worker.failure(&error))?;
                bytes += size(value);
                if let Err(misfit) = read::push(builder, field.logical, value) {
                    builder.push_null();
                    problems.push(misfit.row_error(&self.worker.origin, count, &field.name));
                }
            }
            count += 1;
            self.rows.advance().map_err(|error| self.worker.failure(&error))?;
        }
        if count == 0 { Ok(None) } else { self.finish_page(count, problems).map(Some) }
    }

    fn finish_page(&mut self, rows: usize, mut problems: Vec<RowError>) -> Result<RowPage, Failure> {
        let origin = &self.worker.origin;
        let internal = |text: String| Failure::new(FailureKind::Other, &codes::INTERNAL, origin, text);
        let mut columns = Vec::with_capacity(self.builders.len());
        for (field, builder) in self.fields.iter().zip(&mut self.builders) {
            let (column, broken) = builder.finish().map_err(|error| internal(error.to_string()))?;
            columns.push(column);
            let not_text = || Misfit::malformed("the text is not UTF-8");
            problems.extend(broken.into_iter().map(|row| not_text().row_error(origin, row, &field.name)));
        }
        let data = Batch::new(self.fields.clone(), columns, rows).map_err(|error| internal(error.to_string()))?;
        Ok(RowPage { data, problems })
    }
}

fn size(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64 + 4,
        _ => 8,
    }
}

/// A page that was read ahead may have more rows than are wanted now: the rest waits for the next request.
fn cut(page: Answer, rows_max: usize) -> (Answer, Option<Answer>) {
    match page {
        Ok(Some(page)) if page.data.rows() > rows_max => {
            let (head, mut tail): (Vec<_>, Vec<_>) =
                page.problems.into_iter().partition(|problem| (problem.row as usize) < rows_max);
            tail.iter_mut().for_each(|problem| problem.row -= rows_max as u32);
            let rest = page.data.slice(rows_max, page.data.rows());
            let first = RowPage { data: page.data.slice(0, rows_max), problems: head };
            (Ok(Some(first)), Some(Ok(Some(RowPage { data: rest, problems: tail }))))
        }
        page => (page, None),
    }
}
