//! What can be found out about a hub's records without its plugins: where a value comes from, what every endpoint last said.

use chrono::{DateTime, Utc};

use super::letters::write_key;
use super::work::{remote_id, remote_values};
use crate::lineage::Entry;
use crate::project::{HubDef, Normaliser as ProjectNormaliser};
use crate::record::{Field, Value};
use crate::resolve::{Normaliser, RecordState, Source, decode, match_digest};
use crate::store::{
    Conflict, ConflictFilter, DeadLetter, DeadLetterFilter, DeadLetterState, EndpointState, HubState, HubStore,
    IntentRow, LineageEntry, LineageId, MatchKey, RecordId, RecordQuery,
};
use crate::sync::drift::PinnedStream;
use crate::sync::error::SyncError;

/// Entries of a record's history that are read at most: it is told from the newest backwards.
const HISTORY_MAX: usize = 1_000;

/// A hub's records, open for reading.
pub struct Book<'a> {
    pub(super) store: &'a dyn HubStore,
    pub def: &'a HubDef,
    pub(super) state: HubState,
    /// In the order of the bodies; empty before the first run.
    pub entity: Vec<Field>,
    pub(super) ids: Vec<i64>,
}

/// One step of a record's history.
#[derive(Clone, Debug)]
pub struct Step {
    pub stored: LineageEntry,
    pub entry: Entry,
    /// The endpoint's name; none if it was a person.
    pub endpoint: Option<String>,
}

impl<'a> Book<'a> {
    /// Looks at a hub. One that never ran has no records.
    pub fn open(store: &'a dyn HubStore, def: &'a HubDef) -> Result<Self, SyncError> {
        let names: Vec<String> = def.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
        let state = store.hub_state(def.name.as_str(), &names)?;
        let pinned = state.pin.as_deref().and_then(PinnedStream::parse);
        let field =
            |name: &str, logical: &str| Field::new(name, logical.parse().unwrap_or(crate::record::LogicalType::Text));
        let entity = pinned
            .map(|pinned| pinned.fields.iter().map(|known| field(&known.name, &known.logical)).collect())
            .unwrap_or_default();
        let ids = state.endpoints.iter().map(|endpoint| endpoint.id.0).collect();
        Ok(Self { store, def, state, entity, ids })
    }

    pub(super) fn fault(&self, what: impl std::fmt::Display) -> SyncError {
        SyncError::internal(self.def.name.as_str(), what)
    }

    pub fn endpoint_name(&self, id: i64) -> Option<String> {
        self.state.endpoints.iter().find(|endpoint| endpoint.id.0 == id).map(|endpoint| endpoint.name.clone())
    }

    /// Where the endpoints stand, in the order of the definition.
    pub fn endpoints(&self) -> &[EndpointState] {
        &self.state.endpoints
    }

    /// The place of a field.
    pub fn place(&self, field: &str) -> Option<usize> {
        self.entity.iter().position(|known| known.name == field)
    }

    /// Fields that are in a group with one of these, and these.
    pub(super) fn with_groups(&self, fields: &[usize]) -> Vec<usize> {
        let group = |at: usize| self.def.field(&self.entity.get(at)?.name)?.group.as_ref();
        let moves_along = |at: &usize| {
            fields.contains(at) || fields.iter().any(|of| group(*of).is_some() && group(*of) == group(*at))
        };
        (0..self.entity.len()).filter(moves_along).collect()
    }

