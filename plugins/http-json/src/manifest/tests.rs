use super::*;

fn node(text: &str) -> Node {
    Node::read(text.as_bytes()).unwrap()
}

/// The smallest manifest, with this laid over it.
fn manifest(patch: &str) -> Result<Manifest> {
    let mut document = node(r#"{"streams":{"a":{"key":"id","fields":{"id":"text"},"read":{"path":"/a"}}}}"#);
    document.merge(node(patch));
    Manifest::read(&document, Vec::new())
}

fn refuse(patch: &str, pointer: &str, says: &str) {
    let error = manifest(patch).unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.property("pointer")),
        ("http-json.manifest", Some(pointer)),
        "{patch}: {error:?}"
    );
    assert!(error.message.contains(says) && error.message.contains(pointer), "{patch}: {}", error.message);
}

#[test]
fn what_comes_with_the_plugin_can_be_read() {
    for (api, parameters) in [
        ("hubspot", ""),
        ("stripe", ""),
        ("woocommerce", ""),
        ("shopify", ""),
        ("mailchimp", r#""list":"a""#),
        ("odoo", r#""database":"a","login":"b""#),
    ] {
        let config = format!(r#"{{"api":"{api}","parameters":{{{parameters}}}}}"#);
        let read = read_config(&config).unwrap_or_else(|error| panic!("{api}: {}", error.message));
        assert!(!read.streams.is_empty());
    }
    assert_eq!(bundled::all().members().len(), 6);
}

#[test]
fn mistakes_are_told_by_pointer_with_what_was_expected() {
    assert!(manifest("{}").is_ok());
    refuse(r#"{"stream":{}}"#, "/stream", "`streams`");
    refuse(r#"{"streams":{"a":{"read":{"path":null}}}}"#, "/streams/a/read/path", "is missing");
    refuse(r#"{"streams":{"a":{"read":{"path":7}}}}"#, "/streams/a/read/path", "must be a string, found a number");
    refuse(r#"{"streams":{"a":{"read":{"method":"FETCH"}}}}"#, "/streams/a/read/method", "one of `GET`, `POST`");
    refuse(r#"{"streams":{"a":{"read":{"page_size":0}}}}"#, "/streams/a/read/page_size", "from 1 to 10000");
    refuse(r#"{"streams":{"a":{"read":{"paging":{"by":"cursor"}}}}}"#, "/streams/a/read/paging/next", "is missing");
    refuse(r#"{"streams":{"a":{"read":{"query":{"x":"${crusor}"}}}}}"#, "/streams/a/read/query/x", "`${crusor}`");
    refuse(r#"{"streams":{"a":{"key":"no"}}}"#, "/streams/a/key", "`no`");
    refuse(r#"{"streams":{"a":{"fields":{"id":"number"}}}}"#, "/streams/a/fields/id", "must be a type");
    refuse(r#"{"streams":{"a/b":{"key":"id"}}}"#, "/streams/a~1b/read", "is missing");
    refuse(r#"{"streams":{"a":{"parent":"b"}}}"#, "/streams/a/parent", "no stream");
    refuse(
        r#"{"streams":{"a":{"create":{"path":"/a","json":{},"form":{}}}}}"#,
        "/streams/a/create/form",
        "together with",
    );
    refuse(r#"{"errors":{"rules":[{"means":"refused"}]}}"#, "/errors/rules/0", "what it is about");
    refuse(r#"{"errors":{"rules":[{"status":409,"means":"odd"}]}}"#, "/errors/rules/0/means", "`missing`");
    refuse(r#"{"streams":{"a":{"read":{"envelope":"x"}}}}"#, "/streams/a/read/envelope", "one of");
}

#[test]
fn parameters_are_given_where_they_are_needed_and_known() {
    let read = |config: &str| read_config(config).map_err(|error| error.code);
    assert_eq!(read(r#"{"api":"mailchimp"}"#).unwrap_err(), "http-json.parameter");
    assert_eq!(read(r#"{"api":"hubspot","parameters":{"list":"x"}}"#).unwrap_err(), "http-json.parameter");
    assert_eq!(read(r#"{"api":"hubspotty"}"#).unwrap_err(), "http-json.api");
    assert_eq!(read("{}").unwrap_err(), "http-json.api");
    assert_eq!(read("").unwrap_err(), "http-json.api");
}

#[test]
fn a_manifest_of_ones_own_is_laid_over_the_one_that_is_named() {
    let own = r#"{"api":"stripe","manifest":{"streams":{"customers":{"fields":{"tier":{"path":"metadata.tier"}}},"invoices":null}}}"#;
    let read = read_config(own).unwrap();
    let customers = read.stream("customers").unwrap();
    assert_eq!(customers.field("tier").unwrap().path, ["metadata", "tier"]);
    assert!(customers.field("email").is_some() && read.stream("invoices").is_err());
}
