//! `plugin new`: a plugin that builds and runs as it stands.

use std::path::Path;

use super::language::{Kind, Language, Side};
use super::{KitError, sdk};
use crate::project::PROJECT_FILE;

const NAME_BYTES_MAX: usize = 64;
/// Pinned: the next version of a tool is tried here before it reaches anybody's plugin.
const COMPONENTIZE_PY: &str = "0.25.1";
const COMPONENTIZE_QJS: &str = "0.4.5";
const PEOPLE: &str = include_str!("templates/project/people.csv");

/// A file to be written: its path in the folder and its text.
type File = (&'static str, String);

/// Writes a plugin of this name into a folder and names the files. Looks for all of them first: half a plugin helps nobody.
pub fn begin(dir: &Path, name: &str, language: Language, kind: Kind) -> Result<Vec<&'static str>, KitError> {
    check_name(name)?;
    let mut files = common(kind, language);
    files.extend(match language {
        Language::Rust => rust(kind),
        Language::Python => python(kind),
        Language::JavaScript => javascript(kind),
    });
    let taken = files.iter().map(|(file, _)| dir.join(file)).find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = taken {
        return Err(KitError::AlreadyExists { path });
    }
    for (file, text) in &files {
        sdk::write(&dir.join(file), &text.replace("{{name}}", name).replace("{{description}}", kind.sentence()))?;
    }
    sdk::lay_out(dir, language)?;
    Ok(files.into_iter().map(|(file, _)| file).collect())
}

/// The name of a plugin, and of a crate.
fn check_name(name: &str) -> Result<(), KitError> {
    let fits = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits { Ok(()) } else { Err(KitError::Name { name: name.to_owned() }) }
}

fn common(kind: Kind, language: Language) -> Vec<File> {
    let sides = kind.sides();
    let quoted: Vec<String> = kind.exports().iter().map(|name| format!("\"{name}\"")).collect();
    let writes = sides.contains(&Side::Sink);
    let manifest = include_str!("templates/project/plugin.toml")
        .replace("{{exports}}", &quoted.join(", "))
        .replace("{{capabilities}}", if writes { "\"files\"" } else { "" })
        .replace("{{aliases}}", if writes { "\n[aliases]\nfiles = [\"out\"]\n" } else { "" });
    let mut files = vec![
        ("plugin.toml", format!("{}\n", manifest.trim_end())),
        (PROJECT_FILE, project(kind)),
        ("README.md", readme(language)),
        (".gitignore", format!("{}{}", include_str!("templates/project/gitignore"), ignored(language))),
    ];
    if writes {
        // Keeps the folder in version control, and what is written out of it.
        files.push(("out/.gitignore", "*\n!.gitignore\n".to_owned()));
    }
    if sides != [Side::Source] {
        files.push(("data/people.csv", PEOPLE.to_owned()));
    }
    files
}

fn project(kind: Kind) -> String {
    let sides = kind.sides();
    let mut text = "# A project that uses the plugin: `lockstep plugin build`, then `lockstep run`.\n[project]\nname = \"{{name}}\"\n".to_owned();
    if sides != [Side::Transform] {
        text.push_str("\n[connection.mine]\nplugin = \"./{{name}}.wasm\"\n");
    }
    if sides.contains(&Side::Sink) {
        text.push_str("files.out = { path = \"out\" }\n");
    }
    text.push_str(match kind {
        Kind::Source => include_str!("templates/project/source.toml"),
        Kind::Sink => include_str!("templates/project/sink.toml"),
        Kind::Both => include_str!("templates/project/both.toml"),
        Kind::Transform => include_str!("templates/project/transform.toml"),
    });
    text
}

fn ignored(language: Language) -> &'static str {
    match language {
        Language::Rust => "target/\n",
        Language::Python => ".venv/\n__pycache__/\n",
        Language::JavaScript => "node_modules/\n",
    }
}

