//! A system behind requests that gives each new record its number, or takes the one it is given. The plugin says honestly that it does
//! not know what became of a request, or does not (`config.breach`).

use lockstep_plugin_sdk::http::Client;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::rows::{Done, Row, Tally};
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};
use lockstep_plugin_sdk::source;
use serde::{Deserialize, Serialize};

struct Twin;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// `says-ok`, `says-retry` or `sends-again`: what it makes of an unknown outcome.
    #[serde(default)]
    breach: String,
    /// Whether the system makes the key.
    #[serde(default)]
    makes_key: bool,
}

const STREAM: &str = "scratch";

#[derive(Deserialize, Record)]
struct Item {
    #[record(key)]
    id: i64,
    name: Option<String>,
}

/// What a page may hold of it.
#[derive(Record, Serialize)]
struct Edit {
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    id: Maybe<i64>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    name: Maybe<String>,
}

fn stream(config: &Config) -> Stream {
    let mut stream = Item::stream(STREAM).property("write", "insert,delete").property("empty", "false");
    for field in stream.fields.iter_mut().filter(|field| config.makes_key && field.name == "id") {
        field.properties.push(("computed".to_owned(), "true".to_owned()));
    }
    stream
}

fn client() -> Client {
    Client::new("api")
}

impl Source for Twin {
    type Config = Config;
    type Reader = RecordReader<Item>;

    fn discover(config: Config, names: Vec<String>) -> Result<Vec<Stream>> {
        // Asked for, so that a system in trouble shows.
        client().send(client().get("records"))?.done()?;
        Ok(source::only(&names, [stream(&config)]))
    }

    fn open(_config: Config, request: ReadRequest) -> Result<Self::Reader> {
        source::expect(&request, [STREAM])?;
        let items: Vec<Item> = client().send(client().get("records"))?.json()?;
        RecordReader::new(&request, items.into_iter().map(Ok))
    }
}

impl Sink for Twin {
    type Config = Config;
    type Writer = Target;

    fn describe(config: Config, name: String) -> Result<Option<Stream>> {
        Ok((name == STREAM).then(|| stream(&config)))
    }

    fn prepare(config: Config, wanted: Stream, _options: PrepareOptions) -> Result<Prepared> {
        if wanted.name != STREAM {
            return Err(Error::not_found(format!("there is no stream `{}`", wanted.name)));
        }
        Edit::check_fields(&wanted.fields)?;
        Ok(Prepared { stream: stream(&config), actions: Vec::new() })
    }

    fn open(config: Config, _request: WriteRequest) -> Result<Target> {
        Ok(Target { breach: config.breach, tally: Tally::default() })
    }
}

struct Target {
    breach: String,
    tally: Tally,
}

impl Writer for Target {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        let breach = &self.breach;
        self.tally.write::<Edit>(&changes, |row| match row.is_delete {
            true => delete(row),
            false => insert(row, breach),
        })
    }

    fn flush(&mut self) -> Result<Flushed> {
        Ok(self.tally.flush())
    }
}

fn delete(row: Row<Edit>) -> Result<Done> {
    let id = row.values.id.value().unwrap_or_default();
    client().send(client().delete(&format!("records/{id}")))?.done()?;
    Ok(Done::Deleted)
}

fn insert(row: Row<Edit>, breach: &str) -> Result<Done> {
    let post = || client().send(client().post("records").json(&row.values)?)?.written::<Item>();
    match (post(), breach) {
        (Ok(item), _) => Ok(Done::Inserted(vec![item.id.to_string()])),
        (Err(error), "says-ok") if error.is_outcome_unknown() => Ok(Done::Written),
        (Err(error), "says-retry") if error.is_outcome_unknown() => Err(Error::transient("there was no answer")),
        (Err(error), "sends-again") if error.is_outcome_unknown() => {
            post().map(|item| Done::Inserted(vec![item.id.to_string()]))
        }
        (Err(error), _) => Err(error),
    }
}

lockstep_plugin_sdk::export!(Twin: source, sink);
