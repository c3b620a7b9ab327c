//! The fields of a stream: what the manifest says, what the API tells, what its records show.

use std::rc::Rc;

use lockstep_json::{Element, Kinds, Looks, Node, read_object};
use lockstep_plugin_sdk::error::ErrorKind;
use lockstep_plugin_sdk::types::{Field, LogicalType, Stream, option};
use lockstep_plugin_sdk::values::{parse_date, parse_timestamp};

use crate::Result;
use crate::connection::Connection;
use crate::failure::{Say as _, failure};
use crate::manifest::field::{FieldSpec, Form};
use crate::manifest::reading::Since;
use crate::manifest::stream::{Describe, StreamSpec, recall, remember};
use crate::page::walk;
use crate::read::ask_first_page;
use crate::trouble::open;

/// Where a stream and its fields keep what the plugin needs to know.
const MEMORY: &str = "described";
/// More fields than any table has columns: then keys are data, and nothing good comes of a field for each.
const FIELDS_MAX: usize = 2000;

/// The streams of these names, or all.
pub fn discover(connection: &Connection, names: &[String]) -> Result<Vec<Stream>> {
    let is_wanted = |spec: &&Rc<StreamSpec>| names.is_empty() || names.contains(&spec.name);
    let mut streams = Vec::new();
    for spec in connection.manifest.streams.iter().filter(is_wanted) {
        streams.push(stream(spec, described(connection, spec)?)?);
    }
    Ok(streams)
}

/// All fields of a stream, as they are now.
pub fn described(connection: &Connection, spec: &StreamSpec) -> Result<Vec<FieldSpec>> {
    let mut fields = spec.fields.clone();
    let mut add = |found: Vec<FieldSpec>| {
        for field in found {
            if !fields.iter().any(|known| known.name == field.name || known.path == field.path) {
                fields.push(field);
            }
        }
    };
    for found in connection.manifest.protocol.fields(connection, spec)? {
        add(found);
    }
    match fields.len() > FIELDS_MAX {
        true => Err(failure(
            ErrorKind::Config,
            "api.fields",
            &format!("the records of `{}` have more than {FIELDS_MAX} fields", spec.name),
        )
        .hint("name those that count under `fields`, and leave `infer` out")),
        false => Ok(fields),
    }
}

/// What the API tells of its fields, and what its records show.
pub fn from_answers(connection: &Connection, spec: &StreamSpec) -> Result<Vec<Vec<FieldSpec>>> {
    let mut found = Vec::new();
    if let Some(describe) = &spec.describe {
        found.push(told(connection, spec, describe)?);
    }
    if spec.is_inferred {
        found.push(guessed(connection, spec)?);
    }
    Ok(found)
}

/// What the fields of a request remember; asked for anew if they come from somewhere else.
pub fn remembered(connection: &Connection, spec: &StreamSpec, fields: &[Field]) -> Result<Vec<FieldSpec>> {
    let recalled = |field: &Field| recall(field.property(MEMORY)?).filter(|found| found.len() == 1);
    let mut known: Vec<FieldSpec> = spec.fields.clone();
    for field in fields {
        if known.iter().any(|found| found.name == field.name) {
            continue;
        }
        match recalled(field) {
            Some(found) => known.extend(found),
            None => return described(connection, spec),
        }
    }
    Ok(known)
}

/// What a stream remembers; asked for anew if it comes from somewhere else.
pub fn recalled(connection: &Connection, spec: &StreamSpec, stream: &Stream) -> Result<Vec<FieldSpec>> {
    let mut known = spec.fields.clone();
    if spec.describe.is_none() && !spec.is_inferred && !spec.is_told() {
        return Ok(known);
    }
    match option(&stream.properties, MEMORY).and_then(recall) {
        Some(found) => known.extend(found),
        None => return described(connection, spec),
    }
    Ok(known)
}

/// A stream as the host sees it.
fn stream(spec: &StreamSpec, fields: Vec<FieldSpec>) -> Result<Stream> {
    let mut stream = Stream::new(&spec.name).key(spec.key.iter().map(String::as_str));
    let is_own = |field: &FieldSpec| spec.fields.iter().any(|known| known.name == field.name);
    for field in &fields {
        let mut shown = Field::new(&field.name, field.logical);
        shown.nullable = !spec.key.contains(&field.name);
        let mut say = |name: &str, value: Option<String>| {
            shown.properties.extend(value.map(|value| (name.to_owned(), value)));
        };
        say("comment", field.comment.clone());
        say("computed", (!field.is_written).then(|| "true".to_owned()));
        say(MEMORY, (!is_own(field)).then(|| remember(std::slice::from_ref(field))));
        stream.fields.push(shown);
    }
    if let Some(name) = spec.key.iter().find(|name| !fields.iter().any(|field| field.name == **name)) {
        return Err(failure(
            ErrorKind::Config,
            "api.no-field",
            &format!("the records of `{}` have no field `{name}`, which is their key", spec.name),
        )
        .field(name));
    }
    let mut say = |name: &str, value: Option<String>| {
        stream.properties.extend(value.map(|value| (name.to_owned(), value)));
    };
    let is_feed = spec.changes.as_ref().is_some_and(|changes| matches!(changes.since, Since::Feed { .. }));
    let yes = |is: bool| is.then(|| "true".to_owned());
    say("comment", spec.comment.clone());
    say("modified", spec.modified.clone());
    say("write", Some(spec.writes()));
    say("tracks-changes", yes(spec.changes.is_some()));
    say("reports-deletes", yes(is_feed && spec.deleted.is_some()));
    say("visibility-lag-ms", spec.lag_ms.map(|lag| lag.to_string()));
    let found: Vec<FieldSpec> = fields.into_iter().filter(|field| !is_own(field)).collect();
    say(MEMORY, (!found.is_empty()).then(|| remember(&found)));
    Ok(stream)
}

