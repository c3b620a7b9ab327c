//! The records of an answer, gathered into rows.

use std::ops::Range;

use lockstep_json::{Document, Element, Fault, Member, Value};
use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::answer::beginning;
use lockstep_plugin_sdk::types::{Batch, Changes, Field, Limits, Rejection};
use lockstep_text_files::value::{BoolWords, push_scalar};
use lockstep_web::{Form, Rows, answer, member, plain};

use crate::edm::form;
use crate::entity::{Entity, KeyPart};
use crate::key::parse_address;
use crate::trouble::{Words, failed};

const UPSERT: u8 = 0;
const DELETE: u8 = 1;

/// What stands beside the properties of a record, in the order in which [`Rows`] is asked for it.
const NOTES: &[&str] = &[
    "@odata.etag",
    "@etag",
    "__metadata",
    "@removed",
    "@odata.context",
    "@context",
    "@id",
    "@odata.id",
    "id",
    "reason",
];
const ETAGS: Range<usize> = 0..2;
const METADATA: usize = 2;
const REMOVED: usize = 3;
const CONTEXTS: Range<usize> = 4..6;
const IDS: Range<usize> = 6..9;
const REASON: usize = 9;

/// Rows of the wanted fields, out of as many answers as it takes.
pub struct Collector {
    rows: Rows,
    batch: BatchBuilder,
    fields: Vec<Field>,
    /// So many of the fields are wanted; those behind them only tell where a record stands.
    wanted: usize,
    key: Vec<KeyPart>,
    /// The columns of the key in its own types.
    key_places: Vec<usize>,
    kinds: Vec<u8>,
    etags: Vec<Option<String>>,
    rejected: Vec<Rejection>,
    /// So many elements stand behind the last row.
    trailing: usize,
    /// Keys of records of which only is said that they are not shown any more, not why.
    pub hidden: Vec<Vec<String>>,
}

/// What an answer was made of.
#[derive(Debug, Default)]
pub struct Taken {
    /// Elements of its list, those before the first one included.
    pub elements: usize,
    /// Whether it holds more than was taken.
    pub is_cut: bool,
    pub next: Option<String>,
    pub delta: Option<String>,
}

/// The rows of a page.
pub struct Collected {
    pub changes: Changes,
    pub rejected: Vec<Rejection>,
    /// Key values of the last row in their own types.
    pub last: Option<Vec<String>>,
    /// The versions of the rows.
    pub etags: Vec<Option<String>>,
    /// Their keys, as texts.
    pub keys: Vec<Vec<String>>,
}

impl Collector {
    /// Rows of these fields. Those the set does not have are an error.
    pub fn new(entity: &Entity, wanted: &[Field]) -> Result<Self> {
        let mut fields = wanted.to_vec();
        let mut key_places = Vec::with_capacity(entity.key.len());
        for part in &entity.key {
            let is_it = |field: &Field| {
                field.name == part.name && field.logical().is_ok_and(|logical| logical == part.edm.logical())
            };
            key_places.push(fields.iter().position(is_it).unwrap_or(fields.len()));
            if !fields.iter().any(is_it) {
                fields.push(Field::new(&part.name, part.edm.logical()));
            }
        }
        let columns: Vec<(String, Form)> = fields
            .iter()
            .map(|field| Ok((field.name.clone(), form(&entity.property(&field.name)?.edm))))
            .collect::<Result<_>>()?;
        Ok(Self {
            rows: Rows::new(columns, NOTES),
            batch: BatchBuilder::for_fields(&fields)?,
            wanted: wanted.len(),
            key: entity.key.clone(),
            key_places,
            kinds: Vec::new(),
            etags: Vec::new(),
            rejected: Vec::new(),
            trailing: 0,
            hidden: Vec::new(),
            fields,
        })
    }

