//! The plugin contract keeps what it has promised: later texts are compatible with released ones, plugins that were built against
//! a released one go on working, and the host knows every interface there is.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use lockstep::connector::{Lookup, PageLimits, PageStatus, ReadMode, ReadRequest, Source};
use lockstep::plugin::{Catalog, Grants, Limits, PluginBinary, PluginConnector, PluginError, Runtime};
use lockstep::record::{Properties, row_to_json};
use lockstep::world::World;
use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata, semver_check};
use wit_parser::{ManglingAndAbi, PackageId, Resolve, SourceMap, WorldItem};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let cache = std::env::temp_dir().join("lockstep-test-cache");
    Runtime::new(cache, Limits::default()).unwrap()
});

/// Released versions that plugins in the field may have been built against.
const RELEASED: &[&str] = &["0.1.0"];

/// A contract: file names and texts, in the order of the names.
type Text = Vec<(String, String)>;

fn read(folder: &Path) -> Text {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "wit")).collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

fn push(resolve: &mut Resolve, text: &Text) -> PackageId {
    let mut sources = SourceMap::default();
    for (name, contents) in text {
        sources.push_str(name, contents.clone());
    }
    let group = sources.parse().map_err(|(_, error)| error).unwrap();
    resolve.push_group(group).unwrap()
}

/// The same contract under a version of its own, for two texts of one version cannot stand side by side.
fn renumbered(text: &Text) -> Text {
    let number =
        |contents: &String| contents.replacen("package lockstep:plugin@0.1.0;", "package lockstep:plugin@0.0.1;", 1);
    text.iter().map(|(name, contents)| (name.clone(), number(contents))).collect()
}

/// Checks that whatever works with the old text works with the new one; names the worlds where it does not.
fn broken_worlds(old: &Text, new: &Text) -> Vec<String> {
    let mut resolve = Resolve::default();
    let old = push(&mut resolve, &renumbered(old));
    let new = push(&mut resolve, new);
    let worlds = resolve.packages[old].worlds.clone();
    let mut broken = Vec::new();
    for (name, old) in worlds {
        let is_compatible =
            resolve.packages[new].worlds.get(&name).is_some_and(|new| semver_check(resolve.clone(), old, *new).is_ok());
        if !is_compatible {
            broken.push(name);
        }
    }
    broken
}

/// The contract as it is, with one edit.
fn edited(file: &str, find: &str, replace: &str) -> Text {
    let mut text = read(&lockstep_tests::contract());
    let (_, contents) = text.iter_mut().find(|(name, _)| name == file).unwrap();
    assert_eq!(contents.matches(find).count(), 1, "{find}");
    *contents = contents.replace(find, replace);
    text
}

#[test]
fn the_contract_is_compatible_with_every_released_one() {
    for version in RELEASED {
        let broken = broken_worlds(&read(&lockstep_tests::blessed(version)), &read(&lockstep_tests::contract()));
        assert_eq!(broken, [""; 0], "plugins built against {version} would break");
    }
}

#[test]
fn additions_that_nobody_must_know_are_compatible() {
    let now = read(&lockstep_tests::contract());
    for (what, later) in [
        (
            "a function to call",
            edited(
                "capabilities.wit",
                "  open: func(alias: string, path: string)",
                "  remove: func(path: string);\n  open: func(alias: string, path: string)",
            ),
        ),
        (
            "an interface to import",
            edited("worlds.wit", "  import http;\n", "  import http;\n  import queue;\n")
                .into_iter()
                .chain([(
                    "queue.wit".to_owned(),
                    "package lockstep:plugin@0.1.0;\ninterface queue { send: func(); }".to_owned(),
                )])
                .collect(),
        ),
        (
            "an interface to export",
            edited(
                "worlds.wit",
                "world sink-plugin {",
                "world query-plugin {\n  export transform;\n}\n\nworld sink-plugin {",
            ),
        ),
    ] {
        assert_eq!(broken_worlds(&now, &later), [""; 0], "{what}");
    }
}

/// The check can fail.
#[test]
fn changes_that_break_plugins_are_found() {
    let now = read(&lockstep_tests::contract());
    let everywhere =
        ["capabilities", "source-plugin", "lookup-plugin", "compare-plugin", "sink-plugin", "transform-plugin"];
    for (what, later, worlds) in [
        ("a function removed", edited("capabilities.wit", "    entry: func() -> entry;\n", ""), &everywhere[..1]),
        (
            "a record field added",
            edited("types.wit", "    row: u32,\n", "    row: u32,\n    column: u32,\n"),
            &["capabilities", "sink-plugin", "transform-plugin"],
        ),
        (
            "a case added",
            edited("types.wit", "    bits(list<u8>),", "    bits(list<u8>),\n    int32(list<s32>),"),
            &everywhere[..],
        ),
        (
            "a function to export added",
            edited("transform.wit", "  open: func", "  close: func();\n  open: func"),
            &everywhere[5..],
        ),
        (
            "a parameter's type changed",
            edited("source.wit", "buckets: u32) -> result<digests, error>", "buckets: u64) -> result<digests, error>"),
            &everywhere[3..4],
        ),
    ] {
        let mut broken = broken_worlds(&now, &later);
        broken.sort_by_key(|world| everywhere.iter().position(|name| name == world));
        assert_eq!(broken, worlds, "{what}");
    }
}