    /// A remote id for people.
    pub fn remote_text(&self, remote: &[u8]) -> String {
        let plain = |value: &Value| match value {
            Value::Text(text) => text.to_string(),
            Value::Int(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        remote_values(remote).unwrap_or_default().iter().map(plain).collect::<Vec<_>>().join(", ")
    }

    /// What an endpoint is owed of a record, as far as it is on record.
    pub fn intent(&self, endpoint: usize, record: RecordId) -> Result<Option<IntentRow>, SyncError> {
        let Some(state) = self.state.endpoints.get(endpoint) else { return Ok(None) };
        let before = Some(RecordId(record.0 - 1));
        let next = self.store.due_intents(state.id, DateTime::<Utc>::MAX_UTC, before, 1)?;
        Ok(next.into_iter().find(|intent| intent.record == record).map(|intent| intent.row))
    }

    /// The open dead letter of a write that an endpoint refused.
    pub fn refused(&self, endpoint: &str, record: RecordId) -> Result<Option<DeadLetter>, SyncError> {
        let key = write_key(endpoint, record);
        let filter = DeadLetterFilter {
            sync: Some(self.def.name.to_string()),
            state: Some(DeadLetterState::Open),
            ..DeadLetterFilter::default()
        };
        Ok(self.store.dead_letters(&filter)?.into_iter().find(|letter| letter.letter.key == key))
    }

    /// One entry of the lineage; none if there is no such entry.
    pub fn step(&self, id: i64) -> Result<Option<Step>, SyncError> {
        let Some(stored) = self.store.lineage(&[LineageId(id)])?.into_iter().next() else { return Ok(None) };
        let entry = Entry::decode(&stored.body)
            .ok_or_else(|| self.fault(format_args!("entry {id} of the lineage makes no sense")))?;
        Ok(Some(Step { endpoint: self.endpoint_name(entry.endpoint), stored, entry }))
    }

    pub fn source_name(&self, source: Source) -> String {
        match source {
            Source::Person => "a person".to_owned(),
            Source::Endpoint(endpoint) => {
                self.def.endpoints.get(endpoint).map(|endpoint| endpoint.name.clone()).unwrap_or_default()
            }
        }
    }

    /// The records somebody means: `#7` by its number, `crm:17` by its id there, anything else by what records are matched by, or
    /// by its id anywhere.
    pub fn find(&self, key: &str) -> Result<Vec<RecordId>, SyncError> {
        if let Some(number) = key.strip_prefix('#').and_then(|number| number.parse().ok()) {
            return Ok(vec![RecordId(number)]);
        }
        let (endpoint, remote) = match key.split_once(':') {
            Some((name, remote)) if self.def.endpoints.iter().any(|endpoint| endpoint.name == name) => {
                (Some(name), remote)
            }
            _ => (None, key),
        };
        let mut found = Vec::new();
        if endpoint.is_none() {
            for match_key in self.match_keys(key) {
                found.extend(self.store.matching(self.def.name.as_str(), match_key)?);
            }
        }
        let wanted = self.state.endpoints.iter().filter(|known| endpoint.is_none_or(|name| known.name == name));
        let links = wanted.flat_map(|known| remote_ids(remote).into_iter().map(|remote| (known.id, remote)));
        let query = RecordQuery { sync: self.def.name.to_string(), links: links.collect(), ..RecordQuery::default() };
        found.extend(self.store.load_records(&query)?.links.into_iter().flatten());
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn match_keys(&self, key: &str) -> Vec<MatchKey> {
        let parts: Vec<Value> = key.split(',').map(Value::text).collect();
        let whole = [Value::text(key)];
        let rules = self.def.matching.exact.iter().enumerate();
        rules
            .filter_map(|(number, rule)| {
                let values = if rule.fields.len() == 1 { &whole[..] } else { parts.as_slice() };
                if values.len() != rule.fields.len() {
                    return None;
                }
                let fields: Vec<_> =
                    values.iter().map(Some).zip(rule.fields.iter().map(|field| normaliser(field.normalise))).collect();
                match_digest(number, &fields).map(MatchKey)
            })
            .collect()
    }

    /// A record as it is; none if there is no such record.
    pub fn record(&self, id: RecordId) -> Result<Option<RecordState>, SyncError> {
        let query = RecordQuery { sync: self.def.name.to_string(), records: vec![id], ..RecordQuery::default() };
        let Some(body) = self.store.load_records(&query)?.bodies.remove(&id) else { return Ok(None) };
        self.decode(id, &body).map(Some)
    }

    pub(super) fn decode(&self, id: RecordId, body: &[u8]) -> Result<RecordState, SyncError> {
        let state = decode(body, &self.ids, self.entity.len());
        state.ok_or_else(|| self.fault(format_args!("record {} makes no sense", id.0)))
    }

    /// A record's history, the newest step first.
    pub fn history(&self, state: &RecordState) -> Result<Vec<Step>, SyncError> {
        let (mut steps, mut next) = (Vec::new(), state.lineage);
        while next > 0 && steps.len() < HISTORY_MAX {
            let Some(step) = self.step(next)? else { break };
            next = if step.entry.previous < next { step.entry.previous } else { 0 };
            steps.push(step);
        }
        Ok(steps)
    }

    /// Conflicts of a record, oldest first.
    pub fn conflicts_of(&self, record: RecordId) -> Result<Vec<Conflict>, SyncError> {
        let filter =
            ConflictFilter { sync: Some(self.def.name.to_string()), record: Some(record), ..ConflictFilter::default() };
        Ok(self.store.conflicts(&filter)?)
    }
}

/// What a text may be as a remote id: a text or a number.
fn remote_ids(text: &str) -> Vec<Vec<u8>> {
    let mut ids = vec![remote_id(&[&Value::text(text)])];
    ids.extend(text.parse::<i64>().ok().map(|number| remote_id(&[&Value::Int(number)])));
    ids
}

pub(super) fn normaliser(normaliser: ProjectNormaliser) -> Normaliser {
    match normaliser {
        ProjectNormaliser::Text => Normaliser::Text,
        ProjectNormaliser::Exact => Normaliser::Exact,
        ProjectNormaliser::Digits => Normaliser::Digits,
        ProjectNormaliser::Name => Normaliser::Name,
    }
}
