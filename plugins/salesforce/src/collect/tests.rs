use super::*;
use lockstep_plugin_sdk::types::LogicalType;

const ALL: Limits = Limits { rows: u32::MAX, bytes: u64::MAX };

fn object() -> Object {
    let property = |name: &str, kind: &str| Property {
        name: name.to_owned(),
        kind: Kind::parse(kind).unwrap(),
        is_external_id: false,
        is_unique: false,
    };
    Object {
        name: "A".into(),
        properties: vec![
            property("Id", "id"),
            property("Name", "string"),
            property("Visits__c", "int"),
            property("IsDeleted", "boolean"),
            property("SystemModstamp", "datetime"),
        ],
        keeps_deleted: true,
        has_log: false,
        modified: Some("SystemModstamp"),
    }
}

fn collector() -> Collector {
    let object = object();
    let fields = [Field::new("Id", LogicalType::Text), Field::new("Visits__c", LogicalType::Int64)];
    let beside: Vec<&Property> = ["SystemModstamp", "IsDeleted"].map(|name| object.find(name).unwrap()).to_vec();
    Collector::new(&object, &fields, &beside).unwrap()
}

fn record(id: u32, visits: &str, rest: &str) -> String {
    format!(
        "{{\"attributes\":{{\"type\":\"A\"}},\"Id\":\"001A000000{id:05}\",\"Visits__c\":{visits},\"SystemModstamp\":\"2026-01-01T00:00:{id:02}.000+0000\"{rest}}}"
    )
}

#[test]
fn only_what_is_wanted_becomes_a_column() {
    let mut collector = collector();
    assert_eq!(collector.selected(), ["Id", "Visits__c", "SystemModstamp", "IsDeleted"]);
    let text =
        format!("{{\"totalSize\":1,\"done\":false,\"nextRecordsUrl\":\"/x-1\",\"records\":[{}]}}", record(1, "7", ""));
    let taken = collector.take(&text, 0, ALL, "read").unwrap();
    assert_eq!((taken.elements, taken.next.as_deref(), taken.is_done), (1, Some("/x-1"), false));
    assert_eq!(collector.last(), Some(&("2026-01-01T00:00:01Z".to_owned(), "001A00000000001".to_owned())));
    let found = collector.finish().unwrap();
    assert_eq!((found.changes.data.columns.len(), found.changes.kinds), (2, None));
    assert_eq!(found.beside[0][0].as_deref(), Some("2026-01-01T00:00:01Z"));
    assert_eq!(found.beside[0].last().unwrap().as_deref(), Some("001A00000000001IAA"));
}

#[test]
fn deleted_records_are_told_even_if_they_cannot_be_read() {
    let mut collector = collector();
    let records = [
        record(1, "7", ",\"IsDeleted\":false"),
        record(2, "7", ",\"IsDeleted\":true"),
        record(3, "\"many\"", ",\"IsDeleted\":true"),
        record(4, "\"many\"", ",\"IsDeleted\":false"),
    ];
    collector.take(&format!("{{\"done\":true,\"records\":[{}]}}", records.join(",")), 0, ALL, "read").unwrap();
    let found = collector.finish().unwrap();
    assert_eq!(found.changes.kinds, Some(vec![0, 1, 1]));
    assert_eq!(found.rejected.len(), 1);
    assert_eq!(
        (found.rejected[0].position.as_str(), found.rejected[0].error.code.as_str()),
        ("Id = 001A00000000004", "web.value")
    );
    let id = BatchView::new(&found.changes.data).column("Id").unwrap();
    assert_eq!(id.text(2), Some("001A00000000003IAA"));
}

#[test]
fn a_page_ends_where_it_is_full_and_goes_on_there() {
    let mut collector = collector();
    let records: Vec<String> = (1..=5).map(|id| record(id, "1", "")).collect();
    let text = format!("{{\"done\":true,\"records\":[{}]}}", records.join(","));
    let limits = Limits { rows: 2, bytes: u64::MAX };
    for (skip, elements, rows, is_cut) in [(0, 2, 2, true), (2, 4, 2, true), (4, 5, 1, false)] {
        let taken = collector.take(&text, skip, limits, "read").unwrap();
        assert_eq!((taken.elements, taken.is_cut), (elements, is_cut));
        assert_eq!(collector.finish().unwrap().changes.data.rows, rows);
    }
}

#[test]
fn records_by_their_ids_may_be_missing_and_errors_are_none() {
    let mut collector = collector();
    let taken = collector.take(&format!("[null,{},null]", record(1, "1", "")), 0, ALL, "look up").unwrap();
    assert_eq!((taken.elements, collector.finish().unwrap().changes.data.rows), (3, 1));
    for (text, kind, code) in [
        (r#"[{"errorCode":"UNKNOWN_EXCEPTION","message":"no"}]"#, "transient", "UNKNOWN_EXCEPTION"),
        (r#"{"errorCode":"X","message":"no"}"#, "transient", "X"),
        (r#"{"error":"invalid_grant"}"#, "transient", "invalid_grant"),
        ("{}", "permanent", "salesforce.no-records"),
        ("7", "permanent", "http.json"),
        ("[", "transient", "http.cut-off"),
        (r#"{"records":[{"Id":"1"}"#, "transient", "http.cut-off"),
    ] {
        let error = collector.take(text, 0, ALL, "read").unwrap_err();
        assert_eq!((error.kind.as_str(), error.code.as_str()), (kind, code), "{text}");
        collector.finish().unwrap();
    }
}

#[test]
fn tables_are_taken_like_lists() {
    let mut collector = collector();
    let id = |n: u32| format!("001A000000{n:05}");
    let text = format!(
        "Id,IsDeleted,Visits__c,Other\n{},false,7,\n{},false,,x\n{},false,many,x\n{},x\n",
        id(1),
        id(2),
        id(3),
        id(4)
    );
    let limits = Limits { rows: 1, bytes: u64::MAX };
    let taken = collector.take_table(&text, 0, limits).unwrap();
    assert_eq!((taken.elements, taken.is_cut), (1, true));
    collector.finish().unwrap();
    let taken = collector.take_table(&text, 1, ALL).unwrap();
    assert_eq!((taken.elements, taken.is_cut), (4, false));
    let found = collector.finish().unwrap();
    let view = BatchView::new(&found.changes.data);
    assert_eq!((view.rows(), view.column("Visits__c").unwrap().int64(0)), (1, None));
    assert_eq!(view.column("Id").unwrap().text(0), Some("001A00000000002IAA"));
    let codes: Vec<&str> = found.rejected.iter().map(|rejection| rejection.error.code.as_str()).collect();
    assert_eq!(codes, ["web.value", "salesforce.record"]);
    for text in ["", "{\"a\":1}", "Name\nx\n", "Id\n\"x"] {
        assert_eq!(collector.take_table(text, 0, ALL).unwrap_err().code, "salesforce.csv", "{text}");
    }
}
