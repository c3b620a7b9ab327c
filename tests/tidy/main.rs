//! The shape of the code: who may import whom, how long functions and files may be, who may print.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Layers of the host, lowest first. A module imports only from layers below its own, and within it.
const LAYERS: &[&[&str]] = &[
    &["error", "world"],
    &["record"],
    &["resolve"],
    &["connector", "lineage"],
    &["project", "store"],
    &["plugin"],
    &["conformance", "sync"],
    &["assembly", "export", "kit", "schedule"],
    &["cli"],
];

/// Longer than they should be, with the reason.
const LONG_FILES: &[(&str, &str)] = &[];
const LONG_FUNCTIONS: &[(&str, &str)] = &[(
    "host/src/sync/hub/setup.rs:ready",
    "everything an endpoint needs, one after the other, in the order of its fields",
)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a parent").to_owned()
}

struct Source {
    /// Relative to the workspace.
    path: String,
    text: String,
}

impl Source {
    /// Without the unit tests at its end.
    fn product(&self) -> &str {
        self.text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default()
    }

    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.contains("/tests/") || self.path.contains("/testing/") || matches!(name, "tests.rs" | "testing.rs")
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    collect(&root().join(folder), &mut sources);
    assert!(!sources.is_empty(), "no sources in {folder}");
    sources
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() && !matches!(path.file_name().and_then(|name| name.to_str()), Some("target")) {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("the file is text");
            let path = path.strip_prefix(root()).expect("it is below the root").display().to_string();
            sources.push(Source { path, text });
        }
    }
}

fn all() -> Vec<Source> {
    ["host/src", "plugin-sdk", "plugins", "tests", "xtask"].into_iter().flat_map(sources).collect()
}

fn fail_with(faults: &str) {
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn files_are_short() {
    let mut faults = String::new();
    for source in all() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX && !LONG_FILES.iter().any(|(path, _)| *path == source.path) {
            writeln!(faults, "{}: {lines} lines, more than {FILE_LINES_MAX}", source.path).unwrap();
        }
    }
    fail_with(&faults);
}

#[test]
fn functions_are_short() {
    let mut faults = String::new();
    for source in all() {
        for (name, line, length) in functions(&source.text) {
            let place = format!("{}:{name}", source.path);
            if length > FUNCTION_LINES_MAX && !LONG_FUNCTIONS.iter().any(|(known, _)| *known == place) {
                writeln!(faults, "{}:{line}: `{name}` has {length} lines, more than {FUNCTION_LINES_MAX}", source.path)
                    .unwrap();
            }
        }
    }
    fail_with(&faults);
}

/// Name, first line and length of every function; formatted code closes a function at the indentation it began at.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        if line.ends_with('}') || line.ends_with(';') {
            continue;
        }
        // What only says that there is such a function ends with a semicolon.
        let closes = format!("{})", " ".repeat(indent));
        let is_end = |line: &&str| **line == *end || (line.starts_with(&closes) && line.ends_with(';'));
        if let Some(length) = lines[at..].iter().position(is_end).filter(|length| lines[at + length] == end) {
            found.push((name, at + 1, length + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let code = line.trim_start();
    let (before, after) = code.split_once("fn ")?;
    let only_qualifiers = before.split_whitespace().all(|word| {
        matches!(word, "pub" | "async" | "const" | "unsafe" | "extern" | "\"C\"") || word.starts_with("pub(")
    });
    let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (only_qualifiers && !name.is_empty()).then_some(name)
}

#[test]
fn lower_layers_do_not_import_upper_ones() {
    let mut faults = String::new();
    for source in sources("host/src") {
        let Some((module, own)) = layer_of(&source.path) else { continue };
        for (index, line) in source.product().lines().enumerate() {
            for name in imported(line) {
                let above = LAYERS
                    .iter()
                    .position(|layer| layer.contains(&name.as_str()))
                    .is_some_and(|layer| layer > own || (layer == own && name != module));
                if above {
                    writeln!(faults, "{}:{}: `{module}` must not know `{name}`", source.path, index + 1).unwrap();
                }
            }
        }
    }
    fail_with(&faults);
}

fn layer_of(path: &str) -> Option<(&str, usize)> {
    let module = path.strip_prefix("host/src/")?.split(['/', '.']).next()?;
    LAYERS.iter().position(|layer| layer.contains(&module)).map(|layer| (module, layer))
}

/// The top modules a line names: `crate::sync`, `crate::{record, store::Store}`.
fn imported(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let list = rest.strip_prefix('{').map_or(rest, |list| list.split('}').next().unwrap_or_default());
        let parts: Vec<&str> = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
        names.extend(
            parts
                .into_iter()
                .map(|part| part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()),
        );
    }
    names
}

#[test]
fn only_the_plugin_module_knows_the_engine() {
    let mut faults = String::new();
    for source in sources("host/src") {
        let inside = source.path.starts_with("host/src/plugin");
        let capability = source.path.starts_with("host/src/plugin/capability");
        if (!inside || capability) && names_engine(source.product()) {
            writeln!(faults, "{} names wasmtime", source.path).unwrap();
        }
    }
    fail_with(&faults);
}

fn names_engine(text: &str) -> bool {
    text.lines().any(|line| {
        let code = line.split("//").next().unwrap_or_default();
        code.contains("wasmtime::") || code.contains("wasmtime_wasi")
    })
}

#[test]
fn only_the_output_module_prints() {
    let mut faults = String::new();
    for source in sources("host/src") {
        let prints = ["println!(", "print!(", "eprintln!(", "eprint!(", "io::stdout()", "io::stderr()"];
        if source.path.starts_with("host/src/cli/output") || source.is_test() {
            continue;
        }
        for (index, line) in source.product().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if prints.iter().any(|print| code.contains(print)) {
                writeln!(faults, "{}:{}: prints", source.path, index + 1).unwrap();
            }
        }
    }
    fail_with(&faults);
}

