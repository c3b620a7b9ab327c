//! `lookup`: records by their keys.

use super::lab::Lab;
use super::reading::{Request, Seen, see, shown};
use super::{Check, Stop, Verdict, fails, holds, skips};
use crate::connector::Lookup as _;
use crate::record::{Batch, Changes, Stream};

/// So many records are looked for at once.
const KEYS: usize = 5;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "lookup.finds",
        title: "records that were read are found by their keys, with the same values",
        rule: "wit/v0.1/source.wit, lookup",
        fix: "answer every record whose key fields equal a row of `keys`, with the values a reading shows",
        run: |lab| Box::pin(finds(lab)),
    },
    Check {
        id: "lookup.missing",
        title: "a key that does not exist is left out",
        rule: "wit/v0.1/source.wit, lookup",
        fix: "answer nothing for a key that is not there: neither an error nor an empty record",
        run: |lab| Box::pin(missing(lab)),
    },
    Check {
        id: "lookup.nothing",
        title: "no keys, no records",
        rule: "wit/v0.1/source.wit, lookup",
        fix: "answer no records for no keys: an empty condition must not mean all",
        run: |lab| Box::pin(nothing(lab)),
    },
    Check {
        id: "lookup.projection",
        title: "only the fields that were asked for are answered",
        rule: "wit/v0.1/types.wit, read-request.fields",
        fix: "build the answer from the fields of the request, in any order",
        run: |lab| Box::pin(projection(lab)),
    },
];

/// The whole reading's first records by key, and the batch of these keys.
async fn known(lab: &Lab) -> Result<(&Stream, Vec<Seen>, Batch), Stop> {
    lab.exports("lookup")?;
    let (stream, whole) = (lab.stream().await?, lab.whole().await?);
    if stream.key.is_empty() {
        return skips(format!("`{}` has no key", stream.name));
    }
    let Some(page) = whole.pages.iter().find(|page| page.changes.rows() > 0) else {
        return skips("there are no records");
    };
    let first = page.changes.slice(0, KEYS);
    let seen = (0..first.rows()).map(|row| see(&first, row, &stream.key)).collect();
    Ok((stream, seen, keys_of(&first.data, stream)?))
}

pub(super) fn keys_of(data: &Batch, stream: &Stream) -> Result<Batch, Stop> {
    crate::record::project(data, &stream.key).map_err(|error| Stop::Skips(format!("there is no key: {error}")))
}

pub(super) async fn look_up(lab: &Lab, request: &Request, keys: &Batch) -> Result<Changes, Stop> {
    let connector = lab.connector().await?;
    lab.answered(connector.lookup(&request.at(None), keys).await)
}

async fn finds(lab: &Lab) -> Verdict {
    let (stream, known, keys) = known(lab).await?;
    let found = look_up(lab, &Request::full(stream), &keys).await?;
    let found: Vec<Seen> = (0..found.rows()).map(|row| see(&found, row, &stream.key)).collect();
    for seen in &known {
        match found.iter().find(|other| other.key == seen.key) {
            None => return fails(format!("it does not find {}", shown(seen))),
            Some(other) if other.text != seen.text => {
                return fails(format!("it answers {} for what a reading shows as {}", shown(other), shown(seen)));
            }
            Some(_) => {}
        }
    }
    holds(found.len() == known.len(), || format!("it answers {} records for {} keys", found.len(), known.len()))
}

async fn missing(lab: &Lab) -> Verdict {
    let (stream, known, keys) = known(lab).await?;
    let Some(absent) = super::sample::absent_key(stream, lab.whole().await?) else {
        return skips("no key can be made up that is not there");
    };
    let both = Batch::concat(&[&absent, &keys]).map_err(|error| Stop::Skips(error.to_string()))?;
    let found = look_up(lab, &Request::full(stream), &both).await?;
    holds(found.rows() <= known.len(), || {
        format!("it answers {} records for {} keys, one of which is not there", found.rows(), known.len() + 1)
    })
}

async fn nothing(lab: &Lab) -> Verdict {
    let (stream, _, keys) = known(lab).await?;
    let found = look_up(lab, &Request::full(stream), &keys.slice(0, 0)).await?;
    holds(found.rows() == 0, || format!("it answers {} records for no keys", found.rows()))
}

async fn projection(lab: &Lab) -> Verdict {
    let (stream, known, keys) = known(lab).await?;
    let fields = stream.fields.iter().filter(|field| stream.key.contains(&field.name)).cloned().collect();
    let found = look_up(lab, &Request::full(stream).with_fields(fields), &keys).await?;
    let found: Vec<Seen> = (0..found.rows()).map(|row| see(&found, row, &stream.key)).collect();
    let lost = known.iter().find(|seen| !found.iter().any(|other| other.key == seen.key));
    holds(lost.is_none(), || {
        format!("asked for the key alone, it does not find {}", lost.map(shown).unwrap_or_default())
    })
}
