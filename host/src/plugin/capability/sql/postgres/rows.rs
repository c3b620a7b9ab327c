//! Rows of a result, a page at a time, decoded as they lie in the connection's buffer.

use std::sync::Arc;

use super::super::RowPage;
use super::super::columns::ColumnBuilder;
use super::super::value::Misfit;
use super::Lease;
use super::decode::Decode;
use crate::connector::{Failure, FailureKind, RowError};
use crate::error::codes;
use crate::record::{Batch, Column, Field};

/// A page ends here at the latest: offsets into a column's bytes have 31 bits, and one more row has at most a quarter of that.
const PAGE_BYTES_MAX: u64 = 1 << 30;

/// How one column of a result is named and read.
pub(super) struct RowsColumn {
    pub field: Field,
    pub decode: Decode,
}

/// A result that is being read.
pub(in super::super) struct Rows {
    /// None once the end has been reached.
    lease: Option<Lease>,
    /// What ended the reading before its end.
    failure: Option<Failure>,
    fields: Arc<[Field]>,
    decodes: Vec<Decode>,
    builders: Vec<ColumnBuilder>,
    origin: Arc<str>,
}

/// What is in the buffer next.
enum Step {
    Row,
    End,
    Wait,
}

impl Rows {
    pub(super) fn new(lease: Lease, columns: Vec<RowsColumn>) -> Self {
        let origin = lease.home.pool.connector.origin.clone();
        let decodes = columns.iter().map(|column| column.decode).collect();
        let fields: Arc<[Field]> = columns.into_iter().map(|column| column.field).collect();
        let builders = fields.iter().map(|field| ColumnBuilder::new(field.logical)).collect();
        Self { lease: Some(lease), failure: None, fields, decodes, builders, origin }
    }

    pub fn fields(&self) -> Arc<[Field]> {
        self.fields.clone()
    }

    /// The next page; none at the end. At least one row, and then as many as fit both limits.
    pub async fn next(&mut self, rows_max: u32, bytes_max: u64) -> Result<Option<RowPage>, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        match self.read_page(rows_max.max(1) as usize, bytes_max.min(PAGE_BYTES_MAX)).await {
            Ok(page) => Ok(page),
            Err(failure) => {
                self.failure = Some(failure.clone());
                match self.lease.take() {
                    Some(lease) => Err(lease.fail(failure).await),
                    None => Err(failure),
                }
            }
        }
    }

    async fn read_page(&mut self, rows_max: usize, bytes_max: u64) -> Result<Option<RowPage>, Failure> {
        // A page that somebody stopped waiting for begins anew: its rows are gone.
        let mut page = Page::default();
        while page.rows < rows_max && page.bytes < bytes_max {
            match self.step(&mut page)? {
                Step::Row => {}
                Step::Wait => match &mut self.lease {
                    Some(lease) => drop(lease.wire()?.arrive().await?),
                    None => break,
                },
                Step::End => {
                    if let Some(lease) = self.lease.take() {
                        lease.finish().await?;
                    }
                    break;
                }
            }
        }
        if page.rows == 0 { Ok(None) } else { self.finish_page(page).map(Some) }
    }

    /// Deals with one message, if one is there.
    #[inline]
    fn step(&mut self, page: &mut Page) -> Result<Step, Failure> {
        let Some(lease) = &mut self.lease else { return Ok(Step::End) };
        let wire = lease.wire()?;
        match wire.arrived()? {
            None => return Ok(Step::Wait),
            Some(b'D') => {
                page.bytes += wire.body().len() as u64;
                decode_row(&self.decodes, &mut self.builders, wire.body(), page, &self.fields, &self.origin)?;
                page.rows += 1;
            }
            Some(b'E') => return Err(wire.take_failure()),
            Some(b'C' | b'I') => {
                wire.consume();
                return Ok(Step::End);
            }
            Some(b'G' | b'W' | b'H') => return Err(copy_refused(wire)),
            Some(_) => {}
        }
        wire.consume();
        Ok(Step::Row)
    }

    fn finish_page(&mut self, mut page: Page) -> Result<RowPage, Failure> {
        let mut columns: Vec<Column> = Vec::with_capacity(self.builders.len());
        for (builder, field) in self.builders.iter_mut().zip(self.fields.iter()) {
            let (column, broken) = builder.finish().map_err(|error| internal(&self.origin, &error.to_string()))?;
            columns.push(column);
            let not_text = || Misfit::malformed("the text is not UTF-8");
            page.problems.extend(broken.into_iter().map(|row| not_text().row_error(&self.origin, row, &field.name)));
        }
        let data = Batch::new(self.fields.clone(), columns, page.rows)
            .map_err(|error| internal(&self.origin, &error.to_string()))?;
        Ok(RowPage { data, problems: page.problems })
    }
}

fn internal(origin: &str, text: &str) -> Failure {
    Failure::new(FailureKind::Other, &codes::INTERNAL, origin, text)
}

fn copy_refused(wire: &mut super::wire::Wire) -> Failure {
    match wire.arrived() {
        Ok(Some(b'H')) => wire.consume(),
        _ => wire.refuse_copy(),
    }
    let text = "`COPY` has no place in a query";
    wire.failure(FailureKind::Permanent, &codes::SQL_STATEMENT, text)
        .with("hint", "select the rows to read them, and `ingest` rows to write them")
}

/// What a page has come to.
#[derive(Default)]
struct Page {
    rows: usize,
    bytes: u64,
    problems: Vec<RowError>,
}

#[inline]
fn decode_row(
    decodes: &[Decode],
    builders: &mut [ColumnBuilder],
    body: &[u8],
    page: &mut Page,
    fields: &[Field],
    origin: &str,
) -> Result<(), Failure> {
    let mut values = values(body);
    for (index, (decode, builder)) in decodes.iter().zip(builders).enumerate() {
        match values.next() {
            Some(Some(bytes)) => {
                if let Err(misfit) = decode.push(builder, bytes) {
                    builder.push_null();
                    let name = fields.get(index).map_or("", |field| &field.name);
                    page.problems.push(misfit.row_error(origin, page.rows, name));
                }
            }
            Some(None) => builder.push_null(),
            None => return Err(internal(origin, "the server sent a row with too few values")),
        }
    }
    Ok(())
}

/// The values of a row; null is none.
pub(super) fn values(body: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = body.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (value, after) = tail.split_at_checked(length)?;
                rest = after;
                Some(Some(value))
            }
            Err(_) => {
                rest = tail;
                Some(None)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_into_values() {
        let body = [0, 3, 0, 0, 0, 2, b'a', b'b', 255, 255, 255, 255, 0, 0, 0, 0];
        assert_eq!(values(&body).collect::<Vec<_>>(), [Some(&b"ab"[..]), None, Some(&b""[..])]);
    }

    #[test]
    fn broken_rows_end_early() {
        assert_eq!(values(&[0, 2, 0, 0, 0, 9, b'a']).count(), 0);
        assert_eq!(values(&[]).count(), 0);
    }
}
