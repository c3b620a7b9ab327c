//! MariaDB and MySQL tables as streams.
//!
//! The host holds the connection; everything that is these servers' own stands here: their catalogs, statements, how rows are
//! staged and merged. The README says what it promises and where that ends.

mod catalog;
mod cursor;
mod lookup;
mod name;
mod read;
mod sink;
mod stage;
mod statement;
mod types;

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::lookup::Lookup;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};

/// The alias a connection grants its database under.
const ALIAS: &str = "main";
/// What the host's drivers call the servers it is made for.
const SERVERS: &[&str] = &["mariadb", "mysql"];

fn open_session() -> Result<Session> {
    lockstep_sql_dialect::open(ALIAS, SERVERS)
}

/// The plugin.
pub struct Mysql;

impl Source for Mysql {
    type Config = NoConfig;
    type Reader = read::TableReader;

    fn discover(_config: NoConfig, names: Vec<String>) -> Result<Vec<Stream>> {
        let session = open_session()?;
        if names.is_empty() {
            return Ok(catalog::all_tables(&session)?.iter().map(|table| table.stream(&table.stream_name())).collect());
        }
        let tables = catalog::named_tables(&session, &names)?;
        Ok(names.iter().zip(tables).filter_map(|(name, table)| Some(table?.stream(name))).collect())
    }

    fn open(_config: NoConfig, request: ReadRequest) -> Result<Self::Reader> {
        read::open(&request)
    }
}

impl Lookup for Mysql {
    type Config = NoConfig;

    fn lookup(_config: NoConfig, request: ReadRequest, keys: Batch) -> Result<Changes> {
        lookup::lookup(&request, &keys)
    }
}

impl Sink for Mysql {
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

export!(Mysql: source, lookup, sink);
