//! Comparing source and target by digests that each side computes where its records are: only records that differ are moved, and
//! records that are gone from the source are found.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::UInt32Array;

use super::deletes::{self, Doomed};
use super::deliver::Position;
use super::error::SyncError;
use super::mirror::{Work, read_request};
use super::prepare::Preparer;
use super::retry::Caution;
use super::setup::Setup;
use crate::connector::{
    BucketDigests, Compare, CompareRequest, Cursor, Failure, Lookup, Page, PageStatus, ReadRequest, WriteMode,
};
use crate::project::Deletes;
use crate::record::{Batch, Digest, Field, Properties, project};
use crate::store::Phase;

/// Buckets of a comparison: few enough to list, many enough that one difference costs the digests of few records.
const BUCKETS: u32 = 16_384;
/// Records looked at one by one at a time.
const ENTRIES_AT_ONCE: u64 = 200_000;
/// Above this share of records in buckets that differ, reading everything is cheaper than looking for the differences.
const SHARE_WORTH_LOOKING: f64 = 0.5;

/// What became of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The target equals the source now, deletes according to policy.
    Done,
    /// The two sides have no method in common, or the mapping changes values.
    Impossible,
}

/// Both sides of a comparison.
struct Sides<'a> {
    source: &'a dyn Compare,
    target: &'a dyn Compare,
    lookup: &'a dyn Lookup,
    source_request: CompareRequest,
    target_request: CompareRequest,
}

/// Records that differ.
#[derive(Default)]
struct Differences {
    /// Keys of records that are missing in the target or different there; fields of the source.
    changed: Vec<Batch>,
    /// Keys of records that only the target has; fields of the target.
    gone: Vec<Batch>,
}

/// Compares and repairs, if it can be done and is worth it.
pub(super) async fn run(work: &mut Work<'_>, setup: &Setup) -> Result<Outcome, SyncError> {
    let caution = work.caution();
    let Some(sides) = sides(work, setup, &caution).await? else { return Ok(Outcome::Impossible) };
    work.run.observer.phase("comparing");
    let (source, target) = tokio::join!(
        caution.attempt(|| sides.source.digest(&sides.source_request, BUCKETS)),
        caution.attempt(|| sides.target.digest(&sides.target_request, BUCKETS)),
    );
    let (source, target) = (source?, target?);
    let (source_rows, target_rows) = (total(&source), total(&target));
    let differing = differing_buckets(&source, &target);
    let affected: u64 = differing.iter().map(|bucket| rows_in(&source, *bucket)).sum();
    if source_rows > 1_000 && affected as f64 > source_rows as f64 * SHARE_WORTH_LOOKING {
        return Ok(Outcome::Impossible);
    }
    work.run.observer.read(source_rows, 0);
    let mut differences = Differences::default();
    for chunk in chunks(&differing, &source, &target) {
        let found = caution.attempt(|| find_differences(work, &sides, &chunk)).await?;
        differences.changed.extend(found.changed);
        differences.gone.extend(found.gone);
    }
    let is_first_look = work.counters.read == 0;
    let written = write_changed(work, setup, &sides, &caution, &differences.changed).await?;
    if is_first_look {
        // The digests have looked at every record; after a reading those are counted already.
        let equal = source_rows.saturating_sub(written);
        work.counters.read += equal;
        work.counters.unchanged += equal;
    }
    if work.mirror.def.deletes == Deletes::Compare {
        let doomed = spared(work, setup, &sides, &caution, differences.gone).await?;
        deletes::delete(work, setup, doomed, target_rows).await?;
        work.compared = true;
    }
    work.state.phase = Phase::Steady;
    Ok(Outcome::Done)
}

/// Whether the two sides can be compared where they are, and how.
async fn sides<'a>(work: &Work<'a>, setup: &Setup, caution: &Caution) -> Result<Option<Sides<'a>>, SyncError> {
    let mirror = work.mirror;
    let parts = (mirror.transforms.is_empty(), setup.mapping.renames(), mirror.target.source.as_ref());
    let (true, Some(renames), Some(target)) = parts else { return Ok(None) };
    let source = &mirror.source.connector;
    let (Some(source), Some(target), Some(lookup)) = (source.compare(), target.compare(), source.lookup()) else {
        return Ok(None);
    };
    let Some(key) = paired_key(setup) else { return Ok(None) };
    let field = |fields: &[Field], name: &str| fields.iter().find(|field| field.name == *name).cloned();
    let mut source_request = CompareRequest {
        stream: mirror.def.source.stream.clone(),
        key,
        fields: renames.iter().filter_map(|(name, _)| field(&setup.read_fields, name)).collect(),
        method: String::new(),
        options: Properties::default(),
    };
    let mut target_request = CompareRequest {
        stream: setup.target.name.clone(),
        key: setup.target.key.clone(),
        fields: renames.iter().filter_map(|(_, name)| field(&setup.target.fields, name)).collect(),
        method: String::new(),
        options: Properties::default(),
    };
    let ours = caution.attempt(|| source.methods(&source_request)).await?;
    let theirs = caution.attempt(|| target.methods(&target_request)).await?;
    let Some(method) = ours.into_iter().find(|method| theirs.contains(method)) else { return Ok(None) };
    source_request.method.clone_from(&method);
    target_request.method = method;
    Ok(Some(Sides { source, target, lookup, source_request, target_request }))
}

