//! Deletes that no tombstone announced: what a proven complete enumeration of the source does not show any more.
//!
//! Invariant 5: an inferred delete follows only from a complete enumeration, and stays below the guard or waits for approval.
//! The target is enumerated before the source: what the target had then and the source has not later is gone from the source.

mod spill;

use std::collections::HashSet;

use serde_json::Value;
use tokio::sync::mpsc;

use self::spill::Spill;
use super::deliver::Position;
use super::error::SyncError;
use super::letters;
use super::mirror::{Work, read_request};
use super::prepare::{Prepared, Preparer};
use super::read::Reading;
use super::report::HeldDeletes;
use super::setup::Setup;
use crate::connector::{Cursor, Page, PageStatus, ReadMode, ReadRequest, WriteMode};
use crate::record::{Batch, Changes, Field, Properties, batch_from_json};
use crate::store::{Counters, HoldState, KeyDigest, NewHold};

/// Keys of records that are to be deleted from the target; fields of the target.
pub(super) struct Doomed {
    pub keys: Batch,
}

/// Keys shown to the person who has to approve.
const KEYS_SHOWN: usize = 20;
/// Keys deleted at a time.
const DELETE_PAGE_ROWS: usize = 10_000;

/// Finds the target's records that the source does not have by reading the keys of both, and deletes them.
pub(super) async fn by_enumeration(work: &mut Work<'_>, setup: &Setup) -> Result<(), SyncError> {
    let Some(target) = work.mirror.target.source.clone() else {
        return Err(SyncError::TargetUnfit {
            sync: work.mirror.name().to_owned(),
            stream: setup.target.name.clone(),
            reason: "its plugin cannot be read from, so nobody knows what to delete".to_owned(),
            hint: format!("use `deletes = \"tombstones\"` in [sync.{}]", work.mirror.name()),
        });
    };
    work.run.observer.phase("comparing keys");
    let sync = work.mirror.name().to_owned();
    let spill_error = |error: std::io::Error| SyncError::internal(&sync, format!("cannot compare keys: {error}"));
    let mut spill = Spill::new();
    let request = target_request(setup);
    let mut target_rows = 0;
    let complete = enumerate(work, target, request, None, |page| {
        target_rows += page.mapped.rows() as u64;
        spill.have(&page.mapped.data, &setup.target.key, &page.keys)
    });
    if !complete.await? {
        work.run.observer.note("nothing is deleted: the target did not show all of its records");
        return Ok(());
    }
    let preparer = Preparer::of_keys(work.mirror, setup, work.digester);
    let mut request = ReadRequest { mode: ReadMode::Full, ..read_request(work.mirror, setup, None) };
    if work.mirror.transforms.is_empty() {
        let needed = setup.mapping.only(&setup.target.key).source_fields_needed();
        request.fields.retain(|field| needed.contains(&field.name) || setup.source_key.contains(&field.name));
    }
    let source = work.mirror.source.connector.clone();
    if !enumerate(work, source, request, Some(preparer), |page| spill.keep(&page.keys)).await? {
        work.run.observer.note("nothing is deleted: not all records of the source could be read");
        return Ok(());
    }
    let fields: Vec<Field> = key_fields(setup);
    let gone = spill.gone().map_err(spill_error)?;
    let mut doomed = Vec::new();
    for keys in gone.chunks(DELETE_PAGE_ROWS) {
        let keys = batch_from_json(&fields.clone().into(), keys).map_err(|error| SyncError::internal(&sync, error))?;
        doomed.push(Doomed { keys });
    }
    delete(work, setup, doomed, target_rows).await?;
    work.compared = true;
    Ok(())
}

fn key_fields(setup: &Setup) -> Vec<Field> {
    let field = |name: &String| setup.target.field(name).cloned();
    setup.target.key.iter().filter_map(field).collect()
}

fn target_request(setup: &Setup) -> ReadRequest {
    ReadRequest {
        stream: setup.target.name.clone(),
        key: setup.target.key.clone(),
        fields: key_fields(setup),
        mode: ReadMode::Full,
        cursor: None,
        options: Properties::default(),
    }
}

/// Reads a stream from the beginning to the end. Answers whether every record was seen and could be read: an unreadable
/// record may be any record.
async fn enumerate(
    work: &Work<'_>,
    source: std::sync::Arc<dyn crate::connector::Source>,
    request: ReadRequest,
    mut preparer: Option<Preparer>,
    mut see: impl FnMut(&Prepared) -> std::io::Result<()>,
) -> Result<bool, SyncError> {
    let sync = work.mirror.name();
    let key = request.key.clone();
    let (sender, mut pages) = mpsc::channel(1);
    let reading = Reading::new(work.caution(), source, request, work.mirror.page);
    let reader = tokio::spawn(reading.run(sender));
    let (mut complete, mut readable) = (false, true);
    while let Some(page) = pages.recv().await {
        let status = page.status;
        readable &= page.rejected.is_empty();
        let prepared = match &mut preparer {
            Some(preparer) => preparer.prepare(page).await?,
            None => as_it_is(work, page, &key)?,
        };
        // Only the key is prepared: a record whose other values do not fit still is a record, one without a key could be any.
        readable &= prepared.letters.is_empty();
        see(&prepared).map_err(|error| SyncError::internal(sync, format!("cannot compare keys: {error}")))?;
        complete = status == PageStatus::EnumerationComplete;
    }
    reader.await.map_err(|error| SyncError::internal(sync, error))??;
    Ok(complete && readable)
}

