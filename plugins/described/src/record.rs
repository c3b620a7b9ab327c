//! Records of answers as rows.

use std::rc::Rc;

use lockstep_json::{Element, Kind, Member, Node, Value, read_object};
use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView, ColumnBuilder};
use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::types::{Batch, Changes, Field, Limits, LogicalType, Rejection};
use lockstep_text_files::value::{BoolWords, ValueError, int64, push_scalar};
use lockstep_web::answer::describe;
use lockstep_web::{as_it_is, plain};

use crate::Result;
use crate::failure::{Say as _, failure};
use crate::manifest::field::{FieldSpec, Form};
use crate::manifest::stream::{StreamSpec, Version};

const UPSERT: u8 = 0;
const DELETE: u8 = 1;

/// Rows of the wanted fields, out of as many answers as it takes.
pub struct Collector {
    spec: Rc<StreamSpec>,
    /// The wanted fields, and behind them those parts of the key that are none of them.
    fields: Vec<FieldSpec>,
    wanted: usize,
    key_places: Vec<usize>,
    logicals: Vec<LogicalType>,
    batch: BatchBuilder,
    kinds: Vec<u8>,
    versions: Vec<Option<String>>,
    /// The records themselves, where somebody wants to send them back whole.
    raws: Option<Vec<Node>>,
    rejected: Vec<Rejection>,
    /// What the records' parent says, by field.
    parent: Vec<(String, String)>,
}

/// The rows of a page.
pub struct Collected {
    pub changes: Changes,
    pub rejected: Vec<Rejection>,
    /// The keys of the rows, as texts.
    pub keys: Vec<Vec<String>>,
    pub versions: Vec<Option<String>>,
    pub raws: Vec<Node>,
}

impl Collected {
    /// Leaves out every row but these.
    pub fn keep(&mut self, kept: &[usize]) {
        let dropped: Vec<u32> = (0..self.changes.data.rows).filter(|row| !kept.contains(&(*row as usize))).collect();
        self.changes.drop_rows(&dropped);
        self.keys = kept.iter().filter_map(|row| self.keys.get(*row).cloned()).collect();
        self.versions = kept.iter().filter_map(|row| self.versions.get(*row).cloned()).collect();
        self.raws = kept.iter().filter_map(|row| self.raws.get(*row).cloned()).collect();
    }
}

/// A value and the text it stands in.
type Found<'t> = (&'t [u8], Value);

impl Collector {
    /// Rows of these fields; `fields` says where each stands.
    pub fn new(spec: &Rc<StreamSpec>, fields: &[FieldSpec], wanted: &[Field]) -> Result<Self> {
        let known = |name: &str| {
            fields.iter().find(|field| field.name == name).cloned().ok_or_else(|| {
                failure(ErrorKind::Config, "api.no-field", &format!("`{}` has no field `{name}`", spec.name))
                    .field(name)
            })
        };
        let mut columns: Vec<(String, LogicalType)> = Vec::new();
        let mut placed = Vec::new();
        for field in wanted {
            columns.push((field.name.clone(), field.logical()?));
            placed.push(known(&field.name)?);
        }
        let mut key_places = Vec::new();
        for name in &spec.key {
            let place = placed.iter().position(|field| field.name == *name);
            key_places.push(place.unwrap_or(placed.len()));
            if place.is_none() {
                let field = known(name)?;
                columns.push((name.clone(), field.logical));
                placed.push(field);
            }
        }
        Ok(Self {
            spec: spec.clone(),
            wanted: wanted.len(),
            fields: placed,
            key_places,
            logicals: columns.iter().map(|(_, logical)| *logical).collect(),
            batch: BatchBuilder::new(columns),
            kinds: Vec::new(),
            versions: Vec::new(),
            raws: None,
            rejected: Vec::new(),
            parent: Vec::new(),
        })
    }

    /// With the records themselves.
    pub fn keep_raws(mut self) -> Self {
        self.raws = Some(Vec::new());
        self
    }

    /// Where the fields stand that the API is to be asked for.
    pub fn paths(&self) -> Vec<String> {
        let asked = self.fields.iter().filter(|field| field.parent.is_none());
        let at = self.spec.at.len();
        let mut paths: Vec<String> = Vec::new();
        for field in asked {
            let is_inside = field.path.len() > at && field.path.starts_with(&self.spec.at);
            let step = field.path.get(if is_inside { at } else { 0 }).cloned();
            paths.extend(step.filter(|step| !paths.contains(step) && (is_inside || at == 0)));
        }
        paths
    }

