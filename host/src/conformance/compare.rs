//! `compare`: digests computed where the records are.

use std::collections::BTreeMap;

use super::lab::Lab;
use super::reading::{Request, see};
use super::{Check, Stop, Verdict, fails, holds, skips};
use crate::connector::{Compare, CompareRequest, PageLimits};
use crate::record::{Changes, Properties, Stream};

const BUCKETS: u32 = 8;
/// So that entries come in several pages.
const ENTRY_ROWS: u32 = 5;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "compare.digests",
        title: "the digests count every record once, in any number of buckets",
        rule: "wit/v0.1/source.wit, compare.digest",
        fix: "put every record into the bucket of its key, and count it there",
        run: |lab| Box::pin(digests(lab)),
    },
    Check {
        id: "compare.same-twice",
        title: "the digests of records that did not change do not change",
        rule: "wit/v0.1/source.wit, compare.methods",
        fix: "compute digests from the values alone: no seed, no time, no order of rows",
        run: |lab| Box::pin(same_twice(lab)),
    },
    Check {
        id: "compare.entries",
        title: "the entries of a bucket are the records it counts",
        rule: "wit/v0.1/source.wit, compare.entries",
        fix: "choose the entries of a bucket by the same function that digests put records into buckets by",
        run: |lab| Box::pin(entries(lab)),
    },
];

async fn request(lab: &Lab) -> Result<CompareRequest, Stop> {
    lab.exports("compare")?;
    let (stream, _) = (lab.stream().await?, lab.whole().await?);
    if stream.key.is_empty() {
        return skips(format!("`{}` has no key", stream.name));
    }
    if lab.whole().await?.seen().any(|seen| seen.key.is_none()) {
        return skips("there are records without a key");
    }
    let mut request = CompareRequest {
        stream: stream.name.clone(),
        key: stream.key.clone(),
        fields: stream.fields.clone(),
        method: String::new(),
        options: Properties::default(),
    };
    let methods = lab.answered(lab.connector().await?.methods(&request).await)?;
    let Some(method) = methods.into_iter().next() else { return skips("it offers no method for this stream") };
    request.method = method;
    Ok(request)
}

async fn digests(lab: &Lab) -> Verdict {
    let (request, whole) = (request(lab).await?, lab.whole().await?);
    for buckets in [1, BUCKETS] {
        let digests = lab.answered(Compare::digest(lab.connector().await?, &request, buckets).await)?;
        let counted: u64 = digests.rows.iter().sum();
        if counted != whole.records() as u64 {
            return fails(format!(
                "{buckets} buckets count {counted} records, and a reading shows {}",
                whole.records()
            ));
        }
    }
    Ok(())
}

async fn same_twice(lab: &Lab) -> Verdict {
    let request = request(lab).await?;
    let connector = lab.connector().await?;
    let first = lab.answered(Compare::digest(connector, &request, BUCKETS).await)?;
    let second = lab.answered(Compare::digest(&lab.fresh()?, &request, BUCKETS).await)?;
    holds(first.sums == second.sums, || "the same records have other digests the second time".to_owned())
}

async fn entries(lab: &Lab) -> Verdict {
    let (request, stream, whole) = (request(lab).await?, lab.stream().await?, lab.whole().await?);
    let connector = lab.connector().await?;
    let digests = lab.answered(Compare::digest(connector, &request, BUCKETS).await)?;
    let counted: u64 = digests.rows.iter().sum();
    if counted != whole.records() as u64 {
        return skips("`compare.digests` failed");
    }
    let mut known: BTreeMap<String, bool> =
        whole.seen().filter_map(|seen| seen.key.clone()).map(|key| (key, false)).collect();
    for (bucket, rows) in digests.rows.iter().enumerate() {
        let keys = entries_of(lab, &request, stream, bucket as u32).await?;
        if keys.len() as u64 != *rows {
            return fails(format!("bucket {bucket} counts {rows} records and has {} entries", keys.len()));
        }
        for key in keys {
            match known.get_mut(&key) {
                Some(is_seen) if !*is_seen => *is_seen = true,
                Some(_) => return fails(format!("the record {key} is in two buckets")),
                None => return fails(format!("there is an entry {key}, and no record of this key")),
            }
        }
    }
    let lost = known.iter().find(|(_, is_seen)| !**is_seen);
    holds(lost.is_none(), || format!("no bucket has the record {}", lost.map_or("", |(key, _)| key)))
}

/// The keys of one bucket, as JSON.
async fn entries_of(lab: &Lab, request: &CompareRequest, stream: &Stream, bucket: u32) -> Result<Vec<String>, Stop> {
    let connector = lab.connector().await?;
    let mut reader = lab.answered(connector.entries(request, BUCKETS, &[bucket]).await)?;
    let limits = PageLimits { rows: ENTRY_ROWS, ..lab.page_limits() };
    let mut keys = Vec::new();
    while let Some(page) = lab.answered(reader.next(limits).await)? {
        let changes = Changes::upserts(page.keys);
        keys.extend((0..changes.rows()).filter_map(|row| see(&changes, row, &Request::full(stream).0.key).key));
        if keys.len() > super::lab::RECORDS_MAX {
            return fails(format!("bucket {bucket} has more entries than the stream has records"));
        }
    }
    Ok(keys)
}
