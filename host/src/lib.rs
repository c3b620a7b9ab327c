//! Lockstep keeps the records of business systems in agreement through sandboxed plugins.
//!
//! Layers, lower ones never import upper ones: `record`, `world`, `error`, `connector` below `project`, `store`; those
//! below `plugin`; that below `sync`; that below `plan`, `schedule`; that below `cli`. ARCHITECTURE.md draws the map.

pub mod assembly;
pub mod cli;
pub mod conformance;
pub mod connector;
pub mod error;
pub mod export;
pub mod kit;
pub mod lineage;
pub mod plugin;
pub mod project;
pub mod record;
pub mod resolve;
pub mod schedule;
pub mod store;
pub mod sync;
pub mod world;

pub use error::{Error, Result};
