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

use lockstep_plugin_sdk::lookup::Lookup;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};

use config::Config;

/// The plugin.
pub struct Odata;

impl Source for Odata {
    type Config = Config;
    type Reader = read::SetReader;

    fn discover(config: Config, names: Vec<String>) -> Result<Vec<Stream>> {
        discover::discover(config, &names)
    }

    fn open(config: Config, request: ReadRequest) -> Result<Self::Reader> {
        read::open(config, &request)
    }
}

impl Lookup for Odata {
    type Config = Config;

    fn lookup(config: Config, request: ReadRequest, keys: Batch) -> Result<Changes> {
        lookup::lookup(config, &request, &keys)
    }
}

impl Sink for Odata {
    type Config = Config;
    type Writer = sink::SetWriter;

    fn describe(config: Config, name: String) -> Result<Option<Stream>> {
        sink::describe(config, &name)
    }

    fn prepare(config: Config, wanted: Stream, _options: PrepareOptions) -> Result<Prepared> {
        sink::prepare(config, &wanted)
    }

    fn open(config: Config, request: WriteRequest) -> Result<Self::Writer> {
        sink::open(config, &request)
    }
}

export!(Odata: source, lookup, sink);
