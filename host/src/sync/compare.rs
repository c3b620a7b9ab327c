//! Comparing source and target by digests that each side computes where its records are: only records that differ are moved, and
//! records that are gone from the source are found.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::UInt32Array;

use super::deletes::{self, Doomed};
use super::deliver::Position;
use super::error::SyncError;
use super::mirror::{Work, read_request};
use super::prepare::Preparer;
use super::setup::Setup;
use crate::connector::{
    BucketDigests, Compare, CompareRequest, Cursor, EntryReader, Failure, Lookup, Page, PageStatus, WriteMode,
};
use crate::project::Deletes;
use crate::record::{Batch, Digest, Field, Properties};
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
struct Differences {
    /// Keys of records that are missing in the target or different there; fields of the source.
    changed: Vec<Batch>,
    /// Keys of records that only the target has; fields of the target.
    gone: Vec<Batch>,
}

/// Compares and repairs, if it can be done and is worth it.
pub(super) async fn run(work: &mut Work<'_>, setup: &Setup) -> Result<Outcome, SyncError> {
    let mirror = work.mirror;
    let failed = |failure: Failure| SyncError::after_retries(mirror.name(), failure);
    let Some(sides) = sides(work, setup).await? else { return Ok(Outcome::Impossible) };
    work.run.observer.phase("comparing");
    let (source, target) = tokio::join!(
        sides.source.digest(&sides.source_request, BUCKETS),
        sides.target.digest(&sides.target_request, BUCKETS),
    );
    let (source, target) = (source.map_err(failed)?, target.map_err(failed)?);
    let (source_rows, target_rows) = (total(&source), total(&target));
    work.run.observer.read(source_rows, 0);
    let differing = differing_buckets(&source, &target);
    let affected: u64 = differing.iter().map(|bucket| rows_in(&source, *bucket)).sum();
    if source_rows > 1_000 && affected as f64 > source_rows as f64 * SHARE_WORTH_LOOKING {
        return Ok(Outcome::Impossible);
    }
    let mut differences = Differences { changed: Vec::new(), gone: Vec::new() };
    for chunk in chunks(&differing, &source, &target) {
        find_differences(work, &sides, setup, &chunk, &mut differences).await.map_err(failed)?;
    }
    work.counters.read += source_rows;
    write_changed(work, setup, sides.lookup, &differences.changed).await?;
    if work.mirror.def.deletes == Deletes::Compare {
        let doomed = spared(work, setup, sides.lookup, differences.gone).await?;
        deletes::delete(work, setup, doomed, target_rows).await?;
        work.compared = true;
    }
    if work.state.phase != Phase::Steady {
        work.state.phase = Phase::Steady;
    }
    Ok(Outcome::Done)
}

