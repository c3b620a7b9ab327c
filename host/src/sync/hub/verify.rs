//! Comparing every endpoint with what is agreed, whatever was read before: drift is told, and repaired through ordinary events and
//! intents if that is wanted.

use tokio::sync::mpsc;

use super::decide::Incoming;
use super::references::{Pointed, leads_nowhere, pointed};
use super::seen::RemoteIds;
use super::work::{Work, remote_text};
use super::{Absence, Hub, HubRun, begin, open_conflicts, settle};
use crate::connector::{Effect, PageStatus, ReadMode, ReadRequest};
use crate::record::Value;
use crate::resolve::{Link, Shadow, disagrees};
use crate::store::{Outcome, RecordId, RecordQuery, RunEnd, RunKind};
use crate::sync::error::SyncError;
use crate::sync::read::Reading;

/// Differences shown per endpoint.
const SHOWN: usize = 20;
const CHUNK: u32 = 10_000;

/// What an endpoint's copy is like.
#[derive(Debug, Default)]
pub struct Drift {
    pub endpoint: String,
    /// Records it has.
    pub read: u64,
    /// Records that show something else than is agreed.
    pub differing: u64,
    /// Records that are linked and not there.
    pub missing: u64,
    /// Records that are there and belong to nothing.
    pub unknown: u64,
    /// Writes to it that are owed and not done, refused ones included.
    pub owed: u64,
    /// Some of the differences: key, field, what is agreed, what is shown; as JSON texts.
    pub examples: Vec<(String, String, String, String)>,
    /// None if it could be read from the beginning to the end.
    pub failure: Option<String>,
}

impl Drift {
    pub fn is_none(&self) -> bool {
        self.differing == 0 && self.missing == 0 && self.unknown == 0 && self.failure.is_none()
    }
}

/// Whether drift is only told, or repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    Nothing,
    /// What endpoints show is taken in; copies that are only written are given what they are owed by the next run.
    Everything,
}

