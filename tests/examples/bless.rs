//! Copies the contract as it is, and the plugin of the examples as it is built against it, to `tests/wit-blessed/0.1.0`:
//! `cargo run -p lockstep-tests --example bless`. Once a version is released, its copy is never made anew.

use std::fs;
use std::io::Result;

fn main() -> Result<()> {
    let blessed = lockstep_tests::blessed("0.1.0");
    fs::create_dir_all(&blessed)?;
    for entry in fs::read_dir(lockstep_tests::contract())? {
        let entry = entry?;
        fs::copy(entry.path(), blessed.join(entry.file_name()))?;
    }
    fs::copy(lockstep_tests::hello_plugin(), blessed.join("hello-plugin.wasm"))?;
    Ok(())
}
