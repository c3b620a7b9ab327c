//! A transform that looks into files, which none may.

use lockstep_plugin_sdk::capabilities::files;
use lockstep_plugin_sdk::prelude::*;

struct Impure;

impl Transform for Impure {
    type Config = NoConfig;
    type Transformer = Impure;

    fn describe(_config: NoConfig, input: Stream) -> Result<Stream> {
        Ok(input)
    }

    fn open(_config: NoConfig, _input: Stream) -> Result<Self> {
        files::list_files("data")?;
        Ok(Self)
    }
}

impl Transformer for Impure {
    fn apply(&mut self, changes: Changes) -> Result<Transformed> {
        Ok(Transformed::row_by_row(changes))
    }
}

export!(Impure: transform);
