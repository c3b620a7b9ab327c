//! Secrets: a project file holds references to them, never the values.
//!
//! A [`Secret`] shows itself to nobody: not to `Debug`, not to `Display`, not to serde. Whoever needs the value says so with
//! [`Secret::expose`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

mod command;

use self::command::CommandError;
use super::paste::{below, shell_word};
use crate::error::{Code, Explain, codes};

/// The longest secret, in bytes: room for a chain of certificates, too little to read a wrong file into memory.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Where a secret is to be found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRef {
    /// `env:NAME`: an environment variable.
    Env(String),
    /// `file:PATH`: a file; one line break at its end does not belong to the secret.
    File(PathBuf),
    /// `command:PROGRAM ARGUMENT…`: what a program prints, without one line break at its end. No shell is involved.
    Command {
        /// The program and its arguments; never empty.
        words: Vec<String>,
        /// Where it runs: the project's folder.
        dir: PathBuf,
    },
}

/// Why a text is not a secret reference. It never holds the text: that may be the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAReference {
    /// No `env:`, `file:` or `command:` in front: perhaps the secret.
    Literal,
    /// `env:` with something that is not the name of a variable.
    VariableName,
    /// `file:` with nothing behind it.
    EmptyPath,
    /// `command:` with nothing behind it, or with a quote that does not end.
    CommandLine,
}

/// A value that is not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a reference could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable `{0}` is not set")]
    VariableMissing(String),
    #[error("the environment variable `{0}` is empty")]
    VariableEmpty(String),
    #[error("the environment variable `{0}` is not valid UTF-8")]
    VariableEncoding(String),
    #[error("the secret file `{}` cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the secret file `{}` is empty", .0.display())]
    FileEmpty(PathBuf),
    #[error("the secret file `{}` has more than {SECRET_BYTES_MAX} bytes", .0.display())]
    FileTooBig(PathBuf),
    #[error("the command `{program}` gives no secret")]
    Command {
        program: String,
        #[source]
        source: CommandError,
    },
}

impl SecretRef {
    /// Reads `env:NAME`, `file:PATH` or `command:PROGRAM ARGUMENT…`; a relative path is relative to `dir`.
    pub fn parse(text: &str, dir: &Path) -> Result<Self, NotAReference> {
        if let Some(name) = text.strip_prefix("env:") {
            return is_variable_name(name).then(|| Self::Env(name.to_owned())).ok_or(NotAReference::VariableName);
        }
        if let Some(line) = text.strip_prefix("command:") {
            let words = command::split(line).ok_or(NotAReference::CommandLine)?;
            return Ok(Self::Command { words, dir: dir.to_owned() });
        }
        match text.strip_prefix("file:") {
            None => Err(NotAReference::Literal),
            Some("") => Err(NotAReference::EmptyPath),
            Some(path) => Ok(Self::File(below(dir, Path::new(path)))),
        }
    }

    /// Follows the reference in this process's environment and file system.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Env(name) => from_variable(name, std::env::var_os(name)),
            Self::File(path) => from_file(path),
            Self::Command { words, dir } => command::output(words, dir)
                .map(Secret)
                .map_err(|source| SecretError::Command { program: words.first().cloned().unwrap_or_default(), source }),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            // An argument may be more than others should see.
            Self::Command { words, .. } => write!(f, "command:{}", words.first().map_or("", String::as_str)),
        }
    }
}

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Explain for SecretError {
    fn code(&self) -> &'static Code {
        &codes::SECRET_UNRESOLVED
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::VariableMissing(name) | Self::VariableEmpty(name) | Self::VariableEncoding(name) => {
                format!(
                    "set it for this shell, without leaving a trace in its history: `read -rs {name} && export {name}`"
                )
            }
            Self::File { path, .. } | Self::FileEmpty(path) | Self::FileTooBig(path) => {
                format!("see what is there: `ls -l {}`", shell_word(path))
            }
            Self::Command { program, .. } => {
                format!("see whether it is there: `command -v {}`", shell_word(Path::new(program)))
            }
        }]
    }
}

