//! Rows of a page, each answered by what became of its record.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_json::{Document, write_string, write_strings};
use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView, ColumnView};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::Reply;
use lockstep_plugin_sdk::outcome::Outcome;
use lockstep_plugin_sdk::sink::{EXPECTED_PREFIX, Flushed, WriteMode, WriteRequest, WriteResults, Writer};
use lockstep_plugin_sdk::types::{Batch, Changes, Field, LogicalType};
use lockstep_text_files::value::{BoolWords, push_scalar};
use lockstep_web::{member, plain, same};

use super::body::{Style, Written, body};
use super::perform::{Task, entity_object, perform};
use super::verdict::{Deed, Verdict};
use crate::collect::Collected;
use crate::config::Config;
use crate::connection::Connection;
use crate::discover;
use crate::edm::Edm;
use crate::entity::{Entity, KeyPart, Property};
use crate::key::{address, alternate_address, parse_address};
use crate::lookup::find;

const DELETE: u8 = 1;

/// A writer of one set.
pub struct SetWriter {
    connection: Connection,
    entity: Entity,
    /// What identifies a record for the project: the set's own key, or another one.
    key: Vec<KeyPart>,
    fields: Vec<Field>,
    mode: WriteMode,
    written: u64,
    unchanged: u64,
    deleted: u64,
}

/// What a row wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// The record shall be like this.
    Upsert,
    /// The record is there and shall be like this.
    Update,
    Delete,
}

/// The records of a page as they are.
struct Present {
    found: Collected,
    /// By the project's key; none where several have it.
    places: BTreeMap<Vec<String>, Option<usize>>,
}

pub fn open(config: Config, request: &WriteRequest) -> Result<SetWriter> {
    let connection = Connection::new(config);
    // Of the fields alone nobody knows which others will be expected to have certain values.
    let entity = match Entity::recalled(&connection.config, &request.stream) {
        Some(entity) => entity,
        None => discover::described(&connection, &request.stream.name)?,
    };
    let key = if request.stream.key.is_empty() {
        entity.key.clone()
    } else {
        let part = |name: &String| Ok(KeyPart { name: name.clone(), edm: entity.property(name)?.edm.clone() });
        request.stream.key.iter().map(part).collect::<Result<_>>()?
    };
    let (fields, mode) = (request.stream.fields.clone(), request.write_mode());
    Ok(SetWriter { connection, entity, key, fields, mode, written: 0, unchanged: 0, deleted: 0 })
}

impl SetWriter {
    /// The type in which a column's values come.
    fn logical(&self, name: &str) -> Result<LogicalType> {
        match self.fields.iter().find(|field| field.name == name) {
            Some(field) => field.logical(),
            None => Ok(self.entity.property(name)?.edm.logical()),
        }
    }