    /// What the records that come now belong to.
    pub fn set_parent(&mut self, parent: Vec<(String, String)>) {
        self.parent = parent;
    }

    pub fn is_full(&self, limits: Limits) -> bool {
        let taken = self.batch.rows() + self.rejected.len();
        taken >= limits.rows as usize || (taken > 0 && self.batch.bytes() >= limits.bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.rejected.is_empty()
    }

    /// Takes an element of a list. `path` leads from it to the record. `position`: where it stands, for a person.
    pub fn take(&mut self, text: &[u8], element: &Element, members: &[Member], path: &[String], position: &str) {
        let (range, result) = match element {
            Element::Object(range) if path.is_empty() => (range.clone(), self.object(text, members)),
            Element::Object(range) => {
                let result = find(text, members, path).and_then(|found| match found {
                    None => Err(nothing_there(path)),
                    Some(found) => self.record(found),
                });
                (range.clone(), result)
            }
            Element::Other(value) => {
                let raw = value.of(text).to_vec();
                let error = failure(ErrorKind::InvalidData, "api.record", "an element of the list is no record");
                return self.rejected.push(Rejection::new(position, &raw, *error));
            }
            Element::Broken(range, fault) => {
                let error = Error::invalid_data(format!("the record cannot be read: {}", describe(text, *fault)));
                (range.clone(), Err(error.with_code("api.record").into()))
            }
        };
        if let Err(error) = result {
            self.rejected.push(Rejection::new(position, text.get(range).unwrap_or_default(), *error));
        }
    }

    fn record(&mut self, (text, value): Found<'_>) -> Result<()> {
        let raw = value.of(text);
        let mut members = Vec::new();
        match value.kind {
            Kind::Object => {
                read_object(raw, &mut members)
                    .map_err(|fault| failure(ErrorKind::InvalidData, "api.record", &describe(raw, fault)))?;
                self.object(raw, &members)
            }
            kind => Err(failure(ErrorKind::InvalidData, "api.record", &format!("the record is {}", kind.name()))),
        }
    }

    /// Takes a record that was kept.
    pub fn take_whole(&mut self, record: &Node) {
        let (text, mut members) = (record.to_json(), Vec::new());
        if let Ok(element) = lockstep_json::Document::new(text.as_bytes()).element(&mut members) {
            self.take(text.as_bytes(), &element, &members, &[], "?");
        }
    }

    /// Makes a row of a record; there is no trace of one that does not fit.
    fn object(&mut self, text: &[u8], members: &[Member]) -> Result<()> {
        if let Some(key) = lockstep_json::find_duplicate(text, members.iter().map(|member| member.key)) {
            let fault = lockstep_json::Fault::DuplicateKey { key };
            return Err(failure(ErrorKind::InvalidData, "api.record", &describe(text, fault)));
        }
        if self.holds(text, members, self.spec.skip.as_ref())? {
            return Ok(());
        }
        let is_gone = self.holds(text, members, self.spec.deleted.as_ref())?;
        let version = match &self.spec.version {
            Some(Version::Body(path)) => find(text, members, path)?.and_then(|(text, value)| value.said(text)),
            _ => None,
        };
        let mut nested = Nested::default();
        for (place, field) in self.fields.iter().enumerate() {
            let column = self.batch.column(place);
            let constant = field.parent.as_ref().and_then(|name| self.parent.iter().find(|(known, _)| known == name));
            let is_key = self.key_places.contains(&place);
            let pushed = match (constant, &field.parent) {
                (Some((_, text)), _) => push_scalar(column, text.as_bytes(), &BoolWords::default()).map(|_| ()),
                (None, Some(_)) => Err(ValueError::new("of a parent that is not known")),
                (None, None) if is_gone && !is_key => {
                    column.push_absent();
                    Ok(())
                }
                (None, None) => match nested.find(text, members, &field.path) {
                    Err(error) => Err(ValueError::of(error.message)),
                    Ok(None) if is_key => Err(ValueError::new("missing, though it is the key")),
                    Ok(None) if stands_for_null(&mut nested, text, members, field) => {
                        column.push_null();
                        Ok(())
                    }
                    Ok(None) => {
                        if self.spec.absent_is_null {
                            column.push_null()
                        } else {
                            column.push_absent()
                        }
                        Ok(())
                    }
                    Ok(Some((_, value))) if is_key && value.kind == Kind::Null => {
                        Err(ValueError::new("null, though it is the key"))
                    }
                    Ok(Some((text, value))) => (self.spec.push)(column, field, text, value),
                },
            };
            if let Err(reason) = pushed {
                let (name, logical) = (field.name.clone(), column.logical());
                self.batch.abandon_row();
                let message = format!("`{name}` is not {logical}: {reason}");
                return Err(failure(ErrorKind::InvalidData, "web.value", &message).field(&name));
            }
        }
        self.batch.end_row();
        self.kinds.push(if is_gone { DELETE } else { UPSERT });
        self.versions.push(version);
        if let Some(raws) = &mut self.raws {
            raws.push(whole(text, members));
        }
        Ok(())
    }

    fn holds(&self, text: &[u8], members: &[Member], test: Option<&crate::manifest::rules::Test>) -> Result<bool> {
        let Some(test) = test else { return Ok(false) };
        let Some((text, value)) = find(text, members, &test.path)? else { return Ok(false) };
        Ok(Node::of(value, text).is_ok_and(|node| test.fits(&node)))
    }

    /// Gives the record that was taken last this version.
    pub fn set_version(&mut self, version: Option<String>) {
        if let (Some(place), Some(version)) = (self.versions.last_mut(), version) {
            *place = Some(version);
        }
    }

    /// Everything that was taken since this was last called.
    pub fn finish(&mut self) -> Result<Collected> {
        let mut data = self.batch.finish()?;
        let keys = self.keys(&data);
        data.columns.truncate(self.wanted);
        let kinds = std::mem::take(&mut self.kinds);
        let mut changes = Changes::upserts(data);
        changes.kinds = kinds.contains(&DELETE).then_some(kinds);
        Ok(Collected {
            changes,
            rejected: std::mem::take(&mut self.rejected),
            keys,
            versions: std::mem::take(&mut self.versions),
            raws: self.raws.as_mut().map(std::mem::take).unwrap_or_default(),
        })
    }

    fn keys(&self, data: &Batch) -> Vec<Vec<String>> {
        let columns: Vec<_> = BatchView::new(data).columns().collect();
        let typed: Vec<_> = self.key_places.iter().filter_map(|place| Some((*place, *columns.get(*place)?))).collect();
        let of_row = |row: usize| {
            let part = |(place, column): &(usize, _)| plain(*column, self.logical(*place), row).unwrap_or_default();
            typed.iter().map(part).collect()
        };
        (0..data.rows as usize).map(of_row).collect()
    }

    fn logical(&self, place: usize) -> LogicalType {
        self.logicals.get(place).copied().unwrap_or(LogicalType::Text)
    }
}

/// Whether there is nothing where a field is written, and so nothing to be looked into.
fn stands_for_null<'t>(nested: &mut Nested<'t>, text: &'t [u8], members: &[Member], field: &FieldSpec) -> bool {
    let (Some(to), Some(null)) = (&field.to, &field.null) else { return false };
    let found = nested.find(text, members, to).ok().flatten();
    found.is_some_and(|(text, value)| Node::of(value, text).is_ok_and(|node| node == *null))
}

