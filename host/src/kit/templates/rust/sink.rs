//! People in a file of JSON, to start from.

use std::collections::BTreeMap;

use lockstep_plugin_sdk::capabilities::files;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};
use serde::{Deserialize, Serialize};

use crate::Plugin;

const FOLDER: &str = "out";
const FILE: &str = "people.json";
const DELETE: u8 = 1;

#[derive(Clone, PartialEq, Record, Serialize, Deserialize)]
pub struct Person {
    #[record(key)]
    id: i64,
    name: Option<String>,
    email: Option<String>,
}

type People = BTreeMap<i64, Person>;

pub struct PeopleWriter {
    people: People,
    counts: (u64, u64, u64),
}

impl Sink for Plugin {
    type Config = NoConfig;
    type Writer = PeopleWriter;

    fn describe(_config: NoConfig, name: String) -> Result<Option<Stream>> {
        if name != "people" {
            return Ok(None);
        }
        let empty = load()?.is_empty().to_string();
        Ok(Some(Person::stream(name).property("write", "upsert,delete").property("empty", empty)))
    }

    fn prepare(config: NoConfig, wanted: Stream, _options: PrepareOptions) -> Result<Prepared> {
        Person::check_fields(&wanted.fields)?;
        let stream = Self::describe(config, wanted.name)?.ok_or_else(|| Error::not_found("the only stream is `people`"))?;
        Ok(Prepared { stream, actions: Vec::new() })
    }

    fn open(_config: NoConfig, _request: WriteRequest) -> Result<PeopleWriter> {
        Ok(PeopleWriter { people: load()?, counts: (0, 0, 0) })
    }
}

impl Writer for PeopleWriter {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        let kinds = changes.kinds.unwrap_or_default();
        for (row, person) in Person::read(&changes.data).enumerate() {
            let person = person?;
            if kinds.get(row) == Some(&DELETE) {
                self.counts.2 += u64::from(self.people.remove(&person.id).is_some());
            } else if self.people.get(&person.id) == Some(&person) {
                self.counts.1 += 1;
            } else {
                self.people.insert(person.id, person);
                self.counts.0 += 1;
            }
        }
        Ok(WriteResults::all_ok())
    }

    /// The file is replaced as a whole: what was not flushed was never there.
    fn flush(&mut self) -> Result<Flushed> {
        let (written, unchanged, deleted) = std::mem::take(&mut self.counts);
        if written + deleted > 0 {
            let people: Vec<&Person> = self.people.values().collect();
            let text = serde_json::to_vec_pretty(&people).map_err(|error| Error::permanent(error.to_string()))?;
            let file = files::create(FOLDER, FILE)?;
            file.append(&text)?;
            file.finish()?;
        }
        Ok(Flushed::new(written, unchanged, deleted))
    }
}

fn load() -> Result<People> {
    let Some(entry) = files::list_files(FOLDER)?.into_iter().find(|entry| entry.path == FILE) else {
        return Ok(People::new());
    };
    let text = files::open(FOLDER, FILE)?.read(0, entry.size)?;
    let people: Vec<Person> = serde_json::from_slice(&text)
        .map_err(|error| Error::permanent(format!("`{FILE}` is not what this plugin wrote: {error}")))?;
    Ok(people.into_iter().map(|person| (person.id, person)).collect())
}
