//! Rows of a page, each answered by what became of its record.

use std::collections::BTreeMap;

use lockstep_json::write_strings;
use lockstep_plugin_sdk::batch::{BatchView, ColumnView};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::outcome::Outcome;
use lockstep_plugin_sdk::sink::{EXPECTED_PREFIX, Flushed, WriteMode, WriteRequest, WriteResults, Writer};
use lockstep_plugin_sdk::types::{Batch, Changes, Field, LogicalType};

use super::body::{Written, cells};
use super::left::Left;
use super::perform::{Place, Task, is_for_jobs, perform};
use super::verdict::{Deed, Verdict};
use crate::collect::Collected;
use crate::config::Config;
use crate::connection::Connection;
use crate::describe;
use crate::form::of_row;
use crate::id;
use crate::lookup::find;
use crate::object::{EVENT_UUID, ID, Object, Property, is_event};

const DELETE: u8 = 1;

/// A writer of one object.
pub struct ObjectWriter {
    connection: Connection,
    object: Object,
    /// What identifies a record for the project: its Id, or other fields.
    key: Vec<Property>,
    fields: Vec<Field>,
    mode: WriteMode,
    /// What a job that was left behind has made; none before it was asked.
    left: Option<Left>,
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
    /// By the project's key, as a list of texts.
    places: BTreeMap<String, Vec<usize>>,
}

pub fn open(config: Config, request: &WriteRequest) -> Result<ObjectWriter> {
    let connection = Connection::new(config);
    // Of the fields alone nobody knows which others will be expected to have certain values.
    let object = match Object::recalled(&connection.config, &request.stream) {
        Some(object) => object,
        None => describe::described(&connection, &request.stream.name)?,
    };
    let id = [if is_event(&object.name) { EVENT_UUID } else { ID }.to_owned()];
    let names = if request.stream.key.is_empty() { &id[..] } else { &request.stream.key };
    let key = names.iter().map(|name| object.property(name).cloned()).collect::<Result<_>>()?;
    let (fields, mode) = (request.stream.fields.clone(), request.write_mode());
    Ok(ObjectWriter { connection, object, key, fields, mode, left: None, written: 0, unchanged: 0, deleted: 0 })
}

impl ObjectWriter {
    /// The type in which a column's values come.
    fn logical(&self, name: &str) -> Result<LogicalType> {
        match self.fields.iter().find(|field| field.name == name) {
            Some(field) => field.logical(),
            None => Ok(self.object.property(name)?.kind.logical()),
        }
    }

