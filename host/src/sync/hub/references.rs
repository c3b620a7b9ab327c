//! Fields that point to records of another hub: every endpoint knows the other record by its own id, the entity by its number.
//!
//! Invariant 15: no reference is written to a record that is not there yet. What points to nothing we know is no statement, and is
//! looked at again; what the endpoint does not have yet is left out, or holds the record up where it must not be empty.

use std::collections::HashMap;

use serde_json::json;

use super::Hub;
use super::decide::Incoming;
use super::setup::End;
use super::unit::Unit;
use super::work::{Work, remote_id, remote_values};
use crate::record::{Changes, Field, Value, values_of};
use crate::resolve::{Link, Mechanism, decode};
use crate::store::{EndpointId, HubStore, RecordId, RecordQuery};
use crate::sync::error::SyncError;

/// Where a field's references lead.
#[derive(Clone, Debug)]
pub struct Parent {
    /// The other hub.
    pub sync: String,
    /// For each endpoint of this hub the endpoint of the other one whose ids it uses.
    pub endpoints: Vec<Option<String>>,
}

/// A reference as one endpoint has it.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// The entity's field.
    pub field: usize,
    /// The endpoint's.
    pub remote: Field,
    pub sync: String,
    /// The other hub's endpoint; 0 if that never ran.
    pub parent: EndpointId,
}

/// The references of an endpoint.
pub(super) fn references(
    hub: &Hub,
    store: &dyn HubStore,
    endpoint: usize,
    columns: &[(usize, String, Field)],
) -> Result<Vec<Reference>, SyncError> {
    let mut references = Vec::new();
    for (field, name, remote) in columns {
        let Some(parent) = hub.parents.get(name) else { continue };
        let Some(Some(end)) = parent.endpoints.get(endpoint) else { continue };
        let state = store.hub_state(&parent.sync, std::slice::from_ref(end))?;
        let id = state.endpoints.first().map_or(EndpointId(0), |endpoint| endpoint.id);
        references.push(Reference { field: *field, remote: remote.clone(), sync: parent.sync.clone(), parent: id });
    }
    Ok(references)
}

/// What a page's references lead to: for each reference one entry per row.
pub(super) struct Led {
    /// None = the row says nothing, or what it points to is not known yet.
    pub values: Vec<(usize, Vec<Option<Value>>)>,
    /// Rows that point to something unknown.
    pub unknown: Vec<usize>,
}

/// What references of a page's records are, as the endpoint has them: by remote id, the entity's field and the endpoint's value.
pub(super) type Pointed = HashMap<Vec<u8>, Vec<(usize, Value)>>;

pub(super) fn pointed(end: &End, changes: &Changes) -> Pointed {
    let column = |name: &str| {
        let (field, column) = changes.data.iter().find(|(field, _)| field.name == name)?;
        Some(values_of(field, column))
    };
    let keys: Vec<Vec<Option<Value>>> = end.key.iter().filter_map(|field| column(&field.name)).collect();
    let mut pointed = Pointed::new();
    for reference in &end.references {
        for (row, value) in column(&reference.remote.name).unwrap_or_default().into_iter().enumerate() {
            let key: Vec<&Value> = keys.iter().filter_map(|column| column.get(row)?.as_ref()).collect();
            pointed.entry(remote_id(&key)).or_default().extend(value.map(|value| (reference.field, value)));
        }
    }
    pointed
}

/// Whether a row says something about a reference that could not be followed.
pub(super) fn leads_nowhere(row: &Incoming, field: usize) -> bool {
    row.points_nowhere && row.values.get(field).is_none_or(Option::is_none)
}

/// The record a reference is to lead to.
struct Target {
    /// Which record of the other hub's endpoint it is.
    link: Option<Link>,
    is_dead: bool,
}

