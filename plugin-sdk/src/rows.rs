//! Writing to a service that takes records one by one, or some at a time: what became of each, and how many were what.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::record::Record;
use crate::sink::{EXPECTED_PREFIX, Flushed, WriteResults};
use crate::types::{Batch, Changes, Column};

const DELETE: u8 = 1;

/// A row that is to be written.
#[derive(Clone, Debug)]
pub struct Row<T> {
    /// Its position on the page.
    pub row: u32,
    /// Whether the record is to be deleted; then only its key counts.
    pub is_delete: bool,
    /// The values. Fields that a page may leave out are [`Maybe`](crate::record::Maybe).
    pub values: T,
    /// What the record must still hold for the row to be written ([`WriteMode::Update`](crate::sink::WriteMode)); the same fields, none
    /// of which needs to be there.
    pub expected: Option<T>,
}

/// What was done with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The record was inserted or changed.
    Written,
    /// The record was inserted under a key that the service chose: the key's values as texts.
    Inserted(Vec<String>),
    /// The record was as it should be.
    Unchanged,
    /// The record was deleted.
    Deleted,
}

/// Writes page after page, row by row, and counts. Every row gets its answer:
///
/// | an error of kind | with the outcome | what becomes of the row |
/// |---|---|---|
/// | `auth`, `config`, `rate-limited` | | the run ends, for no row can be written; those that were not are owed |
/// | any | `unknown` | unknown: the host looks before it writes again |
/// | `transient` | | tried again later |
/// | `conflict`, `not-found` | | a conflict: the record is not what it was expected to be |
/// | any other | | refused: it waits for a person |
///
/// ```
/// use lockstep_plugin_sdk::prelude::*;
/// use lockstep_plugin_sdk::rows::{Done, Tally};
/// use lockstep_plugin_sdk::testing;
/// use serde_json::json;
///
/// /// What a page may hold of a contact; a new one has no number yet.
/// #[derive(Record)]
/// struct Contact {
///     number: Maybe<i64>,
///     name: Maybe<String>,
/// }
///
/// struct ContactWriter {
///     tally: Tally,
/// }
///
/// impl Writer for ContactWriter {
///     fn write(&mut self, changes: Changes) -> Result<WriteResults> {
///         self.tally.write::<Contact>(&changes, |row| match row.values.name {
///             // Here the service would be asked: `client.send(…)?.written::<…>()?`.
///             Maybe::Value(name) if name == "Ann" => Ok(Done::Inserted(vec!["17".to_owned()])),
///             _ => Err(Error::invalid_data("only Ann may come in").with_field("name")),
///         })
///     }
///
///     fn flush(&mut self) -> Result<Flushed> {
///         Ok(self.tally.flush())
///     }
/// }
///
/// let fields = [Field::new("name", LogicalType::Text)];
/// let page = testing::batch(&fields, &[json!({"name": "Bob"}), json!({"name": "Ann"})])?;
/// let mut writer = ContactWriter { tally: Tally::default() };
/// let results = writer.write(Changes::upserts(page))?;
/// assert_eq!(results.statuses, Some(vec![2, 0]));
/// assert_eq!(results.ids.unwrap().value(1), Some(&br#"["17"]"#[..]));
/// assert_eq!(writer.flush()?.written, 1);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tally {
    written: u64,
    unchanged: u64,
    deleted: u64,
}

impl Tally {
    /// Writes the rows of a page one by one. A row whose values do not fit is refused, and the others go on.
    pub fn write<T: Record>(
        &mut self,
        changes: &Changes,
        mut one: impl FnMut(Row<T>) -> Result<Done>,
    ) -> Result<WriteResults> {
        self.write_batches(changes, 1, |rows| rows.into_iter().map(&mut one).collect())
    }