/// Whether the two sides can be compared where they are, and how.
async fn sides<'a>(work: &Work<'a>, setup: &Setup) -> Result<Option<Sides<'a>>, SyncError> {
    let mirror = work.mirror;
    let parts = (mirror.transforms.is_empty(), setup.mapping.renames(), mirror.target.source.as_ref());
    let (true, Some(renames), Some(target)) = parts else { return Ok(None) };
    let source = &mirror.source.connector;
    let (Some(source), Some(target), Some(lookup)) = (source.compare(), target.compare(), source.lookup()) else {
        return Ok(None);
    };
    let field = |fields: &[Field], name: &str| fields.iter().find(|field| field.name == *name).cloned();
    let mut source_request = CompareRequest {
        stream: mirror.def.source.stream.clone(),
        key: setup.source_key.clone(),
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
    let failed = |failure: Failure| SyncError::after_retries(mirror.name(), failure);
    let ours = source.methods(&source_request).await.map_err(failed)?;
    let theirs = target.methods(&target_request).await.map_err(failed)?;
    let Some(method) = ours.into_iter().find(|method| theirs.contains(method)) else { return Ok(None) };
    source_request.method.clone_from(&method);
    target_request.method = method;
    Ok(Some(Sides { source, target, lookup, source_request, target_request }))
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

async fn find_differences(
    work: &Work<'_>,
    sides: &Sides<'_>,
    setup: &Setup,
    buckets: &[u32],
    differences: &mut Differences,
) -> Result<(), Failure> {
    let limits = work.mirror.page;
    let mut pages: Vec<Batch> = Vec::new();
    let mut entries: HashMap<Digest, Entry> = HashMap::new();
    let mut reader = sides.target.entries(&sides.target_request, BUCKETS, buckets).await?;
    while let Some(page) = reader.next(limits).await? {
        for (row, (key, digest)) in
            digests(work, &page.keys, &setup.target.key)?.into_iter().zip(page.digests).enumerate()
        {
            entries.insert(key, Entry { digest, page: pages.len(), row: row as u32, seen: false });
        }
        pages.push(page.keys);
    }
    let reader = sides.source.entries(&sides.source_request, BUCKETS, buckets).await?;
    mark_seen(work, setup, reader, &mut entries, &mut differences.changed).await?;
    for (index, page) in pages.iter().enumerate() {
        let gone = entries.values().filter(|entry| !entry.seen && entry.page == index);
        let mut rows: Vec<u32> = gone.map(|entry| entry.row).collect();
        rows.sort_unstable();
        push_rows(page, rows, &mut differences.gone)?;
    }
    Ok(())
}

async fn mark_seen(
    work: &Work<'_>,
    setup: &Setup,
    mut reader: Box<dyn EntryReader>,
    entries: &mut HashMap<Digest, Entry>,
    changed: &mut Vec<Batch>,
) -> Result<(), Failure> {
    while let Some(page) = reader.next(work.mirror.page).await? {
        let mut rows = Vec::new();
        for (row, (key, digest)) in
            digests(work, &page.keys, &setup.source_key)?.into_iter().zip(page.digests).enumerate()
        {
            match entries.get_mut(&key) {
                Some(entry) => {
                    entry.seen = true;
                    if entry.digest != digest {
                        rows.push(row as u32);
                    }
                }
                None => rows.push(row as u32),
            }
        }
        push_rows(&page.keys, rows, changed)?;
    }
    Ok(())
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

/// Reads records by key and writes them.
async fn write_changed(
    work: &mut Work<'_>,
    setup: &Setup,
    lookup: &dyn Lookup,
    keys: &[Batch],
) -> Result<(), SyncError> {
    if keys.is_empty() {
        return Ok(());
    }
    work.run.observer.phase("writing differences");
    let request = read_request(work.mirror, setup, None);
    let mut preparer = Preparer::new(work.mirror, setup, work.digester);
    let mut delivery = work.delivery(setup, WriteMode::Upsert, Position::Fixed);
    for keys in keys {
        let failed = |failure: Failure| SyncError::after_retries(work.mirror.name(), failure);
        let changes = lookup.lookup(&request, keys).await.map_err(failed)?;
        let page = Page { changes, rejected: Vec::new(), next_cursor: Cursor(Vec::new()), status: PageStatus::More };
        let mut prepared = preparer.prepare(page).await?;
        // The digests have counted these records already.
        prepared.counters.read = 0;
        delivery.take(prepared).await?;
    }
    delivery.flush().await?;
    work.absorb(delivery);
    Ok(())
}

/// What is really gone: the two digests were not taken in the same instant, so the source is asked once more for each key.
async fn spared(
    work: &Work<'_>,
    setup: &Setup,
    lookup: &dyn Lookup,
    gone: Vec<Batch>,
) -> Result<Vec<Doomed>, SyncError> {
    let internal = |error: &dyn std::fmt::Display| SyncError::internal(work.mirror.name(), error);
    let mut request = read_request(work.mirror, setup, None);
    request.fields.retain(|field| setup.source_key.contains(&field.name));
    let key_fields: Vec<Field> = setup
        .source_key
        .iter()
        .filter_map(|name| request.fields.iter().find(|field| field.name == *name).cloned())
        .collect();
    let mut doomed = Vec::new();
    for keys in gone {
        let keys = crate::record::project(&keys, &setup.target.key).map_err(|error| internal(&error))?;
        let asked = Batch::new(Arc::from(key_fields.clone()), keys.columns().to_vec(), keys.rows());
        let asked = asked.map_err(|error| internal(&error))?;
        let failed = |failure: Failure| SyncError::after_retries(work.mirror.name(), failure);
        let found = lookup.lookup(&request, &asked).await.map_err(failed)?;
        let alive = work.digester.digests(&found.data, &setup.source_key).map_err(|error| internal(&error))?;
        let digests = work.digester.digests(&keys, &setup.target.key).map_err(|error| internal(&error))?;
        let dead =
            (0..keys.rows() as u32).filter(|row| digests.get(*row as usize).is_none_or(|key| !alive.contains(key)));
        let rows: Vec<u32> = dead.collect();
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