fn readme(language: Language) -> String {
    let (install, tests, notes) = match language {
        Language::Rust => (
            "",
            "cargo test",
            "The SDK is no published crate yet: it comes with `lockstep`, which lays it out in `.lockstep/sdk` at each\nbuild. In a fresh clone cargo finds it after the first `lockstep plugin build`.",
        ),
        Language::Python => (
            " --install",
            "PYTHONPATH=src:.lockstep/sdk/python python3 -m unittest discover -s tests",
            "The helper module `lockstep` comes with the command, which lays it out in `.lockstep/sdk` at each build. `--install` makes\n`.venv` with the tool that `requirements.txt` pins; it is needed once. Packages of pure Python that the plugin itself uses\ngo into `vendor/`.",
        ),
        Language::JavaScript => (
            " --install",
            "npm test",
            "The helper module `lockstep-plugin-sdk` comes with the command, which lays it out in `.lockstep/sdk` at each build.\n`--install` calls npm for the tool that `package.json` pins; it is needed once.",
        ),
    };
    include_str!("templates/project/README.md")
        .replace("{{language}}", language.name())
        .replace("{{steps}}", &format!("$ lockstep plugin build{install}\n$ lockstep run\n$ {tests}"))
        .replace("{{notes}}", notes)
}

fn rust(kind: Kind) -> Vec<File> {
    let names: Vec<&str> = kind.sides().iter().map(|side| side.name()).collect();
    let modules: String = names.iter().map(|name| format!("\nmod {name};")).collect();
    let library = include_str!("templates/rust/lib.rs")
        .replace("{{modules}}", &format!("{modules}\n"))
        .replace("{{sides}}", &kind.exports().join(", "));
    let mut files = vec![("Cargo.toml", include_str!("templates/rust/Cargo.toml").to_owned()), ("src/lib.rs", library)];
    files.extend(kind.sides().iter().map(|side| {
        let (file, text) = match side {
            Side::Source if kind == Kind::Both => ("src/source.rs", include_str!("templates/rust/source_of_people.rs")),
            Side::Source => ("src/source.rs", include_str!("templates/rust/source.rs")),
            Side::Sink => ("src/sink.rs", include_str!("templates/rust/sink.rs")),
            Side::Transform => ("src/transform.rs", include_str!("templates/rust/transform.rs")),
        };
        (file, text.to_owned())
    }));
    files
}

fn python(kind: Kind) -> Vec<File> {
    let sides = kind.sides();
    let modules: Vec<String> = sides.iter().map(|side| format!("import {}  # noqa: F401", side.name())).collect();
    let imports = match (sides.contains(&Side::Sink), sides.contains(&Side::Source)) {
        (true, _) => "from lockstep import Row, testing\n",
        (false, true) => "from lockstep import testing\n",
        (false, false) => "",
    };
    let mut tests = String::new();
    let mut files = vec![
        (
            "requirements.txt",
            include_str!("templates/python/requirements.txt").replace("{{componentize-py}}", COMPONENTIZE_PY),
        ),
        ("src/plugin.py", include_str!("templates/python/plugin.py").replace("{{modules}}", &modules.join("\n"))),
    ];
    for side in sides {
        let (file, text, test) = match side {
            Side::Source if kind == Kind::Both => (
                "src/source.py",
                include_str!("templates/python/source_of_people.py"),
                include_str!("templates/python/test_source_of_people.py"),
            ),
            Side::Source => (
                "src/source.py",
                include_str!("templates/python/source.py"),
                include_str!("templates/python/test_source.py"),
            ),
            Side::Sink => {
                ("src/sink.py", include_str!("templates/python/sink.py"), include_str!("templates/python/test_sink.py"))
            }
            Side::Transform => (
                "src/transform.py",
                include_str!("templates/python/transform.py"),
                include_str!("templates/python/test_transform.py"),
            ),
        };
        files.push((file, text.to_owned()));
        tests.push_str(if tests.is_empty() { "" } else { "\n" });
        tests.push_str(test);
    }
    let test =
        include_str!("templates/python/test_plugin.py").replace("from lockstep import {{classes}}, testing\n", imports);
    files.push(("tests/test_plugin.py", format!("{}\n", test.replace("{{tests}}", tests.trim_end()).trim_end())));
    files
}

