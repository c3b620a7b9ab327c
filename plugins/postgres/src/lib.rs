//! PostgreSQL tables as streams.
//!
//! The host holds the connection; everything that is PostgreSQL's own stands here: catalogs, statements, what a transaction has
//! seen, how a staged load is merged. The README says what it promises and where that ends.

mod catalog;
mod compare;
mod cursor;
mod lookup;
mod name;
mod read;
mod sink;
mod snapshot;
mod statement;
mod types;

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::compare::{Compare, CompareRequest, Digests};
use lockstep_plugin_sdk::lookup::Lookup;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};

/// The alias a connection grants its database under.
const ALIAS: &str = "main";
/// What the host's drivers call the servers it is made for.
const SERVERS: &[&str] = &["postgres"];

fn open_session() -> Result<Session> {
    lockstep_sql_dialect::open(ALIAS, SERVERS)
}

/// The plugin.
pub struct Postgres;

impl Source for Postgres {
    type Config = NoConfig;
    type Reader = read::TableReader;

    fn discover(_config: NoConfig, names: Vec<String>) -> Result<Vec<Stream>> {
        let session = open_session()?;
        if names.is_empty() {
            return Ok(catalog::all_tables(&session)?
                .iter()
                .map(|table| table.stream(&table.name().stream()))
                .collect());
        }
        let tables = catalog::named_tables(&session, &names)?;
        Ok(names.iter().zip(tables).filter_map(|(name, table)| Some(table?.stream(name))).collect())
    }

    fn open(_config: NoConfig, request: ReadRequest) -> Result<Self::Reader> {
        read::open(&request)
    }
}

impl Lookup for Postgres {
    type Config = NoConfig;

    fn lookup(_config: NoConfig, request: ReadRequest, keys: Batch) -> Result<Changes> {
        lookup::lookup(&request, &keys)
    }
}

impl Compare for Postgres {
    type Config = NoConfig;
    type EntryReader = compare::Entries;

    fn methods(_config: NoConfig, request: CompareRequest) -> Result<Vec<String>> {
        compare::methods(&request)
    }

    fn digest(_config: NoConfig, request: CompareRequest, buckets: u32) -> Result<Digests> {
        compare::digest(&request, buckets)
    }

    fn entries(
        _config: NoConfig,
        request: CompareRequest,
        buckets: u32,
        wanted: Vec<u32>,
    ) -> Result<Self::EntryReader> {
        compare::entries(&request, buckets, &wanted)
    }
}

impl Sink for Postgres {
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

export!(Postgres: source, lookup, compare, sink);
