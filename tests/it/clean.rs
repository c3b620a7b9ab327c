//! The transform plugin `clean`, as the component that is built into the host.

use std::sync::LazyLock;

use lockstep::connector::{Transform, Transformed};
use lockstep::plugin::{Catalog, Limits, PluginBinary, PluginConnector, PluginError, Runtime};
use lockstep::record::{Changes, Field, Properties, Stream, batch_from_json, row_to_json};
use serde_json::{Value, json};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let cache = std::env::temp_dir().join("lockstep-test-cache");
    Runtime::new(cache, Limits::default()).unwrap()
});

fn bundled() -> PluginBinary {
    Catalog::new(lockstep_bundle::PLUGINS).bundled("clean", RUNTIME.limits()).unwrap()
}

fn stream() -> Stream {
    let fields = [("id", "int64"), ("email", "text"), ("name", "text"), ("phone", "text"), ("status", "text")];
    Stream {
        name: "contacts".to_owned(),
        key: vec!["id".to_owned()],
        fields: fields.map(|(name, logical)| Field::new(name, logical.parse().unwrap())).to_vec(),
        properties: Properties::default(),
    }
}

fn connector(config: &Value) -> Result<PluginConnector, PluginError> {
    PluginConnector::transform(&RUNTIME, &bundled(), config, Limits::default())
}

/// Everything the manifest's schema allows.
fn config() -> Value {
    json!({
        "fields": {
            "email": ["trim", "nfc", {"email": {"local": "lower", "invalid": "reject"}}],
            "phone": [{"phone": {"default": "DE", "invalid": "null"}}],
            "status": ["trim", "lower", {"map": {"mr.": "mr", "-": null}, "default": "reject"}],
        },
        "all_text": ["trim", "collapse", "nfc", "upper", "empty_as_null", {"max_length": 8, "longer": "cut"}],
        "required": ["email"],
        "absent": "pass",
    })
}

async fn apply(config: &Value, rows: &[Value]) -> Transformed {
    let connector = connector(config).unwrap();
    let stream = stream();
    assert_eq!(connector.describe(&stream).await.unwrap().fields, stream.fields);
    let mut transformer = Transform::open(&connector, &stream).await.unwrap();
    let fields = stream.fields.clone().into();
    let changes = Changes::upserts(batch_from_json(&fields, rows).unwrap());
    transformer.apply(&changes).await.unwrap()
}

fn rows(changes: &Changes) -> Vec<Value> {
    (0..changes.rows()).map(|row| Value::Object(row_to_json(&changes.data, row))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_component_cleans_and_rejects_row_by_row() {
    let output = apply(
        &config(),
        &[
            json!({"id": 1, "email": " Ann@Example.COM", "name": "ann\t lee", "phone": "030 / 123456", "status": " Mr."}),
            json!({"id": 2, "email": "", "name": "bob"}),
            json!({"id": 3, "name": "  ", "phone": "?", "status": "-"}),
            json!({"id": 4, "email": "d@e.f", "name": "a\u{308}bcdefghijk", "phone": null, "status": "Dr."}),
            json!({"id": 5, "email": "e@f.g", "status": null}),
        ],
    )
    .await;
    assert_eq!(
        rows(&output.changes),
        [
            json!({"id": 1, "email": "ann@example.com", "name": "ANN LEE", "phone": "+4930123456", "status": "mr"}),
            json!({"id": 3, "name": null, "phone": null, "status": null}),
            json!({"id": 5, "email": "e@f.g", "status": null}),
        ]
    );
    assert_eq!(output.origins, Some(vec![0, 2, 4]));
    let rejected: Vec<(u32, &str, Option<&str>)> = output
        .rejected
        .iter()
        .map(|error| (error.row, error.error.detail_code.as_str(), error.error.properties.get("field")))
        .collect();
    assert_eq!(rejected, [(1, "clean.required", Some("email")), (3, "clean.map", Some("status"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_page_gives_the_same_bytes() {
    let page: Vec<Value> =
        (0..500).map(|id| json!({"id": id, "email": format!(" U{id}@X.Y"), "name": "é ".repeat(id % 7)})).collect();
    let first = apply(&config(), &page).await;
    let second = apply(&config(), &page).await;
    assert_eq!(rows(&first.changes), rows(&second.changes));
    assert_eq!(rows(&first.changes)[3], json!({"id": 3, "email": "u3@x.y", "name": "É É É"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_refused() {
    for wrong in [
        json!({"all_text": ["trimm"]}),
        json!({"all_text": [{"phone": {"default": "de"}}]}),
        json!({"all_text": [{"max_length": 0}]}),
        json!({"all_texts": []}),
    ] {
        let error = connector(&wrong).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains("does not fit `clean@0.1.0`")), "{wrong}: {error:?}");
    }
    let connector = connector(&json!({"required": ["mail"]})).unwrap();
    let failure = connector.describe(&stream()).await.unwrap_err();
    assert_eq!(failure.detail_code, "clean.field");
    assert!(failure.message.contains("`contacts` has no field `mail`"), "{failure}");
}
