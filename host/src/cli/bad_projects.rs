//! What people see who have made a mistake in their project file: every kind of mistake, and the whole report.

use std::path::Path;

use super::output::{Screen, report};
use crate::Error;
use crate::project::{PROJECT_FILE, Project};

mod connections;
mod http;
mod hubs;
mod lineage;
mod syncs;

/// A project without a mistake.
const GOOD: &str = r#"[project]
name = "acme"

[connection.files]
plugin = "csv"
files.data = { path = "data" }

[connection.db]
plugin = "sqlite"
sql.main = { path = "copy.db" }

[sync.customers]
mode = "mirror"
source = { connection = "files", stream = "customers.csv", key = ["id"] }
target = { connection = "db", stream = "customers" }
"#;

/// The report on the good project with one part replaced.
fn check(part: &str, replacement: &str) -> String {
    assert!(GOOD.contains(part), "{part}");
    let text = GOOD.replacen(part, replacement, 1);
    let errors = Project::parse(&text, Path::new("."), PROJECT_FILE).expect_err("a mistake");
    report::to_text(&[Error::from(errors)], Screen::plain())
}

#[test]
fn the_good_project_is_good() {
    assert!(Project::parse(GOOD, Path::new("."), PROJECT_FILE).is_ok());
}

#[test]
fn an_unknown_table_at_the_top() {
    let report = check("[connection.db]", "[conections.db]");
    insta::assert_snapshot!(report, @r#"
    error[LS0203]: lockstep.toml:8: there is no key `conections` at the top of the file
    hint: did you mean `connection`?

    error[LS0206]: lockstep.toml:15: `sync.customers.target.connection` names the connection `db`, which does not exist
    hint: the project defines `files`
    "#);
}

#[test]
fn a_missing_project_table() {
    let report = check("[project]\nname = \"acme\"", "");
    insta::assert_snapshot!(report, @r#"
    error[LS0205]: lockstep.toml:1: `project` is missing at the top of the file
    hint: for example `[project]`
    "#);
}

#[test]
fn a_name_with_forbidden_characters() {
    let report = check("[sync.customers]", r#"[sync."Customers 1"]"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:12: `sync."Customers 1"` has no valid name: a name consists of a-z, 0-9, `_` and `-`; `C` is none of these
    hint: for example `[sync.customers]`
    "#);
}

#[test]
fn a_line_that_is_not_toml() {
    let report = check(r#"mode = "mirror""#, "mode = mirror");
    insta::assert_snapshot!(report, @r#"
    error[LS0202]: lockstep.toml:13: not valid TOML at column 8: string values must be quoted, expected literal string
    "#);
}

#[test]
fn a_key_written_twice() {
    let report = check(r#"mode = "mirror""#, "mode = \"mirror\"\nmode = \"hub\"");
    insta::assert_snapshot!(report, @r#"
    error[LS0202]: lockstep.toml:14: not valid TOML at column 1: duplicate key `mode`
    "#);
}

#[test]
fn a_table_that_never_ends() {
    let report = check(r#"mode = "mirror""#, r#"mode = "mirror"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0202]: lockstep.toml:13: not valid TOML at column 15: invalid basic string, expected `"`
    "#);
}

#[test]
fn a_list_of_syncs() {
    let report = check("[sync.customers]", "[[sync]]");
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:12: `sync` must be a table, found a list of tables
    hint: for example `[sync.customers]`
    "#);
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let text = r#"
[project]
nmae = "acme"

[connection.files]
plugin = "csv"
files.data = { path = 7 }

[sync.customers]
source = { connection = "file", stream = "" }
target = { connection = "files" }
guard = { rows = "many" }
"#;
    let errors = Project::parse(text, Path::new("."), PROJECT_FILE).unwrap_err();
    insta::assert_snapshot!(report::to_text(&[Error::from(errors)], Screen::plain()), @r#"
    error[LS0203]: lockstep.toml:3: there is no key `nmae` in `project`
    hint: did you mean `name`?

    error[LS0204]: lockstep.toml:7: `connection.files.files.data.path` must be a string, found the number `7`
    hint: for example `files.data = { path = "data" }`

    error[LS0205]: lockstep.toml:9: `mode` is missing in `sync.customers`
    hint: for example `mode = "mirror"`

    error[LS0206]: lockstep.toml:10: `sync.customers.source.connection` names the connection `file`, which does not exist
    hint: did you mean `files`?

    error[LS0204]: lockstep.toml:10: `sync.customers.source.stream` must not be empty
    hint: for example `stream = "customers.csv"`

    error[LS0205]: lockstep.toml:11: `stream` is missing in `sync.customers.target`
    hint: for example `stream = "customers.csv"`

    error[LS0204]: lockstep.toml:12: `sync.customers.guard.rows` must be a whole number, found a string
    hint: for example `rows = 20`
    "#);
}

#[test]
fn what_would_fill_screens_is_cut() {
    let text: String = (0..30).map(|n| format!("wrong{n} = 1\n")).collect();
    let errors = Project::parse(&text, Path::new("."), PROJECT_FILE).unwrap_err();
    let report = report::to_text(&[Error::from(errors)], Screen::plain());
    assert!(report.ends_with("\n\nand 11 more, which may go away with these\n"), "{report}");
}
