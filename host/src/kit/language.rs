//! The languages there is an SDK for, and what a plugin can be.

use std::path::Path;

use super::KitError;

/// A language with an SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::JavaScript];

    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
        }
    }

    /// The file in a plugin's folder that tells the language.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "requirements.txt",
            Self::JavaScript => "package.json",
        }
    }

    /// The language of the plugin in a folder.
    pub fn of(dir: &Path) -> Result<Self, KitError> {
        let found = Self::ALL.into_iter().find(|language| dir.join(language.mark()).is_file());
        found.ok_or_else(|| KitError::NoPlugin {
            dir: dir.to_owned(),
            missing: "Cargo.toml, requirements.txt or package.json",
        })
    }
}

/// One interface that a plugin exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Source,
    Sink,
    Transform,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Transform => "transform",
        }
    }
}

/// What a new plugin is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Source,
    Sink,
    Both,
    Transform,
}

impl Kind {
    pub fn sides(self) -> &'static [Side] {
        match self {
            Self::Source => &[Side::Source],
            Self::Sink => &[Side::Sink],
            Self::Both => &[Side::Source, Side::Sink],
            Self::Transform => &[Side::Transform],
        }
    }

    /// The interfaces it exports. A sink can look up, too: what nobody can read back cannot be checked.
    pub fn exports(self) -> Vec<&'static str> {
        let lookup = self.sides().contains(&Side::Sink).then_some("lookup");
        self.sides().iter().map(|side| side.name()).chain(lookup).collect()
    }

    /// The plugin's description.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Source => "Reads greetings",
            Self::Sink => "Writes people into a file of JSON",
            Self::Both => "Reads and writes people in a file of JSON",
            Self::Transform => "Trims text",
        }
    }
}