fn load(path: &Path) -> PluginBinary {
    Catalog::new(&[]).from_path(path, RUNTIME.limits()).unwrap()
}

fn system(binary: &PluginBinary) -> Result<PluginConnector, PluginError> {
    PluginConnector::system(
        &RUNTIME,
        binary,
        &Value::Null,
        Grants::none("test"),
        Limits::default(),
        World::real().clock,
    )
}

/// Reads the greetings, one record at a time, resuming at each cursor with a new reader.
async fn greetings(component: &Path) -> Vec<Value> {
    let connector = system(&load(component)).unwrap();
    assert!(connector.discover(&["nothing".to_owned()]).await.unwrap().is_empty());
    let stream = connector.discover(&[]).await.unwrap().remove(0);
    let (mut cursor, mut rows) = (None, Vec::new());
    loop {
        let request = ReadRequest {
            stream: stream.name.clone(),
            key: stream.key.clone(),
            fields: stream.fields.clone(),
            mode: ReadMode::Full,
            cursor,
            options: Properties::default(),
        };
        let mut reader = Source::open(&connector, request).await.unwrap();
        let page = reader.next(PageLimits { rows: 1, bytes: 1 << 20 }).await.unwrap();
        rows.extend((0..page.changes.rows()).map(|row| Value::Object(row_to_json(&page.changes.data, row))));
        if page.status != PageStatus::More {
            assert_eq!(page.status, PageStatus::EnumerationComplete);
            return rows;
        }
        cursor = Some(page.next_cursor);
    }
}

fn expected_greetings() -> [Value; 2] {
    [json!({"id": 1, "text": "hello"}), json!({"id": 2, "text": "world"})]
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_built_against_released_contracts_go_on_working() {
    for version in RELEASED {
        let component = lockstep_tests::blessed(version).join("hello-plugin.wasm");
        assert_eq!(greetings(&component).await, expected_greetings(), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_plugin_works_and_is_small() {
    let component = lockstep_tests::hello_plugin();
    assert_eq!(greetings(&component).await, expected_greetings());
    let source =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hello-plugin/src/lib.rs")).unwrap();
    assert!(source.lines().count() <= 25, "{} lines", source.lines().count());
    let bytes = std::fs::metadata(&component).unwrap().len();
    assert!(bytes < 100_000, "{bytes} bytes");
    assert_eq!(load(&component).report.authority().capabilities().count(), 0);
}

/// A component of a world that does nothing but trap, with a manifest.
fn dummy(world: &str, capabilities: &[&str]) -> tempfile::NamedTempFile {
    let mut resolve = Resolve::default();
    let package = push(&mut resolve, &read(&lockstep_tests::contract()));
    let world = resolve.packages[package].worlds[world];
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut component = ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
    let manifest = format!("name = \"dummy\"\nversion = \"0.1.0\"\ncapabilities = {capabilities:?}\n");
    let name = "lockstep:manifest";
    let section = [&[name.len() as u8], name.as_bytes(), manifest.as_bytes()].concat();
    assert!(section.len() < 128, "its length takes one byte");
    component.extend([0, section.len() as u8]);
    component.extend(section);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), component).unwrap();
    file
}

#[test]
fn the_host_knows_every_interface_a_plugin_may_export() {
    let mut resolve = Resolve::default();
    let package = push(&mut resolve, &read(&lockstep_tests::contract()));
    let mut known = Vec::new();
    for (name, world) in &resolve.packages[package].worlds {
        for item in resolve.worlds[*world].exports.values() {
            let WorldItem::Interface { id, .. } = item else {
                panic!("world `{name}` exports something without a name")
            };
            let interface = resolve.interfaces[*id].name.as_deref().unwrap();
            assert!(is_known(interface, name), "the host does not know `{interface}`");
            known.push(interface);
        }
    }
    assert_eq!(known, ["source", "lookup", "compare", "sink", "transform"]);
}

fn is_known(interface: &str, world: &str) -> bool {
    let file = dummy(world, &[]);
    let binary = load(file.path());
    match interface {
        "source" => system(&binary).unwrap().require_source().is_ok(),
        "lookup" => Source::lookup(&system(&binary).unwrap()).map(|lookup: &dyn Lookup| lookup).is_some(),
        "compare" => Source::compare(&system(&binary).unwrap()).is_some(),
        "sink" => system(&binary).unwrap().require_sink().is_ok(),
        "transform" => PluginConnector::transform(&RUNTIME, &binary, &Value::Null, Limits::default()).is_ok(),
        _ => false,
    }
}

#[test]
fn the_host_offers_every_interface_a_plugin_may_import() {
    let capabilities = ["log", "files", "sql", "http"];
    let file = dummy("capabilities", &capabilities);
    let binary = load(file.path());
    let mut imported: Vec<&str> = binary.report.authority().capabilities().collect();
    imported.sort_unstable();
    assert_eq!(imported, ["files", "http", "log", "sql"]);
    assert!(system(&binary).is_ok());
}