/// A record as a tree.
fn whole(text: &[u8], members: &[Member]) -> Node {
    let member = |member: &Member| {
        let name = String::from_utf8_lossy(&member.key.of(text)).into_owned();
        (name, Node::of(member.value, text).unwrap_or_default())
    };
    Node::Object(members.iter().map(member).collect())
}

/// The object that was looked into last: fields mostly stand side by side.
#[derive(Default)]
struct Nested<'t> {
    first: Option<(String, &'t [u8], Vec<Member>)>,
}

impl<'t> Nested<'t> {
    fn find(&mut self, text: &'t [u8], members: &[Member], path: &[String]) -> Result<Option<Found<'t>>> {
        let Some((step, rest)) = path.split_first() else { return Ok(None) };
        if rest.is_empty() {
            return find(text, members, path);
        }
        if self.first.as_ref().is_none_or(|(known, _, _)| known != step) {
            let Some((text, value)) = find(text, members, std::slice::from_ref(step))? else { return Ok(None) };
            if value.kind != Kind::Object {
                return descend(text, value, rest);
            }
            let (raw, mut inner) = (value.of(text), Vec::new());
            read_object(raw, &mut inner).map_err(|fault| broken(raw, fault))?;
            self.first = Some((step.clone(), raw, inner));
        }
        match &self.first {
            Some((_, raw, inner)) => find(raw, inner, rest),
            None => Ok(None),
        }
    }
}

/// What a path leads to in an object; none if there is nothing.
pub fn find<'t>(text: &'t [u8], members: &[Member], path: &[String]) -> Result<Option<Found<'t>>> {
    let Some((step, rest)) = path.split_first() else { return Ok(None) };
    let is_it = |member: &&Member| &*member.key.of(text) == step.as_bytes();
    match members.iter().find(is_it) {
        Some(member) => descend(text, member.value, rest),
        None => Ok(None),
    }
}

