//! `transform`: a pure function on records.

use serde_json::{Value, json};

use super::lab::Lab;
use super::{Check, Stop, Verdict, fails, holds, skips, told};
use crate::connector::{Transform, Transformed};
use crate::record::{ChangeKind, Changes, Field, Properties, Stream, batch_from_json, row_to_json};

/// Rows of a page: an uneven number, so that halves differ.
const ROWS: usize = 23;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "transform.describes",
        title: "what comes out is described, with known types and keys that are fields",
        rule: "wit/v0.1/transform.wit, describe",
        fix: "answer the input's stream with what is changed; what the configuration says wrongly is an error of kind `config`",
        run: |lab| Box::pin(describes(lab)),
    },
    Check {
        id: "transform.same-description",
        title: "the same input is described the same twice",
        rule: "wit/v0.1/transform.wit, describe",
        fix: "compute the description from the configuration and the input alone",
        run: |lab| Box::pin(same_description(lab)),
    },
    Check {
        id: "transform.answers",
        title: "every value there can be goes through, or is refused with its row",
        rule: "wit/v0.1/transform.wit, apply",
        fix: "reject the row instead of failing the page, and never panic on a value",
        run: |lab| Box::pin(answers(lab)),
    },
    Check {
        id: "transform.deterministic",
        title: "the same page gives the same records, again and in another instance",
        rule: "wit/v0.1/transform.wit",
        fix: "keep nothing from page to page, and iterate over maps that have an order",
        run: |lab| Box::pin(deterministic(lab)),
    },
    Check {
        id: "transform.independent",
        title: "what becomes of a record does not depend on the page it is on",
        rule: "wit/v0.1/transform.wit",
        fix: "look at one row at a time: pages are cut by the source, and otherwise when something is repeated",
        run: |lab| Box::pin(independent(lab)),
    },
    Check {
        id: "transform.empty",
        title: "a page without records gives one without records",
        rule: "wit/v0.1/transform.wit, apply",
        fix: "expect columns without values",
        run: |lab| Box::pin(empty(lab)),
    },
    Check {
        id: "transform.deletes",
        title: "a delete stays a delete",
        rule: "wit/v0.1/types.wit, changes.kinds",
        fix: "pass `kinds` on, and do not refuse a delete for what it lacks: only its key counts",
        run: |lab| Box::pin(deletes(lab)),
    },
    Check {
        id: "transform.absent",
        title: "a field that was not said anything about does not become null",
        rule: "wit/v0.1/types.wit, column.present",
        fix: "keep `present` of the columns you pass on",
        run: |lab| Box::pin(absent(lab)),
    },
    Check {
        id: "transform.rows",
        title: "every record that comes out says where it came from",
        rule: "wit/v0.1/transform.wit, transformed.origins",
        fix: "give as many rows as came in, or `origins` with the row of each, and reject only rows that exist",
        run: |lab| Box::pin(rows(lab)),
    },
];

/// What goes in: as the sample says, or a field of every type.
pub(super) fn input(lab: &Lab) -> Stream {
    let fields = match lab.wishes.sample.as_slice() {
        [] => [
            "id int64",
            "name text",
            "email text",
            "amount decimal(18,2)",
            "total decimal",
            "score float64",
            "active bool",
            "changed timestamp",
            "local datetime",
            "day date",
            "at time",
            "token uuid",
            "data binary",
            "extra json",
        ]
        .iter()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, logical)| Some(Field::new(name, logical.parse().ok()?)))
        .collect(),
        records => super::sample::fields_of(records),
    };
    let key = fields.first().map(|field| field.name.clone()).into_iter().collect();
    Stream { name: "check".to_owned(), key, fields, properties: Properties::default() }
}

/// Records of every kind of value: usual ones, none, and the extremes.
fn records(lab: &Lab, stream: &Stream) -> Vec<Value> {
    if !lab.wishes.sample.is_empty() {
        return lab.wishes.sample.iter().cycle().take(ROWS).map(|record| Value::Object(record.clone())).collect();
    }
    let record = |number: usize| {
        let values = stream.fields.iter().enumerate().map(|(at, field)| {
            let value = match number % 4 {
                _ if at == 0 => json!(number),
                1 => Value::Null,
                3 => extreme(field),
                _ => super::sample::value(field, number as u32),
            };
            (field.name.clone(), value)
        });
        Value::Object(values.collect())
    };
    (0..ROWS).map(record).collect()
}

