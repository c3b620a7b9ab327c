//! Builds the first-party plugins and writes the table that embeds them.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

/// The plugins, by the names of their folders. To add one, add it here and to the workspace.
const PLUGINS: &[&str] =
    &["clean", "csv", "http-json", "jsonl", "mysql", "odata", "postgres", "salesforce", "soap", "sqlite"];

fn main() -> Result<(), Box<dyn Error>> {
    let packages: Vec<String> = PLUGINS.iter().map(|name| format!("lockstep-plugin-{name}")).collect();
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    let components = lockstep_guest_build::build(&packages)?;
    let mut table = String::from("&[\n");
    for (name, component) in PLUGINS.iter().zip(components) {
        let path = component.canonicalize()?;
        writeln!(table, "    ({name:?}, include_bytes!({path:?})),")?;
    }
    table.push_str("]\n");
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("plugins.rs"), table)?;
    Ok(())
}
