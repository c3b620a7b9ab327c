//! Reads `[sync.NAME]`: mirrors here, hubs below.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{
    DEAD_LETTERS_MAX_DEFAULT, Deletes, Endpoint, FieldLine, FieldValue, Guard, MirrorDef, SchemaPolicy, SyncDef,
    TransformRef,
};
use crate::project::connection::{read_config, read_plugin};
use crate::project::name::ConnectionName;
use crate::project::reader::{Entry, Later, Read, Section};
use crate::record::{Field, LogicalType, batch_from_json};

mod hub;

/// What the syncs of a file may refer to.
pub(in crate::project) struct Known<'a> {
    /// The names of all connections, also of those that are wrong in themselves.
    pub connections: &'a [String],
    /// The names of all hubs, likewise.
    pub hubs: &'a [String],
    /// The names of all other syncs, likewise.
    pub mirrors: &'a [String],
}

const SOURCE_EXAMPLE: &str = "source = { connection = \"files\", stream = \"customers.csv\" }";
const TARGET_EXAMPLE: &str = "target = { connection = \"db\", stream = \"public.customers\" }";
const FIELD_EXAMPLE: &str = "name = { source = \"FullName\", type = \"text\" }";
const TRANSFORMS_EXAMPLE: &str = "transforms = [{ plugin = \"clean\", config = { trim = [\"name\"] } }]";

/// The shortest interval between two runs: below it a sync is a stream, which is another thing.
const EVERY_MIN: Duration = Duration::from_millis(100);

/// Guards and limits count records; no table has more.
const ROWS_MAX: u64 = i64::MAX as u64;

/// What a hub is written with. A mirror has none of it, and one that had it would be a hub whose mode somebody forgot.
const HUB_KEYS: [&str; 7] = ["match", "score", "endpoints", "conflict", "delete_conflict", "clock_doubt", "tombstones"];
const HUB_ENDPOINT_KEYS: [&str; 5] = ["direction", "on_exit", "archive", "visibility_lag", "enumerate"];
const HUB_FIELD_KEYS: [&str; 5] = ["owner", "others", "conflict", "group", "reference"];
const FOR_HUBS: &str = "belongs to hubs: a mirror only makes its target what its source is";
const HUB_EXAMPLE: &str = "mode = \"hub\"";

/// Keys of later versions.
const LATER: &[Later] = &[("filter", "narrows a stream")];
const TRIGGER_LATER: &[Later] = &[("on_push", "reacts to pushes"), ("cron", "runs by the calendar")];
const FIELD_LATER: &[Later] = &[("transform", "computes a value"), ("tags", "marks a field")];

#[derive(Clone, Copy)]
enum Mode {
    Mirror,
    Hub,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Source,
    Target,
}

