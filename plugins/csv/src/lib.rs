//! CSV files as streams of typed records.

mod config;
mod discover;
mod header;
mod refusals;
mod rows;
mod scan;
mod splitter;

use lockstep_plugin_sdk::prelude::*;
use lockstep_text_files::{FileRead, Fingerprint, Granted, Opening, Store, TextReader, Window};

pub use config::Config;
pub use rows::Rows;

use config::FileDialect;
use header::{Beginning, read_beginning};

/// The plugin.
pub struct Csv;

/// Reads one file of a store.
pub type CsvReader<S> = TextReader<<S as Store>::File, Rows>;

impl Source for Csv {
    type Config = Config;
    type Reader = CsvReader<Granted>;

    fn discover(config: Config, names: Vec<String>) -> Result<Vec<Stream>> {
        discover::discover(&Granted, &config, &names)
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
pub fn open_in<S: Store>(store: &S, config: &Config, request: &ReadRequest) -> Result<CsvReader<S>> {
    let dialect = config.dialect_of(&request.stream)?;
    let fingerprint = Fingerprint::of_reading(env!("CARGO_PKG_VERSION"), &dialect, request);
    let opening = Opening { request, encoding: dialect.encoding, fingerprint };
    TextReader::open(store, opening, |window| {
        let beginning = begin(&dialect, &request.stream, window)?;
        window.text_mut().advance(beginning.records_at);
        Rows::new(&request.stream, &dialect, beginning, &request.fields)
    })
}

fn begin<F: FileRead>(dialect: &FileDialect, path: &str, window: &mut Window<F>) -> Result<Beginning> {
    loop {
        let text = window.text();
        if let Some(beginning) = read_beginning(dialect, path, text.bytes(), text.tail())? {
            return Ok(beginning);
        }
        window.fill()?;
    }
}

export!(Csv: source);
