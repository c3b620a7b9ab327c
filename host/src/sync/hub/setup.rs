//! What is settled before the first record moves: the entity's fields and types, how each endpoint shows them, the rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::absent::{Absence, Found};
use super::flow::flow;
use super::references::{Reference, references};
use super::rules::{Matching, rules};
use super::{Hub, HubRun, absent, times};
use crate::connector::{Effect, Evolve, PrepareOptions, ReadMode, Sink, Source};
use crate::error::nearest;
use crate::lineage::Flow as Told;
use crate::project::{self, HubColumn, HubDef, HubEndpoint, HubField, OnExit};
use crate::record::{ColumnRule, Expression, Field, Flow, LogicalType, Projection, Properties, Stream, Value};
use crate::resolve::Rules;
use crate::store::PluginUse;
use crate::sync::drift::PinnedStream;
use crate::sync::error::SyncError;
use crate::sync::retry::Caution;

/// What is settled.
pub(super) struct Settled {
    /// In the order of the bodies that are stored.
    pub entity: Arc<[Field]>,
    pub rules: Rules,
    /// Shared with what goes on beside the run.
    pub ends: Vec<Arc<End>>,
    pub matching: Matching,
    /// What is told to others.
    pub flow: Told,
    /// The entity's fields as they are to be pinned.
    pub pin: String,
    /// What was done to endpoints, or would be.
    pub actions: Vec<String>,
    /// Endpoints that do not take part in this run, and why, until that was told.
    pub absent: BTreeMap<usize, Option<SyncError>>,
}

/// One endpoint, ready to be read and written.
pub(super) struct End {
    pub name: String,
    pub source: Option<Arc<dyn Source>>,
    pub sink: Option<Arc<dyn Sink>>,
    pub plugin: PluginUse,
    /// With all of its fields.
    pub stream: Stream,
    pub key: Vec<Field>,
    pub projection: Projection,
    /// What is asked for: key, mapped fields, the modified field.
    pub read_fields: Vec<Field>,
    pub modified: Option<Field>,
    pub options: Properties,
    pub mode: ReadMode,
    pub reports_deletes: bool,
    /// For each field of the projection whether what is read is what is there, so that it can be expected.
    pub expectable: Vec<bool>,
    pub can_insert: bool,
    pub can_update: bool,
    pub references: Vec<Reference>,
    pub filter: Option<Expression>,
    /// The field and the value by which a record is archived when it leaves the segment, or is deleted elsewhere.
    pub archive_on_exit: Option<(Field, Value)>,
    pub archive: Option<(Field, Value)>,
}

/// Settles everything. With [`Effect::DryRun`] endpoints are left as they are.
pub(super) async fn settle(
    hub: &Hub,
    run: &HubRun,
    pin: Option<&str>,
    effect: Effect,
    absence: Absence,
) -> Result<Settled, SyncError> {
    let caution = Caution::of(hub.def.name.as_str(), &run.world, &run.observer, &run.interrupt);
    let caution = if absence == Absence::Tolerated { caution.brief() } else { caution };
    let ends = hub.def.endpoints.iter().zip(&hub.ends);
    // All at once: most of the time is spent waiting for them.
    let discovered =
        join_all(ends.map(|(def, end)| discover(hub, def, end.source.as_ref(), end.sink.as_ref(), &caution)));
    let found = discovered.await.into_iter().map(|found| Found::of(found, absence));
    let found = found.collect::<Result<Vec<Found>, SyncError>>()?;
    let pinned = pin.and_then(PinnedStream::parse);
    let found = absent::check_rest(&hub.def, found, pinned.as_ref())?;
    let entity = entity_fields(&hub.def, &found, pinned.as_ref())?;
    let mut ends = Vec::with_capacity(hub.ends.len());
    let (mut actions, mut absent) = (Vec::new(), BTreeMap::new());
    for ((def, end), found) in hub.def.endpoints.iter().zip(&hub.ends).zip(found) {
        let stream = match found {
            Found::Stream(stream) => Found::Stream(stream),
            Found::Nothing => {
                let made = make(hub, def, end.sink.as_ref(), &entity, effect, &caution, &mut actions).await;
                Found::of(made.map(Some), absence)?
            }
            Found::Absent(error) => Found::Absent(error),
        };
        match stream {
            Found::Stream(stream) => ends.push(ready(hub, run, ends.len(), stream, &entity)?),
            Found::Nothing => return Err(SyncError::internal(hub.def.name.as_str(), "a stream was not made")),
            Found::Absent(error) => {
                absent.insert(ends.len(), Some(error));
                ends.push(absent::end(hub, def, end, &entity)?);
            }
        }
    }
    if absent.len() == ends.len()
        && let Some((_, Some(error))) = absent.pop_first()
    {
        return Err(error);
    }
    times::check_times(hub, &ends)?;
    let rules = rules(&hub.def, &entity, &ends, run);
    let matching = Matching::of(&hub.def, &entity);
    let pin = PinnedStream::of(&[], &entity).to_text();
    let flow = flow(hub, &entity, &ends);
    let ends = ends.into_iter().map(Arc::new).collect();
    Ok(Settled { entity, rules, ends, matching, flow, pin, actions, absent })
}