#[test]
fn time_and_chance_come_through_the_world() {
    let mut faults = String::new();
    for source in sources("host/src") {
        if source.path == "host/src/world.rs" || source.is_test() {
            continue;
        }
        for (index, line) in source.product().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if ["Utc::now()", "SystemTime::now()", "Instant::now()"].iter().any(|call| code.contains(call)) {
                writeln!(faults, "{}:{}: asks the operating system for the time", source.path, index + 1).unwrap();
            }
        }
    }
    fail_with(&faults);
}

/// What looks like a code of a plugin and is none: words of the OData protocol.
const NO_CODES: &[&str] = &["odata.continue-on-error", "odata.track-changes"];

/// The codes that `explain` knows of our plugins.
fn explained() -> Vec<String> {
    let pages = fs::read_dir(root().join("docs/errors/plugins")).expect("the folder is there").flatten();
    let texts = pages.map(|page| fs::read_to_string(page.path()).expect("the page is text"));
    let headings: Vec<String> = texts
        .flat_map(|text| {
            text.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    headings.iter().flat_map(|heading| heading.split(", ")).map(|code| code.trim_matches('`').to_owned()).collect()
}

/// Whatever stands in quotes and looks like a code of one of these plugins.
fn codes_in(text: &str, plugins: &[&str]) -> Vec<String> {
    let is_code = |part: &&str| {
        let is_plain =
            part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte));
        is_plain && part.split_once('.').is_some_and(|(plugin, rest)| plugins.contains(&plugin) && !rest.is_empty())
    };
    text.split('"').filter(is_code).map(str::to_owned).collect()
}

#[test]
fn every_code_of_our_plugins_is_explained_and_every_explained_one_is_there() {
    let explained = explained();
    let mut plugins: Vec<&str> = explained.iter().filter_map(|code| code.split('.').next()).collect();
    plugins.dedup();
    let (mut faults, mut used) = (String::new(), Vec::new());
    for source in ["plugins", "plugin-sdk/src"].into_iter().flat_map(sources).filter(|source| !source.is_test()) {
        for code in codes_in(source.product(), &plugins) {
            if !explained.contains(&code) && !NO_CODES.contains(&code.as_str()) {
                writeln!(faults, "{}: `{code}` has no section in docs/errors/plugins", source.path).unwrap();
            }
            used.push(code);
        }
    }
    for code in explained.iter().filter(|code| !code.ends_with(".STATUS") && !used.contains(code)) {
        writeln!(faults, "docs/errors/plugins: nothing has the code `{code}`").unwrap();
    }
    fail_with(&faults);
    // It can fail.
    assert_eq!(codes_in("a(\"odata.nobody\", \"x.y\", \"odata.\")", &plugins), ["odata.nobody"]);
}

#[test]
fn the_checks_can_fail() {
    let long = format!("fn long() {{\n{}}}\n", "    work();\n".repeat(80));
    assert_eq!(functions(&long), [("long".to_owned(), 1, 82)]);
    assert_eq!(imported("use crate::{record, sync::Mirror};"), ["record", "sync"]);
    assert_eq!(layer_of("host/src/plugin/engine.rs"), Some(("plugin", 5)));
    assert!(names_engine("use wasmtime::Engine;"));
    assert!(!names_engine("// wasmtime::Engine"));
}
