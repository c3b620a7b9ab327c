//! What a project may say about its JSON Lines files.

use std::collections::BTreeMap;

use lockstep_text_files::{Encoding, Extensions};
use serde::Deserialize;

/// The extensions of files that are streams unless the project says otherwise.
const EXTENSIONS: [&str; 2] = ["jsonl", "ndjson"];

/// The connection's configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    encoding: Encoding,
    extensions: Option<Vec<String>>,
    streams: BTreeMap<String, Settings>,
}

/// What may differ for a single file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    encoding: Option<Encoding>,
}

impl Config {
    pub fn extensions(&self) -> Extensions {
        self.extensions.as_ref().map_or_else(|| Extensions::new(EXTENSIONS), Extensions::new)
    }

    pub fn encoding_of(&self, path: &str) -> Encoding {
        self.streams.get(path).and_then(|settings| settings.encoding).unwrap_or(self.encoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::error::Result;

    fn config(json: &str) -> Result<Config> {
        lockstep_plugin_sdk::config::parse(json)
    }

    #[test]
    fn a_file_may_differ() {
        let config =
            config(r#"{ "encoding": "utf-16le", "streams": { "a.jsonl": { "encoding": "utf-8" } } }"#).unwrap();
        assert_eq!(config.encoding_of("a.jsonl"), Encoding::Utf8);
        assert_eq!(config.encoding_of("b.jsonl"), Encoding::Utf16Le);
        assert!(config.extensions().cover("x/b.ndjson.gz") && !config.extensions().cover("b.json"));
    }

    #[test]
    fn nonsense_is_refused() {
        for json in [r#"{ "encodin": "utf-8" }"#, r#"{ "streams": { "a": { "x": 1 } } }"#, r#"{ "encoding": "x" }"#] {
            assert_eq!(config(json).unwrap_err().kind, "config", "{json}");
        }
    }
}
