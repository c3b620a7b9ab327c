//! People in a file of JSON, to start from.

use std::collections::BTreeMap;

use lockstep_plugin_sdk::capabilities::files;
use lockstep_plugin_sdk::lookup::Lookup;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::rows::{Done, Tally};
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};
use lockstep_plugin_sdk::source;
use serde::{Deserialize, Serialize};

use crate::Plugin;

const FOLDER: &str = "out";
const FILE: &str = "people.json";

#[derive(Clone, PartialEq, Record, Serialize, Deserialize)]
pub struct Person {
    #[record(key)]
    id: i64,
    name: Option<String>,
    email: Option<String>,
}

/// What a page may hold of a person: what it says nothing about stays as it is.
#[derive(Record)]
struct Edit {
    id: i64,
    name: Maybe<String>,
    email: Maybe<String>,
}

impl Edit {
    fn of(self, known: Option<&Person>) -> Person {
        let kept = |edit: Maybe<String>, now: fn(&Person) -> &Option<String>| match edit {
            Maybe::Absent => known.and_then(|person| now(person).clone()),
            said => said.value(),
        };
        Person { id: self.id, name: kept(self.name, |person| &person.name), email: kept(self.email, |person| &person.email) }
    }
}

#[derive(Record)]
struct Key {
    id: i64,
}

type People = BTreeMap<i64, Person>;

pub struct PeopleWriter {
    people: People,
    tally: Tally,
}

impl Sink for Plugin {
    type Config = NoConfig;
    type Writer = PeopleWriter;

    fn describe(_config: NoConfig, name: String) -> Result<Option<Stream>> {
        if name == "people" { stream().map(Some) } else { Ok(None) }
    }

    fn prepare(config: NoConfig, wanted: Stream, _options: PrepareOptions) -> Result<Prepared> {
        Edit::check_fields(&wanted.fields)?;
        let stream = Self::describe(config, wanted.name)?.ok_or_else(|| Error::not_found("the only stream is `people`"))?;
        Ok(Prepared { stream, actions: Vec::new() })
    }

    fn open(_config: NoConfig, _request: WriteRequest) -> Result<PeopleWriter> {
        Ok(PeopleWriter { people: load()?, tally: Tally::default() })
    }
}

impl Writer for PeopleWriter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        let people = &mut self.people;
        // An error here would be the answer for this row alone: `Error::invalid_data("…")` for one that nobody can write.
        self.tally.write::<Edit>(&changes, |row| {
            let known = people.get(&row.values.id);
            if row.is_delete {
                return Ok(if people.remove(&row.values.id).is_some() { Done::Deleted } else { Done::Unchanged });
            }
            let person = row.values.of(known);
            if known == Some(&person) {
                return Ok(Done::Unchanged);
            }
            people.insert(person.id, person);
            Ok(Done::Written)
        })
    }

    /// The file is replaced as a whole: what was not flushed was never there.
    fn flush(&mut self) -> Result<Flushed> {
        let done = self.tally.flush();
        if done.written + done.deleted > 0 {
            let people: Vec<&Person> = self.people.values().collect();
            let text = serde_json::to_vec_pretty(&people).map_err(|error| Error::permanent(error.to_string()))?;
            let file = files::create(FOLDER, FILE)?;
            file.append(&text)?;
            file.finish()?;
        }
        Ok(done)
    }
}

/// Found by their keys, as the host looks before it writes again what it knows nothing of.
impl Lookup for Plugin {
    type Config = NoConfig;

    fn lookup(_config: NoConfig, request: ReadRequest, keys: Batch) -> Result<Changes> {
        source::expect(&request, ["people"])?;
        let people = load()?;
        let mut found = Records::<Person>::for_fields(&request.fields)?;
        for key in Key::read(&keys) {
            if let Some(person) = people.get(&key?.id) {
                found.push(person)?;
            }
        }
        Ok(Changes::upserts(found.finish()?))
    }
}

pub fn stream() -> Result<Stream> {
    let empty = load()?.is_empty().to_string();
    Ok(Person::stream("people").property("write", "upsert,delete").property("empty", empty))
}

pub fn load() -> Result<People> {
    let Some(entry) = files::list_files(FOLDER)?.into_iter().find(|entry| entry.path == FILE) else {
        return Ok(People::new());
    };
    let text = files::open(FOLDER, FILE)?.read(0, entry.size)?;
    let people: Vec<Person> = serde_json::from_slice(&text)
        .map_err(|error| Error::permanent(format!("`{FILE}` is not what this plugin wrote: {error}")))?;
    Ok(people.into_iter().map(|person| (person.id, person)).collect())
}