/// The source's key in the order of the target's; none if they are not made of the same fields.
fn paired_key(setup: &Setup) -> Option<Vec<String>> {
    let paired = setup.source_key_in_target_order()?;
    let is_whole = paired.len() == setup.source_key.len() && setup.source_key.iter().all(|name| paired.contains(name));
    is_whole.then_some(paired)
}

fn total(digests: &BucketDigests) -> u64 {
    digests.rows.iter().sum()
}

fn rows_in(digests: &BucketDigests, bucket: u32) -> u64 {
    digests.rows.get(bucket as usize).copied().unwrap_or(0)
}

fn differing_buckets(source: &BucketDigests, target: &BucketDigests) -> Vec<u32> {
    let rows = source.rows.iter().zip(&target.rows);
    let sums = source.sums.iter().zip(&target.sums);
    let buckets = rows.zip(sums).enumerate();
    buckets.filter(|(_, (rows, sums))| rows.0 != rows.1 || sums.0 != sums.1).map(|(bucket, _)| bucket as u32).collect()
}

/// Buckets in portions that fit into memory.
fn chunks(differing: &[u32], source: &BucketDigests, target: &BucketDigests) -> Vec<Vec<u32>> {
    let mut chunks: Vec<Vec<u32>> = Vec::new();
    let mut rows = u64::MAX;
    for bucket in differing {
        let more = rows_in(source, *bucket).max(rows_in(target, *bucket));
        match chunks.last_mut() {
            Some(chunk) if rows.saturating_add(more) <= ENTRIES_AT_ONCE => {
                chunk.push(*bucket);
                rows += more;
            }
            _ => {
                chunks.push(vec![*bucket]);
                rows = more;
            }
        }
    }
    chunks
}

/// A record of the target: its digest, and where its key is.
struct Entry {
    digest: u64,
    page: usize,
    row: u32,
    seen: bool,
}

async fn find_differences(work: &Work<'_>, sides: &Sides<'_>, buckets: &[u32]) -> Result<Differences, Failure> {
    let limits = work.mirror.page;
    let (mut pages, mut differences) = (Vec::<Batch>::new(), Differences::default());
    let mut entries: HashMap<Digest, Entry> = HashMap::new();
    let mut reader = sides.target.entries(&sides.target_request, BUCKETS, buckets).await?;
    while let Some(page) = reader.next(limits).await? {
        let keys = digests(work, &page.keys, &sides.target_request.key)?;
        for (row, (key, digest)) in keys.into_iter().zip(page.digests).enumerate() {
            entries.insert(key, Entry { digest, page: pages.len(), row: row as u32, seen: false });
        }
        pages.push(page.keys);
    }
    let mut reader = sides.source.entries(&sides.source_request, BUCKETS, buckets).await?;
    while let Some(page) = reader.next(limits).await? {
        let keys = digests(work, &page.keys, &sides.source_request.key)?;
        let changed = keys.into_iter().zip(page.digests).enumerate().filter(|(_, (key, digest))| {
            let entry = entries.get_mut(key);
            entry.is_none_or(|entry| {
                entry.seen = true;
                entry.digest != *digest
            })
        });
        let rows = changed.map(|(row, _)| row as u32).collect();
        push_rows(&page.keys, rows, &mut differences.changed)?;
    }
    for (index, page) in pages.iter().enumerate() {
        let gone = entries.values().filter(|entry| !entry.seen && entry.page == index);
        let mut rows: Vec<u32> = gone.map(|entry| entry.row).collect();
        rows.sort_unstable();
        push_rows(page, rows, &mut differences.gone)?;
    }
    Ok(differences)
}

fn digests(work: &Work<'_>, keys: &Batch, names: &[String]) -> Result<Vec<Digest>, Failure> {
    work.digester.digests(keys, names).map_err(|error| own_failure(&error))
}

