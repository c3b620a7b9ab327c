//! What is settled before the first record moves: schemas, key, mapping, target, how to read and how to write.

use std::sync::Arc;

use serde_json::json;

use super::drift::{self, Change, PinnedStream};
use super::error::SyncError;
use super::flow::flow;
use super::retry::Caution;
use crate::connector::{Effect, Evolve, PageLimits, PrepareOptions, ReadMode, Sink, Source, Transform};
use crate::error::nearest;
use crate::lineage::Flow;
use crate::project::{Endpoint, FieldLine, FieldValue, MirrorDef, SchemaPolicy};
use crate::record::{Field, FieldMap, LogicalType, Mapping, Properties, Stream};
use crate::store::{PluginUse, SchemaPin, SyncState};

/// A mirror with everything it runs on.
pub struct Mirror {
    pub def: MirrorDef,
    pub source: SourceEnd,
    pub transforms: Vec<TransformEnd>,
    pub target: TargetEnd,
    /// What is asked of the source per page.
    pub page: PageLimits,
}

pub struct SourceEnd {
    pub connector: Arc<dyn Source>,
    pub plugin: PluginUse,
}

pub struct TransformEnd {
    pub connector: Arc<dyn Transform>,
    pub plugin: PluginUse,
}

pub struct TargetEnd {
    pub sink: Arc<dyn Sink>,
    /// The target read as a source: for comparing. None if the plugin cannot.
    pub source: Option<Arc<dyn Source>>,
    pub plugin: PluginUse,
}

impl Mirror {
    pub fn name(&self) -> &str {
        self.def.name.as_str()
    }

    /// The plugins that take part, in the order in which records meet them.
    pub fn plugins(&self) -> Vec<PluginUse> {
        let transforms = self.transforms.iter().map(|end| end.plugin.clone());
        [self.source.plugin.clone()].into_iter().chain(transforms).chain([self.target.plugin.clone()]).collect()
    }
}

/// Whether schemas may differ from the pinned ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drift {
    ByPolicy,
    /// A person said that the schema is right as it is now.
    Accepted,
}

/// What is settled.
pub(super) struct Setup {
    /// The fields that are read, with the types in which they are read.
    pub read_fields: Vec<Field>,
    pub source_key: Vec<String>,
    pub source_modified: Option<String>,
    pub mode: ReadMode,
    /// The stream that goes into each transform.
    pub inputs: Vec<Stream>,
    pub mapping: Mapping,
    /// The target with the fields that are written.
    pub target: Stream,
    pub target_is_empty: bool,
    pub pin: SchemaPin,
    /// What is told to others.
    pub flow: Flow,
    /// Whether everything has to be read again because the definition of the sync, or a schema, is new.
    pub begins_anew: bool,
    /// What was done to the target, or would be.
    pub actions: Vec<String>,
    pub notes: Vec<String>,
}

impl Setup {
    /// The source's fields behind the target's key, in its order; none if it is not made of the source's fields alone.
    pub fn source_key_in_target_order(&self) -> Option<Vec<String>> {
        let (fields, sources) = (self.mapping.output_fields(), self.mapping.sources());
        let source = |name: &String| {
            let at = fields.iter().position(|field| field.name == *name)?;
            sources.get(at).copied().flatten().map(str::to_owned)
        };
        self.target.key.iter().map(source).collect()
    }
}

