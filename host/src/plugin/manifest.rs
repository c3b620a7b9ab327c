//! The manifest a plugin carries in a custom section of its binary, read without running any code.

use std::collections::BTreeMap;

use serde::Deserialize;

mod keys;

pub use keys::ConfigKey;

/// `plugin.toml`, as embedded by the SDK.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    pub name: PluginName,
    pub version: String,
    #[serde(default)]
    pub license: String,
    #[serde(default)]
    pub description: String,
    /// What it is: `source`, `sink`, …; only if it says so.
    #[serde(default)]
    pub exports: Option<Vec<String>>,
    /// The interfaces it wants: `log`, `files`, `sql`, `http`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The aliases it uses, per capability.
    #[serde(default)]
    pub aliases: BTreeMap<String, Vec<String>>,
    /// A JSON Schema for a connection's `config`.
    #[serde(default)]
    pub config: Option<serde_json::Value>,
    /// Properties of its sides: `enumerates`, `write`, `visibility-lag-ms`, `reports-times`.
    #[serde(default)]
    pub source: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    pub sink: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    pub transform: BTreeMap<String, serde_json::Value>,
}

/// A plugin's name: lower-case letters, digits and dashes, at most 64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct PluginName(String);

impl PluginName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PluginName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let fits = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits {
            Ok(Self(name))
        } else {
            Err(format!("`{name}` is not a name of lower-case letters, digits and dashes"))
        }
    }
}

impl std::fmt::Display for PluginName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Manifest {
    /// Reads the text of a manifest; the error says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml_edit::de::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let known_version = manifest.version.split('.').count() == 3
            && manifest.version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
            && manifest.version.len() <= 64;
        if !known_version {
            return Err(format!("version `{}` is not of the form 1.2.3", manifest.version));
        }
        Ok(manifest)
    }

    /// The keys of a connection's `config`, in the order of the manifest.
    pub fn config_keys(&self) -> Vec<ConfigKey> {
        self.config.as_ref().map(keys::of).unwrap_or_default()
    }

    /// `csv@0.1.0`.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_what_the_plugin_wants() {
        let manifest = Manifest::parse(
            "name = \"csv\"\nversion = \"0.1.0\"\ncapabilities = [\"files\"]\n[aliases]\nfiles = [\"data\"]\n[config]\ntype = \"object\"\n",
        )
        .unwrap();
        assert_eq!(manifest.label(), "csv@0.1.0");
        assert_eq!(manifest.aliases["files"], ["data"]);
        assert_eq!(manifest.config.unwrap()["type"], "object");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "name = \"A\"\nversion = \"1.0.0\"",
            "name = \"a\"\nversion = \"one\"",
            "name = \"a\"\nversion = \"1.0.0\"\nx = 1",
        ] {
            assert!(Manifest::parse(text).is_err(), "{text}");
        }
    }
}
