//! The drivers behind the `sql` capability, against real databases.

mod failures;
mod generated;
mod interruptions;
mod mysql;
mod parameters;
mod round_trips;
mod sessions;
mod sqlite;
mod tls;
mod types;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray};
use lockstep::plugin::Access;
use lockstep::plugin::capability::sql::{Database, RowPage, Session};
use lockstep::record::{Batch, Column, Field, LogicalType};
use lockstep_test_servers::Postgres;

/// A result that nobody reads to its end. The server sends it as it computes it.
const ENDLESS: &str = "select repeat('x', 100) from generate_series(1, 10000) a, generate_series(1, 10000) b";

/// Runs a test's future.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

async fn open(url: &str) -> Session {
    Database::postgres(url, "test").unwrap().open().await.unwrap()
}

/// A fresh server and a session on it.
async fn start() -> (Postgres, Session) {
    let server = Postgres::start();
    let session = open(&server.url()).await;
    (server, session)
}

fn ints(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

fn floats(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

fn bools(values: impl IntoIterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<BooleanArray>())
}

fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

fn blobs<'a>(values: impl IntoIterator<Item = Option<&'a [u8]>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<BinaryArray>())
}

fn batch<'a>(columns: impl IntoIterator<Item = (&'a str, &'a str, ArrayRef)>) -> Batch {
    let (fields, columns): (Vec<Field>, Vec<Column>) = columns
        .into_iter()
        .map(|(name, logical, array)| (Field::new(name, logical.parse().unwrap()), Column::new(array)))
        .unzip();
    let rows = columns[0].array.len();
    Batch::new(fields.into(), columns, rows).unwrap()
}

/// One column `a` of 64-bit integers.
fn numbers(range: std::ops::Range<i64>) -> Batch {
    batch([("a", "int64", ints(range.map(Some)))])
}

fn logicals(names: &[&str]) -> Vec<LogicalType> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

async fn read_page(session: &Session, statement: &str, types: &[&str]) -> RowPage {
    let mut rows = session.query(statement, None, &logicals(types)).await.unwrap();
    let fields = rows.fields();
    let mut pages = Vec::new();
    let mut problems = Vec::new();
    let mut count = 0;
    while let Some(page) = rows.next(1000, 1 << 20).await.unwrap() {
        problems.extend(page.problems.into_iter().map(|mut problem| {
            problem.row += count;
            problem
        }));
        count += page.data.rows() as u32;
        pages.push(page.data);
    }
    let data = match pages.as_slice() {
        [] => Batch::empty(fields),
        pages => Batch::concat(&pages.iter().collect::<Vec<_>>()).unwrap(),
    };
    RowPage { data, problems }
}

async fn read(session: &Session, statement: &str, types: &[&str]) -> Batch {
    let page = read_page(session, statement, types).await;
    assert!(page.problems.is_empty(), "{:?}", page.problems);
    page.data
}

/// The one value of a statement, as text.
async fn value(session: &Session, statement: &str) -> String {
    let data = read(session, statement, &["text"]).await;
    let array = data.columns()[0].array.clone();
    array.as_any().downcast_ref::<StringArray>().unwrap().iter().next().unwrap().unwrap_or("NULL").to_owned()
}

/// Every cell, null as `None`, as the host would print it.
fn cells(batch: &Batch) -> Vec<Vec<Option<String>>> {
    let shown = |array: &ArrayRef| -> Vec<Option<String>> {
        (0..array.len()).map(|row| array.is_valid(row).then(|| format!("{:?}", array.slice(row, 1)))).collect()
    };
    batch.columns().iter().map(|column| shown(&column.array)).collect()
}

#[track_caller]
fn assert_same(found: &Batch, expected: &Batch) {
    assert_eq!(found.rows(), expected.rows());
    for ((field, found), (_, expected)) in found.iter().zip(expected.iter()) {
        assert_eq!(found.array.to_data(), expected.array.to_data(), "column `{}`", field.name);
    }
    assert_eq!(found.columns().len(), expected.columns().len());
}

async fn load(session: &Session, table: &str, batch: &Batch) -> u64 {
    let mut ingest = session.ingest(&[table.to_owned()], batch.fields()).await.unwrap();
    ingest.append(batch).await.unwrap();
    ingest.finish().await.unwrap()
}
