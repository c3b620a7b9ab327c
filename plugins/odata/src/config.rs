//! What a connection says about its service.

use std::collections::BTreeMap;

use lockstep_plugin_sdk::error::Result;
use lockstep_web::settings::{self, choose, said, texts, unfit};

/// The connection's `config`, as the manifest describes it.
#[derive(Clone, Debug)]
pub struct Config {
    pub service: String,
    pub page_size: u32,
    pub paging: Paging,
    pub batch: BatchForm,
    pub batch_size: usize,
    pub changes: ChangesFrom,
    pub numbers: Numbers,
    pub cross_company: bool,
    pub headers: BTreeMap<String, String>,
    pub query: BTreeMap<String, String>,
}

/// How a reading goes on behind a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paging {
    #[default]
    Auto,
    Keys,
    Links,
}

/// How several requests go in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchForm {
    #[default]
    Auto,
    Json,
    Multipart,
    None,
}

/// Where changes come from without a `modified` field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangesFrom {
    #[default]
    Auto,
    Delta,
    Modified,
}

/// How exact numbers are written to version 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    #[default]
    Strings,
    Numbers,
}

/// What most services send at once anyway; a page of it is decoded in a few milliseconds.
const PAGE_SIZE_DEFAULT: u32 = 1000;
/// Business Central and SAP take so many, Dataverse ten times as many.
const BATCH_SIZE_DEFAULT: usize = 100;

impl Config {
    /// Reads the JSON of the settings.
    pub fn read(json: &str) -> Result<Self> {
        let mut config = Self {
            service: String::new(),
            page_size: PAGE_SIZE_DEFAULT,
            paging: Paging::default(),
            batch: BatchForm::default(),
            batch_size: BATCH_SIZE_DEFAULT,
            changes: ChangesFrom::default(),
            numbers: Numbers::default(),
            cross_company: false,
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
        };
        settings::read(json, |document, key| match key {
            "headers" => texts(document).map(|headers| config.headers = headers),
            "query" => texts(document).map(|query| config.query = query),
            _ => config.set(key, &said(document)?),
        })?;
        if config.service.is_empty() { Err(unfit("service")) } else { Ok(config) }
    }

    /// None if there is no such key, or the value is none of its own.
    fn set(&mut self, key: &str, said: &str) -> Option<()> {
        match key {
            "service" => said.clone_into(&mut self.service),
            "page_size" => self.page_size = said.parse().ok()?,
            "batch_size" => self.batch_size = said.parse().ok()?,
            "cross_company" => self.cross_company = said.parse().ok()?,
            "paging" => {
                self.paging = choose(said, &[("auto", Paging::Auto), ("keys", Paging::Keys), ("links", Paging::Links)])?
            }
            "batch" => self.batch = choose(said, BATCH_FORMS)?,
            "changes" => {
                let choices =
                    [("auto", ChangesFrom::Auto), ("delta", ChangesFrom::Delta), ("modified", ChangesFrom::Modified)];
                self.changes = choose(said, &choices)?;
            }
            "numbers" => {
                self.numbers = choose(said, &[("strings", Numbers::Strings), ("numbers", Numbers::Numbers)])?;
            }
            _ => return None,
        }
        Some(())
    }
}

const BATCH_FORMS: &[(&str, BatchForm)] = &[
    ("auto", BatchForm::Auto),
    ("json", BatchForm::Json),
    ("multipart", BatchForm::Multipart),
    ("none", BatchForm::None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let config = Config::read(
            r#"{"service":"/a","page_size":5,"paging":"links","batch":"json","batch_size":7,"changes":"delta",
            "numbers":"numbers","cross_company":true,"headers":{"A":"b"},"query":{"sap-client":"100"}}"#,
        )
        .unwrap();
        assert_eq!((config.service.as_str(), config.page_size, config.batch_size), ("/a", 5, 7));
        assert_eq!((config.paging, config.batch), (Paging::Links, BatchForm::Json));
        assert_eq!((config.changes, config.numbers), (ChangesFrom::Delta, Numbers::Numbers));
        assert!(config.cross_company && config.headers["A"] == "b" && config.query["sap-client"] == "100");
        let config = Config::read(r#"{"service":"/a"}"#).unwrap();
        assert_eq!((config.page_size, config.batch_size, config.batch), (1000, 100, BatchForm::Auto));
    }

    #[test]
    fn what_does_not_fit_names_its_key() {
        for (json, key) in [
            ("{}", "service"),
            ("", "config"),
            (r#"{"service":"/a","pages":1}"#, "pages"),
            (r#"{"service":"/a","page_size":"many"}"#, "page_size"),
            (r#"{"service":"/a","batch":"xml"}"#, "batch"),
            (r#"{"service":"/a","headers":{"A":1}}"#, "headers"),
        ] {
            assert_eq!(Config::read(json).unwrap_err().property("field"), Some(key), "{json}");
        }
    }
}
