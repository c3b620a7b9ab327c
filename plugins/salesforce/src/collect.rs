//! The records of an answer, gathered into rows.

mod table;

use lockstep_json::{Document, Element, Fault, Kind as JsonKind, Member};
use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::answer::beginning;
use lockstep_plugin_sdk::types::{Changes, Field, Limits, Rejection};
use lockstep_web::{Form, Rows, answer};

use crate::cursor::Last;
use crate::form::{form, of_row, push_text, shown};
use crate::kind::Kind;
use crate::object::{ID, IS_DELETED, Object, Property};
use crate::trouble::{Words, failed};

const UPSERT: u8 = 0;
const DELETE: u8 = 1;

/// What an error has and a record has not.
const NOTES: &[&str] = &["errorCode"];

/// Rows of the wanted fields, out of as many answers as it takes.
pub struct Collector {
    rows: Rows,
    batch: BatchBuilder,
    fields: Vec<Field>,
    kinds_of_fields: Vec<Kind>,
    /// So many of the fields are wanted; those behind them only tell where a record stands.
    wanted: usize,
    id_place: usize,
    deleted_place: Option<usize>,
    modified_place: Option<usize>,
    kinds: Vec<u8>,
    rejected: Vec<Rejection>,
    last: Option<Last>,
}

/// What an answer was made of.
#[derive(Debug, Default)]
pub struct Taken {
    /// Elements of its list, those before the first one included.
    pub elements: usize,
    /// Whether it holds more than was taken.
    pub is_cut: bool,
    pub next: Option<String>,
    pub is_done: bool,
}

/// The rows of a page.
pub struct Collected {
    pub changes: Changes,
    pub rejected: Vec<Rejection>,
    /// The values of the fields that were named beside the wanted ones, as the API shows them; none for null.
    pub beside: Vec<Vec<Option<String>>>,
}

impl Collector {
    /// Rows of these fields. `beside`: what is read as well and told apart from them; the Id always is.
    pub fn new(object: &Object, wanted: &[Field], beside: &[&Property]) -> Result<Self> {
        let mut fields = wanted.to_vec();
        for property in beside {
            fields.push(Field::new(&property.name, property.kind.logical()));
        }
        if !beside.iter().any(|property| property.name == ID) {
            fields.push(Field::new(ID, Kind::Id.logical()));
        }
        let mut kinds_of_fields = Vec::with_capacity(fields.len());
        let mut columns: Vec<(String, Form)> = Vec::with_capacity(fields.len());
        for field in &fields {
            let kind = if field.name == ID { Kind::Id } else { object.property(&field.name)?.kind.clone() };
            columns.push((field.name.clone(), form(&kind)));
            kinds_of_fields.push(kind);
        }
        let place = |name: &str| fields.iter().rposition(|field| field.name == name);
        Ok(Self {
            rows: Rows::new(columns, NOTES),
            batch: BatchBuilder::for_fields(&fields)?,
            wanted: wanted.len(),
            id_place: place(ID).unwrap_or_default(),
            deleted_place: place(IS_DELETED).filter(|place| *place >= wanted.len()),
            modified_place: beside
                .iter()
                .find(|property| property.kind.tells_changes())
                .and_then(|property| place(&property.name)),
            kinds: Vec::new(),
            rejected: Vec::new(),
            last: None,
            kinds_of_fields,
            fields,
        })
    }