/// What a shell can set: letters, digits and `_`, no digit in front.
fn is_variable_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn from_variable(name: &str, value: Option<std::ffi::OsString>) -> Result<Secret, SecretError> {
    let value = value.ok_or_else(|| SecretError::VariableMissing(name.to_owned()))?;
    match value.into_string() {
        Ok(text) if text.is_empty() => Err(SecretError::VariableEmpty(name.to_owned())),
        Ok(text) => Ok(Secret(text)),
        Err(_) => Err(SecretError::VariableEncoding(name.to_owned())),
    }
}

fn from_file(path: &Path) -> Result<Secret, SecretError> {
    let fail = |source| SecretError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let limit = u64::try_from(SECRET_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(fail)?.take(limit).read_to_string(&mut text).map_err(fail)?;
    if text.len() > SECRET_BYTES_MAX {
        return Err(SecretError::FileTooBig(path.to_owned()));
    }
    match without_line_break(&text) {
        "" => Err(SecretError::FileEmpty(path.to_owned())),
        secret => Ok(Secret(secret.to_owned())),
    }
}

fn without_line_break(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<SecretRef, NotAReference>) {
        assert_eq!(SecretRef::parse(text, Path::new("/shop")), expected, "{text}");
    }

    #[test]
    fn references_are_told_from_secrets() {
        check("env:DATABASE_URL", Ok(SecretRef::Env("DATABASE_URL".into())));
        check("file:secrets/db", Ok(SecretRef::File("/shop/secrets/db".into())));
        check("file:/run/secrets/db", Ok(SecretRef::File("/run/secrets/db".into())));
        check("env:", Err(NotAReference::VariableName));
        check("env:1A", Err(NotAReference::VariableName));
        check("env:A B", Err(NotAReference::VariableName));
        check("file:", Err(NotAReference::EmptyPath));
        check("postgres://shop:hunter2@db/shop", Err(NotAReference::Literal));
        check("", Err(NotAReference::Literal));
        check("command:", Err(NotAReference::CommandLine));
        check("command:pass 'crm", Err(NotAReference::CommandLine));
        let words = ["pass", "show", "crm token"].map(str::to_owned).to_vec();
        check("command:pass show 'crm token'", Ok(SecretRef::Command { words, dir: "/shop".into() }));
    }

    #[test]
    fn arguments_of_a_command_are_not_shown() {
        let reference = SecretRef::parse("command:vault read hunter2", Path::new("")).unwrap();
        assert_eq!(reference.to_string(), "command:vault");
    }

    #[test]
    fn a_secret_shows_itself_to_nobody() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret} {secret:?} {:?}", Some(&secret)).contains("hunter2"));
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn one_line_break_at_the_end_of_a_file_is_not_part_of_the_secret() {
        let dir = crate::project::testing::TempDir::new("secret");
        let resolve = |content: &str| {
            std::fs::write(dir.path().join("s"), content).unwrap();
            SecretRef::File(dir.path().join("s")).resolve().map(|secret| secret.expose().to_owned())
        };
        assert_eq!(resolve("hunter2\n").unwrap(), "hunter2");
        assert_eq!(resolve("hunter2\r\n").unwrap(), "hunter2");
        assert_eq!(resolve("hunter2\n\n").unwrap(), "hunter2\n");
        assert!(matches!(resolve("\n"), Err(SecretError::FileEmpty(_))));
        assert!(matches!(resolve(&"x".repeat(SECRET_BYTES_MAX + 1)), Err(SecretError::FileTooBig(_))));
        assert!(matches!(SecretRef::File(dir.path().join("none")).resolve(), Err(SecretError::File { .. })));
    }

    #[test]
    fn variables_that_are_missing_or_empty_are_errors() {
        assert!(matches!(from_variable("A", None), Err(SecretError::VariableMissing(_))));
        assert!(matches!(from_variable("A", Some("".into())), Err(SecretError::VariableEmpty(_))));
        assert_eq!(from_variable("A", Some("x".into())).unwrap(), Secret::new("x"));
    }
}