/// Splits the names of a project's syncs into those of its hubs and of its mirrors.
pub(in crate::project) fn split_by_mode(entries: &[Entry<'_>]) -> (Vec<String>, Vec<String>) {
    let names = |entries: Vec<&Entry<'_>>| entries.into_iter().map(|entry| entry.key.clone()).collect();
    let (hubs, mirrors) = entries.iter().partition(|entry| entry.below(&["mode"]).as_text() == Some("hub"));
    (names(hubs), names(mirrors))
}

pub(in crate::project) fn read_sync(entry: &Entry<'_>, known: &Known<'_>) -> Read<SyncDef> {
    let section = entry.section()?;
    match section.required("mode", MODE_EXAMPLE).and_then(|mode| mode.choice(&MODES)) {
        Ok(Mode::Hub) => hub::read_hub(entry, &section, known).map(SyncDef::Hub),
        Ok(Mode::Mirror) => read_mirror(entry, &section, known).map(SyncDef::Mirror),
        Err(reported) => {
            let _ = read_mirror(entry, &section, known);
            Err(reported)
        }
    }
}

fn read_mirror(entry: &Entry<'_>, section: &Section<'_>, known: &Known<'_>) -> Read<MirrorDef> {
    let name = entry.name();
    let source = read_endpoint(section.required("source", SOURCE_EXAMPLE), known, Side::Source);
    let target = read_endpoint(section.required("target", TARGET_EXAMPLE), known, Side::Target);
    let fields = read_fields(section, known);
    let transforms = read_transforms(section);
    let deletes = read_deletes(section);
    let guard = read_guard(section);
    let schema = read_schema(section);
    let trigger_every = read_trigger(section);
    let dead_letters_max = read_dead_letters(section);
    section.refuse(|key| HUB_KEYS.contains(&key), FOR_HUBS, HUB_EXAMPLE);
    section.close(LATER);
    let (deletes, compare_every) = deletes?;
    let sync = MirrorDef {
        name: name?,
        source: source?,
        target: target?,
        fields: fields?,
        transforms: transforms?,
        deletes,
        compare_every,
        guard: guard?,
        schema: schema?,
        trigger_every: trigger_every?,
        dead_letters_max: dead_letters_max?,
        place: entry.place.clone(),
    };
    check_whole(section, &sync)?;
    Ok(sync)
}

const MODE_EXAMPLE: &str = "mode = \"mirror\"";
const MODES: [(&str, Mode); 2] = [("mirror", Mode::Mirror), ("hub", Mode::Hub)];

/// What can only be judged once every part is known.
fn check_whole(section: &Section<'_>, sync: &MirrorDef) -> Read<()> {
    let (source, target) = (&sync.source, &sync.target);
    if source.connection == target.connection && source.stream == target.stream {
        return Err(section.invalid(
            format_args!("mirrors the stream `{}` of `{}` onto itself", source.stream, source.connection),
            TARGET_EXAMPLE,
        ));
    }
    let is_set = |key: &String| sync.fields.iter().any(|line| line.target == *key);
    match target.key.iter().find(|key| !sync.fields.is_empty() && !is_set(key)) {
        Some(key) => {
            Err(section.invalid(format_args!("does not set the target's key field `{key}` in `fields`"), FIELD_EXAMPLE))
        }
        None => Ok(()),
    }
}

fn read_endpoint(entry: Read<Entry<'_>>, known: &Known<'_>, side: Side) -> Read<Endpoint> {
    let entry = entry?;
    let section = entry.section()?;
    let connection =
        section.required("connection", "connection = \"files\"").and_then(|name| read_connection_name(&name, known));
    let stream = section.required("stream", "stream = \"customers.csv\"").and_then(|stream| stream.filled_text());
    let key = section.optional("key", "key = [\"id\"]").map(|key| key.names()).transpose();
    let modified = section.optional("modified", "modified = \"updated_at\"");
    let lookback = section.optional("lookback", "lookback = \"10m\"");
    let incremental = read_incremental(modified.as_ref(), lookback.as_ref(), side);
    let types =
        section.optional("types", "types = { amount = \"decimal(18,2)\" }").map(|types| read_types(&types)).transpose();
    section.refuse(|key| HUB_ENDPOINT_KEYS.contains(&key), FOR_HUBS, HUB_EXAMPLE);
    section.close(LATER);
    let (modified, lookback) = incremental?;
    Ok(Endpoint {
        connection: connection?,
        stream: stream?.to_owned(),
        key: key?.unwrap_or_default(),
        modified,
        lookback,
        types: types?.unwrap_or_default(),
        place: entry.place.clone(),
    })
}

fn read_connection_name(entry: &Entry<'_>, known: &Known<'_>) -> Read<ConnectionName> {
    let name = entry.filled_text()?;
    if !known.connections.iter().any(|connection| connection == name) {
        return Err(entry.undefined("connection", name, known.connections));
    }
    entry.parsed()
}

/// Only a source is read, and only one with an incremental column has a position to look back from: said elsewhere, these keys
/// would do nothing, and nobody would learn of it.
fn read_incremental(
    modified: Option<&Entry<'_>>,
    lookback: Option<&Entry<'_>>,
    side: Side,
) -> Read<(Option<String>, Option<Duration>)> {
    if let (Side::Target, Some(entry)) = (side, modified.or(lookback)) {
        return Err(entry.invalid("has no effect in a mirror's target: it belongs into `source`"));
    }
    if let (None, Some(entry)) = (modified, lookback) {
        return Err(entry.invalid("has no effect without `modified`"));
    }
    let field = modified.map(|entry| entry.filled_text().map(str::to_owned)).transpose();
    let lookback = lookback.map(Entry::duration).transpose();
    Ok((field?, lookback?))
}

fn read_types(entry: &Entry<'_>) -> Read<BTreeMap<String, LogicalType>> {
    let lines = entry.section()?.entries("types = { amount = \"decimal(18,2)\" }");
    let types: Vec<Read<(String, LogicalType)>> =
        lines.iter().map(|line| Ok((line.key.clone(), line.parsed()?))).collect();
    types.into_iter().collect()
}

fn read_fields(section: &Section<'_>, known: &Known<'_>) -> Read<Vec<FieldLine>> {
    let Some(entry) = section.optional("fields", FIELD_EXAMPLE) else {
        return Ok(Vec::new());
    };
    let lines: Vec<Read<FieldLine>> =
        entry.section()?.entries(FIELD_EXAMPLE).iter().map(|line| read_field(line, known)).collect();
    match lines.is_empty() {
        true => Err(entry.invalid("must name at least one field, or be left out for all fields")),
        false => lines.into_iter().collect(),
    }
}

fn read_field(entry: &Entry<'_>, known: &Known<'_>) -> Read<FieldLine> {
    let target = entry.key.clone();
    let place = entry.place.clone();
    if entry.key.is_empty() {
        return Err(entry.invalid("must have a name"));
    }
    if entry.as_text().is_some() {
        let value = FieldValue::Source { field: entry.filled_text()?.to_owned(), default: None };
        return Ok(FieldLine { target, value, logical: None, place });
    }
    let section = entry.section()?;
    let logical = section.optional("type", "type = \"decimal(18,2)\"").map(|logical| logical.parsed()).transpose();
    let value = read_field_value(entry, &section);
    section.refuse(|key| is_hub_field_key(key, known), FOR_HUBS, HUB_EXAMPLE);
    section.close(FIELD_LATER);
    let line = FieldLine { target, value: value?, logical: logical?, place };
    check_fixed_value(entry, &line)?;
    Ok(line)
}

fn read_field_value(entry: &Entry<'_>, section: &Section<'_>) -> Read<FieldValue> {
    let source = section.optional("source", FIELD_EXAMPLE);
    let default = section.optional("default", "country = { source = \"Country\", default = \"DE\" }");
    let constant = section.optional("constant", "origin = { constant = \"crm\" }");
    match (source, default, constant) {
        (None, None, Some(constant)) => scalar(&constant).map(FieldValue::Constant),
        (_, _, Some(_)) => Err(entry.invalid("has a `constant`, which leaves nothing to `source` or `default`")),
        (source, default, None) => {
            let field = source.map_or(Ok(entry.key.as_str()), |source| source.filled_text());
            let default = default.map(|default| scalar(&default)).transpose();
            Ok(FieldValue::Source { field: field?.to_owned(), default: default? })
        }
    }
}

fn scalar(entry: &Entry<'_>) -> Read<Value> {
    match entry.json()? {
        Value::Array(_) | Value::Object(_) => {
            Err(entry.invalid("must be one value: a string, a number, a boolean or a time"))
        }
        value => Ok(value),
    }
}

/// Also `email = { crm = "EmailAddress", erp = "email" }`: one column per endpoint is how hubs are written.
fn is_hub_field_key(key: &str, known: &Known<'_>) -> bool {
    HUB_FIELD_KEYS.contains(&key) || known.connections.iter().any(|connection| connection == key)
}

/// A constant or default that does not fit its type would reject every record; better now than then.
fn check_fixed_value(entry: &Entry<'_>, line: &FieldLine) -> Read<()> {
    match &line.value {
        FieldValue::Constant(value) | FieldValue::Source { default: Some(value), .. } => {
            check_fits(entry, value, line.logical)
        }
        FieldValue::Source { default: None, .. } => Ok(()),
    }
}

/// Whether a fixed value is one of its type, as far as the type is known.
fn check_fits(entry: &Entry<'_>, fixed: &Value, logical: Option<LogicalType>) -> Read<()> {
    let Some(logical) = logical else { return Ok(()) };
    if fixed.is_f64() && matches!(logical, LogicalType::Decimal(_)) {
        return Err(entry.invalid("must have its decimal in quotes: a number with a point is not exact"));
    }
    let fields: Arc<[Field]> = Arc::new([Field::new("value", logical)]);
    let record = serde_json::json!({ "value": fixed });
    batch_from_json(&fields, &[record]).map(|_| ()).map_err(|_| {
        entry.invalid(format_args!("has the type `{logical}`, which its fixed value `{fixed}` does not fit"))
    })
}

fn read_transforms(section: &Section<'_>) -> Read<Vec<TransformRef>> {
    let Some(entry) = section.optional("transforms", TRANSFORMS_EXAMPLE) else {
        return Ok(Vec::new());
    };
    let transforms: Vec<Read<TransformRef>> = entry.elements()?.iter().map(read_transform).collect();
    transforms.into_iter().collect()
}

fn read_transform(entry: &Entry<'_>) -> Read<TransformRef> {
    let section = entry.section()?;
    let plugin = section.required("plugin", TRANSFORMS_EXAMPLE).and_then(|plugin| read_plugin(&plugin));
    let config = read_config(section.optional("config", TRANSFORMS_EXAMPLE).as_ref(), &mut BTreeMap::new());
    section.close(&[]);
    Ok(TransformRef { plugin: plugin?, config: config?, place: entry.place.clone() })
}

fn read_deletes(section: &Section<'_>) -> Read<(Deletes, Option<Duration>)> {
    let choices = [("tombstones", Deletes::Tombstones), ("compare", Deletes::Compare), ("ignore", Deletes::Ignore)];
    let deletes = section.optional("deletes", "deletes = \"compare\"").map(|entry| match entry.as_text() {
        Some("propagate" | "archive") => Err(entry.invalid_with(FOR_HUBS, "deletes = \"compare\"")),
        _ => entry.choice(&choices),
    });
    let deletes = deletes.transpose().map(Option::unwrap_or_default);
    let compare = section.optional("compare", "compare = { every = \"1h\" }");
    let every = compare.as_ref().map(|compare| read_every(compare, &[])).transpose();
    match (deletes?, compare) {
        (deletes, Some(compare)) if deletes != Deletes::Compare => {
            let _ = every?;
            Err(compare.invalid("has no effect without `deletes = \"compare\"`"))
        }
        (deletes, _) => Ok((deletes, every?)),
    }
}

/// `{ every = "1h" }`.
fn read_every(entry: &Entry<'_>, later: &[Later]) -> Read<Duration> {
    let section = entry.section()?;
    let every = section.required("every", "every = \"1h\"");
    section.close(later);
    let every = every?;
    match every.duration()? {
        duration if duration < EVERY_MIN => Err(every.invalid("must be at least `100ms`")),
        duration => Ok(duration),
    }
}

fn read_guard(section: &Section<'_>) -> Read<Guard> {
    let Some(entry) = section.optional("guard", "guard = { rows = 20, share = 0.05 }") else {
        return Ok(Guard::default());
    };
    let section = entry.section()?;
    let rows = section.optional("rows", "rows = 20").map(|rows| rows.whole_number(0..=ROWS_MAX)).transpose();
    let share = section.optional("share", "share = 0.05").map(|share| share.number(0.0..=1.0)).transpose();
    section.close(&[]);
    let default = Guard::default();
    Ok(Guard { rows: rows?.unwrap_or(default.rows), share: share?.unwrap_or(default.share) })
}

fn read_schema(section: &Section<'_>) -> Read<SchemaPolicy> {
    let choices = [("pause", SchemaPolicy::Pause), ("ignore", SchemaPolicy::Ignore), ("evolve", SchemaPolicy::Evolve)];
    let policy = section.optional("schema", "schema = \"evolve\"").map(|policy| policy.choice(&choices)).transpose();
    Ok(policy?.unwrap_or_default())
}

fn read_trigger(section: &Section<'_>) -> Read<Option<Duration>> {
    let trigger = section.optional("trigger", "trigger = { every = \"30s\" }");
    trigger.map(|trigger| read_every(&trigger, TRIGGER_LATER)).transpose()
}

fn read_dead_letters(section: &Section<'_>) -> Read<u64> {
    let Some(entry) = section.optional("dead_letters", "dead_letters = { max = 1000 }") else {
        return Ok(DEAD_LETTERS_MAX_DEFAULT);
    };
    let section = entry.section()?;
    let max = section.required("max", "max = 1000").and_then(|max| max.whole_number(0..=ROWS_MAX));
    section.close(&[]);
    max
}