    /// The columns that are written to properties.
    fn columns<'a>(&self, page: &'a Batch) -> Result<Vec<Written<'a>>> {
        let is_value = |column: &ColumnView<'_>| !column.name().starts_with(EXPECTED_PREFIX);
        let written = |column: ColumnView<'a>| {
            let property: Property = self.entity.property(column.name())?.clone();
            // What a navigation leads to is found by the same type that its own property has.
            let target = property.bind.as_ref().map(|_| KeyPart { name: String::new(), edm: property.edm.clone() });
            Ok(Written { column, logical: self.logical(column.name())?, property, target })
        };
        BatchView::new(page).columns().filter(is_value).map(written).collect()
    }

    fn style(&self) -> Style {
        Style { version: self.entity.version, numbers: self.connection.config.numbers }
    }

    fn is_key(&self, name: &str) -> bool {
        self.key.iter().any(|part| part.name == name)
    }

    /// The key of a row as the service would show it; none if it is not complete, or no value of its type.
    fn key_of(&self, columns: &[Written<'_>], row: usize) -> Option<Vec<String>> {
        let part = |part: &KeyPart| {
            let written = columns.iter().find(|written| written.property.name == part.name)?;
            canonical(&part.edm, &plain(written.column, written.logical, row)?)
        };
        self.key.iter().map(part).collect()
    }

    fn insert(&mut self, page: &Batch, outcome: &mut Outcome) -> Result<()> {
        let columns = self.columns(page)?;
        let mut tasks = Vec::with_capacity(page.rows as usize);
        for row in 0..page.rows {
            match self.creation(&columns, row) {
                Ok(task) => tasks.push(task),
                Err(error) => outcome.reject(row, error),
            }
        }
        self.carry_out(&tasks, &columns, outcome)
    }

    /// A record that is made. By an alternate key it is addressed: so made twice it is there once.
    fn creation(&self, columns: &[Written<'_>], row: u32) -> Result<Task> {
        let at = row as usize;
        let given =
            columns.iter().filter(|written| !self.is_key(&written.property.name) || written.column.is_valid(at));
        let names: Vec<&str> = self.key.iter().map(|part| part.name.as_str()).collect();
        let is_alternate = self
            .entity
            .alternate_keys
            .iter()
            .any(|key| key.len() == names.len() && key.iter().all(|name| names.contains(&name.as_str())));
        let keys = self.key_of(columns, at).filter(|_| is_alternate);
        let (below, must_be_new) = match keys {
            Some(keys) => (alternate_address(&self.entity.set, self.entity.version, &self.key, &keys)?, true),
            None => (self.entity.set.clone(), false),
        };
        let given = given.filter(|written| !must_be_new || !self.is_key(&written.property.name));
        let body = body(self.style(), given, at)?;
        if body == "{}" && !must_be_new {
            return Err(Error::invalid_data("the record has no value at all").with_code("odata.no-values"));
        }
        let below = self.connection.below(&below, &[]);
        Ok(Task { row, deed: Deed::Create, below, etag: None, must_be_new, body: Some(body) })
    }

    fn change(&mut self, changes: &Changes, outcome: &mut Outcome) -> Result<()> {
        let page = &changes.data;
        let columns = self.columns(page)?;
        let is_delete = |row: u32| changes.kinds.as_ref().and_then(|kinds| kinds.get(row as usize)) == Some(&DELETE);
        let mut wishes: Vec<(u32, Wish, Vec<String>)> = Vec::with_capacity(page.rows as usize);
        for row in 0..page.rows {
            let wish = match (is_delete(row), self.mode) {
                (true, _) => Wish::Delete,
                (false, WriteMode::Update) => Wish::Update,
                (false, _) => Wish::Upsert,
            };
            match self.key_of(&columns, row as usize) {
                Some(key) => wishes.push((row, wish, key)),
                None => outcome.reject(row, incomplete(&self.key)),
            }
        }
        let present = self.look(page, wishes.iter().map(|(_, _, key)| key.clone()).collect())?;
        let mut tasks = Vec::new();
        for (row, wish, key) in &wishes {
            match self.task(page, &columns, &present, (*row, *wish, key)) {
                Ok(Some(task)) => tasks.push(task),
                Ok(None) => self.unchanged += 1,
                Err(error) if error.kind == "conflict" => outcome.conflict(*row, error),
                Err(error) => outcome.reject(*row, error),
            }
        }
        self.carry_out(&tasks, &columns, outcome)
    }

    /// Reads the records of these keys, with everything that is to be compared.
    fn look(&self, page: &Batch, keys: Vec<Vec<String>>) -> Result<Present> {
        let mut wanted: Vec<Field> = self.key.iter().map(|part| Field::new(&part.name, part.edm.logical())).collect();
        let compared = BatchView::new(page)
            .columns()
            .map(|column| column.name().strip_prefix(EXPECTED_PREFIX).unwrap_or(column.name()));
        for name in compared.filter(|name| !self.is_key(name)) {
            if !wanted.iter().any(|field| field.name == name) {
                wanted.push(Field::new(name, self.logical(name)?));
            }
        }
        let keys: Vec<Vec<String>> = keys.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let found = find(&self.connection, &self.entity, &self.key, &wanted, &keys)?;
        let mut places: BTreeMap<Vec<String>, Option<usize>> = BTreeMap::new();
        let view = BatchView::new(&found.changes.data);
        for row in 0..view.rows() {
            let part = |part: &KeyPart| plain(view.column(&part.name)?, part.edm.logical(), row);
            if let Some(key) = self.key.iter().map(part).collect() {
                places.entry(key).and_modify(|place| *place = None).or_insert(Some(row));
            }
        }
        Ok(Present { found, places })
    }

    /// What has to be done for a row; none if the record is as it shall be.
    fn task(
        &self,
        page: &Batch,
        columns: &[Written<'_>],
        present: &Present,
        (row, wish, key): (u32, Wish, &Vec<String>),
    ) -> Result<Option<Task>> {
        let place = match present.places.get(key) {
            Some(Some(place)) => *place,
            Some(None) => return Err(ambiguous(&self.key)),
            None => {
                return match wish {
                    Wish::Delete => Ok(None),
                    Wish::Update => Err(missing()),
                    Wish::Upsert => self.creation(columns, row).map(Some),
                };
            }
        };
        let (at, now) = (row as usize, BatchView::new(&present.found.changes.data));
        for column in BatchView::new(page).columns() {
            let Some(name) = column.name().strip_prefix(EXPECTED_PREFIX) else { continue };
            if !same(self.logical(name)?, (Some(column), at), (now.column(name), place)) {
                return Err(changed(name));
            }
        }
        let own = present.found.keys.get(place).ok_or_else(missing)?;
        let below = address(&self.entity.set, self.entity.version, &self.entity.key, own)?;
        let below = self.connection.below(&below, &[]);
        let etag = present.found.etags.get(place).cloned().flatten();
        if wish == Wish::Delete {
            return Ok(Some(Task { row, deed: Deed::Delete, below, etag, must_be_new: false, body: None }));
        }
        let differs = |written: &&Written<'_>| {
            let name = &written.property.name;
            let is_said = !self.is_key(name) && written.column.is_present(at);
            is_said && !same(written.logical, (Some(written.column), at), (now.column(name), place))
        };
        let differing: Vec<&Written<'_>> = columns.iter().filter(differs).collect();
        if differing.is_empty() {
            return Ok(None);
        }
        let body = body(self.style(), differing, at)?;
        Ok(Some(Task { row, deed: Deed::Update, below, etag, must_be_new: false, body: Some(body) }))
    }

    fn carry_out(&mut self, tasks: &[Task], columns: &[Written<'_>], outcome: &mut Outcome) -> Result<()> {
        let verdicts = perform(&self.connection, self.entity.version, tasks);
        let mut doubtful = Vec::new();
        for (task, verdict) in tasks.iter().zip(verdicts) {
            match verdict {
                Verdict::Done(reply) => self.done(task, &reply, columns, outcome),
                Verdict::Nothing => self.unchanged += 1,
                Verdict::Conflict(error) => outcome.conflict(task.row, error),
                Verdict::Rejected(error) => doubtful.push((task, error)),
                Verdict::Unknown(error) => outcome.unknown(task.row, error),
                Verdict::Retry(error)
                | Verdict::Again(error)
                | Verdict::WantsVersion(error)
                | Verdict::Collided(error) => outcome.retry(task.row, error),
            }
        }
        self.tell_existing(doubtful, columns, outcome)
    }

    /// Some services say that a record is there already as if it were wrong: whoever has the key of a refused one knows better.
    fn tell_existing(
        &self,
        refused: Vec<(&Task, Error)>,
        columns: &[Written<'_>],
        outcome: &mut Outcome,
    ) -> Result<()> {
        let key = |task: &Task| self.key_of(columns, task.row as usize).filter(|_| task.deed == Deed::Create);
        let keys: Vec<Vec<String>> = refused.iter().filter_map(|(task, _)| key(task)).collect();
        let wanted: Vec<Field> = self.key.iter().map(|part| Field::new(&part.name, part.edm.logical())).collect();
        let mut existing = Vec::new();
        if !keys.is_empty() {
            let found = find(&self.connection, &self.entity, &self.key, &wanted, &keys)?;
            let view = BatchView::new(&found.changes.data);
            for row in 0..view.rows() {
                let part = |part: &KeyPart| plain(view.column(&part.name)?, part.edm.logical(), row);
                existing.extend(self.key.iter().map(part).collect::<Option<Vec<String>>>());
            }
        }
        for (task, error) in refused {
            match key(task) {
                Some(key) if existing.contains(&key) => outcome.conflict(task.row, exists(&error)),
                _ => outcome.reject(task.row, error),
            }
        }
        Ok(())
    }

    fn done(&mut self, task: &Task, reply: &Reply, columns: &[Written<'_>], outcome: &mut Outcome) {
        match task.deed {
            Deed::Delete => self.deleted += 1,
            Deed::Update => self.written += 1,
            Deed::Create => {
                let key = self.made(reply).or_else(|| self.key_of(columns, task.row as usize));
                match key {
                    Some(key) => {
                        self.written += 1;
                        if self.mode == WriteMode::Insert {
                            outcome.identify(task.row, write_strings(&key).into_bytes());
                        }
                    }
                    None => outcome.unknown(task.row, unidentified()),
                }
            }
        }
    }

    /// The key of a record that was made, from the answer: its body or its headers.
    fn made(&self, reply: &Reply) -> Option<Vec<String>> {
        let object = entity_object(&reply.body);
        let of_body = |part: &KeyPart| canonical(&part.edm, &member(&object, &part.name)?);
        let of_body: Option<Vec<String>> = self.key.iter().map(of_body).collect();
        let of_header = || {
            let address = reply.header("odata-entityid").or_else(|| reply.header("location"))?;
            let texts = parse_address(address, &self.entity.key).filter(|_| self.key == self.entity.key)?;
            self.key.iter().zip(texts).map(|(part, text)| canonical(&part.edm, &text)).collect()
        };
        of_body.or_else(of_header)
    }
}

/// A value as a column of its own type shows it; none if it is no such value.
fn canonical(edm: &Edm, text: &str) -> Option<String> {
    let logical = edm.logical();
    let mut batch = BatchBuilder::new([("", logical)]);
    if text.starts_with("/Date(") {
        let mut value = String::new();
        write_string(&mut value, text);
        let read = Document::new(value.as_bytes()).value().ok()?;
        crate::edm::form(edm)(batch.column(0), value.as_bytes(), read).ok()?;
    } else {
        push_scalar(batch.column(0), text.as_bytes(), &BoolWords::default()).ok()?;
    }
    batch.end_row();
    let batch = batch.finish().ok()?;
    plain(BatchView::new(&batch).columns().next()?, logical, 0)
}

fn incomplete(key: &[KeyPart]) -> Error {
    let names: Vec<&str> = key.iter().map(|part| part.name.as_str()).collect();
    Error::invalid_data(format!("the key `{}` is not complete, or not of its type", names.join("`, `")))
        .with_code("odata.key")
}

fn ambiguous(key: &[KeyPart]) -> Error {
    let names: Vec<&str> = key.iter().map(|part| part.name.as_str()).collect();
    Error::invalid_data(format!("several records have the same `{}`", names.join("`, `"))).with_code("odata.ambiguous")
}

fn exists(error: &Error) -> Error {
    Error::conflict(format!("there is a record with this key already: {}", error.message)).with_code(error.code.clone())
}

fn missing() -> Error {
    Error::conflict("the record that was to be changed is not there").with_code("odata.missing")
}

fn changed(field: &str) -> Error {
    Error::conflict(format!("`{field}` does not have the value any more that it was expected to have"))
        .with_code("odata.changed")
        .with_field(field)
}

fn unidentified() -> Error {
    Error::transient("the service made a record and did not say under which key").with_code("odata.no-key")
}

impl Writer for SetWriter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        let mut outcome = Outcome::new(changes.data.rows);
        match self.mode {
            WriteMode::Insert => self.insert(&changes.data, &mut outcome)?,
            _ => self.change(&changes, &mut outcome)?,
        }
        Ok(outcome.into_results())
    }

    fn flush(&mut self) -> Result<Flushed> {
        let counts = [&mut self.written, &mut self.unchanged, &mut self.deleted];
        let [written, unchanged, deleted] = counts.map(std::mem::take);
        Ok(Flushed::new(written, unchanged, deleted))
    }
}