fn extreme(field: &Field) -> Value {
    match field.logical.to_string().as_str() {
        "int64" => json!(i64::MIN),
        "float64" => json!("NaN"),
        "timestamp" | "datetime" | "date" => json!("infinity"),
        "text" => json!("\u{0}\u{feff}é\u{301} 👩‍👩‍👧 \u{202e}\r\n".repeat(200)),
        "decimal" => json!("123456789012345678901234567890.123456789"),
        "json" => json!([[[[{"a": [null, 1e300, "\u{1f600}"]}]]]]),
        _ => super::sample::value(field, 1),
    }
}

/// A page of the input. Values that the host itself cannot hold are not sent.
pub(super) fn page(lab: &Lab) -> Result<(Stream, Changes), Stop> {
    let stream = input(lab);
    let fields = stream.fields.clone().into();
    let batch = batch_from_json(&fields, &records(lab, &stream));
    let batch = batch.map_err(|error| Stop::Skips(format!("the sample is no page: {error}")))?;
    Ok((stream, Changes::upserts(batch)))
}

async fn described(lab: &Lab) -> Result<Stream, Stop> {
    let described = Transform::describe(lab.transform().await?, &input(lab)).await;
    described.or_else(|_| skips("`transform.describes` failed"))
}

async fn describes(lab: &Lab) -> Verdict {
    match Transform::describe(lab.transform().await?, &input(lab)).await {
        Ok(_) => Ok(()),
        Err(failure) => {
            lab.note(&failure);
            fails(told(&failure))
        }
    }
}

async fn same_description(lab: &Lab) -> Verdict {
    let first = described(lab).await?;
    let second = lab.answered(Transform::describe(lab.transform().await?, &input(lab)).await)?;
    holds(first == second, || "the second description is another".to_owned())
}

/// One page in an instance of its own.
async fn apply(lab: &Lab, pages: &[Changes]) -> Result<Vec<Transformed>, Stop> {
    described(lab).await?;
    let mut transformer = lab.answered(Transform::open(lab.transform().await?, &input(lab)).await)?;
    let mut transformed = Vec::new();
    for page in pages {
        transformed.push(lab.answered(transformer.apply(page).await)?);
    }
    Ok(transformed)
}

async fn answers(lab: &Lab) -> Verdict {
    let (_, page) = page(lab)?;
    match apply(lab, std::slice::from_ref(&page)).await {
        Ok(_) => Ok(()),
        Err(stop) => Err(stop),
    }
}

/// Skips unless an ordinary page goes through.
pub(super) async fn works(lab: &Lab) -> Verdict {
    let (_, page) = page(lab)?;
    applied(lab, &[page]).await.map(drop)
}

/// As [`apply`], for whoever asks about something else than whether it works at all.
async fn applied(lab: &Lab, pages: &[Changes]) -> Result<Vec<Transformed>, Stop> {
    match apply(lab, pages).await {
        Ok(transformed) => Ok(transformed),
        Err(Stop::Fails(_)) if answers(lab).await.is_err() => skips("`transform.answers` failed"),
        Err(stop) => Err(stop),
    }
}

/// Everything that was answered, with rows numbered from `first`.
fn shown(transformed: &Transformed, first: u32) -> Vec<(u32, String)> {
    let origin =
        |row: usize| transformed.origins.as_ref().and_then(|origins| origins.get(row)).copied().unwrap_or(row as u32);
    let kept = (0..transformed.changes.rows()).map(|row| {
        let (kind, record) = (transformed.changes.kind(row), row_to_json(&transformed.changes.data, row));
        (first + origin(row), format!("{kind:?} {}", Value::Object(record)))
    });
    let rejected = transformed.rejected.iter().map(|error| (first + error.row, format!("rejected: {}", error.error)));
    let mut shown: Vec<(u32, String)> = kept.chain(rejected).collect();
    shown.sort();
    shown
}

