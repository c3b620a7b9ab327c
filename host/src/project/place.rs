//! Where something stands in a file, for a person who has to change it.

use std::fmt;
use std::sync::Arc;

/// A line of a project file. Shown as `lockstep.toml:12`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    file: Arc<str>,
    line: u32,
}

impl Place {
    /// `line` counts from 1.
    pub fn new(file: &Arc<str>, line: u32) -> Self {
        Self { file: Arc::clone(file), line }
    }

    /// The file as it was named on opening it: `lockstep.toml`, `shop/lockstep.toml`.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Counts from 1.
    pub fn line(&self) -> u32 {
        self.line
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
