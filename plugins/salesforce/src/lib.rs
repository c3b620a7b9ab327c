//! Salesforce objects as streams.
//!
//! The host sends the requests and holds the credentials; everything that is the vendor's own stands here: describes, types, SOQL, how
//! records are written, what the answers mean. The README says what it promises and where that ends.

mod collect;
mod config;
mod connection;
mod csv;
mod cursor;
mod describe;
mod events;
mod form;
mod id;
mod job;
mod kind;
mod lookup;
mod object;
mod read;
mod sink;
mod soql;
mod trouble;

use lockstep_plugin_sdk::config::RawConfig;
use lockstep_plugin_sdk::lookup::Lookup;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};

use config::Config;

/// The plugin.
pub struct Salesforce;

impl Source for Salesforce {
    type Config = RawConfig;
    type Reader = read::AnyReader;

    fn discover(config: RawConfig, names: Vec<String>) -> Result<Vec<Stream>> {
        describe::discover(Config::read(&config.0)?, &names)
    }

    fn open(config: RawConfig, request: ReadRequest) -> Result<Self::Reader> {
        read::open(Config::read(&config.0)?, &request)
    }
}

impl Lookup for Salesforce {
    type Config = RawConfig;

    fn lookup(config: RawConfig, request: ReadRequest, keys: Batch) -> Result<Changes> {
        lookup::lookup(Config::read(&config.0)?, &request, &keys)
    }
}

impl Sink for Salesforce {
    type Config = RawConfig;
    type Writer = sink::ObjectWriter;

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

export!(Salesforce: source, lookup, sink);