fn javascript(kind: Kind) -> Vec<File> {
    let sides = kind.sides();
    let imports: String = sides.iter().map(|side| format!("import {0} from \"./{0}.mjs\";\n", side.name())).collect();
    let merged: Vec<String> = sides.iter().map(|side| format!("...{}", side.name())).collect();
    let modules = format!("{imports}\nexport default {{ {} }};", merged.join(", "));
    let mut names: Vec<&str> = Vec::new();
    let mut tests = String::new();
    let mut files = vec![
        (
            "package.json",
            include_str!("templates/javascript/package.json").replace("{{componentize-qjs}}", COMPONENTIZE_QJS),
        ),
        ("src/plugin.mjs", include_str!("templates/javascript/plugin.mjs").replace("{{modules}}", &modules)),
    ];
    for side in sides {
        let (file, text, test, used): (_, _, _, &[&str]) = match side {
            Side::Source if kind == Kind::Both => (
                "src/source.mjs",
                include_str!("templates/javascript/source_of_people.mjs"),
                include_str!("templates/javascript/test_source_of_people.mjs"),
                &["read"],
            ),
            Side::Source => (
                "src/source.mjs",
                include_str!("templates/javascript/source.mjs"),
                include_str!("templates/javascript/test_source.mjs"),
                &["read"],
            ),
            Side::Sink => (
                "src/sink.mjs",
                include_str!("templates/javascript/sink.mjs"),
                include_str!("templates/javascript/test_sink.mjs"),
                &["Row", "fakeFiles", "provide", "write"],
            ),
            Side::Transform => (
                "src/transform.mjs",
                include_str!("templates/javascript/transform.mjs"),
                include_str!("templates/javascript/test_transform.mjs"),
                &[],
            ),
        };
        files.push((file, text.to_owned()));
        names.extend(used);
        tests.push_str(test);
    }
    let test = include_str!("templates/javascript/test.mjs").replace("{{tests}}", tests.trim_end());
    let import = "import { {{names}} } from \"lockstep-plugin-sdk/testing\";\n";
    let test = if names.is_empty() { test.replace(import, "") } else { test.replace("{{names}}", &names.join(", ")) };
    files.push(("tests/plugin.test.mjs", format!("{}\n", test.trim_end())));
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Manifest;
    use crate::project::Project;
    use crate::project::testing::TempDir;

    const KINDS: [Kind; 4] = [Kind::Source, Kind::Sink, Kind::Both, Kind::Transform];

    #[test]
    fn every_plugin_comes_whole() {
        for language in Language::ALL {
            for kind in KINDS {
                let dir = TempDir::new("kit-new");
                let files = begin(dir.path(), "my-plugin", language, kind).unwrap();
                for file in &files {
                    let text = std::fs::read_to_string(dir.path().join(file)).unwrap();
                    assert!(!text.contains("{{"), "{language:?} {kind:?} {file}: {text}");
                    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{language:?} {kind:?} {file}: {text:?}");
                }
                let manifest = std::fs::read_to_string(dir.path().join("plugin.toml")).unwrap();
                let exports = Manifest::parse(&manifest).unwrap().exports.unwrap();
                assert_eq!(exports, kind.exports());
                assert_eq!(Language::of(dir.path()).unwrap(), language);
                Project::load(dir.path()).unwrap();
            }
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = TempDir::new("kit-again");
        std::fs::create_dir(dir.path().join("src")).unwrap();
        std::fs::write(dir.path().join("src/plugin.py"), "mine").unwrap();
        let refused = begin(dir.path(), "a", Language::Python, Kind::Source);
        assert!(matches!(refused, Err(KitError::AlreadyExists { path }) if path.ends_with("src/plugin.py")));
        assert!(!dir.path().join("plugin.toml").exists(), "and nothing is begun");
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for name in ["", "A", "1a", "a b", "a/b", "../a", "ä", &"a".repeat(65)] {
            let dir = TempDir::new("kit-name");
            assert!(
                matches!(begin(dir.path(), name, Language::Rust, Kind::Source), Err(KitError::Name { .. })),
                "{name}"
            );
        }
    }
}
