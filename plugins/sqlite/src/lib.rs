//! SQLite tables as streams.
//!
//! The host opens the file; everything that is SQLite's own stands here: its catalog, its loose types, statements that hold no
//! lock for longer than a page, how a staged load is merged. The README says what it promises and where that ends.

mod catalog;
mod cursor;
mod lookup;
mod moment;
mod position;
mod read;
mod sink;
mod statement;
mod types;

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::lookup::Lookup;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};

/// The alias a connection grants its database under.
const ALIAS: &str = "main";
/// What the host's drivers call the servers it is made for.
const SERVERS: &[&str] = &["sqlite"];

fn open_session() -> Result<Session> {
    lockstep_sql_dialect::open(ALIAS, SERVERS)
}

/// The plugin.
pub struct Sqlite;

impl Source for Sqlite {
    type Config = NoConfig;
    type Reader = read::TableReader;

    fn discover(_config: NoConfig, names: Vec<String>) -> Result<Vec<Stream>> {
        let session = open_session()?;
        if names.is_empty() {
            return Ok(catalog::all_tables(&session)?.iter().map(|table| table.stream(&table.name)).collect());
        }
        let mut streams = Vec::with_capacity(names.len());
        for name in &names {
            streams.extend(catalog::find_table(&session, name)?.map(|table| table.stream(name)));
        }
        Ok(streams)
    }

    fn open(_config: NoConfig, request: ReadRequest) -> Result<Self::Reader> {
        read::open(&request)
    }
}

impl Lookup for Sqlite {
    type Config = NoConfig;

    fn lookup(_config: NoConfig, request: ReadRequest, keys: Batch) -> Result<Changes> {
        lookup::lookup(&request, &keys)
    }
}

impl Sink for Sqlite {
    type Config = NoConfig;
    type Writer = sink::TableWriter;

    fn describe(_config: NoConfig, name: String) -> Result<Option<Stream>> {
        sink::describe(&name)
    }

    fn prepare(_config: NoConfig, wanted: Stream, options: PrepareOptions) -> Result<Prepared> {
        sink::prepare(&wanted, options)
    }

    fn open(_config: NoConfig, request: WriteRequest) -> Result<Self::Writer> {
        sink::open(&request)
    }
}

export!(Sqlite: source, lookup, sink);
