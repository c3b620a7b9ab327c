//! The SDKs and the contract as this binary carries them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut};

use super::language::Language;
use super::{KitError, MANIFEST_FILE};
use crate::plugin::Manifest;
use crate::store::STATE_FOLDER;

/// Paths in the repository, and texts.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
const WORKSPACE: &str = "Cargo.toml";
const CONTRACT: &str = "wit/v0.1/";
/// Of the workspace, what a plugin is built with.
const MEMBERS: [&str; 3] = ["plugin-sdk", "plugin-sdk/derive", "plugin-sdk/values"];

/// Where the SDK lies in a plugin's folder.
pub fn folder(dir: &Path) -> PathBuf {
    dir.join(STATE_FOLDER).join("sdk")
}

/// Where what is made for a build lies.
pub fn build_folder(dir: &Path) -> PathBuf {
    dir.join(STATE_FOLDER).join("build")
}

/// Writes the SDK of a language into a plugin's folder; what is there already and equal is left alone, so that nothing is built
/// anew without need.
pub fn lay_out(dir: &Path, language: Language) -> Result<(), KitError> {
    let folder = folder(dir);
    let prefix = match language {
        Language::Rust => {
            write(&folder.join(WORKSPACE), &workspace()?)?;
            ""
        }
        Language::Python => "plugin-sdk/python/",
        Language::JavaScript => "plugin-sdk/javascript/",
    };
    let of_other = |path: &str| path.starts_with("plugin-sdk/python/") || path.starts_with("plugin-sdk/javascript/");
    for (path, text) in FILES {
        let own = path.strip_prefix(prefix).filter(|_| language != Language::Rust || !of_other(path));
        match (own, language) {
            (Some(_), _) if *path == WORKSPACE => {}
            (Some(own), Language::Python) => write(&folder.join("python").join(own), text)?,
            (Some(own), Language::JavaScript) => write(&folder.join("javascript").join(own), text)?,
            (Some(own), Language::Rust) => write(&folder.join(own), text)?,
            (None, _) => {}
        }
    }
    Ok(())
}

/// This workspace with nothing but the SDK in it: versions and lints are the ones the SDK was tested with.
fn workspace() -> Result<String, KitError> {
    let text = FILES.iter().find(|(path, _)| *path == WORKSPACE).map(|(_, text)| *text).unwrap_or_default();
    let fault = |reason: String| KitError::Manifest { path: WORKSPACE.into(), reason, hint: None };
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| fault(error.to_string()))?;
    document.retain(|name, _| name == "workspace");
    let workspace = document.get_mut("workspace").and_then(|item| item.as_table_mut());
    let workspace = workspace.ok_or_else(|| fault("it has no [workspace]".into()))?;
    workspace.insert("members", toml_edit::value(MEMBERS.into_iter().collect::<Array>()));
    workspace.remove("default-members");
    Ok(document.to_string())
}

/// Writes the contract and a world with exactly what the manifest names.
pub fn world(dir: &Path, manifest: &Manifest) -> Result<PathBuf, KitError> {
    let missing = || KitError::Manifest {
        path: dir.join(MANIFEST_FILE),
        reason: "it does not say what the plugin is".into(),
        hint: Some(
            "add a line such as `exports = [\"source\"]`, or `[\"source\", \"sink\"]`, or `[\"transform\"]`".into(),
        ),
    };
    let exports = manifest.exports.as_ref().filter(|exports| !exports.is_empty()).ok_or_else(missing)?;
    let wit = build_folder(dir).join("wit");
    for (path, text) in FILES {
        if let Some(name) = path.strip_prefix(CONTRACT) {
            write(&wit.join("deps").join("lockstep-plugin").join(name), text)?;
        }
    }
    let mut world = "package plugin:build;\n\nworld plugin {\n".to_owned();
    for (word, names) in [("import", &manifest.capabilities), ("export", exports)] {
        for name in names {
            let _ = writeln!(world, "  {word} lockstep:plugin/{name}@0.1.0;");
        }
    }
    world.push_str("}\n");
    write(&wit.join("world.wit"), &world)?;
    Ok(wit)
}

/// Writes a file and its folders, unless it says that already.
pub fn write(path: &Path, text: &str) -> Result<(), KitError> {
    if std::fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(());
    }
    let fail = |source| KitError::Write { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fail)?;
    }
    std::fs::write(path, text).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::testing::TempDir;

    #[test]
    fn each_language_gets_its_own_sdk() {
        for (language, file) in [
            (Language::Rust, "plugin-sdk/src/lib.rs"),
            (Language::Python, "python/lockstep/__init__.py"),
            (Language::JavaScript, "javascript/index.mjs"),
        ] {
            let dir = TempDir::new("kit-sdk");
            lay_out(dir.path(), language).unwrap();
            assert!(folder(dir.path()).join(file).is_file(), "{file}");
            let others =
                ["plugin-sdk", "python", "javascript"].iter().filter(|name| folder(dir.path()).join(name).exists());
            assert_eq!(others.count(), 1, "{file}");
        }
    }

    #[test]
    fn the_workspace_of_the_sdk_holds_nothing_else() {
        let text = workspace().unwrap();
        let document: DocumentMut = text.parse().unwrap();
        assert_eq!(document.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["workspace"]);
        assert!(text.contains("wit-bindgen") && !text.contains("\"host\","), "{text}");
    }

    #[test]
    fn what_is_equal_is_left_alone() {
        let dir = TempDir::new("kit-write");
        let path = dir.path().join("a/b");
        write(&path, "text").unwrap();
        let modified = || std::fs::metadata(&path).unwrap().modified().unwrap();
        let before = modified();
        write(&path, "text").unwrap();
        assert_eq!(modified(), before);
    }

    #[test]
    fn a_world_names_what_the_manifest_names() {
        let dir = TempDir::new("kit-world");
        let manifest = |more: &str| Manifest::parse(&format!("name = \"a\"\nversion = \"1.0.0\"\n{more}")).unwrap();
        let wit = world(dir.path(), &manifest("exports = [\"source\"]\ncapabilities = [\"http\"]")).unwrap();
        let text = std::fs::read_to_string(wit.join("world.wit")).unwrap();
        assert!(text.contains("import lockstep:plugin/http@0.1.0;\n  export lockstep:plugin/source@0.1.0;"), "{text}");
        assert!(matches!(world(dir.path(), &manifest("")), Err(KitError::Manifest { hint: Some(_), .. })));
    }
}