    /// The fields to be asked for.
    pub fn selected(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            if !names.contains(&field.name.as_str()) {
                names.push(&field.name);
            }
        }
        names
    }

    /// The last record that was seen, whether it could be read or not.
    pub fn last(&self) -> Option<&Last> {
        self.last.as_ref()
    }

    /// Takes an answer's records, without the first `skip`, until the page is full. `what` was asked for.
    pub fn take(&mut self, text: &str, skip: usize, limits: Limits, what: &str) -> Result<Taken> {
        let mut document = Document::new(text.as_bytes());
        let (mut taken, mut is_list, mut words) = (Taken::default(), false, None);
        let read = if document.is_next(b'[') {
            is_list = true;
            taken.is_done = true;
            self.list(&mut document, skip, limits, &mut taken)
        } else {
            document.object::<Trouble>(|document, key| {
                let text = document.text();
                match &*key.of(text) {
                    b"records" if document.is_next(b'[') => {
                        is_list = true;
                        self.list(document, skip, limits, &mut taken)?;
                    }
                    b"done" => taken.is_done = document.value()?.kind == JsonKind::Bool(true),
                    b"nextRecordsUrl" => taken.next = document.value()?.string(text),
                    b"error" | b"errorCode" => {
                        let code = document.value()?.said(text).unwrap_or_default();
                        words = Some(Words { code, ..Words::default() });
                    }
                    _ => {
                        document.value()?;
                    }
                }
                Ok(())
            })
        };
        let read = read.and_then(|()| document.end().map_err(Trouble::from));
        match (read, words) {
            (Err(Trouble::Fault(fault)), _) => Err(answer::fault(text, fault)),
            (Err(Trouble::Error(error)), _) => Err(error),
            (Ok(()), Some(words)) => Err(failed(&words, what).with_property("detail", beginning(text.as_bytes()))),
            (Ok(()), None) if !is_list => {
                Err(Error::permanent(format!("Salesforce answers with no records when asked to {what}"))
                    .with_code("salesforce.no-records")
                    .with_property("detail", beginning(text.as_bytes())))
            }
            (Ok(()), None) => Ok(taken),
        }
    }

    fn list(
        &mut self,
        document: &mut Document<'_>,
        skip: usize,
        limits: Limits,
        taken: &mut Taken,
    ) -> Result<(), Trouble> {
        let mut members = Vec::new();
        document.array::<Trouble>(|document| {
            if taken.is_cut || taken.elements < skip || self.is_full(limits) {
                taken.is_cut |= taken.elements >= skip;
                document.element(&mut Vec::new())?;
                taken.elements += usize::from(!taken.is_cut);
                return Ok(());
            }
            members.clear();
            let element = document.element(&mut members)?;
            self.element(document.text(), element, &members)?;
            taken.elements += 1;
            Ok(())
        })
    }

    fn is_full(&self, limits: Limits) -> bool {
        let taken = self.batch.rows() + self.rejected.len();
        taken >= limits.rows as usize || (taken > 0 && self.batch.bytes() >= limits.bytes)
    }

    fn element(&mut self, text: &[u8], element: Element, members: &[Member]) -> Result<(), Trouble> {
        let (range, result) = match element {
            Element::Object(range) => {
                let result = self.record(text, members);
                if self.rows.value(self.fields.len()).is_some() && self.rows.value(self.id_place).is_none() {
                    let words = Words::read(&mut Document::new(text.get(range).unwrap_or_default()))?;
                    return Err(Trouble::Error(failed(&words, "read records")));
                }
                (range, result)
            }
            // So a record is shown that is not there.
            Element::Other(value) if value.kind == JsonKind::Null => return Ok(()),
            Element::Other(value) => {
                let error = Error::invalid_data("an element of the list is no record").with_code("salesforce.record");
                self.rejected.push(Rejection::new("?", value.of(text), error));
                return Ok(());
            }
            Element::Broken(range, fault) => {
                let message = format!("the record cannot be read: {}", answer::describe(text, fault));
                (range, Err(Error::invalid_data(message).with_code("salesforce.record")))
            }
        };
        if let Err(error) = result {
            let id = members.iter().find(|member| &*member.key.of(text) == ID.as_bytes());
            let id = id.and_then(|member| member.value.said(text)).unwrap_or_default();
            self.rejected.push(Rejection::new(format!("{ID} = {id}"), text.get(range).unwrap_or_default(), error));
        }
        Ok(())
    }

    fn record(&mut self, text: &[u8], members: &[Member]) -> Result<()> {
        self.rows.arrange(text, members)?;
        self.note_last(text);
        let is_deleted = self.deleted_place.and_then(|place| self.rows.value(place));
        let is_deleted = is_deleted.is_some_and(|value| value.kind == JsonKind::Bool(true));
        match (self.rows.push(text, &mut self.batch), is_deleted) {
            (Ok(()), _) => {}
            // That it is gone is known, whatever it was.
            (Err(_), true) if self.rows.value(self.id_place).is_some() => self.push_gone(text)?,
            (Err(error), _) => return Err(error),
        }
        self.kinds.push(if is_deleted { DELETE } else { UPSERT });
        Ok(())
    }

    fn note_last(&mut self, text: &[u8]) {
        let said = |place: usize| self.rows.value(place).and_then(|value| value.said(text));
        let Some(id) = said(self.id_place) else { return };
        let time = self.modified_place.and_then(said).unwrap_or_default();
        let kind = self.modified_place.and_then(|place| self.kinds_of_fields.get(place)).unwrap_or(&Kind::Id);
        self.last = Some((shown(kind, &time).unwrap_or_default(), id));
    }

    /// A row that says only which record it is.
    fn push_gone(&mut self, text: &[u8]) -> Result<()> {
        let id = self.rows.value(self.id_place).and_then(|value| value.said(text)).unwrap_or_default();
        for column in self.batch.columns() {
            if column.name() == ID {
                push_text(&Kind::Id, column, id.as_bytes())
                    .map_err(|reason| Error::invalid_data(format!("`{ID}` is {reason}")).with_code("web.value"))?;
            } else {
                column.push_absent();
            }
        }
        self.batch.end_row();
        Ok(())
    }

    /// Everything that was taken since this was last called.
    pub fn finish(&mut self) -> Result<Collected> {
        let mut data = self.batch.finish()?;
        let columns: Vec<_> = BatchView::new(&data).columns().collect();
        let beside = columns.iter().zip(&self.fields).zip(&self.kinds_of_fields).skip(self.wanted);
        let beside: Vec<_> = beside.map(|((column, _), kind)| (*column, kind)).collect();
        let of_row =
            |row: usize| beside.iter().map(|(column, kind)| of_row(kind, kind.logical(), *column, row)).collect();
        let beside = (0..data.rows as usize).map(of_row).collect();
        data.columns.truncate(self.wanted);
        let kinds = std::mem::take(&mut self.kinds);
        let mut changes = Changes::upserts(data);
        changes.kinds = kinds.contains(&DELETE).then_some(kinds);
        Ok(Collected { changes, rejected: std::mem::take(&mut self.rejected), beside })
    }
}

/// Why a document cannot be gone through.
enum Trouble {
    Fault(Fault),
    Error(Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

#[cfg(test)]
mod tests;