    /// The columns that are written to fields.
    fn columns<'a>(&self, page: &'a Batch) -> Result<Vec<Written<'a>>> {
        let is_value = |column: &ColumnView<'_>| !column.name().starts_with(EXPECTED_PREFIX);
        let written = |column: ColumnView<'a>| {
            let property = self.object.property(column.name())?.clone();
            Ok(Written { column, logical: self.logical(column.name())?, property })
        };
        BatchView::new(page).columns().filter(is_value).map(written).collect()
    }

    fn is_key(&self, name: &str) -> bool {
        self.key.iter().any(|part| part.name == name)
    }

    /// The key is what Salesforce itself calls a record.
    fn is_own_key(&self) -> bool {
        matches!(self.key.as_slice(), [only] if only.name == ID)
    }

    /// The field by which a record can be addressed that may not be there yet.
    fn external_id(&self) -> Option<&Property> {
        match self.key.as_slice() {
            [only] if only.is_external_id => Some(only),
            _ => None,
        }
    }

    /// The key of a row as the API would show it; none if it is not complete, or no value of its type.
    fn key_of(&self, columns: &[Written<'_>], row: usize) -> Option<Vec<String>> {
        let part = |part: &Property| {
            let text = columns.iter().find(|written| written.property.name == part.name)?.text(row)?;
            if part.name == ID { id::long(&text) } else { Some(text) }
        };
        self.key.iter().map(part).collect()
    }

    /// Before anything is looked at: a job of a run that broke off may still be at work.
    fn wait_for_left_jobs(&mut self, rows: u32) -> Result<()> {
        if self.left.is_none() && is_for_jobs(&self.connection, rows as usize) {
            self.left = Some(Left::find(&self.connection, &self.object.name)?);
        }
        Ok(())
    }

    fn insert(&mut self, page: &Batch, outcome: &mut Outcome) -> Result<()> {
        self.wait_for_left_jobs(page.rows)?;
        let columns = self.columns(page)?;
        let mut rows: Vec<(u32, Option<Vec<String>>)> =
            (0..page.rows).map(|row| (row, self.key_of(&columns, row as usize))).collect();
        // What is unique Salesforce itself refuses to have twice.
        let is_kept_unique = matches!(self.key.as_slice(), [only] if only.is_unique);
        if !self.is_own_key() && !is_kept_unique && !is_event(&self.object.name) {
            let keys = rows.iter().filter_map(|(_, key)| key.clone()).collect();
            let present = self.look(page, keys, Compared::Keys)?;
            rows.retain(|(row, key)| {
                let is_there = key.as_ref().is_some_and(|key| present.places.contains_key(&write_strings(key)));
                if is_there {
                    outcome.conflict(*row, exists());
                }
                !is_there
            });
        }
        let mut tasks = Vec::with_capacity(rows.len());
        for (row, _) in rows {
            match self.creation(&columns, row, Deed::Create) {
                Ok(task) => tasks.push(task),
                Err(error) => outcome.reject(row, error),
            }
        }
        self.carry_out(&tasks, &columns, outcome);
        Ok(())
    }

    /// A record that is made. By an external id it is addressed: so made twice it is there once.
    fn creation(&self, columns: &[Written<'_>], row: u32, deed: Deed) -> Result<Task> {
        let at = row as usize;
        if let Some(id) = columns.iter().find(|written| written.property.name == ID).and_then(|id| id.text(at)) {
            let text = format!("there is no record `{id}`, and a new one cannot be given that Id");
            return Err(Error::invalid_data(text).with_code("salesforce.no-record").with_field(ID));
        }
        let deed = if deed == Deed::Upsert && self.external_id().is_none() { Deed::Create } else { deed };
        let given = columns.iter().filter(|written| written.property.name != ID);
        Ok(Task { row, deed, id: None, cells: cells(given, at)? })
    }

    fn change(&mut self, changes: &Changes, outcome: &mut Outcome) -> Result<()> {
        let page = &changes.data;
        self.wait_for_left_jobs(page.rows)?;
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
        let present = self.look(page, wishes.iter().map(|(_, _, key)| key.clone()).collect(), Compared::Values)?;
        let mut tasks = Vec::new();
        for (row, wish, key) in &wishes {
            match self.task(page, &columns, &present, (*row, *wish, key)) {
                Ok(Some(task)) => tasks.push(task),
                Ok(None) => self.unchanged += 1,
                Err(error) if error.kind == "conflict" => outcome.conflict(*row, error),
                Err(error) => outcome.reject(*row, error),
            }
        }
        self.carry_out(&tasks, &columns, outcome);
        Ok(())
    }

    /// Reads the records of these keys, with what is to be compared.
    fn look(&self, page: &Batch, keys: Vec<Vec<String>>, compared: Compared) -> Result<Present> {
        let mut wanted: Vec<Field> = Vec::new();
        if compared == Compared::Values {
            for column in BatchView::new(page).columns() {
                let name = column.name().strip_prefix(EXPECTED_PREFIX).unwrap_or(column.name());
                if !self.is_key(name) && name != ID && !wanted.iter().any(|field| field.name == name) {
                    wanted.push(Field::new(name, self.object.property(name)?.kind.logical()));
                }
            }
        }
        let mut keys = keys;
        keys.sort_unstable();
        keys.dedup();
        let key: Vec<&Property> = self.key.iter().collect();
        let found = find(&self.connection, &self.object, &key, &wanted, &keys)?;
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (row, beside) in found.beside.iter().enumerate() {
            let key: Option<Vec<&str>> = beside.iter().take(self.key.len()).map(Option::as_deref).collect();
            if let Some(key) = key {
                places.entry(write_strings(key)).or_default().push(row);
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
        let place = match present.places.get(&write_strings(key)).map(Vec::as_slice) {
            Some([place]) => *place,
            Some([_, _, ..]) => return Err(ambiguous(&self.key)),
            Some([]) | None => {
                return match wish {
                    Wish::Delete => Ok(None),
                    Wish::Update => Err(missing()),
                    Wish::Upsert => self.creation(columns, row, Deed::Upsert).map(Some),
                };
            }
        };
        let (at, now) = (row as usize, BatchView::new(&present.found.changes.data));
        let is_now =
            |property: &Property| of_row(&property.kind, property.kind.logical(), now.column(&property.name)?, place);
        for column in BatchView::new(page).columns() {
            let Some(name) = column.name().strip_prefix(EXPECTED_PREFIX) else { continue };
            let property = self.object.property(name)?;
            let is_own = self.is_key(name) || name == ID;
            if !is_own && of_row(&property.kind, self.logical(name)?, column, at) != is_now(property) {
                return Err(changed(name));
            }
        }
        let id = present.found.beside.get(place).and_then(|beside| beside.last().cloned().flatten());
        let id = id.ok_or_else(missing)?;
        if wish == Wish::Delete {
            return Ok(Some(Task { row, deed: Deed::Delete, id: Some(id), cells: Vec::new() }));
        }
        let differs = |written: &&Written<'_>| {
            let name = &written.property.name;
            let is_said = !self.is_key(name) && name != ID && written.column.is_present(at);
            is_said && written.text(at) != is_now(&written.property)
        };
        let differing: Vec<&Written<'_>> = columns.iter().filter(differs).collect();
        if differing.is_empty() {
            return Ok(None);
        }
        Ok(Some(Task { row, deed: Deed::Update, id: Some(id), cells: cells(differing, at)? }))
    }

    fn carry_out(&mut self, tasks: &[Task], columns: &[Written<'_>], outcome: &mut Outcome) {
        let external_id = self.external_id().map(|property| property.name.clone());
        let object = self.object.name.clone();
        let place = Place { object: &object, external_id: external_id.as_deref() };
        let taken = |task: &Task| match task.deed {
            Deed::Create => self.left.as_mut().and_then(|left| left.take(task)),
            _ => None,
        };
        let made: Vec<Option<String>> = tasks.iter().map(taken).collect();
        let open: Vec<Task> =
            tasks.iter().zip(&made).filter(|(_, made)| made.is_none()).map(|(task, _)| task.clone()).collect();
        let mut performed = perform(&self.connection, place, &open).into_iter();
        let verdicts: Vec<Verdict> = made
            .into_iter()
            .filter_map(|made| made.map(|id| Verdict::Done(Some(id))).or_else(|| performed.next()))
            .collect();
        if let Some(left) = &mut self.left {
            left.forget_used(&self.connection);
        }
        for (task, verdict) in tasks.iter().zip(verdicts) {
            match verdict {
                Verdict::Done(id) => self.done(task, id, columns, outcome),
                Verdict::Nothing => self.unchanged += 1,
                Verdict::Conflict(error) => outcome.conflict(task.row, error),
                Verdict::Rejected(error) => outcome.reject(task.row, error),
                Verdict::Retry(error) => outcome.retry(task.row, error),
                Verdict::Unknown(error) => outcome.unknown(task.row, error),
            }
        }
    }

    fn done(&mut self, task: &Task, id: Option<String>, columns: &[Written<'_>], outcome: &mut Outcome) {
        match task.deed {
            Deed::Delete => self.deleted += 1,
            Deed::Update => self.written += 1,
            Deed::Create | Deed::Upsert => {
                let own = || Some(vec![id::long(id.as_deref()?)?]);
                let key = match is_event(&self.object.name) {
                    true => id.clone().map(|uuid| vec![uuid]),
                    false if self.is_own_key() => own(),
                    false => self.key_of(columns, task.row as usize),
                };
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
}

/// What is read of the records that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    Keys,
    Values,
}

fn names(key: &[Property]) -> String {
    let names: Vec<&str> = key.iter().map(|part| part.name.as_str()).collect();
    names.join("`, `")
}

fn incomplete(key: &[Property]) -> Error {
    Error::invalid_data(format!("the key `{}` is not complete, or not of its type", names(key)))
        .with_code("salesforce.key")
}

fn ambiguous(key: &[Property]) -> Error {
    Error::invalid_data(format!("several records have the same `{}`", names(key))).with_code("salesforce.ambiguous")
}

fn exists() -> Error {
    Error::conflict("there is a record with this key already").with_code("salesforce.exists")
}

fn missing() -> Error {
    Error::conflict("the record that was to be changed is not there").with_code("salesforce.missing")
}

fn changed(field: &str) -> Error {
    Error::conflict(format!("`{field}` does not have the value any more that it was expected to have"))
        .with_code("salesforce.changed")
        .with_field(field)
}

fn unidentified() -> Error {
    Error::transient("Salesforce made a record and did not say under which Id").with_code("salesforce.no-id")
}

impl Writer for ObjectWriter {
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