/// Settles everything. With [`Effect::DryRun`] the target is left as it is.
pub(super) async fn settle(
    mirror: &Mirror,
    state: &SyncState,
    drift: Drift,
    effect: Effect,
    caution: &Caution,
) -> Result<Setup, SyncError> {
    let mut notes = Vec::new();
    let definition = definition_digest(mirror);
    let pin = state.pin.as_ref().filter(|pin| pin.mapping_digest == definition);
    let found = discover(mirror, caution).await?;
    let pinned = pin.and_then(|pin| PinnedStream::parse(&pin.source));
    let accepted = check_drift(mirror, pinned.as_ref(), &found, drift, &mut notes)?;
    let stream = declared_stream(mirror, &found, pinned.as_ref(), accepted)?;
    let (inputs, output) = describe_transforms(mirror, &stream, caution).await?;

    let name = &mirror.def.target.stream;
    let existing = caution.attempt(|| mirror.target.sink.describe(name)).await?;
    let target_is_empty = existing.as_ref().is_none_or(|stream| stream.properties.get("empty") == Some("true"));
    let mapping = build_mapping(mirror, &output, existing.as_ref())?;
    let wanted = wanted_target(mirror, &mapping, &stream.key, existing.as_ref())?;
    let (target, actions) = prepare_target(mirror, &wanted, existing.as_ref(), effect, caution).await?;
    let mapping = build_mapping(mirror, &output, Some(&target))?;
    let flow = flow(mirror, &stream, &output, &mapping, &target);
    let target = write_target(mirror, &mapping, &wanted, &target)?;

    let read_fields = fields_to_read(mirror, &stream, &mapping);
    let source_pin = PinnedStream::of(&stream.key, &pinned_fields(mirror, &stream, &mapping));
    let target_pin = PinnedStream::of(&target.key, &target.fields);
    let new_pin = SchemaPin { source: source_pin.to_text(), target: target_pin.to_text(), mapping_digest: definition };
    let begins_anew = state.pin.as_ref().is_some_and(|pin| *pin != new_pin);
    if begins_anew {
        notes.push("the definition or the schema of this sync is new: everything is read again".to_owned());
    }
    Ok(Setup {
        read_fields,
        mode: ReadMode::of(&stream, mirror.def.source.modified.is_some()),
        source_key: stream.key,
        source_modified: mirror.def.source.modified.clone(),
        inputs,
        mapping,
        target,
        target_is_empty,
        pin: new_pin,
        flow,
        begins_anew,
        actions,
        notes,
    })
}

/// Everything in the project that decides which values end up in the target.
fn definition_digest(mirror: &Mirror) -> String {
    let endpoint = |endpoint: &Endpoint| {
        let types: Vec<_> = endpoint.types.iter().map(|(field, logical)| (field, logical.to_string())).collect();
        json!([endpoint.connection.as_str(), endpoint.stream, endpoint.key, endpoint.modified, types])
    };
    let line = |line: &FieldLine| {
        json!([line.target, format!("{:?}", line.value), line.logical.map(|logical| logical.to_string())])
    };
    let transforms: Vec<_> = mirror
        .def
        .transforms
        .iter()
        .map(|transform| json!([format!("{:?}", transform.plugin), transform.config]))
        .collect();
    let definition = json!([
        endpoint(&mirror.def.source),
        endpoint(&mirror.def.target),
        mirror.def.fields.iter().map(line).collect::<Vec<_>>(),
        transforms,
    ]);
    blake3::hash(definition.to_string().as_bytes()).to_hex().chars().take(32).collect()
}

async fn discover(mirror: &Mirror, caution: &Caution) -> Result<Stream, SyncError> {
    let sync = mirror.name();
    let endpoint = &mirror.def.source;
    let wanted = [endpoint.stream.clone()];
    let streams = caution.attempt(|| mirror.source.connector.discover(&wanted)).await?;
    if let Some(stream) = streams.into_iter().find(|stream| stream.name == endpoint.stream) {
        return Ok(stream);
    }
    let all = caution.attempt(|| mirror.source.connector.discover(&[])).await?;
    let names = all.iter().map(|stream| stream.name.as_str());
    Err(SyncError::StreamMissing {
        sync: sync.to_owned(),
        connection: endpoint.connection.to_string(),
        stream: endpoint.stream.clone(),
        nearest: nearest(&endpoint.stream, names).map(str::to_owned),
        key: None,
    })
}

/// Compares with the pin and applies the policy. Answers whether new fields are taken in.
fn check_drift(
    mirror: &Mirror,
    pinned: Option<&PinnedStream>,
    found: &Stream,
    drift: Drift,
    notes: &mut Vec<String>,
) -> Result<bool, SyncError> {
    let Some(pinned) = pinned else { return Ok(true) };
    let mut changes = drift::changes(pinned, found);
    // A field that a user's own mapping does not mention is nobody's concern.
    let takes_all = mirror.def.fields.is_empty();
    if !takes_all {
        changes.retain(|change| !matches!(change, Change::Added(_)));
    }
    // A declared type stands whatever discovery finds.
    changes.retain(
        |change| !matches!(change, Change::Retyped { field, .. } if mirror.def.source.types.contains_key(field)),
    );
    if changes.is_empty() || drift == Drift::Accepted {
        return Ok(takes_all || drift == Drift::Accepted);
    }
    let only_added = changes.iter().all(|change| matches!(change, Change::Added(_)));
    let text = changes.iter().map(Change::to_string).collect::<Vec<_>>().join(", ");
    match mirror.def.schema {
        SchemaPolicy::Evolve if only_added => {
            notes.push(format!("the source's schema grew: {text}"));
            Ok(true)
        }
        SchemaPolicy::Ignore if only_added => {
            notes.push(format!("the source's schema grew, and it is left out: {text}"));
            Ok(false)
        }
        _ => Err(SyncError::Drift { sync: mirror.name().to_owned(), stream: found.name.clone(), changes: text }),
    }
}

