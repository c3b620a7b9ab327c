use super::*;
use crate::manifest::tests::read;
use lockstep_plugin_sdk::batch::ColumnView;

/// What a record becomes: the fields of the stream as text, `-` for null, nothing for what is absent.
fn check(stream: &str, record: &str, expected: &[&str]) {
    let mut document = Node::read(br#"{"streams":{"a":{"key":"id","read":{"path":"/a"}}}}"#).unwrap();
    let patch = format!(r#"{{"streams":{{"a":{stream}}}}}"#);
    document.merge(Node::read(patch.as_bytes()).unwrap());
    let manifest = read(&document.to_json());
    let spec = manifest.stream("a").unwrap();
    let wanted: Vec<Field> = spec.fields.iter().map(|field| Field::new(&field.name, field.logical)).collect();
    let mut collector = Collector::new(spec, &spec.fields, &wanted).unwrap();
    collector.take_whole(&Node::read(record.as_bytes()).unwrap());
    let found = collector.finish().unwrap();
    let shown: Vec<String> = match found.rejected.first() {
        Some(rejection) => vec![rejection.error.message.clone()],
        None => {
            let view = BatchView::new(&found.changes.data);
            let kind = found.changes.kinds.map(|kinds| format!("kind {}", kinds[0]));
            let text = |(column, field): (ColumnView<'_>, &Field)| match (column.is_present(0), column.is_valid(0)) {
                (false, _) => String::new(),
                (true, false) => "-".to_owned(),
                (true, true) => plain(column, field.logical().unwrap(), 0).unwrap(),
            };
            view.columns().zip(&wanted).map(text).chain(kind).collect()
        }
    };
    assert_eq!(shown, expected, "{record}");
}

#[test]
fn values_are_found_where_the_manifest_says() {
    let stream =
        r#"{"at":"p","fields":{"id":{"path":"id"},"a":"text","b.c":"int64","d":{"type":"int64","path":"list.1.x"}}}"#;
    check(stream, r#"{"id":"k","p":{"a":"x","b":{"c":7}},"list":[{},{"x":8}]}"#, &["k", "x", "7", "8"]);
    check(stream, r#"{"id":"k","p":{"a":null},"list":[]}"#, &["k", "-", "", ""]);
    check(stream, r#"{"id":"k","p":3}"#, &["k", "", "", ""]);
    check(stream, r#"{"p":{"a":"x"}}"#, &["`id` is not text: missing, though it is the key"]);
}

#[test]
fn values_are_read_in_the_apis_form() {
    let stream = r#"{"fields":{"id":"int64","at":{"type":"timestamp","form":"seconds"},"on":{"type":"timestamp","form":"utc"},
        "is":{"type":"bool","form":"text"},"m":{"type":"int64","path":"m.0","to":"m","null":false},"n":{"type":"text","null":""}}}"#;
    let time = "2026-01-31T10:00:00Z";
    let record = r#"{"id":1,"at":1769853600,"on":"2026-01-31T10:00:00","is":"true","m":[7,"seven"],"n":""}"#;
    check(stream, record, &["1", time, time, "true", "7", "-"]);
    check(stream, r#"{"id":1,"at":null,"is":true,"m":false,"n":"x"}"#, &["1", "-", "", "true", "-", "x"]);
    check(stream, r#"{"id":1,"at":"soon"}"#, &["`at` is not timestamp: not a whole number"]);
}

#[test]
fn absent_fields_are_null_only_where_the_manifest_says_so() {
    check(r#"{"fields":{"id":"text","a":"text"}}"#, r#"{"id":"k"}"#, &["k", ""]);
    check(r#"{"absent_is_null":true,"fields":{"id":"text","a":"text"}}"#, r#"{"id":"k"}"#, &["k", "-"]);
}

#[test]
fn records_that_are_gone_are_tombstones_and_others_are_skipped() {
    let stream = r#"{"deleted":{"path":"state","is":"trash"},"skip":{"path":"id","prefix":"_"},"fields":{"id":"text","a":"text"}}"#;
    check(stream, r#"{"id":"k","state":"trash","a":"x"}"#, &["k", "", "kind 1"]);
    check(stream, r#"{"id":"k","state":"new","a":"x"}"#, &["k", "x"]);
}

#[test]
fn json_is_written_without_spaces() {
    let stream = r#"{"fields":{"id":"text","a":"json"}}"#;
    check(stream, r#"{"id":"k","a":{ "b" : [ 1.10 , 2 ] }}"#, &["k", r#"{"b":[1.10,2]}"#]);
}
