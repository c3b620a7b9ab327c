//! JSON Lines files as streams of typed records.

mod config;
mod discover;
mod refusals;
mod rows;

use lockstep_plugin_sdk::prelude::*;
use lockstep_text_files::{Fingerprint, Granted, Opening, Store, TextReader};

pub use config::Config;
pub use rows::Rows;

/// The plugin.
pub struct Jsonl;

/// Reads one file of a store.
pub type JsonlReader<S> = TextReader<<S as Store>::File, Rows>;

impl Source for Jsonl {
    type Config = Config;
    type Reader = JsonlReader<Granted>;

    fn discover(config: Config, names: Vec<String>) -> Result<Vec<Stream>> {
        discover_in(&Granted, &config, &names)
    }

    fn open(config: Config, request: ReadRequest) -> Result<Self::Reader> {
        open_in(&Granted, &config, &request)
    }
}

/// The streams of a store: what [`Source::discover`] does, wherever the files are.
pub fn discover_in<S: Store>(store: &S, config: &Config, names: &[String]) -> Result<Vec<Stream>> {
    discover::discover(store, config, names)
}

/// Begins to read a file of a store: what [`Source::open`] does, wherever the files are.
pub fn open_in<S: Store>(store: &S, config: &Config, request: &ReadRequest) -> Result<JsonlReader<S>> {
    let encoding = config.encoding_of(&request.stream);
    let fingerprint = Fingerprint::of_reading(env!("CARGO_PKG_VERSION"), &encoding, request);
    let opening = Opening { request, encoding, fingerprint };
    TextReader::open(store, opening, |_| Rows::new(&request.stream, &request.fields))
}

export!(Jsonl: source);
