//! What the tests share: the guests they load.

use std::path::PathBuf;

/// The component of a test guest: `faulty`, `numbers`.
pub fn guest(name: &str) -> PathBuf {
    PathBuf::from(env!("OUT_DIR")).join(format!("lockstep_guest_{name}.wasm"))
}
