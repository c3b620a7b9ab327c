//! What can be wrong with a project: every error names the file, the line and the key, and none holds a secret.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::paste::shell_word;
use super::place::Place;
use super::secret::SecretError;
use crate::error::{Code, Explain, codes};

/// The most errors reported of one file; whoever has more has one cause.
pub const PROBLEMS_MAX: usize = 20;

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("there is no `lockstep.toml` in `{}`", dir.display())]
    Missing {
        dir: PathBuf,
        /// A folder above that has one.
        nearby: Option<PathBuf>,
    },
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write `{}`", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{place}: {message}")]
    Syntax { place: Place, message: String },
    #[error("{place}: there is no key `{key}` {}", in_table(table))]
    UnknownKey {
        place: Place,
        table: String,
        key: String,
        nearest: Option<String>,
        /// What could stand there.
        known: Vec<String>,
    },
    #[error("{place}: `{path}` {reason}")]
    Value {
        place: Place,
        path: String,
        reason: String,
        /// A line that would do.
        example: String,
    },
    #[error("{place}: `{key}` is missing {}", in_table(table))]
    MissingKey {
        place: Place,
        table: String,
        key: String,
        /// A line that would do.
        example: String,
    },
    #[error("{place}: `{path}` names the {kind} `{name}`, which does not exist")]
    Reference {
        place: Place,
        path: String,
        kind: &'static str,
        name: String,
        nearest: Option<String>,
        defined: Vec<String>,
    },
    #[error("{place}: `{path}` must not hold a secret, only a reference to one")]
    SecretValue {
        place: Place,
        path: String,
        /// Lines that would do.
        hints: Vec<String>,
    },
    #[error("{place}: the secret of `{path}` is not there")]
    SecretUnresolved {
        place: Place,
        path: String,
        #[source]
        source: SecretError,
    },
    #[error("{place}: `{path}` {what}, which this version does not do yet")]
    NotYet { place: Place, path: String, what: String },
}

/// Everything that is wrong with one project, in the order of the file. Shown as its first error; whoever has room shows all.
#[derive(Debug)]
pub struct ProjectErrors {
    errors: Vec<ProjectError>,
    left_out: usize,
}

impl ProjectErrors {
    /// Sorts by line and keeps the first [`PROBLEMS_MAX`].
    pub fn new(mut errors: Vec<ProjectError>) -> Self {
        errors.sort_by_key(|error| error.place().map(Place::line));
        let left_out = errors.len().saturating_sub(PROBLEMS_MAX);
        errors.truncate(PROBLEMS_MAX);
        Self { errors, left_out }
    }

    pub fn iter(&self) -> impl Iterator<Item = &ProjectError> {
        self.errors.iter()
    }

    /// How many errors there were beyond those kept.
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

impl From<ProjectError> for ProjectErrors {
    fn from(error: ProjectError) -> Self {
        Self { errors: vec![error], left_out: 0 }
    }
}

impl fmt::Display for ProjectErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.first() {
            Some(error) => error.fmt(f),
            None => f.write_str("the project was refused without a reason"),
        }
    }
}

impl std::error::Error for ProjectErrors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.errors.first().and_then(std::error::Error::source)
    }
}

impl Explain for ProjectErrors {
    fn code(&self) -> &'static Code {
        self.errors.first().map_or(&codes::INTERNAL, Explain::code)
    }

    fn hints(&self) -> Vec<String> {
        self.errors.first().map(Explain::hints).unwrap_or_default()
    }
}

impl ProjectError {
    /// Where it is, unless it is about a whole file.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Missing { .. } | Self::Unreadable { .. } | Self::Unwritable { .. } => None,
            Self::Syntax { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::Value { place, .. }
            | Self::MissingKey { place, .. }
            | Self::Reference { place, .. }
            | Self::SecretValue { place, .. }
            | Self::SecretUnresolved { place, .. }
            | Self::NotYet { place, .. } => Some(place),
        }
    }
}

impl Explain for ProjectError {
    fn code(&self) -> &'static Code {
        match self {
            Self::Missing { .. } => &codes::PROJECT_MISSING,
            Self::Unreadable { .. } | Self::Unwritable { .. } => &codes::FILE_IO,
            Self::Syntax { .. } => &codes::PROJECT_SYNTAX,
            Self::UnknownKey { .. } => &codes::PROJECT_UNKNOWN_KEY,
            Self::Value { .. } => &codes::PROJECT_VALUE,
            Self::MissingKey { .. } => &codes::PROJECT_MISSING_KEY,
            Self::Reference { .. } => &codes::PROJECT_REFERENCE,
            Self::SecretValue { .. } => &codes::SECRET_VALUE,
            Self::SecretUnresolved { .. } => &codes::SECRET_UNRESOLVED,
            Self::NotYet { .. } => &codes::NOT_YET,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing { nearby: Some(dir), .. } => {
                vec![format!("there is one above: `lockstep --project {} check`", shell_word(dir))]
            }
            Self::Missing { .. } => {
                vec!["`lockstep init` makes a project here; `--project DIR` names one elsewhere".to_owned()]
            }
            Self::UnknownKey { nearest: Some(nearest), .. } => vec![format!("did you mean `{nearest}`?")],
            Self::UnknownKey { known, .. } if known.is_empty() => Vec::new(),
            Self::UnknownKey { known, .. } => vec![format!("the keys here are {}", list(known))],
            Self::Value { example, .. } | Self::MissingKey { example, .. } => vec![format!("for example `{example}`")],
            Self::Reference { kind, nearest, defined, .. } => vec![reference_hint(kind, nearest.as_deref(), defined)],
            Self::SecretValue { hints, .. } => hints.clone(),
            Self::SecretUnresolved { source, .. } => source.hints(),
            Self::NotYet { .. } => vec!["`lockstep explain LS0209` says what can be done instead".to_owned()],
            Self::Unreadable { .. } | Self::Unwritable { .. } | Self::Syntax { .. } => Vec::new(),
        }
    }
}

fn reference_hint(kind: &str, nearest: Option<&str>, defined: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if defined.is_empty() => format!("the project defines no {kind}"),
        None => format!("the project defines {}", list(defined)),
    }
}

/// `in `sync.customers``; the top level has no name.
fn in_table(table: &str) -> String {
    if table.is_empty() { "at the top of the file".to_owned() } else { format!("in `{table}`") }
}

/// `` `a`, `b` and `c` ``.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
