//! What a connection says about its org.

use lockstep_plugin_sdk::error::Result;
use lockstep_web::settings::{self, choose, list, said};

/// The connection's `config`, as the manifest describes it.
#[derive(Clone, Debug)]
pub struct Config {
    pub version: String,
    pub objects: Vec<String>,
    pub deletes: Deletes,
    pub read: Read,
    pub write: Write,
}

/// Where a hub learns of deletes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    #[default]
    Enumerate,
    Bin,
}

/// How everything is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Read {
    #[default]
    Pages,
    Jobs,
}

/// How more records than fit into one request are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Write {
    #[default]
    Collections,
    Jobs,
}

const VERSION_DEFAULT: &str = "62.0";

impl Config {
    /// Reads the JSON of the settings.
    pub fn read(json: &str) -> Result<Self> {
        let mut config = Self {
            version: VERSION_DEFAULT.to_owned(),
            objects: Vec::new(),
            deletes: Deletes::default(),
            read: Read::default(),
            write: Write::default(),
        };
        settings::read(json, |document, key| {
            match key {
                "version" => config.version = said(document)?,
                "objects" => config.objects = list(document)?,
                "deletes" => {
                    config.deletes =
                        choose(&said(document)?, &[("enumerate", Deletes::Enumerate), ("bin", Deletes::Bin)])?;
                }
                "read" => config.read = choose(&said(document)?, &[("pages", Read::Pages), ("jobs", Read::Jobs)])?,
                "write" => {
                    config.write =
                        choose(&said(document)?, &[("collections", Write::Collections), ("jobs", Write::Jobs)])?;
                }
                _ => return None,
            }
            Some(())
        })?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let config =
            Config::read(r#"{"version":"58.0","objects":["Account"],"deletes":"bin","read":"jobs","write":"jobs"}"#)
                .unwrap();
        assert_eq!((config.read, config.write), (Read::Jobs, Write::Jobs));
        assert_eq!((config.version.as_str(), config.objects.len(), config.deletes), ("58.0", 1, Deletes::Bin));
        assert_eq!(Config::read("{}").unwrap().version, "62.0");
        assert_eq!(Config::read(r#"{"deletes":"all"}"#).unwrap_err().property("field"), Some("deletes"));
    }
}
