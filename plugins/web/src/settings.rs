//! A connection's settings, read from their JSON without a deserializer: that alone makes a plugin 50 kB smaller.

use std::collections::BTreeMap;

use lockstep_json::{Document, Fault};
use lockstep_plugin_sdk::error::{Error, Result};

/// Reads the settings. `set` is given each key and has to read its value; none if there is no such key, or the value is none of its
/// own. The host has checked them against the manifest before; what gets past that is an error all the same.
pub fn read(json: &str, mut set: impl FnMut(&mut Document<'_>, &str) -> Option<()>) -> Result<()> {
    let mut document = Document::new(json.as_bytes());
    document.object::<Unfit>(|document, key| {
        let key = String::from_utf8_lossy(&key.of(document.text())).into_owned();
        set(document, &key).ok_or(Unfit(key))
    })?;
    Ok(())
}

/// A key that is missing or does not fit.
pub fn unfit(key: &str) -> Error {
    Unfit(key.to_owned()).into()
}

/// The next value as text, whatever it is.
pub fn said(document: &mut Document<'_>) -> Option<String> {
    document.value().ok()?.said(document.text())
}

/// The choice of this name.
pub fn choose<T: Copy>(said: &str, choices: &[(&str, T)]) -> Option<T> {
    choices.iter().find(|(name, _)| *name == said).map(|(_, choice)| *choice)
}

/// The next value, an object of texts.
pub fn texts(document: &mut Document<'_>) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    document
        .object::<Unfit>(|document, key| {
            let key = String::from_utf8_lossy(&key.of(document.text())).into_owned();
            let value = document.value()?.string(document.text()).ok_or_else(|| Unfit(key.clone()))?;
            found.insert(key, value);
            Ok(())
        })
        .ok()?;
    Some(found)
}

/// The next value, a list of texts.
pub fn list(document: &mut Document<'_>) -> Option<Vec<String>> {
    let mut found = Vec::new();
    document
        .array::<Unfit>(|document| {
            found.push(document.value()?.string(document.text()).ok_or_else(|| Unfit(String::new()))?);
            Ok(())
        })
        .ok()?;
    Some(found)
}

/// The key at fault.
struct Unfit(String);

impl From<Fault> for Unfit {
    fn from(_: Fault) -> Self {
        Self("config".to_owned())
    }
}

impl From<Unfit> for Error {
    fn from(Unfit(key): Unfit) -> Self {
        Self::config(format!("the configuration does not fit: `{key}`")).with_code("config").with_field(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_what_does_not_fit_names_its_key() {
        let read = |json: &str| {
            let mut found = Vec::new();
            read(json, |document, key| {
                match key {
                    "list" => found.extend(list(document)?),
                    "texts" => found.extend(texts(document)?.into_values()),
                    "number" => found.push(said(document)?.parse::<u8>().ok()?.to_string()),
                    "choice" => found.push(choose(&said(document)?, &[("a", 1), ("b", 2)])?.to_string()),
                    _ => return None,
                }
                Some(())
            })
            .map(|()| found)
        };
        let json = r#"{"list":["x"],"texts":{"k":"y"},"number":7,"choice":"b"}"#;
        assert_eq!(read(json).unwrap(), ["x", "y", "7", "2"]);
        for (json, key) in [
            ("", "config"),
            (r#"{"other":1}"#, "other"),
            (r#"{"number":"many"}"#, "number"),
            (r#"{"list":[1]}"#, "list"),
            (r#"{"choice":"c"}"#, "choice"),
            (r#"{"texts":{"k":1}}"#, "texts"),
        ] {
            assert_eq!(read(json).unwrap_err().property("field"), Some(key), "{json}");
        }
    }
}