/// The stream as it is; none if it does not exist and can be made.
async fn discover(
    hub: &Hub,
    def: &HubEndpoint,
    source: Option<&Arc<dyn Source>>,
    sink: Option<&Arc<dyn Sink>>,
    caution: &Caution,
) -> Result<Option<Stream>, SyncError> {
    let wanted = [def.stream.clone()];
    if let Some(sink) = sink
        && let Some(stream) = caution.attempt(|| sink.describe(&def.stream)).await?
    {
        return Ok(Some(stream));
    }
    if let Some(source) = source {
        let streams = caution.attempt(|| source.discover(&wanted)).await?;
        if let Some(stream) = streams.into_iter().find(|stream| stream.name == def.stream) {
            return Ok(Some(stream));
        }
    }
    if sink.is_some() && !def.key.is_empty() {
        return Ok(None);
    }
    let names = match source {
        Some(source) => caution.attempt(|| source.discover(&[])).await?,
        None => Vec::new(),
    };
    Err(SyncError::StreamMissing {
        sync: hub.def.name.to_string(),
        connection: def.connection.to_string(),
        stream: def.stream.clone(),
        nearest: nearest(&def.stream, names.iter().map(|stream| stream.name.as_str())).map(str::to_owned),
        key: sink.and_then(|_| likely_key(&hub.def, def)),
    })
}

/// A field of the endpoint that may well identify its records: one by which they are matched, or else any.
fn likely_key(hub: &HubDef, endpoint: &HubEndpoint) -> Option<String> {
    let matched = hub.matching.exact.iter().flat_map(|rule| &rule.fields).map(|field| field.field.as_str());
    let all = hub.fields.iter().map(|field| field.name.as_str());
    let column = |name: &str| hub.field(name)?.columns.get(&endpoint.name);
    matched.chain(all).find_map(column).map(|column| column.field.clone())
}

/// A stream that is only written and does not exist yet.
async fn make(
    hub: &Hub,
    def: &HubEndpoint,
    sink: Option<&Arc<dyn Sink>>,
    entity: &Arc<[Field]>,
    effect: Effect,
    caution: &Caution,
    actions: &mut Vec<String>,
) -> Result<Stream, SyncError> {
    let mut fields = Vec::new();
    for field in &hub.def.fields {
        let Some(column) = field.columns.get(&def.name) else { continue };
        let logical = def.types.get(&column.field).copied().or_else(|| type_of(entity, &field.name));
        let mut made = Field::new(&column.field, logical.unwrap_or(LogicalType::Text));
        made.nullable = !def.key.contains(&column.field);
        fields.push(made);
    }
    let wanted = Stream { name: def.stream.clone(), key: def.key.clone(), fields, properties: Properties::default() };
    for name in &wanted.key {
        require(hub, &wanted, name, "the endpoint's key")?;
    }
    let Some(sink) = sink else { return Ok(wanted) };
    let options = PrepareOptions { evolve: Evolve::LeaveFields, effect };
    let prepared = caution.attempt(|| sink.prepare(&wanted, options)).await?;
    actions.extend(prepared.actions);
    Ok(if effect == Effect::Real { prepared.stream } else { wanted })
}

fn type_of(entity: &[Field], name: &str) -> Option<LogicalType> {
    entity.iter().find(|field| field.name == name).map(|field| field.logical)
}

fn require(hub: &Hub, stream: &Stream, name: &str, what: &'static str) -> Result<Field, SyncError> {
    stream.field(name).cloned().ok_or_else(|| SyncError::FieldMissing {
        sync: hub.def.name.to_string(),
        what,
        field: name.to_owned(),
        stream: stream.name.clone(),
        nearest: nearest(name, stream.fields.iter().map(|field| field.name.as_str())).map(str::to_owned),
        place: None,
    })
}