fn descend<'t>(text: &'t [u8], value: Value, path: &[String]) -> Result<Option<Found<'t>>> {
    let Some((step, rest)) = path.split_first() else { return Ok(Some((text, value))) };
    let raw = value.of(text);
    match value.kind {
        Kind::Object => {
            let mut members = Vec::new();
            read_object(raw, &mut members).map_err(|fault| broken(raw, fault))?;
            find(raw, &members, path)
        }
        Kind::Array => {
            let Ok(wanted) = step.parse::<i64>() else { return Ok(None) };
            let (mut document, mut at, mut found) = (lockstep_json::Document::new(raw), 0, None);
            document
                .array::<lockstep_json::Fault>(|document| {
                    let element = document.value()?;
                    if at == wanted {
                        found = Some(element);
                    }
                    at += 1;
                    Ok(())
                })
                .map_err(|fault| broken(raw, fault))?;
            found.map_or(Ok(None), |element| descend(raw, element, rest))
        }
        _ => Ok(None),
    }
}

fn broken(text: &[u8], fault: lockstep_json::Fault) -> Box<Error> {
    failure(ErrorKind::InvalidData, "api.record", &describe(text, fault))
}

fn nothing_there(path: &[String]) -> Box<Error> {
    failure(ErrorKind::InvalidData, "api.record", &format!("there is no record at `{}`", path.join(".")))
}

/// Pushes a value as the API writes it.
pub fn push(column: &mut ColumnBuilder, field: &FieldSpec, text: &[u8], value: Value) -> Result<(), ValueError> {
    if let Some(null) = &field.null
        && Node::of(value, text).is_ok_and(|node| node == *null)
    {
        column.push_null();
        return Ok(());
    }
    let is_time = matches!(column.logical(), LogicalType::Timestamp);
    match (field.form, value.kind) {
        (Form::Seconds | Form::Milliseconds, Kind::Integer | Kind::Text(_)) if is_time => {
            let said = value.said(text).unwrap_or_default();
            let unit = if field.form == Form::Seconds { 1_000_000 } else { 1000 };
            let micros = int64(said.as_bytes())?.checked_mul(unit);
            column.push_int64(micros.ok_or_else(|| ValueError::new("too large"))?);
            Ok(())
        }
        (Form::Utc | Form::UtcSpace, Kind::Text(_)) if is_time => {
            let mut said = value.said(text).unwrap_or_default();
            if !said.ends_with(['Z', 'z']) {
                said.push('Z');
            }
            push_scalar(column, said.as_bytes(), &BoolWords::default()).map(|_| ())
        }
        (Form::Text, Kind::Text(inside)) if column.logical() == LogicalType::Bool => {
            push_scalar(column, &inside.of(text), &BoolWords::default()).map(|_| ())
        }
        // Spaces say nothing, and each server has its own.
        (_, Kind::Object | Kind::Array) if matches!(column.logical(), LogicalType::Json | LogicalType::Text) => {
            let node = Node::of(value, text).map_err(|fault| ValueError::of(describe(text, fault)))?;
            column.push_text(&node.to_json());
            Ok(())
        }
        _ => as_it_is(column, text, value),
    }
}

#[cfg(test)]
mod tests;