    /// The same, so many rows at a time: for services that take several at once, or to send requests side by side
    /// ([`crate::http::Client::send_all`]). There has to be one answer for each row, in their order; a row without one is of unknown
    /// outcome.
    pub fn write_batches<T: Record>(
        &mut self,
        changes: &Changes,
        rows_max: usize,
        mut some: impl FnMut(Vec<Row<T>>) -> Vec<Result<Done>>,
    ) -> Result<WriteResults> {
        let mut outcome = Outcome::new(changes.data.rows);
        let mut rows = rows(changes, &mut outcome)?.into_iter();
        loop {
            let batch: Vec<Row<T>> = rows.by_ref().take(rows_max.max(1)).collect();
            if batch.is_empty() {
                return Ok(outcome.into_results());
            }
            let numbers: Vec<u32> = batch.iter().map(|row| row.row).collect();
            let mut answers = some(batch).into_iter();
            for row in numbers {
                let answer = answers.next().unwrap_or_else(|| Err(unanswered()));
                self.settle(row, answer, &mut outcome)?;
            }
        }
    }

    fn settle(&mut self, row: u32, answer: Result<Done>, outcome: &mut Outcome) -> Result<()> {
        match answer {
            Ok(Done::Written) => self.written += 1,
            Ok(Done::Inserted(key)) => {
                self.written += 1;
                outcome.identify(row, serde_json::to_vec(&key).unwrap_or_default());
            }
            Ok(Done::Unchanged) => self.unchanged += 1,
            Ok(Done::Deleted) => self.deleted += 1,
            Err(error) => return outcome.settle(row, error),
        }
        Ok(())
    }

    /// What was done since the last flush.
    pub fn flush(&mut self) -> Flushed {
        let Self { written, unchanged, deleted } = std::mem::take(self);
        Flushed::new(written, unchanged, deleted)
    }
}

fn unanswered() -> Error {
    Error::permanent("the row got no answer").with_code("rows.unanswered").with_outcome_unknown()
}

/// The rows of a page; those that do not fit are refused at once.
fn rows<T: Record>(changes: &Changes, outcome: &mut Outcome) -> Result<Vec<Row<T>>> {
    let (values, expected) = apart(&changes.data);
    let mut expected = expectations::<T>(&expected, outcome)?;
    let kinds = changes.kinds.as_deref().unwrap_or_default();
    let mut rows = Vec::new();
    for (row, values) in (0..).zip(T::read(&values)) {
        match values {
            Ok(values) => {
                let is_delete = kinds.get(row as usize) == Some(&DELETE);
                if !outcome.is_settled(row) {
                    rows.push(Row { row, is_delete, values, expected: expected.remove(&row) });
                }
            }
            // Of the page as a whole: a column nobody knows, for instance.
            Err(error) if error.is(ErrorKind::Config) => return Err(error),
            Err(error) => outcome.reject(row, error),
        }
    }
    Ok(rows)
}

fn expectations<T: Record>(expected: &Batch, outcome: &mut Outcome) -> Result<BTreeMap<u32, T>> {
    let mut found = BTreeMap::new();
    if expected.columns.is_empty() {
        return Ok(found);
    }
    for (row, values) in (0..).zip(T::read(expected)) {
        match values {
            Ok(values) => drop(found.insert(row, values)),
            Err(error) if error.is(ErrorKind::Config) => return Err(error),
            Err(error) => outcome.reject(row, error),
        }
    }
    Ok(found)
}