/// The entity's fields in the order in which they are stored: those known before in their old places, then new ones.
fn entity_fields(def: &HubDef, found: &[Found], pinned: Option<&PinnedStream>) -> Result<Arc<[Field]>, SyncError> {
    let mut fields: Vec<Field> = Vec::new();
    for known in pinned.map(|pinned| pinned.fields.as_slice()).unwrap_or_default() {
        fields.push(Field::new(&known.name, known.logical.parse().unwrap_or(LogicalType::Text)));
    }
    for field in &def.fields {
        let known = fields.iter().find(|known| known.name == field.name);
        let logical = match (field.logical, known) {
            (Some(logical), _) => logical,
            // Whoever is not there may be the one that says what type it is.
            (None, Some(known)) if absent::has_field(def, field, found) => known.logical,
            (None, _) => natural_type(def, field, found).unwrap_or(LogicalType::Text),
        };
        match fields.iter_mut().find(|known| known.name == field.name) {
            Some(known) if known.logical != logical => {
                return Err(SyncError::Retyped {
                    sync: def.name.to_string(),
                    field: field.name.clone(),
                    from: known.logical.to_string(),
                    to: logical.to_string(),
                });
            }
            Some(_) => {}
            None => fields.push(Field::new(&field.name, logical)),
        }
    }
    Ok(fields.into())
}

/// The type of the owner's column, or of the first endpoint's that shows the field without further ado.
fn natural_type(def: &HubDef, field: &HubField, found: &[Found]) -> Option<LogicalType> {
    if field.reference.is_some() {
        return Some(LogicalType::Int64);
    }
    let type_at = |endpoint: &HubEndpoint, stream: &Found| {
        let column = field.columns.get(&endpoint.name)?;
        if !column.values.is_empty() {
            return Some(LogicalType::Text);
        }
        if column.read.is_some() && column.write.is_some() {
            return None;
        }
        let declared = endpoint.types.get(&column.field).copied();
        declared.or_else(|| Some(stream.stream()?.field(&column.field)?.logical))
    };
    let pairs = || def.endpoints.iter().zip(found);
    let is_owner = |endpoint: &HubEndpoint| field.owner.as_ref().is_some_and(|owner| owner.endpoint == endpoint.name);
    pairs()
        .filter(|(endpoint, _)| is_owner(endpoint))
        .find_map(|(endpoint, stream)| type_at(endpoint, stream))
        .or_else(|| pairs().find_map(|(endpoint, stream)| type_at(endpoint, stream)))
}

fn ready(hub: &Hub, run: &HubRun, endpoint: usize, stream: Stream, entity: &Arc<[Field]>) -> Result<End, SyncError> {
    let (Some(def), Some(end)) = (hub.def.endpoints.get(endpoint), hub.ends.get(endpoint)) else {
        return Err(SyncError::internal(hub.def.name.as_str(), "an endpoint is missing"));
    };
    let key_names = if def.key.is_empty() { stream.key.clone() } else { def.key.clone() };
    if key_names.is_empty() {
        let example = stream.fields.first().map_or("id", |field| &field.name).to_owned();
        return Err(SyncError::KeyMissing { sync: hub.def.name.to_string(), stream: stream.name, example });
    }
    let typed = |name: &str, what| {
        let mut field = require(hub, &stream, name, what)?;
        if let Some(logical) = def.types.get(name) {
            field.logical = *logical;
        }
        Ok::<Field, SyncError>(field)
    };
    let key = key_names.iter().map(|name| typed(name, "the endpoint's key")).collect::<Result<Vec<_>, _>>()?;
    let modified = def.modified.as_ref().map(|name| typed(name, "`modified`")).transpose()?;
    let mut rules = Vec::new();
    let mut expectable = Vec::new();
    let mut pointing = Vec::new();
    for (index, column) in columns(&hub.def, def, entity) {
        let remote = typed(&column.field, "the mapping")?;
        let name = entity.get(index).map(|field| field.name.clone()).unwrap_or_default();
        if hub.parents.contains_key(&name) {
            pointing.push((index, name, remote));
            continue;
        }
        expectable.push(is_expectable(column, remote.logical, entity.get(index).map(|field| field.logical)));
        rules.push(column_rule(hub, column, remote, index, entity, def.direction.writes())?);
    }
    let projection = Projection::new(entity.clone(), rules).map_err(|error| SyncError::Projection {
        sync: hub.def.name.to_string(),
        endpoint: def.name.clone(),
        error,
    })?;
    let mut read_fields = key.clone();
    for field in
        projection.remote_fields().iter().filter(|field| projection.fields_read().any(|name| name == field.name))
    {
        if !read_fields.iter().any(|known| known.name == field.name) {
            read_fields.push(field.clone());
        }
    }
    if let Some(modified) = &modified
        && !read_fields.iter().any(|known| known.name == modified.name)
    {
        read_fields.push(modified.clone());
    }
    let references = references(hub, run.store.as_ref(), endpoint, &pointing)?;
    for reference in &references {
        if !read_fields.iter().any(|known| known.name == reference.remote.name) {
            read_fields.push(reference.remote.clone());
        }
    }
    let archived = |archive: Option<&project::Archive>| {
        archive
            .map(|archive| {
                let field = typed(&archive.field, "`archive`")?;
                let value = fixed(hub, &archive.value, &field)?;
                Ok::<_, SyncError>((field, value))
            })
            .transpose()
    };
    let archive_on_exit = archived(match &def.on_exit {
        OnExit::Archive(archive) => Some(archive),
        _ => None,
    })?;
    let archive = archived(def.archive.as_ref())?;
    let modes = stream.properties.get("write").unwrap_or_default().to_owned();
    let can = |mode: &str| modes.split(',').any(|known| known.trim() == mode);
    Ok(End {
        name: def.name.clone(),
        source: end.source.clone(),
        sink: end.sink.clone(),
        plugin: end.plugin.clone(),
        options: read_options(def),
        mode: ReadMode::of(&stream, modified.is_some()),
        reports_deletes: stream.properties.get("reports-deletes") == Some("true"),
        can_insert: can("insert"),
        can_update: can("update"),
        filter: filter(hub, def, entity)?,
        references,
        expectable,
        projection,
        read_fields,
        modified,
        key,
        stream,
        archive_on_exit,
        archive,
    })
}