fn as_it_is(work: &Work<'_>, page: Page, key: &[String]) -> Result<Prepared, SyncError> {
    let keys = work.digester.digests(&page.changes.data, key);
    let keys = keys.map_err(|error| SyncError::internal(work.mirror.name(), error))?;
    Ok(Prepared {
        read: page.changes.clone(),
        source: page.changes.clone(),
        mapped: page.changes,
        origins: None,
        keys,
        letters: Vec::new(),
        counters: Counters::default(),
        cursor: page.next_cursor,
        status: page.status,
        resolves: None,
    })
}

/// Deletes records, unless they are too many to be believed without a person's word.
pub(super) async fn delete(
    work: &mut Work<'_>,
    setup: &Setup,
    doomed: Vec<Doomed>,
    target_rows: u64,
) -> Result<(), SyncError> {
    let count: u64 = doomed.iter().map(|doomed| doomed.keys.rows() as u64).sum();
    if count == 0 {
        return Ok(());
    }
    let content = content(&doomed, setup)?;
    let hold = work.run.store.hold_by_content(work.mirror.name(), content)?;
    let state = hold.as_ref().map(|hold| hold.state);
    if state == Some(HoldState::Refused) {
        // Somebody said that just these shall stay.
        return Ok(());
    }
    let approved = hold.filter(|hold| hold.state == HoldState::Approved);
    if approved.is_none()
        && let Some(reason) = reason_to_hold(work, count, target_rows)?
    {
        return hold_back(work, &doomed, content, count, target_rows, reason);
    }
    work.run.observer.phase("deleting");
    let mut delivery = work.delivery(setup, WriteMode::Upsert, Position::Fixed);
    for doomed in doomed {
        let prepared = deletes_page(work, setup, doomed.keys)?;
        delivery.take(prepared).await?;
    }
    if let Some(hold) = approved {
        delivery.applies_hold(hold.id);
    }
    delivery.flush().await?;
    work.absorb(delivery);
    Ok(())
}

/// Equal for equal sets of keys.
fn content(doomed: &[Doomed], setup: &Setup) -> Result<KeyDigest, SyncError> {
    let mut digests = Vec::new();
    for doomed in doomed {
        let keys = letters::key_digests(&doomed.keys, &setup.target.key);
        digests.extend(keys.map_err(|error| SyncError::batch(&setup.target.name, error))?);
    }
    Ok(KeyDigest::of_set(digests))
}

fn reason_to_hold(work: &Work<'_>, count: u64, target_rows: u64) -> Result<Option<String>, SyncError> {
    let allowed = work.mirror.def.guard.deletes_max(target_rows);
    if count > allowed {
        let reason =
            format!("{count} of {target_rows} records would be deleted; without approval at most {allowed} are");
        return Ok(Some(reason));
    }
    // Records that were there before us may not be ours to delete.
    if work.state.last_compare_at.is_none() && !work.state.target_was_empty {
        let reason = format!("the target held records before the first run; {count} of them are not in the source");
        return Ok(Some(reason));
    }
    // As long as deletes wait for a person, or were not allowed, these may be some of them.
    let waiting = work.newest_hold()?.filter(|hold| hold.state != HoldState::Applied);
    Ok(waiting.map(|hold| match hold.state {
        HoldState::Refused => format!("{count} records would be deleted, and other deletes were refused before"),
        _ => format!("{count} records would be deleted, and no longer what waits for approval as {}", hold.id),
    }))
}

fn hold_back(
    work: &mut Work<'_>,
    doomed: &[Doomed],
    content: KeyDigest,
    count: u64,
    target_rows: u64,
    reason: String,
) -> Result<(), SyncError> {
    let shown: Vec<Value> = doomed
        .iter()
        .flat_map(|doomed| (0..doomed.keys.rows()).map(move |row| (doomed, row)))
        .take(KEYS_SHOWN)
        .map(|(doomed, row)| Value::Object(crate::record::row_to_json(&doomed.keys, row)))
        .collect();
    let hold = work.run.store.hold(&NewHold {
        sync: work.mirror.name().to_owned(),
        run: work.id,
        content,
        deletes: count,
        total: target_rows,
        keys: Value::Array(shown).to_string(),
        at: work.run.world.clock.now(),
    })?;
    work.held = Some(HeldDeletes { hold, deletes: count, total: target_rows, reason });
    Ok(())
}

/// A page of deletes; as its source it has the same keys under the source's names, for dead letters.
fn deletes_page(work: &Work<'_>, setup: &Setup, keys: Batch) -> Result<Prepared, SyncError> {
    let internal = |error: &dyn std::fmt::Display| SyncError::internal(work.mirror.name(), error);
    let keys = crate::record::project(&keys, &setup.target.key).map_err(|error| internal(&error))?;
    let names = setup.source_key_in_target_order().unwrap_or_else(|| setup.target.key.clone());
    let renamed: Vec<Field> =
        keys.fields().iter().zip(&names).map(|(field, name)| Field { name: name.clone(), ..field.clone() }).collect();
    let source = Batch::new(renamed.into(), keys.columns().to_vec(), keys.rows()).map_err(|error| internal(&error))?;
    let digests = work.digester.digests(&keys, &setup.target.key).map_err(|error| internal(&error))?;
    debug_assert_eq!(digests.iter().collect::<HashSet<_>>().len(), digests.len());
    Ok(Prepared {
        read: all_deletes(source.clone()),
        source: all_deletes(source),
        mapped: all_deletes(keys),
        origins: None,
        keys: digests,
        letters: Vec::new(),
        counters: Counters { pages: 1, ..Counters::default() },
        cursor: Cursor(Vec::new()),
        status: PageStatus::More,
        resolves: None,
    })
}

fn all_deletes(data: Batch) -> Changes {
    let kinds = vec![crate::record::ChangeKind::Delete as u8; data.rows()];
    Changes { kinds: Some(kinds.into()), ..Changes::upserts(data) }
}
