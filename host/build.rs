//! Writes the table of the SDKs that `lockstep plugin new` and `plugin build` lay out: an installed binary has no repository beside it.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What goes in, relative to the workspace; folders without what only their own tests and builds need.
const SOURCES: &[&str] = &[
    "Cargo.toml",
    "wit/v0.1",
    "plugin-sdk/Cargo.toml",
    "plugin-sdk/src",
    "plugin-sdk/derive",
    "plugin-sdk/values",
    "plugin-sdk/python/lockstep",
    "plugin-sdk/javascript",
];
const LEFT_OUT: &[&str] = &["tests", "__pycache__", "node_modules"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&root.join(source), &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&root)?.to_string_lossy().replace('\\', "/");
        writeln!(table, "    ({name:?}, include_str!({file:?})),")?;
    }
    table.push_str("]\n");
    fs::write(Path::new(&std::env::var("OUT_DIR")?).join("sdk.rs"), table)?;
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    tell_cargo(path);
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn tell_cargo(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
