//! What authors of plugins need: a project to begin with, the SDK to build against, and a build in the tools of their language.
//!
//! An installed binary is enough: it carries the SDKs and the contract and lays them out in `.lockstep/sdk` of a plugin's folder.
//! The languages' own tools are found, never brought along; a missing one is an error with the command that installs it.

mod build;
mod error;
mod language;
mod sdk;
mod skeleton;
mod tool;

pub use build::{Built, Wish, build, put, sources};
pub use error::KitError;
pub use language::{Kind, Language, Side};
pub use skeleton::begin;

/// The manifest's file in a plugin's folder.
pub const MANIFEST_FILE: &str = "plugin.toml";