async fn deterministic(lab: &Lab) -> Verdict {
    let (_, page) = page(lab)?;
    let twice = applied(lab, &[page.clone(), page.clone()]).await?;
    let other = applied(lab, &[page]).await?;
    let [first, second, third] = [twice.first(), twice.last(), other.first()].map(|one| one.map(|one| shown(one, 0)));
    if first != second {
        return fails("the same page gives other records the second time");
    }
    holds(first == third, || "the same page gives other records in another instance".to_owned())
}

async fn independent(lab: &Lab) -> Verdict {
    let (_, page) = page(lab)?;
    let half = ROWS / 2;
    let whole = applied(lab, std::slice::from_ref(&page)).await?;
    let again = applied(lab, std::slice::from_ref(&page)).await?;
    let (whole, again): (Vec<_>, Vec<_>) =
        (whole.iter().flat_map(|one| shown(one, 0)).collect(), again.iter().flat_map(|one| shown(one, 0)).collect());
    if whole != again {
        return skips("`transform.deterministic` failed");
    }
    let mut halves = Vec::new();
    for (first, part) in [(0, page.slice(0, half)), (half as u32, page.slice(half, ROWS))] {
        halves.extend(applied(lab, &[part]).await?.iter().flat_map(|one| shown(one, first)));
    }
    let differs = whole.iter().zip(&halves).find(|(one, other)| one != other);
    holds(whole.len() == halves.len() && differs.is_none(), || {
        let row = differs.map_or(0, |((row, _), _)| *row);
        format!("on a page of {ROWS} records, row {row} becomes something else than on one of {half}")
    })
}

async fn empty(lab: &Lab) -> Verdict {
    let (_, page) = page(lab)?;
    let transformed = applied(lab, &[page.slice(0, 0)]).await?;
    let rows: usize = transformed.iter().map(|one| one.changes.rows() + one.rejected.len()).sum();
    holds(rows == 0, || format!("{rows} records come out where none went in"))
}

async fn deletes(lab: &Lab) -> Verdict {
    let (_, mut page) = page(lab)?;
    page.kinds = Some((0..ROWS).map(|row| (row % 2) as u8).collect::<Vec<_>>().into());
    for transformed in applied(lab, &[page]).await? {
        let origin = |row: usize| match &transformed.origins {
            Some(origins) => origins.get(row).copied().unwrap_or_default(),
            None => row as u32,
        };
        if let Some(error) = transformed.rejected.iter().find(|error| error.row % 2 == 1) {
            return fails(format!("it refuses a delete: {}", error.error));
        }
        for row in 0..transformed.changes.rows() {
            let went_in = if origin(row).is_multiple_of(2) { ChangeKind::Upsert } else { ChangeKind::Delete };
            if transformed.changes.kind(row) != went_in {
                return fails(format!(
                    "row {} goes in as {went_in:?} and comes out as {:?}",
                    origin(row),
                    transformed.changes.kind(row)
                ));
            }
        }
    }
    Ok(())
}

async fn absent(lab: &Lab) -> Verdict {
    let stream = input(lab);
    let key = stream.key.first().cloned().unwrap_or_default();
    let record = |number: usize| Value::Object([(key.clone(), json!(number))].into_iter().collect());
    let rows: Vec<Value> = match lab.wishes.sample.first() {
        None => (0..ROWS).map(record).collect(),
        Some(sample) => vec![Value::Object(
            sample.iter().filter(|(name, _)| **name == key).map(|(n, v)| (n.clone(), v.clone())).collect(),
        )],
    };
    let fields = stream.fields.clone().into();
    let batch = batch_from_json(&fields, &rows).map_err(|error| Stop::Skips(error.to_string()))?;
    for transformed in applied(lab, &[Changes::upserts(batch)]).await? {
        for (field, column) in transformed.changes.data.iter().filter(|(field, _)| stream.field(&field.name).is_some())
        {
            let becomes_null = |row: &usize| column.is_present(*row) && column.array.is_null(*row);
            if field.name != key && (0..transformed.changes.rows()).any(|row| becomes_null(&row)) {
                return fails(format!(
                    "`{}` goes in absent and comes out null, which would empty it in the target",
                    field.name
                ));
            }
        }
    }
    Ok(())
}

async fn rows(lab: &Lab) -> Verdict {
    lab.transform().await?;
    match lab.breach_of("transformed") {
        Some(how) => fails(how),
        None => described(lab).await.map(drop),
    }
}
