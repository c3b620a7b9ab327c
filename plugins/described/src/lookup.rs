//! Records by their keys: by the ways the manifest knows, or by reading all where it knows none.

use lockstep_json::{Document, Element, Fault, Node};
use lockstep_plugin_sdk::batch::{BatchView, ColumnView};
use lockstep_plugin_sdk::types::{Batch, Changes, Field, Limits, LogicalType, ReadRequest};
use lockstep_web::plain;

use crate::Result;
use crate::answer::Answer;
use crate::connection::{Connection, Job};
use crate::fields::{described, remembered};
use crate::manifest::field::FieldSpec;
use crate::manifest::rules::Meaning;
use crate::manifest::stream::{StreamSpec, Version};
use crate::manifest::template::{self, Scope};
use crate::manifest::writing::Finding;
use crate::page::{no_list, walk};
use crate::record::{Collected, Collector};
use crate::trouble::{disguised, open};
use crate::value::written;

const PAGE: Limits = Limits { rows: 1000, bytes: 4 << 20 };

/// The key fields with the types in which their values come, and the values themselves: sorted, each once.
pub struct Keys {
    pub parts: Vec<(FieldSpec, LogicalType)>,
    pub rows: Vec<Vec<String>>,
}

impl Keys {
    pub fn new(parts: Vec<(FieldSpec, LogicalType)>, mut rows: Vec<Vec<String>>) -> Self {
        rows.sort_unstable();
        rows.dedup();
        Self { parts, rows }
    }
}