fn read_options(def: &HubEndpoint) -> Properties {
    let mut options = Properties::default();
    if let Some(modified) = &def.modified {
        options.set("modified", modified);
    }
    if let Some(lookback) = def.lookback {
        options.set("lookback-ms", lookback.as_millis().to_string());
    }
    options
}

/// The columns of an endpoint with the places of their fields in the entity.
fn columns<'a>(
    def: &'a HubDef,
    endpoint: &'a HubEndpoint,
    entity: &'a [Field],
) -> impl Iterator<Item = (usize, &'a HubColumn)> {
    def.fields.iter().filter_map(|field| {
        let index = entity.iter().position(|known| known.name == field.name)?;
        Some((index, field.columns.get(&endpoint.name)?))
    })
}

/// Whether writing what was read gives back what was there.
fn is_expectable(column: &HubColumn, remote: LogicalType, entity: Option<LogicalType>) -> bool {
    let is_plain = column.read.is_none() && column.write.is_none() && column.values.is_empty();
    let is_number = |logical: LogicalType| matches!(logical, LogicalType::Int64 | LogicalType::Decimal(_));
    let same = entity.is_some_and(|entity| entity == remote || (is_number(entity) && is_number(remote)));
    is_plain && column.default.is_none() && column.constant.is_none() && same
}

fn column_rule(
    hub: &Hub,
    column: &HubColumn,
    remote: Field,
    index: usize,
    entity: &[Field],
    writes: bool,
) -> Result<ColumnRule, SyncError> {
    let logical = entity.get(index).map_or(LogicalType::Text, |field| field.logical);
    let compile = |expression: &Option<project::Expression>, logical: LogicalType| {
        let compiled = expression.as_ref().map(|expression| compile(hub, expression, &[("value", logical)]));
        compiled.transpose()
    };
    Ok(ColumnRule {
        read: compile(&column.read, remote.logical)?,
        write: compile(&column.write, logical)?,
        values: column.values.clone(),
        default: column.default.as_ref().map(|value| fixed(hub, value, &Field::new("default", logical))).transpose()?,
        constant: column.constant.as_ref().map(|value| fixed(hub, value, &remote)).transpose()?,
        entity: index,
        remote,
        flow: if writes { Flow::Both } else { Flow::Read },
    })
}

fn compile(
    hub: &Hub,
    expression: &project::Expression,
    variables: &[(&str, LogicalType)],
) -> Result<Expression, SyncError> {
    Expression::compile(&expression.text, variables).map_err(|error| SyncError::Expression {
        sync: hub.def.name.to_string(),
        place: expression.place.to_string(),
        error,
    })
}

pub(super) fn filter(hub: &Hub, def: &HubEndpoint, entity: &[Field]) -> Result<Option<Expression>, SyncError> {
    let variables: Vec<(&str, LogicalType)> = entity.iter().map(|field| (field.name.as_str(), field.logical)).collect();
    def.filter.as_ref().map(|filter| compile(hub, filter, &variables)).transpose()
}

fn fixed(hub: &Hub, value: &serde_json::Value, field: &Field) -> Result<Value, SyncError> {
    Value::from_json(value, field.logical).map_err(|reason| SyncError::FixedValue {
        sync: hub.def.name.to_string(),
        field: field.name.clone(),
        reason,
    })
}

pub(super) fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
