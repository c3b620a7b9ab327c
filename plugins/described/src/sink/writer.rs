//! Rows of a page, each answered by what became of its record.

use std::rc::Rc;

use lockstep_json::{Node, write_strings};
use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView, ColumnView};
use lockstep_plugin_sdk::error::Error;
use lockstep_plugin_sdk::outcome::Outcome;
use lockstep_plugin_sdk::sink::{EXPECTED_PREFIX, Flushed, WriteMode, WriteRequest, WriteResults, Writer};
use lockstep_plugin_sdk::types::{Batch, Changes, Field, LogicalType};
use lockstep_text_files::value::{BoolWords, push_scalar};
use lockstep_web::{plain, same};

use super::perform::{Task, perform, writing};
use super::refusal::{ambiguous, changed, exists, incomplete, missing, no_values, no_way, read_only, unidentified};
use super::verdict::{Deed, Verdict};
use crate::Result;
use crate::connection::Connection;
use crate::fields::recalled;
use crate::form::md5;
use crate::lookup::{Keys, find};
use crate::manifest::field::FieldSpec;
use crate::manifest::stream::StreamSpec;
use crate::record::{Collected, Collector};
use crate::value::written;

const DELETE: u8 = 1;

/// A writer of one stream.
pub struct StreamWriter {
    connection: Connection,
    spec: Rc<StreamSpec>,
    fields: Vec<FieldSpec>,
    /// What identifies a record for the project: the stream's own key, or another one.
    key: Vec<(FieldSpec, LogicalType)>,
    /// The types in which values come.
    asked: Vec<Field>,
    mode: WriteMode,
    written: u64,
    unchanged: u64,
    deleted: u64,
}

/// A column of a page that is written to a field.
struct Column<'a> {
    view: ColumnView<'a>,
    logical: LogicalType,
    field: FieldSpec,
}

/// Where the record of a key is.
#[derive(Clone, Copy)]
enum Place {
    Nowhere,
    At(usize),
    Several,
}

/// The records of a page as they are.
struct Present {
    found: Collected,
    /// For each of the keys.
    keys: Keys,
    places: Vec<Place>,
}

pub fn open(connection: Connection, request: &WriteRequest) -> Result<StreamWriter> {
    let spec = connection.manifest.stream(&request.stream.name)?.clone();
    let fields = recalled(&connection, &spec, &request.stream)?;
    let asked = request.stream.fields.clone();
    let mut writer = StreamWriter {
        connection,
        fields,
        key: Vec::new(),
        asked,
        mode: request.write_mode(),
        spec,
        written: 0,
        unchanged: 0,
        deleted: 0,
    };
    let names = if request.stream.key.is_empty() { writer.spec.key.clone() } else { request.stream.key.clone() };
    writer.key = writer.parts(&names)?;
    Ok(writer)
}

impl StreamWriter {
    fn field(&self, name: &str) -> Result<&FieldSpec> {
        let found = self.fields.iter().find(|field| field.name == name);
        found.map_or_else(|| self.spec.known_field(name), Ok)
    }

    /// The type in which a column's values come.
    fn logical(&self, name: &str) -> Result<LogicalType> {
        match self.asked.iter().find(|field| field.name == name) {
            Some(field) => field.logical().map_err(Box::new),
            None => Ok(self.field(name)?.logical),
        }
    }

    /// The fields of a key, with the types in which their values come.
    fn parts(&self, names: &[String]) -> Result<Vec<(FieldSpec, LogicalType)>> {
        let mut parts = Vec::with_capacity(names.len());
        for name in names {
            parts.push((self.field(name)?.clone(), self.logical(name)?));
        }
        Ok(parts)
    }

