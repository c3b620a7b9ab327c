//! Deletes that no tombstone announced: what a complete enumeration does not show any more.
//!
//! Invariant 5: a delete is inferred only from a complete enumeration, twice where reads may be stale, and stays below the guard
//! or waits for approval.

use super::decide::Incoming;
use super::seen::Seen;
use super::unit::Unit;
use super::work::{Work, remote_text};
use crate::connector::{ReadMode, ReadRequest};
use crate::resolve::{EventKind, Link, Mechanism, Missing};
use crate::store::{EndpointUpdate, HoldId, HoldState, KeyDigest, Link as StoredLink, NewHold};
use crate::sync::error::SyncError;
use crate::sync::report::HeldDeletes;

/// Records looked at together.
const CHUNK: u32 = 10_000;
/// Keys shown to whoever has to approve.
const KEYS_SHOWN: usize = 20;

impl Work<'_> {
    /// Whether an endpoint's keys have to be read to find what is gone.
    pub fn needs_enumeration(&self, endpoint: usize) -> bool {
        let (Some(end), Some(rule), Some(def), Some(state)) = (
            self.settled.ends.get(endpoint),
            self.settled.rules.endpoints.get(endpoint),
            self.hub.def.endpoints.get(endpoint),
            self.endpoints.get(endpoint),
        ) else {
            return false;
        };
        if !rule.is_read || end.mode == ReadMode::Full {
            return false;
        }
        if end.reports_deletes {
            return !state.baselined;
        }
        match (def.enumerate_every, state.enumerated_at) {
            (Some(every), Some(last)) if !self.run.options.full => {
                let since = self.run.world.clock.now().signed_duration_since(last);
                since.to_std().map_or(true, |since| since >= every)
            }
            _ => true,
        }
    }

    /// What is asked of an endpoint to know which records it has.
    pub fn keys_request(&self, endpoint: usize) -> Result<ReadRequest, SyncError> {
        let end = self.end(endpoint)?;
        Ok(ReadRequest {
            stream: end.stream.name.clone(),
            key: end.key.iter().map(|field| field.name.clone()).collect(),
            fields: end.key.clone(),
            mode: ReadMode::Full,
            cursor: None,
            options: crate::record::Properties::default(),
        })
    }

    /// Reads all keys of an endpoint.
    pub async fn enumerate(&mut self, endpoint: usize) -> Result<Seen, SyncError> {
        let Some(listing) = self.list_keys(endpoint)? else { return Ok(Seen::of_part(self.digester)) };
        match listing.end().await {
            Ok(seen) => seen,
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Takes what a complete enumeration did not show for deleted. Answers deletes that wait for approval.
    pub async fn infer_deletes(&mut self, endpoint: usize, seen: &Seen) -> Result<Option<HeldDeletes>, SyncError> {
        if !seen.is_proof() {
            return Ok(None);
        }
        self.enumerated.insert(endpoint);
        let now = self.run.world.clock.now();
        let Unseen { gone, open, total } = self.unseen(endpoint, seen, now.timestamp_micros())?;
        let gone = self.unless_there(endpoint, gone).await?;
        let scanned_at = (self.settled.rules.lag(endpoint) > 0).then_some(now);
        if scanned_at.is_some() && !gone.is_empty() {
            // What this one shows was not missing since the last, whatever becomes of what it does not show.
            let update = EndpointUpdate { scanned_at, ..EndpointUpdate::new(self.endpoint_id(endpoint)) };
            self.commit(Unit { endpoints: vec![update], ..Unit::default() })?;
        }
        let mut applied = None;
        // A system that shows nothing at all is more likely to be ill than empty.
        let is_blank = seen.is_empty() && !gone.is_empty() && gone.len() as u64 + open > 1;
        let is_much = is_blank || gone.len() as u64 > self.hub.def.guard.deletes_max(total);
        if is_much && self.has(Mechanism::Guard) {
            match self.approved(endpoint, &gone, total)? {
                Ok(hold) => {
                    applied = Some(hold);
                    self.approved.extend(gone.iter().map(|link| link.record));
                }
                Err(held) => {
                    self.note_missing(endpoint, &gone, now.timestamp_micros())?;
                    return Ok(Some(held));
                }
            }
        }
        let silent: crate::record::Row = vec![None; self.settled.entity.len()].into();
        for chunk in gone.chunks(CHUNK as usize) {
            let rows: Vec<Incoming> = chunk
                .iter()
                .map(|link| Incoming {
                    remote: link.remote.clone(),
                    kind: EventKind::Delete,
                    values: silent.clone(),
                    at: None,
                    adopt: None,
                    has_waited: false,
                    points_nowhere: false,
                })
                .collect();
            self.take_rows(endpoint, &rows, Vec::new(), None).await?;
        }
        let update = EndpointUpdate {
            enumerated_at: Some(now),
            scanned_at,
            // What may be gone is asked about once more, by somebody who will not tell of it again.
            baselined: (open == 0).then_some(true),
            ..EndpointUpdate::new(self.endpoint_id(endpoint))
        };
        match applied {
            None => self.progress(update)?,
            Some(_) => self.commit(Unit { endpoints: vec![update], hold_applied: applied, ..Unit::default() })?,
        }
        Ok(None)
    }

    /// Those of which an endpoint whose lists may be behind, or leave out what is being changed, says itself that they are gone.
    async fn unless_there(&self, endpoint: usize, mut gone: Vec<StoredLink>) -> Result<Vec<StoredLink>, SyncError> {
        let is_behind = self.settled.rules.lag(endpoint) > 0 && self.has(Mechanism::SecondScan);
        if gone.is_empty() || !is_behind || !self.can_look(endpoint)? {
            return Ok(gone);
        }
        let remotes: Vec<Vec<u8>> = gone.iter().map(|link| link.remote.clone()).collect();
        let (found, letters) = self.look_up_remotes(endpoint, &remotes).await?;
        gone.retain(|link| !found.contains_key(&link.remote) && !self.is_among(endpoint, &link.remote, &letters));
        Ok(gone)
    }

    /// The links of an endpoint held against what it shows. Where reads may be stale, a record must have been missing for longer than
    /// that.
    fn unseen(&mut self, endpoint: usize, seen: &Seen, now: i64) -> Result<Unseen, SyncError> {
        let (mut unseen, mut after) = (Unseen::default(), None::<Vec<u8>>);
        loop {
            let links = self.run.store.links(self.endpoint_id(endpoint), after.as_deref(), CHUNK)?;
            unseen.total += links.len() as u64;
            let Some(last) = links.last() else { return Ok(unseen) };
            after = Some(last.remote.clone());
            let missing: Vec<StoredLink> = links.into_iter().filter(|link| !seen.has(&link.remote)).collect();
            if !missing.is_empty() {
                self.judge_missing(endpoint, missing, now, &mut unseen)?;
            }
        }
    }

    fn judge_missing(
        &mut self,
        endpoint: usize,
        links: Vec<StoredLink>,
        now: i64,
        unseen: &mut Unseen,
    ) -> Result<(), SyncError> {
        let mut unit = self.load_unit(links.iter().map(|link| link.record))?;
        let lag = self.settled.rules.lag(endpoint);
        let waits = lag > 0 && self.has(Mechanism::SecondScan);
        let last = self.endpoints.get(endpoint).and_then(|state| state.scanned_at);
        let scans = Scans { now, last: last.map_or(i64::MAX, |at| at.timestamp_micros()), lag: waits.then_some(lag) };
        for link in links {
            match judge(&mut unit, endpoint, &link, &scans) {
                Judgement::Gone => unseen.gone.push(link),
                Judgement::Open => unseen.open += 1,
                Judgement::NotLinked => {}
            }
        }
        self.commit(unit)
    }

    /// Remembers of records that are not shown, and whose delete waits for approval, that they are not there.
    fn note_missing(&mut self, endpoint: usize, gone: &[StoredLink], now: i64) -> Result<(), SyncError> {
        for chunk in gone.chunks(CHUNK as usize) {
            let mut unit = self.load_unit(chunk.iter().map(|link| link.record))?;
            for link in chunk {
                let Some(touched) = unit.get(link.record) else { continue };
                let Some(side) = touched.state.sides.get_mut(endpoint).filter(|side| side.missing.is_none()) else {
                    continue;
                };
                side.missing = Some(Missing { before: i64::MAX, since: now, last: now });
                touched.is_dirty = true;
            }
            self.commit(unit)?;
        }
        Ok(())
    }

    /// The hold that approves these deletes, or the one that now waits for approval.
    fn approved(
        &self,
        endpoint: usize,
        gone: &[StoredLink],
        total: u64,
    ) -> Result<Result<HoldId, HeldDeletes>, SyncError> {
        let end = self.end(endpoint)?;
        let texts: Vec<String> =
            gone.iter().map(|link| format!("{} {}", end.name, remote_text(&link.remote, &end.key))).collect();
        let content = KeyDigest::of_set(texts.iter().map(|text| KeyDigest::of_key(text)));
        let deletes = gone.len() as u64;
        let known = self.run.store.hold_by_content(self.name(), content)?;
        if let Some(hold) = known.as_ref().filter(|hold| hold.state == HoldState::Approved) {
            return Ok(Ok(hold.id));
        }
        let shown: Vec<&String> = texts.iter().take(KEYS_SHOWN).collect();
        let hold = self.run.store.hold(&NewHold {
            sync: self.name().to_owned(),
            run: self.id,
            content,
            deletes,
            total,
            keys: serde_json::json!(shown).to_string(),
            at: self.run.world.clock.now(),
        })?;
        let reason = format!(
            "`{}` no longer shows {deletes} of {total} records, which is more than the guard lets pass",
            end.name
        );
        Ok(Err(HeldDeletes { hold, deletes, total, reason }))
    }
}

/// Complete enumerations: this one, the one before, by our clock, and for how long records must not have been shown by any.
struct Scans {
    now: i64,
    last: i64,
    /// None = it is enough that this one does not show them.
    lag: Option<i64>,
}

/// Linked records that an enumeration did not show.
#[derive(Default)]
struct Unseen {
    gone: Vec<StoredLink>,
    /// Those of which it takes another enumeration to know.
    open: u64,
    /// All that are linked.
    total: u64,
}

enum Judgement {
    Gone,
    Open,
    /// The link is no longer one of a record that could be gone.
    NotLinked,
}

fn judge(unit: &mut Unit, endpoint: usize, link: &StoredLink, scans: &Scans) -> Judgement {
    let Some(touched) = unit.get(link.record) else { return Judgement::NotLinked };
    let Some(side) = touched.state.sides.get_mut(endpoint) else { return Judgement::NotLinked };
    if !matches!(&side.link, Link::Linked(remote) if **remote == *link.remote) {
        return Judgement::NotLinked;
    }
    if scans.now < side.fenced_until {
        return Judgement::Open;
    }
    let Some(lag) = scans.lag else { return Judgement::Gone };
    // What the enumeration before this one has shown was not missing since.
    let known = side.missing.filter(|missing| missing.last >= scans.last);
    let Missing { before, since, .. } = known.unwrap_or(Missing { before: scans.last, since: scans.now, last: 0 });
    side.missing = Some(Missing { before, since, last: scans.now });
    touched.is_dirty = true;
    if scans.now.saturating_sub(since) > lag { Judgement::Gone } else { Judgement::Open }
}
