//! SQLite, in files the host opens.
//!
//! Each session has a thread of its own, for SQLite blocks; jobs go to it one after the other. Sessions are not pooled: opening
//! a file is cheap, and nothing that a session did can leak into the next one.

mod affinity;
mod declared;
mod fault;
mod guard;
mod ingest;
mod read;
mod rows;
mod run;
mod session;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::grants::Access;

pub(super) use ingest::Ingest;
pub(super) use rows::Rows;
pub(super) use session::Session;

/// A database file.
#[derive(Clone)]
pub(super) struct Database {
    path: Arc<PathBuf>,
    origin: Arc<str>,
    access: Access,
}

impl Database {
    pub fn new(path: &Path, origin: &str, access: Access) -> Result<Self, Failure> {
        // Absolute, so that no name is taken for a URI or for one of SQLite's own (`:memory:`).
        let absolute = std::path::absolute(path).map_err(|error| {
            let text = format!("`{}` is not a path: {error}", path.display());
            Failure::new(FailureKind::Config, &codes::SQL_CONNECT, origin, text)
        })?;
        Ok(Self { path: Arc::new(absolute), origin: origin.into(), access })
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub async fn open(&self) -> Result<Session, Failure> {
        Session::open(&self.path, &self.origin, self.access).await
    }
}