/// The stream as the project wants it read: declared key and types, pinned types of guessed fields, no fields left out by policy.
fn declared_stream(
    mirror: &Mirror,
    found: &Stream,
    pinned: Option<&PinnedStream>,
    takes_new_fields: bool,
) -> Result<Stream, SyncError> {
    let endpoint = &mirror.def.source;
    let mut stream = found.clone();
    let declared = endpoint.types.keys().chain(&endpoint.key).chain(&endpoint.modified);
    for name in declared {
        require_field(mirror, found, name, "the source")?;
    }
    if let (Some(pinned), false) = (pinned, takes_new_fields) {
        stream.fields.retain(|field| pinned.fields.iter().any(|known| known.name == field.name));
    }
    for field in &mut stream.fields {
        // A type that is known for certain is the pinned one, or somebody has accepted it.
        let pinned = pinned.filter(|_| drift::is_guessed(&field.properties));
        let pinned_type = pinned.and_then(|pinned| pinned.logical(&field.name));
        if let Some(logical) = endpoint.types.get(&field.name).copied().or(pinned_type) {
            field.logical = logical;
        }
    }
    if !endpoint.key.is_empty() {
        stream.key.clone_from(&endpoint.key);
    }
    if stream.key.is_empty() {
        let example = stream.fields.first().map_or("id", |field| &field.name).to_owned();
        return Err(SyncError::KeyMissing { sync: mirror.name().to_owned(), stream: stream.name, example });
    }
    Ok(stream)
}

fn require_field(mirror: &Mirror, stream: &Stream, name: &str, what: &'static str) -> Result<(), SyncError> {
    if stream.field(name).is_some() {
        return Ok(());
    }
    Err(SyncError::FieldMissing {
        sync: mirror.name().to_owned(),
        what,
        field: name.to_owned(),
        stream: stream.name.clone(),
        nearest: nearest(name, stream.fields.iter().map(|field| field.name.as_str())).map(str::to_owned),
        place: None,
    })
}

/// The input of each transform, and what comes out of the last one.
async fn describe_transforms(
    mirror: &Mirror,
    stream: &Stream,
    caution: &Caution,
) -> Result<(Vec<Stream>, Stream), SyncError> {
    let mut inputs = Vec::with_capacity(mirror.transforms.len());
    let mut output = stream.clone();
    for end in &mirror.transforms {
        let described = caution.attempt(|| end.connector.describe(&output)).await?;
        inputs.push(std::mem::replace(&mut output, described));
    }
    Ok((inputs, output))
}

fn build_mapping(mirror: &Mirror, output: &Stream, target: Option<&Stream>) -> Result<Mapping, SyncError> {
    let mut types: Vec<(String, LogicalType)> =
        target.iter().flat_map(|stream| &stream.fields).map(|field| (field.name.clone(), field.logical)).collect();
    for (field, logical) in &mirror.def.target.types {
        types.retain(|(name, _)| name != field);
        types.push((field.clone(), *logical));
    }
    let mapping = if mirror.def.fields.is_empty() {
        Mapping::identity(&output.fields, &types)
    } else {
        let lines: Vec<FieldMap> = mirror.def.fields.iter().map(field_map).collect();
        Mapping::new(&lines, &output.fields, &types)
    };
    mapping.map_err(|error| SyncError::mapping(mirror.name(), error))
}

fn field_map(line: &FieldLine) -> FieldMap {
    let (source, default, constant) = match &line.value {
        FieldValue::Source { field, default } => (Some(field.clone()), default.clone(), None),
        FieldValue::Constant(value) => (None, None, Some(value.clone())),
    };
    FieldMap { source, target: line.target.clone(), logical: line.logical, default, constant }
}

