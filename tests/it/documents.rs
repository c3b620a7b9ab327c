//! What is written for people: its links lead somewhere, its commands are understood, its projects are well-formed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lockstep::cli;
use lockstep::project::Project;

/// Where people read; `docs/errors` has tests of its own beside `explain`.
const FOLDERS: &[&str] = &[
    "",
    "docs/guides",
    "docs/reference",
    "docs/errors",
    "docs/errors/plugins",
    "docs/adr",
    "examples",
    "plugins",
    "plugins/http-json/apis",
    "wit",
];

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The Markdown files of these folders and of the folders right below them.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
            paths.push(entry.path());
            if !folder.is_empty() && entry.path().is_dir() {
                paths.push(entry.path().join("README.md"));
            }
        }
    }
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "md") && path.is_file());
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The targets of `[text](target)` that are files here.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://"))
}

/// The lines of fenced blocks in this language, one text per block.
fn blocks<'a>(text: &'a str, language: &'a str) -> impl Iterator<Item = &'a str> {
    let fences = text.split("```").skip(1).step_by(2);
    fences.filter_map(move |block| block.strip_prefix(language)?.strip_prefix('\n'))
}

fn heading(text: &str, anchor: &str) -> bool {
    let lines = text.lines().filter_map(|line| line.strip_prefix('#'));
    lines.map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-")).any(|found| found == anchor)
}

#[test]
fn links_lead_somewhere() {
    let (mut found, mut dead) = (0, Vec::new());
    for (path, text) in documents() {
        for link in links(&text) {
            found += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let lives = target.exists()
                && (anchor.is_empty() || std::fs::read_to_string(&target).is_ok_and(|text| heading(&text, anchor)));
            if !lives {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(found > 100, "{found}");
    assert_eq!(dead, [""; 0]);
}

/// `$ lockstep …` in a block of a terminal, without what the shell does with it.
fn commands(text: &str) -> Vec<String> {
    let lines = blocks(text, "console").flat_map(str::lines).filter_map(|line| line.strip_prefix("$ "));
    let parts =
        lines.flat_map(|line| line.split(" && ").map(|part| part.split(['#', '>']).next().unwrap_or(part).trim_end()));
    parts.filter(|part| part.starts_with("lockstep ")).map(str::to_owned).collect()
}

#[test]
fn commands_are_understood() {
    let mut found = 0;
    for (path, text) in documents() {
        for command in commands(&text) {
            found += 1;
            let args = command.split_whitespace().map(OsString::from);
            let is_version = command == "lockstep --version";
            assert!(is_version || cli::parse(args).is_ok(), "{}: {command}", path.display());
        }
    }
    assert!(found >= 30, "{found}");
}

#[test]
fn projects_are_well_formed() {
    let mut found = 0;
    for (path, text) in documents() {
        for block in blocks(&text, "toml").filter(|block| block.contains("[project]")) {
            found += 1;
            let project = Project::parse(block, Path::new("."), "lockstep.toml");
            assert!(project.is_ok(), "{}: {:?}", path.display(), project.err());
        }
    }
    assert!(found >= 3, "{found}");
}

/// Settings in code spans: `{ bearer = "env:CRM_TOKEN" }`.
fn inline_tables(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).filter(|span| span.starts_with("{ "))
}

#[test]
fn the_guide_on_http_shows_settings_that_are_understood() {
    let text = std::fs::read_to_string(root().join("docs/guides/http-apis.md")).unwrap();
    let blocks = blocks(&text, "toml").map(|block| match block.contains("[connection.crm]") {
        true => block.to_owned(),
        false => format!("[connection.crm]\nplugin = \"csv\"\n{block}"),
    });
    let inline = inline_tables(&text).map(|table| {
        let is_auth = ["bearer", "basic", "header ", "query", "body", "wss"].iter().any(|name| table.contains(name));
        let key = if is_auth {
            format!("http.api = {{ origin = \"https://a.example\", auth = {table} }}")
        } else {
            format!("budget.headers = {table}")
        };
        format!("[connection.crm]\nplugin = \"csv\"\n{key}\n")
    });
    let projects: Vec<String> = blocks.chain(inline).collect();
    assert!(projects.len() >= 12, "{projects:?}");
    for project in projects {
        let text = format!("[project]\nname = \"a\"\n{project}");
        let project = Project::parse(&text, Path::new("."), "lockstep.toml");
        assert!(project.is_ok(), "{text}\n{:?}", project.err());
    }
}

/// The checks can fail.
#[test]
fn what_is_looked_for_is_found() {
    let text =
        "see [a](b.md#c) and [d](https://e)\n```console\n$ cd x && lockstep run --nope   # no\n```\n## One Two\n";
    assert_eq!(links(text).collect::<Vec<_>>(), ["b.md#c"]);
    assert_eq!(commands(text), ["lockstep run --nope"]);
    assert!(heading(text, "one-two") && !heading(text, "three"));
}
