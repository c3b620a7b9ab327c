//! What can go wrong with the making of a plugin.

use std::io;
use std::path::PathBuf;

use crate::error::{Code, Explain, codes};

#[derive(Debug, thiserror::Error)]
pub enum KitError {
    #[error("`{}` is no plugin's folder: there is no {missing}", dir.display())]
    NoPlugin { dir: PathBuf, missing: &'static str },
    #[error("`{name}` cannot be the name of a plugin")]
    Name { name: String },
    #[error("`{}` is there already", path.display())]
    AlreadyExists { path: PathBuf },
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` makes no sense: {reason}", path.display())]
    Manifest { path: PathBuf, reason: String, hint: Option<String> },
    #[error("`{tool}` is not installed")]
    ToolMissing { tool: &'static str, hints: Vec<String> },
    #[error("`{command}` failed{}", said(output))]
    Failed { command: String, output: String, hint: Option<String> },
    #[error("`{command}` left no component")]
    NoComponent { command: String, hint: String },
}

/// What a tool wrote, below the sentence.
fn said(output: &str) -> String {
    let output = output.trim();
    if output.is_empty() { String::new() } else { format!(":\n{output}") }
}

impl Explain for KitError {
    fn code(&self) -> &'static Code {
        match self {
            Self::NoPlugin { .. } => &codes::NOT_FOUND,
            Self::Name { .. } => &codes::USAGE,
            Self::AlreadyExists { .. } => &codes::ALREADY_EXISTS,
            Self::Read { .. } | Self::Write { .. } => &codes::FILE_IO,
            Self::Manifest { .. } => &codes::PLUGIN_MANIFEST,
            Self::ToolMissing { .. } => &codes::PLUGIN_TOOL,
            Self::Failed { .. } | Self::NoComponent { .. } => &codes::PLUGIN_BUILD,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoPlugin { .. } => vec!["begin one: `lockstep plugin new my-plugin --lang python`".into()],
            Self::Name { .. } => {
                vec!["a name is of lower-case letters, digits and dashes, and begins with a letter".into()]
            }
            Self::AlreadyExists { .. } => vec!["choose another folder: nothing is overwritten".into()],
            Self::ToolMissing { hints, .. } => hints.clone(),
            Self::NoComponent { hint, .. } => vec![hint.clone()],
            Self::Manifest { hint, .. } | Self::Failed { hint, .. } => hint.iter().cloned().collect(),
            Self::Read { .. } | Self::Write { .. } => Vec::new(),
        }
    }
}