impl Work<'_> {
    /// Where a reference is to lead and where it leads, for people: by the keys the endpoint knows the records by, as JSON texts. A
    /// record the endpoint does not have is named by its number.
    pub fn target_texts(
        &self,
        end: &End,
        field: usize,
        agreed: Option<Value>,
        shown: &Value,
    ) -> Result<(String, String), SyncError> {
        let logical =
            end.references.iter().find(|reference| reference.field == field).map(|known| known.remote.logical);
        let text = |value: &Value| logical.map_or(json!(null), |logical| value.to_json(logical)).to_string();
        let agreed = match agreed {
            None | Some(Value::Null) => json!(null).to_string(),
            Some(record) => match (self.lead(end, &[(field, record.clone())])?.remove(&field), record) {
                (Some(key), _) => text(&key),
                (None, Value::Int(number)) => json!(format!("#{number}")).to_string(),
                (None, other) => text(&other),
            },
        };
        Ok((agreed, text(shown)))
    }

    /// Follows the references of a page.
    pub fn follow(&self, end: &End, changes: &Changes) -> Result<Led, SyncError> {
        let mut led = Led { values: Vec::new(), unknown: Vec::new() };
        for reference in &end.references {
            let Some((field, column)) = changes.data.iter().find(|(field, _)| field.name == reference.remote.name)
            else {
                continue;
            };
            let values = values_of(field, column);
            let pointing = |value: &Option<Value>| {
                value.as_ref().filter(|value| !value.is_null()).map(|value| remote_id(&[value]))
            };
            let remotes: Vec<Option<Vec<u8>>> = values.iter().map(pointing).collect();
            let query = RecordQuery {
                sync: reference.sync.clone(),
                links: remotes.iter().flatten().map(|remote| (reference.parent, remote.clone())).collect(),
                ..RecordQuery::default()
            };
            let mut links = self.run.store.load_records(&query)?.links.into_iter();
            let mut found = Vec::with_capacity(values.len());
            for (row, (value, remote)) in values.into_iter().zip(remotes).enumerate() {
                found.push(match (value, remote) {
                    (Some(Value::Null), _) => Some(Value::Null),
                    (_, Some(_)) => {
                        let record = links.next().flatten();
                        if record.is_none() {
                            led.unknown.push(row);
                        }
                        record.map(|record| Value::Int(record.0))
                    }
                    _ => None,
                });
            }
            led.values.push((reference.field, found));
        }
        Ok(led)
    }

    fn target(&self, reference: &Reference, record: RecordId) -> Result<Target, SyncError> {
        let query = RecordQuery { sync: reference.sync.clone(), records: vec![record], ..RecordQuery::default() };
        let bodies = self.run.store.load_records(&query)?.bodies;
        let body = bodies.get(&record);
        let state = body.and_then(|body| decode(body, &[reference.parent.0], 0));
        // Who was dead for long enough is forgotten.
        let is_dead = body.is_none() || state.as_ref().is_some_and(|state| !state.is_live());
        let link = state.and_then(|state| state.sides.into_iter().next()).map(|side| side.link);
        Ok(Target { link, is_dead })
    }

    /// Of a record that is said to be deleted, fields that are to lead to records that are no more.
    pub fn void(&self, endpoint: usize, record: RecordId, unit: &Unit) -> Result<Vec<usize>, SyncError> {
        let mut void = Vec::new();
        let end = self.settled.ends.get(endpoint).filter(|end| !end.references.is_empty());
        let state = unit.peek(record).map(|touched| &touched.state);
        let (Some(end), Some(state)) = (end, state) else { return Ok(void) };
        for reference in &end.references {
            let field = reference.field;
            let seen = state.seen(endpoint, field);
            if let Some(agreed @ Value::Int(number)) = state.value(field)
                && seen != Some(agreed)
                && self.target(reference, RecordId(*number))?.is_dead
            {
                void.push(field);
            }
        }
        Ok(void)
    }

    /// The ids by which an endpoint knows the records that fields point to; those it does not know are left out.
    pub fn lead(&self, end: &End, patch: &[(usize, Value)]) -> Result<HashMap<usize, Value>, SyncError> {
        let mut found = HashMap::new();
        for reference in &end.references {
            let Some((_, value)) = patch.iter().find(|(field, _)| *field == reference.field) else { continue };
            let record = match value {
                Value::Int(record) => RecordId(*record),
                other => {
                    found.insert(reference.field, other.clone());
                    continue;
                }
            };
            let Target { link, is_dead } = self.target(reference, record)?;
            match link {
                // What points to a record that is no more points to nothing.
                _ if is_dead && reference.remote.nullable && self.has(Mechanism::Parking) => {
                    found.insert(reference.field, Value::Null);
                }
                Some(Link::Linked(remote)) => {
                    let value = remote_values(&remote).and_then(|values| values.into_iter().next());
                    found.extend(value.map(|value| (reference.field, value)));
                }
                _ if !self.has(Mechanism::Parking) => {
                    found.insert(reference.field, Value::Int(record.0));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}
