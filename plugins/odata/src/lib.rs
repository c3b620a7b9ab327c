//! OData services, version 4 and 2, as streams.
//!
//! The host sends the requests and holds the credentials; everything that is the protocol's own stands here: metadata, types, how
//! records are asked for and written, what the answers mean. The README says what it promises and where that ends.

mod batch;
mod collect;
mod config;
mod connection;
mod cursor;
mod discover;
mod edm;
mod entity;
mod key;
mod lookup;
mod metadata;
mod query;
mod read;
mod sink;
mod trouble;

use lockstep_plugin_sdk::config::RawConfig;
use lockstep_plugin_sdk::lookup::Lookup;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};

use config::Config;

/// The plugin.
pub struct Odata;

impl Source for Odata {
    type Config = RawConfig;
    type Reader = read::SetReader;

    fn discover(config: RawConfig, names: Vec<String>) -> Result<Vec<Stream>> {
        discover::discover(Config::read(&config.0)?, &names)
    }

    fn open(config: RawConfig, request: ReadRequest) -> Result<Self::Reader> {
        read::open(Config::read(&config.0)?, &request)
    }
}

impl Lookup for Odata {
    type Config = RawConfig;

    fn lookup(config: RawConfig, request: ReadRequest, keys: Batch) -> Result<Changes> {
        lookup::lookup(Config::read(&config.0)?, &request, &keys)
    }
}

impl Sink for Odata {
    type Config = RawConfig;
    type Writer = sink::SetWriter;

    fn describe(config: RawConfig, name: String) -> Result<Option<Stream>> {
        sink::describe(Config::read(&config.0)?, &name)
    }

    fn prepare(config: RawConfig, wanted: Stream, _options: PrepareOptions) -> Result<Prepared> {
        sink::prepare(Config::read(&config.0)?, &wanted)
    }

    fn open(config: RawConfig, request: WriteRequest) -> Result<Self::Writer> {
        sink::open(Config::read(&config.0)?, &request)
    }
}

export!(Odata: source, lookup, sink);
