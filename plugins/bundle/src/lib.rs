//! The plugins built into the Lockstep binary, by name.

/// Names and components.
pub static PLUGINS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/plugins.rs"));
