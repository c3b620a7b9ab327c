//! `plugin build`: calls the language's tool, and puts the manifest into what comes out.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use super::language::Language;
use super::{KitError, MANIFEST_FILE, sdk, tool};
use crate::error::Result;
use crate::plugin::{Manifest, Packed, PluginBinary, pack};
use crate::project::{Lock, Pin, PluginRef};
use crate::store::STATE_FOLDER;

const TARGET: &str = "wasm32-wasip2";
/// Of the build's own, beside the plugin's sources.
const PYTHON_ENTRY: &str = "lockstep_entry";
const JAVASCRIPT_ENTRY: &str = "entry.mjs";

/// What is to be built, and where to.
#[derive(Clone, Debug)]
pub struct Wish {
    pub dir: PathBuf,
    /// `NAME.wasm` in the plugin's folder, unless said.
    pub out: Option<PathBuf>,
    /// Whether missing tools are installed inside the plugin's folder.
    pub install: bool,
}

/// A plugin that was built.
#[derive(Debug)]
pub struct Built {
    pub language: Language,
    pub path: PathBuf,
    pub binary: PluginBinary,
    /// Whether the project beside it had it pinned, and has now this one.
    pub pinned: bool,
}

/// Builds the plugin in a folder. A component that was there stays as it is unless this succeeds.
pub fn build(wish: &Wish) -> Result<Built> {
    let dir = &wish.dir;
    let path = dir.join(MANIFEST_FILE);
    if !path.is_file() {
        return Err(KitError::NoPlugin { dir: dir.clone(), missing: MANIFEST_FILE }.into());
    }
    let language = Language::of(dir)?;
    let text = std::fs::read_to_string(&path).map_err(|source| KitError::Read { path: path.clone(), source })?;
    let manifest = Manifest::parse(&text).map_err(|reason| KitError::Manifest { path, reason, hint: None })?;
    sdk::lay_out(dir, language)?;
    if wish.install {
        install(dir, language)?;
    }
    let component = match language {
        Language::Rust => rust(dir)?,
        Language::Python => python(dir, &manifest)?,
        Language::JavaScript => javascript(dir, &manifest)?,
    };
    let out = wish.out.clone().unwrap_or_else(|| dir.join(format!("{}.wasm", manifest.name)));
    let bytes = std::fs::read(&component).map_err(|source| KitError::Read { path: component.clone(), source })?;
    let packed = pack(&out.display().to_string(), &bytes, &text)?;
    put(&out, &packed)?;
    let pinned = pin_again(dir, &out, &packed.binary)?;
    Ok(Built { language, path: out, binary: packed.binary, pinned })
}

/// Writes a component that appears under its name whole.
pub fn put(out: &Path, packed: &Packed) -> Result<(), KitError> {
    let fail = |source| KitError::Write { path: out.to_owned(), source };
    let temporary = out.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&temporary, &packed.bytes).map_err(fail)?;
    std::fs::rename(&temporary, out).map_err(fail)
}

/// Whoever builds a plugin means the change: a project in the same folder that has it pinned goes on with the new one.
fn pin_again(dir: &Path, out: &Path, binary: &PluginBinary) -> Result<bool> {
    let mut lock = Lock::load(dir)?;
    let same = |path: &Path| std::fs::canonicalize(dir.join(path)).ok() == std::fs::canonicalize(out).ok();
    let found = lock.pins().find_map(|pin| match &pin.plugin {
        PluginRef::Path(path) if same(path) => Some(pin.plugin.clone()),
        _ => None,
    });
    let Some(plugin) = found else { return Ok(false) };
    let manifest = &binary.manifest;
    lock.pin(Pin { plugin, name: manifest.name.to_string(), version: manifest.version.clone(), digest: binary.digest });
    lock.save(dir)?;
    Ok(true)
}