    fn columns<'a>(&self, page: &'a Batch) -> Result<Vec<Column<'a>>> {
        let is_value = |column: &ColumnView<'_>| !column.name().starts_with(EXPECTED_PREFIX);
        let mut columns = Vec::new();
        for view in BatchView::new(page).columns().filter(is_value) {
            let (name, is_key) = (view.name(), self.is_key(view.name()));
            let field = self.field(name)?.clone();
            if !field.is_written && !is_key && field.parent.is_none() {
                return Err(read_only(&self.spec.name, name));
            }
            columns.push(Column { view, logical: self.logical(name)?, field });
        }
        Ok(columns)
    }

    fn is_key(&self, name: &str) -> bool {
        self.key.iter().any(|(field, _)| field.name == name) || self.spec.key.iter().any(|key| key == name)
    }

    /// The key of a row; none if it is not complete.
    fn key_of(&self, columns: &[Column<'_>], row: usize) -> Option<Vec<String>> {
        let part = |(field, _): &(FieldSpec, LogicalType)| {
            let column = columns.iter().find(|column| column.field.name == field.name)?;
            plain(column.view, column.logical, row)
        };
        self.key.iter().map(part).collect()
    }

    fn insert(&mut self, page: &Batch, outcome: &mut Outcome) -> Result<()> {
        let columns = self.columns(page)?;
        let existing = self.existing(&columns, page.rows)?;
        let mut tasks = Vec::with_capacity(page.rows as usize);
        for row in 0..page.rows {
            if existing.contains(&row) {
                outcome.conflict(row, *exists(None));
                continue;
            }
            match self.creation(&columns, row) {
                Ok(task) => tasks.push(task),
                Err(error) => outcome.reject(row, *error),
            }
        }
        self.carry_out(&tasks, &columns, outcome)
    }

    /// Rows whose records are there already, where making them would change those.
    fn existing(&self, columns: &[Column<'_>], rows: u32) -> Result<Vec<u32>> {
        let Some(upsert) = self.spec.upsert.as_ref().filter(|_| !self.inserts_by_create()) else {
            return Ok(Vec::new());
        };
        let parts = self.parts(&upsert.by)?;
        let key = |row: u32| {
            let part = |(field, _): &(FieldSpec, LogicalType)| {
                let column = columns.iter().find(|column| column.field.name == field.name)?;
                plain(column.view, column.logical, row as usize)
            };
            parts.iter().map(part).collect::<Option<Vec<String>>>()
        };
        let keyed: Vec<(u32, Vec<String>)> = (0..rows).filter_map(|row| Some((row, key(row)?))).collect();
        let present = self.present(&parts, keyed.iter().map(|(_, key)| key.clone()).collect())?;
        // An API that does not tell upper from lower case finds what is written otherwise, too.
        let is_there = |key: &Vec<String>| present.iter().any(|known| is_same(known, key));
        Ok(keyed.into_iter().filter(|(_, key)| is_there(key)).map(|(row, _)| row).collect())
    }

    fn inserts_by_create(&self) -> bool {
        self.mode == WriteMode::Insert && self.spec.inserts_by_create && self.spec.create.is_some()
    }

    /// Those of the keys that there are records of.
    fn present(&self, parts: &[(FieldSpec, LogicalType)], keys: Vec<Vec<String>>) -> Result<Vec<Vec<String>>> {
        if keys.is_empty() || parts.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<Field> = parts.iter().map(|(field, logical)| Field::new(&field.name, *logical)).collect();
        let keys = Keys::new(parts.to_vec(), keys);
        let collector = Collector::new(&self.spec, &self.fields, &wanted)?;
        let found = find(&self.connection, &self.spec, collector, &keys, &wanted)?;
        let view = BatchView::new(&found.changes.data);
        let of_row =
            |row: usize| parts.iter().map(|(field, logical)| plain(view.column(&field.name)?, *logical, row)).collect();
        Ok((0..view.rows()).filter_map(of_row).collect())
    }

    /// A record that is made; by a key of its own where it has one, so that made twice it is there once.
    fn creation(&self, columns: &[Column<'_>], row: u32) -> Result<Task> {
        let at = row as usize;
        let has = |name: &String| {
            columns
                .iter()
                .any(|column| column.field.name == *name && column.view.is_valid(at) && column.view.is_present(at))
        };
        let by_key = self.spec.upsert.as_ref().is_some_and(|upsert| upsert.by.iter().all(has));
        let by_key = by_key && !self.inserts_by_create();
        let deed = if by_key { Deed::Upsert } else { Deed::Create };
        writing(&self.spec, deed).ok_or_else(|| no_way(&self.spec, "made"))?;
        let mut record = Node::Object(Vec::new());
        let mut count = 0;
        for column in columns.iter().filter(|column| column.field.is_written && column.view.is_present(at)) {
            let is_key = self.is_key(&column.field.name);
            if is_key && !column.view.is_valid(at) {
                continue;
            }
            let text = plain(column.view, column.logical, at);
            record.set(column.field.target(), written(&column.field, text.as_deref())?);
            count += 1;
        }
        if count == 0 {
            return Err(no_values());
        }
        let mut names = self.names(columns, at)?;
        names.push(("record".to_owned(), record));
        Ok(Task { row, deed, names, has_version: false })
    }

    /// What a row's values are called in templates.
    fn names(&self, columns: &[Column<'_>], at: usize) -> Result<Vec<(String, Node)>> {
        let mut names = vec![("token".to_owned(), Node::text(at.to_string()))];
        for column in columns {
            let Some(text) = plain(column.view, column.logical, at) else { continue };
            let (name, value) = (&column.field.name, written(&column.field, Some(&text))?);
            if let Some(parent) = &column.field.parent {
                names.push((format!("parent.{parent}"), value.clone()));
            }
            if self.is_key(name) {
                names.push((format!("key.{name}"), value.clone()));
            }
            names.push((format!("md5.{name}"), Node::text(md5(&text.to_ascii_lowercase()))));
            names.push((format!("value.{name}"), value));
        }
        Ok(names)
    }

    fn change(&mut self, changes: &Changes, outcome: &mut Outcome) -> Result<()> {
        let page = &changes.data;
        let columns = self.columns(page)?;
        let is_delete = |row: u32| changes.kinds.as_ref().and_then(|kinds| kinds.get(row as usize)) == Some(&DELETE);
        let mut wishes: Vec<(u32, Deed, Vec<String>)> = Vec::with_capacity(page.rows as usize);
        for row in 0..page.rows {
            let wish = match (is_delete(row), self.mode) {
                (true, _) => Deed::Delete,
                (false, WriteMode::Update) => Deed::Update,
                (false, _) => Deed::Upsert,
            };
            match self.key_of(&columns, row as usize) {
                Some(key) => wishes.push((row, wish, key)),
                None => outcome.reject(row, *incomplete(&self.key)),
            }
        }
        let present = self.look(page, wishes.iter().map(|(_, _, key)| key.clone()).collect())?;
        let mut tasks = Vec::new();
        for (row, wish, key) in &wishes {
            match self.task(page, &columns, &present, (*row, *wish, key)) {
                Ok(Some(task)) => tasks.push(task),
                Ok(None) => self.unchanged += 1,
                Err(error) if error.kind == "conflict" => outcome.conflict(*row, *error),
                Err(error) => outcome.reject(*row, *error),
            }
        }
        self.carry_out(&tasks, &columns, outcome)
    }

    /// Reads the records of these keys, with everything that is to be compared.
    fn look(&self, page: &Batch, keys: Vec<Vec<String>>) -> Result<Present> {
        let mut wanted: Vec<Field> =
            self.key.iter().map(|(field, logical)| Field::new(&field.name, *logical)).collect();
        let compared = BatchView::new(page)
            .columns()
            .map(|column| column.name().strip_prefix(EXPECTED_PREFIX).unwrap_or(column.name()));
        for name in compared {
            if !wanted.iter().any(|field| field.name == name) {
                wanted.push(Field::new(name, self.logical(name)?));
            }
        }
        let keys = Keys::new(self.key.clone(), keys);
        let collector = Collector::new(&self.spec, &self.fields, &wanted)?.keep_raws();
        let found = find(&self.connection, &self.spec, collector, &keys, &wanted)?;
        let mut places = vec![Place::Nowhere; keys.rows.len()];
        let view = BatchView::new(&found.changes.data);
        for row in 0..view.rows() {
            let part = |(field, logical): &(FieldSpec, LogicalType)| plain(view.column(&field.name)?, *logical, row);
            let key: Option<Vec<String>> = self.key.iter().map(part).collect();
            let at = key.and_then(|key| keys.rows.binary_search(&key).ok());
            if let Some(place) = at.and_then(|at| places.get_mut(at)) {
                *place = if let Place::Nowhere = place { Place::At(row) } else { Place::Several };
            }
        }
        Ok(Present { found, keys, places })
    }

    /// What has to be done for a row; none if the record is as it shall be.
    fn task(
        &self,
        page: &Batch,
        columns: &[Column<'_>],
        present: &Present,
        (row, wish, key): (u32, Deed, &Vec<String>),
    ) -> Result<Option<Task>> {
        let asked = present.keys.rows.binary_search(key).ok();
        let place = match asked.and_then(|at| present.places.get(at)).copied().unwrap_or(Place::Nowhere) {
            Place::At(place) => place,
            Place::Several => return Err(ambiguous(&self.key)),
            Place::Nowhere => {
                return match wish {
                    Deed::Delete => Ok(None),
                    Deed::Update => Err(missing()),
                    Deed::Upsert | Deed::Create => self.creation(columns, row).map(Some),
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
        let deed = if wish == Deed::Delete { Deed::Delete } else { Deed::Update };
        let writing = writing(&self.spec, deed);
        let writing =
            writing.ok_or_else(|| no_way(&self.spec, if deed == Deed::Delete { "deleted" } else { "changed" }))?;
        let mut record = match (writing.is_whole, present.found.raws.get(place)) {
            (true, Some(raw)) => raw.clone(),
            _ => Node::Object(Vec::new()),
        };
        if deed == Deed::Update {
            let differs = |column: &&Column<'_>| {
                let name = &column.field.name;
                let is_said = !self.is_key(name) && column.field.parent.is_none() && column.view.is_present(at);
                is_said && !same(column.logical, (Some(column.view), at), (now.column(name), place))
            };
            let differing: Vec<&Column<'_>> = columns.iter().filter(differs).collect();
            if differing.is_empty() {
                return Ok(None);
            }
            for column in differing {
                let text = plain(column.view, column.logical, at);
                record.set(column.field.target(), written(&column.field, text.as_deref())?);
            }
        }
        let mut names = self.names(columns, at)?;
        self.name_own_key(&mut names, present.found.keys.get(place).ok_or_else(missing)?)?;
        let version = present.found.versions.get(place).cloned().flatten();
        let has_version = version.is_some();
        names.extend(version.map(|version| ("version".to_owned(), Node::Text(version))));
        names.push(("record".to_owned(), record));
        Ok(Some(Task { row, deed, names, has_version }))
    }

    /// The record's own key takes the place of whatever the row says.
    fn name_own_key(&self, names: &mut Vec<(String, Node)>, own: &[String]) -> Result<()> {
        for (name, text) in self.spec.key.iter().zip(own) {
            let field = self.field(name)?;
            let shown = format!("key.{name}");
            names.retain(|(known, _)| *known != shown);
            names.push((shown, written(field, Some(text))?));
            names.push((format!("md5.{name}"), Node::text(md5(&text.to_ascii_lowercase()))));
        }
        Ok(())
    }

    /// The tasks with the versions their records have now.
    fn refreshed(&self, tasks: &[Task], columns: &[Column<'_>]) -> Result<Vec<Option<Task>>> {
        let keys: Vec<Option<Vec<String>>> = tasks.iter().map(|task| self.key_of(columns, task.row as usize)).collect();
        let wanted: Vec<Field> = self.key.iter().map(|(field, logical)| Field::new(&field.name, *logical)).collect();
        let asked = Keys::new(self.key.clone(), keys.iter().flatten().cloned().collect());
        let collector = Collector::new(&self.spec, &self.fields, &wanted)?;
        let found = find(&self.connection, &self.spec, collector, &asked, &wanted)?;
        let view = BatchView::new(&found.changes.data);
        let version = |key: &Vec<String>| {
            let part = |row: usize| {
                self.key.iter().map(move |(field, logical)| plain(view.column(&field.name)?, *logical, row))
            };
            let row = (0..view.rows()).find(|row| part(*row).collect::<Option<Vec<String>>>().as_ref() == Some(key))?;
            found.versions.get(row).cloned().flatten()
        };
        let fresh = tasks.iter().zip(&keys).map(|(task, key)| {
            let mut task = task.clone();
            task.names.push(("version".to_owned(), Node::Text(version(key.as_ref()?)?)));
            task.has_version = true;
            Some(task)
        });
        Ok(fresh.collect())
    }

    fn carry_out(&mut self, tasks: &[Task], columns: &[Column<'_>], outcome: &mut Outcome) -> Result<()> {
        let verdicts = perform(&self.connection, &self.spec, tasks, |tasks| self.refreshed(tasks, columns));
        let mut doubtful = Vec::new();
        for (task, verdict) in tasks.iter().zip(verdicts) {
            match verdict {
                Verdict::Done(result) => self.done(task, &result, columns, outcome),
                Verdict::Nothing => self.unchanged += 1,
                Verdict::Conflict(error) => outcome.conflict(task.row, error),
                Verdict::Rejected(error) => doubtful.push((task, error)),
                Verdict::Unknown(error) => outcome.unknown(task.row, error),
                Verdict::Retry(error) | Verdict::Again(error) | Verdict::WantsVersion(error) => {
                    outcome.retry(task.row, error);
                }
            }
        }
        self.tell_existing(doubtful, columns, outcome)
    }

    /// Some APIs say that a record is there already as if it were wrong: whoever has the key of a refused one knows better.
    fn tell_existing(&self, refused: Vec<(&Task, Error)>, columns: &[Column<'_>], outcome: &mut Outcome) -> Result<()> {
        let names: Vec<&String> = self.key.iter().map(|(field, _)| &field.name).collect();
        let is_found = self
            .spec
            .find
            .iter()
            .any(|way| way.by.len() == names.len() && names.iter().all(|name| way.by.contains(name)));
        let is_new = |task: &Task| is_found && matches!(task.deed, Deed::Create | Deed::Upsert);
        let key = |task: &Task| self.key_of(columns, task.row as usize).filter(|_| is_new(task));
        let keys: Vec<Vec<String>> = refused.iter().filter_map(|(task, _)| key(task)).collect();
        let existing = self.present(&self.key, keys)?;
        for (task, error) in refused {
            match key(task) {
                Some(key) if existing.contains(&key) => outcome.conflict(task.row, *exists(Some(&error))),
                _ => outcome.reject(task.row, error),
            }
        }
        Ok(())
    }

    fn done(&mut self, task: &Task, result: &Node, columns: &[Column<'_>], outcome: &mut Outcome) {
        match task.deed {
            Deed::Delete => self.deleted += 1,
            Deed::Update => self.written += 1,
            Deed::Create | Deed::Upsert => match self.made(task, result, columns) {
                Some(key) => {
                    self.written += 1;
                    if self.mode == WriteMode::Insert {
                        outcome.identify(task.row, write_strings(&key).into_bytes());
                    }
                }
                None => outcome.unknown(task.row, *unidentified()),
            },
        }
    }

    /// The key of a record that was made, from the answer or, where it was given, from the row.
    fn made(&self, task: &Task, result: &Node, columns: &[Column<'_>]) -> Option<Vec<String>> {
        let writing = writing(&self.spec, task.deed)?;
        let record = result.at(&writing.record);
        let only = writing.id.as_ref().filter(|_| self.key.len() == 1);
        let part = |(field, logical): &(FieldSpec, LogicalType)| {
            let own = only.and_then(|path| result.at(path));
            let told = own.or_else(|| record?.at(&field.path)).and_then(Node::said);
            let given = || {
                let column = columns.iter().find(|column| column.field.name == field.name)?;
                plain(column.view, column.logical, task.row as usize)
            };
            canonical(*logical, &told.or_else(given)?)
        };
        self.key.iter().map(part).collect()
    }
}

fn is_same(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// A value as a column of its type shows it; none if it is no such value.
fn canonical(logical: LogicalType, text: &str) -> Option<String> {
    let mut batch = BatchBuilder::new([("", logical)]);
    if matches!(logical, LogicalType::Text | LogicalType::Json) {
        batch.column(0).push_text(text);
    } else {
        push_scalar(batch.column(0), text.as_bytes(), &BoolWords::default()).ok()?;
    }
    batch.end_row();
    let batch = batch.finish().ok()?;
    plain(BatchView::new(&batch).columns().next()?, logical, 0)
}

impl Writer for StreamWriter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults, Error> {
        let mut outcome = Outcome::new(changes.data.rows);
        match self.mode {
            WriteMode::Insert => self.insert(&changes.data, &mut outcome),
            _ => self.change(&changes, &mut outcome),
        }
        .map_err(|error| *error)?;
        Ok(outcome.into_results())
    }

    fn flush(&mut self) -> Result<Flushed, Error> {
        let counts = [&mut self.written, &mut self.unchanged, &mut self.deleted];
        let [written, unchanged, deleted] = counts.map(std::mem::take);
        Ok(Flushed::new(written, unchanged, deleted))
    }
}
