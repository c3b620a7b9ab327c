//! Digests of a table, computed by the server.
//!
//! Every record is hashed by the server's own hash functions, column by column, and the sum of the hashes of a bucket is its
//! digest. Two servers whose functions agree on a sample compute the same digests for the same records; the method's name says
//! on what they agreed.

mod hash;

use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::capabilities::sql::{Rows, Session};
use lockstep_plugin_sdk::compare::{CompareRequest, Digests, EntryPage, EntryReader};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, Limits, LogicalType};
use lockstep_sql_dialect::{Answer, Arguments, Selection, Value, names, read_all, read_row};

use crate::catalog;
use crate::open_session;
use crate::statement::BEGIN_READING;
use hash::Hashes;

/// To be raised when anything about how records are hashed or put into buckets changes.
const REVISION: u32 = 1;

/// The methods offered: one, or none where a column cannot be hashed.
pub fn methods(request: &CompareRequest) -> Result<Vec<String>> {
    let session = open_session()?;
    let (hashes, _) = prepare(&session, request)?;
    let sample = read_row(&session, hash::SAMPLE, Arguments::new(), &[LogicalType::Text, LogicalType::Text])?;
    let [Value::Text(sample), Value::Text(encoding)] = sample.as_slice() else { return Ok(Vec::new()) };
    Ok(vec![format!("postgres-hash/{REVISION}({sample},{encoding};{})", hashes.shape())])
}

/// Rows and sums of all buckets.
pub fn digest(request: &CompareRequest, buckets: u32) -> Result<Digests> {
    let session = open_session()?;
    session.script(BEGIN_READING)?;
    // The planner takes every row for a bucket of its own, and would sort them all.
    session.script("SET LOCAL enable_sort = off")?;
    let (hashes, table) = prepare(&session, request)?;
    let statement = format!(
        "SELECT {}, pg_catalog.count(*), pg_catalog.sum({})::pg_catalog.text FROM {table} AS t GROUP BY 1",
        hashes.bucket(buckets),
        hashes.row()
    );
    let answer = read_all(&session, &statement, Arguments::new(), 3)?;
    sum_up(&answer, buckets)
}

fn sum_up(answer: &Answer, buckets: u32) -> Result<Digests> {
    let mut digests = Digests { rows: vec![0; buckets as usize], sums: vec![0; buckets as usize] };
    for row in 0..answer.rows() {
        let bucket: usize = answer.number(row, 0)?;
        let (count, sum): (u64, i128) = (answer.number(row, 1)?, answer.number(row, 2)?);
        if let (Some(rows), Some(total)) = (digests.rows.get_mut(bucket), digests.sums.get_mut(bucket)) {
            *rows = count;
            // Modulo 2^64, as every sum of hashes.
            *total = sum as u64;
        }
    }
    Ok(digests)
}

/// The records of some buckets, one by one.
pub fn entries(request: &CompareRequest, buckets: u32, wanted: &[u32]) -> Result<Entries> {
    let session = open_session()?;
    session.script(BEGIN_READING)?;
    let (hashes, table) = prepare(&session, request)?;
    let key = key_fields(request)?;
    let digest = Field::new("lockstep_digest", LogicalType::Int64);
    let wanted: Vec<String> = wanted.iter().map(u32::to_string).collect();
    let statement = format!(
        "SELECT {}, {} FROM {table} AS t WHERE {} = ANY ('{{{}}}'::pg_catalog.int4[])",
        names("t.", key.iter().map(|field| field.name.as_str())),
        hashes.row(),
        hashes.bucket(buckets),
        wanted.join(",")
    );
    let selection = Selection::new(&key, &[digest], &[])?;
    let rows = session.query(&statement, None, &selection.type_names())?;
    Ok(Entries { rows, selection, _session: session })
}

/// How the records are hashed, and the table they are in.
fn prepare(session: &Session, request: &CompareRequest) -> Result<(Hashes, String)> {
    let table = catalog::require_table(session, &request.stream)?;
    Ok((Hashes::new(&table, &request.key, &request.fields)?, table.quoted()))
}

/// The fields of the key, in the types wanted for them.
fn key_fields(request: &CompareRequest) -> Result<Vec<Field>> {
    let field = |name: &String| request.fields.iter().find(|field| field.name == *name).cloned();
    let missing =
        |name: &String| Error::permanent(format!("the key field `{name}` is not among the fields to compare"));
    request.key.iter().map(|name| field(name).ok_or_else(|| missing(name))).collect()
}

/// Single records on their way.
pub struct Entries {
    rows: Rows,
    selection: Selection,
    _session: Session,
}

impl EntryReader for Entries {
    fn next(&mut self, limits: Limits) -> Result<Option<EntryPage>> {
        let Some(page) = self.rows.next(limits.rows, limits.bytes)? else { return Ok(None) };
        let digests = match BatchView::new(&page.data).columns().last() {
            Some(column) => {
                (0..page.data.rows as usize).map(|row| column.int64(row).unwrap_or_default() as u64).collect()
            }
            None => Vec::new(),
        };
        let taken = self.selection.take(page)?;
        match taken.rejected.into_iter().next() {
            Some(rejection) => Err(rejection.error),
            None => Ok(Some(EntryPage { keys: taken.data, digests })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_taken_modulo_two_to_the_64() {
        let text = |text: &str| Some(text.to_owned());
        let answer = Answer::new(vec![
            vec![text("1"), text("2"), text("-1")],
            vec![text("3"), text("5"), text("36893488147419103233")],
        ]);
        let digests = sum_up(&answer, 4).unwrap();
        assert_eq!(digests.rows, [0, 2, 0, 5]);
        assert_eq!(digests.sums, [0, u64::MAX, 0, 1]);
    }
}
