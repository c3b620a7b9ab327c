//! Small results as text: catalogs, counts, positions.

use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::capabilities::sql::{RowPage, Session};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{LogicalType, RowError};

use crate::batches::join;
use crate::parameters::Arguments;
use crate::value::Value;

const PAGE_ROWS: u32 = 10_000;
const PAGE_BYTES: u64 = 1 << 20;
const BATCH_BYTES: u64 = 64 << 20;

/// The rows of a small result, every value as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    rows: Vec<Vec<Option<String>>>,
}

impl Answer {
    pub fn new(rows: Vec<Vec<Option<String>>>) -> Self {
        Self { rows }
    }

    /// The value at a place; none if it is null or there is no such place.
    pub fn get(&self, row: usize, column: usize) -> Option<&str> {
        self.rows.get(row)?.get(column)?.as_deref()
    }

    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The value as a number; anything else is a fault of the statement.
    pub fn number<T: std::str::FromStr>(&self, row: usize, column: usize) -> Result<T> {
        let text = self.get(row, column).unwrap_or_default();
        text.parse().map_err(|_| Error::permanent(format!("the database answered `{text}` where a number is expected")))
    }

    pub fn is_true(&self, row: usize, column: usize) -> bool {
        matches!(self.get(row, column), Some("true" | "t" | "1"))
    }
}

/// Runs a query and reads the first row of its result, in these types. Nulls if there is no row.
pub fn read_row(session: &Session, statement: &str, arguments: Arguments, types: &[LogicalType]) -> Result<Vec<Value>> {
    let parameters = arguments.finish()?;
    let names: Vec<String> = types.iter().map(ToString::to_string).collect();
    let rows = session.query(statement, parameters.as_ref(), &names)?;
    let Some(page) = rows.next(1, PAGE_BYTES)? else { return Ok(vec![Value::Null; types.len()]) };
    if let Some(problem) = page.problems.into_iter().next() {
        return Err(problem.error);
    }
    let columns = types.iter().zip(BatchView::new(&page.data).columns());
    Ok(columns.map(|(logical, column)| Value::of(column, *logical, 0)).collect())
}

/// Runs a query and reads its whole result in these types; rows of the problems are counted over all of it.
pub fn read_batch(session: &Session, statement: &str, arguments: Arguments, types: &[LogicalType]) -> Result<RowPage> {
    let parameters = arguments.finish()?;
    let names: Vec<String> = types.iter().map(ToString::to_string).collect();
    let rows = session.query(statement, parameters.as_ref(), &names)?;
    let (mut pages, mut problems, mut count) = (Vec::new(), Vec::new(), 0);
    while let Some(page) = rows.next(PAGE_ROWS, BATCH_BYTES)? {
        let shift = |mut problem: RowError| {
            problem.row += count;
            problem
        };
        problems.extend(page.problems.into_iter().map(shift));
        count += page.data.rows;
        pages.push(page.data);
    }
    Ok(RowPage { data: join(pages), problems })
}

/// Runs a query and reads its result to the end. `columns` is how many it has.
pub fn read_all(session: &Session, statement: &str, arguments: Arguments, columns: usize) -> Result<Answer> {
    let parameters = arguments.finish()?;
    let rows = session.query(statement, parameters.as_ref(), &vec!["text".to_owned(); columns])?;
    let mut answer = Answer::default();
    while let Some(page) = rows.next(PAGE_ROWS, PAGE_BYTES)? {
        if let Some(problem) = page.problems.into_iter().next() {
            return Err(problem.error);
        }
        let view = BatchView::new(&page.data);
        for row in 0..view.rows() {
            answer.rows.push(view.columns().map(|column| column.text(row).map(str::to_owned)).collect());
        }
    }
    Ok(answer)
}
