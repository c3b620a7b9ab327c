//! Why events wait, or are lost.

use std::io;
use std::path::PathBuf;

use crate::error::{Code, Explain, codes};
use crate::project::{ProjectErrors, shell_word};

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It may take them later.
    #[error("lineage events cannot be delivered: `{to}`: {reason}")]
    Down { to: String, reason: String },
    #[error("lineage events cannot be written to `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It will never take this one.
    #[error("a lineage event was refused: `{to}` answered {status}")]
    Refused { to: String, status: u16 },
    #[error("{count} undelivered lineage events were given up: more than {max} do not wait")]
    Dropped { count: usize, max: String },
    #[error("lineage events cannot be kept in `{}`", path.display())]
    Outbox {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error(transparent)]
    Key(#[from] ProjectErrors),
    #[error("lineage events cannot be delivered: {0}")]
    Client(String),
}

impl Explain for ExportError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Key(error) => error.code(),
            _ => &codes::LINEAGE_UNDELIVERED,
        }
    }

    fn hints(&self) -> Vec<String> {
        let wait = "they wait and are sent by the next run; syncs go on".to_owned();
        match self {
            Self::Key(error) => error.hints(),
            Self::Refused { .. } => vec!["the others are sent all the same; syncs go on".to_owned()],
            Self::Dropped { .. } => vec!["syncs go on; what they did stands in `lockstep history`".to_owned()],
            Self::Outbox { path, .. } => vec![format!(
                "`rm -f {}` lets it begin anew; it holds nothing but events that were not delivered",
                shell_word(path)
            )],
            Self::Down { .. } | Self::File { .. } | Self::Client(_) => vec![wait],
        }
    }
}