fn push_rows(page: &Batch, rows: Vec<u32>, into: &mut Vec<Batch>) -> Result<(), Failure> {
    if !rows.is_empty() {
        into.push(page.take(&UInt32Array::from(rows)).map_err(|error| own_failure(&error))?);
    }
    Ok(())
}

fn own_failure(error: &dyn std::fmt::Display) -> Failure {
    use crate::connector::FailureKind;
    Failure::new(FailureKind::Other, &crate::error::codes::INTERNAL, "lockstep", error.to_string())
}

/// Reads records by key and writes them. Answers how many there were.
async fn write_changed(
    work: &mut Work<'_>,
    setup: &Setup,
    sides: &Sides<'_>,
    caution: &Caution,
    keys: &[Batch],
) -> Result<u64, SyncError> {
    if keys.is_empty() {
        return Ok(0);
    }
    work.run.observer.phase("writing differences");
    let request = read_request(work.mirror, setup, None);
    let mut preparer = Preparer::new(work.mirror, setup, work.digester);
    let mut delivery = work.delivery(setup, WriteMode::Upsert, Position::Fixed);
    let mut written = 0;
    for keys in keys {
        let asked = project(keys, &setup.source_key).map_err(|error| SyncError::batch(work.mirror.name(), error))?;
        let changes = caution.attempt(|| sides.lookup.lookup(&request, &asked)).await?;
        written += changes.rows() as u64;
        let page = Page { changes, rejected: Vec::new(), next_cursor: Cursor(Vec::new()), status: PageStatus::More };
        delivery.take(preparer.prepare(page).await?).await?;
    }
    delivery.flush().await?;
    work.absorb(delivery);
    Ok(written)
}

/// What is really gone: the two digests were not taken in the same instant, so the source is asked once more for each key.
async fn spared(
    work: &Work<'_>,
    setup: &Setup,
    sides: &Sides<'_>,
    caution: &Caution,
    gone: Vec<Batch>,
) -> Result<Vec<Doomed>, SyncError> {
    let internal = |error: &dyn std::fmt::Display| SyncError::internal(work.mirror.name(), error);
    let paired_key = &sides.source_request.key;
    let mut request = read_request(work.mirror, setup, None);
    request.fields.retain(|field| paired_key.contains(&field.name));
    let key_field = |name: &String| request.fields.iter().find(|field| field.name == *name).cloned();
    let key_fields: Arc<[Field]> = paired_key.iter().filter_map(key_field).collect();
    let mut doomed = Vec::new();
    for keys in gone {
        let keys = project(&keys, &setup.target.key).map_err(|error| internal(&error))?;
        let asked = Batch::new(key_fields.clone(), keys.columns().to_vec(), keys.rows());
        let asked = asked.and_then(|asked| project(&asked, &setup.source_key)).map_err(|error| internal(&error))?;
        let found = caution.attempt(|| sides.lookup.lookup(&request, &asked)).await?;
        let alive = work.digester.digests(&found.data, paired_key).map_err(|error| internal(&error))?;
        let alive: HashSet<Digest> = alive.into_iter().collect();
        let digests = work.digester.digests(&keys, &setup.target.key).map_err(|error| internal(&error))?;
        let dead = digests.iter().enumerate().filter(|(_, key)| !alive.contains(key));
        let rows: Vec<u32> = dead.map(|(row, _)| row as u32).collect();
        if !rows.is_empty() {
            let keys = keys.take(&UInt32Array::from(rows)).map_err(|error| internal(&error))?;
            doomed.push(Doomed { keys });
        }
    }
    Ok(doomed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(rows: &[u64], sums: &[u64]) -> BucketDigests {
        BucketDigests { rows: rows.to_vec(), sums: sums.to_vec() }
    }

    #[test]
    fn buckets_differ_in_count_or_sum() {
        let (a, b) = (digests(&[1, 2, 3, 0], &[7, 8, 9, 0]), digests(&[1, 2, 4, 0], &[7, 1, 9, 0]));
        assert_eq!(differing_buckets(&a, &b), [1, 2]);
    }

    #[test]
    fn chunks_fit_into_memory() {
        let half = ENTRIES_AT_ONCE / 2;
        let a = digests(&[half, half, 1, ENTRIES_AT_ONCE * 2, 1], &[0; 5]);
        let chunks = chunks(&[0, 1, 2, 3, 4], &a, &digests(&[0; 5], &[0; 5]));
        assert_eq!(chunks, [vec![0, 1], vec![2], vec![3], vec![4]]);
    }
}
