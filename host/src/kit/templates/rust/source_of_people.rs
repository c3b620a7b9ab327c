//! The people that were written, read.

use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::source;

use crate::Plugin;
use crate::sink::{Person, load, stream};

impl Source for Plugin {
    type Config = NoConfig;
    type Reader = RecordReader<Person>;

    fn discover(_config: NoConfig, names: Vec<String>) -> Result<Vec<Stream>> {
        Ok(source::only(&names, [stream()?]))
    }

    fn open(_config: NoConfig, request: ReadRequest) -> Result<Self::Reader> {
        source::expect(&request, ["people"])?;
        RecordReader::new(&request, load()?.into_values().map(Ok))
    }
}