/// The values, and what is expected, under the names of the fields.
fn apart(batch: &Batch) -> (Batch, Batch) {
    let is_expected = |column: &&Column| column.name.starts_with(EXPECTED_PREFIX);
    let (expected, values): (Vec<&Column>, Vec<&Column>) = batch.columns.iter().partition(is_expected);
    let named = |column: &Column| Column {
        name: column.name.strip_prefix(EXPECTED_PREFIX).unwrap_or(&column.name).to_owned(),
        ..column.clone()
    };
    let of = |columns: Vec<&Column>| Batch { rows: batch.rows, columns: columns.into_iter().map(named).collect() };
    (of(values), of(expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;
    use crate::testing::batch;
    use serde_json::json;

    #[derive(Debug, Clone, PartialEq, Record)]
    struct Person {
        id: Maybe<i64>,
        name: Maybe<String>,
    }

    fn page(names: &[&str]) -> Changes {
        let fields = [Field::new("id", LogicalType::Int64), Field::new("name", LogicalType::Text)];
        let rows: Vec<_> = (1..).zip(names).map(|(id, name)| json!({"id": id, "name": name})).collect();
        Changes::upserts(batch(&fields, &rows).unwrap())
    }

    #[test]
    fn every_row_gets_its_answer() {
        let mut tally = Tally::default();
        let names = ["a", "same", "gone", "busy", "lost", "changed", "bad", "missing"];
        let results = tally
            .write::<Person>(&page(&names), |row| match row.values.name.value().unwrap().as_str() {
                "same" => Ok(Done::Unchanged),
                "gone" => Ok(Done::Deleted),
                "busy" => Err(Error::transient("busy")),
                "lost" => Err(Error::transient("cut off").with_outcome_unknown()),
                "changed" => Err(Error::conflict("changed")),
                "bad" => Err(Error::permanent("no")),
                "missing" => Err(Error::not_found("no")),
                _ => Ok(Done::Inserted(vec!["x\"y".into()])),
            })
            .unwrap();
        assert_eq!(results.statuses, Some(vec![0, 0, 0, 3, 4, 1, 2, 1]));
        assert_eq!(results.ids.unwrap().value(0), Some(&br#"["x\"y"]"#[..]));
        let done = tally.flush();
        assert_eq!((done.written, done.unchanged, done.deleted), (1, 1, 1));
        assert_eq!(tally.flush().written, 0);
    }

    #[test]
    fn what_no_row_gets_past_ends_the_run() {
        for error in
            [Error::auth("no"), Error::config("no"), Error::rate_limited("no", std::time::Duration::from_secs(1))]
        {
            let kind = error.kind.clone();
            let refused = Tally::default().write::<Person>(&page(&["a"]), |_| Err(error.clone()));
            assert_eq!(refused.unwrap_err().kind, kind);
        }
        let lost = Error::auth("logged out meanwhile").with_outcome_unknown();
        let results = Tally::default().write::<Person>(&page(&["a"]), |_| Err(lost.clone())).unwrap();
        assert_eq!(results.statuses, Some(vec![4]));
    }

    #[test]
    fn rows_go_in_batches_and_none_without_an_answer() {
        let mut sizes = Vec::new();
        let results = Tally::default().write_batches::<Person>(&page(&["a"; 5]), 2, |rows| {
            sizes.push(rows.len());
            rows.iter().take(1).map(|_| Ok(Done::Written)).collect()
        });
        assert_eq!(sizes, [2, 2, 1]);
        assert_eq!(results.unwrap().statuses, Some(vec![0, 4, 0, 4, 0]));
    }

    #[test]
    fn what_is_expected_comes_beside_the_values() {
        let fields = [("id", LogicalType::Int64), ("name", LogicalType::Text), ("expected:name", LogicalType::Text)];
        let fields = fields.map(|(name, logical)| Field::new(name, logical));
        let rows = [
            json!({"id": 1, "name": "new", "expected:name": "old"}),
            json!({"id": 2, "name": "new", "expected:name": null}),
            json!({"id": 3, "name": "new"}),
        ];
        let mut changes = Changes::upserts(batch(&fields, &rows).unwrap());
        changes.kinds = Some(vec![0, 0, 1]);
        let mut seen = Vec::new();
        Tally::default()
            .write::<Person>(&changes, |row| {
                seen.push((row.is_delete, row.expected.unwrap().name));
                Ok(Done::Written)
            })
            .unwrap();
        let expected = [(false, Maybe::Value("old".to_owned())), (false, Maybe::Null), (true, Maybe::Absent)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused_and_a_column_nobody_knows_is_an_error() {
        #[derive(Record)]
        struct Named {
            name: String,
        }
        let fields = [Field::new("name", LogicalType::Text)];
        let rows = [json!({"name": null}), json!({"name": "a"})];
        let results = Tally::default().write::<Named>(&Changes::upserts(batch(&fields, &rows).unwrap()), |row| {
            assert_eq!((row.row, row.values.name.as_str()), (1, "a"));
            Ok(Done::Written)
        });
        assert_eq!(results.unwrap().statuses, Some(vec![2, 0]));
        assert!(
            Tally::default().write::<Named>(&page(&["a"]), |_| Ok(Done::Written)).unwrap_err().is(ErrorKind::Config)
        );
    }
}
