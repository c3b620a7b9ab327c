//! What the tests share: the guests they load, and where the contract is.

use std::path::PathBuf;

/// The component of a test guest: `crooked`, `faulty`, `numbers`, `requests`, `twins`.
pub fn guest(name: &str) -> PathBuf {
    PathBuf::from(env!("OUT_DIR")).join(format!("lockstep_guest_{}.wasm", name.replace('-', "_")))
}

/// The component of `examples/hello-plugin`.
pub fn hello_plugin() -> PathBuf {
    PathBuf::from(env!("OUT_DIR")).join("lockstep_hello_plugin.wasm")
}

/// The contract as it is.
pub fn contract() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/v0.1"))
}

/// A released contract and a plugin that was built against it: `0.1.0`.
pub fn blessed(version: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/wit-blessed")).join(version)
}
