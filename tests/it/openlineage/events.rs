//! Events that were told, and what the specification demands of them.

use std::path::{Path, PathBuf};

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use crate::mirror::project::Project;

const SPECIFICATION: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json";

/// The events in a project's `lineage.ndjson`, every one of them found valid.
#[track_caller]
pub fn of_file(project: &Project) -> Vec<Value> {
    let text = project.read("lineage.ndjson");
    assert!(text.ends_with('\n'), "{text}");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    check(&events);
    events
}

/// `START customers`, `COMPLETE customers`.
pub fn kinds(events: &[Value]) -> Vec<String> {
    let kind =
        |event: &Value| format!("{} {}", event["eventType"].as_str().unwrap(), event["job"]["name"].as_str().unwrap());
    events.iter().map(kind).collect()
}

/// The dataset whose name ends so.
#[track_caller]
pub fn dataset<'a>(event: &'a Value, side: &str, name: &str) -> &'a Value {
    let sets = event[side].as_array().unwrap();
    let found = sets.iter().find(|set| set["name"].as_str().unwrap().ends_with(name));
    found.unwrap_or_else(|| panic!("no {name} in {side} of {event:#}"))
}

/// Where a column comes from: `crm.db/contacts.email DIRECT/IDENTITY`.
pub fn origins(fields: &Value) -> Vec<String> {
    let file =
        |name: &str| name.rsplit('/').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("/");
    let one = |input: &Value| {
        let how = &input["transformations"][0];
        let name = file(input["name"].as_str().unwrap());
        let part = |name: &str| how[name].as_str().unwrap().to_owned();
        format!(
            "{name}.{} {}/{} {}",
            input["field"].as_str().unwrap(),
            part("type"),
            part("subtype"),
            part("description")
        )
        .trim_end()
        .to_owned()
    };
    fields.as_array().unwrap().iter().map(one).collect()
}

/// Every event follows the specification, and every facet the schema it names itself.
#[track_caller]
pub fn check(events: &[Value]) {
    let schemas = Schemas::load();
    let event_schema = schemas.validator(SPECIFICATION);
    let mut facets = 0;
    for event in events {
        assert_valid(&event_schema, event);
        assert_valid(&schemas.validator(event["schemaURL"].as_str().unwrap()), event);
        let sets = ["inputs", "outputs"].into_iter().flat_map(|side| event[side].as_array().unwrap());
        let of_sets = sets.flat_map(|set| ["facets", "inputFacets", "outputFacets"].map(|kind| &set[kind]));
        for facet in of_sets.chain([&event["run"]["facets"], &event["job"]["facets"]]).filter_map(Value::as_object) {
            for (name, facet) in facet {
                assert_valid(&schemas.validator(facet["_schemaURL"].as_str().unwrap()), facet);
                // The file that defines it says under which name it stands.
                let file = facet["_schemaURL"].as_str().unwrap().split('#').next().unwrap();
                assert_valid(&schemas.validator(file), &json!({ name: facet }));
                facets += 1;
            }
        }
    }
    assert!(facets >= events.len() * 3, "{facets}");
}

#[track_caller]
fn assert_valid(schema: &Validator, value: &Value) {
    let errors: Vec<String> =
        schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
}

struct Schemas(Registry<'static>);

impl Schemas {
    fn load() -> Self {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/it/openlineage/schemas"));
        let mut registry = Registry::new();
        for schema in files(&folder).iter().chain(&files(&folder.join("facets"))) {
            registry = registry.add(schema["$id"].as_str().unwrap(), schema.clone()).unwrap();
        }
        Self(registry.prepare().unwrap())
    }

    /// Of one definition, by its address.
    #[track_caller]
    fn validator(&self, address: &str) -> Validator {
        let options = jsonschema::options().with_registry(&self.0).should_validate_formats(true);
        options.build(&json!({ "$ref": address })).unwrap_or_else(|error| panic!("{address}: {error}"))
    }
}

fn files(folder: &Path) -> Vec<Value> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let schemas = paths.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    schemas.map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

/// The check itself notices what is wrong.
#[test]
fn what_is_wrong_is_found() {
    let good = json!({
        "eventTime": "2026-03-01T10:00:00.000Z", "eventType": "START", "producer": "urn:a:b", "schemaURL": "https://a/b",
        "run": { "runId": "01890a5d-ac96-774b-bcce-b302099a8057" }, "job": { "namespace": "a", "name": "b" },
    });
    let schemas = Schemas::load();
    let schema = schemas.validator(SPECIFICATION);
    assert_valid(&schema, &good);
    for (pointer, bad) in [
        ("/run/runId", json!("7")),
        ("/eventTime", json!("yesterday")),
        ("/eventType", json!("BEGIN")),
        ("/producer", json!("not a uri")),
        ("/job/name", json!(7)),
    ] {
        let mut event = good.clone();
        *event.pointer_mut(pointer).unwrap() = bad;
        assert!(!schema.is_valid(&event), "{pointer}");
    }
    let facet =
        "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet";
    assert!(!schemas.validator(facet).is_valid(&json!({ "fields": {} })), "without its producer");
}
