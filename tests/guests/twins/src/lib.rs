//! A small system in a file: keeps the contract, or breaks the one rule that `config.breach` names. For each check of the battery
//! there is a variant that fails it and nothing else.

mod compare;
mod read;
mod store;
mod trouble;
mod write;

use lockstep_plugin_sdk::capabilities::files;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::source::only;
use serde::Deserialize;

use store::Store;

struct Twin;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    breach: String,
}

impl Config {
    /// Whether this is the variant that breaks the rule.
    fn breaks(&self, rule: &str) -> bool {
        self.breach == rule
    }
}

/// The stream that is read; any other is one that is written.
const ITEMS: &str = "items";
const LEAK_BYTES: usize = 2 << 10;

/// All streams have the same fields.
fn stream(config: &Config, name: &str, is_empty: bool) -> Stream {
    let is_items = name == ITEMS;
    let mut stream = Stream::new(name)
        .key(["id"])
        .field("id", LogicalType::Int64)
        .field("name", LogicalType::Text)
        .field("amount", LogicalType::Int64)
        .field("changed", LogicalType::Timestamp)
        .field("note", LogicalType::Text)
        .property("modified", "changed")
        .property("empty", if is_empty { "true" } else { "false" });
    let modes =
        if config.breaks("discover.properties") && is_items { "upsert,merge" } else { "upsert,delete,insert,update" };
    stream = stream.property("write", modes);
    for field in &mut stream.fields {
        field.nullable = field.name != "id" || (config.breaks("read.keys") && is_items);
        if config.breaks("read.nullable") && is_items && field.name == "note" {
            field.nullable = false;
        }
    }
    stream
}

fn streams(config: &Config, store: &Store) -> Vec<Stream> {
    store.streams.iter().map(|(name, rows)| stream(config, name, rows.is_empty())).collect()
}

impl Source for Twin {
    type Config = Config;
    type Reader = read::Rows;

    fn discover(config: Config, names: Vec<String>) -> Result<Vec<Stream>> {
        let store = match trouble::judged(&config, Store::load()) {
            Ok(Some(store)) => store,
            Ok(None) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let all = streams(&config, &store);
        match config.breach.as_str() {
            "discover.answers" => Err(Error::permanent("the catalog cannot be read")),
            "discover.streams" => Ok(all.into_iter().map(|stream| stream.field("name", LogicalType::Int64)).collect()),
            "discover.names" if names.is_empty() => {
                Ok([all, vec![Stream::new("").field("a", LogicalType::Text)]].concat())
            }
            "discover.chosen" => Ok(all),
            "discover.missing" if all.iter().all(|stream| !names.contains(&stream.name)) && !names.is_empty() => {
                Ok(names.iter().map(|name| stream(&config, name, true)).collect())
            }
            "discover.stable" if names.is_empty() && noted("discoveries")? % 2 == 0 => {
                Ok(only(&names, all.into_iter().map(|stream| stream.field("guess", LogicalType::Text))))
            }
            "memory.discover" => {
                std::mem::forget(std::hint::black_box(vec![1u8; LEAK_BYTES]));
                Ok(only(&names, all))
            }
            _ => Ok(only(&names, all)),
        }
    }

    fn open(config: Config, request: ReadRequest) -> Result<read::Rows> {
        if config.breaks("read.options") && request.option("x-lockstep-check").is_some() {
            return Err(Error::config("there is no option `x-lockstep-check`"));
        }
        let store = Store::load()?;
        let Some(rows) = store.streams.get(&request.stream) else {
            return missing(&config, &request);
        };
        read::Rows::open(config, &request, rows.clone())
    }
}

fn missing(config: &Config, request: &ReadRequest) -> Result<read::Rows> {
    let message = format!("there is no stream `{}`", request.stream);
    match config.breach.as_str() {
        "read.missing-stream" => read::Rows::open(config.clone(), request, Vec::new()),
        "errors.message" => Err(Error::not_found("")),
        "errors.style" => Err(Error::not_found(format!("{message}."))),
        _ => Err(Error::not_found(message)),
    }
}

impl lockstep_plugin_sdk::lookup::Lookup for Twin {
    type Config = Config;

    fn lookup(config: Config, request: ReadRequest, keys: Batch) -> Result<Changes> {
        let store = Store::load()?;
        let rows = store.streams.get(&request.stream).cloned().unwrap_or_default();
        let view = BatchView::new(&keys);
        let wanted: Vec<i64> = view
            .column("id")
            .map(|ids| (0..view.rows()).filter_map(|row| ids.int64(row)).collect())
            .unwrap_or_default();
        let mut found: Vec<store::Row> = rows.iter().filter(|row| wanted.contains(&row.id)).cloned().collect();
        if request.stream == ITEMS {
            match config.breach.as_str() {
                "lookup.finds" if request.fields.len() > 1 && !found.is_empty() => {
                    found[0].name = Some("another".to_owned())
                }
                "lookup.missing" => {
                    let absent = wanted.iter().filter(|id| !rows.iter().any(|row| row.id == **id));
                    found.extend(absent.map(|id| store::Row { id: *id, ..store::Row::default() }));
                }
                "lookup.nothing" if wanted.is_empty() => found = rows,
                "lookup.projection" if request.fields.len() == 1 => found.truncate(1),
                _ => {}
            }
        }
        Ok(Changes::upserts(read::batch(&config, &request, &found)?))
    }
}

/// The number of times this was noted, this one included: what instances tell each other.
fn noted(what: &str) -> Result<usize> {
    let name = format!("note-{what}");
    let count = store::read_file(&name)?.len() + 1;
    let file = files::create("data", &name)?;
    file.append(&vec![b'x'; count])?;
    file.finish()?;
    Ok(count)
}

lockstep_plugin_sdk::export!(Twin: source, lookup, compare, sink);