/// Reads every endpoint that can be read, in full.
pub async fn verify_hub(hub: &Hub, run: &HubRun, repair: Repair) -> Result<Vec<Drift>, SyncError> {
    let (id, state) = begin(hub, run, RunKind::Compare)?;
    let settled = settle(hub, run, state.pin.as_deref(), Effect::DryRun, Absence::Refused).await?;
    run.observer.settled(&settled.flow);
    let mut work = Work::new(hub, run, id, settled, state);
    work.note_open(open_conflicts(hub, run)?);
    let mut drifts = Vec::new();
    for endpoint in 0..work.settled.ends.len() {
        let name = work.end(endpoint)?.name.clone();
        let mut drift = Drift { endpoint: name, ..Drift::default() };
        match work.verify(endpoint, repair, &mut drift).await {
            Ok(()) => {}
            Err(error @ (SyncError::Connector { .. } | SyncError::Exhausted { .. })) => {
                drift.failure = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
        let counts = run.store.count_intents(work.endpoint_id(endpoint))?;
        drift.owed = counts.planned + counts.sent + counts.unknown + counts.parked + counts.held + counts.refused;
        drifts.push(drift);
    }
    let end = RunEnd {
        outcome: Outcome::Succeeded,
        ended_at: run.world.clock.now(),
        counters: work.counters,
        error: None,
        compared: true,
    };
    run.store.finish_run(id, &end)?;
    Ok(drifts)
}

impl Work<'_> {
    async fn verify(&mut self, endpoint: usize, repair: Repair, drift: &mut Drift) -> Result<(), SyncError> {
        let end = self.end(endpoint)?;
        let Some(source) = end.source.clone() else {
            drift.failure = Some("its plugin cannot be read from".to_owned());
            return Ok(());
        };
        let mut fields = end.key.clone();
        for field in end.projection.remote_fields().iter() {
            if end.projection.fields_read().any(|name| name == field.name)
                && !fields.iter().any(|known| known.name == field.name)
            {
                fields.push(field.clone());
            }
        }
        for reference in &end.references {
            if !fields.iter().any(|known| known.name == reference.remote.name) {
                fields.push(reference.remote.clone());
            }
        }
        let request = ReadRequest {
            stream: end.stream.name.clone(),
            key: end.key.iter().map(|field| field.name.clone()).collect(),
            fields,
            mode: ReadMode::Full,
            cursor: None,
            options: crate::record::Properties::default(),
        };
        let (sender, mut pages) = mpsc::channel(1);
        let reading = Reading::new(self.caution.clone(), source, request, self.hub.page);
        let reader = tokio::spawn(reading.run(sender));
        let (mut seen, mut is_complete) = (RemoteIds::new(self.digester), false);
        while let Some(page) = pages.recv().await {
            is_complete |= page.status == PageStatus::EnumerationComplete;
            let (rows, letters) = self.incoming(endpoint, &page.changes)?;
            drift.read += page.changes.rows() as u64;
            drift.differing += letters.len() as u64;
            rows.iter().for_each(|row| seen.insert(&row.remote));
            let pointed = pointed(self.end(endpoint)?, &page.changes);
            let found = self.compare_rows(endpoint, &rows, &pointed, drift)?;
            if repair == Repair::Everything {
                self.repair(endpoint, found).await?;
            }
        }
        match reader.await {
            Ok(outcome) => outcome?,
            Err(error) => return Err(self.fault(error)),
        }
        if !is_complete {
            drift.failure = Some("it did not show all of its records".to_owned());
            return Ok(());
        }
        self.find_missing(endpoint, &seen, repair, drift).await
    }

    /// Counts what differs and answers those rows.
    fn compare_rows(
        &self,
        endpoint: usize,
        rows: &[Incoming],
        pointed: &Pointed,
        drift: &mut Drift,
    ) -> Result<Vec<Incoming>, SyncError> {
        let id = self.endpoint_id(endpoint);
        let query = RecordQuery {
            sync: self.name().to_owned(),
            links: rows.iter().map(|row| (id, row.remote.clone())).collect(),
            ..RecordQuery::default()
        };
        let loaded = self.run.store.load_records(&query)?;
        let mut found = Vec::new();
        for (row, record) in rows.iter().zip(&loaded.links) {
            let Some(record) = record else {
                drift.unknown += 1;
                found.push(row.clone());
                continue;
            };
            let Some(body) = loaded.bodies.get(record) else { continue };
            let state = self.decode(*record, body)?;
            let Some(side) = state.side(endpoint) else { continue };
            if matches!(side.link, Link::Left(_)) {
                continue;
            }
            let raw = pointed.get(&row.remote).map(Vec::as_slice).unwrap_or_default();
            let mut differing = self.differences(endpoint, row, &state);
            differing.extend(raw.iter().filter(|(field, _)| leads_nowhere(row, *field)).map(|(field, _)| {
                let agreed = state.value(*field).cloned();
                (*field, agreed, None)
            }));
            if differing.is_empty() {
                continue;
            }
            drift.differing += 1;
            found.push(row.clone());
            for (place, agreed, shown) in differing {
                if drift.examples.len() < SHOWN
                    && let (Some(field), Some(end)) = (self.settled.entity.get(place), self.settled.ends.get(endpoint))
                {
                    let text = |value: Option<Value>| {
                        value.map_or("null".to_owned(), |value| value.to_json(field.logical).to_string())
                    };
                    let (agreed, shown) = match raw.iter().find(|(known, _)| *known == place) {
                        Some((_, shown)) => self.target_texts(end, place, agreed, shown)?,
                        None => (text(agreed), text(shown)),
                    };
                    drift.examples.push((remote_text(&row.remote, &end.key), field.name.clone(), agreed, shown));
                }
            }
        }
        Ok(found)
    }

    fn differences(
        &self,
        endpoint: usize,
        row: &Incoming,
        state: &crate::resolve::RecordState,
    ) -> Vec<(usize, Option<Value>, Option<Value>)> {
        let Some(side) = state.side(endpoint) else { return Vec::new() };
        let rules = &self.settled.rules;
        row.values
            .iter()
            .enumerate()
            .filter(|(field, shown)| {
                shown.is_some() && (rules.reads(endpoint, *field) || rules.writes(endpoint, *field))
            })
            .filter(|(field, shown)| {
                let as_now = match side.shadow(*field) {
                    Shadow::Form { shows, of } if Some(shows) == shown.as_ref() => {
                        Shadow::Form { shows: shows.clone(), of: of.clone() }
                    }
                    _ => (*shown).clone().map_or(Shadow::Absent, Shadow::Value),
                };
                match state.value(*field) {
                    Some(agreed) => disagrees(&as_now, agreed),
                    // Where nobody has said anything, nothing is as it should be.
                    None => as_now.shown().is_some_and(|shown| !shown.is_null()),
                }
            })
            .map(|(field, shown)| (field, state.value(field).cloned(), shown.clone()))
            .collect()
    }

    /// What an endpoint that is read shows is an event like any other; of one that is only written the shadow is put right, so that
    /// it is given what is agreed.
    async fn repair(&mut self, endpoint: usize, rows: Vec<Incoming>) -> Result<(), SyncError> {
        if rows.is_empty() {
            return Ok(());
        }
        if self.settled.rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_read) {
            return self.take_rows(endpoint, &rows, Vec::new(), None).await;
        }
        let id = self.endpoint_id(endpoint);
        let query = RecordQuery {
            sync: self.name().to_owned(),
            links: rows.iter().map(|row| (id, row.remote.clone())).collect(),
            ..RecordQuery::default()
        };
        let links: Vec<Option<RecordId>> = self.run.store.load_records(&query)?.links;
        let mut unit = self.load_unit(links.iter().flatten().copied())?;
        for (row, record) in rows.iter().zip(links) {
            let Some(touched) = record.and_then(|record| unit.get(record)) else { continue };
            let Some(side) = touched.state.sides.get_mut(endpoint) else { continue };
            for (field, shown) in row.values.iter().enumerate() {
                if let Some(shown) = shown {
                    side.set_shadow(field, Shadow::Value(shown.clone()));
                }
            }
            touched.is_dirty = true;
            touched.is_changed = true;
        }
        self.commit(unit)
    }

    async fn find_missing(
        &mut self,
        endpoint: usize,
        seen: &RemoteIds,
        repair: Repair,
        drift: &mut Drift,
    ) -> Result<(), SyncError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let links = self.run.store.links(self.endpoint_id(endpoint), after.as_deref(), CHUNK)?;
            let Some(last) = links.last() else { return Ok(()) };
            after = Some(last.remote.clone());
            let missing: Vec<_> = links.into_iter().filter(|link| !seen.has(&link.remote)).collect();
            let mut unit = self.load_unit(missing.iter().map(|link| link.record))?;
            let is_written =
                self.settled.rules.endpoints.get(endpoint).is_some_and(|rule| rule.is_written && !rule.is_read);
            for link in missing {
                let Some(touched) = unit.get(link.record) else { continue };
                let fields = touched.state.canon.len();
                let Some(side) = touched.state.sides.get_mut(endpoint) else { continue };
                if !side.link.is_linked() {
                    continue;
                }
                drift.missing += 1;
                if repair == Repair::Everything && is_written {
                    // It is made anew; what an endpoint that is read has lost, an ordinary run finds and guards.
                    side.link = Link::None;
                    side.shadow = vec![Shadow::Absent; fields];
                    touched.is_dirty = true;
                    touched.is_changed = true;
                    unit.link(self.endpoint_id(endpoint), link.remote.clone(), None);
                }
            }
            self.commit(unit)?;
        }
    }
}
