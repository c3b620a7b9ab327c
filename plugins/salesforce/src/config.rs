//! What a connection says about its org.

use lockstep_plugin_sdk::error::Result;
use lockstep_web::settings::{self, choose, list, said};

/// The connection's `config`, as the manifest describes it.
#[derive(Clone, Debug)]
pub struct Config {
    pub version: String,
    pub objects: Vec<String>,
    pub deletes: Deletes,
    pub changes: ChangesFrom,
    /// How long a reading waits for events where there are none, in milliseconds.
    pub events_wait_ms: u32,
    pub read: Read,
    pub write: Write,
}

/// Where a hub learns of deletes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    #[default]
    Enumerate,
    Log,
}

/// Where changes come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangesFrom {
    #[default]
    Modified,
    Events,
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

/// What is kept of events is looked for by the server in its own time: who hangs up at once may never be shown any.
const EVENTS_WAIT_MS_DEFAULT: u32 = 3000;
const VERSION_DEFAULT: &str = "62.0";

impl Config {
    /// Reads the JSON of the settings.
    pub fn read(json: &str) -> Result<Self> {
        let mut config = Self {
            version: VERSION_DEFAULT.to_owned(),
            objects: Vec::new(),
            deletes: Deletes::default(),
            changes: ChangesFrom::default(),
            events_wait_ms: EVENTS_WAIT_MS_DEFAULT,
            read: Read::default(),
            write: Write::default(),
        };
        settings::read(json, |document, key| {
            match key {
                "version" => config.version = said(document)?,
                "objects" => config.objects = list(document)?,
                "deletes" => {
                    config.deletes =
                        choose(&said(document)?, &[("enumerate", Deletes::Enumerate), ("log", Deletes::Log)])?;
                }
                "changes" => {
                    config.changes = choose(
                        &said(document)?,
                        &[("modified", ChangesFrom::Modified), ("events", ChangesFrom::Events)],
                    )?;
                }
                "events_wait_ms" => config.events_wait_ms = said(document)?.parse().ok()?,
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
        let config = Config::read(
            r#"{"version":"58.0","objects":["Account"],"deletes":"log","read":"jobs","write":"jobs",
            "changes":"events","events_wait_ms":50}"#,
        )
        .unwrap();
        assert_eq!((config.changes, config.events_wait_ms), (ChangesFrom::Events, 50));
        assert_eq!((config.read, config.write), (Read::Jobs, Write::Jobs));
        assert_eq!((config.version.as_str(), config.objects.len(), config.deletes), ("58.0", 1, Deletes::Log));
        assert_eq!(Config::read("{}").unwrap().version, "62.0");
        assert_eq!(Config::read(r#"{"deletes":"all"}"#).unwrap_err().property("field"), Some("deletes"));
    }
}
