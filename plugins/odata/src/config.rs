//! What a connection says about its service.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The connection's `config`, as the manifest describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub service: String,
    #[serde(default = "page_size")]
    pub page_size: u32,
    #[serde(default)]
    pub paging: Paging,
    #[serde(default)]
    pub batch: BatchForm,
    #[serde(default = "batch_size")]
    pub batch_size: usize,
    #[serde(default)]
    pub changes: ChangesFrom,
    #[serde(default)]
    pub numbers: Numbers,
    #[serde(default)]
    pub cross_company: bool,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub query: BTreeMap<String, String>,
}

/// How a reading goes on behind a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Paging {
    #[default]
    Auto,
    Keys,
    Links,
}

/// How several requests go in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchForm {
    #[default]
    Auto,
    Json,
    Multipart,
    None,
}

/// Where changes come from without a `modified` field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangesFrom {
    #[default]
    Auto,
    Delta,
    Modified,
}

/// How exact numbers are written to version 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Numbers {
    #[default]
    Strings,
    Numbers,
}

/// What most services send at once anyway; a page of it is decoded in a few milliseconds.
fn page_size() -> u32 {
    1000
}

/// Business Central and SAP take so many, Dataverse ten times as many.
fn batch_size() -> usize {
    100
}
