//! The plugin on files in memory: everything but the sandbox.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod discovery;
mod manifest;
mod reading;
mod reject;

use lockstep_plugin_jsonl::{Config, JsonlReader, discover_in, open_in};
use lockstep_plugin_sdk::config::parse;
use lockstep_plugin_sdk::prelude::*;
use lockstep_text_files::memory::MemoryStore;
use lockstep_text_files::testing::{self, TestedPlugin};

pub const PATH: &str = "a.jsonl";

pub type Reading = testing::Reading<OnMemory>;

pub struct OnMemory;

impl TestedPlugin for OnMemory {
    type Reader = JsonlReader<MemoryStore>;

    const PATH: &'static str = PATH;

    fn discover(store: &MemoryStore, config: &str, names: &[String]) -> Result<Vec<Stream>> {
        discover_in(store, &parse::<Config>(config)?, names)
    }

    fn open(store: &MemoryStore, config: &str, request: &ReadRequest) -> Result<Self::Reader> {
        open_in(store, &parse::<Config>(config)?, request)
    }
}
