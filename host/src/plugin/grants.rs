//! What one connection may reach. The effective power of a plugin is what it imports, cut to this.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::capability::http::HttpOrigin;
use super::capability::sql::Database;
use super::trouble::Trouble;

/// The grants of one connection, by alias.
#[derive(Clone, Default)]
pub struct Grants {
    /// The connection's name, for errors.
    pub connection: String,
    pub files: BTreeMap<String, FilesRoot>,
    pub sql: BTreeMap<String, Database>,
    pub http: BTreeMap<String, HttpOrigin>,
    /// Failures on order.
    pub trouble: Trouble,
}

/// A folder whose files may be read, and written if that is granted.
#[derive(Clone, Debug)]
pub struct FilesRoot {
    pub path: PathBuf,
    pub access: Access,
}

/// What may be done with granted files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadWrite,
    /// For commands that only look: whatever a plugin tries, no file is made or changed.
    ReadOnly,
}

impl Grants {
    /// The grants of a plugin that needs none: a transform.
    pub fn none(connection: &str) -> Self {
        Self { connection: connection.to_owned(), ..Self::default() }
    }
}
