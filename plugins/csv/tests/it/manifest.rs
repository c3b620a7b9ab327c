//! The manifest: what it tells people and the host about `config` is what the plugin takes.

use std::collections::BTreeSet;

use lockstep_plugin_csv::Config;
use lockstep_plugin_sdk::config::parse;
use serde_json::Value;

fn manifest() -> Value {
    toml_edit::de::from_str(include_str!("../../plugin.toml")).unwrap()
}

/// The properties of a part of the schema, with what they refer to.
fn properties(schema: &Value, path: &str) -> Vec<(String, Value)> {
    let resolve = |property: &Value| match property["$ref"].as_str() {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => property.clone(),
    };
    let properties = schema.pointer(path).unwrap().as_object().unwrap();
    properties.iter().map(|(name, property)| (name.clone(), resolve(property))).collect()
}

/// The keys the plugin takes, as its own message about an unknown one lists them.
fn known_keys(json: &str) -> BTreeSet<String> {
    let message = parse::<Config>(json).unwrap_err().message;
    let (_, list) = message.split_once("expected ").unwrap();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_schema_names_the_keys_that_exist() {
    let manifest = manifest();
    let named = |path| properties(&manifest["config"], path).into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>();
    assert_eq!(named("/properties"), known_keys("{ \"?\": 1 }"));
    let mut of_files = known_keys("{ \"?\": 1 }");
    of_files.retain(|key| key != "extensions" && key != "streams");
    assert_eq!(named("/$defs/file/properties"), of_files);
}

#[test]
fn defaults_are_what_they_are_said_to_be() {
    for (name, property) in properties(&manifest()["config"], "/properties") {
        assert!(property["description"].is_string(), "{name}");
        if let Some(default) = property.get("default") {
            let said: Config = parse(&serde_json::json!({ name.as_str(): default }).to_string()).unwrap();
            let unsaid: Config = parse("{}").unwrap();
            assert_eq!(said.dialect_of("a.csv").unwrap(), unsaid.dialect_of("a.csv").unwrap(), "{name}");
            assert_eq!(said.extensions(), unsaid.extensions(), "{name}");
        }
    }
}

#[test]
fn the_manifest_asks_for_files_only() {
    let manifest = manifest();
    assert_eq!(manifest["capabilities"], serde_json::json!(["files"]));
    assert_eq!(manifest["aliases"]["files"], serde_json::json!([lockstep_text_files::ALIAS]));
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
}
