//! HTTP APIs that speak JSON, as streams, each described by a manifest.
//!
//! The host sends the requests and holds the credentials; what an API is like stands in its manifest; what is the same for all of them
//! stands here: templates, paging, positions, values, batches, and what an answer means. The README says what it promises.

mod connection;
mod cursor;
mod failure;
mod fields;
mod form;
mod lookup;
mod manifest;
mod page;
mod read;
mod record;
mod sink;
mod trouble;
mod value;

use lockstep_plugin_sdk::config::RawConfig;
use lockstep_plugin_sdk::lookup::Lookup;
use lockstep_plugin_sdk::prelude::{Batch, Changes, Error, ReadRequest, Sink, Source, Stream, WriteRequest, export};
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};

use connection::Connection;

/// What the parts of the plugin answer each other: errors are large, and handed on in many places.
type Result<T, E = Box<Error>> = std::result::Result<T, E>;

/// The plugin.
pub struct HttpJson;

fn connect(config: &RawConfig) -> Result<Connection> {
    Connection::new(manifest::read_config(&config.0)?)
}

impl Source for HttpJson {
    type Config = RawConfig;
    type Reader = read::StreamReader;

    fn discover(config: RawConfig, names: Vec<String>) -> Result<Vec<Stream>, Error> {
        let connection = connect(&config).map_err(|error| *error)?;
        fields::discover(&connection, &names).map_err(|error| *error)
    }

    fn open(config: RawConfig, request: ReadRequest) -> Result<Self::Reader, Error> {
        let connection = connect(&config).map_err(|error| *error)?;
        read::open(connection, &request).map_err(|error| *error)
    }
}

impl Lookup for HttpJson {
    type Config = RawConfig;

    fn lookup(config: RawConfig, request: ReadRequest, keys: Batch) -> Result<Changes, Error> {
        let connection = connect(&config).map_err(|error| *error)?;
        lookup::lookup(&connection, &request, &keys).map_err(|error| *error)
    }
}

impl Sink for HttpJson {
    type Config = RawConfig;
    type Writer = sink::StreamWriter;

    fn describe(config: RawConfig, name: String) -> Result<Option<Stream>, Error> {
        let connection = connect(&config).map_err(|error| *error)?;
        sink::describe(&connection, &name).map_err(|error| *error)
    }

    fn prepare(config: RawConfig, wanted: Stream, _options: PrepareOptions) -> Result<Prepared, Error> {
        let connection = connect(&config).map_err(|error| *error)?;
        sink::prepare(&connection, &wanted).map_err(|error| *error)
    }

    fn open(config: RawConfig, request: WriteRequest) -> Result<Self::Writer, Error> {
        let connection = connect(&config).map_err(|error| *error)?;
        sink::open(connection, &request).map_err(|error| *error)
    }
}

export!(HttpJson: source, lookup, sink);
