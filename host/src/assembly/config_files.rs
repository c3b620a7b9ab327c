//! Settings that stand in a file of their own: a plugin's manifest says which may, with `x-file`, and gets the content.

use std::borrow::Cow;
use std::path::Path;

use serde_json::Value;

/// A description of an API has some thousand lines at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What is wrong with a setting: its JSON pointer, and a sentence.
pub type Unfit = (String, String);

/// The configuration with the content of the files it names, where the schema allows that.
pub fn with_files<'a>(config: &'a Value, schema: Option<&Value>, dir: &Path) -> Result<Cow<'a, Value>, Unfit> {
    let properties = schema.and_then(|schema| schema["properties"].as_object());
    let mut filled = Cow::Borrowed(config);
    for (key, property) in properties.into_iter().flatten() {
        let is_file = property["x-file"] == "table";
        let Some(path) = config[key].as_str().filter(|_| is_file) else { continue };
        let content = read(&dir.join(path))
            .map_err(|reason| (format!("/{key}"), format!("`config.{key}` names `{path}`, which {reason}")))?;
        filled.to_mut()[key] = content;
    }
    Ok(filled)
}

/// A table from TOML, or from JSON where the name ends like that.
fn read(path: &Path) -> Result<Value, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("has {size} bytes, where {FILE_BYTES_MAX} are the most"));
    }
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
        std::fs::write(folder.path().join("bad.toml"), "a = ").unwrap();
        let schema = json!({ "properties": { "manifest": { "x-file": "table" }, "api": {} } });
        let fill = |config: Value| with_files(&config, Some(&schema), folder.path()).map(Cow::into_owned);
        let filled = fill(json!({ "manifest": "a.toml", "api": "a.toml" })).unwrap();
        assert_eq!(filled, json!({ "manifest": { "streams": { "a": { "key": ["id"] } } }, "api": "a.toml" }));
        assert_eq!(fill(json!({ "manifest": "a.json" })).unwrap(), json!({ "manifest": { "streams": 1 } }));
        assert_eq!(fill(json!({ "manifest": { "x": 1 } })).unwrap(), json!({ "manifest": { "x": 1 } }));
        for (path, says) in [("bad.toml", "is not TOML"), ("none.toml", "cannot be read")] {
            let (pointer, reason) = fill(json!({ "manifest": path })).unwrap_err();
            assert_eq!(pointer, "/manifest");
            assert!(reason.contains(says) && reason.contains(path), "{reason}");
        }
    }
}
