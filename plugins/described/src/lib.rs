//! What the plugins share whose services are described by a manifest, whatever those speak.
//!
//! The host sends the requests and holds the credentials; what a service is like stands in its manifest; how it writes documents is its
//! [`Protocol`]'s business; what is the same for all of them stands here: templates, paging, positions, values, batches, and what an
//! answer means. Inside, every answer is a JSON document.

mod answer;
mod connection;
mod cursor;
mod failure;
mod fields;
mod form;
mod json;
mod lookup;
pub mod manifest;
mod page;
mod protocol;
mod read;
mod record;
mod sink;
mod trouble;
mod value;

use std::marker::PhantomData;

use lockstep_plugin_sdk::config::RawConfig;
use lockstep_plugin_sdk::lookup::Lookup;
use lockstep_plugin_sdk::prelude::{Batch, Changes, Error, ReadRequest, Sink, Source, Stream, WriteRequest};
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};

pub use connection::{ALIAS, Connection};
pub use failure::{Say, failure};
pub use json::Json;
pub use protocol::{Encoded, Protocol, Push};

/// What the parts of a plugin answer each other: errors are large, and handed on in many places.
pub type Result<T, E = Box<Error>> = std::result::Result<T, E>;

/// What is a plugin's own: how it comes from its settings to a connection.
pub trait Described {
    fn connect(config: &RawConfig) -> Result<Connection>;
}

/// A plugin.
pub struct Plugin<D>(PhantomData<D>);

impl<D: Described + 'static> Source for Plugin<D> {
    type Config = RawConfig;
    type Reader = read::StreamReader;

    fn discover(config: RawConfig, names: Vec<String>) -> Result<Vec<Stream>, Error> {
        let connection = D::connect(&config).map_err(|error| *error)?;
        fields::discover(&connection, &names).map_err(|error| *error)
    }

    fn open(config: RawConfig, request: ReadRequest) -> Result<Self::Reader, Error> {
        let connection = D::connect(&config).map_err(|error| *error)?;
        read::open(connection, &request).map_err(|error| *error)
    }
}

impl<D: Described + 'static> Lookup for Plugin<D> {
    type Config = RawConfig;

    fn lookup(config: RawConfig, request: ReadRequest, keys: Batch) -> Result<Changes, Error> {
        let connection = D::connect(&config).map_err(|error| *error)?;
        lookup::lookup(&connection, &request, &keys).map_err(|error| *error)
    }
}

impl<D: Described + 'static> Sink for Plugin<D> {
    type Config = RawConfig;
    type Writer = sink::StreamWriter;

    fn describe(config: RawConfig, name: String) -> Result<Option<Stream>, Error> {
        let connection = D::connect(&config).map_err(|error| *error)?;
        sink::describe(&connection, &name).map_err(|error| *error)
    }

    fn prepare(config: RawConfig, wanted: Stream, _options: PrepareOptions) -> Result<Prepared, Error> {
        let connection = D::connect(&config).map_err(|error| *error)?;
        sink::prepare(&connection, &wanted).map_err(|error| *error)
    }

    fn open(config: RawConfig, request: WriteRequest) -> Result<Self::Writer, Error> {
        let connection = D::connect(&config).map_err(|error| *error)?;
        sink::open(connection, &request).map_err(|error| *error)
    }
}
