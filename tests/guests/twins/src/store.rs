//! The system: one JSON file.

use std::collections::BTreeMap;

use lockstep_plugin_sdk::capabilities::files;
use lockstep_plugin_sdk::prelude::*;
use serde::{Deserialize, Serialize};

const FILE: &str = "store.json";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    pub id: i64,
    pub name: Option<String>,
    pub amount: Option<i64>,
    pub changed: Option<i64>,
    pub note: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Store {
    pub streams: BTreeMap<String, Vec<Row>>,
}

impl Store {
    pub fn load() -> Result<Self> {
        let text = read_file(FILE)?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(&text).map_err(|error| Error::permanent(error.to_string()))
    }

    pub fn save(&self) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|error| Error::permanent(error.to_string()))?;
        let file = files::create("data", FILE)?;
        file.append(&text)?;
        file.finish().map(drop)
    }
}

/// The content of a file; nothing if there is none.
pub fn read_file(name: &str) -> Result<Vec<u8>> {
    if !files::list_files("data")?.iter().any(|entry| entry.path == name) {
        return Ok(Vec::new());
    }
    let file = files::open("data", name)?;
    let mut content = Vec::new();
    loop {
        let part = file.read(content.len() as u64, 1 << 20)?;
        if part.is_empty() {
            return Ok(content);
        }
        content.extend(part);
    }
}
