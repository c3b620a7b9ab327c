use super::*;

fn node(text: &str) -> Node {
    Node::read(text.as_bytes()).unwrap()
}

fn protocol() -> Rc<dyn Protocol> {
    Rc::new(crate::json::Json)
}

/// A manifest in JSON.
pub fn read(text: &str) -> Manifest {
    Manifest::read(&node(text), Vec::new(), &protocol()).unwrap_or_else(|error| panic!("{error:?}"))
}

/// A manifest with these rules for errors.
pub fn with_errors(errors: &str) -> Manifest {
    read(&format!(r#"{{"errors":{errors},"streams":{{"a":{{"key":"a","infer":true,"read":{{"path":"/a"}}}}}}}}"#))
}

/// The smallest manifest, with this laid over it.
fn manifest(patch: &str) -> Result<Manifest> {
    let mut document = node(r#"{"streams":{"a":{"key":"id","fields":{"id":"text"},"read":{"path":"/a"}}}}"#);
    document.merge(node(patch));
    Manifest::read(&document, Vec::new(), &protocol())
}

fn refuse(patch: &str, pointer: &str, says: &str) {
    let error = manifest(patch).unwrap_err();
    assert_eq!((error.code.as_str(), error.property("pointer")), ("api.manifest", Some(pointer)), "{patch}: {error:?}");
    assert!(error.message.contains(says) && error.message.contains(pointer), "{patch}: {}", error.message);
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
