//! What the SDK offers is shown in use: every public item occurs in an example that compiles, or stands in a list with the reason.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// In no example.
const WITHOUT: &[(&str, &str)] = &[
    ("batch.rs:ColumnView", "what `BatchView::column` gives"),
    ("compare.rs:Compare", "it is for databases; `plugins/postgres` is the example"),
    ("compare.rs:EntryReader", "the same"),
    ("config.rs:RawConfig", "for the few that have a reader of their own"),
    ("http/answer.rs:kind_of", "what `Reply::failure` is made of, for connectors with words of their own"),
    ("http/answer.rs:page_of", "the same"),
    ("http/answer.rs:sentence", "the same"),
    ("http/answer.rs:beginning", "the same"),
    ("http/ask.rs:ask_all", "what `Client` is made of, for connectors without typed JSON"),
    ("http/clock.rs:clock", "`Since::heard` calls it"),
    ("http/paging.rs:Pages", "what `Client::pages` gives"),
    ("lookback.rs:lookback_from", "`Since` does the same for times of a service"),
    ("outcome.rs:at_row", "`Outcome` calls it"),
    ("source.rs:ReadMode", "for sources that read both ways by hand"),
    ("testing.rs:Reading", "what `read` gives"),
    ("testing.rs:drain", "what `read` calls, for readings of other requests"),
    ("testing/serving.rs:Served", "what `serve` gives"),
    ("types.rs:option", "a look into a list"),
];

/// Bindings, and what is between fields and columns: nobody writes these.
const INNER: &[&str] = &["bindings.rs", "capabilities.rs", "export.rs", "record/", "tests.rs"];

/// The public items of a file, at its top level.
fn items(text: &str) -> Vec<String> {
    let (mut found, mut is_hidden) = (Vec::new(), false);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("pub ") {
            let mut words = rest.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
            let is_item = words.next().is_some_and(|kind| ["struct", "enum", "trait", "fn"].contains(&kind));
            if is_item && !is_hidden {
                found.push(words.next().unwrap().to_owned());
            }
        }
        is_hidden = line.starts_with("#[doc(hidden)]") || (is_hidden && line.starts_with("#["));
    }
    found
}

/// The words of the examples in a file's documentation.
fn words(text: &str) -> BTreeSet<String> {
    let (mut found, mut is_example) = (BTreeSet::new(), false);
    for line in text.lines().map(str::trim_start) {
        let Some(line) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else { continue };
        if line.trim_start().starts_with("```") {
            is_example = !is_example;
        } else if is_example {
            found.extend(line.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
        }
    }
    found
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, found),
            path => found.push(path),
        }
    }
}

#[test]
fn public_items_are_shown_in_use() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let named = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        (name, std::fs::read_to_string(&path).unwrap())
    };
    let texts: Vec<(String, String)> = paths.into_iter().map(named).collect();
    let shown: BTreeSet<String> = texts.iter().flat_map(|(_, text)| words(text)).collect();
    let (mut faults, mut count) = (Vec::new(), 0);
    for (file, text) in texts.iter().filter(|(file, _)| INNER.iter().all(|inner| !file.contains(inner))) {
        for item in items(text) {
            let place = format!("{file}:{item}");
            match (shown.contains(&item), WITHOUT.iter().any(|(known, _)| *known == place)) {
                (true, true) => faults.push(format!("{place} is shown: take it off the list")),
                (true, false) => count += 1,
                (false, true) => {}
                (false, false) => faults.push(format!("{place} is in no example")),
            }
        }
    }
    assert_eq!(faults, [""; 0]);
    assert!(count > 30, "{count}");
}

#[test]
fn what_is_looked_for_is_found() {
    let text = "/// a\n/// ```\n/// A::new(x);\n/// ```\npub struct A;\n\npub(crate) fn b() {}\npub fn c() {}\n#[doc(hidden)]\n#[must_use]\npub fn d() {}\n";
    assert_eq!(items(text), ["A", "c"]);
    assert!(words(text).contains("A") && !words(text).contains("a"));
}
