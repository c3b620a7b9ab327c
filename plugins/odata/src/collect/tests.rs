use super::*;
use crate::edm::{Edm, Version};
use crate::entity::Property;
use lockstep_plugin_sdk::error::ErrorKind;
use lockstep_plugin_sdk::types::LogicalType;

const LIMITS: Limits = Limits { rows: 100, bytes: 1 << 20 };

fn entity() -> Entity {
    let property = |name: &str, edm: Edm| Property { name: name.into(), edm, bind: None };
    Entity {
        set: "A".into(),
        version: Version::V4,
        key: vec![KeyPart { name: "id".into(), edm: Edm::Int64 }],
        properties: vec![property("id", Edm::Int64), property("name", Edm::String)],
        alternate_keys: Vec::new(),
        has_delta: true,
    }
}

fn collector() -> Collector {
    Collector::new(&entity(), &[Field::new("name", LogicalType::Text)]).unwrap()
}

/// Names of the rows, keys, and what was taken.
fn take(collector: &mut Collector, text: &str) -> Result<(Vec<String>, Vec<String>, Taken)> {
    let taken = collector.take(text, 0, LIMITS, "read `A`")?;
    let found = collector.finish()?;
    let view = BatchView::new(&found.changes.data);
    let names = (0..view.rows()).map(|row| view.column("name").unwrap().text(row).unwrap_or("-").to_owned());
    Ok((names.collect(), found.keys.into_iter().map(|key| key.join("|")).collect(), taken))
}

#[test]
fn both_versions_have_lists_and_links() {
    let (names, keys, taken) = take(
        &mut collector(),
        r#"{"@odata.nextLink":"x","value":[{"id":1,"name":"a"},{"@odata.etag":"e","id":"2","name":null}]}"#,
    )
    .unwrap();
    assert_eq!((names, keys), (vec!["a".to_owned(), "-".to_owned()], vec!["1".to_owned(), "2".to_owned()]));
    assert_eq!((taken.elements, taken.next.as_deref()), (2, Some("x")));
    let mut of_two = collector();
    let text = r#"{"d":{"results":[{"__metadata":{"uri":"u","etag":"W/\"1\""},"id":"1","name":"a"}],"__next":"y"}}"#;
    let taken = of_two.take(text, 0, LIMITS, "read").unwrap();
    assert_eq!(taken.next.as_deref(), Some("y"));
    assert_eq!(of_two.finish().unwrap().etags, [Some("W/\"1\"".to_owned())]);
    assert_eq!(take(&mut collector(), r#"{"d":[{"id":1,"name":"b"}]}"#).unwrap().0, ["b"]);
}

#[test]
fn what_is_no_list_is_an_error_and_nothing_of_it_counts() {
    let check = |text: &str, kind: ErrorKind, code: &str| {
        let error = take(&mut collector(), text).unwrap_err();
        assert!(error.is(kind) && error.code == code, "{text}: {error:?}");
    };
    check(r#"{"error":{"code":"E1","message":"locked"}}"#, ErrorKind::Transient, "E1");
    check(r#"{"value":[{"id":1,"name":"a"}],"error":{"code":"E1","message":"x"}}"#, ErrorKind::Transient, "E1");
    check(r#"{"id":1,"name":"a"}"#, ErrorKind::Permanent, "odata.no-list");
    check(r#"{"value":{}}"#, ErrorKind::Permanent, "odata.no-list");
    check(r#"{"value":[{"id":1,"#, ErrorKind::Transient, "http.cut-off");
    check(r#"{"value":[{"id":1}]} trailing"#, ErrorKind::Permanent, "http.json");
    check("[]", ErrorKind::Permanent, "http.json");
}

#[test]
fn bad_records_are_put_aside_one_by_one() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let text = format!(
        r#"{{"value":[{{"id":1,"name":"a"}},{{"id":2,"id":3}},{{"id":"x","name":"c"}},{{"id":4,"name":"\ud800"}},{{"id":5,"x":{deep}}},7,{{"id":8,"name":"h"}},{{"id":9,"name":{{"a":1,"a":2}}}}]}}"#
    );
    let mut collector = collector();
    let taken = collector.take(&text, 0, LIMITS, "read").unwrap();
    assert_eq!((taken.elements, collector.trailing()), (8, 1));
    let found = collector.finish().unwrap();
    assert_eq!(found.keys, [["1"], ["8"]]);
    let shown: Vec<(&str, &str)> =
        found.rejected.iter().map(|rejection| (rejection.position.as_str(), rejection.error.code.as_str())).collect();
    let expected = [
        ("id = 2", "web.record"),
        ("id = x", "web.value"),
        ("id = 4", "odata.record"),
        ("id = 5", "odata.record"),
        ("?", "odata.record"),
        ("id = 9", "odata.record"),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_page_ends_where_it_is_full_and_goes_on_there() {
    let text = r#"{"value":[{"id":1,"name":"a"},{"id":2,"name":"b"},{"id":3,"name":"c"}]}"#;
    let mut collector = collector();
    let taken = collector.take(text, 0, Limits { rows: 2, bytes: 1 << 20 }, "read").unwrap();
    assert_eq!((taken.elements, taken.is_cut), (2, true));
    assert_eq!(collector.finish().unwrap().keys, [["1"], ["2"]]);
    let taken = collector.take(text, 2, LIMITS, "read").unwrap();
    assert_eq!((taken.elements, taken.is_cut), (3, false));
    assert_eq!(collector.finish().unwrap().keys, [["3"]]);
    let taken = collector.take(text, 0, Limits { rows: 10, bytes: 1 }, "read").unwrap();
    assert_eq!((taken.elements, taken.is_cut), (1, true));
}

#[test]
fn tombstones_of_all_kinds_delete() {
    let text = r##"{"value":[
        {"@removed":{"reason":"deleted"},"@id":"A(1)"},
        {"@removed":{"reason":"deleted"},"id":2},
        {"@odata.context":"$metadata#A/$deletedEntity","id":"https://h/A(3)","reason":"deleted"},
        {"@odata.context":"$metadata#A/$deletedEntity","id":"A(4)","reason":"changed"},
        {"@removed":{"reason":"changed"},"@id":"A(5)"},
        {"@odata.context":"$metadata#A/$link","source":"A(1)"},
        {"@removed":{"reason":"deleted"},"@id":"A(x)"},
        {"@removed":{"reason":"deleted"}}],"@odata.deltaLink":"d"}"##;
    let mut collector = collector();
    let taken = collector.take(text, 0, LIMITS, "read").unwrap();
    let found = collector.finish().unwrap();
    assert_eq!(found.keys, [["1"], ["2"], ["3"]]);
    assert_eq!(found.changes.kinds, Some(vec![1, 1, 1]));
    assert_eq!(collector.hidden, [["4"], ["5"]]);
    assert_eq!((found.rejected.len(), taken.delta.as_deref()), (2, Some("d")));
}