/// The target as it is needed.
fn wanted_target(
    mirror: &Mirror,
    mapping: &Mapping,
    source_key: &[String],
    existing: Option<&Stream>,
) -> Result<Stream, SyncError> {
    let key = if mirror.def.target.key.is_empty() {
        mapping.key_map(source_key).map_err(|error| SyncError::mapping(mirror.name(), error))?
    } else {
        mirror.def.target.key.clone()
    };
    let mut fields = mapping.output_fields().to_vec();
    for field in &mut fields {
        // The source's rules need not be the target's; only a key can never be empty.
        field.nullable = !key.contains(&field.name);
    }
    let wanted = Stream { name: mirror.def.target.stream.clone(), key, fields, properties: Properties::default() };
    for name in &wanted.key {
        require_field(mirror, &wanted, name, "the target's key")?;
    }
    if let Some(existing) = existing
        && mirror.def.schema != SchemaPolicy::Evolve
        && let Some(missing) = wanted.fields.iter().find(|field| existing.field(&field.name).is_none())
    {
        let near = nearest(&missing.name, existing.fields.iter().map(|field| field.name.as_str()));
        let near = near.map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
        return Err(SyncError::TargetUnfit {
            sync: mirror.name().to_owned(),
            stream: wanted.name,
            reason: format!("it has no field `{}`", missing.name),
            hint: format!(
                "{near}Map it to another field under [sync.{0}.fields], or let fields be added with `schema = \"evolve\"` in [sync.{0}]",
                mirror.name()
            ),
        });
    }
    Ok(wanted)
}

async fn prepare_target(
    mirror: &Mirror,
    wanted: &Stream,
    existing: Option<&Stream>,
    effect: Effect,
    caution: &Caution,
) -> Result<(Stream, Vec<String>), SyncError> {
    let evolve = if mirror.def.schema == SchemaPolicy::Evolve { Evolve::AddFields } else { Evolve::LeaveFields };
    // A target that has everything costs no second question, but for its key, which only the plugin can judge.
    let options = PrepareOptions { evolve, effect };
    let prepared = caution.attempt(|| mirror.target.sink.prepare(wanted, options)).await?;
    let stream = match (effect, existing) {
        (Effect::Real, _) => prepared.stream,
        (Effect::DryRun, None) => wanted.clone(),
        (Effect::DryRun, Some(existing)) => with_added_fields(existing, wanted),
    };
    Ok((stream, prepared.actions))
}

/// What the target would be once the fields it lacks were added.
fn with_added_fields(existing: &Stream, wanted: &Stream) -> Stream {
    let mut stream = existing.clone();
    let missing = wanted.fields.iter().filter(|field| existing.field(&field.name).is_none());
    stream.fields.extend(missing.cloned());
    stream
}

/// The target with only the fields that are written, named natively as the target names them.
fn write_target(mirror: &Mirror, mapping: &Mapping, wanted: &Stream, target: &Stream) -> Result<Stream, SyncError> {
    let mut fields = Vec::with_capacity(wanted.fields.len());
    for field in mapping.output_fields().iter() {
        let mut field = field.clone();
        match target.field(&field.name) {
            Some(existing) => field.properties = existing.properties.clone(),
            None => require_field(mirror, target, &field.name, "the mapping")?,
        }
        field.nullable = !wanted.key.contains(&field.name);
        fields.push(field);
    }
    Ok(Stream { name: wanted.name.clone(), key: wanted.key.clone(), fields, properties: target.properties.clone() })
}

/// Only what is needed: what the mapping uses, or everything if a transform looks at it first; the key always.
fn fields_to_read(mirror: &Mirror, stream: &Stream, mapping: &Mapping) -> Vec<Field> {
    let needed = mapping.source_fields_needed();
    let is_needed = |field: &&Field| {
        !mirror.transforms.is_empty() || needed.contains(&field.name) || stream.key.contains(&field.name)
    };
    stream.fields.iter().filter(is_needed).cloned().collect()
}

/// With a mapping of one's own only the fields it uses can drift.
fn pinned_fields(mirror: &Mirror, stream: &Stream, mapping: &Mapping) -> Vec<Field> {
    if mirror.transforms.is_empty() { fields_to_read(mirror, stream, mapping) } else { stream.fields.clone() }
}
