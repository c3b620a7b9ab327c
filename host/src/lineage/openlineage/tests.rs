use super::*;
use crate::lineage::{Change, Origin, OutputFlow};
use crate::record::{Field, LogicalType};

fn at(second: u32) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(&format!("2026-03-01T10:00:{second:02}.25Z")).unwrap().to_utc()
}

fn job() -> Job {
    let end = |name: &str, is_read, is_written| JobEnd {
        dataset: Dataset { namespace: "file".to_owned(), name: name.to_owned() },
        is_read,
        is_written,
    };
    Job {
        namespace: "acme".to_owned(),
        name: "customer".to_owned(),
        kind: JobKind::Hub,
        ends: vec![end("/crm", true, true), end("/erp", true, false), end("/copy", false, true)],
    }
}

fn begun() -> Begun {
    Begun { id: RunUuid::of("acme", "customer", 7, at(0)), at: at(0) }
}

fn flow() -> Flow {
    let mut mail = Field::new("mail", LogicalType::Text);
    mail.properties.set("native-type", "varchar(80)");
    let fields = vec![(
        "email".to_owned(),
        vec![Origin::described(1, "mail", &[]), Origin::described(1, "name", &["lower(value)".to_owned()])],
    )];
    let mut crm = OutputFlow { end: 0, fields, records: Vec::new() };
    let filter = || Origin::new(1, "active", Change::Filter, "active");
    crm.decides(filter());
    crm.decides(filter());
    crm.decides(Origin::new(1, "mail", Change::Join, ""));
    Flow { streams: vec![vec![Field::new("email", LogicalType::Text)], vec![mail], Vec::new()], outputs: vec![crm] }
}

fn names(event: &Value, pointer: &str) -> Vec<String> {
    let list = event.pointer(pointer).and_then(Value::as_array).unwrap();
    list.iter().map(|dataset| dataset["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_begin_names_what_takes_part() {
    let event = start(&job(), begun());
    assert_eq!(
        (event["eventType"].as_str(), event["eventTime"].as_str()),
        (Some("START"), Some("2026-03-01T10:00:00.250Z"))
    );
    assert_eq!(names(&event, "/inputs"), ["/crm", "/erp"]);
    assert_eq!(names(&event, "/outputs"), ["/crm", "/copy"]);
    assert_eq!(event["job"]["facets"]["jobType"]["jobType"], "HUB");
    assert_eq!(event["run"]["facets"]["nominalTime"]["nominalStartTime"], "2026-03-01T10:00:00.250Z");
    assert_eq!(event["run"]["facets"]["processing_engine"]["name"], "Lockstep");
}

#[test]
fn an_end_says_what_moved_and_from_where() {
    let rows = vec![EndRows { read: 3, written: 1 }, EndRows { read: 2, written: 0 }, EndRows { read: 0, written: 5 }];
    let event = end(&job(), begun(), Some(&flow()), &Ended { at: at(9), how: Ending::Complete, rows });
    assert_eq!(event["run"]["runId"], start(&job(), begun())["run"]["runId"]);
    assert_eq!(event["inputs"][1]["inputFacets"]["inputStatistics"]["rowCount"], 2);
    assert_eq!(event["outputs"][1]["outputFacets"]["outputStatistics"]["rowCount"], 5);
    assert_eq!(event["inputs"][1]["facets"]["schema"]["fields"][0]["type"], "varchar(80)");
    assert_eq!(event["inputs"][0]["facets"]["schema"]["fields"][0]["type"], "text");
    let lineage = &event["outputs"][0]["facets"]["columnLineage"];
    let inputs = lineage["fields"]["email"]["inputFields"].as_array().unwrap();
    assert_eq!((inputs[0]["name"].as_str(), inputs[0]["field"].as_str()), (Some("/erp"), Some("mail")));
    let how =
        |input: &Value| format!("{} {}", input["transformations"][0]["type"], input["transformations"][0]["subtype"]);
    assert_eq!(how(&inputs[0]), "\"DIRECT\" \"IDENTITY\"");
    assert_eq!(how(&inputs[1]), "\"DIRECT\" \"TRANSFORMATION\"");
    let records = lineage["dataset"].as_array().unwrap();
    assert_eq!(records.iter().map(how).collect::<Vec<_>>(), ["\"INDIRECT\" \"FILTER\"", "\"INDIRECT\" \"JOIN\""]);
    assert!(event["outputs"][1]["facets"].get("columnLineage").is_none());
}

#[test]
fn a_failure_says_why_also_before_anything_was_settled() {
    let how = Ending::Fail("LS0701: there is no stream".to_owned());
    let event = end(&job(), begun(), None, &Ended { at: at(1), how, rows: Vec::new() });
    assert_eq!((event["eventType"].as_str(), names(&event, "/inputs").len()), (Some("FAIL"), 2));
    assert_eq!(event["run"]["facets"]["errorMessage"]["message"], "LS0701: there is no stream");
    assert!(event["inputs"][0].get("inputFacets").is_none());
}

#[test]
fn a_run_that_was_found_dead_is_aborted() {
    let begin = start(&job(), begun());
    let event = abandoned(&begin.to_string(), at(30)).unwrap();
    assert_eq!(
        (event["eventType"].as_str(), event["eventTime"].as_str()),
        (Some("ABORT"), Some("2026-03-01T10:00:30.250Z"))
    );
    assert_eq!(event["run"], begin["run"]);
    assert_eq!(abandoned("[", at(30)), None);
}
