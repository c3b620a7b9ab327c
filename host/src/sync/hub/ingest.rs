//! Reading an endpoint: its pages become events, each page is decided about and durable with its cursor before the next.

use super::decide::{Answers, Incoming};
use super::letters::name_origin;
use super::seen::Seen;
use super::unit::Unit;
use super::work::{Work, remote_id, remote_text};
use crate::connector::{Cursor, Page, PageStatus, ReadMode, ReadRequest};
use crate::error::codes;
use crate::record::{ChangeKind, Changes, Field, LogicalType, Value, values_of};
use crate::resolve::{EventKind, Mechanism};
use crate::store::{
    Closing, CursorUpdate, DeadLetter, DeadLetterFilter, DeadLetterState, EndpointState, EndpointUpdate, KeyDigest,
    NewDeadLetter, Stage,
};
use crate::sync::error::SyncError;
use crate::sync::letters;

impl Work<'_> {
    /// Takes in what an endpoint has to say since it was last asked. Answers what it has shown.
    pub async fn ingest(&mut self, endpoint: usize) -> Result<Seen, SyncError> {
        let request = self.changes_request(endpoint)?;
        let Some(mut pages) = self.fetch(endpoint)? else { return Ok(Seen::of_part(self.digester)) };
        self.fetch_next(endpoint)?;
        let mut seen = match request.cursor {
            None => Seen::from_beginning(self.digester),
            Some(_) => Seen::of_part(self.digester),
        };
        let misses_deletes = self.end(endpoint)?.reports_deletes && self.has(Mechanism::RebaselineOnGap);
        let is_new = |state: &EndpointState| state.progress_at.is_none() || state.baselined;
        seen.has_gap = misses_deletes && !self.endpoints.get(endpoint).is_some_and(is_new);
        while let Some(page) = pages.next().await {
            let ends = page.status != PageStatus::More;
            seen.has_gap |= misses_deletes && pages.has_lost_place();
            seen.is_complete |=
                page.status == PageStatus::EnumerationComplete || (ends && !self.has(Mechanism::CompletenessProof));
            if ends && !seen.is_whole() {
                self.fetch_keys(endpoint)?;
            }
            self.take_page(endpoint, page, &mut seen, request.mode == ReadMode::Full && ends).await?;
        }
        match pages.end().await {
            Ok(outcome) => outcome?,
            Err(error) => return Err(self.fault(error)),
        }
        Ok(seen)
    }

    /// What an endpoint is asked for: everything, or what has changed since it was last asked.
    pub fn changes_request(&self, endpoint: usize) -> Result<ReadRequest, SyncError> {
        let state = self.endpoints.get(endpoint).ok_or_else(|| self.fault("an endpoint is missing"))?;
        let end = self.end(endpoint)?;
        Ok(ReadRequest {
            stream: end.stream.name.clone(),
            key: end.key.iter().map(|field| field.name.clone()).collect(),
            fields: end.read_fields.clone(),
            mode: end.mode,
            cursor: state.cursor.clone().filter(|_| !self.run.options.full).map(Cursor),
            options: end.options.clone(),
        })
    }

    async fn take_page(
        &mut self,
        endpoint: usize,
        page: Page,
        seen: &mut Seen,
        begins_anew: bool,
    ) -> Result<(), SyncError> {
        let (rows, letters) = self.incoming(endpoint, &page.changes)?;
        let mut letters = letters;
        let plugin = self.end(endpoint)?.plugin.clone();
        seen.is_readable &= page.rejected.is_empty() && letters.is_empty();
        let name = self.end(endpoint)?.name.clone();
        letters.extend(page.rejected.into_iter().map(|rejection| {
            let key_text = format!("{name} {}", rejection.position);
            NewDeadLetter { key_text, ..letters::unreadable(rejection, &plugin) }
        }));
        for row in &rows {
            if row.kind != EventKind::Delete {
                seen.note(&row.remote);
            }
        }
        self.counters.read += page.changes.rows() as u64;
        self.count(endpoint, |rows| rows.read += page.changes.rows() as u64);
        self.counters.pages += 1;
        self.counters.bytes += page.changes.data.bytes() as u64;
        let mut update = EndpointUpdate::new(self.endpoint_id(endpoint));
        let is_last = page.status != PageStatus::More;
        update.cursor = if begins_anew { CursorUpdate::Clear } else { CursorUpdate::Set(page.next_cursor.0) };
        update.progress_at = Some(self.run.world.clock.now());
        // Deletes that happened in a gap nobody reports: it is over when all keys have been read.
        update.baselined = if seen.has_gap { Some(false) } else { is_last.then_some(true) };
        if let Some(state) = self.endpoints.get_mut(endpoint) {
            state.baselined = update.baselined.unwrap_or(state.baselined);
        }
        if !self.has(Mechanism::CursorWithDecisions) {
            let mut early = Unit::default();
            early.endpoints.push(update.clone());
            self.commit(early)?;
        }
        self.take_rows(endpoint, &rows, letters, Some(update)).await
    }

    /// After an endpoint has shown all of its records: those that could not be taken in before and were not refused again are gone
    /// or mended.
    pub fn close_outdated_letters(&self, endpoint: usize) -> Result<(), SyncError> {
        if self.open_letters.is_empty() {
            return Ok(());
        }
        let filter = DeadLetterFilter {
            sync: Some(self.name().to_owned()),
            state: Some(DeadLetterState::Open),
            ..DeadLetterFilter::default()
        };
        let prefix = format!("{} ", self.end(endpoint)?.name);
        let is_outdated = |row: &&DeadLetter| {
            let is_input = matches!(row.letter.stage, Stage::Source | Stage::Map);
            row.run != self.id && is_input && row.letter.key_text.starts_with(&prefix)
        };
        let open = self.run.store.dead_letters(&filter)?;
        let ids: Vec<_> = open.iter().filter(is_outdated).map(|row| row.id).collect();
        if !ids.is_empty() {
            self.run.store.close_dead_letters(&ids, Closing::Superseded, self.run.world.clock.now())?;
        }
        Ok(())
    }

    /// Decides about rows and makes the decisions durable.
    pub async fn take_rows(
        &mut self,
        endpoint: usize,
        rows: &[Incoming],
        letters: Vec<NewDeadLetter>,
        progress: Option<EndpointUpdate>,
    ) -> Result<(), SyncError> {
        let mut answers = Answers::new();
        let decided = loop {
            let next = self.next_record;
            let decided = self.decide(endpoint, rows, &answers)?;
            if decided.asked.is_empty() {
                break decided;
            }
            self.next_record = next;
            self.ask_resolver(decided.asked, &mut answers).await?;
        };
        let mut unit = decided.unit;
        unit.letters.extend(letters);
        self.count_letters(&unit.letters);
        unit.written_keys = self.written_keys(endpoint, rows)?;
        if unit.is_empty() {
            self.put_back(unit);
            return progress.map_or(Ok(()), |progress| self.progress(progress));
        }
        unit.endpoints.extend(progress);
        let asked = unit.conflicts.clone();
        self.commit(unit)?;
        self.note_asked(&asked)?;
        self.check_letters()
    }

    fn check_letters(&self) -> Result<(), SyncError> {
        let max = self.hub.def.dead_letters_max;
        if self.letters.len() as u64 <= max {
            return Ok(());
        }
        Err(SyncError::DeadLettersFull { sync: self.name().to_owned(), max, last: "see the list".to_owned() })
    }

    /// Records that came through are no dead letters any more.
    fn written_keys(&self, endpoint: usize, rows: &[Incoming]) -> Result<Vec<KeyDigest>, SyncError> {
        if self.open_letters.is_empty() {
            return Ok(Vec::new());
        }
        let keys = rows.iter().map(|row| self.letter_key(endpoint, &row.remote));
        Ok(keys.filter(|key| self.open_letters.contains(key)).collect())
    }

    /// Under which key a remote record that could not be taken in is a dead letter.
    pub fn letter_key(&self, endpoint: usize, remote: &[u8]) -> KeyDigest {
        KeyDigest::of_key(&self.letter_text(endpoint, remote))
    }

    pub fn letter_text(&self, endpoint: usize, remote: &[u8]) -> String {
        let Some(end) = self.settled.ends.get(endpoint) else { return String::new() };
        format!("{} {}", end.name, remote_text(remote, &end.key))
    }

    /// Rows of a page in the entity's terms; those that cannot be are dead letters.
    pub fn incoming(
        &self,
        endpoint: usize,
        changes: &Changes,
    ) -> Result<(Vec<Incoming>, Vec<NewDeadLetter>), SyncError> {
        let end = self.end(endpoint)?;
        let mut translated = end.projection.read(&changes.data);
        let led = self.follow(end, changes)?;
        for (field, values) in &led.values {
            for (row, value) in translated.rows.iter_mut().zip(values) {
                if let Some(place) = row.as_mut().and_then(|row| row.get_mut(*field)) {
                    place.clone_from(value);
                }
            }
        }
        let keys = key_values(&end.key, changes);
        let times = times(end.modified.as_ref(), changes);
        let key_names: Vec<String> = end.key.iter().map(|field| field.name.clone()).collect();
        let failed = |row: usize, cause| {
            let failed =
                letters::Failed { stage: Stage::Map, source: changes, row, key: &key_names, plugin: Some(&end.plugin) };
            failed.letter(cause)
        };
        let (mut rows, mut dead) = (Vec::with_capacity(changes.rows()), Vec::new());
        for row in 0..changes.rows() {
            let values: Vec<&Value> = keys.iter().filter_map(|column| column.get(row)?.as_ref()).collect();
            let kind = match changes.kind(row) {
                ChangeKind::Upsert => EventKind::Upsert,
                ChangeKind::Undelete => EventKind::Undelete,
                ChangeKind::Delete => EventKind::Delete,
            };
            if values.len() < end.key.len() || values.iter().any(|value| value.is_null()) {
                let names = key_names.join("`, `");
                let cause = letters::own_cause(
                    &codes::DATA_KEY,
                    end.key.first().map(|field| field.name.as_str()),
                    format!("the key `{names}` is not complete"),
                );
                dead.push(failed(row, cause));
                continue;
            }
            let remote = remote_id(&values);
            let translated = translated.rows.get_mut(row).and_then(Option::take);
            let values = match (translated, kind) {
                (Some(values), _) => values,
                (None, EventKind::Delete) => vec![None; self.settled.entity.len()].into(),
                (None, _) => continue,
            };
            let at = times.as_ref().and_then(|times| times.get(row).copied().flatten());
            let points_nowhere = led.unknown.contains(&row) && kind != EventKind::Delete;
            rows.push(Incoming { remote, kind, values, at, adopt: None, has_waited: false, points_nowhere });
        }
        let mut last = None;
        for rejected in &translated.rejected {
            let row = rejected.row as usize;
            if changes.kind(row) != ChangeKind::Delete && last.replace(row) != Some(row) {
                let mut letter = failed(row, letters::value_cause(&codes::DATA_LOSSY, rejected));
                let values: Vec<&Value> = keys.iter().filter_map(|column| column.get(row)?.as_ref()).collect();
                letter.key = self.letter_key(endpoint, &remote_id(&values));
                letter.key_text = self.letter_text(endpoint, &remote_id(&values));
                name_origin(&mut letter, &end.name, &remote_id(&values));
                dead.push(letter);
            }
        }
        Ok((rows, dead))
    }
}

fn key_values(key: &[Field], changes: &Changes) -> Vec<Vec<Option<Value>>> {
    let column = |field: &Field| {
        let (found, column) = changes.data.iter().find(|(known, _)| known.name == field.name)?;
        Some(values_of(found, column))
    };
    key.iter().map(|field| column(field).unwrap_or_default()).collect()
}

/// When the endpoint says each record was changed.
fn times(modified: Option<&Field>, changes: &Changes) -> Option<Vec<Option<i64>>> {
    if let Some(times) = &changes.changed_at {
        return Some(times.iter().copied().map(Some).collect());
    }
    let modified = modified.filter(|field| matches!(field.logical, LogicalType::Timestamp | LogicalType::Datetime))?;
    let (field, column) = changes.data.iter().find(|(known, _)| known.name == modified.name)?;
    let times = values_of(field, column).into_iter().map(|value| match value {
        Some(Value::Int(micros)) => Some(micros),
        _ => None,
    });
    Some(times.collect())
}