    /// The properties to be asked for.
    pub fn selected(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            if !names.contains(&field.name.as_str()) {
                names.push(&field.name);
            }
        }
        names
    }

    /// How many elements stand behind the last row that was taken since [`Collector::finish`] was last called.
    pub fn trailing(&self) -> usize {
        self.trailing
    }

    /// Takes an answer's records, without the first `skip`, until the page is full. `what` was asked for.
    pub fn take(&mut self, text: &str, skip: usize, limits: Limits, what: &str) -> Result<Taken> {
        let mut document = Document::new(text.as_bytes());
        let (mut taken, mut is_list, mut words) = (Taken::default(), false, None);
        let read = document.object::<Trouble>(|document, key| {
            match &*key.of(document.text()) {
                b"value" if document.is_next(b'[') => {
                    is_list = true;
                    self.list(document, skip, limits, &mut taken)?;
                }
                b"d" if document.is_next(b'{') || document.is_next(b'[') => {
                    is_list |= self.version_2(document, skip, limits, &mut taken)?;
                }
                b"error" | b"odata.error" => words = Some(Words::read(document)?),
                b"@odata.nextLink" | b"@nextLink" | b"odata.nextLink" => taken.next = string(document)?,
                b"@odata.deltaLink" | b"@deltaLink" => taken.delta = string(document)?,
                _ => {
                    document.value()?;
                }
            }
            Ok(())
        });
        let read = read.and_then(|()| document.end().map_err(Trouble::from));
        match (read, words) {
            (Err(Trouble::Fault(fault)), _) => Err(answer::fault(text, fault)),
            (Err(Trouble::Error(error)), _) => Err(error),
            (Ok(()), Some(words)) => Err(failed(&words, what)),
            (Ok(()), None) if !is_list => {
                Err(Error::permanent(format!("the service answers with no list when asked to {what}"))
                    .with_code("odata.no-list")
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
            if taken.elements < skip {
                document.value().map(|_| ()).or_else(|_| document.element(&mut Vec::new()).map(|_| ()))?;
                taken.elements += 1;
                return Ok(());
            }
            if taken.is_cut || self.is_full(limits) {
                taken.is_cut = true;
                document.element(&mut Vec::new())?;
                return Ok(());
            }
            members.clear();
            let before = self.batch.rows();
            let element = document.element(&mut members)?;
            self.element(document.text(), element, &members);
            taken.elements += 1;
            self.trailing = if self.batch.rows() > before { 0 } else { self.trailing + 1 };
            Ok(())
        })
    }

    /// `{"d":{"results":[…],"__next":"…"}}`, in its oldest form `{"d":[…]}`. Answers whether there is a list.
    fn version_2(
        &mut self,
        document: &mut Document<'_>,
        skip: usize,
        limits: Limits,
        taken: &mut Taken,
    ) -> Result<bool, Trouble> {
        if document.is_next(b'[') {
            return self.list(document, skip, limits, taken).map(|()| true);
        }
        let mut is_list = false;
        document.object::<Trouble>(|document, key| {
            match &*key.of(document.text()) {
                b"results" if document.is_next(b'[') => {
                    is_list = true;
                    self.list(document, skip, limits, taken)?;
                }
                b"__next" => taken.next = string(document)?,
                b"__delta" => taken.delta = string(document)?,
                _ => {
                    document.value()?;
                }
            }
            Ok(())
        })?;
        Ok(is_list)
    }

    fn is_full(&self, limits: Limits) -> bool {
        let taken = self.batch.rows() + self.rejected.len();
        taken >= limits.rows as usize || (taken > 0 && self.batch.bytes() >= limits.bytes)
    }

    fn element(&mut self, text: &[u8], element: Element, members: &[Member]) {
        let (range, result) = match element {
            Element::Object(range) => (range, self.record(text, members)),
            Element::Other(value) => {
                let raw = value.of(text).to_vec();
                let error = Error::invalid_data("an element of the list is no record").with_code("odata.record");
                return self.rejected.push(Rejection::new("?", &raw, error));
            }
            Element::Broken(range, fault) => {
                let error =
                    Error::invalid_data(format!("the record cannot be read: {}", answer::describe(text, fault)));
                (range, Err(error.with_code("odata.record")))
            }
        };
        if let Err(error) = result {
            let position = self.position(text, members);
            self.rejected.push(Rejection::new(position, text.get(range).unwrap_or_default(), error));
        }
    }

    fn record(&mut self, text: &[u8], members: &[Member]) -> Result<()> {
        self.rows.arrange(text, members)?;
        let note = |place: usize| self.note(place).and_then(|value| value.said(text));
        let context = CONTEXTS.filter_map(note).next().unwrap_or_default();
        if context.ends_with("/$link") || context.ends_with("/$deletedLink") {
            return Ok(());
        }
        if self.note(REMOVED).is_some() || context.ends_with("/$deletedEntity") {
            return self.tombstone(text);
        }
        let etag = ETAGS.filter_map(note).next().or_else(|| version_2_etag(self.note(METADATA)?, text));
        self.rows.push(text, &mut self.batch)?;
        self.kinds.push(UPSERT);
        self.etags.push(etag);
        Ok(())
    }

    fn note(&self, place: usize) -> Option<Value> {
        self.rows.value(self.fields.len() + place)
    }

    /// A record that is gone: its key is among its properties, or in its address.
    fn tombstone(&mut self, text: &[u8]) -> Result<()> {
        let said = |value: Option<Value>| value.and_then(|value| value.said(text));
        let parts = self.key_places.iter().map(|place| said(self.rows.value(*place)));
        let of_properties = parts.collect::<Option<Vec<String>>>().filter(|keys| !keys.is_empty());
        let of_address = IDS.filter_map(|id| said(self.note(id))).find_map(|id| parse_address(&id, &self.key));
        // In version 4.0 `id` is the address, whatever the key is called.
        let keys = match self.note(REMOVED) {
            Some(_) => of_properties.or(of_address),
            None => of_address.or(of_properties),
        };
        let keys = keys.ok_or_else(|| {
            Error::invalid_data("a deleted record does not say which one it was").with_code("odata.tombstone")
        })?;
        let reason =
            said(self.note(REMOVED)).filter(|said| said.contains("changed")).or_else(|| said(self.note(REASON)));
        if reason.is_some_and(|reason| reason.contains("changed")) {
            self.hidden.push(keys);
            return Ok(());
        }
        self.gone(&keys)
    }

    /// A row that says that the record of this key is gone.
    pub fn gone(&mut self, keys: &[String]) -> Result<()> {
        for column in self.batch.columns() {
            let name = column.name().to_owned();
            let text = self.key.iter().position(|part| part.name == name).and_then(|part| keys.get(part));
            match text {
                None => column.push_absent(),
                Some(text) => {
                    if let Err(reason) = push_scalar(column, text.as_bytes(), &BoolWords::default()) {
                        self.batch.abandon_row();
                        return Err(Error::invalid_data(format!("`{name}` of a deleted record is {reason}"))
                            .with_code("odata.tombstone")
                            .with_field(name));
                    }
                }
            }
        }
        self.batch.end_row();
        self.kinds.push(DELETE);
        self.etags.push(None);
        Ok(())
    }

    /// Which record it is, for a person.
    fn position(&mut self, text: &[u8], members: &[Member]) -> String {
        let value = |name: &str| {
            let found = members.iter().find(|member| &*member.key.of(text) == name.as_bytes())?;
            found.value.said(text)
        };
        let named: Vec<String> =
            self.key.iter().map(|part| format!("{} = {}", part.name, value(&part.name).unwrap_or_default())).collect();
        named.join(", ")
    }

    /// Everything that was taken since this was last called.
    pub fn finish(&mut self) -> Result<Collected> {
        let mut data = self.batch.finish()?;
        let keys = self.keys(&data);
        data.columns.truncate(self.wanted);
        self.trailing = 0;
        let kinds = std::mem::take(&mut self.kinds);
        let mut changes = Changes::upserts(data);
        changes.kinds = kinds.contains(&DELETE).then_some(kinds);
        Ok(Collected {
            last: keys.iter().rev().find(|key| key.len() == self.key.len()).cloned(),
            changes,
            rejected: std::mem::take(&mut self.rejected),
            etags: std::mem::take(&mut self.etags),
            keys,
        })
    }

    /// The keys of all rows; an incomplete one has fewer values.
    fn keys(&self, data: &Batch) -> Vec<Vec<String>> {
        let columns: Vec<_> = BatchView::new(data).columns().collect();
        let typed: Vec<_> = self
            .key_places
            .iter()
            .zip(&self.key)
            .filter_map(|(place, part)| Some((*columns.get(*place)?, part.edm.logical())))
            .collect();
        let of_row = |row: usize| typed.iter().filter_map(|(column, logical)| plain(*column, *logical, row)).collect();
        (0..data.rows as usize).map(of_row).collect()
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

fn string(document: &mut Document<'_>) -> Result<Option<String>, Fault> {
    let text = document.text();
    Ok(document.value()?.string(text))
}

/// `"__metadata":{"etag":"W/\"1\""}`
fn version_2_etag(metadata: Value, text: &[u8]) -> Option<String> {
    member(metadata.of(text), "etag")
}

#[cfg(test)]
mod tests;