fn install(dir: &Path, language: Language) -> Result<(), KitError> {
    let python = || KitError::ToolMissing {
        tool: "python3",
        hints: vec!["install Python 3.10 or later with its module `venv`".into()],
    };
    match language {
        Language::Rust => drop(tool::run(Command::new("rustup").args(["target", "add", TARGET]), cargo_missing)?),
        Language::Python => {
            if !dir.join(".venv/bin/pip").is_file() {
                tool::run(Command::new("python3").current_dir(dir).args(["-m", "venv", ".venv"]), python)?;
            }
            let pip = std::path::absolute(dir.join(".venv/bin/pip")).unwrap_or_default();
            let arguments = ["install", "--quiet", "--disable-pip-version-check", "--requirement", "requirements.txt"];
            tool::run(Command::new(pip).current_dir(dir).args(arguments), python)?;
        }
        Language::JavaScript => {
            let verb = if dir.join("package-lock.json").is_file() { "ci" } else { "install" };
            let arguments = [verb, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
            tool::run(Command::new("npm").current_dir(dir).args(arguments), node_missing)?;
        }
    }
    Ok(())
}

fn cargo_missing() -> KitError {
    KitError::ToolMissing { tool: "cargo", hints: vec!["install Rust with rustup: https://rustup.rs".into()] }
}

fn node_missing() -> KitError {
    KitError::ToolMissing {
        tool: "node",
        hints: vec!["install Node.js 18 or later, with npm: https://nodejs.org".into()],
    }
}

fn rust(dir: &Path) -> Result<PathBuf, KitError> {
    let target_missing =
        || KitError::ToolMissing { tool: TARGET, hints: vec![format!("`rustup target add {TARGET}`")] };
    let library = tool::run(
        Command::new("rustc").current_dir(dir).args(["--print", "target-libdir", "--target", TARGET]),
        cargo_missing,
    );
    if !library.is_ok_and(|folder| Path::new(folder.trim()).is_dir()) {
        return Err(target_missing());
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(dir).args([
        "build",
        "--release",
        "--target",
        TARGET,
        "--message-format",
        "json-render-diagnostics",
    ]);
    let messages = tool::run(&mut command, cargo_missing)?;
    let found = messages.lines().rev().find_map(component_of);
    found.ok_or_else(|| KitError::NoComponent {
        command: tool::shown(&command),
        hint: "the crate must be a library with `crate-type = [\"cdylib\"]` under [lib] in Cargo.toml".into(),
    })
}

/// The component that one of cargo's messages tells of.
fn component_of(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message.get("reason")? != "compiler-artifact" || message.pointer("/target/kind/0")? != "cdylib" {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    files.iter().filter_map(|file| file.as_str()).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn python(dir: &Path, manifest: &Manifest) -> Result<PathBuf, KitError> {
    let folder = absolute(&sdk::build_folder(dir));
    let wit = absolute(&sdk::world(dir, manifest)?);
    sdk::write(&folder.join(format!("{PYTHON_ENTRY}.py")), &python_entry(manifest))?;
    // Without an environment of ours the tool would take what it finds on this machine into the component.
    let environment = folder.join("environment");
    let packages = environment.join("lib/python3/site-packages");
    std::fs::create_dir_all(&packages).map_err(|source| KitError::Write { path: packages.clone(), source })?;
    let missing = || KitError::ToolMissing {
        tool: "componentize-py",
        hints: vec![
            "`lockstep plugin build --install` installs it in `.venv` of the plugin's folder".into(),
            "or by hand: `python3 -m venv .venv && .venv/bin/pip install -r requirements.txt`".into(),
        ],
    };
    let program = tool::find(dir, ".venv/bin/componentize-py", "componentize-py").ok_or_else(missing)?;
    let out = folder.join("component.wasm");
    let mut command = Command::new(program);
    command.current_dir(dir).env("VIRTUAL_ENV", &environment).args(["--quiet", "--wit-path"]).arg(wit);
    command.args(["--world", "plugin", "componentize", PYTHON_ENTRY, "--output"]).arg(&out);
    let vendored = absolute(&dir.join("vendor"));
    let sources = [folder, absolute(&sdk::folder(dir).join("python")), absolute(&dir.join("src")), vendored];
    for source in sources.iter().filter(|source| source.is_dir()) {
        command.arg("--python-path").arg(source);
    }
    tool::run(&mut command, missing).map_err(|error| in_words(error, "componentize-py"))?;
    Ok(out)
}

/// A module whose names are what the tool looks for.
fn python_entry(manifest: &Manifest) -> String {
    let sides = manifest.exports.as_deref().unwrap_or_default();
    let mut text = "import plugin  # noqa: F401\nfrom lockstep import glue\n".to_owned();
    let table = |kind: &str, names: &[String]| {
        let lines: Vec<String> = names.iter().map(|name| format!("\"{name}\": {kind}_{name}")).collect();
        format!("{{{}}}", lines.join(", "))
    };
    for (kind, names) in [("imports", &manifest.capabilities[..]), ("exports", sides)] {
        for name in names {
            // A lookup has no types of its own, and so no module.
            if kind == "exports" && name == "lookup" {
                text.push_str("exports_lookup = None\n");
            } else {
                text.push_str(&format!("from wit_world.{kind} import {name} as {kind}_{name}\n"));
            }
        }
    }
    for side in sides {
        let mut class = side.clone();
        class.get_mut(..1).map(str::make_ascii_uppercase).unwrap_or_default();
        text.push_str(&format!("{class} = glue.{class}Side\n"));
    }
    let imports = table("imports", &manifest.capabilities);
    text.push_str(&format!("glue.start({imports}, {})\n", table("exports", sides)));
    text
}

fn javascript(dir: &Path, manifest: &Manifest) -> Result<PathBuf, KitError> {
    let folder = absolute(&sdk::build_folder(dir));
    let wit = absolute(&sdk::world(dir, manifest)?);
    let entry = folder.join(JAVASCRIPT_ENTRY);
    sdk::write(&entry, &javascript_entry(manifest))?;
    let missing = || KitError::ToolMissing {
        tool: "componentize-qjs",
        hints: vec![
            "`lockstep plugin build --install` installs it in `node_modules` of the plugin's folder".into(),
            "or by hand: `npm install`".into(),
        ],
    };
    if tool::find(dir, "node", "node").is_none() {
        return Err(node_missing());
    }
    let program = tool::find(dir, "node_modules/.bin/componentize-qjs", "componentize-qjs").ok_or_else(missing)?;
    let out = folder.join("component.wasm");
    let mut command = Command::new(program);
    command.current_dir(dir).arg("--wit").arg(wit).arg("--js").arg(entry).args([
        "--world",
        "plugin",
        "--sync",
        "--module-root",
    ]);
    command.arg(absolute(dir)).arg("--output").arg(&out);
    tool::run(&mut command, missing).map_err(|error| in_words(error, "componentize-qjs"))?;
    Ok(out)
}

/// A module that exports what the tool looks for.
fn javascript_entry(manifest: &Manifest) -> String {
    let sides = manifest.exports.as_deref().unwrap_or_default();
    let mut text =
        "import { start } from \"lockstep-plugin-sdk/glue\";\nimport plugin from \"../../src/plugin.mjs\";\n"
            .to_owned();
    for name in &manifest.capabilities {
        text.push_str(&format!("import * as {name} from \"lockstep:plugin/{name}@0.1.0\";\n"));
    }
    let quoted: Vec<String> = sides.iter().map(|side| format!("\"{side}\"")).collect();
    let capabilities = manifest.capabilities.join(", ");
    text.push_str(&format!(
        "export const {{ {} }} = start(plugin, [{}], {{ {capabilities} }});\n",
        sides.join(", "),
        quoted.join(", ")
    ));
    text
}

/// The tool's command line is nobody's but ours; what counts is what it said.
fn in_words(error: KitError, tool: &str) -> KitError {
    match error {
        KitError::Failed { output, .. } => KitError::Failed { command: tool.to_owned(), output, hint: None },
        other => other,
    }
}

/// The files a build depends on, with when they were changed last; sorted.
pub fn sources(dir: &Path) -> Vec<(PathBuf, SystemTime)> {
    let mut found = Vec::new();
    collect(dir, 0, &mut found);
    found.sort();
    found
}

const DEPTH_MAX: usize = 8;
const NOT_SOURCES: &[&str] = &[STATE_FOLDER, "target", "node_modules", "__pycache__", "data", "out"];
const SOURCE_EXTENSIONS: &[&str] = &["rs", "py", "mjs", "js", "toml", "json", "txt"];

fn collect(dir: &Path, depth: usize, found: &mut Vec<(PathBuf, SystemTime)>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(metadata) = entry.metadata() else { continue };
        let hidden = name.to_string_lossy().starts_with('.');
        if metadata.is_dir() && depth < DEPTH_MAX && !hidden && !NOT_SOURCES.iter().any(|left_out| name == *left_out) {
            collect(&path, depth + 1, found);
        } else if path.extension().is_some_and(|extension| SOURCE_EXTENSIONS.iter().any(|known| extension == *known))
            && let Ok(modified) = metadata.modified()
        {
            found.push((path, modified));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::testing::TempDir;

    fn manifest(more: &str) -> Manifest {
        Manifest::parse(&format!("name = \"a\"\nversion = \"1.0.0\"\n{more}")).unwrap()
    }

    #[test]
    fn entries_name_what_the_manifest_names() {
        let manifest = manifest("exports = [\"source\", \"lookup\", \"sink\"]\ncapabilities = [\"http\"]");
        assert_eq!(
            python_entry(&manifest),
            "import plugin  # noqa: F401\nfrom lockstep import glue\nfrom wit_world.imports import http as imports_http\n\
             from wit_world.exports import source as exports_source\nexports_lookup = None\n\
             from wit_world.exports import sink as exports_sink\nSource = glue.SourceSide\nLookup = glue.LookupSide\nSink = glue.SinkSide\n\
             glue.start({\"http\": imports_http}, {\"source\": exports_source, \"lookup\": exports_lookup, \"sink\": exports_sink})\n"
        );
        assert!(javascript_entry(&manifest).ends_with(
            "import * as http from \"lockstep:plugin/http@0.1.0\";\n\
             export const { source, lookup, sink } = start(plugin, [\"source\", \"lookup\", \"sink\"], { http });\n"
        ));
    }

    #[test]
    fn folders_that_are_no_plugin_are_told() {
        let dir = TempDir::new("kit-build");
        let wish = Wish { dir: dir.path().to_owned(), out: None, install: false };
        assert_eq!(build(&wish).unwrap_err().code().id, "LS0102");
        std::fs::write(dir.path().join(MANIFEST_FILE), "name = \"A\"").unwrap();
        assert_eq!(build(&wish).unwrap_err().code().id, "LS0102", "no language");
        std::fs::write(dir.path().join("package.json"), "{}").unwrap();
        let error = build(&wish).unwrap_err();
        assert_eq!(error.code().id, "LS0303");
        assert!(error.to_string().contains("plugin.toml"), "{error}");
    }

    #[test]
    fn what_cargo_built_is_found() {
        let line = r#"{"reason":"compiler-artifact","target":{"kind":["cdylib"]},"filenames":["/t/a.d","/t/a.wasm"]}"#;
        assert_eq!(component_of(line), Some(PathBuf::from("/t/a.wasm")));
        assert_eq!(component_of(&line.replace("cdylib", "lib")), None);
        assert_eq!(component_of("warning"), None);
    }

    #[test]
    fn sources_are_watched_and_what_is_built_is_not() {
        let dir = TempDir::new("kit-sources");
        for file in [
            "src/plugin.py",
            "plugin.toml",
            "a.wasm",
            ".lockstep/sdk/x.py",
            "node_modules/x.mjs",
            ".venv/x.py",
            "out/x.json",
        ] {
            sdk::write(&dir.path().join(file), "").unwrap();
        }
        let names: Vec<_> = sources(dir.path())
            .into_iter()
            .map(|(path, _)| path.strip_prefix(dir.path()).unwrap().to_owned())
            .collect();
        assert_eq!(names, [Path::new("plugin.toml"), Path::new("src/plugin.py")]);
    }
}
