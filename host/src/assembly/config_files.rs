//! Settings that stand in a file of their own: a plugin's manifest says which may, with `x-file`, and gets the content.

use std::borrow::Cow;
use std::path::Path;

use serde_json::Value;

/// A description of an API has some thousand lines at most.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Descriptions of large services in their own language have several times that.
const TEXT_BYTES_MAX: u64 = 8 << 20;

/// What is wrong with a setting: its JSON pointer, and a sentence.
pub type Unfit = (String, String);

/// The configuration with the content of the files it names, where the schema allows that.
pub fn with_files<'a>(config: &'a Value, schema: Option<&Value>, dir: &Path) -> Result<Cow<'a, Value>, Unfit> {
    let properties = schema.and_then(|schema| schema["properties"].as_object());
    let mut filled = Cow::Borrowed(config);
    for (key, property) in properties.into_iter().flatten() {
        let read: fn(&Path) -> Result<Value, String> = match property["x-file"].as_str() {
            Some("table") => read_table,
            Some("text") => read_text,
            _ => continue,
        };
        match &config[key] {
            Value::String(path) => filled.to_mut()[key] = content(key, path, dir, read)?,
            // Several texts, each in a file of its own.
            Value::Object(paths) if property["x-file"] == "text" => {
                let mut texts = serde_json::Map::new();
                for (name, path) in paths {
                    let text = match path.as_str() {
                        Some(path) => content(key, path, dir, read)?,
                        None => path.clone(),
                    };
                    texts.insert(name.clone(), text);
                }
                filled.to_mut()[key] = texts.into();
            }
            _ => {}
        }
    }
    Ok(filled)
}

fn content(key: &str, path: &str, dir: &Path, read: fn(&Path) -> Result<Value, String>) -> Result<Value, Unfit> {
    read(&dir.join(path))
        .map_err(|reason| (format!("/{key}"), format!("`config.{key}` names `{path}`, which {reason}")))
}

/// A text in UTF-8, or in UTF-16 with its byte order mark.
fn read_text(path: &Path) -> Result<Value, String> {
    check_size(path, TEXT_BYTES_MAX)?;
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let units = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, _) = rest.as_chunks::<2>();
        String::from_utf16(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<u16>>()).ok()
    };
    let text = match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        bytes => String::from_utf8(bytes.to_vec()).ok(),
    };
    text.map(Value::from).ok_or_else(|| "is no text in UTF-8".to_owned())
}

fn check_size(path: &Path, most: u64) -> Result<(), String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > most { Err(format!("has {size} bytes, where {most} are the most")) } else { Ok(()) }
}

/// A table from TOML, or from JSON where the name ends like that.
fn read_table(path: &Path) -> Result<Value, String> {
    check_size(path, FILE_BYTES_MAX)?;
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let read = match is_json {
        true => serde_json::from_str(&text).map_err(|error| error.to_string()),
        false => toml_edit::de::from_str(&text).map_err(|error| error.to_string().trim_end().to_owned()),
    };
    read.map_err(|error| format!("is not {}: {error}", if is_json { "JSON" } else { "TOML" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn files_are_read_where_the_schema_allows_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.toml"), "[streams.a]\nkey = [\"id\"]\n").unwrap();
        std::fs::write(folder.path().join("a.json"), "{\"streams\":1}").unwrap();
        let schema = json!({ "properties": { "manifest": { "x-file": "table" }, "api": {} } });
        let fill = |config: Value| with_files(&config, Some(&schema), folder.path()).map(Cow::into_owned);
        let filled = fill(json!({ "manifest": "a.toml", "api": "a.toml" })).unwrap();
        assert_eq!(filled, json!({ "manifest": { "streams": { "a": { "key": ["id"] } } }, "api": "a.toml" }));
        assert_eq!(fill(json!({ "manifest": "a.json" })).unwrap(), json!({ "manifest": { "streams": 1 } }));
        assert_eq!(fill(json!({ "manifest": { "x": 1 } })).unwrap(), json!({ "manifest": { "x": 1 } }));
        let schema = json!({ "properties": { "wsdl": { "x-file": "text" }, "schemas": { "x-file": "text" } } });
        let fill = |config: Value| with_files(&config, Some(&schema), folder.path()).map(Cow::into_owned);
        let utf16: Vec<u8> = "\u{feff}<a>ü</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(folder.path().join("wide.xsd"), utf16).unwrap();
        let filled = fill(json!({ "wsdl": "a.json", "schemas": { "x": "wide.xsd" } })).unwrap();
        assert_eq!(filled, json!({ "wsdl": "{\"streams\":1}", "schemas": { "x": "<a>ü</a>" } }));
        assert!(fill(json!({ "schemas": { "x": "none.xsd" } })).unwrap_err().1.contains("none.xsd"));
    }

    #[test]
    fn files_that_cannot_be_used_say_why() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bad.toml"), "a = ").unwrap();
        let schema = json!({ "properties": { "manifest": { "x-file": "table" } } });
        let fill = |config: Value| with_files(&config, Some(&schema), folder.path()).map(Cow::into_owned);
        for (path, says) in [("bad.toml", "is not TOML"), ("none.toml", "cannot be read")] {
            let (pointer, reason) = fill(json!({ "manifest": path })).unwrap_err();
            assert_eq!(pointer, "/manifest");
            assert!(reason.contains(says) && reason.contains(path), "{reason}");
        }
    }
}
