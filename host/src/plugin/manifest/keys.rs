//! The keys of a connection's `config`, read from the JSON Schema in the manifest, for people.
//!
//! A schema may say a thing once and refer to it (`$ref`); whoever reads a list of keys wants it said. References that lead
//! nowhere or in circles are left out: a manifest comes from a stranger, and this only describes it.

use serde_json::Value;

/// How many references and lists inside of lists are followed.
const DEPTH_MAX: u32 = 8;

/// One key of `config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigKey {
    pub name: String,
    /// What it takes: `string`, `list of string`, `"reject", "pass"`, `table of …`; empty if the schema does not say.
    pub kind: String,
    /// As JSON, which is how TOML writes it, too; empty if there is none.
    pub default: String,
    /// The schema's description; empty if there is none.
    pub meaning: String,
}

/// The keys in the order of the schema.
pub(super) fn of(schema: &Value) -> Vec<ConfigKey> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, property)| key(schema, name, property)).collect()
}

fn key(schema: &Value, name: &str, property: &Value) -> ConfigKey {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    ConfigKey {
        name: name.to_owned(),
        kind: kind(schema, property, DEPTH_MAX),
        default: find(schema, property, "default").map(Value::to_string).unwrap_or_default(),
        meaning: find(schema, property, "description").map(text).unwrap_or_default(),
    }
}

/// What the schema says under `keyword`, here or where it refers to; what stands here wins.
fn find<'a>(schema: &'a Value, mut at: &'a Value, keyword: &str) -> Option<&'a Value> {
    for _ in 0..DEPTH_MAX {
        match at.get(keyword) {
            Some(value) => return Some(value),
            None => at = referred(schema, at)?,
        }
    }
    None
}

/// `#/definitions/steps` is a JSON pointer into the same schema; no other references are followed.
fn referred<'a>(schema: &'a Value, at: &Value) -> Option<&'a Value> {
    schema.pointer(at.get("$ref")?.as_str()?.strip_prefix('#')?)
}

fn kind(schema: &Value, at: &Value, depth: u32) -> String {
    let Some(depth) = depth.checked_sub(1) else { return String::new() };
    let list = |keyword| find(schema, at, keyword).and_then(Value::as_array);
    if let Some(choices) = list("enum") {
        return choices.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
    }
    if let Some(forms) = list("anyOf").or_else(|| list("oneOf")) {
        return join_distinct(forms.iter().map(|form| kind(schema, form, depth)));
    }
    match find(schema, at, "type") {
        Some(Value::String(name)) => named(schema, at, name, depth),
        Some(Value::Array(names)) => join_distinct(names.iter().filter_map(Value::as_str).map(str::to_owned)),
        _ => String::new(),
    }
}

/// In TOML's words: an object is a table, an array a list.
fn named(schema: &Value, at: &Value, name: &str, depth: u32) -> String {
    let below = |keyword| find(schema, at, keyword).map(|below| kind(schema, below, depth)).unwrap_or_default();
    let of = |container: &str, content: String| match content.as_str() {
        "" => container.to_owned(),
        content => format!("{container} of {content}"),
    };
    match (name, find(schema, at, "properties").and_then(Value::as_object)) {
        ("array", _) => of("list", below("items")),
        ("object", None) => of("table", below("additionalProperties")),
        ("object", Some(keys)) => format!("{{ {} }}", keys.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
        (other, _) => other.to_owned(),
    }
}

fn join_distinct(forms: impl Iterator<Item = String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for form in forms.filter(|form| !form.is_empty()) {
        if !distinct.contains(&form) {
            distinct.push(form);
        }
    }
    distinct.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(property: Value, expected: (&str, &str, &str)) {
        let schema = json!({
            "properties": {"key": property},
            "$defs": {
                "word": {"enum": ["a", "b"], "default": "a", "description": "one of two"},
                "again": {"$ref": "#/$defs/word"},
                "circle": {"$ref": "#/$defs/circle"},
                "deep": {"type": "array", "items": {"$ref": "#/$defs/deep"}},
            },
        });
        let keys = of(&schema);
        let found = keys.first().unwrap();
        assert_eq!((found.kind.as_str(), found.default.as_str(), found.meaning.as_str()), expected);
    }

    #[test]
    fn what_is_said_elsewhere_is_found() {
        check(json!({"$ref": "#/$defs/word"}), ("\"a\", \"b\"", "\"a\"", "one of two"));
        check(json!({"$ref": "#/$defs/again", "description": "mine"}), ("\"a\", \"b\"", "\"a\"", "mine"));
        check(json!({"type": "array", "items": {"$ref": "#/$defs/word"}}), ("list of \"a\", \"b\"", "", ""));
    }

    #[test]
    fn kinds_are_in_the_words_of_toml() {
        check(json!({"type": "string", "default": ""}), ("string", "\"\"", ""));
        check(json!({"type": ["string", "null"]}), ("string or null", "", ""));
        check(json!({"type": "object", "additionalProperties": {"type": "string"}}), ("table of string", "", ""));
        check(json!({"type": "object", "additionalProperties": false}), ("table", "", ""));
        let table = json!({"type": "object", "properties": {"a": {}, "b": {}}});
        check(json!({"anyOf": [{"type": "string"}, table, {"type": "string"}]}), ("string or { a, b }", "", ""));
    }

    #[test]
    fn a_strange_schema_says_less_but_never_fails() {
        check(json!({"$ref": "#/$defs/circle"}), ("", "", ""));
        check(json!({"$ref": "#/nowhere"}), ("", "", ""));
        check(json!({"$ref": "http://example.com/schema"}), ("", "", ""));
        check(json!({"$ref": 7}), ("", "", ""));
        check(json!(true), ("", "", ""));
        check(
            json!({"$ref": "#/$defs/deep"}),
            ("list of list of list of list of list of list of list of list", "", ""),
        );
        assert_eq!(of(&json!({"properties": []})), []);
        assert_eq!(of(&json!(null)), []);
    }
}
