//! Plugins on databases and files.

use serde_json::{Value, json};

use super::lines;
use crate::mirror::project::{FILES, Project};

#[test]
fn statements_and_their_rows_are_recorded() {
    let project = Project::new(FILES);
    let database = rusqlite::Connection::open(project.path("copy.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, amount REAL, raw BLOB);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25)
             INSERT INTO t SELECT i, 'n' || i, i / 4.0, x'00ff' FROM n;",
        )
        .unwrap();
    drop(database);
    project
        .run(&["plugin", "record", "--connection", "copy", "--page-rows", "10", "--out", "t.jsonl"])
        .ends(0)
        .says(&["1 stream, 25 records in 3 pages"]);
    std::fs::remove_file(project.path("copy.db")).unwrap();
    let statements: Vec<Value> =
        lines(&project, "t.jsonl").into_iter().filter(|line| line["asked"]["query"].is_string()).collect();
    let row = json!([1, "n1", 0.25, "AP8="]);
    let has_row = |line: &Value| line["got"]["pages"][0]["rows"][0] == row;
    assert!(statements.iter().any(has_row), "{statements:#?}");
    project.run(&["plugin", "replay", "sqlite", "t.jsonl"]).ends(0).says(&["1 stream, 25 records in 3 pages, as"]);
    assert!(!project.path("copy.db").exists(), "no database is made either");

    let fewer = project.read("t.jsonl").replacen("\"n7\",1.75", "\"n7\",2.75", 1);
    project.write("t.jsonl", fewer);
    project.run(&["plugin", "replay", "sqlite", "t.jsonl"]).ends(1).says(&["record [7] `amount`", "1.75", "2.75"]);
}

#[test]
fn files_are_recorded_whole() {
    let project = Project::new(FILES);
    project.write("data/people.csv", "id,name\n1,Ann\n2,Bo\n");
    project.run(&["plugin", "record", "--connection", "files", "--out", "p.jsonl"]).ends(0);
    std::fs::remove_file(project.path("data/people.csv")).unwrap();
    let recorded = lines(&project, "p.jsonl");
    assert!(recorded.iter().any(|line| line["got"]["content"] == "id,name\n1,Ann\n2,Bo\n"), "{recorded:#?}");
    assert!(!project.read("p.jsonl").contains(&project.path("").display().to_string()), "no path of this machine");
    project.run(&["plugin", "replay", "csv", "p.jsonl"]).ends(0).says(&["1 stream, 2 records in 1 page, as csv@"]);
    project.write("p.jsonl", project.read("p.jsonl").replacen("1,Ann", "1,Eve", 1));
    project.run(&["plugin", "replay", "csv", "p.jsonl"]).ends(1).says(&["record", "Eve"]);
}
