//! What can go wrong with a command itself.

use std::io;
use std::path::PathBuf;

use crate::error::{Code, Explain, codes};
use crate::project::{Place, shell_word};
use crate::store::BrokenChain;

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments make no sense.
    #[error("{message}")]
    Usage { message: String, hints: Vec<String> },
    #[error("there is no {kind} `{name}`")]
    UnknownName { kind: &'static str, name: String, nearest: Option<String>, known: Vec<String> },
    #[error("there is no error code `{name}`")]
    UnknownCode { name: String, nearest: Option<&'static str> },
    #[error("`{}` is there already", path.display())]
    AlreadyExists { path: PathBuf },
    #[error("`{command}` needs `--yes` where nobody can be asked")]
    ConfirmationNeeded { command: String },
    #[error("{place}: `{path}` names the folder `{}`, which is not there", folder.display())]
    FolderMissing { place: Place, path: String, folder: PathBuf },
    #[error("{place}: `sync.{sync}` is a mirror, and `{verb}` is for hubs")]
    NotAHub { place: Place, sync: String, verb: &'static str },
    #[error("`{name}` is {} {kind}s", known.len())]
    Ambiguous { kind: &'static str, name: String, known: Vec<String>, hints: Vec<String> },
    #[error("{what}")]
    NotThere { what: String, hints: Vec<String> },
    #[error(transparent)]
    LineageBroken(BrokenChain),
    #[error("the lineage ends with entry {last}, and entry {expected} was written")]
    LineageCut { last: i64, expected: i64 },
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
    #[error("cannot write to standard output")]
    StandardOutput(#[source] io::Error),
    #[error("cannot read the answer")]
    Answer(#[source] io::Error),
    #[error("cannot start the threads this command needs")]
    Runtime(#[source] io::Error),
}

impl Explain for CliError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Usage { .. } => &codes::USAGE,
            Self::UnknownName { .. } | Self::UnknownCode { .. } | Self::NotThere { .. } => &codes::NOT_FOUND,
            Self::AlreadyExists { .. } => &codes::ALREADY_EXISTS,
            Self::ConfirmationNeeded { .. } => &codes::CONFIRMATION_NEEDED,
            Self::FolderMissing { .. } => &codes::FILE_MISSING,
            Self::NotAHub { .. } => &codes::USAGE,
            Self::Ambiguous { .. } => &codes::AMBIGUOUS,
            Self::LineageBroken(_) | Self::LineageCut { .. } => &codes::LINEAGE_BROKEN,
            Self::Read { .. } | Self::Write { .. } | Self::StandardOutput(_) => &codes::FILE_IO,
            Self::Answer(_) | Self::Runtime(_) => &codes::ENVIRONMENT,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Usage { hints, .. } => hints.clone(),
            Self::UnknownName { nearest: Some(nearest), .. } => vec![format!("did you mean `{nearest}`?")],
            Self::UnknownName { known, kind, .. } if known.is_empty() => vec![format!("the project defines no {kind}")],
            Self::UnknownName { known, kind, .. } => vec![format!("the {kind}s are {}", quoted_list(known))],
            Self::UnknownCode { nearest: Some(nearest), .. } => {
                vec![format!("did you mean `lockstep explain {nearest}`?")]
            }
            Self::UnknownCode { .. } => vec!["`lockstep explain` lists all codes".to_owned()],
            Self::AlreadyExists { .. } => vec!["choose another folder: nothing is overwritten".to_owned()],
            Self::ConfirmationNeeded { command } => vec![format!("if that is what you want: `{command} --yes`")],
            Self::NotAHub { .. } => {
                vec!["a mirror keeps no values of its own; the target has what the source has".to_owned()]
            }
            Self::Ambiguous { hints, .. } | Self::NotThere { hints, .. } => hints.clone(),
            Self::LineageBroken(_) | Self::LineageCut { .. } => {
                vec!["compare with a backup: what the entries before it say still holds".to_owned()]
            }
            Self::FolderMissing { folder, .. } => vec![format!("make it: `mkdir -p {}`", shell_word(folder))],
            _ => Vec::new(),
        }
    }
}

fn quoted_list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