/// The records whose key fields equal a row of `keys`.
pub fn lookup(connection: &Connection, request: &ReadRequest, keys: &Batch) -> Result<Changes> {
    let spec = connection.manifest.stream(&request.stream)?.clone();
    let names: Vec<String> = BatchView::new(keys).columns().map(|column| column.name().to_owned()).collect();
    let mut fields = remembered(connection, &spec, &request.fields)?;
    if names.iter().any(|name| !fields.iter().any(|field| field.name == *name)) {
        fields = described(connection, &spec)?;
    }
    let wanted = match request.fields.as_slice() {
        [] => fields.iter().map(|field| Field::new(&field.name, field.logical)).collect(),
        wanted => wanted.to_vec(),
    };
    let mut parts = Vec::new();
    let mut columns: Vec<(ColumnView<'_>, LogicalType)> = Vec::new();
    for column in BatchView::new(keys).columns() {
        let field = fields.iter().find(|field| field.name == column.name());
        let field = field.map_or_else(|| spec.known_field(column.name()), Ok)?.clone();
        let asked = wanted.iter().find(|field| field.name == column.name());
        let logical = asked.map_or(Ok(field.logical), Field::logical)?;
        parts.push((field, logical));
        columns.push((column, logical));
    }
    let of_row = |row: usize| columns.iter().map(|(column, logical)| plain(*column, *logical, row)).collect();
    let rows = (0..keys.rows as usize).filter_map(of_row).collect();
    let keys = Keys::new(parts, rows);
    // What is looked for by is looked at, also where nobody wants to see it.
    let mut seen = wanted.clone();
    let is_unseen = |field: &FieldSpec| !wanted.iter().any(|known| known.name == field.name);
    seen.extend(
        keys.parts
            .iter()
            .filter(|(field, _)| is_unseen(field))
            .map(|(field, logical)| Field::new(&field.name, *logical)),
    );
    let collector = Collector::new(&spec, &fields, &seen)?;
    let mut found = find(connection, &spec, collector, &keys, &seen)?;
    // The host compares exactly.
    keep_asked(&mut found, &keys, false);
    found.changes.data.columns.truncate(wanted.len());
    Ok(found.changes)
}

/// The records of these keys. One that cannot be read is an error: it is there, and must not seem gone.
pub fn find(
    connection: &Connection,
    spec: &StreamSpec,
    collector: Collector,
    keys: &Keys,
    wanted: &[Field],
) -> Result<Collected> {
    let names: Vec<&str> = keys.parts.iter().map(|(field, _)| field.name.as_str()).collect();
    let is_fit =
        |way: &&Finding| way.by.len() == names.len() && way.by.iter().all(|name| names.contains(&name.as_str()));
    let way = spec.find.iter().find(is_fit);
    let mut found = match way {
        Some(way) => by_requests(connection, spec, way, collector, keys)?,
        None => by_reading(connection, spec, collector, keys, wanted)?,
    };
    if let Some(rejection) = found.rejected.pop() {
        return Err(rejection.error.into());
    }
    // APIs look for texts without regard to case, or for their beginnings: what was not asked for is left out.
    keep_asked(&mut found, keys, way.is_some_and(|way| way.ignores_case));
    Ok(found)
}

fn by_requests(
    connection: &Connection,
    spec: &StreamSpec,
    way: &Finding,
    mut collector: Collector,
    keys: &Keys,
) -> Result<Collected> {
    let paths: Vec<Node> = collector.paths().into_iter().map(Node::Text).collect();
    let mut jobs = Vec::new();
    for chunk in keys.rows.chunks(way.size.max(1)) {
        let mut scope = connection.scope();
        scope.set("fields", Node::List(paths.clone())).set("field_list", Node::List(paths.clone()));
        let mut rendered = Vec::with_capacity(chunk.len());
        for row in chunk {
            let mut inner = Scope::inside(&scope);
            name_key(&mut inner, keys, row)?;
            rendered.push(template::document(&way.key, &inner).unwrap_or_default());
        }
        if let [only] = chunk {
            name_key(&mut scope, keys, only)?;
        }
        scope.set("keys", Node::List(rendered)).set("page_size", Node::Number(chunk.len().to_string()));
        jobs.push(Job { request: &way.request, scope, target: None });
    }
    let what = format!("look up records of `{}`", spec.name);
    for reply in connection.send_all(&jobs) {
        take(connection, spec, way, &mut collector, &reply?, &what)?;
    }
    collector.finish()
}

/// What the parts of a key are called in a request.
pub fn name_key(scope: &mut Scope<'_>, keys: &Keys, row: &[String]) -> Result<()> {
    for ((field, _), text) in keys.parts.iter().zip(row) {
        scope.set(format!("key.{}", field.name), written(field, Some(text))?);
        scope.set(format!("md5.{}", field.name), Node::text(crate::form::md5(&text.to_ascii_lowercase())));
    }
    Ok(())
}

fn take(
    connection: &Connection,
    spec: &StreamSpec,
    way: &Finding,
    collector: &mut Collector,
    reply: &Answer,
    what: &str,
) -> Result<()> {
    let manifest = &connection.manifest;
    let Some(records) = &way.records else {
        return match open(manifest, reply, what) {
            Err(failed) if failed.meaning == Some(Meaning::Missing) => Ok(()),
            Err(failed) if failed.meaning.is_none() && matches!(failed.status, 404 | 410) => Ok(()),
            Err(failed) => Err(failed.error.into()),
            Ok(_) => take_one(spec, way, collector, reply),
        };
    };
    if !reply.reply.is_success() {
        return match open(manifest, reply, what) {
            Err(failed) if failed.meaning == Some(Meaning::Missing) => Ok(()),
            Err(failed) => Err(failed.error.into()),
            Ok(_) => Ok(()),
        };
    }
    let (text, mut members) = (reply.text()?, Vec::new());
    let around = walk(text, records, |document| {
        members.clear();
        let element = document.element(&mut members)?;
        let all = document.text();
        let is_missing = match &element {
            Element::Other(value) => value.kind == lockstep_json::Kind::Null,
            Element::Object(_) => !way.record.is_empty() && is_nothing(all, &members, &way.record),
            Element::Broken(..) => false,
        };
        if !is_missing {
            collector.take(all, &element, &members, &way.record, "?");
        }
        Ok(())
    })?;
    match disguised(manifest, reply.status(), &around.envelope, what) {
        Some(failed) => Err(failed.error.into()),
        None if !around.is_list => Err(no_list(text, records, what)),
        None => Ok(()),
    }
}

/// Whether an element has no record where it ought to be: then there is none with its key.
fn is_nothing(text: &[u8], members: &[lockstep_json::Member], path: &[String]) -> bool {
    match crate::record::find(text, members, path) {
        Ok(found) => found.is_none_or(|(_, value)| value.kind == lockstep_json::Kind::Null),
        Err(_) => false,
    }
}

/// An answer that is a record.
fn take_one(spec: &StreamSpec, way: &Finding, collector: &mut Collector, reply: &Answer) -> Result<()> {
    let (text, mut members) = (reply.text()?, Vec::new());
    let mut document = Document::new(text.as_bytes());
    let element = document.element(&mut members);
    let element = element.map_err(|fault: Fault| lockstep_web::answer::fault(text, fault))?;
    if !way.record.is_empty() && is_nothing(text.as_bytes(), &members, &way.record) {
        return Ok(());
    }
    collector.take(text.as_bytes(), &element, &members, &way.record, "?");
    if let Some(Version::Header(name)) = &spec.version {
        collector.set_version(reply.reply.header(name).map(str::to_owned));
    }
    Ok(())
}

/// Every record is looked at.
fn by_reading(
    connection: &Connection,
    spec: &StreamSpec,
    mut collector: Collector,
    keys: &Keys,
    wanted: &[Field],
) -> Result<Collected> {
    let request = ReadRequest {
        stream: spec.name.clone(),
        key: spec.key.clone(),
        fields: wanted.to_vec(),
        mode: "full".to_owned(),
        cursor: None,
        options: Vec::new(),
    };
    let mut reader = crate::read::open(connection.clone(), &request)?.keep_raws();
    loop {
        let (mut page, is_over) = reader.collected(PAGE)?;
        if let Some(rejection) = page.rejected.pop() {
            return Err(rejection.error.into());
        }
        keep_asked(&mut page, keys, false);
        for record in &page.raws {
            collector.take_whole(record);
        }
        if is_over {
            return collector.finish();
        }
    }
}

fn is_one_of(key: &Vec<String>, keys: &Keys, ignores_case: bool) -> bool {
    let same = |row: &Vec<String>| {
        row.len() == key.len() && row.iter().zip(key).all(|(one, other)| one.eq_ignore_ascii_case(other))
    };
    keys.rows.binary_search(key).is_ok() || (ignores_case && keys.rows.iter().any(same))
}

/// Leaves out what is gone, and the rows of other keys.
fn keep_asked(found: &mut Collected, keys: &Keys, ignores_case: bool) {
    let view = BatchView::new(&found.changes.data);
    let columns: Vec<Option<ColumnView<'_>>> = keys.parts.iter().map(|(field, _)| view.column(&field.name)).collect();
    let is_gone =
        |row: usize| found.changes.kinds.as_ref().and_then(|kinds| kinds.get(row)).is_some_and(|kind| *kind == 1);
    let of_row = |row: usize| {
        let parts = columns.iter().zip(&keys.parts);
        parts.map(|(column, (_, logical))| plain((*column)?, *logical, row)).collect::<Option<Vec<String>>>()
    };
    let is_asked = |row: &usize| !is_gone(*row) && of_row(*row).is_some_and(|key| is_one_of(&key, keys, ignores_case));
    let kept: Vec<usize> = (0..view.rows()).filter(is_asked).collect();
    if kept.len() < view.rows() {
        found.keep(&kept);
    }
    found.changes.kinds = None;
}