/// What the API says its fields are.
fn told(connection: &Connection, spec: &StreamSpec, describe: &Describe) -> Result<Vec<FieldSpec>> {
    let what = format!("describe the fields of `{}`", spec.name);
    let reply = connection.send(&describe.request, connection.scope())?;
    let document = open(&connection.manifest, &reply, &what).map_err(|failed| failed.error)?;
    let list = document
        .at(&describe.records)
        .ok_or_else(|| crate::page::no_list(&reply.beginning, &describe.records, &what))?;
    let mut fields = Vec::new();
    let elements = list.members().iter().map(|(name, node)| (Some(name.as_str()), node));
    for (key, node) in elements.chain(list.list().iter().map(|node| (None, node))) {
        let name = match &describe.name {
            Some(path) => node.at(path).and_then(Node::as_text),
            None => key,
        };
        let Some(name) = name.filter(|name| !describe.skip.iter().any(|skip| skip == name)) else { continue };
        let kind = node.at(&describe.kind).and_then(Node::said).unwrap_or_default();
        let known = describe.types.iter().find(|known| known.name == kind);
        let path = spec.at.iter().cloned().chain([name.to_owned()]).collect();
        let mut field = FieldSpec { name: name.to_owned(), path, ..spec.base.clone() };
        if let Some(known) = known {
            field.logical = known.logical;
            if known.form != Form::Plain {
                field.form = known.form;
            }
            if let Some(step) = &known.step {
                field.to = Some(field.path.clone());
                field.path.push(step.clone());
            }
        }
        // What stands for null elsewhere is a value here.
        field.null = field.null.filter(|null| field.logical != LogicalType::Bool || !matches!(null, Node::Bool(_)));
        field.is_written = !describe.read_only.as_ref().is_some_and(|test| test.holds(node));
        field.comment =
            node.at(&describe.comment).and_then(Node::as_text).map(str::to_owned).filter(|text| !text.is_empty());
        fields.push(field);
    }
    Ok(fields)
}

/// What a page of records shows.
fn guessed(connection: &Connection, spec: &StreamSpec) -> Result<Vec<FieldSpec>> {
    let text = ask_first_page(connection, spec)?;
    let mut guess: Vec<(String, Kinds)> = Vec::new();
    let mut members = Vec::new();
    walk(&text, &spec.read.records, |document| {
        members.clear();
        let element = document.element(&mut members)?;
        let Element::Object(_) = element else { return Ok(()) };
        let all = document.text();
        let path: Vec<String> = spec.read.record.iter().chain(&spec.at).cloned().collect();
        if path.is_empty() {
            members.iter().for_each(|member| look(&mut guess, all, member));
        } else if let Ok(Some((inside, value))) = crate::record::find(all, &members, &path) {
            let (raw, mut inner) = (value.of(inside), Vec::new());
            if read_object(raw, &mut inner).is_ok() {
                inner.iter().for_each(|member| look(&mut guess, raw, member));
            }
        }
        Ok(())
    })?;
    let field = |(name, kinds): (String, Kinds)| {
        let path = spec.at.iter().cloned().chain([name.clone()]).collect();
        FieldSpec { name, path, logical: kinds.logical(), ..spec.base.clone() }
    };
    Ok(guess.into_iter().map(field).collect())
}

fn look(guess: &mut Vec<(String, Kinds)>, text: &[u8], member: &lockstep_json::Member) {
    let key = member.key.of(text);
    let Ok(name) = std::str::from_utf8(&key) else { return };
    match guess.iter_mut().find(|(known, _)| known == name) {
        Some((_, kinds)) => kinds.add(member.value, text, looks),
        None => {
            let mut kinds = Kinds::default();
            kinds.add(member.value, text, looks);
            guess.push((name.to_owned(), kinds));
        }
    }
}

fn looks(text: &[u8]) -> Looks {
    match std::str::from_utf8(text) {
        Ok(text) if text.len() == 10 && parse_date(text).is_ok() => Looks::Date,
        // Digits first: infinite times are words to others.
        Ok(text) if text.as_bytes().first().is_some_and(u8::is_ascii_digit) && parse_timestamp(text).is_ok() => {
            Looks::Timestamp
        }
        _ => Looks::Text,
    }
}
